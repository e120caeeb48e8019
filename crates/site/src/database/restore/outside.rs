//! Foreign keys of tables in other schemas.

use super::error::RestoreError;
use super::hand::{Look, folds};
use super::order::{Order, OutsideKey, Staged};
use super::prepare::key_line;
use crate::database::error::DatabaseError;
use crate::database::quote;

/// The keys of other schemas' tables to tables that are switched; and, a sentence each, those that the account can't
/// make again.
pub(super) fn keys(
    look: &mut Look,
    staged: &Staged,
    order: &Order<'_>,
) -> Result<(Vec<OutsideKey>, Vec<String>), RestoreError> {
    let schema = quote::text(&look.schema);
    let sql = format!(
        "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_NAME FROM \
         information_schema.REFERENTIAL_CONSTRAINTS WHERE UNIQUE_CONSTRAINT_SCHEMA = {schema} AND CONSTRAINT_SCHEMA <> \
         {schema} AND CONSTRAINT_SCHEMA NOT LIKE 'undercroft\\_%'"
    );
    let folds = folds(&mut look.connection, order.observer)?;
    let (mut keys, mut lost) = (Vec::new(), Vec::new());
    for row in look.connection.table(&sql, order.observer)? {
        let mut texts =
            row.into_iter().map(|value| String::from_utf8_lossy(&value.unwrap_or_default()).into_owned());
        let mut next = || texts.next().unwrap_or_default();
        let (other, table, name, parent) = (next(), next(), next(), next());
        let is_one =
            |name: &String| *name == parent || (folds && name.to_lowercase() == parent.to_lowercase());
        if staged.only.as_ref().is_some_and(|only| !only.iter().any(is_one)) {
            continue;
        }
        let mut lacking = look.rights.lacks_on(&other, &["SELECT", "ALTER"]);
        lacking.extend(look.rights.lacks(&["REFERENCES"]));
        let line = if lacking.is_empty() { definition(look, order, &other, &table, &name)? } else { None };
        match line {
            Some(line) => keys.push(OutsideKey { schema: other, table, name, parent, line }),
            None => lost.push(format!(
                "the foreign key {name} of {other}.{table} refers to {parent}, and this account can't make it again{}",
                if lacking.is_empty() { String::new() } else { format!(": it lacks {}", lacking.join(", ")) }
            )),
        }
    }
    Ok((keys, lost))
}

fn definition(
    look: &mut Look,
    order: &Order<'_>,
    schema: &str,
    table: &str,
    name: &str,
) -> Result<Option<String>, RestoreError> {
    let sql = format!("SHOW CREATE TABLE {}.{}", quote::name(schema), quote::name(table));
    match look.connection.record(&sql, order.observer) {
        Ok(record) => Ok(record.bytes("Create Table").and_then(|text| key_line(text, name))),
        Err(DatabaseError::Statement { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
