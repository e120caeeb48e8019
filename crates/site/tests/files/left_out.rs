//! What is left out is left out whole, and told with its size.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use undercroft_model::{LeftOut, Weight};
use undercroft_site::files::{FilesError, Skip, Tree, TreeOptions};

use crate::support::*;

const SIGNATURE: &str = "Signature: 8a477f597d28d172789f06886806bc55\n";

fn left_out(folder: &Path, exclude: &[&str]) -> Vec<(String, u64, u64)> {
    let exclude: Vec<_> = exclude.iter().map(|pattern| (*pattern).to_owned()).collect();
    let (_, facts) = walk(TreeOptions { exclude: &exclude, ..everything(folder) }, &Watch::default());
    let plain = |LeftOut { reason, entries, bytes }| (reason, entries, bytes);
    facts.left_out.into_iter().map(plain).collect()
}

#[test]
fn patterns_leave_out_and_count() {
    let tree = tempfile::tempdir().unwrap();
    plant(
        tree.path(),
        &["styles/a/1", "styles/b/22", "css/x.css", "keep/styles/y", "n.log", "keep/m.log", "important.log"],
    );
    let exclude = ["/styles/", "/css", "*.log", "!important.log"];
    assert_eq!(
        paths(tree.path(), &exclude, &[]),
        ["", "important.log", "keep", "keep/styles", "keep/styles/y"]
    );
    let expected = [
        ("*.log".to_owned(), 2, "n.log".len() + "keep/m.log".len()),
        ("/css".to_owned(), 2, "css/x.css".len()),
        ("/styles/".to_owned(), 5, "styles/a/1".len() + "styles/b/22".len()),
    ];
    assert_eq!(left_out(tree.path(), &exclude), expected.map(|(reason, n, bytes)| (reason, n, bytes as u64)));
}

#[test]
fn a_cache_keeps_its_tag_and_nothing_else() {
    let tree = tempfile::tempdir().unwrap();
    plant(tree.path(), &["cache/big", "cache/sub/x", "other/CACHEDIR.TAG", "other/kept"]);
    fs::write(tree.path().join("cache/CACHEDIR.TAG"), SIGNATURE).unwrap();
    let expected = ["", "cache", "cache/CACHEDIR.TAG", "other", "other/CACHEDIR.TAG", "other/kept"];
    assert_eq!(paths(tree.path(), &[], &[]), expected);
    assert_eq!(
        left_out(tree.path(), &[]),
        [("CACHEDIR.TAG".to_owned(), 3, "cache/bigcache/sub/x".len() as u64)]
    );
}

#[test]
fn folders_that_ask_not_to_be_backed_up_are_not() {
    let tree = tempfile::tempdir().unwrap();
    plant(
        tree.path(),
        &["marked/.donotbackup", "marked/x", "named/donotbackup/y", "named/z", "donotbackup2/k"],
    );
    let expected =
        ["", "donotbackup2", "donotbackup2/k", "marked", "marked/.donotbackup", "named", "named/z"];
    assert_eq!(paths(tree.path(), &[], &[]), expected);
    assert_eq!(
        left_out(tree.path(), &[]),
        [(".donotbackup".to_owned(), 1, 8), ("donotbackup/".to_owned(), 2, 19)]
    );
}

#[test]
fn a_mark_in_the_top_folder_does_not_empty_the_backup() {
    let tree = tempfile::tempdir().unwrap();
    plant(tree.path(), &["x"]);
    fs::write(tree.path().join("CACHEDIR.TAG"), SIGNATURE).unwrap();
    let watch = Watch::default();
    let (entries, facts) = walk(everything(tree.path()), &watch);
    assert_eq!((entries.len(), facts.left_out), (3, vec![]));
    assert_eq!(watch.heard(Weight::Note).len(), 1);
}

#[test]
fn sockets_are_counted() {
    let tree = tempfile::tempdir().unwrap();
    let _socket = UnixListener::bind(tree.path().join("socket")).unwrap();
    assert_eq!(paths(tree.path(), &[], &[]), [""]);
    assert_eq!(left_out(tree.path(), &[]), [("sockets".to_owned(), 1, 0)]);
}

#[test]
fn what_is_skipped_is_told_wherever_it_lies() {
    let tree = tempfile::tempdir().unwrap();
    plant(tree.path(), &["shared/uploads/x", "wp-content/plugin.php"]);
    symlink("../shared/uploads", tree.path().join("wp-content/uploads")).unwrap();
    let uploads = tree.path().join("wp-content/uploads");
    let skip = [
        Skip { path: &uploads, what: "the files folder, which has its own archive" },
        Skip { path: Path::new("/nowhere/at/all"), what: "nothing" },
    ];
    let watch = Watch::default();
    let (entries, _) = walk(TreeOptions { skip: &skip, ..everything(tree.path()) }, &watch);
    let paths: Vec<_> = entries.iter().map(|entry| String::from_utf8_lossy(&entry.path)).collect();
    assert_eq!(paths, ["", "shared", "wp-content", "wp-content/plugin.php", "wp-content/uploads"]);
    let note = "shared/uploads: left out: the files folder, which has its own archive";
    assert_eq!(watch.heard(Weight::Note), [note]);
}

#[test]
fn a_folder_that_would_skip_itself_is_refused() {
    let tree = tempfile::tempdir().unwrap();
    let skip = [Skip { path: tree.path(), what: "the vault" }];
    let watch = Watch::default();
    let refused = Tree::open(TreeOptions { skip: &skip, ..everything(tree.path()) }, &watch);
    assert!(matches!(refused.err(), Some(FilesError::Skipped { what, .. }) if what == "the vault"));
}

#[test]
fn a_hard_link_to_what_is_left_out_is_the_file_itself() {
    let tree = tempfile::tempdir().unwrap();
    plant(tree.path(), &["cache/a"]);
    fs::hard_link(tree.path().join("cache/a"), tree.path().join("z")).unwrap();
    let exclude = ["/cache".to_owned()];
    let (kept, watch) = (Kept::new(), Watch::default());
    let options = TreeOptions { exclude: &exclude, ..everything(tree.path()) };
    let (record, _) = kept.capture(options, None, &watch);
    let (_folder, extracted) = extract(EXTRACTORS[0], &kept.download(&record));
    assert_eq!(fs::read_to_string(extracted.join("z")).unwrap(), "cache/a");
}
