//! What the vault's tests share: a tree in memory, backups of it, and archives taken apart again.
#![allow(dead_code)] // each test file uses its own part

pub mod faulty;
pub mod keep;
pub mod untar;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use undercroft_model::{Element, Observer, Silent};
use undercroft_vault::archive::write_range;
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::keys::SecretKey;
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::{ArchiveRecord, Record};
use undercroft_vault::session::{Session, Stored};
use undercroft_vault::store::{self, Store};
use undercroft_vault::stream::{
    Content, Entry, EntryKind, FileTime, OpenError, Opened, SectionKind, SectionLabel, Settled, TextSink,
    TreeSource,
};
use undercroft_vault::text::TextWriter;
use undercroft_vault::tree::{TreeCounts, TreeJob, write_tree};
use undercroft_vault::{Vault, VaultError};
use uuid::Uuid;

/// The site whose vault the tests fill.
pub const SITE: Uuid = Uuid::from_u128(0x5172);
/// The folder that all entries of an archive are in.
pub const TOP: &str = "files_live";

/// The key that opens every vault of the tests.
pub fn recovery() -> SecretKey {
    SecretKey::from_bytes([42; 32])
}

/// A vault in a folder.
pub fn vault(folder: &Path) -> Vault {
    vault_on(Arc::new(store::local(folder).unwrap()))
}

/// A vault in any store.
pub fn vault_on(store: Arc<dyn Store>) -> Vault {
    Vault::open_or_create(store, SITE, &recovery()).unwrap()
}

/// Bytes that no compressor shrinks, drawn by a number.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// SQL-like text, drawn by a number.
pub fn text(seed: u64, len: usize) -> Vec<u8> {
    let line = |n: u64| format!("INSERT INTO `wp_posts` VALUES ({n},'post {}',{});\n", n * seed % 971, n % 7);
    (0..).flat_map(|n| line(n + seed * 1_000_000).into_bytes()).take(len).collect()
}

/// A node of a tree in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub kind: EntryKind,
    pub content: Arc<Vec<u8>>,
    pub mtime: FileTime,
    pub mode: u32,
    pub owner: (u32, u32),
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// What changes with every change: the tests' inode and ctime.
    pub stamp: u64,
}

/// A tree in memory: the model that archives are compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    pub nodes: BTreeMap<Vec<u8>, Node>,
    changes: u64,
}

impl Tree {
    /// A tree with nothing but its top folder.
    pub fn new() -> Self {
        let mut tree = Tree::default();
        tree.put(b"", EntryKind::Folder, vec![]);
        tree
    }

    /// Adds or replaces an entry, and the folders above it.
    pub fn put(&mut self, path: &[u8], kind: EntryKind, content: Vec<u8>) {
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            if !self.nodes.contains_key(&path[..at]) {
                self.put(&path[..at], EntryKind::Folder, vec![]);
            }
        }
        self.changes += 1;
        let mut mtime = FileTime { seconds: 1_790_000_000 + self.changes as i64, nanos: 0 };
        if let EntryKind::HardLink { target } = &kind {
            mtime = self.nodes[target].mtime; // both names are one file
        }
        let node = Node {
            kind,
            content: Arc::new(content),
            mtime,
            mode: 0o644,
            owner: (33, 33),
            xattrs: vec![],
            stamp: self.changes,
        };
        self.nodes.insert(path.to_vec(), node);
    }

    pub fn file(&mut self, path: &str, content: Vec<u8>) {
        self.put(path.as_bytes(), EntryKind::File, content);
    }

    /// Changes a node, and its stamp with it.
    pub fn change(&mut self, path: &[u8], change: impl FnOnce(&mut Node)) {
        self.changes += 1;
        if let Some(node) = self.nodes.get_mut(path) {
            change(node);
            node.stamp = self.changes;
        }
    }

    /// Removes an entry, all below it, and hard links to any of it.
    pub fn remove(&mut self, path: &[u8]) {
        let below = [path, b"/"].concat();
        let gone = |p: &[u8]| p == path || p.starts_with(&below);
        self.nodes.retain(|p, _| !gone(p));
        self.nodes.retain(|_, node| !matches!(&node.kind, EntryKind::HardLink { target } if gone(target)));
    }

    /// A source that gives the tree out as it is now.
    pub fn source(&self) -> MemorySource {
        let mut entries: Vec<Entry> = self.nodes.iter().map(|(path, node)| entry(path, node)).collect();
        let key = |e: &Entry| match e.kind {
            EntryKind::Folder if !e.path.is_empty() => [&e.path[..], b"/"].concat(),
            _ => e.path.clone(),
        };
        entries.sort_by_key(key);
        MemorySource { tree: self.clone(), entries: entries.into_iter() }
    }
}

fn entry(path: &[u8], node: &Node) -> Entry {
    let mut stamp = [0; 32];
    stamp[..8].copy_from_slice(&node.stamp.to_le_bytes());
    Entry {
        path: path.to_vec(),
        kind: node.kind.clone(),
        size: node.content.len() as u64,
        mtime: node.mtime,
        mode: node.mode,
        uid: node.owner.0,
        gid: node.owner.1,
        stamp,
    }
}

/// A tree being captured.
pub struct MemorySource {
    tree: Tree,
    entries: std::vec::IntoIter<Entry>,
}

struct Bytes(io::Cursor<Vec<u8>>);

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Content for Bytes {
    fn settled(&mut self) -> Settled {
        Settled::Unchanged
    }
}

impl TreeSource for MemorySource {
    fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        Ok(self.entries.next())
    }

    fn open<'a>(&'a self, met: &Entry) -> Result<Opened<'a>, OpenError> {
        let node = &self.tree.nodes[&met.path];
        let content = (node.kind == EntryKind::File)
            .then(|| Box::new(Bytes(io::Cursor::new(node.content.to_vec()))) as Box<dyn Content>);
        Ok(Opened { entry: entry(&met.path, node), xattrs: node.xattrs.clone(), content })
    }

    fn owner_names(&self, uid: u32, _: u32) -> (Option<String>, Option<String>) {
        (Some(format!("user{}", uid % 10)), None)
    }
}

/// A backup of a tree: its archive, what it cost, and what it stored.
pub fn backup_tree(
    vault: &Vault,
    tree: &Tree,
    last: Option<&ArchiveRecord>,
) -> Result<(ArchiveRecord, TreeCounts, Stored), VaultError> {
    backup_watched(vault, tree, last, &Silent)
}

/// The same, watched.
pub fn backup_watched(
    vault: &Vault,
    tree: &Tree,
    last: Option<&ArchiveRecord>,
    observer: &dyn Observer,
) -> Result<(ArchiveRecord, TreeCounts, Stored), VaultError> {
    let session = Session::begin(vault)?;
    let written = previous(&session, last).and_then(|previous| {
        let job = TreeJob { name: "files.tar.gz", top: TOP, element: Element::Files, previous, observer };
        write_tree(&session, &mut tree.source(), job)
    });
    finish(session, written).map(|((record, counts), stored)| (record, counts, stored))
}

fn previous(session: &Session, last: Option<&ArchiveRecord>) -> Result<Option<ManifestReader>, VaultError> {
    let Some(last) = last else { return Ok(None) };
    let fetcher = Fetcher::new(session.vault(), session.index());
    ManifestReader::open(fetcher, &last.manifest).map(Some)
}

/// Ends a session; if it failed, its own error is the one that counts.
pub fn finish<T>(session: Session, written: Result<T, VaultError>) -> Result<(T, Stored), VaultError> {
    match written {
        Err(VaultError::Stopped) => match session.finish() {
            Err(error) => Err(error),
            Ok(_) => panic!("a stopped session must say why"),
        },
        Err(error) => Err(error),
        Ok(done) => session.finish().map(|stored| (done, stored)),
    }
}

/// A backup of text: one section for each name, opened in reverse, on threads of their own.
pub fn backup_text(
    vault: &Vault,
    sections: &[(String, Vec<u8>)],
) -> Result<(ArchiveRecord, Stored), VaultError> {
    let session = Session::begin(vault)?;
    let writer = TextWriter::new(&session, Element::Database, &Silent);
    let written = std::thread::scope(|scope| {
        let threads: Vec<_> = sections
            .iter()
            .enumerate()
            .rev()
            .map(|(n, (name, text))| {
                let writer = &writer;
                scope.spawn(move || -> io::Result<()> {
                    let label = SectionLabel { kind: SectionKind::Table, name: name.clone() };
                    let mut section = writer.section(n as u32, label)?;
                    text.chunks(30_000).try_for_each(|part| section.write(part))?;
                    section.finish(Some(n as u64))
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap())
    });
    let written = match written {
        Ok(()) => writer.finish("database.sql.gz"),
        Err(_) => Err(VaultError::Stopped),
    };
    finish(session, written)
}

/// The archive as a user would download it.
pub fn download(vault: &Vault, archive: &ArchiveRecord) -> Result<Vec<u8>, VaultError> {
    download_range(vault, archive, 0..archive.len())
}

/// A part of it.
pub fn download_range(
    vault: &Vault,
    archive: &ArchiveRecord,
    range: std::ops::Range<u64>,
) -> Result<Vec<u8>, VaultError> {
    let mut out = vec![];
    write_range(vault, &Arc::new(vault.read_index()?), archive, range, &mut out)?;
    Ok(out)
}

/// The stream inside an archive, checked as gzip would.
pub fn gunzip(archive: &[u8], raw_len: u64) -> Vec<u8> {
    assert_eq!(archive[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    let (deflated, trailer) = archive[10..].split_at(archive.len() - 18);
    let mut raw = vec![0; raw_len as usize + 1];
    let mut inflate = zlib_rs::Inflate::new(false, 15);
    let status = inflate.decompress(deflated, &mut raw, zlib_rs::InflateFlush::Finish).unwrap();
    assert_eq!(status, zlib_rs::Status::StreamEnd);
    assert_eq!((inflate.total_in(), inflate.total_out()), (deflated.len() as u64, raw_len));
    raw.truncate(raw_len as usize);
    assert_eq!(trailer[..4], crc32fast::hash(&raw).to_le_bytes());
    assert_eq!(trailer[4..], (raw_len as u32).to_le_bytes());
    raw
}

/// A record that names these archives.
pub fn record(archives: &[&ArchiveRecord]) -> Record {
    Record {
        about: serde_json::json!({ "note": "a test" }),
        archives: archives.iter().map(|a| (*a).clone()).collect(),
    }
}

/// An error with its causes, as a person would see it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(": {cause}");
        next = cause.source();
    }
    text
}

/// An observer that says stop from the start.
pub struct Stopped;

impl Observer for Stopped {
    fn doing(&self, _: Element, _: &str) {}
    fn expect(&self, _: Element, _: u64) {}
    fn advance(&self, _: Element, _: u64, _: u64) {}
    fn remark(&self, _: Element, _: undercroft_model::Remark) {}
    fn cancelled(&self) -> bool {
        true
    }
}
