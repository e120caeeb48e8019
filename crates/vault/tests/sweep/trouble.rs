//! Sweeps of stores that are damaged, full, or refuse.

use super::*;

/// A pack that was damaged, and healed by a later backup, is freed like any other, wherever the damage is in it.
#[test]
fn a_pack_with_damage_that_is_healed_is_written_anew() {
    for from_end in [false, true] {
        let keeping = three();
        let third = keeping.read(3).unwrap();
        let plan = keeping.plan(21, &bold()).unwrap();
        let pack = &plan.rewrite.iter().max_by_key(|pack| pack.bytes).unwrap().pack;
        let path = keeping.folder.path().join(format!("vaults/{}/packs/{pack}", common::SITE));
        let mut bytes = std::fs::read(&path).unwrap();
        let at = if from_end { bytes.len() - 60 } else { 5000 };
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let store: Arc<dyn Store> = keeping.store.clone();
        let check =
            || check::vault(&store, common::SITE, &common::recovery(), Depth::Content, &Silent).unwrap();
        let proof = check();
        assert!(!proof.is_clean());
        assert_eq!(proof.damaged.is_empty(), from_end);
        keeping.vault.note_damage(&proof.damaged, 7).unwrap();
        // Each has the content that was damaged: which of the three that is is not known.
        for n in 1..4 {
            keeping.backup(u128::from(n) + 10, 20, if n == 3 { 1000 } else { 0 }, &tree(n));
        }
        assert!(from_end || check().is_clean());
        let swept = keeping.sweep(60);
        assert_eq!((swept.refused.as_slice(), keeping.backups()), ([].as_slice(), vec![3, 13]));
        assert!(!path.exists());
        assert!(keeping.read(3).unwrap() == third);
        assert!(check().is_clean());
    }
}

/// What is needed and damaged, and not noted yet, is not given up: its pack stays.
/// Else no copy of the store would ever be told to be whole again.
#[test]
fn a_pack_with_damage_is_written_anew_though_all_in_it_lives() {
    let keeping = keeping();
    keeping.backup(1, 0, 1000, &tree(1));
    let pack = keeping.objects("packs/").into_iter().max_by_key(|pack| pack.len).unwrap();
    let path = keeping.folder.path().join(&pack.name);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[5000] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let store: Arc<dyn Store> = keeping.store.clone();
    let check = || check::vault(&store, common::SITE, &common::recovery(), Depth::Content, &Silent).unwrap();
    keeping.vault.note_damage(&check().damaged, 7).unwrap();
    keeping.backup(2, 1, 1000, &tree(1));
    let first = keeping.read(1).unwrap();
    keeping.sweep(2);
    assert!(!path.exists());
    assert!(keeping.read(1).unwrap() == first && check().is_clean());
    let plan = keeping.plan(3, &bold()).unwrap();
    assert!(plan.rewrite.is_empty() && plan.dead.is_empty(), "and only once");
}

#[test]
fn a_pack_with_damage_that_nobody_knew_of_stays() {
    let keeping = three();
    let plan = keeping.plan(21, &bold()).unwrap();
    let pack = &plan.rewrite.iter().max_by_key(|pack| pack.bytes).unwrap().pack;
    let path = keeping.folder.path().join(format!("vaults/{}/packs/{pack}", common::SITE));
    let mut bytes = std::fs::read(&path).unwrap();
    let every = (1000..bytes.len() - 4000).step_by(1000);
    every.for_each(|at| bytes[at] ^= 1);
    std::fs::write(&path, &bytes).unwrap();
    let swept = sweep::run(&keeping.vault, &plan, &Silent).unwrap();
    assert!(swept.refused.iter().any(|refused| refused.why.contains("damaged")), "{swept:?}");
    assert!(path.exists());
}

/// A segment that is damaged stops the sweep until a backup has named its packs again; then it goes.
#[test]
fn a_damaged_segment_goes_once_it_is_needed_no_more() {
    // In its body; and where it looks like a later release's, or another vault's.
    for at in [130, 9, 10, 20] {
        let keeping = three();
        let path = keeping.folder.path().join(&keeping.objects("index/")[0].name);
        let mut damaged = std::fs::read(&path).unwrap();
        damaged[at] ^= 2;
        std::fs::write(&path, &damaged).unwrap();
        let error = keeping.plan(21, &bold()).unwrap_err();
        assert!(
            matches!(&error, SweepError::Unreadable { what, .. } if what.contains("backup:create")),
            "{error}"
        );
        keeping.backup(4, 21, 1000, &tree(3));
        assert!(!path.exists(), "byte {at}");
        keeping.sweep(21);
        assert_eq!(keeping.backups(), [3, 4]);
        keeping.all_whole();
    }
}

/// A mark that can't be read might say that the backup is to be kept.
#[test]
fn a_damaged_mark_keeps_its_backup() {
    let keeping = three();
    keeping.mark(1, &kept(3, Some(5))).unwrap();
    let path = keeping.folder.path().join(&keeping.objects("marks/")[0].name);
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[120] ^= 1;
    std::fs::write(&path, &damaged).unwrap();
    let plan = keeping.plan(500, &bold()).unwrap();
    let purged: Vec<_> = plan.purge.iter().map(|purge| purge.backup.as_u128()).collect();
    assert_eq!((purged, plan.notes.len()), (vec![2], 1));
    assert!(plan.notes[0].contains("/marks/"), "{:?}", plan.notes);
}

/// Locked objects are no failure: the rest is swept, and what a locked record needs stays.
#[test]
fn refused_deletes_are_told_and_the_rest_goes_on() {
    for locked in ["/records/00000000-0000-0000-0000-000000000001", "/packs/", "/marks/", "/index/"] {
        let keeping = three();
        keeping.mark(1, &trashed(3)).unwrap();
        let first = keeping.read(1).unwrap();
        let denied = move |_, call: Call<'_>| {
            matches!(call, Call::Delete(name) if name.contains(locked)).then_some(Fault::Denied)
        };
        keeping.store.misbehave(denied);
        let swept = keeping.sweep(21);
        assert!(!swept.refused.is_empty(), "{locked}");
        keeping.all_whole();
        let again = keeping.sweep(21);
        assert!(again.refused.len() <= swept.refused.len(), "{locked}: {again:?}");
        if locked.contains("records") {
            assert_eq!(keeping.backups(), [1, 3]);
            assert!(keeping.read(1).unwrap() == first, "a backup that can't go is not taken apart");
        }
        keeping.store.behave();
        keeping.sweep(22);
        assert_eq!(keeping.backups(), [3]);
        keeping.all_whole();
        assert_near(keeping.bytes(), fresh(&[3]));
    }
}

/// A store with no room for a byte more until something goes.
#[test]
fn a_full_store_is_swept() {
    let keeping = three();
    let third = keeping.read(3).unwrap();
    let room = AtomicU64::new(0);
    keeping.store.misbehave(move |_, call| match call {
        Call::Put(_) if room.load(Ordering::SeqCst) == 0 => Some(Fault::Full),
        Call::Put(_) => {
            room.fetch_sub(1, Ordering::SeqCst);
            None
        }
        Call::Delete(_) => {
            room.fetch_add(1, Ordering::SeqCst);
            None
        }
        _ => None,
    });
    let swept = keeping.sweep(21);
    assert_eq!(swept.backups.len(), 2, "{swept:?}");
    keeping.store.behave();
    assert!(keeping.read(3).unwrap() == third);
    keeping.sweep(21);
    assert_near(keeping.bytes(), fresh(&[3]));
}

/// A store that stays full whatever goes: dead packs go all the same, rewriting is given up.
#[test]
fn a_store_that_stays_full_is_swept_as_far_as_that_goes() {
    let keeping = three();
    let third = keeping.read(3).unwrap();
    let plan = keeping.plan(21, &bold()).unwrap();
    assert!(!plan.rewrite.is_empty());
    keeping.store.misbehave(|_, call| {
        matches!(call, Call::Put(name) if name.contains("/packs/") || name.contains("/index/"))
            .then_some(Fault::Full)
    });
    let swept = sweep::run(&keeping.vault, &plan, &Silent).unwrap();
    assert!(swept.refused.iter().any(|refused| refused.why.contains("no room")), "{swept:?}");
    assert_eq!(swept.packs.count as usize, plan.dead.len());
    keeping.store.behave();
    assert!(keeping.read(3).unwrap() == third);
    keeping.sweep(21);
    assert_near(keeping.bytes(), fresh(&[3]));
}

/// A real file system without a byte left, filled by a backup that failed: sweeping makes room, and the backup that
/// failed then succeeds.
#[test]
fn a_full_disk_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
        .arg(folder.path())
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("not run: only root can mount a small file system");
        return;
    }
    let path = folder.path().to_owned();
    let result = std::panic::catch_unwind(|| {
        let keeping = common::keep::keeping_in(folder);
        // The one that goes has packs of its own.
        keeping.backup(2, 1, 1000, &tree(2));
        keeping.backup(1, 0, 10, &tree(1));
        let second = keeping.read(2).unwrap();
        let mut large = tree(3);
        large.file("large", noise(9, 2_500_000));
        assert!(keeping.try_backup(3, 2, 1000, &large).is_err());
        // The very last bytes.
        for len in [1 << 20, 1 << 16, 1 << 12] {
            for n in 0..4096 {
                let file = keeping.folder.path().join(format!("fill-{len}-{n}"));
                if std::fs::write(&file, vec![1; len]).is_err() {
                    let _ = std::fs::remove_file(file);
                    break;
                }
            }
        }
        let swept = keeping.sweep(20);
        assert_eq!(swept.backups.len(), 1, "{swept:?}");
        assert!(swept.packs.bytes > 300_000, "{swept:?}");
        assert!(keeping.read(2).unwrap() == second);
        for file in std::fs::read_dir(keeping.folder.path()).unwrap().flatten() {
            if file.file_name().to_string_lossy().starts_with("fill-") {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
        keeping.sweep(20);
        keeping.backup(3, 20, 1000, &large);
        keeping.all_whole();
        // The folder goes once nothing is mounted on it.
        std::mem::forget(keeping);
    });
    assert!(std::process::Command::new("umount").arg(&path).status().unwrap().success());
    std::fs::remove_dir(&path).unwrap();
    result.unwrap();
}
