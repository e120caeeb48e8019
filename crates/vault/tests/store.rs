//! What every store must do, whatever it is made of.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use common::noise;
use undercroft_vault::store::{self, Listed, LocalStore, Store, StoreError};

/// A store to be tested, opened as often as asked: every opening sees the same objects.
trait Kind {
    type Opened: Store + 'static;
    fn open(&self) -> Self::Opened;
}

struct Local(tempfile::TempDir);

impl Kind for Local {
    type Opened = LocalStore;
    fn open(&self) -> LocalStore {
        store::local(self.0.path().join("a new folder/in another")).unwrap()
    }
}

/// All tests for one kind of store.
macro_rules! every_store {
    ($module:ident, $make:expr) => {
        mod $module {
            use super::*;

            #[test]
            fn what_is_put_is_there() {
                super::what_is_put_is_there(&$make);
            }
            #[test]
            fn ranges_are_exact() {
                super::ranges_are_exact(&$make);
            }
            #[test]
            fn listings_are_whole_and_in_order() {
                super::listings_are_whole_and_in_order(&$make);
            }
            #[test]
            fn the_first_put_stays() {
                super::the_first_put_stays(&$make);
            }
            #[test]
            fn of_many_that_put_at_once_one_wins() {
                super::of_many_that_put_at_once_one_wins(&$make);
            }
            #[test]
            fn what_is_deleted_is_gone() {
                super::what_is_deleted_is_gone(&$make);
            }
            #[test]
            fn names_that_lead_elsewhere_are_refused() {
                super::names_that_lead_elsewhere_are_refused(&$make);
            }
        }
    };
}

every_store!(local, Local(tempfile::tempdir().unwrap()));

fn what_is_put_is_there(kind: &impl Kind) {
    let store = kind.open();
    for (name, len) in [("vaults/a/config", 0), ("vaults/a/packs/0f/0f3", 3_000_000), ("one", 1)] {
        store.put(name, &noise(1, len)).unwrap();
        assert!(store.get(name).unwrap() == noise(1, len));
        assert!(kind.open().get(name).unwrap() == noise(1, len));
    }
    let missing = store.get("vaults/a/missing");
    assert!(matches!(missing, Err(StoreError::Missing { name, .. }) if name == "vaults/a/missing"));
    assert!(matches!(store.get_range("missing", 0, 1), Err(StoreError::Missing { .. })));
}

fn ranges_are_exact(kind: &impl Kind) {
    let store = kind.open();
    let bytes = noise(2, 100_000);
    store.put("object", &bytes).unwrap();
    for (offset, len) in [(0, 0), (0, 1), (99_999, 1), (0, 100_000), (12_345, 54_321), (100_000, 0)] {
        assert_eq!(store.get_range("object", offset as u64, len).unwrap(), bytes[offset..offset + len]);
    }
    for (offset, len) in [(0, 100_001), (99_999, 2), (200_000, 1)] {
        assert!(store.get_range("object", offset, len).is_err(), "{offset} {len}");
    }
}

fn listings_are_whole_and_in_order(kind: &impl Kind) {
    let store = kind.open();
    assert_eq!(store.list("nothing/here/").unwrap(), []);
    let names = ["v/a/1", "v/a/10", "v/a/2/x", "v/b", "v/a/2/y", "w/a/1"];
    for (len, name) in names.iter().enumerate() {
        store.put(name, &noise(3, len)).unwrap();
    }
    let listed = |l: Listed| (l.name, l.len);
    let expected = [("v/a/1", 0), ("v/a/10", 1), ("v/a/2/x", 2), ("v/a/2/y", 4)];
    let found: Vec<_> = store.list("v/a/").unwrap().into_iter().map(listed).collect();
    assert_eq!(found, expected.map(|(name, len)| (name.to_owned(), len)));
    assert_eq!(store.list("v/").unwrap().len(), 5);
    assert_eq!(store.list("").unwrap().len(), 6, "and nothing of the store's own");
}

/// The sweep spares what is young by the store's own time.
#[test]
fn a_local_store_tells_when_an_object_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::local(folder.path()).unwrap();
    store.put("v/a", b"x").unwrap();
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let file = fs::File::options().write(true).open(folder.path().join("v/a")).unwrap();
    file.set_modified(long_ago).unwrap();
    assert_eq!(store.list("v/").unwrap()[0].modified, Some(long_ago));
}

fn the_first_put_stays(kind: &impl Kind) {
    let store = kind.open();
    store.put("object", b"first").unwrap();
    store.put("object", b"second").unwrap();
    kind.open().put("object", b"third").unwrap();
    assert_eq!(store.get("object").unwrap(), b"first");
}

fn of_many_that_put_at_once_one_wins(kind: &(impl Kind + Sync)) {
    for round in 0..20 {
        let name = format!("vaults/{round}/config");
        let barrier = Barrier::new(8);
        let seen: Vec<Vec<u8>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|n| {
                    let (name, barrier) = (&name, &barrier);
                    scope.spawn(move || {
                        let store = kind.open();
                        barrier.wait();
                        store.put(name, &noise(n, 20_000)).unwrap();
                        store.get(name).unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(seen.iter().all(|bytes| *bytes == seen[0]), "what was seen once stays");
    }
}

fn what_is_deleted_is_gone(kind: &impl Kind) {
    let store = kind.open();
    store.put("v/a", b"x").unwrap();
    store.delete("v/a").unwrap();
    store.delete("v/a").unwrap();
    store.delete("never/was").unwrap();
    assert!(matches!(store.get("v/a"), Err(StoreError::Missing { .. })));
    assert_eq!(store.list("v/").unwrap(), []);
    store.put("v/a", b"y").unwrap();
    assert_eq!(store.get("v/a").unwrap(), b"y");
}

fn names_that_lead_elsewhere_are_refused(kind: &impl Kind) {
    let store = kind.open();
    for name in ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "A", "a b", "tmp/x", "a\0"] {
        assert!(store.put(name, b"x").is_err(), "{name:?}");
        assert!(store.get(name).is_err(), "{name:?}");
        assert!(store.delete(name).is_err(), "{name:?}");
    }
}

fn files_in(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_local_store_leaves_no_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::local(folder.path()).unwrap();
    store.put("a", b"x").unwrap();
    store.put("a", b"y").unwrap();
    // A file where a folder is needed: the write fails.
    assert!(matches!(store.put("a/b", b"x"), Err(StoreError::Failed { name, .. }) if name == "a/b"));
    assert_eq!(files_in(&folder.path().join("tmp")), 0);
}

#[test]
fn a_local_store_removes_only_what_was_abandoned() {
    let folder = tempfile::tempdir().unwrap();
    drop(store::local(folder.path()).unwrap());
    let (old, new) = (folder.path().join("tmp/old"), folder.path().join("tmp/new"));
    fs::write(&new, b"being written").unwrap();
    fs::write(&old, b"left by a crash").unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(25 * 3600);
    fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    drop(store::local(folder.path()).unwrap());
    assert!(new.exists() && !old.exists());
}

#[test]
fn a_local_store_brings_its_folders_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::local(folder.path()).unwrap();
    store.put("v/a", b"x").unwrap();
    fs::remove_dir_all(folder.path().join("v")).unwrap();
    fs::remove_dir_all(folder.path().join("tmp")).unwrap();
    store.put("v/a", b"y").unwrap();
    assert_eq!(store.get("v/a").unwrap(), b"y");
}

/// What is of one backup leaves no empty folder when it goes, and whoever puts something there meanwhile succeeds.
#[test]
fn a_local_store_removes_the_folder_of_what_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let name = |n: usize| format!("vaults/a/marks/b/{n}");
    let marks = folder.path().join("vaults/a/marks");
    thread::scope(|scope| {
        for n in 0..4 {
            let folder = folder.path();
            scope.spawn(move || {
                let store = store::local(folder).unwrap();
                for _ in 0..200 {
                    store.put(&name(n), b"x").unwrap();
                    assert_eq!(store.get(&name(n)).unwrap(), b"x");
                    store.delete(&name(n)).unwrap();
                }
            });
        }
    });
    assert!(!marks.join("b").exists() && marks.exists());
    let store = store::local(folder.path()).unwrap();
    for n in 0..2 {
        store.put(&name(n), b"x").unwrap();
    }
    store.delete(&name(0)).unwrap();
    assert_eq!(store.list("vaults/a/marks/").unwrap().len(), 1);
    store.put("vaults/a/packs/x", b"x").unwrap();
    store.delete("vaults/a/packs/x").unwrap();
    assert!(folder.path().join("vaults/a/packs").exists(), "what every vault has stays");
}

#[test]
fn objects_of_a_local_store_are_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let store = store::local(folder.path().join("s")).unwrap();
    store.put("v/a", b"x").unwrap();
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("s"), mode("s/v"), mode("s/v/a")), (0o700, 0o700, 0o600));
}

#[test]
fn a_store_in_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), b"").unwrap();
    assert!(store::local(folder.path().join("file")).is_err());
}

/// Every write is on the disk before it counts: file, link, folder, in this order.
#[test]
fn a_local_store_writes_in_the_order_that_survives_a_crash() {
    let strace = std::process::Command::new("strace").arg("-V").output();
    assert!(strace.is_ok(), "this test needs strace: scripts/install-needs test");
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let status = std::process::Command::new("strace")
        .args(["-f", "-y", "-e", "trace=fsync,linkat,link,rename,renameat2", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "put_one_object_for_strace", "--include-ignored"])
        .env("UNDERCROFT_TEST_STORE", folder.path().join("store"))
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let trace = fs::read_to_string(trace).unwrap();
    let places = |what: &str| {
        let found = trace.lines().position(|line| line.contains(what));
        found.unwrap_or_else(|| panic!("no {what} in:\n{trace}"))
    };
    let file = trace.lines().position(|l| l.contains("fsync(") && l.contains("/tmp/")).unwrap();
    let file = file.max(places("store/tmp/"));
    let link = places("link");
    let after: Vec<_> = trace.lines().skip(link).collect();
    assert!(file < link, "the file is synced before it has its name:\n{trace}");
    assert!(
        after.iter().any(|l| l.contains("fsync(") && l.contains("store/vaults/a>")),
        "the folder is synced after:\n{trace}"
    );
    assert!(
        trace.lines().any(|l| l.contains("fsync(") && l.contains("store/vaults>")),
        "a new folder's own name is synced too:\n{trace}"
    );
}

#[test]
#[ignore = "run by a_local_store_writes_in_the_order_that_survives_a_crash"]
fn put_one_object_for_strace() {
    let Some(folder) = std::env::var_os("UNDERCROFT_TEST_STORE") else { return };
    store::local(folder).unwrap().put("vaults/a/config", b"x").unwrap();
}

/// A real file system that is full: the backup fails by name, and what was there stays.
#[test]
fn a_full_disk_is_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"])
        .arg(folder.path())
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("not run: only root can mount a small file system");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let vault = common::vault(folder.path());
        let mut tree = common::Tree::new();
        tree.file("small", noise(1, 100_000));
        let (first, ..) = common::backup_tree(&vault, &tree, None).unwrap();
        let before = common::download(&vault, &first).unwrap();
        tree.file("large", noise(2, 6_000_000));
        let error = common::backup_tree(&vault, &tree, Some(&first)).unwrap_err();
        assert!(error.to_string().contains("is full"), "{error}");
        assert_eq!(files_in(&folder.path().join("tmp")), 0, "no half-written file takes the room");
        assert!(common::download(&vault, &first).unwrap() == before);
        tree.remove(b"large");
        backup_after(&vault, &tree, &first);
    });
    let unmounted = std::process::Command::new("umount").arg(folder.path()).status().unwrap();
    assert!(unmounted.success());
    result.unwrap();
}

fn backup_after(
    vault: &undercroft_vault::Vault,
    tree: &common::Tree,
    last: &undercroft_vault::record::ArchiveRecord,
) {
    let (again, ..) = common::backup_tree(vault, tree, Some(last)).unwrap();
    assert!(common::download(vault, &again).is_ok());
}
