//! Writing a dump: one section for each object, in an order in which any client can load it.
//!
//! [`frame`] opens and closes it, [`table`] writes a table with [`row`]s of [`value`]s as [`select`] gets them, [`view`],
//! [`sequence`] and [`program`] write the rest. All of them read through connections that share one
//! snapshot.

mod context;
mod definition;
mod frame;
mod output;
mod program;
mod row;
mod select;
mod sequence;
mod table;
mod value;
mod view;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::thread;

use undercroft_vault::stream::SectionKind;

pub(super) use context::{Context, ELEMENT, Tally};
pub use frame::END_MARK;
pub(super) use program::NOT_IN_DUMP;
pub(super) use table::{content, has_rows, is_in_snapshot};
pub use view::IN_A_COMMENT;

use super::error::DatabaseError;
use super::objects::{Objects, TableInfo, ViewInfo};
use super::wire::Connection;

/// What one section is made of.
#[derive(Debug, Clone, Copy)]
enum Part<'o> {
    Preamble,
    Sequence(&'o str),
    Table(&'o TableInfo),
    /// The triggers of a table alone.
    Triggers(&'o str),
    Placeholders,
    Routines,
    View(&'o ViewInfo),
    Events,
    End,
}

/// The dump's sections in their order: sequences before tables whose defaults use them, views after the
/// functions that they call, events last, so that none runs while others are missing.
fn plan(objects: &Objects) -> Vec<Part<'_>> {
    let mut parts = vec![Part::Preamble];
    parts.extend(objects.sequences.iter().map(|name| Part::Sequence(name)));
    parts.extend(objects.tables.iter().map(Part::Table));
    parts.extend((!objects.views.is_empty()).then_some(Part::Placeholders));
    parts.extend((!objects.routines.is_empty()).then_some(Part::Routines));
    parts.extend(objects.views.iter().map(Part::View));
    parts.extend((!objects.events.is_empty()).then_some(Part::Events));
    parts.push(Part::End);
    parts
}

/// Writes triggers, views, routines and events, and neither tables nor rows, through one connection.
pub(super) fn write_programs(
    context: &Context<'_>,
    connection: &mut Connection,
) -> Result<(), DatabaseError> {
    let only_triggers = |part| match part {
        Part::Sequence(_) => None,
        Part::Table(table) => {
            context.objects.triggers.contains_key(&table.name).then_some(Part::Triggers(&table.name))
        }
        other => Some(other),
    };
    let parts = (0..).zip(plan(context.objects).into_iter().filter_map(only_triggers));
    parts.into_iter().try_for_each(|(ordinal, part)| write(context, connection, ordinal, part))
}

/// Writes all sections through the given connections, one thread each.
pub(super) fn write_all(context: &Context<'_>, connections: &mut [Connection]) -> Result<(), DatabaseError> {
    let mut parts: Vec<(u32, Part<'_>)> = (0..).zip(plan(context.objects)).collect();
    if let [connection] = connections {
        return parts.into_iter().try_for_each(|(ordinal, part)| write(context, connection, ordinal, part));
    }
    // The longest tables first, so that none of them is left to one thread at the end.
    parts.sort_by_key(|(_, part)| match part {
        Part::Table(table) => std::cmp::Reverse(table.bytes),
        _ => std::cmp::Reverse(0),
    });
    let work = Mutex::new(VecDeque::from(parts));
    let lock = || work.lock().unwrap_or_else(PoisonError::into_inner);
    let failure = Mutex::new(None);
    let run = |connection: &mut Connection| {
        loop {
            let Some((ordinal, part)) = lock().pop_front() else { return };
            if let Err(error) = write(context, connection, ordinal, part) {
                // Nobody begins anything more; the first error is the one that matters.
                lock().clear();
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                return;
            }
        }
    };
    thread::scope(|scope| {
        for connection in connections {
            scope.spawn(|| run(connection));
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn write(
    context: &Context<'_>,
    connection: &mut Connection,
    ordinal: u32,
    part: Part<'_>,
) -> Result<(), DatabaseError> {
    output::check(context.watch)?;
    match part {
        Part::Preamble => frame::write_preamble(context, connection, ordinal),
        Part::Sequence(name) => sequence::write_sequence(context, connection, ordinal, name),
        Part::Table(table) => table::write_table(context, connection, ordinal, table),
        Part::Triggers(table) => table::write_triggers(context, connection, ordinal, table),
        Part::Placeholders => view::write_placeholders(context, connection, ordinal),
        Part::Routines => write_routines(context, connection, ordinal),
        Part::View(view) => view::write_view(context, connection, ordinal, view),
        Part::Events => write_events(context, connection, ordinal),
        Part::End => frame::write_end(context, connection, ordinal),
    }
}

fn write_routines(
    context: &Context<'_>,
    connection: &mut Connection,
    ordinal: u32,
) -> Result<(), DatabaseError> {
    context.doing(connection, "reading the routines");
    let mut out = context.open(ordinal, SectionKind::Routines, "", connection)?;
    out.push("\n--\n-- Dumping routines\n--\n");
    for routine in &context.objects.routines {
        program::write_program(context, connection, &mut out, routine.kind.words(), &routine.name)?;
        out.hand_on_if_full()?;
    }
    out.finish(None)
}

fn write_events(
    context: &Context<'_>,
    connection: &mut Connection,
    ordinal: u32,
) -> Result<(), DatabaseError> {
    context.doing(connection, "reading the events");
    let mut out = context.open(ordinal, SectionKind::Events, "", connection)?;
    out.push("\n--\n-- Dumping events\n--\n");
    for event in &context.objects.events {
        program::write_program(context, connection, &mut out, "EVENT", event)?;
        out.hand_on_if_full()?;
    }
    out.finish(None)
}
