//! A job as the API shows it.

use std::collections::BTreeMap;

use undercroft_catalog::{Job, JobKind, JobState, Site};
use undercroft_model::api::{FinalTask, JobProgress, Workflow};
use undercroft_model::{BackupReport, EnvName};
use uuid::Uuid;

use crate::{ApiError, App};

/// The site's workflow with that id, with the backup that it made.
pub async fn find(app: &App, site: &Site, id: Uuid) -> Result<Workflow, ApiError> {
    let job = app.catalog.job(id).await?.filter(|job| job.site == site.id);
    let job = job.ok_or_else(|| ApiError::not_found(format!("There is no workflow {id}.")))?;
    let mut made = None;
    if job.state.is_final() {
        made = app.catalog.backup(id).await?;
    }
    Ok(workflow(app, job, made))
}

/// The workflow.
pub fn workflow(app: &App, mut job: Job, backup: Option<BackupReport>) -> Workflow {
    // An end that could not be written down is an end all the same.
    let ended = app.jobs.find(job.id).and_then(|running| running.ended());
    if let Some((state, reason)) = ended.filter(|_| !job.state.is_final()) {
        (job.state, job.reason) = (state, reason);
    }
    // What this program runs is told as it stands now; of other programs' jobs, what they last wrote down.
    let progress = app.jobs.find(job.id).map(|running| running.progress());
    let progress: JobProgress =
        progress.unwrap_or_else(|| serde_json::from_value(job.progress.clone()).unwrap_or_default());
    let (phase, result) = match job.state {
        JobState::Queued => ("created", None),
        JobState::Running => ("started", None),
        JobState::Succeeded => ("finished", Some("succeeded")),
        JobState::Failed => ("finished", Some("failed")),
        JobState::Cancelled => ("finished", Some("aborted")),
    };
    let done = progress.elements.values().filter(|element| element.state.is_some()).count();
    let (description, active) = descriptions(job.kind, job.env.as_ref().map_or("", EnvName::as_str));
    Workflow {
        id: job.id,
        kind: job.kind.as_str().to_owned(),
        site_id: job.site,
        environment: job.env,
        params: job.params,
        phase: phase.to_owned(),
        result: result.map(str::to_owned),
        created_at: job.created,
        started_at: job.started,
        finished_at: job.finished,
        total_time: job.started.zip(job.finished).map(|(from, to)| to - from),
        step: done as u64,
        number_of_tasks: progress.elements.len().max(1) as u64,
        description,
        active_description: progress.waiting.clone().unwrap_or(active),
        final_task: job.state.is_final().then(|| FinalTask { reason: job.reason, messages: BTreeMap::new() }),
        progress,
        backup,
        outcome: job.outcome,
    }
}

/// What a workflow does, and what it is doing, in the words that Terminus has for it.
fn descriptions(kind: JobKind, env: &str) -> (String, String) {
    match kind {
        JobKind::Backup => (
            format!("Export code, files and database from \"{env}\""),
            format!("Exporting database/files from \"{env}\""),
        ),
        JobKind::Restore => (format!("Restore \"{env}\""), format!("Restoring \"{env}\"")),
        JobKind::RestoreCode => {
            (format!("Restore code to \"{env}\""), format!("Restoring code in \"{env}\""))
        }
        JobKind::RestoreDatabase => {
            (format!("Restore database on \"{env}\""), format!("Restoring database in \"{env}\""))
        }
        JobKind::RestoreFiles => {
            (format!("Restore files on \"{env}\""), format!("Restoring files in \"{env}\""))
        }
        JobKind::PlanRestore => (
            format!("Look at what a restore would change in \"{env}\""),
            format!("Looking at what a restore would change in \"{env}\""),
        ),
        JobKind::Verify => {
            (format!("Verify backups of \"{env}\""), format!("Verifying backups of \"{env}\""))
        }
        JobKind::Check => ("Check the vault".to_owned(), "Checking the vault".to_owned()),
        JobKind::Sweep => ("Sweep the vault".to_owned(), "Sweeping the vault".to_owned()),
        JobKind::PlanSweep => (
            "Look at what a sweep would remove".to_owned(),
            "Looking at what a sweep would remove".to_owned(),
        ),
    }
}
