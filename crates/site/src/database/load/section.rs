//! Loading one section of a dump.

use std::io::Read;

use undercroft_model::{Cancelled, Element, Observer};
use undercroft_vault::sections::SectionSource;
use undercroft_vault::stream::SectionKind;

use super::adapt::{Change, Taken, adapt};
use super::keys::{Apart, apart};
use super::refused::{refused, shown};
use super::session::check_unique;
use super::sort::{Kind, sort};
use super::split::{SplitError, Splitter};
use super::stand_in;
use super::token::{Token, Tokens};
use super::unfit::{is_text, unfit};
use super::{Mode, Shared};
use crate::database::quote;
use crate::database::restore::RestoreError;
use crate::database::server::{Server, ServerKind};
use crate::database::wire::{Connection, Done};

/// So many bytes of rows are committed together: enough that commits cost nothing, and few enough that a server
/// soon has taken back what a killed load left.
const COMMIT_AFTER: usize = 32 << 20;

/// What a section is, as a person would say it.
pub(super) fn named(dump: &dyn SectionSource, place: usize) -> String {
    let Some(section) = dump.sections().get(place) else { return "the dump".to_owned() };
    let name = &section.label.name;
    match section.label.kind {
        SectionKind::Preamble => "the beginning".to_owned(),
        SectionKind::Table => format!("the table {name}"),
        SectionKind::Sequence => format!("the sequence {name}"),
        SectionKind::View if name.is_empty() => "the views".to_owned(),
        SectionKind::View => format!("the view {name}"),
        SectionKind::Routines => "the routines".to_owned(),
        SectionKind::Events => "the events".to_owned(),
        SectionKind::End => "the end".to_owned(),
    }
}

/// Sets a session up as the dump says.
pub(super) fn run_preamble(
    shared: &Shared<'_, '_>,
    connection: &mut Connection,
    preamble: Option<&[u8]>,
) -> Result<(), RestoreError> {
    let Some(text) = preamble else { return Ok(()) };
    let section = "the beginning".to_owned();
    Part::new(shared, connection, section).run(text)?;
    Ok(())
}

/// Loads the section at a place of the dump.
pub(super) fn load_section(
    shared: &Shared<'_, '_>,
    connection: &mut Connection,
    place: usize,
) -> Result<(), RestoreError> {
    let section = named(shared.job.dump, place);
    connection.set_doing(&format!("loading {section}"));
    if shared.job.mode == Mode::Load {
        shared.job.observer.doing(Element::Database, &format!("loading {section}"));
    }
    let text = shared.job.dump.open(place);
    let text = text.map_err(|source| RestoreError::Dump { section: section.clone(), source })?;
    let programs = Part::new(shared, connection, section).run(text)?;
    if !programs.is_empty() {
        shared.parts().programs.insert(place, programs);
    }
    Ok(())
}

/// A section that is being loaded.
struct Part<'p, 'j, 'a> {
    shared: &'p Shared<'j, 'a>,
    connection: &'p mut Connection,
    section: String,
    /// Settings since the last statement that was run, and the programs among them.
    tail: Vec<Vec<u8>>,
    /// Settings that come before all else in a dump from elsewhere, which its programs count on.
    first: Option<Vec<Vec<u8>>>,
    has_programs: bool,
    programs: Vec<Vec<u8>>,
    /// The table whose rows were sent last, if the server has not acknowledged them yet.
    under_way: Option<String>,
    /// Bytes of rows that were sent since the last commit.
    uncommitted: usize,
    /// The statement that makes the keys of the table that is being filled.
    keys: Option<(String, Vec<u8>)>,
}

impl<'p, 'j, 'a> Part<'p, 'j, 'a> {
    fn new(shared: &'p Shared<'j, 'a>, connection: &'p mut Connection, section: String) -> Self {
        Part {
            shared,
            connection,
            section,
            tail: Vec::new(),
            first: None,
            has_programs: false,
            programs: Vec::new(),
            under_way: None,
            uncommitted: 0,
            keys: None,
        }
    }

    fn run(mut self, text: impl Read) -> Result<Vec<Vec<u8>>, RestoreError> {
        let observer = self.shared.job.observer;
        let mut splitter = Splitter::new(text);
        loop {
            let plain = self.connection.is_backslash_plain();
            let statement = match splitter.next(plain) {
                Ok(Some(statement)) => statement,
                Ok(None) => break,
                Err(SplitError::Read(source)) => {
                    return Err(RestoreError::Dump { section: self.section, source });
                }
                Err(other) => {
                    return Err(RestoreError::Text { section: self.section, reason: other.to_string() });
                }
            };
            if observer.cancelled() {
                return Err(Cancelled.into());
            }
            self.statement(statement, plain)?;
            self.advance(splitter.taken());
        }
        self.advance(splitter.taken());
        self.settle();
        self.make_keys()?;
        self.execute(b"COMMIT")?;
        Ok(self.programs)
    }

    fn statement(&mut self, statement: &[u8], plain: bool) -> Result<(), RestoreError> {
        match sort(statement, plain) {
            Kind::Insert(table) => {
                self.settle();
                self.insert(&table, statement)
            }
            kind @ (Kind::Program(_) | Kind::AlterSchema) => {
                self.has_programs |= !matches!(kind, Kind::AlterSchema);
                self.tail.push(statement.to_vec());
                Ok(())
            }
            kind @ Kind::Set => {
                // What closes the settings of something else is none of the programs' that follow.
                if !self.has_programs && sets_back(statement, plain) {
                    self.tail.clear();
                } else {
                    self.tail.push(statement.to_vec());
                }
                let adapted = self.adapted(statement, &kind, plain);
                self.run_now(&adapted)?;
                self.keep_checks(statement, plain)
            }
            kind @ (Kind::CreateTable(_) | Kind::CreateSequence(_)) => {
                self.settle();
                self.create(statement, kind, plain)
            }
            Kind::Drop | Kind::SetValue | Kind::Keys(_) | Kind::Commit => self.other(statement),
            // Nobody else knows of the schema that is loaded; and locks would rule out what is not locked.
            Kind::Lock | Kind::Skip => Ok(()),
            Kind::Forbidden => {
                Err(RestoreError::Forbidden { section: self.section.clone(), statement: shown(statement) })
            }
        }
    }

    /// Runs a statement that is not about rows; one that removes what a view will replace belongs to the view.
    fn other(&mut self, statement: &[u8]) -> Result<(), RestoreError> {
        if self.section == "the views" {
            self.tail.push(statement.to_vec());
            return Ok(());
        }
        self.settle();
        self.execute(statement).map(drop)
    }

    fn advance(&self, bytes: u64) {
        if self.shared.job.mode == Mode::Load && bytes > 0 {
            self.shared.job.observer.advance(Element::Database, bytes, 0);
        }
    }

    /// Programs that came before are complete; settings without any are not needed again.
    fn settle(&mut self) {
        if self.first.is_none() && self.section == "the beginning" {
            self.first = Some(self.tail.clone());
        }
        if std::mem::take(&mut self.has_programs) {
            if self.programs.is_empty() {
                self.programs.extend(self.first.iter().flatten().cloned());
            }
            self.programs.append(&mut self.tail);
        }
        self.tail.clear();
    }

    fn create(&mut self, statement: &[u8], kind: Kind, plain: bool) -> Result<(), RestoreError> {
        self.make_keys()?;
        let adapted = self.adapted(statement, &kind, plain);
        let is_mariadb = Server::parse(self.connection.version()).kind == ServerKind::MariaDb;
        let taken_apart = match &kind {
            // MySQL refuses foreign keys to a table that has no key for them yet.
            Kind::CreateTable(name) if self.shared.job.mode == Mode::Load && is_mariadb => {
                apart(&adapted, plain).map(|apart| (name, apart))
            }
            _ => None,
        };
        if let Some((name, Apart { table, keys })) = taken_apart {
            self.create_table(&table)?;
            self.keys = Some((name.clone(), keys));
        } else {
            self.create_table(&adapted)?;
        }
        if let Kind::CreateTable(name) | Kind::CreateSequence(name) = kind {
            let mut parts = self.shared.parts();
            if self.section.starts_with("the table") || self.section == "the beginning" {
                parts.loaded.rows.entry(name.clone()).or_default();
            }
            parts.loaded.definitions.insert(name, adapted);
        }
        Ok(())
    }

    /// Creates a table, also one that numbers its rows by a sequence that is not there.
    fn create_table(&mut self, definition: &[u8]) -> Result<(), RestoreError> {
        let Err(error) = self.execute(definition) else { return Ok(()) };
        let lacks = matches!(error, RestoreError::Refused { code: stand_in::NOT_THERE, .. });
        let job = self.shared.job;
        if lacks && stand_in::make(self.connection, &job.target.schema, definition, job.observer)? {
            return self.execute(definition).map(drop);
        }
        Err(error)
    }

    /// Makes the keys that a table was created without.
    fn make_keys(&mut self) -> Result<(), RestoreError> {
        let Some((table, statement)) = self.keys.take() else { return Ok(()) };
        self.await_rows()?;
        self.shared.job.observer.doing(Element::Database, &format!("making the keys of the table {table}"));
        self.execute(&statement).map(drop)
    }

    /// Dumps turn unique checks off, which makes MariaDB since 10.6 keep and sort all of an empty table's rows beside
    /// it before they are written (MDEV-515): more work, not less, for rows that come in their order, with keys that
    /// are made later.
    fn keep_checks(&mut self, setting: &[u8], plain: bool) -> Result<(), RestoreError> {
        if !Tokens::of(setting, plain).any(|token| token.is("UNIQUE_CHECKS")) {
            return Ok(());
        }
        Ok(check_unique(self.connection, self.shared.job.observer)?)
    }

    fn insert(&mut self, table: &str, statement: &[u8]) -> Result<(), RestoreError> {
        if !self.shared.parts().loaded.rows.contains_key(table) {
            let reason = format!("rows come before the definition of the table {table}");
            return Err(RestoreError::Text { section: self.section.clone(), reason });
        }
        match self.shared.job.rewrite {
            _ if self.shared.job.mode == Mode::Collect => Ok(()),
            None => self.send_rows(table, statement),
            Some(rewrite) => {
                let mut changed = statement.to_vec();
                let result = rewrite.rewrite(table, &mut changed);
                let section = || format!("the table {table}");
                result.map_err(|reason| RestoreError::Rewrite { section: section(), reason })?;
                self.send_rows(table, &changed)
            }
        }
    }

    /// Sends rows, and does not wait for the server: it has work while the next statement is read.
    fn send_rows(&mut self, table: &str, statement: &[u8]) -> Result<(), RestoreError> {
        self.await_rows()?;
        if self.uncommitted >= COMMIT_AFTER {
            self.execute(b"COMMIT")?;
            self.uncommitted = 0;
        }
        self.fits(statement)?;
        let sent = self.connection.send(statement);
        sent.map_err(|error| refused(&self.section, statement, error))?;
        self.uncommitted += statement.len();
        self.under_way = Some(table.to_owned());
        Ok(())
    }

    /// Waits until the server has taken the rows that were sent, and counts them.
    fn await_rows(&mut self) -> Result<(), RestoreError> {
        let Some(table) = self.under_way.take() else { return Ok(()) };
        let done = self.connection.receive(self.shared.job.observer).map_err(|error| {
            let statement = format!("INSERT INTO {} VALUES", quote::name(&table));
            refused(&self.section, statement.as_bytes(), error)
        })?;
        if let Some(rows) = self.shared.parts().loaded.rows.get_mut(&table) {
            *rows += done.rows;
        }
        if done.warnings > 0 { self.look_at_warnings(&table) } else { Ok(()) }
    }

    /// Looks which columns did not take all values as they are.
    fn look_at_warnings(&mut self, table: &str) -> Result<(), RestoreError> {
        let observer = self.shared.job.observer;
        for column in unfit(self.connection, observer)? {
            let place = (table.to_owned(), column.clone());
            if self.shared.parts().loaded.unfit.contains_key(&place) {
                continue;
            }
            let is_text = is_text(self.connection, table, &column, observer)?;
            // A text that is in the dump fits the column of the dump, so it is longer than it was.
            if is_text && self.shared.job.rewrite.is_some() {
                return Err(RestoreError::TooLong { table: table.to_owned(), column });
            }
            self.shared.parts().loaded.unfit.insert(place, is_text);
        }
        Ok(())
    }

    fn adapted(&self, statement: &[u8], kind: &Kind, plain: bool) -> Vec<u8> {
        let (statement, changes) = adapt(statement, kind, self.shared.job.taken, plain);
        if !changes.is_empty() {
            self.shared.parts().loaded.changes.extend(changes);
        }
        statement
    }

    fn execute(&mut self, statement: &[u8]) -> Result<Done, RestoreError> {
        if self.shared.job.mode == Mode::Collect { Ok(Done::default()) } else { self.run_now(statement) }
    }

    fn run_now(&mut self, statement: &[u8]) -> Result<Done, RestoreError> {
        self.await_rows()?;
        self.fits(statement)?;
        let result = self.connection.execute(statement, self.shared.job.observer);
        result.map_err(|error| refused(&self.section, statement, error))
    }

    fn fits(&self, statement: &[u8]) -> Result<(), RestoreError> {
        let (row, allowed) = (statement.len() as u64, self.shared.packet_max);
        if row >= allowed { Err(RestoreError::RowTooLong { row, allowed }) } else { Ok(()) }
    }
}

/// Whether a setting is given back what it was before: `SET x = @saved`.
fn sets_back(statement: &[u8], plain: bool) -> bool {
    let tokens: Vec<Token<'_>> = Tokens::of(statement, plain).collect();
    tokens.windows(3).any(|three| match three {
        [is, at, name] => is.is_mark(b'=') && at.is_mark(b'@') && !name.is_mark(b'@'),
        _ => false,
    })
}

/// Runs a statement that makes a trigger, view, routine or event, or a setting between them; tells what had to be
/// changed in it.
pub(in crate::database) fn run_program(
    connection: &mut Connection,
    statement: &[u8],
    taken: &Taken,
    watch: &dyn Observer,
) -> Result<Vec<Change>, RestoreError> {
    let plain = connection.is_backslash_plain();
    let kind = sort(statement, plain);
    if !matches!(kind, Kind::Set | Kind::Program(_) | Kind::AlterSchema | Kind::Drop) {
        let section = "the triggers, views, routines or events".to_owned();
        return Err(RestoreError::Forbidden { section, statement: shown(statement) });
    }
    let (adapted, changes) = adapt(statement, &kind, taken, plain);
    let result = connection.execute(&adapted, watch);
    result.map_err(|error| refused("the triggers, views, routines and events", statement, error))?;
    Ok(changes)
}

/// A statement as [`run_program`] would run it.
pub(in crate::database) fn adapt_program(statement: &[u8], taken: &Taken) -> Vec<u8> {
    let kind = sort(statement, false);
    adapt(statement, &kind, taken, false).0
}
