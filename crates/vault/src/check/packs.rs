//! Packs: each read once, from its first byte to its last, and every fragment in it proven.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use undercroft_model::{Cancelled, Element, Observer};

use super::piece::{Opener, judge};
use super::problem::Wrong;
use super::vault::Depth;
use crate::error::VaultError;
use crate::fragment::{FragmentRef, unhex};
use crate::index::PackFacts;
use crate::pack::{self, PackId, TRAILER_LEN};
use crate::seal::{HEADER_LEN, ObjectKind, OpenError, TAG_LEN};
use crate::store::{Listed, StoreError};
use crate::vault::Vault;

/// What a pack is like.
#[derive(Debug)]
pub(super) struct PackLook {
    pub id: PackId,
    pub name: String,
    /// What is in it, as the index says, or else its own directory; `None` if neither can be read.
    pub facts: Option<Arc<PackFacts>>,
    /// Fragments of it that are damaged.
    pub bad: HashSet<FragmentRef>,
    /// What is wrong with it as a whole.
    pub wrong: Option<Wrong>,
    /// Bytes that were read, and fragments that were proven.
    pub read: u64,
    pub proven: u64,
    /// Whether all its fragments were looked at.
    pub whole: bool,
}

impl PackLook {
    /// Whether every fragment that it is known to hold was read, so that `bad` has all that are damaged.
    pub(super) fn was_read(&self) -> bool {
        let given = !matches!(self.wrong, Some(Wrong::Missing | Wrong::Unreadable(_)));
        self.whole && self.facts.is_some() && given
    }
}

/// A pack that the store lists.
#[derive(Debug, Clone)]
pub(super) struct ListedPack {
    pub id: PackId,
    pub name: String,
    pub len: u64,
}

impl ListedPack {
    pub(super) fn of(listed: &Listed) -> Option<Self> {
        let id = PackId(unhex(listed.name.rsplit('/').next()?)?);
        Some(ListedPack { id, name: listed.name.clone(), len: listed.len })
    }
}

const END: &str =
    "its end is damaged, which says what is in it; every backup restores as long as the index says it too";

/// Looks at packs on all cores.
pub(super) fn look_at_all(
    vault: &Vault,
    packs: &[ListedPack],
    known: &HashMap<PackId, Arc<PackFacts>>,
    depth: Depth,
    observer: &dyn Observer,
) -> Result<Vec<PackLook>, VaultError> {
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done: Mutex<Vec<PackLook>> = Mutex::default();
    let work = || -> Result<(), VaultError> {
        let mut looker = Looker { vault, opener: Opener::new(vault), raw: Vec::new() };
        while let Some(pack) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if observer.cancelled() {
                return Err(Cancelled.into());
            }
            let look = looker.look(pack, known.get(&pack.id), depth)?;
            observer.advance(Element::Files, look.read, 0);
            done.lock().unwrap_or_else(PoisonError::into_inner).push(look);
        }
        Ok(())
    };
    let results: Vec<_> = thread::scope(|scope| {
        let run = || {
            let result = work();
            // The first error is the one that counts; the others need not go on.
            stop.fetch_or(result.is_err(), Ordering::Relaxed);
            result
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Err(VaultError::Panicked))).collect()
    });
    results.into_iter().collect::<Result<(), _>>()?;
    let mut looks = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    looks.sort_by_key(|look| look.id);
    Ok(looks)
}

struct Looker<'v> {
    vault: &'v Vault,
    opener: Opener,
    raw: Vec<u8>,
}

impl Looker<'_> {
    fn look(
        &mut self,
        pack: &ListedPack,
        known: Option<&Arc<PackFacts>>,
        depth: Depth,
    ) -> Result<PackLook, VaultError> {
        let ends_only = depth == Depth::Lists && known.is_none_or(|facts| facts.kind == ObjectKind::DataPack);
        let first = self.look_once(pack, known, ends_only)?;
        let first = match first.facts.as_ref().map(|facts| facts.kind) {
            // Only its own directory could say that it holds manifests.
            Some(ObjectKind::MetaPack) if !first.whole && first.wrong.is_none() => {
                self.look_once(pack, known, false)?
            }
            _ => first,
        };
        if first.wrong.is_none() && first.bad.is_empty() {
            return Ok(first);
        }
        // What looks wrong is read once more before it counts.
        let read = first.read;
        let mut again = self.look_once(pack, known, !first.whole)?;
        again.read += read;
        Ok(again)
    }

    fn look_once(
        &mut self,
        pack: &ListedPack,
        known: Option<&Arc<PackFacts>>,
        ends_only: bool,
    ) -> Result<PackLook, VaultError> {
        let mut look = PackLook {
            id: pack.id,
            name: pack.name.clone(),
            facts: known.cloned(),
            bad: HashSet::new(),
            wrong: None,
            read: 0,
            proven: 0,
            whole: !ends_only,
        };
        if known.is_some_and(|facts| facts.len != pack.len) {
            // The index passes over it as it does over a pack that is gone.
            look.wrong = Some(Wrong::Missing);
            return Ok(look);
        }
        let read = if ends_only { self.read_ends(pack) } else { self.vault.store.get(&pack.name) };
        match read {
            Ok(bytes) => self.look_at(&mut look, &bytes, ends_only),
            Err(error) => look.wrong = Some(judge(self.vault, error)?),
        }
        Ok(look)
    }

    /// The header, and the trailer with the directory before it, side by side.
    fn read_ends(&self, pack: &ListedPack) -> Result<Vec<u8>, StoreError> {
        let store = &self.vault.store;
        if pack.len < (HEADER_LEN + TRAILER_LEN) as u64 {
            return store.get(&pack.name);
        }
        let mut bytes = store.get_range(&pack.name, 0, HEADER_LEN)?;
        let trailer = store.get_range(&pack.name, pack.len - TRAILER_LEN as u64, TRAILER_LEN)?;
        let room = pack.len - HEADER_LEN as u64;
        let tail = pack::tail_len(&trailer).ok().filter(|tail| *tail as u64 <= room);
        match tail {
            Some(tail) => bytes.extend(store.get_range(&pack.name, pack.len - tail as u64, tail)?),
            None => bytes.extend(trailer),
        }
        Ok(bytes)
    }

    fn look_at(&mut self, look: &mut PackLook, bytes: &[u8], ends_only: bool) {
        look.read = bytes.len() as u64;
        let kinds = [ObjectKind::DataPack, ObjectKind::MetaPack];
        let mut directory = None;
        for kind in kinds {
            if let Ok(found) = self.directory(bytes, kind) {
                directory = Some((kind, found));
            }
        }
        let named = ends_only || PackId::of(bytes) == look.id;
        match (&look.facts, directory) {
            (None, Some((kind, directory))) => {
                let len = bytes.len() as u64;
                look.facts = Some(Arc::new(PackFacts { id: look.id, kind, len, directory }));
            }
            (Some(facts), Some((_, directory))) if facts.directory != directory => {
                let text = "what its own directory says is not what the index says of it";
                look.wrong = Some(Wrong::Flaw(text.to_owned()));
            }
            (Some(_), None) => look.wrong = Some(Wrong::Flaw(END.to_owned())),
            _ => {}
        }
        if !ends_only {
            self.prove_all(look, bytes);
        } else if let Some(facts) = &look.facts
            && self.opener.key(bytes, facts.kind).is_err()
        {
            look.bad.extend(&facts.directory);
        }
        if look.facts.is_none() {
            let text = "it is damaged, and neither it nor the index says what was in it";
            look.wrong = Some(Wrong::Flaw(text.to_owned()));
        } else if !named && look.bad.is_empty() && look.wrong.is_none() {
            look.wrong = Some(Wrong::Flaw("its bytes are not those that it is named by".to_owned()));
        }
    }

    fn directory(&self, bytes: &[u8], kind: ObjectKind) -> Result<Vec<FragmentRef>, OpenError> {
        let trailer = bytes.last_chunk::<TRAILER_LEN>().ok_or(OpenError::Damaged)?;
        let at = bytes.len().checked_sub(pack::tail_len(trailer)?).ok_or(OpenError::Damaged)?;
        let tail = bytes.get(at..).ok_or(OpenError::Damaged)?;
        let keys = &self.vault.keys;
        pack::open_directory(bytes, tail, kind, self.vault.id, &keys.secret, &keys.writer)
    }

    /// Proves every fragment.
    fn prove_all(&mut self, look: &mut PackLook, bytes: &[u8]) {
        let Some(facts) = look.facts.clone() else { return };
        let Ok(key) = self.opener.key(bytes, facts.kind) else {
            look.bad.extend(&facts.directory);
            return;
        };
        let (mut at, mut sealed) = (HEADER_LEN, Vec::new());
        for (slot, fragment) in (0..).zip(&facts.directory) {
            let end = at.saturating_add(fragment.deflated_len as usize).saturating_add(TAG_LEN);
            sealed.clear();
            sealed.extend_from_slice(bytes.get(at..end).unwrap_or_default());
            at = end;
            self.raw.clear();
            match self.opener.prove(&key, fragment, slot, &mut sealed, &mut self.raw) {
                Some(_) => look.proven += 1,
                None => drop(look.bad.insert(*fragment)),
            }
        }
    }
}
