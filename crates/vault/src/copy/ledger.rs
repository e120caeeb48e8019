//! The ledger: what a copy has from its source.
//!
//! A copy is kept in step with its source: what the source no longer has goes from the copy too. But who copies the
//! wrong way round, or made backups into the copy, must not lose them by it. So before an object is copied its name is
//! written down in the target, in objects `copied/NNNNNNNNNN-RRRRRRRRRRRRRRRR` of the vault, one name below the vault's
//! prefix a line; and only what stands there is ever removed.
//!
//! A line `damaged NAME` tells that a pack was copied as it is, damaged; a later line `whole NAME` that a whole one has
//! taken its place.

use std::collections::HashSet;

use super::report::CopyError;
use crate::fragment::hex;
use crate::keys::random;
use crate::store::{Listed, Store};

/// Names in one object, at most.
const TOGETHER: usize = 100_000;
/// So many objects of the ledger are merged.
const MANY: usize = 16;

/// The ledger of one vault's copy.
pub(super) struct Ledger<'a> {
    to: &'a dyn Store,
    /// `vaults/SITE/`.
    front: String,
    names: HashSet<String>,
    damaged: HashSet<String>,
    objects: Vec<String>,
}

/// Whether a name below the vault's prefix is the ledger's.
pub(super) fn is_ledger(name: &str) -> bool {
    name.starts_with("copied/")
}

impl<'a> Ledger<'a> {
    /// Reads the ledger, of which `listed` are the target's objects of the vault.
    pub fn read(to: &'a dyn Store, front: String, listed: &[Listed]) -> Result<Self, CopyError> {
        let (names, damaged) = (HashSet::new(), HashSet::new());
        let mut ledger = Ledger { to, front, names, damaged, objects: Vec::new() };
        for object in listed {
            let Some(name) = object.name.strip_prefix(&ledger.front) else { continue };
            if is_ledger(name) {
                let bytes = to.get(&object.name).map_err(CopyError::Target)?;
                let text = String::from_utf8_lossy(&bytes);
                text.lines().for_each(|line| ledger.take(line));
                ledger.objects.push(object.name.clone());
            }
        }
        Ok(ledger)
    }

    fn take(&mut self, line: &str) {
        match line.split_once(' ') {
            None => self.names.insert(line.to_owned()),
            Some(("damaged", name)) => self.damaged.insert(name.to_owned()),
            Some(("whole", name)) => self.damaged.remove(name),
            // A later release's.
            Some(_) => false,
        };
    }

    /// Whether the object was damaged when it was copied.
    pub fn is_damaged(&self, name: &str) -> bool {
        self.damaged.contains(name)
    }

    /// Whether any object was.
    pub fn has_damaged(&self) -> bool {
        !self.damaged.is_empty()
    }

    /// Notes that this is about to be copied as it is, damaged.
    pub fn note_damaged(&mut self, name: &str) -> Result<(), CopyError> {
        if self.damaged.insert(name.to_owned()) { self.write(&[format!("damaged {name}")]) } else { Ok(()) }
    }

    /// Notes that these are whole.
    pub fn note_whole(&mut self, names: &[String]) -> Result<(), CopyError> {
        let mended = |name: &&String| self.damaged.contains(*name);
        let lines: Vec<_> = names.iter().filter(mended).map(|name| format!("whole {name}")).collect();
        if lines.is_empty() {
            return Ok(());
        }
        self.damaged.retain(|name| !names.contains(name));
        self.write(&lines)
    }

    /// Whether the object came from the source.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Notes that these are about to be copied.
    pub fn note<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> Result<(), CopyError> {
        let new: Vec<_> = names.filter(|name| !self.names.contains(*name)).map(str::to_owned).collect();
        for together in new.chunks(TOGETHER) {
            self.write(together)?;
        }
        self.names.extend(new);
        Ok(())
    }

    fn write(&mut self, names: &[String]) -> Result<(), CopyError> {
        let number = self
            .objects
            .last()
            .and_then(|name| name.rsplit('/').next()?.split_once('-')?.0.parse::<u64>().ok());
        let number = number.map_or(0, |number| number.saturating_add(1));
        let random = random::<8>().map_err(CopyError::NoRandomness)?;
        let name = format!("{}copied/{number:010}-{}", self.front, hex(&random));
        self.to.put(&name, names.join("\n").as_bytes()).map_err(CopyError::Target)?;
        self.objects.push(name);
        Ok(())
    }

    /// Forgets what is not in the target any more, and makes few objects of many.
    pub fn tidy(mut self, there: &HashSet<&str>) -> Result<(), CopyError> {
        if self.objects.len() <= MANY {
            return Ok(());
        }
        let old = self.objects.clone();
        let mut names: Vec<_> = self.names.drain().filter(|name| there.contains(&name[..])).collect();
        names.sort();
        let damaged = self.damaged.iter().filter(|name| there.contains(&name[..]));
        names.extend(damaged.map(|name| format!("damaged {name}")));
        for together in names.chunks(TOGETHER) {
            self.write(together)?;
        }
        old.iter().try_for_each(|name| self.to.delete(name)).map_err(CopyError::Target)
    }
}
