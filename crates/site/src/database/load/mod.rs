//! Loading a dump: its statements go straight to the server.
//!
//! What makes it fast: several connections load tables at once, the largest first; the next statement is read while
//! the server works on the last; a table's [`keys`] are made when its rows are in.
//!
//! [`split`] finds the statements in the text, as `mysql` would, but knows no client commands; [`sort`] says
//! what each is, and what is never run whatever the text says; [`adapt`] changes what this server or account
//! does not take. [`section`] loads one section, [`load`] a whole dump through several connections.
//!
//! Triggers, views, routines and events are not made here but collected ([`Loaded::programs`]): they can't be
//! renamed into another schema, so they are made when the tables are in their place.

mod about;
mod adapt;
mod changes;
mod keys;
mod refused;
mod scan;
mod section;
mod session;
mod sort;
mod split;
pub(in crate::database) mod stand_in;
mod token;
mod unfit;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use undercroft_model::{DatabaseTarget, Element, Observer};
use undercroft_vault::sections::{SectionSource, TextSection};
use undercroft_vault::stream::SectionKind;

pub(in crate::database) use about::{About, Named, about};
pub(in crate::database) use adapt::{Change, Taken, instead_of};
pub(in crate::database) use changes::changes;
pub(in crate::database) use refused::shown;
pub(in crate::database) use section::{adapt_program, run_program};
pub(in crate::database) use session::{open, packet_max, taken};

use super::dump::END_MARK;
use super::restore::RestoreError;
use super::server::Server;
use super::wire::Connection;

/// Changes the rows that are loaded, on their way: text that names the site's address, say.
pub trait Rewrite: Sync {
    /// Changes a statement that inserts rows into a table.
    ///
    /// # Errors
    /// What stands in the way, as a sentence; the load ends with it.
    fn rewrite(&self, table: &str, statement: &mut Vec<u8>) -> Result<(), String>;
}

/// What is done with the statements of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::database) enum Mode {
    /// They are run.
    Load,
    /// Only the settings of the session are; definitions are collected.
    Collect,
}

/// What is to be loaded, and how.
pub(in crate::database) struct Job<'a> {
    pub(in crate::database) mode: Mode,
    /// The server, and the schema that everything goes into.
    pub(in crate::database) target: &'a DatabaseTarget,
    pub(in crate::database) dump: &'a dyn SectionSource,
    /// Only these tables.
    pub(in crate::database) only: Option<&'a BTreeSet<String>>,
    pub(in crate::database) rewrite: Option<&'a dyn Rewrite>,
    pub(in crate::database) taken: &'a Taken,
    pub(in crate::database) observer: &'a dyn Observer,
}

/// What was loaded.
#[derive(Debug, Default)]
pub(in crate::database) struct Loaded {
    /// Rows of each table, as the server acknowledged them.
    pub(in crate::database) rows: BTreeMap<String, u64>,
    /// Statements that make triggers, views, routines and events, with the settings between them, in order.
    pub(in crate::database) programs: Vec<Vec<u8>>,
    /// Definitions of tables and sequences, as the dump has them.
    pub(in crate::database) definitions: BTreeMap<String, Vec<u8>>,
    /// The default collation of the schema that was dumped, if the dump says.
    pub(in crate::database) collation: Option<String>,
    /// Columns that did not take all values as they are, by table; and whether they hold texts.
    pub(in crate::database) unfit: BTreeMap<(String, String), bool>,
    /// What the server calls itself.
    pub(in crate::database) server: String,
    /// What had to be changed.
    pub(in crate::database) changes: BTreeSet<Change>,
}

/// What the threads of a load share.
struct Shared<'j, 'a> {
    job: &'j Job<'a>,
    /// Bytes of the longest statement that the server takes.
    packet_max: u64,
    loaded: Mutex<Parts>,
}

/// What was loaded, by the places of sections.
#[derive(Debug, Default)]
struct Parts {
    loaded: Loaded,
    programs: BTreeMap<usize, Vec<Vec<u8>>>,
}

impl Shared<'_, '_> {
    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Loads a dump through so many connections.
pub(in crate::database) fn load(job: &Job<'_>, connections: usize) -> Result<Loaded, RestoreError> {
    let sections = job.dump.sections();
    let wanted = |section: &TextSection| match (job.only, section.label.kind) {
        (None, SectionKind::Preamble | SectionKind::End) => sections.len() == 1,
        (None, _) => true,
        (Some(only), SectionKind::Table | SectionKind::Sequence) => only.contains(&section.label.name),
        (Some(_), _) => false,
    };
    let mut first = open(job.target, job.observer)?;
    let shared =
        Shared { job, packet_max: session::packet_max(&mut first, job.observer)?, loaded: Mutex::default() };
    let preamble = read_frame(&shared)?;
    shared.parts().loaded.server = Server::parse(first.version()).to_string();
    let places: Vec<usize> =
        (0..sections.len()).filter(|place| sections.get(*place).is_some_and(wanted)).collect();
    let total = places.iter().filter_map(|place| sections.get(*place)).map(|section| section.raw_len).sum();
    if job.mode == Mode::Load {
        job.observer.expect(Element::Database, total);
    }
    // Sequences first: tables number their rows by them.
    let is_early = |place: &usize| {
        sections.get(*place).is_some_and(|section| section.label.kind == SectionKind::Sequence)
    };
    let (early, mut late): (Vec<usize>, Vec<usize>) = places.into_iter().partition(is_early);
    section::run_preamble(&shared, &mut first, preamble.as_deref())?;
    early.into_iter().try_for_each(|place| section::load_section(&shared, &mut first, place))?;
    late.sort_by_key(|place| std::cmp::Reverse(sections.get(*place).map_or(0, |section| section.raw_len)));
    load_all(&shared, first, preamble.as_deref(), late, connections)?;
    let Parts { mut loaded, programs } = shared.loaded.into_inner().unwrap_or_else(PoisonError::into_inner);
    loaded.programs = programs.into_values().flatten().collect();
    loaded.collation = preamble.as_deref().and_then(default_collation);
    Ok(loaded)
}

/// Loads sections, the longest first, one a connection at a time.
fn load_all(
    shared: &Shared<'_, '_>,
    first: Connection,
    preamble: Option<&[u8]>,
    places: Vec<usize>,
    connections: usize,
) -> Result<(), RestoreError> {
    let more = connections.min(places.len()).saturating_sub(1);
    let work = Mutex::new(VecDeque::from(places));
    let failure = Mutex::new(None);
    let lock = || work.lock().unwrap_or_else(PoisonError::into_inner);
    let fail = |error: RestoreError| {
        // Nobody begins anything more; the first error is the one that matters.
        lock().clear();
        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    };
    let run = |mut connection: Connection| {
        loop {
            let Some(place) = lock().pop_front() else { return };
            if let Err(error) = section::load_section(shared, &mut connection, place) {
                return fail(error);
            }
        }
    };
    let another = || -> Result<Connection, RestoreError> {
        let mut connection = open(shared.job.target, shared.job.observer)?;
        section::run_preamble(shared, &mut connection, preamble)?;
        Ok(connection)
    };
    thread::scope(|scope| {
        for _ in 0..more {
            scope.spawn(|| match another() {
                Ok(connection) => run(connection),
                // A server that has no more connections to give is loaded through fewer.
                Err(RestoreError::Database(super::DatabaseError::Refused { .. })) => {}
                Err(error) => fail(error),
            });
        }
        run(first);
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Reads what comes before all else in the dump, and looks whether its end is there. A dump from elsewhere, all
/// of it one section, has neither.
fn read_frame(shared: &Shared<'_, '_>) -> Result<Option<Vec<u8>>, RestoreError> {
    let dump = shared.job.dump;
    let place = |kind| dump.sections().iter().position(|section| section.label.kind == kind);
    let (Some(preamble), Some(end)) = (place(SectionKind::Preamble), place(SectionKind::End)) else {
        if dump.sections().len() == 1 {
            return Ok(None);
        }
        let reason = "its beginning or its end is missing".to_owned();
        return Err(RestoreError::Text { section: "the dump itself".to_owned(), reason });
    };
    if !read_all(dump, end)?.ends_with(END_MARK.as_bytes()) {
        let reason = "the mark that closes every dump is missing".to_owned();
        return Err(RestoreError::Text { section: "the end".to_owned(), reason });
    }
    read_all(dump, preamble).map(Some)
}

/// The text of a short section.
fn read_all(dump: &dyn SectionSource, place: usize) -> Result<Vec<u8>, RestoreError> {
    let mut text = Vec::new();
    let read = dump.open(place).and_then(|mut reader| reader.read_to_end(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(source) => Err(RestoreError::Dump { section: section::named(dump, place), source }),
    }
}

/// The default collation of the schema that was dumped, if the dump says.
pub(in crate::database) fn collation_of(dump: &dyn SectionSource) -> Result<Option<String>, RestoreError> {
    let sections = dump.sections();
    match sections.iter().position(|section| section.label.kind == SectionKind::Preamble) {
        // A dump from elsewhere is all of it one section.
        Some(place) if sections.len() > 1 => Ok(default_collation(&read_all(dump, place)?)),
        _ => Ok(None),
    }
}

/// What our dumps say of the schema's default collation.
fn default_collation(preamble: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(preamble);
    let line = text.lines().find_map(|line| line.strip_prefix("-- Default collation: "))?;
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    Some(line.trim()).filter(is_name).map(str::to_owned)
}
