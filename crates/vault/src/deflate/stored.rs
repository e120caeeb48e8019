//! Content that does not compress: how it is told, and the stored blocks it becomes.

use super::FLUSH;

/// The longest stored block (RFC 1951, 3.2.4).
const BLOCK: usize = 65_535;
/// How many samples are looked at, and how long each is.
const SAMPLES: usize = 8;
const SAMPLE: usize = 2048;
/// Bits a byte above which a sample of that length is taken for noise. Random bytes reach 7.9, JPEG 7.7 and
/// more; SQL's highest is 5.9, and program text stays below 6.5.
const NOISE: f32 = 7.4;
/// So many samples make noise of the whole.
const NOISY: usize = 6;

/// The length of `raw_len` bytes as a fragment of stored blocks.
pub fn len(raw_len: usize) -> usize {
    raw_len + 5 * raw_len.div_ceil(BLOCK) + FLUSH.len()
}

/// A fragment that holds `raw` as it is.
pub fn fragment(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(len(raw.len()) + super::SPARE);
    for block in raw.chunks(BLOCK) {
        let size = block.len() as u16;
        out.push(0);
        out.extend(size.to_le_bytes());
        out.extend((!size).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend(FLUSH);
    out
}

/// Whether deflate would find next to nothing: six of eight samples look like noise. Two may fall on a header among
/// pictures.
///
/// Short content is never judged: trying costs less than a wrong guess.
pub fn looks_incompressible(raw: &[u8]) -> bool {
    if raw.len() < SAMPLE {
        return false;
    }
    let step = (raw.len() - SAMPLE) / (SAMPLES - 1);
    (0..SAMPLES).filter(|n| entropy(&raw[n * step..n * step + SAMPLE]) > NOISE).count() >= NOISY
}

/// Shannon's entropy of the bytes' distribution, bits a byte.
fn entropy(sample: &[u8]) -> f32 {
    let mut counts = [0u16; 256];
    for byte in sample {
        counts[usize::from(*byte)] += 1;
    }
    let total = sample.len() as f32;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f32::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}
