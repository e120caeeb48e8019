//! Making what was prepared live, and taking it back.
//!
//! Nothing is remembered of which table was moved already: where a table is says it. A table that was loaded and is
//! no longer in the scratch schema is live; whatever else is live was live before, and goes into the schema of the
//! old ones. So a statement that a dying server left half done is gone on with, in either direction.

use std::collections::{BTreeMap, BTreeSet};

use super::error::RestoreError;
use super::grants;
use super::hand::{Hand, target_in};
use super::in_place;
use super::journal::{self, Note, Part, Phase, Whose};
use super::late::tell_late;
use super::numbered::{forget_stand_ins, number_by_live};
use super::order::{Order, OutsideKey, Staged, Way};
use super::orphans::tell_orphans;
use super::prepare::{ForeignKey, foreign_keys, taken};
use super::programs::{Losses, collect, definitions, live_programs};
use super::rename::{self, Patience};
use super::same::Programs;
use super::settle::{Wanted, settle};
use crate::database::load::Taken;
use crate::database::quote;
use crate::database::wire::Connection;

/// Noted where the account may not know which rights were granted.
const UNKNOWN: &str = "unknown";

/// Makes what was prepared live; in place, loads the dump over what is live. Can be called again after it was
/// killed at any point or has finished, and then ends the same.
///
/// # Errors
/// [`RestoreError`]. The live schema is as it was before, unless it is [`RestoreError::HalfSwitched`] or the way
/// is in place.
pub fn switch(staged: &Staged, order: &Order<'_>) -> Result<(), RestoreError> {
    let taken = taken(staged, order)?;
    if staged.way == Way::InPlace {
        return in_place::load_over(staged, order, &taken);
    }
    let mut hand = Hand::open(staged, order)?;
    match journal::phase(&mut hand.connection, staged, order.observer)? {
        Phase::Switched => return Ok(()),
        Phase::None | Phase::Loading => {
            let what = format!("the schema {} does not hold a whole dump", staged.scratch);
            return Err(RestoreError::NotPrepared { what });
        }
        Phase::Backing => back(&mut hand, order, &taken)?,
        Phase::Prepared | Phase::Switching => {}
    }
    let Err(error) = forward(&mut hand, order, &taken) else { return Ok(()) };
    // Its connection may be what failed.
    drop(hand);
    let undone = Hand::open(staged, order).and_then(|mut hand| match hand_phase(&mut hand)? {
        Phase::Switching | Phase::Backing => back(&mut hand, order, &taken),
        _ => Ok(()),
    });
    match undone {
        Ok(()) => Err(error),
        Err(then) => Err(RestoreError::HalfSwitched {
            schema: staged.schema.clone(),
            scratch: staged.scratch.clone(),
            old: staged.old.clone(),
            why: error.to_string(),
            then: then.to_string(),
        }),
    }
}

fn hand_phase(hand: &mut Hand<'_>) -> Result<Phase, RestoreError> {
    journal::phase(&mut hand.connection, hand.staged, hand.watch)
}

/// Takes a switch back: the live schema is as it was. Can be called again, and where nothing was switched it
/// does nothing.
///
/// # Errors
/// [`RestoreError`]; [`RestoreError::NotReversible`] in place, and once [`clean_up`] has been.
pub fn switch_back(staged: &Staged, order: &Order<'_>) -> Result<(), RestoreError> {
    if staged.way == Way::InPlace {
        return Err(RestoreError::NotReversible { why: "it was done in place" });
    }
    let taken = taken(staged, order)?;
    let mut hand = Hand::open(staged, order)?;
    match hand_phase(&mut hand)? {
        Phase::None => Err(RestoreError::NotReversible { why: "the old tables were removed" }),
        Phase::Loading | Phase::Prepared => Ok(()),
        Phase::Switching | Phase::Switched | Phase::Backing => back(&mut hand, order, &taken),
    }
}

/// Removes whatever the restore made beside the live schema, and nothing that is live or another's.
///
/// # Errors
/// [`RestoreError`] if the server fails, or a switch is half done; it can be called again then.
pub fn clean_up(staged: &Staged, order: &Order<'_>) -> Result<(), RestoreError> {
    if staged.way == Way::InPlace {
        return Ok(());
    }
    clean_up_with(&mut Hand::open(staged, order)?)
}

pub(super) fn clean_up_with(hand: &mut Hand<'_>) -> Result<(), RestoreError> {
    let staged = hand.staged;
    let phase = hand_phase(hand)?;
    if matches!(phase, Phase::Switching | Phase::Backing) {
        return Err(RestoreError::HalfSwitched {
            schema: staged.schema.clone(),
            scratch: staged.scratch.clone(),
            old: staged.old.clone(),
            why: "the process that switched was stopped".to_owned(),
            then: "the switch has to be finished or taken back before anything is removed".to_owned(),
        });
    }
    hand.doing("removing what the restore does not need any more");
    // What a killed process has asked for may still be going on there.
    for (id, _) in hand.others_in(&[&staged.scratch, &staged.old])? {
        let _ = hand.run(&format!("KILL {id}"));
    }
    if phase != Phase::Switched && !hand.tables(&staged.old)?.is_empty() {
        return Err(RestoreError::NotOurs { schema: staged.old.clone() });
    }
    // The notes go last: they say what may be removed.
    remove(hand, &staged.old)?;
    remove(hand, &staged.scratch)
}

fn remove(hand: &mut Hand<'_>, schema: &str) -> Result<(), RestoreError> {
    match journal::whose(&mut hand.connection, hand.staged, schema, hand.watch)? {
        Whose::Nobodys => return Ok(()),
        Whose::Others => return Err(RestoreError::NotOurs { schema: schema.to_owned() }),
        Whose::Ours | Whose::Empty => {}
    }
    let quoted = quote::name(schema);
    for table in hand.tables(schema)? {
        hand.run(&format!("DROP TABLE IF EXISTS {quoted}.{}", quote::name(&table)))?;
    }
    Ok(hand.run(&format!("DROP DATABASE IF EXISTS {quoted}"))?)
}

/// From any point of a switch to its end.
fn forward(hand: &mut Hand<'_>, order: &Order<'_>, taken: &Taken) -> Result<(), RestoreError> {
    let (staged, watch) = (hand.staged, hand.watch);
    let noted = match hand_phase(hand)? {
        Phase::Prepared => Some(note_live(hand, order)?),
        _ => None,
    };
    hand.doing("switching the tables");
    forget_stand_ins(hand)?;
    rename::patiently(hand, Patience::Short, |hand| {
        let (out, into) = forward_moves(hand)?;
        let moved = move_all(hand, &[out, into].concat());
        if moved.as_ref().is_err_and(rename::is_held) {
            // The site goes on meanwhile, and not without its triggers.
            let _ = settle(hand, order, &as_it_was(taken), Wanted::Old, Patience::None, None);
        }
        moved
    })?;
    tell_late(hand, &staged.old)?;
    hand.doing("making triggers, views, routines and events");
    set_collation(hand, Part::NewCollation)?;
    number_by_live(hand)?;
    for (table, line) in journal::read(&mut hand.connection, staged, Part::Key, watch)? {
        add_key(hand, &table, &line)?;
    }
    mend_children(hand)?;
    // The triggers went when their tables did.
    let replaced =
        settle(hand, order, taken, Wanted::New, Patience::Long, noted.map(Programs::without_triggers))?;
    forget_stand_ins(hand)?;
    grant_again(hand, &replaced)?;
    journal::set_phase(&mut hand.connection, staged, Phase::Switched, watch)?;
    tell_orphans(hand);
    Ok(())
}

/// From any point of a switch to where it began. Where nothing was moved or removed yet, nothing is touched.
fn back(hand: &mut Hand<'_>, order: &Order<'_>, taken: &Taken) -> Result<(), RestoreError> {
    let (staged, watch) = (hand.staged, hand.watch);
    journal::set_phase(&mut hand.connection, staged, Phase::Backing, watch)?;
    hand.doing("taking the switch back");
    forget_stand_ins(hand)?;
    rename::patiently(hand, Patience::Long, |hand| {
        let moves = backward_moves(hand)?;
        move_all(hand, &moves)
    })?;
    set_collation(hand, Part::OldCollation)?;
    mend_children(hand)?;
    let replaced = settle(hand, order, &as_it_was(taken), Wanted::Old, Patience::Long, None)?;
    grant_again(hand, &replaced)?;
    Ok(journal::set_phase(&mut hand.connection, staged, Phase::Prepared, watch)?)
}

/// Grants again what was granted on routines.
fn grant_again(hand: &mut Hand<'_>, replaced: &[String]) -> Result<(), RestoreError> {
    let notes = journal::read(&mut hand.connection, hand.staged, Part::Grant, hand.watch)?;
    let is_known = !notes.iter().any(|(name, _)| name == UNKNOWN);
    grants::give_back(hand, is_known.then_some(&notes), replaced)
}

/// What was there before is made again just as it was.
fn as_it_was(taken: &Taken) -> Taken {
    Taken { accounts: None, ..taken.clone() }
}

/// Moves tables. Nothing is removed before nobody else holds them.
fn move_all(hand: &mut Hand<'_>, moves: &[rename::Move]) -> Result<(), RestoreError> {
    let schema = hand.staged.schema.clone();
    let going = moves.iter().filter(|one| one.is_from(&schema)).map(|one| one.table().to_owned());
    let mut needed: BTreeSet<String> = going.collect();
    let coming: BTreeSet<String> =
        moves.iter().filter(|one| !one.is_from(&schema)).map(|one| one.table().to_owned()).collect();
    if needed.is_empty() && coming.is_empty() {
        return Ok(());
    }
    // A table with triggers can't go into another schema.
    let mut triggers = hand.triggers()?;
    triggers.retain(|(_, table)| needed.contains(table));
    // The keys of these are changed right afterwards.
    let children = journal::read(&mut hand.connection, hand.staged, Part::ChildKey, hand.watch)?;
    let live = hand.tables(&schema)?;
    needed.extend(children.into_iter().map(|(table, _)| table).filter(|table| live.contains(table)));
    let is_held = rename::hold(hand, &needed)?;
    let dropped = triggers.iter().try_for_each(|(name, _)| hand.drop_live("TRIGGER", name));
    if is_held {
        hand.run("UNLOCK TABLES")?;
    }
    dropped?;
    hand.drop_views(&|name| coming.contains(name))?;
    rename::rename(hand, moves)
}

/// Notes what has to be known to go back, and makes the schema that the live tables go into.
fn note_live(hand: &mut Hand<'_>, order: &Order<'_>) -> Result<Programs, RestoreError> {
    let (staged, watch) = (hand.staged, hand.watch);
    hand.doing("noting what is live");
    let live = target_in(order.target, &staged.schema);
    let only = hand.only()?;
    let programs = live_programs(&live, only.as_ref(), &Losses(watch))?;
    let statements: Vec<Note> = programs.into_iter().map(|statement| (String::new(), statement)).collect();
    let collation = hand.collation()?;
    let noted = Programs::of(statements.iter().map(|(_, statement)| statement.as_slice()), &collation);
    let mut children: Vec<Note> = Vec::new();
    let definitions = match &only {
        None => BTreeMap::new(),
        Some(_) => collect(&live, &definitions(&live, watch)?, None, watch)?.definitions,
    };
    for (table, definition) in definitions.iter().filter(|(table, _)| !hand.is_wanted(table)) {
        let keys = foreign_keys(definition).into_iter().filter(|key| hand.is_wanted(&key.parent));
        children.extend(keys.map(|key| (table.clone(), key.line)));
    }
    // Rights on single tables stay with their names; those on routines do not.
    let granted = match &only {
        None => grants::grants(hand)?.unwrap_or_else(|| vec![(UNKNOWN.to_owned(), Vec::new())]),
        Some(_) => Vec::new(),
    };
    let connection: &mut Connection = &mut hand.connection;
    journal::write(connection, staged, Part::Grant, &granted, watch)?;
    journal::write(connection, staged, Part::Old, &statements, watch)?;
    journal::write(connection, staged, Part::OldCollation, &[(collation, Vec::new())], watch)?;
    journal::write(connection, staged, Part::ChildKey, &children, watch)?;
    journal::make_schema(connection, staged, &staged.old, None, watch)?;
    journal::set_phase(connection, staged, Phase::Switching, watch)?;
    Ok(noted)
}

/// The tables that were loaded.
fn loaded(hand: &mut Hand<'_>) -> Result<BTreeSet<String>, RestoreError> {
    let notes = journal::read(&mut hand.connection, hand.staged, Part::Table, hand.watch)?;
    Ok(notes.into_iter().map(|(name, _)| name).collect())
}

type Moves = Vec<rename::Move>;

/// What is live and was not loaded goes out; what was loaded and is not live goes in.
fn forward_moves(hand: &mut Hand<'_>) -> Result<(Moves, Moves), RestoreError> {
    let staged = hand.staged;
    let (loaded, scratch, live) =
        (loaded(hand)?, hand.tables(&staged.scratch)?, hand.tables(&staged.schema)?);
    let is_in = |name: &String| loaded.contains(name) && !scratch.contains(name);
    let out = live.iter().filter(|name| hand.is_wanted(name) && !is_in(name));
    let out = out.map(|name| rename::Move::new(&staged.schema, name, &staged.old)).collect();
    let into = scratch
        .iter()
        .filter(|name| loaded.contains(*name))
        .map(|name| rename::Move::new(&staged.scratch, name, &staged.schema))
        .collect();
    Ok((out, into))
}

/// What was loaded and is live goes back, and so does what was live. A table that is live and neither was made by
/// the site since: it stays, unless an old one has its name.
fn backward_moves(hand: &mut Hand<'_>) -> Result<Moves, RestoreError> {
    let staged = hand.staged;
    let (loaded, scratch) = (loaded(hand)?, hand.tables(&staged.scratch)?);
    let (live, old) = (hand.tables(&staged.schema)?, hand.tables(&staged.old)?);
    let mut moves = Moves::new();
    for name in &live {
        let is_in = loaded.contains(name) && !scratch.contains(name);
        if is_in || old.contains(name) {
            moves.push(rename::Move::new(&staged.schema, name, &staged.scratch));
        }
    }
    moves.extend(old.iter().map(|name| rename::Move::new(&staged.old, name, &staged.schema)));
    Ok(moves)
}

fn set_collation(hand: &mut Hand<'_>, part: Part) -> Result<(), RestoreError> {
    let notes = journal::read(&mut hand.connection, hand.staged, part, hand.watch)?;
    let Some((collation, _)) = notes.first() else { return Ok(()) };
    rename::patiently(hand, Patience::Long, |hand| Ok(hand.set_collation(collation)?))
}

/// Foreign keys of tables that stay follow the table that they refer to when that is renamed; they are to refer to
/// the one that has its name now.
fn mend_children(hand: &mut Hand<'_>) -> Result<(), RestoreError> {
    let notes = journal::read(&mut hand.connection, hand.staged, Part::ChildKey, hand.watch)?;
    notes.iter().try_for_each(|(table, line)| add_key(hand, table, line))?;
    hand.staged.outside.iter().try_for_each(|key| match put_key(hand, key) {
        // The table is gone, and with it the key.
        Err(RestoreError::Database(error)) if error.code() == Some(1146) => Ok(()),
        other => other,
    })
}

/// Makes a foreign key of a live table, instead of the one that has its name.
fn add_key(hand: &mut Hand<'_>, table: &str, line: &[u8]) -> Result<(), RestoreError> {
    let keys = foreign_keys(line);
    let Some(ForeignKey { name, parent, .. }) = keys.first() else { return Ok(()) };
    let key = OutsideKey {
        schema: hand.staged.schema.clone(),
        table: table.to_owned(),
        name: name.clone(),
        parent: parent.clone(),
        line: String::from_utf8_lossy(line).into_owned(),
    };
    put_key(hand, &key)
}

/// Makes a foreign key to a live table, instead of the one that has its name, unless that is the same.
fn put_key(hand: &mut Hand<'_>, key: &OutsideKey) -> Result<(), RestoreError> {
    let sql = format!(
        "SELECT UNIQUE_CONSTRAINT_SCHEMA AS place, REFERENCED_TABLE_NAME AS parent FROM \
         information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = {} AND TABLE_NAME = {} AND \
         CONSTRAINT_NAME = {}",
        quote::text(&key.schema),
        quote::text(&key.table),
        quote::text(&key.name)
    );
    let there = hand.connection.record(&sql, hand.watch)?;
    if there.text("place") == hand.staged.schema && hand.is_one(&there.text("parent"), &key.parent) {
        return Ok(());
    }
    let place = format!("{}.{}", quote::name(&key.schema), quote::name(&key.table));
    rename::patiently(hand, Patience::Long, |hand| {
        match hand.run(&format!("ALTER TABLE {place} DROP FOREIGN KEY {}", quote::name(&key.name))) {
            // It was dropped before, by a process that was killed then; or it is one of a table that was loaded.
            Err(error) if error.code() == Some(1091) => {}
            other => other?,
        }
        Ok(hand.run(&format!("ALTER TABLE {place} ADD {}", key.line))?)
    })
}
