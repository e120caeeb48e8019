//! Why a restore, or a part of one, could not be done.

use std::path::PathBuf;

use undercroft_model::{Cancelled, Element};
use undercroft_site::database::restore::RestoreError as DatabaseError;
use undercroft_site::files::restore::{
    CleanUpError, PrepareError, StageError, SwitchError as TreeSwitchError, TakeOutError,
};
use undercroft_site::git::restore::RestoreError as GitError;
use undercroft_site::replace::ReplaceError;
use undercroft_vault::VaultError;

use super::journal::JournalError;
use super::objects::ObjectsError;

/// Why an element could not be planned, prepared or cleaned up. What is live is as it was.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// The environment has no such element.
    #[error(
        "it is not known where the {0} is to go: say it with env:update --{0}, or take it out with --to or backup:get"
    )]
    NotThere(Element),
    /// The archive is of a plain folder, and the environment's code is in a repository.
    #[error(
        "the archive {archive} holds a plain folder, and the code of the environment is in a git repository: take it \
         out with --to=FOLDER, or say with env:update --code-folder that the code is a plain folder"
    )]
    NoCommit {
        /// The archive.
        archive: String,
    },
    /// Files were named, and the code is in a repository.
    #[error(
        "the code is in a git repository, which goes back as a whole: get the files from it with \
         git checkout {commit} -- PATH, or take them out of the archive with --to=FOLDER"
    )]
    PathsInGit {
        /// The archived commit.
        commit: String,
    },
    /// A database can't be laid out in a folder.
    #[error("{archive} is a dump, and no folder of files: get it with backup:get --to=FILE")]
    NoTree {
        /// The archive.
        archive: String,
    },
    /// The archive is gone.
    #[error("{archive} is not in the vault any more")]
    NotInVault {
        /// The archive.
        archive: String,
    },
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The repository failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The tree can't be restored as asked.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The tree could not be laid out.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The tree could not be taken out.
    #[error(transparent)]
    TakeOut(#[from] TakeOutError),
    /// What was made could not be removed.
    #[error(transparent)]
    CleanUp(#[from] CleanUpError),
    /// What is to be replaced makes no sense.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    /// The archive's repository could not be laid out.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// Nothing of what was asked for is whole.
    #[error("nothing of the {0} that was asked for is whole in the vault")]
    NothingWhole(Element),
    /// The archive is a repository's, and the place a folder with something in it.
    #[error(
        "the backup is of a git repository, and {} is a plain folder: all in it that git does not track would go. If it \
         may, say --remove-untracked; or make the folder a clone of the repository, and say so with env:update --code",
        folder.display()
    )]
    GitOverFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// A part of this program failed in a way that it should not.
    #[error("it stopped unexpectedly; please report this as a mistake in Undercroft")]
    Panicked,
}

impl PartError {
    /// Whether it was only stopped by the one who asked for it.
    pub fn is_cancelled(&self) -> bool {
        matches!(
            self,
            PartError::Vault(VaultError::Cancelled(_))
                | PartError::Database(DatabaseError::Cancelled(_))
                | PartError::Git(GitError::Git(undercroft_site::git::GitError::Cancelled(_)))
                | PartError::Stage(StageError::Cancelled(_))
                | PartError::Prepare(PrepareError::Cancelled(_))
                | PartError::TakeOut(
                    TakeOutError::Stage(StageError::Cancelled(_))
                        | TakeOutError::Prepare(PrepareError::Cancelled(_))
                )
        )
    }
}

/// Why a part could not be switched.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The tree failed.
    #[error(transparent)]
    Tree(#[from] TreeSwitchError),
    /// The repository failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// It did not come to the switch.
    #[error(transparent)]
    Before(Box<PartError>),
}

impl SwitchError {
    /// It did not come to the switch.
    pub fn as_it_was(error: PartError) -> Self {
        SwitchError::Before(Box::new(error))
    }

    /// Whether it may well succeed when it is tried again, because something was only busy or out of reach.
    pub fn is_worth_repeating(&self) -> bool {
        matches!(self, SwitchError::Database(error) if error.is_worth_repeating())
    }

    /// Whether the part is neither as it was nor as asked.
    pub fn is_between(&self) -> bool {
        matches!(
            self,
            SwitchError::Database(DatabaseError::HalfSwitched { .. })
                | SwitchError::Tree(TreeSwitchError::Between { .. })
                | SwitchError::Git(GitError::HalfWay { .. })
        )
    }
}

/// Why a restore was not done.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// An element can't be restored. Nothing was changed.
    #[error("the {element} can't be restored, and nothing was changed")]
    Part {
        /// The element.
        element: Element,
        /// Why.
        source: Box<PartError>,
    },
    /// An element could not be switched, and everything is as it was.
    #[error("the {element} could not be switched; everything was put back as it was")]
    PutBack {
        /// The element.
        element: Element,
        /// Why.
        source: Box<SwitchError>,
    },
    /// An element could not be switched, nor everything be put back.
    #[error(
        "the {element} could not be switched, and the environment is between two states: remove the cause, and the \
         next command goes on from there"
    )]
    Between {
        /// The element.
        element: Element,
        /// Why.
        source: Box<SwitchError>,
    },
    /// A database that is loaded over what was there could not be loaded.
    #[error(
        "the database could not be loaded over the one that was there, which is not as it was any more: mend the cause \
         and restore again, or go back with backup:restore --undo"
    )]
    InPlace(#[source] Box<SwitchError>),
    /// An element could not be switched, and all is as it was but for a database that was loaded over what was there.
    #[error(
        "the {element} could not be switched; all was put back but the database, which was loaded over the one that \
         was there: mend the cause and restore again, or go back with backup:restore --undo"
    )]
    AllButDatabase {
        /// The element.
        element: Element,
        /// Why.
        source: Box<SwitchError>,
    },
    /// The journal can't be kept, and without it a restore is not begun.
    #[error("nothing was changed")]
    Journal(#[from] JournalError),
    /// The vault can't be read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// It was stopped by the one who asked for it, before anything was changed.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}
