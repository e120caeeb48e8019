//! A backup that is killed, at any moment: older backups are whole, and the next one succeeds.
//!
//! The victim is this test's own program, started again. It is killed with SIGKILL: by itself right before or
//! right after each of its calls to the store, and by its parent at points of its progress.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{SITE, Tree, backup_tree, backup_watched, download, gunzip, noise, recovery, text};
use undercroft_model::{Element, Observer, Remark};
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::store::{self, Listed, LocalStore, Store, StoreError};
use undercroft_vault::{Vault, VaultError};
use uuid::Uuid;

const OLD: Uuid = Uuid::from_u128(1);
const VICTIM: Uuid = Uuid::from_u128(2);
const FOLDER: &str = "UNDERCROFT_TEST_FOLDER";
const MOMENT: &str = "UNDERCROFT_TEST_MOMENT";
const SIZE: &str = "UNDERCROFT_TEST_SIZE";
/// The size of each of ten new files: one pack's worth of news, and two packs' worth.
const SMALL: usize = 100_000;
const LARGE: usize = 2_000_000;

/// Kills its own process around one of its calls.
struct Deadly {
    inner: LocalStore,
    calls: AtomicU64,
    /// Twice the number of the call, and one more to die after it.
    moment: u64,
}

fn die() {
    let status = Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
    unreachable!("a killed process goes no further: {status:?}");
}

impl Deadly {
    fn around<T>(&self, call: impl FnOnce(&LocalStore) -> T) -> T {
        let number = 2 * self.calls.fetch_add(1, Ordering::SeqCst);
        if number == self.moment {
            die();
        }
        let result = call(&self.inner);
        if number + 1 == self.moment {
            die();
        }
        result
    }
}

impl Store for Deadly {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.around(|store| store.put(name, bytes))
    }
    fn get(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        self.around(|store| store.get(name))
    }
    fn get_range(&self, name: &str, offset: u64, len: usize) -> Result<Vec<u8>, StoreError> {
        self.around(|store| store.get_range(name, offset, len))
    }
    fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.around(|store| store.list(prefix))
    }
    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.around(|store| store.delete(name))
    }
}

/// Says a line for each piece of progress.
struct Loud;

impl Observer for Loud {
    fn doing(&self, _: Element, _: &str) {}
    fn expect(&self, _: Element, _: u64) {}
    fn advance(&self, _: Element, _: u64, _: u64) {
        println!("advanced");
    }
    fn remark(&self, _: Element, _: Remark) {}
    fn cancelled(&self) -> bool {
        false
    }
}

fn old_tree() -> Tree {
    let mut tree = Tree::new();
    for n in 0..40 {
        tree.file(&format!("a/{n}.txt"), text(n, 20_000));
    }
    tree
}

/// The tree that the victim backs up.
fn new_tree(size: usize) -> Tree {
    let mut tree = old_tree();
    for n in 0..10 {
        tree.file(&format!("b/{n}.mp4"), noise(n, size));
    }
    tree
}

#[test]
#[ignore = "started by the other tests, to be killed"]
fn victim() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let moment = env::var(MOMENT).unwrap().parse().unwrap();
    let tree = new_tree(env::var(SIZE).unwrap().parse().unwrap());
    let inner = store::local(PathBuf::from(folder)).unwrap();
    let store = Arc::new(Deadly { inner, calls: AtomicU64::new(0), moment });
    let vault = Vault::open_or_create(store.clone(), SITE, &recovery()).unwrap();
    let last = vault.read_record(OLD).ok().map(|record| record.archives[0].clone());
    let (archive, ..) = backup_watched(&vault, &tree, last.as_ref(), &Loud).unwrap();
    vault.write_record(VICTIM, &common::record(&[&archive])).unwrap();
    println!("calls {}", store.calls.load(Ordering::SeqCst));
}

fn start(folder: &Path, moment: u64, size: usize) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "victim", "--include-ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(MOMENT, moment.to_string())
        .env(SIZE, size.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Runs the victim; how many calls it made, if it lived.
fn run(folder: &Path, moment: u64) -> Option<u64> {
    let output = start(folder, moment, SMALL).wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let calls = said.lines().find_map(|line| line.strip_prefix("calls ")?.parse().ok());
    assert_eq!(calls.is_some(), output.status.success(), "{said}");
    calls
}

fn first_backup(folder: &Path) -> (ArchiveRecord, Vec<u8>) {
    let vault = common::vault(folder);
    let (archive, ..) = backup_tree(&vault, &old_tree(), None).unwrap();
    vault.write_record(OLD, &common::record(&[&archive])).unwrap();
    let bytes = download(&vault, &archive).unwrap();
    (archive, bytes)
}

/// The older backup is whole, the victim's is whole or not there, and the next one succeeds.
fn is_unharmed(folder: &Path, old: &[u8]) {
    let vault = common::vault(folder);
    let record = vault.read_record(OLD).unwrap();
    assert!(download(&vault, &record.archives[0]).unwrap() == old);
    match vault.read_record(VICTIM) {
        Ok(record) => {
            let archive = &record.archives[0];
            gunzip(&download(&vault, archive).unwrap(), archive.raw_len);
        }
        Err(error) => assert!(matches!(error, VaultError::Store(StoreError::Missing { .. })), "{error:?}"),
    }
    let (next, ..) = backup_tree(&vault, &new_tree(SMALL), Some(&record.archives[0])).unwrap();
    gunzip(&download(&vault, &next).unwrap(), next.raw_len);
    let (_, counts, stored) = backup_tree(&vault, &new_tree(SMALL), Some(&next)).unwrap();
    assert_eq!((counts.opened, stored.bytes), (0, 0));
}

#[test]
fn killed_around_every_call_to_the_store() {
    let fresh = || {
        let folder = tempfile::tempdir().unwrap();
        let (_, bytes) = first_backup(folder.path());
        (folder, bytes)
    };
    let (folder, _) = fresh();
    let calls = run(folder.path(), u64::MAX).unwrap();
    assert!(calls > 10);
    for moment in 0..2 * calls {
        let (folder, bytes) = fresh();
        // Threads differ from run to run: a late call may not come.
        let lived = run(folder.path(), moment).is_some();
        assert!(!lived || moment > 2 * calls - 10, "moment {moment} of {calls} calls");
        is_unharmed(folder.path(), &bytes);
    }
}

/// Again and again in one vault, so that litter piles up on litter.
#[test]
fn killed_at_points_of_its_progress_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let (_, bytes) = first_backup(folder.path());
    for lines in [0, 1, 2, 3, 5, 7, 8, 9, 10, 11] {
        let mut child = start(folder.path(), u64::MAX, LARGE);
        let output = BufReader::new(child.stdout.take().unwrap());
        let advanced = output.lines().map_while(Result::ok).filter(|line| line.contains("advanced"));
        let _seen = advanced.take(lines).count();
        child.kill().unwrap();
        child.wait().unwrap();
        let vault = common::vault(folder.path());
        let record = vault.read_record(OLD).unwrap();
        assert!(download(&vault, &record.archives[0]).unwrap() == bytes, "after {lines} lines");
    }
    is_unharmed(folder.path(), &bytes);
}

/// The very first backup of a site: making the vault is killed around every call too.
#[test]
fn killed_while_the_vault_is_made() {
    for moment in 0..14 {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(run(folder.path(), moment), None);
        let vault = common::vault(folder.path());
        let (archive, ..) = backup_tree(&vault, &new_tree(SMALL), None).unwrap();
        gunzip(&download(&vault, &archive).unwrap(), archive.raw_len);
    }
}
