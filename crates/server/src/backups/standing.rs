//! Backups with what became of them.

use std::sync::Arc;

use serde::Deserialize;
use undercroft_catalog::StoredBackup;
use undercroft_model::api::{KeptObject, ProvenObject, TrashObject, VerifiedArchive, VerifiedBackup};
use undercroft_model::retention::{Fate, Kept, ListedWhy, Policies, Policy, TrashWhy, fates};
use undercroft_model::{BackupFolder, BackupReport, Element, EnvName, Mark, Marked};
use undercroft_vault::record::ArchiveRecord;
use undercroft_vault::{Vault, VaultError};
use uuid::Uuid;

use crate::app::{blocking, seconds};
use crate::{ApiError, App};

/// A backup with what became of it.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What its record says.
    pub report: BackupReport,
    /// What happened to it since.
    pub marks: Vec<Mark>,
    /// What becomes of it.
    pub fate: Fate,
}

/// The backup among these that has an archive of that file name, and the archive's element.
pub(crate) fn find_archive<'s>(
    standings: &'s [Standing],
    name: &str,
) -> Result<(&'s BackupReport, Element), ApiError> {
    let found = standings.iter().find_map(|standing| {
        let report = &standing.report;
        let mut elements = report.elements.keys().copied();
        Some((report, elements.find(|element| report.archive_name(*element).to_string() == name)?))
    });
    found.ok_or_else(|| no_backup(name))
}

/// There is no such backup.
pub(crate) fn no_backup(name: impl std::fmt::Display) -> ApiError {
    ApiError::not_found(format!("Could not find a backup identified by {name}."))
}

impl App {
    /// An archive that the store has, and its vault.
    pub(crate) async fn open_archive(
        self: &Arc<Self>,
        site: Uuid,
        backup: Uuid,
        name: &str,
    ) -> Result<(Vault, ArchiveRecord), ApiError> {
        let opener = Arc::clone(self);
        let (vault, record) = blocking(move || {
            let vault = opener.vault(site)?;
            let record = vault.read_record(backup)?;
            Ok::<_, VaultError>((vault, record))
        })
        .await??;
        let archive = record.archive(name).cloned().ok_or_else(|| no_backup(name))?;
        Ok((vault, archive))
    }

    /// The environment's backup with that folder name, whatever became of it.
    pub(crate) async fn find_any_backup(
        &self,
        site: Uuid,
        env: &EnvName,
        folder: BackupFolder,
    ) -> Result<Standing, ApiError> {
        let all = self.standings(site, env).await?;
        let found = all.into_iter().find(|standing| standing.report.folder == folder);
        found.ok_or_else(|| no_backup(folder))
    }

    /// What decides how long a site's backups are kept. Those of an environment that is not known any more are kept
    /// as is usual.
    pub(crate) async fn policies(&self, site: Uuid) -> Result<Policies, ApiError> {
        let mut policies = Policies::default();
        for env in self.catalog.environments(site).await? {
            if env.settings.expire_last.is_some() {
                let policy = Policy { expire_last: env.settings.expire_last, ..policies.usual };
                policies.others.insert((site, env.name), policy);
            }
        }
        Ok(policies)
    }

    /// All backups of an environment that the catalog knows, newest first.
    pub(crate) async fn standings(&self, site: Uuid, env: &EnvName) -> Result<Vec<Standing>, ApiError> {
        self.weigh(site, self.catalog.backups(site, Some(env)).await?).await
    }

    async fn weigh(&self, site: Uuid, stored: Vec<StoredBackup>) -> Result<Vec<Standing>, ApiError> {
        let kept: Vec<_> =
            stored.iter().map(|backup| Kept { report: &backup.report, marks: &backup.marks }).collect();
        let fates = fates(&kept, self.now(), &self.policies(site).await?);
        let standing = |StoredBackup { report, marks }: StoredBackup| {
            let fate = *fates.get(&report.id)?;
            Some(Standing { report, marks, fate })
        };
        Ok(stored.into_iter().filter_map(standing).collect())
    }

    /// All backups of a site that the catalog knows, those of environments that were removed among them.
    pub(crate) async fn all_standings(&self, site: Uuid) -> Result<Vec<Standing>, ApiError> {
        self.weigh(site, self.catalog.backups(site, None).await?).await
    }

    /// The backups of an environment that are listed, newest first.
    pub(crate) async fn listed(&self, site: Uuid, env: &EnvName) -> Result<Vec<Standing>, ApiError> {
        let mut all = self.standings(site, env).await?;
        all.retain(Standing::is_listed);
        Ok(all)
    }

    /// The environment's listed backup with that folder name.
    pub(crate) async fn find_backup(
        &self,
        site: Uuid,
        env: &EnvName,
        folder: BackupFolder,
    ) -> Result<Standing, ApiError> {
        let standing = self.find_any_backup(site, env, folder).await?;
        match standing.fate {
            Fate::Listed { .. } => Ok(standing),
            Fate::Trash { .. } => Err(ApiError::not_found(format!(
                "The backup {folder} is in the trash: bring it back with backup:undelete first."
            ))),
            Fate::Gone { .. } => Err(no_backup(folder)),
        }
    }
}

/// What a proof of one archive came to, as a sentence.
fn summary_of(archive: &VerifiedArchive) -> String {
    match archive.problems.first() {
        Some(first) if archive.problems_total > 1 => {
            format!("{} problems: {first}; …", archive.problems_total)
        }
        Some(first) => first.clone(),
        None => archive.proven.clone(),
    }
}

impl Standing {
    /// Whether it is listed.
    pub fn is_listed(&self) -> bool {
        matches!(self.fate, Fate::Listed { .. })
    }

    /// How long it is listed, and why.
    pub fn kept(&self) -> KeptObject {
        let Fate::Listed { until, why } = self.fate else { return KeptObject::default() };
        let why = match why {
            ListedWhy::KeepFor => "keep-for",
            ListedWhy::Prolonged => "prolonged",
            ListedWhy::Pinned => "pinned",
            ListedWhy::LastGood => "last-good",
        };
        let note = self.marks.iter().rev().find_map(|mark| match &mark.what {
            Marked::Keep { note, .. } => Some(note.clone()),
            _ => None,
        });
        KeptObject { until: until.map(seconds), why: why.to_owned(), note: note.unwrap_or_default() }
    }

    /// The last proof of one of its archives: what is wrong with another one is no fault of it.
    pub fn proven(&self, element: Element) -> Option<ProvenObject> {
        let name = self.report.archive_name(element).to_string();
        self.marks.iter().rev().find_map(|mark| {
            let Marked::Proven { deep, good, summary, details } = &mark.what else { return None };
            let whole =
                ProvenObject { at: seconds(mark.at), deep: *deep, good: *good, summary: summary.clone() };
            if *good {
                return Some(whole);
            }
            let Ok(backup) = VerifiedBackup::deserialize(details) else { return Some(whole) };
            match backup.archives.iter().find(|one| one.archive == name) {
                Some(one) => {
                    Some(ProvenObject { good: one.problems_total == 0, summary: summary_of(one), ..whole })
                }
                // What is wrong with the backup itself is wrong with all that it has.
                None if backup.archives.iter().any(|one| one.archive == backup.folder) => Some(whole),
                None => None,
            }
        })
    }

    /// Where it lies, if it lies in the trash.
    pub fn trash(&self) -> Option<TrashObject> {
        let Fate::Trash { since, until, why } = self.fate else { return None };
        let why = match why {
            TrashWhy::Deleted => "deleted",
            TrashWhy::Expired => "expired",
        };
        Some(TrashObject { since: seconds(since), until: until.map(seconds), why: why.to_owned() })
    }
}
