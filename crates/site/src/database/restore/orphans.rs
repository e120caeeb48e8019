//! Rows of tables that stay, and refer to tables that come back alone: what they refer to may be gone then.

use undercroft_model::{Element, Observer, Remark};

use super::hand::Hand;
use crate::database::error::DatabaseError;
use crate::database::quote;
use crate::database::wire::Connection;

/// A foreign key of a table in the schema, to another one there.
pub(super) struct Child {
    table: String,
    key: String,
    parent: String,
}

impl Child {
    /// Whether what it refers to comes back, and the table itself stays.
    pub(super) fn is_left(&self, is_wanted: impl Fn(&str) -> bool) -> bool {
        is_wanted(&self.parent) && !is_wanted(&self.table)
    }

    /// What is to be known before.
    pub(super) fn warning(&self) -> String {
        let Child { table, key, parent } = self;
        format!(
            "the table {table} refers to {parent} (foreign key {key}) and is not restored: rows of it may refer to rows \
             that are not there any more then; --table={table} as well brings them together"
        )
    }
}

/// The foreign keys within a schema.
pub(super) fn children(
    connection: &mut Connection,
    schema: &str,
    watch: &dyn Observer,
) -> Result<Vec<Child>, DatabaseError> {
    let schema = quote::text(schema);
    let sql = format!(
        "SELECT TABLE_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE \
         CONSTRAINT_SCHEMA = {schema} AND UNIQUE_CONSTRAINT_SCHEMA = {schema} ORDER BY TABLE_NAME, CONSTRAINT_NAME"
    );
    let child = |row| {
        let [table, key, parent] = texts(row);
        Child { table, key, parent }
    };
    Ok(connection.table(&sql, watch)?.into_iter().map(child).collect())
}

fn texts<const N: usize>(row: Vec<Option<Vec<u8>>>) -> [String; N] {
    let mut values = row.into_iter();
    [(); N].map(|()| String::from_utf8_lossy(&values.next().flatten().unwrap_or_default()).into_owned())
}

/// Tells of rows of live tables that refer to nothing now. Where that can't be counted, the restore is done all the same.
pub(super) fn tell_orphans(hand: &mut Hand<'_>) {
    if hand.staged.only.is_none() {
        return;
    }
    hand.doing("looking for rows that refer to what is gone");
    let all = children(&mut hand.connection, &hand.staged.schema, hand.watch).unwrap_or_default();
    for child in all {
        if !child.is_left(|name| hand.is_wanted(name)) {
            continue;
        }
        let rows = count(hand, &child).unwrap_or(0);
        if rows > 0 {
            let Child { table, key, parent } = child;
            let text = format!(
                "{rows} of its rows refer to rows of {parent} that are not there any more (foreign key {key}): \
                 --table={table} as well brings them together"
            );
            hand.watch.remark(Element::Database, Remark::note(table, text));
        }
    }
}

/// How many rows refer to rows that are not there.
fn count(hand: &mut Hand<'_>, child: &Child) -> Result<u64, DatabaseError> {
    let sql = format!(
        "SELECT COLUMN_NAME, REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE WHERE CONSTRAINT_SCHEMA = {} \
         AND TABLE_NAME = {} AND CONSTRAINT_NAME = {} AND REFERENCED_COLUMN_NAME IS NOT NULL ORDER BY ORDINAL_POSITION",
        quote::text(&hand.staged.schema),
        quote::text(&child.table),
        quote::text(&child.key)
    );
    let pairs: Vec<[String; 2]> = hand.connection.table(&sql, hand.watch)?.into_iter().map(texts).collect();
    let each = |what: &dyn Fn(&str, &str) -> String| -> String {
        let all: Vec<String> =
            pairs.iter().map(|[own, other]| what(&quote::name(own), &quote::name(other))).collect();
        all.join(" AND ")
    };
    if pairs.is_empty() {
        return Ok(0);
    }
    let place = |table: &str| format!("{}.{}", quote::name(&hand.staged.schema), quote::name(table));
    let sql = format!(
        "SELECT COUNT(*) AS n FROM {} AS c WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS p WHERE {})",
        place(&child.table),
        each(&|own, _| format!("c.{own} IS NOT NULL")),
        place(&child.parent),
        each(&|own, other| format!("p.{other} = c.{own}"))
    );
    Ok(hand.connection.record(&sql, hand.watch)?.text("n").parse().unwrap_or(0))
}
