//! A job as the API shows it.

use std::collections::BTreeMap;

use undercroft_catalog::{Job, JobState, Site};
use undercroft_model::BackupReport;
use undercroft_model::api::{FinalTask, JobProgress, Workflow};
use uuid::Uuid;

use crate::{ApiError, App};

/// The site's workflow with that id, with the backup that it made.
pub async fn find(app: &App, site: &Site, id: Uuid) -> Result<Workflow, ApiError> {
    let job = app.catalog.job(id).await?.filter(|job| job.site == site.id);
    let job = job.ok_or_else(|| ApiError::not_found(format!("There is no workflow {id}.")))?;
    let mut made = None;
    if job.state.is_final() {
        made = app.catalog.backups(site.id, &job.env, app.now()).await?.into_iter().find(|r| r.id == id);
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
    let env = &job.env;
    Workflow {
        id: job.id,
        kind: job.kind.as_str().to_owned(),
        site_id: job.site,
        environment: env.clone(),
        params: job.params,
        phase: phase.to_owned(),
        result: result.map(str::to_owned),
        created_at: job.created,
        started_at: job.started,
        finished_at: job.finished,
        total_time: job.started.zip(job.finished).map(|(from, to)| to - from),
        step: done as u64,
        number_of_tasks: progress.elements.len().max(1) as u64,
        description: format!("Export code, files and database from \"{env}\""),
        active_description: progress
            .waiting
            .clone()
            .unwrap_or_else(|| format!("Exporting database/files from \"{env}\"")),
        final_task: job.state.is_final().then(|| FinalTask { reason: job.reason, messages: BTreeMap::new() }),
        progress,
        backup,
    }
}
