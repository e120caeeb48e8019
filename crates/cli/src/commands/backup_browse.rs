//! `backup:browse SITE.ENV`

use undercroft_model::api::BrowsedEntry;

use super::{Context, lookup};
use crate::args::BackupBrowse;
use crate::error::Failure;
use crate::output::{Column, Rows, Value, human_size};

const COLUMNS: [Column; 8] = [
    Column::new("path", "Path"),
    Column::new("kind", "Kind"),
    Column::new("size", "Size"),
    Column::new("mtime", "Changed"),
    Column::new("rows", "Rows"),
    Column::on_request("mode", "Mode"),
    Column::on_request("owner", "Owner"),
    Column::on_request("target", "Target"),
];

/// Lists what is in an archive.
pub async fn run(context: &Context, args: BackupBrowse) -> Result<(), Failure> {
    let archive = lookup::archive(context, &args.which).await?;
    let folder = archive.entry.folder.parse().map_err(|error| Failure::Because(format!("{error}")))?;
    let depth = (args.depth > 0).then_some(args.depth);
    let place = (folder, archive.element);
    let mut entries = context.client.browse(archive.site.id, &archive.env, place, &args.path, depth).await?;
    let top = args.path.trim_matches('/');
    let (mut rows, mut met) = (Vec::new(), false);
    while let Some(entry) = entries.next_value().await? {
        met = true;
        // The folder that was asked for is no news.
        if entry.kind != "folder" || (entry.path != top && entry.path != ".") {
            rows.push((entry.path.clone(), cells(entry)));
        }
    }
    let file = &archive.filename;
    if !met && !top.is_empty() {
        return Err(Failure::Because(format!(
            "{file} has no {top}: look with backup:browse without --path what it has."
        )));
    }
    if rows.is_empty() {
        context.messages.warning(&match top {
            "" => format!("{file} is empty."),
            top => format!("{top} is empty in {file}."),
        });
    }
    context.print_rows(&Rows { columns: &COLUMNS, rows }, &args.output)
}

fn cells(entry: BrowsedEntry) -> Vec<(&'static str, Value)> {
    let slash = if entry.kind == "folder" { "/" } else { "" };
    let target = entry.target.as_ref().map(|target| format!(" -> {target}")).unwrap_or_default();
    let size = if entry.kind == "folder" { String::new() } else { human_size(entry.size) };
    let path = Value::human(entry.path.clone(), format!("{}{slash}{target}", entry.path));
    vec![
        ("path", path),
        ("kind", entry.kind.into()),
        ("size", Value::human(entry.size, size)),
        ("mtime", entry.mtime.map_or(Value::Null, |time| Value::Time(Some(time as f64)))),
        ("rows", entry.rows.map_or(Value::Null, Value::from)),
        ("mode", entry.mode.map(|mode| format!("{mode:04o}")).into()),
        ("owner", entry.owner.map(|(user, group)| format!("{user}:{group}")).into()),
        ("target", entry.target.into()),
    ]
}
