//! What changes between the walk and the reading leads nowhere outside, and is told.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use undercroft_model::{Remark, Weight};
use undercroft_site::files::Tree;
use undercroft_vault::stream::{Entry, EntryKind, OpenError, Opened, Settled, TreeSource};

use crate::support::*;

/// A tree that was walked to its end, and its entries.
struct Walked<'w> {
    tree: Tree<'w>,
    entries: Vec<Entry>,
}

impl<'w> Walked<'w> {
    fn new(folder: &Path, watch: &'w Watch) -> Self {
        let mut tree = Tree::open(everything(folder), watch).unwrap();
        let mut entries = Vec::new();
        while let Some(entry) = tree.next_entry().unwrap() {
            entries.push(entry);
        }
        Walked { tree, entries }
    }

    fn open(&self, path: &str) -> Result<Opened<'_>, Remark> {
        let entry = self.entries.iter().find(|entry| entry.path == path.as_bytes()).unwrap();
        self.tree.open(entry).map_err(|error| match error {
            OpenError::Skip(remark) => remark,
            OpenError::Fatal(error) => panic!("{error}"),
        })
    }

    fn skipped(&self, path: &str) -> String {
        let remark = self.open(path).map(|opened| opened.entry).expect_err("opened");
        assert_eq!((remark.weight, remark.subject.as_str()), (Weight::Lost, path));
        remark.text
    }
}

fn read(opened: &mut Opened<'_>) -> (String, Settled) {
    let content = opened.content.as_mut().unwrap();
    let mut text = String::new();
    content.read_to_string(&mut text).unwrap();
    (text, content.settled())
}

#[test]
fn what_vanished_is_told() {
    let (tree, watch) = (tempfile::tempdir().unwrap(), Watch::default());
    plant(tree.path(), &["file", "folder/in it"]);
    let walked = Walked::new(tree.path(), &watch);
    fs::remove_file(tree.path().join("file")).unwrap();
    fs::remove_dir_all(tree.path().join("folder")).unwrap();
    for path in ["file", "folder", "folder/in it"] {
        assert_eq!(walked.skipped(path), "vanished before it could be read");
    }
}

#[test]
fn a_symlink_in_the_place_of_a_file_or_a_folder_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    plant(outside.path(), &["secret", "in it"]);
    let (tree, watch) = (tempfile::tempdir().unwrap(), Watch::default());
    plant(tree.path(), &["file", "folder/in it"]);
    let walked = Walked::new(tree.path(), &watch);
    fs::remove_file(tree.path().join("file")).unwrap();
    symlink(outside.path().join("secret"), tree.path().join("file")).unwrap();
    fs::remove_dir_all(tree.path().join("folder")).unwrap();
    symlink(outside.path(), tree.path().join("folder")).unwrap();
    for path in ["file", "folder", "folder/in it"] {
        assert_eq!(walked.skipped(path), "was replaced by something else before it could be read");
    }
}

#[test]
fn a_pipe_in_the_place_of_a_file_does_not_hold_the_backup_up() {
    let (tree, watch) = (tempfile::tempdir().unwrap(), Watch::default());
    plant(tree.path(), &["file"]);
    let walked = Walked::new(tree.path(), &watch);
    fs::remove_file(tree.path().join("file")).unwrap();
    mknodat(CWD, tree.path().join("file"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    assert_eq!(walked.skipped("file"), "was replaced by something else before it could be read");
}

#[test]
fn a_file_that_grew_or_shrank_before_it_was_opened_has_its_new_size() {
    let (tree, watch) = (tempfile::tempdir().unwrap(), Watch::default());
    plant(tree.path(), &["grown", "shrunk"]);
    let walked = Walked::new(tree.path(), &watch);
    fs::write(tree.path().join("grown"), "grown to this").unwrap();
    fs::write(tree.path().join("shrunk"), "s").unwrap();
    for (path, text) in [("grown", "grown to this"), ("shrunk", "s")] {
        let mut opened = walked.open(path).unwrap();
        assert_eq!(opened.entry.size, text.len() as u64);
        assert_eq!(read(&mut opened).0, text);
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_noticed_even_if_its_size_and_time_stay() {
    let (tree, watch) = (tempfile::tempdir().unwrap(), Watch::default());
    plant(tree.path(), &["file"]);
    settle();
    let walked = Walked::new(tree.path(), &watch);
    let mut opened = walked.open("file").unwrap();
    let file = tree.path().join("file");
    let mtime = filetime::FileTime::from_last_modification_time(&file.metadata().unwrap());
    fs::write(&file, "elif").unwrap();
    filetime::set_file_mtime(&file, mtime).unwrap();
    assert_eq!(read(&mut opened).1, Settled::Changed);
}

#[test]
fn a_symlink_that_points_elsewhere_by_now_is_kept_as_it_is() {
    let (tree, watch) = (tempfile::tempdir().unwrap(), Watch::default());
    symlink("before", tree.path().join("link")).unwrap();
    let walked = Walked::new(tree.path(), &watch);
    fs::remove_file(tree.path().join("link")).unwrap();
    symlink("after", tree.path().join("link")).unwrap();
    let opened = walked.open("link").unwrap();
    assert_eq!(opened.entry.kind, EntryKind::Symlink { target: b"after".to_vec() });
    assert!(!walked.entries.contains(&opened.entry));
}

fn linked(folder: &Path) {
    plant(folder, &["a"]);
    for name in ["b", "c"] {
        fs::hard_link(folder.join("a"), folder.join(name)).unwrap();
    }
}

#[test]
fn links_to_a_name_that_vanished_are_kept_as_the_file() {
    let (tree, watch) = (tempfile::tempdir().unwrap(), Watch::default());
    linked(tree.path());
    let walked = Walked::new(tree.path(), &watch);
    fs::remove_file(tree.path().join("a")).unwrap();
    walked.skipped("a");
    for _ in 0..2 {
        let mut opened = walked.open("b").unwrap();
        assert_eq!(opened.entry.kind, EntryKind::File);
        assert_eq!(read(&mut opened).0, "a");
    }
    assert_eq!(walked.open("c").unwrap().entry.kind, EntryKind::HardLink { target: b"b".to_vec() });
}

#[test]
fn links_do_not_get_the_content_of_another_file_that_took_their_first_name() {
    let (tree, watch) = (tempfile::tempdir().unwrap(), Watch::default());
    linked(tree.path());
    let walked = Walked::new(tree.path(), &watch);
    fs::write(tree.path().join("new"), "new").unwrap();
    fs::rename(tree.path().join("new"), tree.path().join("a")).unwrap();
    assert_eq!(read(&mut walked.open("a").unwrap()).0, "new");
    assert_eq!(read(&mut walked.open("b").unwrap()).0, "a");
    assert_eq!(walked.open("c").unwrap().entry.kind, EntryKind::HardLink { target: b"b".to_vec() });
}

#[test]
fn a_later_name_that_is_another_file_by_now_is_read() {
    let (tree, watch) = (tempfile::tempdir().unwrap(), Watch::default());
    linked(tree.path());
    let walked = Walked::new(tree.path(), &watch);
    fs::remove_file(tree.path().join("b")).unwrap();
    fs::write(tree.path().join("b"), "other").unwrap();
    read(&mut walked.open("a").unwrap());
    assert_eq!(read(&mut walked.open("b").unwrap()).0, "other");
    assert_eq!(walked.open("c").unwrap().entry.kind, EntryKind::HardLink { target: b"a".to_vec() });
}

#[test]
fn a_tree_that_is_gone_is_no_empty_backup() {
    let (tree, watch) = (tempfile::tempdir().unwrap(), Watch::default());
    let root = tree.path().join("uploads");
    // More than the walk holds ready, so that it is still under way.
    for folder in 0..100 {
        let names: Vec<_> = (0..30).map(|n| format!("{folder}/{n}")).collect();
        plant(&root, &names.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let mut source = Tree::open(everything(&root), &watch).unwrap();
    let top = source.next_entry().unwrap().unwrap();
    fs::remove_dir_all(&root).unwrap();
    let error = std::iter::from_fn(|| source.next_entry().transpose()).find_map(Result::err).unwrap();
    assert!(error.to_string().contains("uploads could not be read to its end"), "{error}");
    let file = Entry { path: b"0/0".to_vec(), ..top };
    assert!(matches!(source.open(&file), Err(OpenError::Fatal(_))));
}
