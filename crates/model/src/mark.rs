//! Marks: what happens to a backup after its record was written.
//!
//! A record is never changed. What is said of its backup later (deleted, brought back, kept longer, proven) is said
//! by marks, each an object of its own, in an order that their names give. The state of a backup is its record and
//! its marks in order; [`MarkState`] sums them up, and [`crate::retention`] says what follows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that was said of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// When, by the server's clock.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: Marked,
}

/// What a mark says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mark", rename_all = "lowercase")]
pub enum Marked {
    /// It was deleted, and lies in the trash.
    Trashed {
        /// Why.
        why: TrashedWhy,
    },
    /// It was brought back from the trash.
    Restored,
    /// It is kept until another time than its keep-for says.
    Keep {
        /// Until when; `None` is for ever.
        until: Option<Timestamp>,
        /// What the person who asked for it has to say.
        note: String,
    },
    /// It was read, and held against what it should be.
    Proven {
        /// Whether it was restored and compared, not only read.
        deep: bool,
        /// Whether nothing was wrong with it.
        good: bool,
        /// What came out, as a sentence.
        summary: String,
        /// What came out, in full.
        details: serde_json::Value,
    },
    /// The sweep has begun to remove it: it can't be brought back. Void if there is a mark that the sweep had not
    /// seen: a backup that was brought back at that very moment stays.
    Condemned {
        /// How many marks there were that [decide](Marked::decides) something.
        seen: u32,
    },
    /// A mark that can't be read. It is never written. As it might say that the backup is to be kept, the backup
    /// is not removed while it is there.
    Unread {
        /// Its name in the store.
        object: String,
        /// Why it can't be read.
        why: String,
    },
}

/// Why a backup was put in the trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrashedWhy {
    /// Somebody asked for it.
    Asked,
    /// Its environment or site was removed.
    Removed,
}

impl Marked {
    /// Whether the mark has a say in how long the backup is kept.
    pub fn decides(&self) -> bool {
        !matches!(self, Marked::Proven { .. } | Marked::Condemned { .. })
    }
}

/// The last proof of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// When.
    pub at: Timestamp,
    /// Whether it was restored and compared, not only read.
    pub deep: bool,
    /// Whether nothing was wrong.
    pub good: bool,
}

/// What a backup's marks come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MarkState {
    /// When it was deleted, if it was and was not brought back.
    pub trashed: Option<Timestamp>,
    /// The last word on how long it is kept: `Some(None)` is for ever; `None` if only its keep-for says.
    pub keep: Option<Option<Timestamp>>,
    /// The last proof.
    pub proof: Option<Proof>,
    /// When the sweep began to remove it.
    pub condemned: Option<Timestamp>,
    /// Whether a mark could not be read.
    pub unread: bool,
}

impl MarkState {
    /// Sums up a backup's marks, which are in order.
    ///
    /// A mark is never older than the ones before it, whatever its clock said: a clock that was set back for a while
    /// must not make what was deleted meanwhile look as if it had lain in the trash for years. `finished` is when the
    /// backup was done: nothing can have been said of it before.
    pub fn of(marks: &[Mark], finished: Timestamp) -> Self {
        let mut state = MarkState::default();
        let mut latest = finished;
        let deciding = marks.iter().filter(|mark| mark.what.decides()).count();
        for mark in marks {
            latest = latest.max(mark.at);
            match &mark.what {
                Marked::Trashed { .. } => state.trashed = state.trashed.or(Some(latest)),
                Marked::Restored => state.trashed = None,
                Marked::Keep { until, .. } => state.keep = Some(*until),
                Marked::Proven { deep, good, .. } => {
                    state.proof = Some(Proof { at: mark.at, deep: *deep, good: *good });
                }
                Marked::Condemned { seen } if deciding <= *seen as usize => {
                    state.condemned = state.condemned.or(Some(latest));
                }
                Marked::Condemned { .. } => {}
                Marked::Unread { .. } => state.unread = true,
            }
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_one_flat_object_and_one_of_a_later_release_is_refused() {
        let mark =
            Mark { at: Timestamp::UNIX_EPOCH, what: Marked::Keep { until: None, note: "audit".into() } };
        let text = serde_json::to_string(&mark).unwrap();
        assert_eq!(text, r#"{"at":"1970-01-01T00:00:00Z","mark":"keep","until":null,"note":"audit"}"#);
        assert_eq!(serde_json::from_str::<Mark>(&text).unwrap(), mark);
        let later = r#"{"at":"1970-01-01T00:00:00Z","mark":"archived","where":"tape"}"#;
        assert!(serde_json::from_str::<Mark>(later).is_err());
    }
}
