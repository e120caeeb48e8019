//! Random sequences of everything that happens to a vault, against a simple model: what lives is byte-exact, what is
//! dead is freed, and index and packs agree.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeMap;

use common::faulty::Fault;
use common::keep::{Keeping, bold, day, keeping, kept, record_of, report, restored, trashed};
use common::{TOP, Tree, download, finish, noise, text};
use proptest::collection::vec;
use proptest::prelude::*;
use undercroft_model::retention::{Fate, Kept, Policy, fates};
use undercroft_model::{BackupReport, Element, Mark, Silent};
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::session::Session;
use undercroft_vault::sweep::{self, SweepError, SweepPolicy};
use undercroft_vault::tree::{TreeJob, write_tree};
use undercroft_vault::{MarkError, Vault, VaultError};
use uuid::Uuid;

/// Something that happens. Backups are drawn by a number among all that there ever were.
#[derive(Debug, Clone)]
enum Step {
    Backup {
        tree: u64,
        keep_for: i64,
    },
    /// It is killed at this of its calls to the store.
    CutBackup {
        tree: u64,
        at: u64,
    },
    /// Its worker is stopped in its tracks, a sweep runs, and it goes on: from its very beginning, or from right
    /// before its record.
    LostLease {
        tree: u64,
        late: bool,
    },
    Delete(usize),
    Undelete(usize),
    Keep(usize, Option<i64>),
    Sweep,
    CutSweep {
        at: u64,
    },
    Pass(i64),
    ClockBack(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..5u64, 1..20i64).prop_map(|(tree, keep_for)| Step::Backup { tree, keep_for }),
        2 => (0..5u64, 0..24u64).prop_map(|(tree, at)| Step::CutBackup { tree, at }),
        2 => (0..5u64, any::<bool>()).prop_map(|(tree, late)| Step::LostLease { tree, late }),
        4 => (0..20usize).prop_map(Step::Delete),
        2 => (0..20usize).prop_map(Step::Undelete),
        2 => (0..20usize, proptest::option::of(0..40i64)).prop_map(|(n, days)| Step::Keep(n, days)),
        4 => Just(Step::Sweep),
        3 => (0..60u64).prop_map(|at| Step::CutSweep { at }),
        4 => (1..15i64).prop_map(Step::Pass),
        1 => (1..30i64).prop_map(Step::ClockBack),
    ]
}

fn tree(number: u64) -> Tree {
    let mut tree = Tree::new();
    for n in 0..4 {
        tree.file(&format!("shared/{n}.jpg"), noise(n, 60_000));
        tree.file(&format!("pair/{n}.jpg"), noise(100 * (number / 2 + 1) + n, 60_000));
        tree.file(&format!("own/{n}.jpg"), noise(1000 * (number + 1) + n, 60_000));
    }
    tree.file("page.html", text(number, 30_000));
    tree
}

/// A backup as the model knows it.
struct Modelled {
    report: BackupReport,
    marks: Vec<Mark>,
    bytes: Vec<u8>,
    tree: u64,
    /// A sweep may have removed it: at that time, its fate was to go.
    may_be_gone: bool,
}

struct Model {
    keeping: Keeping,
    backups: BTreeMap<u128, Modelled>,
    next: u128,
    now: i64,
    latest: i64,
}

/// A sweep as it runs by itself: the clock is checked.
fn checked() -> SweepPolicy {
    SweepPolicy { most: 100, ..SweepPolicy::default() }
}

impl Model {
    fn new() -> Self {
        Model { keeping: keeping(), backups: BTreeMap::new(), next: 1, now: 0, latest: 0 }
    }

    /// A vault as another process has it.
    fn vault(&self) -> Vault {
        common::vault(self.keeping.folder.path())
    }

    fn id(&mut self) -> u128 {
        self.next += 1;
        self.next - 1
    }

    fn recorded(&mut self, id: u128, keep_for: i64, tree: u64, archive: &ArchiveRecord) {
        let bytes = download(&self.keeping.vault, archive).unwrap();
        let report = report(id, self.now, keep_for);
        self.backups.insert(id, Modelled { report, marks: vec![], bytes, tree, may_be_gone: false });
    }

    fn drawn(&self, n: usize) -> Option<u128> {
        self.backups.keys().nth(n % self.backups.len().max(1)).copied()
    }

    fn fates(&self) -> BTreeMap<u128, Fate> {
        let kept = |b: &u128| {
            let modelled = &self.backups[b];
            Kept { report: &modelled.report, marks: &modelled.marks }
        };
        let recorded = self.keeping.backups();
        let there: Vec<_> = recorded.iter().filter(|id| self.backups.contains_key(id)).map(kept).collect();
        let fates = fates(&there, day(self.now), &Policy::default().into());
        fates.into_iter().map(|(id, fate)| (id.as_u128(), fate)).collect()
    }

    /// A sweep is about to be planned: from here on, what is to go may be gone.
    fn expect_sweep(&mut self) {
        for (id, fate) in self.fates() {
            if matches!(fate, Fate::Gone { .. }) {
                self.backups.get_mut(&id).unwrap().may_be_gone = true;
            }
        }
    }

    fn sweep_with(&self, policy: &SweepPolicy) -> Result<(), SweepError> {
        let vault = &self.keeping.vault;
        let judge = sweep::by_retention(Policy::default(), day(self.now));
        let plan = sweep::plan(vault, &judge, policy, day(self.now), &Silent)?;
        sweep::run(vault, &plan, &Silent).map(drop)
    }

    fn mark(&mut self, n: usize, mark: Mark) {
        let Some(id) = self.drawn(n) else { return };
        let result = self.keeping.mark(id, &mark);
        let modelled = self.backups.get_mut(&id).unwrap();
        match result {
            Ok(()) => {
                if matches!(
                    mark.what,
                    undercroft_model::Marked::Restored | undercroft_model::Marked::Keep { .. }
                ) {
                    modelled.may_be_gone = false;
                }
                modelled.marks.push(mark);
            }
            Err(MarkError::TooLate { .. }) => assert!(modelled.may_be_gone, "it was promised to be there"),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn session(
        &self,
        vault: &Vault,
        number: u64,
        meanwhile: impl FnOnce(),
    ) -> Result<ArchiveRecord, VaultError> {
        let session = Session::begin(vault)?;
        meanwhile();
        let observer = &Silent;
        let job =
            TreeJob { name: "files.tar.gz", top: TOP, element: Element::Files, previous: None, observer };
        let written = write_tree(&session, &mut tree(number).source(), job);
        finish(session, written).map(|((archive, _), _)| archive)
    }

    fn lost_lease(&mut self, number: u64, late: bool) {
        let (id, vault) = (self.id(), self.vault());
        self.expect_sweep();
        let sweep = || match self.sweep_with(&checked()) {
            Ok(()) | Err(SweepError::Braked(_)) => {}
            Err(other) => panic!("{other:?}"),
        };
        let archive = match self.session(&vault, number, || {
            if !late {
                sweep()
            }
        }) {
            Err(VaultError::Swept { .. }) => return,
            other => other.unwrap(),
        };
        if late {
            sweep();
        }
        match vault.write_record(Uuid::from_u128(id), &record_of(&report(id, self.now, 5), &archive)) {
            Err(VaultError::Swept { .. }) => {}
            Err(other) => panic!("{other:?}"),
            Ok(()) => self.recorded(id, 5, number, &archive),
        }
    }

    fn cut_backup(&mut self, number: u64, at: u64) {
        let id = self.id();
        self.keeping.store.misbehave(move |n, _| (n >= at).then_some(Fault::Fail));
        let _ = self.keeping.try_backup(id, self.now, 5, &tree(number));
        self.keeping.store.behave();
        // It exists if its record does, whatever its worker heard.
        if let Ok(record) = self.keeping.vault.read_record(Uuid::from_u128(id)) {
            self.recorded(id, 5, number, &record.archives[0].clone());
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Backup { tree: number, keep_for } => {
                let id = self.id();
                let archive = self.keeping.backup(id, self.now, keep_for, &tree(number));
                self.recorded(id, keep_for, number, &archive);
            }
            Step::CutBackup { tree, at } => self.cut_backup(tree, at),
            Step::LostLease { tree, late } => self.lost_lease(tree, late),
            Step::Delete(n) => self.mark(n, trashed(self.now)),
            Step::Undelete(n) => {
                self.mark(n, restored(self.now));
                self.mark(n, kept(self.now, Some(self.now + 5)));
            }
            Step::Keep(n, days) => self.mark(n, kept(self.now, days.map(|days| self.now + days))),
            Step::Sweep => {
                self.expect_sweep();
                match self.sweep_with(&checked()) {
                    Ok(()) | Err(SweepError::Braked(_)) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            Step::CutSweep { at } => {
                self.expect_sweep();
                self.keeping.store.misbehave(move |n, _| (n >= at).then_some(Fault::Fail));
                let _ = self.sweep_with(&checked());
                self.keeping.store.behave();
            }
            Step::Pass(days) => self.now += days,
            Step::ClockBack(days) => self.now -= days,
        }
        self.latest = self.latest.max(self.now);
    }

    /// What is to be there is there, and whatever is there is what it was.
    fn check(&self) {
        let there = self.keeping.backups();
        for (id, modelled) in &self.backups {
            if there.contains(id) {
                assert!(self.keeping.read(*id).unwrap() == modelled.bytes, "backup {id} is not what it was");
            } else {
                assert!(modelled.may_be_gone, "backup {id} is gone");
            }
        }
        assert!(there.iter().all(|id| self.backups.contains_key(id)), "{there:?}");
    }

    /// Once everything that was begun is finished, a vault is as large as what lives in it needs.
    fn settle(&mut self) {
        self.now = self.latest + 1;
        self.expect_sweep();
        self.sweep_with(&bold()).unwrap();
        self.check();
        let judge = sweep::by_retention(Policy::default(), day(self.now));
        let plan = sweep::plan(&self.keeping.vault, &judge, &bold(), day(self.now), &Silent).unwrap();
        assert!(plan.is_empty(), "{plan:?}");
        for (id, fate) in self.fates() {
            assert!(!matches!(fate, Fate::Gone { .. }), "backup {id} should be gone");
        }
        let fresh = keeping();
        for id in self.keeping.backups() {
            fresh.backup(id, 0, 5, &tree(self.backups[&id].tree));
        }
        let packs = |keeping: &Keeping| keeping.objects("packs/").iter().map(|pack| pack.len).sum::<u64>();
        let (bytes, needed) = (packs(&self.keeping), packs(&fresh));
        assert!(bytes * 10 <= needed * 11, "{bytes} bytes, where {needed} would do");
        assert!(self.keeping.objects("index/").len() <= 18);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_what_lives_stays_and_what_is_dead_goes(steps in vec(step(), 4..24)) {
        let mut model = Model::new();
        for step in &steps {
            model.take(step);
            if matches!(step, Step::Sweep | Step::CutSweep { .. } | Step::LostLease { .. }) {
                model.check();
            }
        }
        model.check();
        model.settle();
    }
}
