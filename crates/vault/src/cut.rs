//! Where content is cut: by a rolling hash of the last 64 bytes, as FastCDC does it (Xia et al., 2020).
//!
//! A piece is never shorter than the least size: the hash begins there. Up to the average size a cut needs one
//! zero bit more in the hash, beyond it one bit less, which draws sizes together. The bytes are looked at as they
//! arrive, so that no more than one piece is held.

use std::sync::LazyLock;

/// The sizes between which cuts fall, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// No piece is shorter, but a stretch's last.
    pub min: usize,
    /// What pieces tend to; a power of two.
    pub average: usize,
    /// No piece is longer.
    pub max: usize,
}

/// Large files.
pub const FILE: Sizes = Sizes { min: 256 << 10, average: 1 << 20, max: 4 << 20 };
/// SQL text: measured, see `docs/format.md`.
pub const TEXT: Sizes = Sizes { min: 8 << 10, average: 32 << 10, max: 128 << 10 };
/// Manifests, and lists of their fragments.
pub const MANIFEST: Sizes = Sizes { min: 16 << 10, average: 64 << 10, max: 256 << 10 };

/// A random number for each byte: 2,048 bytes of BLAKE3's output for a fixed context, little-endian.
static GEAR: LazyLock<[u64; 256]> = LazyLock::new(|| {
    let mut bytes = [0; 2048];
    blake3::Hasher::new_derive_key("undercroft 2026 where content is cut, v1")
        .finalize_xof()
        .fill(&mut bytes);
    let (numbers, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|n| u64::from_le_bytes(numbers[n]))
});

/// Cuts a stretch that arrives in parts.
pub struct Cutter {
    sizes: Sizes,
    piece: Vec<u8>,
    hash: u64,
}

impl Cutter {
    /// A cutter at the beginning of a stretch.
    pub fn new(sizes: Sizes) -> Self {
        Cutter { sizes, piece: Vec::new(), hash: 0 }
    }

    /// Takes more of the stretch and gives out the pieces that end in it.
    pub fn write<E>(
        &mut self,
        mut bytes: &[u8],
        mut piece: impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(len) = self.find_cut(bytes) {
            let (head, rest) = bytes.split_at(len);
            self.piece.extend_from_slice(head);
            self.hash = 0;
            piece(std::mem::take(&mut self.piece))?;
            bytes = rest;
        }
        if self.piece.is_empty() && !bytes.is_empty() {
            self.piece.reserve(self.sizes.average + self.sizes.average / 4);
        }
        self.piece.extend_from_slice(bytes);
        Ok(())
    }

    /// Ends the stretch: the piece that is left, if any.
    pub fn end<E>(&mut self, mut piece: impl FnMut(Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        self.hash = 0;
        let last = std::mem::take(&mut self.piece);
        if last.is_empty() { Ok(()) } else { piece(last) }
    }

    /// How many of `bytes`, which follow the piece so far, still belong to it, if it ends in them.
    fn find_cut(&mut self, bytes: &[u8]) -> Option<usize> {
        let Sizes { min, average, max } = self.sizes;
        let had = self.piece.len();
        let bits = average.ilog2();
        // Each stage's end, counted in `bytes`.
        let end = |len: usize| len.saturating_sub(had).min(bytes.len());
        let (skip, middle, last) = (end(min), end(average), end(max));
        let found = roll(&mut self.hash, &bytes[skip..middle], bits + 1)
            .map(|n| skip + n)
            .or_else(|| roll(&mut self.hash, &bytes[middle..last], bits - 1).map(|n| middle + n));
        found.or_else(|| (had + last == max).then_some(last))
    }
}

/// Rolls the hash over `bytes` up to where its highest `bits` are zero, and says how many bytes that took.
fn roll(hash: &mut u64, bytes: &[u8], bits: u32) -> Option<usize> {
    let gear = &*GEAR;
    let mut rolling = *hash;
    let found = bytes.iter().position(|byte| {
        rolling = (rolling << 1).wrapping_add(gear[usize::from(*byte)]);
        rolling >> (64 - bits) == 0
    });
    *hash = rolling;
    found.map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut out = vec![];
        let mut cutter = Cutter::new(TEXT);
        let mut keep = |piece| {
            out.push(piece);
            Ok::<_, ()>(())
        };
        for part in parts {
            cutter.write(part, &mut keep).unwrap();
        }
        cutter.end(&mut keep).unwrap();
        out
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        bytes
    }

    #[test]
    fn cuts_do_not_depend_on_how_the_stretch_arrives() {
        let text = noise(3_000_000);
        let whole = pieces(&[&text]);
        assert_eq!(pieces(&text.chunks(777).collect::<Vec<_>>()), whole);
        assert_eq!(pieces(&text.chunks(1).collect::<Vec<_>>()), whole);
        assert_eq!(whole.concat(), text);
        assert_eq!(pieces(&[]), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn pieces_keep_to_their_sizes() {
        let noise = pieces(&[&noise(8_000_000)]);
        let (_, whole) = noise.split_last().unwrap();
        assert!(whole.iter().all(|p| (TEXT.min..=TEXT.max).contains(&p.len())));
        let mean = whole.iter().map(Vec::len).sum::<usize>() / whole.len();
        assert!((TEXT.average * 3 / 4..TEXT.average * 3 / 2).contains(&mean), "{mean}");
        assert!(pieces(&[&vec![0; 1_000_000]]).iter().all(|p| p.len() <= TEXT.max));
    }

    #[test]
    fn a_change_moves_only_the_cuts_near_it() {
        let before = noise(4_000_000);
        let mut after = before.clone();
        after.splice(1_000_000..1_000_010, *b"a few other bytes");
        let (before, after) = (pieces(&[&before]), pieces(&[&after]));
        let new = after.iter().filter(|piece| !before.contains(piece)).count();
        assert!((1..=4).contains(&new), "{new} of {}", after.len());
    }

    /// Another release that cut elsewhere would store everything again.
    #[test]
    fn cuts_are_where_they_always_were() {
        let ends: Vec<usize> = pieces(&[&noise(300_000)]).iter().map(Vec::len).collect();
        assert_eq!(ends, CUTS);
    }

    const CUTS: [usize; 9] = [62985, 36035, 38355, 20544, 35573, 50490, 36179, 14597, 5242];
}
