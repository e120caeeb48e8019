//! Looking a schema over: what is in it, and a fingerprint that tells whether it changed since.
//!
//! Both come from the same answers of `information_schema`, so nothing can be listed that the fingerprint
//! does not cover. What moves while a site is in use (row counts, the next AUTO_INCREMENT, an event's last
//! run) is in neither.

use std::collections::BTreeMap;

use undercroft_model::Observer;

use super::error::DatabaseError;
use super::objects::{
    Column, KeyPart, Nature, Objects, Routine, RoutineKind, TableInfo, ViewInfo, in_order_of_use,
    quoted_names,
};
use super::quote;
use super::wire::Connection;

/// What the server calls the remains of an ALTER TABLE that crashed.
const LEFTOVER: &str = "#mysql50##sql";

/// What was found in a schema.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) objects: Objects,
    pub(super) fingerprint: Fingerprint,
}

/// What tells objects of a schema from others, by what a person calls them: `the table wp_posts`.
#[derive(Debug, Default)]
pub(super) struct Fingerprint(BTreeMap<String, Print>);

/// What tells an object from another one.
#[derive(Debug, Default, Clone)]
struct Print {
    /// A hash of its definition.
    hash: [u8; 32],
    /// When it was made. MariaDB does not always say: not while purge is at a table with a virtual column in a key.
    created: Option<String>,
}

impl Print {
    fn may_be(&self, later: &Print) -> bool {
        let is_same_time = match (&self.created, &later.created) {
            (Some(before), Some(after)) => before == after,
            _ => true,
        };
        is_same_time && self.hash == later.hash
    }
}

impl Fingerprint {
    /// What differs between this fingerprint and a later one, or `None`.
    pub(super) fn difference(&self, later: &Fingerprint) -> Option<String> {
        let gone = self.0.keys().find(|subject| !later.0.contains_key(*subject));
        let new = later.0.keys().find(|subject| !self.0.contains_key(*subject));
        let is_other =
            |subject: &String, print: &Print| later.0.get(subject).is_none_or(|it| !print.may_be(it));
        let other = self.0.iter().find(|(subject, print)| is_other(subject, print));
        match (gone, new, other) {
            (Some(gone), _, _) => Some(format!("{gone} is gone")),
            (None, Some(new), _) => Some(format!("{new} is new")),
            (None, None, Some((other, _))) => Some(format!("{other} is another now")),
            (None, None, None) => None,
        }
    }
}

/// One line of an answer, as text.
type Line = Vec<Option<String>>;

/// Looks the current schema over. Tables for which `is_slack` holds may be emptied and made anew meanwhile.
pub(super) fn survey(
    connection: &mut Connection,
    schema: &str,
    is_slack: &dyn Fn(&str) -> bool,
    watch: &dyn Observer,
) -> Result<Survey, DatabaseError> {
    connection.set_doing("looking the schema over");
    let mut look = Look { connection, schema, watch, parts: BTreeMap::new(), created: BTreeMap::new() };
    let mut objects = Objects { collation: look.default_collation()?, ..Objects::default() };
    look.tables(&mut objects, is_slack)?;
    look.columns(&mut objects)?;
    look.keys(&mut objects)?;
    look.triggers(&mut objects)?;
    look.routines(&mut objects)?;
    look.events(&mut objects)?;
    look.foreign_keys()?;
    look.views(&mut objects)?;
    let Look { parts, mut created, .. } = look;
    let fingerprint = parts.into_iter().map(|(subject, mut lines)| {
        lines.sort();
        let mut hasher = blake3::Hasher::new();
        lines.iter().for_each(|line| {
            hasher.update(&(line.len() as u64).to_le_bytes());
            hasher.update(line.as_bytes());
        });
        let created = created.remove(&subject);
        (subject, Print { hash: *hasher.finalize().as_bytes(), created })
    });
    Ok(Survey { objects, fingerprint: Fingerprint(fingerprint.collect()) })
}

struct Look<'c> {
    connection: &'c mut Connection,
    schema: &'c str,
    watch: &'c dyn Observer,
    parts: BTreeMap<String, Vec<String>>,
    created: BTreeMap<String, String>,
}

impl Look<'_> {
    /// The lines of a table of `information_schema` that belong to the schema, in byte order.
    fn lines(&mut self, columns: &str, from: &str, schema_column: &str) -> Result<Vec<Line>, DatabaseError> {
        // The first condition is the one that the server can look up; the second tells Shop from shop.
        let schema = quote::text(self.schema);
        let sql = format!(
            "SELECT {columns} FROM information_schema.{from} \
             WHERE {schema_column} = {schema} AND CAST({schema_column} AS BINARY) = CAST({schema} AS BINARY)"
        );
        let table = self.connection.table(&sql, self.watch)?;
        let text = |value: Option<Vec<u8>>| value.map(|value| String::from_utf8_lossy(&value).into_owned());
        let mut lines: Vec<Line> = table.into_iter().map(|row| row.into_iter().map(text).collect()).collect();
        lines.sort();
        Ok(lines)
    }

    /// Adds a line to what is known of a subject.
    fn note(&mut self, subject: String, line: &Line) {
        self.parts.entry(subject).or_default().push(format!("{line:?}"));
    }

    fn default_collation(&mut self) -> Result<String, DatabaseError> {
        let columns = "DEFAULT_COLLATION_NAME, DEFAULT_CHARACTER_SET_NAME";
        let lines = self.lines(columns, "SCHEMATA", "SCHEMA_NAME")?;
        let line = lines.into_iter().next().unwrap_or_default();
        self.note("the schema itself".to_owned(), &line);
        Ok(at(&line, 0).to_owned())
    }

    fn tables(
        &mut self,
        objects: &mut Objects,
        is_slack: &dyn Fn(&str) -> bool,
    ) -> Result<(), DatabaseError> {
        let columns =
            "TABLE_NAME, TABLE_TYPE, ENGINE, DATA_LENGTH, TABLE_COLLATION, CREATE_OPTIONS, CREATE_TIME";
        for mut line in self.lines(columns, "TABLES", "TABLE_SCHEMA")? {
            let name = at(&line, 0).to_owned();
            let bytes = line.get_mut(3).and_then(Option::take).and_then(|len| len.parse().ok()).unwrap_or(0);
            if name.starts_with(LEFTOVER) {
                objects.leftovers.push(name);
                continue;
            }
            let kind = at(&line, 1).to_owned();
            let subject = subject(&kind, &name);
            if let Some(created) = line.pop().flatten().filter(|_| !is_slack(&name)) {
                self.created.insert(subject.clone(), created);
            }
            self.note(subject, &line);
            match &*kind {
                "VIEW" => objects.views.push(ViewInfo { name, ..ViewInfo::default() }),
                "SEQUENCE" => objects.sequences.push(name),
                _ => objects.tables.push(TableInfo {
                    name,
                    engine: at(&line, 2).to_owned(),
                    versioned: kind == "SYSTEM VERSIONED",
                    bytes,
                    ..TableInfo::default()
                }),
            }
        }
        Ok(())
    }

    fn columns(&mut self, objects: &mut Objects) -> Result<(), DatabaseError> {
        let columns = "TABLE_NAME, LPAD(ORDINAL_POSITION, 5, '0'), COLUMN_NAME, DATA_TYPE, CHARACTER_SET_NAME, \
                       EXTRA, GENERATION_EXPRESSION, COLUMN_TYPE, COLLATION_NAME, IS_NULLABLE, COLUMN_DEFAULT, \
                       COLUMN_COMMENT";
        for line in self.lines(columns, "COLUMNS", "TABLE_SCHEMA")? {
            let (table, name) = (at(&line, 0), at(&line, 2).to_owned());
            if let Ok(place) = objects.tables.binary_search_by(|known| known.name.as_str().cmp(table)) {
                self.note(subject("", table), &line);
                if let Some(table) = objects.tables.get_mut(place) {
                    table.columns.push(column(name, &line));
                }
            } else if let Ok(place) = objects.views.binary_search_by(|known| known.name.as_str().cmp(table)) {
                self.note(subject("VIEW", table), &line);
                if let Some(view) = objects.views.get_mut(place) {
                    view.columns.push(name);
                }
            }
        }
        Ok(())
    }

    fn keys(&mut self, objects: &mut Objects) -> Result<(), DatabaseError> {
        let columns = "TABLE_NAME, INDEX_NAME, LPAD(SEQ_IN_INDEX, 5, '0'), COLUMN_NAME, NON_UNIQUE, SUB_PART, \
                       COLLATION, NULLABLE, INDEX_TYPE";
        let mut keys: BTreeMap<String, BTreeMap<String, Vec<Line>>> = BTreeMap::new();
        for line in self.lines(columns, "STATISTICS", "TABLE_SCHEMA")? {
            let (table, key) = (at(&line, 0).to_owned(), at(&line, 1).to_owned());
            if !table.starts_with(LEFTOVER) {
                self.note(subject("", &table), &line);
                keys.entry(table).or_default().entry(key).or_default().push(line);
            }
        }
        for table in &mut objects.tables {
            if let Some(keys) = keys.get(&table.name) {
                table.key = order(&table.engine, keys);
            }
        }
        Ok(())
    }

    fn triggers(&mut self, objects: &mut Objects) -> Result<(), DatabaseError> {
        let columns = "EVENT_OBJECT_TABLE, EVENT_MANIPULATION, ACTION_TIMING, LPAD(ACTION_ORDER, 5, '0'), \
                       TRIGGER_NAME, ACTION_STATEMENT, SQL_MODE, DEFINER, CREATED";
        for line in self.lines(columns, "TRIGGERS", "TRIGGER_SCHEMA")? {
            let (table, name) = (at(&line, 0).to_owned(), at(&line, 4).to_owned());
            self.note(format!("the trigger {name}"), &line);
            objects.triggers.entry(table).or_default().push(name);
        }
        Ok(())
    }

    fn routines(&mut self, objects: &mut Objects) -> Result<(), DatabaseError> {
        let columns = "ROUTINE_TYPE, ROUTINE_NAME, ROUTINE_DEFINITION, SQL_MODE, DEFINER, LAST_ALTERED";
        for line in self.lines(columns, "ROUTINES", "ROUTINE_SCHEMA")? {
            let (words, name) = (at(&line, 0), at(&line, 1).to_owned());
            self.note(format!("the {} {name}", words.to_lowercase()), &line);
            let Some(kind) = RoutineKind::of(words) else { continue };
            objects.routines.push(Routine { kind, name });
        }
        objects.routines.sort();
        Ok(())
    }

    fn events(&mut self, objects: &mut Objects) -> Result<(), DatabaseError> {
        let columns = "EVENT_NAME, EVENT_DEFINITION, SQL_MODE, DEFINER, TIME_ZONE, EVENT_TYPE, EXECUTE_AT, \
                       INTERVAL_VALUE, INTERVAL_FIELD, STARTS, ENDS, STATUS, ON_COMPLETION";
        for line in self.lines(columns, "EVENTS", "EVENT_SCHEMA")? {
            let name = at(&line, 0).to_owned();
            self.note(format!("the event {name}"), &line);
            objects.events.push(name);
        }
        Ok(())
    }

    fn foreign_keys(&mut self) -> Result<(), DatabaseError> {
        let columns = "TABLE_NAME, CONSTRAINT_NAME, REFERENCED_TABLE_NAME, UPDATE_RULE, DELETE_RULE";
        for line in self.lines(columns, "REFERENTIAL_CONSTRAINTS", "CONSTRAINT_SCHEMA")? {
            self.note(subject("", at(&line, 0)), &line);
        }
        Ok(())
    }

    /// The last to look, since it changes the order of views.
    fn views(&mut self, objects: &mut Objects) -> Result<(), DatabaseError> {
        let columns = "TABLE_NAME, VIEW_DEFINITION, CHECK_OPTION, DEFINER, SECURITY_TYPE";
        for line in self.lines(columns, "VIEWS", "TABLE_SCHEMA")? {
            let view = at(&line, 0);
            if let Ok(place) = objects.views.binary_search_by(|known| known.name.as_str().cmp(view))
                && let Some(view) = objects.views.get_mut(place)
            {
                view.uses = quoted_names(at(&line, 1));
            }
            self.note(subject("VIEW", view), &line);
        }
        objects.views = in_order_of_use(std::mem::take(&mut objects.views));
        Ok(())
    }
}

/// A value of a line; empty for NULL.
fn at(line: &Line, place: usize) -> &str {
    line.get(place).and_then(Option::as_deref).unwrap_or_default()
}

fn subject(table_type: &str, name: &str) -> String {
    match table_type {
        "VIEW" => format!("the view {name}"),
        "SEQUENCE" => format!("the sequence {name}"),
        _ => format!("the table {name}"),
    }
}

fn column(name: String, line: &Line) -> Column {
    let (extra, expression) = (at(line, 5).to_uppercase(), at(line, 6));
    let nature = match expression {
        "ROW START" | "ROW END" => Nature::Version,
        // MySQL marks a column with an expression as its default as DEFAULT_GENERATED, which it is not.
        _ if extra.contains("VIRTUAL") || extra.contains("STORED") || extra.contains("PERSISTENT") => {
            Nature::Generated
        }
        _ => Nature::Stored,
    };
    Column {
        name,
        data_type: at(line, 3).to_lowercase(),
        charset: line.get(4).cloned().flatten().map(|charset| charset.to_lowercase()),
        nature,
        invisible: extra.contains("INVISIBLE"),
        numbered: ["nextval(", "lastval(", "setval("].iter().any(|call| at(line, 10).contains(call)),
    }
}

/// The key that InnoDB keeps the rows in: the primary one, else the first unique one without NULL. Rows come
/// in its order at no cost; any other engine would have to sort them, so they come as they lie.
fn order(engine: &str, keys: &BTreeMap<String, Vec<Line>>) -> Vec<KeyPart> {
    if !engine.eq_ignore_ascii_case("InnoDB") {
        return Vec::new();
    }
    let is_whole = |key: &&Vec<Line>| {
        key.iter().all(|part| {
            at(part, 4) == "0" && at(part, 5).is_empty() && !at(part, 3).is_empty() && at(part, 7) != "YES"
        })
    };
    let key = match keys.get("PRIMARY") {
        Some(primary) => Some(primary).filter(is_whole),
        None => keys.values().find(is_whole),
    };
    key.into_iter()
        .flatten()
        .map(|part| KeyPart { column: at(part, 3).to_owned(), descending: at(part, 6) == "D" })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(subjects: &[(&str, u8)]) -> Fingerprint {
        let print = |hash: u8| Print { hash: [hash; 32], created: None };
        Fingerprint(subjects.iter().map(|(subject, hash)| ((*subject).to_owned(), print(*hash))).collect())
    }

    #[test]
    fn a_table_made_anew_is_another_one() {
        let made = |created: Option<&str>| {
            let print = Print { hash: [1; 32], created: created.map(str::to_owned) };
            Fingerprint(BTreeMap::from([("the table a".to_owned(), print)]))
        };
        let (unknown, first, second) = (made(None), made(Some("1")), made(Some("2")));
        assert_eq!(first.difference(&second).as_deref(), Some("the table a is another now"));
        for (before, after) in [(&first, &first), (&first, &unknown), (&unknown, &first)] {
            assert_eq!(before.difference(after), None);
        }
    }

    #[test]
    fn a_difference_is_named() {
        let before = print(&[("the table a", 1), ("the table b", 1)]);
        assert_eq!(before.difference(&before), None);
        let changed = [
            (print(&[("the table a", 1)]), "the table b is gone"),
            (print(&[("the table a", 1), ("the table b", 2)]), "the table b is another now"),
            (print(&[("the table a", 1), ("the table b", 1), ("the view c", 1)]), "the view c is new"),
        ];
        for (after, said) in changed {
            assert_eq!(before.difference(&after).as_deref(), Some(said));
        }
    }
}
