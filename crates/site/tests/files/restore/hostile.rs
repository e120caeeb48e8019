//! Whoever controls the live tree does not get outside of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use undercroft_site::files::restore::{StageError, clean_up, switch};

use super::site::*;
use crate::support::*;

#[test]
fn a_folder_that_is_swapped_for_a_symlink_leads_nowhere() {
    let (site, archive) = Site::planted();
    let outside = tempfile::tempdir().unwrap();
    plant(outside.path(), &["a.jpg", "secret"]);
    let was = things(outside.path());
    let (staged, _) = site.prepared(&archive, None, None);
    fs::rename(site.path("2024/05"), site.path("moved")).unwrap();
    symlink(outside.path(), site.path("2024/05")).unwrap();
    switch(&staged, &site.watch).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    assert_eq!(things(outside.path()), was);
    assert!(fs::symlink_metadata(site.path("2024/05")).unwrap().is_dir());
}

#[test]
fn a_live_symlink_is_not_taken_for_the_file_it_points_at() {
    let site = Site::new();
    plant(&site.live, &["a/x"]);
    let (archive, was) = (site.archive(), things(&site.live));
    let outside = tempfile::tempdir().unwrap();
    // Exactly the same, but elsewhere.
    fs::rename(site.path("a"), outside.path().join("a")).unwrap();
    symlink(outside.path().join("a"), site.path("a")).unwrap();
    let theirs = inode(&outside.path().join("a/x"));
    site.restore(&archive, None, None);
    assert_eq!(things(&site.live), was);
    assert_ne!(inode(&site.path("a/x")), theirs);
    assert!(outside.path().join("a/x").exists());
}

#[test]
fn nobody_else_may_look_into_what_is_prepared() {
    let (site, archive) = Site::planted();
    let (staged, _) = site.prepared(&archive, None, None);
    assert_eq!(fs::metadata(&staged.stage).unwrap().permissions().mode() & 0o7777, 0o700);
    clean_up(&staged, &site.watch).unwrap();
}

#[test]
fn a_file_in_place_of_the_live_folder_is_refused() {
    let (site, archive) = Site::planted();
    fs::remove_dir_all(&site.live).unwrap();
    fs::write(&site.live, "").unwrap();
    site.with(&archive, None, None, |order| {
        assert!(matches!(site.stage(order), Err(StageError::NotAFolder(_))));
    });
}
