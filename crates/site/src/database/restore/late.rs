//! Rows that were written while a restore was prepared: they are replaced with the rest, and no backup need have them.

use undercroft_model::{Element, Observer, Remark};

use super::hand::Hand;
use crate::database::error::DatabaseError;
use crate::database::quote;
use crate::database::wire::Connection;

/// So many names are told.
const NAMES_MAX: usize = 20;

/// The time by the server's clock, in seconds since 1970.
pub(super) fn now(connection: &mut Connection, watch: &dyn Observer) -> Result<u64, DatabaseError> {
    let text = connection.record("SELECT UNIX_TIMESTAMP() AS now", watch)?.text("now");
    text.parse().map_err(|_| connection.garbled("no time"))
}

/// Tells which of the tables that were live, and are in `schema`, were written to since the restore was decided, as far
/// as the server knows.
pub(super) fn tell_late(hand: &mut Hand<'_>, schema: &str) -> Result<(), DatabaseError> {
    // MySQL would say what it knew a day ago; others have no such setting.
    match hand.run("SET SESSION information_schema_stats_expiry = 0") {
        Ok(()) | Err(DatabaseError::Statement { .. }) => {}
        Err(error) => return Err(error),
    }
    let decided = hand.staged.decided;
    // Other engines say when their files were last touched, and a restore touches them.
    let sql = format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME <> {} AND \
         ENGINE = 'InnoDB' AND UPDATE_TIME > FROM_UNIXTIME({decided}) ORDER BY TABLE_NAME",
        quote::text(schema),
        quote::text(&hand.staged.journal())
    );
    let tables = hand.names(&sql)?;
    if decided == 0 || tables.is_empty() {
        return Ok(());
    }
    let seconds = now(&mut hand.connection, hand.watch)?.saturating_sub(decided);
    let shown = tables.iter().take(NAMES_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = match tables.len().saturating_sub(NAMES_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!(
        "these tables were written to in the {seconds} seconds in which the restore was prepared; those rows were \
         replaced with the rest, and the backup that was made before does not have them: {shown}{more}"
    );
    hand.watch.remark(Element::Database, Remark::note("", text));
    Ok(())
}
