//! What is known of a fragment without its bytes.

use std::fmt;

/// A fragment's name: the BLAKE3 hash of its raw bytes, keyed with the vault's writer key.
///
/// Keyed, so that who sees names can't tell whether a vault holds a file that they have themselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentId(pub [u8; 32]);

impl fmt::Debug for FragmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Names a fragment and says what it measures: everything that an archive needs but the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FragmentRef {
    /// Its name.
    pub id: FragmentId,
    /// Bytes before deflate.
    pub raw_len: u32,
    /// Bytes as a stretch of deflate, without sealing.
    pub deflated_len: u32,
    /// CRC-32 of the raw bytes, as gzip has it.
    pub crc: u32,
}

impl FragmentRef {
    /// Bytes of a reference as it stands in packs, indexes and manifests.
    pub const LEN: usize = 44;

    /// Appends the reference: id, raw length, deflated length, CRC-32; numbers little-endian.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.id.0);
        out.extend(self.raw_len.to_le_bytes());
        out.extend(self.deflated_len.to_le_bytes());
        out.extend(self.crc.to_le_bytes());
    }

    /// The reference as [`write`](Self::write) lays it out.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..32].copy_from_slice(&self.id.0);
        bytes[32..36].copy_from_slice(&self.raw_len.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.deflated_len.to_le_bytes());
        bytes[40..].copy_from_slice(&self.crc.to_le_bytes());
        bytes
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that lower-case hexadecimal stands for, if it stands for exactly `N`.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut out = [0; N];
    for (n, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(out)
}
