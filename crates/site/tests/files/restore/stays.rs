//! What the archive leaves out by design stays as it is.

use std::fs;
use std::os::unix::fs::symlink;

use undercroft_model::Weight;
use undercroft_site::files::restore;

use super::site::*;
use crate::support::*;

const TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n";

#[test]
fn caches_marked_folders_and_other_elements_are_moved_along() {
    let mut site = Site::new();
    plant(&site.live, &["index.php", "styles/s.css", "sub/x", "sub/error.log", "uploads/u.jpg", "marked/m"]);
    fs::write(site.path("marked/CACHEDIR.TAG"), TAG).unwrap();
    plant(&site.live, &["donotbackup/d", "deep/er/uploads/u"]);
    site.keep = vec!["/styles/".to_owned(), "*.log".to_owned()];
    site.skip = vec![site.path("uploads"), site.path("deep/er/uploads")];
    let archive = site.archive();
    let was = things(&site.live);
    let stays = ["styles", "sub/error.log", "uploads", "marked", "donotbackup", "deep/er/uploads"];
    let inodes = || stays.map(|path| inode(&site.path(path)));
    let were = inodes();
    fs::write(site.path("index.php"), "hacked").unwrap();
    plant(&site.live, &["malware.php"]);
    let prepared = site.restore(&archive, None, None);
    assert_eq!(things(&site.live), was);
    assert_eq!(inodes(), were, "they are the same, not copies");
    assert_eq!(prepared.kept, 6);

    // The code is gone, and all that is left is what stays.
    for gone in ["index.php", "sub/x"] {
        fs::remove_file(site.path(gone)).unwrap();
    }
    site.restore(&archive, None, None);
    assert_eq!(things(&site.live), was);
}

#[test]
fn credentials_stay_and_never_come_from_the_archive() {
    let mut site = Site::new();
    plant(&site.live, &["wp-config.php", "index.php"]);
    site.protect = vec!["/wp-config.php".to_owned()];
    let archive = site.archive();
    fs::write(site.path("wp-config.php"), "this environment's own").unwrap();
    fs::write(site.path("index.php"), "hacked").unwrap();
    let plan = site.plan(&archive, None, None);
    assert_eq!((plan.changed.entries, plan.kept), (1, 1));
    site.restore(&archive, None, None);
    assert_eq!(fs::read_to_string(site.path("wp-config.php")).unwrap(), "this environment's own");
    assert_eq!(fs::read_to_string(site.path("index.php")).unwrap(), "index.php");
    // Where there are none, they are elsewhere: above the folder, or in variables.
    fs::remove_file(site.path("wp-config.php")).unwrap();
    for only in [None, Some(["wp-config.php", "index.php"].as_slice())] {
        fs::write(site.path("index.php"), "hacked").unwrap();
        let safety = site.safety();
        for now in [None, Some(&safety)] {
            let plan = site.plan(&archive, now, only);
            assert_eq!(plan.added.entries, 0);
            assert!(!plan.samples.iter().any(|(_, path)| path == "wp-config.php"), "{:?}", plan.samples);
        }
        site.restore(&archive, Some(&safety), only);
        assert!(!site.path("wp-config.php").exists());
        assert_eq!(fs::read_to_string(site.path("index.php")).unwrap(), "index.php");
        let told = site.watch.heard(undercroft_model::Weight::Note);
        assert!(told.last().unwrap().starts_with("wp-config.php: is not restored"), "{told:?}");
    }
    fs::remove_dir_all(&site.live).unwrap();
    assert_eq!(site.plan(&archive, None, None).added.entries, 2);
    site.restore(&archive, None, None);
    assert!(site.path("index.php").exists() && !site.path("wp-config.php").exists());
}

#[test]
fn what_stays_wins_over_a_file_in_the_place_of_its_folder() {
    let mut site = Site::new();
    plant(&site.live, &["sub", "x"]);
    let archive = site.archive();
    fs::remove_file(site.path("sub")).unwrap();
    plant(&site.live, &["sub/cache/c", "sub/y"]);
    symlink("nowhere", site.path("sub/link")).unwrap();
    site.keep = vec!["cache/".to_owned()];
    site.restore(&archive, None, None);
    assert_eq!(fs::read_to_string(site.path("sub/cache/c")).unwrap(), "sub/cache/c");
    assert!(!site.path("sub/y").exists());
    assert_eq!(site.watch.heard(undercroft_model::Weight::Lost).len(), 1);
}

#[test]
fn a_kept_file_that_is_replaced_meanwhile_is_the_new_one() {
    let mut site = Site::new();
    plant(&site.live, &["wp-config.php", "cache/c", "x"]);
    site.keep = vec!["/cache/".to_owned()];
    site.protect = vec!["/wp-config.php".to_owned()];
    let archive = site.archive();
    let (staged, _) = site.prepared(&archive, None, None);
    fs::write(site.path("new"), "new").unwrap();
    fs::rename(site.path("new"), site.path("wp-config.php")).unwrap();
    fs::rename(site.path("cache"), site.folder.path().join("old cache")).unwrap();
    plant(&site.live, &["cache/newer"]);
    undercroft_site::files::restore::switch(&staged, &site.watch).unwrap();
    undercroft_site::files::restore::clean_up(&staged, &site.watch).unwrap();
    assert_eq!(fs::read_to_string(site.path("wp-config.php")).unwrap(), "new");
    assert!(site.path("cache/newer").exists());
    site.watch.assert_whole();
}

#[test]
fn a_socket_that_no_archive_can_hold_stays() {
    use std::os::unix::net::{UnixListener, UnixStream};

    let site = Site::new();
    plant(&site.live, &["a/b", "run/x", "file"]);
    let archive = site.archive();
    fs::remove_dir_all(site.path("run")).unwrap();
    fs::create_dir_all(site.path("later")).unwrap();
    let _listening = ["a/s", "later/s"].map(|name| UnixListener::bind(site.path(name)).unwrap());
    fs::write(site.path("file"), "hacked").unwrap();
    assert_eq!(site.plan(&archive, None, None).kept, 2);
    site.restore(&archive, None, None);
    for name in ["a/s", "later/s"] {
        UnixStream::connect(site.path(name)).unwrap();
    }
    assert!(site.path("run/x").exists());
    site.watch.assert_whole();
    // Where a file was, it is told.
    fs::remove_file(site.path("file")).unwrap();
    let _in_the_way = UnixListener::bind(site.path("file")).unwrap();
    site.restore(&archive, None, None);
    let lost = site.watch.heard(Weight::Lost);
    assert!(lost.len() == 1 && lost[0].starts_with("file: is not restored: a socket"), "{lost:?}");
}

#[test]
fn a_folder_whose_time_alone_changes_is_not_told_as_changed() {
    let site = Site::new();
    plant(&site.live, &["2026/11/a.jpg", "2026/12/b.jpg", "top"]);
    let archive = site.archive();
    plant(&site.live, &["2026/11/bad.php"]);
    filetime::set_file_mtime(site.path("2026/12"), filetime::FileTime::from_unix_time(1_000_000_000, 0))
        .unwrap();
    let told = [(restore::Effect::Removed, "2026/11/bad.php".to_owned())];
    for safety in [None, Some(site.safety())] {
        let plan = site.plan(&archive, safety.as_ref(), None);
        assert_eq!((plan.changed.entries, plan.added.entries), (0, 0));
        assert_eq!(plan.samples, told);
    }
    fs::set_permissions(site.path("2026/12"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(site.plan(&archive, None, None).changed.entries, 1);
}
