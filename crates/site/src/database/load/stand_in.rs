//! Sequences that stand in for others.
//!
//! A column may number its rows by a sequence that is not there: another table's, when one table comes back alone, or
//! one that was removed. The server knows such a table, and yet neither makes nor changes one. So a sequence of that
//! name is made for the moment, and known by its comment.

use std::collections::BTreeSet;

use undercroft_model::Observer;

use super::token::{Token, TokenKind, Tokens};
use crate::database::error::DatabaseError;
use crate::database::quote;
use crate::database::wire::Connection;

/// What a statement fails with that needs a sequence which is not there.
pub(in crate::database) const NOT_THERE: u16 = 1146;

/// How one is told from all others.
const COMMENT: &str = "undercroft: stands in for a sequence that is not there";

/// The sequences that a definition takes numbers from, each with its schema, if that is said.
pub(in crate::database) fn sequences(definition: &[u8]) -> BTreeSet<(Option<String>, String)> {
    let tokens: Vec<Token<'_>> = Tokens::of(definition, false).collect();
    let is_call = |token: &Token<'_>| ["NEXTVAL", "LASTVAL", "SETVAL"].iter().any(|word| token.is(word));
    let is_named = |token: &Token<'_>| token.kind == TokenKind::Name;
    let calls = tokens.windows(5).filter_map(|five| match five {
        [call, open, first, dot, second] if is_call(call) && open.is_mark(b'(') && is_named(first) => {
            match dot.is_mark(b'.') {
                true => Some((first.name(), second.name()?)),
                false => Some((None, first.name()?)),
            }
        }
        _ => None,
    });
    calls.collect()
}

/// Makes the sequences of a schema that a statement needs and that are not there. `false` if there were none to make.
pub(in crate::database) fn make(
    connection: &mut Connection,
    schema: &str,
    statement: &[u8],
    watch: &dyn Observer,
) -> Result<bool, DatabaseError> {
    let is_own = |(of, _): &(Option<String>, String)| of.as_ref().is_none_or(|of| of == schema);
    let needed: Vec<_> = sequences(statement).into_iter().filter(is_own).collect();
    for (_, name) in &needed {
        let place = format!("{}.{}", quote::name(schema), quote::name(name));
        connection.run(&format!("CREATE SEQUENCE IF NOT EXISTS {place} COMMENT='{COMMENT}'"), watch)?;
    }
    Ok(!needed.is_empty())
}

/// The sequences of a schema that only stand in for others.
pub(in crate::database) fn list(
    connection: &mut Connection,
    schema: &str,
    watch: &dyn Observer,
) -> Result<BTreeSet<String>, DatabaseError> {
    let sql = format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_TYPE = 'SEQUENCE' AND \
         TABLE_COMMENT = '{COMMENT}'",
        quote::text(schema)
    );
    let first = |row: Vec<Option<Vec<u8>>>| row.into_iter().next().flatten();
    let names = connection.table(&sql, watch)?.into_iter().filter_map(first);
    Ok(names.map(|name| String::from_utf8_lossy(&name).into_owned()).collect())
}

/// Removes them.
pub(in crate::database) fn remove(
    connection: &mut Connection,
    schema: &str,
    watch: &dyn Observer,
) -> Result<(), DatabaseError> {
    for name in list(connection, schema, watch)? {
        let place = format!("{}.{}", quote::name(schema), quote::name(&name));
        connection.run(&format!("DROP SEQUENCE IF EXISTS {place}"), watch)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_found_in_calls_alone() {
        let definition =
            b"CREATE TABLE `t` (`a` int DEFAULT nextval(`s``x`), `b` int DEFAULT (lastval(`shop`.`y`) + 1), \
                           `c` int DEFAULT nextval(`other`.`z`) COMMENT 'nextval(`no`)', `nextval` int)";
        let found = sequences(definition);
        let named = |of: Option<&str>, name: &str| (of.map(str::to_owned), name.to_owned());
        let expected = [named(None, "s`x"), named(Some("other"), "z"), named(Some("shop"), "y")];
        assert_eq!(found, BTreeSet::from(expected));
    }
}
