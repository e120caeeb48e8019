//! Where content is cut: FastCDC (Xia et al., 2020), with the sizes that each kind of stream has.

use fastcdc::v2020::FastCDC;

/// The sizes between which cuts fall, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// No piece is shorter, but a stretch's last.
    pub min: usize,
    /// What pieces tend to.
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

/// Cuts a stretch that arrives in parts.
pub struct Cutter {
    sizes: Sizes,
    buffer: Vec<u8>,
}

impl Cutter {
    /// A cutter at the beginning of a stretch.
    pub fn new(sizes: Sizes) -> Self {
        Cutter { sizes, buffer: Vec::new() }
    }

    /// Takes more of the stretch and gives out the pieces that are certain.
    pub fn write<E>(
        &mut self,
        bytes: &[u8],
        mut piece: impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.buffer.extend(bytes);
        // Enough for several pieces at a time, so that the rest is moved seldom.
        if self.buffer.len() < 4 * self.sizes.max {
            return Ok(());
        }
        self.cut(self.sizes.max, &mut piece)
    }

    /// Ends the stretch: the pieces that are left.
    pub fn end<E>(&mut self, mut piece: impl FnMut(Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        self.cut(0, &mut piece)
    }

    /// Cuts pieces off while more than `keep` bytes are left.
    fn cut<E>(&mut self, keep: usize, piece: &mut impl FnMut(Vec<u8>) -> Result<(), E>) -> Result<(), E> {
        let Sizes { min, average, max } = self.sizes;
        let cutter = FastCDC::new(&self.buffer, min, average, max);
        let mut start = 0;
        while self.buffer.len() - start > keep {
            let (_, end) = cutter.cut(start, self.buffer.len() - start);
            piece(self.buffer[start..end].to_vec())?;
            start = end;
        }
        self.buffer.drain(..start);
        Ok(())
    }
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

    #[test]
    fn cuts_do_not_depend_on_how_the_stretch_arrives() {
        let mut text = vec![0; 3_000_000];
        blake3::Hasher::new().finalize_xof().fill(&mut text);
        let whole = pieces(&[&text]);
        assert_eq!(pieces(&text.chunks(777).collect::<Vec<_>>()), whole);
        assert_eq!(whole.concat(), text);
        assert!(whole.iter().all(|p| p.len() <= TEXT.max));
        assert_eq!(pieces(&[]), Vec::<Vec<u8>>::new());
    }
}
