//! Runs a backup: waits for its turn, keeps its lease, lets the worker do it, and commits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::Instant;
use undercroft_catalog::{CatalogError, Claim, Environment, Job, JobState, NewJob, Site};
use undercroft_model::{BackupFolder, BackupKind, BackupReport, Element, ElementSet, ElementState, KeepFor};
use undercroft_vault::{Vault, VaultError};
use undercroft_worker::{BackupError, BackupOrder, Earlier, Made, Workplace, back_up, chain};
use uuid::Uuid;

use super::abandoned::adopt_backups;
use super::running::Running;
use crate::app::blocking;
use crate::{ApiError, App};

/// How often a waiting job looks whether it is its turn.
const TURN: Duration = Duration::from_millis(250);
/// How often a running job renews its lease and writes down how far it is.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What a backup job is to do.
pub struct BackupJob {
    /// The site.
    pub site: Site,
    /// The environment.
    pub env: Environment,
    /// What is to be in it.
    pub elements: ElementSet,
    /// How long it is kept.
    pub keep_for: KeepFor,
    /// Whether an element may be much smaller than the last good one.
    pub accept_smaller: bool,
}

/// Why a job ended without a backup, or with one that isn't whole.
struct Ended {
    state: JobState,
    reason: String,
}

impl From<ApiError> for Ended {
    fn from(error: ApiError) -> Self {
        Ended { state: JobState::Failed, reason: error.message }
    }
}

impl From<CatalogError> for Ended {
    fn from(error: CatalogError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<VaultError> for Ended {
    fn from(error: VaultError) -> Self {
        Ended { state: JobState::Failed, reason: chain(&error) }
    }
}

impl From<BackupError> for Ended {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Cancelled(_) => {
                Ended { state: JobState::Cancelled, reason: "It was cancelled.".into() }
            }
            BackupError::Nothing(elements) => {
                let all: Vec<_> =
                    elements.iter().map(|(element, error)| format!("{element}: {}", chain(error))).collect();
                Ended { state: JobState::Failed, reason: all.join("\n") }
            }
            other => Ended { state: JobState::Failed, reason: chain(&other) },
        }
    }
}

impl App {
    /// Queues a backup and runs it as soon as it is its turn.
    pub(crate) async fn start(self: &Arc<Self>, job: NewJob, backup: BackupJob) -> Result<(), ApiError> {
        let running = Arc::new(Running::new(backup.elements));
        let id = job.id;
        self.catalog.add_job(job).await?;
        self.jobs.keep(id, Arc::clone(&running));
        let (app, watched) = (Arc::clone(self), Arc::clone(&running));
        let task = tokio::spawn(async move { app.run(id, backup, running).await });
        tokio::spawn(async move {
            if task.await.is_err() {
                let reason = "It stopped unexpectedly; please report this as a mistake in Undercroft.";
                watched.end(JobState::Failed, reason);
            }
        });
        Ok(())
    }

    async fn run(self: Arc<Self>, id: Uuid, backup: BackupJob, running: Arc<Running>) {
        let mut fence = None;
        if let Err(ended) = self.try_run(id, backup, &running, &mut fence).await {
            let end = (ended.state, ended.reason.as_str());
            if let Err(error) = self.catalog.end_job(id, fence, end, self.seconds()).await {
                // Whoever took the job over has ended it already; who asked for it is told all the same.
                tracing::warn!(%id, %error, "a job's end could not be written down");
            }
            running.end(ended.state, &ended.reason);
        }
    }

    async fn try_run(
        self: &Arc<Self>,
        id: Uuid,
        backup: BackupJob,
        running: &Arc<Running>,
        fence: &mut Option<i64>,
    ) -> Result<(), Ended> {
        let (won, folder) = self.wait_for_turn(id, running).await?;
        *fence = Some(won);
        let site = backup.site.id;
        let opener = Arc::clone(self);
        let vault = blocking(move || opener.vault_to_write(site)).await??;
        adopt_backups(&self.catalog, &vault, site).await?;
        let folder = BackupFolder { started: folder, kind: BackupKind::Manual };
        let order = self.order(id, folder, backup, &vault).await?;
        let made = self.work(order, vault.clone(), running, won).await?;
        if undercroft_model::Observer::cancelled(running.as_ref()) {
            return Err(BackupError::Cancelled(undercroft_model::Cancelled).into());
        }
        for (element, report) in &made.report.elements {
            running.over(*element, report.state, report.raw);
        }
        running.stored(made.stored.bytes);
        self.commit(id, won, vault, made).await
    }

    async fn wait_for_turn(&self, id: Uuid, running: &Running) -> Result<(i64, i64), Ended> {
        loop {
            match self.catalog.claim(id, self.jobs.worker(), self.seconds()).await? {
                Claim::Won { fence, folder } => {
                    running.waits_for(None);
                    return Ok((fence, folder));
                }
                Claim::Behind(first) => running.waits_for(Some(waiting_text(&first))),
            }
            if undercroft_model::Observer::cancelled(running) {
                return Err(Ended { state: JobState::Cancelled, reason: "It was cancelled.".into() });
            }
            tokio::time::sleep(TURN).await;
            self.end_abandoned_jobs().await?;
        }
    }

    async fn order(
        &self,
        id: Uuid,
        folder: BackupFolder,
        backup: BackupJob,
        vault: &Vault,
    ) -> Result<BackupOrder, Ended> {
        let reports = self.catalog.backups(backup.site.id, &backup.env.name, self.now()).await?;
        let vault = vault.clone();
        let elements = backup.elements;
        let earlier = blocking(move || earlier(&vault, &reports, elements)).await?;
        Ok(BackupOrder {
            id,
            site: backup.site.id,
            site_name: backup.site.name,
            env: backup.env.name,
            folder,
            keep_for: backup.keep_for,
            elements,
            settings: backup.env.settings,
            earlier,
            accept_smaller: backup.accept_smaller,
        })
    }

    async fn work(
        &self,
        order: BackupOrder,
        vault: Vault,
        running: &Arc<Running>,
        fence: i64,
    ) -> Result<Made, Ended> {
        let place = Workplace {
            vault,
            cache: self.data.cache(),
            own: vec![self.data.root().to_owned()],
            clock: self.clock,
            program: format!("undercroft {}", env!("CARGO_PKG_VERSION")),
        };
        let id = order.id;
        // If nobody waits for it any more, the work must not go on for hours.
        let mut guard = StopOnDrop { running, done: false };
        let observer = Arc::clone(running);
        let mut work = tokio::task::spawn_blocking(move || back_up(&order, &place, observer.as_ref()));
        let mut beat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        loop {
            tokio::select! {
                made = &mut work => {
                    guard.done = true;
                    return Ok(made.map_err(|error| ApiError::internal(&error))??);
                }
                _ = beat.tick() => {
                    let progress = serde_json::to_value(running.progress()).unwrap_or_default();
                    let kept = self.catalog.heartbeat(id, fence, self.seconds(), progress).await;
                    if matches!(kept, Err(CatalogError::LostLease(_))) {
                        running.stop();
                    }
                }
            }
        }
    }

    async fn commit(&self, id: Uuid, fence: i64, vault: Vault, made: Made) -> Result<(), Ended> {
        let Made { record, report, .. } = made;
        let reason = shortfall(&report);
        let state = if reason.is_empty() { JobState::Succeeded } else { JobState::Failed };
        let write =
            async move || blocking(move || vault.write_record(id, &record)).await?.map_err(Ended::from);
        self.catalog.commit_backup(id, fence, &report, (state, &reason), write).await
    }
}

/// Asks a job to stop if its task is dropped before the work is done.
struct StopOnDrop<'r> {
    running: &'r Running,
    done: bool,
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.running.stop();
        }
    }
}

/// What earlier backups know of each element: the newest archive, and what the last good one held.
fn earlier(vault: &Vault, reports: &[BackupReport], elements: ElementSet) -> BTreeMap<Element, Earlier> {
    let of = |element: Element| {
        let archive = reports.iter().find_map(|report| {
            let there = report.elements.get(&element)?.state != ElementState::Failed;
            // A record that can't be read costs the reuse, not the backup.
            let record = there.then(|| vault.read_record(report.id).ok()).flatten()?;
            let name = report.archive_name(element).to_string();
            record.archives.into_iter().find(|archive| archive.name == name)
        });
        let good = reports.iter().find_map(|report| {
            let one = report.elements.get(&element)?;
            (one.state == ElementState::Good).then(|| one.facts.clone()).flatten()
        });
        Earlier { archive, good }
    };
    elements.iter().map(|element| (element, of(element))).collect()
}

/// What is not as it should be in a backup, an element a line; empty if all is good.
fn shortfall(report: &BackupReport) -> String {
    let lines = report.elements.iter().filter_map(|(element, one)| match one.state {
        ElementState::Good => None,
        ElementState::Failed => {
            Some(format!("{element}: it failed: {}", one.error.as_deref().unwrap_or("no reason is known")))
        }
        ElementState::Incomplete => Some(format!("{element}: it is incomplete: {} lost", one.lost_total)),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn waiting_text(first: &Job) -> String {
    let begun = if first.started.is_some() { "begun" } else { "asked for" };
    let since = jiff::Timestamp::from_second(first.started.unwrap_or(first.created) as i64);
    let since = since.map(|time| time.to_zoned_datetime(TimeZone::system()).strftime("%H:%M").to_string());
    format!(
        "waiting for another backup of this environment, {begun} at {}",
        since.unwrap_or_else(|_| "an unknown time".to_owned())
    )
}
