//! What a restore would change, without changing it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use undercroft_vault::sections::TextSection;
use undercroft_vault::stream::SectionKind;
use uuid::Uuid;

use super::definers;
use super::error::RestoreError;
use super::hand::{Look, look};
use super::order::{Order, Staged, Way};
use super::orphans::{Child, children};
use super::programs::shown;
use super::stage::stage_with;
use crate::database::error::DatabaseError;
use crate::database::quote;

/// Told of a dump that another program wrote.
const NOT_LISTED: &str = "the dump is another program's and has no list of its tables: which are added, replaced or \
                          removed shows when it is loaded";

/// What a restore would change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The way that it would go.
    pub way: Way,
    /// The live schema.
    pub schema: String,
    /// What the server calls itself.
    pub server: String,
    /// Tables and sequences, in the order of their names; none if the dump does not list its own.
    pub tables: Vec<PlannedTable>,
    /// Views that the dump has, and that are live.
    pub views: (u64, u64),
    /// Triggers that the dump has, if the backup says, and that are live.
    pub triggers: (Option<u64>, u64),
    /// Stored procedures, functions and packages that the dump has, if the backup says, and that are live.
    pub routines: (Option<u64>, u64),
    /// Events that the dump has, if the backup says, and that are live.
    pub events: (Option<u64>, u64),
    /// What is worth knowing before it is done: tables whose rows are not in the dump, another server's dump,
    /// grants that do not follow.
    pub notes: Vec<String>,
}

/// What would become of one table or sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedTable {
    /// Its name.
    pub name: String,
    /// Bytes of its text in the dump; `None` if it is only live, and would be removed.
    pub dump_bytes: Option<u64>,
    /// Its rows in the dump; `None` if the dump has none of it, or only its structure.
    pub dump_rows: Option<u64>,
    /// Bytes that it takes on the server's disk; `None` if it is not live, and would be added.
    pub live_bytes: Option<u64>,
    /// Its live rows, as the server estimates.
    pub live_rows: Option<u64>,
}

impl PlannedTable {
    /// Whether it would be added: only the dump has it.
    pub fn is_added(&self) -> bool {
        self.live_bytes.is_none()
    }

    /// Whether it would be removed: only the live schema has it.
    pub fn is_removed(&self) -> bool {
        self.dump_bytes.is_none()
    }
}

/// Looks at dump and live schema, and says what a restore would change. Changes nothing.
///
/// # Errors
/// As [`stage`](super::stage()).
pub fn plan(
    order: &Order<'_>,
    id: Uuid,
    only: Option<&[String]>,
    way: Way,
) -> Result<(Staged, Plan), RestoreError> {
    let mut look = look(order.target, order.observer)?;
    let staged = stage_with(order, &mut look, id, only, way)?;
    let is_wanted = |name: &str| only.is_none_or(|only| only.iter().any(|wanted| wanted == name));
    let mut tables: BTreeMap<String, PlannedTable> = BTreeMap::new();
    let mut views = 0;
    for section in order.dump.sections() {
        let (kind, name) = (section.label.kind, &section.label.name);
        match kind {
            SectionKind::Table | SectionKind::Sequence if is_wanted(name) => {
                let table = tables.entry(name.clone()).or_default();
                table.dump_bytes = Some(section.raw_len);
                table.dump_rows = section.rows;
            }
            SectionKind::View if !name.is_empty() && only.is_none() => views += 1,
            _ => {}
        }
    }
    let is_listed = is_listed(order);
    if is_listed {
        live_tables(&mut look, order, &is_wanted, &mut tables)?;
    }
    for (name, table) in &mut tables {
        table.name.clone_from(name);
    }
    let facts = order.facts;
    let mut count = |what: &str, column: &str| count(&mut look, order, what, column);
    let mut plan = Plan {
        way,
        schema: staged.schema.clone(),
        views: (views, count("VIEWS", "TABLE_SCHEMA")?),
        triggers: (facts.map(|facts| facts.triggers), count("TRIGGERS", "TRIGGER_SCHEMA")?),
        routines: (facts.map(|facts| facts.routines), count("ROUTINES", "ROUTINE_SCHEMA")?),
        events: (facts.map(|facts| facts.events), count("EVENTS", "EVENT_SCHEMA")?),
        ..Plan::default()
    };
    plan.server = look.server.to_string();
    plan.tables = tables.into_values().collect();
    plan.notes = notes(&mut look, order, &plan)?;
    if let Some(only) = only {
        let is_wanted = |name: &str| only.iter().any(|wanted| wanted == name);
        let all = children(&mut look.connection, &staged.schema, order.observer)?;
        plan.notes.extend(all.iter().filter(|child| child.is_left(is_wanted)).map(Child::warning));
    } else {
        let taken = definers::taken(&mut look, &staged, order)?;
        plan.notes.extend(definers::changes(order, &taken)?.iter().map(shown));
    }
    if !is_listed {
        plan.notes.insert(0, NOT_LISTED.to_owned());
    }
    Ok((staged, plan))
}

/// Whether the dump says what is in it: one from elsewhere does not, and then nothing can be said to be removed.
fn is_listed(order: &Order<'_>) -> bool {
    let is_end = |section: &TextSection| section.label.kind == SectionKind::End;
    order.dump.sections().iter().any(is_end)
}

fn live_tables(
    look: &mut Look,
    order: &Order<'_>,
    is_wanted: &dyn Fn(&str) -> bool,
    tables: &mut BTreeMap<String, PlannedTable>,
) -> Result<(), RestoreError> {
    let sql = format!(
        "SELECT TABLE_NAME, COALESCE(DATA_LENGTH + INDEX_LENGTH, 0), TABLE_ROWS FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA = {} AND TABLE_TYPE NOT LIKE '%VIEW' AND TABLE_NAME NOT LIKE '#mysql50#%'",
        quote::text(&look.schema)
    );
    for row in look.connection.table(&sql, order.observer)? {
        let text = |place: usize| row.get(place).and_then(Option::as_deref).map(String::from_utf8_lossy);
        let name = text(0).unwrap_or_default().into_owned();
        if is_wanted(&name) {
            let table = tables.entry(name).or_default();
            table.live_bytes = Some(text(1).and_then(|bytes| bytes.parse().ok()).unwrap_or(0));
            table.live_rows = text(2).and_then(|rows| rows.parse().ok());
        }
    }
    Ok(())
}

fn count(look: &mut Look, order: &Order<'_>, what: &str, column: &str) -> Result<u64, DatabaseError> {
    let schema = quote::text(&look.schema);
    let sql = format!("SELECT COUNT(*) AS n FROM information_schema.{what} WHERE {column} = {schema}");
    Ok(look.connection.record(&sql, order.observer)?.text("n").parse().unwrap_or(0))
}

fn notes(look: &mut Look, order: &Order<'_>, plan: &Plan) -> Result<Vec<String>, RestoreError> {
    let mut notes = Vec::new();
    if let Some(facts) = order.facts
        && facts.server != plan.server
    {
        notes.push(format!("the dump is of {}, and the server is {}", facts.server, plan.server));
    }
    // A sequence has a row to the server, and none in the dump.
    let is_sequence = |table: &PlannedTable| {
        let is_it = |section: &TextSection| section.label.name == table.name;
        let mut sections = order.dump.sections().iter();
        sections.any(|section| section.label.kind == SectionKind::Sequence && is_it(section))
    };
    let emptied: Vec<String> = plan
        .tables
        .iter()
        .filter(|table| {
            !is_sequence(table)
                && table.dump_bytes.is_some()
                && table.dump_rows.is_none()
                && table.live_rows.unwrap_or(0) > 0
        })
        .map(|table| format!("{} (about {} rows)", table.name, table.live_rows.unwrap_or(0)))
        .collect();
    if !emptied.is_empty() {
        notes.push(format!(
            "these tables come back empty, as only their structure is in the backup: {}",
            emptied.join(", ")
        ));
    }
    let bytes: u64 = plan.tables.iter().filter_map(|table| table.live_bytes.max(table.dump_bytes)).sum();
    if plan.way == Way::Switch {
        notes.push(format!(
            "the server needs room for about {} MB more until the restore is done",
            bytes / 1_000_000 + 1
        ));
    } else {
        notes.push("in place: while it runs, and if it fails, the schema is a mixture".to_owned());
    }
    let schema = quote::text(&look.schema);
    let outside = format!(
        "SELECT DISTINCT CONCAT(CONSTRAINT_SCHEMA, '.', TABLE_NAME) FROM information_schema.REFERENTIAL_CONSTRAINTS \
         WHERE UNIQUE_CONSTRAINT_SCHEMA = {schema} AND CONSTRAINT_SCHEMA <> {schema}"
    );
    let outside = column(look, order, &outside)?;
    if !outside.is_empty() && plan.way == Way::Switch {
        notes.push(format!(
            "foreign keys of tables in other schemas refer to this one, and are made again when it is switched: {}",
            outside.join(", ")
        ));
    }
    let granted = format!("SELECT DISTINCT Table_name FROM mysql.tables_priv WHERE Db = {schema}");
    // Who may not read it is told nothing of other accounts' grants.
    let granted = column(look, order, &granted).unwrap_or_default();
    if !granted.is_empty() && plan.way == Way::Switch {
        notes.push(format!("rights granted on single tables stay with their names: {}", granted.join(", ")));
    }
    Ok(notes)
}

fn column(look: &mut Look, order: &Order<'_>, sql: &str) -> Result<Vec<String>, DatabaseError> {
    let rows = look.connection.table(sql, order.observer)?;
    let first = |row: Vec<Option<Vec<u8>>>| row.into_iter().next().flatten();
    Ok(rows.into_iter().filter_map(first).map(|name| String::from_utf8_lossy(&name).into_owned()).collect())
}
