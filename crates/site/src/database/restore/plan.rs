//! What a restore would change, without changing it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::RestoreError;
use super::order::{Order, Staged, Way};

/// What a restore would change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The way that it would go.
    pub way: Way,
    /// The live schema.
    pub schema: String,
    /// What the server calls itself.
    pub server: String,
    /// Tables and sequences, in the order of their names.
    pub tables: Vec<PlannedTable>,
    /// Views that the dump has, and that are live.
    pub views: (u64, u64),
    /// Triggers that the dump has, if the backup says, and that are live.
    pub triggers: (Option<u64>, u64),
    /// Stored procedures, functions and packages that the dump has, if the backup says, and that are live.
    pub routines: (Option<u64>, u64),
    /// Events that the dump has, if the backup says, and that are live.
    pub events: (Option<u64>, u64),
    /// What is worth knowing before it is done: tables whose rows are not in the dump, another server's dump,
    /// grants that do not follow.
    pub notes: Vec<String>,
}

/// What would become of one table or sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTable {
    /// Its name.
    pub name: String,
    /// Bytes of its text in the dump; `None` if it is only live, and would be removed.
    pub dump_bytes: Option<u64>,
    /// Its rows in the dump; `None` if the dump has none of it, or only its structure.
    pub dump_rows: Option<u64>,
    /// Bytes that it takes on the server's disk; `None` if it is not live, and would be added.
    pub live_bytes: Option<u64>,
    /// Its live rows, as the server estimates.
    pub live_rows: Option<u64>,
}

impl PlannedTable {
    /// Whether it would be added: only the dump has it.
    pub fn is_added(&self) -> bool {
        self.live_bytes.is_none()
    }

    /// Whether it would be removed: only the live schema has it.
    pub fn is_removed(&self) -> bool {
        self.dump_bytes.is_none()
    }
}

/// Looks at dump and live schema, and says what a restore would change. Changes nothing.
///
/// # Errors
/// As [`stage`](super::stage()).
pub fn plan(
    order: &Order<'_>,
    id: Uuid,
    only: Option<&[String]>,
    way: Way,
) -> Result<(Staged, Plan), RestoreError> {
    let _ = (order, id, only, way);
    todo!()
}
