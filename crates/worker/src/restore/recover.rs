//! Ends what a restore has begun whose program was stopped.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use undercroft_model::{EnvSettings, Observer};
use undercroft_vault::store::StoreError;
use undercroft_vault::{Vault, VaultError};
use uuid::Uuid;

use super::error::{PartError, SwitchError};
use super::journal::{self, Journal, JournalError, Phase};
use super::part::{Live, Scene, Source, Staged};
use super::run::Unstoppable;
use crate::backup_report;
use crate::error::chain;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it was before.
    AsItWas,
    /// As it was before, since a part could not be brought forward: why, if that is still known.
    PutBack(Option<String>),
    /// The database was loaded over what was there, or half of it; everything else is as it was before: why.
    AllButDatabase(Option<String>),
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
}

/// Ends a restore whose program was stopped: one that was preparing is cleaned up, one that was switching is
/// brought to its end, or back if that can't be. The journal is left for the caller to remove, once it has written down how it came out.
///
/// # Errors
/// [`RecoverError`]; the journal stays, and it can be tried again.
pub fn recover(
    path: &Path,
    settings: &EnvSettings,
    vault: &Vault,
    observer: &dyn Observer,
) -> Result<Outcome, RecoverError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let Some(_held) = journal::hold(path)? else { return Ok(Outcome::Busy) };
    let mut journal = match Journal::read(path) {
        // Another program has just ended it.
        Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(Outcome::Busy);
        }
        other => other?,
    };
    let observer = Unstoppable(observer);
    let live = Live { settings, observer: &observer };
    let outcome = match journal.phase {
        Phase::Preparing if journal.parts.iter().all(Staged::is_a_test) => Outcome::Untouched,
        Phase::Preparing => Outcome::AsItWas,
        Phase::Switching => forward(&mut journal, folder, vault, live)?,
        Phase::SwitchingBack => {
            back(&mut journal, folder, live)?;
            put_back(&journal, None)
        }
        Phase::Switched => Outcome::AsAsked,
    };
    let all: Vec<_> = journal.parts.iter().collect();
    match Staged::clean_up_all(&all, live).into_iter().next() {
        Some((_, error)) => Err(error.into()),
        None => Ok(outcome),
    }
}

/// From any point of a switch to its end; or back, if a part stands in the way.
fn forward(
    journal: &mut Journal,
    folder: &Path,
    vault: &Vault,
    live: Live<'_>,
) -> Result<Outcome, RecoverError> {
    for staged in journal.parts.clone() {
        let done = if staged.is_in_place() { load_over(&staged, vault, live)? } else { staged.switch(live) };
        let Err(error) = done else { continue };
        if error.is_between() || error.is_worth_repeating() {
            return Err(error.into());
        }
        // Others wait for the environment: it must not stay between two states because of something that may never
        // go away, such as a commit that somebody has made since.
        let why = chain(&error);
        back(journal, folder, live)?;
        return Ok(put_back(journal, Some(why)));
    }
    journal.enter(Phase::Switched, folder)?;
    Ok(Outcome::AsAsked)
}

/// Makes live again what was. Whether a part was switched is not assumed of any: they know it themselves.
fn back(journal: &mut Journal, folder: &Path, live: Live<'_>) -> Result<(), RecoverError> {
    if journal.phase != Phase::SwitchingBack {
        journal.enter(Phase::SwitchingBack, folder)?;
    }
    for staged in journal.parts.iter().rev() {
        staged.switch_back(live)?;
    }
    // What is cleaned up can't be switched back again.
    Ok(journal.enter(Phase::Preparing, folder)?)
}

/// All is as it was, but for what can't be put back.
fn put_back(journal: &Journal, why: Option<String>) -> Outcome {
    match journal.parts.iter().any(Staged::is_in_place) {
        true => Outcome::AllButDatabase(why),
        false => Outcome::PutBack(why),
    }
}

/// Loads a dump over what is live, once more.
fn load_over(
    staged: &Staged,
    vault: &Vault,
    live: Live<'_>,
) -> Result<Result<(), SwitchError>, RecoverError> {
    let Some(source) = source(staged, vault)? else {
        let gone = PartError::NotInVault { archive: staged.archive.clone() };
        return Ok(Err(SwitchError::as_it_was(gone)));
    };
    let index = Arc::new(vault.read_index()?);
    let scene = Scene { settings: live.settings, vault, index: &index, observer: live.observer };
    Ok(staged.load_over(&scene, &source))
}

/// The archive with what its backup says of it; `None` if it is gone.
fn source(staged: &Staged, vault: &Vault) -> Result<Option<Source>, RecoverError> {
    let record = match vault.read_record(staged.backup) {
        Err(VaultError::Store(StoreError::Missing { .. })) => return Ok(None),
        other => other?,
    };
    let Some(archive) = record.archive(&staged.archive).cloned() else { return Ok(None) };
    let report = backup_report(&record);
    let facts = report.and_then(|report| report.elements.get(&staged.element)?.facts.clone());
    Ok(Some(Source::new(archive, facts.as_ref())))
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
