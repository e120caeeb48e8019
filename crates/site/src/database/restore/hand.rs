//! The one connection that works on a restore, and what it sees of the schemas.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use undercroft_model::{Cancelled, DatabaseTarget, Element, Observer};

use super::error::RestoreError;
use super::order::{Order, Staged};
use crate::database::error::DatabaseError;
use crate::database::quote;
use crate::database::rights::{self, Rights};
use crate::database::server::{self, Server};
use crate::database::wire::Connection;

/// So many seconds a killed predecessor's connection is waited for.
const PREDECESSOR: u32 = 60;

/// The connection that holds a restore's lock.
pub(super) struct Hand<'a> {
    pub(super) connection: Connection,
    pub(super) staged: &'a Staged,
    pub(super) watch: &'a dyn Observer,
    /// Whether the server takes names of tables that differ in upper and lower case for the same.
    pub(super) folds: bool,
}

impl<'a> Hand<'a> {
    /// Connects, and waits until no other connection works on the same restore: the server goes on for a while with
    /// what a killed process has asked for.
    pub(super) fn open(staged: &'a Staged, order: &Order<'a>) -> Result<Self, RestoreError> {
        let watch = order.observer;
        let mut connection = Connection::open(order.target, watch)?;
        server::prepare(&mut connection, watch)?;
        connection.run("SET SESSION foreign_key_checks = 0", watch)?;
        connection.set_doing("waiting for an earlier connection of this restore");
        // Programs are made by a connection of their own, which holds the second lock.
        take_lock(&mut connection, &staged.scratch, watch)?;
        take_lock(&mut connection, &programs_lock(staged), watch)?;
        let second = quote::text(&programs_lock(staged));
        connection.run(&format!("DO RELEASE_LOCK({second})"), watch)?;
        let folds = folds(&mut connection, watch)?;
        Ok(Hand { connection, staged, watch, folds })
    }

    /// Runs a statement.
    pub(super) fn run(&mut self, sql: &str) -> Result<(), DatabaseError> {
        self.connection.run(sql, self.watch)
    }

    /// Says what is done from here on.
    pub(super) fn doing(&mut self, what: &str) {
        self.connection.set_doing(what);
        self.watch.doing(Element::Database, what);
    }

    /// The first column of an answer.
    pub(super) fn names(&mut self, sql: &str) -> Result<Vec<String>, DatabaseError> {
        let rows = self.connection.table(sql, self.watch)?;
        let first = |row: Vec<Option<Vec<u8>>>| row.into_iter().next().flatten();
        Ok(rows
            .into_iter()
            .filter_map(first)
            .map(|name| String::from_utf8_lossy(&name).into_owned())
            .collect())
    }

    /// The base tables and sequences of a schema, but for the restore's own notes.
    pub(super) fn tables(&mut self, schema: &str) -> Result<BTreeSet<String>, DatabaseError> {
        let names = self.names(&format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_TYPE NOT LIKE '%VIEW' \
             AND TABLE_NAME NOT LIKE '#mysql50#%' AND TABLE_NAME <> {}",
            quote::text(schema),
            quote::text(&self.staged.journal())
        ))?;
        Ok(names.into_iter().collect())
    }

    /// Whether the restore is about this table.
    pub(super) fn is_wanted(&self, table: &str) -> bool {
        self.staged.only.as_ref().is_none_or(|only| only.iter().any(|name| self.is_one(name, table)))
    }

    /// Whether two names of tables are the same to the server.
    pub(super) fn is_one(&self, name: &str, other: &str) -> bool {
        name == other || (self.folds && name.to_lowercase() == other.to_lowercase())
    }

    /// The live tables that the restore is about, if it is not about all of them.
    pub(super) fn only(&mut self) -> Result<Option<BTreeSet<String>>, DatabaseError> {
        if self.staged.only.is_none() {
            return Ok(None);
        }
        let live = self.tables(&self.staged.schema)?;
        Ok(Some(live.into_iter().filter(|table| self.is_wanted(table)).collect()))
    }

    /// The triggers of the live tables that the restore is about, each with its table.
    pub(super) fn triggers(&mut self) -> Result<Vec<(String, String)>, DatabaseError> {
        let live = quote::text(&self.staged.schema);
        let rows = self.connection.table(
            &format!(
                "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {live}"
            ),
            self.watch,
        )?;
        let pair = |row: Vec<Option<Vec<u8>>>| {
            let mut texts =
                row.into_iter().map(|value| String::from_utf8_lossy(&value.unwrap_or_default()).into_owned());
            (texts.next().unwrap_or_default(), texts.next().unwrap_or_default())
        };
        let all: Vec<(String, String)> = rows.into_iter().map(pair).collect();
        Ok(all.into_iter().filter(|(_, table)| self.is_wanted(table)).collect())
    }

    /// Removes live triggers of tables that the restore is about.
    pub(super) fn drop_triggers(&mut self, goes: &dyn Fn(&str) -> bool) -> Result<(), DatabaseError> {
        let triggers = self.triggers()?;
        let mut going = triggers.iter().filter(|(name, _)| goes(name));
        going.try_for_each(|(name, _)| self.drop_live("TRIGGER", name))
    }

    /// Removes live views, if the restore is about the whole schema.
    pub(super) fn drop_views(&mut self, goes: &dyn Fn(&str) -> bool) -> Result<(), DatabaseError> {
        if self.staged.only.is_some() {
            return Ok(());
        }
        let live = quote::text(&self.staged.schema);
        let sql = format!("SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = {live}");
        let views = self.names(&sql)?;
        views.iter().filter(|name| goes(name)).try_for_each(|name| self.drop_live("VIEW", name))
    }

    /// Removes live events, if the restore is about the whole schema.
    pub(super) fn drop_events(&mut self, goes: &dyn Fn(&str) -> bool) -> Result<(), DatabaseError> {
        if self.staged.only.is_some() {
            return Ok(());
        }
        let live = quote::text(&self.staged.schema);
        let sql = format!("SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {live}");
        let events = self.names(&sql)?;
        events.iter().filter(|name| goes(name)).try_for_each(|name| self.drop_live("EVENT", name))
    }

    /// Removes live routines, by kind and name, if the restore is about the whole schema.
    pub(super) fn drop_routines(
        &mut self,
        goes: &dyn Fn(&'static str, &str) -> bool,
    ) -> Result<(), DatabaseError> {
        if self.staged.only.is_some() {
            return Ok(());
        }
        let live = quote::text(&self.staged.schema);
        for kind in ["FUNCTION", "PROCEDURE", "PACKAGE"] {
            let sql = format!(
                "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {live} AND ROUTINE_TYPE = '{kind}'"
            );
            let names: Vec<String> = self.names(&sql)?.into_iter().filter(|name| goes(kind, name)).collect();
            // MariaDB knows packages only in its Oracle mode.
            if kind == "PACKAGE" && !names.is_empty() {
                self.run("SET SESSION sql_mode = 'ORACLE'")?;
            }
            let dropped = names.iter().try_for_each(|name| self.drop_live(kind, name));
            self.run("SET SESSION sql_mode = ''")?;
            dropped?;
        }
        Ok(())
    }

    pub(super) fn drop_live(&mut self, kind: &str, name: &str) -> Result<(), DatabaseError> {
        self.run(&format!("DROP {kind} IF EXISTS {}.{}", quote::name(&self.staged.schema), quote::name(name)))
    }

    /// The default collation of the live schema.
    pub(super) fn collation(&mut self) -> Result<String, DatabaseError> {
        let live = quote::text(&self.staged.schema);
        let sql = format!(
            "SELECT DEFAULT_COLLATION_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {live}"
        );
        Ok(self.connection.record(&sql, self.watch)?.text("name"))
    }

    /// Gives the live schema another default collation, unless it has it.
    pub(super) fn set_collation(&mut self, collation: &str) -> Result<(), DatabaseError> {
        if collation.is_empty() || self.staged.only.is_some() || self.collation()? == collation {
            return Ok(());
        }
        self.run(&format!("ALTER DATABASE {} COLLATE {collation}", quote::name(&self.staged.schema)))
    }

    /// Other connections whose current schema is one of these: their number and how a person would name them.
    pub(super) fn others_in(&mut self, schemas: &[&str]) -> Result<Vec<(String, String)>, DatabaseError> {
        let own = self.connection.record("SELECT CONNECTION_ID() AS id", self.watch)?.text("id");
        let mut found = Vec::new();
        for row in self.connection.table("SHOW PROCESSLIST", self.watch)? {
            let text = |place: usize| {
                let value = row.get(place).and_then(Option::as_deref).unwrap_or_default();
                String::from_utf8_lossy(value).into_owned()
            };
            if text(0) != own && schemas.contains(&&*text(3)) {
                let seconds: u64 = text(5).parse().unwrap_or(0);
                let named = format!(
                    "connection {} of {} from {} ({} for {seconds} s)",
                    text(0),
                    text(1),
                    text(2),
                    text(4).to_lowercase()
                );
                found.push((seconds, text(0), named));
            }
        }
        found.sort_by_key(|(seconds, ..)| std::cmp::Reverse(*seconds));
        Ok(found.into_iter().map(|(_, id, named)| (id, named)).collect())
    }

    /// Waits a second, unless nobody wants it any more.
    pub(super) fn pause(&self) -> Result<(), RestoreError> {
        thread::sleep(Duration::from_secs(1));
        if self.watch.cancelled() { Err(Cancelled.into()) } else { Ok(()) }
    }
}

/// The lock that whoever makes programs holds.
pub(super) fn programs_lock(staged: &Staged) -> String {
    format!("{} programs", staged.scratch)
}

/// Takes a lock of the server's that ends with the connection.
pub(super) fn take_lock(
    connection: &mut Connection,
    name: &str,
    watch: &dyn Observer,
) -> Result<(), RestoreError> {
    let lock = quote::text(name);
    for _ in 0..PREDECESSOR {
        let got = connection.record(&format!("SELECT GET_LOCK({lock}, 1) AS got"), watch)?.text("got");
        if got == "1" {
            return Ok(());
        }
        if watch.cancelled() {
            return Err(Cancelled.into());
        }
    }
    let holder = connection.record(&format!("SELECT IS_USED_LOCK({lock}) AS id"), watch)?.text("id");
    Err(RestoreError::Busy { holder: format!("connection {holder}") })
}

/// Whether the server takes names of tables that differ in upper and lower case for the same.
pub(super) fn folds(connection: &mut Connection, watch: &dyn Observer) -> Result<bool, DatabaseError> {
    let record = connection.record("SELECT @@lower_case_table_names AS how", watch)?;
    Ok(record.text("how") != "0")
}

/// The same server and account, in another schema.
pub(super) fn target_in(target: &DatabaseTarget, schema: &str) -> DatabaseTarget {
    DatabaseTarget { schema: schema.to_owned(), structure_only: Vec::new(), ..target.clone() }
}

/// What is known of the server and the account, before anything is made.
pub(super) struct Look {
    pub(super) connection: Connection,
    pub(super) server: Server,
    pub(super) schema: String,
    pub(super) rights: Rights,
}

/// Connects and looks.
pub(super) fn look(target: &DatabaseTarget, watch: &dyn Observer) -> Result<Look, RestoreError> {
    let mut connection = Connection::open(target, watch)?;
    let server = Server::parse(connection.version());
    server::prepare(&mut connection, watch)?;
    let schema = server::schema(&mut connection, watch)?;
    let rights = rights::read(&mut connection, server, &schema, watch)?;
    Ok(Look { connection, server, schema, rights })
}
