//! Retention: which backups are kept, which lie in the trash, and which may be removed.
//!
//! All of it is a function of what the backups' records and marks say, the time, and a policy. Nothing is read or
//! written here.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::mark::{Mark, MarkState};
use crate::{BackupReport, Element, ElementState, EnvName};

/// How long what was deleted or has expired can be brought back, unless set otherwise.
pub const HOLD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What decides how long backups are kept beyond their own keep-for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// How long a backup lies in the trash.
    pub hold: SignedDuration,
    /// Since when the last good backup expires as any other. `None`: it outlives its keep-for.
    pub expire_last: Option<Timestamp>,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { hold: HOLD, expire_last: None }
    }
}

/// The policies of environments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies {
    /// That of every environment of which nothing else is said.
    pub usual: Policy,
    /// Those of the others: of a site, of one of its environments.
    pub others: BTreeMap<(Uuid, EnvName), Policy>,
}

impl Policies {
    /// The policy of the environment that a backup is of.
    fn of(&self, report: &BackupReport) -> &Policy {
        if self.others.is_empty() {
            return &self.usual;
        }
        self.others.get(&(report.site, report.env.clone())).unwrap_or(&self.usual)
    }
}

impl From<Policy> for Policies {
    fn from(usual: Policy) -> Self {
        Policies { usual, others: BTreeMap::new() }
    }
}

/// A backup as retention sees it.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// What its record says.
    pub report: &'a BackupReport,
    /// Its marks, in order.
    pub marks: &'a [Mark],
}

/// What becomes of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "lowercase")]
pub enum Fate {
    /// It is listed.
    Listed {
        /// Until when, if anything but a newer backup ends that.
        until: Option<Timestamp>,
        /// Why so long.
        why: ListedWhy,
    },
    /// It lies in the trash: listed nowhere else, and can be brought back.
    Trash {
        /// Since when.
        since: Timestamp,
        /// Until when; `None` while one of its marks can't be read.
        until: Option<Timestamp>,
        /// What put it there.
        why: TrashWhy,
    },
    /// It may be removed. It is listed nowhere and can't be brought back.
    Gone {
        /// Since when.
        since: Timestamp,
        /// What put it in the trash before.
        why: TrashWhy,
    },
}

/// Why a backup is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListedWhy {
    /// Its keep-for is not over.
    KeepFor,
    /// Somebody set another end.
    Prolonged,
    /// Somebody said that it is kept for ever.
    Pinned,
    /// It would have expired, but there is no newer good backup of one of its elements.
    LastGood,
}

/// Why a backup is in the trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrashWhy {
    /// It was deleted.
    Deleted,
    /// Its time was over.
    Expired,
}

/// Says of each backup what becomes of it. Backups of several environments may be given at once; each environment
/// is judged by itself.
///
/// A fate follows from what there is now: should all newer good backups be deleted, an expired one that was not
/// removed yet is the last good one again, and is listed.
pub fn fates(backups: &[Kept<'_>], now: Timestamp, policies: &Policies) -> BTreeMap<Uuid, Fate> {
    let mut envs: BTreeMap<(Uuid, &str), Vec<Weighed<'_>>> = BTreeMap::new();
    for kept in backups {
        let state = MarkState::of(kept.marks, kept.report.finished);
        let env = (kept.report.site, kept.report.env.as_str());
        envs.entry(env).or_default().push(Weighed { report: kept.report, state });
    }
    let mut fates = BTreeMap::new();
    for env in envs.values_mut() {
        env.sort_by_key(|backup| (backup.report.folder.started, backup.report.id));
        for (at, backup) in env.iter().enumerate() {
            let policy = policies.of(backup.report);
            let last_good = LastGood::of(backup, env, at).unless(policy, now);
            fates.insert(backup.report.id, backup.fate(last_good, now, policy));
        }
    }
    fates
}

/// A backup and what its marks come to.
struct Weighed<'a> {
    report: &'a BackupReport,
    state: MarkState,
}

/// Whether a backup is the last good one of an element.
enum LastGood {
    Yes,
    /// It is not; since when it isn't, if it once was.
    No(Option<Timestamp>),
}

impl LastGood {
    /// Looks at the backup at a place in its environment, which is in order of time. It is the last good one of an
    /// element while no newer one is good in that element and was not found damaged.
    fn of(backup: &Weighed<'_>, env: &[Weighed<'_>], at: usize) -> LastGood {
        if backup.is_removed() {
            return LastGood::No(None);
        }
        let mut until = None;
        for element in Element::ALL.into_iter().filter(|element| backup.is_good(*element)) {
            let newer = env.iter().skip(at + 1).filter(|newer| newer.succeeds(element));
            match newer.map(|newer| newer.report.finished).min() {
                None => return LastGood::Yes,
                since => until = until.max(since),
            }
        }
        LastGood::No(until)
    }

    /// The same where the last good backup expires as any other: it was the last good one until then.
    fn unless(self, policy: &Policy, now: Timestamp) -> LastGood {
        // A clock that went back must not let anything expire.
        let Some(expires) = policy.expire_last.filter(|since| *since <= now) else { return self };
        match self {
            LastGood::Yes => LastGood::No(Some(expires)),
            LastGood::No(until) => LastGood::No(until.map(|until| until.min(expires))),
        }
    }
}

impl Weighed<'_> {
    fn is_removed(&self) -> bool {
        self.state.trashed.is_some() || self.state.condemned.is_some()
    }

    fn is_good(&self, element: Element) -> bool {
        let element = self.report.elements.get(&element);
        !self.report.safety && element.is_some_and(|report| report.state == ElementState::Good)
    }

    fn is_damaged(&self) -> bool {
        self.state.proof.is_some_and(|proof| !proof.good)
    }

    /// Whether this backup makes any older one dispensable. One whose marks can't be read might be anything; of one
    /// that was found damaged it is not known which element is, so it can't stand for one that is damaged elsewhere.
    fn succeeds(&self, element: Element) -> bool {
        self.is_good(element) && !self.is_removed() && !self.state.unread && !self.is_damaged()
    }

    fn fate(&self, last_good: LastGood, now: Timestamp, policy: &Policy) -> Fate {
        if let Some(since) = self.state.condemned {
            let why = if self.state.trashed.is_some() { TrashWhy::Deleted } else { TrashWhy::Expired };
            return Fate::Gone { since, why };
        }
        if let Some(since) = self.state.trashed {
            return self.in_trash(since, TrashWhy::Deleted, now, policy);
        }
        let until = match self.state.keep {
            Some(None) => return Fate::Listed { until: None, why: ListedWhy::Pinned },
            Some(Some(until)) => until,
            None => self.report.expires,
        };
        if now < until {
            let why = if self.state.keep.is_some() { ListedWhy::Prolonged } else { ListedWhy::KeepFor };
            return Fate::Listed { until: Some(until), why };
        }
        match last_good {
            LastGood::Yes => Fate::Listed { until: None, why: ListedWhy::LastGood },
            // What was listed until a newer backup came lies in the trash from then on.
            LastGood::No(since) => {
                self.in_trash(since.map_or(until, |since| since.max(until)), TrashWhy::Expired, now, policy)
            }
        }
    }

    fn in_trash(&self, since: Timestamp, why: TrashWhy, now: Timestamp, policy: &Policy) -> Fate {
        // A hold that reaches beyond all time never ends.
        let until = since.checked_add(policy.hold).unwrap_or(Timestamp::MAX);
        if self.state.unread {
            Fate::Trash { since, until: None, why }
        } else if now < until {
            Fate::Trash { since, until: Some(until), why }
        } else {
            Fate::Gone { since: until, why }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mark::{Marked, TrashedWhy};
    use crate::{BackupFolder, BackupKind, ElementReport};

    const DAY: i64 = 86_400;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + day * DAY).unwrap()
    }

    fn mark(at: i64, what: Marked) -> Mark {
        Mark { at: day(at), what }
    }

    fn trashed(at: i64) -> Mark {
        mark(at, Marked::Trashed { why: TrashedWhy::Asked })
    }

    fn keep(at: i64, until: Option<i64>) -> Mark {
        mark(at, Marked::Keep { until: until.map(day), note: String::new() })
    }

    fn proven(at: i64, good: bool) -> Mark {
        let details = serde_json::Value::Null;
        mark(at, Marked::Proven { deep: false, good, summary: String::new(), details })
    }

    fn unread(at: i64) -> Mark {
        mark(at, Marked::Unread { object: "marks/x".into(), why: "damaged".into() })
    }

    /// A backup of a day, kept for so many days, with what became of its elements.
    fn report(at: i64, keep: i64, elements: &[(Element, ElementState)]) -> BackupReport {
        let element = |state| ElementReport {
            state,
            error: None,
            size: 0,
            raw: 0,
            read: 0,
            reused: 0,
            seconds: 0.0,
            facts: None,
            remarks: vec![],
            remarks_total: 0,
            lost_total: 0,
        };
        BackupReport {
            id: Uuid::from_u128(at as u128 + 1),
            site: Uuid::nil(),
            site_name: "shop".parse().unwrap(),
            env: "live".parse().unwrap(),
            folder: BackupFolder { started: day(at).as_second(), kind: BackupKind::Manual },
            moment: day(at),
            finished: day(at),
            expires: day(at + keep),
            program: String::new(),
            safety: false,
            elements: elements.iter().map(|(e, state)| (*e, element(*state))).collect(),
        }
    }

    const GOOD: &[(Element, ElementState)] = &[(Element::Files, ElementState::Good)];
    const DOUBTFUL: &[(Element, ElementState)] = &[(Element::Files, ElementState::Incomplete)];

    /// The fates of backups, in their order.
    fn judge(backups: &[(BackupReport, Vec<Mark>)], now: Timestamp) -> Vec<Fate> {
        let kept: Vec<_> = backups.iter().map(|(report, marks)| Kept { report, marks }).collect();
        let fates = fates(&kept, now, &Policies::default());
        backups.iter().map(|(report, _)| fates[&report.id]).collect()
    }

    /// The fate of an older backup whose keep-for is 10 days and that has these marks; a newer good one is there.
    fn of(marks: &[Mark], now: Timestamp) -> Fate {
        judge(&[(report(0, 10, GOOD), marks.to_vec()), (report(1, 1000, GOOD), vec![])], now)[0]
    }

    fn before(at: i64) -> Timestamp {
        day(at) - SignedDuration::from_nanos(1)
    }

    fn listed(until: i64, why: ListedWhy) -> Fate {
        Fate::Listed { until: Some(day(until)), why }
    }

    fn trash(since: i64, until: i64, why: TrashWhy) -> Fate {
        Fate::Trash { since: day(since), until: Some(day(until)), why }
    }

    fn gone(since: i64, why: TrashWhy) -> Fate {
        Fate::Gone { since: day(since), why }
    }

    #[test]
    fn a_backup_is_listed_then_in_the_trash_then_gone() {
        assert_eq!(of(&[], before(10)), listed(10, ListedWhy::KeepFor));
        assert_eq!(of(&[], day(10)), trash(10, 17, TrashWhy::Expired));
        assert_eq!(of(&[], before(17)), trash(10, 17, TrashWhy::Expired));
        assert_eq!(of(&[], day(17)), gone(17, TrashWhy::Expired));
    }

    #[test]
    fn a_deleted_backup_is_held_from_the_moment_it_was_deleted() {
        assert_eq!(of(&[trashed(3)], day(3)), trash(3, 10, TrashWhy::Deleted));
        assert_eq!(of(&[trashed(3)], before(10)), trash(3, 10, TrashWhy::Deleted));
        assert_eq!(of(&[trashed(3)], day(10)), gone(10, TrashWhy::Deleted));
        assert_eq!(of(&[trashed(3), trashed(5)], day(5)), trash(3, 10, TrashWhy::Deleted));
    }

    #[test]
    fn what_is_brought_back_is_what_it_was() {
        let restored = mark(4, Marked::Restored);
        assert_eq!(of(&[trashed(3), restored.clone()], day(5)), listed(10, ListedWhy::KeepFor));
        assert_eq!(of(&[trashed(3), restored.clone()], day(12)), trash(10, 17, TrashWhy::Expired));
        let again = [trashed(3), restored.clone(), trashed(6)];
        assert_eq!(of(&again, day(7)), trash(6, 13, TrashWhy::Deleted));
        // Brought back after its keep-for was over, with a new end from the caller.
        let late = [trashed(8), mark(12, Marked::Restored), keep(12, Some(42))];
        assert_eq!(of(&late, day(13)), listed(42, ListedWhy::Prolonged));
        assert_eq!(of(&[restored], day(5)), listed(10, ListedWhy::KeepFor));
    }

    #[test]
    fn the_last_word_on_how_long_counts() {
        assert_eq!(of(&[keep(2, Some(30))], day(29)), listed(30, ListedWhy::Prolonged));
        assert_eq!(of(&[keep(2, Some(30))], day(30)), trash(30, 37, TrashWhy::Expired));
        assert_eq!(of(&[keep(2, Some(5))], day(5)), trash(5, 12, TrashWhy::Expired), "shortened");
        let pinned = Fate::Listed { until: None, why: ListedWhy::Pinned };
        assert_eq!(of(&[keep(2, None)], day(9_000)), pinned);
        assert_eq!(of(&[keep(2, None), keep(3, Some(30))], day(9)), listed(30, ListedWhy::Prolonged));
        assert_eq!(of(&[keep(2, None), trashed(3)], day(10)), gone(10, TrashWhy::Deleted));
        assert_eq!(of(&[trashed(3), keep(4, None)], day(4)), trash(3, 10, TrashWhy::Deleted));
    }

    #[test]
    fn the_last_good_backup_does_not_expire() {
        let last = Fate::Listed { until: None, why: ListedWhy::LastGood };
        let alone = [(report(0, 10, GOOD), vec![])];
        assert_eq!(judge(&alone, day(9)), [listed(10, ListedWhy::KeepFor)]);
        assert_eq!(judge(&alone, day(1000)), [last]);
        let kept = Kept { report: &alone[0].0, marks: &[] };
        let policy = Policy { expire_last: Some(day(5)), ..Policy::default() };
        let unasked = fates(&[kept], day(1000), &policy.into());
        assert_eq!(unasked[&alone[0].0.id], gone(17, TrashWhy::Expired));
        // Deleting it is another thing than age.
        let deleted = [(report(0, 10, GOOD), vec![trashed(20)])];
        assert_eq!(judge(&deleted, day(27)), [gone(27, TrashWhy::Deleted)]);
    }

    /// What was kept for want of a newer one is held for the whole hold, even if that is taken back late.
    #[test]
    fn the_last_good_backup_expires_where_that_is_asked_and_only_there() {
        let alone = report(0, 10, GOOD);
        let mut other = report(2, 10, GOOD);
        other.env = "test".parse().unwrap();
        let kept = [Kept { report: &alone, marks: &[] }, Kept { report: &other, marks: &[] }];
        let policy = Policy { expire_last: Some(day(100)), ..Policy::default() };
        let place = (alone.site, alone.env.clone());
        let policies = Policies { others: BTreeMap::from([(place, policy)]), ..Policies::default() };
        let last = Fate::Listed { until: None, why: ListedWhy::LastGood };
        let of = |now| {
            let fates = fates(&kept, now, &policies);
            [fates[&alone.id], fates[&other.id]]
        };
        assert_eq!(of(before(100)), [last, last]);
        assert_eq!(of(day(100)), [trash(100, 107, TrashWhy::Expired), last]);
        assert_eq!(of(day(107)), [gone(107, TrashWhy::Expired), last]);
    }

    /// One that had a newer one before is not held longer because of that.
    #[test]
    fn what_has_a_newer_good_one_expires_as_ever() {
        let two = [report(0, 10, GOOD), report(1, 1000, GOOD)];
        let kept = [Kept { report: &two[0], marks: &[] }, Kept { report: &two[1], marks: &[] }];
        let policy = Policy { expire_last: Some(day(15)), ..Policy::default() };
        let fates = fates(&kept, day(16), &policy.into());
        assert_eq!(fates[&two[0].id], trash(10, 17, TrashWhy::Expired));
    }

    /// One that was never the last good one expires as ever where the last good one does, too.
    #[test]
    fn what_was_gone_does_not_come_back_because_the_last_good_one_expires() {
        let mut safety = report(2, 10, GOOD);
        safety.safety = true;
        let all = [report(0, 10, GOOD), report(1, 10, DOUBTFUL), safety];
        let kept: Vec<_> = all.iter().map(|report| Kept { report, marks: &[] }).collect();
        let policy = Policy { expire_last: Some(day(100)), ..Policy::default() };
        let fates = fates(&kept, day(101), &policy.into());
        assert_eq!(fates[&all[0].id], trash(100, 107, TrashWhy::Expired));
        assert_eq!(fates[&all[1].id], gone(18, TrashWhy::Expired));
        assert_eq!(fates[&all[2].id], gone(19, TrashWhy::Expired));
    }

    #[test]
    fn a_doubtful_backup_neither_replaces_a_good_one_nor_is_kept_beyond_its_time() {
        let two = [(report(0, 10, GOOD), vec![]), (report(5, 10, DOUBTFUL), vec![])];
        let last = Fate::Listed { until: None, why: ListedWhy::LastGood };
        assert_eq!(judge(&two, day(40)), [last, gone(22, TrashWhy::Expired)]);
    }

    #[test]
    fn each_element_has_a_last_good_backup_of_its_own() {
        let both = &[(Element::Files, ElementState::Good), (Element::Database, ElementState::Good)];
        let broken = &[(Element::Files, ElementState::Good), (Element::Database, ElementState::Failed)];
        let two = [(report(0, 10, both), vec![]), (report(5, 100, broken), vec![])];
        let last = Fate::Listed { until: None, why: ListedWhy::LastGood };
        assert_eq!(judge(&two, day(40))[0], last);
        let three = [two[0].clone(), two[1].clone(), (report(39, 100, both), vec![])];
        assert_eq!(judge(&three, day(40))[0], trash(39, 46, TrashWhy::Expired));
    }

    /// After months without a good backup, the old one is held for the whole hold once there is a new one.
    #[test]
    fn the_last_good_backup_is_held_once_it_is_the_last_no_more() {
        let two = [(report(0, 10, GOOD), vec![]), (report(90, 10, GOOD), vec![])];
        assert_eq!(judge(&two, day(90))[0], trash(90, 97, TrashWhy::Expired));
        assert_eq!(judge(&two, day(97))[0], gone(97, TrashWhy::Expired));
        // The new one is deleted: the old one is the last good one again.
        let deleted = [two[0].clone(), (report(90, 10, GOOD), vec![trashed(91)])];
        let last = Fate::Listed { until: None, why: ListedWhy::LastGood };
        assert_eq!(judge(&deleted, day(95))[0], last);
    }

    #[test]
    fn a_backup_that_was_found_damaged_replaces_none_that_was_not() {
        let damaged = [(report(0, 10, GOOD), vec![]), (report(5, 10, GOOD), vec![proven(6, false)])];
        let last = Fate::Listed { until: None, why: ListedWhy::LastGood };
        assert_eq!(judge(&damaged, day(60)), [last, last]);
        let healed = [damaged[0].clone(), (report(5, 10, GOOD), vec![proven(6, false), proven(9, true)])];
        assert_eq!(judge(&healed, day(60)), [gone(17, TrashWhy::Expired), last]);
    }

    /// A proof is of the whole backup: two damaged ones may be damaged in different elements.
    #[test]
    fn a_damaged_backup_does_not_replace_another_damaged_one() {
        let both = &[(Element::Files, ElementState::Good), (Element::Database, ElementState::Good)];
        let damaged = |at| (report(at, 10, both), vec![proven(at + 1, false)]);
        let last = Fate::Listed { until: None, why: ListedWhy::LastGood };
        assert_eq!(judge(&[damaged(0), damaged(5)], day(60)), [last, last]);
        let newer = [damaged(0), damaged(5), (report(50, 10, both), vec![])];
        assert_eq!(judge(&newer, day(60))[..2], [57; 2].map(|day| gone(day, TrashWhy::Expired)));
    }

    #[test]
    fn environments_are_judged_apart() {
        let mut other = report(5, 100, GOOD);
        other.env = "dev".parse().unwrap();
        let two = [(report(0, 10, GOOD), vec![]), (other, vec![])];
        let last = Fate::Listed { until: None, why: ListedWhy::LastGood };
        assert_eq!(judge(&two, day(60))[0], last);
    }

    #[test]
    fn a_condemned_backup_is_gone_unless_something_came_between() {
        let condemned = |seen| mark(20, Marked::Condemned { seen });
        assert_eq!(of(&[condemned(0)], day(1)), gone(20, TrashWhy::Expired));
        assert_eq!(of(&[trashed(3), proven(4, true), condemned(1)], day(1)), gone(20, TrashWhy::Deleted));
        let rescued = [trashed(3), mark(20, Marked::Restored), keep(20, Some(50)), condemned(1)];
        assert_eq!(of(&rescued, day(21)), listed(50, ListedWhy::Prolonged));
        let finally = [&rescued[..], &[trashed(22), mark(40, Marked::Condemned { seen: 4 })]].concat();
        assert_eq!(of(&finally, day(23)), gone(40, TrashWhy::Deleted));
    }

    #[test]
    fn a_mark_that_can_not_be_read_keeps() {
        assert_eq!(of(&[unread(0)], day(5)), listed(10, ListedWhy::KeepFor));
        let expired = Fate::Trash { since: day(10), until: None, why: TrashWhy::Expired };
        assert_eq!(of(&[unread(0)], day(900)), expired);
        let deleted = Fate::Trash { since: day(3), until: None, why: TrashWhy::Deleted };
        assert_eq!(of(&[trashed(3), unread(4)], day(900)), deleted);
        // It might be a deletion: then the newer backup replaces nothing.
        let newer = [(report(0, 10, GOOD), vec![]), (report(5, 100, GOOD), vec![unread(6)])];
        let last = Fate::Listed { until: None, why: ListedWhy::LastGood };
        assert_eq!(judge(&newer, day(60))[0], last);
    }

    #[test]
    fn a_clock_that_went_back_removes_nothing() {
        // It is earlier than everything: all is listed.
        assert_eq!(of(&[], day(-900)), listed(10, ListedWhy::KeepFor));
        // Deleted while the clock was far behind, and right again now: the hold counts from what is known.
        let set_back = [keep(8, Some(60)), trashed(-900)];
        assert_eq!(of(&set_back, day(9)), trash(8, 15, TrashWhy::Deleted));
        assert_eq!(of(&[trashed(-900)], day(2)), trash(0, 7, TrashWhy::Deleted));
        // Deleted while the clock was ahead.
        assert_eq!(of(&[trashed(500)], day(9)), trash(500, 507, TrashWhy::Deleted));
    }

    #[test]
    fn a_hold_without_end_never_ends() {
        let kept = [report(0, 10, GOOD), report(1, 10_000, GOOD)];
        let all: Vec<_> = kept.iter().map(|report| Kept { report, marks: &[] }).collect();
        let policy = Policy { hold: SignedDuration::MAX, ..Policy::default() };
        let until = Some(Timestamp::MAX);
        let expected = Fate::Trash { since: day(10), until, why: TrashWhy::Expired };
        assert_eq!(fates(&all, day(9_000), &policy.into())[&kept[0].id], expected);
    }
}
