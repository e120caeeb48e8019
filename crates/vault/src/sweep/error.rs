//! Why a sweep does not happen.

use jiff::Timestamp;
use uuid::Uuid;

use crate::error::VaultError;

/// Why a sweep was not planned, or not carried out.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Something is not as it should be: nothing was changed.
    #[error("nothing was swept: {0}")]
    Braked(Brake),
    /// The vault changed since the plan was made.
    #[error("the sweep stopped: {what}; plan it again")]
    Changed {
        /// What is not as it was, as a sentence.
        what: String,
    },
    /// The plan is of another vault.
    #[error("the plan is of the vault {plan}, and not of {vault}")]
    OtherVault {
        /// The plan's vault.
        plan: Uuid,
        /// The vault that was to be swept.
        vault: Uuid,
    },
    /// What is kept could not be told: something could not be read. Nothing was changed.
    #[error("nothing was swept: {what} could not be read, and what it needs must not be removed")]
    Unreadable {
        /// The backup's archive, the record, the segment.
        what: String,
        /// Why.
        source: VaultError,
    },
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The planning was stopped by the one who asked for it.
    #[error(transparent)]
    Cancelled(#[from] undercroft_model::Cancelled),
}

/// What stops a sweep before it changes anything.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Brake {
    /// Something that a listed backup needs is not there.
    #[error(
        "{fragments} pieces are missing or damaged, the first of them in {object}, and are needed by {}: check the vault, and let the next backup heal it, or delete what needs them",
        listed(backups)
    )]
    Missing {
        /// How many fragments are missing, each counted for each backup that needs it.
        fragments: u64,
        /// All backups that need one, each with the archive that does.
        backups: Vec<(Uuid, String)>,
        /// The pack that the first of them was in, if that is known.
        object: String,
    },
    /// The store's listing and what its objects say do not fit.
    #[error("the store's listing contradicts what is in it: {what}; check the vault")]
    Contradiction {
        /// What, as a sentence.
        what: String,
    },
    /// What no backup with a record needs may be of one whose record was lost.
    #[error(
        "{bytes} bytes are needed by no backup that has a record, and since the catalog was rebuilt nobody knows whether \
         they are of a backup whose record was lost or of one that was killed: look whether backup:list lacks a backup, \
         and put its record back from a copy of the store (what store:copy made); if none is missing, say so once"
    )]
    Unrecorded {
        /// The bytes.
        bytes: u64,
    },
    /// The clock is behind what is in the vault.
    #[error(
        "it is {now} by this clock, and {what} is of {newest}: set the clock right, or say that it is right"
    )]
    ClockBehind {
        /// What the clock says.
        now: Timestamp,
        /// The newest thing that there is.
        newest: Timestamp,
        /// What that is.
        what: String,
    },
    /// The clock is far ahead of everything in the vault.
    #[error(
        "it is {now} by this clock, and the newest thing in the vault is of {newest}: if the clock is right and nothing happened since, say that it is right"
    )]
    ClockAhead {
        /// What the clock says.
        now: Timestamp,
        /// The newest thing that there is.
        newest: Timestamp,
    },
    /// The clock may have been set ahead: what would go is no older, if a time in which nothing happened never was.
    #[error(
        "it is {now} by this clock, and nothing happened in the vault between {from} and {to}, so what was made before may only look too old: if the clock was not set ahead then, say that it is right"
    )]
    ClockJumped {
        /// What the clock says.
        now: Timestamp,
        /// When the last thing happened before.
        from: Timestamp,
        /// When the next one did.
        to: Timestamp,
    },
    /// More would go than is usual.
    #[error(
        "{frees} of {of} bytes would be freed, more than {limit} percent at once: if that is meant, say so"
    )]
    TooMuch {
        /// Bytes that would be freed.
        frees: u64,
        /// Bytes that there are.
        of: u64,
        /// The share that is allowed, in percent.
        limit: u8,
    },
}

/// So many are named.
const NAMED: usize = 30;

fn listed(backups: &[(Uuid, String)]) -> String {
    let named: Vec<_> = backups
        .iter()
        .take(NAMED)
        .map(|(backup, archive)| format!("{archive} of the backup {backup}"))
        .collect();
    let more = backups.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    named.join(", ") + &more
}
