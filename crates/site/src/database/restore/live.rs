//! What is live and would be removed: whether the account may remove it and make it again, and can read it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use undercroft_model::{Element, Observer, Remark, Weight};
use undercroft_vault::stream::SectionKind;

use super::error::RestoreError;
use super::hand::{Look, folds};
use super::order::{Order, Staged, Way};
use super::programs::live_programs;
use crate::database::dump::NOT_IN_DUMP;
use crate::database::error::DatabaseError;
use crate::database::quote;

/// What stands before the statement that gives a right, where something can't be read.
const ADVICE: &str = "; grant it with ";

/// A trigger, view, routine or event that is live.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// The word after CREATE.
    pub(super) kind: String,
    pub(super) name: String,
    definer: String,
    /// Whether it is a function that servers with a binary log take for unsafe.
    is_unsafe: bool,
}

impl Program {
    fn named(&self) -> String {
        format!("the {} {}", self.kind.to_lowercase(), self.name)
    }
}

/// The live programs that a restore would remove.
pub(super) fn programs(
    look: &mut Look,
    staged: &Staged,
    order: &Order<'_>,
) -> Result<Vec<Program>, RestoreError> {
    let schema = quote::text(&look.schema);
    let mut sql = format!(
        "SELECT 'TRIGGER', TRIGGER_NAME, DEFINER, EVENT_OBJECT_TABLE, 0 FROM information_schema.TRIGGERS WHERE \
         TRIGGER_SCHEMA = {schema}"
    );
    if staged.only.is_none() {
        sql.push_str(&format!(
            " UNION ALL SELECT 'VIEW', TABLE_NAME, DEFINER, '', 0 FROM information_schema.VIEWS WHERE TABLE_SCHEMA = {schema} \
             UNION ALL SELECT 'EVENT', EVENT_NAME, DEFINER, '', 0 FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {schema} \
             UNION ALL SELECT ROUTINE_TYPE, ROUTINE_NAME, DEFINER, '', ROUTINE_TYPE = 'FUNCTION' AND \
             IS_DETERMINISTIC = 'NO' AND SQL_DATA_ACCESS IN ('CONTAINS SQL', 'MODIFIES SQL DATA') FROM \
             information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {schema}"
        ));
    }
    let folds = folds(&mut look.connection, order.observer)?;
    let is_wanted = |table: &str| {
        let is_one = |name: &String| name == table || (folds && name.to_lowercase() == table.to_lowercase());
        table.is_empty() || staged.only.as_ref().is_none_or(|only| only.iter().any(is_one))
    };
    let mut found = Vec::new();
    for row in look.connection.table(&sql, order.observer)? {
        let mut texts =
            row.into_iter().map(|value| String::from_utf8_lossy(&value.unwrap_or_default()).into_owned());
        let mut next = || texts.next().unwrap_or_default();
        let (kind, name, definer, table, is_unsafe) = (next(), next(), next(), next(), next() == "1");
        if is_wanted(&table) {
            found.push(Program { kind, name, definer, is_unsafe });
        }
    }
    Ok(found)
}

/// Refuses what could be removed and then not be made again; `lost` is what is known of already.
pub(super) fn can_be_made_again(
    look: &mut Look,
    staged: &Staged,
    order: &Order<'_>,
    programs: &[Program],
    mut lost: Vec<String>,
) -> Result<(), RestoreError> {
    takes_programs(look, staged, order, programs)?;
    if order.may_lose {
        for text in lost {
            order.observer.remark(Element::Database, Remark::lost("", text));
        }
        return Ok(());
    }
    let mut grants = BTreeSet::new();
    for text in unreadable(staged, order)? {
        let (what, grant) = text.split_once(ADVICE).unwrap_or((&text, ""));
        grants.extend(Some(grant.to_owned()).filter(|grant| !grant.is_empty()));
        lost.push(what.to_owned());
    }
    let theirs = in_names_of_others(look, staged, order, programs)?;
    grants.extend((!theirs.is_empty()).then(|| look.rights.grant_for_definers()));
    lost.extend(theirs);
    let grants = grants.into_iter().collect();
    if lost.is_empty() { Ok(()) } else { Err(RestoreError::WouldBeLost { what: lost, grants }) }
}

/// The programs that could not be made again in the names that they run in.
fn in_names_of_others(
    look: &mut Look,
    staged: &Staged,
    order: &Order<'_>,
    programs: &[Program],
) -> Result<Vec<String>, RestoreError> {
    if staged.way != Way::Switch || look.rights.may_set_missing_definers() {
        return Ok(Vec::new());
    }
    let sql = "SELECT CURRENT_USER() AS account";
    let own = look.connection.record(sql, order.observer)?.text("account");
    let may_set = look.rights.may_set_definers();
    let is_lost = |program: &&Program| match may_set {
        true => staged.definers.contains(&program.definer),
        false => program.definer != own,
    };
    let told = |program: &Program| {
        let kind = if may_set { ", an account that is not there," } else { "," };
        format!(
            "{} runs in the name of {}{kind} which this account may not set",
            program.named(),
            program.definer
        )
    };
    Ok(programs.iter().filter(is_lost).map(told).collect())
}

/// The programs whose text the account can't read, with what to do about it.
fn unreadable(staged: &Staged, order: &Order<'_>) -> Result<Vec<String>, RestoreError> {
    let lost = Lost { watch: order.observer, found: Mutex::default() };
    let only: Option<BTreeSet<String>> = staged.only.as_ref().map(|only| only.iter().cloned().collect());
    live_programs(order.target, only.as_ref(), &lost)?;
    Ok(lost.found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Remembers what can't be read.
struct Lost<'a> {
    watch: &'a dyn Observer,
    found: Mutex<Vec<String>>,
}

impl Observer for Lost<'_> {
    fn doing(&self, _: Element, _: &str) {}
    fn expect(&self, _: Element, _: u64) {}
    fn advance(&self, _: Element, _: u64, _: u64) {}
    fn remark(&self, _: Element, remark: Remark) {
        // The text of a view that no longer works is in the dump, as a comment.
        if remark.weight == Weight::Lost && remark.text.contains(NOT_IN_DUMP) {
            let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            let text = remark.text.replacen(NOT_IN_DUMP, "can't be read", 1);
            found.push(format!("{}: {text}", remark.subject));
        }
    }
    fn cancelled(&self) -> bool {
        self.watch.cancelled()
    }
}

/// A server that keeps a binary log takes triggers and functions from few accounts, and lets few remove them.
fn takes_programs(
    look: &mut Look,
    staged: &Staged,
    order: &Order<'_>,
    live: &[Program],
) -> Result<(), RestoreError> {
    let sql = "SELECT @@log_bin AND NOT @@log_bin_trust_function_creators AS strict";
    let is_strict = match look.connection.record(sql, order.observer) {
        Ok(record) => record.text("strict") == "1",
        // A server without the one variable or the other has no such rule.
        Err(DatabaseError::Statement { .. }) => false,
        Err(error) => return Err(error.into()),
    };
    if !is_strict {
        return Ok(());
    }
    let is_kept = |program: &&Program| ["TRIGGER", "FUNCTION"].contains(&&*program.kind);
    let what = if let Some(program) = live.iter().find(|program| program.is_unsafe) {
        format!("{}, which says neither DETERMINISTIC, NO SQL nor READS SQL DATA", program.named())
    } else if look.rights.has_everywhere("SUPER") {
        return Ok(());
    } else if let Some(program) = live.iter().find(is_kept) {
        program.named()
    } else if order.facts.is_some_and(|facts| facts.triggers > 0) && staged.only.is_none() {
        "the dump's triggers".to_owned()
    } else if staged.only.is_none() && has_functions(order)? {
        "the dump's functions".to_owned()
    } else {
        return Ok(());
    };
    Err(RestoreError::BinaryLog { account: look.rights.account().to_owned(), what })
}

/// Whether the dump, if it is one of ours, has functions.
fn has_functions(order: &Order<'_>) -> Result<bool, RestoreError> {
    let sections = order.dump.sections();
    let Some(place) = sections.iter().position(|section| section.label.kind == SectionKind::Routines) else {
        return Ok(false);
    };
    let mut text = Vec::new();
    let read = order.dump.open(place).and_then(|mut reader| reader.read_to_end(&mut text));
    read.map_err(|source| RestoreError::Dump { section: "the routines".to_owned(), source })?;
    let is_function = |line: &[u8]| line.starts_with(b"/*!50003 DROP FUNCTION IF EXISTS ");
    Ok(text.split(|byte| *byte == b'\n').any(is_function))
}
