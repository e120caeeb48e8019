//! Sweeps that are cut off, and what happens beside them.

use super::*;

/// A store that fails for good at any of its calls: all is whole, and the next sweep finishes.
#[test]
fn a_sweep_that_is_cut_off_anywhere_leaves_all_whole() {
    let mut cut = 0;
    for at in 0.. {
        let keeping = three();
        let third = keeping.read(3).unwrap();
        let plan = keeping.plan(21, &bold()).unwrap();
        keeping.store.misbehave(move |n, _| (n >= at).then_some(Fault::Fail));
        let result = sweep::run(&keeping.vault, &plan, &Silent);
        let calls = keeping.store.calls();
        keeping.store.behave();
        assert!(keeping.read(3).unwrap() == third);
        keeping.all_whole();
        if at % 3 == 0 {
            // A backup comes first; it may share with the living one.
            keeping.backup(4, 21, 1000, &tree(3));
        }
        keeping.sweep(21);
        keeping.all_whole();
        assert!(keeping.read(3).unwrap() == third);
        assert_near(keeping.bytes(), fresh(&[3]));
        let then = keeping.plan(21, &bold()).unwrap();
        assert!(then.is_empty(), "{at}: {then:?}");
        if calls <= at {
            result.unwrap();
            break;
        }
        cut += 1;
        assert!(result.is_err(), "call {at}");
    }
    assert!(cut > 20, "{cut}");
}

/// The interleaving of PSA-2025-00019-1: the sweep lists the backups; a new one that shares with an old one is
/// recorded; the old one goes; what the new one shares with it must not.
#[test]
fn a_backup_recorded_after_the_plan_stops_the_sweep() {
    let keeping = three();
    let plan = keeping.plan(21, &bold()).unwrap();
    keeping.backup(4, 21, 1000, &tree(1));
    let error = sweep::run(&keeping.vault, &plan, &Silent).unwrap_err();
    assert!(matches!(error, SweepError::Changed { .. }), "{error:?}");
    assert_eq!(keeping.backups(), [1, 2, 3, 4], "nothing was removed");
    keeping.sweep(21);
    assert_eq!(keeping.backups(), [3, 4]);
    keeping.all_whole();
}

/// The same, where the record comes between the sweep's look at the records and its notice.
#[test]
fn a_backup_recorded_right_before_the_notice_stops_the_sweep() {
    let keeping = three();
    let plan = keeping.plan(21, &bold()).unwrap();
    let (archive, ..) = backup_tree(&keeping.vault, &tree(1), None).unwrap();
    let late = record_of(&report(4, 21, 1000), &archive);
    let other = common::vault(keeping.folder.path());
    let once = std::sync::Mutex::new(Some(late));
    keeping.store.misbehave(move |_, call| {
        if matches!(call, Call::Put(name) if name.contains("/sweeps/"))
            && let Some(late) = once.lock().unwrap().take()
        {
            other.write_record(Uuid::from_u128(4), &late).unwrap();
        }
        None
    });
    let error = sweep::run(&keeping.vault, &plan, &Silent).unwrap_err();
    keeping.store.behave();
    assert!(matches!(error, SweepError::Changed { .. }), "{error:?}");
    assert_eq!(keeping.objects("sweeps/").len(), 0, "the notice is taken back");
    keeping.sweep(21);
    assert_eq!(keeping.backups(), [3, 4]);
    keeping.all_whole();
}

/// A worker that was stopped in its tracks before the sweep and goes on after it: its backup relies on what is gone,
/// and is not recorded.
#[test]
fn a_session_that_outlives_a_sweep_is_not_recorded() {
    let keeping = three();
    let session = Session::begin(&keeping.vault).unwrap();
    keeping.sweep(21);
    let piece = noise(1000 + 100, 60_000);
    let ticket = session.add(piece).unwrap();
    ticket.wait().unwrap();
    let error = session.finish().unwrap_err();
    assert!(matches!(error, VaultError::Swept { .. }), "{error:?}");

    // It had finished its packs and was stopped right before its record.
    let (archive, ..) = backup_tree(&keeping.vault, &tree(7), None).unwrap();
    keeping.mark(3, &trashed(21)).unwrap();
    let other = common::vault(keeping.folder.path());
    let judge = sweep::by_retention(Policy::default(), day(40));
    let plan = sweep::plan(&other, &judge, &bold(), day(40), &Silent).unwrap();
    sweep::run(&other, &plan, &Silent).unwrap();
    let record = record_of(&report(7, 21, 1000), &archive);
    let error = keeping.vault.write_record(Uuid::from_u128(7), &record).unwrap_err();
    assert!(matches!(error, VaultError::Swept { .. }), "{error:?}");
    assert_eq!(keeping.backups(), [0; 0]);
    // Trying again is all that it takes.
    keeping.backup(8, 41, 1000, &tree(7));
    keeping.all_whole();
}

/// A sweep that is stopped in its tracks between its decision and its deletes: a backup that begins and is recorded
/// meanwhile relies on nothing that is still to go.
#[test]
fn a_backup_beside_a_sweep_that_sleeps_is_whole() {
    for at in 0.. {
        let keeping = three();
        let plan = keeping.plan(21, &bold()).unwrap();
        let other = common::vault(keeping.folder.path());
        let deletes = AtomicU64::new(0);
        keeping.store.misbehave(move |_, call| {
            if matches!(call, Call::Delete(_)) && deletes.fetch_add(1, Ordering::SeqCst) == at {
                // What the first backup had is what the new one would like to share.
                let (archive, ..) = backup_tree(&other, &tree(1), None).unwrap();
                other.write_record(Uuid::from_u128(4), &record_of(&report(4, 21, 1000), &archive)).unwrap();
            }
            None
        });
        sweep::run(&keeping.vault, &plan, &Silent).unwrap();
        keeping.store.behave();
        keeping.all_whole();
        if keeping.backups() == [3] {
            assert!(at > 5, "there were deletes to sleep before");
            break;
        }
        assert_eq!(keeping.backups(), [3, 4]);
        keeping.sweep(22);
        keeping.all_whole();
    }
}

/// Deletes that are answered at once and executed much later, after other backups were made: none hits what lives.
#[test]
fn deletes_that_come_late_hit_nothing_that_lives() {
    deletes_come_late(false);
    deletes_come_late(true);
}

/// The deletes come after two more backups, or after another sweep and one more.
fn deletes_come_late(swept_again: bool) {
    let keeping = three();
    let plan = keeping.plan(21, &bold()).unwrap();
    let late = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&late);
    keeping.store.misbehave(move |_, call| match call {
        Call::Delete(name) => {
            seen.lock().unwrap().push(name.to_owned());
            Some(Fault::Forget)
        }
        _ => None,
    });
    sweep::run(&keeping.vault, &plan, &Silent).unwrap();
    keeping.store.behave();
    assert!(
        matches!(keeping.mark(1, &restored(21)), Err(MarkError::TooLate { .. })),
        "its record is still there"
    );
    // The same content again, of which all packs are still there.
    keeping.backup(4, 21, 1000, &tree(1));
    keeping.backup(5, 22, 1000, &tree(2));
    if swept_again {
        keeping.sweep(23);
        keeping.backup(6, 24, 1000, &tree(2));
    }
    let names = late.lock().unwrap().clone();
    assert!(names.len() > 5);
    let store = undercroft_vault::store::local(keeping.folder.path()).unwrap();
    for name in names {
        undercroft_vault::store::Store::delete(&store, &name).unwrap();
    }
    assert_eq!(keeping.backups().len(), if swept_again { 4 } else { 3 });
    keeping.all_whole();
}

/// A sweep was stopped after its notice; a backup stored again what it may not rely on; the old deletes arrive while the
/// next sweep removes its first pack. Segments come in any order, so this is tried some times.
#[test]
fn deletes_of_a_stopped_sweep_that_come_during_the_next_one_hit_nothing_that_lives() {
    let mut removed = 0;
    for _ in 0..8 {
        let keeping = three();
        let plan = keeping.plan(21, &bold()).unwrap();
        assert!(!plan.rewrite.is_empty());
        let old: Vec<_> = plan.rewrite.iter().chain(&plan.dead).map(|pack| pack.pack.clone()).collect();
        keeping.store.misbehave(|_, call| {
            matches!(call, Call::Put(name) if name.contains("/packs/")).then_some(Fault::Fail)
        });
        sweep::run(&keeping.vault, &plan, &Silent).unwrap_err();
        keeping.store.behave();
        keeping.backup(4, 22, 1000, &tree(3));
        let next = keeping.plan(23, &bold()).unwrap();
        let packs = keeping.folder.path().join(format!("vaults/{}/packs", common::SITE));
        keeping.store.misbehave(move |_, call| {
            if matches!(call, Call::Delete(name) if name.contains("/packs/")) {
                for pack in &old {
                    let _ = std::fs::remove_file(packs.join(pack));
                }
            }
            None
        });
        removed += sweep::run(&keeping.vault, &next, &Silent).map_or(0, |swept| swept.packs.count);
        keeping.store.behave();
        keeping.all_whole();
    }
    assert!(removed > 0);
}

/// What a killed sweep gave notice of is stored again once, not by each backup.
#[test]
fn what_is_stored_again_after_a_killed_sweep_is_known_to_later_backups() {
    for _ in 0..6 {
        let keeping = three();
        let plan = keeping.plan(21, &bold()).unwrap();
        keeping.store.misbehave(|_, call| matches!(call, Call::Delete(_)).then_some(Fault::Fail));
        sweep::run(&keeping.vault, &plan, &Silent).unwrap_err();
        keeping.store.behave();
        assert_eq!(keeping.objects("sweeps/").len(), 1);
        backup_tree(&keeping.vault, &tree(3), None).unwrap();
        let (_, _, stored) = backup_tree(&keeping.vault, &tree(3), None).unwrap();
        assert_eq!(stored.bytes, 0);
    }
}

/// Stopped at any moment, a sweep leaves no pack beside the new one that has all that is needed of it.
#[test]
fn a_sweep_that_is_stopped_while_it_rewrites_leaves_nothing_twice() {
    let mut stopped = 0;
    for patience in 0.. {
        let keeping = three();
        let plan = keeping.plan(17, &bold()).unwrap();
        let swept = sweep::run(&keeping.vault, &plan, &Patience(patience.into())).unwrap();
        let there: Vec<_> = keeping.objects("packs/").into_iter().map(|pack| pack.name).collect();
        let left = plan.rewrite.iter().filter(|pack| there.iter().any(|name| name.ends_with(&pack.pack)));
        assert!(swept.written.count == 0 || left.count() == 0, "{patience}");
        keeping.all_whole();
        stopped += u32::from(swept.stopped && swept.written.count > 0);
        if !swept.stopped {
            break;
        }
    }
    assert!(stopped > 0, "it was stopped while it rewrote");
}

/// A newer backup is deleted, or found damaged, after the sweep was planned: the old one is the last good one again.
#[test]
fn a_backup_that_became_the_last_good_one_since_the_plan_stays() {
    let details = serde_json::Value::Null;
    let disproved = Marked::Proven { deep: false, good: false, summary: String::new(), details };
    for said in [trashed(18), Mark { at: day(18), what: disproved }] {
        let keeping = keeping();
        keeping.backup(1, 0, 10, &tree(1));
        keeping.backup(2, 5, 1000, &tree(2));
        let plan = keeping.plan(18, &bold()).unwrap();
        assert_eq!(plan.purge.len(), 1);
        keeping.mark(2, &said).unwrap();
        let swept = sweep::run(&keeping.vault, &plan, &Silent).unwrap();
        assert_eq!((keeping.backups(), swept.refused.len()), (vec![1, 2], 1));
        assert!(keeping.plan(18, &bold()).unwrap().purge.is_empty());
        keeping.all_whole();
    }
    // What is said for a backup, and not against it, is in nobody's way.
    let keeping = three();
    let plan = keeping.plan(21, &bold()).unwrap();
    keeping.mark(3, &kept(21, None)).unwrap();
    assert_eq!(sweep::run(&keeping.vault, &plan, &Silent).unwrap().backups.len(), 2);
}

/// Somebody brings a backup back at the moment at which the sweep condemns it: whatever was promised holds.
#[test]
fn a_backup_that_is_brought_back_at_the_last_moment_stays_or_the_answer_is_no() {
    let (mut saved, mut late) = (0, 0);
    for at in 0..40 {
        let keeping = keeping();
        keeping.backup(1, 0, 1000, &tree(1));
        keeping.backup(2, 1, 1000, &tree(2));
        let bytes = keeping.read(1).unwrap();
        keeping.mark(1, &trashed(3)).unwrap();
        let plan = keeping.plan(11, &bold()).unwrap();
        assert_eq!(plan.purge.len(), 1);
        let other = common::vault(keeping.folder.path());
        let answer = Arc::new(std::sync::Mutex::new(None));
        let given = Arc::clone(&answer);
        keeping.store.misbehave(move |n, _| {
            if n == at {
                *given.lock().unwrap() = Some(other.write_mark(Uuid::from_u128(1), &restored(11)));
            }
            None
        });
        let swept = sweep::run(&keeping.vault, &plan, &Silent).unwrap();
        keeping.store.behave();
        match answer.lock().unwrap().take() {
            Some(Ok(())) => {
                assert!(keeping.read(1).unwrap() == bytes, "call {at}");
                assert_eq!(swept.refused.len(), 1, "{swept:?}");
                assert!(keeping.plan(12, &bold()).unwrap().purge.is_empty());
                saved += 1;
            }
            Some(Err(MarkError::TooLate { .. })) => late += 1,
            Some(Err(error)) => panic!("{}", chain(&error)),
            None => {}
        }
        keeping.all_whole();
        keeping.sweep(12);
        keeping.all_whole();
    }
    assert!(saved > 3 && late > 3, "{saved} {late}");
}

/// A download that began before a sweep goes on after it, though what it reads was moved to other packs.
#[test]
fn a_download_outlives_a_sweep() {
    let keeping = three();
    let third = keeping.read(3).unwrap();
    let index = Arc::new(keeping.vault.read_index().unwrap());
    let record = keeping.vault.read_record(Uuid::from_u128(3)).unwrap();
    let plan = keeping.plan(21, &bold()).unwrap();
    assert!(!plan.rewrite.is_empty());
    sweep::run(&keeping.vault, &plan, &Silent).unwrap();
    let (archive, mut bytes) = (&record.archives[0], vec![]);
    write_range(&keeping.vault, &index, archive, 0..archive.len(), &mut bytes).unwrap();
    assert!(bytes == third);
}
