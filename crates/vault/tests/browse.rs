//! Listing what is in an archive.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;

use common::{Tree, backup_text, backup_tree, noise, text};
use undercroft_vault::Vault;
use undercroft_vault::browse::{Below, Listing, entries};
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::stream::SectionKind;

fn paths(vault: &Vault, archive: &ArchiveRecord, path: &str, depth: Option<usize>) -> Vec<String> {
    let below = Below { path: path.into(), depth };
    entries(vault, &Arc::new(vault.read_index().unwrap()), archive, below)
        .unwrap()
        .map(|listing| match listing.unwrap() {
            Listing::Entry(entry) => String::from_utf8(entry.path).unwrap(),
            Listing::Section { label, .. } => panic!("{label:?}"),
        })
        .collect()
}

#[test]
fn a_tree_is_listed_by_path_and_depth() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let mut tree = Tree::new();
    for path in ["a/b/c.txt", "a/b/d/e.txt", "a/b-c/f.txt", "a/b.txt", "a/b0", "z/large.bin", "z.txt"] {
        tree.file(path, noise(1, if path.starts_with("z/") { 400_000 } else { 90 }));
    }
    let (archive, counts, _) = backup_tree(&vault, &tree, None).unwrap();
    assert_eq!(paths(&vault, &archive, "", None).len() as u64, counts.entries);
    assert_eq!(paths(&vault, &archive, "", Some(0)), [""]);
    assert_eq!(paths(&vault, &archive, "", Some(1)), ["", "a", "z.txt", "z"]);
    assert_eq!(paths(&vault, &archive, "a/b", Some(1)), ["a/b", "a/b/c.txt", "a/b/d"]);
    assert_eq!(paths(&vault, &archive, "a/b", None), ["a/b", "a/b/c.txt", "a/b/d", "a/b/d/e.txt"]);
    assert_eq!(paths(&vault, &archive, "a/b.txt", None), ["a/b.txt"]);
    assert_eq!(paths(&vault, &archive, "nowhere", None), [""; 0]);
}

#[test]
fn a_text_is_listed_by_section() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let sections = [("wp_options".to_owned(), text(1, 5_000)), ("wp_posts".to_owned(), text(2, 600_000))];
    let (archive, _) = backup_text(&vault, &sections).unwrap();
    let index = Arc::new(vault.read_index().unwrap());
    let listed = |path: &str| -> Vec<_> {
        let below = Below { path: path.into(), depth: None };
        let listed = entries(&vault, &index, &archive, below).unwrap();
        listed
            .map(|listing| match listing.unwrap() {
                Listing::Section { label, rows, bytes } => (label.kind, label.name, rows, bytes),
                Listing::Entry(entry) => panic!("{entry:?}"),
            })
            .collect()
    };
    let expected = [
        (SectionKind::Table, "wp_options".to_owned(), Some(0), 5_000),
        (SectionKind::Table, "wp_posts".to_owned(), Some(1), 600_000),
    ];
    assert_eq!(listed(""), expected);
    assert_eq!(listed("wp_options"), expected[..1]);
    assert_eq!(listed("wp_posts"), expected[1..]);
    assert_eq!(listed("wp"), []);
}
