//! What came of a copy.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::keys::NoRandomness;
use crate::store::StoreError;

/// How careful a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CopyPolicy {
    /// Whether what the source no longer has is removed from the copy.
    pub remove: bool,
    /// How many of a copied vault's records, and of its content's bytes, may go at once, in percent. 100 switches this
    /// brake off, and asks for no evidence that the source removed its backups on purpose; what a backup needs that
    /// stays is spared all the same.
    pub most: u8,
    /// Whether everything that the target has is read, and not only what is compared each time.
    pub verify: bool,
}

impl Default for CopyPolicy {
    fn default() -> Self {
        CopyPolicy { remove: true, most: 50, verify: false }
    }
}

/// What was done, vault by vault.
#[derive(Debug, Default)]
pub struct Copied {
    /// The vaults that the source has.
    pub vaults: Vec<CopiedVault>,
    /// Those of them that could not be copied.
    pub failed: Vec<Failed>,
    /// Vaults that only the target has: they are left alone.
    pub only_in_target: Vec<Uuid>,
}

/// A vault that could not be copied.
#[derive(Debug)]
pub struct Failed {
    /// The vault.
    pub vault: Uuid,
    /// Why. What was copied before stays, and is not copied again.
    pub error: CopyError,
}

/// What was done with one vault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedVault {
    /// The vault.
    pub vault: Uuid,
    /// Objects that were copied.
    pub copied: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were there already.
    pub kept: u64,
    /// Objects of the target that were damaged and are written anew: they are among those that were copied.
    #[serde(default)]
    pub mended: Vec<String>,
    /// Objects that were removed.
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Objects of the target that did not come from the source: they are left alone.
    pub foreign: u64,
    /// Objects that the target would not have removed.
    pub refused: Vec<String>,
    /// Objects of the source that are damaged. Packs that the target lacked were copied as they are, others were not
    /// copied.
    pub damaged: Vec<Damaged>,
    /// Why nothing was removed, though something was to be.
    pub withheld: Option<Withheld>,
}

/// An object that was not copied, or not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// Its name in the store.
    pub object: String,
    /// What is wrong with it.
    pub why: String,
    /// Whether the target has it all the same, as it is.
    #[serde(default)]
    pub copied: bool,
}

/// Why nothing was removed from a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Withheld {
    /// Too many backups would have gone at once.
    Records {
        /// Backups that the source no longer has.
        records: u64,
        /// Backups that the copy has.
        of: u64,
    },
    /// Too much content would have gone at once.
    Bytes {
        /// Bytes of content that only packs hold which the source no longer has.
        bytes: u64,
        /// Bytes of all content that the copy has.
        of: u64,
    },
    /// The source has no packs at all.
    Bare,
    /// The source lacks backups that nothing says were to go.
    Unexplained {
        /// How many.
        records: u64,
        /// One of them.
        first: Uuid,
    },
    /// The source has lost what its own backups need.
    Lost {
        /// How many objects, as far as was looked.
        objects: u64,
        /// One of them, by its name below the vault's prefix.
        first: String,
    },
    /// It can't be told what the copy's backups need.
    Unreadable {
        /// Why, as a sentence.
        why: String,
    },
}

impl Display for Withheld {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Withheld::Records { records, of } => write!(f, "{records} of its {of} backups would have gone"),
            Withheld::Bytes { bytes, of } => {
                write!(f, "{bytes} of the {of} bytes of its content would have gone")
            }
            Withheld::Bare => write!(f, "the store that is copied has no packs any more"),
            Withheld::Unexplained { records, first } => write!(
                f,
                "the store that is copied lacks {records} of its backups, of which {first} is one, and nothing says that \
                 they were deleted or that their time is over"
            ),
            Withheld::Lost { objects: 1, first } => {
                write!(
                    f,
                    "the store that is copied has lost {first}, which its backups need; the copy has it"
                )
            }
            Withheld::Lost { objects, first } => write!(
                f,
                "the store that is copied has lost {objects} objects that its backups need, {first} among them; the copy \
                 has them"
            ),
            Withheld::Unreadable { why } => write!(f, "it can't be told what its backups need: {why}"),
        }
    }
}

/// Why a copy could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source failed.
    #[error("could not read from the store that is copied")]
    Source(#[source] StoreError),
    /// The target failed.
    #[error("could not write to the copy")]
    Target(#[source] StoreError),
    /// There is no such vault.
    #[error("there is no vault {vault} in the store that is to be copied")]
    NoVault {
        /// The vault.
        vault: Uuid,
    },
    /// The target has a vault of that name with other keys.
    #[error(
        "the target has another vault {vault}, with keys of its own, or this one with damaged keys and no pack that tells: \
         nothing of it was touched; copy to another store, or move that vault away first"
    )]
    OtherKeys {
        /// The vault.
        vault: Uuid,
    },
    /// The target took an object and does not have it.
    #[error("the target took {object} and does not have it as it was: it is not to be trusted")]
    NotKept {
        /// Its name.
        object: String,
    },
    /// The source changed again and again while it was copied.
    #[error("the vault {vault} changed all the while it was copied: try again when it is not being swept")]
    Restless {
        /// The vault.
        vault: Uuid,
    },
    /// The operating system gave no randomness.
    #[error(transparent)]
    NoRandomness(NoRandomness),
    /// A part of the program ended by a panic.
    #[error("a part of the program stopped unexpectedly; please report what it printed")]
    Panicked,
    /// It was stopped by the one who asked for it. What was copied stays, and is not copied again.
    #[error(transparent)]
    Cancelled(#[from] undercroft_model::Cancelled),
}
