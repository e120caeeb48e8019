//! Damage, in every kind of object and of every kind: an error names the object, and what does not need it is read
//! as before.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{SITE, Tree, backup_text, backup_tree, chain, download, noise, record, recovery, text};
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::{ConfigFault, Vault, VaultError, store};
use uuid::Uuid;

const OLD: Uuid = Uuid::from_u128(1);
const NEW: Uuid = Uuid::from_u128(2);

struct Scene {
    folder: tempfile::TempDir,
    /// The bytes of each backup's two archives.
    old: Vec<Vec<u8>>,
    new: Vec<Vec<u8>>,
    /// Objects that were there before the second backup.
    first: BTreeSet<PathBuf>,
}

fn backup(
    vault: &Vault,
    id: Uuid,
    tree: &Tree,
    last: Option<&ArchiveRecord>,
) -> (ArchiveRecord, Vec<Vec<u8>>) {
    let (files, ..) = backup_tree(vault, tree, last).unwrap();
    let (database, _) = backup_text(vault, &[("t".into(), text(id.as_u128() as u64, 90_000))]).unwrap();
    vault.write_record(id, &record(&[&files, &database])).unwrap();
    let bytes = [&files, &database].map(|archive| download(vault, archive).unwrap());
    (files, bytes.into())
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let mut tree = Tree::new();
    tree.file("a/shared.jpg", noise(1, 80_000));
    tree.file("a/page.html", text(2, 30_000));
    let (files, old) = backup(&vault, OLD, &tree, None);
    let first = objects(folder.path()).into_iter().collect();
    tree.file("b/new.jpg", noise(3, 80_000));
    let (_, new) = backup(&vault, NEW, &tree, Some(&files));
    Scene { folder, old, new, first }
}

fn objects(folder: &Path) -> Vec<PathBuf> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, out) } else { out.push(path) }
        }
    }
    let mut out = vec![];
    walk(&folder.join("vaults"), &mut out);
    out.sort();
    out
}

/// Everything of a backup, read as a restore would.
fn read(folder: &Path, id: Uuid) -> Result<Vec<Vec<u8>>, VaultError> {
    let vault = Vault::open(Arc::new(store::local(folder).unwrap()), SITE, &recovery())?;
    let record = vault.read_record(id)?;
    record.archives.iter().map(|archive| download(&vault, archive)).collect()
}

/// Every way in which an object is damaged here; `None` is an object that is gone.
fn damaged(whole: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let len = whole.len();
    let mut out =
        vec![("gone".to_owned(), None), ("one byte longer".to_owned(), Some([whole, b"x"].concat()))];
    for to in [0, 1, 27, len / 2, len - 16, len - 1] {
        out.push((format!("cut to {to}"), Some(whole[..to].to_vec())));
    }
    for at in
        [0, 8, 9, 10, 11, 12, 28, 60, 107, 108, 120, len / 3, len / 2, len - 40, len - 16, len - 12, len - 1]
    {
        if at < len {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 0x40;
            out.push((format!("bit flipped at {at} of {len}"), Some(bytes)));
        }
    }
    out
}

#[test]
fn damage_anywhere_is_told_by_name_and_spares_the_rest() {
    let scene = scene();
    let folder = scene.folder.path();
    let (mut told, mut healed) = (0, 0);
    for path in objects(folder) {
        let whole = fs::read(&path).unwrap();
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
        for (how, bytes) in damaged(&whole) {
            fs::write(&path, bytes.as_deref().unwrap_or_default()).unwrap();
            if bytes.is_none() {
                fs::remove_file(&path).unwrap();
            }
            for (id, expected) in [(OLD, &scene.old), (NEW, &scene.new)] {
                let spared = id == OLD && !scene.first.contains(&path);
                match read(folder, id) {
                    Ok(archives) => {
                        assert!(archives == *expected, "{name}, {how}: other bytes were passed off as good");
                        healed += 1;
                    }
                    Err(error) => {
                        let text = chain(&error);
                        assert!(!spared || name.contains("/index/"), "{name}, {how}: {text}");
                        assert!(names(&text, name), "{name}, {how}: the error is: {text}");
                        told += 1;
                    }
                }
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(told > 100 && healed > 100, "{told} {healed}");
    assert!(read(folder, NEW).unwrap() == scene.new);
}

/// Whether an error names the object, or, for the keys, the vault that the recovery key does not open.
fn names(error: &str, object: &str) -> bool {
    error.contains(object) || (object.contains("/keys/") && error.contains("recovery key"))
}

/// The index is a convenience: without any of it, every pack tells of itself.
#[test]
fn a_vault_without_its_index_is_whole() {
    let scene = scene();
    let folder = scene.folder.path();
    fs::remove_dir_all(folder.join(format!("vaults/{SITE}/index"))).unwrap();
    assert!(read(folder, OLD).unwrap() == scene.old);
    assert!(read(folder, NEW).unwrap() == scene.new);
}

/// Who has only the store can't pass one backup off as another, nor one vault's object as another's.
#[test]
fn an_object_under_another_name_is_refused() {
    let scene = scene();
    let folder = scene.folder.path();
    let at = |id: Uuid| folder.join(format!("vaults/{SITE}/records/{id}"));
    fs::copy(at(OLD), at(NEW)).unwrap();
    let error = read(folder, NEW).unwrap_err();
    assert!(matches!(error, VaultError::Object { .. }), "{error:?}");
    assert!(read(folder, OLD).unwrap() == scene.old);

    let packs: Vec<_> =
        objects(folder).into_iter().filter(|p| p.to_str().unwrap().contains("/packs/")).collect();
    let [one, other, ..] = &packs[..] else { panic!("at least two packs") };
    let (a, b) = (fs::read(one).unwrap(), fs::read(other).unwrap());
    fs::write(one, b).unwrap();
    fs::write(other, a).unwrap();
    assert!(read(folder, OLD).is_err() || read(folder, OLD).unwrap() == scene.old);
}

/// New keys over an old vault would open nothing that is there, and what is written with them would be lost as soon as
/// the old ones are back.
#[test]
fn keys_that_were_lost_are_not_made_anew() {
    let scene = scene();
    let folder = scene.folder.path();
    let (place, away) = (folder.join(format!("vaults/{SITE}/keys")), folder.join("away"));
    fs::remove_file(folder.join(format!("vaults/{SITE}/config"))).unwrap();
    fs::rename(&place, &away).unwrap();
    let before = objects(folder);
    let store: Arc<dyn store::Store> = Arc::new(store::local(folder).unwrap());
    for _ in 0..2 {
        let error = Vault::open_or_create(Arc::clone(&store), SITE, &recovery()).err().unwrap();
        assert!(matches!(error, VaultError::KeysLost { vault: SITE, .. }), "{error:?}");
        assert!(error.to_string().contains(&format!("lost vaults/{SITE}/keys/")), "{error}");
        assert_eq!(objects(folder), before, "nothing was written");
    }
    fs::rename(&away, &place).unwrap();
    let (_, made) = backup(&common::vault(folder), Uuid::from_u128(3), &Tree::new(), None);
    assert!(read(folder, OLD).unwrap() == scene.old);
    assert!(read(folder, Uuid::from_u128(3)).unwrap() == made);
}

/// What a config says can be had without it: the vault reads, and who writes to it makes the config anew.
#[test]
fn a_config_that_is_lost_stops_no_reading_and_is_made_anew() {
    let scene = scene();
    let folder = scene.folder.path();
    let path = folder.join(format!("vaults/{SITE}/config"));
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[0] ^= 1;
    let store: Arc<dyn store::Store> = Arc::new(store::local(folder).unwrap());
    let bads = [(None, ConfigFault::Missing), (Some(&whole[..9]), ConfigFault::Damaged)];
    for (bad, fault) in bads.into_iter().chain([(Some(&flipped[..]), ConfigFault::Damaged)]) {
        fs::remove_file(&path).unwrap();
        if let Some(bad) = bad {
            fs::write(&path, bad).unwrap();
        }
        let vault = Vault::open(Arc::clone(&store), SITE, &recovery()).unwrap();
        assert_eq!(vault.lost_config(), Some(fault));
        let archives = vault.read_record(OLD).unwrap().archives;
        let found: Vec<_> = archives.iter().map(|archive| download(&vault, archive).unwrap()).collect();
        assert!(found == scene.old);
        let refused = vault.write_record(Uuid::from_u128(9), &record(&[])).unwrap_err();
        assert!(refused.to_string().contains("backup:create or catalog:rebuild"), "{refused}");
        // Another key replaces nothing.
        let other = undercroft_vault::keys::SecretKey::from_bytes([1; 32]);
        assert!(Vault::open_or_create(Arc::clone(&store), SITE, &other).is_err());
        assert_eq!(fs::read(&path).ok().as_deref(), bad);

        let vault = Vault::open_or_create(Arc::clone(&store), SITE, &recovery()).unwrap();
        assert_eq!(vault.lost_config(), None);
        assert!(fs::read(&path).unwrap() == whole);
    }
    // One of a later release is whole, and is refused by all.
    let later = String::from_utf8(whole).unwrap().replace("\"format\": 1", "\"format\": 2");
    fs::write(&path, &later).unwrap();
    assert!(Vault::open(Arc::clone(&store), SITE, &recovery()).is_err());
    assert!(Vault::open_or_create(store, SITE, &recovery()).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), later);
}

/// Keys that are gone or damaged are no wrong key: a copy of the store has them.
#[test]
fn keys_that_are_lost_are_not_told_as_a_wrong_key() {
    let scene = scene();
    let folder = scene.folder.path();
    let keys = objects(folder).into_iter().find(|p| p.to_str().unwrap().contains("/keys/")).unwrap();
    let mut bytes = fs::read(&keys).unwrap();
    let store: Arc<dyn store::Store> = Arc::new(store::local(folder).unwrap());
    for at in [20, 120] {
        bytes[at] ^= 1;
        fs::write(&keys, &bytes).unwrap();
        let error = Vault::open(Arc::clone(&store), SITE, &recovery()).err().unwrap();
        assert!(matches!(error, VaultError::KeysDamaged { .. }), "{error:?}");
        assert!(error.to_string().contains("from a copy of the store"), "{error}");
    }
    fs::remove_file(&keys).unwrap();
    let error = Vault::open(store, SITE, &recovery()).err().unwrap();
    assert!(matches!(error, VaultError::KeysLost { .. }), "{error:?}");
}

/// Files that are no objects of ours lie about in the store's folder: they harm nothing.
#[test]
fn strange_files_are_passed_over() {
    let scene = scene();
    let folder = scene.folder.path();
    for name in ["packs/zz/readme.txt", "packs/00/00ff", "index/old", "records/README", "lost+found/x"] {
        let path = folder.join(format!("vaults/{SITE}/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, noise(9, 1_000)).unwrap();
    }
    assert!(read(folder, NEW).unwrap() == scene.new);
    let vault = common::vault(folder);
    assert_eq!(vault.records().unwrap(), [OLD, NEW]);
}
