//! The walk does what it is asked to, and stops when it is.

use std::os::unix::fs::symlink;

use undercroft_site::files::Tree;
use undercroft_vault::stream::TreeSource;

use crate::support::*;

#[test]
fn a_symlink_at_the_top_is_followed() {
    let tree = tempfile::tempdir().unwrap();
    plant(tree.path(), &["uploads/x"]);
    symlink("uploads", tree.path().join("files")).unwrap();
    assert_eq!(paths(&tree.path().join("files"), &[], &[]), ["", "x"]);
}

#[test]
fn an_empty_folder_is_a_tree_of_one_entry() {
    let tree = tempfile::tempdir().unwrap();
    let (entries, facts) = walk(everything(tree.path()), &Watch::default());
    assert_eq!((entries.len(), facts.entries, facts.files), (1, 1, 0));
}

#[test]
fn a_tree_that_is_dropped_half_way_stops_its_walk() {
    let tree = tempfile::tempdir().unwrap();
    for folder in 0..100 {
        let names: Vec<_> = (0..30).map(|n| format!("{folder}/{n}")).collect();
        plant(tree.path(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let watch = Watch::default();
    let mut source = Tree::open(everything(tree.path()), &watch).unwrap();
    assert!(source.next_entry().unwrap().is_some());
    let facts = source.finish();
    assert_eq!(facts.entries, 1);
}
