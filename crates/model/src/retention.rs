//! Retention: which backups are kept, which lie in the trash, and which may be removed.
//!
//! All of it is a function of what the backups' records and marks say, the time, and a policy. Nothing is read or
//! written here.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::mark::{Mark, MarkState};
use crate::{BackupReport, Element, ElementState};

/// How long what was deleted or has expired can be brought back, unless set otherwise.
pub const HOLD: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What decides how long backups are kept beyond their own keep-for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// How long a backup lies in the trash.
    pub hold: SignedDuration,
    /// Whether the last good backup of an environment outlives its keep-for.
    pub keep_last_good: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { hold: HOLD, keep_last_good: true }
    }
}

/// A backup as retention sees it.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    /// What its record says.
    pub report: &'a BackupReport,
    /// Its marks, in order.
    pub marks: &'a [Mark],
}

/// What becomes of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fate", rename_all = "lowercase")]
pub enum Fate {
    /// It is listed.
    Listed {
        /// Until when, if anything but a newer backup ends that.
        until: Option<Timestamp>,
        /// Why so long.
        why: ListedWhy,
    },
    /// It lies in the trash: listed nowhere else, and can be brought back.
    Trash {
        /// Since when.
        since: Timestamp,
        /// Until when; `None` while one of its marks can't be read.
        until: Option<Timestamp>,
        /// What put it there.
        why: TrashWhy,
    },
    /// It may be removed. It is listed nowhere and can't be brought back.
    Gone {
        /// Since when.
        since: Timestamp,
        /// What put it in the trash before.
        why: TrashWhy,
    },
}

/// Why a backup is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ListedWhy {
    /// Its keep-for is not over.
    KeepFor,
    /// Somebody set another end.
    Prolonged,
    /// Somebody said that it is kept for ever.
    Pinned,
    /// It would have expired, but there is no newer good backup of one of its elements.
    LastGood,
}

/// Why a backup is in the trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrashWhy {
    /// It was deleted.
    Deleted,
    /// Its time was over.
    Expired,
}

/// Says of each backup what becomes of it. Backups of several environments may be given at once; each environment
/// is judged by itself.
pub fn fates(backups: &[Kept<'_>], now: Timestamp, policy: &Policy) -> BTreeMap<Uuid, Fate> {
    let _ = (backups, now, policy);
    let _: Option<(MarkState, Element, ElementState)> = None;
    todo!()
}
