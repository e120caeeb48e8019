//! A second capture reads what changed, and nothing else.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use filetime::{FileTime, set_file_mtime};
use undercroft_vault::stream::{EntryKind, Settled, TreeSource};

use crate::support::*;

fn a_site(root: &Path) {
    for year in 2020..2026 {
        for month in 1..=12 {
            plant(root, &[&format!("{year}/{month:02}/a.jpg"), &format!("{year}/{month:02}/b.jpg")]);
        }
    }
    fs::write(root.join("2021/large.mp4"), vec![b'v'; 600_000]).unwrap();
    fs::hard_link(root.join("2020/01/a.jpg"), root.join("2022/link.jpg")).unwrap();
    std::os::unix::fs::symlink("2020", root.join("first")).unwrap();
    settle();
}

#[test]
fn an_unchanged_tree_is_not_opened_and_gives_the_same_bytes() {
    let tree = tempfile::tempdir().unwrap();
    a_site(tree.path());
    let (kept, watch) = (Kept::new(), Watch::default());
    let (first, counts) = kept.capture(everything(tree.path()), None, &watch);
    assert_eq!(counts.opened, counts.entries);
    let (second, counts) = kept.capture(everything(tree.path()), Some(&first), &watch);
    assert_eq!((counts.opened, counts.read), (0, 0));
    assert_eq!(first, second);
    assert_eq!(kept.download(&first), kept.download(&second));
    watch.assert_whole();
}

#[test]
fn content_that_changed_with_its_time_set_back_is_noticed() {
    let tree = tempfile::tempdir().unwrap();
    a_site(tree.path());
    let file = tree.path().join("2023/07/b.jpg");
    let (kept, watch) = (Kept::new(), Watch::default());
    let (first, _) = kept.capture(everything(tree.path()), None, &watch);

    let before = fs::metadata(&file).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("b.jpg", "c.jpg")).unwrap();
    set_file_mtime(&file, FileTime::from_last_modification_time(&before)).unwrap();
    let after = fs::metadata(&file).unwrap();
    assert_eq!(
        (after.len(), after.mtime_nsec(), after.ino()),
        (before.len(), before.mtime_nsec(), before.ino())
    );

    let (second, counts) = kept.capture(everything(tree.path()), Some(&first), &watch);
    assert!(counts.opened > 0 && counts.opened < counts.entries, "its run alone: {counts:?}");
    let (_folder, extracted) = extract(EXTRACTORS[0], &kept.download(&second));
    assert_eq!(fs::read_to_string(extracted.join("2023/07/b.jpg")).unwrap(), "2023/07/c.jpg");
}

#[test]
fn a_file_that_was_just_written_is_read_again_next_time() {
    let tree = tempfile::tempdir().unwrap();
    plant(tree.path(), &["old"]);
    settle();
    plant(tree.path(), &["new"]);
    let watch = Watch::default();
    let mut source = undercroft_site::files::Tree::open(everything(tree.path()), &watch).unwrap();
    let mut settled = |name: &[u8]| loop {
        let entry = source.next_entry().unwrap().unwrap();
        if entry.path == name {
            let mut opened = source.open(&entry).unwrap();
            let content = opened.content.as_mut().unwrap();
            std::io::copy(content, &mut std::io::sink()).unwrap();
            return content.settled();
        }
    };
    assert_eq!(settled(b"new"), Settled::TooFresh);
    assert_eq!(settled(b"old"), Settled::Unchanged);
}

#[test]
fn entries_do_not_depend_on_the_order_in_which_they_were_made() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let names = ["b", "a/x", "a.x", "a/y/z", "a-", "0/a", "c/1"];
    plant(one.path(), &names);
    plant(other.path(), &names.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(paths(one.path(), &[], &[]), paths(other.path(), &[], &[]));
    let expected = ["", "0", "0/a", "a-", "a.x", "a", "a/x", "a/y", "a/y/z", "b", "c", "c/1"];
    assert_eq!(paths(one.path(), &[], &[]), expected);
}

#[test]
fn the_first_name_in_the_order_of_the_walk_is_the_file() {
    let tree = tempfile::tempdir().unwrap();
    plant(tree.path(), &["m"]);
    for name in ["z", "a", "n"] {
        fs::hard_link(tree.path().join("m"), tree.path().join(name)).unwrap();
    }
    let (entries, _) = walk(everything(tree.path()), &Watch::default());
    let kinds: Vec<_> =
        entries.into_iter().skip(1).map(|entry| (entry.path, entry.kind, entry.size)).collect();
    let link = || EntryKind::HardLink { target: b"a".to_vec() };
    let file = |name: &[u8], kind, size| (name.to_vec(), kind, size);
    assert_eq!(
        kinds,
        [file(b"a", EntryKind::File, 1), file(b"m", link(), 0), file(b"n", link(), 0), file(b"z", link(), 0)]
    );
}
