//! Stores that fail, lie, forget and panic: a backup then fails by name or is whole, and older ones stay.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use common::faulty::{Call, Fault, Faulty};
use common::{
    SITE, Tree, backup_text, backup_tree, chain, download, gunzip, noise, recovery, text, vault_on,
};
use undercroft_model::{Element, Silent};
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::session::Session;
use undercroft_vault::store::{self, Store, StoreError};
use undercroft_vault::stream::{SectionKind, SectionLabel, TextSink};
use undercroft_vault::text::TextWriter;
use undercroft_vault::tree::{TreeJob, write_tree};
use undercroft_vault::{ConfigFault, Operation, Vault, VaultError};

/// A vault on a store that can misbehave, with one backup in it.
struct Scene {
    _folder: tempfile::TempDir,
    store: Arc<Faulty>,
    vault: Vault,
    tree: Tree,
    first: ArchiveRecord,
    bytes: Vec<u8>,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let store = Faulty::around(Arc::new(store::local(folder.path()).unwrap()));
    let vault = vault_on(store.clone());
    let mut tree = Tree::new();
    for n in 0..30 {
        tree.file(&format!("a/{n}.php"), text(n, 9_000));
        tree.file(&format!("b/{n}.jpg"), noise(n, 70_000));
    }
    let (first, ..) = backup_tree(&vault, &tree, None).unwrap();
    let bytes = download(&vault, &first).unwrap();
    // More than one pack's worth of news.
    for n in 0..10 {
        tree.file(&format!("c/{n}.mp4"), noise(100 + n, 2_000_000));
    }
    Scene { _folder: folder, store, vault, tree, first, bytes }
}

impl Scene {
    /// The older backup is whole, and the next one succeeds and is whole.
    fn is_unharmed(&self) {
        self.store.behave();
        assert!(download(&self.vault, &self.first).unwrap() == self.bytes, "the older backup is whole");
        let (next, ..) = backup_tree(&self.vault, &self.tree, Some(&self.first)).unwrap();
        gunzip(&download(&self.vault, &next).unwrap(), next.raw_len);
    }
}

fn is_put(call: Call<'_>) -> bool {
    matches!(call, Call::Put(_))
}

#[test]
fn a_store_that_fails_once_at_any_call_fails_the_backup_by_name() {
    let scene = scene();
    scene.store.misbehave(|_, _| None);
    backup_tree(&scene.vault, &Tree::new(), Some(&scene.first)).unwrap();
    for at in 0.. {
        scene.store.misbehave(move |n, _| (n == at).then_some(Fault::Fail));
        let result = backup_tree(&scene.vault, &scene.tree, Some(&scene.first));
        if scene.store.calls() <= at {
            result.unwrap();
            assert!(at > 6, "there were failures to meet");
            break;
        }
        // What the last backup's manifest could not give is only read again.
        if let Err(error) = result {
            assert!(chain(&error).contains("vaults/"), "names the object: {}", chain(&error));
            assert!(matches!(error, VaultError::Store(StoreError::Failed { .. })), "{error:?}");
        }
    }
    scene.is_unharmed();
}

#[test]
fn a_store_that_is_full_or_forbidden_says_so_whichever_pack_it_meets() {
    let scene = scene();
    for (fault, told) in [(Fault::Full, "is full"), (Fault::Denied, "no permission to write")] {
        for at in 0..2 {
            let puts = std::sync::atomic::AtomicU64::new(0);
            scene.store.misbehave(move |_, call| {
                let number =
                    if is_put(call) { puts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) } else { 0 };
                (is_put(call) && number >= at).then_some(fault)
            });
            let error = backup_tree(&scene.vault, &scene.tree, Some(&scene.first)).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
    }
    scene.is_unharmed();
}

/// Many more bytes than may be under way, and every pack refused: nobody waits for ever.
#[test]
fn a_session_that_failed_lets_nobody_wait() {
    let scene = scene();
    scene.store.misbehave(|_, call| is_put(call).then_some(Fault::Fail));
    let session = Session::begin(&scene.vault).unwrap();
    let failed = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let session = &session;
                scope.spawn(move || (0..80).all(|m| session.add(noise(n * 1000 + m, 1_000_000)).is_ok()))
            })
            .collect();
        threads.into_iter().all(|thread| !thread.join().unwrap())
    });
    assert!(failed, "320 MB can't all be taken once the store has refused the first pack");
    assert!(matches!(session.finish(), Err(VaultError::Store(StoreError::Failed { .. }))));
    scene.is_unharmed();
}

#[test]
fn a_panic_in_a_thread_is_a_failure_and_not_a_dead_lock() {
    let scene = scene();
    scene.store.misbehave(|_, call| is_put(call).then_some(Fault::Panic));
    let session = Session::begin(&scene.vault).unwrap();
    let taken = (0..100).take_while(|n| session.add(noise(*n, 1_000_000)).is_ok()).count();
    assert!(taken < 100);
    assert!(matches!(session.finish(), Err(VaultError::Panicked)));
    scene.is_unharmed();
}

#[test]
fn a_session_that_is_given_up_ends_its_threads() {
    let scene = scene();
    let before = Arc::strong_count(&scene.store);
    let session = Session::begin(&scene.vault).unwrap();
    for n in 0..30 {
        drop(session.add(noise(n, 900_000)).unwrap());
    }
    assert!(Arc::strong_count(&scene.store) >= before);
    drop(session);
    assert_eq!(Arc::strong_count(&scene.store), before, "nobody holds the store any more");
    scene.is_unharmed();
}

#[test]
fn a_capture_that_is_cancelled_or_fails_leaves_older_backups_whole() {
    let scene = scene();
    let error = common::backup_watched(&scene.vault, &scene.tree, None, &common::Stopped).unwrap_err();
    assert!(matches!(error, VaultError::Cancelled(_)));
    scene.is_unharmed();
}

#[test]
fn what_the_store_took_and_forgot_is_noticed_before_the_backup_counts() {
    let scene = scene();
    for kind in ["/packs/", "/records/"] {
        scene.store.misbehave(move |_, call| {
            matches!(call, Call::Put(name) if name.contains(kind)).then_some(Fault::Forget)
        });
        let result = backup_tree(&scene.vault, &scene.tree, Some(&scene.first))
            .and_then(|(archive, ..)| scene.vault.write_record(SITE, &common::record(&[&archive])));
        let Err(VaultError::NotKept { object }) = result else { panic!("{result:?}") };
        assert!(object.contains(kind), "it has a name: {object}");
    }
    scene.is_unharmed();
}

#[test]
fn a_backup_is_recorded_once() {
    let scene = scene();
    scene.vault.write_record(SITE, &common::record(&[&scene.first])).unwrap();
    let again = scene.vault.write_record(SITE, &common::record(&[]));
    assert!(matches!(again, Err(VaultError::RecordedBefore { .. })), "{again:?}");
    assert_eq!(scene.vault.read_record(SITE).unwrap(), common::record(&[&scene.first]));
}

#[test]
fn a_pack_that_the_store_lost_is_named_and_stored_again() {
    let scene = scene();
    let before = scene.store.list(&format!("vaults/{SITE}/packs/")).unwrap();
    let (second, ..) = backup_tree(&scene.vault, &scene.tree, Some(&scene.first)).unwrap();
    for pack in scene.store.list(&format!("vaults/{SITE}/packs/")).unwrap() {
        if !before.contains(&pack) {
            scene.store.delete(&pack.name).unwrap();
        }
    }
    let error = download(&scene.vault, &second).unwrap_err();
    let VaultError::MissingFragment { object, .. } = &error else { panic!("{error:?}") };
    assert!(object.contains("/packs/"), "the lost pack has a name: {object}");
    let manifest = backup_tree(&scene.vault, &scene.tree, Some(&second));
    assert!(matches!(manifest, Err(VaultError::MissingFragment { .. })), "its manifest went with it");
    let (third, ..) = backup_tree(&scene.vault, &scene.tree, None).unwrap();
    gunzip(&download(&scene.vault, &third).unwrap(), third.raw_len);
    scene.is_unharmed();
}

/// Only the data is lost: the runs that can't be had any more are read again.
#[test]
fn runs_whose_pack_is_lost_are_read_again_without_being_asked() {
    let scene = scene();
    let (second, ..) = backup_tree(&scene.vault, &scene.tree, Some(&scene.first)).unwrap();
    let packs = scene.store.list(&format!("vaults/{SITE}/packs/")).unwrap();
    let largest = packs.iter().max_by_key(|pack| pack.len).unwrap();
    scene.store.delete(&largest.name).unwrap();
    let (third, counts, _) = backup_tree(&scene.vault, &scene.tree, Some(&second)).unwrap();
    assert!(counts.opened > 0 && counts.opened < counts.entries);
    gunzip(&download(&scene.vault, &third).unwrap(), third.raw_len);
}

#[test]
fn a_listing_that_is_behind_costs_room_and_nothing_else() {
    let scene = scene();
    // Everything was listed once; what comes after is not listed.
    scene.store.misbehave(|_, call| matches!(call, Call::List(_)).then_some(Fault::Stale));
    let (second, _, stored) = backup_tree(&scene.vault, &scene.tree, None).unwrap();
    let (third, _, again) = backup_tree(&scene.vault, &scene.tree, None).unwrap();
    assert!(again.bytes * 10 > stored.bytes * 9, "it was stored twice");
    scene.store.behave();
    let bytes = download(&scene.vault, &second).unwrap();
    gunzip(&bytes, second.raw_len);
    assert!(download(&scene.vault, &third).unwrap() == bytes);
    scene.is_unharmed();
}

#[test]
fn a_store_that_cuts_what_it_reads_never_passes_for_whole() {
    let scene = scene();
    scene.store.misbehave(|_, _| None);
    download(&scene.vault, &scene.first).unwrap();
    for at in 0..scene.store.calls() {
        scene
            .store
            .misbehave(move |n, call| (n == at && !matches!(call, Call::List(_))).then_some(Fault::Cut));
        match download(&scene.vault, &scene.first) {
            Ok(bytes) => assert!(bytes == scene.bytes),
            Err(error) => assert!(chain(&error).contains("vaults/"), "names the object: {}", chain(&error)),
        }
    }
    scene.is_unharmed();
}

#[test]
fn two_sessions_at_a_time_share_a_vault() {
    let scene = scene();
    let (a, b) = (Session::begin(&scene.vault).unwrap(), Session::begin(&scene.vault).unwrap());
    let mut other = scene.tree.clone();
    other.file("only/here.txt", text(77, 50_000));
    let job = || TreeJob {
        name: "files.tar.gz",
        top: common::TOP,
        element: Element::Files,
        previous: None,
        observer: &Silent,
    };
    let (one, two) = thread::scope(|scope| {
        let one = scope.spawn(|| write_tree(&a, &mut scene.tree.source(), job()).unwrap().0);
        let two = scope.spawn(|| write_tree(&b, &mut other.source(), job()).unwrap().0);
        (one.join().unwrap(), two.join().unwrap())
    });
    a.finish().unwrap();
    b.finish().unwrap();
    for archive in [&one, &two] {
        gunzip(&download(&scene.vault, archive).unwrap(), archive.raw_len);
    }
    let (again, _, stored) = backup_tree(&scene.vault, &other, Some(&two)).unwrap();
    assert!(stored.bytes < 64 << 10);
    assert!(download(&scene.vault, &again).unwrap() == download(&scene.vault, &two).unwrap());
    scene.is_unharmed();
}

#[test]
fn what_a_broken_session_stored_is_used_by_the_next_and_then_indexed() {
    let scene = scene();
    scene.store.misbehave(|_, call| {
        matches!(call, Call::Put(name) if name.contains("/index/")).then_some(Fault::Fail)
    });
    backup_tree(&scene.vault, &scene.tree, None).unwrap_err();
    scene.store.behave();
    let (next, _, stored) = backup_tree(&scene.vault, &scene.tree, None).unwrap();
    assert!(stored.bytes < 100_000, "only the index: {}", stored.bytes);
    gunzip(&download(&scene.vault, &next).unwrap(), next.raw_len);
    scene.store.misbehave(|_, _| None);
    scene.vault.read_index().unwrap();
    let segments = scene.store.list(&format!("vaults/{SITE}/index/")).unwrap().len() as u64;
    assert_eq!(scene.store.calls(), 3 + segments + 1, "no pack has to tell of itself any more");
}

/// Eight programs make one vault at the same moment: all have the same keys.
#[test]
fn a_vault_made_twice_at_a_time_has_one_set_of_keys() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let (send, made) = mpsc::channel();
        let barrier = Arc::new(std::sync::Barrier::new(8));
        thread::scope(|scope| {
            for n in 0..8 {
                let (send, barrier, folder) = (send.clone(), barrier.clone(), folder.path());
                scope.spawn(move || {
                    let store = Arc::new(store::local(folder).unwrap());
                    barrier.wait();
                    let vault = Vault::open_or_create(store, SITE, &recovery()).unwrap();
                    let sections = [("t".to_owned(), text(n, 40_000))];
                    send.send(backup_text(&vault, &sections).unwrap().0).unwrap();
                });
            }
        });
        drop(send);
        let vault = common::vault(folder.path());
        let archives: Vec<_> = made.iter().collect();
        assert_eq!(archives.len(), 8);
        for archive in archives {
            gunzip(&download(&vault, &archive).unwrap(), archive.raw_len);
        }
    }
}

#[test]
fn a_text_with_a_section_left_open_out_or_twice_is_no_archive() {
    let scene = scene();
    let label = || SectionLabel { kind: SectionKind::Table, name: "wp_posts".into() };
    let session = Session::begin(&scene.vault).unwrap();

    let writer = TextWriter::new(&session, Element::Database, &Silent);
    writer.section(0, label()).unwrap().finish(None).unwrap();
    drop(writer.section(1, label()).unwrap());
    assert!(matches!(writer.finish("x"), Err(VaultError::SectionOpen { ordinal: 1 })));

    let writer = TextWriter::new(&session, Element::Database, &Silent);
    writer.section(2, label()).unwrap().finish(None).unwrap();
    assert!(matches!(writer.finish("x"), Err(VaultError::SectionOpen { ordinal: 0 })));

    let writer = TextWriter::new(&session, Element::Database, &Silent);
    writer.section(0, label()).unwrap().finish(None).unwrap();
    let Err(twice) = writer.section(0, label()) else { panic!("a section can't stand twice") };
    assert!(twice.to_string().contains("wp_posts stands twice"), "{twice}");
}

/// Writes a vault's config as a later release might.
fn with_config(text: &str) -> Result<Vault, VaultError> {
    let folder = tempfile::tempdir().unwrap();
    drop(common::vault(folder.path()));
    let store = Arc::new(store::local(folder.path()).unwrap());
    let name = format!("vaults/{SITE}/config");
    store.delete(&name).unwrap();
    store.put(&name, text.as_bytes()).unwrap();
    Vault::open(store, SITE, &recovery())
}

#[test]
fn what_a_later_release_wrote_is_refused_by_name() {
    let config = |format: u32, read: &str, write: &str| {
        format!(
            r#"{{"undercroft_vault":"{SITE}","format":{format},"added":{{}},
               "features":{{"read":[{read}],"write":[{write}],"check":[],"sweep":[]}}}}"#
        )
    };
    let error = |text: &str| chain(&with_config(text).err().unwrap());
    assert!(error(&config(2, "", "")).contains("format 2"));
    assert!(error(&format!(r#"{{"undercroft_vault":"{SITE}","format":300}}"#)).contains("format 300"));
    assert!(error(&config(1, "\"zstd\"", "")).contains("does not know (zstd)"));
    // One that is none, or another vault's, was damaged: what can be read is read.
    let other = config(1, "", "").replace(&SITE.to_string(), "00000000-0000-0000-0000-000000000009");
    for damaged in ["what?", &other] {
        let vault = with_config(damaged).unwrap();
        assert_eq!(vault.lost_config(), Some(ConfigFault::Damaged));
        assert!(vault.may(Operation::Read).is_ok() && vault.may(Operation::Check).is_ok());
        assert!(vault.may(Operation::Sweep).is_err() && Session::begin(&vault).is_err());
    }

    let readable = with_config(&config(1, "", "\"leases\"")).unwrap();
    assert!(readable.may(Operation::Read).is_ok() && readable.may(Operation::Sweep).is_ok());
    let refused = chain(&Session::begin(&readable).err().unwrap());
    assert!(refused.contains("leases") && refused.contains("/config"), "{refused}");
    let refused = readable.write_record(SITE, &common::record(&[]));
    assert!(refused.is_err());
}

#[test]
fn a_wrong_recovery_key_says_that_there_are_no_keys_for_it() {
    let scene = scene();
    let other = undercroft_vault::keys::SecretKey::from_bytes([1; 32]);
    let error = Vault::open(scene.store.clone(), SITE, &other).err().unwrap();
    assert!(matches!(error, VaultError::OtherRecoveryKey { vault } if vault == SITE));
    // And it must not be mistaken for a vault that is not there yet.
    assert!(Vault::open_or_create(scene.store.clone(), SITE, &other).is_err());
    scene.is_unharmed();
}
