//! A repository to restore into, and all that can be seen of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use undercroft_model::{CodeRevision, Silent};
use undercroft_site::git::restore::{self, Order, RestoreError, Staged};
use uuid::Uuid;

use crate::bench::*;

/// A folder to play in, with a site in it.
pub struct Play {
    pub dir: TempDir,
    pub site: PathBuf,
}

impl Play {
    /// A site with some commits.
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let site = dir.path().join("site");
        make_site(&site);
        Play { dir, site }
    }

    pub fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    /// An order for a commit that git can name.
    pub fn order(&self, commit: &str) -> Order {
        Order {
            repository: self.site.to_str().unwrap().to_owned(),
            revision: CodeRevision::Head,
            commit: id(&self.site, commit),
            branch: None,
            id: Uuid::new_v4(),
            protect: Vec::new(),
            protect_files: Vec::new(),
            remove_untracked: false,
            spare: Vec::new(),
            objects: None,
        }
    }

    /// Carries an order out.
    pub fn restore(&self, order: &Order) -> Result<Staged, RestoreError> {
        let staged = restore::stage(order, &self.cache())?;
        // What is written into a journal must suffice.
        let staged: Staged = serde_json::from_str(&serde_json::to_string(&staged).unwrap()).unwrap();
        restore::prepare(&staged, &Silent)?;
        restore::switch(&staged, &Silent)?;
        restore::clean_up(&staged)?;
        Ok(staged)
    }

    /// Makes the work tree differ in every way: changed, staged, both, deleted, chmodded, untracked, ignored.
    pub fn hack(&self) {
        let site = &self.site;
        put(site, "index.php", "<?php hacked();\n");
        put(site, "web/core-c.txt", "staged\n");
        git(site, &["add", "web/core-c.txt"]);
        put(site, "web/core-c.txt", "staged, then changed\n");
        put(site, "staged-new.txt", "new\n");
        git(site, &["add", "staged-new.txt"]);
        fs::remove_file(site.join("web/core.d/b.txt")).unwrap();
        git(site, &["rm", "-q", "--cached", "web/link"]);
        fs::set_permissions(site.join("bin/run"), fs::Permissions::from_mode(0o644)).unwrap();
        put(site, "untracked.txt", "u\n");
        put(site, "new folder/shell.php", "evil\n");
        put(site, "web/files/upload.jpg", "ignored\n");
    }
}

/// The name of a commit.
pub fn id(folder: &Path, name: &str) -> String {
    git(folder, &["rev-parse", "--verify", name]).trim().to_owned()
}

/// All that can be seen of a repository but what restores keep: references, index, and files with their modes.
pub fn seen(site: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let refs = git(site, &["for-each-ref", "--format=%(refname) %(objectname)"]);
    let refs: Vec<_> = refs.lines().filter(|line| !line.starts_with("refs/undercroft/")).collect();
    all.insert("refs".to_owned(), refs.join("\n").into_bytes());
    all.insert("HEAD".to_owned(), fs::read(site.join(".git/HEAD")).unwrap_or_default());
    all.insert("index".to_owned(), git(site, &["ls-files", "-s", "-v", "-z"]).into_bytes());
    files(site, site, &mut all);
    all
}

fn files(top: &Path, folder: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_name() == ".git" {
            continue;
        }
        let name = format!("file {:?}", path.strip_prefix(top).unwrap());
        let facts = fs::symlink_metadata(&path).unwrap();
        if facts.is_dir() {
            files(top, &path, all);
        } else if facts.is_symlink() {
            all.insert(name, fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec());
        } else {
            let runs = if facts.mode() & 0o100 == 0 { b'-' } else { b'x' };
            all.insert(name, [vec![runs], fs::read(&path).unwrap()].concat());
        }
    }
}

/// Checks that two sights are the same, and says where they are not.
pub fn assert_same(before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) {
    for name in before.keys().chain(after.keys()) {
        let text = |sight: &BTreeMap<String, Vec<u8>>| {
            sight.get(name).map(|bytes| String::from_utf8_lossy(bytes).chars().take(4000).collect::<String>())
        };
        assert!(before.get(name) == after.get(name), "{name}: {:?} became {:?}", text(before), text(after));
    }
}

/// Checks that nothing of a restore is left but what it keeps.
pub fn assert_clean(site: &Path, kept: usize) {
    let git_dir = git(site, &["rev-parse", "--absolute-git-dir"]);
    let git_dir = Path::new(git_dir.trim());
    assert!(!git_dir.join("undercroft").exists() && !git_dir.join("index.lock").exists());
    assert_eq!(git(site, &["for-each-ref", "refs/undercroft/"]).lines().count(), kept);
    let fsck = git(site, &["fsck", "--full", "--strict", "--no-dangling"]);
    assert!(!fsck.contains("error") && !fsck.contains("missing"), "{fsck}");
}
