//! The phases of a restore.

use uuid::Uuid;

use super::error::RestoreError;
use super::order::{Order, Staged, Way};

/// Decides how the dump comes back: looks, and refuses what can't work. Makes nothing.
///
/// # Errors
/// [`RestoreError::MissingRight`] says which right the account lacks, and what gives it; others that a table is
/// not in the dump, the server takes no row as long as the longest, or can't be reached.
pub fn stage(order: &Order<'_>, id: Uuid, only: Option<&[String]>, way: Way) -> Result<Staged, RestoreError> {
    let _ = (order, id, only, way);
    todo!()
}

/// Loads the dump into the scratch schema and counts what came. The live schema is not touched. In place, there
/// is nothing to prepare.
///
/// # Errors
/// [`RestoreError`]; what was made is left for [`clean_up`].
pub fn prepare(staged: &Staged, order: &Order<'_>) -> Result<(), RestoreError> {
    let _ = (staged, order);
    todo!()
}

/// Makes what was prepared live; in place, loads the dump over what is live. Can be called again after it was
/// killed at any point or has finished, and then ends the same.
///
/// # Errors
/// [`RestoreError`]. The live schema is as it was before, unless it is [`RestoreError::HalfSwitched`] or the way
/// is in place.
pub fn switch(staged: &Staged, order: &Order<'_>) -> Result<(), RestoreError> {
    let _ = (staged, order);
    todo!()
}

/// Takes a switch back: the live schema is as it was. Can be called again, and where nothing was switched it
/// does nothing.
///
/// # Errors
/// [`RestoreError`]; [`RestoreError::NotReversible`] in place, and once [`clean_up`] has been.
pub fn switch_back(staged: &Staged, order: &Order<'_>) -> Result<(), RestoreError> {
    let _ = (staged, order);
    todo!()
}

/// Removes whatever the restore made beside the live schema, and nothing that is live or another's.
///
/// # Errors
/// [`RestoreError`] if the server fails; it can be called again then.
pub fn clean_up(staged: &Staged, order: &Order<'_>) -> Result<(), RestoreError> {
    let _ = (staged, order);
    todo!()
}
