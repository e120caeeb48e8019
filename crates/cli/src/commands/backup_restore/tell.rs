//! Tells what a restore would change, and what it did.

use undercroft_model::api::{CommitChanges, Count, ElementChanges, RestoreOutcome, TableChange, TreeChanges};
use undercroft_model::{Element, EnvName, Weight};

use super::super::Context;
use super::super::backup_create::sentence;
use crate::args::BackupRestore;
use crate::error::Failure;
use crate::output::human_size;

/// So many single changes are told.
const TOLD: usize = 30;

/// Prints what would change: it is what a dry run is for. What would be lost is a warning.
pub fn plan(context: &Context, outcome: &RestoreOutcome) -> Result<(), Failure> {
    let mut lines = Vec::new();
    for (element, changes) in &outcome.elements {
        lines.push(format!("{element}: from {}", changes.archive));
        if !changes.way.is_empty() {
            lines.push(format!("{element}: {}", changes.way));
        }
        if let Some(commits) = &changes.commits {
            of_commits(&mut lines, commits);
        }
        if let Some(tree) = &changes.tree {
            of_tree(&mut lines, *element, tree);
        }
        if let Some(tables) = &changes.tables {
            of_tables(&mut lines, tables);
        }
        let (lost, notes): (Vec<_>, Vec<_>) =
            changes.remarks.iter().partition(|remark| remark.weight == Weight::Lost);
        lines.extend(notes.into_iter().map(|remark| sentence(*element, remark)));
        lost.into_iter().for_each(|remark| context.messages.warning(&sentence(*element, remark)));
    }
    lines.extend(outcome.advice.iter().map(|note| capital(note)));
    context.print_lines(&lines)
}

/// Tells what was done.
pub fn restored(context: &Context, env: &EnvName, outcome: &RestoreOutcome, args: &BackupRestore) {
    for element in super::ELEMENTS {
        let Some(changes) = outcome.elements.get(&element) else { continue };
        remarks(context, element, changes);
        if let Some(to) = &outcome.to {
            context.messages.notice(&format!("Put the {element} backup into {}.", to.display()));
        } else {
            context.messages.notice(&format!("Restored the {element} backup to {env}."));
        }
        if !changes.way.is_empty() {
            context.messages.notice(&format!("{element}: {}", changes.way));
        }
    }
    for note in &outcome.advice {
        context.messages.notice(&capital(note));
    }
    if outcome.can_be_undone {
        context.messages.notice(&format!(
            "`undercroft backup:restore {} --undo` goes back to how it was before.",
            args.site_env
        ));
    }
}

/// Whether anything was lost on the way.
pub fn is_lossy(outcome: &RestoreOutcome) -> bool {
    let mut remarks = outcome.elements.values().flat_map(|changes| &changes.remarks);
    remarks.any(|remark| remark.weight == Weight::Lost)
}

fn remarks(context: &Context, element: Element, changes: &ElementChanges) {
    for remark in &changes.remarks {
        let text = sentence(element, remark);
        match remark.weight {
            Weight::Lost => context.messages.warning(&text),
            Weight::Note => context.messages.notice(&text),
        }
    }
}

fn of_tree(lines: &mut Vec<String>, element: Element, tree: &TreeChanges) {
    let count = |count: Count| match count.bytes {
        0 => count.number.to_string(),
        bytes => format!("{} ({})", count.number, human_size(bytes)),
    };
    lines.push(format!(
        "{element}: {} added, {} changed, {} removed, {} kept as they are",
        count(tree.added),
        count(tree.changed),
        count(tree.removed),
        count(tree.kept)
    ));
    if tree.unchanged.number > 0 {
        lines.push(format!("{element}: {} are the same", count(tree.unchanged)));
    }
    for (change, path) in tree.first.iter().take(TOLD) {
        lines.push(format!("{element}: {change} {path}"));
    }
    let all = tree.added.number + tree.changed.number + tree.removed.number;
    let more = all.saturating_sub(tree.first.len().min(TOLD) as u64);
    if more > 0 {
        lines.push(format!("{element}: and {more} more"));
    }
}

fn of_tables(lines: &mut Vec<String>, tables: &[TableChange]) {
    let number = |change: &str| tables.iter().filter(|table| table.change == change).count();
    lines.push(format!(
        "database: tables: {} added, {} replaced, {} removed",
        number("added"),
        number("replaced"),
        number("removed")
    ));
    for table in tables.iter().take(TOLD) {
        let rows =
            |rows: Option<u64>| rows.map_or_else(|| "no rows".to_owned(), |rows| format!("{rows} rows"));
        let now = match (table.bytes_now, table.rows_now) {
            (Some(bytes), now) => format!(", now about {}, {}", rows(now), human_size(bytes)),
            (None, _) => String::new(),
        };
        let then = match table.change.as_str() {
            "removed" => String::new(),
            _ => format!(": {}, {} of text", rows(table.rows), human_size(table.bytes)),
        };
        lines.push(format!("database: {} {}{then}{now}", table.change, table.name));
    }
    let more = tables.len().saturating_sub(TOLD);
    if more > 0 {
        lines.push(format!("database: and {more} more"));
    }
}

fn of_commits(lines: &mut Vec<String>, commits: &CommitChanges) {
    let short = |commit: &str| commit.get(..10).unwrap_or(commit).to_owned();
    let what = commits.branch.as_ref().map_or_else(|| "HEAD".to_owned(), |b| format!("the branch {b}"));
    let from = commits.from.as_deref().map_or_else(|| "nothing".to_owned(), short);
    lines.push(format!(
        "code: {what} goes from {from} to {}: {} commits come, {} go",
        short(&commits.to),
        commits.ahead,
        commits.behind
    ));
    for (sign, id, subject) in commits.first.iter().take(TOLD) {
        lines.push(format!("code: {sign} {} {subject}", short(id)));
    }
    if commits.uncommitted > 0 {
        lines.push(format!(
            "code: {} files with changes that are in no commit are put aside; --undo brings them back",
            commits.uncommitted
        ));
    }
    if commits.untracked > 0 {
        lines.push(format!("code: {} files that git does not track stay", commits.untracked));
    }
}

/// A sentence that begins with a capital letter and ends with a full stop.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}
