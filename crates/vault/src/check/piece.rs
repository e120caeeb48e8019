//! Reading fragments and proving each: opened, inflated, hashed, and compared with all that its reference says.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::problem::Wrong;
use crate::config::config_name;
use crate::deflate::Deflater;
use crate::error::VaultError;
use crate::fetch::{end, sealed_len, side_by_side};
use crate::fragment::FragmentRef;
use crate::index::{Index, Located, Loss};
use crate::pack::{PackId, open_fragment};
use crate::seal::{self, BodyKey, HEADER_LEN, ObjectKind, OpenError};
use crate::store::StoreError;
use crate::vault::Vault;

/// Deflate makes at most 1,032 bytes of one: a reference that promises more is never given memory.
const INFLATE_MAX: u64 = 1032;

/// Neighbours in a stream, read together.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The raw bytes of all that are sound, in their order.
    pub raw: Vec<u8>,
    /// For each fragment its raw bytes, or what is wrong with it.
    pub pieces: Vec<Result<Range<usize>, Wrong>>,
}

/// Proves one fragment's sealed bytes, on one thread.
pub(super) struct Opener {
    vault: Vault,
    deflater: Deflater,
}

impl Opener {
    pub(super) fn new(vault: &Vault) -> Self {
        Opener { vault: vault.clone(), deflater: Deflater::new() }
    }

    /// Appends a fragment's raw bytes to `raw`, if they are what its reference says.
    pub(super) fn prove(
        &mut self,
        key: &BodyKey,
        fragment: &FragmentRef,
        slot: u32,
        sealed: &mut [u8],
        raw: &mut Vec<u8>,
    ) -> Option<Range<usize>> {
        if u64::from(fragment.raw_len) > u64::from(fragment.deflated_len) * INFLATE_MAX {
            return None;
        }
        let deflated = open_fragment(key, fragment, slot, sealed).ok()?;
        let start = raw.len();
        raw.resize(start + fragment.raw_len as usize, 0);
        let piece = raw.get_mut(start..)?;
        let sound = self.deflater.inflate_to(deflated, piece).is_ok()
            && blake3::keyed_hash(self.vault.keys.writer.reveal(), piece).as_bytes() == &fragment.id.0
            && crc32fast::hash(piece) == fragment.crc;
        if !sound {
            raw.truncate(start);
        }
        sound.then_some(start..start + fragment.raw_len as usize)
    }

    /// The key of an object's body.
    pub(super) fn key(&self, header: &[u8], kind: ObjectKind) -> Result<BodyKey, OpenError> {
        let keys = &self.vault.keys;
        seal::open(header, kind, self.vault.id, &keys.secret, &keys.writer)
    }
}

/// What an error of the store says of one object. If the store does not answer at all, that is no one object's fault.
pub(super) fn judge(vault: &Vault, error: StoreError) -> Result<Wrong, VaultError> {
    match error {
        StoreError::Missing { .. } => return Ok(Wrong::Missing),
        StoreError::Failed { ref source, .. } if source.kind() == io::ErrorKind::UnexpectedEof => {
            return Ok(Wrong::Damaged);
        }
        _ => {}
    }
    match vault.store.get(&config_name(vault.id)) {
        Ok(_) | Err(StoreError::Missing { .. }) => Ok(Wrong::Unreadable(why(&error))),
        Err(_) => Err(error.into()),
    }
}

/// An error of the store in a few words.
pub(super) fn why(error: &StoreError) -> String {
    match error {
        StoreError::Missing { .. } => "it is not there".to_owned(),
        StoreError::Full { .. } => "the store is full".to_owned(),
        StoreError::Denied { .. } => "no permission".to_owned(),
        StoreError::Failed { source, .. } => source.to_string(),
    }
}

/// Reads and proves fragments that an index knows, on one thread.
pub(super) struct PieceReader {
    opener: Opener,
    index: Arc<Index>,
    keys: HashMap<PackId, Arc<BodyKey>>,
    sealed: Vec<u8>,
}

/// A stretch of a pack that was read in one go.
struct Stretch {
    start: usize,
    bytes: Vec<u8>,
}

impl PieceReader {
    pub(super) fn new(vault: &Vault, index: &Arc<Index>) -> Self {
        PieceReader {
            opener: Opener::new(vault),
            index: Arc::clone(index),
            keys: HashMap::new(),
            sealed: Vec::new(),
        }
    }

    /// Reads neighbours and proves each. What looks wrong is read once more by itself. An error means that the store
    /// does not answer.
    pub(super) fn window(
        &mut self,
        fragments: &[FragmentRef],
        mut raw: Vec<u8>,
    ) -> Result<Window, VaultError> {
        raw.clear();
        let located: Vec<_> = fragments.iter().map(|fragment| self.index.locate(fragment)).collect();
        let stretches = self.stretches(&located);
        let mut pieces = Vec::with_capacity(fragments.len());
        for ((fragment, located), stretch) in fragments.iter().zip(&located).zip(&stretches.of) {
            let Some(located) = located else {
                pieces.push(Err(self.lost(fragment)));
                continue;
            };
            let stretch = stretch.and_then(|n| stretches.read.get(n)).and_then(Option::as_ref);
            let first = stretch.and_then(|stretch| self.prove_in(located, stretch, &mut raw));
            pieces.push(match first {
                Some(range) => Ok(range),
                None => self.once_more(located, &mut raw)?,
            });
        }
        Ok(Window { raw, pieces })
    }

    fn lost(&self, fragment: &FragmentRef) -> Wrong {
        match self.index.loss(fragment) {
            Some(Loss::Damaged) => Wrong::Noted,
            Some(Loss::Gone) | None => Wrong::Missing,
        }
    }

    fn prove_in(&mut self, located: &Located, stretch: &Stretch, raw: &mut Vec<u8>) -> Option<Range<usize>> {
        let key = Arc::clone(self.keys.get(&located.pack)?);
        let from = (located.place.offset as usize).checked_sub(stretch.start)?;
        let bytes = stretch.bytes.get(from..from + sealed_len(located))?;
        // One fragment may be asked for twice: it is opened in a copy.
        self.sealed.clear();
        self.sealed.extend_from_slice(bytes);
        self.opener.prove(&key, &located.fragment, located.place.slot, &mut self.sealed, raw)
    }

    fn once_more(
        &mut self,
        located: &Located,
        raw: &mut Vec<u8>,
    ) -> Result<Result<Range<usize>, Wrong>, VaultError> {
        let vault = self.opener.vault.clone();
        let name = vault.pack_name(&located.pack);
        let read = || -> Result<_, StoreError> {
            let header = vault.store.get_range(&name, 0, HEADER_LEN)?;
            let sealed =
                vault.store.get_range(&name, u64::from(located.place.offset), sealed_len(located))?;
            Ok((header, sealed))
        };
        let (header, mut sealed) = match read() {
            Ok(read) => read,
            Err(error) => return judge(&vault, error).map(Err),
        };
        let Ok(key) = self.opener.key(&header, located.kind) else { return Ok(Err(Wrong::Damaged)) };
        let proven = self.opener.prove(&key, &located.fragment, located.place.slot, &mut sealed, raw);
        Ok(proven.ok_or(Wrong::Damaged))
    }

    /// Reads what lies near each other in one go. What can't be read so is left to a second look.
    fn stretches(&mut self, located: &[Option<Located>]) -> Stretches {
        let mut by_place: Vec<(usize, &Located)> =
            located.iter().enumerate().filter_map(|(n, located)| Some((n, located.as_ref()?))).collect();
        by_place.sort_by_key(|(_, located)| (located.pack, located.place.offset));
        let mut stretches = Stretches { read: Vec::new(), of: vec![None; located.len()] };
        for group in by_place.chunk_by(|(_, a), (_, b)| side_by_side(a, b)) {
            let (Some((_, first)), Some((_, last))) = (group.first(), group.last()) else { continue };
            for (n, _) in group {
                if let Some(of) = stretches.of.get_mut(*n) {
                    *of = Some(stretches.read.len());
                }
            }
            stretches.read.push(self.stretch(first, last));
        }
        stretches
    }

    fn stretch(&mut self, first: &Located, last: &Located) -> Option<Stretch> {
        let vault = &self.opener.vault;
        let name = vault.pack_name(&first.pack);
        if !self.keys.contains_key(&first.pack) {
            let header = vault.store.get_range(&name, 0, HEADER_LEN).ok()?;
            let key = self.opener.key(&header, first.kind).ok()?;
            self.keys.insert(first.pack, Arc::new(key));
        }
        let start = first.place.offset as usize;
        let bytes = vault.store.get_range(&name, start as u64, end(last).checked_sub(start)?).ok()?;
        Some(Stretch { start, bytes })
    }
}

struct Stretches {
    read: Vec<Option<Stretch>>,
    /// For each fragment the number of its stretch.
    of: Vec<Option<usize>>,
}
