//! Marks in the store: small sealed objects beside a backup's record.
//!
//! A mark's name is `marks/BACKUP/NNNNNNNNNN-RRRRRRRRRRRRRRRR`: one more than the highest number that its writer saw
//! among the backup's marks, and random digits. So two that are written at once stand side by side, and no name comes
//! twice. Marks are never changed; they go with their backup.

use std::collections::BTreeMap;

use undercroft_model::{Mark, Marked};
use uuid::Uuid;

use crate::error::VaultError;
use crate::fragment::hex;
use crate::keys::random;
use crate::seal::{self, ObjectKind, OpenError};
use crate::store::StoreError;
use crate::vault::{Operation, Vault};

/// Why a mark could not be set.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The sweep has begun to remove the backup, or its record is gone.
    #[error(
        "the backup {backup} can't be brought back or kept any more: a sweep has begun to remove it, or its record is \
         gone (vault:check tells which)"
    )]
    TooLate {
        /// The backup.
        backup: Uuid,
    },
    /// A mark of this kind is never written.
    #[error("a mark that could not be read can't be written")]
    Unwritable,
}

/// A mark's object in the store.
#[derive(Debug, Clone)]
pub(crate) struct MarkObject {
    /// Its name.
    pub name: String,
    /// Its length.
    pub len: u64,
    /// When it was written, by the store's clock.
    pub modified: Option<std::time::SystemTime>,
    /// The backup that it is of.
    pub backup: Uuid,
    /// Its place among the backup's marks.
    pub number: u64,
}

impl Vault {
    /// Sets a mark on a backup: durable, and read back, when this returns. What keeps a backup alive
    /// ([`Restored`](Marked::Restored), [`Keep`](Marked::Keep)) counts once this has returned without an error, even
    /// if a sweep runs at that moment.
    ///
    /// # Errors
    /// [`MarkError::TooLate`] if the mark is to keep a backup that the sweep has condemned or removed.
    pub fn write_mark(&self, backup: Uuid, mark: &Mark) -> Result<(), MarkError> {
        if matches!(mark.what, Marked::Unread { .. }) {
            return Err(MarkError::Unwritable);
        }
        self.may(Operation::Write)?;
        let keeps = matches!(mark.what, Marked::Restored | Marked::Keep { .. });
        let before = self.mark_objects(&format!("{backup}/"))?;
        if keeps && !self.can_be_kept(backup, &before)? {
            return Err(MarkError::TooLate { backup });
        }
        self.put_mark_in_full_store(backup, &before, mark)?;
        // A sweep condemns and then looks again, this marks and then looks again: one of the two sees the other.
        if keeps && !self.can_be_kept(backup, &self.mark_objects(&format!("{backup}/"))?)? {
            return Err(MarkError::TooLate { backup });
        }
        Ok(())
    }

    /// Whether a backup has its record and no mark that condemns it.
    fn can_be_kept(&self, backup: Uuid, marks: &[MarkObject]) -> Result<bool, VaultError> {
        if self.is_condemned(marks)? {
            return Ok(false);
        }
        match self.read_record(backup) {
            Err(VaultError::Store(StoreError::Missing { .. })) => Ok(false),
            // It is there, whatever it says.
            Err(VaultError::Object { .. }) | Ok(_) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn is_condemned(&self, marks: &[MarkObject]) -> Result<bool, VaultError> {
        let marks = marks.iter().map(|mark| self.read_mark(mark)).collect::<Result<Vec<_>, _>>()?;
        let finished = jiff::Timestamp::MIN;
        Ok(undercroft_model::MarkState::of(&marks, finished).condemned.is_some())
    }

    /// Writes a mark that decides something even if the store is full. A segment of the index makes room for it: it says nothing that the packs
    /// don't say themselves, and the next backup writes it anew.
    fn put_mark_in_full_store(
        &self,
        backup: Uuid,
        before: &[MarkObject],
        mark: &Mark,
    ) -> Result<(), VaultError> {
        let mut result = self.put_mark(backup, before, mark);
        if !mark.what.decides() || !matches!(result, Err(VaultError::Store(StoreError::Full { .. }))) {
            return result;
        }
        let mut segments = self.store.list(&self.name("index/"))?;
        // The fewer packs have to tell of themselves, the better.
        segments.sort_by_key(|segment| segment.len);
        for segment in segments {
            if self.store.delete(&segment.name).is_ok() {
                result = self.put_mark(backup, before, mark);
            }
            if !matches!(result, Err(VaultError::Store(StoreError::Full { .. }))) {
                break;
            }
        }
        result
    }

    /// Writes a mark after these, whatever they are.
    pub(crate) fn put_mark(
        &self,
        backup: Uuid,
        before: &[MarkObject],
        mark: &Mark,
    ) -> Result<(), VaultError> {
        let number = before.last().map_or(0, |last| last.number.saturating_add(1));
        let name = self.name(&format!("marks/{backup}/{number:010}-{}", hex(&random::<8>()?)));
        let plain = serde_json::to_vec(mark).map_err(|error| VaultError::Source(error.into()))?;
        let (public, writer) = (self.keys.secret.public(), &self.keys.writer);
        let bound = bound(&name);
        let object = seal::seal_object(ObjectKind::Mark, self.id, &public, writer, &bound, &plain)?;
        self.put_kept(&name, &object)
    }

    /// Writes an object and reads it back.
    pub(crate) fn put_kept(&self, name: &str, object: &[u8]) -> Result<(), VaultError> {
        self.store.put(name, object)?;
        match self.store.get(name) {
            Ok(found) if found == object => Ok(()),
            Ok(_) | Err(StoreError::Missing { .. }) => Err(VaultError::NotKept { object: name.to_owned() }),
            Err(error) => Err(error.into()),
        }
    }

    /// The marks of all backups, each backup's in order. A mark that can't be read is among them as
    /// [`Unread`](Marked::Unread).
    ///
    /// # Errors
    /// [`VaultError`] if the store fails.
    pub fn marks(&self) -> Result<BTreeMap<Uuid, Vec<Mark>>, VaultError> {
        let mut marks: BTreeMap<Uuid, Vec<Mark>> = BTreeMap::new();
        for object in self.mark_objects("")? {
            marks.entry(object.backup).or_default().push(self.read_mark(&object)?);
        }
        Ok(marks)
    }

    /// The marks of one backup, in order.
    ///
    /// # Errors
    /// As [`marks`](Self::marks).
    pub fn marks_of(&self, backup: Uuid) -> Result<Vec<Mark>, VaultError> {
        self.mark_objects(&format!("{backup}/"))?.iter().map(|object| self.read_mark(object)).collect()
    }

    /// How many marks each backup has. None is read.
    ///
    /// # Errors
    /// [`VaultError`] if the store fails.
    pub fn mark_counts(&self) -> Result<BTreeMap<Uuid, usize>, VaultError> {
        let mut counts = BTreeMap::new();
        for object in self.mark_objects("")? {
            *counts.entry(object.backup).or_default() += 1;
        }
        Ok(counts)
    }

    /// The objects of marks below `marks/`, in order of backup and number. What is named otherwise is passed over.
    pub(crate) fn mark_objects(&self, below: &str) -> Result<Vec<MarkObject>, VaultError> {
        let front = self.name("marks/");
        let listed = self.store.list(&format!("{front}{below}"))?;
        let mut marks: Vec<_> = listed
            .into_iter()
            .filter_map(|object| {
                let (backup, rest) = object.name.strip_prefix(&front)?.split_once('/')?;
                let backup = Uuid::parse_str(backup).ok()?;
                let number = rest.split_once('-')?.0.parse().ok()?;
                Some(MarkObject {
                    backup,
                    number,
                    name: object.name,
                    len: object.len,
                    modified: object.modified,
                })
            })
            .collect();
        marks.sort_by(|a, b| (a.backup, a.number, &a.name).cmp(&(b.backup, b.number, &b.name)));
        Ok(marks)
    }

    /// Reads a mark. One that is not what it should be is told as such, in its place; only a store that fails is an
    /// error.
    pub(crate) fn read_mark(&self, object: &MarkObject) -> Result<Mark, VaultError> {
        let unread = |why: String| Mark {
            at: jiff::Timestamp::MIN,
            what: Marked::Unread { object: object.name.clone(), why },
        };
        match self.open_mark(&object.name) {
            Err(VaultError::Object { source, .. }) => Ok(unread(source.to_string())),
            Err(VaultError::Store(StoreError::Missing { .. })) => {
                Ok(unread("the store lists it and does not have it".to_owned()))
            }
            other => other,
        }
    }

    pub(crate) fn open_mark(&self, name: &str) -> Result<Mark, VaultError> {
        let body = self.open_object(name, ObjectKind::Mark, &bound(name))?;
        serde_json::from_slice(&body).map_err(|_| VaultError::Object {
            object: name.to_owned(),
            source: OpenError::Feature("a kind of mark".to_owned()),
        })
    }
}

/// What a mark is bound to: the last two parts of its name.
pub(crate) fn bound(name: &str) -> Vec<u8> {
    let mut parts = name.rsplitn(3, '/');
    let (last, backup) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    format!("{backup}/{last}").into_bytes()
}
