//! What stops a sweep.

use super::*;

fn brake(result: Result<impl Sized, SweepError>) -> Brake {
    match result {
        Err(SweepError::Braked(brake)) => brake,
        Err(other) => panic!("{}", chain(&other)),
        Ok(_) => panic!("it was not stopped"),
    }
}

#[test]
fn something_reachable_that_is_missing_stops_the_sweep() {
    let keeping = three();
    let packs: Vec<_> = keeping.objects("packs/");
    let largest = packs.iter().max_by_key(|pack| pack.len).unwrap();
    let before = keeping.objects("");
    std::fs::remove_file(keeping.folder.path().join(&largest.name)).unwrap();
    match brake(keeping.plan(21, &bold())) {
        Brake::Missing { fragments, object, .. } => {
            assert!(fragments > 0);
            assert_eq!(object, largest.name);
        }
        other => panic!("{other}"),
    }
    assert_eq!(keeping.objects("").len() + 1, before.len(), "nothing was removed");
}

/// Every backup that needs what is missing is named; once they are all in the trash, the sweep goes on and keeps what
/// is left of them.
#[test]
fn what_is_missing_of_backups_in_the_trash_stops_no_sweep() {
    let keeping = keeping();
    keeping.backup(1, 0, 10, &tree(1));
    let before: BTreeSet<_> = keeping.objects("packs/").into_iter().map(|pack| pack.name).collect();
    for n in 2..5 {
        keeping.backup(n, 1, 1000, &tree(2));
    }
    keeping.backup(5, 2, 1000, &tree(3));
    let packs = keeping.objects("packs/");
    let of_second = packs.iter().filter(|pack| !before.contains(&pack.name) && pack.len > 300_000);
    let lost = of_second.min_by_key(|pack| pack.modified).unwrap();
    std::fs::remove_file(keeping.folder.path().join(&lost.name)).unwrap();
    for n in 2..5 {
        match brake(keeping.plan(18, &bold())) {
            Brake::Missing { fragments, backups, object } => {
                let named: Vec<_> = backups.iter().map(|(backup, _)| backup.as_u128()).collect();
                assert_eq!(named, (n..5).collect::<Vec<_>>());
                assert!(fragments > 0 && object == lost.name);
            }
            other => panic!("{other}"),
        }
        keeping.mark(n, &trashed(18)).unwrap();
    }
    let plan = keeping.plan(18, &bold()).unwrap();
    assert_eq!(plan.notes.len(), 3);
    let all = plan.notes.iter().all(|note| note.contains(&lost.name));
    assert!(all && plan.notes.iter().any(|note| note.contains("0000-000000000004")), "{:?}", plan.notes);
    let swept = sweep::run(&keeping.vault, &plan, &Silent).unwrap();
    assert!(swept.backups.len() == 1 && swept.packs.count > 0, "{swept:?}");
    // Whoever brings one back and has its content still has lost nothing.
    keeping.mark(4, &restored(19)).unwrap();
    keeping.backup(6, 19, 1000, &tree(2));
    keeping.all_whole();
    keeping.sweep(30);
    assert_eq!(keeping.backups(), [4, 5, 6]);
    keeping.all_whole();
}

/// Of a backup in the trash whose manifest is missing it is not known what it needs.
#[test]
fn a_missing_manifest_stops_the_sweep_even_in_the_trash() {
    let keeping = three();
    keeping.mark(3, &trashed(18)).unwrap();
    let record = keeping.vault.read_record(Uuid::from_u128(3)).unwrap();
    let index = keeping.vault.read_index().unwrap();
    let root = &record.archives[0].manifest.fragments[0];
    let pack = index.locate(root).unwrap().pack;
    let pack: String = pack.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let name = format!("vaults/{}/packs/{pack}", common::SITE);
    std::fs::remove_file(keeping.folder.path().join(&name)).unwrap();
    match keeping.plan(21, &bold()) {
        Err(error @ SweepError::Unreadable { .. }) => {
            let told = chain(&error);
            assert!(told.contains("in the trash") && told.contains(&name), "{told}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_listing_that_contradicts_the_index_stops_the_sweep() {
    let keeping = three();
    let pack = keeping.objects("packs/")[0].name.clone();
    let path = keeping.folder.path().join(pack);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    assert!(matches!(brake(keeping.plan(21, &bold())), Brake::Contradiction { .. }));
    std::fs::write(&path, &whole).unwrap();
    // A record that is not listed, though its marks are.
    keeping.mark(3, &kept(3, None)).unwrap();
    let record = keeping.folder.path().join(&keeping.objects("records/")[2].name);
    std::fs::rename(&record, keeping.folder.path().join("away")).unwrap();
    let fresh = SweepPolicy { spare: std::time::Duration::from_secs(100 * 365 * 86_400), ..bold() };
    assert!(matches!(brake(keeping.plan(21, &fresh)), Brake::Contradiction { .. }));
    std::fs::rename(keeping.folder.path().join("away"), record).unwrap();
    keeping.sweep(21);
}

#[test]
fn a_clock_that_jumped_stops_the_sweep() {
    let keeping = three();
    let checked = SweepPolicy { most: 100, ..SweepPolicy::default() };
    match brake(keeping.plan(-9_000, &checked)) {
        Brake::ClockBehind { now, newest, .. } => assert_eq!((now, newest), (day(-9_000), day(2))),
        other => panic!("{other}"),
    }
    match brake(keeping.plan(103, &checked)) {
        Brake::ClockAhead { now, newest } => assert_eq!((now, newest), (day(103), day(2))),
        other => panic!("{other}"),
    }
    // Somebody said something on day 90: the clock came there step by step.
    keeping.mark(3, &kept(90, Some(1000))).unwrap();
    assert_eq!(keeping.plan(103, &checked).unwrap().purge.len(), 2);
    let told = SweepPolicy { clock_is_right: true, ..checked };
    assert_eq!(keeping.plan(900, &told).unwrap().purge.len(), 2);
}

/// A backup by a clock that jumped ahead does not make that clock right.
#[test]
fn a_backup_does_not_vouch_for_the_clock() {
    let keeping = three();
    let checked = SweepPolicy { most: 100, ..SweepPolicy::default() };
    keeping.backup(4, 1500, 10, &tree(4));
    keeping.backup(5, 1501, 10, &tree(4));
    keeping.mark(5, &trashed(1501)).unwrap();
    match brake(keeping.plan(1510, &checked)) {
        Brake::ClockJumped { now, from, to } => {
            assert_eq!((now, from, to), (day(1510), day(2), day(1500)))
        }
        other => panic!("{other}"),
    }
    let told = SweepPolicy { clock_is_right: true, ..checked };
    let plan = keeping.plan(1510, &told).unwrap();
    sweep::run(&keeping.vault, &plan, &Silent).unwrap();
    assert_eq!(keeping.backups(), [4], "the fourth is the last good one");
}

/// What was deleted or made after a long rest, or was gone before it, is swept at once; the rest once things have gone
/// on for long enough.
#[test]
fn a_vault_that_rested_is_swept_again() {
    let checked = SweepPolicy { most: 100, ..SweepPolicy::default() };
    let rested = |first: i64| {
        let keeping = keeping();
        keeping.backup(1, 0, first, &tree(1));
        keeping.backup(2, 20, 1000, &tree(2));
        keeping.backup(5, 50, 1000, &tree(2));
        keeping.backup(3, 200, 5, &tree(3));
        keeping.backup(4, 201, 1000, &tree(4));
        keeping
    };
    let goes = |keeping: &Keeping, now| {
        let plan = keeping.plan(now, &checked).map_err(|error| chain(&error))?;
        Ok(plan.purge.iter().map(|purge| purge.backup.as_u128()).collect::<Vec<_>>())
    };
    let keeping = rested(40);
    assert_eq!(goes(&keeping, 220), Ok(vec![1, 3]), "the first was gone on day 47");
    keeping.mark(5, &trashed(210)).unwrap();
    assert_eq!(goes(&keeping, 220), Ok(vec![1, 3, 5]));
    let keeping = rested(60);
    let why: Result<_, String> = goes(&keeping, 220);
    assert!(why.as_ref().is_err_and(|why| why.contains("nothing happened in the vault between")), "{why:?}");
    assert!(goes(&keeping, 300).is_err());
    assert_eq!(goes(&keeping, 301), Ok(vec![1, 3]));
}

#[test]
fn a_sweep_that_would_free_too_much_stops() {
    let keeping = keeping();
    for n in 0..6 {
        keeping.backup(n + 1, n as i64, 10, &tree(n as u64 + 1));
    }
    keeping.mark(6, &kept(6, Some(1000))).unwrap();
    let checked = SweepPolicy { clock_is_right: true, ..SweepPolicy::default() };
    match brake(keeping.plan(40, &checked)) {
        Brake::TooMuch { frees, of, limit } => assert!(frees * 100 > of * 60 && limit == 60),
        other => panic!("{other}"),
    }
    assert_eq!(keeping.backups().len(), 6);
    keeping.plan(40, &SweepPolicy { most: 80, ..checked }).unwrap();
}

#[test]
fn nothing_is_swept_while_something_can_not_be_read() {
    for below in ["records/", "index/", "packs/"] {
        let keeping = three();
        for object in keeping.objects(below) {
            let path = keeping.folder.path().join(&object.name);
            let whole = std::fs::read(&path).unwrap();
            let mut damaged = whole.clone();
            for at in [40, 130] {
                damaged[at] ^= 1;
            }
            std::fs::write(&path, &damaged).unwrap();
            match keeping.plan(21, &bold()) {
                Err(error @ SweepError::Unreadable { .. }) => {
                    assert!(below != "records/" || chain(&error).contains("record"))
                }
                Err(other) => panic!("{below}: {}", chain(&other)),
                // A segment is derived, and a pack that only the dead need is not read.
                Ok(_) => assert!(below != "records/"),
            }
            std::fs::write(&path, &whole).unwrap();
        }
    }
}
