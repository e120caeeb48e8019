//! A watched capture into a vault, and what a folder holds, to be compared.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use undercroft_model::{Element, FilesFacts, Observer, Remark, Weight};
use undercroft_site::files::{Skip, Tree, TreeOptions};
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::index::Index;
use undercroft_vault::keys::SecretKey;
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::session::Session;
use undercroft_vault::stream::{Entry, TreeSource};
use undercroft_vault::tree::{TreeCounts, TreeJob, write_tree};
use undercroft_vault::{Vault, archive, store};

/// The folder that all entries of an archive are in.
pub const TOP: &str = "shop_live_files";

/// Hears remarks.
#[derive(Default)]
pub struct Watch(Mutex<Vec<Remark>>);

impl Observer for Watch {
    fn doing(&self, _: Element, _: &str) {}
    fn expect(&self, _: Element, _: u64) {}
    fn advance(&self, _: Element, _: u64, _: u64) {}
    fn remark(&self, element: Element, remark: Remark) {
        assert_eq!(element, Element::Files);
        self.0.lock().unwrap().push(remark);
    }
    fn cancelled(&self) -> bool {
        false
    }
}

impl Watch {
    /// Remarks of a weight, as `subject: text`.
    pub fn heard(&self, weight: Weight) -> Vec<String> {
        let remarks = self.0.lock().unwrap();
        let of_weight = remarks.iter().filter(|remark| remark.weight == weight);
        of_weight.map(|remark| format!("{}: {}", remark.subject, remark.text)).collect()
    }

    /// Nothing was lost.
    pub fn assert_whole(&self) {
        assert_eq!(self.heard(Weight::Lost), Vec::<String>::new());
    }
}

/// Options that leave nothing out.
pub fn everything(folder: &Path) -> TreeOptions<'_> {
    TreeOptions { folder, element: Element::Files, exclude: &[], skip: &[] }
}

/// All entries of a walk, and what it says at its end.
pub fn walk(options: TreeOptions<'_>, watch: &Watch) -> (Vec<Entry>, FilesFacts) {
    let mut tree = Tree::open(options, watch).unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = tree.next_entry().unwrap() {
        entries.push(entry);
    }
    (entries, tree.finish())
}

/// The paths of a walk.
pub fn paths(folder: &Path, exclude: &[&str], skip: &[Skip<'_>]) -> Vec<String> {
    let exclude: Vec<_> = exclude.iter().map(|pattern| (*pattern).to_owned()).collect();
    let watch = Watch::default();
    let (entries, _) = walk(TreeOptions { exclude: &exclude, skip, ..everything(folder) }, &watch);
    watch.assert_whole();
    entries.into_iter().map(|entry| String::from_utf8(entry.path).unwrap()).collect()
}

/// Makes files with their folders: the text of each is its path.
pub fn plant(folder: &Path, files: &[&str]) {
    for file in files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
}

/// Waits until what was just written is no longer too fresh to be trusted.
pub fn settle() {
    let written = tempfile::NamedTempFile::new().unwrap().as_file().metadata().unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::new(written.ctime() as u64, written.ctime_nsec() as u32);
    let grain = if written.ctime_nsec() == 0 { 2500 } else { 150 };
    while time.elapsed().unwrap_or_default() < Duration::from_millis(grain) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A vault in a folder of its own.
pub struct Kept {
    vault: Vault,
    _store: TempDir,
}

impl Kept {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(store::local(folder.path()).unwrap());
        let key = SecretKey::from_bytes([7; 32]);
        let vault = Vault::open_or_create(store, uuid::Uuid::from_u128(7), &key).unwrap();
        Kept { vault, _store: folder }
    }

    /// Captures a folder, after an earlier capture of it if there was one.
    pub fn capture(
        &self,
        options: TreeOptions<'_>,
        last: Option<&ArchiveRecord>,
        watch: &Watch,
    ) -> (ArchiveRecord, TreeCounts) {
        let session = Session::begin(&self.vault).unwrap();
        let previous = last.map(|last| ManifestReader::open(self.fetcher(), &last.manifest).unwrap());
        let mut tree = Tree::open(options, watch).unwrap();
        let job =
            TreeJob { name: "files.tar.gz", top: TOP, element: Element::Files, previous, observer: watch };
        let done = write_tree(&session, &mut tree, job).unwrap();
        session.finish().unwrap();
        done
    }

    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        self._store.path()
    }

    pub fn index(&self) -> Arc<Index> {
        Arc::new(self.vault.read_index().unwrap())
    }

    fn fetcher(&self) -> Fetcher {
        Fetcher::new(&self.vault, Arc::new(self.vault.read_index().unwrap()))
    }

    /// The archive as it is downloaded.
    pub fn download(&self, record: &ArchiveRecord) -> Vec<u8> {
        let mut bytes = Vec::new();
        let index = Arc::new(self.vault.read_index().unwrap());
        archive::write_range(&self.vault, &index, record, 0..record.len(), &mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, record.len());
        bytes
    }
}

/// A program that takes archives apart.
///
/// GNU tar does not know what names that are not UTF-8 are marked with, and wonders about old and future times.
pub const EXTRACTORS: [&[&str]; 2] = [
    &[
        "tar",
        "--xattrs",
        "--xattrs-include=*",
        "--numeric-owner",
        "--delay-directory-restore",
        "--warning=no-unknown-keyword",
        "--warning=no-timestamp",
        "-xpzf",
    ],
    &["bsdtar", "--xattrs", "--numeric-owner", "-xpzf"],
];

/// Takes an archive apart; gives the folder that held it all.
pub fn extract(program: &[&str], archive: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive");
    fs::write(&file, archive).unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let done = Command::new(program[0]).args(&program[1..]).arg(&file).arg("-C").arg(&out).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && said.is_empty(), "{program:?}: {said}");
    (folder, out.join(TOP))
}

/// What one thing in a folder is, all that an archive should keep of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Thing {
    kind: String,
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    content: Vec<u8>,
    /// The first of its names in the folder.
    first_name: PathBuf,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// All things in a folder, by path; the folder itself too. Of a socket, nothing.
pub fn things(folder: &Path) -> BTreeMap<PathBuf, Thing> {
    let mut paths = vec![PathBuf::new()];
    let mut found = BTreeMap::new();
    while let Some(path) = paths.pop() {
        let whole = folder.join(&path);
        let facts = fs::symlink_metadata(&whole).unwrap();
        if facts.file_type().is_socket() {
            continue;
        }
        if facts.is_dir() {
            paths.extend(fs::read_dir(&whole).unwrap().map(|entry| path.join(entry.unwrap().file_name())));
        }
        found.insert(path, (whole, facts));
    }
    let mut first_names = BTreeMap::new();
    let mut things = BTreeMap::new();
    for (path, (whole, facts)) in found {
        let first_name = first_names.entry(facts.ino()).or_insert_with(|| path.clone()).clone();
        things.insert(path, thing(&whole, &facts, first_name));
    }
    things
}

fn thing(path: &Path, facts: &fs::Metadata, first_name: PathBuf) -> Thing {
    let kind = facts.file_type();
    let content = if kind.is_symlink() {
        fs::read_link(path).unwrap().into_os_string().into_vec()
    } else if kind.is_file() {
        let mut content = Vec::new();
        fs::File::open(path).unwrap().read_to_end(&mut content).unwrap();
        content
    } else if kind.is_char_device() || kind.is_block_device() {
        facts.rdev().to_le_bytes().to_vec()
    } else {
        Vec::new()
    };
    Thing {
        kind: format!("{kind:?}"),
        mode: facts.mode(),
        owner: (facts.uid(), facts.gid()),
        mtime: (facts.mtime(), facts.mtime_nsec()),
        content,
        first_name,
        xattrs: xattrs(path),
    }
}

fn xattrs(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut list = vec![0; 64 << 10];
    let len = rustix::fs::llistxattr(path, &mut list[..]).unwrap_or(0);
    let names = list[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut found = BTreeMap::new();
    for name in names.filter(|name| *name != b"security.selinux") {
        let mut value = vec![0; 64 << 10];
        let len = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
        found.insert(name.to_vec(), value[..len].to_vec());
    }
    found
}

impl Thing {
    /// Without attributes that a program can't restore.
    pub fn without_xattrs(mut self, left_out: impl Fn(&[u8]) -> bool) -> Self {
        self.xattrs.retain(|name, _| !left_out(name));
        self
    }
}

/// A path from bytes.
pub fn path(bytes: &[u8]) -> &Path {
    Path::new(std::ffi::OsStr::from_bytes(bytes))
}

/// Whether this runs as root, who may give files away and make devices.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
