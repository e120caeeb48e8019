//! What is told of a statement that the server refused: never anybody's data.

use super::sort::{Kind, sort};
use crate::database::error::{DatabaseError, cut};
use crate::database::restore::RestoreError;

/// So much of a statement is shown in an error.
const SHOWN: usize = 80;

/// The error of a statement that the server refused.
pub(in crate::database) fn refused(section: &str, statement: &[u8], error: DatabaseError) -> RestoreError {
    match error {
        DatabaseError::Statement { code, message, .. } => {
            // The server repeats what it did not understand, and that may be anybody's data.
            let is_rows = matches!(sort(statement, false), Kind::Insert(_));
            let message = if code == 1062 || (is_rows && matches!(code, 1064 | 1366 | 1406 | 1292)) {
                match code {
                    1064 => "it is not SQL to this server".to_owned(),
                    1062 => "a row has a key that another one has".to_owned(),
                    _ => "a value does not fit its column".to_owned(),
                }
            } else {
                message
            };
            RestoreError::Refused { section: section.to_owned(), statement: shown(statement), code, message }
        }
        other => other.into(),
    }
}

/// How a statement begins, up to the first row.
pub(in crate::database) fn shown(statement: &[u8]) -> String {
    let head = statement.get(..SHOWN).unwrap_or(statement);
    match sort(statement, false) {
        Kind::Insert(table) => format!("INSERT INTO {table} …"),
        Kind::Set => "SET …".to_owned(),
        _ => {
            let mut text = cut(head);
            if statement.len() > SHOWN {
                text.push('…');
            }
            text
        }
    }
}
