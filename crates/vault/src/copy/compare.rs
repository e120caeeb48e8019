//! What the copy has of an object beside what the source has of it: which of the two is whole.

use std::collections::{HashMap, HashSet};

use undercroft_model::Cancelled;

use super::ledger::Ledger;
use super::object::{Fetched, answers, fault, fetch, store};
use super::report::{CopiedVault, CopyError, CopyPolicy, Damaged};
use super::vault::{Came, Object, Route};
use crate::config::is_config_of_this_release;
use crate::damage::{DamagedPack, read_body};
use crate::fragment::hex;
use crate::keys::{SecretKey, VaultKeys};
use crate::seal::{ObjectKind, open_object};
use crate::store::StoreError;
use crate::vault::{keys_name, open_keys_object};

/// What became of comparing an object.
pub(super) enum Found {
    /// The copy's is as good as it can be told to be.
    Same,
    /// The copy's is damaged, and the source's is not.
    Stale,
    /// The source's is damaged, or one of the two is and it can't be told which; and why.
    Damaged(String),
}

/// Tells which bytes are whole, by the vault's keys where these are needed and open.
pub(super) struct Judge<'a> {
    recovery: &'a SecretKey,
    keys: Option<VaultKeys>,
}

/// Whether a name, below the vault's prefix, is the hash of what it names.
pub(super) fn is_hashed(name: &str) -> bool {
    ["packs/", "index/"].iter().any(|part| name.starts_with(part))
}

/// Whether an object is small and nothing can be had without it, so that it is compared each time.
pub(super) fn is_vital(name: &str) -> bool {
    name == "config" || ["keys/", "records/"].iter().any(|part| name.starts_with(part))
}

impl Route<'_> {
    pub(super) fn judge(&self) -> Judge<'_> {
        let recovery = self.witness.recovery;
        let name = keys_name(self.vault, &recovery.public());
        let open = |bytes: Vec<u8>| open_keys_object(&bytes, self.vault, recovery).ok();
        let keys =
            self.from.get(&name).ok().and_then(open).or_else(|| self.to.get(&name).ok().and_then(open));
        Judge { recovery, keys }
    }

    /// Compares objects that the copy has at the source's length: gives the names of those that are to be written anew,
    /// and notes what is damaged in the source.
    pub(super) fn compare_all(
        &self,
        objects: &[&Object],
        policy: &CopyPolicy,
        ledger: &Ledger<'_>,
        done: &mut CopiedVault,
    ) -> Result<HashSet<String>, CopyError> {
        done.damaged.clear();
        let is_asked =
            |name: &str| policy.verify || is_vital(name) || is_hashed(name) && ledger.is_damaged(name);
        let asked: Vec<_> = objects.iter().filter(|object| is_asked(&object.name)).collect();
        if policy.verify {
            let bytes = asked.iter().map(|object| object.len).sum();
            self.watch.expect(self.vault, asked.len() as u64, bytes);
        }
        let (judge, mut stale) = (self.judge(), HashSet::new());
        for object in asked {
            if self.watch.cancelled() {
                return Err(Cancelled.into());
            }
            match self.compare(&judge, object)? {
                Found::Same => {}
                Found::Stale => drop(stale.insert(object.name.clone())),
                Found::Damaged(why) => {
                    let copied = ledger.is_damaged(&object.name);
                    let object = format!("{}{}", self.front(), object.name);
                    done.damaged.push(Damaged { object, why, copied });
                }
            }
            if policy.verify {
                self.watch.copied(self.vault, &object.name, object.len);
            }
        }
        Ok(stale)
    }

    /// Brings damaged packs that the copy lacks as they are: one bad piece is no reason to do without all the others.
    /// That they are is written down before, so that a whole one takes their place once the source has it.
    pub(super) fn copy_damaged(
        &self,
        came: &mut Came,
        there: &HashMap<String, u64>,
        ledger: &mut Ledger<'_>,
    ) -> Result<(), CopyError> {
        let front = self.front();
        for damaged in &mut came.damaged {
            let Some(name) = damaged.object.strip_prefix(&front) else { continue };
            if !name.starts_with("packs/") || there.contains_key(name) {
                continue;
            }
            // What can't be read was told.
            let Ok(bytes) = self.from.get(&damaged.object) else { continue };
            ledger.note_damaged(name)?;
            store(self.to.as_ref(), &damaged.object, &bytes)?;
            damaged.copied = true;
            came.copied += 1;
            came.bytes += bytes.len() as u64;
        }
        Ok(())
    }

    /// Brings the notes of damage in packs that were copied as they are: by these it is known that a piece is to be
    /// taken from where it has healed.
    pub(super) fn bring_notes(&self, ledger: &mut Ledger<'_>) -> Result<(), CopyError> {
        if !ledger.has_damaged() {
            return Ok(());
        }
        let Some(keys) = self.judge().keys else { return Ok(()) };
        let front = self.front();
        for listed in self.from.list(&format!("{front}damage/")).map_err(CopyError::Source)? {
            let Some(name) = listed.name.strip_prefix(&front) else { continue };
            // What can't be read says nothing: the next check of the copy finds what it spoke of.
            let Ok(bytes) = self.from.get(&listed.name) else { continue };
            let (secret, writer) = (&keys.secret, &keys.writer);
            let body = open_object(&bytes, ObjectKind::Damage, self.vault, secret, writer, b"");
            let Some(note) = body.ok().and_then(|body| read_body(&listed.name, &body).ok()) else { continue };
            let is_here = |pack: &DamagedPack| ledger.is_damaged(&format!("packs/{}", hex(&pack.pack.0)));
            if note.packs.iter().all(is_here) {
                ledger.note(std::iter::once(name))?;
                store(self.to.as_ref(), &listed.name, &bytes)?;
            }
        }
        Ok(())
    }

    fn compare(&self, judge: &Judge<'_>, object: &Object) -> Result<Found, CopyError> {
        let name = format!("{}{}", self.front(), object.name);
        let theirs = match self.to.get(&name) {
            Ok(bytes) => bytes,
            Err(StoreError::Missing { .. }) => Vec::new(),
            // What can't be read is damaged, unless nothing can.
            Err(_) if answers(self.to.as_ref(), self.vault) => Vec::new(),
            Err(error) => return Err(CopyError::Target(error)),
        };
        if is_hashed(&object.name) && judge.is_whole(self, &object.name, &theirs) == Some(true) {
            return Ok(Found::Same);
        }
        let ours = match fetch(self.from, self.vault, &object.name, object.len)? {
            Fetched::Gone => return Ok(Found::Same),
            Fetched::Damaged(why) => return Ok(Found::Damaged(why)),
            Fetched::Whole(bytes) if bytes == theirs => return Ok(Found::Same),
            Fetched::Whole(bytes) => bytes,
        };
        let whole = |bytes: &[u8]| judge.is_whole(self, &object.name, bytes);
        Ok(match (whole(&ours), whole(&theirs)) {
            (Some(true), Some(true)) => Found::Same,
            (Some(true), _) | (None, Some(false)) => Found::Stale,
            (Some(false), Some(true)) => Found::Damaged("it does not open, and the copy's does".to_owned()),
            (Some(false), _) => Found::Damaged("it does not open, nor does the copy's".to_owned()),
            (None, _) => {
                let why =
                    "the copy has other bytes of it, and the key does not tell which of the two is damaged";
                Found::Damaged(why.to_owned())
            }
        })
    }
}

impl Judge<'_> {
    /// Whether an object is whole; `None` if that can't be told.
    pub fn is_whole(&self, route: &Route<'_>, name: &str, bytes: &[u8]) -> Option<bool> {
        let vault = route.vault;
        if fault(bytes, vault, name, bytes.len() as u64).is_some() {
            return Some(false);
        }
        if is_hashed(name) {
            return Some(true);
        }
        if name == "config" {
            return is_config_of_this_release(bytes, vault).then_some(true);
        }
        if format!("{}{name}", route.front()) == keys_name(vault, &self.recovery.public()) {
            return Some(open_keys_object(bytes, vault, self.recovery).is_ok());
        }
        let keys = self.keys.as_ref()?;
        let (kind, bound) = match name.split_once('/')? {
            ("records", id) => (ObjectKind::Record, uuid::Uuid::parse_str(id).ok()?.as_bytes().to_vec()),
            ("marks", _) => (ObjectKind::Mark, crate::marks::bound(name)),
            _ => return None,
        };
        Some(open_object(bytes, kind, vault, &keys.secret, &keys.writer, &bound).is_ok())
    }
}
