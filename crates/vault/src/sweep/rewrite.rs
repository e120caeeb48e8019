//! Writing packs anew: what is needed of them is sealed again, for new packs.

use super::segments;
use crate::error::VaultError;
use crate::fragment::FragmentRef;
use crate::index::PackFacts;
use crate::keys::WriterKeys;
use crate::pack::{self, PackId, PackWriter, Scratch, TARGET_LEN};
use crate::seal::{self, BodyKey, HEADER_LEN, ObjectKind, TAG_LEN};
use crate::vault::Vault;

/// Copies fragments from packs into new ones.
pub(super) struct Rewriter<'v> {
    vault: &'v Vault,
    keys: WriterKeys,
    scratch: Scratch,
    data: Filling,
    meta: Filling,
    /// Packs that were written.
    pub written: Vec<PackFacts>,
    /// Old packs, all that is needed of which is in packs that were written.
    pub done: Vec<PackId>,
}

/// A pack being filled, and the old packs whose last fragments are in it.
#[derive(Default)]
struct Filling {
    pack: Option<PackWriter>,
    waiting: Vec<PackId>,
}

/// Why a pack was not written anew.
#[derive(Debug, thiserror::Error)]
pub(super) enum RewriteError {
    /// What is needed of it is not what it should be: it stays as it is.
    #[error("it is damaged, and stays as it is: check the vault")]
    Damaged,
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl<'v> Rewriter<'v> {
    pub fn new(vault: &'v Vault) -> Self {
        let (data, meta) = (Filling::default(), Filling::default());
        let keys = vault.keys.for_writer();
        Rewriter {
            vault,
            keys,
            scratch: Scratch::default(),
            data,
            meta,
            written: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Copies what is needed of a pack. The pack may go once it is among the [`done`](Self::done).
    ///
    /// The pack as a whole need not be what it was: one in which a check found damage is freed like any other once
    /// nobody needs what is damaged, for each fragment that is needed is opened and proven by itself.
    pub fn copy(&mut self, id: PackId, is_needed: impl Fn(&FragmentRef) -> bool) -> Result<(), RewriteError> {
        let name = self.vault.pack_name(&id);
        let bytes = self.vault.store.get(&name).map_err(VaultError::from)?;
        let facts = match self.vault.read_directory(&name, bytes.len() as u64)? {
            Some(facts) => facts,
            // Its end is damaged, which says what is in it. The index says it, too.
            None => segments::find(self.vault, &id)?.ok_or(RewriteError::Damaged)?,
        };
        let (secret, writer) = (&self.vault.keys.secret, &self.vault.keys.writer);
        let key = seal::open(&bytes, facts.kind, self.vault.id, secret, writer);
        let key = key.map_err(|_| RewriteError::Damaged)?;
        let mut at = HEADER_LEN;
        for (slot, fragment) in (0..).zip(&facts.directory) {
            let sealed = bytes.get(at..at + fragment.deflated_len as usize + TAG_LEN);
            let sealed = sealed.ok_or(RewriteError::Damaged)?;
            at += sealed.len();
            if is_needed(fragment) {
                let mut sealed = sealed.to_vec();
                let opened = pack::open_fragment(&key, fragment, slot, &mut sealed);
                let mut deflated = opened.map_err(|_| RewriteError::Damaged)?.to_vec();
                self.put(facts.kind, fragment, &mut deflated)?;
            }
        }
        let filling = if facts.kind == ObjectKind::MetaPack { &mut self.meta } else { &mut self.data };
        if filling.pack.is_some() {
            filling.waiting.push(id)
        } else {
            self.done.push(id)
        }
        Ok(())
    }

    fn put(
        &mut self,
        kind: ObjectKind,
        fragment: &FragmentRef,
        deflated: &mut Vec<u8>,
    ) -> Result<(), RewriteError> {
        let filling = if kind == ObjectKind::MetaPack { &mut self.meta } else { &mut self.data };
        let pack = match &mut filling.pack {
            Some(pack) => pack,
            none => {
                let pack = PackWriter::new(kind, self.vault.id, &self.keys, Vec::new());
                none.insert(pack.map_err(VaultError::from)?)
            }
        };
        let (place, key) = pack.reserve(fragment).ok_or(VaultError::Panicked)?;
        let key: &BodyKey = &key;
        pack::seal_fragment(key, fragment, place.slot, deflated).ok_or(VaultError::BadMemory)?;
        pack.fill(place, deflated);
        // What was opened with its own tag and does not inflate to its name was spoilt before it was first sealed.
        if !pack::is_proven(key, fragment, place.slot, deflated, &self.keys.writer, &mut self.scratch) {
            return Err(VaultError::BadMemory.into());
        }
        pack.settle();
        if pack.len() >= TARGET_LEN { Ok(self.flush(kind)?) } else { Ok(()) }
    }

    /// Writes the open pack of a kind.
    fn flush(&mut self, kind: ObjectKind) -> Result<(), VaultError> {
        let filling = if kind == ObjectKind::MetaPack { &mut self.meta } else { &mut self.data };
        let waiting = std::mem::take(&mut filling.waiting);
        if let Some(pack) = filling.pack.take() {
            let pack = pack.finish().ok_or(VaultError::BadMemory)?;
            self.vault.put_pack(&pack)?;
            let (id, len) = (pack.id, pack.bytes.len() as u64);
            self.written.push(PackFacts { id, kind, len, directory: pack.directory });
        }
        self.done.extend(waiting);
        Ok(())
    }

    /// Writes what is open.
    pub fn finish(&mut self) -> Result<(), VaultError> {
        self.flush(ObjectKind::DataPack)?;
        self.flush(ObjectKind::MetaPack)
    }
}
