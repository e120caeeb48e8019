//! Triggers, views, routines and events: those that are live, as statements, and making them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use undercroft_model::{DatabaseTarget, Element, Muted, Observer, Remark, Weight};
use undercroft_vault::sections::{SectionSource, TextSection};
use undercroft_vault::stream::{Section, SectionLabel, TextSink};

use super::error::RestoreError;
use super::hand::{Hand, programs_lock, take_lock};
use super::rename::{Patience, SECONDS, patiently};
use crate::database::load::{self, Change, Job, Loaded, Mode, Taken};
use crate::database::snapshot::Snapshot;
use crate::database::wire::Connection;

/// Definitions of a whole schema, as our dumper writes them, without any rows.
#[derive(Default)]
pub(super) struct Definitions {
    list: Vec<TextSection>,
    texts: Vec<Vec<u8>>,
}

impl SectionSource for Definitions {
    fn sections(&self) -> &[TextSection] {
        &self.list
    }

    fn open(&self, place: usize) -> io::Result<Box<dyn Read + Send + '_>> {
        let text = self.texts.get(place).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(&text[..]))
    }
}

/// Keeps what is written to it.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<u32, (SectionLabel, Vec<u8>)>>);

impl From<Kept> for Definitions {
    fn from(kept: Kept) -> Self {
        let mut definitions = Definitions::default();
        for (label, text) in kept.0.into_inner().unwrap_or_else(PoisonError::into_inner).into_values() {
            definitions.list.push(TextSection { label, rows: None, raw_len: text.len() as u64 });
            definitions.texts.push(text);
        }
        definitions
    }
}

struct Keeping<'k> {
    kept: &'k Kept,
    ordinal: u32,
    label: SectionLabel,
    text: Vec<u8>,
}

impl TextSink for Kept {
    fn section(&self, ordinal: u32, label: SectionLabel) -> io::Result<Box<dyn Section + '_>> {
        Ok(Box::new(Keeping { kept: self, ordinal, label, text: Vec::new() }))
    }
}

impl Section for Keeping<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.text.extend_from_slice(text);
        Ok(())
    }

    fn finish(self: Box<Self>, _: Option<u64>) -> io::Result<()> {
        let mut kept = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(self.ordinal, (self.label, self.text));
        Ok(())
    }
}

/// Tells only of what is live and can't be read, and so would not come back if a switch is taken back.
pub(super) struct Losses<'a>(pub(super) &'a dyn Observer);

impl Observer for Losses<'_> {
    fn doing(&self, _: Element, _: &str) {}
    fn expect(&self, _: Element, _: u64) {}
    fn advance(&self, _: Element, _: u64, _: u64) {}
    fn remark(&self, element: Element, remark: Remark) {
        if remark.weight == Weight::Lost {
            let text =
                format!("as it is live now, it can't be brought back once it is replaced: {}", remark.text);
            self.0.remark(element, Remark::note(remark.subject, text));
        }
    }
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }
}

/// Reads the definitions of all that is in the target's schema.
pub(super) fn definitions(
    target: &DatabaseTarget,
    watch: &dyn Observer,
) -> Result<Definitions, RestoreError> {
    let (kept, target) = (Kept::default(), without_rows(target));
    let watch = Losses(watch);
    Snapshot::open(&target, &watch)?.dump(&kept, &watch)?;
    Ok(kept.into())
}

/// Reads the definitions of the triggers, views, routines and events that are in the target's schema, as statements,
/// but for triggers of other tables than `only`. `watch` is told which of them can't be read.
pub(super) fn live_programs(
    target: &DatabaseTarget,
    only: Option<&BTreeSet<String>>,
    watch: &dyn Observer,
) -> Result<Vec<Vec<u8>>, RestoreError> {
    let (kept, whole) = (Kept::default(), without_rows(target));
    Snapshot::open(&whole, &Muted(watch))?.dump_programs(&kept, watch)?;
    Ok(collect(target, &Definitions::from(kept), only, watch)?.programs)
}

fn without_rows(target: &DatabaseTarget) -> DatabaseTarget {
    DatabaseTarget { structure_only: vec!["*".to_owned()], ..target.clone() }
}

/// Takes the definitions out of a dump without running them.
pub(super) fn collect(
    target: &DatabaseTarget,
    dump: &dyn SectionSource,
    only: Option<&BTreeSet<String>>,
    watch: &dyn Observer,
) -> Result<Loaded, RestoreError> {
    let taken = Taken::default();
    let watch = Muted(watch);
    let job = Job { mode: Mode::Collect, target, dump, only, rewrite: None, taken: &taken, observer: &watch };
    load::load(&job, 1)
}

/// Makes triggers, views, routines and events in the target's schema.
pub(super) fn make<'s>(
    hand: &mut Hand<'_>,
    target: &DatabaseTarget,
    statements: impl IntoIterator<Item = &'s [u8]>,
    taken: &Taken,
    patience: Patience,
) -> Result<BTreeSet<Change>, RestoreError> {
    let watch = hand.watch;
    let mut connection: Connection = load::open(target, watch)?;
    take_lock(&mut connection, &programs_lock(hand.staged), watch)?;
    connection.set_doing("making triggers, views, routines and events");
    connection.run(SECONDS, watch)?;
    let mut changes = BTreeSet::new();
    for statement in statements {
        // A table that others hold keeps its triggers from being made.
        let made =
            patiently(hand, patience, |_| load::run_program(&mut connection, statement, taken, watch))?;
        changes.extend(made);
    }
    Ok(changes)
}

/// Tells what had to be changed.
pub(super) fn tell(changes: &BTreeSet<Change>, watch: &dyn Observer) {
    for change in changes {
        watch.remark(Element::Database, Remark::note("", shown(change)));
    }
}

/// A change, for a person to read.
pub(super) fn shown(change: &Change) -> String {
    match change {
        Change::Definer(account) => format!(
            "programs of {account} are made in the name of the account that restores: that one is not there, or may not \
             be set"
        ),
        Change::Collation(name, other) => {
            format!("the server does not know the collation {name}: {other} was taken instead")
        }
    }
}
