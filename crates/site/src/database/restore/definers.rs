//! Accounts in whose names programs run, and that are not there any more.
//!
//! Where such programs are live, or were before a restore that is taken back, they stay as they are: whoever gets them in
//! another account's name instead does not get what was there. Anywhere else the account is gone for good, and what
//! comes is made in the name of the account that restores.

use std::collections::BTreeSet;

use undercroft_vault::stream::SectionKind;

use super::error::RestoreError;
use super::hand::Look;
use super::order::{Order, Staged};
use crate::database::error::DatabaseError;
use crate::database::load::{self, Change, Taken};
use crate::database::quote;

/// The accounts that live programs run in the name of and that are not there, as far as the account may know.
pub(super) fn missing(
    look: &mut Look,
    taken: &Taken,
    order: &Order<'_>,
) -> Result<Vec<String>, DatabaseError> {
    let Some(accounts) = &taken.accounts else { return Ok(Vec::new()) };
    let schema = quote::text(&look.schema);
    let sql = format!(
        "SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {schema} \
         UNION SELECT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = {schema} \
         UNION SELECT DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {schema} \
         UNION SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {schema}"
    );
    let rows = look.connection.table(&sql, order.observer)?;
    let first = |row: Vec<Option<Vec<u8>>>| row.into_iter().next().flatten();
    let names = rows.into_iter().filter_map(first).map(|name| String::from_utf8_lossy(&name).into_owned());
    Ok(names.filter(|name| !name.is_empty() && !accounts.contains(name)).collect())
}

/// What the server and the account take, given what was decided.
pub(super) fn taken(look: &mut Look, staged: &Staged, order: &Order<'_>) -> Result<Taken, DatabaseError> {
    let taken = load::taken(&mut look.connection, &look.rights, order.observer)?;
    Ok(keep(taken, look, staged))
}

/// Lets accounts that are not there be definers where they are that, or were.
fn keep(mut taken: Taken, look: &Look, staged: &Staged) -> Taken {
    if !look.rights.may_set_missing_definers() {
        return taken;
    }
    if staged.takes_back {
        taken.accounts = None;
    } else if let Some(accounts) = &mut taken.accounts {
        accounts.extend(staged.definers.iter().cloned());
    }
    taken
}

/// What would have to be changed in the dump's views, routines and events. Triggers come with their tables' rows, which
/// nobody reads only to look.
pub(super) fn changes(order: &Order<'_>, taken: &Taken) -> Result<BTreeSet<Change>, RestoreError> {
    let mut changes = BTreeSet::new();
    for (place, section) in order.dump.sections().iter().enumerate() {
        let kind = section.label.kind;
        let is_program = matches!(kind, SectionKind::Routines | SectionKind::Events)
            || (kind == SectionKind::View && !section.label.name.is_empty());
        if is_program {
            let named = || format!("the {kind:?} {}", section.label.name).to_lowercase();
            let dump = |source| RestoreError::Dump { section: named(), source };
            changes.extend(load::changes(order.dump.open(place).map_err(dump)?, taken).map_err(dump)?);
        }
    }
    Ok(changes)
}
