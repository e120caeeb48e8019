//! Columns that number themselves by sequences.
//!
//! The server keeps the schema with the sequence's name, so that they would look for it in the scratch schema once they
//! are live; and it changes no table that names a sequence which is not there.

use std::collections::BTreeMap;

use super::error::RestoreError;
use super::hand::Hand;
use super::journal::{self, Note, Part};
use super::rename::{Patience, patiently};
use crate::database::load::stand_in;
use crate::database::quote;

/// Notes the columns of the scratch schema that number themselves by its sequences: for each table, how their defaults
/// are set so that they refer to the live ones. All of a table's at once, since each would need the sequences of the
/// others.
pub(super) fn note_numbered(hand: &mut Hand<'_>) -> Result<(), RestoreError> {
    let staged = hand.staged;
    let (scratch, live) = (quote::name(&staged.scratch), quote::name(&staged.schema));
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_DEFAULT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} \
         AND COLUMN_DEFAULT LIKE {} ORDER BY TABLE_NAME, ORDINAL_POSITION",
        quote::text(&staged.scratch),
        quote::text(&format!("%val({scratch}.%"))
    );
    let mut changes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in hand.connection.table(&sql, hand.watch)? {
        let mut texts =
            row.into_iter().map(|value| String::from_utf8_lossy(&value.unwrap_or_default()).into_owned());
        let (table, column) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
        let value =
            texts.next().unwrap_or_default().replace(&format!("val({scratch}."), &format!("val({live}."));
        let change = format!("ALTER COLUMN {} SET DEFAULT ({value})", quote::name(&column));
        changes.entry(table).or_default().push(change);
    }
    let notes: Vec<Note> =
        changes.into_iter().map(|(table, changes)| (table, changes.join(", ").into_bytes())).collect();
    Ok(journal::write(&mut hand.connection, staged, Part::Default, &notes, hand.watch)?)
}

/// Makes the defaults of live tables refer to live sequences. Those that are not there are made for the moment:
/// [`forget_stand_ins`] removes them when nothing more is changed.
pub(super) fn number_by_live(hand: &mut Hand<'_>) -> Result<(), RestoreError> {
    let (staged, watch) = (hand.staged, hand.watch);
    for (table, change) in journal::read(&mut hand.connection, staged, Part::Default, watch)? {
        let place = format!("{}.{}", quote::name(&staged.schema), quote::name(&table));
        let sql = format!("ALTER TABLE {place} {}", String::from_utf8_lossy(&change));
        patiently(hand, Patience::Long, |hand| {
            let Err(error) = hand.run(&sql) else { return Ok(()) };
            let lacks = error.code() == Some(stand_in::NOT_THERE);
            if lacks && stand_in::make(&mut hand.connection, &staged.schema, sql.as_bytes(), watch)? {
                return Ok(hand.run(&sql)?);
            }
            Err(error.into())
        })?;
    }
    Ok(())
}

/// Removes the sequences that were made for the moment, also by a process that was killed.
pub(super) fn forget_stand_ins(hand: &mut Hand<'_>) -> Result<(), RestoreError> {
    let (staged, watch) = (hand.staged, hand.watch);
    if journal::read(&mut hand.connection, staged, Part::Default, watch)?.is_empty() {
        return Ok(());
    }
    Ok(stand_in::remove(&mut hand.connection, &staged.schema, watch)?)
}
