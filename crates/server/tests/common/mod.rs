//! A data folder in use with a small site beside it, spoken to through the API, and a clock that the test sets.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a test may fail anywhere")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use undercroft_catalog::{Catalog, Sealer};
use undercroft_client::{Client, InProcess};
use undercroft_model::api::{
    AddSite, CatalogEntry, CheckParams, ExportParams, Overrides, SweepOutcome, SweepParams, Workflow,
};
use undercroft_model::{BackupFolder, Element, EnvName, Secret};
use undercroft_server::{App, DataFolder, Patience, router};
use uuid::Uuid;

pub const DAY: i64 = 86_400;

/// A clock that stands still until it is set.
#[derive(Clone)]
pub struct SetClock {
    began: Timestamp,
    seconds: Arc<AtomicI64>,
    /// So many seconds pass each time it is asked.
    step: Arc<AtomicI64>,
}

impl SetClock {
    /// It begins with this machine's time, since the store's own times are of that.
    fn new() -> Self {
        SetClock { began: Timestamp::now(), seconds: Arc::default(), step: Arc::default() }
    }

    /// So many seconds after it began.
    pub fn set(&self, seconds: i64) {
        self.seconds.store(seconds, Ordering::SeqCst);
    }

    /// Lets so many seconds pass each time it is asked: what comes later is later.
    pub fn step(&self, seconds: i64) {
        self.step.store(seconds, Ordering::SeqCst);
    }

    pub fn now(&self) -> Timestamp {
        let step = self.step.load(Ordering::SeqCst);
        let seconds = self.seconds.fetch_add(step, Ordering::SeqCst);
        Timestamp::from_second(self.began.as_second() + seconds).unwrap()
    }
}

/// A data folder in use, and a site.
pub struct House {
    pub folder: TempDir,
    pub clock: SetClock,
    pub client: Client,
    pub site: Uuid,
}

pub fn live() -> EnvName {
    "live".parse().unwrap()
}

impl House {
    /// A site `shop` whose environment `live` has code in a plain folder, and files.
    pub async fn new() -> House {
        // By a clock that stands still everybody is silent.
        House::with(Patience { sweep: Duration::MAX, others: Duration::MAX }).await
    }

    /// The same, with another patience for jobs that say nothing.
    pub async fn with(patience: Patience) -> House {
        let (folder, clock) = (tempfile::tempdir().unwrap(), SetClock::new());
        let ticks = clock.clone();
        let data = DataFolder::open(&folder.path().join("data")).unwrap();
        let app = App::open_with(data, Arc::new(move || ticks.now()), patience).await.unwrap();
        let client = Client::new(InProcess(router(app)));
        let mut house = House { folder, clock, client, site: Uuid::nil() };
        house.site = house.add("live", None).await;
        house
    }

    /// Adds an environment of the site, whose folders are made; with a database only to be waited for.
    pub async fn add(&self, env: &str, database: Option<u16>) -> Uuid {
        let root = self.root(env);
        fs::create_dir_all(root.join("uploads")).unwrap();
        fs::create_dir_all(root.join("code")).unwrap();
        fs::write(root.join("code/index.php"), "<?php // shop\n").unwrap();
        fs::write(root.join("uploads/logo.svg"), "<svg/>").unwrap();
        let overrides = Overrides {
            code: Some(root.join("code").display().to_string()),
            code_folder: true,
            files: Some(root.join("uploads")),
            database: database.map(|port| Secret::new(format!("mysql://shop:x@127.0.0.1:{port}/shop"))),
            no_database: database.is_none(),
            ..Overrides::default()
        };
        let asked = AddSite {
            folder: root,
            name: Some("shop".parse().unwrap()),
            env: env.parse().unwrap(),
            overrides,
            dry_run: false,
            variables: BTreeMap::new(),
        };
        self.client.add_site(&asked).await.unwrap().site.id
    }

    /// The folder of an environment.
    pub fn root(&self, env: &str) -> PathBuf {
        self.folder.path().join("site").join(env)
    }

    /// Writes a file of an environment's uploads: bytes that don't shrink, drawn from a seed.
    pub fn write(&self, env: &str, name: &str, len: usize, seed: u64) {
        let path = self.root(env).join("uploads").join(name);
        fs::write(path, noise(len, seed)).unwrap();
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("data/store")
    }

    /// Bytes of all files in the store.
    pub fn stored(&self) -> u64 {
        size_of(&self.store())
    }

    /// The catalog, as another program opens it.
    pub async fn catalog(&self) -> Catalog {
        let data = self.data();
        let sealer = Sealer::new(&data.key_for("secrets of the catalog").unwrap()).unwrap();
        Catalog::open(&data.catalog(), sealer).await.unwrap()
    }

    pub fn data(&self) -> DataFolder {
        DataFolder::open(&self.folder.path().join("data")).unwrap()
    }

    /// Asks for a backup that is kept for so many days.
    pub async fn ask_backup(&self, env: &str, days: i64) -> Workflow {
        let params = ExportParams {
            code: true,
            database: true,
            files: true,
            entry_type: "backup".into(),
            ttl: days * DAY,
            accept_smaller: false,
            only_what_is_there: true,
        };
        self.client.create_backup(self.site, &env.parse().unwrap(), &params).await.unwrap()
    }

    /// Makes a backup, which has to be good. Its folder.
    pub async fn back_up(&self, days: i64) -> BackupFolder {
        let asked = self.ask_backup("live", days).await;
        let done = self.done(&asked).await;
        assert_eq!(done.result.as_deref(), Some("succeeded"), "{:?}", done.final_task);
        done.backup.unwrap().folder
    }

    /// The workflow when it is over.
    pub async fn done(&self, asked: &Workflow) -> Workflow {
        loop {
            let now = self.client.workflow(self.site, asked.id).await.unwrap();
            if now.result.is_some() {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The workflow as soon as it has begun.
    pub async fn begun(&self, asked: &Workflow) -> Workflow {
        loop {
            let now = self.client.workflow(self.site, asked.id).await.unwrap();
            if now.phase != "created" {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn entries(&self) -> Vec<(String, CatalogEntry)> {
        self.client.catalog(self.site, &live()).await.unwrap()
    }

    /// The folders of the backups that are listed, oldest first.
    pub async fn listed(&self) -> Vec<BackupFolder> {
        folders(self.entries().await)
    }

    /// The folders of the backups in the trash, oldest first.
    pub async fn trash(&self) -> Vec<BackupFolder> {
        folders(self.client.trash(self.site, &live()).await.unwrap())
    }

    /// What the catalog says of a listed backup.
    pub async fn entry(&self, folder: BackupFolder) -> CatalogEntry {
        let all = self.entries().await;
        all.into_iter().map(|(_, entry)| entry).find(|entry| entry.folder == folder.to_string()).unwrap()
    }

    /// Whether the backup can be brought back.
    pub async fn undelete(&self, folder: BackupFolder) -> Result<(), String> {
        let kept = self.client.undelete_backup(self.site, &live(), folder).await;
        kept.map(|_| ()).map_err(|error| error.to_string())
    }

    pub async fn delete(&self, folder: BackupFolder) {
        self.client.delete_backup(self.site, &live(), folder).await.unwrap();
    }

    pub async fn ask_sweep(&self, params: &SweepParams) -> Workflow {
        self.client.create_site_workflow(self.site, "sweep", params).await.unwrap()
    }

    /// Sweeps: what came of it, or why nothing did.
    pub async fn sweep(&self, params: SweepParams) -> Result<SweepOutcome, String> {
        let asked = self.ask_sweep(&params).await;
        outcome(self.done(&asked).await)
    }

    /// Sweeps however much would be freed.
    pub async fn sweep_all(&self) -> SweepOutcome {
        self.sweep(SweepParams { however_much: true, clock_is_right: false }).await.unwrap()
    }

    /// Every byte that is stored is as it should be.
    pub async fn check(&self) {
        let params = CheckParams::default();
        let asked = self.client.create_site_workflow(self.site, "check", &params).await.unwrap();
        let done = self.done(&asked).await;
        assert_eq!(done.result.as_deref(), Some("succeeded"), "{:?} {}", done.final_task, done.outcome);
    }

    /// The bytes of an archive.
    pub async fn archive(&self, folder: BackupFolder, element: Element) -> Vec<u8> {
        let link = self.client.download_link(self.site, &live(), folder, element).await.unwrap();
        let mut download = self.client.download(&link, 0).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = download.next_piece().await.unwrap() {
            bytes.extend_from_slice(&piece);
        }
        bytes
    }
}

pub fn outcome(done: Workflow) -> Result<SweepOutcome, String> {
    match done.result.as_deref() {
        Some("succeeded") => Ok(serde_json::from_value(done.outcome).unwrap()),
        _ => Err(done.final_task.unwrap_or_default().reason),
    }
}

fn folders(entries: Vec<(String, CatalogEntry)>) -> Vec<BackupFolder> {
    let mut all: Vec<BackupFolder> =
        entries.into_iter().map(|(_, entry)| entry.folder.parse().unwrap()).collect();
    all.sort_by_key(|folder| folder.started);
    all.dedup();
    all
}

pub fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let facts = entry.metadata().unwrap();
            if facts.is_dir() { size_of(&entry.path()) } else { facts.len() }
        })
        .sum()
}

/// Bytes without a pattern (splitmix64).
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
    };
    (0..len.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(len).collect()
}
