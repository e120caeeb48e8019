//! Removing a backup for good: condemned, then without its record, then without its marks.

use std::collections::HashSet;

use jiff::Timestamp;
use undercroft_model::{Mark, MarkState, Marked};
use uuid::Uuid;

use super::decide::seen;
use super::plan::Purge;
use super::run::Sweeper;
use crate::error::VaultError;
use crate::store::StoreError;

/// What became of a backup that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purged {
    /// It is gone.
    Gone,
    /// It stays, as somebody brought it back or the store does not let it go.
    Stays,
}

impl Sweeper<'_> {
    /// Removes a backup, unless a mark was set since the plan was made that may have a say in it. Once it is condemned and still nobody has said
    /// otherwise, it can't be brought back: whoever tries finds the mark.
    pub(super) fn purge(&mut self, purge: &Purge, now: Timestamp) -> Result<Purged, VaultError> {
        let (vault, backup) = (self.vault, purge.backup);
        let below = format!("{backup}/");
        let objects = vault.mark_objects(&below)?;
        let marks = objects.iter().map(|mark| vault.read_mark(mark)).collect::<Result<Vec<_>, _>>()?;
        if is_condemned(&marks).is_none() {
            if seen(&marks) != purge.seen {
                return Ok(self.rescued(purge, "something was said of it since the sweep was planned"));
            }
            if let Some(why) = self.is_needed_after_all()? {
                return Ok(self.rescued(purge, why));
            }
            let mark = Mark { at: now, what: Marked::Condemned { seen: purge.seen } };
            match self.with_room(|vault| vault.put_mark(backup, &objects, &mark)) {
                // Nothing can be written until something went. A store that is full is this one's alone, so nobody
                // is waiting to bring the backup back at this moment.
                Err(VaultError::Store(StoreError::Full { .. })) => {}
                other => other?,
            }
        }
        let objects = vault.mark_objects(&below)?;
        let marks = objects.iter().map(|mark| vault.read_mark(mark)).collect::<Result<Vec<_>, _>>()?;
        if seen(&marks) != purge.seen && is_condemned(&marks).is_none() {
            return Ok(self.rescued(purge, "something was said of it since the sweep was planned"));
        }
        if !self.remove(&vault.record_name(backup), 0)? {
            return Ok(Purged::Stays);
        }
        for mark in objects {
            self.remove(&mark.name, mark.len)?;
        }
        self.swept.backups.push(backup);
        Ok(Purged::Gone)
    }

    /// Why a backup that was to go might be the last good one now, if it might: one that was to stay was deleted or found
    /// damaged since the plan was made. Which of the two makes which dispensable is not known here, so all wait.
    fn is_needed_after_all(&self) -> Result<Option<&'static str>, VaultError> {
        let known: HashSet<&str> = self.plan.marks.iter().map(String::as_str).collect();
        let going: HashSet<Uuid> = self.plan.purge.iter().map(|purge| purge.backup).collect();
        for object in self.vault.mark_objects("")? {
            if known.contains(&object.name[..]) || going.contains(&object.backup) {
                continue;
            }
            match self.vault.read_mark(&object)?.what {
                Marked::Trashed { .. } => return Ok(Some("another was deleted since the sweep was planned")),
                Marked::Unread { .. } | Marked::Proven { good: false, .. } => {
                    return Ok(Some("another was found damaged since the sweep was planned"));
                }
                // Nothing is more needed than before.
                Marked::Restored
                | Marked::Keep { .. }
                | Marked::Condemned { .. }
                | Marked::Proven { good: true, .. } => {}
            }
        }
        Ok(None)
    }

    fn rescued(&mut self, purge: &Purge, why: &str) -> Purged {
        self.refuse(self.vault.record_name(purge.backup), format!("{why}, so it stays for now"));
        Purged::Stays
    }
}

fn is_condemned(marks: &[Mark]) -> Option<Timestamp> {
    MarkState::of(marks, Timestamp::MIN).condemned
}
