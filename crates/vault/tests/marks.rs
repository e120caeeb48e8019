//! Marks: in order, bound to their backup, never lost in silence.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use common::faulty::{Call, Fault};
use common::keep::{Keeping, day, keeping, kept, restored, trashed};
use common::{SITE, Tree};
use undercroft_model::{Mark, Marked};
use undercroft_vault::store::StoreError;
use undercroft_vault::{MarkError, VaultError};
use uuid::Uuid;

const ONE: Uuid = Uuid::from_u128(1);
const TWO: Uuid = Uuid::from_u128(2);

fn two() -> Keeping {
    let keeping = keeping();
    let mut tree = Tree::new();
    tree.file("a", vec![7; 1000]);
    keeping.backup(1, 0, 10, &tree);
    keeping.backup(2, 1, 10, &tree);
    keeping
}

fn proven(at: i64) -> Mark {
    let details = serde_json::json!({ "files": { "entries": 3 } });
    Mark { at: day(at), what: Marked::Proven { deep: true, good: true, summary: "whole".into(), details } }
}

#[test]
fn marks_come_back_in_the_order_in_which_they_were_set() {
    let keeping = two();
    let marks = [trashed(5), restored(6), kept(4, None), proven(7), kept(6, Some(90))];
    for mark in &marks {
        keeping.mark(1, mark).unwrap();
    }
    keeping.mark(2, &proven(9)).unwrap();
    assert_eq!(keeping.vault.marks_of(ONE).unwrap(), marks);
    assert_eq!(keeping.vault.marks_of(TWO).unwrap(), [proven(9)]);
    let all = keeping.vault.marks().unwrap();
    assert_eq!((&all[&ONE][..], &all[&TWO][..]), (&marks[..], &[proven(9)][..]));
    assert_eq!(common::vault(keeping.folder.path()).marks().unwrap(), all);
    assert_eq!(keeping.vault.marks_of(Uuid::from_u128(3)).unwrap(), []);
}

#[test]
fn marks_that_are_set_at_once_stand_side_by_side() {
    let keeping = two();
    thread::scope(|scope| {
        for n in 0..8 {
            let keeping = &keeping;
            scope.spawn(move || keeping.mark(1, &proven(n)).unwrap());
        }
    });
    let marks = keeping.vault.marks_of(ONE).unwrap();
    let days: BTreeSet<_> = marks.iter().map(|mark| mark.at).collect();
    assert_eq!((marks.len(), days.len()), (8, 8));
    keeping.mark(1, &trashed(9)).unwrap();
    assert_eq!(keeping.vault.marks_of(ONE).unwrap().last(), Some(&trashed(9)), "the next one is the last");
}

/// Damaged, cut, empty, or another's: it is told as what can't be read, in its place, and the others are read.
#[test]
fn a_mark_that_can_not_be_read_is_told_in_its_place() {
    let keeping = two();
    for mark in [trashed(1), kept(2, None), restored(3)] {
        keeping.mark(1, &mark).unwrap();
    }
    keeping.mark(2, &trashed(1)).unwrap();
    let objects = keeping.objects("marks/");
    let path = |n: usize| keeping.folder.path().join(&objects[n].name);
    let whole = fs::read(path(1)).unwrap();
    let mut flipped = whole.clone();
    flipped[115] ^= 1;
    let of_another = fs::read(path(3)).unwrap();
    let earlier = fs::read(path(0)).unwrap();
    for (how, bytes) in [
        ("flipped", &flipped[..]),
        ("cut", &whole[..60]),
        ("empty", &[]),
        ("of another backup", &of_another),
        ("an earlier one", &earlier),
    ] {
        fs::write(path(1), bytes).unwrap();
        let marks = keeping.vault.marks_of(ONE).unwrap();
        let [first, second, third] = &marks[..] else { panic!("{how}: {marks:?}") };
        assert_eq!((first, third), (&trashed(1), &restored(3)), "{how}");
        assert!(
            matches!(&second.what, Marked::Unread { object, .. } if *object == objects[1].name),
            "{how}: {second:?}"
        );
    }
    fs::write(path(1), &whole).unwrap();
    assert_eq!(keeping.vault.marks_of(ONE).unwrap()[1], kept(2, None));
}

#[test]
fn what_can_not_be_read_now_is_an_error_and_no_mark() {
    let keeping = two();
    keeping.mark(1, &trashed(1)).unwrap();
    keeping.store.misbehave(|_, call| matches!(call, Call::Get(_)).then_some(Fault::Fail));
    assert!(matches!(keeping.vault.marks(), Err(VaultError::Store(_))));
}

#[test]
fn a_store_that_forgets_a_mark_is_found_out() {
    let keeping = two();
    keeping.store.misbehave(|_, call| matches!(call, Call::Put(_)).then_some(Fault::Forget));
    let result = keeping.mark(1, &trashed(1));
    assert!(matches!(result, Err(MarkError::Vault(VaultError::NotKept { .. }))), "{result:?}");
}

#[test]
fn what_is_gone_can_not_be_kept() {
    let keeping = two();
    let nobody = keeping.mark(77, &restored(1));
    assert!(matches!(nobody, Err(MarkError::TooLate { .. })), "{nobody:?}");
    keeping.mark(1, &trashed(1)).unwrap();
    keeping.mark(1, &Mark { at: day(9), what: Marked::Condemned { seen: 1 } }).unwrap();
    for mark in [restored(9), kept(9, None)] {
        assert!(matches!(keeping.mark(1, &mark), Err(MarkError::TooLate { .. })));
    }
    assert_eq!(keeping.vault.marks_of(ONE).unwrap().len(), 2, "nothing was written");
    let unread = Mark { at: day(1), what: Marked::Unread { object: String::new(), why: String::new() } };
    assert!(matches!(keeping.mark(1, &unread), Err(MarkError::Unwritable)));
}

/// A store without room for a mark: a segment of the index gives it, and everything reads as before.
#[test]
fn a_backup_in_a_full_store_can_be_marked() {
    let keeping = two();
    let full = |below: usize| {
        let folder = keeping.folder.path().join(format!("vaults/{SITE}/index"));
        keeping.store.misbehave(move |_, call| {
            let segments = fs::read_dir(&folder).unwrap().count();
            (matches!(call, Call::Put(_)) && segments >= below).then_some(Fault::Full)
        });
    };
    let segments = keeping.objects("index/").len();
    full(segments);
    keeping.mark(1, &trashed(1)).unwrap();
    assert_eq!(keeping.vault.marks_of(ONE).unwrap(), [trashed(1)]);
    assert_eq!(keeping.objects("index/").len(), segments - 1, "no more is given up than it takes");
    keeping.all_whole();
    // One that has nothing to give says so.
    full(0);
    let refused = keeping.mark(2, &trashed(1));
    assert!(
        matches!(&refused, Err(MarkError::Vault(VaultError::Store(StoreError::Full { .. })))),
        "{refused:?}"
    );
    keeping.store.behave();
    let mut tree = Tree::new();
    tree.file("b", vec![8; 1000]);
    keeping.backup(3, 2, 10, &tree);
    keeping.all_whole();
    assert!(!keeping.objects("index/").is_empty(), "the next backup writes it anew");
}

/// Names that are no marks', as a later release or a person might leave them, harm nothing.
#[test]
fn strange_names_are_passed_over() {
    let keeping = two();
    keeping.mark(1, &trashed(1)).unwrap();
    for name in ["readme", "not-a-uuid/0000000000-00", "00000000-0000-0000-0000-000000000001/readme"] {
        let path = keeping.folder.path().join(format!("vaults/{SITE}/marks/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    assert_eq!(keeping.vault.marks().unwrap().len(), 1);
    assert_eq!(keeping.vault.marks_of(ONE).unwrap(), [trashed(1)]);
}
