//! Backups with reports, marks and a clock that tests set: what retention and the sweep are tested with.

use std::sync::Arc;

use jiff::Timestamp;
use undercroft_model::retention::Policy;
use undercroft_model::{
    BackupFolder, BackupKind, BackupReport, Element, ElementReport, ElementState, Mark, Marked, Silent,
    TrashedWhy,
};
use undercroft_vault::record::{ArchiveRecord, Record};
use undercroft_vault::store::{self, Store};
use undercroft_vault::sweep::{self, SweepError, SweepPlan, SweepPolicy, Swept};
use undercroft_vault::{MarkError, Vault, VaultError};
use uuid::Uuid;

use super::faulty::Faulty;
use super::{SITE, Tree, backup_tree, download, gunzip, vault_on};

/// The day from which tests count: later than any file that they write.
const START: i64 = 2_000_000_000;

pub fn day(day: i64) -> Timestamp {
    Timestamp::from_second(START + day * 86_400).unwrap()
}

/// A vault on a store that can misbehave, swept by retention.
pub struct Keeping {
    pub folder: tempfile::TempDir,
    pub store: Arc<Faulty>,
    pub vault: Vault,
}

pub fn keeping() -> Keeping {
    keeping_in(tempfile::tempdir().unwrap())
}

/// The same in a folder that is there.
pub fn keeping_in(folder: tempfile::TempDir) -> Keeping {
    let store = Faulty::around(Arc::new(store::local(folder.path()).unwrap()));
    let vault = vault_on(store.clone());
    Keeping { folder, store, vault }
}

/// A report of a good backup of files.
pub fn report(id: u128, at: i64, keep_for: i64) -> BackupReport {
    let element = ElementReport {
        state: ElementState::Good,
        error: None,
        size: 0,
        raw: 0,
        read: 0,
        reused: 0,
        seconds: 0.0,
        facts: None,
        remarks: vec![],
        remarks_total: 0,
        lost_total: 0,
    };
    BackupReport {
        id: Uuid::from_u128(id),
        site: SITE,
        site_name: "shop".parse().unwrap(),
        env: "live".parse().unwrap(),
        folder: BackupFolder { started: day(at).as_second(), kind: BackupKind::Manual },
        moment: day(at),
        finished: day(at),
        expires: day(at + keep_for),
        program: String::new(),
        safety: false,
        elements: [(Element::Files, element)].into(),
    }
}

pub fn record_of(report: &BackupReport, archive: &ArchiveRecord) -> Record {
    Record { about: serde_json::to_value(report).unwrap(), archives: vec![archive.clone()] }
}

/// No day is too early and no share too much: for tests of other things than these.
pub fn bold() -> SweepPolicy {
    SweepPolicy { most: 100, clock_is_right: true, ..SweepPolicy::default() }
}

pub fn trashed(at: i64) -> Mark {
    Mark { at: day(at), what: Marked::Trashed { why: TrashedWhy::Asked } }
}

pub fn kept(at: i64, until: Option<i64>) -> Mark {
    Mark { at: day(at), what: Marked::Keep { until: until.map(day), note: String::new() } }
}

pub fn restored(at: i64) -> Mark {
    Mark { at: day(at), what: Marked::Restored }
}

impl Keeping {
    /// A backup of a tree, made on a day and kept for so many.
    pub fn backup(&self, id: u128, at: i64, keep_for: i64, tree: &Tree) -> ArchiveRecord {
        self.try_backup(id, at, keep_for, tree).unwrap()
    }

    pub fn try_backup(
        &self,
        id: u128,
        at: i64,
        keep_for: i64,
        tree: &Tree,
    ) -> Result<ArchiveRecord, VaultError> {
        let (archive, ..) = backup_tree(&self.vault, tree, None)?;
        self.vault.write_record(Uuid::from_u128(id), &record_of(&report(id, at, keep_for), &archive))?;
        Ok(archive)
    }

    pub fn mark(&self, id: u128, mark: &Mark) -> Result<(), MarkError> {
        self.vault.write_mark(Uuid::from_u128(id), mark)
    }

    pub fn plan(&self, at: i64, policy: &SweepPolicy) -> Result<SweepPlan, SweepError> {
        let judge = sweep::by_retention(Policy::default(), day(at));
        sweep::plan(&self.vault, &judge, policy, day(at), &Silent)
    }

    pub fn sweep(&self, at: i64) -> Swept {
        self.try_sweep(at).unwrap()
    }

    pub fn try_sweep(&self, at: i64) -> Result<Swept, SweepError> {
        sweep::run(&self.vault, &self.plan(at, &bold())?, &Silent)
    }

    pub fn backups(&self) -> Vec<u128> {
        self.vault.records().unwrap().iter().map(Uuid::as_u128).collect()
    }

    /// Objects of the vault below a folder of it.
    pub fn objects(&self, below: &str) -> Vec<store::Listed> {
        store::local(self.folder.path()).unwrap().list(&format!("vaults/{SITE}/{below}")).unwrap()
    }

    /// Bytes of all objects.
    pub fn bytes(&self) -> u64 {
        self.objects("").iter().map(|object| object.len).sum()
    }

    /// Every backup that has a record is whole.
    pub fn all_whole(&self) {
        for id in self.vault.records().unwrap() {
            let record = self.vault.read_record(id).unwrap();
            for archive in &record.archives {
                let bytes = download(&self.vault, archive).unwrap();
                gunzip(&bytes, archive.raw_len);
            }
        }
    }

    /// The bytes of a backup's archive.
    pub fn read(&self, id: u128) -> Result<Vec<u8>, VaultError> {
        let record = self.vault.read_record(Uuid::from_u128(id))?;
        download(&self.vault, &record.archives[0])
    }
}
