//! A session: what one backup writes, on all cores, with a bounded share of memory.
//!
//! A raw piece goes in, a ticket for its reference comes out. Sealing threads name the piece, look whether the
//! vault has it, deflate it, add it to the open pack and prove that what was sealed opens again; writing threads
//! put full packs in the store. Nothing of it counts until a record names it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::deflate::Deflater;
use crate::error::VaultError;
use crate::fragment::{FragmentId, FragmentRef};
use crate::index::{Index, PackFacts};
use crate::keys::WriterKeys;
use crate::pack::{PackWriter, TARGET_LEN};
use crate::seal::{self, ObjectKind};
use crate::vault::Vault;

/// Raw bytes that may wait or be worked on at a time.
const IN_FLIGHT: usize = 24 << 20;

/// A fragment's reference, once its piece was dealt with.
pub struct Ticket(Receiver<FragmentRef>);

impl Ticket {
    /// Waits for the reference.
    ///
    /// # Errors
    /// [`VaultError::Stopped`] if the session failed; [`Session::finish`] says why.
    pub fn wait(self) -> Result<FragmentRef, VaultError> {
        self.0.recv().map_err(|_| VaultError::Stopped)
    }
}

/// What a session has stored so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// Fragments that were new.
    pub fragments: u64,
    /// Bytes of the objects written.
    pub bytes: u64,
}

struct Piece {
    raw: Vec<u8>,
    kind: ObjectKind,
    reply: Sender<FragmentRef>,
}

struct Shared {
    vault: Vault,
    keys: WriterKeys,
    index: RwLock<Index>,
    data: Mutex<Option<PackWriter>>,
    meta: Mutex<Option<PackWriter>>,
    full: Mutex<Option<Sender<(PackWriter, ObjectKind)>>>,
    written: Mutex<Vec<PackFacts>>,
    in_flight: Mutex<usize>,
    freed: Condvar,
    failure: Mutex<Option<VaultError>>,
    failed: AtomicBool,
    fragments: AtomicU64,
    bytes: AtomicU64,
}

/// A poisoned lock means that a thread panicked; what it guards is only counted or replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn fail(&self, error: VaultError) {
        lock(&self.failure).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
        self.freed.notify_all();
    }

    fn known(&self, id: &FragmentId) -> Option<FragmentRef> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).get(id)
    }

    fn store_piece(&self, piece: &Piece, deflater: &mut Deflater) -> Result<FragmentRef, VaultError> {
        let id = FragmentId(*blake3::keyed_hash(self.keys.writer.reveal(), &piece.raw).as_bytes());
        if let Some(known) = self.known(&id) {
            return Ok(known);
        }
        let deflated = deflater.deflate(&piece.raw);
        let fragment = FragmentRef {
            id,
            raw_len: piece.raw.len() as u32,
            deflated_len: deflated.len() as u32,
            crc: crc32fast::hash(&piece.raw),
        };
        let Some(proof) = self.add(piece.kind, fragment, &deflated)? else {
            return self.known(&id).ok_or(VaultError::Stopped);
        };
        let back = deflater.inflate(&proof, piece.raw.len()).map_err(|_| VaultError::BadMemory)?;
        if blake3::keyed_hash(self.keys.writer.reveal(), &back).as_bytes() != &id.0 {
            return Err(VaultError::BadMemory);
        }
        Ok(fragment)
    }

    /// Adds a fragment to the open pack and gives back what the sealed bytes open to; `None` if another thread
    /// was faster.
    fn add(
        &self,
        kind: ObjectKind,
        fragment: FragmentRef,
        deflated: &[u8],
    ) -> Result<Option<Vec<u8>>, VaultError> {
        let mut open = lock(if kind == ObjectKind::MetaPack { &self.meta } else { &self.data });
        if self.known(&fragment.id).is_some() {
            return Ok(None);
        }
        let mut pack = match open.take() {
            Some(pack) => pack,
            None => PackWriter::new(kind, self.vault.id, &self.keys)?,
        };
        let place = pack.add(&fragment, deflated).ok_or(VaultError::BadMemory)?;
        let proof = pack.reopen(&fragment, place).map_err(|_| VaultError::BadMemory)?;
        self.index.write().unwrap_or_else(PoisonError::into_inner).claim(fragment);
        self.fragments.fetch_add(1, Ordering::Relaxed);
        if pack.len() >= TARGET_LEN {
            drop(open);
            self.hand_over(pack, kind)?;
        } else {
            *open = Some(pack);
        }
        Ok(Some(proof))
    }

    fn hand_over(&self, pack: PackWriter, kind: ObjectKind) -> Result<(), VaultError> {
        let sender = lock(&self.full).clone().ok_or(VaultError::Stopped)?;
        sender.send((pack, kind)).map_err(|_| VaultError::Stopped)
    }

    fn write_pack(&self, pack: PackWriter, kind: ObjectKind) -> Result<(), VaultError> {
        let pack = pack.finish().ok_or(VaultError::BadMemory)?;
        self.vault.store.put(&self.vault.pack_name(&pack.id), &pack.bytes)?;
        let len = pack.bytes.len() as u64;
        self.bytes.fetch_add(len, Ordering::Relaxed);
        lock(&self.written).push(PackFacts { id: pack.id, kind, len, directory: pack.directory });
        Ok(())
    }

    fn seal_pieces(&self, pieces: &Receiver<Piece>) {
        let mut deflater = Deflater::new();
        for piece in pieces {
            if !self.failed.load(Ordering::Acquire) {
                match self.store_piece(&piece, &mut deflater) {
                    Ok(fragment) => {
                        // Nobody waits any more if the stream was given up.
                        let _ = piece.reply.send(fragment);
                    }
                    Err(error) => self.fail(error),
                }
            }
            let mut in_flight = lock(&self.in_flight);
            *in_flight = in_flight.saturating_sub(piece.raw.len());
            drop(in_flight);
            self.freed.notify_all();
        }
    }

    fn write_packs(&self, packs: &Receiver<(PackWriter, ObjectKind)>) {
        for (pack, kind) in packs {
            if !self.failed.load(Ordering::Acquire) {
                self.write_pack(pack, kind).unwrap_or_else(|error| self.fail(error));
            }
        }
    }
}

/// What one backup writes to its vault.
pub struct Session {
    shared: Arc<Shared>,
    pieces: Option<Sender<Piece>>,
    sealers: Vec<JoinHandle<()>>,
    writers: Vec<JoinHandle<()>>,
}

impl Session {
    /// Begins a session: reads the index and starts the threads.
    ///
    /// # Errors
    /// [`VaultError`] if the index can't be read.
    pub fn begin(vault: &Vault) -> Result<Self, VaultError> {
        let index = vault.read_index()?;
        let cores = thread::available_parallelism().map_or(2, usize::from);
        let (pieces, take_pieces) = bounded(4096);
        let (full, take_full) = bounded(1);
        let shared = Arc::new(Shared {
            vault: vault.clone(),
            keys: vault.keys.for_writer(),
            index: RwLock::new(index),
            data: Mutex::new(None),
            meta: Mutex::new(None),
            full: Mutex::new(Some(full)),
            written: Mutex::default(),
            in_flight: Mutex::new(0),
            freed: Condvar::new(),
            failure: Mutex::new(None),
            failed: AtomicBool::new(false),
            fragments: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        let sealers = (0..cores).map(|_| {
            let (shared, pieces) = (Arc::clone(&shared), take_pieces.clone());
            thread::spawn(move || shared.seal_pieces(&pieces))
        });
        let sealers = sealers.collect();
        let writers = (0..2).map(|_| {
            let (shared, packs) = (Arc::clone(&shared), take_full.clone());
            thread::spawn(move || shared.write_packs(&packs))
        });
        let writers = writers.collect();
        Ok(Session { shared, pieces: Some(pieces), sealers, writers })
    }

    /// The vault that is written to.
    pub fn vault(&self) -> &Vault {
        &self.shared.vault
    }

    /// The fragment as the vault has it, if it has it.
    pub fn known(&self, id: &FragmentId) -> Option<FragmentRef> {
        self.shared.known(id)
    }

    /// Hands in a piece of an archive's stream. Blocks while too much is under way.
    ///
    /// # Errors
    /// [`VaultError::Stopped`] if the session has failed; [`finish`](Self::finish) says why.
    pub fn add(&self, raw: Vec<u8>) -> Result<Ticket, VaultError> {
        self.submit(raw, ObjectKind::DataPack)
    }

    /// Hands in a piece of a manifest.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_meta(&self, raw: Vec<u8>) -> Result<Ticket, VaultError> {
        self.submit(raw, ObjectKind::MetaPack)
    }

    fn submit(&self, raw: Vec<u8>, kind: ObjectKind) -> Result<Ticket, VaultError> {
        let mut in_flight = lock(&self.shared.in_flight);
        while *in_flight > IN_FLIGHT && !self.shared.failed.load(Ordering::Acquire) {
            in_flight = self.shared.freed.wait(in_flight).unwrap_or_else(PoisonError::into_inner);
        }
        if self.shared.failed.load(Ordering::Acquire) {
            return Err(VaultError::Stopped);
        }
        *in_flight += raw.len();
        drop(in_flight);
        let (reply, ticket) = bounded(1);
        let pieces = self.pieces.as_ref().ok_or(VaultError::Stopped)?;
        pieces.send(Piece { raw, kind, reply }).map_err(|_| VaultError::Stopped)?;
        Ok(Ticket(ticket))
    }

    /// What was stored so far.
    pub fn stored(&self) -> Stored {
        Stored {
            fragments: self.shared.fragments.load(Ordering::Relaxed),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
        }
    }

    /// Writes what is left, then the index's new segment. After it a record may name what was handed in.
    ///
    /// # Errors
    /// [`VaultError`]: the first failure of any thread.
    pub fn finish(mut self) -> Result<Stored, VaultError> {
        self.join_sealers();
        for (open, kind) in
            [(&self.shared.data, ObjectKind::DataPack), (&self.shared.meta, ObjectKind::MetaPack)]
        {
            if let Some(pack) = lock(open).take() {
                // A failed writer is asked below.
                let _ = self.shared.hand_over(pack, kind);
            }
        }
        self.join_writers();
        if let Some(error) = lock(&self.shared.failure).take() {
            return Err(error);
        }
        self.write_segment()?;
        Ok(self.stored())
    }

    fn write_segment(&self) -> Result<(), VaultError> {
        let mut packs = std::mem::take(&mut *lock(&self.shared.written));
        if packs.is_empty() {
            return Ok(());
        }
        packs.sort_by_key(|pack| pack.id);
        let mut body = Vec::new();
        for pack in &packs {
            pack.write(&mut body);
        }
        let (vault, keys) = (&self.shared.vault, &self.shared.keys);
        let object = seal::seal_object(ObjectKind::Index, vault.id, &keys.public, &keys.writer, &body)?;
        let name = vault.name(&format!("index/{}", crate::fragment::hex(blake3::hash(&object).as_bytes())));
        vault.store.put(&name, &object)?;
        self.shared.bytes.fetch_add(object.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn join_sealers(&mut self) {
        self.pieces = None;
        for thread in self.sealers.drain(..) {
            if thread.join().is_err() {
                self.shared.fail(VaultError::BadMemory);
            }
        }
    }

    fn join_writers(&mut self) {
        *lock(&self.shared.full) = None;
        for thread in self.writers.drain(..) {
            if thread.join().is_err() {
                self.shared.fail(VaultError::BadMemory);
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.pieces.is_some() {
            self.shared.fail(VaultError::Stopped);
        }
        self.join_sealers();
        self.join_writers();
    }
}
