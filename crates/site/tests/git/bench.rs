//! What the tests need: real repositories, a vault, and archives unpacked by real tar.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use undercroft_model::{CodeFacts, CodeRevision, Element, Observer, Remark, Weight};
use undercroft_site::git::{GitError, Repository};
use undercroft_vault::Vault;
use undercroft_vault::fetch::Fetcher;
use undercroft_vault::keys::SecretKey;
use undercroft_vault::manifest_io::ManifestReader;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::session::Session;
use undercroft_vault::store;
use undercroft_vault::tree::{TreeCounts, TreeJob, write_tree};
use uuid::Uuid;

/// Keeps all remarks.
#[derive(Default)]
pub struct Listener(Mutex<Vec<Remark>>);

impl Observer for Listener {
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

/// What a capture came to.
pub struct Captured {
    pub facts: CodeFacts,
    pub counts: TreeCounts,
    pub remarks: Vec<Remark>,
    pub archive: Vec<u8>,
}

impl Captured {
    pub fn lost(&self) -> Vec<String> {
        self.told(Weight::Lost)
    }

    pub fn notes(&self) -> Vec<String> {
        self.told(Weight::Note)
    }

    fn told(&self, weight: Weight) -> Vec<String> {
        let told = self.remarks.iter().filter(|remark| remark.weight == weight);
        told.map(|remark| format!("{}: {}", remark.subject, remark.text)).collect()
    }
}

/// A vault, a cache and a folder to play in.
pub struct Bench {
    pub dir: TempDir,
    vault: Vault,
    last: RefCell<Option<ArchiveRecord>>,
}

impl Bench {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        // Another user's repositories must be reachable.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let store = Arc::new(store::local(dir.path().join("store")).unwrap());
        let secret = SecretKey::generate().unwrap();
        let vault = Vault::open_or_create(store, Uuid::new_v4(), &secret).unwrap();
        Bench { dir, vault, last: RefCell::default() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn open(&self, repository: &str, revision: &CodeRevision) -> Result<Repository, GitError> {
        Repository::open(repository, revision, &self.path("cache"), &Listener::default())
    }

    pub fn capture(&self, repository: &Path) -> Captured {
        self.capture_at(repository.to_str().unwrap(), &CodeRevision::Head)
    }

    pub fn capture_at(&self, repository: &str, revision: &CodeRevision) -> Captured {
        let listener = Listener::default();
        let mut source = Repository::open(repository, revision, &self.path("cache"), &listener).unwrap();
        let counts = self.write(&mut source, &listener).unwrap();
        let facts = source.finish().unwrap();
        let archive = self.last_archive();
        Captured { facts, counts, remarks: listener.0.into_inner().unwrap(), archive }
    }

    fn last_archive(&self) -> Vec<u8> {
        let index = Arc::new(self.vault.read_index().unwrap());
        let record = self.last.borrow().clone().unwrap();
        let mut archive = Vec::new();
        undercroft_vault::archive::write_range(&self.vault, &index, &record, 0..record.len(), &mut archive)
            .unwrap();
        assert_eq!(archive.len() as u64, record.len());
        archive
    }

    /// Writes the source's archive.
    pub fn write(
        &self,
        source: &mut Repository,
        observer: &dyn Observer,
    ) -> Result<TreeCounts, undercroft_vault::VaultError> {
        let index = Arc::new(self.vault.read_index().unwrap());
        let previous = self.last.borrow().as_ref().map(|record| {
            ManifestReader::open(Fetcher::new(&self.vault, Arc::clone(&index)), &record.manifest).unwrap()
        });
        let session = Session::begin(&self.vault).unwrap();
        let job =
            TreeJob { name: "code.tar.gz", top: "code_live", element: Element::Code, previous, observer };
        let (record, counts) = write_tree(&session, source, job)?;
        session.finish().unwrap();
        self.last.replace(Some(record));
        Ok(counts)
    }

    /// Unpacks an archive, and gives its top folder.
    pub fn unpack(&self, captured: &Captured) -> PathBuf {
        self.unpack_bytes(&captured.archive)
    }

    /// Unpacks the archive that was written last.
    pub fn unpack_last(&self) -> PathBuf {
        self.unpack_bytes(&self.last_archive())
    }

    fn unpack_bytes(&self, archive: &[u8]) -> PathBuf {
        let folder = TempDir::new_in(self.dir.path()).unwrap().keep();
        let file = folder.join("code.tar.gz");
        fs::write(&file, archive).unwrap();
        let output = Command::new("tar").arg("xzf").arg(&file).arg("-C").arg(&folder).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        folder.join("code_live")
    }

    /// Unpacks an archive and checks that it is a whole repository, with the source's references and history.
    pub fn prove(&self, captured: &Captured, source: &Path) -> PathBuf {
        let copy = self.unpack(captured);
        let fsck = try_git(&copy, &["fsck", "--full", "--strict", "--no-dangling"]);
        assert!(fsck.0 && !fsck.1.contains("error") && !fsck.1.contains("missing"), "{fsck:?}");
        assert_eq!(git(&copy, &["status", "--porcelain", "--ignored"]), "");
        let every = ["for-each-ref", "--format=%(refname) %(objectname) %(*objectname) %(symref)"];
        assert_eq!(git(&copy, &every), git(source, &every));
        let log = ["log", "--all", "--format=%H %P %an %ad %s"];
        assert_eq!(git(&copy, &log), git(source, &log));
        copy
    }
}

/// Git as a test runs it, at a time of its own.
pub fn git_command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    for (key, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "A"),
        ("GIT_AUTHOR_EMAIL", "a@example.com"),
        ("GIT_COMMITTER_NAME", "C"),
        ("GIT_COMMITTER_EMAIL", "c@example.com"),
        ("GIT_AUTHOR_DATE", "1700000000 +0100"),
        ("GIT_COMMITTER_DATE", "1700000000 +0100"),
        ("LC_ALL", "C"),
    ] {
        command.env(key, value);
    }
    command.args([
        "-c",
        "safe.directory=*",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "protocol.file.allow=always",
    ]);
    command.current_dir(folder);
    command
}

/// What git answers, and what it complains of.
pub fn try_git(folder: &Path, args: &[&str]) -> (bool, String) {
    let output = git_command(folder).args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// What git answers.
pub fn git(folder: &Path, args: &[&str]) -> String {
    let output = git_command(folder).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "git {args:?} in {folder:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Git at a time, in Unix seconds.
pub fn git_at(folder: &Path, seconds: i64, args: &[&str]) {
    let time = format!("{seconds} +0000");
    let mut command = git_command(folder);
    command.env("GIT_AUTHOR_DATE", &time).env("GIT_COMMITTER_DATE", &time);
    let output = command.args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Writes a file, and the folders that it is in.
pub fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Commits all that is in a work tree.
pub fn commit(folder: &Path, seconds: i64, message: &str) {
    git_at(folder, seconds, &["add", "-A"]);
    git_at(folder, seconds, &["commit", "-q", "--allow-empty", "-m", message]);
}

/// A repository with a little of everything: a merge, tags of both kinds, links, executables, odd names, notes.
pub fn make_site(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    git(folder, &["init", "-q"]);
    put(folder, "index.php", "<?php\n");
    put(folder, "web/core/a.txt", "a\n".repeat(50_000));
    put(folder, "web/core.d/b.txt", "b\n");
    put(folder, "web/core-c.txt", "");
    put(folder, ".gitignore", "/web/files/\n");
    put(folder, &format!("{}/{}", "d".repeat(90), "n".repeat(200)), "long\n");
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"odd \xff\n\"name");
    fs::write(folder.join(odd), "odd\n").unwrap();
    put(folder, "bin/run", "#!/bin/sh\n");
    fs::set_permissions(folder.join("bin/run"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("../index.php", folder.join("web/link")).unwrap();
    commit(folder, 1_600_000_000, "first");
    git(folder, &["tag", "light"]);
    git(folder, &["checkout", "-q", "-b", "topic"]);
    put(folder, "topic.txt", "t\n");
    commit(folder, 1_600_000_100, "topic");
    git(folder, &["checkout", "-q", "main"]);
    put(folder, "index.php", "<?php // 2\n");
    commit(folder, 1_600_000_200, "second");
    git_at(folder, 1_600_000_300, &["merge", "-q", "--no-ff", "-m", "merge", "topic"]);
    git_at(folder, 1_600_000_400, &["tag", "-a", "-m", "release", "v1.0"]);
    git_at(folder, 1_600_000_400, &["notes", "add", "-m", "a note"]);
}
