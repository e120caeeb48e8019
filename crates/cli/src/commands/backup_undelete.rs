//! `backup:undelete SITE.ENV`

use super::backup_keep::until;
use super::{Context, lookup};
use crate::args::BackupUndelete;
use crate::error::Failure;
use crate::output::{Column, Rows, Value};

const COLUMNS: [Column; 5] = [
    Column::new("folder", "Backup"),
    Column::new("date", "Date"),
    Column::new("why", "Why it is here"),
    Column::new("since", "Since"),
    Column::new("until", "Can be brought back until"),
];

/// Brings a backup back, or lists those that can be.
pub async fn run(context: &Context, args: BackupUndelete) -> Result<(), Failure> {
    let (site, env, _) = lookup::env(&context.client, &args.site_env).await?;
    let entries = context.client.trash(site.id, &env).await?;
    let Some(file) = &args.file else {
        let mut rows: Vec<(String, Vec<(&'static str, Value)>)> = Vec::new();
        for (_, entry) in entries {
            let Some(trash) = entry.trash else { continue };
            if rows.last().is_some_and(|(folder, _)| *folder == entry.folder) {
                continue;
            }
            let cells = vec![
                ("folder", entry.folder.clone().into()),
                ("date", Value::Time(Some(entry.finish_time))),
                ("why", trash.why.into()),
                ("since", Value::Time(Some(trash.since))),
                ("until", Value::Time(trash.until)),
            ];
            rows.push((entry.folder, cells));
        }
        if rows.is_empty() {
            context.messages.notice("The trash is empty.");
        }
        return context.print_rows(&Rows { columns: &COLUMNS, rows }, &args.output);
    };
    let folder = lookup::folder(&entries, file, &args.site_env).map_err(|_| {
        Failure::Because(format!(
            "{file} is not in the trash of {0}. backup:undelete {0} shows what is, backup:list {0} what is listed.",
            args.site_env
        ))
    })?;
    let kept = context.client.undelete_backup(site.id, &env, folder).await?;
    context.messages.notice(&format!("The backup {folder} is back. It is kept {}.", until(&kept)));
    Ok(())
}
