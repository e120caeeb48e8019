//! Deciding how a dump comes back, before anything is made.

use std::collections::{BTreeMap, BTreeSet};

use undercroft_vault::sections::SectionSource;
use undercroft_vault::stream::SectionKind;
use uuid::Uuid;

use super::error::RestoreError;
use super::hand::{Look, folds, look};
use super::live::{Program, can_be_made_again, programs};
use super::order::{Order, Staged, Way};
use super::{definers, late, outside, prefix};
use crate::database::load;
use crate::database::quote;

/// What an account needs in the schemas that a restore makes.
const IN_SCRATCH: [&str; 9] =
    ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES"];
/// What it needs in the live schema whatever the dump has.
const IN_LIVE: [&str; 5] = ["SELECT", "INSERT", "CREATE", "DROP", "ALTER"];
/// The same names in a GRANT: in a schema's name there, `_` stands for any character.
const PATTERN: &str = "`undercroft\\_%`";

/// What a statement is longer by than its longest row: `INSERT INTO`, the names of the table and of its columns.
const HEAD: u64 = 4096;

/// Decides how the dump comes back: looks, and refuses what can't work. Makes nothing.
///
/// # Errors
/// [`RestoreError::MissingRight`] says which right the account lacks, and what gives it; others that a table is
/// not in the dump, the server takes no row as long as the longest, or can't be reached.
pub fn stage(order: &Order<'_>, id: Uuid, only: Option<&[String]>, way: Way) -> Result<Staged, RestoreError> {
    stage_with(order, &mut look(order.target, order.observer)?, id, only, way)
}

pub(super) fn stage_with(
    order: &Order<'_>,
    look: &mut Look,
    id: Uuid,
    only: Option<&[String]>,
    way: Way,
) -> Result<Staged, RestoreError> {
    let mut staged = names(id, look.schema.clone(), only.map(<[String]>::to_vec), way);
    staged.decided = late::now(&mut look.connection, order.observer)?;
    if let Some(only) = only.filter(|_| !order.absent_is_removed) {
        are_there(order.dump, only)?;
    }
    if folds(&mut look.connection, order.observer)? {
        let is_wanted = |name: &&str| only.is_none_or(|only| only.iter().any(|wanted| wanted == name));
        stay_apart(tables(order.dump).filter(is_wanted))?;
    }
    if only.is_none() && !order.absent_is_removed {
        prefix::fits(look, order)?;
    }
    let longest = order.facts.map_or(0, |facts| facts.longest_row);
    fits(look, longest, order)?;
    let live = programs(look, &staged, order)?;
    let mut lacking = Vec::new();
    lacking.extend(may_change_live(order.dump, look, only.is_none(), &live).err());
    if way == Way::Switch {
        lacking.extend(may_make(look, &staged.scratch, &IN_SCRATCH).err());
    }
    let (keys, lost) =
        if way == Way::Switch { outside::keys(look, &staged, order)? } else { Default::default() };
    staged.outside = keys;
    let taken = load::taken(&mut look.connection, &look.rights, order.observer)?;
    staged.takes_back = order.absent_is_removed;
    staged.definers = definers::missing(look, &taken, order)?;
    match can_be_made_again(look, &staged, order, &live, lost) {
        Err(error @ (RestoreError::WouldBeLost { .. } | RestoreError::BinaryLog { .. })) => {
            lacking.push(error)
        }
        other => other?,
    }
    // Told one after the other, each would take a round of its own.
    match (lacking.pop(), lacking.is_empty()) {
        (None, _) => Ok(staged),
        (Some(one), true) => Err(one),
        (Some(last), false) => {
            lacking.push(last);
            Err(RestoreError::MissingRights { lacking })
        }
    }
}

/// What a restore of this id makes.
pub(super) fn names(id: Uuid, schema: String, only: Option<Vec<String>>, way: Way) -> Staged {
    let (first, ..) = id.as_fields();
    let scratch = format!("undercroft_{first:08x}");
    let old = format!("{scratch}_old");
    Staged {
        id,
        schema,
        way,
        only,
        scratch,
        old,
        outside: Vec::new(),
        decided: 0,
        definers: Vec::new(),
        takes_back: false,
    }
}

/// The tables and sequences that the dump lists.
fn tables(dump: &dyn SectionSource) -> impl Iterator<Item = &str> {
    let is_table = |kind| matches!(kind, SectionKind::Table | SectionKind::Sequence);
    let sections = dump.sections().iter().filter(move |section| is_table(section.label.kind));
    sections.map(|section| &*section.label.name)
}

/// Refuses names of which a server that does not tell upper from lower case would make one.
pub(super) fn stay_apart<'n>(names: impl Iterator<Item = &'n str>) -> Result<(), RestoreError> {
    let mut known: BTreeMap<String, &str> = BTreeMap::new();
    for name in names {
        if let Some(one) = known.insert(name.to_lowercase(), name) {
            return Err(RestoreError::OneName { one: one.to_owned(), other: name.to_owned() });
        }
    }
    Ok(())
}

fn are_there(dump: &dyn SectionSource, only: &[String]) -> Result<(), RestoreError> {
    let there: BTreeSet<&str> = tables(dump).collect();
    let names: Vec<String> = only.iter().filter(|name| !there.contains(name.as_str())).cloned().collect();
    let is_view = |name: &&String| {
        let mut sections = dump.sections().iter();
        sections.any(|section| section.label.kind == SectionKind::View && section.label.name == **name)
    };
    let views = names.iter().filter(is_view).cloned().collect();
    if names.is_empty() { Ok(()) } else { Err(RestoreError::NoSuchTables { names, views }) }
}

fn fits(look: &mut Look, longest: u64, order: &Order<'_>) -> Result<(), RestoreError> {
    let allowed = load::packet_max(&mut look.connection, order.observer)?;
    let row = longest + HEAD;
    if longest > 0 && row > allowed { Err(RestoreError::RowTooLong { row, allowed }) } else { Ok(()) }
}

fn may_change_live(
    dump: &dyn SectionSource,
    look: &Look,
    whole: bool,
    live: &[Program],
) -> Result<(), RestoreError> {
    // What is live has to be removed, and made again if the restore is taken back.
    let has = |kind, words: &[&str]| {
        let is_live = live.iter().any(|program| words.contains(&&*program.kind));
        is_live || (whole && dump.sections().iter().any(|section| section.label.kind == kind))
    };
    let mut needed = IN_LIVE.to_vec();
    if has(SectionKind::View, &["VIEW"]) {
        needed.push("CREATE VIEW");
    }
    if has(SectionKind::Routines, &["FUNCTION", "PROCEDURE", "PACKAGE", "PACKAGE BODY"]) {
        needed.extend(["CREATE ROUTINE", "ALTER ROUTINE"]);
    }
    if has(SectionKind::Events, &["EVENT"]) {
        needed.push("EVENT");
    }
    // Triggers that can't be seen would be left behind, and refuse the switch.
    needed.push("TRIGGER");
    let lacking = look.rights.lacks(&needed);
    if lacking.is_empty() {
        return Ok(());
    }
    let (right, account, schema) =
        (lacking.join(", "), look.rights.account().to_owned(), look.schema.clone());
    let grant = format!("GRANT {right} ON {}.* TO {account}", quote::name(&schema));
    Err(RestoreError::MissingLiveRight { account, right, schema, grant })
}

/// Whether the account may make a schema of the restore's own and work in it.
pub(super) fn may_make(look: &Look, scratch: &str, needed: &[&'static str]) -> Result<(), RestoreError> {
    let lacking = look.rights.lacks_on(scratch, needed);
    if lacking.is_empty() {
        return Ok(());
    }
    let (right, account) = (lacking.join(", "), look.rights.account().to_owned());
    let grant = format!("GRANT {right} ON {PATTERN}.* TO {account}");
    Err(RestoreError::MissingRight { account, right, pattern: "undercroft_…".to_owned(), grant })
}
