//! Fragments: stretches of raw deflate that stand side by side in one gzip member.
//!
//! A fragment is a sequence of deflate blocks (RFC 1951) none of which is final, with no reference back
//! before its own start, closed by an empty stored block, so that it ends on a byte boundary. Any sequence of
//! fragments followed by one final empty block is a whole deflate stream.
//!
//! The deflater is a seam with two implementations: ISA-L where the target and the build have it, zlib-rs
//! everywhere else. Each reads what the other wrote. What does not compress is not tried: a cheap look at the
//! bytes' distribution tells, and it becomes stored blocks.

#[cfg(all(feature = "isal", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod isal;
#[cfg(any(test, not(all(feature = "isal", any(target_arch = "x86_64", target_arch = "aarch64")))))]
mod portable;
mod stored;

#[cfg(all(feature = "isal", any(target_arch = "x86_64", target_arch = "aarch64")))]
use isal as fast;
#[cfg(not(all(feature = "isal", any(target_arch = "x86_64", target_arch = "aarch64"))))]
use portable as fast;

pub use stored::looks_incompressible;

/// What closes a fragment: an empty stored block that is not final.
const FLUSH: [u8; 5] = [0, 0, 0, 0xff, 0xff];

/// Capacity beyond a fragment's end, for the tag that sealing appends.
const SPARE: usize = 16;

/// What does not shrink by this part of itself is not worth inflating.
const WORTH: usize = 64;

/// The bytes are not a fragment of the length that was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("its deflated bytes are damaged")]
pub struct BadDeflate;

/// Makes and reads fragments. Keeps its working memory; use one for each thread.
pub struct Deflater {
    fast: fast::Deflater,
    scratch: Vec<u8>,
}

impl Default for Deflater {
    fn default() -> Self {
        Self::new()
    }
}

impl Deflater {
    /// A deflater with working memory of its own.
    pub fn new() -> Self {
        Deflater { fast: fast::Deflater::new(), scratch: Vec::new() }
    }

    /// The fragment that holds `raw`: deflated if that makes it smaller by more than a trifle, stored otherwise. It has room to be
    /// sealed in place.
    pub fn deflate(&mut self, raw: &[u8]) -> Vec<u8> {
        let room = stored::len(raw.len());
        if looks_incompressible(raw) {
            return stored::fragment(raw);
        }
        if self.scratch.len() < room {
            self.scratch.resize(room, 0);
        }
        match self.fast.deflate(raw, &mut self.scratch[..room]) {
            Ok(len) if len <= room - room / WORTH => {
                let mut fragment = Vec::with_capacity(len + SPARE);
                fragment.extend_from_slice(&self.scratch[..len]);
                fragment
            }
            _ => stored::fragment(raw),
        }
    }

    /// The raw bytes of a fragment, of which there must be exactly `raw_len`.
    ///
    /// # Errors
    /// [`BadDeflate`] if the bytes are no fragment or hold another length.
    pub fn inflate(&mut self, fragment: &[u8], raw_len: usize) -> Result<Vec<u8>, BadDeflate> {
        let mut raw = vec![0; raw_len];
        self.inflate_to(fragment, &mut raw)?;
        Ok(raw)
    }

    /// The same into memory that is there already, which it fills exactly.
    ///
    /// # Errors
    /// [`BadDeflate`] as [`inflate`](Self::inflate).
    pub fn inflate_to(&mut self, fragment: &[u8], raw: &mut [u8]) -> Result<(), BadDeflate> {
        self.fast.inflate(fragment, raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(len: usize) -> Vec<u8> {
        (0..)
            .flat_map(|n: u32| format!("INSERT INTO wp_posts VALUES ({n},'post {}');\n", n % 97).into_bytes())
            .take(len)
            .collect()
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut out);
        out
    }

    fn samples() -> Vec<Vec<u8>> {
        let mut mixed = text(300_000);
        mixed.extend(noise(300_000));
        vec![
            vec![],
            vec![7],
            text(10),
            text(70_000),
            text(2_000_000),
            noise(5),
            noise(65_535),
            noise(65_536),
            noise(1_500_000),
            vec![0; 1 << 20],
            mixed,
        ]
    }

    #[test]
    fn every_sample_comes_back() {
        let mut deflater = Deflater::new();
        for raw in samples() {
            let fragment = deflater.deflate(&raw);
            assert_eq!(deflater.inflate(&fragment, raw.len()).unwrap(), raw);
            assert!(fragment.len() <= stored::len(raw.len()));
            assert!(fragment.ends_with(&FLUSH[1..]), "ends on a byte boundary");
        }
    }

    #[test]
    fn each_implementation_reads_the_other() {
        let (mut one, mut other) = (Deflater::new(), portable::Deflater::new());
        for raw in samples() {
            let mut back = vec![0; raw.len()];
            other.inflate(&one.deflate(&raw), &mut back).unwrap();
            assert_eq!(back, raw);
            let mut theirs = vec![0; stored::len(raw.len())];
            if let Ok(len) = other.deflate(&raw, &mut theirs) {
                assert_eq!(one.inflate(&theirs[..len], raw.len()).unwrap(), raw);
                assert!(theirs[..len].ends_with(&FLUSH[1..]));
            }
        }
    }

    #[test]
    fn fragments_side_by_side_are_one_stream() {
        let mut deflater = Deflater::new();
        let (mut joined, mut whole) = (vec![], vec![]);
        for raw in samples() {
            joined.extend(deflater.deflate(&raw));
            whole.extend(raw);
        }
        joined.extend([3, 0]);
        let mut inflate = zlib_rs::Inflate::new(false, 15);
        let mut back = vec![0; whole.len()];
        let status = inflate.decompress(&joined, &mut back, zlib_rs::InflateFlush::Finish).unwrap();
        assert_eq!(status, zlib_rs::Status::StreamEnd);
        assert!(back == whole);
    }

    #[test]
    fn a_wrong_length_and_damage_are_noticed() {
        let mut deflater = Deflater::new();
        let raw = text(50_000);
        let fragment = deflater.deflate(&raw);
        assert!(deflater.inflate(&fragment, raw.len() - 1).is_err());
        assert!(deflater.inflate(&fragment, raw.len() + 1).is_err());
        assert!(deflater.inflate(&fragment[..fragment.len() / 2], raw.len()).is_err());
        assert!(deflater.inflate(&[], 1).is_err());
    }

    #[test]
    fn noise_is_stored_and_text_is_not() {
        assert!(looks_incompressible(&noise(100_000)));
        assert!(!looks_incompressible(&text(100_000)));
    }
}
