//! Loading the dump beside the live schema.

use std::collections::BTreeSet;
use std::thread;

use undercroft_model::{DatabaseTarget, Element, Remark};
use undercroft_vault::stream::SectionKind;

use super::definers;
use super::error::RestoreError;
use super::hand::{Hand, look, target_in};
use super::journal::{self, Note, Part, Phase};
use super::numbered::note_numbered;
use super::order::{Order, Staged, Way};
use super::programs::tell;
use super::stage::stay_apart;
use super::switch::clean_up_with;
use crate::database::load::{self, Job, Loaded, Mode, Taken, instead_of, stand_in};
use crate::database::quote;

/// More connections than this bring nothing: the server is what takes the time.
const CONNECTIONS_MAX: usize = 4;

/// How many connections load at once.
pub(super) fn connections() -> usize {
    thread::available_parallelism().map_or(1, usize::from).clamp(2, CONNECTIONS_MAX)
}

/// Loads the dump into the scratch schema and counts what came. The live schema is not touched. In place, there
/// is nothing to prepare.
///
/// # Errors
/// [`RestoreError`]; what was made is left for [`clean_up`](super::clean_up).
pub fn prepare(staged: &Staged, order: &Order<'_>) -> Result<(), RestoreError> {
    if staged.way == Way::InPlace {
        return Ok(());
    }
    let taken = taken(staged, order)?;
    let mut hand = Hand::open(staged, order)?;
    match journal::phase(&mut hand.connection, staged, order.observer)? {
        Phase::Prepared => return Ok(()),
        Phase::None => {}
        Phase::Loading => clean_up_with(&mut hand)?,
        Phase::Switching | Phase::Switched | Phase::Backing => {
            return Err(RestoreError::NotPrepared { what: "the restore is past that".to_owned() });
        }
    }
    let loaded = load_into_scratch(&mut hand, order, &taken)?;
    if hand.folds {
        stay_apart(loaded.definitions.keys().map(String::as_str))?;
    }
    count(order, &loaded)?;
    tell(&loaded.changes, order.observer);
    let watch = order.observer;
    let connection = &mut hand.connection;
    connection.set_doing("noting what was loaded");
    let statements: Vec<Note> =
        loaded.programs.iter().map(|statement| (String::new(), statement.clone())).collect();
    journal::write(connection, staged, Part::New, &statements, watch)?;
    if let Some(collation) = known_collation(&loaded, &taken) {
        journal::write(connection, staged, Part::NewCollation, &[(collation, Vec::new())], watch)?;
    }
    take_outside_keys(&mut hand, &loaded)?;
    note_numbered(&mut hand)?;
    let mut tables = hand.tables(&staged.scratch)?;
    let stand_ins = stand_in::list(&mut hand.connection, &staged.scratch, watch)?;
    tables.retain(|name| !stand_ins.contains(name));
    let notes: Vec<Note> = tables.into_iter().map(|name| (name, Vec::new())).collect();
    journal::write(&mut hand.connection, staged, Part::Table, &notes, watch)?;
    Ok(journal::set_phase(&mut hand.connection, staged, Phase::Prepared, watch)?)
}

/// What the server and the account take.
pub(super) fn taken(staged: &Staged, order: &Order<'_>) -> Result<Taken, RestoreError> {
    let mut look = look(order.target, order.observer)?;
    Ok(definers::taken(&mut look, staged, order)?)
}

/// Makes the scratch schema and loads the dump into it.
pub(super) fn load_into_scratch(
    hand: &mut Hand<'_>,
    order: &Order<'_>,
    taken: &Taken,
) -> Result<Loaded, RestoreError> {
    let staged = hand.staged;
    // Types without a character set of their own take the schema's.
    let collation = match load::collation_of(order.dump)? {
        Some(dumped) => instead_of(&dumped, &taken.collations).unwrap_or(dumped),
        None => hand.collation()?,
    };
    journal::make_schema(&mut hand.connection, staged, &staged.scratch, Some(&collation), order.observer)?;
    journal::set_phase(&mut hand.connection, staged, Phase::Loading, order.observer)?;
    load_into(&target_in(order.target, &staged.scratch), staged, order, taken)
}

/// Loads the dump, or those of its tables that are restored, into a schema.
pub(super) fn load_into(
    target: &DatabaseTarget,
    staged: &Staged,
    order: &Order<'_>,
    taken: &Taken,
) -> Result<Loaded, RestoreError> {
    let only: Option<BTreeSet<String>> = staged.only.as_ref().map(|only| only.iter().cloned().collect());
    let job = Job {
        mode: Mode::Load,
        target,
        dump: order.dump,
        only: only.as_ref(),
        rewrite: order.rewrite,
        taken,
        observer: order.observer,
    };
    load::load(&job, connections())
}

/// The collation of the schema that was dumped, or what the server knows instead.
pub(super) fn known_collation(loaded: &Loaded, taken: &Taken) -> Option<String> {
    let collation = loaded.collation.clone()?;
    Some(instead_of(&collation, &taken.collations).unwrap_or(collation))
}

/// Compares the rows that the server acknowledged with those that were captured.
pub(super) fn count(order: &Order<'_>, loaded: &Loaded) -> Result<(), RestoreError> {
    for section in order.dump.sections() {
        let (name, rows) = (&section.label.name, section.rows);
        if section.label.kind != SectionKind::Table {
            continue;
        }
        match (loaded.rows.get(name), rows) {
            (Some(&found), Some(expected)) if found != expected => {
                return Err(RestoreError::Miscounted { table: name.clone(), expected, found });
            }
            (Some(_), None) => {
                let text = "only its structure is in the backup: it comes back empty";
                order.observer.remark(Element::Database, Remark::note(name.clone(), text));
            }
            _ => {}
        }
    }
    tell_unfit(order, loaded);
    Ok(())
}

/// Tells of values that the server did not take as they are. One that the dump is of takes the likes of an empty choice
/// with a warning, and yet as it was.
fn tell_unfit(order: &Order<'_>, loaded: &Loaded) {
    let is_another = order.facts.is_none_or(|facts| facts.server != loaded.server);
    for ((table, column), is_text) in &loaded.unfit {
        if is_another || *is_text {
            let text = format!(
                "the server did not take every value of the column {column} as it is in the dump: some are cut or \
                 otherwise now"
            );
            order.observer.remark(Element::Database, Remark::lost(table.clone(), text));
        }
    }
}

/// Takes foreign keys to tables that are not restored off the tables that are: they would go on naming a table of
/// the scratch schema. They are made again once their tables are live.
fn take_outside_keys(hand: &mut Hand<'_>, loaded: &Loaded) -> Result<(), RestoreError> {
    let staged = hand.staged;
    if staged.only.is_none() {
        return Ok(());
    }
    let mut notes: Vec<Note> = Vec::new();
    for (table, definition) in &loaded.definitions {
        for key in foreign_keys(definition) {
            if hand.is_wanted(&key.parent) {
                continue;
            }
            let place = format!("{}.{}", quote::name(&staged.scratch), quote::name(table));
            hand.run(&format!("ALTER TABLE {place} DROP FOREIGN KEY {}", quote::name(&key.name)))?;
            notes.push((table.clone(), key.line));
        }
    }
    Ok(journal::write(&mut hand.connection, staged, Part::Key, &notes, hand.watch)?)
}

/// The line of a definition that makes the foreign key of this name, also one to another schema.
pub(super) fn key_line(definition: &[u8], name: &str) -> Option<String> {
    let begin = format!("CONSTRAINT {} FOREIGN KEY (", quote::name(name));
    let mut lines = definition.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let line = lines.find(|line| line.starts_with(begin.as_bytes()))?;
    Some(String::from_utf8_lossy(line.strip_suffix(b",").unwrap_or(line)).into_owned())
}

/// A foreign key, as a definition has it.
pub(super) struct ForeignKey {
    pub(super) name: String,
    /// The table that it refers to, in the same schema.
    pub(super) parent: String,
    /// ``CONSTRAINT `x` FOREIGN KEY …``, without the comma behind it.
    pub(super) line: Vec<u8>,
}

/// The foreign keys of a table, as `SHOW CREATE TABLE` gives them: one a line.
pub(super) fn foreign_keys(definition: &[u8]) -> Vec<ForeignKey> {
    let mut keys = Vec::new();
    for line in definition.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii().strip_suffix(b",").unwrap_or(line.trim_ascii());
        let text = String::from_utf8_lossy(line);
        let Some(rest) = text.strip_prefix("CONSTRAINT `") else { continue };
        let Some((name, rest)) = rest.split_once("` FOREIGN KEY (") else { continue };
        let Some((_, rest)) = rest.split_once(" REFERENCES `") else { continue };
        let Some((parent, rest)) = rest.split_once('`') else { continue };
        // A name with a schema before it refers to another schema, and so does what it was.
        if rest.starts_with(" (") {
            let unquoted = |name: &str| name.replace("``", "`");
            keys.push(ForeignKey { name: unquoted(name), parent: unquoted(parent), line: line.to_vec() });
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_keys_are_read_off_a_definition() {
        let definition = b"CREATE TABLE `c` (\n  `id` int COMMENT 'CONSTRAINT `no` FOREIGN KEY (x) REFERENCES `y` (z)',\n  \
            CONSTRAINT `has parent` FOREIGN KEY (`a`) REFERENCES `par` (`id`) ON DELETE CASCADE,\n  \
            CONSTRAINT `out` FOREIGN KEY (`a`) REFERENCES `other`.`t` (`id`)\n) ENGINE=InnoDB";
        let keys = foreign_keys(definition);
        assert_eq!(keys.len(), 1);
        assert_eq!((&*keys[0].name, &*keys[0].parent), ("has parent", "par"));
        assert!(keys[0].line.ends_with(b"ON DELETE CASCADE"));
    }
}
