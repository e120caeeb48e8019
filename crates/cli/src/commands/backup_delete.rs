//! `backup:delete SITE.ENV`

use super::{Context, lookup};
use crate::args::BackupDelete;
use crate::error::Failure;
use crate::output::{Answer, confirm, human_time};

/// Puts a backup into the trash.
pub async fn run(context: &Context, args: BackupDelete) -> Result<(), Failure> {
    let (site, env, _) = lookup::env(&context.client, &args.site_env).await?;
    let entries = context.client.catalog(site.id, &env).await?;
    let folder = lookup::folder(&entries, &args.file, &args.site_env)?;
    let archives: Vec<_> = entries
        .iter()
        .filter(|(_, entry)| entry.folder == folder.to_string())
        .filter_map(|(_, entry)| entry.filename.clone())
        .collect();
    let question = format!(
        "Are you sure you want to delete the backup {folder} of {}, which is {}?",
        args.site_env,
        archives.join(", ")
    );
    let answer = Answer::from_options(context.global.yes, context.global.no_interaction);
    if !confirm(&question, answer).map_err(Failure::Print)? {
        context.messages.notice("Nothing was deleted.");
        return Ok(());
    }
    let Some(trash) = context.client.delete_backup(site.id, &env, folder).await? else {
        context.messages.notice(&format!("Gave up the backup {folder}, which the store had lost before."));
        return Ok(());
    };
    let until = trash.until.map(|until| format!(" until {}", human_time(until)));
    context.messages.notice(&format!(
        "Deleted the backup {folder}. `undercroft backup:undelete {} --file={folder}` brings it back{}.",
        args.site_env,
        until.unwrap_or_default()
    ));
    Ok(())
}
