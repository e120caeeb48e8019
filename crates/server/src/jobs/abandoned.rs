//! Jobs whose program was stopped before they were done, and what such a program may have left.

use std::collections::BTreeSet;

use undercroft_catalog::{Catalog, CatalogError, JobState};
use undercroft_model::BackupReport;
use undercroft_vault::{Vault, VaultError};
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
            if self.data.restores().join(format!("{}.json", job.id)).exists() {
                continue;
            }
            let reason = "The program that ran it was stopped before it was done. Run it again.";
            match self.catalog.end_job(job.id, None, (JobState::Failed, reason), self.seconds()).await {
                Ok(()) | Err(CatalogError::LostLease(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Takes backups into the catalog whose record is in the store: a program that is stopped between the two
/// writes leaves such a one, and it is as good as any.
pub async fn adopt_backups(catalog: &Catalog, vault: &Vault, site: Uuid) -> Result<(), VaultError> {
    let fail = |error: CatalogError| VaultError::Source(std::io::Error::other(error));
    let known = catalog.backups(site, None).await.map_err(fail)?;
    let marks = vault.marks()?;
    for backup in &known {
        // What a program said of a backup that was stopped before it could write that down.
        let marks = marks.get(&backup.report.id).map(Vec::as_slice).unwrap_or_default();
        if backup.marks != marks {
            catalog.set_marks(backup.report.id, marks).await.map_err(fail)?;
        }
    }
    let known: BTreeSet<Uuid> = known.into_iter().map(|backup| backup.report.id).collect();
    for id in vault.records()? {
        if known.contains(&id) {
            continue;
        }
        // One that can't be read is for vault:check to tell of; it must not stop a new backup.
        let Ok(record) = vault.read_record(id) else { continue };
        let Ok(report) = serde_json::from_value::<BackupReport>(record.about) else { continue };
        if let Err(error) = catalog.adopt_backup(&report).await {
            tracing::warn!(%id, %error, "a backup in the store could not be taken into the catalog");
        } else if let Some(marks) = marks.get(&id) {
            catalog.set_marks(id, marks).await.map_err(fail)?;
        }
    }
    Ok(())
}
