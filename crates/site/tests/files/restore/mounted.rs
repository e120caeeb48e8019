//! Mount points, full disks, and folders that may not be written to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::fs::{XattrFlags, lremovexattr, lsetxattr};
use undercroft_model::Weight;
use undercroft_site::files::restore::{PrepareError, StageError, Way, clean_up, switch, switch_back};

use super::site::*;
use crate::mounted::{may_mount, mount};
use crate::support::*;

#[test]
fn a_live_folder_that_is_a_mount_point_is_restored_from_within() {
    if !may_mount("restore::mounted::a_live_folder_that_is_a_mount_point_is_restored_from_within") {
        return;
    }
    let mut site = Site::new();
    mount(&["-t", "tmpfs", "none"], &site.live);
    plant(&site.live, &["a/x", "a/cache/c", "b", "cache/d", "wp-config.php"]);
    fs::set_permissions(&site.live, fs::Permissions::from_mode(0o750)).unwrap();
    site.keep = vec!["cache/".to_owned()];
    site.protect = vec!["wp-config.php".to_owned()];
    let (archive, was) = (site.archive(), things(&site.live));
    fs::remove_file(site.path("b")).unwrap();
    hack(&site.path("a/x"));
    plant(&site.live, &["malware/m", "a/malware"]);
    fs::set_permissions(&site.live, fs::Permissions::from_mode(0o700)).unwrap();
    let broken = things(&site.live);
    settle();
    let (staged, _) = site.prepared(&archive, None, None);
    assert_eq!((staged.way, staged.stage.parent()), (Way::Within, Some(site.live.as_path())));
    for _ in 0..2 {
        for _ in 0..2 {
            switch(&staged, &site.watch).unwrap();
            assert_eq!(without_stage(&site), was);
        }
        for _ in 0..2 {
            switch_back(&staged, &site.watch).unwrap();
            assert_eq!(without_stage(&site), broken);
        }
    }
    plant(&site.live, &["a/late"]);
    switch(&staged, &site.watch).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    fs::remove_file(site.path("a/late")).unwrap();
    assert_eq!(names(&site), was.keys().cloned().collect::<Vec<_>>());
}

fn names(site: &Site) -> Vec<std::path::PathBuf> {
    things(&site.live).into_keys().collect()
}

/// What is live, without the hidden folder inside. (Making that changed the time of the folder that it is in.)
fn without_stage(site: &Site) -> std::collections::BTreeMap<std::path::PathBuf, Thing> {
    let mut things = things(&site.live);
    things.retain(|path, _| !path.to_string_lossy().starts_with(".undercroft"));
    things
}

#[test]
fn something_mounted_inside_stays_where_it_is() {
    if !may_mount("restore::mounted::something_mounted_inside_stays_where_it_is") {
        return;
    }
    let site = Site::new();
    plant(&site.live, &["a/b/inside/hidden", "a/b/x", "a/y", "z"]);
    mount(&["-t", "tmpfs", "none"], &site.path("a/b/inside"));
    plant(&site.live, &["a/b/inside/mounted"]);
    let archive = site.archive();
    let was = names(&site);
    fs::remove_file(site.path("a/b/x")).unwrap();
    plant(&site.live, &["a/b/malware", "malware", "a/b/inside/newer"]);
    let (staged, _) = site.prepared(&archive, None, None);
    assert_eq!(staged.way, Way::Within);
    switch(&staged, &site.watch).unwrap();
    switch_back(&staged, &site.watch).unwrap();
    assert!(site.path("a/b/malware").exists() && site.path("malware").exists());
    switch(&staged, &site.watch).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    assert!(site.path("a/b/inside/newer").exists());
    fs::remove_file(site.path("a/b/inside/newer")).unwrap();
    assert_eq!(names(&site), was);
    assert!(site.watch.heard(Weight::Note).iter().any(|told| told.starts_with("a/b/inside: stays")));
}

#[test]
fn folders_that_stay_get_their_attributes_back() {
    if !may_mount("restore::mounted::folders_that_stay_get_their_attributes_back") {
        return;
    }
    let site = Site::new();
    plant(&site.live, &["a/b/inside/hidden", "a/x", "z"]);
    let note = |path: &str, name: &str, text: &str| {
        lsetxattr(site.path(path), name, text.as_bytes(), XattrFlags::empty()).is_ok()
    };
    if !note("", "user.note", "archived") || !note("a", "user.gone", "archived") {
        eprintln!("passed over: no attributes may be set here");
        return;
    }
    let archive = site.archive();
    let top = |mut things: std::collections::BTreeMap<_, _>| {
        things.retain(|path: &std::path::PathBuf, _: &mut Thing| ["", "a"].contains(&path.to_str().unwrap()));
        things
    };
    let was = top(things(&site.live));
    mount(&["-t", "tmpfs", "none"], &site.path("a/b/inside"));
    assert!(note("", "user.note", "changed") && note("a", "user.new", "live"));
    lremovexattr(site.path("a"), "user.gone").unwrap();
    let broken = top(things(&site.live));
    settle();
    let (staged, _) = site.prepared(&archive, None, None);
    assert_eq!(staged.way, Way::Within);
    for _ in 0..2 {
        switch(&staged, &site.watch).unwrap();
        assert_eq!(top(things(&site.live)), was);
        switch_back(&staged, &site.watch).unwrap();
        assert_eq!(top(things(&site.live)), broken);
    }
    clean_up(&staged, &site.watch).unwrap();
}

#[test]
fn a_full_disk_is_told_before_or_meanwhile_and_changes_nothing() {
    if !may_mount("restore::mounted::a_full_disk_is_told_before_or_meanwhile_and_changes_nothing") {
        return;
    }
    let mut site = Site::new();
    let disk = site.folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    mount(&["-t", "tmpfs", "-o", "size=4m", "none"], &disk);
    site.live = disk.join("live");
    let noise: Vec<u8> = (0..2_500_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 15) as u8).collect();
    fs::create_dir(&site.live).unwrap();
    fs::write(site.path("video"), &noise).unwrap();
    let archive = site.archive();
    fs::write(site.path("video"), "hacked").unwrap();
    let broken = things(&site.live);
    site.with(&archive, None, None, |order| {
        let staged = site.stage(order).unwrap();
        fs::write(disk.join("other"), vec![1; 2_500_000]).unwrap();
        assert!(matches!(site.stage(order), Err(StageError::NoRoom { .. })));
        let plan =
            undercroft_site::files::restore::plan(order, site.kept.vault(), &site.kept.index(), &site.watch);
        assert!(matches!(plan, Err(StageError::NoRoom { .. })));
        let error = site.prepare(&staged, order).unwrap_err();
        assert!(matches!(error, PrepareError::NoRoom { .. }), "{error:?}");
        // Not a byte is left.
        let fill = |n: u32| fs::write(disk.join(format!("fill{n}")), vec![1; 64 << 10]).is_ok();
        assert!((0..100).any(|n| !fill(n)));
        clean_up(&staged, &site.watch).unwrap();
    });
    assert_eq!(things(&site.live), broken);
}

/// Whether this runs as an account without rights; else the test is run again in a process of its own, which does.
fn is_nobody(test: &str) -> bool {
    if !is_root() {
        return true;
    }
    let nobody = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env("TMPDIR", "/tmp")
        .output();
    match nobody {
        Ok(done) if String::from_utf8_lossy(&done.stdout).contains("1 passed") => {}
        Ok(done) if done.stdout.is_empty() => eprintln!("passed over: no other account may run this"),
        Ok(done) => panic!("{}", String::from_utf8_lossy(&done.stdout)),
        Err(_) => eprintln!("passed over: setpriv is not installed"),
    }
    false
}

#[test]
fn a_parent_that_may_not_be_written_to_is_left_alone() {
    if !is_nobody("restore::mounted::a_parent_that_may_not_be_written_to_is_left_alone") {
        return;
    }
    let (site, archive) = Site::planted();
    let was = names(&site);
    fs::remove_file(site.path("top.txt")).unwrap();
    let parent = site.folder.path();
    fs::set_permissions(parent, fs::Permissions::from_mode(0o555)).unwrap();
    let (staged, _) = site.prepared(&archive, None, None);
    assert_eq!(staged.way, Way::Within);
    switch(&staged, &site.watch).unwrap();
    clean_up(&staged, &site.watch).unwrap();
    assert_eq!(names(&site), was);
    fs::set_permissions(&site.live, fs::Permissions::from_mode(0o555)).unwrap();
    site.with(&archive, None, None, |order| {
        assert!(matches!(site.stage(order), Err(StageError::Denied { folder, .. }) if folder == site.live));
    });
    fs::set_permissions(&site.live, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(parent, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn folders_that_drupal_closes_are_restored_by_their_owner() {
    if !is_nobody("restore::mounted::folders_that_drupal_closes_are_restored_by_their_owner") {
        return;
    }
    let mut site = Site::new();
    plant(&site.live, &["index.php", "sites/default/default.settings.php", "sites/default/files/u.jpg"]);
    let closed = ["sites/default", "sites/default/files"].map(|folder| site.path(folder));
    let chmod = |mode| {
        closed
            .iter()
            .for_each(|folder| fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap());
    };
    site.skip = vec![closed[1].clone()];
    chmod(0o555);
    let (archive, was) = (site.archive(), things(&site.live));
    let uploads = inode(&closed[1]);
    for only in
        [None, Some(["sites/default/default.settings.php"].as_slice()), Some(["sites/default"].as_slice())]
    {
        chmod(0o755);
        fs::write(site.path("sites/default/default.settings.php"), "hacked").unwrap();
        chmod(0o555);
        let broken = things(&site.live);
        settle();
        let (staged, _) = site.prepared(&archive, None, only);
        for _ in 0..2 {
            switch(&staged, &site.watch).unwrap();
            switch_back(&staged, &site.watch).unwrap();
            assert_eq!(without_stage(&site).len(), broken.len());
        }
        switch(&staged, &site.watch).unwrap();
        clean_up(&staged, &site.watch).unwrap();
        assert_eq!(names(&site), was.keys().cloned().collect::<Vec<_>>());
        let text = fs::read_to_string(site.path("sites/default/default.settings.php")).unwrap();
        assert_eq!(text, "sites/default/default.settings.php");
        assert_eq!(inode(&closed[1]), uploads);
        for folder in &closed {
            assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o555);
        }
    }
    chmod(0o755);
}
