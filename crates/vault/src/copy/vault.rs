//! The copy of one vault.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use undercroft_model::Cancelled;
use uuid::Uuid;

use super::compare::is_hashed;
use super::ledger::{Ledger, is_ledger};
use super::object::{Fetched, fetch, is_of_its_store, order, store};
use super::report::{CopiedVault, CopyError, CopyPolicy, Damaged};
use super::{Watch, Witness};
use crate::store::{Listed, Store, StoreError};

/// Objects that are copied at a time: one is written while another is read.
const AT_ONCE: usize = 2;
/// So many times a vault that changes while it is copied is looked at again.
const PASSES: usize = 4;

/// What a copy of one vault is between.
pub(super) struct Route<'a> {
    pub from: &'a dyn Store,
    pub to: &'a Arc<dyn Store>,
    pub vault: Uuid,
    pub witness: &'a Witness<'a>,
    pub watch: &'a dyn Watch,
}

/// An object by its name below the vault's prefix.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub name: String,
    pub len: u64,
}

/// Whether an object of the source lacks its end, if the copy has so many bytes of it. No object ever changes but the
/// config, and what is named by its hash is known to be whole.
fn is_cut(object: &Object, there: u64) -> bool {
    let is_known = object.name == "config" || is_hashed(&object.name);
    !is_known && object.len < there
}

/// How a pass ended.
enum Pass {
    Done(Vec<Object>),
    /// Something went from the source meanwhile.
    Changed,
}

impl Route<'_> {
    pub(super) fn front(&self) -> String {
        format!("vaults/{}/", self.vault)
    }

    pub(super) fn objects(&self, listed: &[Listed]) -> Vec<Object> {
        let front = self.front();
        let object = |listed: &Listed| {
            Some(Object { name: listed.name.strip_prefix(&front)?.to_owned(), len: listed.len })
        };
        listed.iter().filter_map(object).filter(|object| !is_ledger(&object.name)).collect()
    }

    /// The source's objects, last those that others need: what is recorded in this listing has its packs in it.
    fn source(&self) -> Result<Vec<Object>, CopyError> {
        let front = self.front();
        let mut objects: HashMap<String, u64> = HashMap::new();
        for part in ["records/", "marks/", "index/", ""] {
            let listed = self.from.list(&format!("{front}{part}")).map_err(CopyError::Source)?;
            for object in self.objects(&listed) {
                // A record that came between the listings is for the next time.
                let late = part.is_empty() && object.name.starts_with("records/");
                if !late && !is_of_its_store(&object.name) {
                    objects.insert(object.name, object.len);
                }
            }
        }
        let mut objects: Vec<_> = objects.into_iter().map(|(name, len)| Object { name, len }).collect();
        objects.sort_by(|a, b| (order(&a.name), &a.name).cmp(&(order(&b.name), &b.name)));
        Ok(objects)
    }

    pub(super) fn target(&self) -> Result<Vec<Listed>, CopyError> {
        self.to.list(&self.front()).map_err(CopyError::Target)
    }

    /// Copies the vault and keeps it in step.
    pub fn copy(&self, policy: &CopyPolicy) -> Result<CopiedVault, CopyError> {
        let mut done = CopiedVault { vault: self.vault, ..CopiedVault::default() };
        let listed = self.target()?;
        self.is_same_vault(&self.objects(&listed))?;
        let mut ledger = Ledger::read(self.to.as_ref(), self.front(), &listed)?;
        self.remove_notes(&listed, &ledger)?;
        for _ in 0..PASSES {
            if let Pass::Done(source) = self.pass(policy, &mut ledger, &mut done)? {
                if policy.remove {
                    self.remove(&source, &ledger, policy, &mut done)?;
                }
                self.bring_notes(&mut ledger)?;
                let there = self.objects(&self.target()?);
                ledger.tidy(&there.iter().map(|object| &object.name[..]).collect())?;
                return Ok(done);
            }
        }
        Err(CopyError::Restless { vault: self.vault })
    }

    /// Removes notes of damage that were brought along. They would hide what is whole here by now.
    fn remove_notes(&self, listed: &[Listed], ledger: &Ledger<'_>) -> Result<(), CopyError> {
        for object in self.objects(listed) {
            if is_of_its_store(&object.name) && ledger.has(&object.name) {
                self.to.delete(&format!("{}{}", self.front(), object.name)).map_err(CopyError::Target)?;
            }
        }
        Ok(())
    }

    /// A vault of that name in the target must be this one: it has one of its keys objects, or one of its packs, whose
    /// names are hashes of something random.
    fn is_same_vault(&self, there: &[Object]) -> Result<(), CopyError> {
        let mut keys = there.iter().filter(|object| object.name.starts_with("keys/")).peekable();
        if keys.peek().is_none() {
            return Ok(());
        }
        let (mut unread, judge) = (None, self.judge());
        for key in keys {
            let name = format!("{}{}", self.front(), key.name);
            let is_damaged = |bytes: &[u8]| judge.is_whole(self, &key.name, bytes) == Some(false);
            match self.from.get(&name) {
                Err(StoreError::Missing { .. }) => {}
                Err(error) => unread = Some(CopyError::Source(error)),
                // One that is damaged or cut off tells nothing.
                Ok(ours) if is_damaged(&ours) => {}
                Ok(ours) => match self.to.get(&name).map_err(CopyError::Target)? {
                    theirs if theirs == ours => return Ok(()),
                    theirs if is_damaged(&theirs) => {}
                    theirs if theirs.starts_with(&ours) || ours.starts_with(&theirs) => {}
                    _ => return Err(CopyError::OtherKeys { vault: self.vault }),
                },
            }
        }
        let packs: HashSet<_> =
            there.iter().filter(|o| o.name.starts_with("packs/")).map(|o| &o.name).collect();
        if self.source()?.iter().any(|object| packs.contains(&object.name)) {
            return Ok(());
        }
        Err(unread.unwrap_or(CopyError::OtherKeys { vault: self.vault }))
    }

    /// Copies what the target lacks. Records go last, and only if nothing went from the source meanwhile: a sweep may
    /// have moved what they need to packs that this listing does not know.
    fn pass(
        &self,
        policy: &CopyPolicy,
        ledger: &mut Ledger<'_>,
        done: &mut CopiedVault,
    ) -> Result<Pass, CopyError> {
        let source = self.source()?;
        let there: HashMap<_, _> =
            self.objects(&self.target()?).into_iter().map(|object| (object.name, object.len)).collect();
        let lacks = |object: &&Object| there.get(&object.name) != Some(&object.len);
        let (mut lacking, has): (Vec<_>, Vec<_>) = source.iter().partition(lacks);
        let stale = self.compare_all(&has, policy, ledger, done)?;
        lacking.extend(has.into_iter().filter(|object| stale.contains(&object.name)));
        lacking.sort_by_key(|object| (order(&object.name), &object.name));
        let lacking: Vec<_> = lacking.into_iter().cloned().collect();
        done.kept = (source.len() - lacking.len()) as u64;
        let bytes = lacking.iter().map(|object| object.len).sum();
        self.watch.expect(self.vault, lacking.len() as u64, bytes);
        ledger.note(lacking.iter().map(|object| &object.name[..]))?;
        for part in lacking.chunk_by(|a, b| order(&a.name) == order(&b.name)) {
            let mut came = self.copy_objects(part, &there)?;
            self.copy_damaged(&mut came, &there, ledger)?;
            let is_stale = |name: &String| stale.contains(name);
            let mended = came.whole.iter().filter(|name| is_stale(name));
            done.mended.extend(mended.map(|name| format!("{}{name}", self.front())));
            ledger.note_whole(&came.whole)?;
            done.copied += came.copied;
            done.bytes += came.bytes;
            done.damaged.extend(came.damaged);
            if came.gone {
                return Ok(Pass::Changed);
            }
        }
        self.all_there(&source, done)?;
        Ok(Pass::Done(source))
    }

    /// What the target lists is what was written.
    fn all_there(&self, source: &[Object], done: &CopiedVault) -> Result<(), CopyError> {
        let there = self.objects(&self.target()?);
        let there: HashMap<_, _> = there.iter().map(|object| (&object.name, object.len)).collect();
        let front = self.front();
        let damaged: HashSet<_> = done.damaged.iter().map(|damaged| &damaged.object[..]).collect();
        for object in source {
            let name = format!("{front}{}", object.name);
            if there.get(&object.name) != Some(&object.len) && !damaged.contains(&name[..]) {
                return Err(CopyError::NotKept { object: name });
            }
        }
        Ok(())
    }

    /// Copies objects of one part, a few at a time.
    fn copy_objects(&self, objects: &[Object], there: &HashMap<String, u64>) -> Result<Came, CopyError> {
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let came = Mutex::new(Came::default());
        let work = || -> Result<(), CopyError> {
            while !stop.load(Ordering::Acquire)
                && let Some(object) = objects.get(next.fetch_add(1, Ordering::AcqRel))
            {
                if self.watch.cancelled() {
                    return Err(Cancelled.into());
                }
                self.copy_object(object, there, &came)?;
            }
            Ok(())
        };
        let results: Vec<_> = thread::scope(|scope| {
            let worker = || work().inspect_err(|_| stop.store(true, Ordering::Release));
            let threads: Vec<_> = (0..AT_ONCE.min(objects.len())).map(|_| scope.spawn(worker)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or(Err(CopyError::Panicked))).collect()
        });
        results.into_iter().collect::<Result<(), _>>()?;
        Ok(came.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn copy_object(
        &self,
        object: &Object,
        there: &HashMap<String, u64>,
        came: &Mutex<Came>,
    ) -> Result<(), CopyError> {
        let name = format!("{}{}", self.front(), object.name);
        let lock = || came.lock().unwrap_or_else(PoisonError::into_inner);
        match fetch(self.from, self.vault, &object.name, object.len)? {
            Fetched::Gone => lock().gone = true,
            Fetched::Damaged(why) => lock().damaged.push(Damaged { object: name, why, copied: false }),
            Fetched::Whole(_) if there.get(&object.name).is_some_and(|len| is_cut(object, *len)) => {
                let why = "it is shorter than what the copy has of it: it was cut off".to_owned();
                lock().damaged.push(Damaged { object: name, why, copied: false });
            }
            Fetched::Whole(bytes) => {
                if there.contains_key(&object.name) {
                    // It is there at another length, or damaged, and the source's is whole.
                    self.to.delete(&name).map_err(CopyError::Target)?;
                }
                store(self.to.as_ref(), &name, &bytes)?;
                self.watch.copied(self.vault, &object.name, object.len);
                let mut came = lock();
                came.copied += 1;
                came.bytes += object.len;
                came.whole.push(object.name.clone());
            }
        }
        Ok(())
    }
}

/// What came of copying some objects.
#[derive(Default)]
pub(super) struct Came {
    pub copied: u64,
    pub bytes: u64,
    /// Those that were copied, by their names below the vault's prefix.
    pub whole: Vec<String>,
    pub damaged: Vec<Damaged>,
    pub gone: bool,
}
