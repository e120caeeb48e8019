//! The sweep: what is dead goes, what lives stays, whatever happens meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::faulty::{Call, Fault};
use common::keep::{Keeping, bold, day, keeping, kept, record_of, report, restored, trashed};
use common::{Tree, backup_tree, chain, download, noise, text};
use jiff::Timestamp;
use undercroft_model::retention::Policy;
use undercroft_model::{Element, Mark, Marked, Observer, Remark, Silent};
use undercroft_vault::archive::write_range;
use undercroft_vault::check::{self, Depth};
use undercroft_vault::session::Session;
use undercroft_vault::store::Store;
use undercroft_vault::sweep::{self, Brake, SweepError, SweepPolicy, Swept};
use undercroft_vault::{MarkError, VaultError};
use uuid::Uuid;

/// A tree of so many files, some of them of this number's own.
fn tree(number: u64) -> Tree {
    let mut tree = Tree::new();
    for n in 0..12 {
        tree.file(&format!("shared/{n}.jpg"), noise(n, 60_000));
    }
    for n in 0..6 {
        tree.file(&format!("own/{number}-{n}.jpg"), noise(1000 * number + n + 100, 60_000));
    }
    tree.file("page.html", text(number, 40_000));
    tree
}

/// Three backups: the first may go on day 17, the second lies in the trash then, the third stays.
fn three() -> Keeping {
    let keeping = keeping();
    keeping.backup(1, 0, 10, &tree(1));
    keeping.backup(2, 1, 12, &tree(2));
    keeping.backup(3, 2, 1000, &tree(3));
    keeping
}

/// How many bytes a vault takes that never had any but these backups.
fn fresh(trees: &[u64]) -> u64 {
    let keeping = keeping();
    for (n, number) in trees.iter().enumerate() {
        keeping.backup(n as u128 + 1, 0, 1000, &tree(*number));
    }
    keeping.bytes()
}

fn assert_near(bytes: u64, needed: u64) {
    assert!(bytes * 10 <= needed * 11, "{bytes} bytes, where {needed} would do");
}

#[test]
fn what_is_dead_goes_and_what_lives_stays() {
    let keeping = three();
    let (second, third) = (keeping.read(2).unwrap(), keeping.read(3).unwrap());
    let plan = keeping.plan(17, &SweepPolicy { clock_is_right: true, ..SweepPolicy::default() }).unwrap();
    let purged: Vec<_> = plan.purge.iter().map(|purge| purge.backup.as_u128()).collect();
    assert_eq!(purged, [1]);
    assert!(plan.room.frees > 300_000, "{:?}", plan.room);
    let text = serde_json::to_string_pretty(&plan).unwrap();
    let read: sweep::SweepPlan = serde_json::from_str(&text).unwrap();
    assert_eq!(read, plan);
    let before = keeping.bytes();
    let swept = sweep::run(&keeping.vault, &read, &Silent).unwrap();
    assert_eq!((swept.backups.len(), swept.refused.len(), swept.stopped), (1, 0, false), "{swept:?}");
    assert!(keeping.bytes() + 300_000 < before);
    assert_eq!(keeping.backups(), [2, 3]);
    assert!(keeping.read(2).unwrap() == second && keeping.read(3).unwrap() == third);
    assert_near(keeping.bytes(), fresh(&[2, 3]));
    assert!(keeping.plan(17, &bold()).unwrap().is_empty(), "nothing is left to do");

    keeping.sweep(21);
    assert_eq!(keeping.backups(), [3]);
    assert!(keeping.read(3).unwrap() == third);
    assert_near(keeping.bytes(), fresh(&[3]));
    assert_eq!(keeping.objects("marks/").len(), 0);
    // And the next backup finds what is shared.
    let (_, _, stored) = backup_tree(&keeping.vault, &tree(3), None).unwrap();
    assert_eq!(stored.bytes, 0);
}

#[test]
fn a_plan_says_when_space_will_be_free() {
    let keeping = three();
    let plan = keeping.plan(14, &bold()).unwrap();
    assert!(plan.is_empty());
    let until: Vec<_> = plan.waits.iter().map(|wait| (wait.backup.unwrap().as_u128(), wait.until)).collect();
    assert_eq!(until, [(1, Some(day(17))), (2, Some(day(20)))]);
    for wait in &plan.waits {
        assert!((300_000..500_000).contains(&wait.bytes), "{wait:?}");
    }
}

#[test]
fn a_deleted_backup_can_be_brought_back_until_its_hold_is_over() {
    let keeping = three();
    let bytes = keeping.read(2).unwrap();
    keeping.mark(2, &trashed(3)).unwrap();
    keeping.sweep(9);
    assert_eq!(keeping.backups(), [1, 2, 3]);
    keeping.mark(2, &restored(9)).unwrap();
    keeping.mark(2, &kept(9, Some(100))).unwrap();
    keeping.sweep(60);
    assert_eq!(keeping.backups(), [2, 3]);
    assert!(keeping.read(2).unwrap() == bytes);
    keeping.mark(2, &trashed(60)).unwrap();
    keeping.sweep(67);
    assert_eq!(keeping.backups(), [3]);
    assert!(matches!(keeping.mark(2, &restored(67)), Err(MarkError::TooLate { .. })));
}

/// An observer that says stop once it was asked so often.
struct Patience(AtomicU64);

impl Observer for Patience {
    fn doing(&self, _: Element, _: &str) {}
    fn expect(&self, _: Element, _: u64) {}
    fn advance(&self, _: Element, _: u64, _: u64) {}
    fn remark(&self, _: Element, _: Remark) {}
    fn cancelled(&self) -> bool {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
    }
}

/// Stopped at every point at which it asks, a sweep leaves everything whole, and the next one finishes.
#[test]
fn a_sweep_stops_when_asked_and_the_next_one_finishes() {
    for patience in 0.. {
        let keeping = three();
        let third = keeping.read(3).unwrap();
        let plan = keeping.plan(21, &bold()).unwrap();
        let swept = sweep::run(&keeping.vault, &plan, &Patience(patience.into())).unwrap();
        keeping.all_whole();
        // Nothing that was not begun is avoided by the next backup.
        let stored = keeping.backup(4, 21, 1000, &tree(3));
        keeping.sweep(21);
        assert_eq!(keeping.backups(), [3, 4]);
        assert!(keeping.read(3).unwrap() == third && download(&keeping.vault, &stored).unwrap() == third);
        assert_near(keeping.bytes(), fresh(&[3]));
        if !swept.stopped {
            assert!(patience > 4);
            break;
        }
    }
}

/// A store that fails for good at any of its calls: all is whole, and the next sweep finishes.
#[test]
fn a_sweep_that_is_cut_off_anywhere_leaves_all_whole() {
    let mut cut = 0;
    for at in 0.. {
        let keeping = three();
        let third = keeping.read(3).unwrap();
        let plan = keeping.plan(21, &bold()).unwrap();
        keeping.store.misbehave(move |n, _| (n >= at).then_some(Fault::Fail));
        let result = sweep::run(&keeping.vault, &plan, &Silent);
        let calls = keeping.store.calls();
        keeping.store.behave();
        assert!(keeping.read(3).unwrap() == third);
        keeping.all_whole();
        if at % 3 == 0 {
            // A backup comes first; it may share with the living one.
            keeping.backup(4, 21, 1000, &tree(3));
        }
        keeping.sweep(21);
        keeping.all_whole();
        assert!(keeping.read(3).unwrap() == third);
        assert_near(keeping.bytes(), fresh(&[3]));
        let then = keeping.plan(21, &bold()).unwrap();
        assert!(then.is_empty(), "{at}: {then:?}");
        if calls <= at {
            result.unwrap();
            break;
        }
        cut += 1;
        assert!(result.is_err(), "call {at}");
    }
    assert!(cut > 20, "{cut}");
}

/// The interleaving of PSA-2025-00019-1: the sweep lists the backups; a new one that shares with an old one is
/// recorded; the old one goes; what the new one shares with it must not.
#[test]
fn a_backup_recorded_after_the_plan_stops_the_sweep() {
    let keeping = three();
    let plan = keeping.plan(21, &bold()).unwrap();
    keeping.backup(4, 21, 1000, &tree(1));
    let error = sweep::run(&keeping.vault, &plan, &Silent).unwrap_err();
    assert!(matches!(error, SweepError::Changed { .. }), "{error:?}");
    assert_eq!(keeping.backups(), [1, 2, 3, 4], "nothing was removed");
    keeping.sweep(21);
    assert_eq!(keeping.backups(), [3, 4]);
    keeping.all_whole();
}

/// The same, where the record comes between the sweep's look at the records and its notice.
#[test]
fn a_backup_recorded_right_before_the_notice_stops_the_sweep() {
    let keeping = three();
    let plan = keeping.plan(21, &bold()).unwrap();
    let (archive, ..) = backup_tree(&keeping.vault, &tree(1), None).unwrap();
    let late = record_of(&report(4, 21, 1000), &archive);
    let other = common::vault(keeping.folder.path());
    let once = std::sync::Mutex::new(Some(late));
    keeping.store.misbehave(move |_, call| {
        if matches!(call, Call::Put(name) if name.contains("/sweeps/"))
            && let Some(late) = once.lock().unwrap().take()
        {
            other.write_record(Uuid::from_u128(4), &late).unwrap();
        }
        None
    });
    let error = sweep::run(&keeping.vault, &plan, &Silent).unwrap_err();
    keeping.store.behave();
    assert!(matches!(error, SweepError::Changed { .. }), "{error:?}");
    assert_eq!(keeping.objects("sweeps/").len(), 0, "the notice is taken back");
    keeping.sweep(21);
    assert_eq!(keeping.backups(), [3, 4]);
    keeping.all_whole();
}

/// A worker that was stopped in its tracks before the sweep and goes on after it: its backup relies on what is gone,
/// and is not recorded.
#[test]
fn a_session_that_outlives_a_sweep_is_not_recorded() {
    let keeping = three();
    let session = Session::begin(&keeping.vault).unwrap();
    keeping.sweep(21);
    let piece = noise(1000 + 100, 60_000);
    let ticket = session.add(piece).unwrap();
    ticket.wait().unwrap();
    let error = session.finish().unwrap_err();
    assert!(matches!(error, VaultError::Swept { .. }), "{error:?}");

    // It had finished its packs and was stopped right before its record.
    let (archive, ..) = backup_tree(&keeping.vault, &tree(7), None).unwrap();
    keeping.mark(3, &trashed(21)).unwrap();
    let other = common::vault(keeping.folder.path());
    let judge = sweep::by_retention(Policy::default(), day(40));
    let plan = sweep::plan(&other, &judge, &bold(), day(40), &Silent).unwrap();
    sweep::run(&other, &plan, &Silent).unwrap();
    let record = record_of(&report(7, 21, 1000), &archive);
    let error = keeping.vault.write_record(Uuid::from_u128(7), &record).unwrap_err();
    assert!(matches!(error, VaultError::Swept { .. }), "{error:?}");
    assert_eq!(keeping.backups(), [0; 0]);
    // Trying again is all that it takes.
    keeping.backup(8, 41, 1000, &tree(7));
    keeping.all_whole();
}

/// A sweep that is stopped in its tracks between its decision and its deletes: a backup that begins and is recorded
/// meanwhile relies on nothing that is still to go.
#[test]
fn a_backup_beside_a_sweep_that_sleeps_is_whole() {
    for at in 0.. {
        let keeping = three();
        let plan = keeping.plan(21, &bold()).unwrap();
        let other = common::vault(keeping.folder.path());
        let deletes = AtomicU64::new(0);
        keeping.store.misbehave(move |_, call| {
            if matches!(call, Call::Delete(_)) && deletes.fetch_add(1, Ordering::SeqCst) == at {
                // What the first backup had is what the new one would like to share.
                let (archive, ..) = backup_tree(&other, &tree(1), None).unwrap();
                other.write_record(Uuid::from_u128(4), &record_of(&report(4, 21, 1000), &archive)).unwrap();
            }
            None
        });
        sweep::run(&keeping.vault, &plan, &Silent).unwrap();
        keeping.store.behave();
        keeping.all_whole();
        if keeping.backups() == [3] {
            assert!(at > 5, "there were deletes to sleep before");
            break;
        }
        assert_eq!(keeping.backups(), [3, 4]);
        keeping.sweep(22);
        keeping.all_whole();
    }
}

/// Deletes that are answered at once and executed much later, after other backups were made: none hits what lives.
#[test]
fn deletes_that_come_late_hit_nothing_that_lives() {
    deletes_come_late(false);
    deletes_come_late(true);
}

/// The deletes come after two more backups, or after another sweep and one more.
fn deletes_come_late(swept_again: bool) {
    let keeping = three();
    let plan = keeping.plan(21, &bold()).unwrap();
    let late = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&late);
    keeping.store.misbehave(move |_, call| match call {
        Call::Delete(name) => {
            seen.lock().unwrap().push(name.to_owned());
            Some(Fault::Forget)
        }
        _ => None,
    });
    sweep::run(&keeping.vault, &plan, &Silent).unwrap();
    keeping.store.behave();
    assert!(
        matches!(keeping.mark(1, &restored(21)), Err(MarkError::TooLate { .. })),
        "its record is still there"
    );
    // The same content again, of which all packs are still there.
    keeping.backup(4, 21, 1000, &tree(1));
    keeping.backup(5, 22, 1000, &tree(2));
    if swept_again {
        keeping.sweep(23);
        keeping.backup(6, 24, 1000, &tree(2));
    }
    let names = late.lock().unwrap().clone();
    assert!(names.len() > 5);
    let store = undercroft_vault::store::local(keeping.folder.path()).unwrap();
    for name in names {
        undercroft_vault::store::Store::delete(&store, &name).unwrap();
    }
    assert_eq!(keeping.backups().len(), if swept_again { 4 } else { 3 });
    keeping.all_whole();
}

/// A sweep was stopped after its notice; a backup stored again what it may not rely on; the old deletes arrive while the
/// next sweep removes its first pack. Segments come in any order, so this is tried some times.
#[test]
fn deletes_of_a_stopped_sweep_that_come_during_the_next_one_hit_nothing_that_lives() {
    let mut removed = 0;
    for _ in 0..8 {
        let keeping = three();
        let plan = keeping.plan(21, &bold()).unwrap();
        assert!(!plan.rewrite.is_empty());
        let old: Vec<_> = plan.rewrite.iter().chain(&plan.dead).map(|pack| pack.pack.clone()).collect();
        keeping.store.misbehave(|_, call| {
            matches!(call, Call::Put(name) if name.contains("/packs/")).then_some(Fault::Fail)
        });
        sweep::run(&keeping.vault, &plan, &Silent).unwrap_err();
        keeping.store.behave();
        keeping.backup(4, 22, 1000, &tree(3));
        let next = keeping.plan(23, &bold()).unwrap();
        let packs = keeping.folder.path().join(format!("vaults/{}/packs", common::SITE));
        keeping.store.misbehave(move |_, call| {
            if matches!(call, Call::Delete(name) if name.contains("/packs/")) {
                for pack in &old {
                    let _ = std::fs::remove_file(packs.join(pack));
                }
            }
            None
        });
        removed += sweep::run(&keeping.vault, &next, &Silent).map_or(0, |swept| swept.packs.count);
        keeping.store.behave();
        keeping.all_whole();
    }
    assert!(removed > 0);
}

/// What a killed sweep gave notice of is stored again once, not by each backup.
#[test]
fn what_is_stored_again_after_a_killed_sweep_is_known_to_later_backups() {
    for _ in 0..6 {
        let keeping = three();
        let plan = keeping.plan(21, &bold()).unwrap();
        keeping.store.misbehave(|_, call| matches!(call, Call::Delete(_)).then_some(Fault::Fail));
        sweep::run(&keeping.vault, &plan, &Silent).unwrap_err();
        keeping.store.behave();
        assert_eq!(keeping.objects("sweeps/").len(), 1);
        backup_tree(&keeping.vault, &tree(3), None).unwrap();
        let (_, _, stored) = backup_tree(&keeping.vault, &tree(3), None).unwrap();
        assert_eq!(stored.bytes, 0);
    }
}

/// Stopped at any moment, a sweep leaves no pack beside the new one that has all that is needed of it.
#[test]
fn a_sweep_that_is_stopped_while_it_rewrites_leaves_nothing_twice() {
    let mut stopped = 0;
    for patience in 0.. {
        let keeping = three();
        let plan = keeping.plan(17, &bold()).unwrap();
        let swept = sweep::run(&keeping.vault, &plan, &Patience(patience.into())).unwrap();
        let there: Vec<_> = keeping.objects("packs/").into_iter().map(|pack| pack.name).collect();
        let left = plan.rewrite.iter().filter(|pack| there.iter().any(|name| name.ends_with(&pack.pack)));
        assert!(swept.written.count == 0 || left.count() == 0, "{patience}");
        keeping.all_whole();
        stopped += u32::from(swept.stopped && swept.written.count > 0);
        if !swept.stopped {
            break;
        }
    }
    assert!(stopped > 0, "it was stopped while it rewrote");
}

/// A newer backup is deleted, or found damaged, after the sweep was planned: the old one is the last good one again.
#[test]
fn a_backup_that_became_the_last_good_one_since_the_plan_stays() {
    let details = serde_json::Value::Null;
    let disproved = Marked::Proven { deep: false, good: false, summary: String::new(), details };
    for said in [trashed(18), Mark { at: day(18), what: disproved }] {
        let keeping = keeping();
        keeping.backup(1, 0, 10, &tree(1));
        keeping.backup(2, 5, 1000, &tree(2));
        let plan = keeping.plan(18, &bold()).unwrap();
        assert_eq!(plan.purge.len(), 1);
        keeping.mark(2, &said).unwrap();
        let swept = sweep::run(&keeping.vault, &plan, &Silent).unwrap();
        assert_eq!((keeping.backups(), swept.refused.len()), (vec![1, 2], 1));
        assert!(keeping.plan(18, &bold()).unwrap().purge.is_empty());
        keeping.all_whole();
    }
    // What is said for a backup, and not against it, is in nobody's way.
    let keeping = three();
    let plan = keeping.plan(21, &bold()).unwrap();
    keeping.mark(3, &kept(21, None)).unwrap();
    assert_eq!(sweep::run(&keeping.vault, &plan, &Silent).unwrap().backups.len(), 2);
}

/// A pack that was damaged, and healed by a later backup, is freed like any other, wherever the damage is in it.
#[test]
fn a_pack_with_damage_that_is_healed_is_written_anew() {
    for from_end in [false, true] {
        let keeping = three();
        let third = keeping.read(3).unwrap();
        let plan = keeping.plan(21, &bold()).unwrap();
        let pack = &plan.rewrite.iter().max_by_key(|pack| pack.bytes).unwrap().pack;
        let path = keeping.folder.path().join(format!("vaults/{}/packs/{pack}", common::SITE));
        let mut bytes = std::fs::read(&path).unwrap();
        let at = if from_end { bytes.len() - 60 } else { 5000 };
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let store: Arc<dyn Store> = keeping.store.clone();
        let check =
            || check::vault(&store, common::SITE, &common::recovery(), Depth::Content, &Silent).unwrap();
        let proof = check();
        assert!(!proof.is_clean());
        assert_eq!(proof.damaged.is_empty(), from_end);
        keeping.vault.note_damage(&proof.damaged, 7).unwrap();
        // Each has the content that was damaged: which of the three that is is not known.
        for n in 1..4 {
            keeping.backup(u128::from(n) + 10, 20, if n == 3 { 1000 } else { 0 }, &tree(n));
        }
        assert!(from_end || check().is_clean());
        let swept = keeping.sweep(60);
        assert_eq!((swept.refused.as_slice(), keeping.backups()), ([].as_slice(), vec![3, 13]));
        assert!(!path.exists());
        assert!(keeping.read(3).unwrap() == third);
        assert!(check().is_clean());
    }
}

/// What is needed and damaged, and not noted yet, is not given up: its pack stays.
#[test]
fn a_pack_with_damage_that_nobody_knew_of_stays() {
    let keeping = three();
    let plan = keeping.plan(21, &bold()).unwrap();
    let pack = &plan.rewrite.iter().max_by_key(|pack| pack.bytes).unwrap().pack;
    let path = keeping.folder.path().join(format!("vaults/{}/packs/{pack}", common::SITE));
    let mut bytes = std::fs::read(&path).unwrap();
    let every = (1000..bytes.len() - 4000).step_by(1000);
    every.for_each(|at| bytes[at] ^= 1);
    std::fs::write(&path, &bytes).unwrap();
    let swept = sweep::run(&keeping.vault, &plan, &Silent).unwrap();
    assert!(swept.refused.iter().any(|refused| refused.why.contains("damaged")), "{swept:?}");
    assert!(path.exists());
}

/// Somebody brings a backup back at the moment at which the sweep condemns it: whatever was promised holds.
#[test]
fn a_backup_that_is_brought_back_at_the_last_moment_stays_or_the_answer_is_no() {
    let (mut saved, mut late) = (0, 0);
    for at in 0..40 {
        let keeping = keeping();
        keeping.backup(1, 0, 1000, &tree(1));
        keeping.backup(2, 1, 1000, &tree(2));
        let bytes = keeping.read(1).unwrap();
        keeping.mark(1, &trashed(3)).unwrap();
        let plan = keeping.plan(11, &bold()).unwrap();
        assert_eq!(plan.purge.len(), 1);
        let other = common::vault(keeping.folder.path());
        let answer = Arc::new(std::sync::Mutex::new(None));
        let given = Arc::clone(&answer);
        keeping.store.misbehave(move |n, _| {
            if n == at {
                *given.lock().unwrap() = Some(other.write_mark(Uuid::from_u128(1), &restored(11)));
            }
            None
        });
        let swept = sweep::run(&keeping.vault, &plan, &Silent).unwrap();
        keeping.store.behave();
        match answer.lock().unwrap().take() {
            Some(Ok(())) => {
                assert!(keeping.read(1).unwrap() == bytes, "call {at}");
                assert_eq!(swept.refused.len(), 1, "{swept:?}");
                assert!(keeping.plan(12, &bold()).unwrap().purge.is_empty());
                saved += 1;
            }
            Some(Err(MarkError::TooLate { .. })) => late += 1,
            Some(Err(error)) => panic!("{}", chain(&error)),
            None => {}
        }
        keeping.all_whole();
        keeping.sweep(12);
        keeping.all_whole();
    }
    assert!(saved > 3 && late > 3, "{saved} {late}");
}

/// A download that began before a sweep goes on after it, though what it reads was moved to other packs.
#[test]
fn a_download_outlives_a_sweep() {
    let keeping = three();
    let third = keeping.read(3).unwrap();
    let index = Arc::new(keeping.vault.read_index().unwrap());
    let record = keeping.vault.read_record(Uuid::from_u128(3)).unwrap();
    let plan = keeping.plan(21, &bold()).unwrap();
    assert!(!plan.rewrite.is_empty());
    sweep::run(&keeping.vault, &plan, &Silent).unwrap();
    let (archive, mut bytes) = (&record.archives[0], vec![]);
    write_range(&keeping.vault, &index, archive, 0..archive.len(), &mut bytes).unwrap();
    assert!(bytes == third);
}

fn brake(result: Result<impl Sized, SweepError>) -> Brake {
    match result {
        Err(SweepError::Braked(brake)) => brake,
        Err(other) => panic!("{}", chain(&other)),
        Ok(_) => panic!("it was not stopped"),
    }
}

#[test]
fn something_reachable_that_is_missing_stops_the_sweep() {
    let keeping = three();
    let packs: Vec<_> = keeping.objects("packs/");
    let largest = packs.iter().max_by_key(|pack| pack.len).unwrap();
    let before = keeping.objects("");
    std::fs::remove_file(keeping.folder.path().join(&largest.name)).unwrap();
    match brake(keeping.plan(21, &bold())) {
        Brake::Missing { fragments, object, .. } => {
            assert!(fragments > 0);
            assert_eq!(object, largest.name);
        }
        other => panic!("{other}"),
    }
    assert_eq!(keeping.objects("").len() + 1, before.len(), "nothing was removed");
}

/// Every backup that needs what is missing is named; once they are all in the trash, the sweep goes on and keeps what
/// is left of them.
#[test]
fn what_is_missing_of_backups_in_the_trash_stops_no_sweep() {
    let keeping = keeping();
    keeping.backup(1, 0, 10, &tree(1));
    let before: BTreeSet<_> = keeping.objects("packs/").into_iter().map(|pack| pack.name).collect();
    for n in 2..5 {
        keeping.backup(n, 1, 1000, &tree(2));
    }
    keeping.backup(5, 2, 1000, &tree(3));
    let packs = keeping.objects("packs/");
    let of_second = packs.iter().filter(|pack| !before.contains(&pack.name) && pack.len > 300_000);
    let lost = of_second.min_by_key(|pack| pack.modified).unwrap();
    std::fs::remove_file(keeping.folder.path().join(&lost.name)).unwrap();
    for n in 2..5 {
        match brake(keeping.plan(18, &bold())) {
            Brake::Missing { fragments, backups, object } => {
                let named: Vec<_> = backups.iter().map(|(backup, _)| backup.as_u128()).collect();
                assert_eq!(named, (n..5).collect::<Vec<_>>());
                assert!(fragments > 0 && object == lost.name);
            }
            other => panic!("{other}"),
        }
        keeping.mark(n, &trashed(18)).unwrap();
    }
    let plan = keeping.plan(18, &bold()).unwrap();
    assert_eq!(plan.notes.len(), 3);
    let all = plan.notes.iter().all(|note| note.contains(&lost.name));
    assert!(all && plan.notes.iter().any(|note| note.contains("0000-000000000004")), "{:?}", plan.notes);
    let swept = sweep::run(&keeping.vault, &plan, &Silent).unwrap();
    assert!(swept.backups.len() == 1 && swept.packs.count > 0, "{swept:?}");
    // Whoever brings one back and has its content still has lost nothing.
    keeping.mark(4, &restored(19)).unwrap();
    keeping.backup(6, 19, 1000, &tree(2));
    keeping.all_whole();
    keeping.sweep(30);
    assert_eq!(keeping.backups(), [4, 5, 6]);
    keeping.all_whole();
}

/// Of a backup in the trash whose manifest is missing it is not known what it needs.
#[test]
fn a_missing_manifest_stops_the_sweep_even_in_the_trash() {
    let keeping = three();
    keeping.mark(3, &trashed(18)).unwrap();
    let record = keeping.vault.read_record(Uuid::from_u128(3)).unwrap();
    let index = keeping.vault.read_index().unwrap();
    let root = &record.archives[0].manifest.fragments[0];
    let pack = index.locate(root).unwrap().pack;
    let pack: String = pack.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("vaults/{}/packs/{pack}", common::SITE);
    std::fs::remove_file(keeping.folder.path().join(&name)).unwrap();
    match keeping.plan(21, &bold()) {
        Err(error @ SweepError::Unreadable { .. }) => {
            let told = chain(&error);
            assert!(told.contains("in the trash") && told.contains(&name), "{told}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_listing_that_contradicts_the_index_stops_the_sweep() {
    let keeping = three();
    let pack = keeping.objects("packs/")[0].name.clone();
    let path = keeping.folder.path().join(pack);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    assert!(matches!(brake(keeping.plan(21, &bold())), Brake::Contradiction { .. }));
    std::fs::write(&path, &whole).unwrap();
    // A record that is not listed, though its marks are.
    keeping.mark(3, &kept(3, None)).unwrap();
    let record = keeping.folder.path().join(&keeping.objects("records/")[2].name);
    std::fs::rename(&record, keeping.folder.path().join("away")).unwrap();
    let fresh = SweepPolicy { spare: std::time::Duration::from_secs(100 * 365 * 86_400), ..bold() };
    assert!(matches!(brake(keeping.plan(21, &fresh)), Brake::Contradiction { .. }));
    std::fs::rename(keeping.folder.path().join("away"), record).unwrap();
    keeping.sweep(21);
}

#[test]
fn a_clock_that_jumped_stops_the_sweep() {
    let keeping = three();
    let checked = SweepPolicy { most: 100, ..SweepPolicy::default() };
    match brake(keeping.plan(-9_000, &checked)) {
        Brake::ClockBehind { now, newest, .. } => assert_eq!((now, newest), (day(-9_000), day(2))),
        other => panic!("{other}"),
    }
    match brake(keeping.plan(103, &checked)) {
        Brake::ClockAhead { now, newest } => assert_eq!((now, newest), (day(103), day(2))),
        other => panic!("{other}"),
    }
    // Somebody said something on day 90: the clock came there step by step.
    keeping.mark(3, &kept(90, Some(1000))).unwrap();
    assert_eq!(keeping.plan(103, &checked).unwrap().purge.len(), 2);
    let told = SweepPolicy { clock_is_right: true, ..checked };
    assert_eq!(keeping.plan(900, &told).unwrap().purge.len(), 2);
}

/// A backup by a clock that jumped ahead does not make that clock right.
#[test]
fn a_backup_does_not_vouch_for_the_clock() {
    let keeping = three();
    let checked = SweepPolicy { most: 100, ..SweepPolicy::default() };
    keeping.backup(4, 1500, 10, &tree(4));
    keeping.backup(5, 1501, 10, &tree(4));
    keeping.mark(5, &trashed(1501)).unwrap();
    match brake(keeping.plan(1510, &checked)) {
        Brake::ClockJumped { now, from, to } => {
            assert_eq!((now, from, to), (day(1510), day(2), day(1500)))
        }
        other => panic!("{other}"),
    }
    let told = SweepPolicy { clock_is_right: true, ..checked };
    let plan = keeping.plan(1510, &told).unwrap();
    sweep::run(&keeping.vault, &plan, &Silent).unwrap();
    assert_eq!(keeping.backups(), [4], "the fourth is the last good one");
}

/// What was deleted or made after a long rest, or was gone before it, is swept at once; the rest once things have gone
/// on for long enough.
#[test]
fn a_vault_that_rested_is_swept_again() {
    let checked = SweepPolicy { most: 100, ..SweepPolicy::default() };
    let rested = |first: i64| {
        let keeping = keeping();
        keeping.backup(1, 0, first, &tree(1));
        keeping.backup(2, 20, 1000, &tree(2));
        keeping.backup(5, 50, 1000, &tree(2));
        keeping.backup(3, 200, 5, &tree(3));
        keeping.backup(4, 201, 1000, &tree(4));
        keeping
    };
    let goes = |keeping: &Keeping, now| {
        let plan = keeping.plan(now, &checked).map_err(|error| chain(&error))?;
        Ok(plan.purge.iter().map(|purge| purge.backup.as_u128()).collect::<Vec<_>>())
    };
    let keeping = rested(40);
    assert_eq!(goes(&keeping, 220), Ok(vec![1, 3]), "the first was gone on day 47");
    keeping.mark(5, &trashed(210)).unwrap();
    assert_eq!(goes(&keeping, 220), Ok(vec![1, 3, 5]));
    let keeping = rested(60);
    let why: Result<_, String> = goes(&keeping, 220);
    assert!(why.as_ref().is_err_and(|why| why.contains("nothing happened in the vault between")), "{why:?}");
    assert!(goes(&keeping, 300).is_err());
    assert_eq!(goes(&keeping, 301), Ok(vec![1, 3]));
}

#[test]
fn a_sweep_that_would_free_too_much_stops() {
    let keeping = keeping();
    for n in 0..6 {
        keeping.backup(n + 1, n as i64, 10, &tree(n as u64 + 1));
    }
    keeping.mark(6, &kept(6, Some(1000))).unwrap();
    let checked = SweepPolicy { clock_is_right: true, ..SweepPolicy::default() };
    match brake(keeping.plan(40, &checked)) {
        Brake::TooMuch { frees, of, limit } => assert!(frees * 100 > of * 60 && limit == 60),
        other => panic!("{other}"),
    }
    assert_eq!(keeping.backups().len(), 6);
    keeping.plan(40, &SweepPolicy { most: 80, ..checked }).unwrap();
}

#[test]
fn nothing_is_swept_while_something_can_not_be_read() {
    for below in ["records/", "index/", "packs/"] {
        let keeping = three();
        for object in keeping.objects(below) {
            let path = keeping.folder.path().join(&object.name);
            let whole = std::fs::read(&path).unwrap();
            let mut damaged = whole.clone();
            for at in [40, 130] {
                damaged[at] ^= 1;
            }
            std::fs::write(&path, &damaged).unwrap();
            match keeping.plan(21, &bold()) {
                Err(error @ SweepError::Unreadable { .. }) => {
                    assert!(below != "records/" || chain(&error).contains("record"))
                }
                Err(other) => panic!("{below}: {}", chain(&other)),
                // A segment is derived, and a pack that only the dead need is not read.
                Ok(_) => assert!(below != "records/"),
            }
            std::fs::write(&path, &whole).unwrap();
        }
    }
}

/// A segment that is damaged stops the sweep until a backup has named its packs again; then it goes.
#[test]
fn a_damaged_segment_goes_once_it_is_needed_no_more() {
    let keeping = three();
    let path = keeping.folder.path().join(&keeping.objects("index/")[0].name);
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[130] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    assert!(matches!(keeping.plan(21, &bold()), Err(SweepError::Unreadable { .. })));
    keeping.backup(4, 21, 1000, &tree(3));
    keeping.sweep(21);
    assert!(!path.exists());
    assert_eq!(keeping.backups(), [3, 4]);
    keeping.all_whole();
}

/// A mark that can't be read might say that the backup is to be kept.
#[test]
fn a_damaged_mark_keeps_its_backup() {
    let keeping = three();
    keeping.mark(1, &kept(3, Some(5))).unwrap();
    let path = keeping.folder.path().join(&keeping.objects("marks/")[0].name);
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[120] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    let plan = keeping.plan(500, &bold()).unwrap();
    let purged: Vec<_> = plan.purge.iter().map(|purge| purge.backup.as_u128()).collect();
    assert_eq!((purged, plan.notes.len()), (vec![2], 1));
    assert!(plan.notes[0].contains("/marks/"), "{:?}", plan.notes);
}

/// Packs that nobody names and that are young may be of somebody who is writing them.
#[test]
fn what_is_young_and_nameless_is_spared_and_the_plan_says_until_when() {
    let keeping = three();
    let session = Session::begin(&keeping.vault).unwrap();
    session.add(noise(77, 90_000)).unwrap().wait().unwrap();
    session.finish().unwrap();
    let now = Timestamp::now();
    let judge = sweep::by_retention(Policy::default(), now);
    let plan = |now| sweep::plan(&keeping.vault, &judge, &bold(), now, &Silent).unwrap();
    let young = plan(now);
    assert_eq!((young.spare.len(), young.dead.len()), (1, 0));
    let until = young.spare[0].until.unwrap();
    assert!(
        (now + jiff::SignedDuration::from_hours(23)..now + jiff::SignedDuration::from_hours(25))
            .contains(&until)
    );
    assert_eq!(young.waits[0].until, Some(until));
    assert_eq!(plan(until - jiff::SignedDuration::from_secs(1)).dead.len(), 0);
    assert_eq!(plan(until).dead.len(), 1);
}

/// Locked objects are no failure: the rest is swept, and what a locked record needs stays.
#[test]
fn refused_deletes_are_told_and_the_rest_goes_on() {
    for locked in ["/records/00000000-0000-0000-0000-000000000001", "/packs/", "/marks/", "/index/"] {
        let keeping = three();
        keeping.mark(1, &trashed(3)).unwrap();
        let first = keeping.read(1).unwrap();
        let denied = move |_, call: Call<'_>| {
            matches!(call, Call::Delete(name) if name.contains(locked)).then_some(Fault::Denied)
        };
        keeping.store.misbehave(denied);
        let swept = keeping.sweep(21);
        assert!(!swept.refused.is_empty(), "{locked}");
        keeping.all_whole();
        let again = keeping.sweep(21);
        assert!(again.refused.len() <= swept.refused.len(), "{locked}: {again:?}");
        if locked.contains("records") {
            assert_eq!(keeping.backups(), [1, 3]);
            assert!(keeping.read(1).unwrap() == first, "a backup that can't go is not taken apart");
        }
        keeping.store.behave();
        keeping.sweep(22);
        assert_eq!(keeping.backups(), [3]);
        keeping.all_whole();
        assert_near(keeping.bytes(), fresh(&[3]));
    }
}

/// A store with no room for a byte more until something goes.
#[test]
fn a_full_store_is_swept() {
    let keeping = three();
    let third = keeping.read(3).unwrap();
    let room = AtomicU64::new(0);
    keeping.store.misbehave(move |_, call| match call {
        Call::Put(_) if room.load(Ordering::SeqCst) == 0 => Some(Fault::Full),
        Call::Put(_) => {
            room.fetch_sub(1, Ordering::SeqCst);
            None
        }
        Call::Delete(_) => {
            room.fetch_add(1, Ordering::SeqCst);
            None
        }
        _ => None,
    });
    let swept = keeping.sweep(21);
    assert_eq!(swept.backups.len(), 2, "{swept:?}");
    keeping.store.behave();
    assert!(keeping.read(3).unwrap() == third);
    keeping.sweep(21);
    assert_near(keeping.bytes(), fresh(&[3]));
}

/// A store that stays full whatever goes: dead packs go all the same, rewriting is given up.
#[test]
fn a_store_that_stays_full_is_swept_as_far_as_that_goes() {
    let keeping = three();
    let third = keeping.read(3).unwrap();
    let plan = keeping.plan(21, &bold()).unwrap();
    assert!(!plan.rewrite.is_empty());
    keeping.store.misbehave(|_, call| {
        matches!(call, Call::Put(name) if name.contains("/packs/") || name.contains("/index/"))
            .then_some(Fault::Full)
    });
    let swept = sweep::run(&keeping.vault, &plan, &Silent).unwrap();
    assert!(swept.refused.iter().any(|refused| refused.why.contains("no room")), "{swept:?}");
    assert_eq!(swept.packs.count as usize, plan.dead.len());
    keeping.store.behave();
    assert!(keeping.read(3).unwrap() == third);
    keeping.sweep(21);
    assert_near(keeping.bytes(), fresh(&[3]));
}

/// A real file system without a byte left, filled by a backup that failed: sweeping makes room, and the backup that
/// failed then succeeds.
#[test]
fn a_full_disk_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
        .arg(folder.path())
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("not run: only root can mount a small file system");
        return;
    }
    let path = folder.path().to_owned();
    let result = std::panic::catch_unwind(|| {
        let keeping = common::keep::keeping_in(folder);
        // The one that goes has packs of its own.
        keeping.backup(2, 1, 1000, &tree(2));
        keeping.backup(1, 0, 10, &tree(1));
        let second = keeping.read(2).unwrap();
        let mut large = tree(3);
        large.file("large", noise(9, 2_500_000));
        assert!(keeping.try_backup(3, 2, 1000, &large).is_err());
        // The very last bytes.
        for len in [1 << 20, 1 << 16, 1 << 12] {
            for n in 0..4096 {
                let file = keeping.folder.path().join(format!("fill-{len}-{n}"));
                if std::fs::write(&file, vec![1; len]).is_err() {
                    let _ = std::fs::remove_file(file);
                    break;
                }
            }
        }
        let swept = keeping.sweep(20);
        assert_eq!(swept.backups.len(), 1, "{swept:?}");
        assert!(swept.packs.bytes > 300_000, "{swept:?}");
        assert!(keeping.read(2).unwrap() == second);
        for file in std::fs::read_dir(keeping.folder.path()).unwrap().flatten() {
            if file.file_name().to_string_lossy().starts_with("fill-") {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
        keeping.sweep(20);
        keeping.backup(3, 20, 1000, &large);
        keeping.all_whole();
        // The folder goes once nothing is mounted on it.
        std::mem::forget(keeping);
    });
    assert!(std::process::Command::new("umount").arg(&path).status().unwrap().success());
    std::fs::remove_dir(&path).unwrap();
    result.unwrap();
}

/// Segments that name packs that are gone do not stay, and many small ones become one.
#[test]
fn the_index_does_not_grow_for_ever() {
    let keeping = keeping();
    for n in 0..24u64 {
        keeping.backup(u128::from(n) + 1, n as i64, 10, &tree(n));
    }
    assert_eq!(keeping.objects("index/").len(), 24);
    let swept = keeping.sweep(40);
    assert_eq!(keeping.backups(), [24]);
    assert_eq!(keeping.objects("index/").len(), 1, "{swept:?}");
    assert_eq!(keeping.objects("sweeps/").len(), 1);
    keeping.all_whole();
    for n in 24..42u64 {
        keeping.backup(u128::from(n) + 1, 40, 1000, &tree(n));
    }
    keeping.sweep(41);
    assert!(keeping.objects("index/").len() <= 2);
    keeping.all_whole();
}

#[test]
fn a_plan_of_another_vault_is_refused() {
    let keeping = three();
    let plan = keeping.plan(21, &bold()).unwrap();
    let store = Arc::new(undercroft_vault::store::local(keeping.folder.path()).unwrap());
    let other = undercroft_vault::Vault::open_or_create(store, Uuid::nil(), &common::recovery()).unwrap();
    assert!(matches!(sweep::run(&other, &plan, &Silent), Err(SweepError::OtherVault { .. })));
}

#[test]
fn planning_stops_when_asked() {
    let keeping = three();
    let judge = sweep::by_retention(Policy::default(), day(21));
    let plan = sweep::plan(&keeping.vault, &judge, &bold(), day(21), &Patience(2.into()));
    assert!(matches!(plan, Err(SweepError::Cancelled(_))));
}

/// What a record says of itself that nobody understands is kept, and told.
#[test]
fn a_backup_that_nobody_knows_is_kept() {
    let keeping = three();
    let (archive, ..) = backup_tree(&keeping.vault, &tree(9), None).unwrap();
    keeping.vault.write_record(Uuid::from_u128(9), &common::record(&[&archive])).unwrap();
    let plan = keeping.plan(21, &bold()).unwrap();
    assert!(plan.notes.iter().any(|note| note.contains("0000-000000000009")), "{:?}", plan.notes);
    let swept: Swept = sweep::run(&keeping.vault, &plan, &Silent).unwrap();
    assert_eq!(swept.backups.len(), 2);
    let names: BTreeSet<_> = keeping.backups().into_iter().collect();
    assert_eq!(names, BTreeSet::from([3, 9]));
    keeping.all_whole();
}
