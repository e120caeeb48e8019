//! Planning a sweep: what goes, what waits and why. Changes nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use undercroft_model::retention::{Fate, TrashWhy};
use undercroft_model::{Cancelled, Mark, Marked, Observer};
use uuid::Uuid;

use super::census::{Census, PackRow};
use super::clock::{self, Gap};
use super::error::{Brake, SweepError};
use super::plan::{Purge, Room, SparedPack, SweepPlan, SweepPolicy, SweptPack, Waiting};
use super::{Candidate, Judgement, segments};
use crate::error::VaultError;
use crate::fragment::hex;
use crate::marks::MarkObject;
use crate::pack::PackId;
use crate::record::Record;
use crate::store::StoreError;
use crate::vault::{Operation, Vault};

/// Two clocks may differ by so much.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(15);
/// Packs below this are small: many of these are written anew as few.
const SMALL: u64 = 1 << 20;
/// So many small packs may be there before that.
const MANY: usize = 128;

/// Plans a sweep: reads all records, marks, the index and the manifests of all backups that stay. Changes nothing.
///
/// `judge` says what becomes of all the backups at once. `observer` is only asked whether to stop.
///
/// # Errors
/// [`SweepError`]: a brake, with its reason, or whatever could not be read.
pub fn plan(
    vault: &Vault,
    judge: &dyn Fn(&[Candidate]) -> Judgement,
    policy: &SweepPolicy,
    now: Timestamp,
    observer: &dyn Observer,
) -> Result<SweepPlan, SweepError> {
    vault.may(Operation::Sweep)?;
    let scene = Scene::read(vault, observer)?;
    let judgement = judge(&scene.candidates);
    let newest = scene.newest(vault, &judgement)?;
    check_clock(&newest, policy, now)?;

    let mut plan = empty_plan(vault, &scene, policy, now);
    let doomed = vault.doomed(&scene.notices)?;
    if policy.unsure {
        check_recorded(scene.unneeded(vault, &doomed, observer)?)?;
    }
    let mut census = Census::begin(vault, &doomed)?;
    plan.judge(&scene, &judgement, &mut census, observer)?;
    plan.notes.extend(census.all_there(&plan.trash())?);
    let orphans = scene.orphans(now, policy)?;
    plan.orphans = orphans.into_iter().map(|mark| mark.name.clone()).collect();
    // All that a pack with damage has is whole elsewhere by now, or nothing would be swept; a copy has no use for it.
    let marked: HashSet<_> = doomed.into_iter().chain(vault.noted_damage()?.packs()).collect();
    choose_packs(&mut plan, &census, &marked, now);
    plan.room = room(&plan, &census);
    plan.index = segments::reason(vault, &staying(&plan, &census))?;
    if scene.records() != sorted(vault.records()?) {
        return Err(SweepError::Changed {
            what: "a backup was recorded while the sweep was planned".to_owned(),
        });
    }
    check_ahead(&plan, &newest)?;
    let made = |id| judgement.times.get(&id).map(|[made, _]| *made);
    let candidates = scene.candidates.iter().map(|candidate| (candidate, made(candidate.id)));
    clock::check_jump(&plan, scene.gap(&judgement, &plan), candidates)?;
    check_share(&plan)?;
    Ok(plan)
}

/// Bytes of what is needed by no backup that has a record, whatever is to become of that backup.
///
/// # Errors
/// [`SweepError`]: whatever could not be read.
pub fn unneeded(vault: &Vault, observer: &dyn Observer) -> Result<u64, SweepError> {
    let scene = Scene::read(vault, observer)?;
    scene.unneeded(vault, &vault.doomed(&scene.notices)?, observer)
}

fn check_recorded(bytes: u64) -> Result<(), SweepError> {
    if bytes == 0 { Ok(()) } else { Err(SweepError::Braked(Brake::Unrecorded { bytes })) }
}

/// The newest thing there is in a vault, and what it is.
struct Newest {
    at: Timestamp,
    what: String,
}

/// What the store says of backups.
struct Scene {
    notices: Vec<String>,
    candidates: Vec<Candidate>,
    /// In the candidates' order.
    backups: Vec<Record>,
    marks: Vec<(MarkObject, Mark)>,
}

impl Scene {
    fn read(vault: &Vault, observer: &dyn Observer) -> Result<Self, SweepError> {
        let notices = vault.notices()?;
        let ids = sorted(vault.records()?);
        let mut marks = Vec::new();
        let mut of: BTreeMap<Uuid, Vec<Mark>> = BTreeMap::new();
        for object in vault.mark_objects("")? {
            let mark = vault.read_mark(&object)?;
            of.entry(object.backup).or_default().push(mark.clone());
            marks.push((object, mark));
        }
        let (mut candidates, mut backups) = (Vec::new(), Vec::new());
        for id in ids {
            if observer.cancelled() {
                return Err(Cancelled.into());
            }
            let what = || format!("the record of the backup {id}");
            let mut record = vault.read_record(id).map_err(|source| match source {
                VaultError::Store(StoreError::Missing { .. }) => {
                    let what = format!("{} is listed, and is not there", what());
                    SweepError::Braked(Brake::Contradiction { what })
                }
                source => SweepError::Unreadable { what: what(), source },
            })?;
            let about = record.about.take();
            candidates.push(Candidate { id, about, marks: of.remove(&id).unwrap_or_default() });
            backups.push(record);
        }
        Ok(Scene { notices, candidates, backups, marks })
    }

    fn unneeded(
        &self,
        vault: &Vault,
        doomed: &HashSet<PackId>,
        observer: &dyn Observer,
    ) -> Result<u64, SweepError> {
        let mut census = Census::begin(vault, doomed)?;
        for (candidate, record) in self.candidates.iter().zip(&self.backups) {
            census.add(candidate.id, record, observer)?;
        }
        Ok(census.unneeded())
    }

    fn records(&self) -> Vec<Uuid> {
        self.candidates.iter().map(|candidate| candidate.id).collect()
    }

    /// The newest time that a record, a mark or the store itself tells of.
    fn newest(&self, vault: &Vault, judgement: &Judgement) -> Result<Newest, SweepError> {
        let mut newest = Newest { at: Timestamp::MIN, what: String::new() };
        let mut see = |at: Option<Timestamp>, what: &str| {
            if let Some(at) = at.filter(|at| *at > newest.at) {
                newest = Newest { at, what: what.to_owned() };
            }
        };
        see(judgement.times.values().flatten().max().copied(), "a backup");
        for (object, mark) in &self.marks {
            see(Some(mark.at), &object.name);
        }
        for object in vault.store.list(&vault.name("")).map_err(VaultError::from)? {
            see(object.modified.and_then(|at| Timestamp::try_from(at).ok()), &object.name);
        }
        Ok(newest)
    }

    /// The recent time in which no backup was made and no mark set, longer than that is usual.
    fn gap(&self, judgement: &Judgement, plan: &SweepPlan) -> Option<Gap> {
        let times = judgement.times.values().flatten().copied();
        let times = times.chain(self.marks.iter().map(|(_, mark)| mark.at)).collect();
        Gap::recent(times, quiet(&plan.policy), plan.made)
    }

    /// Marks whose backup has no record: those that a sweep left when it was cut off, and others once they are old.
    /// Young ones say that there must be a record, and that the store's listing is not to be trusted.
    fn orphans(&self, now: Timestamp, policy: &SweepPolicy) -> Result<Vec<&MarkObject>, SweepError> {
        let recorded: HashSet<Uuid> = self.records().into_iter().collect();
        let lone: Vec<_> =
            self.marks.iter().filter(|(object, _)| !recorded.contains(&object.backup)).collect();
        let is_condemned = |(object, mark): &&&(MarkObject, Mark)| {
            matches!(mark.what, Marked::Condemned { .. }).then_some(object.backup)
        };
        let condemned: HashSet<Uuid> = lone.iter().filter_map(|mark| is_condemned(&mark)).collect();
        let mut orphans = Vec::new();
        for (object, _) in lone {
            let old =
                object.modified.is_some_and(|at| spared_until(at, policy).is_some_and(|until| until <= now));
            if !old && !condemned.contains(&object.backup) {
                let what = format!("{} is there, and the record of its backup is not", object.name);
                return Err(SweepError::Braked(Brake::Contradiction { what }));
            }
            orphans.push(object);
        }
        Ok(orphans)
    }
}

pub(super) fn sorted(mut ids: Vec<Uuid>) -> Vec<Uuid> {
    ids.sort();
    ids
}

fn check_clock(newest: &Newest, policy: &SweepPolicy, now: Timestamp) -> Result<(), SweepError> {
    let limit = now.checked_add(TOLERANCE).unwrap_or(Timestamp::MAX);
    if policy.clock_is_right || newest.at <= limit {
        return Ok(());
    }
    let (newest, what) = (newest.at, newest.what.clone());
    Err(SweepError::Braked(Brake::ClockBehind { now, newest, what }))
}

/// A clock that jumped ahead makes everything look expired. What tells is that nothing happened in the vault for
/// longer than any schedule leaves it alone. It matters only if something would go.
fn check_ahead(plan: &SweepPlan, newest: &Newest) -> Result<(), SweepError> {
    let limit = newest.at.checked_add(quiet(&plan.policy)).unwrap_or(Timestamp::MAX);
    let goes = !plan.purge.is_empty() || !plan.dead.is_empty();
    if plan.policy.clock_is_right || !goes || plan.made <= limit {
        return Ok(());
    }
    Err(SweepError::Braked(Brake::ClockAhead { now: plan.made, newest: newest.at }))
}

fn quiet(policy: &SweepPolicy) -> SignedDuration {
    SignedDuration::try_from(policy.quiet).unwrap_or(SignedDuration::MAX)
}

fn check_share(plan: &SweepPlan) -> Result<(), SweepError> {
    let (frees, of, limit) = (plan.room.frees, plan.room.packs.bytes, plan.policy.most);
    if limit >= 100 || u128::from(frees) * 100 <= u128::from(of) * u128::from(limit) {
        return Ok(());
    }
    Err(SweepError::Braked(Brake::TooMuch { frees, of, limit }))
}

fn empty_plan(vault: &Vault, scene: &Scene, policy: &SweepPolicy, now: Timestamp) -> SweepPlan {
    SweepPlan {
        vault: vault.id,
        made: now,
        after: scene.notices.last().cloned(),
        records: scene.records(),
        marks: scene.marks.iter().map(|(object, _)| object.name.clone()).collect(),
        policy: *policy,
        orphans: Vec::new(),
        purge: Vec::new(),
        waits: Vec::new(),
        dead: Vec::new(),
        rewrite: Vec::new(),
        spare: Vec::new(),
        index: None,
        room: Room::default(),
        notes: Vec::new(),
    }
}

impl SweepPlan {
    /// Notes what becomes of each backup, and counts what those that stay need: first what is listed, then what is
    /// in the trash, the last to go first. So what a backup in the trash adds is what will be free once it is gone.
    fn judge(
        &mut self,
        scene: &Scene,
        judgement: &Judgement,
        census: &mut Census,
        observer: &dyn Observer,
    ) -> Result<(), SweepError> {
        let mut trash = Vec::new();
        for (candidate, record) in scene.candidates.iter().zip(&scene.backups) {
            for mark in &candidate.marks {
                if let Marked::Unread { object, why } = &mark.what {
                    self.notes.push(format!("{object} can't be read, so its backup stays: {why}"));
                }
            }
            match judgement.fates.get(&candidate.id) {
                Some(Fate::Gone { since, why }) => self.purge.push(purge(candidate, *since, *why)),
                Some(Fate::Trash { until, why, .. }) => trash.push((*until, *why, candidate.id, record)),
                Some(Fate::Listed { .. }) => drop(census.add(candidate.id, record, observer)?),
                None => {
                    let id = candidate.id;
                    self.notes.push(format!("it is not known what the backup {id} is, so it stays"));
                    census.add(id, record, observer)?;
                }
            }
        }
        trash.sort_by_key(|(until, _, id, _)| Reverse((until.unwrap_or(Timestamp::MAX), *id)));
        for (until, why, backup, record) in trash {
            let bytes = census.add(backup, record, observer)?;
            let cause = match why {
                TrashWhy::Deleted => "it was deleted",
                TrashWhy::Expired => "its time is over",
            };
            let reason = match until {
                Some(_) => format!("{cause}, and until then it can be brought back"),
                None => {
                    format!("{cause}, and a mark of it that can't be read might say that it is to be kept")
                }
            };
            self.waits.push(Waiting { backup: Some(backup), until, bytes, reason });
        }
        self.waits.reverse();
        Ok(())
    }
}

fn purge(candidate: &Candidate, since: Timestamp, why: TrashWhy) -> Purge {
    let reason = match why {
        TrashWhy::Deleted => "it was deleted, and its time in the trash is over",
        TrashWhy::Expired => "its keep-for and its time in the trash are over",
    };
    let seen = seen(&candidate.marks);
    Purge { backup: candidate.id, since, reason: reason.to_owned(), seen }
}

/// How many marks have a say in how long their backup is kept.
pub(super) fn seen(marks: &[Mark]) -> u32 {
    marks.iter().filter(|mark| mark.what.decides()).count() as u32
}

/// When what was written then may go.
fn spared_until(modified: SystemTime, policy: &SweepPolicy) -> Option<Timestamp> {
    let spare = SignedDuration::try_from(policy.spare).ok()?;
    Timestamp::try_from(modified).ok()?.checked_add(spare).ok()
}

/// Sorts the packs: dead, spared, to be written anew, well as they are.
///
/// A pack that is less than half alive is always written anew: that frees more than it writes. Others are, those with
/// least life first, until what is dead in the ones that stay is no more than the policy's share of what is alive:
/// so a vault is never much larger than its backups need, and no more is written than that takes.
pub(super) fn choose_packs(plan: &mut SweepPlan, census: &Census, marked: &HashSet<PackId>, now: Timestamp) {
    let mut others = Vec::new();
    let small = census.packs.iter().filter(|pack| pack.living > 0 && pack.len < SMALL).count();
    for pack in &census.packs {
        if pack.living == 0 {
            match spared(pack, &plan.policy, now) {
                Some(until) => plan.spare.push(SparedPack { pack: hex(&pack.id.0), bytes: pack.len, until }),
                None => plan.dead.push(swept(pack)),
            }
        } else if marked.contains(&pack.id) || pack.living < pack.len / 2 || small > MANY && pack.len < SMALL
        {
            // One that an earlier sweep gave notice of may still go by a delete that comes late, and one with damage
            // is of no use as a whole.
            plan.rewrite.push(swept(pack));
        } else {
            others.push(pack);
        }
    }
    let share = |pack: &PackRow| u128::from(pack.living) * 1_000_000 / u128::from(pack.len.max(1));
    others.sort_by_key(|pack| (share(pack), pack.id));
    let mut waste: u64 = others.iter().map(|pack| pack.waste()).sum();
    for pack in others {
        if u128::from(waste) * 100 <= u128::from(census.living) * u128::from(plan.policy.waste) {
            break;
        }
        waste -= pack.waste();
        plan.rewrite.push(swept(pack));
    }
    let Some(last) = plan.spare.iter().map(|pack| pack.until).max() else { return };
    let until = if plan.spare.iter().any(|pack| pack.until.is_none()) { None } else { last };
    let (count, bytes) = (plan.spare.len(), plan.spare.iter().map(|pack| pack.bytes).sum());
    let reason = match until {
        Some(_) => format!("{count} packs that no backup needs are too young: somebody may be writing them"),
        None => format!(
            "{count} packs that no backup needs are of unknown age: they can go once a later backup has taken them up"
        ),
    };
    plan.waits.push(Waiting { backup: None, until, bytes, reason });
}

/// Whether a dead pack is left alone for now, and until when that is. Where the store does not say how old it is, a
/// pack that the index names belongs to a session that was finished; any other may be being written.
fn spared(pack: &PackRow, policy: &SweepPolicy, now: Timestamp) -> Option<Option<Timestamp>> {
    match pack.modified {
        None if pack.named || policy.spare.is_zero() => None,
        None => Some(None),
        // What is beyond all time is never old enough.
        Some(at) => Some(spared_until(at, policy)).filter(|until| until.is_none_or(|until| now < until)),
    }
}

fn swept(pack: &PackRow) -> SweptPack {
    SweptPack { pack: hex(&pack.id.0), bytes: pack.len, living: pack.living }
}

/// The packs that will be there when dead ones and those to be written anew are gone.
fn staying(plan: &SweepPlan, census: &Census) -> HashSet<PackId> {
    let going: HashSet<&str> = plan.dead.iter().chain(&plan.rewrite).map(|pack| &pack.pack[..]).collect();
    let stays = |pack: &&PackRow| !going.contains(&hex(&pack.id.0)[..]);
    census.packs.iter().filter(stays).map(|pack| pack.id).collect()
}

fn room(plan: &SweepPlan, census: &Census) -> Room {
    let mut room = Room { living: census.living, ..Room::default() };
    census.packs.iter().for_each(|pack| room.packs.add(pack.len));
    let gone: u64 = plan.dead.iter().chain(&plan.rewrite).map(|pack| pack.bytes).sum();
    let written: u64 = plan.rewrite.iter().map(|pack| pack.living).sum();
    room.frees = gone.saturating_sub(written);
    room.stays = room.packs.bytes - room.frees;
    room
}
