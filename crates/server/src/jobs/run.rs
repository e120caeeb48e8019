//! Runs jobs: each waits for its turn, keeps its lease while threads do the work, and ends.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;
use tokio::time::Instant;
use undercroft_catalog::{CatalogError, Claim, Job, JobKind, JobState, NewJob, Site};
use undercroft_model::Observer;
use undercroft_model::api::{CheckParams, SweepParams};
use uuid::Uuid;

use super::ended::Ended;
use super::running::Running;
use super::silence::Silence;
use super::{BackupJob, Lease, RestoreJob, VerifyJob};
use crate::{ApiError, App};

/// How often a waiting job looks whether it is its turn.
const TURN: Duration = Duration::from_millis(250);
/// How often a running job renews its lease and writes down how far it is.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What a job is to do.
pub enum Work {
    /// Make a backup.
    Backup(BackupJob),
    /// Restore, or tell what a restore would change.
    Restore(RestoreJob),
    /// Prove backups.
    Verify(VerifyJob),
    /// Prove all that is stored for a site.
    Check(Site, CheckParams),
    /// Remove what no backup of a site needs.
    Sweep(Site, SweepParams),
    /// Tell what a sweep would remove.
    PlanSweep(Site, SweepParams),
}

impl App {
    /// Queues a job and runs it as soon as it is its turn.
    pub(crate) async fn start(
        self: &Arc<Self>,
        job: NewJob,
        work: Work,
        running: Running,
    ) -> Result<(), ApiError> {
        let running = Arc::new(running);
        let id = job.id;
        self.catalog.add_job(job).await?;
        self.jobs.keep(id, Arc::clone(&running));
        let (app, watcher, watched) = (Arc::clone(self), Arc::clone(self), Arc::clone(&running));
        let task = tokio::spawn(async move { app.run(id, work, running).await });
        tokio::spawn(async move {
            if task.await.is_err() {
                watcher.jobs.rests(id);
                let reason = "It stopped unexpectedly; please report this as a mistake in Undercroft.";
                watched.end(JobState::Failed, reason);
            }
        });
        Ok(())
    }

    async fn run(self: Arc<Self>, id: Uuid, work: Work, running: Arc<Running>) {
        let mut fence = None;
        let done = self.try_run(id, work, &running, &mut fence).await;
        // Whatever it left half done is for the next one to end, which may begin as soon as the end is written down.
        self.jobs.rests(id);
        if let Err(ended) = done {
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
        work: Work,
        running: &Arc<Running>,
        fence: &mut Option<i64>,
    ) -> Result<(), Ended> {
        let lease = self.wait_for_turn(id, running).await?;
        *fence = Some(lease.fence);
        match work {
            Work::Backup(backup) => {
                self.settle_environment((&backup.site, &backup.env), lease, running).await?;
                self.run_backup(lease, backup, running).await
            }
            Work::Restore(restore) => self.run_restore(lease, restore, running).await,
            Work::Verify(verify) => self.run_verify(lease, verify, running).await,
            Work::Check(site, params) => self.run_check(lease, site, params, running).await,
            Work::Sweep(site, params) => self.run_sweep(lease, site, params, false, running, fence).await,
            Work::PlanSweep(site, params) => self.run_sweep(lease, site, params, true, running, fence).await,
        }
    }

    /// Writes down what came of a job, before it ends.
    pub(super) async fn write_outcome(&self, lease: Lease, outcome: &impl Serialize) -> Result<(), Ended> {
        let json = serde_json::to_value(outcome).map_err(|error| ApiError::internal(&error))?;
        Ok(self.catalog.set_outcome(lease.id, lease.fence, json).await?)
    }

    /// Writes down that a job succeeded.
    pub(super) async fn end_well(&self, lease: Lease) -> Result<(), Ended> {
        let end = (JobState::Succeeded, "");
        Ok(self.catalog.end_job(lease.id, Some(lease.fence), end, self.seconds()).await?)
    }

    /// Ends a job well, with what came of it.
    pub(super) async fn end_with(&self, lease: Lease, outcome: &impl Serialize) -> Result<(), Ended> {
        self.write_outcome(lease, outcome).await?;
        self.end_well(lease).await
    }

    pub(super) async fn wait_for_turn(self: &Arc<Self>, id: Uuid, running: &Running) -> Result<Lease, Ended> {
        let mut silence = Silence::default();
        loop {
            match self.catalog.claim(id, self.jobs.worker(), self.seconds()).await? {
                Claim::Won { fence, folder } => {
                    running.waits_for(None);
                    return Ok(Lease { id, fence, folder });
                }
                Claim::Behind(first) => {
                    running.waits_for(Some(waiting_text(&first)));
                    self.end_if_silent(&first, &mut silence).await?;
                }
            }
            if running.cancelled() {
                return Err(Ended::cancelled());
            }
            tokio::time::sleep(TURN).await;
            self.end_abandoned_restores().await?;
            self.end_abandoned_jobs().await?;
        }
    }

    /// Does a job's work on a thread where it may block, and renews the lease meanwhile.
    pub(super) async fn at_work<T: Send + 'static>(
        &self,
        lease: Lease,
        running: &Arc<Running>,
        work: impl FnOnce(&Running) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        // If nobody waits for it any more, the work must not go on for hours.
        let mut guard = StopOnDrop { running, done: false };
        let observer = Arc::clone(running);
        let work = tokio::task::spawn_blocking(move || work(&observer));
        let done = self.beating(lease, running, work).await;
        guard.done = true;
        Ok(done.map_err(|error| ApiError::internal(&error))?)
    }

    /// Waits for something that a job needs, and renews the lease meanwhile.
    pub(super) async fn beating<T>(
        &self,
        lease: Lease,
        running: &Running,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = std::pin::pin!(work);
        let mut beat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = beat.tick() => {
                    let progress = serde_json::to_value(running.progress()).unwrap_or_default();
                    let kept = self.catalog.heartbeat(lease.id, lease.fence, self.seconds(), progress).await;
                    if matches!(kept, Err(CatalogError::LostLease(_))) {
                        running.stop();
                    }
                }
            }
        }
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

fn waiting_text(first: &Job) -> String {
    let begun = if first.started.is_some() { "begun" } else { "asked for" };
    let since = jiff::Timestamp::from_second(first.started.unwrap_or(first.created) as i64);
    let since = since.map(|time| time.to_zoned_datetime(TimeZone::system()).strftime("%H:%M").to_string());
    let of = match &first.env {
        Some(_) => "this environment",
        None => "this site",
    };
    let what = match first.kind {
        JobKind::Backup => "another backup",
        other => other.name(),
    };
    format!(
        "waiting for {what} of {of}, {begun} at {}",
        since.unwrap_or_else(|_| "an unknown time".to_owned())
    )
}
