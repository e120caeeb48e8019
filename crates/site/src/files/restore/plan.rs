//! What a restore would change. Of live files only those are read that may have changed since they were archived though
//! size and time are the same.

use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

use undercroft_model::{Cancelled, Muted, Observer, readable_path};
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::stream::{Entry, EntryKind, FileTime, TreeSource};
use undercroft_vault::tree::compare::{Difference, compare};
use undercroft_vault::tree::take::{Run, RunEntry, Runs, Wanted};

use super::super::leave::Excludes;
use super::super::{Tree, TreeOptions};
use super::compared::Comparer;
use super::error::{StageError, look};
use super::layout::{Source, is_topmost};
use super::stage::{kept, resolve, wanted};
use super::{Effect, Order, Plan, Sum};
use crate::files::beneath::Root;

/// So many paths are named for each effect.
const SAMPLES: usize = 100;

/// Gathers a plan.
struct Planner {
    plan: Plan,
    wanted: Wanted,
    stays: Wanted,
    protected: Excludes,
    samples: [usize; 3],
    /// What was held back last.
    held_back: Option<Vec<u8>>,
}

impl Planner {
    fn counts(&self, entry: &Entry) -> bool {
        let path = &entry.path;
        self.wanted.holds(path)
            && !self.stays.holds(path)
            && !self.protected.names(path, entry.kind == EntryKind::Folder)
    }

    fn add(&mut self, effect: Effect, entry: &Entry) {
        if !self.counts(entry) {
            self.hold_back(effect, entry);
            return;
        }
        let (sum, named) = match effect {
            Effect::Added => (&mut self.plan.added, &mut self.samples[0]),
            Effect::Changed => (&mut self.plan.changed, &mut self.samples[1]),
            Effect::Removed => (&mut self.plan.removed, &mut self.samples[2]),
        };
        add(sum, entry);
        if *named < SAMPLES {
            *named += 1;
            self.plan.samples.push((effect, readable_path(&entry.path)));
        }
    }

    /// Names what only the pattern that protects it keeps from coming.
    fn hold_back(&mut self, effect: Effect, entry: &Entry) {
        let path = &entry.path;
        let comes = effect != Effect::Removed && self.wanted.holds(path) && !self.stays.holds(path);
        if comes && is_topmost(&mut self.held_back, path) {
            self.plan.held_back.push(readable_path(path));
        }
    }

    fn same(&mut self, entry: &Entry) {
        if self.counts(entry) {
            add(&mut self.plan.unchanged, entry);
        }
    }
}

fn add(sum: &mut Sum, entry: &Entry) {
    sum.entries += 1;
    sum.bytes = sum.bytes.saturating_add(entry.size);
}

/// Makes a plan.
pub fn plan(order: &Order<'_>, source: Source<'_>, observer: &dyn Observer) -> Result<Plan, StageError> {
    made(order, source, Doubt::Read, observer)
}

/// Makes a plan that no content is read for: what looks the same counts as that.
pub fn estimate(order: &Order<'_>, source: Source<'_>, observer: &dyn Observer) -> Result<Plan, StageError> {
    made(order, source, Doubt::TakeForSame, observer)
}

/// What is done about files that may have changed, though they don't look like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    Read,
    TakeForSame,
}

fn made(
    order: &Order<'_>,
    source: Source<'_>,
    doubt: Doubt,
    observer: &dyn Observer,
) -> Result<Plan, StageError> {
    let place = resolve(order.live)?;
    let live = match Root::open_itself(&place) {
        Ok(root) => Some(root),
        Err(rustix::io::Errno::NOENT) => None,
        Err(rustix::io::Errno::NOTDIR) => return Err(StageError::NotAFolder(place)),
        Err(error) => return Err(look(&place, error)),
    };
    let kept = kept(order, &place, live.as_ref())?;
    let stays = Wanted::these(&kept.iter().map(|kept| kept.path.clone()).collect::<Vec<_>>());
    let plan = Plan { kept: kept.len() as u64, ..Plan::default() };
    let protected = Excludes::new(order.protect)?;
    let mut planner =
        Planner { plan, wanted: wanted(order.only), stays, protected, samples: [0; 3], held_back: None };
    match (live, order.now) {
        (Some(_), Some(now)) => by_lists(&mut planner, source, now.archive, observer)?,
        (Some(live), None) => by_looks(&mut planner, order, source, (&place, &live), doubt, observer)?,
        (None, _) => all_added(&mut planner, source, observer)?,
    }
    Ok(planner.plan)
}

fn by_lists(
    planner: &mut Planner,
    source: Source<'_>,
    now: &undercroft_vault::record::ArchiveRecord,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    let (before, after) = (source.manifest(now)?, source.manifest(source.archive)?);
    let compared = compare(before, after, observer, &mut |difference| match difference {
        Difference::Added(entry) => planner.add(Effect::Added, entry),
        Difference::Removed(entry) => planner.add(Effect::Removed, entry),
        Difference::Changed { before, after, .. } if only_its_time(before, after) => {}
        Difference::Changed { after, .. } => planner.add(Effect::Changed, after),
    })?;
    // What is the same is only counted there, not told: of named paths it is not known.
    if !planner.wanted.is_all() {
        return Ok(());
    }
    let (same, unproven) = (compared.same, compared.unproven);
    let unchanged = Sum { entries: same.entries + unproven.entries, bytes: same.bytes + unproven.bytes };
    planner.plan.unchanged = unchanged;
    Ok(())
}

/// The live folder beside the archive's list, in step.
fn by_looks(
    planner: &mut Planner,
    order: &Order<'_>,
    source: Source<'_>,
    (place, root): (&Path, &Root),
    doubt: Doubt,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    let options =
        TreeOptions { folder: place, element: order.element, exclude: order.keep, skip: order.skip };
    // A look at the live folder is no capture: its remarks are of no interest.
    let muted = Muted(observer);
    let mut tree = Tree::open(options, &muted)?;
    let mut runs = Runs::open(source.manifest(source.archive)?, planner.wanted.clone())?;
    let mut fetcher = Fetcher::new(source.vault, Arc::clone(source.index));
    let mut next = || {
        tree.next_entry().map_err(|error| {
            match error.get_ref().is_some_and(|inner| inner.is::<Cancelled>()) {
                true => Cancelled.into(),
                false => look(place, error),
            }
        })
    };
    let mut live = next()?;
    while let Some(mut run) = runs.next_run()? {
        let (mut unproven, comparer) = (Vec::new(), Comparer::new(root, order.skip_damaged, observer));
        for met in std::mem::take(&mut run.entries) {
            while let Some(gone) = live.take_if(|live| in_order(live, &met.entry) == Ordering::Less) {
                planner.add(Effect::Removed, &gone);
                live = next()?;
            }
            let Some(found) = live.take_if(|live| in_order(live, &met.entry) == Ordering::Equal) else {
                planner.add(Effect::Added, &met.entry);
                continue;
            };
            live = next()?;
            if only_its_time(&found, &met.entry) {
                planner.same(&met.entry);
            } else if !looks_same(&found, &met.entry) {
                planner.add(Effect::Changed, &met.entry);
            } else if doubt == Doubt::TakeForSame
                || found.stamp == met.entry.stamp
                || !planner.counts(&met.entry)
            {
                planner.same(&met.entry);
            } else {
                unproven.push(met);
            }
        }
        by_content(planner, run, unproven, &mut fetcher, comparer)?;
    }
    while let Some(gone) = live.take() {
        planner.add(Effect::Removed, &gone);
        live = next()?;
    }
    Ok(())
}

/// Compares what may have changed since, though it does not look like it.
fn by_content(
    planner: &mut Planner,
    mut run: Run,
    entries: Vec<RunEntry>,
    fetcher: &mut Fetcher,
    mut comparer: Comparer<'_>,
) -> Result<(), StageError> {
    let (files, others): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| entry.entry.kind == EntryKind::File);
    others.iter().for_each(|other| planner.same(&other.entry));
    run.entries = files;
    run.take(fetcher, &mut comparer)?;
    for (entry, is_same) in comparer.found {
        match is_same {
            true => planner.same(&entry),
            false => planner.add(Effect::Changed, &entry),
        }
    }
    Ok(())
}

/// Whether both are a folder of which only the time differs: what changed is what is in it, and told as that.
fn only_its_time(before: &Entry, after: &Entry) -> bool {
    let timeless = |entry: &Entry| Entry { mtime: FileTime::default(), stamp: [0; 32], ..entry.clone() };
    after.kind == EntryKind::Folder && before.mtime != after.mtime && timeless(before) == timeless(after)
}

/// Whether all that `stat` says is the same.
fn looks_same(live: &Entry, entry: &Entry) -> bool {
    Entry { stamp: [0; 32], ..live.clone() } == Entry { stamp: [0; 32], ..entry.clone() }
}

/// The order of the walk.
fn in_order(a: &Entry, b: &Entry) -> Ordering {
    fn bytes(entry: &Entry) -> impl Iterator<Item = &u8> {
        let slash: &[u8] = if entry.kind == EntryKind::Folder && !entry.path.is_empty() { b"/" } else { b"" };
        entry.path.iter().chain(slash)
    }
    bytes(a).cmp(bytes(b))
}

fn all_added(planner: &mut Planner, source: Source<'_>, observer: &dyn Observer) -> Result<(), StageError> {
    let mut runs = Runs::open(source.manifest(source.archive)?, planner.wanted.clone())?;
    while let Some(run) = runs.next_run()? {
        if observer.cancelled() {
            return Err(Cancelled.into());
        }
        run.entries.iter().for_each(|entry| planner.add(Effect::Added, &entry.entry));
    }
    Ok(())
}
