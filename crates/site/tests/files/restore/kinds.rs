//! Every kind of entry comes back as it was.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::site::*;
use crate::support::*;
use crate::whole;

fn every_kind() -> Site {
    let site = Site::new();
    whole::every_kind(&site.live);
    if is_root() {
        whole::what_only_root_may(&site.live);
    }
    whole::attributes(&site.live);
    whole::times(&site.live);
    site
}

#[test]
fn a_deleted_tree_comes_back_as_it_was() {
    let site = every_kind();
    let (archive, was) = (site.archive(), things(&site.live));
    fs::remove_dir_all(&site.live).unwrap();
    site.restore(&archive, None, None);
    assert_eq!(things(&site.live), was);
    site.watch.assert_whole();
}

#[test]
fn a_tree_that_did_not_change_is_linked_but_for_files_with_several_names() {
    let site = every_kind();
    let (archive, was) = (site.archive(), things(&site.live));
    let (large, safety) = (inode(&site.path("large")), site.safety());
    let prepared = site.restore(&archive, Some(&safety), None);
    assert_eq!(things(&site.live), was);
    assert_eq!(inode(&site.path("large")), large);
    assert_eq!(prepared.written.entries, 2, "links/one and empty have several names");
    assert!(prepared.linked.entries > 8);
}

#[test]
fn other_permissions_and_attributes_come_back_and_the_old_tree_keeps_its_own() {
    let site = every_kind();
    let (archive, was) = (site.archive(), things(&site.live));
    fs::set_permissions(site.path("a.txt"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(site.path("deep"), fs::Permissions::from_mode(0o700)).unwrap();
    rustix::fs::lremovexattr(site.path("a/inside"), "user.comment").unwrap();
    whole::times(&site.live);
    let broken = things(&site.live);
    let (staged, _) = site.prepared(&archive, None, None);
    assert_eq!(things(&site.live), broken, "nothing is touched before the switch");
    undercroft_site::files::restore::switch(&staged, &site.watch).unwrap();
    assert_eq!(things(&staged.stage.join("tree")), broken);
    undercroft_site::files::restore::clean_up(&staged, &site.watch).unwrap();
    assert_eq!(things(&site.live), was);
}

#[test]
fn what_became_another_kind_comes_back() {
    let site = Site::new();
    plant(&site.live, &["file", "folder/inside", "link to", "other/x"]);
    symlink("file", site.path("link")).unwrap();
    let (archive, was) = (site.archive(), things(&site.live));
    fs::remove_file(site.path("file")).unwrap();
    fs::create_dir(site.path("file")).unwrap();
    plant(&site.live, &["file/below"]);
    fs::remove_dir_all(site.path("folder")).unwrap();
    symlink("/etc", site.path("folder")).unwrap();
    fs::remove_file(site.path("link")).unwrap();
    fs::write(site.path("link"), "no link").unwrap();
    site.restore(&archive, None, None);
    assert_eq!(things(&site.live), was);
}

#[test]
fn folders_above_that_are_gone_are_made() {
    let mut site = Site::at("a/b/live");
    plant(&site.live, &["x"]);
    let (archive, was) = (site.archive(), things(&site.live));
    fs::remove_dir_all(site.folder.path().join("a")).unwrap();
    let (staged, _) = site.prepared(&archive, None, None);
    undercroft_site::files::restore::clean_up(&staged, &site.watch).unwrap();
    assert!(!site.folder.path().join("a").exists(), "what was made above goes too");
    site.restore(&archive, None, None);
    assert_eq!(things(&site.live), was);
    site.live = site.folder.path().join("elsewhere");
    site.restore(&archive, None, None);
    assert_eq!(things(&site.live), was);
}

#[test]
fn a_symlink_to_the_folder_stays_one() {
    let mut site = Site::new();
    plant(&site.live, &["x"]);
    let (archive, was) = (site.archive(), things(&site.live));
    let target = site.live.clone();
    let link = site.folder.path().join("link");
    symlink("live", &link).unwrap();
    site.live = link.clone();
    for gone in [false, true] {
        if gone {
            fs::remove_dir_all(&target).unwrap();
        } else {
            fs::remove_file(target.join("x")).unwrap();
        }
        site.restore(&archive, None, None);
        assert_eq!(things(&target), was);
        assert!(link.is_symlink());
    }
}
