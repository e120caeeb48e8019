//! What a restore brings back: the archives that were named, or what the last restore replaced.

use std::collections::BTreeMap;

use undercroft_catalog::{Job, JobState};
use undercroft_model::api::{ElementChanges, RestoreOutcome, RestoreParams};
use undercroft_model::{Element, ElementState, Facts};
use undercroft_vault::{Vault, VaultError};
use undercroft_worker::backup_report;
use undercroft_worker::restore::ElementOrder;
use uuid::Uuid;

use super::RestoreJob;
use crate::App;
use crate::app::blocking;
use crate::backups::standing::find_archive;
use crate::jobs::ended::Ended;

/// The archives that come back, and what for.
#[derive(Clone)]
pub(super) struct Wanted {
    pub elements: Vec<ElementOrder>,
    pub takes_back: Option<Uuid>,
    pub tables: Vec<String>,
    pub paths: Vec<String>,
    pub in_place: bool,
    pub remarks: Vec<String>,
}

impl App {
    /// Finds the archives that come back.
    pub(super) async fn wanted(&self, job: &RestoreJob, vault: &Vault) -> Result<Wanted, Ended> {
        if job.params.undo {
            return self.wanted_back(job, vault).await;
        }
        let from = job.params.from.as_ref().unwrap_or(&job.env.name);
        let listed = self.listed(job.site.id, from).await?;
        let mut named = Vec::new();
        for name in &job.params.archives {
            let (report, element) = find_archive(&listed, name)?;
            named.push((report.id, element));
        }
        let vault = vault.clone();
        let elements = blocking(move || sources(&vault, &named)).await??;
        Ok(Wanted {
            elements,
            takes_back: None,
            tables: job.params.tables.clone(),
            paths: job.params.paths.clone(),
            in_place: job.params.in_place,
            remarks: Vec::new(),
        })
    }

    /// Finds what the last restore replaced.
    async fn wanted_back(&self, job: &RestoreJob, vault: &Vault) -> Result<Wanted, Ended> {
        let who = format!("{}.{}", job.site.name, job.env.name);
        let jobs = self.catalog.jobs(job.site.id, JOBS).await?;
        let mut changed = jobs.into_iter().filter(|one| {
            one.env.as_ref() == Some(&job.env.name) && one.kind.is_restore() && has_changed_something(one)
        });
        let last = changed.next();
        let last =
            last.ok_or_else(|| Ended::failed(format!("{who} was never restored: nothing is undone.")))?;
        let mut asked = asked_of(&last);
        // What an undoing brought back is what that restore had replaced which it undid, or the one before that.
        while asked.undo
            && let Some(before) = changed.next()
        {
            let in_place = asked.in_place;
            asked = asked_of(&before);
            asked.in_place |= in_place;
        }
        let safety = self.standings(job.site.id, &job.env.name).await?;
        let safety = safety.into_iter().find(|standing| standing.report.id == last.id);
        let gone = || {
            Ended::failed(format!(
                "The last restore of {who} was done without a safety backup, or that is not kept any more: nothing \
                 is undone. backup:list {who} shows what else there is."
            ))
        };
        let safety = safety.ok_or_else(gone)?;
        let there = safety.report.elements.iter().filter(|(_, one)| one.state != ElementState::Failed);
        let named: Vec<_> = there.map(|(element, _)| (safety.report.id, *element)).collect();
        let vault = vault.clone();
        let elements = blocking(move || sources(&vault, &named)).await??;
        let outcome: RestoreOutcome = serde_json::from_value(last.outcome).unwrap_or_default();
        let mut remarks = Vec::new();
        for element in outcome.elements.keys() {
            if !elements.iter().any(|one| one.element == *element) {
                remarks.push(format!(
                    "the {element} stay as they are: there were none before the restore that is undone"
                ));
            }
        }
        Ok(Wanted {
            elements,
            takes_back: Some(last.id),
            tables: asked.tables,
            paths: asked.paths,
            // Whoever may make no second schema can go back by the way that led here alone.
            in_place: asked.in_place || job.params.in_place,
            remarks,
        })
    }
}

/// So many of a site's last jobs are looked through for the last restore.
const JOBS: u64 = 100_000;

/// What a restore was asked to do.
fn asked_of(job: &Job) -> RestoreParams {
    serde_json::from_value(job.params.clone()).unwrap_or_default()
}

/// Whether a restore left the environment other than it was, so that there is something to undo. One that failed did
/// not, unless it says so.
fn has_changed_something(job: &Job) -> bool {
    let elsewhere = job.params.get("to").is_some_and(|to| !to.is_null());
    let changed =
        job.state == JobState::Succeeded || (job.state == JobState::Failed && !job.outcome.is_null());
    changed && !elsewhere
}

/// The outcome of a restore that failed, and left a database other than it was.
pub(in crate::jobs) fn changed_database(archive: Option<String>) -> serde_json::Value {
    let changes = ElementChanges { archive: archive.unwrap_or_default(), ..ElementChanges::default() };
    let elements = BTreeMap::from([(Element::Database, changes)]);
    serde_json::to_value(RestoreOutcome { elements, ..RestoreOutcome::default() }).unwrap_or_default()
}

/// The archives, with what their backups say of them.
fn sources(vault: &Vault, named: &[(Uuid, Element)]) -> Result<Vec<ElementOrder>, VaultError> {
    let mut elements = Vec::new();
    for (backup, element) in named {
        let record = vault.read_record(*backup)?;
        let Some(report) = backup_report(&record) else { continue };
        let name = report.archive_name(*element).to_string();
        let facts: Option<Facts> = report.elements.get(element).and_then(|one| one.facts.clone());
        if let Some(archive) = record.archive(&name) {
            let (archive, backup) = (archive.clone(), *backup);
            elements.push(ElementOrder { element: *element, backup, archive, facts, now: None });
        }
    }
    Ok(elements)
}
