//! Checks find damage wherever it is, tell what it hits, and what they note heals.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
mod damage;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::faulty::{Call, Fault, Faulty};
use common::keep::{bold, keeping, kept, trashed};
use common::{SITE, Tree, backup_text, backup_tree, download, noise, record, recovery, text};
use undercroft_model::{Element, Silent};
use undercroft_vault::check::{
    self, ArchiveJob, ArchiveProof, Depth, Prover, SectionCheck, TextCheck, VaultProof,
};
use undercroft_vault::copy::{CopyPolicy, Watch, Which, Witness, copy};
use undercroft_vault::damage::DamagedPack;
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::store::Store;
use undercroft_vault::stream::{EntryKind, FileTime, SectionLabel};
use undercroft_vault::{Vault, VaultError, store, sweep};
use uuid::Uuid;

const OLD: Uuid = Uuid::from_u128(1);

const NEW: Uuid = Uuid::from_u128(2);

fn check(folder: &Path, depth: Depth) -> VaultProof {
    let store: Arc<dyn store::Store> = Arc::new(store::local(folder).unwrap());
    check::vault(&store, SITE, &recovery(), depth, &Silent).unwrap()
}

fn prove(vault: &Vault, archives: &[&ArchiveRecord]) -> (Prover, Vec<ArchiveProof>) {
    let prover = Prover::new(vault, Arc::new(vault.read_index().unwrap()));
    let proofs = archives
        .iter()
        .map(|archive| {
            let element = Element::Files;
            let job = ArchiveJob { backup: Some(OLD), archive, element, text: None, observer: &Silent };
            prover.archive(&job).unwrap()
        })
        .collect();
    (prover, proofs)
}

/// Every kind of entry, names of every kind, small files and large ones.
fn tree() -> Tree {
    let mut tree = Tree::new();
    for n in 0..200 {
        tree.file(&format!("small/{n:03}.php"), text(n, 3_000));
    }
    for n in 0..20 {
        tree.file(&format!("middle/{n}.jpg"), noise(n, 90_000));
    }
    tree.file("large/film.mp4", noise(77, 9_000_000));
    tree.file("large/empty", vec![]);
    tree.file(&format!("long/{}/{}", "d".repeat(200), "f".repeat(180)), text(5, 700));
    tree.put(b"names/a\xff\n", EntryKind::File, b"x".to_vec());
    tree.put(b"names/link", EntryKind::Symlink { target: b"t".repeat(150) }, vec![]);
    tree.put(b"names/z", EntryKind::HardLink { target: b"names/a\xff\n".to_vec() }, vec![]);
    tree.put(b"names/fifo", EntryKind::Fifo, vec![]);
    tree.put(b"names/null", EntryKind::CharDevice { major: 1, minor: 3 }, vec![]);
    tree.change(b"names/link", |node| {
        node.mtime = FileTime { seconds: -5, nanos: 250_000_000 };
        node.owner = (70_000_000, 3_000_000);
        node.mode = 0o7777;
    });
    tree.change(b"large/empty", |node| node.xattrs = vec![(b"user.x=%".to_vec(), vec![0, 10, 61])]);
    tree
}

fn objects(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let Ok(listed) = fs::read_dir(folder.join(format!("vaults/{SITE}/{kind}"))) else { return vec![] };
    let mut paths: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
    parts[parts.len() - 4..].join("/")
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_whole_archive_is_proven_and_shared_runs_once() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let mut tree = tree();
    let (first, counts, _) = backup_tree(&vault, &tree, None).unwrap();
    tree.file("small/100.php", text(999, 3_000));
    let (second, ..) = backup_tree(&vault, &tree, Some(&first)).unwrap();
    let (prover, proofs) = prove(&vault, &[&first, &second]);
    for proof in &proofs {
        assert!(proof.is_good(), "{:#?}", proof.problems);
        assert_eq!(proof.parts, counts.entries);
    }
    assert_eq!((proofs[0].bytes, proofs[0].shared), (first.raw_len, 0));
    assert_eq!(proofs[1].bytes + proofs[1].shared, second.raw_len);
    assert!(proofs[1].bytes < second.raw_len / 10, "{}", proofs[1].bytes);
    assert_eq!(prover.damaged(), []);
}

#[test]
fn a_whole_vault_is_clean_at_any_depth() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let (files, ..) = backup_tree(&vault, &tree(), None).unwrap();
    let (database, _) = backup_text(&vault, &[("t".into(), text(3, 90_000))]).unwrap();
    vault.write_record(OLD, &record(&[&files, &database])).unwrap();
    for depth in [Depth::Lists, Depth::Content] {
        let proof = check(folder.path(), depth);
        assert!(proof.is_clean(), "{proof:#?}");
        assert_eq!(proof.notes, [""; 0]);
        assert_eq!((proof.backups, proof.packs), (1, objects(folder.path(), "packs").len() as u64));
    }
    let vaults = check::vaults(&store::local(folder.path()).unwrap()).unwrap();
    assert_eq!(vaults, [SITE]);
}

/// A bit flips in fragments of a file and in those of a manifest. The check tells that file; the next backup of the
/// same tree stores both again; then the check is clean and the old archive byte-exact.
#[test]
fn damage_is_told_by_file_and_heals_with_the_next_backup() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let tree = tree();
    let (first, ..) = backup_tree(&vault, &tree, None).unwrap();
    vault.write_record(OLD, &record(&[&first])).unwrap();
    let whole = download(&vault, &first).unwrap();
    let film =
        objects(folder.path(), "packs").into_iter().max_by_key(|p| fs::metadata(p).unwrap().len()).unwrap();
    // Nearly all of the pack is the film; where exactly is drawn by the threads that seal.
    let hit = (0..).map(|n| 5_000_000 + n * 100_000).find(|at| {
        flip(&film, *at);
        let told = check(folder.path(), Depth::Content).problems;
        let is_film = told.list.iter().any(|problem| problem.hits[0].subjects == ["large/film.mp4"]);
        if !is_film {
            flip(&film, *at);
        }
        is_film
    });
    assert!(hit.is_some());
    let proof = check(folder.path(), Depth::Content);
    assert_eq!(proof.problems.total, 1, "{proof:#?}");
    let problem = &proof.problems.list[0];
    assert_eq!(problem.object.as_deref(), Some(&*name(&film)));
    assert!(problem.text.starts_with("one piece of it is damaged"), "{problem}");
    assert_eq!(problem.hits[0].backup, Some(OLD));
    assert_eq!(problem.hits[0].archive, "files.tar.gz");
    assert_eq!(check(folder.path(), Depth::Lists).problems.total, 0, "nobody looked");

    // The prover of archives finds the same.
    let (prover, proofs) = prove(&vault, &[&first]);
    assert_eq!(proofs[0].problems.list[0].hits[0].subjects, ["large/film.mp4"]);
    assert_eq!(prover.damaged(), proof.damaged);

    // Noted, it counts as lost: the run of an unchanged tree is read anew, and nothing else.
    vault.note_damage(&proof.damaged, 1_790_000_000).unwrap();
    let again = check(folder.path(), Depth::Content);
    assert_eq!(again.damaged, [], "it is noted once");
    assert!(again.problems.list[0].text.contains("known to be damaged"), "{again:#?}");
    let (second, counts, stored) = backup_tree(&vault, &tree, Some(&first)).unwrap();
    vault.write_record(NEW, &record(&[&second])).unwrap();
    assert_eq!((counts.opened, stored.fragments), (1, 1));
    is_healed(folder.path(), &vault, &first, &whole, 1);

    // The same of a manifest.
    let meta = objects(folder.path(), "packs").into_iter().find(|path| is_meta(path)).unwrap();
    flip(&meta, 120);
    let proof = check(folder.path(), Depth::Content);
    assert_eq!(proof.problems.list[0].object.as_deref(), Some(&*name(&meta)), "{proof:#?}");
    assert_eq!(proof.problems.list[0].hits.len(), 2);
    assert!(download(&vault, &first).is_err());
    vault.note_damage(&proof.damaged, 1_790_000_001).unwrap();
    backup_tree(&vault, &tree, None).unwrap();
    is_healed(folder.path(), &vault, &first, &whole, 2);
}

fn is_meta(pack: &Path) -> bool {
    fs::read(pack).unwrap()[8] == 2
}

fn is_healed(folder: &Path, vault: &Vault, archive: &ArchiveRecord, whole: &[u8], packs: usize) {
    let proof = check(folder, Depth::Content);
    assert!(proof.is_clean(), "{proof:#?}");
    assert_eq!(proof.notes.iter().filter(|note| note.contains("healed")).count(), packs, "{proof:#?}");
    assert!(download(vault, archive).unwrap() == whole, "the old archive is byte-exact");
    let (_, proofs) = prove(vault, &[archive]);
    assert!(proofs[0].is_good(), "{proofs:#?}");
}

/// A note that is wrong takes what is there from archives: a check finds it, and it is taken back.
#[test]
fn a_note_that_is_wrong_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let (first, ..) = backup_tree(&vault, &tree(), None).unwrap();
    vault.write_record(OLD, &record(&[&first])).unwrap();
    let pack = objects(folder.path(), "packs").remove(0);
    let whole = fs::read(&pack).unwrap();
    flip(&pack, 500);
    let proof = check(folder.path(), Depth::Content);
    vault.note_damage(&proof.damaged, 5).unwrap();
    fs::write(&pack, &whole).unwrap();
    assert!(download(&vault, &first).is_err());
    let proof = check(folder.path(), Depth::Content);
    assert!(proof.is_clean() && proof.disproved.len() == 1, "{proof:#?}");
    vault.take_back_damage(&proof.disproved).unwrap();
    download(&vault, &first).unwrap();
}

/// A store that fails once is asked again; one that fails for good is an error and never damage.
/// A note speaks of several packs, and a quick check reads only some of them: what it did not look at stays noted, or the
/// next sweep would take what healed it for a double.
#[test]
fn a_note_is_taken_back_only_by_a_check_that_read_all_of_it() {
    let keeping = keeping();
    let folder = keeping.folder.path();
    let tree = |own: u64| {
        let mut tree = Tree::new();
        for n in 0..8 {
            tree.file(&format!("shared/{n}.jpg"), noise(n, 60_000));
            tree.file(&format!("own/{n}.jpg"), noise(1_000 * own + n, 50_000));
        }
        tree
    };
    for id in 1..4 {
        keeping.backup(id.into(), 1, 100, &tree(id));
    }
    let pack = objects(folder, "packs").into_iter().max_by_key(|path| fs::metadata(path).unwrap().len());
    flip(&pack.unwrap(), 5_000);
    let damaged = check(folder, Depth::Content).damaged;
    assert_eq!(damaged.len(), 1);
    // In the same note a piece of a manifest that is sound.
    let root = keeping.vault.read_record(OLD).unwrap().archives[0].manifest.fragments[0];
    let sound = keeping.vault.read_index().unwrap().locate(&root).unwrap().pack;
    let wrong = DamagedPack { pack: sound, fragments: vec![root] };
    keeping.vault.note_damage(&[damaged.clone(), vec![wrong]].concat(), 7).unwrap();
    let settle = |depth: Depth| {
        let proof = check(folder, depth);
        keeping.vault.note_damage(&proof.damaged, 8).unwrap();
        keeping.vault.take_back_damage(&proof.disproved).unwrap();
        keeping.vault.damage_notes().unwrap().into_iter().flat_map(|note| note.packs).collect::<Vec<_>>()
    };
    let noted = settle(Depth::Lists);
    assert!(noted.contains(&damaged[0]), "{noted:?}");
    assert_eq!(settle(Depth::Content), damaged, "read wholly, what was wrong of it is taken back");
    // What heals it stays.
    for id in 1..4 {
        keeping.backup(20 + u128::from(id), 5, 100, &tree(id));
    }
    keeping.all_whole();
    settle(Depth::Lists);
    keeping.try_sweep(6).unwrap();
    keeping.all_whole();
}

#[test]
fn a_store_that_does_not_answer_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let mut small = Tree::new();
    small.file("a.txt", noise(1, 70_000));
    let (first, ..) = backup_tree(&vault, &small, None).unwrap();
    vault.write_record(OLD, &record(&[&first])).unwrap();
    let faulty = Faulty::around(Arc::new(store::local(folder.path()).unwrap()));
    let store: Arc<dyn store::Store> = faulty.clone();
    let vault = common::vault_on(faulty.clone());
    let (mut clean, mut failed) = (0, 0);
    for fault in [Fault::Fail, Fault::Cut] {
        for at in 0.. {
            faulty.misbehave(move |n, call| (n == at && !matches!(call, Call::List(_))).then_some(fault));
            match check::vault(&store, SITE, &recovery(), Depth::Content, &Silent) {
                Ok(proof) => {
                    assert!(proof.is_clean() && proof.damaged.is_empty(), "{at} {fault:?}: {proof:#?}");
                    clean += 1;
                }
                Err(error) => {
                    let is_stores = matches!(error, VaultError::Store(_));
                    assert!(is_stores || fault == Fault::Cut, "{at} {fault:?}: {error:?}");
                    failed += 1;
                }
            }
            if faulty.calls() <= at {
                break;
            }
            let (prover, proofs) = {
                faulty.behave();
                let prover = Prover::new(&vault, Arc::new(vault.read_index().unwrap()));
                faulty.misbehave(move |n, _| (n == at).then_some(fault));
                let element = Element::Files;
                let job =
                    ArchiveJob { backup: None, archive: &first, element, text: None, observer: &Silent };
                let proof = prover.archive(&job);
                (prover, proof)
            };
            assert!(prover.damaged().is_empty());
            if let Ok(proof) = proofs {
                assert!(proof.is_good(), "{at} {fault:?}: {proof:#?}");
            }
        }
    }
    assert!(clean > 8, "{clean} {failed}");
    faulty.misbehave(|_, call| (!matches!(call, Call::List(_))).then_some(Fault::Fail));
    assert!(check::vault(&store, SITE, &recovery(), Depth::Content, &Silent).is_err());
}

/// What a sweep leaves behind, and what a copy writes down for itself, is ours.
#[test]
fn a_swept_vault_and_a_copy_are_clean_without_a_word() {
    let keeping = keeping();
    let folder = keeping.folder.path();
    for id in 1..4 {
        let mut tree = Tree::new();
        tree.file("a.txt", noise(1, 70_000));
        tree.file("own.txt", noise(id, 70_000));
        keeping.backup(id.into(), 1, 100, &tree);
    }
    keeping.mark(1, &trashed(1)).unwrap();
    sweep::run(&keeping.vault, &keeping.plan(11, &bold()).unwrap(), &Silent).unwrap();
    let notices = objects(folder, "sweeps");
    assert_eq!(notices.len(), 1);
    let to = tempfile::tempdir().unwrap();
    let target: Arc<dyn Store> = Arc::new(store::local(to.path()).unwrap());
    let key = recovery();
    let witness = Witness { recovery: &key, removed: &|_, _| std::collections::HashSet::new() };
    copy(keeping.store.as_ref(), &target, &Which::All, &CopyPolicy::default(), &witness, &Quiet).unwrap();
    assert!(!objects(to.path(), "copied").is_empty());
    for place in [folder, to.path()] {
        let proof = check(place, Depth::Content);
        assert!(proof.is_clean() && proof.notes.is_empty(), "{proof:#?}");
    }
    // A notice that is damaged is told, and binds nobody.
    let whole = fs::read(&notices[0]).unwrap();
    for (how, bytes) in damage::damages(&whole, None) {
        let Some(bytes) = bytes else { continue };
        fs::write(&notices[0], bytes).unwrap();
        let proof = check(folder, Depth::Lists);
        assert_eq!(proof.problems.total, 1, "{how}: {proof:#?}");
        let problem = &proof.problems.list[0];
        assert!(
            problem.object.as_ref().unwrap().contains("/sweeps/") && problem.hits.is_empty(),
            "{problem:?}"
        );
    }
}

/// A copy that nobody watches.
struct Quiet;

impl Watch for Quiet {
    fn expect(&self, _: Uuid, _: u64, _: u64) {}
    fn copied(&self, _: Uuid, _: &str, _: u64) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// What this release does not know harms nothing, and a damaged note of damage takes nothing away.
#[test]
fn strangers_are_noted_and_harm_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let vault = common::vault(folder.path());
    let mut small = Tree::new();
    small.file("a.txt", noise(1, 70_000));
    let (first, ..) = backup_tree(&vault, &small, None).unwrap();
    vault.write_record(OLD, &record(&[&first])).unwrap();
    let whole = download(&vault, &first).unwrap();
    let hash = "ab".repeat(32);
    for name in ["marks/x/0000000001-77", "later/thing", "packs/readme", "records/readme"] {
        let path = folder.path().join(format!("vaults/{SITE}/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, noise(9, 1_000)).unwrap();
    }
    let proof = check(folder.path(), Depth::Content);
    assert!(proof.is_clean(), "{proof:#?}");
    assert_eq!(proof.notes.len(), 3, "{proof:#?}");
    for name in [format!("damage/{hash}"), format!("packs/{hash}")] {
        let path = folder.path().join(format!("vaults/{SITE}/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, noise(9, 1_000)).unwrap();
        let proof = check(folder.path(), Depth::Content);
        let told =
            proof.problems.list.iter().any(|problem| problem.object.as_ref().unwrap().ends_with(&name));
        assert!(told && proof.problems.list.iter().all(|problem| problem.hits.is_empty()), "{proof:#?}");
        assert!(download(&vault, &first).unwrap() == whole);
    }
}
