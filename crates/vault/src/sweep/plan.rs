//! The plan of a sweep, and what came of it: values that can be shown and kept.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How careful a sweep is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SweepPolicy {
    /// What nobody names is left alone until it is so old: somebody may be writing it.
    pub spare: Duration,
    /// How much of all packs' bytes may be freed at once, in percent; 100 switches this brake off.
    pub most: u8,
    /// How much of what stays may be dead, in percent of what is alive, before packs are written anew.
    pub waste: u8,
    /// How long nothing may have happened in a vault before its clock is doubted; and how long things have to go on
    /// after such a time before it is believed again.
    pub quiet: Duration,
    /// The clock is right, whatever the vault looks like.
    pub clock_is_right: bool,
    /// Whether what no backup with a record needs may be of one whose record was lost: then nothing is swept. So it is
    /// after a catalog was made anew, which knows of no backup but by its record.
    pub unsure: bool,
}

impl Default for SweepPolicy {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        SweepPolicy { spare: day, most: 60, waste: 5, quiet: 100 * day, clock_is_right: false, unsure: false }
    }
}

/// So many objects, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Objects.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl SweepPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.purge.is_empty()
            && self.dead.is_empty()
            && self.rewrite.is_empty()
            && self.orphans.is_empty()
            && self.index.is_none()
    }

    /// The backups that lie in the trash.
    pub(crate) fn trash(&self) -> HashSet<Uuid> {
        self.waits.iter().filter_map(|waiting| waiting.backup).collect()
    }
}

impl Amount {
    /// Adds an object.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What a sweep will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepPlan {
    /// The vault.
    pub vault: Uuid,
    /// When it was made.
    pub made: Timestamp,
    /// The newest notice of an earlier sweep.
    pub(crate) after: Option<String>,
    /// All backups that had a record.
    pub(crate) records: Vec<Uuid>,
    /// The names of all marks that it saw.
    pub(crate) marks: Vec<String>,
    /// How careful it is.
    pub(crate) policy: SweepPolicy,
    /// Marks of backups that are no more.
    pub(crate) orphans: Vec<String>,
    /// Backups to be removed for good.
    pub purge: Vec<Purge>,
    /// What can't go yet, and when it can.
    pub waits: Vec<Waiting>,
    /// Packs to be removed: nothing in them is needed.
    pub dead: Vec<SweptPack>,
    /// Packs to be written anew: little in them is needed.
    pub rewrite: Vec<SweptPack>,
    /// Packs that nobody needs and that are left alone for now.
    pub spare: Vec<SparedPack>,
    /// Whether the index is to be written anew, and why.
    pub index: Option<String>,
    /// What it comes to.
    pub room: Room,
    /// What else is to be said, as sentences.
    pub notes: Vec<String>,
}

/// Bytes of a vault's packs, as they are and as the plan leaves them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// All packs.
    pub packs: Amount,
    /// Bytes that are freed.
    pub frees: u64,
    /// Bytes that stay.
    pub stays: u64,
    /// Bytes that the living backups need, with those in the trash.
    pub living: u64,
}

/// A backup to be removed for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Purge {
    /// The backup.
    pub backup: Uuid,
    /// Since when it may go.
    pub since: Timestamp,
    /// Why, as a sentence.
    pub reason: String,
    /// How many marks had a say in it.
    pub(crate) seen: u32,
}

/// Something whose space will be free later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The backup in the trash; `None` for packs that are spared.
    pub backup: Option<Uuid>,
    /// When its space can be freed; `None` if that can't be told.
    pub until: Option<Timestamp>,
    /// About how many bytes that will be.
    pub bytes: u64,
    /// Why it waits, as a sentence.
    pub reason: String,
}

/// A pack that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweptPack {
    /// Its name: 64 hexadecimal digits.
    pub pack: String,
    /// Its length.
    pub bytes: u64,
    /// Bytes in it that are needed.
    pub living: u64,
}

/// A pack that nobody needs and that is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SparedPack {
    /// Its name: 64 hexadecimal digits.
    pub pack: String,
    /// Its length.
    pub bytes: u64,
    /// When it can go; `None` if the store does not say how old it is: then once a backup has taken it up.
    pub until: Option<Timestamp>,
}

/// What came of a sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Backups that were removed.
    pub backups: Vec<Uuid>,
    /// Packs that were removed, because nothing in them was needed or because what was is in new ones.
    pub packs: Amount,
    /// Those of them of which what was needed is in new ones.
    pub anew: Amount,
    /// Packs that were written.
    pub written: Amount,
    /// Segments of the index that were replaced.
    pub segments: Amount,
    /// Bytes of all objects that went and that were written.
    pub bytes: Cleared,
    /// What could not be done, and why; the rest was.
    pub refused: Vec<Refused>,
    /// Whether it stopped early, as it was asked to.
    pub stopped: bool,
}

/// Bytes that went and came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    /// Removed.
    pub removed: u64,
    /// Written.
    pub written: u64,
}

/// Something that the sweep could not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The object in the store.
    pub object: String,
    /// Why, as a sentence.
    pub why: String,
}
