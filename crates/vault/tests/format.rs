//! The format document suffices: `reader.py`, written from it in another language, reads what this crate writes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{Tree, backup_text, backup_tree, download, noise, text};
use undercroft_model::BackupReport;
use undercroft_vault::Vault;
use undercroft_vault::keys::RecoveryKey;
use undercroft_vault::record::{ArchiveRecord, Record};
use undercroft_vault::stream::{EntryKind, FileTime};
use uuid::Uuid;

/// Runs the reader with a vault's store and the recovery key's text.
fn reader(folder: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new("/usr/bin/python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reader.py"))
        .arg(folder)
        .args(arguments)
        .env("RECOVERY_KEY", RecoveryKey(common::recovery()).to_text())
        .output()
        .unwrap();
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into())
    }
}

/// What a server writes about a backup; it must be what `model` reads, too.
fn about(started: i64) -> serde_json::Value {
    let element = serde_json::json!({
        "state": "good", "error": null, "size": 1, "raw": 1, "read": 1, "reused": 0, "seconds": 0.5,
        "facts": { "kind": "files", "entries": 3, "files": 2, "content": 9,
                   "left_out": [{ "reason": "cache/", "entries": 1, "bytes": 5 }] },
        "remarks": [{ "weight": "note", "subject": "a", "text": "b" }], "remarks_total": 1, "lost_total": 0,
    });
    let about = serde_json::json!({
        "id": Uuid::from_u128(started as u128), "site": common::SITE, "site_name": "shop", "env": "live",
        "folder": format!("{started}_automated"), "moment": "2026-11-24T01:44:57Z",
        "finished": "2026-11-24T01:45:57Z", "expires": "2026-12-24T01:45:57Z", "program": "0.1.0",
        "elements": { "files": element },
    });
    let report: BackupReport = serde_json::from_value(about.clone()).unwrap();
    assert_eq!(serde_json::to_value(&report).unwrap(), about, "the document describes what is written");
    about
}

fn commit(vault: &Vault, started: i64, archives: &mut [&mut ArchiveRecord]) {
    for archive in archives.iter_mut() {
        let element = archive.name.clone();
        archive.name = format!("shop_live_{started}_UTC_{element}");
    }
    let archives = archives.iter().map(|archive| (**archive).clone()).collect();
    let record = Record { about: about(started), archives };
    vault.write_record(Uuid::from_u128(started as u128), &record).unwrap();
}

fn tree() -> Tree {
    let mut tree = Tree::new();
    for n in 0..300 {
        tree.file(&format!("many/{}/{n}.txt", n % 7), text(n, 100 + 37 * n as usize));
    }
    tree.file("film.mp4", noise(1, 5_000_000));
    tree.file("empty", vec![]);
    tree.file(&format!("{}/long", "l".repeat(200)), text(3, 70_000));
    tree.put(b"\xffraw", EntryKind::File, noise(4, 300));
    tree.put(b"link", EntryKind::Symlink { target: b"film.mp4".to_vec() }, vec![]);
    tree.put(b"twin", EntryKind::HardLink { target: b"film.mp4".to_vec() }, vec![]);
    tree.put(b"null", EntryKind::CharDevice { major: 1, minor: 3 }, vec![]);
    tree.change(b"many/0/7.txt", |node| node.mtime = FileTime { seconds: -9, nanos: 5 });
    tree
}

#[test]
fn another_reader_in_another_language_reads_every_archive() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let mut tree = tree();
    let (mut old_files, ..) = backup_tree(&vault, &tree, None).unwrap();
    commit(&vault, 1_700_000_000, &mut [&mut old_files]);
    tree.file("many/0/new.txt", text(77, 4_000));
    let (mut files, ..) = backup_tree(&vault, &tree, Some(&old_files)).unwrap();
    let sections = [("wp_posts".to_owned(), text(5, 2_000_000)), ("wp_users".to_owned(), text(6, 100))];
    let (mut database, _) = backup_text(&vault, &sections).unwrap();
    commit(&vault, 1_800_000_000, &mut [&mut files, &mut database]);

    let listed = String::from_utf8(reader(folder.path(), &["list"]).unwrap()).unwrap();
    assert_eq!(listed.lines().count(), 2);
    for archive in [&old_files, &files, &database] {
        assert!(listed.contains(&archive.name), "{listed}");
        let expected = download(&vault, archive).unwrap();
        assert!(reader(folder.path(), &["get", &archive.name]).unwrap() == expected, "{}", archive.name);
    }
    assert!(reader(folder.path(), &["newest", "files"]).unwrap() == download(&vault, &files).unwrap());
    assert!(reader(folder.path(), &["newest", "database"]).unwrap() == download(&vault, &database).unwrap());
    for path in ["film.mp4", "empty", "many/0/7.txt", "many/0/new.txt", &format!("{}/long", "l".repeat(200))]
    {
        let expected = &tree.nodes[path.as_bytes()].content;
        assert!(reader(folder.path(), &["file", &files.name, path]).unwrap() == **expected, "{path}");
    }

    // Without the index, every pack tells of itself.
    std::fs::remove_dir_all(folder.path().join(format!("vaults/{}/index", common::SITE))).unwrap();
    assert!(reader(folder.path(), &["newest", "files"]).unwrap() == download(&vault, &files).unwrap());
}

/// A manifest so long that a record can't hold its fragments' references.
#[test]
fn another_reader_follows_a_manifest_of_several_levels() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let mut tree = Tree::new();
    let name = |n: u64| blake3::hash(&n.to_le_bytes()).to_hex().to_string().repeat(3);
    for n in 0..36_000 {
        tree.file(&name(n), vec![]);
    }
    let (mut files, ..) = backup_tree(&vault, &tree, None).unwrap();
    assert!(files.manifest.level > 0, "{} fragments", files.manifest.fragments.len());
    commit(&vault, 1_700_000_000, &mut [&mut files]);
    let expected = download(&vault, &files).unwrap();
    assert!(reader(folder.path(), &["get", &files.name]).unwrap() == expected);
    let (_, counts, stored) = backup_tree(&vault, &tree, Some(&files)).unwrap();
    assert_eq!((counts.opened, stored.bytes), (0, 0));
}

#[test]
fn another_reader_refuses_damage() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let (mut files, ..) = backup_tree(&vault, &Tree::new(), None).unwrap();
    commit(&vault, 1_700_000_000, &mut [&mut files]);
    assert!(reader(folder.path(), &["list"]).is_ok());
    let record =
        folder.path().join(format!("vaults/{}/records/{}", common::SITE, Uuid::from_u128(1_700_000_000)));
    let mut bytes = std::fs::read(&record).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&record, bytes).unwrap();
    assert!(reader(folder.path(), &["list"]).is_err());
}
