//! Marks in the store: small sealed objects beside a backup's record.

use std::collections::BTreeMap;

use undercroft_model::Mark;
use uuid::Uuid;

use crate::error::VaultError;
use crate::vault::Vault;

/// Why a mark could not be set.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The sweep has begun to remove the backup, or has removed it.
    #[error("the backup {backup} can't be brought back or kept any more: the sweep has begun to remove it")]
    TooLate {
        /// The backup.
        backup: Uuid,
    },
    /// A mark of this kind is never written.
    #[error("a mark that could not be read can't be written")]
    Unwritable,
}

impl Vault {
    /// Sets a mark on a backup: durable, and read back, when this returns. What keeps a backup alive
    /// ([`Restored`](undercroft_model::Marked::Restored), [`Keep`](undercroft_model::Marked::Keep)) counts once
    /// this has returned without an error, even if a sweep runs at that moment.
    ///
    /// # Errors
    /// [`MarkError::TooLate`] if the mark is to keep a backup that the sweep has condemned.
    pub fn write_mark(&self, backup: Uuid, mark: &Mark) -> Result<(), MarkError> {
        let _ = (backup, mark);
        todo!()
    }

    /// The marks of all backups, each backup's in order. A mark that can't be read is among them as
    /// [`Unread`](undercroft_model::Marked::Unread).
    ///
    /// # Errors
    /// [`VaultError`] if the store fails.
    pub fn marks(&self) -> Result<BTreeMap<Uuid, Vec<Mark>>, VaultError> {
        todo!()
    }

    /// The marks of one backup, in order.
    ///
    /// # Errors
    /// As [`marks`](Self::marks).
    pub fn marks_of(&self, backup: Uuid) -> Result<Vec<Mark>, VaultError> {
        let _ = backup;
        todo!()
    }
}
