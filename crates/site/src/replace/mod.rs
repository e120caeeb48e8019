//! Texts replaced in the rows of a dump while it is loaded, such as a site's address in another environment's
//! database.

mod rows;

use serde::{Deserialize, Serialize};

/// Why a replacement can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplaceError {
    /// There is nothing to look for.
    #[error("the text to replace is empty: give one, such as https://old.example")]
    Empty,
    /// One text is to become two.
    #[error("{0:?} is to be replaced by two texts: name each text once")]
    Twice(String),
    /// A statement is no whole SQL.
    #[error("a statement that fills the table {table} ends within a value: the dump is damaged there")]
    Unclosed {
        /// The table.
        table: String,
    },
}

/// What was replaced in one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// The table.
    pub table: String,
    /// How many values were changed.
    pub values: u64,
    /// How many places in them.
    pub places: u64,
    /// Values that hold the text but were left as they are, since a change would break them: serialized PHP
    /// that is damaged already.
    pub left: u64,
}

/// Texts and what they become.
#[derive(Debug)]
pub struct SearchReplace {}

impl SearchReplace {
    /// For pairs of old and new texts. All are looked for in one pass: what was put in is not looked at again.
    ///
    /// # Errors
    /// [`ReplaceError::Empty`] and [`ReplaceError::Twice`].
    pub fn new(pairs: &[(String, String)]) -> Result<Self, ReplaceError> {
        let _ = pairs;
        todo!()
    }

    /// Replaces in one statement of a table; one that is no INSERT or REPLACE stays as it is.
    ///
    /// # Errors
    /// [`ReplaceError::Unclosed`].
    pub fn rewrite(&self, table: &str, statement: &mut Vec<u8>) -> Result<(), ReplaceError> {
        let _ = (table, statement);
        todo!()
    }

    /// What was replaced so far, by table.
    pub fn replaced(&self) -> Vec<Replaced> {
        todo!()
    }
}
