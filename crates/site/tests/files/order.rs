//! Any tree comes whole, and in the order that the vault needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use undercroft_vault::stream::{Entry, EntryKind};

use crate::support::*;

/// Names that sort around the slash, and bytes that are no text.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(&b"-.0aB ~\n\\\xe9\xff"[..]), 1..4)
        .prop_filter("a name", |name| name != b"." && name != b"..")
}

/// What an entry is sorted by.
fn key(entry: &Entry) -> Vec<u8> {
    let mut key = entry.path.clone();
    if entry.kind == EntryKind::Folder && !key.is_empty() {
        key.push(b'/');
    }
    key
}

fn everything_below(folder: &Path) -> BTreeSet<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    things(folder).into_keys().map(|path| path.as_os_str().as_bytes().to_vec()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_walk_is_whole_and_in_order(
        files in prop::collection::vec(prop::collection::vec(name(), 1..4), 0..40)
    ) {
        let tree = tempfile::tempdir().unwrap();
        for file in files {
            let path = tree.path().join(path(&file.join(&b'/')));
            // A path may want a file where another has a folder: then there is no such file.
            let _ = fs::create_dir_all(path.parent().unwrap());
            let _ = fs::write(&path, "");
        }
        let watch = Watch::default();
        let (entries, facts) = walk(everything(tree.path()), &watch);
        watch.assert_whole();
        let keys: Vec<_> = entries.iter().map(key).collect();
        prop_assert!(keys.is_sorted());
        prop_assert_eq!(facts.entries, entries.len() as u64);
        let met: BTreeSet<_> = entries.into_iter().map(|entry| entry.path).collect();
        prop_assert_eq!(met, everything_below(tree.path()));
        prop_assert_eq!(facts.entries as usize, keys.len());
    }
}
