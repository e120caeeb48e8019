//! Two archives compared by their lists, against a comparison of the trees that they were made of.

#![allow(clippy::unwrap_used, clippy::expect_used)] // As in all tests; here, helpers are outside of them.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::*;
use undercroft_model::Silent;
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::stream::EntryKind;
use undercroft_vault::tree::compare::{Compared, Content, Difference, Proofs, What, compare};
use undercroft_vault::tree::take::{Runs, Wanted};
use undercroft_vault::{Vault, VaultError};

fn manifest(vault: &Vault, archive: &ArchiveRecord) -> ManifestReader {
    let index = Arc::new(vault.read_index().unwrap());
    ManifestReader::open(Fetcher::new(vault, index), &archive.manifest).unwrap()
}

type Differences = BTreeMap<(Vec<u8>, &'static str), Option<What>>;

fn compared(vault: &Vault, before: &ArchiveRecord, after: &ArchiveRecord) -> (Compared, Differences) {
    let mut found = BTreeMap::new();
    let mut each = |difference: Difference<'_>| {
        let (entry, kind, what) = match difference {
            Difference::Added(entry) => (entry, "added", None),
            Difference::Removed(entry) => (entry, "removed", None),
            Difference::Changed { after, what, .. } => (after, "changed", Some(what)),
        };
        assert!(found.insert((entry.path.clone(), kind), what).is_none(), "told twice");
    };
    let sums = compare(manifest(vault, before), manifest(vault, after), &Silent, &mut each).unwrap();
    (sums, found)
}

fn big_tree() -> Tree {
    let mut tree = Tree::new();
    for n in 0..400u64 {
        tree.file(&format!("folder{}/file{n:03}", n % 7), noise(n, 100 + (n * 731 % 9_000) as usize));
    }
    tree.file("large/one", noise(1000, 700_000));
    tree.file("large/two", noise(1001, 100_000));
    tree.put(b"link", EntryKind::Symlink { target: b"large/one".to_vec() }, vec![]);
    tree
}

#[test]
fn a_tree_that_did_not_change_is_proved_to_be_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let tree = big_tree();
    let (first, ..) = backup_tree(&vault, &tree, None).unwrap();
    let (second, ..) = backup_tree(&vault, &tree, None).unwrap();
    let (sums, found) = compared(&vault, &first, &second);
    assert_eq!(found, BTreeMap::new());
    let content = tree.nodes.values().map(|node| node.content.len() as u64).sum::<u64>();
    assert_eq!((sums.same.entries, sums.same.bytes), (tree.nodes.len() as u64, content));
    assert_eq!(sums.unproven.entries + sums.added.entries + sums.removed.entries + sums.changed.entries, 0);
}

#[test]
fn each_kind_of_change_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let mut tree = big_tree();
    let (first, ..) = backup_tree(&vault, &tree, None).unwrap();
    tree.file("folder1/new", vec![1; 10]);
    tree.remove(b"folder2/file002");
    tree.change(b"folder3/file003", |node| node.mode = 0o600);
    tree.change(b"folder4/file004", |node| node.owner = (0, 33));
    tree.change(b"folder5/file005", |node| node.mtime.seconds += 1);
    tree.change(b"large/one", |node| node.content = Arc::new(noise(2000, 700_000)));
    tree.change(b"link", |node| node.kind = EntryKind::Symlink { target: b"large/two".to_vec() });
    tree.change(b"folder6/file006", |node| node.kind = EntryKind::Fifo);
    tree.change(b"folder6/file006", |node| node.content = Arc::default());
    tree.change(b"large/two", |node| node.content = Arc::new(noise(2001, 50)));
    let (second, ..) = backup_tree(&vault, &tree, Some(&first)).unwrap();
    let (sums, mut found) = compared(&vault, &first, &second);
    let mut of = |path: &str, kind| found.remove(&(path.as_bytes().to_vec(), kind)).expect(path);
    assert_eq!(of("folder1/new", "added"), None);
    assert_eq!(of("folder2/file002", "removed"), None);
    let what = of("folder3/file003", "changed").unwrap();
    assert!(what.mode && !what.owner && !what.time && !what.kind && !what.target);
    assert!(of("folder4/file004", "changed").unwrap().owner);
    assert!(of("folder5/file005", "changed").unwrap().time);
    let what = of("large/one", "changed").unwrap();
    assert!(what.content == Content::Other && !what.time, "its time was kept, as an intruder does");
    let what = of("link", "changed").unwrap();
    assert!(what.target && !what.kind);
    let what = of("folder6/file006", "changed").unwrap();
    assert!(what.kind && !what.target);
    assert_eq!(of("large/two", "changed").unwrap().content, Content::Other);
    assert_eq!(found, BTreeMap::new(), "neighbours of what changed did not");
    assert_eq!((sums.added.entries, sums.removed.entries, sums.changed.entries), (1, 1, 7));
    let all = sums.same.entries + sums.unproven.entries + sums.changed.entries + sums.added.entries;
    assert_eq!(all, tree.nodes.len() as u64);
}

#[test]
fn a_file_that_became_a_folder_is_gone_and_new() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let mut tree = big_tree();
    tree.file("thing", vec![1]);
    let (first, ..) = backup_tree(&vault, &tree, None).unwrap();
    tree.remove(b"thing");
    tree.file("thing/inside", vec![2]);
    let (second, ..) = backup_tree(&vault, &tree, None).unwrap();
    let (_, found) = compared(&vault, &first, &second);
    let told: Vec<_> = found.keys().map(|(path, kind)| (String::from_utf8_lossy(path), *kind)).collect();
    let told: Vec<_> = told.iter().map(|(path, kind)| (path.as_ref(), *kind)).collect();
    assert_eq!(told, [("thing", "added"), ("thing", "removed"), ("thing/inside", "added")]);
}

#[test]
fn only_what_is_the_same_is_proved() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let mut tree = big_tree();
    let (first, ..) = backup_tree(&vault, &tree, None).unwrap();
    let changed: [&[u8]; 3] = [b"large/one", b"folder0/file007", b"folder3/file031"];
    for path in changed {
        tree.change(path, |node| {
            let len = node.content.len();
            node.content = Arc::new(noise(77, len));
        });
    }
    tree.change(b"folder1/file001", |node| node.xattrs = vec![(b"user.a".to_vec(), b"b".to_vec())]);
    let (second, ..) = backup_tree(&vault, &tree, None).unwrap();
    let mut proofs = Proofs::new(manifest(&vault, &first)).unwrap();
    let mut runs = Runs::open(manifest(&vault, &second), Wanted::all()).unwrap();
    let (mut proved, mut all) = (0, 0);
    while let Some(run) = runs.next_run().unwrap() {
        for (entry, same) in run.entries.iter().zip(proofs.of(&run).unwrap()) {
            let path = entry.entry.path.as_slice();
            assert!(!same || !(changed.contains(&path) || path == b"folder1/file001"), "{path:?}");
            (proved, all) = (proved + usize::from(same), all + 1);
        }
    }
    assert_eq!(all, tree.nodes.len());
    assert!(proved > all / 2, "{proved} of {all}");
}

#[test]
fn a_comparison_stops_when_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let (archive, ..) = backup_tree(&vault, &big_tree(), None).unwrap();
    let lists = (manifest(&vault, &archive), manifest(&vault, &archive));
    let error = compare(lists.0, lists.1, &common::Stopped, &mut |_| {}).unwrap_err();
    assert!(matches!(error, VaultError::Cancelled(_)));
}
