//! Archives as they are downloaded: fragments between gzip's header and trailer (RFC 1952), in one member.
//!
//! Nothing is compressed again: fragments are opened, put in order, and sent. The length is known before the
//! first byte, and any range of it can be had.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use crate::error::VaultError;
use crate::fetch::Fetcher;
use crate::fragment::FragmentRef;
use crate::index::Index;
use crate::manifest_io::ManifestReader;
use crate::record::ArchiveRecord;
use crate::seal::OpenError;
use crate::vault::Vault;

/// No name, no time, no flags; made by an unknown system.
pub const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// A final empty block with fixed codes, CRC-32, length modulo 2³².
pub const TRAILER_LEN: usize = 10;

/// The last bytes of an archive whose stream has this CRC-32 and length.
pub fn trailer(crc: u32, raw_len: u64) -> [u8; TRAILER_LEN] {
    let mut out = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    out[2..6].copy_from_slice(&crc.to_le_bytes());
    out[6..].copy_from_slice(&(raw_len as u32).to_le_bytes());
    out
}

/// Writes the bytes in `range` of an archive.
///
/// # Errors
/// [`VaultError`] if something of it is missing or damaged, or if `out` fails.
pub fn write_range(
    vault: &Vault,
    index: &Arc<Index>,
    archive: &ArchiveRecord,
    range: Range<u64>,
    out: &mut dyn Write,
) -> Result<(), VaultError> {
    let fetcher = Fetcher::new(vault, Arc::clone(index));
    let mut manifest = ManifestReader::open(Fetcher::new(vault, Arc::clone(index)), &archive.manifest)?;
    let mut sender = Sender { range, at: 0, out, fetcher, wanted: Vec::new() };
    sender.bytes(&HEADER)?;
    while let Some(item) = manifest.next_item()? {
        for fragment in item.fragments() {
            sender.fragment(*fragment)?;
        }
        if sender.at >= sender.range.end {
            return sender.flush();
        }
    }
    sender.flush()?;
    let totals = manifest.totals();
    if (totals.raw_len, totals.deflated_len) != (archive.raw_len, archive.deflated_len)
        || totals.crc.clone().finalize() != archive.crc
    {
        let object = format!("the manifest of {}", archive.name);
        return Err(VaultError::Object { object, source: OpenError::Damaged });
    }
    sender.bytes(&trailer(archive.crc, archive.raw_len))
}

/// So many fragments are asked for together.
const GROUP: usize = 256;

struct Sender<'a> {
    range: Range<u64>,
    at: u64,
    out: &'a mut dyn Write,
    fetcher: Fetcher,
    /// Fragments that are next, and where in the archive each begins.
    wanted: Vec<(FragmentRef, u64)>,
}

impl Sender<'_> {
    fn fragment(&mut self, fragment: FragmentRef) -> Result<(), VaultError> {
        let start = self.at;
        self.at += u64::from(fragment.deflated_len);
        if self.at > self.range.start && start < self.range.end {
            self.wanted.push((fragment, start));
        }
        if self.wanted.len() >= GROUP { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), VaultError> {
        let wanted = std::mem::take(&mut self.wanted);
        let fragments: Vec<_> = wanted.iter().map(|(fragment, _)| *fragment).collect();
        let mut starts = wanted.iter().map(|(_, start)| *start);
        let (range, out) = (&self.range, &mut *self.out);
        self.fetcher.deflated(&fragments, |_, bytes| send(range, starts.next().unwrap_or(0), bytes, out))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), VaultError> {
        let start = self.at;
        self.at += bytes.len() as u64;
        send(&self.range, start, bytes, &mut *self.out)
    }
}

/// Writes what of `bytes`, which begin at `start`, lies in `range`.
fn send(range: &Range<u64>, start: u64, bytes: &[u8], out: &mut dyn Write) -> Result<(), VaultError> {
    let len = bytes.len() as u64;
    let from = range.start.saturating_sub(start).min(len) as usize;
    let to = range.end.saturating_sub(start).min(len) as usize;
    match bytes.get(from..to) {
        Some(part) if !part.is_empty() => out.write_all(part).map_err(VaultError::Source),
        _ => Ok(()),
    }
}
