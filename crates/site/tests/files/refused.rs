//! What may not be read is told by name, and the rest is kept.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use undercroft_model::Weight;
use undercroft_site::files::{FilesError, Tree};

use crate::support::*;

/// Runs the test again, as an owner whose files' permissions count, if this is root, to whom they don't.
///
/// Gives whether this is the run that counts.
fn permissions_count(test: &str) -> bool {
    if !is_root() || std::env::var_os("PERMISSIONS_COUNT").is_some() {
        return true;
    }
    let done = Command::new("setpriv")
        .args(["--bounding-set", "-dac_override,-dac_read_search,-fowner", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env("PERMISSIONS_COUNT", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
    false
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_or_folder_that_may_not_be_read_is_told_and_the_rest_kept() {
    if !permissions_count("refused::a_file_or_folder_that_may_not_be_read_is_told_and_the_rest_kept") {
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path();
    plant(root, &["a/unreadable", "b/hidden", "c/1", "c/2", "d/fine"]);
    permit(&root.join("a/unreadable"), 0o000);
    permit(&root.join("b"), 0o300);
    permit(&root.join("c"), 0o600);
    let (kept, watch) = (Kept::new(), Watch::default());
    let (record, counts) = kept.capture(everything(root), None, &watch);
    permit(&root.join("b"), 0o700);
    permit(&root.join("c"), 0o700);

    let advice =
        "permission denied; let the account that makes the backups read it, or leave it out by a pattern";
    let mut lost = watch.heard(Weight::Lost);
    lost.sort();
    let expected = [
        format!("a/unreadable: could not be read: {advice}"),
        format!("b: what is in it is missing: {advice}"),
        format!("c: could not be entered: {advice}"),
    ];
    assert_eq!(lost, expected);
    assert_eq!(counts.skipped, 1);
    let (_folder, extracted) = extract(EXTRACTORS[0], &kept.download(&record));
    assert_eq!(fs::read_to_string(extracted.join("d/fine")).unwrap(), "d/fine");
    assert_eq!(fs::metadata(extracted.join("b")).unwrap().permissions().mode() & 0o777, 0o300);
}

#[test]
fn what_others_own_is_read_as_far_as_they_let() {
    if !permissions_count("refused::what_others_own_is_read_as_far_as_they_let") {
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    plant(tree.path(), &["theirs/file"]);
    if is_root() {
        for name in ["theirs/file", "theirs"] {
            chown(tree.path().join(name), Some(1234), Some(1234)).unwrap();
        }
    }
    let (kept, watch) = (Kept::new(), Watch::default());
    let (_, counts) = kept.capture(everything(tree.path()), None, &watch);
    watch.assert_whole();
    assert_eq!((counts.files, counts.read), (1, "theirs/file".len() as u64));
}

#[test]
fn a_top_folder_that_may_not_be_read_is_an_error() {
    if !permissions_count("refused::a_top_folder_that_may_not_be_read_is_an_error") {
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    permit(tree.path(), 0o300);
    let (watch, folder) = (Watch::default(), tree.path());
    let error = Tree::open(everything(folder), &watch).err().unwrap();
    permit(folder, 0o700);
    assert!(matches!(error, FilesError::Open { .. }));
    assert!(error.to_string().contains("permission denied"), "{error}");
}

#[test]
fn a_folder_that_is_not_there_or_is_no_folder_is_an_error() {
    let tree = tempfile::tempdir().unwrap();
    plant(tree.path(), &["file"]);
    let watch = Watch::default();
    for (name, words) in [("none", "not mounted"), ("file", "no folder")] {
        let path = tree.path().join(name);
        let error = Tree::open(everything(&path), &watch).err().unwrap().to_string();
        assert!(error.contains(words) && error.contains(name), "{error}");
    }
}
