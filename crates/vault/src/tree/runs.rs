//! Where a tree is cut into runs, and runs into pieces.
//!
//! An entry decides by its own path and size alone whether it ends a run or a piece, so that no change
//! elsewhere moves a boundary. The larger a file, the likelier it ends one.

use crate::manifest::Signature;
use crate::stream::{Entry, EntryKind};

/// A file of this size and above is a run of its own, and its content is cut by FastCDC.
pub const LARGE: u64 = 256 << 10;
/// A file of this size and above is parted from its header, so that a copy elsewhere, or in another
/// environment, is the same fragment.
pub const OWN_PIECE: u64 = 64 << 10;
/// What the sizes of small neighbours in a run come to, about, and how many they are at most, about.
const RUN_SIZE: u64 = 160 << 10;
const RUN_ENTRIES: u64 = 64;
/// The same for pieces.
const PIECE_SIZE: u64 = 24 << 10;
const PIECE_ENTRIES: u64 = 24;

/// What an entry's path decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// A new run begins before it.
    pub starts_run: bool,
    /// Its run ends after it.
    pub ends_run: bool,
    /// A piece ends after it.
    pub ends_piece: bool,
}

/// Where the cuts around an entry are.
pub fn bounds(entry: &Entry) -> Bounds {
    if entry.size >= LARGE {
        return Bounds { starts_run: true, ends_run: true, ends_piece: true };
    }
    let hash = blake3::hash(&entry.path);
    let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
    let ends_run = drawn(u32::from_le_bytes([a, b, c, d]), entry.size, RUN_SIZE, RUN_ENTRIES);
    let ends_piece = drawn(u32::from_le_bytes([e, f, g, h]), entry.size, PIECE_SIZE, PIECE_ENTRIES);
    Bounds { starts_run: false, ends_run, ends_piece: ends_run || ends_piece }
}

/// Whether a lot falls under `size / full + 1 / entries`.
fn drawn(lot: u32, size: u64, full: u64, entries: u64) -> bool {
    let odds =
        (u64::from(u32::MAX) / full).saturating_mul(size).saturating_add(u64::from(u32::MAX) / entries);
    u64::from(lot) < odds
}

/// A hash of all that `stat` says of a run's entries, and of what they are called in the archive.
pub fn signature<'a>(top: &str, entries: impl Iterator<Item = &'a Entry>) -> Signature {
    let mut hasher = blake3::Hasher::new_derive_key("undercroft 2026 signature of a run, v1");
    let mut scratch = Vec::with_capacity(256);
    hasher.update(top.as_bytes());
    for entry in entries {
        scratch.clear();
        scratch.extend((entry.path.len() as u32).to_le_bytes());
        scratch.extend(&entry.path);
        let (code, target, numbers): (u8, &[u8], _) = match &entry.kind {
            EntryKind::File => (0, &[], (0, 0)),
            EntryKind::HardLink { target } => (1, target, (0, 0)),
            EntryKind::Symlink { target } => (2, target, (0, 0)),
            EntryKind::Folder => (3, &[], (0, 0)),
            EntryKind::Fifo => (4, &[], (0, 0)),
            EntryKind::CharDevice { major, minor } => (5, &[], (*major, *minor)),
            EntryKind::BlockDevice { major, minor } => (6, &[], (*major, *minor)),
        };
        scratch.push(code);
        scratch.extend((target.len() as u32).to_le_bytes());
        scratch.extend(target);
        scratch.extend(entry.size.to_le_bytes());
        scratch.extend(entry.mtime.seconds.to_le_bytes());
        for number in [entry.mtime.nanos, entry.mode, entry.uid, entry.gid, numbers.0, numbers.1] {
            scratch.extend(number.to_le_bytes());
        }
        scratch.extend(entry.stamp);
        hasher.update(&scratch);
    }
    *hasher.finalize().as_bytes()
}
