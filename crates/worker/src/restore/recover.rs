//! Ends what a restore has begun whose program was stopped.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use undercroft_model::{EnvSettings, Observer};
use undercroft_vault::{Vault, VaultError};
use uuid::Uuid;

use super::error::{PartError, SwitchError};
use super::journal::{self, Journal, JournalError, Phase};
use super::part::{Scene, Source, Staged};
use super::run::Unstoppable;
use crate::backup_report;

impl From<PartError> for RecoverError {
    fn from(error: PartError) -> Self {
        RecoverError::Part(Box::new(error))
    }
}

impl From<SwitchError> for RecoverError {
    fn from(error: SwitchError) -> Self {
        RecoverError::Switch(Box::new(error))
    }
}

/// In which state the environment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it was before.
    AsItWas,
    /// As the restore was asked to make it.
    AsAsked,
    /// It was only a test, which changes nothing.
    Untouched,
    /// Another program is at it.
    Busy,
}

/// Why a restore that was stopped can't be ended. It can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The journal can't be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The vault can't be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What was prepared can't be removed.
    #[error("what was prepared could not be removed")]
    Part(#[source] Box<PartError>),
    /// It could be brought neither forward nor back.
    #[error("it could not be ended")]
    Switch(#[source] Box<SwitchError>),
    /// The backup that is restored is not in the vault any more.
    #[error("the archive {0} is not in the vault any more")]
    NoArchive(String),
}

/// Ends a restore whose program was stopped: one that was preparing is cleaned up, one that was switching is
/// brought to its end. The journal is left for the caller to remove, once it has written down how it came out.
///
/// # Errors
/// [`RecoverError`]; the journal stays, and it can be tried again.
pub fn recover(
    path: &Path,
    settings: &EnvSettings,
    vault: &Vault,
    observer: &dyn Observer,
) -> Result<Outcome, RecoverError> {
    let fail = |source| JournalError::Io { action: "locking", path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    // The folder is locked, not the journal: that becomes another file with each phase.
    let lock = File::open(folder).map_err(fail)?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(Outcome::Busy);
    }
    let mut journal = match Journal::read(path) {
        // Another program has just ended it.
        Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(Outcome::Busy);
        }
        other => other?,
    };
    let observer = Unstoppable(observer);
    let index = Arc::new(vault.read_index()?);
    let scene = Scene { settings, vault, index: &index, observer: &observer };
    let parts = sources(&journal, vault)?;
    match journal.phase {
        Phase::Preparing | Phase::Switched => {}
        Phase::Switching => {
            for (staged, source) in &parts {
                staged.switch(&scene, source)?;
            }
            journal.enter(Phase::Switched, folder)?;
        }
        Phase::SwitchingBack => {
            for (staged, source) in parts.iter().rev() {
                staged.switch_back(&scene, source)?;
            }
        }
    }
    for (staged, source) in &parts {
        staged.clean_up(&scene, source)?;
    }
    Ok(match journal.phase {
        Phase::Switched => Outcome::AsAsked,
        _ if parts.iter().all(|(staged, _)| staged.is_a_test()) => Outcome::Untouched,
        _ => Outcome::AsItWas,
    })
}

fn sources(journal: &Journal, vault: &Vault) -> Result<Vec<(Staged, Source)>, RecoverError> {
    let mut parts = Vec::new();
    for staged in &journal.parts {
        let record = vault.read_record(staged.backup)?;
        let archive = record.archive(&staged.archive);
        let archive = archive.ok_or_else(|| RecoverError::NoArchive(staged.archive.clone()))?.clone();
        let report = backup_report(&record);
        let facts = report.and_then(|report| report.elements.get(&staged.element)?.facts.clone());
        parts.push((staged.clone(), Source::new(archive, facts.as_ref())));
    }
    Ok(parts)
}

/// Removes the repositories that restores laid out and left, and the journals that they did not write to their end,
/// but for those of the restores that are still at work. A best effort.
pub fn forget_litter(cache: &Path, journals: &Path, at_work: &BTreeSet<Uuid>) {
    journal::forget_unfinished(journals, at_work);
    let Ok(entries) = fs::read_dir(cache.join("restores")) else { return };
    for entry in entries.flatten() {
        let id = entry.file_name().to_str().and_then(|name| Uuid::parse_str(name).ok());
        if id.is_some_and(|id| !at_work.contains(&id)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
