//! What could not be made exactly as it was: counted by reason, and told once each.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use undercroft_model::{Element, Observer, Remark, Weight};

use super::super::words::subject;

/// Shortcomings by their words: how many there were, and the first path.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Known>);

type Known = BTreeMap<(Weight, String), (u64, Vec<u8>)>;

impl Tally {
    /// Counts one.
    pub fn add(&self, weight: Weight, text: impl Into<String>, path: &[u8]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry((weight, text.into())).or_insert_with(|| (0, path.to_vec())).0 += 1;
    }

    /// Tells them.
    pub fn tell(&self, element: Element, observer: &dyn Observer) {
        let known = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for ((weight, text), (count, first)) in known {
            let text = if count > 1 { format!("{text} (and {} more)", count - 1) } else { text };
            observer.remark(element, Remark { weight, subject: subject(&first), text });
        }
    }
}
