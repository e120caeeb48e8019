//! Why a backup, or one element of it, could not be made.

use undercroft_model::{Cancelled, Element};
use undercroft_site::database::DatabaseError;
use undercroft_site::files::FilesError;
use undercroft_site::git::GitError;
use undercroft_vault::VaultError;

/// Why an element could not be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The environment has no such element.
    #[error(
        "it is not known where the {0} is: say it with env:update --{0}, or that there is none with --no-{0}"
    )]
    NotThere(Element),
    /// The repository failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The folder failed.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The vault failed, or the capture while it wrote to the vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What was stored does not add up.
    #[error("what was stored can't be read back; nothing of it is kept")]
    Evidence(#[source] VaultError),
    /// A part of this program failed in a way that it should not.
    #[error("the capture stopped unexpectedly; please report this as a mistake in Undercroft")]
    Panicked,
}

impl CaptureError {
    /// Whether the same capture may well succeed if it begins anew: what it read changed meanwhile.
    pub fn is_worth_repeating(&self) -> bool {
        match self {
            CaptureError::Git(error) => error.is_worth_repeating(),
            CaptureError::Database(error) => error.is_worth_repeating(),
            CaptureError::Vault(VaultError::Source(error)) => {
                GitError::of(error).is_some_and(GitError::is_worth_repeating)
            }
            _ => false,
        }
    }
}

/// Why no backup was made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The vault could not be opened, or failed while it was written to.
    #[error("the backup could not be stored")]
    Store(#[from] VaultError),
    /// No element could be captured.
    #[error("nothing could be backed up")]
    Nothing(Vec<(Element, CaptureError)>),
    /// It was stopped by the one who asked for it.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

/// An error and its causes, in one line. A cause that was told already is not repeated.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
