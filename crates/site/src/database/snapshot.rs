//! A consistent snapshot of a schema, and its dump.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use undercroft_model::{DatabaseFacts, DatabaseTarget, Observer, Remark};
use undercroft_vault::stream::TextSink;

use super::dump::{self, Context, ELEMENT, Tally};
use super::error::DatabaseError;
use super::glob::Globs;
use super::objects::Objects;
use super::rights::{self, Rights};
use super::server::{self, Server};
use super::shared;
use super::survey::{Survey, survey};
use super::wire::Connection;

/// So many names are told in one remark.
const NAMES_MAX: usize = 20;

/// A schema as it was at one moment, held open on the server. It blocks no writer.
pub struct Snapshot {
    connections: Vec<Connection>,
    server: Server,
    schema: String,
    structure_only: Globs,
    rights: Rights,
    survey: Survey,
}

impl Snapshot {
    /// Connects, sets the session up, looks the schema over and opens the snapshot: the moment at which this
    /// returns is the dump's. A large schema is read by several connections, if the account may lock tables
    /// for the moment that it takes to give them one snapshot.
    ///
    /// # Errors
    /// [`DatabaseError`] if the server can't be reached, lets nobody in or has no such schema.
    pub fn open(target: &DatabaseTarget, observer: &dyn Observer) -> Result<Snapshot, DatabaseError> {
        Self::open_with(target, None, observer)
    }

    /// As [`open`](Self::open), with at most so many connections instead of what seems best.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        target: &DatabaseTarget,
        connections: Option<NonZeroUsize>,
        observer: &dyn Observer,
    ) -> Result<Snapshot, DatabaseError> {
        let mut first = Connection::open(target, observer)?;
        let server = Server::parse(first.version());
        server::prepare(&mut first, observer)?;
        let schema = server::schema(&mut first, observer)?;
        let rights = rights::read(&mut first, server, &schema, observer)?;
        let structure_only = Globs::new(&target.structure_only);
        // Before the snapshot, so that whatever changes after this is noticed at the end.
        let survey = survey(&mut first, &schema, &|name| structure_only.matches(name), observer)?;
        let bytes = expected(&survey.objects, &structure_only);
        let wanted = connections.map_or_else(|| shared::connections_for(bytes), NonZeroUsize::get);
        let connections = shared::open(first, target, wanted, &survey.objects, &rights, observer)?;
        Ok(Snapshot { connections, server, schema, structure_only, rights, survey })
    }

    /// How many connections read at once.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Bytes that the dump is expected to have: what the rows take on the server's disk, as it estimates.
    pub fn expected(&self) -> u64 {
        expected(&self.survey.objects, &self.structure_only)
    }

    /// Writes the dump, one section an object, and proves that the schema did not change meanwhile.
    ///
    /// # Errors
    /// [`DatabaseError`]; what was written is worth nothing then. Whether to begin anew says
    /// [`DatabaseError::is_worth_repeating`].
    pub fn dump(
        mut self,
        sink: &dyn TextSink,
        observer: &dyn Observer,
    ) -> Result<DatabaseFacts, DatabaseError> {
        observer.expect(ELEMENT, self.expected());
        self.tell(observer);
        let facts = DatabaseFacts {
            server: self.server.to_string(),
            schema: self.schema.clone(),
            ..DatabaseFacts::default()
        };
        let context = Context {
            server: self.server,
            schema: &self.schema,
            objects: &self.survey.objects,
            structure_only: &self.structure_only,
            rights: &self.rights,
            sink,
            watch: observer,
            tally: Mutex::new(Tally { facts, lost: DatabaseFacts::default() }),
        };
        dump::write_all(&context, &mut self.connections)?;
        let mut tally = context.tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Tables are done in any order.
        tally.contents.sort_by(|one, other| one.table.cmp(&other.table));
        self.prove(&tally, observer)?;
        Ok(tally.facts)
    }

    /// Writes triggers, views, routines and events alone, as a dump has them.
    pub(super) fn dump_programs(
        mut self,
        sink: &dyn TextSink,
        observer: &dyn Observer,
    ) -> Result<(), DatabaseError> {
        let context = Context {
            server: self.server,
            schema: &self.schema,
            objects: &self.survey.objects,
            structure_only: &self.structure_only,
            rights: &self.rights,
            sink,
            watch: observer,
            tally: Mutex::default(),
        };
        self.connections.first_mut().map_or(Ok(()), |first| dump::write_programs(&context, first))
    }

    /// Looks the schema over again: nothing may have changed, and everything must have been written.
    fn prove(&mut self, tally: &Tally, observer: &dyn Observer) -> Result<(), DatabaseError> {
        let Some(connection) = self.connections.first_mut() else { return Ok(()) };
        connection.set_doing("closing the snapshot");
        connection.run("COMMIT", observer)?;
        let is_slack = |name: &str| self.structure_only.matches(name);
        let later = survey(connection, &self.schema, &is_slack, observer)?;
        let schema = || self.schema.clone();
        if let Some(what) = self.survey.fingerprint.difference(&later.fingerprint) {
            return Err(DatabaseError::SchemaChanged { schema: schema(), what });
        }
        for (objects, expected, written) in counts(&later.objects, tally) {
            if expected != written {
                return Err(DatabaseError::Miscounted { schema: schema(), objects, expected, written });
            }
        }
        Ok(())
    }

    /// Tells what is known before the first row is read.
    fn tell(&self, observer: &dyn Observer) {
        for remark in self.rights.missing() {
            observer.remark(ELEMENT, remark);
        }
        let objects = &self.survey.objects;
        let of = |wanted: &dyn Fn(&str, &str) -> bool| -> Vec<&str> {
            let tables = objects.tables.iter();
            tables.filter(|table| wanted(&table.name, &table.engine)).map(|table| &*table.name).collect()
        };
        let emptied = of(&|name, _| self.structure_only.matches(name));
        let elsewhere = of(&|name, engine| !dump::has_rows(engine) && !self.structure_only.matches(name));
        let moving = of(&|name, engine| {
            dump::has_rows(engine) && !dump::is_in_snapshot(engine) && !self.structure_only.matches(name)
        });
        let leftovers: Vec<&str> = objects.leftovers.iter().map(|name| &**name).collect();
        for (tables, text) in [
            (emptied, "of these tables only the structure is in the dump, as the settings say"),
            (elsewhere, "these tables' rows lie elsewhere, so only their structure is in the dump"),
            (moving, "these tables' engine knows no snapshots, so they may be newer than the others"),
            (leftovers, "these are remains of an ALTER TABLE that crashed, and not in the dump"),
        ] {
            if !tables.is_empty() {
                observer.remark(ELEMENT, Remark::note("", format!("{text}: {}", named(&tables))));
            }
        }
    }
}

fn expected(objects: &Objects, structure_only: &Globs) -> u64 {
    let with_rows = objects
        .tables
        .iter()
        .filter(|table| dump::has_rows(&table.engine) && !structure_only.matches(&table.name));
    with_rows.map(|table| table.bytes).sum()
}

/// Opens the snapshot. The savepoint is gone back to after each table, so that the server holds no table
/// longer than it is read, and an ALTER TABLE need not wait for the whole dump.
pub(super) fn begin(connection: &mut Connection, observer: &dyn Observer) -> Result<(), DatabaseError> {
    connection.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", observer)?;
    connection.run("SAVEPOINT undercroft", observer)
}

/// Of each kind of object: how many there are, and how many were written or told to be lost.
fn counts(objects: &Objects, tally: &Tally) -> [(&'static str, u64, u64); 6] {
    let Tally { facts, lost } = tally;
    [
        ("tables", objects.tables.len() as u64, facts.tables + lost.tables),
        ("views", objects.views.len() as u64, facts.views + lost.views),
        ("triggers", objects.trigger_count() as u64, facts.triggers + lost.triggers),
        ("routines", objects.routines.len() as u64, facts.routines + lost.routines),
        ("events", objects.events.len() as u64, facts.events + lost.events),
        ("sequences", objects.sequences.len() as u64, facts.sequences + lost.sequences),
    ]
}

/// Names in a row, the last of many only counted.
fn named(names: &[&str]) -> String {
    let (shown, rest) = names.split_at(names.len().min(NAMES_MAX));
    let mut text = shown.join(", ");
    if !rest.is_empty() {
        text.push_str(&format!(" and {} more", rest.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_counted() {
        assert_eq!(named(&["a", "b"]), "a, b");
        assert!(named(&["x"; 25]).ends_with("x and 5 more"));
    }
}
