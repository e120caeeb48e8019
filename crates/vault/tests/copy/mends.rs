//! Copies that a disk has damaged: what is vital is found each time, all else when it is asked for.

use super::*;
use undercroft_vault::copy::CopiedVault;

/// Flips a bit in the middle of an object, and gives what it was.
fn flip(folder: &tempfile::TempDir, name: &str) -> Vec<u8> {
    let path = folder.path().join(name);
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    whole
}

fn told(done: &CopiedVault) -> Vec<&String> {
    done.damaged.iter().map(|damaged| &damaged.object).collect()
}

fn verifying() -> CopyPolicy {
    CopyPolicy { verify: true, ..CopyPolicy::default() }
}

#[test]
fn what_is_vital_and_damaged_in_the_copy_is_written_anew() {
    for below in ["config", "keys/", "records/"] {
        let scene = scene();
        scene.copy().unwrap();
        let name =
            scene.source.objects("").into_iter().find(|o| o.name.contains(&format!("/{below}"))).unwrap();
        let whole = flip(&scene.folder, &name.name);
        let copied = scene.copy().unwrap();
        assert_eq!(
            (copied.vaults[0].copied, &copied.vaults[0].mended),
            (1, &vec![name.name.clone()]),
            "{below}"
        );
        assert!(scene.store().get(&name.name).unwrap() == whole);
        assert_eq!(told(&copied.vaults[0]), [""; 0]);
        assert_eq!(scene.all_whole(), [1, 2, 3]);
        assert_eq!(scene.copy().unwrap().vaults[0].copied, 0);
    }
}

/// The other way round, the copy keeps what it has, and it is told that the source's is damaged.
#[test]
fn what_is_vital_and_damaged_in_the_source_takes_no_good_ones_place() {
    for below in ["config", "keys/", "records/"] {
        let scene = scene();
        scene.copy().unwrap();
        let name =
            scene.source.objects("").into_iter().find(|o| o.name.contains(&format!("/{below}"))).unwrap();
        let whole = flip(&scene.source.folder, &name.name);
        for policy in [CopyPolicy::default(), verifying()] {
            let copied = scene.copy_with(&policy).unwrap();
            assert_eq!((copied.vaults[0].copied, told(&copied.vaults[0])), (0, vec![&name.name]), "{below}");
            assert!(scene.store().get(&name.name).unwrap() == whole);
        }
        assert_eq!(scene.all_whole(), [1, 2, 3]);
    }
}

#[test]
fn a_copy_that_is_verified_is_whole_wherever_it_was_hit() {
    let scene = scene();
    scene.copy().unwrap();
    let mut hit = Vec::new();
    for object in scene.source.objects("") {
        flip(&scene.folder, &object.name);
        hit.push(object.name);
    }
    let mut mended = scene.copy_with(&verifying()).unwrap().vaults.remove(0).mended;
    mended.sort();
    assert_eq!(mended, hit);
    scene.is_in_step();
    assert_eq!(scene.all_whole(), [1, 2, 3]);
    assert_eq!(scene.copy_with(&verifying()).unwrap().vaults[0].copied, 0);
}

/// One bad piece does not keep all others of its pack out of the copy, and the pack is whole there once it is here.
#[test]
fn a_damaged_pack_is_better_than_none_and_gives_way_to_a_whole_one() {
    let scene = scene();
    let pack = scene.source.objects("packs/").into_iter().max_by_key(|pack| pack.len).unwrap().name;
    let whole = flip(&scene.source.folder, &pack);
    for round in 0..2 {
        let copied = scene.copy().unwrap();
        assert_eq!(told(&copied.vaults[0]), [&pack], "round {round}");
        assert!(copied.vaults[0].damaged[0].copied);
        scene.is_in_step();
    }
    std::fs::write(scene.source.folder.path().join(&pack), &whole).unwrap();
    let copied = scene.copy().unwrap();
    assert_eq!((copied.vaults[0].copied, told(&copied.vaults[0]).len()), (1, 0));
    scene.is_in_step();
    assert_eq!(scene.all_whole(), [1, 2, 3]);

    // A whole one stays, whatever becomes of the source's.
    flip(&scene.source.folder, &pack);
    for policy in [CopyPolicy::default(), verifying()] {
        scene.copy_with(&policy).unwrap();
        assert!(scene.store().get(&pack).unwrap() == whole);
    }
}

/// A piece that is damaged here and has healed is found in the copy where it is whole, at once.
#[test]
fn what_has_healed_here_is_whole_in_the_copy() {
    let scene = scene();
    let pack = scene.source.objects("packs/").into_iter().max_by_key(|pack| pack.len).unwrap().name;
    let path = scene.source.folder.path().join(&pack);
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[5000] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let source: Arc<dyn Store> = scene.source.store.clone();
    let proof = check::vault(&source, SITE, &recovery(), Depth::Content, &Silent).unwrap();
    scene.source.vault.note_damage(&proof.damaged, 7).unwrap();
    for number in 1..4 {
        scene.source.backup(10 + u128::from(number), 1, 1000, &tree(number));
    }
    let copied = scene.copy().unwrap();
    assert_eq!(told(&copied.vaults[0]), [&pack]);
    assert_eq!(scene.all_whole().len(), 6);
    // Once the pack is whole, nothing says otherwise.
    std::fs::write(&path, whole).unwrap();
    scene.copy().unwrap();
    assert_eq!(vault(scene.folder.path()).damage_notes().unwrap(), []);
    assert_eq!(scene.all_whole().len(), 6);
}
