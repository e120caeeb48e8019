//! Runs a verification, and writes on the backups what it found.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use undercroft_catalog::{Environment, JobState, Site};
use undercroft_model::api::{VerifiedBackup, VerifyOutcome, VerifyParams};
use undercroft_model::{Element, Marked};
use undercroft_worker::restore::JournalPlace;
use undercroft_worker::{VerifyError, VerifyOrder, chain, verify};

use super::Lease;
use super::ended::Ended;
use super::running::Running;
use crate::App;
use crate::app::blocking;

/// What a verify job is to do.
pub struct VerifyJob {
    /// The site.
    pub site: Site,
    /// The environment.
    pub env: Environment,
    /// What is asked.
    pub params: VerifyParams,
}

impl From<VerifyError> for Ended {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Cancelled(_) => Ended::cancelled(),
            VerifyError::Vault(error) => error.into(),
            other => Ended::failed(chain(&other)),
        }
    }
}

impl App {
    pub(super) async fn run_verify(
        self: &Arc<Self>,
        lease: Lease,
        job: VerifyJob,
        running: &Arc<Running>,
    ) -> Result<(), Ended> {
        let VerifyJob { site, env, params } = job;
        let who = format!("{}.{}", site.name, env.name);
        let listed = self.listed(site.id, &env.name).await?;
        let mut backups: Vec<_> = listed.into_iter().map(|standing| standing.report).collect();
        if !params.folders.is_empty() {
            backups.retain(|report| params.folders.contains(&report.folder.to_string()));
        } else if !params.all {
            let newest = backups.iter().position(|report| !report.safety).unwrap_or(0);
            backups = backups.into_iter().skip(newest).take(1).collect();
        }
        if backups.is_empty() {
            return Err(Ended::failed(match params.folders.is_empty() {
                true => format!("{who} has no backups: backup:create {who} makes one."),
                false => format!("{who} has no such backup: backup:list {who} shows what there is."),
            }));
        }
        let (site_id, opener) = (site.id, Arc::clone(self));
        let vault = blocking(move || opener.vault(site_id)).await??;
        let (place, worker, folder) = (self.workplace(vault), self.jobs.worker(), self.data.restores());
        let (deep, whole) = (params.deep, params.elements.is_empty());
        let asked = asked_of(&params.elements);
        let order = VerifyOrder {
            id: lease.id,
            site: site.id,
            site_name: site.name,
            env: env.name,
            settings: env.settings,
            backups,
            elements: params.elements,
            deep,
        };
        let proven = Arc::<Mutex<Vec<_>>>::default();
        let (app, done, runtime) = (Arc::clone(self), Arc::clone(&proven), Handle::current());
        let read = self.at_work(lease, running, move |observer| {
            let places = JournalPlace { folder: &folder, worker };
            verify(&order, &place, places, observer, &mut |id, mut backup| {
                // A proof of a part says nothing of the whole, unless what it says is bad.
                if whole && backup.was_read() || !backup.good {
                    let marked = runtime.block_on(app.mark(site_id, id, vec![mark_of(&backup, deep)]));
                    if let (Err(error), Some(archive)) = (marked, backup.archives.last_mut()) {
                        let why = error.message;
                        archive.notes.push(format!("that it was proven could not be written down: {why}"));
                    }
                }
                done.lock().unwrap_or_else(PoisonError::into_inner).push(backup);
            })
        });
        let read = read.await?;
        let backups = std::mem::take(&mut *proven.lock().unwrap_or_else(PoisonError::into_inner));
        let outcome = VerifyOutcome { backups };
        let told = self.write_outcome(lease, &outcome).await;
        read?;
        told?;
        let bad = outcome.backups.iter().filter(|backup| !backup.good).count();
        if bad > 0 {
            let reason = format!("{bad} of {} backups of {who} are damaged.", outcome.backups.len());
            return Err(Ended { state: JobState::Failed, reason });
        }
        let all = outcome.backups.len();
        let unread: Vec<_> = outcome.backups.iter().filter(|backup| !backup.was_read()).collect();
        // Who asks for all backups asks for what there is in each of them.
        let is_missed = |backup: &&VerifiedBackup| !params.all || !backup.archives.is_empty();
        if unread.len() == all || unread.iter().any(is_missed) {
            let unread = unread.len();
            return Err(Ended::failed(format!(
                "{unread} of {all} backups of {who} have no {asked}: nothing of them was read."
            )));
        }
        // Of old backups it is known; the one that counts must not pass for whole.
        let missing: Vec<_> = outcome.backups.iter().flat_map(missing).collect();
        if !missing.is_empty() && !params.all {
            return Err(Ended::failed(format!(
                "What there is of the backup of {who} is good, but it is not whole: {} could not be backed up.",
                missing.join(" and ")
            )));
        }
        self.end_well(lease).await
    }
}

/// The archives that a backup was to have, and has not.
fn missing(backup: &VerifiedBackup) -> Vec<&str> {
    let unread =
        backup.archives.iter().filter(|archive| archive.proven.is_empty() && archive.problems_total == 0);
    unread.map(|archive| archive.archive.as_str()).collect()
}

fn mark_of(backup: &VerifiedBackup, deep: bool) -> Marked {
    let deep = deep && !backup.archives.iter().any(|archive| archive.untested);
    Marked::Proven {
        deep,
        good: backup.good,
        summary: summary(backup),
        details: serde_json::to_value(backup).unwrap_or_default(),
    }
}

/// What was to be read, in words.
fn asked_of(elements: &[Element]) -> String {
    match elements {
        [] => "archive".to_owned(),
        some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
    }
}

fn summary(backup: &VerifiedBackup) -> String {
    if backup.good {
        return "every byte read, hashed and taken apart".to_owned();
    }
    let problems = backup.archives.iter().flat_map(|archive| archive.problems.first());
    let total: u64 = backup.archives.iter().map(|archive| archive.problems_total).sum();
    let first = problems.take(1).cloned().collect::<String>();
    if total > 1 { format!("{total} problems: {first}; …") } else { first }
}
