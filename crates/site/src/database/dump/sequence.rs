//! Sequences (MariaDB).

use undercroft_vault::stream::SectionKind;

use super::context::Context;
use crate::database::error::DatabaseError;
use crate::database::quote;
use crate::database::wire::Connection;

/// Writes a sequence's section.
///
/// The next number that a sequence would give is known to the server's memory alone, and asking for it
/// would use it up. What its table says is the next after those that the server holds ready: from there it
/// goes on after a restore, as it does after a restart of the server, and no number comes twice.
pub(super) fn write_sequence(
    context: &Context<'_>,
    connection: &mut Connection,
    ordinal: u32,
    name: &str,
) -> Result<(), DatabaseError> {
    context.doing(connection, &format!("reading the sequence {name}"));
    let (comment, quoted) = (quote::in_comment(name), quote::name(name));
    let mut out = context.open(ordinal, SectionKind::Sequence, name, connection)?;
    out.push(format!("\n--\n-- Sequence structure for `{comment}`\n--\n\n"));
    if let Some(definition) = context.definition(connection, "SEQUENCE", name, "Create Table")? {
        let record = connection.record(
            &format!(
                "SELECT next_not_cached_value AS next, cycle_count AS round, minimum_value AS low, \
                 maximum_value AS high, increment AS step FROM {quoted}"
            ),
            context.watch,
        )?;
        let number = |column: &str| record.text(column).parse::<i128>();
        let (Ok(next), Ok(low), Ok(high), Ok(step), Ok(round)) =
            (number("next"), number("low"), number("high"), number("step"), number("round"))
        else {
            return Err(connection.garbled("a sequence without numbers"));
        };
        // One that is used up has its next number outside of its bounds, where none may be set.
        let (value, is_used) = match next {
            next if step >= 0 && next > high => (high, 1),
            next if step < 0 && next < low => (low, 1),
            next => (next, 0),
        };
        out.push(format!("DROP SEQUENCE IF EXISTS {quoted};\n"));
        out.push(definition);
        out.push(format!(";\nDO SETVAL({quoted}, {value}, {is_used}, {round});\n"));
        context.tally().sequences += 1;
    }
    connection.run("ROLLBACK TO SAVEPOINT undercroft", context.watch)?;
    out.finish(None)
}
