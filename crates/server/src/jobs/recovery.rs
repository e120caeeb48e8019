//! Restores whose program was stopped: brought to an end by the next program that opens the data folder.

use std::sync::Arc;

use undercroft_catalog::{CatalogError, Environment, JobState, Site};
use undercroft_model::Silent;
use undercroft_model::api::RecoveryObject;
use undercroft_worker::restore::{self, Journal, Outcome, RecoverError};
use undercroft_worker::{chain, restore::JournalError};

use super::ended::Ended;
use super::restore::changed_database;
use crate::app::blocking;
use crate::{ApiError, App};

impl App {
    /// Ends all restores whose programs are gone, and keeps what there is to tell of them.
    pub(crate) async fn end_abandoned_restores(self: &Arc<Self>) -> Result<(), ApiError> {
        let folder = self.data.restores();
        let journals = Journal::all(&folder).map_err(|error| ApiError::internal(&error))?;
        for path in journals {
            let journal = match Journal::read(&path) {
                Ok(journal) => journal,
                Err(JournalError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                    continue;
                }
                Err(error) => {
                    self.tell_recovery(false, chain(&error));
                    continue;
                }
            };
            if self.is_at_work(&journal) {
                continue;
            }
            let who = format!("{}.{}", journal.site_name, journal.env);
            match self.end_abandoned_restore(&journal, path).await {
                Ok(None) => {}
                Ok(Some(text)) => self.tell_recovery(true, text),
                Err(why) => {
                    let text = format!(
                        "A restore of {who} was stopped and could not be brought to an end; the next command tries \
                         again: {why}"
                    );
                    // The job ends all the same: who waits for it must hear why nothing goes on.
                    let end = (JobState::Failed, text.as_str());
                    let _ = self.catalog.end_job(journal.id, None, end, self.seconds()).await;
                    self.tell_recovery(false, text);
                }
            }
        }
        Ok(())
    }

    /// Whether somebody is still at that restore. A program that lives may have given it up half done.
    fn is_at_work(&self, journal: &Journal) -> bool {
        if journal.worker == self.jobs.worker() {
            return self.jobs.is_at_work(journal.id);
        }
        self.data.worker_lives(journal.worker)
    }

    pub(super) fn tell_recovery(&self, settled: bool, text: String) {
        let mut recoveries = self.recoveries.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let recovery = RecoveryObject { settled, text };
        if !recoveries.contains(&recovery) {
            recoveries.push(recovery);
        }
    }

    async fn end_abandoned_restore(
        self: &Arc<Self>,
        journal: &Journal,
        path: std::path::PathBuf,
    ) -> Result<Option<String>, String> {
        let who = format!("{}.{}", journal.site_name, journal.env);
        let env = self.catalog.environment(journal.site, journal.env.as_str()).await;
        let env = env.map_err(|error| chain(&error))?;
        let env = env.ok_or_else(|| format!("{who} is not in the catalog any more"))?;
        let (app, site) = (Arc::clone(self), journal.site);
        let outcome = blocking(move || {
            let vault = app.vault(site)?;
            restore::recover(&path, &env.settings, &vault, &Silent)
        });
        let outcome: Result<_, RecoverError> = outcome.await.map_err(|error| error.message)?;
        let outcome = outcome.map_err(|error| chain(&error))?;
        let loaded_over = matches!(outcome, Outcome::AllButDatabase(_));
        let (state, text) = match outcome {
            Outcome::Busy => return Ok(None),
            Outcome::AsItWas => (
                JobState::Failed,
                format!(
                    "A restore of {who} was stopped before it changed anything: the environment is as it was, and what \
                     was prepared is removed. Run it again."
                ),
            ),
            Outcome::PutBack(why) => (
                JobState::Failed,
                format!(
                    "A restore of {who} was stopped while it switched, and was put back: the environment is as it was. \
                     Run it again.{}",
                    why.map(|why| format!("\nIt could not go on: {why}")).unwrap_or_default()
                ),
            ),
            Outcome::AllButDatabase(why) => (
                JobState::Failed,
                format!(
                    "A restore of {who} was stopped while it loaded the database over the one that was there, and could \
                     not go on: that one is not as it was any more, all else is. Restore again, or go back with \
                     backup:restore {who} --undo.\n{}",
                    why.unwrap_or_default()
                ),
            ),
            Outcome::Untouched => (
                JobState::Failed,
                format!(
                    "A verification of {who} was stopped; what it had loaded to compare is removed. Run it again."
                ),
            ),
            Outcome::AsAsked => (
                JobState::Succeeded,
                format!(
                    "A restore of {who} was stopped while it switched, and is now done: the environment is as the \
                     restore was asked to make it."
                ),
            ),
        };
        let known = self.catalog.job(journal.id).await.map_err(|error| chain(&error))?;
        self.write_down(journal, (state, &text), loaded_over).await.map_err(|error| chain(&error))?;
        journal.remove(&self.data.restores()).map_err(|error| chain(&error))?;
        // One that was done, and only left something over, was told already.
        let told = known.is_some_and(|job| job.state == JobState::Succeeded);
        Ok((!told).then_some(text))
    }

    /// Writes down how a restore came out, also if it had failed between two states and was brought to its end since.
    async fn write_down(
        &self,
        journal: &Journal,
        (state, text): (JobState, &str),
        loaded_over: bool,
    ) -> Result<(), CatalogError> {
        let outcome = match loaded_over {
            true => changed_database(journal.parts.iter().map(|part| part.archive.clone()).next()),
            false => serde_json::Value::Null,
        };
        let written = match state {
            JobState::Failed if !loaded_over => {
                self.catalog.end_job(journal.id, None, (state, text), self.seconds()).await
            }
            _ => {
                let reason = if state == JobState::Failed { text } else { "" };
                self.catalog.settle_job(journal.id, (state, reason), outcome, self.seconds()).await
            }
        };
        match written {
            Err(CatalogError::LostLease(_)) => Ok(()),
            other => other,
        }
    }

    /// Makes sure that no restore of the environment is half done before anything else is done to it.
    pub(super) async fn settle_environment(
        self: &Arc<Self>,
        site: &Site,
        env: &Environment,
    ) -> Result<(), Ended> {
        let journals = Journal::all(&self.data.restores()).map_err(|error| ApiError::internal(&error))?;
        for path in journals {
            let Ok(journal) = Journal::read(&path) else { continue };
            if journal.site != site.id || journal.env != env.name || self.is_at_work(&journal) {
                continue;
            }
            self.end_abandoned_restore(&journal, path).await.map_err(|why| {
                Ended::failed(format!(
                    "A restore of {}.{} was stopped and could not be brought to an end, so nothing else is done to it: \
                     {why}",
                    site.name, env.name
                ))
            })?;
        }
        Ok(())
    }
}
