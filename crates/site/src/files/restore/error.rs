//! Why a restore can't go on.

use std::io;
use std::path::{Path, PathBuf};

use undercroft_model::Cancelled;
use undercroft_vault::VaultError;

use super::super::FilesError;
use super::super::words::{subject, why};

/// Why a restore can't be planned or staged. Nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The archive's list, or the safety backup's, can't be read.
    #[error("the archive's list can't be read")]
    Vault(#[source] VaultError),
    /// The live folder can't be read, or a pattern makes no sense.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// It was cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A named path is not in the archive.
    #[error("{path} is not in the archive; look with backup:browse what is")]
    NotInArchive {
        /// The path.
        path: String,
    },
    /// A named path makes no sense.
    #[error("{path} is no path below the folder: name files and folders as backup:browse lists them")]
    NoPath {
        /// The path.
        path: String,
    },
    /// Something on the way to a named path is no folder in the live tree.
    #[error("{path} can't be restored alone: {above} is no folder now; restore {above} instead")]
    NoFolderAbove {
        /// The path.
        path: String,
        /// What is in the way.
        above: String,
    },
    /// The live path is there and is no folder.
    #[error("{} is no folder; move it away, or name the folder that is to be restored", .0.display())]
    NotAFolder(PathBuf),
    /// A right is missing.
    #[error(
        "the folder {} may not be written to: {}; let the account that restores write there, or run it as the owner",
        folder.display(),
        why_of(source)
    )]
    Denied {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The paths are on several file systems.
    #[error("{path} is on another file system than the rest; restore it by itself")]
    OtherFileSystem {
        /// The path.
        path: String,
    },
    /// There is no room.
    #[error(
        "{} has {free} bytes free, and the restore needs {need}: free some space and try again",
        folder.display()
    )]
    NoRoom {
        /// A folder on the file system.
        folder: PathBuf,
        /// Bytes that are needed.
        need: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// Something else could not be looked at.
    #[error("{} can't be looked at: {}", path.display(), why_of(source))]
    Look {
        /// What.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Why a tree could not be laid out. The live folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The archive can't be read.
    #[error("the archive can't be read")]
    Vault(#[source] VaultError),
    /// The live folder can't be read, or a pattern makes no sense.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// It was cancelled.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The archive holds what no honest tree does.
    #[error("the archive is not one of a tree: {path} {what}")]
    Nonsense {
        /// The entry.
        path: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is no room.
    #[error(
        "no room for {} on the file system of {}: free some space and try again; nothing was changed",
        path, stage.display()
    )]
    NoRoom {
        /// What could not be made.
        path: String,
        /// Where.
        stage: PathBuf,
    },
    /// Something could not be made.
    #[error("{path} could not be laid out in {}: could not {action}: {}", stage.display(), why_of(source))]
    Failed {
        /// What could not be made; empty for the folder itself.
        path: String,
        /// Where.
        stage: PathBuf,
        /// What was tried: `write it`, …
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// A thread ended by a panic.
    #[error("a part of the program stopped unexpectedly; please report what it printed")]
    Panicked,
}

/// Why a tree could not be switched.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// There is nothing to switch.
    #[error("nothing is prepared in {}: the live folder was not touched", .0.display())]
    NotPrepared(PathBuf),
    /// The list of what was made can't be read.
    #[error("the list of what was prepared, {}, can't be read: {}", list.display(), why_of(source))]
    List {
        /// The list.
        list: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something could not be moved, and everything is as it was.
    #[error("could not {action} {}: {}; everything was put back as it was", path.display(), why_of(source))]
    PutBack {
        /// What.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Something could not be moved, and not all is as it was.
    #[error(
        "could not {action} {}: {}; the folder is between old and new: remove the cause and try again",
        path.display(),
        why_of(source)
    )]
    Between {
        /// What.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Why staging could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum CleanUpError {
    /// Something that is to stay is still in what is to be removed, and could not be moved to its place.
    #[error("nothing was removed, since what is to stay is not all in its place")]
    Unfinished(#[source] SwitchError),
    /// Something could not be removed.
    #[error("{} could not be removed: {}; it is of no use any more", path.display(), why_of(source))]
    Left {
        /// What.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Why an archive could not be taken out into a folder.
#[derive(Debug, thiserror::Error)]
pub enum TakeOutError {
    /// Something of it is there already.
    #[error("{} is there already, and is not overwritten; name another folder", .0.display())]
    Exists(PathBuf),
    /// The order makes no sense, or rights are missing.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// It could not be laid out.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// It was laid out, and could not be moved into its place.
    #[error("{} could not be moved into its place: {}", path.display(), why_of(source))]
    Move {
        /// What.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn why_of(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => why(io::Error::from_raw_os_error(code)),
        None => error.to_string(),
    }
}

/// A look that failed.
pub fn look(path: &Path, source: impl Into<io::Error>) -> StageError {
    StageError::Look { path: path.to_owned(), source: source.into() }
}

impl PrepareError {
    /// Something could not be done to a path; a full disk is told as such.
    pub fn failed(path: &[u8], stage: &Path, action: &'static str, source: io::Error) -> Self {
        let (path, stage) = (subject(path), stage.to_owned());
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => PrepareError::NoRoom { path, stage },
            _ => PrepareError::Failed { path, stage, action, source },
        }
    }
}

impl From<VaultError> for PrepareError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Cancelled(cancelled) => PrepareError::Cancelled(cancelled),
            error => PrepareError::Vault(error),
        }
    }
}

impl From<VaultError> for StageError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Cancelled(cancelled) => StageError::Cancelled(cancelled),
            error => StageError::Vault(error),
        }
    }
}
