//! Values that a column did not take as they are: a server that is not strict takes what it can and warns.

use std::collections::BTreeSet;

use undercroft_model::Observer;

use crate::database::error::DatabaseError;
use crate::database::quote;
use crate::database::wire::Connection;

/// Warnings about a value: 1048 it is NULL, 1264 out of range, 1265 cut, 1292 a wrong date or number, 1366 no text of
/// the column's character set or no number, 1406 too long.
const ABOUT_VALUES: [&[u8]; 6] = [b"1048", b"1264", b"1265", b"1292", b"1366", b"1406"];

/// The columns that the last statement's warnings are about. Not a word of the warnings themselves: they repeat values.
pub(super) fn unfit(
    connection: &mut Connection,
    watch: &dyn Observer,
) -> Result<BTreeSet<String>, DatabaseError> {
    let said = connection.table("SHOW WARNINGS", watch)?;
    let about = |line: &Vec<Option<Vec<u8>>>| {
        let code = line.get(1)?.as_deref()?;
        let words = String::from_utf8_lossy(line.get(2)?.as_deref()?).into_owned();
        ABOUT_VALUES.contains(&code).then(|| column(&words)).flatten()
    };
    Ok(said.iter().filter_map(about).collect())
}

/// The column in `Data truncated for column 'a' at row 1`, also where its schema and table stand before it.
fn column(words: &str) -> Option<String> {
    let (_, rest) = words.rsplit_once("olumn ")?;
    let name = rest.rsplit_once(" at row ").map_or(rest, |(name, _)| name);
    let quote = name.chars().next().filter(|first| ['\'', '`'].contains(first))?;
    let inner = name.strip_prefix(quote)?.split(['\'', '`']).rfind(|part| !part.is_empty())?;
    Some(inner.to_owned())
}

/// Whether a column holds texts or bytes, so that it cuts what is too long.
pub(super) fn is_text(
    connection: &mut Connection,
    table: &str,
    column: &str,
    watch: &dyn Observer,
) -> Result<bool, DatabaseError> {
    let sql = format!(
        "SELECT CHARACTER_OCTET_LENGTH IS NOT NULL AND DATA_TYPE NOT IN ('enum', 'set') AS is_text FROM \
         information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = {} AND COLUMN_NAME = {}",
        quote::text(table),
        quote::text(column)
    );
    Ok(connection.record(&sql, watch)?.text("is_text") == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_is_read_off_a_warning() {
        for words in [
            "Data truncated for column 'a b' at row 1",
            "Incorrect string value: 'for column 'x'' for column `shop`.`t`.`a b` at row 12",
            "Out of range value for column 'a b' at row 3",
            "Column 'a b' cannot be null",
        ] {
            let found = column(words);
            assert!(found.as_deref() == Some("a b") || words.starts_with("Column"), "{words}: {found:?}");
        }
        assert_eq!(column("something else"), None);
    }
}
