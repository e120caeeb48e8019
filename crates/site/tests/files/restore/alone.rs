//! Single files and folders come back, and nothing else changes.

use std::fs;
use std::os::unix::fs::symlink;

use undercroft_site::files::restore::{Effect, StageError, clean_up, switch, switch_back};

use super::site::*;
use crate::support::*;

#[test]
fn a_file_and_a_folder_come_back_alone() {
    let (site, archive) = Site::planted();
    let was = things(&site.live);
    let untouched = inode(&site.live);
    fs::remove_file(site.path("large")).unwrap();
    fs::remove_dir_all(site.path("2024")).unwrap();
    fs::write(site.path("top.txt"), "edited").unwrap();
    let plan = site.plan(&archive, None, Some(&["large", "2024/05"]));
    assert_eq!((plan.added.entries, plan.changed.entries), (4, 0));
    assert!(plan.samples.contains(&(Effect::Added, "large".to_owned())));
    site.restore(&archive, None, Some(&["large", "2024/05"]));
    assert_eq!(inode(&site.live), untouched);
    assert_eq!(fs::read_to_string(site.path("top.txt")).unwrap(), "edited");
    let is = things(&site.live);
    for path in ["large", "2024/05", "2024/05/a.jpg", "2024/05/b.jpg", "2024"] {
        assert_eq!(is[std::path::Path::new(path)], was[std::path::Path::new(path)], "{path}");
    }
    assert!(!site.path("2024/c.jpg").exists(), "it was not asked for");
}

#[test]
fn a_folder_that_is_there_becomes_what_it_was() {
    let (site, archive) = Site::planted();
    let was = things(&site.path("2024"));
    hack(&site.path("2024/c.jpg"));
    plant(&site.live, &["2024/05/malware", "2025/new"]);
    let (staged, _) = site.prepared(&archive, None, Some(&["2024"]));
    switch(&staged, &site.watch).unwrap();
    assert_eq!(things(&site.path("2024")), was);
    switch_back(&staged, &site.watch).unwrap();
    assert!(site.path("2024/05/malware").exists());
    switch(&staged, &site.watch).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    assert_eq!(things(&site.path("2024")), was);
    assert!(site.path("2025/new").exists());
}

#[test]
fn another_name_of_a_file_comes_back_without_the_first() {
    let site = Site::new();
    plant(&site.live, &["a", "other"]);
    for name in ["b", "c"] {
        fs::hard_link(site.path("a"), site.path(name)).unwrap();
    }
    let archive = site.archive();
    for gone in ["a", "b", "c"] {
        fs::remove_file(site.path(gone)).unwrap();
    }
    site.restore(&archive, None, Some(&["b", "c"]));
    assert_eq!(fs::read_to_string(site.path("c")).unwrap(), "a");
    assert_eq!(inode(&site.path("b")), inode(&site.path("c")));
    assert!(!site.path("a").exists());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (site, archive) = Site::planted();
    let refused = |path: &str| {
        site.with(&archive, None, Some(&[path]), |order| site.stage(order).map(drop).unwrap_err())
    };
    assert!(matches!(refused("2024/none"), StageError::NotInArchive { path } if path == "2024/none"));
    for path in ["", "../x", "/etc/passwd", "2024/", "2024//05", "./top.txt"] {
        assert!(matches!(refused(path), StageError::NoPath { .. }), "{path}");
    }
    fs::remove_dir_all(site.path("2024")).unwrap();
    symlink("/etc", site.path("2024")).unwrap();
    assert!(matches!(refused("2024/05/a.jpg"), StageError::NoFolderAbove { above, .. } if above == "2024"));
}

#[test]
fn what_was_not_there_goes_when_a_restore_of_it_is_taken_back() {
    let (mut site, archive) = Site::planted();
    fs::remove_dir_all(site.path("2025")).unwrap();
    fs::remove_file(site.path("top.txt")).unwrap();
    hack(&site.path("large"));
    let (before, broken) = (site.archive(), things(&site.live));
    let only = ["2025", "large", "top.txt", "z/none"].as_slice();
    site.restore(&archive, None, Some(&only[..3]));
    site.absent_is_removed = true;
    let safety = site.safety();
    for now in [None, Some(&safety)] {
        let plan = site.plan(&before, now, Some(only));
        assert_eq!((plan.added.entries, plan.changed.entries, plan.removed.entries), (0, 1, 3));
    }
    plant(&site.live, &["z/none"]);
    let (staged, _) = site.prepared(&before, Some(&safety), Some(&only[..3]));
    plant(&site.live, &["2025/late.jpg"]);
    switch(&staged, &site.watch).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    // What came since is nobody's to remove.
    assert_eq!(fs::read_dir(site.path("2025")).unwrap().count(), 1);
    site.restore(&before, None, Some(only));
    let mut is = things(&site.live);
    for folder in ["", "z"] {
        is.remove(std::path::Path::new(folder));
    }
    assert!(is.keys().eq(broken.keys().filter(|path| !["", "z"].contains(&path.to_str().unwrap()))));
}
