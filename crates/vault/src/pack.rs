//! Packs: objects that hold many sealed fragments, with a directory at the end.
//!
//! After an object's [header](crate::seal) come the fragments, each sealed with the body key, its place in the
//! directory as the nonce's counter and its reference as associated data; then the directory, sealed with the
//! counter 2⁶⁴ − 1 and the header as associated data; then a trailer in the clear: the sealed directory's length
//! and the number of fragments, both `u32` little-endian, and the magic `UCPKEND1`.
//!
//! A pack's name is the BLAKE3 hash of all its bytes. Since its key is random, the same content never makes the
//! same name twice: a delete that arrives late can only hit what was condemned.

use uuid::Uuid;

use crate::fragment::FragmentRef;
use crate::keys::{NoRandomness, SecretKey, WriterKeys};
use crate::reader::Reader;
use crate::seal::{self, BodyKey, HEADER_LEN, ObjectKind, OpenError, TAG_LEN};

/// A pack is closed when it has grown to this.
pub const TARGET_LEN: usize = 16 << 20;
/// Length of the trailer.
pub const TRAILER_LEN: usize = 16;
const TRAILER_MAGIC: &[u8; 8] = b"UCPKEND1";
const DIRECTORY: u64 = u64::MAX;

/// A pack's name: the BLAKE3 hash of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackId(pub [u8; 32]);

impl PackId {
    /// The name of the pack with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        PackId(*blake3::hash(bytes).as_bytes())
    }
}

/// A pack that is being filled, in memory.
pub struct PackWriter {
    bytes: Vec<u8>,
    key: BodyKey,
    directory: Vec<FragmentRef>,
}

/// A fragment's place in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its number in the pack, which is its nonce's counter.
    pub slot: u32,
    /// Where its sealed bytes begin.
    pub offset: u32,
}

impl PackWriter {
    /// An empty pack.
    pub fn new(kind: ObjectKind, vault: Uuid, keys: &WriterKeys) -> Result<Self, NoRandomness> {
        let (bytes, key) = seal::begin(kind, vault, &keys.public, &keys.writer)?;
        Ok(PackWriter { bytes, key, directory: Vec::new() })
    }

    /// Adds a fragment, sealed.
    pub fn add(&mut self, fragment: &FragmentRef, deflated: &[u8]) -> Option<Place> {
        let slot = u32::try_from(self.directory.len()).ok()?;
        let offset = u32::try_from(self.bytes.len()).ok()?;
        self.key.seal(u64::from(slot), &fragment.to_bytes(), deflated, &mut self.bytes)?;
        self.directory.push(*fragment);
        Some(Place { slot, offset })
    }

    /// What opens a fragment's sealed bytes again, and those bytes: for proving that they are good.
    pub fn reopen(&self, fragment: &FragmentRef, place: Place) -> Result<Vec<u8>, OpenError> {
        let start = place.offset as usize;
        let end = start + fragment.deflated_len as usize + TAG_LEN;
        let mut sealed = self.bytes.get(start..end).ok_or(OpenError::Damaged)?.to_vec();
        open_fragment(&self.key, fragment, place.slot, &mut sealed)?;
        sealed.truncate(fragment.deflated_len as usize);
        Ok(sealed)
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it holds no fragment.
    pub fn is_empty(&self) -> bool {
        self.directory.is_empty()
    }

    /// Closes the pack.
    pub fn finish(mut self) -> Option<FinishedPack> {
        let header: [u8; HEADER_LEN] = *self.bytes.first_chunk()?;
        let mut plain = Vec::with_capacity(self.directory.len() * FragmentRef::LEN);
        for fragment in &self.directory {
            fragment.write(&mut plain);
        }
        let before = self.bytes.len();
        self.key.seal(DIRECTORY, &header, &plain, &mut self.bytes)?;
        let sealed_len = u32::try_from(self.bytes.len() - before).ok()?;
        self.bytes.extend(sealed_len.to_le_bytes());
        self.bytes.extend(u32::try_from(self.directory.len()).ok()?.to_le_bytes());
        self.bytes.extend(TRAILER_MAGIC);
        Some(FinishedPack { id: PackId::of(&self.bytes), bytes: self.bytes, directory: self.directory })
    }
}

/// A pack that is ready to be stored.
pub struct FinishedPack {
    /// Its name.
    pub id: PackId,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its fragments in order.
    pub directory: Vec<FragmentRef>,
}

/// Opens the sealed bytes of one fragment in place; what comes back is a stretch of deflate.
pub fn open_fragment<'a>(
    key: &BodyKey,
    fragment: &FragmentRef,
    slot: u32,
    sealed: &'a mut [u8],
) -> Result<&'a [u8], OpenError> {
    key.open(u64::from(slot), &fragment.to_bytes(), sealed)
}

/// How many bytes at the end of a pack hold its sealed directory and trailer, from its last
/// [`TRAILER_LEN`] bytes.
pub fn tail_len(trailer: &[u8]) -> Result<usize, OpenError> {
    let mut reader = Reader::new(trailer);
    let directory = reader.u32()? as usize;
    let count = reader.u32()? as usize;
    if &reader.array::<8>()? != TRAILER_MAGIC || Some(directory) != expected_len(count) {
        return Err(OpenError::Damaged);
    }
    Ok(directory + TRAILER_LEN)
}

fn expected_len(count: usize) -> Option<usize> {
    count.checked_mul(FragmentRef::LEN)?.checked_add(TAG_LEN)
}

/// A pack's directory, from its header and its last [`tail_len`] bytes.
pub fn open_directory(
    header: &[u8],
    tail: &[u8],
    kind: ObjectKind,
    vault: Uuid,
    secret: &SecretKey,
    writer: &SecretKey,
) -> Result<Vec<FragmentRef>, OpenError> {
    let key = seal::open(header, kind, vault, secret, writer)?;
    let len = tail.len().checked_sub(TRAILER_LEN).ok_or(OpenError::Damaged)?;
    let mut sealed = tail.get(..len).ok_or(OpenError::Damaged)?.to_vec();
    let header = header.get(..HEADER_LEN).ok_or(OpenError::Damaged)?;
    let mut reader = Reader::new(key.open(DIRECTORY, header, &mut sealed)?);
    let mut directory = Vec::with_capacity(reader.left() / FragmentRef::LEN);
    while reader.left() > 0 {
        directory.push(reader.fragment()?);
    }
    Ok(directory)
}
