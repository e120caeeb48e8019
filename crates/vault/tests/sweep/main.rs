//! The sweep: what is dead goes, what lives stays, whatever happens meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod brakes;
#[path = "../common/mod.rs"]
mod common;
mod races;
mod trouble;

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
