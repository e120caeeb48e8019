//! A session: what one backup writes, on all cores, with a bounded share of memory.
//!
//! A raw piece goes in, a ticket for its reference comes out. Sealing threads name the piece, look whether the
//! vault has it, deflate it, seal it for the open pack and prove that what was sealed opens again; writing threads
//! put full packs in the store. Nothing of it counts until a record names it.

mod ticket;
mod work;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, bounded};

use crate::error::VaultError;
use crate::fragment::{FragmentId, FragmentRef, hex};
use crate::index::{Index, PackFacts};
use crate::seal::{self, ObjectKind};
use crate::vault::{Begun, IndexRead, Operation, Vault};

pub use ticket::{Fragments, Ticket};
use work::{Piece, Shared, lock};

/// What a session has stored so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// Fragments that were new.
    pub fragments: u64,
    /// Bytes of the objects written.
    pub bytes: u64,
}

/// Packs that are put in the store at a time: one is written while another waits for its fsync.
const WRITERS: usize = 2;
/// Pieces that may wait; their bytes are bounded too.
const QUEUE: usize = 4096;

/// What one backup writes to its vault.
pub struct Session {
    shared: Arc<Shared>,
    pieces: Option<Sender<Piece>>,
    sealers: Vec<JoinHandle<()>>,
    writers: Vec<JoinHandle<()>>,
    /// Packs that no segment names: an earlier session that ended before its index left them.
    adopted: Vec<PackFacts>,
    /// Segments of the index that are damaged: once this session's says what they said, they are of no use.
    damaged: Vec<String>,
    /// The newest notice of a sweep when the session began.
    notice: Option<String>,
    /// Whether the vault still counts this session among those that may be recorded.
    counted: bool,
}

impl Session {
    /// Begins a session: reads the index and starts the threads.
    ///
    /// # Errors
    /// [`VaultError`] if the index can't be read, or this release may not write the vault.
    pub fn begin(vault: &Vault) -> Result<Self, VaultError> {
        vault.may(Operation::Write)?;
        let mut notices = vault.notices()?;
        let doomed = vault.doomed(&notices)?;
        let IndexRead { mut index, unlisted: mut adopted, damaged } = vault.read_index_fully(&doomed)?;
        index.shun(&doomed);
        adopted.retain(|pack| !doomed.contains(&pack.id));
        let notice = notices.pop();
        // One that was finished before and never recorded is given up.
        vault.relied().retain(|begun| !begun.finished);
        vault.relied().push(Begun { notice: notice.clone(), finished: false });
        let cores = thread::available_parallelism().map_or(2, usize::from);
        let (pieces, take_pieces) = bounded(QUEUE);
        let (full, take_full) = bounded(0);
        let shared = Arc::new(Shared::new(vault, index, full));
        let sealers = (0..cores).map(|_| {
            let (shared, pieces) = (Arc::clone(&shared), take_pieces.clone());
            thread::spawn(move || shared.seal_pieces(&pieces))
        });
        let sealers = sealers.collect();
        let writers = (0..WRITERS).map(|_| {
            let (shared, packs) = (Arc::clone(&shared), take_full.clone());
            thread::spawn(move || shared.write_packs(&packs))
        });
        let writers = writers.collect();
        Ok(Session {
            shared,
            pieces: Some(pieces),
            sealers,
            writers,
            adopted,
            damaged,
            notice,
            counted: true,
        })
    }

    /// The vault that is written to.
    pub fn vault(&self) -> &Vault {
        &self.shared.vault
    }

    /// The fragment as the vault has it, if it has it.
    pub fn known(&self, id: &FragmentId) -> Option<FragmentRef> {
        self.shared.known(id)
    }

    /// What the vault had when the session began, for reading earlier backups meanwhile.
    pub fn index(&self) -> Arc<Index> {
        Arc::clone(&self.shared.index)
    }

    /// Whether the vault has all of these fragments, with exactly these measures.
    pub fn has_all(&self, fragments: &[FragmentRef]) -> bool {
        fragments.iter().all(|fragment| self.shared.has(fragment))
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
        let share = self.shared.budget.take(raw.len()).ok_or(VaultError::Stopped)?;
        let (reply, ticket) = bounded(1);
        let pieces = self.pieces.as_ref().ok_or(VaultError::Stopped)?;
        pieces.send(Piece { raw, kind, reply, _share: share }).map_err(|_| VaultError::Stopped)?;
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
    /// [`VaultError`]: the first failure of any thread, or that a sweep began meanwhile.
    pub fn finish(mut self) -> Result<Stored, VaultError> {
        self.join_sealers();
        self.shared.hand_over_rest();
        self.join_writers();
        if let Some(error) = self.shared.take_failure() {
            return Err(error);
        }
        self.write_segment()?;
        self.remove_damaged();
        if !self.vault().is_still(std::slice::from_ref(&self.notice))? {
            return Err(VaultError::Swept { vault: self.vault().id });
        }
        self.settle(true);
        Ok(self.stored())
    }

    fn write_segment(&mut self) -> Result<(), VaultError> {
        let mut packs = std::mem::take(&mut *lock(&self.shared.written));
        packs.append(&mut self.adopted);
        if packs.is_empty() {
            return Ok(());
        }
        packs.sort_by_key(|pack| pack.id);
        let mut body = Vec::new();
        for pack in &packs {
            pack.write(&mut body);
        }
        let (vault, keys) = (&self.shared.vault, &self.shared.keys);
        let object = seal::seal_object(ObjectKind::Index, vault.id, &keys.public, &keys.writer, b"", &body)?;
        let name = vault.name(&format!("index/{}", hex(blake3::hash(&object).as_bytes())));
        vault.store.put(&name, &object)?;
        self.shared.bytes.fetch_add(object.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Removes damaged segments, of which the packs stand in other ones now. What can't be removed harms nothing.
    fn remove_damaged(&mut self) {
        let vault = &self.shared.vault;
        for name in self.damaged.drain(..).filter(|name| vault.is_damaged_by_name(name)) {
            let _ = vault.store.delete(&name);
        }
    }

    /// Tells the vault once whether this session may be recorded.
    fn settle(&mut self, finished: bool) {
        if !std::mem::take(&mut self.counted) {
            return;
        }
        let mut relied = self.shared.vault.relied();
        let own = relied.iter().position(|begun| !begun.finished && begun.notice == self.notice);
        match own {
            Some(at) if finished => relied[at].finished = true,
            Some(at) => drop(relied.swap_remove(at)),
            None => {}
        }
    }

    fn join_sealers(&mut self) {
        self.pieces = None;
        for thread in self.sealers.drain(..) {
            if thread.join().is_err() {
                self.shared.fail(VaultError::Panicked);
            }
        }
    }

    fn join_writers(&mut self) {
        *lock(&self.shared.full) = None;
        for thread in self.writers.drain(..) {
            if thread.join().is_err() {
                self.shared.fail(VaultError::Panicked);
            }
        }
    }
}

/// A session that is given up stops its threads; what it has stored is litter until the next session takes it up.
impl Drop for Session {
    fn drop(&mut self) {
        if self.pieces.is_some() {
            self.shared.fail(VaultError::Stopped);
        }
        self.join_sealers();
        self.join_writers();
        self.settle(false);
    }
}
