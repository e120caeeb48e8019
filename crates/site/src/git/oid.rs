//! Names of git objects.

use std::fmt;

/// The name of an object: 20 bytes of SHA-1, or 32 of SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ObjectId {
    bytes: [u8; 32],
    len: u8,
}

impl ObjectId {
    /// The name that so many hexadecimal digits tell.
    pub fn parse(hex: &[u8]) -> Option<Self> {
        if !matches!(hex.len(), 40 | 64) || !hex.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(ObjectId { bytes, len: (hex.len() / 2) as u8 })
    }

    /// The name's bytes, followed by zeros.
    pub fn stamp(&self) -> [u8; 32] {
        self.bytes
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.iter().take(usize::from(self.len)).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lengths_survive_their_text() {
        for hex in ["0123456789abcdef0123456789abcdef01234567".to_owned(), "a5".repeat(32)] {
            assert_eq!(ObjectId::parse(hex.as_bytes()).unwrap().to_string(), hex);
        }
        for bad in ["", "0123", "+123456789abcdef0123456789abcdef01234567"] {
            assert_eq!(ObjectId::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
