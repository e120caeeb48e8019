//! Every kind of entry comes out of the archive as it was.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use filetime::{FileTime, set_symlink_file_times};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, makedev, mknodat};
use undercroft_vault::stream::{EntryKind, TreeSource};

use crate::support::*;

/// An access list that lets user 1234 read, as the kernel keeps it: version, then tag, permissions and id of each
/// line.
const ACCESS_LIST: [u8; 44] = {
    let lines: [(u16, u16, u32); 5] =
        [(0x01, 6, u32::MAX), (0x02, 4, 1234), (0x04, 4, u32::MAX), (0x10, 4, u32::MAX), (0x20, 4, u32::MAX)];
    let mut list = [0; 44];
    list[0] = 2;
    let mut n = 0;
    while n < 5 {
        let (tag, permissions, id) = lines[n];
        let (tag, permissions, id) = (tag.to_le_bytes(), permissions.to_le_bytes(), id.to_le_bytes());
        let line = [tag[0], tag[1], permissions[0], permissions[1], id[0], id[1], id[2], id[3]];
        let mut at = 0;
        while at < 8 {
            list[4 + 8 * n + at] = line[at];
            at += 1;
        }
        n += 1;
    }
    list
};

/// `cap_net_bind_service=ep`, as the kernel keeps it.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

pub fn every_kind(root: &Path) {
    plant(root, &["a.txt", "a/inside", "a-b", "deep/er/x", "empty-in/.keep", "links/one", "large"]);
    fs::write(root.join("empty"), "").unwrap();
    fs::create_dir(root.join("empty folder")).unwrap();
    fs::write(root.join("large"), vec![b'L'; 700_000]).unwrap();
    fs::write(root.join(path(b"caf\xe9 \xff\n")), "not UTF-8").unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(3 << 20).unwrap();
    let long = ["l".repeat(110), "m".repeat(110), "n".repeat(110)].join("/");
    plant(root, &[&long]);
    let longest_name = root.join("w".repeat(255));
    fs::write(&longest_name, "w").unwrap();
    symlink("../outside/it", root.join("dangling")).unwrap();
    symlink("t".repeat(180), root.join("long link")).unwrap();
    symlink(path(b"\xfe\xff"), root.join("link to bytes")).unwrap();
    fs::hard_link(root.join("links/one"), root.join("links/another")).unwrap();
    fs::hard_link(root.join("links/one"), root.join("zz")).unwrap();
    fs::hard_link(root.join("empty"), root.join("empty too")).unwrap();
    mknodat(CWD, root.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    fs::set_permissions(root.join("a.txt"), Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(root.join("deep"), Permissions::from_mode(0o3777)).unwrap();
}

pub fn what_only_root_may(root: &Path) {
    for (name, kind, device) in [
        ("null", FileType::CharacterDevice, makedev(1, 3)),
        ("disk", FileType::BlockDevice, makedev(259, 70_000)),
    ] {
        // Some containers forbid it; the rest is tested all the same.
        let _ = mknodat(CWD, root.join(name), kind, Mode::RUSR, device);
    }
    for (name, uid, gid) in [("a.txt", 33, 33), ("deep/er", 1234, 5678), ("large", 3_000_000, 3_000_001)] {
        chown(root.join(name), Some(uid), Some(gid)).unwrap();
    }
    std::os::unix::fs::lchown(root.join("dangling"), Some(1234), Some(1234)).unwrap();
    fs::set_permissions(root.join("a.txt"), Permissions::from_mode(0o6751)).unwrap();
    fs::set_permissions(root.join("a-b"), Permissions::from_mode(0o000)).unwrap();
    lsetxattr(root.join("large"), "security.capability", &CAPABILITY, XattrFlags::empty()).unwrap();
}

pub fn attributes(root: &Path) {
    let set = |file: &str, name: &str, value: &[u8]| {
        lsetxattr(root.join(file), name, value, XattrFlags::empty()).unwrap();
    };
    set("a/inside", "user.comment", b"on a file");
    set("a", "user.comment", b"on a folder \xff\0\n=");
    set("deep/er/x", "user.empty", b"");
    set("deep/er/x", "system.posix_acl_access", &ACCESS_LIST);
    set("deep/er", "system.posix_acl_default", &ACCESS_LIST);
}

pub fn times(root: &Path) {
    let times = [
        ("a.txt", 1_000_000_000, 123_456_789),
        ("a/inside", -2, 0),
        ("dangling", 1, 1),
        ("deep", 9_999_999_999, 999_999_999),
        ("links/one", 1_700_000_000, 0),
        ("", 1_234_567_890, 42),
    ];
    for (name, seconds, nanos) in times {
        let time = FileTime::from_unix_time(seconds, nanos);
        set_symlink_file_times(root.join(name), time, time).unwrap();
    }
}

#[test]
fn gnu_tar_and_bsdtar_make_the_same_tree_of_it() {
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path();
    every_kind(root);
    if is_root() {
        what_only_root_may(root);
    }
    attributes(root);
    times(root);
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    let time = FileTime::from_unix_time(1_234_567_890, 42);
    set_symlink_file_times(root, time, time).unwrap();

    let (kept, watch) = (Kept::new(), Watch::default());
    let (record, counts) = kept.capture(everything(root), None, &watch);
    watch.assert_whole();
    assert_eq!((counts.skipped, counts.changed), (0, 0));
    let archive = kept.download(&record);

    for program in EXTRACTORS {
        let (_folder, extracted) = extract(program, &archive);
        // libarchive leaves access lists kept as attributes alone.
        let unknown = |name: &[u8]| program[0] == "bsdtar" && name.starts_with(b"system.");
        let (was, is) = (things(root), things(&extracted));
        assert_eq!(was.len() as u64, counts.entries);
        assert_eq!(was.keys().collect::<Vec<_>>(), is.keys().collect::<Vec<_>>());
        for ((path, was), (_, is)) in was.into_iter().zip(is) {
            assert_eq!(is.without_xattrs(unknown), was.without_xattrs(unknown), "{}: {path:?}", program[0]);
        }
    }
}

/// With GNU tar alone: libarchive reads −1.5 as −0.5.
#[test]
fn a_fraction_of_a_second_before_1970_is_kept() {
    let tree = tempfile::tempdir().unwrap();
    plant(tree.path(), &["old"]);
    let time = FileTime::from_unix_time(-2, 500_000_000);
    set_symlink_file_times(tree.path().join("old"), time, time).unwrap();
    let (kept, watch) = (Kept::new(), Watch::default());
    let (record, _) = kept.capture(everything(tree.path()), None, &watch);
    let (_folder, extracted) = extract(EXTRACTORS[0], &kept.download(&record));
    assert_eq!(things(&extracted), things(tree.path()));
}

#[test]
fn owners_have_names_in_the_archive() {
    let tree = tempfile::tempdir().unwrap();
    plant(tree.path(), &["file"]);
    let (kept, watch) = (Kept::new(), Watch::default());
    let (record, _) = kept.capture(everything(tree.path()), None, &watch);
    let archive = tempfile::NamedTempFile::new().unwrap();
    fs::write(archive.path(), kept.download(&record)).unwrap();
    let list = std::process::Command::new("tar").arg("-tvzf").arg(archive.path()).output().unwrap();
    let id = std::process::Command::new("id").arg("-un").output().unwrap();
    let name = String::from_utf8(id.stdout).unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.lines().all(|line| line.contains(&format!(" {}/", name.trim()))), "{list}");
}

#[test]
fn a_tree_deeper_than_any_path_is_walked_and_read() {
    let tree = tempfile::tempdir().unwrap();
    let name = "d".repeat(60);
    let depth = 150;
    let mut at = File::open(tree.path()).unwrap();
    for _ in 0..depth {
        rustix::fs::mkdirat(&at, name.as_str(), Mode::RWXU).unwrap();
        // Something that comes after the folder, so that the walk has to come back to it.
        drop(create(&at, "z"));
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY;
        at = rustix::fs::openat(&at, name.as_str(), flags, Mode::empty()).unwrap().into();
    }
    std::io::Write::write_all(&mut create(&at, "bottom"), b"found").unwrap();

    let watch = Watch::default();
    let mut source = undercroft_site::files::Tree::open(everything(tree.path()), &watch).unwrap();
    let mut entries = Vec::new();
    while let Some(entry) = source.next_entry().unwrap() {
        entries.push(entry);
    }
    watch.assert_whole();
    assert_eq!(entries.len(), 1 + 2 * depth + 1);
    let bottom = entries.iter().find(|entry| entry.path.ends_with(b"/bottom")).unwrap();
    assert!(bottom.path.len() > 2 * 4096);
    let mut text = String::new();
    let mut opened = source.open(bottom).unwrap();
    std::io::Read::read_to_string(opened.content.as_mut().unwrap(), &mut text).unwrap();
    assert_eq!(text, "found");
    for entry in &entries {
        assert_eq!(&source.open(entry).unwrap().entry, entry);
    }
}

fn create(folder: &File, name: &str) -> File {
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR).unwrap().into()
}

#[test]
fn a_file_of_nine_gibibytes_has_its_size() {
    let tree = tempfile::tempdir().unwrap();
    let size = 9 << 30;
    File::create(tree.path().join("video")).unwrap().set_len(size).unwrap();
    let watch = Watch::default();
    let (entries, facts) = walk(everything(tree.path()), &watch);
    assert_eq!((entries[1].kind.clone(), entries[1].size, facts.content), (EntryKind::File, size, size));
}
