//! What becomes of backups as time goes by.

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
