//! Packs: objects that hold many sealed fragments, with a directory at the end.
//!
//! After an object's [header](crate::seal) come the fragments, each sealed with the body key, its place in the
//! directory as the nonce's counter and its reference as associated data; then the directory, sealed with the
//! counter 2⁶⁴ − 1 and the header as associated data; then a trailer in the clear: the sealed directory's length
//! and the number of fragments, both `u32` little-endian, and the magic `UCPKEND1`.
//!
//! A pack's name is the BLAKE3 hash of all its bytes. Since its key is random, the same content never makes the
//! same name twice: a delete that arrives late can only hit what was condemned.

use std::sync::Arc;

use uuid::Uuid;

use crate::deflate::Deflater;
use crate::fragment::FragmentRef;
use crate::keys::{NoRandomness, SecretKey, WriterKeys};
use crate::reader::Reader;
use crate::seal::{self, BodyKey, HEADER_LEN, ObjectKind, OpenError, TAG_LEN};

/// A pack is closed when it has grown to this.
pub const TARGET_LEN: usize = 16 << 20;
/// Room beyond it, for the last fragment and the directory.
const MARGIN: usize = 5 << 20;
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
///
/// A fragment's place is reserved first and filled when it is sealed, so that several threads can seal for one
/// pack at a time.
pub struct PackWriter {
    /// At least `len` bytes; what is beyond is left from the buffer's earlier use.
    bytes: Vec<u8>,
    len: usize,
    key: Arc<BodyKey>,
    directory: Vec<FragmentRef>,
    empty: usize,
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
    /// An empty pack. `buffer` is memory to fill; what is in it does not matter.
    pub fn new(
        kind: ObjectKind,
        vault: Uuid,
        keys: &WriterKeys,
        buffer: Vec<u8>,
    ) -> Result<Self, NoRandomness> {
        let (header, key) = seal::begin(kind, vault, &keys.public, &keys.writer)?;
        let mut bytes = buffer;
        // Once and for all: growing would leave holes of every size behind. Untouched memory costs nothing.
        bytes.reserve_exact((TARGET_LEN + MARGIN).saturating_sub(bytes.len()));
        bytes.resize(bytes.len().max(HEADER_LEN), 0);
        bytes[..HEADER_LEN].copy_from_slice(&header);
        Ok(PackWriter { bytes, len: HEADER_LEN, key: Arc::new(key), directory: Vec::new(), empty: 0 })
    }

    /// Gives a fragment its place, and the key that it is to be sealed with. `None` if the pack has more than its
    /// numbers hold.
    pub fn reserve(&mut self, fragment: &FragmentRef) -> Option<(Place, Arc<BodyKey>)> {
        let slot = u32::try_from(self.directory.len()).ok()?;
        let offset = u32::try_from(self.len).ok()?;
        self.len += fragment.deflated_len as usize + TAG_LEN;
        if self.bytes.len() < self.len {
            self.bytes.resize(self.len, 0);
        }
        self.directory.push(*fragment);
        self.empty += 1;
        Some((Place { slot, offset }, Arc::clone(&self.key)))
    }

    /// Puts sealed bytes in the place that was reserved for them, and reads them back from there.
    pub fn fill(&mut self, place: Place, sealed: &mut [u8]) {
        let start = place.offset as usize;
        if let Some(bytes) = self.bytes.get_mut(start..start + sealed.len()) {
            bytes.copy_from_slice(sealed);
            sealed.copy_from_slice(bytes);
        }
    }

    /// Says that one place was filled with bytes that were proven good. To be said once for each.
    pub fn settle(&mut self) {
        self.empty = self.empty.saturating_sub(1);
    }

    /// Whether every reserved place is filled.
    pub fn is_whole(&self) -> bool {
        self.empty == 0
    }

    /// Bytes so far, reserved ones too.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds no fragment.
    pub fn is_empty(&self) -> bool {
        self.directory.is_empty()
    }

    /// Closes the pack; `None` if a place was not filled.
    pub fn finish(self) -> Option<FinishedPack> {
        if !self.is_whole() {
            return None;
        }
        let mut bytes = self.bytes;
        bytes.truncate(self.len);
        let header: [u8; HEADER_LEN] = *bytes.first_chunk()?;
        let mut plain = Vec::with_capacity(self.directory.len() * FragmentRef::LEN);
        for fragment in &self.directory {
            fragment.write(&mut plain);
        }
        self.key.seal(DIRECTORY, &header, &plain, &mut bytes)?;
        let sealed_len = u32::try_from(bytes.len() - self.len).ok()?;
        bytes.extend(sealed_len.to_le_bytes());
        bytes.extend(u32::try_from(self.directory.len()).ok()?.to_le_bytes());
        bytes.extend(TRAILER_MAGIC);
        Some(FinishedPack { id: PackId::of(&bytes), bytes, directory: self.directory })
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

/// Seals one fragment's stretch of deflate in place.
pub fn seal_fragment(key: &BodyKey, fragment: &FragmentRef, slot: u32, deflated: &mut Vec<u8>) -> Option<()> {
    key.seal_in_place(u64::from(slot), &fragment.to_bytes(), deflated)
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

/// Opens what was sealed, inflates it into `scratch` and compares its hash with the fragment's name: bad memory must
/// not become a bad backup. Spoils the sealed bytes.
pub(crate) fn is_proven(
    key: &BodyKey,
    fragment: &FragmentRef,
    slot: u32,
    sealed: &mut [u8],
    writer: &SecretKey,
    scratch: &mut Scratch,
) -> bool {
    let Ok(opened) = open_fragment(key, fragment, slot, sealed) else { return false };
    let len = fragment.raw_len as usize;
    if scratch.raw.len() < len {
        scratch.raw.resize(len, 0);
    }
    let raw = &mut scratch.raw[..len];
    scratch.deflater.inflate_to(opened, raw).is_ok()
        && blake3::keyed_hash(writer.reveal(), raw).as_bytes() == &fragment.id.0
}

/// Working memory of one that seals.
#[derive(Default)]
pub(crate) struct Scratch {
    pub deflater: Deflater,
    raw: Vec<u8>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment::FragmentId;
    use crate::keys::VaultKeys;

    #[test]
    fn places_are_filled_in_any_order_and_read_back() {
        let keys = VaultKeys::generate().unwrap();
        let vault = Uuid::from_u128(3);
        let mut pack =
            PackWriter::new(ObjectKind::DataPack, vault, &keys.for_writer(), vec![7; 150]).unwrap();
        let texts = [&b"one"[..], b"two", b"seventeen"];
        let fragment = |n: usize| FragmentRef {
            id: FragmentId([n as u8; 32]),
            raw_len: 1,
            deflated_len: texts[n].len() as u32,
            crc: 2,
        };
        let slots: Vec<_> = (0..3).map(|n| pack.reserve(&fragment(n)).unwrap()).collect();
        for n in [2, 0, 1] {
            assert!(!pack.is_whole());
            let mut bytes = texts[n].to_vec();
            seal_fragment(&slots[n].1, &fragment(n), slots[n].0.slot, &mut bytes).unwrap();
            pack.fill(slots[n].0, &mut bytes);
            pack.settle();
        }
        assert!(pack.is_whole());
        let reserved = pack.len();
        let mut pack = pack.finish().unwrap();
        let tail = tail_len(pack.bytes.last_chunk::<TRAILER_LEN>().unwrap()).unwrap();
        assert_eq!(pack.bytes.len(), reserved + tail);
        let (head, tail) = pack.bytes.split_at(reserved);
        let header = &head[..HEADER_LEN];
        let directory =
            open_directory(header, tail, ObjectKind::DataPack, vault, &keys.secret, &keys.writer).unwrap();
        assert_eq!(directory, pack.directory);
        let key = seal::open(header, ObjectKind::DataPack, vault, &keys.secret, &keys.writer).unwrap();
        let mut at = HEADER_LEN;
        for (n, text) in texts.iter().enumerate() {
            let sealed = &mut pack.bytes[at..at + text.len() + TAG_LEN];
            at += sealed.len();
            assert_eq!(open_fragment(&key, &fragment(n), n as u32, sealed).unwrap(), *text);
        }
    }

    #[test]
    fn a_pack_with_an_empty_place_is_never_closed() {
        let keys = VaultKeys::generate().unwrap();
        let mut pack =
            PackWriter::new(ObjectKind::MetaPack, Uuid::nil(), &keys.for_writer(), vec![]).unwrap();
        pack.reserve(&FragmentRef { id: FragmentId([1; 32]), raw_len: 1, deflated_len: 1, crc: 2 }).unwrap();
        assert!(pack.finish().is_none());
    }
}
