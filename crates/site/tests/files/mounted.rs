//! File systems that are mounted inside the tree.

use std::path::Path;
use std::process::Command;

use undercroft_model::Weight;

use crate::support::*;

/// Runs the test again where it may mount what it likes, unseen from outside.
///
/// Gives whether this is the run that counts; no run does where nobody may mount.
pub fn may_mount(test: &str) -> bool {
    if std::env::var_os("MAY_MOUNT").is_some() {
        return true;
    }
    if !Command::new("unshare").args(["--mount", "true"]).output().is_ok_and(|done| done.status.success()) {
        eprintln!("passed over: mounting is not allowed here");
        return false;
    }
    let done = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env("MAY_MOUNT", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
    false
}

pub fn mount(args: &[&str], folder: &Path) {
    assert!(Command::new("mount").args(args).arg(folder).status().unwrap().success());
}

#[test]
fn a_mounted_file_system_belongs_to_the_tree() {
    if !may_mount("mounted::a_mounted_file_system_belongs_to_the_tree") {
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    plant(tree.path(), &["a/hidden below", "b"]);
    mount(&["-t", "tmpfs", "none"], &tree.path().join("a"));
    plant(tree.path(), &["a/sub/mounted"]);
    assert_eq!(paths(tree.path(), &[], &[]), ["", "a", "a/sub", "a/sub/mounted", "b"]);
}

#[test]
fn a_folder_that_is_mounted_below_itself_is_left_out() {
    if !may_mount("mounted::a_folder_that_is_mounted_below_itself_is_left_out") {
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    plant(tree.path(), &["a/b/c"]);
    mount(&["--bind", tree.path().join("a").to_str().unwrap()], &tree.path().join("a/b"));
    let watch = Watch::default();
    let (entries, _) = walk(everything(tree.path()), &watch);
    assert_eq!(entries.len(), 2);
    assert!(watch.heard(Weight::Note)[0].starts_with("a/b: left out"));
}
