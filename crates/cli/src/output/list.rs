//! Rows of a table, and the properties of one thing.

use super::value::Value;

/// A column of a table, or one property of a list of properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// What scripts call it, in `--field=` and as the key of raw formats.
    pub key: &'static str,
    /// What people read above it. `--fields=` knows it too.
    pub label: &'static str,
    /// Whether it is shown when no fields are asked for.
    pub shown: bool,
}

impl Column {
    /// A column that is shown unless other fields are asked for.
    pub const fn new(key: &'static str, label: &'static str) -> Self {
        Column { key, label, shown: true }
    }

    /// A column that is shown only when it is asked for.
    pub const fn on_request(key: &'static str, label: &'static str) -> Self {
        Column { key, label, shown: false }
    }
}

/// One cell beside the key of its column.
pub type Cell = (&'static str, Value);

/// Rows of one kind, in the order in which they are shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// The columns that may be shown, in their usual order.
    pub columns: &'static [Column],
    /// Each row's id (which raw formats use as its key) and its cells. A cell may stand under a key that is no
    /// column: it is never shown, but `--filter` knows it.
    pub rows: Vec<(String, Vec<Cell>)>,
}

/// The properties of one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Properties {
    /// The properties that may be shown, in their usual order.
    pub columns: &'static [Column],
    /// Their values.
    pub values: Vec<Cell>,
    /// The one property that is printed bare when neither a format nor fields are asked for.
    pub default_field: Option<&'static str>,
}

/// The value under `key`; a row need not have one for each column.
pub(super) fn find<'a>(cells: &'a [Cell], key: &str) -> Option<&'a Value> {
    cells.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
}
