//! Making the live schema's triggers, views, routines and events what they are to be.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::error::RestoreError;
use super::hand::{Hand, target_in};
use super::journal::{self, Part};
use super::order::Order;
use super::programs::{live_programs, make, tell};
use super::rename::{Patience, patiently};
use super::same::{Programs, is_left_alone};
use crate::database::load::Taken;
use undercroft_model::Muted;

/// What is to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// What the dump has, and nothing else.
    New,
    /// What was there before. What the site made since is nobody's, and stays.
    Old,
}

/// Removes what is not to be there or is otherwise, and makes what is missing. What is as it is to be is left alone.
/// `live`: what is live, if that is known. Gives the routines that were replaced.
pub(super) fn settle(
    hand: &mut Hand<'_>,
    order: &Order<'_>,
    taken: &Taken,
    wanted: Wanted,
    patience: Patience,
    live: Option<Programs>,
) -> Result<Vec<String>, RestoreError> {
    let collation = hand.collation()?;
    let new = statements(hand, Part::New)?;
    let statements = match wanted {
        Wanted::New => new.clone(),
        Wanted::Old => statements(hand, Part::Old)?,
    };
    let texts = |statements: &[Vec<u8>]| Programs::of(statements.iter().map(Vec::as_slice), &collation);
    let there = live.map_or_else(|| read_live(hand, order, &collation), Ok)?;
    let ours = [texts(&new), texts(&statements)];
    let same = ours[1].same_as(&there);
    let goes = |kind: &'static str, name: &str| {
        let is_ours = wanted == Wanted::New || ours.iter().any(|programs| programs.has(kind, name));
        is_ours && !same.contains(&(kind, name.to_owned()))
    };
    let dropped = RefCell::new(BTreeSet::new());
    patiently(hand, patience, |hand| {
        hand.drop_triggers(&|name| goes("TRIGGER", name))?;
        hand.drop_views(&|name| goes("VIEW", name))?;
        hand.drop_events(&|name| goes("EVENT", name))?;
        Ok(hand.drop_routines(&|kind, name| {
            let goes = goes(kind, name);
            if goes {
                dropped.borrow_mut().insert((kind, name.to_owned()));
            }
            goes
        })?)
    })?;
    let live = target_in(order.target, &hand.staged.schema);
    let missing = statements.iter().map(Vec::as_slice).filter(|statement| !is_left_alone(statement, &same));
    let changes = make(hand, &live, missing, taken, patience)?;
    tell(&changes, hand.watch);
    let replaced = dropped.into_inner().into_iter().filter(|(kind, name)| ours[1].has(kind, name));
    Ok(replaced.map(|(_, name)| name).collect())
}

fn read_live(hand: &mut Hand<'_>, order: &Order<'_>, collation: &str) -> Result<Programs, RestoreError> {
    let live = target_in(order.target, &hand.staged.schema);
    let only = hand.only()?;
    let there = live_programs(&live, only.as_ref(), &Muted(hand.watch))?;
    Ok(Programs::of(there.iter().map(Vec::as_slice), collation))
}

fn statements(hand: &mut Hand<'_>, part: Part) -> Result<Vec<Vec<u8>>, RestoreError> {
    let notes = journal::read(&mut hand.connection, hand.staged, part, hand.watch)?;
    Ok(notes.into_iter().map(|(_, statement)| statement).collect())
}
