//! The test restore: a dump is loaded into a scratch schema, compared with what was captured, and dropped.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::RestoreError;
use super::order::Order;

/// What a test restore showed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRestore {
    /// Tables that were loaded and read back.
    pub tables: u64,
    /// Of those, tables whose rows were compared with the sums that the backup's own snapshot had.
    pub compared: u64,
    /// Rows that were read back.
    pub rows: u64,
    /// Definitions that are, as the server shows them, what the dump says.
    pub definitions: u64,
    /// What is not as it was captured, a sentence each; the first of many.
    pub differences: Vec<String>,
    /// How many differences there are.
    pub differences_total: u64,
    /// What could not be compared, and why.
    pub notes: Vec<String>,
}

impl TestRestore {
    /// Whether everything that could be compared is as it was captured.
    pub fn is_good(&self) -> bool {
        self.differences_total == 0
    }
}

/// Loads the dump into a scratch schema beside the target's, compares, and drops the schema again. The target's
/// own schema is neither read nor touched. After a kill, [`test_clean_up`](super::test_clean_up) drops what is left.
///
/// # Errors
/// [`RestoreError`] if the dump can't be loaded at all: a right is missing, or a statement fails.
pub fn test_restore(order: &Order<'_>, id: Uuid) -> Result<TestRestore, RestoreError> {
    let _ = (order, id);
    todo!()
}

/// Drops what a test restore that was killed has left.
///
/// # Errors
/// [`RestoreError`] if the server fails.
pub fn test_clean_up(order: &Order<'_>, id: Uuid) -> Result<(), RestoreError> {
    let _ = (order, id);
    todo!()
}
