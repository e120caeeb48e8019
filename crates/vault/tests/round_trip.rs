//! Whatever a tree or a text is and however it changes, every archive of every backup stays what it was.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::untar::{TarEntry, untar};
use common::{Tree, backup_text, backup_tree, download, gunzip, noise, text, vault};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use undercroft_vault::Vault;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::stream::{EntryKind, FileTime};

/// One change to a tree.
#[derive(Debug, Clone)]
enum Edit {
    Put { folder: Index, name: Vec<u8>, kind: Kind },
    Remove(Index),
    Rewrite { which: Index, size: usize, seed: u64 },
    Append(Index, u64),
    Touch(Index, FileTime),
    Own(Index, u32, (u32, u32)),
    Attribute(Index, Vec<u8>),
}

#[derive(Debug, Clone)]
enum Kind {
    File(usize, u64),
    HardLink(Index),
    Symlink(Vec<u8>),
    Folder,
    Fifo,
    Device(bool, u32, u32),
}

/// Sizes around everything that a size decides.
fn size() -> impl Strategy<Value = usize> {
    let around = [0usize, 1, 511, 512, 513, 24 << 10, 64 << 10, 160 << 10, 256 << 10, 1 << 20];
    prop_oneof![
        6 => 0usize..3_000,
        3 => (proptest::sample::select(around.to_vec()), 0usize..3).prop_map(|(s, d)| (s + d).saturating_sub(1)),
        1 => 300_000usize..2_500_000,
    ]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-z]{1,12}(\\.(jpg|php))?".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 1..40).prop_map(|bytes| {
            bytes.into_iter().map(|b| if b == 0 || b == b'/' { b'_' } else { b }).collect()
        }),
        1 => (90usize..255, any::<u8>()).prop_map(|(len, b)| vec![b'a' + b % 26; len]),
        1 => Just("Größe = 5 %\n.txt".as_bytes().to_vec()),
    ]
    .prop_filter("a name", |name| name != b"." && name != b"..")
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        8 => (size(), any::<u64>()).prop_map(|(size, seed)| Kind::File(size, seed)),
        1 => any::<Index>().prop_map(Kind::HardLink),
        1 => vec(1u8..=255, 1..180).prop_map(Kind::Symlink),
        2 => Just(Kind::Folder),
        1 => Just(Kind::Fifo),
        1 => (any::<bool>(), 0u32..4096, 0u32..1_000_000).prop_map(|(c, a, b)| Kind::Device(c, a, b)),
    ]
}

fn time() -> impl Strategy<Value = FileTime> {
    let seconds = prop_oneof![0i64..2_000_000_000, -5_000_000_000i64..0, Just(8_589_934_592i64)];
    (seconds, prop_oneof![Just(0u32), 0u32..1_000_000_000])
        .prop_map(|(seconds, nanos)| FileTime { seconds, nanos })
}

fn edit() -> impl Strategy<Value = Edit> {
    let owner = prop_oneof![Just(0u32), Just(33), Just(2_097_152), any::<u32>()];
    prop_oneof![
        8 => (any::<Index>(), name(), kind()).prop_map(|(folder, name, kind)| Edit::Put { folder, name, kind }),
        1 => any::<Index>().prop_map(Edit::Remove),
        2 => (any::<Index>(), size(), any::<u64>()).prop_map(|(which, size, seed)| Edit::Rewrite { which, size, seed }),
        1 => (any::<Index>(), any::<u64>()).prop_map(|(which, seed)| Edit::Append(which, seed)),
        1 => (any::<Index>(), time()).prop_map(|(which, time)| Edit::Touch(which, time)),
        1 => (any::<Index>(), 0u32..0o10000, (owner.clone(), owner)).prop_map(|(w, m, o)| Edit::Own(w, m, o)),
        1 => (any::<Index>(), vec(any::<u8>(), 0..600)).prop_map(|(which, value)| Edit::Attribute(which, value)),
    ]
}

/// Half of all contents compress.
fn content(seed: u64, size: usize) -> Vec<u8> {
    if seed.is_multiple_of(2) { noise(seed % 50, size) } else { text(seed % 50, size) }
}

fn paths(tree: &Tree, is: impl Fn(&EntryKind) -> bool) -> Vec<Vec<u8>> {
    tree.nodes.iter().filter(|(_, node)| is(&node.kind)).map(|(path, _)| path.clone()).collect()
}

fn pick(from: &[Vec<u8>], which: Index) -> Option<Vec<u8>> {
    (!from.is_empty()).then(|| which.get(from).clone())
}

fn apply(tree: &mut Tree, edit: Edit) -> Option<()> {
    let any = paths(tree, |_| true);
    let files = paths(tree, |kind| *kind == EntryKind::File);
    match edit {
        Edit::Put { folder, name, kind } => put(tree, folder, &name, kind)?,
        Edit::Remove(which) => {
            pick(&any, which).filter(|path| !path.is_empty()).map(|path| tree.remove(&path))?
        }
        Edit::Rewrite { which, size, seed } => {
            tree.change(&pick(&files, which)?, |node| node.content = content(seed, size).into());
        }
        Edit::Append(which, seed) => tree.change(&pick(&files, which)?, |node| {
            node.content = [&node.content[..], &content(seed, 1_000)].concat().into();
        }),
        Edit::Touch(which, time) => tree.change(&pick(&any, which)?, |node| node.mtime = time),
        Edit::Own(which, mode, owner) => tree.change(&pick(&any, which)?, |node| {
            (node.mode, node.owner) = (mode, owner);
        }),
        Edit::Attribute(which, value) => tree.change(&pick(&files, which)?, |node| {
            node.xattrs = vec![(b"user.note".to_vec(), value)];
        }),
    }
    Some(())
}

fn put(tree: &mut Tree, folder: Index, name: &[u8], kind: Kind) -> Option<()> {
    let folder = pick(&paths(tree, |kind| *kind == EntryKind::Folder), folder)?;
    let path = if folder.is_empty() { name.to_vec() } else { [&folder[..], b"/", name].concat() };
    tree.remove(&path);
    let (kind, content) = match kind {
        Kind::File(size, seed) => (EntryKind::File, content(seed, size)),
        Kind::HardLink(which) => {
            let mut before = paths(tree, |kind| *kind == EntryKind::File);
            before.retain(|other| *other < path);
            (EntryKind::HardLink { target: pick(&before, which)? }, vec![])
        }
        Kind::Symlink(target) => (EntryKind::Symlink { target }, vec![]),
        Kind::Folder => (EntryKind::Folder, vec![]),
        Kind::Fifo => (EntryKind::Fifo, vec![]),
        Kind::Device(true, major, minor) => (EntryKind::CharDevice { major, minor }, vec![]),
        Kind::Device(false, major, minor) => (EntryKind::BlockDevice { major, minor }, vec![]),
    };
    tree.put(&path, kind, content);
    Some(())
}

/// What a tar reader should find, made of the model alone.
fn expected(tree: &Tree) -> Vec<TarEntry> {
    let top = common::TOP.as_bytes();
    let full = |path: &[u8]| if path.is_empty() { top.to_vec() } else { [top, b"/", path].concat() };
    let mut entries: Vec<TarEntry> = tree
        .nodes
        .iter()
        .map(|(path, node)| {
            let mut entry = TarEntry {
                path: full(path),
                kind: b'0',
                link: vec![],
                mode: node.mode.into(),
                uid: node.owner.0.into(),
                gid: node.owner.1.into(),
                mtime: decimal(node.mtime),
                device: (0, 0),
                owner: format!("user{}", node.owner.0 % 10).into_bytes(),
                xattrs: node.xattrs.iter().cloned().collect(),
                content: node.content.to_vec(),
            };
            match &node.kind {
                EntryKind::File => {}
                EntryKind::HardLink { target } => (entry.kind, entry.link) = (b'1', full(target)),
                EntryKind::Symlink { target } => (entry.kind, entry.link) = (b'2', target.clone()),
                EntryKind::CharDevice { major, minor } => {
                    (entry.kind, entry.device) = (b'3', ((*major).into(), (*minor).into()));
                }
                EntryKind::BlockDevice { major, minor } => {
                    (entry.kind, entry.device) = (b'4', ((*major).into(), (*minor).into()));
                }
                EntryKind::Folder => {
                    entry.kind = b'5';
                    entry.path.push(b'/');
                }
                EntryKind::Fifo => entry.kind = b'6',
            }
            entry
        })
        .collect();
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}

/// Seconds as a decimal number, worked out over whole nanoseconds.
fn decimal(time: FileTime) -> String {
    let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    let sign = if nanos < 0 { "-" } else { "" };
    let (whole, part) = (nanos.unsigned_abs() / 1_000_000_000, nanos.unsigned_abs() % 1_000_000_000);
    let part = format!("{part:09}");
    let part = part.trim_end_matches('0');
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

/// Every archive so far, with the hash of its bytes when it was new.
#[derive(Default)]
struct Kept(Vec<(ArchiveRecord, blake3::Hash)>);

impl Kept {
    fn keep(&mut self, vault: &Vault, archive: ArchiveRecord) -> Vec<u8> {
        let bytes = download(vault, &archive).unwrap();
        assert_eq!(bytes.len() as u64, archive.len());
        self.0.push((archive, blake3::hash(&bytes)));
        bytes
    }

    fn last(&self) -> Option<&ArchiveRecord> {
        self.0.last().map(|(archive, _)| archive)
    }

    fn all_as_they_were(&self, vault: &Vault) {
        for (archive, hash) in &self.0 {
            assert_eq!(blake3::hash(&download(vault, archive).unwrap()), *hash);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_tree_comes_back_and_stays(rounds in vec(vec(edit(), 0..25), 1..5)) {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        let (mut tree, mut kept) = (Tree::new(), Kept::default());
        for edits in rounds {
            for edit in edits {
                apply(&mut tree, edit);
            }
            let (archive, counts, _) = backup_tree(&vault, &tree, kept.last()).unwrap();
            prop_assert_eq!(counts.entries, tree.nodes.len() as u64);
            let raw_len = archive.raw_len;
            let bytes = kept.keep(&vault, archive);
            prop_assert_eq!(untar(&gunzip(&bytes, raw_len)), expected(&tree));

            let (same, counts, stored) = backup_tree(&vault, &tree, kept.last()).unwrap();
            prop_assert_eq!(counts.opened, 0);
            prop_assert!(stored.bytes < 64 << 10, "{} bytes for no change", stored.bytes);
            prop_assert!(kept.keep(&vault, same) == bytes);
            kept.all_as_they_were(&vault);
        }
    }

    #[test]
    fn every_text_comes_back_and_stays(
        rounds in vec(vec(("[a-z]{1,9}", 0u64..40, prop_oneof![Just(0usize), 0usize..400_000]), 0..6), 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(folder.path());
        let mut kept = Kept::default();
        for sections in rounds {
            let sections: Vec<_> =
                sections.into_iter().map(|(name, seed, len)| (name, text(seed, len))).collect();
            let (archive, _) = backup_text(&vault, &sections).unwrap();
            let raw_len = archive.raw_len;
            let bytes = kept.keep(&vault, archive);
            let whole: Vec<u8> = sections.iter().flat_map(|(_, text)| text.clone()).collect();
            prop_assert!(gunzip(&bytes, raw_len) == whole);

            let (same, stored) = backup_text(&vault, &sections).unwrap();
            prop_assert_eq!(stored.bytes, 0);
            prop_assert!(kept.keep(&vault, same) == bytes);
            kept.all_as_they_were(&vault);
        }
    }
}
