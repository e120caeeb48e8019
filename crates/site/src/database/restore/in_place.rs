//! Loading a dump straight over the live schema.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::error::RestoreError;
use super::grants::{give_back, grants};
use super::hand::{Hand, target_in};
use super::order::{Order, Staged};
use super::orphans::tell_orphans;
use super::prepare::{count, known_collation, load_into};
use super::programs::{make, tell};
use super::rename::{self, Patience};
use super::same::Programs;
use crate::database::load::{Taken, stand_in};
use crate::database::quote;

/// Loads the dump over what is live and removes what is not in it. Begun anew after a failure or a kill, it ends
/// the same; until then the schema is a mixture.
pub(super) fn load_over(staged: &Staged, order: &Order<'_>, taken: &Taken) -> Result<(), RestoreError> {
    let mut hand = Hand::open(staged, order)?;
    hand.doing("removing what is live");
    // Whoever is in the way is found while nothing has changed.
    rename::patiently(&mut hand, Patience::Short, |hand| {
        let live = hand.tables(&hand.staged.schema)?;
        let going = live.into_iter().filter(|table| hand.is_wanted(table)).collect();
        if rename::hold(hand, &going)? {
            hand.run("UNLOCK TABLES")?;
        }
        Ok(())
    })?;
    replace(&mut hand, order, taken).map_err(|error| match error {
        RestoreError::Locked { holder } => RestoreError::LockedMidway { holder },
        other => other,
    })
}

fn replace(hand: &mut Hand<'_>, order: &Order<'_>, taken: &Taken) -> Result<(), RestoreError> {
    let staged = hand.staged;
    let dropped = RefCell::new(BTreeSet::new());
    let granted = if staged.only.is_none() { grants(hand)? } else { Some(Vec::new()) };
    rename::patiently(hand, Patience::Long, |hand| {
        hand.drop_triggers(&|_| true)?;
        hand.drop_views(&|_| true)?;
        hand.drop_events(&|_| true)?;
        hand.drop_routines(&|kind, name| {
            dropped.borrow_mut().insert((kind, name.to_owned()));
            true
        })?;
        drop_tables(hand)
    })?;
    let target = target_in(order.target, &staged.schema);
    // Also those that a killed process made.
    stand_in::remove(&mut hand.connection, &staged.schema, order.observer)?;
    let mut loaded = load_into(&target, staged, order, taken)?;
    count(order, &loaded)?;
    if let Some(collation) = known_collation(&loaded, taken) {
        hand.set_collation(&collation)?;
    }
    let programs = std::mem::take(&mut loaded.programs);
    let statements = programs.iter().map(|statement| &statement[..]);
    loaded.changes.extend(make(hand, &target, statements, taken, Patience::Long)?);
    stand_in::remove(&mut hand.connection, &staged.schema, order.observer)?;
    tell(&loaded.changes, order.observer);
    let made = Programs::of(programs.iter().map(Vec::as_slice), "");
    let replaced = dropped.into_inner().into_iter().filter(|(kind, name)| made.has(kind, name));
    let replaced: Vec<String> = replaced.map(|(_, name)| name).collect();
    give_back(hand, granted.as_deref(), &replaced)?;
    tell_orphans(hand);
    Ok(())
}

/// Removes the live tables, also those that come back: what a killed process has asked for may still hold one, and
/// this is where it is waited for.
fn drop_tables(hand: &mut Hand<'_>) -> Result<(), RestoreError> {
    for table in hand.tables(&hand.staged.schema)? {
        if hand.is_wanted(&table) {
            let place = format!("{}.{}", quote::name(&hand.staged.schema), quote::name(&table));
            hand.run(&format!("DROP TABLE IF EXISTS {place}"))?;
        }
    }
    Ok(())
}
