//! Sources that have lost something: the copy keeps it.

use super::*;

/// A disk that begins to die does not give one object: all others come, and so do the backups that are made after.
#[test]
fn an_object_that_cant_be_read_is_told_and_all_others_are_copied() {
    for below in ["packs/", "index/", "records/", "marks/", "keys/", "config"] {
        for fault in [Fault::Fail, Fault::Denied] {
            let scene = scene();
            let front =
                scene.source.objects("").iter().find(|o| o.name.contains(below)).unwrap().name.clone();
            let bad = front.clone();
            scene.source.store.misbehave(move |_, call| (call == Call::Get(&bad)).then_some(fault));
            let copied = scene.copy().unwrap();
            let told: Vec<_> = copied.vaults[0].damaged.iter().map(|damaged| &damaged.object).collect();
            assert_eq!(told, [&front]);
            assert!(copied.vaults[0].damaged[0].why.starts_with("it can't be read"), "{copied:?}");
            let all = scene.source.objects("").len();
            assert_eq!(scene.there().len(), all - 1);
            scene.source.store.behave();
            scene.copy().unwrap();
            scene.is_in_step();
        }
    }
}

#[test]
fn a_source_that_gives_nothing_is_no_damage() {
    let scene = scene();
    scene.source.store.misbehave(|_, call| matches!(call, Call::Get(_)).then_some(Fault::Fail));
    let error = scene.copy().unwrap_err();
    assert!(matches!(error, CopyError::Source(_)), "{error:?}");
}

/// One vault that can't be copied keeps no other one from being copied.
#[test]
fn a_vault_that_fails_is_told_and_the_others_are_copied() {
    let scene = scene();
    let before = Uuid::from_u128(SITE.as_u128() - 1);
    let other = |store: &Arc<Faulty>| Vault::open_or_create(store.clone(), before, &recovery()).unwrap();
    other(&scene.source.store);
    other(&scene.target);
    let copied = scene.copy_all();
    assert_eq!(copied.failed.len(), 1);
    assert!(matches!(copied.failed[0].error, CopyError::OtherKeys { vault } if vault == before));
    assert_eq!((copied.vaults.len(), copied.vaults[0].vault), (1, SITE));
    assert_eq!(scene.all_whole(), [1, 2, 3]);
}

/// What is damaged in the source is whole in the copy: the note of it stays where it belongs, and one that came along
/// with an earlier release goes.
#[test]
fn a_note_of_damage_is_not_copied() {
    let scene = scene();
    scene.copy().unwrap();
    let data = scene.source.objects("packs/").into_iter().max_by_key(|pack| pack.len).unwrap();
    let path = scene.source.folder.path().join(&data.name);
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[5000] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let source: Arc<dyn Store> = scene.source.store.clone();
    let proof = check::vault(&source, SITE, &recovery(), Depth::Content, &Silent).unwrap();
    scene.source.vault.note_damage(&proof.damaged, 7).unwrap();
    scene.copy().unwrap();
    assert_eq!(scene.all_whole(), [1, 2, 3]);
    assert_eq!(vault(scene.folder.path()).damage_notes().unwrap(), []);

    let (store, note) = (scene.store(), &scene.source.objects("damage/")[0].name);
    let below = note.rsplit_once("/damage/").unwrap().1;
    let ledger = format!("vaults/{SITE}/copied/0000000009-0123456789abcdef");
    store.put(&ledger, format!("damage/{below}").as_bytes()).unwrap();
    store.put(note, &source.get(note).unwrap()).unwrap();
    let fragments = vec![FragmentRef { id: FragmentId([7; 32]), raw_len: 1, deflated_len: 1, crc: 1 }];
    let own = DamagedPack { pack: PackId([7; 32]), fragments };
    vault(scene.folder.path()).note_damage(&[own], 8).unwrap();
    scene.copy().unwrap();
    assert_eq!(scene.all_whole(), [1, 2, 3]);
    let left = vault(scene.folder.path()).damage_notes().unwrap();
    assert_eq!(left.len(), 1, "what a check of the copy found stays");
    assert_eq!(left[0].at, 8);
}

/// What the source says of itself, and its keys, are checked as everything else is before they take the place of what
/// the copy has.
#[test]
fn a_damaged_config_or_keys_object_takes_no_good_ones_place() {
    for below in ["/config", "/keys/"] {
        let scene = scene();
        scene.copy().unwrap();
        let all = scene.source.objects("");
        let name = &all.iter().find(|object| object.name.contains(below)).unwrap().name;
        let good = scene.store().get(name).unwrap();
        let mut other = good[..good.len() - 1].to_vec();
        let at =
            if below == "/config" { good.windows(4).position(|four| four == b"5172").unwrap() } else { 12 };
        other[at] ^= 1;
        for bad in [&b""[..], &good[..good.len() / 2], &good[..good.len() - 1], &noise(1, 300), &other] {
            std::fs::write(scene.source.folder.path().join(name), bad).unwrap();
            let copied = scene.copy().unwrap();
            let told: Vec<_> = copied.vaults[0].damaged.iter().map(|damaged| &damaged.object).collect();
            assert_eq!(told, [name]);
            assert!(scene.store().get(name).unwrap() == good);
        }
        assert_eq!(scene.all_whole(), [1, 2, 3]);
    }
}

/// Everything that the copy has.
fn all(scene: &Scene) -> Vec<String> {
    scene.there().into_iter().map(|(name, _)| name).collect()
}

/// What a source has lost stays in the copy, however bold the person is: nothing is removed, and it is told.
#[test]
fn what_the_source_needs_itself_and_has_lost_stays_in_the_copy() {
    for (below, spared) in [("keys/", 0), ("config", 0), ("packs/", 1), ("marks/", 0)] {
        let scene = scene();
        scene.copy().unwrap();
        let before = all(&scene);
        // Something is to go besides.
        scene.source.mark(1, &trashed(4)).unwrap();
        scene.sweep(11);
        let objects = scene.source.objects("");
        let lost: Vec<_> = objects.iter().filter(|o| o.name.contains(&format!("/{below}"))).collect();
        assert!(lost.len() > spared, "{below}");
        for object in &lost[spared..] {
            std::fs::remove_file(scene.source.folder.path().join(&object.name)).unwrap();
        }
        for most in [50, 100] {
            let copied = scene.copy_with(&CopyPolicy { most, ..CopyPolicy::default() }).unwrap();
            let done = &copied.vaults[0];
            assert!(
                matches!(&done.withheld, Some(Withheld::Lost { first, .. }) if first.starts_with(below)),
                "{below}: {done:?}"
            );
            assert_eq!(done.removed, 0);
            let now = all(&scene);
            assert!(before.iter().all(|name| now.contains(name)), "{below}");
        }
    }
}

#[test]
fn packs_that_the_source_has_lost_stay_in_the_copy() {
    for count in [1, usize::MAX] {
        let scene = scene();
        scene.copy().unwrap();
        let before = scene.there();
        let packs = scene.source.objects("packs/");
        for pack in packs.iter().take(count.min(packs.len() - 1)) {
            std::fs::remove_file(scene.source.folder.path().join(&pack.name)).unwrap();
        }
        for most in [50, 100] {
            let copied = scene.copy_with(&CopyPolicy { most, ..CopyPolicy::default() }).unwrap();
            let lost = &copied.vaults[0].withheld;
            assert!(
                matches!(lost, Some(Withheld::Lost { first, .. }) if first.starts_with("packs/")),
                "{lost:?}"
            );
            assert!(scene.there() == before);
        }
        assert_eq!(scene.all_whole(), [1, 2, 3]);
    }
}

/// What a sweep has written anew counts as little as it should: it is there, in another pack.
#[test]
fn packs_that_were_written_anew_are_no_loss() {
    let (source, folder) = (keeping(), tempfile::tempdir().unwrap());
    let mut small = Tree::new();
    (0..8).for_each(|n| small.file(&format!("shared/{n}.jpg"), noise(n, 90_000)));
    let mut large = Tree::new();
    (0..8).for_each(|n| large.file(&format!("shared/{n}.jpg"), noise(n, 90_000)));
    large.file("film.mp4", noise(77, 400_000));
    source.backup(1, 1, 10, &large);
    source.backup(2, 2, 1000, &small);
    let target = Faulty::around(Arc::new(store::local(folder.path()).unwrap()));
    let scene = Scene { source, folder, target, day: 11, swept: Arc::default() };
    scene.copy().unwrap();
    let before = scene.source.objects("packs/");
    scene.source.mark(1, &trashed(4)).unwrap();
    scene.sweep(11);
    let after = scene.source.objects("packs/");
    let gone: u64 = before.iter().filter(|pack| !after.contains(pack)).map(|pack| pack.len).sum();
    let new: u64 = after.iter().map(|pack| pack.len).sum();
    assert!(gone > new, "most of all bytes are in packs that go: {gone} beside {new}");
    assert_eq!(scene.copy().unwrap().vaults[0].withheld, None);
    scene.is_in_step();
}

/// A sweep of the source at any moment of a copy is no loss.
#[test]
fn a_sweep_meanwhile_is_not_taken_for_a_loss() {
    for at in 0.. {
        let scene = scene();
        scene.copy().unwrap();
        scene.source.mark(1, &trashed(4)).unwrap();
        let (other, said) = (vault(scene.source.folder.path()), scene.swept.clone());
        let sweeps = move |n: u64, _: Call<'_>| {
            if n == at {
                let judge = sweep::by_retention(Policy::default(), day(11));
                let plan = sweep::plan(&other, &judge, &bold(), day(11), &Silent).unwrap();
                said.lock().unwrap().extend(sweep::run(&other, &plan, &Silent).unwrap().backups);
            }
            None
        };
        scene.source.store.misbehave(sweeps);
        let copied = scene.copy().unwrap();
        let calls = scene.source.store.calls();
        scene.source.store.behave();
        assert_eq!(copied.vaults[0].withheld, None, "call {at}");
        scene.all_whole();
        if calls <= at {
            assert!(at > 5);
            break;
        }
        assert_eq!(scene.copy().unwrap().vaults[0].withheld, None, "call {at}");
        scene.is_in_step();
    }
}

#[test]
fn a_copy_that_the_key_does_not_open_loses_nothing() {
    let scene = scene();
    scene.copy().unwrap();
    scene.source.mark(1, &trashed(4)).unwrap();
    scene.sweep(11);
    let other = SecretKey::from_bytes([9; 32]);
    let to: Arc<dyn Store> = scene.target.clone();
    let (policy, watch) = (CopyPolicy { most: 100, ..CopyPolicy::default() }, Counting::default());
    let copied =
        copy(scene.source.store.as_ref(), &to, &Which::All, &policy, &blind(&other), &watch).unwrap();
    assert!(matches!(copied.vaults[0].withheld, Some(Withheld::Unreadable { .. })), "{copied:?}");
    assert_eq!(scene.all_whole(), [1, 2, 3]);
}

#[test]
fn a_source_that_lost_much_is_not_obeyed() {
    let scene = scene();
    scene.copy().unwrap();
    let source = store::local(scene.source.folder.path()).unwrap();
    for record in &scene.source.objects("records/")[..2] {
        source.delete(&record.name).unwrap();
    }
    let copied = scene.copy().unwrap();
    assert_eq!(copied.vaults[0].withheld, Some(Withheld::Records { records: 2, of: 3 }));
    assert_eq!(scene.all_whole(), [1, 2, 3]);
    // Told that it is meant.
    let bold = CopyPolicy { most: 100, ..CopyPolicy::default() };
    assert!(scene.copy_with(&bold).unwrap().vaults[0].withheld.is_none());
    assert_eq!(scene.all_whole(), [3]);
}

#[test]
fn a_source_that_is_empty_takes_nothing_with_it() {
    let scene = scene();
    scene.copy().unwrap();
    let source = store::local(scene.source.folder.path()).unwrap();
    for object in source.list("").unwrap() {
        source.delete(&object.name).unwrap();
    }
    let copied = scene.copy().unwrap();
    assert_eq!((copied.vaults.len(), copied.only_in_target), (0, vec![SITE]));
    assert_eq!(scene.all_whole(), [1, 2, 3]);
    let (these, policy) = (Which::These(vec![SITE]), CopyPolicy::default());
    let to: Arc<dyn Store> = scene.target.clone();
    let missing =
        copy(scene.source.store.as_ref(), &to, &these, &policy, &blind(&recovery()), &Counting::default());
    assert!(matches!(missing, Err(CopyError::NoVault { vault: SITE })));
}

/// Damage is found without a key, told, and not copied; what is not damaged is.
#[test]
fn what_is_damaged_is_told_and_not_copied() {
    for below in ["packs/", "index/", "records/", "marks/"] {
        let scene = scene();
        let name = scene.source.objects(below)[0].name.clone();
        let path = scene.source.folder.path().join(&name);
        let whole = std::fs::read(&path).unwrap();
        let mut damaged = whole.clone();
        damaged[3] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        let copied = scene.copy().unwrap();
        let told: Vec<_> = copied.vaults[0].damaged.iter().map(|damaged| &damaged.object).collect();
        assert_eq!(told, [&name]);
        std::fs::write(&path, &whole).unwrap();
        scene.copy().unwrap();
        scene.is_in_step();
    }
}
