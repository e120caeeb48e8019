//! What a session's threads do: seal pieces into packs, and put full packs in the store.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crossbeam_channel::{Receiver, Sender};

use crate::error::VaultError;
use crate::fragment::{FragmentId, FragmentRef};
use crate::index::{Index, PackFacts};
use crate::keys::WriterKeys;
use crate::pack::{self, PackWriter, Place, Scratch, TARGET_LEN};
use crate::seal::{BodyKey, ObjectKind};
use crate::vault::Vault;

/// Raw bytes that may wait or be worked on at a time.
const IN_FLIGHT: usize = 12 << 20;

/// A poisoned lock means that a thread panicked; what it guards is only counted or replaced as a whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many raw bytes are under way.
#[derive(Default)]
pub(super) struct Budget {
    used: Mutex<usize>,
    freed: Condvar,
    closed: AtomicBool,
}

impl Budget {
    /// Waits for room, then takes it; `None` once the budget is closed.
    pub(super) fn take(self: &Arc<Self>, len: usize) -> Option<Share> {
        let mut used = lock(&self.used);
        while *used > IN_FLIGHT && !self.closed.load(Ordering::Acquire) {
            used = self.freed.wait(used).unwrap_or_else(PoisonError::into_inner);
        }
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        *used += len;
        Some(Share { budget: Arc::clone(self), len })
    }

    /// Nobody waits from here on.
    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Under the lock, so that nobody looks before and waits after.
        let used = lock(&self.used);
        self.freed.notify_all();
        drop(used);
    }
}

/// A share of the budget; given back when dropped, whatever becomes of its piece.
pub(super) struct Share {
    budget: Arc<Budget>,
    len: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut used = lock(&self.budget.used);
        *used = used.saturating_sub(self.len);
        drop(used);
        self.budget.freed.notify_all();
    }
}

/// A piece on its way to be sealed.
pub(super) struct Piece {
    pub raw: Vec<u8>,
    pub kind: ObjectKind,
    pub reply: Sender<FragmentRef>,
    pub _share: Share,
}

/// A pack that threads fill together; it is handed over by the one who fills its last place.
#[derive(Default)]
struct SharedPack(Mutex<Filling>);

#[derive(Default)]
struct Filling {
    pack: Option<PackWriter>,
    closed: bool,
}

/// A pack and what kind it is.
pub(super) type FullPack = (PackWriter, ObjectKind);

/// What the threads of a session share.
pub(super) struct Shared {
    pub vault: Vault,
    pub keys: WriterKeys,
    pub budget: Arc<Budget>,
    pub full: Mutex<Option<Sender<FullPack>>>,
    pub written: Mutex<Vec<PackFacts>>,
    pub fragments: AtomicU64,
    pub bytes: AtomicU64,
    /// Memory of packs that were written.
    buffers: Mutex<Vec<Vec<u8>>>,
    /// What the vault had when the session began.
    pub index: Arc<Index>,
    /// What is new since.
    fresh: RwLock<Index>,
    data: Mutex<Option<Arc<SharedPack>>>,
    meta: Mutex<Option<Arc<SharedPack>>>,
    failure: Mutex<Option<VaultError>>,
    failed: AtomicBool,
}

/// Where a fragment goes.
struct Reserved {
    pack: Arc<SharedPack>,
    place: Place,
    key: Arc<BodyKey>,
}

/// Makes a panic of the thread that holds it the session's failure.
struct PanicGuard<'a>(&'a Shared);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(VaultError::Panicked);
        }
    }
}

impl Shared {
    pub(super) fn new(vault: &Vault, index: Index, full: Sender<FullPack>) -> Self {
        Shared {
            vault: vault.clone(),
            keys: vault.keys.for_writer(),
            budget: Arc::default(),
            full: Mutex::new(Some(full)),
            written: Mutex::default(),
            fragments: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            buffers: Mutex::default(),
            index: Arc::new(index),
            fresh: RwLock::default(),
            data: Mutex::default(),
            meta: Mutex::default(),
            failure: Mutex::default(),
            failed: AtomicBool::new(false),
        }
    }

    /// Stops the session; the first failure is the one that is told.
    pub(super) fn fail(&self, error: VaultError) {
        lock(&self.failure).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
        self.budget.close();
    }

    pub(super) fn take_failure(&self) -> Option<VaultError> {
        lock(&self.failure).take()
    }

    fn fresh(&self) -> RwLockReadGuard<'_, Index> {
        self.fresh.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.fresh.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn known(&self, id: &FragmentId) -> Option<FragmentRef> {
        self.index.get(id).or_else(|| self.fresh().get(id))
    }

    pub(super) fn has(&self, fragment: &FragmentRef) -> bool {
        self.index.has(fragment) || self.fresh().has(fragment)
    }

    /// A sealing thread.
    pub(super) fn seal_pieces(&self, pieces: &Receiver<Piece>) {
        let _guard = PanicGuard(self);
        let mut scratch = Scratch::default();
        for piece in pieces {
            if self.failed.load(Ordering::Acquire) {
                continue;
            }
            match self.store_piece(&piece, &mut scratch) {
                // Nobody waits any more if the stream was given up.
                Ok(fragment) => drop(piece.reply.send(fragment)),
                Err(error) => self.fail(error),
            }
        }
    }

    /// A writing thread.
    pub(super) fn write_packs(&self, packs: &Receiver<FullPack>) {
        let _guard = PanicGuard(self);
        for (pack, kind) in packs {
            if !self.failed.load(Ordering::Acquire) {
                self.write_pack(pack, kind).unwrap_or_else(|error| self.fail(error));
            }
        }
    }

    fn store_piece(&self, piece: &Piece, scratch: &mut Scratch) -> Result<FragmentRef, VaultError> {
        let id = FragmentId(*blake3::keyed_hash(self.keys.writer.reveal(), &piece.raw).as_bytes());
        if let Some(known) = self.known(&id) {
            return Ok(known);
        }
        let mut deflated = scratch.deflater.deflate(&piece.raw);
        let fragment = FragmentRef {
            id,
            raw_len: u32::try_from(piece.raw.len()).map_err(|_| VaultError::Panicked)?,
            deflated_len: u32::try_from(deflated.len()).map_err(|_| VaultError::Panicked)?,
            crc: crc32fast::hash(&piece.raw),
        };
        let Some(reserved) = self.reserve(piece.kind, &fragment)? else {
            // Another thread was faster.
            return self.known(&id).ok_or(VaultError::Stopped);
        };
        let Reserved { pack, place, key } = reserved;
        pack::seal_fragment(&key, &fragment, place.slot, &mut deflated).ok_or(VaultError::BadMemory)?;
        if let Some(writer) = &mut lock(&pack.0).pack {
            writer.fill(place, &mut deflated);
        }
        self.prove(&key, &fragment, place.slot, &mut deflated, scratch)?;
        self.settle(&pack, piece.kind)?;
        Ok(fragment)
    }

    /// Takes a place in the open pack; `None` if the fragment became known meanwhile.
    fn reserve(&self, kind: ObjectKind, fragment: &FragmentRef) -> Result<Option<Reserved>, VaultError> {
        let mut open = lock(if kind == ObjectKind::MetaPack { &self.meta } else { &self.data });
        {
            let mut fresh = self.fresh_mut();
            if fresh.get(&fragment.id).is_some() {
                return Ok(None);
            }
            fresh.claim(*fragment);
        }
        self.fragments.fetch_add(1, Ordering::Relaxed);
        let pack = Arc::clone(open.get_or_insert_default());
        let mut filling = lock(&pack.0);
        let writer = match &mut filling.pack {
            Some(writer) => writer,
            none => {
                let buffer = lock(&self.buffers).pop().unwrap_or_default();
                none.insert(PackWriter::new(kind, self.vault.id, &self.keys, buffer)?)
            }
        };
        let (place, key) = writer.reserve(fragment).ok_or(VaultError::Panicked)?;
        if writer.len() >= TARGET_LEN {
            filling.closed = true;
            *open = None;
        }
        drop(filling);
        Ok(Some(Reserved { pack, place, key }))
    }

    /// Opens what was sealed and compares.
    fn prove(
        &self,
        key: &BodyKey,
        fragment: &FragmentRef,
        slot: u32,
        sealed: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<(), VaultError> {
        let proven = pack::is_proven(key, fragment, slot, sealed, &self.keys.writer, scratch);
        if proven { Ok(()) } else { Err(VaultError::BadMemory) }
    }

    fn settle(&self, pack: &SharedPack, kind: ObjectKind) -> Result<(), VaultError> {
        let mut filling = lock(&pack.0);
        if let Some(writer) = &mut filling.pack {
            writer.settle();
        }
        let full = if filling.closed { filling.pack.take_if(|pack| pack.is_whole()) } else { None };
        drop(filling);
        full.map_or(Ok(()), |pack| self.hand_over(pack, kind))
    }

    fn hand_over(&self, pack: PackWriter, kind: ObjectKind) -> Result<(), VaultError> {
        let sender = lock(&self.full).clone().ok_or(VaultError::Stopped)?;
        sender.send((pack, kind)).map_err(|_| VaultError::Stopped)
    }

    /// Hands over the packs that are not full, once nobody seals any more.
    pub(super) fn hand_over_rest(&self) {
        for (open, kind) in [(&self.data, ObjectKind::DataPack), (&self.meta, ObjectKind::MetaPack)] {
            let Some(pack) = lock(open).take() else { continue };
            if let Some(pack) = lock(&pack.0).pack.take()
                && let Err(error) = self.hand_over(pack, kind)
            {
                self.fail(error);
            }
        }
    }

    fn write_pack(&self, pack: PackWriter, kind: ObjectKind) -> Result<(), VaultError> {
        let pack = pack.finish().ok_or(VaultError::BadMemory)?;
        self.vault.put_pack(&pack)?;
        let len = pack.bytes.len() as u64;
        self.bytes.fetch_add(len, Ordering::Relaxed);
        lock(&self.written).push(PackFacts { id: pack.id, kind, len, directory: pack.directory });
        lock(&self.buffers).push(pack.bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SecretKey;
    use uuid::Uuid;

    /// Whatever goes wrong between a piece's hash and the pack's memory is found before the pack is written.
    #[test]
    fn bad_memory_does_not_become_a_bad_backup() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(crate::store::local(folder.path()).unwrap());
        let vault = Vault::open_or_create(store, Uuid::nil(), &SecretKey::generate().unwrap()).unwrap();
        let shared = Shared::new(&vault, Index::default(), crossbeam_channel::bounded(0).0);
        let mut scratch = Scratch::default();
        let mut raw = b"what was read from the site".repeat(99);
        let id = FragmentId(*blake3::keyed_hash(shared.keys.writer.reveal(), &raw).as_bytes());
        let prove = |raw: &[u8], flip: Option<usize>, scratch: &mut Scratch| {
            let mut deflated = scratch.deflater.deflate(raw);
            let (raw_len, deflated_len) = (raw.len() as u32, deflated.len() as u32);
            let fragment = FragmentRef { id, raw_len, deflated_len, crc: crc32fast::hash(raw) };
            let pack = PackWriter::new(ObjectKind::DataPack, vault.id, &shared.keys, Vec::new());
            let (place, key) = pack.unwrap().reserve(&fragment).unwrap();
            pack::seal_fragment(&key, &fragment, place.slot, &mut deflated).unwrap();
            if let Some(at) = flip {
                deflated[at] ^= 1;
            }
            shared.prove(&key, &fragment, place.slot, &mut deflated, scratch)
        };
        prove(&raw, None, &mut scratch).unwrap();
        assert!(matches!(prove(&raw, Some(7), &mut scratch), Err(VaultError::BadMemory)));
        // The piece itself went bad after it was named.
        raw[500] ^= 1;
        assert!(matches!(prove(&raw, None, &mut scratch), Err(VaultError::BadMemory)));
    }
}
