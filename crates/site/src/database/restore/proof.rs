//! The test restore: a dump is loaded into a scratch schema, compared with what was captured, and dropped.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use undercroft_model::{DatabaseFacts, Muted, TableContent};
use undercroft_vault::stream::SectionKind;
use uuid::Uuid;

use super::error::RestoreError;
use super::hand::{Hand, look, target_in};
use super::journal::{self, Phase};
use super::order::{Order, Staged, Way};
use super::prepare::load_into_scratch;
use super::programs::{collect, definitions, make};
use super::rename::Patience;
use super::stage::{may_make, names};
use super::switch::clean_up_with;
use crate::database::dump;
use crate::database::load::{self, Loaded, Taken, stand_in};
use crate::database::server::{self, Server};
use crate::database::survey::survey;
use crate::database::wire::Connection;

/// So many differences are told; all are counted.
const DIFFERENCES_MAX: usize = 100;

/// What an account needs in the scratch schema to load all of a dump there.
const NEEDED: [&str; 15] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "ALTER",
    "INDEX",
    "REFERENCES",
    "CREATE VIEW",
    "SHOW VIEW",
    "TRIGGER",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "EVENT",
];

/// What a test restore showed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRestore {
    /// Tables that were loaded and read back.
    pub tables: u64,
    /// Of those, tables whose rows were compared with the sums that the backup's own snapshot had.
    pub compared: u64,
    /// Rows that were read back.
    pub rows: u64,
    /// Definitions that are, as the server shows them, what the dump says.
    pub definitions: u64,
    /// What is not as it was captured, a sentence each; the first of many.
    pub differences: Vec<String>,
    /// How many differences there are.
    pub differences_total: u64,
    /// What could not be compared, and why.
    pub notes: Vec<String>,
}

impl TestRestore {
    /// Whether everything that could be compared is as it was captured.
    pub fn is_good(&self) -> bool {
        self.differences_total == 0
    }

    fn differs(&mut self, what: String) {
        self.differences_total += 1;
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(what);
        }
    }
}

/// Loads the dump into a scratch schema beside the target's, compares, and drops the schema again. The target's
/// own schema is neither read nor touched. After a kill, [`test_clean_up`] drops what is left.
///
/// # Errors
/// [`RestoreError`] if the dump can't be loaded at all: a right is missing, or a statement fails.
pub fn test_restore(order: &Order<'_>, id: Uuid) -> Result<TestRestore, RestoreError> {
    let mut look = look(order.target, order.observer)?;
    let staged = names(id, look.schema.clone(), None, Way::Switch);
    may_make(&look, &staged.scratch, &NEEDED)?;
    let taken = load::taken(&mut look.connection, &look.rights, order.observer)?;
    let taken = Taken { sleeping_events: true, ..taken };
    let mut hand = Hand::open(&staged, order)?;
    match journal::phase(&mut hand.connection, &staged, order.observer)? {
        Phase::None => {}
        Phase::Loading => clean_up_with(&mut hand)?,
        _ => return Err(RestoreError::NotOurs { schema: staged.scratch.clone() }),
    }
    // Sums are of the rows as they were captured, so nothing may change them.
    let order = Order { rewrite: None, ..*order };
    let result = compare(&mut hand, &order, look.server, &taken);
    // Its connection may be what failed.
    drop(hand);
    let removed = clean(&staged, &order);
    result.and_then(|shown| removed.map(|()| shown))
}

/// Drops what a test restore that was killed has left.
///
/// # Errors
/// [`RestoreError`] if the server fails.
pub fn test_clean_up(order: &Order<'_>, id: Uuid) -> Result<(), RestoreError> {
    clean(&names(id, order.target.schema.clone(), None, Way::Switch), order)
}

fn clean(staged: &Staged, order: &Order<'_>) -> Result<(), RestoreError> {
    // Also when the job was stopped.
    let order = Order { observer: &undercroft_model::Silent, ..*order };
    clean_up_with(&mut Hand::open(staged, &order)?)
}

fn compare(
    hand: &mut Hand<'_>,
    order: &Order<'_>,
    server: Server,
    taken: &Taken,
) -> Result<TestRestore, RestoreError> {
    let staged = hand.staged;
    let mut shown = TestRestore::default();
    let loaded = load_into_scratch(hand, order, taken)?;
    let target = target_in(order.target, &staged.scratch);
    let statements = loaded.programs.iter().map(|statement| &statement[..]);
    let mut changes = loaded.changes.clone();
    changes.extend(make(hand, &target, statements, taken, Patience::Short)?);
    stand_in::remove(&mut hand.connection, &staged.scratch, order.observer)?;
    let mut connection = Connection::open(&target, order.observer)?;
    server::prepare(&mut connection, order.observer)?;
    hand.doing("reading back what was loaded");
    let found = read_back(&mut connection, server, staged, order)?;
    compare_rows(order, &found, &loaded, &mut shown);
    let same_server = order.facts.is_none_or(|facts| facts.server == server.to_string());
    if !same_server || !changes.is_empty() {
        shown.notes.push(format!(
            "definitions were loaded but not compared: the dump is of {}, and this server, {server}, shows some of \
             them otherwise",
            order.facts.map_or("another server", |facts| &facts.server)
        ));
        return Ok(shown);
    }
    hand.doing("comparing the definitions");
    let there = collect(&target, &definitions(&target, &Muted(order.observer))?, None, order.observer)?;
    compare_definitions(&loaded, &there, taken, &staged.journal(), &mut shown);
    Ok(shown)
}

/// Reads all tables back, as a capture would.
fn read_back(
    connection: &mut Connection,
    server: Server,
    staged: &Staged,
    order: &Order<'_>,
) -> Result<BTreeMap<String, TableContent>, RestoreError> {
    let objects = survey(connection, &staged.scratch, &|_| false, order.observer)?.objects;
    let mut found = BTreeMap::new();
    for table in objects.tables.iter().filter(|table| table.name != staged.journal()) {
        connection.set_doing(&format!("reading back the table {}", table.name));
        let content = if dump::has_rows(&table.engine) {
            dump::content(connection, server, table, order.observer)?
        } else {
            TableContent { table: table.name.clone(), ..TableContent::default() }
        };
        found.insert(table.name.clone(), content);
    }
    Ok(found)
}

fn compare_rows(
    order: &Order<'_>,
    found: &BTreeMap<String, TableContent>,
    loaded: &Loaded,
    shown: &mut TestRestore,
) {
    shown.tables = found.len() as u64;
    shown.rows = found.values().map(|content| content.rows).sum();
    let none = DatabaseFacts::default();
    let facts = order.facts.unwrap_or(&none);
    let captured: BTreeMap<&str, &TableContent> =
        facts.contents.iter().map(|content| (&*content.table, content)).collect();
    let (mut without, mut empty) = (Vec::new(), Vec::new());
    for section in order.dump.sections() {
        let name = &section.label.name;
        if section.label.kind != SectionKind::Table {
            continue;
        }
        let Some(content) = found.get(name) else {
            if loaded.definitions.contains_key(name) {
                shown.differs(format!("the table {name} is not there after the load"));
            } else {
                shown.notes.push(format!("the dump has no definition of the table {name}"));
            }
            continue;
        };
        match (section.rows, captured.get(&**name)) {
            (Some(rows), _) if rows != content.rows => {
                shown
                    .differs(format!("the table {name} has {} rows, and {rows} were captured", content.rows));
            }
            (_, Some(captured)) if **captured == *content => shown.compared += 1,
            (_, Some(captured)) => shown.differs(format!(
                "the {} rows of the table {name} are not the {} that were captured: a value is another",
                content.rows, captured.rows
            )),
            (Some(_), None) => without.push(&**name),
            (None, None) => empty.push(&**name),
        }
    }
    if !without.is_empty() {
        shown.notes.push(format!(
            "of {} tables the backup keeps no sum of the rows, so only their number was compared",
            without.len()
        ));
    }
    if !empty.is_empty() {
        shown
            .notes
            .push(format!("of these tables only the structure is in the backup: {}", empty.join(", ")));
    }
}

fn compare_definitions(
    loaded: &Loaded,
    there: &Loaded,
    taken: &Taken,
    journal: &str,
    shown: &mut TestRestore,
) {
    let names: BTreeSet<&String> = loaded.definitions.keys().chain(there.definitions.keys()).collect();
    for name in names.into_iter().filter(|name| *name != journal) {
        match (loaded.definitions.get(name), there.definitions.get(name)) {
            (Some(one), Some(other)) if one == other => shown.definitions += 1,
            (Some(_), Some(_)) => {
                shown.differs(format!("the definition of {name} is another after the load"))
            }
            (Some(_), None) => shown.differs(format!("{name} is not there after the load")),
            (None, _) => shown.differs(format!("{name} is there after the load, and is not in the dump")),
        }
    }
    let of = |loaded: &Loaded| -> BTreeMap<Vec<u8>, u64> {
        let mut counted = BTreeMap::new();
        for statement in &loaded.programs {
            *counted.entry(load::adapt_program(statement, taken)).or_default() += 1;
        }
        counted
    };
    let (one, other) = (of(loaded), of(there));
    for (statement, count) in &one {
        match other.get(statement) {
            Some(found) if found == count => shown.definitions += count,
            _ => shown.differs(format!("not as it was after the load: {}", load::shown(statement))),
        }
    }
    for statement in other.keys().filter(|statement| !one.contains_key(*statement)) {
        shown.differs(format!("there after the load, and not in the dump: {}", load::shown(statement)));
    }
}
