//! What every part of a dump needs to know.

use std::sync::{Mutex, MutexGuard, PoisonError};

use undercroft_model::{DatabaseFacts, Element, Observer, Remark};
use undercroft_vault::stream::{SectionKind, TextSink};

use super::output::Output;
use crate::database::error::{DatabaseError, is_of_changed_schema};
use crate::database::glob::Globs;
use crate::database::objects::Objects;
use crate::database::quote;
use crate::database::rights::Rights;
use crate::database::server::Server;
use crate::database::wire::Connection;

/// The element that a dump is.
pub(in crate::database) const ELEMENT: Element = Element::Database;

/// What every part of a dump needs to know.
pub(in crate::database) struct Context<'d> {
    pub(in crate::database) server: Server,
    pub(in crate::database) schema: &'d str,
    pub(in crate::database) objects: &'d Objects,
    pub(in crate::database) structure_only: &'d Globs,
    pub(in crate::database) rights: &'d Rights,
    pub(in crate::database) sink: &'d dyn TextSink,
    pub(in crate::database) watch: &'d dyn Observer,
    pub(in crate::database) tally: Mutex<Tally>,
}

/// What was written, and what could not be.
#[derive(Debug, Default)]
pub(in crate::database) struct Tally {
    pub(in crate::database) facts: DatabaseFacts,
    /// Objects that are there but could not be written, each of which was told.
    pub(in crate::database) lost: DatabaseFacts,
}

impl std::ops::Deref for Tally {
    type Target = DatabaseFacts;
    fn deref(&self) -> &DatabaseFacts {
        &self.facts
    }
}

impl std::ops::DerefMut for Tally {
    fn deref_mut(&mut self) -> &mut DatabaseFacts {
        &mut self.facts
    }
}

impl Context<'_> {
    /// The count of what was written.
    pub(in crate::database) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether only a table's structure is wanted.
    pub(in crate::database) fn is_structure_only(&self, table: &str) -> bool {
        self.structure_only.matches(table)
    }

    /// Says what is done from here on: to whoever watches, and in errors.
    pub(in crate::database) fn doing(&self, connection: &mut Connection, what: &str) {
        connection.set_doing(what);
        self.watch.doing(ELEMENT, what);
    }

    /// Opens a section.
    pub(super) fn open(
        &self,
        ordinal: u32,
        kind: SectionKind,
        name: &str,
        connection: &Connection,
    ) -> Result<Output<'_>, DatabaseError> {
        Output::open(self.sink, ordinal, kind, name, connection.doing())
    }

    /// Tells of something that should be in the dump and is not.
    pub(in crate::database) fn lost(&self, subject: &str, text: String) {
        self.watch.remark(ELEMENT, Remark::lost(subject, text));
    }

    /// What the server says of one object that it can't give, if the dump can go on without; else the error.
    pub(in crate::database) fn or_lost(&self, error: DatabaseError) -> Result<String, DatabaseError> {
        match error.code() {
            Some(code) if is_about_one_object(code) => Ok(error.words()),
            _ => Err(error),
        }
    }

    /// As [`or_lost`](Self::or_lost), for an object that is there, even if what it names is not.
    pub(in crate::database) fn or_flaw(&self, error: DatabaseError) -> Result<String, DatabaseError> {
        match error.code() {
            Some(code) if is_about_one_object(code) || is_of_changed_schema(code) => Ok(error.words()),
            _ => Err(error),
        }
    }

    /// What `SHOW CREATE` gives for an object; if the server can't, that is told and counted.
    pub(in crate::database) fn definition(
        &self,
        connection: &mut Connection,
        kind: &str,
        name: &str,
        column: &str,
    ) -> Result<Option<Vec<u8>>, DatabaseError> {
        let sql = format!("SHOW CREATE {kind} {}", quote::name(name));
        let words = match connection.record(&sql, self.watch) {
            Ok(record) => match record.bytes(column) {
                Some(definition) => return Ok(Some(definition.to_vec())),
                None => "the server does not show it".to_owned(),
            },
            Err(error) => self.or_lost(error)?,
        };
        self.lost(name, format!("it is not in the dump, since its definition can't be read: {words}"));
        let mut tally = self.tally();
        match kind {
            "SEQUENCE" => tally.lost.sequences += 1,
            _ => tally.lost.tables += 1,
        }
        Ok(None)
    }
}

/// Whether an error number speaks of the object that was asked for, rather than of the server, the session
/// or a schema that changed: 1021, 1037, 1038, 1041, 1114 no room; 1053, 1317, 1927 told to stop; 1205, 1213
/// locks; 1969, 3024 time; 1153 a row longer than the server may send.
fn is_about_one_object(code: u16) -> bool {
    let server = [1021, 1037, 1038, 1041, 1053, 1114, 1153, 1205, 1213, 1317, 1927, 1969, 3024];
    !is_of_changed_schema(code) && !server.contains(&code)
}
