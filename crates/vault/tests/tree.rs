//! What a capture meets: files that change, vanish and grow, names chosen to make trouble, sources that contradict
//! themselves.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::sync::Mutex;

use common::untar::untar;
use common::{TOP, Tree, backup_tree, download, gunzip, noise, text, vault};
use undercroft_model::{Element, Observer, Remark, Weight};
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::manifest::{Item, NEVER};
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::session::Session;
use undercroft_vault::stream::{Content, Entry, EntryKind, OpenError, Opened, Settled, TreeSource};
use undercroft_vault::tree::{TreeCounts, TreeJob, write_tree};
use undercroft_vault::{Vault, VaultError};

/// What is wrong with a file, each time that it is opened.
#[derive(Clone)]
enum Trouble {
    /// It can't be opened.
    Denied,
    /// So many bytes fewer come than were promised.
    Short(usize),
    /// So many bytes more.
    Long(usize),
    /// Reading fails after so many bytes.
    Fails(usize),
    /// The source itself says, after so many bytes, that the capture can't go on.
    Ends(usize),
    /// It changed while it was read, so many times.
    Changes(usize),
    /// It is too fresh to be trusted.
    Fresh,
    /// It has grown since it was met.
    Grown(usize),
    /// It has no content at all, against its kind.
    Nothing,
}

struct Troubled {
    tree: Tree,
    entries: std::vec::IntoIter<Entry>,
    trouble: BTreeMap<Vec<u8>, Trouble>,
    opened: RefCell<BTreeMap<Vec<u8>, usize>>,
}

impl Troubled {
    fn new(tree: &Tree, trouble: &[(&str, Trouble)]) -> Self {
        let mut source = tree.source();
        let entries: Vec<_> = std::iter::from_fn(|| source.next_entry().unwrap()).collect();
        Troubled {
            tree: tree.clone(),
            entries: entries.into_iter(),
            trouble: trouble.iter().map(|(path, what)| (path.as_bytes().to_vec(), what.clone())).collect(),
            opened: RefCell::default(),
        }
    }
}

struct Reading {
    bytes: Cursor<Vec<u8>>,
    fails_at: Option<u64>,
    error: fn() -> io::Error,
    settled: Settled,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = match self.fails_at {
            Some(at) if self.bytes.position() >= at => return Err((self.error)()),
            Some(at) => (at - self.bytes.position()) as usize,
            None => buffer.len(),
        };
        let len = buffer.len().min(room);
        self.bytes.read(&mut buffer[..len])
    }
}

impl Content for Reading {
    fn settled(&mut self) -> Settled {
        self.settled
    }
}

impl TreeSource for Troubled {
    fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        Ok(self.entries.next())
    }

    fn open<'a>(&'a self, met: &Entry) -> Result<Opened<'a>, OpenError> {
        let node = &self.tree.nodes[&met.path];
        let mut entry = met.clone();
        let mut opened = self.opened.borrow_mut();
        let times = opened.entry(met.path.clone()).or_default();
        *times += 1;
        if node.kind != EntryKind::File {
            return Ok(Opened { entry, xattrs: vec![], content: None });
        }
        let mut bytes = node.content.to_vec();
        let (mut fails_at, mut settled) = (None, Settled::Unchanged);
        // What a disk with a bad sector says.
        let mut error: fn() -> io::Error = || io::Error::from_raw_os_error(5);
        match self.trouble.get(&met.path) {
            None => {}
            Some(Trouble::Denied) => {
                let path = String::from_utf8_lossy(&met.path).into_owned();
                return Err(OpenError::Skip(Remark::lost(path, "may not be read")));
            }
            Some(Trouble::Short(by)) => bytes.truncate(bytes.len() - by),
            Some(Trouble::Long(by)) => bytes.extend(noise(1, *by)),
            Some(Trouble::Fails(at)) => fails_at = Some(*at as u64),
            Some(Trouble::Ends(at)) => {
                fails_at = Some(*at as u64);
                error = || io::Error::other("the repository was repacked");
            }
            Some(Trouble::Changes(so_often)) if *times <= *so_often => settled = Settled::Changed,
            Some(Trouble::Changes(_)) => {}
            Some(Trouble::Fresh) => settled = Settled::TooFresh,
            Some(Trouble::Grown(by)) => {
                bytes.extend(noise(2, *by));
                entry.size = bytes.len() as u64;
            }
            Some(Trouble::Nothing) => return Ok(Opened { entry, xattrs: vec![], content: None }),
        }
        let content = Reading { bytes: Cursor::new(bytes), fails_at, error, settled };
        Ok(Opened { entry, xattrs: vec![], content: Some(Box::new(content)) })
    }

    fn owner_names(&self, _: u32, _: u32) -> (Option<String>, Option<String>) {
        (None, None)
    }
}

/// Keeps remarks.
#[derive(Default)]
struct Listening(Mutex<Vec<Remark>>);

impl Observer for Listening {
    fn doing(&self, _: Element, _: &str) {}
    fn expect(&self, _: Element, _: u64) {}
    fn advance(&self, _: Element, _: u64, _: u64) {}
    fn remark(&self, _: Element, remark: Remark) {
        self.0.lock().unwrap().push(remark);
    }
    fn cancelled(&self) -> bool {
        false
    }
}

fn capture(
    vault: &Vault,
    source: &mut Troubled,
    previous: Option<ManifestReader>,
) -> Result<(ArchiveRecord, TreeCounts, Vec<Remark>), VaultError> {
    let listening = Listening::default();
    let session = Session::begin(vault).unwrap();
    let job = TreeJob { name: "f.tar.gz", top: TOP, element: Element::Files, previous, observer: &listening };
    let written = write_tree(&session, source, job);
    let ((archive, counts), _) = common::finish(session, written)?;
    Ok((archive, counts, listening.0.into_inner().unwrap()))
}

fn manifest(vault: &Vault, archive: &ArchiveRecord) -> ManifestReader {
    let index = vault.read_index().unwrap();
    ManifestReader::open(Fetcher::new(vault, index.into()), &archive.manifest).unwrap()
}

/// Small and large files in trouble of every kind, among others that are well.
fn sizes() -> Tree {
    let mut tree = Tree::new();
    for name in ["a", "b", "c"] {
        tree.file(&format!("{name}/small"), text(1, 2_000));
        tree.file(&format!("{name}/large"), noise(2, 700_000));
    }
    tree
}

#[test]
fn whatever_happens_to_a_file_the_stream_stays_a_tar_and_the_trouble_is_told() {
    let troubles = [
        (Trouble::Denied, "may not be read"),
        (Trouble::Short(100), "changed while"),
        (Trouble::Long(100), "changed while"),
        (Trouble::Fails(1_000), "could not be read"),
        (Trouble::Changes(usize::MAX), "changed while"),
    ];
    for (trouble, told) in troubles {
        for path in ["b/small", "b/large"] {
            let folder = tempfile::tempdir().unwrap();
            let (vault, tree) = (vault(folder.path()), sizes());
            let mut source = Troubled::new(&tree, &[(path, trouble.clone())]);
            let (archive, counts, remarks) = capture(&vault, &mut source, None).unwrap();
            assert!(remarks.iter().all(|r| r.weight == Weight::Lost && r.subject == path), "{remarks:?}");
            assert!(remarks.iter().any(|r| r.text.contains(told)), "{remarks:?}");
            assert_eq!(counts.skipped + counts.changed, 1);
            let entries = untar(&gunzip(&download(&vault, &archive).unwrap(), archive.raw_len));
            for entry in entries.iter().filter(|e| e.kind == b'0') {
                let below = &entry.path[TOP.len() + 1..];
                let content = &tree.nodes[below].content;
                let right = entry.content.len() == content.len();
                assert!(right && (below == path.as_bytes() || entry.content == **content));
            }
            let expected = tree.nodes.len() - counts.skipped as usize;
            assert_eq!((entries.len(), counts.entries), (expected, expected as u64));

            // What was not whole is not trusted the next time, when all is well.
            let (again, counts, remarks) =
                capture(&vault, &mut Troubled::new(&tree, &[]), Some(manifest(&vault, &archive))).unwrap();
            assert!(remarks.is_empty() && counts.opened > 0 && counts.opened < counts.entries, "{counts:?}");
            let (fresh, ..) = capture(&vault, &mut Troubled::new(&tree, &[]), None).unwrap();
            assert!(download(&vault, &again).unwrap() == download(&vault, &fresh).unwrap());
        }
    }
}

#[test]
fn a_source_that_says_it_can_not_go_on_ends_the_capture() {
    for path in ["b/small", "b/large"] {
        let folder = tempfile::tempdir().unwrap();
        let (vault, tree) = (vault(folder.path()), sizes());
        let mut source = Troubled::new(&tree, &[(path, Trouble::Ends(1_000))]);
        let error = capture(&vault, &mut source, None).unwrap_err();
        assert!(matches!(&error, VaultError::Source(e) if e.to_string().contains("repacked")), "{error:?}");
    }
}

#[test]
fn a_small_file_that_settles_is_read_until_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let (vault, tree) = (vault(folder.path()), sizes());
    let mut source = Troubled::new(&tree, &[("b/small", Trouble::Changes(2))]);
    let (archive, counts, remarks) = capture(&vault, &mut source, None).unwrap();
    assert!(remarks.is_empty() && counts.changed == 0);
    let (_, counts, _) =
        capture(&vault, &mut Troubled::new(&tree, &[]), Some(manifest(&vault, &archive))).unwrap();
    assert_eq!(counts.opened, 0);
}

#[test]
fn what_is_too_fresh_or_has_grown_is_read_again_and_no_loss() {
    for trouble in [Trouble::Fresh, Trouble::Grown(10), Trouble::Grown(600_000)] {
        for path in ["b/small", "b/large"] {
            let folder = tempfile::tempdir().unwrap();
            let (vault, tree) = (vault(folder.path()), sizes());
            let mut source = Troubled::new(&tree, &[(path, trouble.clone())]);
            let (archive, counts, remarks) = capture(&vault, &mut source, None).unwrap();
            assert!(remarks.is_empty() && counts.changed == 0);
            untar(&gunzip(&download(&vault, &archive).unwrap(), archive.raw_len));
            let (_, counts, _) =
                capture(&vault, &mut Troubled::new(&tree, &[]), Some(manifest(&vault, &archive))).unwrap();
            assert!(counts.opened > 0, "{path}");
        }
    }
}

#[test]
fn a_source_that_contradicts_itself_fails_the_capture() {
    let folder = tempfile::tempdir().unwrap();
    let (vault, tree) = (vault(folder.path()), sizes());
    let mut source = Troubled::new(&tree, &[("b/small", Trouble::Nothing)]);
    let error = capture(&vault, &mut source, None).unwrap_err();
    assert!(common::chain(&error).contains("b/small"), "{}", common::chain(&error));
}

/// Names that nobody's hash would ever end a run at: runs and pieces are bounded all the same.
#[test]
fn names_chosen_to_make_trouble_do_not_make_one_endless_run() {
    let mut tree = Tree::new();
    let mut chosen = 0;
    for n in 0.. {
        let name = format!("{n}");
        let hash = blake3::hash(name.as_bytes());
        let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
        let (run, piece) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        if run > u32::MAX / 8 && piece > u32::MAX / 3 {
            tree.file(&name, text(chosen, 1_000));
            chosen += 1;
        }
        if chosen == 9_000 {
            break;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let (archive, ..) = backup_tree(&vault, &tree, None).unwrap();
    let mut manifest = manifest(&vault, &archive);
    let mut runs = 0;
    while let Some(item) = manifest.next_item().unwrap() {
        let Item::Run { signature, fragments, entries } = item else { panic!("a tree has runs only") };
        assert!(entries.len() <= 1024);
        assert!(fragments.iter().all(|f| f.raw_len < 1_100_000));
        assert!(signature != NEVER || entries.is_empty());
        runs += 1;
    }
    assert!(runs >= 9, "{runs}");
    let (_, counts, _) = backup_tree(&vault, &tree, Some(&archive)).unwrap();
    assert_eq!(counts.opened, 0);
}

/// One file in many changes: its own run is read, and no other.
#[test]
fn a_change_costs_its_own_run() {
    let mut tree = Tree::new();
    for n in 0..5_000 {
        tree.file(&format!("{}/{n}.txt", n % 50), text(n, 1_000));
    }
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(folder.path());
    let (first, ..) = backup_tree(&vault, &tree, None).unwrap();
    for change in ["rewritten", "added", "removed"] {
        match change {
            "rewritten" => tree.file("7/1007.txt", text(99_999, 1_000)),
            "added" => tree.file("7/1008.txt", text(99_998, 1_000)),
            _ => tree.remove(b"7/1057.txt"),
        }
        let (next, counts, stored) = backup_tree(&vault, &tree, Some(&first)).unwrap();
        assert!(counts.opened < 1_000, "{change}: {counts:?}");
        assert!(stored.bytes < 300_000, "{change}: {stored:?}");
        let (whole, ..) = backup_tree(&vault, &tree, None).unwrap();
        assert!(download(&vault, &next).unwrap() == download(&vault, &whole).unwrap(), "{change}");
    }
}
