//! Looks into archives: what is in one, and what differs between two. Only lists are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use undercroft_model::api::{BrowsedEntry, CommitChanges, DiffObject, Difference as Told};
use undercroft_model::{Cancelled, CodeFacts, EnvSettings, Observer, Silent, readable_path};
use undercroft_site::git::{Between, commits_between};
use undercroft_vault::browse::{Below, Listing, entries};
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::index::Index;
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::{ArchiveRecord, StreamKind};
use undercroft_vault::sections::{SectionSource, Sections};
use undercroft_vault::stream::{Entry, EntryKind, SectionKind, SectionLabel};
use undercroft_vault::tree::compare::{Content, Difference, What, compare};
use undercroft_vault::{Vault, VaultError};
use uuid::Uuid;

use crate::error::chain;
use crate::restore;

/// Calls `each` with what is in an archive, at or below a path and so many levels deep.
///
/// # Errors
/// [`VaultError`] if its list can't be read, or `each` says stop.
pub fn browse(
    vault: &Vault,
    archive: &ArchiveRecord,
    path: &str,
    depth: Option<usize>,
    mut each: impl FnMut(BrowsedEntry) -> Result<(), Cancelled>,
) -> Result<(), VaultError> {
    let index = Arc::new(vault.read_index()?);
    let below = Below { path: path.trim_matches('/').as_bytes().to_vec(), depth };
    for listing in entries(vault, &index, archive, below)? {
        let entry = match listing? {
            Listing::Entry(entry) => of_entry(&entry),
            Listing::Section { label, rows, bytes } => BrowsedEntry {
                path: name(&label),
                kind: kind(label.kind).to_owned(),
                size: bytes,
                mtime: None,
                mode: None,
                owner: None,
                target: None,
                rows,
            },
        };
        each(entry)?;
    }
    Ok(())
}

fn of_entry(entry: &Entry) -> BrowsedEntry {
    let target = match &entry.kind {
        EntryKind::Symlink { target } | EntryKind::HardLink { target } => Some(readable_path(target)),
        _ => None,
    };
    BrowsedEntry {
        path: readable_path(&entry.path),
        kind: entry_kind(&entry.kind).to_owned(),
        size: entry.size,
        mtime: Some(entry.mtime.seconds),
        mode: Some(entry.mode),
        owner: Some((entry.uid, entry.gid)),
        target,
        rows: None,
    }
}

fn entry_kind(kind: &EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::HardLink { .. } => "hardlink",
        EntryKind::Symlink { .. } => "symlink",
        EntryKind::Folder => "folder",
        EntryKind::Fifo => "fifo",
        EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } => "device",
    }
}

fn kind(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Preamble => "settings",
        SectionKind::Table => "table",
        SectionKind::Sequence => "sequence",
        SectionKind::View => "view",
        SectionKind::Routines => "routines",
        SectionKind::Events => "events",
        SectionKind::End => "end",
    }
}

fn name(label: &SectionLabel) -> String {
    if label.name.is_empty() { format!("({})", kind(label.kind)) } else { label.name.clone() }
}

/// So many differences are told.
const TOLD: usize = 10_000;

/// Tells what differs between two archives of the same element.
///
/// # Errors
/// [`VaultError`] if a list can't be read.
pub fn diff(
    vault: &Vault,
    before: &ArchiveRecord,
    after: &ArchiveRecord,
    observer: &dyn Observer,
) -> Result<DiffObject, VaultError> {
    let index = Arc::new(vault.read_index()?);
    match before.stream {
        StreamKind::Tree => diff_trees(vault, &index, before, after, observer),
        StreamKind::Text => diff_texts(vault, &index, before, after),
    }
}

fn diff_trees(
    vault: &Vault,
    index: &Arc<Index>,
    before: &ArchiveRecord,
    after: &ArchiveRecord,
    observer: &dyn Observer,
) -> Result<DiffObject, VaultError> {
    let open = |archive: &ArchiveRecord| {
        ManifestReader::open(Fetcher::new(vault, Arc::clone(index)), &archive.manifest)
    };
    let mut diff = DiffObject::default();
    let mut more = 0_u64;
    // What git keeps for itself is told as commits.
    let mut gits = [0_u64; 3];
    let sums = compare(open(before)?, open(after)?, observer, &mut |difference| {
        if let Some(class) = in_git(&difference) {
            gits[class] += 1;
            return;
        }
        if diff.differences.len() < TOLD {
            diff.differences.push(told(difference));
        } else {
            more += 1;
        }
    })?;
    let [added, removed, changed] = gits;
    diff.totals = [
        sums.added.entries.saturating_sub(added),
        sums.removed.entries.saturating_sub(removed),
        sums.changed.entries.saturating_sub(changed),
        sums.same.entries + sums.unproven.entries,
    ];
    if more > 0 {
        diff.notes.push(format!("{more} more differences are not listed"));
    }
    Ok(diff)
}

/// Of what is in the folder of a repository: whether it was added, removed or changed, as a place in the totals.
fn in_git(difference: &Difference<'_>) -> Option<usize> {
    let (entry, class) = match difference {
        Difference::Added(entry) => (entry, 0),
        Difference::Removed(entry) => (entry, 1),
        Difference::Changed { after, .. } => (after, 2),
    };
    let mut parts = entry.path.split(|byte| *byte == b'/');
    (parts.next() == Some(b".git")).then_some(class)
}

fn told(difference: Difference<'_>) -> Told {
    let one = |change: &str, entry: &Entry| Told {
        change: change.to_owned(),
        name: readable_path(&entry.path),
        kind: entry_kind(&entry.kind).to_owned(),
        ..Told::default()
    };
    match difference {
        Difference::Added(entry) => Told { after: Some(entry.size), ..one("added", entry) },
        Difference::Removed(entry) => Told { before: Some(entry.size), ..one("removed", entry) },
        Difference::Changed { before, after, what } => Told {
            before: Some(before.size),
            after: Some(after.size),
            what: words(what),
            ..one("changed", after)
        },
    }
}

fn words(what: What) -> Vec<String> {
    let all = [
        (what.content == Content::Other, "content"),
        (what.time, "time"),
        (what.mode, "mode"),
        (what.owner, "owner"),
        (what.kind, "kind"),
        (what.target, "target"),
    ];
    all.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned()).collect()
}

fn diff_texts(
    vault: &Vault,
    index: &Arc<Index>,
    before: &ArchiveRecord,
    after: &ArchiveRecord,
) -> Result<DiffObject, VaultError> {
    let (one, two) = (Sections::read(vault, index, before)?, Sections::read(vault, index, after)?);
    let places = |sections: &Sections| -> BTreeMap<(SectionKind, String), usize> {
        let named = sections.sections().iter().enumerate();
        named.map(|(place, section)| ((section.label.kind, section.label.name.clone()), place)).collect()
    };
    let (ours, theirs) = (places(&one), places(&two));
    let mut diff = DiffObject::default();
    let mut keys: Vec<_> = ours.keys().chain(theirs.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        // What opens and closes a dump tells of the moment, not of the database.
        if matches!(key.0, SectionKind::Preamble | SectionKind::End) {
            continue;
        }
        let (before, after) = (ours.get(key), theirs.get(key));
        if let (Some(before), Some(after)) = (before, after)
            && one.is_same(*before, &two, *after)
        {
            diff.totals[3] += 1;
            continue;
        }
        let section = |sections: &Sections, place: Option<&usize>| {
            place.and_then(|place| sections.sections().get(*place)).map(|s| (s.raw_len, s.rows))
        };
        let (before, after) = (section(&one, before), section(&two, after));
        let (change, total) = match (&before, &after) {
            (None, _) => ("added", 0),
            (_, None) => ("removed", 1),
            _ => ("changed", 2),
        };
        if let Some(total) = diff.totals.get_mut(total) {
            *total += 1;
        }
        let rows = (before.and_then(|b| b.1), after.and_then(|a| a.1));
        diff.differences.push(Told {
            change: change.to_owned(),
            name: name(&SectionLabel { kind: key.0, name: key.1.clone() }),
            kind: kind(key.0).to_owned(),
            before: before.map(|b| b.0),
            after: after.map(|a| a.0),
            rows: (key.0 == SectionKind::Table).then_some(rows),
            what: Vec::new(),
        });
    }
    Ok(diff)
}

/// Where commits between two archives can be looked for.
pub struct Histories<'a> {
    /// The site's vault.
    pub vault: &'a Vault,
    /// Where scratch files go.
    pub cache: &'a std::path::Path,
    /// Where the environment's code is.
    pub settings: &'a EnvSettings,
    /// Names scratch files.
    pub id: Uuid,
}

/// Adds the commits between two archives of code: as the environment's repository knows them, else as the later
/// archive's own does.
pub fn add_commits(
    diff: &mut DiffObject,
    histories: &Histories<'_>,
    later: &ArchiveRecord,
    before: &CodeFacts,
    after: &CodeFacts,
) {
    let (Some(from), Some(to)) = (&before.commit, &after.commit) else { return };
    let mut commits = CommitChanges { from: Some(from.clone()), to: to.clone(), ..CommitChanges::default() };
    if from != to {
        match between(histories, later, from, to) {
            Ok(Some(between)) => fill(&mut commits, between),
            Ok(None) => diff.notes.push("the commits between are not known to either repository".to_owned()),
            Err(why) => diff.notes.push(format!("the commits between could not be told: {why}")),
        }
    }
    diff.commits = Some(commits);
}

fn fill(commits: &mut CommitChanges, between: Between) {
    (commits.ahead, commits.behind) = (between.ahead, between.behind);
    let coming = between.coming.into_iter().map(|commit| ('+', commit.id, commit.subject));
    let going = between.going.into_iter().map(|commit| ('-', commit.id, commit.subject));
    commits.first = coming.chain(going).collect();
}

fn between(
    histories: &Histories<'_>,
    later: &ArchiveRecord,
    from: &str,
    to: &str,
) -> Result<Option<Between>, String> {
    if let Some(undercroft_model::CodeSource::Git { repository, .. }) = &histories.settings.code {
        let path = std::path::Path::new(repository);
        if path.is_absolute()
            && let Ok(Some(between)) = commits_between(path, from, to)
        {
            return Ok(Some(between));
        }
    }
    let folder = restore::scratch(histories.cache, histories.id);
    let index = Arc::new(histories.vault.read_index().map_err(|error| chain(&error))?);
    let (vault, place) = ((histories.vault, &index), (folder.as_path(), histories.id));
    let found = restore::lay_out(vault, later, restore::What::Repository, place, &Silent)
        .map_err(|error| chain(&error))
        .and_then(|()| commits_between(&folder, from, to).map_err(|error| chain(&error)));
    // What can't be removed now goes with the litter of the next command.
    let _ = restore::remove_scratch(&folder);
    found
}
