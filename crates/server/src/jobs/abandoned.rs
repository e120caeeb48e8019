//! Jobs whose program was stopped before they were done, and what such a program may have left.

use std::collections::BTreeSet;

use undercroft_catalog::{Catalog, CatalogError, Job, JobState};
use undercroft_model::api::RestoreParams;
use undercroft_model::{Mark, MarkState, Marked};
use undercroft_vault::{Vault, VaultError};
use undercroft_worker::backup_report;
use undercroft_worker::restore::{self, Journal};
use uuid::Uuid;

use crate::App;

impl App {
    /// Ends the jobs of programs that are gone. Another one may do the same meanwhile.
    pub(crate) async fn end_abandoned_jobs(&self) -> Result<(), CatalogError> {
        for job in self.catalog.open_jobs().await? {
            if job.worker == self.jobs.worker() || self.data.worker_lives(job.worker) {
                continue;
            }
            // A restore with a journal ends when it is known how it came out.
            if Journal::path_of(&self.data.restores(), job.id).exists() {
                continue;
            }
            let reason = "The program that ran it was stopped before it was done. Run it again.";
            match self.catalog.end_job(job.id, None, (JobState::Failed, reason), self.seconds()).await {
                Ok(()) => self.tell_of_a_restore_not_begun(&job).await?,
                Err(CatalogError::LostLease(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.forget_litter().await
    }

    /// One that has no journal was looking, or made its safety backup.
    async fn tell_of_a_restore_not_begun(&self, job: &Job) -> Result<(), CatalogError> {
        let asked: RestoreParams = serde_json::from_value(job.params.clone()).unwrap_or_default();
        // Over what is there it may have failed, and been stopped before it could say so.
        if !job.kind.is_restore() || asked.to.is_some() || asked.in_place {
            return Ok(());
        }
        if let (Some(site), Some(env)) = (self.catalog.site(job.site).await?, &job.env) {
            let text = format!(
                "A restore of {}.{env} was stopped before it began: the environment is as it was. Run it again.",
                site.name
            );
            self.tell(true, text);
        }
        Ok(())
    }

    /// Removes what restores and verifications that were stopped have left in the data folder.
    async fn forget_litter(&self) -> Result<(), CatalogError> {
        let jobs = self.catalog.open_jobs().await?;
        let at_work = jobs.into_iter().map(|job| job.id).collect();
        restore::forget_litter(&self.data.cache(), &self.data.restores(), &at_work);
        Ok(())
    }
}

/// Takes backups into the catalog whose record is in the store: a program that is stopped between the two
/// writes leaves such a one, and it is as good as any.
pub async fn adopt_backups(catalog: &Catalog, vault: &Vault, site: Uuid) -> Result<(), VaultError> {
    let fail = |error: CatalogError| VaultError::Source(std::io::Error::other(error));
    let known = catalog.backups(site, None).await.map_err(fail)?;
    let (counts, recorded) = (vault.mark_counts()?, vault.records()?);
    for backup in &known {
        // What a program said of a backup that was stopped before it could write that down. A mark is never changed, so
        // as many as are known are those; one that could not be read may have been put back.
        let (id, finished) = (backup.report.id, backup.report.finished);
        let is_unread = |mark: &Mark| matches!(mark.what, Marked::Unread { .. });
        let count = counts.get(&id).copied().unwrap_or_default();
        if backup.marks.len() == count && !backup.marks.iter().any(is_unread) {
            continue;
        }
        let marks = vault.marks_of(id)?;
        // Without its record only this still knows what was said of it, unless a sweep says that it removed it.
        let is_whole = recorded.contains(&id) || MarkState::of(&marks, finished).condemned.is_some();
        if is_whole && backup.marks != marks {
            catalog.set_marks(id, &marks).await.map_err(fail)?;
        }
    }
    let known: BTreeSet<Uuid> = known.into_iter().map(|backup| backup.report.id).collect();
    for id in recorded {
        if known.contains(&id) {
            continue;
        }
        // One that can't be read is for vault:check to tell of; it must not stop a new backup.
        let Ok(record) = vault.read_record(id) else { continue };
        let Some(report) = backup_report(&record) else { continue };
        if let Err(error) = catalog.adopt_backup(&report).await {
            tracing::warn!(%id, %error, "a backup in the store could not be taken into the catalog");
        } else if counts.contains_key(&id) {
            catalog.set_marks(id, &vault.marks_of(id)?).await.map_err(fail)?;
        }
    }
    Ok(())
}
