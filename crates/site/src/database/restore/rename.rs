//! Renaming many tables at once.

use std::collections::BTreeSet;

use super::error::RestoreError;
use super::hand::Hand;
use crate::database::error::DatabaseError;
use crate::database::quote;

/// The server gave up waiting for a lock, or saw that the wait would never end.
const LOCK_WAIT: [u16; 2] = [1205, 1213];
/// How long one attempt of a session waits for tables that others hold: everybody who comes later waits behind it.
pub(super) const SECONDS: &str = "SET SESSION lock_wait_timeout = 2";

/// How often something is tried that others stand in the way of, with a second in between, in which they go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Once.
    None,
    /// For a while: nothing was changed yet, so it can be given up.
    Short,
    /// For minutes: it is better than to leave something half done.
    Long,
}

impl Patience {
    fn attempts(self) -> u32 {
        match self {
            Patience::None => 1,
            Patience::Short => 5,
            Patience::Long => 100,
        }
    }
}

/// A table that goes from one schema into another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Move {
    from: String,
    table: String,
    to: String,
}

impl Move {
    pub(super) fn is_from(&self, schema: &str) -> bool {
        self.from == schema
    }

    pub(super) fn table(&self) -> &str {
        &self.table
    }

    pub(super) fn new(from: &str, table: &str, to: &str) -> Self {
        Move { from: from.to_owned(), table: table.to_owned(), to: to.to_owned() }
    }
}

/// Renames all of them in one statement: all or none, unless the server dies meanwhile.
pub(super) fn rename(hand: &mut Hand<'_>, moves: &[Move]) -> Result<(), RestoreError> {
    if moves.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = moves
        .iter()
        .map(|Move { from, table, to }| {
            let table = quote::name(table);
            format!("{}.{table} TO {}.{table}", quote::name(from), quote::name(to))
        })
        .collect();
    Ok(hand.run(&format!("RENAME TABLE {}", list.join(", ")))?)
}

/// Waits until nobody holds any of these live tables, and keeps them until `UNLOCK TABLES`. `false` if the account
/// or the server can't.
pub(super) fn hold(hand: &mut Hand<'_>, tables: &BTreeSet<String>) -> Result<bool, RestoreError> {
    if tables.is_empty() {
        return Ok(false);
    }
    let schema = quote::name(&hand.staged.schema);
    let list: Vec<String> =
        tables.iter().map(|table| format!("{schema}.{} WRITE", quote::name(table))).collect();
    match hand.run(&format!("LOCK TABLES {}", list.join(", "))) {
        Ok(()) => Ok(true),
        Err(DatabaseError::Statement { code, .. }) if !LOCK_WAIT.contains(&code) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether others held what was needed.
pub(super) fn is_held(error: &RestoreError) -> bool {
    match error {
        RestoreError::Database(DatabaseError::Statement { code, .. })
        | RestoreError::Refused { code, .. } => LOCK_WAIT.contains(code),
        _ => false,
    }
}

/// Does something that needs tables which others may hold: several times, and each time not for long.
pub(super) fn patiently<T>(
    hand: &mut Hand<'_>,
    patience: Patience,
    mut work: impl FnMut(&mut Hand<'_>) -> Result<T, RestoreError>,
) -> Result<T, RestoreError> {
    hand.run(SECONDS)?;
    let mut attempt = 1;
    loop {
        match work(hand) {
            Err(error) if is_held(&error) => {
                let holder = holders(hand)?;
                if attempt >= patience.attempts() {
                    return Err(RestoreError::Locked { holder });
                }
                hand.doing(&format!("waiting for tables that others hold: {holder}"));
                hand.pause()?;
                attempt += 1;
            }
            other => return other,
        }
    }
}

/// Those who are in the live schema, as a person would name them.
fn holders(hand: &mut Hand<'_>) -> Result<String, RestoreError> {
    let schema = hand.staged.schema.clone();
    let holders: Vec<String> =
        hand.others_in(&[&schema])?.into_iter().take(3).map(|(_, named)| named).collect();
    Ok(if holders.is_empty() { "the server does not say who".to_owned() } else { holders.join(", ") })
}
