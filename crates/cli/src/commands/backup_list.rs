//! `backup:list SITE.ENV`

use undercroft_model::api::{CatalogEntry, KeptObject, ProvenObject};
use undercroft_model::{Element, ElementState};

use super::backup_keep::until;
use super::{Context, lookup};
use crate::args::BackupList;
use crate::error::Failure;
use crate::output::{Column, Rows, Value, human_time};

const COLUMNS: [Column; 12] = [
    Column::new("file", "Filename"),
    Column::new("size", "Size"),
    Column::new("date", "Date"),
    Column::new("expiry", "Expiry"),
    Column::new("initiator", "Initiator"),
    Column::on_request("folder", "Backup"),
    Column::on_request("state", "State"),
    Column::on_request("kept", "Kept"),
    Column::on_request("verified", "Verified"),
    Column::on_request("moment", "Moment"),
    Column::on_request("type", "Element"),
    Column::on_request("id", "ID"),
];

/// Lists an environment's archives, newest first.
pub async fn run(context: &Context, args: BackupList) -> Result<(), Failure> {
    let (site, env, _) = lookup::env(&context.client, &args.site_env).await?;
    let elements = lookup::elements(&args.element)?;
    let entries = context.client.catalog(site.id, &env).await?;
    let entries: Vec<_> = entries
        .into_iter()
        .filter(|(id, _)| lookup::element_of(id).is_some_and(|element| elements.contains(element)))
        .collect();
    let there = entries.iter().filter(|(_, entry)| entry.filename.is_some());
    let rows: Vec<_> = there.map(|(id, entry)| (id.clone(), cells(id, entry))).collect();
    if rows.is_empty() {
        context.messages.warning("You have no backups.");
    }
    context.print_rows(&Rows { columns: &COLUMNS, rows }, &args.output)?;
    for (id, entry) in &entries {
        if let (Some(element), true) = (lookup::element_of(id), entry.state != ElementState::Good) {
            context.messages.warning(&trouble(&args.site_env.to_string(), element, entry));
        }
    }
    for entry in one_a_backup(&entries) {
        tell(context, entry);
    }
    if let Some(text) = proofs(&entries) {
        context.messages.notice(&text);
    }
    Ok(())
}

/// The first entry of each backup.
fn one_a_backup(entries: &[(String, CatalogEntry)]) -> impl Iterator<Item = &CatalogEntry> {
    let mut last = "";
    entries
        .iter()
        .map(|(_, entry)| entry)
        .filter(move |entry| entry.folder != std::mem::replace(&mut last, &entry.folder))
}

/// How many backups are proven, and how the newest of these is; nothing where none is.
fn proofs(entries: &[(String, CatalogEntry)]) -> Option<String> {
    let all = one_a_backup(entries).count();
    let mut good =
        one_a_backup(entries).filter(|entry| entry.proven.as_ref().is_some_and(|proven| proven.good));
    let newest = good.next()?;
    let how = match newest.proven.as_ref()? {
        ProvenObject { deep: true, .. } => "restored and compared",
        _ => "every byte read",
    };
    Some(format!(
        "Proven good: {} of {all} backups; of these {} is the newest ({how}). --fields=file,state,verified shows each.",
        good.count() + 1,
        newest.folder
    ))
}

/// Tells what the usual columns have no room for: that a backup is kept otherwise than it was asked for when it was
/// made, and that it is damaged.
fn tell(context: &Context, entry: &CatalogEntry) {
    let folder = &entry.folder;
    if let Some(ProvenObject { at, good: false, summary, .. }) = &entry.proven {
        context.messages.warning(&format!("{folder} was found damaged at {}: {summary}", human_time(*at)));
    }
    if is_special(&entry.kept) {
        context.messages.notice(&format!("{folder} is kept {}.", kept(&entry.kept)));
    }
}

fn is_special(kept: &KeptObject) -> bool {
    !matches!(kept.why.as_str(), "" | "keep-for")
}

/// How long it is kept and why, as words.
fn kept(kept: &KeptObject) -> String {
    let why = match kept.why.as_str() {
        "last-good" => "its time is over, but it is the last good one",
        why => why,
    };
    let why = if is_special(kept) { format!(" ({why})") } else { String::new() };
    let note = if kept.note.is_empty() { String::new() } else { format!(": {}", kept.note) };
    format!("{}{why}{note}", until(kept))
}

/// When it ends, as far as that is known.
fn expiry(entry: &CatalogEntry) -> Value {
    match (entry.kept.until, entry.kept.why.as_str()) {
        (None, "pinned") => Value::human(Value::Null, "never"),
        (None, "last-good") => Value::Time(None),
        _ => Value::Time(Some(entry.finish_time + entry.ttl as f64)),
    }
}

/// What its last proof said.
fn verified(proven: Option<&ProvenObject>) -> Value {
    let Some(proven) = proven else { return Value::human(Value::Null, "never") };
    let (raw, words) = match (proven.good, proven.deep) {
        (true, false) => ("read", "every byte read".to_owned()),
        (true, true) => ("restored", "restored and compared".to_owned()),
        (false, _) => ("damaged", format!("damaged: {}", proven.summary)),
    };
    Value::human(raw, format!("{}, {words}", human_time(proven.at)))
}

fn trouble(who: &str, element: Element, entry: &CatalogEntry) -> String {
    match &entry.filename {
        None => format!(
            "The {element} of {} could not be backed up: {}",
            entry.folder,
            entry.error.as_deref().unwrap_or("no reason is known")
        ),
        Some(file) => format!(
            "{file} is incomplete: {} lost. undercroft backup:info {who} --file={file} tells what.",
            entry.lost_total
        ),
    }
}

/// An archive's fields.
pub fn cells(id: &str, entry: &CatalogEntry) -> Vec<(&'static str, Value)> {
    let element = lookup::element_of(id).map(|element| element.as_str());
    let initiator = match entry.folder.ends_with("_automated") {
        true => "automated",
        // What a restore replaced: kept for going back.
        false if entry.safety => "restore",
        false => "manual",
    };
    vec![
        ("file", entry.filename.clone().into()),
        ("size", size(entry.size).into()),
        ("date", Value::Time(Some(entry.finish_time))),
        ("expiry", expiry(entry)),
        ("initiator", initiator.into()),
        ("url", Value::Null),
        ("folder", entry.folder.clone().into()),
        ("type", element.into()),
        ("state", state(entry.state).into()),
        ("kept", Value::human(entry.kept.why.as_str(), kept(&entry.kept))),
        ("verified", verified(entry.proven.as_ref())),
        ("moment", Value::Time(Some(entry.moment))),
        ("id", entry.task_id.to_string().into()),
    ]
}

/// How it came out, as a word.
pub fn state(state: ElementState) -> &'static str {
    match state {
        ElementState::Good => "good",
        ElementState::Incomplete => "incomplete",
        ElementState::Failed => "failed",
    }
}

/// A size as Terminus writes it: always in MB of 1,048,576 bytes, and never 0.0MB for something.
fn size(bytes: u64) -> String {
    let size = bytes as f64 / 1_048_576.0;
    match bytes {
        0 => "0".to_owned(),
        _ if size <= 0.1 => "0.1MB".to_owned(),
        _ => format!("{size:.1}MB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_terminus_writes_them() {
        for (bytes, text) in [
            (0, "0"),
            (1, "0.1MB"),
            (104_858, "0.1MB"),
            (838_861, "0.8MB"),
            (33_344_716, "31.8MB"),
            (5_368_709_120, "5120.0MB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
