//! Restores whose program was stopped: brought to an end by the next program that opens the data folder.

use std::sync::Arc;
use std::time::Duration;

use undercroft_catalog::{CatalogError, Environment, JobState, Site};
use undercroft_model::api::RecoveryObject;
use undercroft_model::{Observer, Silent};
use undercroft_worker::restore::{self, Journal, Outcome, RecoverError};
use undercroft_worker::{chain, restore::JournalError};

use super::Lease;
use super::ended::Ended;
use super::restore::changed_database;
use super::running::Running;
use crate::app::blocking;
use crate::{ApiError, App};

/// What became of a restore that was stopped.
enum Settled {
    /// Another program is at it.
    Busy,
    /// It was done, and that was told already.
    Told,
    /// It was brought to an end just now, as a sentence.
    Now(String),
}

/// So often it is looked whether another program has ended a restore.
const LOOK: Duration = Duration::from_millis(100);

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
                    self.tell(false, chain(&error));
                    continue;
                }
            };
            if restore::is_held(&path) || self.is_at_work(&journal).await {
                continue;
            }
            let who = format!("{}.{}", journal.site_name, journal.env);
            match self.end_abandoned_restore(&journal, path).await {
                Ok(Settled::Busy | Settled::Told) => {}
                Ok(Settled::Now(text)) => self.tell(true, text),
                Err(why) => {
                    let text = format!(
                        "A restore of {who} was stopped and could not be brought to an end; the next command tries \
                         again: {why}"
                    );
                    // The job ends all the same: who waits for it must hear why nothing goes on.
                    let end = (JobState::Failed, text.as_str());
                    let _ = self.catalog.end_job(journal.id, None, end, self.seconds()).await;
                    self.tell(false, text);
                }
            }
        }
        Ok(())
    }

    /// Whether the job of a restore that nobody has in hand goes on. A program that lives may have given it up half
    /// done.
    async fn is_at_work(&self, journal: &Journal) -> bool {
        if journal.worker == self.jobs.worker() {
            return self.jobs.is_at_work(journal.id);
        }
        if !self.data.worker_lives(journal.worker) {
            return false;
        }
        // Whatever is wrong with the catalog, what may go on must not be ended.
        let job = self.catalog.job(journal.id).await;
        job.map_or(true, |job| job.is_none_or(|job| !job.state.is_final()))
    }

    /// Says something to the person, whatever command they give.
    pub(crate) fn tell(&self, settled: bool, text: String) {
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
    ) -> Result<Settled, String> {
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
            Outcome::Busy => return Ok(Settled::Busy),
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
        Ok(if told { Settled::Told } else { Settled::Now(text) })
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
        (site, env): (&Site, &Environment),
        lease: Lease,
        running: &Running,
    ) -> Result<(), Ended> {
        let journals = Journal::all(&self.data.restores()).map_err(|error| ApiError::internal(&error))?;
        for path in journals {
            let Ok(journal) = Journal::read(&path) else { continue };
            if journal.site != site.id || journal.env != env.name {
                continue;
            }
            let settle = self.settle(&journal, &path, running);
            self.beating(lease, running, settle).await.map_err(|why| {
                Ended::failed(format!(
                    "A restore of {}.{} was stopped and could not be brought to an end, so nothing else is done to it: \
                     {why}",
                    site.name, env.name
                ))
            })?;
            running.waits_for(None);
            if running.cancelled() {
                return Err(Ended::cancelled());
            }
        }
        Ok(())
    }

    /// Ends a restore that was stopped, or waits until who is at it has.
    async fn settle(
        self: &Arc<Self>,
        journal: &Journal,
        path: &std::path::Path,
        running: &Running,
    ) -> Result<(), String> {
        while path.exists() && !running.cancelled() {
            if !restore::is_held(path) {
                if self.is_at_work(journal).await {
                    break;
                }
                if !matches!(self.end_abandoned_restore(journal, path.to_owned()).await?, Settled::Busy) {
                    break;
                }
            }
            let who = format!("{}.{}", journal.site_name, journal.env);
            running
                .waits_for(Some(format!("waiting until a restore of {who} that was stopped is at an end")));
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}
