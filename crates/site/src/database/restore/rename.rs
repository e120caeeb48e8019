//! Renaming many tables at once.

use super::error::RestoreError;
use super::hand::Hand;
use crate::database::error::DatabaseError;
use crate::database::quote;

/// The server gave up waiting for a lock.
const LOCK_WAIT: u16 = 1205;
/// So many seconds one attempt waits for tables that others hold: everybody who comes later waits behind it.
const SECONDS: u32 = 2;
/// So often it is tried, with a second in between, in which the others go on.
const ATTEMPTS: u32 = 5;

/// A table that goes from one schema into another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Move {
    from: String,
    table: String,
    to: String,
}

impl Move {
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

/// Does something that needs tables which others may hold: several times, and each time not for long.
pub(super) fn patiently(
    hand: &mut Hand<'_>,
    mut work: impl FnMut(&mut Hand<'_>) -> Result<(), RestoreError>,
) -> Result<(), RestoreError> {
    hand.run(&format!("SET SESSION lock_wait_timeout = {SECONDS}"))?;
    for attempt in 1.. {
        match work(hand) {
            Err(RestoreError::Database(DatabaseError::Statement { code: LOCK_WAIT, .. })) => {
                let schema = hand.staged.schema.clone();
                let holders: Vec<String> =
                    hand.others_in(&[&schema])?.into_iter().take(3).map(|(_, named)| named).collect();
                let holder = if holders.is_empty() {
                    "the server does not say who".to_owned()
                } else {
                    holders.join(", ")
                };
                if attempt >= ATTEMPTS {
                    return Err(RestoreError::Locked { holder });
                }
                hand.doing(&format!("waiting for tables that others hold: {holder}"));
                hand.pause()?;
            }
            other => return other,
        }
    }
    Ok(())
}
