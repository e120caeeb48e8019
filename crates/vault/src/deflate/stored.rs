//! Content that does not compress: how it is told, and the stored blocks it becomes.

use std::sync::LazyLock;

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
    let mut plain = 0;
    (0..SAMPLES).all(|n| {
        plain += usize::from(entropy(&raw[n * step..n * step + SAMPLE]) <= NOISE);
        plain <= SAMPLES - NOISY
    })
}

/// `n · log2 n` of small numbers.
static N_LOG_N: LazyLock<[f32; 256]> = LazyLock::new(|| std::array::from_fn(n_log_n));

fn n_log_n(n: usize) -> f32 {
    if n == 0 { 0.0 } else { n as f32 * (n as f32).log2() }
}

/// Shannon's entropy of the bytes' distribution, bits a byte.
fn entropy(sample: &[u8]) -> f32 {
    let mut counts = [0usize; 256];
    for byte in sample {
        counts[usize::from(*byte)] += 1;
    }
    let table = &*N_LOG_N;
    let sum: f32 = counts.iter().map(|n| table.get(*n).copied().unwrap_or_else(|| n_log_n(*n))).sum();
    let total = sample.len() as f32;
    total.log2() - sum / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_what_it_should_be() {
        assert_eq!(entropy(&[7; 2048]), 0.0);
        let all: Vec<u8> = (0..=255).cycle().take(2048).collect();
        assert_eq!(entropy(&all), 8.0);
        let two: Vec<u8> = (0..2048).map(|n| (n % 2) as u8).collect();
        assert_eq!(entropy(&two), 1.0);
    }

    #[test]
    fn a_header_among_pictures_does_not_make_them_text() {
        let mut raw = vec![0; 100_000];
        blake3::Hasher::new().finalize_xof().fill(&mut raw);
        raw[..1_536].fill(b'0');
        assert!(looks_incompressible(&raw));
        raw[..40_000].fill(b'0');
        assert!(!looks_incompressible(&raw));
    }
}
