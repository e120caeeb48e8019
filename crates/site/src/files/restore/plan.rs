//! What a restore would change, by lists and `stat` alone.

use std::cmp::Ordering;

use undercroft_model::{Muted, Observer, readable_path};
use undercroft_vault::stream::{Entry, EntryKind, TreeSource};
use undercroft_vault::tree::compare::{Difference, compare};
use undercroft_vault::tree::take::{Runs, Wanted};

use super::super::{Tree, TreeOptions};
use super::error::{StageError, look};
use super::layout::Source;
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
    samples: [usize; 3],
}

impl Planner {
    fn counts(&self, path: &[u8]) -> bool {
        self.wanted.holds(path) && !self.stays.holds(path)
    }

    fn add(&mut self, effect: Effect, entry: &Entry) {
        if !self.counts(&entry.path) {
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

    fn same(&mut self, entry: &Entry) {
        if self.counts(&entry.path) {
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
    let mut planner = Planner { plan, wanted: wanted(order.only), stays, samples: [0; 3] };
    match (live.is_some(), order.now) {
        (true, Some(now)) => by_lists(&mut planner, source, now.archive, observer)?,
        (true, None) => by_looks(&mut planner, order, source, &place, observer)?,
        (false, _) => all_added(&mut planner, source, observer)?,
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
    place: &std::path::Path,
    observer: &dyn Observer,
) -> Result<(), StageError> {
    let options =
        TreeOptions { folder: place, element: order.element, exclude: order.keep, skip: order.skip };
    // A look at the live folder is no capture: its remarks are of no interest.
    let muted = Muted(observer);
    let mut tree = Tree::open(options, &muted)?;
    let mut runs = Runs::open(source.manifest(source.archive)?, planner.wanted.clone())?;
    let mut archive = Vec::new().into_iter().peekable();
    let unreadable = |error| look(place, error);
    let mut live = tree.next_entry().map_err(unreadable)?;
    loop {
        if archive.peek().is_none()
            && let Some(run) = runs.next_run()?
        {
            archive =
                run.entries.into_iter().map(|entry| entry.entry).collect::<Vec<_>>().into_iter().peekable();
            continue;
        }
        let order = match (&live, archive.peek()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(live), Some(entry)) => in_order(live, entry),
        };
        let met = if order == Ordering::Less { None } else { archive.next() };
        let found = if order == Ordering::Greater {
            None
        } else {
            std::mem::replace(&mut live, tree.next_entry().map_err(unreadable)?)
        };
        match (found, met) {
            (Some(live), Some(entry)) if same(&live, &entry) => planner.same(&entry),
            (Some(_), Some(entry)) => planner.add(Effect::Changed, &entry),
            (Some(live), None) => planner.add(Effect::Removed, &live),
            (None, Some(entry)) => planner.add(Effect::Added, &entry),
            (None, None) => {}
        }
    }
}

fn same(live: &Entry, entry: &Entry) -> bool {
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
            return Err(undercroft_model::Cancelled.into());
        }
        run.entries.iter().for_each(|entry| planner.add(Effect::Added, &entry.entry));
    }
    Ok(())
}
