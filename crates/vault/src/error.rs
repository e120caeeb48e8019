//! What can go wrong in a vault.

use std::io;

use uuid::Uuid;

use crate::fragment::FragmentId;
use crate::keys::NoRandomness;
use crate::seal::OpenError;
use crate::store::StoreError;

/// Why something could not be read from a vault, or written to it.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object of the vault is not what it should be.
    #[error("{object} can't be used")]
    Object {
        /// Its name in the store.
        object: String,
        /// Why.
        source: OpenError,
    },
    /// The recovery key is not one of those that the vault's keys are sealed to.
    #[error(
        "the recovery key does not open the vault {vault}: it has no keys for it; use the key it was made with"
    )]
    OtherRecoveryKey {
        /// The vault.
        vault: Uuid,
    },
    /// The vault's keys are not there, and something that was sealed to them is. New ones would open nothing of it, and
    /// would stand in the way of the old ones.
    #[error(
        "the store has lost {object}, without which no key opens anything in the vault {vault}, and nothing was written \
         to it: put back its folder keys/ from a copy of the store (what store:copy made); or, if there is none, move the \
         folder vaults/{vault} of the store away, and a new vault is begun"
    )]
    KeysLost {
        /// The vault.
        vault: Uuid,
        /// The keys' name in the store.
        object: String,
    },
    /// The vault's keys are there and don't open, though they are sealed to the recovery key.
    #[error(
        "{object}, without which nothing in the vault {vault} opens, is damaged: put it back from a copy of the store \
         (what store:copy made)"
    )]
    KeysDamaged {
        /// The vault.
        vault: Uuid,
        /// The keys' name in the store.
        object: String,
        /// What is wrong with them.
        source: OpenError,
    },
    /// The vault's config is missing or damaged, and something is to be changed.
    #[error(
        "{object} is {fault}, so nothing is changed in the vault but by backup:create or catalog:rebuild, which make it \
         anew: run one of them, then try again"
    )]
    ConfigLost {
        /// Its name in the store.
        object: String,
        /// How it is lost.
        fault: crate::config::ConfigFault,
    },
    /// The store says that it has written an object, and does not have it.
    #[error(
        "the store took {object} and does not have it: nothing was recorded, the store is not to be trusted"
    )]
    NotKept {
        /// Its name in the store.
        object: String,
    },
    /// A backup's record is there already, and is another one.
    #[error("{object} is there already: a backup is recorded once")]
    RecordedBefore {
        /// The record's name in the store.
        object: String,
    },
    /// A sweep began while the backup was made.
    #[error(
        "the vault {vault} was swept while the backup was made, and what it relies on may be gone: nothing was recorded, make the backup again"
    )]
    Swept {
        /// The vault.
        vault: Uuid,
    },
    /// Something names a fragment that no pack has.
    #[error("a piece of the archive is missing from the vault: fragment {fragment:?}, which was in {object}")]
    MissingFragment {
        /// The fragment.
        fragment: FragmentId,
        /// The pack that the store lost, if that is known.
        object: String,
    },
    /// A fragment's stored bytes are not what they were.
    #[error("a piece of the archive is damaged: fragment {fragment:?} in {object}")]
    DamagedFragment {
        /// The fragment.
        fragment: FragmentId,
        /// The pack.
        object: String,
    },
    /// What was sealed a moment ago did not open again, or was not the same.
    #[error(
        "what was sealed did not open again unchanged: the memory or processor of this machine is not reliable; nothing was recorded, test the machine before you try again"
    )]
    BadMemory,
    /// A thread of the session ended by a panic.
    #[error(
        "a part of the program stopped unexpectedly; nothing was recorded, please report what it printed"
    )]
    Panicked,
    /// The operating system gave no randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The capture failed, not the vault.
    #[error("the capture failed")]
    Source(#[source] io::Error),
    /// A text's section was opened twice.
    #[error("the section {name} stands twice in the text, at place {ordinal}")]
    SectionTwice {
        /// Its place in the text.
        ordinal: u32,
        /// What it is of.
        name: String,
    },
    /// A text's section was left open or out.
    #[error("the text is not whole: the section at place {ordinal} was not finished")]
    SectionOpen {
        /// Its place in the text.
        ordinal: u32,
    },
    /// An earlier failure of the same backup stopped this.
    #[error("an earlier failure stopped the writing")]
    Stopped,
    /// The job was stopped by the one who asked for it.
    #[error(transparent)]
    Cancelled(#[from] undercroft_model::Cancelled),
}

impl VaultError {
    /// Whether something that is stored is missing or not what it was, and nothing else is in the way: what else the
    /// archive holds can still be had.
    pub fn is_damage(&self) -> bool {
        match self {
            VaultError::MissingFragment { .. } | VaultError::DamagedFragment { .. } => true,
            VaultError::Object { source, .. } => matches!(source, OpenError::Damaged | OpenError::NotOurs),
            VaultError::Store(StoreError::Missing { .. }) => true,
            // An object that was cut short.
            VaultError::Store(StoreError::Failed { source, .. }) => {
                source.kind() == io::ErrorKind::UnexpectedEof
            }
            _ => false,
        }
    }
}

/// For seams that speak [`io::Error`].
impl From<VaultError> for io::Error {
    fn from(error: VaultError) -> Self {
        io::Error::other(error)
    }
}
