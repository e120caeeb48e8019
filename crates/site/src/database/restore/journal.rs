//! What a restore notes on the server itself, so that another process can go on where one was killed.
//!
//! The notes are in a table of the scratch schema; a table of the same name in the schema with the old tables says
//! that this, too, was made by the restore. A schema without it is never removed.

use super::error::RestoreError;
use super::order::Staged;
use crate::database::error::DatabaseError;
use crate::database::quote;
use crate::database::wire::Connection;
use undercroft_model::Observer;

/// How far a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was made, or no more is there.
    None,
    /// The dump is being loaded.
    Loading,
    /// It is loaded, and the live schema as it was.
    Prepared,
    /// The switch has begun.
    Switching,
    /// The switch is done.
    Switched,
    /// The switch is being taken back.
    Backing,
}

const PHASES: [(Phase, &str); 5] = [
    (Phase::Loading, "loading"),
    (Phase::Prepared, "prepared"),
    (Phase::Switching, "switching"),
    (Phase::Switched, "switched"),
    (Phase::Backing, "backing"),
];

/// What kind of note it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// How far the restore is.
    Phase,
    /// A table that was loaded.
    Table,
    /// A statement that makes the dump's triggers, views, routines and events.
    New,
    /// A statement that makes those that were live.
    Old,
    /// The collation that the dump's schema had.
    NewCollation,
    /// The collation that the live schema had.
    OldCollation,
    /// A foreign key of a table that was loaded, to one that was not: the table, and the key's definition.
    Key,
    /// A column that was loaded and numbers itself by a sequence: its table, and how its default is set.
    Default,
    /// A foreign key of a live table that stays, to one that is switched.
    ChildKey,
    /// A statement that grants a right on a routine that was live, as its name; `unknown` if they can't be read.
    Grant,
}

impl Part {
    fn word(self) -> &'static str {
        match self {
            Part::Phase => "phase",
            Part::Table => "table",
            Part::New => "new",
            Part::Old => "old",
            Part::NewCollation => "new collation",
            Part::OldCollation => "old collation",
            Part::Key => "key",
            Part::Default => "default",
            Part::ChildKey => "child key",
            Part::Grant => "grant",
        }
    }
}

/// A note: a name, and what there is to say of it.
pub(super) type Note = (String, Vec<u8>);

impl Staged {
    /// The name of the table with the notes, in both schemas.
    pub(super) fn journal(&self) -> String {
        format!("{}_journal", self.scratch)
    }

    fn table(&self) -> String {
        format!("{}.{}", quote::name(&self.scratch), quote::name(&self.journal()))
    }
}

/// Makes a schema of the restore's own, and says in it whose it is.
pub(super) fn make_schema(
    connection: &mut Connection,
    staged: &Staged,
    schema: &str,
    collation: Option<&str>,
    watch: &dyn Observer,
) -> Result<(), RestoreError> {
    let collation = collation.map(|name| format!(" COLLATE {name}")).unwrap_or_default();
    let quoted = quote::name(schema);
    connection.set_doing(&format!("making the schema {schema}"));
    match whose(connection, staged, schema, watch)? {
        Whose::Ours => return Ok(()),
        Whose::Nobodys => {}
        Whose::Empty => {}
        Whose::Others => return Err(RestoreError::NotOurs { schema: schema.to_owned() }),
    }
    connection.run(&format!("CREATE DATABASE IF NOT EXISTS {quoted}{collation}"), watch)?;
    let table = format!("{quoted}.{}", quote::name(&staged.journal()));
    connection.run(
        &format!(
            "CREATE TABLE {table} (seq INT NOT NULL AUTO_INCREMENT PRIMARY KEY, part VARCHAR(20) NOT NULL, \
             name LONGBLOB NOT NULL, body LONGBLOB NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='{}'",
            staged.id
        ),
        watch,
    )?;
    Ok(())
}

/// Whose a schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// There is none.
    Nobodys,
    /// This restore's.
    Ours,
    /// It is there and empty, so it is ours: the name is, and who made it was killed before it made anything else.
    Empty,
    /// Somebody else's.
    Others,
}

/// Whose a schema of one of the restore's names is.
pub(super) fn whose(
    connection: &mut Connection,
    staged: &Staged,
    schema: &str,
    watch: &dyn Observer,
) -> Result<Whose, DatabaseError> {
    let text = quote::text(schema);
    let sql = format!(
        "SELECT (SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {text}) AS is_there, \
         (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {text}) AS all_tables, \
         (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {text} AND TABLE_NAME = {} \
         AND TABLE_COMMENT = {}) AS ours",
        quote::text(&staged.journal()),
        quote::text(&staged.id.to_string()),
    );
    let record = connection.record(&sql, watch)?;
    Ok(match (&*record.text("is_there"), &*record.text("all_tables"), &*record.text("ours")) {
        ("0", _, _) => Whose::Nobodys,
        (_, _, "1") => Whose::Ours,
        (_, "0", _) => Whose::Empty,
        _ => Whose::Others,
    })
}

/// How far the restore is.
pub(super) fn phase(
    connection: &mut Connection,
    staged: &Staged,
    watch: &dyn Observer,
) -> Result<Phase, RestoreError> {
    match whose(connection, staged, &staged.scratch, watch)? {
        Whose::Others => return Err(RestoreError::NotOurs { schema: staged.scratch.clone() }),
        Whose::Nobodys | Whose::Empty => return Ok(Phase::None),
        Whose::Ours => {}
    }
    let notes = read(connection, staged, Part::Phase, watch)?;
    let word = notes.last().map(|(name, _)| name.as_str());
    // Made a moment before it was killed.
    let known = PHASES.iter().find(|(_, name)| Some(*name) == word).map(|(phase, _)| *phase);
    Ok(known.unwrap_or(Phase::Loading))
}

/// Notes how far the restore is.
pub(super) fn set_phase(
    connection: &mut Connection,
    staged: &Staged,
    phase: Phase,
    watch: &dyn Observer,
) -> Result<(), DatabaseError> {
    let word = PHASES.iter().find(|(known, _)| *known == phase).map_or("", |(_, word)| word);
    let sql = format!(
        "INSERT INTO {} (part, name, body) VALUES ('{}', '{word}', '')",
        staged.table(),
        Part::Phase.word()
    );
    connection.run(&sql, watch)
}

/// The notes of one kind, in the order in which they were made.
pub(super) fn read(
    connection: &mut Connection,
    staged: &Staged,
    part: Part,
    watch: &dyn Observer,
) -> Result<Vec<Note>, DatabaseError> {
    let sql =
        format!("SELECT name, body FROM {} WHERE part = '{}' ORDER BY seq", staged.table(), part.word());
    let rows = connection.table(&sql, watch)?;
    let note = |row: Vec<Option<Vec<u8>>>| {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let name = values.next().unwrap_or_default();
        (String::from_utf8_lossy(&name).into_owned(), values.next().unwrap_or_default())
    };
    Ok(rows.into_iter().map(note).collect())
}

/// Writes notes of one kind, instead of those that were there.
pub(super) fn write(
    connection: &mut Connection,
    staged: &Staged,
    part: Part,
    notes: &[Note],
    watch: &dyn Observer,
) -> Result<(), DatabaseError> {
    let table = staged.table();
    connection.run(&format!("DELETE FROM {table} WHERE part = '{}'", part.word()), watch)?;
    for (name, body) in notes {
        let mut sql =
            format!("INSERT INTO {table} (part, name, body) VALUES ('{}', ", part.word()).into_bytes();
        literal(&mut sql, name.as_bytes());
        sql.extend_from_slice(b", ");
        literal(&mut sql, body);
        sql.push(b')');
        connection.execute(&sql, watch)?;
    }
    Ok(())
}

fn literal(sql: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.is_empty() {
        return sql.extend_from_slice(b"''");
    }
    sql.extend_from_slice(b"0x");
    quote::hex(sql, bytes);
}
