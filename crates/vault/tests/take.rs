//! Entries taken out of archives, against the trees that these were made of.

#![allow(clippy::unwrap_used, clippy::expect_used)] // As in all tests; here, helpers are outside of them.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::*;
use proptest::prelude::*;
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::index::Index;
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::stream::{Entry, EntryKind};
use undercroft_vault::tree::take::{Runs, Taker, Wanted, Xattrs};
use undercroft_vault::{Vault, VaultError};

/// What came out: each entry with its attributes and content.
#[derive(Default)]
struct Out {
    found: BTreeMap<Vec<u8>, (Entry, Xattrs, Vec<u8>)>,
    open: bool,
}

impl Taker for Out {
    type Error = VaultError;

    fn begin(&mut self, entry: &Entry, xattrs: Xattrs) -> Result<(), VaultError> {
        assert!(!std::mem::replace(&mut self.open, true), "entries come one after the other");
        let known = self.found.insert(entry.path.clone(), (entry.clone(), xattrs, Vec::new()));
        assert!(known.is_none(), "each comes once");
        Ok(())
    }

    fn content(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), VaultError> {
        self.found.get_mut(&entry.path).unwrap().2.extend(bytes);
        Ok(())
    }

    fn end(&mut self, entry: &Entry) -> Result<(), VaultError> {
        assert!(std::mem::replace(&mut self.open, false));
        assert_eq!(self.found[&entry.path].2.len() as u64, entry.size);
        Ok(())
    }
}

fn fetcher(vault: &Vault, index: &Arc<Index>) -> Fetcher {
    Fetcher::new(vault, Arc::clone(index))
}

fn take(vault: &Vault, archive: &ArchiveRecord, wanted: Wanted) -> Result<Out, VaultError> {
    let index = Arc::new(vault.read_index().unwrap());
    let manifest = ManifestReader::open(fetcher(vault, &index), &archive.manifest)?;
    let mut runs = Runs::open(manifest, wanted)?;
    assert_eq!(runs.top(), TOP);
    let (mut out, mut fetcher) = (Out::default(), fetcher(vault, &index));
    while let Some(run) = runs.next_run()? {
        run.take(&mut fetcher, &mut out)?;
    }
    Ok(out)
}

/// What came out is what is in the tree, as far as it is wanted.
fn assert_same(out: &Out, tree: &Tree, wanted: impl Fn(&[u8]) -> bool) {
    let expected: Vec<_> = tree.nodes.keys().filter(|path| wanted(path)).collect();
    assert_eq!(out.found.keys().collect::<Vec<_>>(), expected);
    for (path, (entry, xattrs, content)) in &out.found {
        let node = &tree.nodes[path];
        assert_eq!((&entry.kind, entry.mtime, entry.mode), (&node.kind, node.mtime, node.mode));
        assert!(*content == *node.content, "{path:?}");
        let may_have = matches!(node.kind, EntryKind::File | EntryKind::Folder);
        assert!(*xattrs == node.xattrs || (!may_have && xattrs.is_empty()), "{path:?}");
    }
}

fn tree() -> Tree {
    let mut tree = Tree::new();
    for n in 0..200u64 {
        tree.file(&format!("many/{n:03}"), text(n, (n * 97 % 5_000) as usize));
    }
    for (name, len) in [("a", 70_000), ("b", 300_000), ("c", 20_000_000), ("d", 256 << 10), ("e", 512)] {
        tree.file(&format!("sizes/{name}"), noise(len as u64, len));
    }
    tree.file("deep/".repeat(60).trim_end_matches('/'), vec![1]);
    tree.put(b"names/\xff\n", EntryKind::File, vec![2; 3]);
    tree.put(b"names/pipe", EntryKind::Fifo, vec![]);
    tree.put(b"names/disk", EntryKind::BlockDevice { major: 8, minor: 1 }, vec![]);
    tree.put(b"names/link", EntryKind::Symlink { target: vec![b'x'; 300] }, vec![]);
    tree.put(b"names/other", EntryKind::HardLink { target: b"many/001".to_vec() }, vec![]);
    let attributes = vec![(b"user.a=%".to_vec(), vec![0, 10, 255]), (b"user.b".to_vec(), vec![7; 5_000])];
    for path in [&b"many"[..], b"many/007", b"sizes/b", b"sizes/e"] {
        tree.change(path, |node| node.xattrs = attributes.clone());
    }
    tree.change(b"many/008", |node| node.mtime.nanos = 5);
    tree
}

#[test]
fn all_comes_out_as_it_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let tree = tree();
    let (archive, ..) = backup_tree(&vault, &tree, None).unwrap();
    assert_same(&take(&vault, &archive, Wanted::all()).unwrap(), &tree, |_| true);
}

#[test]
fn each_entry_comes_out_alone_with_what_is_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let mut tree = tree();
    tree.remove(b"sizes/c");
    let (archive, ..) = backup_tree(&vault, &tree, None).unwrap();
    for path in tree.nodes.keys().step_by(7).chain([&b"many".to_vec(), &b"names".to_vec()]) {
        let below = |other: &[u8]| {
            let rest = other.strip_prefix(path.as_slice());
            path.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        assert_same(
            &take(&vault, &archive, Wanted::these(std::slice::from_ref(path))).unwrap(),
            &tree,
            below,
        );
    }
    let above = Wanted::these(&[b"many/003".to_vec(), b"names".to_vec()]).with_folders_above();
    let is =
        |path: &[u8]| [b"".as_slice(), b"many", b"many/003"].contains(&path) || path.starts_with(b"names");
    assert_same(&take(&vault, &archive, above).unwrap(), &tree, is);
    assert!(take(&vault, &archive, Wanted::these(&[b"none".to_vec()])).unwrap().found.is_empty());
}

/// One file needs no more than the packs' stretches that hold it: the rest may be lost.
#[test]
fn what_is_damaged_elsewhere_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let mut tree = Tree::new();
    for n in 0..20u64 {
        tree.file(&format!("{n:02}"), noise(n, 500_000));
    }
    let (archive, ..) = backup_tree(&vault, &tree, None).unwrap();
    let last = tree.nodes.keys().next_back().unwrap().clone();
    let packs = std::fs::read_dir(folder.path().join(format!("vaults/{SITE}/packs"))).unwrap();
    let largest =
        packs.map(|pack| pack.unwrap().path()).flat_map(files).max_by_key(|p| p.metadata().unwrap().len());
    let largest = largest.unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&largest, bytes).unwrap();
    let error = take(&vault, &archive, Wanted::all()).map(drop).unwrap_err();
    assert!(matches!(error, VaultError::DamagedFragment { .. }), "{error}");
    assert_same(
        &take(&vault, &archive, Wanted::these(std::slice::from_ref(&last))).unwrap(),
        &tree,
        |path| path == last,
    );
}

fn files(path: std::path::PathBuf) -> Vec<std::path::PathBuf> {
    match std::fs::read_dir(&path) {
        Ok(inside) => inside.map(|entry| entry.unwrap().path()).flat_map(files).collect(),
        Err(_) => vec![path],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_part_of_any_tree_comes_out(
        files in proptest::collection::btree_map("[a-c](/[a-c.0]){0,3}", 0usize..90_000, 1..40),
        wanted in "[a-c](/[a-c.0]){0,2}",
    ) {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        let mut tree = Tree::new();
        for (n, (path, len)) in files.iter().enumerate() {
            let free = !tree.nodes.contains_key(path.as_bytes())
                && path.match_indices('/').all(|(at, _)| {
                    tree.nodes.get(&path.as_bytes()[..at]).is_none_or(|node| node.kind == EntryKind::Folder)
                });
            if free {
                tree.file(path, noise(n as u64, *len));
            }
        }
        let (archive, ..) = backup_tree(&vault, &tree, None).unwrap();
        let path = wanted.as_bytes();
        let out = take(&vault, &archive, Wanted::these(&[path.to_vec()])).unwrap();
        let below = |other: &[u8]| {
            other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        assert_same(&out, &tree, below);
    }
}
