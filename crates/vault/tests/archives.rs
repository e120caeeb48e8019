//! Archives are ordinary: every common tool reads them, and any part of one can be had by itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::{Tree, backup_text, backup_tree, download, download_range, gunzip, noise, text, vault};
use undercroft_vault::Vault;
use undercroft_vault::archive::write_range;
use undercroft_vault::manifest_io::ManifestWriter;
use undercroft_vault::record::{ArchiveRecord, StreamKind};
use undercroft_vault::session::Session;
use undercroft_vault::stream::{EntryKind, FileTime, SectionKind, SectionLabel};

/// A tree with every kind of entry that can be laid out without being root, and names of every kind.
fn tree() -> Tree {
    let mut tree = Tree::new();
    tree.file("empty", vec![]);
    tree.file("2026/photo.jpg", noise(1, 90_000));
    tree.file("2026/film.mp4", noise(2, 3_000_000));
    tree.file("2026/readme.txt", text(3, 5_000));
    tree.file("2026/large.sql", text(4, 900_000));
    tree.file("Größe.txt", text(5, 100));
    tree.file("with\nnewline and \"quotes\"", text(6, 100));
    tree.file(&format!("{}/{}", "d".repeat(120), "n".repeat(90)), text(7, 100));
    tree.file(&format!("{}/{}", "d".repeat(200), "m".repeat(250)), text(8, 100));
    tree.put(b"raw\xff\xfebytes", EntryKind::File, text(9, 100));
    tree.put(b"2026/same.jpg", EntryKind::HardLink { target: b"2026/photo.jpg".to_vec() }, vec![]);
    tree.put(b"link", EntryKind::Symlink { target: b"2026/photo.jpg".to_vec() }, vec![]);
    tree.put(b"long-link", EntryKind::Symlink { target: b"x".repeat(150) }, vec![]);
    tree.put(b"pipe", EntryKind::Fifo, vec![]);
    tree.put(b"empty-folder", EntryKind::Folder, vec![]);
    tree.change(b"2026/readme.txt", |node| {
        node.mtime = FileTime { seconds: 1_700_000_000, nanos: 123_456_789 };
        node.mode = 0o4755;
    });
    tree.change(b"2026", |node| node.mode = 0o755);
    tree.change(b"", |node| node.mode = 0o755);
    for path in [&b"empty-folder"[..], b"d", b"e"] {
        tree.change(path, |node| node.mode = 0o755);
    }
    let folders: Vec<_> =
        tree.nodes.iter().filter(|(_, n)| n.kind == EntryKind::Folder).map(|(p, _)| p.clone()).collect();
    folders.iter().for_each(|path| tree.change(path, |node| node.mode = 0o755));
    tree
}

struct Scene {
    folder: tempfile::TempDir,
    vault: Vault,
    archive: ArchiveRecord,
    bytes: Vec<u8>,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(&folder.path().join("store"));
    let (archive, ..) = backup_tree(&vault, &tree(), None).unwrap();
    let bytes = download(&vault, &archive).unwrap();
    fs::write(folder.path().join("a.tar.gz"), &bytes).unwrap();
    Scene { folder, vault, archive, bytes }
}

fn have(tool: &str) -> bool {
    Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Runs a tool in a folder; it must succeed and have nothing to say on the side.
fn run(folder: &Path, tool: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(tool)
        .args(arguments)
        .current_dir(folder)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{tool}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{tool} {arguments:?}: {}: {said}", output.status);
    output.stdout
}

#[test]
fn every_decompressor_gives_the_same_stream() {
    let scene = scene();
    let stream = gunzip(&scene.bytes, scene.archive.raw_len);
    let archive = "a.tar.gz";
    run(scene.folder.path(), "gzip", &["-t", archive]);
    let tools: [(&str, &[&str]); 6] = [
        ("gzip", &["-dc", archive]),
        ("zcat", &[archive]),
        ("pigz", &["-dc", archive]),
        ("igzip", &["-dc", archive]),
        ("python3", &["-c", "import gzip,sys; sys.stdout.buffer.write(gzip.open('a.tar.gz').read())"]),
        ("php", &["-r", "echo gzdecode(file_get_contents('a.tar.gz'));"]),
    ];
    let mut ran = 0;
    for (tool, arguments) in tools {
        if have(tool) {
            assert!(run(scene.folder.path(), tool, arguments) == stream, "{tool}");
            ran += 1;
        }
    }
    assert!(ran >= 3, "gzip, zcat and Python are everywhere");
}

/// What was laid out below a folder, as a tool of the system sees it.
fn is_laid_out(at: &Path) {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::MetadataExt;
    let top = at.join(common::TOP);
    for (path, node) in &tree().nodes {
        let place = top.join(std::ffi::OsStr::from_bytes(path));
        let facts = fs::symlink_metadata(&place).unwrap_or_else(|error| panic!("{place:?}: {error}"));
        match &node.kind {
            EntryKind::File => {
                assert!(fs::read(&place).unwrap() == **node.content, "{place:?}");
                assert_eq!(facts.mtime(), node.mtime.seconds, "{place:?}");
                assert_eq!(facts.mode() & 0o777, node.mode & 0o777, "{place:?}");
            }
            EntryKind::Symlink { target } => {
                assert_eq!(fs::read_link(&place).unwrap().as_os_str().as_bytes(), target);
            }
            EntryKind::HardLink { target } => {
                let first = fs::metadata(top.join(std::ffi::OsStr::from_bytes(target))).unwrap();
                assert_eq!(first.ino(), facts.ino());
            }
            EntryKind::Folder => assert!(facts.is_dir()),
            _ => {}
        }
    }
}

#[test]
fn every_tar_reader_lays_the_tree_out() {
    let scene = scene();
    let folder = scene.folder.path();
    let tools: [(&str, &[&str]); 3] = [
        ("tar", &["-xzf", "../a.tar.gz"]),
        ("bsdtar", &["-xf", "../a.tar.gz"]),
        ("python3", &["-c", PYTHON_FILE]),
    ];
    for (tool, arguments) in tools {
        assert!(have(tool), "this test needs {tool}: scripts/install-needs test");
        let at = folder.join(tool);
        fs::create_dir(&at).unwrap();
        run(&at, tool, arguments);
        is_laid_out(&at);
    }
    let at = folder.join("stream");
    fs::create_dir(&at).unwrap();
    run(&at, "python3", &["-c", PYTHON_STREAM]);
    is_laid_out(&at);
}

const PYTHON_FILE: &str = "import tarfile; tarfile.open('../a.tar.gz').extractall('.')";
const PYTHON_STREAM: &str = "import tarfile; tarfile.open('../a.tar.gz', 'r|gz').extractall('.')";

#[test]
fn gnu_tar_lists_every_entry_in_order() {
    let scene = scene();
    let listed = run(scene.folder.path(), "tar", &["--quoting-style=literal", "-tzf", "a.tar.gz"]);
    let mut expected: Vec<Vec<u8>> = tree()
        .nodes
        .iter()
        .map(|(path, node)| {
            let end: &[u8] = if node.kind == EntryKind::Folder && !path.is_empty() { b"/" } else { b"" };
            [common::TOP.as_bytes(), b"/", path, end, b"\n"].concat()
        })
        .collect();
    expected.sort();
    let raw = |line: &[u8]| line.to_vec();
    assert_eq!(String::from_utf8_lossy(&raw(&listed)), String::from_utf8_lossy(&expected.concat()));
}

#[test]
fn any_range_is_exact() {
    let scene = scene();
    let len = scene.bytes.len() as u64;
    assert_eq!(len, scene.archive.len());
    let points =
        [0, 1, 9, 10, 11, 600, 4_000, 100_000, 1_048_576, 2_000_000, len - 11, len - 10, len - 1, len];
    for from in points {
        for to in points.into_iter().filter(|to| *to >= from) {
            let part = download_range(&scene.vault, &scene.archive, from..to).unwrap();
            assert!(part == scene.bytes[from as usize..to as usize], "{from}..{to}");
        }
    }
    let beyond = download_range(&scene.vault, &scene.archive, len - 5..len + 100).unwrap();
    assert_eq!(beyond, scene.bytes[scene.bytes.len() - 5..]);
}

/// A connection that breaks after so many bytes.
struct Breaking(Vec<u8>, usize);

impl Write for Breaking {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = self.1 - self.0.len();
        if room == 0 {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        let taken = bytes.len().min(room);
        self.0.extend(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_broken_download_resumes() {
    let scene = scene();
    let index = Arc::new(scene.vault.read_index().unwrap());
    let mut had = vec![];
    for piece in [5, 20, 333_333, 1_500_000] {
        let mut out = Breaking(vec![], piece);
        let from = had.len() as u64;
        let broken = write_range(&scene.vault, &index, &scene.archive, from..scene.archive.len(), &mut out);
        assert!(broken.is_err());
        had.extend(out.0);
    }
    had.extend(download_range(&scene.vault, &scene.archive, had.len() as u64..scene.archive.len()).unwrap());
    assert!(had == scene.bytes);
}

#[test]
fn nothing_at_all_is_an_archive_too() {
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(&folder.path().join("store"));
    let (archive, _) = backup_text(&vault, &[]).unwrap();
    assert_eq!((archive.raw_len, archive.len()), (0, 20));
    fs::write(folder.path().join("a.gz"), download(&vault, &archive).unwrap()).unwrap();
    assert_eq!(run(folder.path(), "gzip", &["-dc", "a.gz"]), b"");
    let (archive, _) = backup_text(&vault, &[("a".into(), vec![]), ("b".into(), vec![])]).unwrap();
    assert_eq!(archive.len(), 20);
}

/// More than 4 GiB, so that gzip's length wraps, and more fragments than one item of a manifest holds.
#[test]
fn an_archive_beyond_four_gibibytes_is_read_by_all() {
    const MIB: u64 = 4100;
    let folder = tempfile::tempdir().unwrap();
    let vault = vault(&folder.path().join("store"));
    let session = Session::begin(&vault).unwrap();
    let zeros = session.add(vec![0; 1 << 20]).unwrap().wait().unwrap();
    let mut manifest = ManifestWriter::begin(&session).unwrap();
    let label = SectionLabel { kind: SectionKind::Table, name: "zeros".into() };
    manifest.add_section(label, None, vec![zeros; MIB as usize]).unwrap();
    let (manifest, totals) = manifest.finish().unwrap();
    session.finish().unwrap();
    let archive = ArchiveRecord {
        name: "zeros.sql.gz".into(),
        stream: StreamKind::Text,
        raw_len: totals.raw_len,
        crc: totals.crc.finalize(),
        deflated_len: totals.deflated_len,
        manifest,
    };
    assert_eq!(archive.raw_len, MIB << 20);
    let bytes = download(&vault, &archive).unwrap();
    assert_eq!(bytes.len() as u64, archive.len());
    fs::write(folder.path().join("a.gz"), bytes).unwrap();
    let count =
        "import gzip; f = gzip.open('a.gz'); n = 0\nwhile b := f.read(1 << 24): n += len(b)\nprint(n)";
    let counted = run(folder.path(), "python3", &["-c", count]);
    assert_eq!(String::from_utf8(counted).unwrap().trim(), (MIB << 20).to_string());
}
