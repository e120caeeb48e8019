//! Copies: whole when they are done, resumed when cut off, in step with their source, and never a way to lose backups.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
mod losses;
mod mends;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use common::faulty::{Call, Fault, Faulty};
use common::keep::{Keeping, bold, day, keeping, kept, record_of, report, restored, trashed};
use common::{SITE, Tree, backup_tree, chain, download, gunzip, noise, recovery, text, vault};
use undercroft_model::retention::{Fate, Policy};
use undercroft_model::{Mark, Marked, Silent};
use undercroft_vault::check::{self, Depth};
use undercroft_vault::copy::{Copied, CopyError, CopyPolicy, Watch, Which, Withheld, Witness, copy};
use undercroft_vault::damage::DamagedPack;
use undercroft_vault::fragment::{FragmentId, FragmentRef};
use undercroft_vault::keys::SecretKey;
use undercroft_vault::pack::PackId;
use undercroft_vault::store::{self, LocalStore, Store};
use undercroft_vault::sweep::{self, Candidate};
use undercroft_vault::{Vault, VaultError};
use uuid::Uuid;

/// Counts what it hears; stops after so many objects.
#[derive(Default)]
struct Counting {
    copied: AtomicU64,
    stop_after: Option<u64>,
}

impl Watch for Counting {
    fn expect(&self, _: Uuid, _: u64, _: u64) {}
    fn copied(&self, _: Uuid, _: &str, _: u64) {
        self.copied.fetch_add(1, Ordering::SeqCst);
    }
    fn cancelled(&self) -> bool {
        self.stop_after.is_some_and(|after| self.copied.load(Ordering::SeqCst) >= after)
    }
}

fn tree(number: u64) -> Tree {
    let mut tree = Tree::new();
    for n in 0..8 {
        tree.file(&format!("shared/{n}.jpg"), noise(n, 60_000));
        tree.file(&format!("own/{n}.jpg"), noise(1000 * number + n, 50_000));
    }
    tree.file("page.html", text(number, 40_000));
    tree
}

/// A source with three backups, and an empty target.
struct Scene {
    source: Keeping,
    folder: tempfile::TempDir,
    target: Arc<Faulty>,
    /// Today.
    day: i64,
    /// What sweeps say that they removed.
    swept: Arc<Mutex<HashSet<Uuid>>>,
}

fn scene() -> Scene {
    let source = keeping();
    for n in 1..4 {
        source.backup(n.into(), n as i64, 10, &tree(n));
    }
    source.mark(2, &kept(3, Some(1000))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let target = Faulty::around(Arc::new(store::local(folder.path()).unwrap()));
    Scene { source, folder, target, day: 11, swept: Arc::default() }
}

/// Knows nothing of what was removed on purpose.
fn blind(recovery: &SecretKey) -> Witness<'_> {
    Witness { recovery, removed: &|_, _| HashSet::new() }
}

fn only(mut copied: Copied) -> Result<Copied, CopyError> {
    copied.failed.pop().map_or(Ok(copied), |failed| Err(failed.error))
}

impl Scene {
    fn copy(&self) -> Result<Copied, CopyError> {
        self.copy_with(&CopyPolicy::default())
    }

    fn copy_with(&self, policy: &CopyPolicy) -> Result<Copied, CopyError> {
        self.copy_watched(policy, &Counting::default())
    }

    fn copy_all(&self) -> Copied {
        self.copy_between(&CopyPolicy::default(), &Counting::default()).unwrap()
    }

    fn copy_between(&self, policy: &CopyPolicy, watch: &Counting) -> Result<Copied, CopyError> {
        let removed = |_, candidates: &[Candidate]| {
            let fates = sweep::by_retention(Policy::default(), day(self.day))(candidates).fates;
            let gone = fates.into_iter().filter(|(_, fate)| matches!(fate, Fate::Gone { .. }));
            gone.map(|(backup, _)| backup).chain(self.swept.lock().unwrap().iter().copied()).collect()
        };
        let witness = Witness { recovery: &recovery(), removed: &removed };
        let to: Arc<dyn Store> = self.target.clone();
        copy(self.source.store.as_ref(), &to, &Which::All, policy, &witness, watch)
    }

    /// Sweeps the source, which says so.
    fn sweep(&self, day: i64) {
        let swept = self.source.sweep(day);
        self.swept.lock().unwrap().extend(swept.backups);
    }

    /// There is only one vault: what fails with it fails the copy.
    fn copy_watched(&self, policy: &CopyPolicy, watch: &Counting) -> Result<Copied, CopyError> {
        only(self.copy_between(policy, watch)?)
    }

    fn store(&self) -> LocalStore {
        store::local(self.folder.path()).unwrap()
    }

    /// The target's objects but for its own list.
    fn there(&self) -> Vec<(String, Vec<u8>)> {
        let store = self.store();
        let names = store.list("").unwrap().into_iter().map(|object| object.name);
        names
            .filter(|name| !name.contains("/copied/"))
            .map(|name| (name.clone(), store.get(&name).unwrap()))
            .collect()
    }

    fn is_in_step(&self) {
        let source = store::local(self.source.folder.path()).unwrap();
        let names = source.list("").unwrap().into_iter().map(|object| object.name);
        let ours: Vec<_> = names.map(|name| (name.clone(), source.get(&name).unwrap())).collect();
        assert!(ours == self.there());
    }

    /// Every backup that the copy has is whole.
    fn all_whole(&self) -> Vec<u128> {
        let Ok(vault) = Vault::open(Arc::new(self.store()), SITE, &recovery()) else { return vec![] };
        let ids = vault.records().unwrap();
        for id in &ids {
            let record = vault.read_record(*id).unwrap();
            for archive in &record.archives {
                gunzip(&download(&vault, archive).unwrap(), archive.raw_len);
            }
        }
        ids.iter().map(Uuid::as_u128).collect()
    }
}

#[test]
fn a_copy_is_whole_and_a_second_one_copies_nothing() {
    let scene = scene();
    let copied = scene.copy().unwrap();
    assert!(copied.vaults[0].copied > 8 && copied.vaults[0].damaged.is_empty(), "{copied:?}");
    scene.is_in_step();
    assert_eq!(scene.all_whole(), [1, 2, 3]);
    let vault = vault(scene.folder.path());
    assert_eq!(vault.marks_of(Uuid::from_u128(2)).unwrap(), [kept(3, Some(1000))]);
    let again = scene.copy().unwrap();
    assert_eq!((again.vaults[0].copied, again.vaults[0].kept), (0, copied.vaults[0].copied));
}

#[test]
fn what_the_source_swept_goes_from_the_copy_and_what_it_got_comes() {
    let scene = scene();
    scene.copy().unwrap();
    scene.source.mark(1, &trashed(4)).unwrap();
    scene.sweep(11);
    scene.source.backup(4, 11, 100, &tree(4));
    let copied = scene.copy().unwrap();
    assert!(copied.vaults[0].removed > 1 && copied.vaults[0].withheld.is_none(), "{copied:?}");
    scene.is_in_step();
    assert_eq!(scene.all_whole(), [2, 3, 4]);
}

/// Cut off after any number of objects, and at any call to the target: what is in the copy is whole, and the next
/// copy goes on.
#[test]
fn a_copy_that_is_cut_off_goes_on() {
    for after in 0.. {
        let scene = scene();
        let watch = Counting { stop_after: Some(after), ..Counting::default() };
        let result = scene.copy_watched(&CopyPolicy::default(), &watch);
        scene.all_whole();
        let copied = watch.copied.load(Ordering::SeqCst);
        let then = scene.copy().unwrap();
        assert_eq!(then.vaults[0].kept, copied, "what is there is not copied again");
        scene.is_in_step();
        match result {
            Ok(_) => break,
            Err(error) => assert!(matches!(error, CopyError::Cancelled(_)), "{error:?}"),
        }
    }
    for at in 0.. {
        let scene = scene();
        scene.target.misbehave(move |n, _| (n >= at).then_some(Fault::Fail));
        let result = scene.copy();
        let calls = scene.target.calls();
        scene.target.behave();
        scene.all_whole();
        scene.copy().unwrap();
        scene.is_in_step();
        if calls <= at {
            result.unwrap();
            break;
        }
        assert!(matches!(result, Err(CopyError::Target(_))), "call {at}: {result:?}");
    }
}

/// Removing is cut off too: records go first, so that what is left is whole.
#[test]
fn a_copy_that_is_cut_off_while_it_removes_is_whole() {
    for at in 0.. {
        let scene = scene();
        scene.copy().unwrap();
        scene.source.mark(1, &trashed(4)).unwrap();
        scene.sweep(11);
        let deletes = AtomicU64::new(0);
        scene.target.misbehave(move |_, call| {
            let delete = matches!(call, Call::Delete(_));
            (delete && deletes.fetch_add(1, Ordering::SeqCst) >= at).then_some(Fault::Fail)
        });
        let result = scene.copy();
        scene.target.behave();
        scene.all_whole();
        scene.copy().unwrap();
        scene.is_in_step();
        if result.is_ok() {
            assert!(at > 2);
            break;
        }
    }
}

/// Somebody made backups into the copy, or copies the wrong way round: nothing that is only there is removed.
#[test]
fn what_did_not_come_from_the_source_is_left_alone() {
    let scene = scene();
    scene.copy().unwrap();
    let target = vault(scene.folder.path());
    let (archive, ..) = backup_tree(&target, &tree(9), None).unwrap();
    target.write_record(Uuid::from_u128(9), &record_of(&report(9, 5, 100), &archive)).unwrap();
    scene.source.mark(1, &trashed(4)).unwrap();
    scene.sweep(11);
    let copied = scene.copy().unwrap();
    assert!(copied.vaults[0].foreign > 0);
    assert_eq!(scene.all_whole(), [2, 3, 9]);

    let (from, to): (_, Arc<dyn Store>) = (scene.target.as_ref(), scene.source.store.clone());
    let (policy, watch) = (CopyPolicy::default(), Counting::default());
    let back = copy(from, &to, &Which::All, &policy, &blind(&recovery()), &watch).unwrap();
    assert_eq!(back.vaults[0].removed, 0);
    assert_eq!(scene.source.backups(), [2, 3, 9]);
    scene.source.all_whole();
}

#[test]
fn a_vault_with_other_keys_is_refused() {
    let scene = scene();
    let other = vault(scene.folder.path());
    let (archive, ..) = backup_tree(&other, &tree(1), None).unwrap();
    other.write_record(Uuid::from_u128(1), &common::record(&[&archive])).unwrap();
    let before = scene.there();
    let error = scene.copy().unwrap_err();
    assert!(matches!(error, CopyError::OtherKeys { vault: SITE }), "{error:?}");
    assert!(scene.there() == before, "nothing was touched");
}

#[test]
fn a_target_that_forgets_is_found_out() {
    let scene = scene();
    scene.target.misbehave(|_, call| {
        matches!(call, Call::Put(name) if name.contains("/packs/")).then_some(Fault::Forget)
    });
    let error = scene.copy().unwrap_err();
    assert!(matches!(&error, CopyError::NotKept { object } if object.contains("/packs/")), "{error:?}");
    scene.target.behave();
    assert!(matches!(
        vault(scene.folder.path()).read_record(Uuid::from_u128(1)),
        Err(VaultError::Store(store::StoreError::Missing { .. }))
    ));
}

/// What is there at another length was cut off by a store that writes in place: it is written anew.
#[test]
fn what_is_there_in_part_is_written_anew() {
    let scene = scene();
    scene.copy().unwrap();
    let store = scene.store();
    for object in store.list("").unwrap().iter().filter(|object| !object.name.contains("/copied/")) {
        std::fs::write(scene.folder.path().join(&object.name), b"cut").unwrap();
    }
    scene.copy().unwrap();
    scene.is_in_step();
}

/// The source is swept while it is copied: whatever the copy has is whole, and it ends in step.
#[test]
fn a_source_that_is_swept_meanwhile_is_copied_whole() {
    for at in 0..14 {
        let scene = scene();
        scene.source.mark(1, &trashed(4)).unwrap();
        let (other, said) = (vault(scene.source.folder.path()), scene.swept.clone());
        scene.target.misbehave(move |n, _| {
            if n == at {
                let judge = undercroft_vault::sweep::by_retention(
                    undercroft_model::retention::Policy::default(),
                    common::keep::day(11),
                );
                let bold = common::keep::bold();
                let silent = undercroft_model::Silent;
                let plan =
                    undercroft_vault::sweep::plan(&other, &judge, &bold, common::keep::day(11), &silent)
                        .unwrap();
                let swept = undercroft_vault::sweep::run(&other, &plan, &silent).unwrap();
                said.lock().unwrap().extend(swept.backups);
            }
            None
        });
        let copied = scene.copy();
        scene.target.behave();
        if let Err(error) = copied {
            panic!("call {at}: {}", chain(&error));
        }
        scene.all_whole();
        scene.copy().unwrap();
        scene.is_in_step();
    }
}

/// One backup of many is no alarm for the brake: that nobody deleted it is.
#[test]
fn a_backup_goes_from_the_copy_only_if_something_says_that_it_was_to_go() {
    let scene = scene();
    scene.copy().unwrap();
    let record = &scene.source.objects("records/")[0].name;
    std::fs::remove_file(scene.source.folder.path().join(record)).unwrap();
    let copied = scene.copy().unwrap();
    let first = Uuid::from_u128(1);
    assert_eq!(copied.vaults[0].withheld, Some(Withheld::Unexplained { records: 1, first }));
    assert_eq!(scene.all_whole(), [1, 2, 3]);
    scene.copy_with(&CopyPolicy { most: 100, ..CopyPolicy::default() }).unwrap();
    assert_eq!(scene.all_whole(), [2, 3]);
}

/// The copy's own record and marks say enough, whatever became of the catalog.
#[test]
fn what_the_copy_itself_says_is_over_goes() {
    for deleted in [true, false] {
        let mut scene = scene();
        if deleted {
            scene.source.mark(1, &trashed(4)).unwrap();
        } else {
            scene.day = 18;
        }
        scene.copy().unwrap();
        scene.source.sweep(scene.day);
        assert_eq!(scene.source.backups(), [2, 3]);
        let copied = scene.copy().unwrap();
        assert_eq!(copied.vaults[0].withheld, None);
        scene.is_in_step();
    }
}

#[test]
fn too_many_bytes_are_not_removed_at_once() {
    let scene = scene();
    let mut large = Tree::new();
    for n in 0..8 {
        large.file(&format!("{n}.jpg"), noise(50 + n, 700_000));
    }
    scene.source.backup(4, 4, 10, &large);
    scene.copy().unwrap();
    scene.source.mark(4, &trashed(4)).unwrap();
    scene.sweep(11);
    let copied = scene.copy().unwrap();
    let withheld = &copied.vaults[0].withheld;
    assert!(matches!(withheld, Some(Withheld::Bytes { bytes: 5_600_000.., .. })), "{withheld:?}");
    assert_eq!(scene.all_whole(), [1, 2, 3, 4]);
    scene.copy_with(&CopyPolicy { most: 100, ..CopyPolicy::default() }).unwrap();
    scene.is_in_step();
}

/// Somebody keeps a backup in the copy, or brings it back there: it stays, with all that it needs.
#[test]
fn what_is_kept_in_the_copy_stays_there() {
    for mark in [kept(5, None), restored(5)] {
        let scene = scene();
        scene.source.mark(1, &trashed(4)).unwrap();
        scene.copy().unwrap();
        vault(scene.folder.path()).write_mark(Uuid::from_u128(1), &mark).unwrap();
        scene.sweep(11);
        scene.source.backup(4, 11, 100, &tree(4));
        for _ in 0..2 {
            let copied = scene.copy().unwrap();
            assert_eq!(copied.vaults[0].withheld, None);
            assert_eq!(scene.all_whole(), [1, 2, 3, 4]);
        }
        let marks = vault(scene.folder.path()).marks_of(Uuid::from_u128(1)).unwrap();
        assert_eq!(marks, [trashed(4), mark]);
        let bold = CopyPolicy { most: 100, ..CopyPolicy::default() };
        scene.copy_with(&bold).unwrap();
        assert_eq!(scene.all_whole(), [1, 2, 3, 4]);
    }
}

/// That somebody verified a backup in the copy does not keep it there.
#[test]
fn what_was_proven_in_the_copy_goes_with_its_backup() {
    let scene = scene();
    scene.copy().unwrap();
    let what =
        Marked::Proven { deep: false, good: true, summary: String::new(), details: serde_json::json!({}) };
    vault(scene.folder.path()).write_mark(Uuid::from_u128(1), &Mark { at: day(5), what }).unwrap();
    scene.source.mark(1, &trashed(4)).unwrap();
    scene.sweep(11);
    assert_eq!(scene.copy().unwrap().vaults[0].withheld, None);
    assert_eq!(scene.all_whole(), [2, 3]);
}

/// What is cut off in the source, behind a header that is well, takes the place of no whole one.
#[test]
fn what_is_there_whole_is_not_replaced_by_a_part() {
    for below in ["records/", "marks/"] {
        let scene = scene();
        scene.copy().unwrap();
        let name = scene.source.objects(below)[0].name.clone();
        let path = scene.source.folder.path().join(&name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let copied = scene.copy().unwrap();
        let told: Vec<_> = copied.vaults[0].damaged.iter().map(|damaged| &damaged.object).collect();
        assert_eq!(told, [&name]);
        assert!(scene.store().get(&name).unwrap() == whole);
    }
}
