//! Deflate in pure Rust, by zlib-rs.

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

use super::BadDeflate;

/// Level 2: as small as ISA-L's best at nearly twice the speed of level 6.
const LEVEL: i32 = 2;
/// A window of 32 KiB, the most that deflate has.
const WINDOW_BITS: u8 = 15;

/// zlib-rs with its working memory.
pub struct Deflater {
    deflate: Deflate,
    inflate: Inflate,
}

impl Deflater {
    pub fn new() -> Self {
        Deflater {
            deflate: Deflate::new(LEVEL, false, WINDOW_BITS),
            inflate: Inflate::new(false, WINDOW_BITS),
        }
    }

    /// Deflates into `out` and says how many bytes that made; an error means that it did not fit with room to
    /// spare.
    pub fn deflate(&mut self, raw: &[u8], out: &mut [u8]) -> Result<usize, BadDeflate> {
        if raw.is_empty() {
            return Err(BadDeflate);
        }
        self.deflate.reset();
        self.deflate.compress(raw, out, DeflateFlush::FullFlush).map_err(|_| BadDeflate)?;
        let (taken, made) = (self.deflate.total_in(), self.deflate.total_out());
        // With no room left the flush may be incomplete.
        if taken != raw.len() as u64 || made >= out.len() as u64 {
            return Err(BadDeflate);
        }
        Ok(made as usize)
    }

    /// Fills `raw` exactly.
    pub fn inflate(&mut self, fragment: &[u8], raw: &mut [u8]) -> Result<(), BadDeflate> {
        self.inflate.reset(false);
        let mut spill = [0u8; 1];
        self.inflate.decompress(fragment, raw, InflateFlush::SyncFlush).map_err(|_| BadDeflate)?;
        let taken = self.inflate.total_in() as usize;
        if self.inflate.total_out() != raw.len() as u64 {
            return Err(BadDeflate);
        }
        // The closing empty block may not have been looked at once the output was full.
        if taken < fragment.len() {
            let rest = &fragment[taken..];
            let _ = self.inflate.decompress(rest, &mut spill, InflateFlush::SyncFlush);
        }
        let whole =
            self.inflate.total_in() == fragment.len() as u64 && self.inflate.total_out() == raw.len() as u64;
        if whole { Ok(()) } else { Err(BadDeflate) }
    }
}
