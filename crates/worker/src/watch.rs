//! Listens to captures: passes on what they tell and keeps what belongs in the report.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use undercroft_model::report::REMARKS_MAX;
use undercroft_model::{Element, Observer, Remark, Weight};

/// What was heard of one element.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// The first remarks of each weight.
    notes: Vec<Remark>,
    losses: Vec<Remark>,
    /// How many remarks there were, and how many of them weigh [`Weight::Lost`].
    pub total: u64,
    /// See `total`.
    pub lost: u64,
    /// Bytes read from the site.
    pub read: u64,
    /// Bytes reused from an earlier backup.
    pub reused: u64,
}

impl Heard {
    /// The remarks worth keeping, those that weigh most first.
    pub fn remarks(self) -> Vec<Remark> {
        let room = REMARKS_MAX.saturating_sub(self.losses.len());
        self.losses.into_iter().chain(self.notes.into_iter().take(room)).collect()
    }
}

/// An observer between a capture and the job's own.
pub struct Watch<'o> {
    outer: &'o dyn Observer,
    heard: Mutex<BTreeMap<Element, Heard>>,
}

impl<'o> Watch<'o> {
    /// Passes everything on to `outer`.
    pub fn new(outer: &'o dyn Observer) -> Self {
        Watch { outer, heard: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Element, Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was heard of the element; it is forgotten here, as when its capture begins anew.
    pub fn take(&self, element: Element) -> Heard {
        self.lock().remove(&element).unwrap_or_default()
    }
}

impl Observer for Watch<'_> {
    fn doing(&self, element: Element, what: &str) {
        self.outer.doing(element, what);
    }

    fn expect(&self, element: Element, bytes: u64) {
        self.outer.expect(element, bytes);
    }

    fn advance(&self, element: Element, read: u64, reused: u64) {
        let mut heard = self.lock();
        let heard = heard.entry(element).or_default();
        heard.read += read;
        heard.reused += reused;
        self.outer.advance(element, read, reused);
    }

    fn remark(&self, element: Element, remark: Remark) {
        let mut heard = self.lock();
        let heard = heard.entry(element).or_default();
        heard.total += 1;
        let list = match remark.weight {
            Weight::Lost => {
                heard.lost += 1;
                &mut heard.losses
            }
            Weight::Note => &mut heard.notes,
        };
        if list.len() < REMARKS_MAX {
            list.push(remark.clone());
        }
        self.outer.remark(element, remark);
    }

    fn cancelled(&self) -> bool {
        self.outer.cancelled()
    }
}

#[cfg(test)]
mod tests {
    use undercroft_model::Silent;

    use super::*;

    #[test]
    fn losses_come_first_and_all_are_counted() {
        let watch = Watch::new(&Silent);
        for n in 0..REMARKS_MAX {
            watch.remark(Element::Files, Remark::note(format!("{n}"), "is a note"));
        }
        watch.remark(Element::Files, Remark::lost("x", "vanished"));
        let heard = watch.take(Element::Files);
        assert_eq!((heard.total, heard.lost), (REMARKS_MAX as u64 + 1, 1));
        let remarks = heard.remarks();
        assert_eq!((remarks.len(), remarks[0].subject.as_str()), (REMARKS_MAX, "x"));
        assert_eq!(watch.take(Element::Files).total, 0);
    }
}
