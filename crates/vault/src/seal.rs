//! Sealing: every object begins with a header that carries the object's own key, sealed to the vault.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic `UNDRCRFT` |
//! | 1 | kind |
//! | 1 | format version |
//! | 2 | features that a reader must know, little-endian |
//! | 16 | the vault's UUID |
//! | 32 | HPKE's encapsulated key (RFC 9180, base mode, X25519, HKDF-SHA256, AES-256-GCM) |
//! | 48 | the object key, sealed with the 28 bytes before as associated data |
//!
//! The body's key is HKDF-SHA256 of the object key, salted with the vault's writer key: who has only the store
//! can neither read an object nor make one that a reader would take. A body is sealed with AES-256-GCM: packs as
//! [`crate::pack`] says, every other object in one stretch with the counter 0, and as associated data the header
//! and, for a record, the 16 bytes of the UUID that it is named by; for a mark or a sweep, the end of its name.

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, OpModeR, OpModeS, Serializable};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;
use uuid::Uuid;
use zeroize::Zeroize;

use crate::keys::{NoRandomness, PublicKey, SecretKey, random};
use crate::reader::{Malformed, Reader};

/// What every object begins with.
pub const MAGIC: &[u8; 8] = b"UNDRCRFT";
/// The format that this program writes, and the newest that it reads.
pub const VERSION: u8 = 1;
/// Length of an object's header.
pub const HEADER_LEN: usize = 108;
/// How much longer sealed bytes are.
pub const TAG_LEN: usize = 16;
const OPEN_LEN: usize = 28;
const INFO: &[u8] = b"undercroft object key v1";

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ObjectKind {
    /// A pack of archives' fragments.
    DataPack = 1,
    /// A pack of manifests' fragments.
    MetaPack = 2,
    /// A segment of the index.
    Index = 3,
    /// A backup's record.
    Record = 4,
    /// The vault's keys, sealed to the recovery key.
    Keys = 5,
    /// A mark on a backup.
    Mark = 6,
    /// A note of fragments that were found damaged.
    Damage = 7,
    /// What a sweep was about to remove.
    Sweep = 8,
}

/// Why an object can't be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The bytes are no object of ours, or not of the kind that belongs there.
    #[error("it is not an Undercroft object of the kind that belongs there")]
    NotOurs,
    /// A later release wrote it.
    #[error(
        "it was written by a later release (format {0}; this one knows {VERSION}): use that release or a newer one"
    )]
    Newer(u64),
    /// It needs a feature that this program doesn't know.
    #[error("it uses a feature that this release does not know ({0}): use a newer release")]
    Feature(String),
    /// It belongs to another vault, or the bytes that say to which are damaged.
    #[error("it is damaged, or belongs to another vault ({0})")]
    OtherVault(Uuid),
    /// The key does not open it, or its bytes are damaged.
    #[error("it is damaged, or sealed with another key")]
    Damaged,
}

impl From<Malformed> for OpenError {
    fn from(_: Malformed) -> Self {
        OpenError::Damaged
    }
}

/// The key of one object's body.
pub struct BodyKey(LessSafeKey);

/// The nonce of a counter: the number little-endian, then four zero bytes.
fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&counter.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

impl BodyKey {
    fn derive(object_key: &[u8; 32], writer: &SecretKey) -> Option<Self> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, writer.reveal());
        let mut bytes = [0; 32];
        salt.extract(object_key)
            .expand(&[b"undercroft body key v1"], hkdf::HKDF_SHA256)
            .ok()?
            .fill(&mut bytes)
            .ok()?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).ok();
        bytes.zeroize();
        key.map(|key| BodyKey(LessSafeKey::new(key)))
    }

    /// Seals bytes in place and appends the tag. A counter is used once for a key.
    pub fn seal_in_place(&self, counter: u64, aad: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
        let tag = self.0.seal_in_place_separate_tag(nonce(counter), Aad::from(aad), bytes).ok()?;
        bytes.extend_from_slice(tag.as_ref());
        Some(())
    }

    /// Appends `plain`, sealed. A counter is used once for a key.
    pub fn seal(&self, counter: u64, aad: &[u8], plain: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        out.extend_from_slice(plain);
        let tag =
            self.0.seal_in_place_separate_tag(nonce(counter), Aad::from(aad), &mut out[start..]).ok()?;
        out.extend(tag.as_ref());
        Some(())
    }

    /// Opens bytes that [`seal`](Self::seal) made, in place.
    pub fn open<'a>(&self, counter: u64, aad: &[u8], sealed: &'a mut [u8]) -> Result<&'a [u8], OpenError> {
        let plain = self.0.open_in_place(nonce(counter), Aad::from(aad), sealed);
        plain.map(|plain| &*plain).map_err(|_| OpenError::Damaged)
    }
}

/// Begins an object: its header, and the key for its body.
pub fn begin(
    kind: ObjectKind,
    vault: Uuid,
    to: &PublicKey,
    writer: &SecretKey,
) -> Result<(Vec<u8>, BodyKey), NoRandomness> {
    let mut object_key: [u8; 32] = random()?;
    let mut header = Vec::with_capacity(HEADER_LEN);
    header.extend(MAGIC);
    header.extend([kind as u8, VERSION, 0, 0]);
    header.extend(vault.as_bytes());
    let recipient =
        <X25519HkdfSha256 as hpke::Kem>::PublicKey::from_bytes(&to.0).map_err(|_| NoRandomness)?;
    let (encapsulated, sealed) = hpke::single_shot_seal::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &recipient,
        INFO,
        &object_key,
        &header,
    )
    .map_err(|_| NoRandomness)?;
    header.extend_from_slice(&encapsulated.to_bytes());
    header.extend(sealed);
    let body = BodyKey::derive(&object_key, writer).ok_or(NoRandomness)?;
    object_key.zeroize();
    Ok((header, body))
}

/// Reads an object's header and gives the key of its body.
pub fn open(
    object: &[u8],
    kind: ObjectKind,
    vault: Uuid,
    secret: &SecretKey,
    writer: &SecretKey,
) -> Result<BodyKey, OpenError> {
    let mut reader = Reader::new(object);
    let front = reader.take(OPEN_LEN).map_err(|_| OpenError::NotOurs)?;
    let mut fields = Reader::new(front);
    if &fields.array::<8>()? != MAGIC {
        return Err(OpenError::NotOurs);
    }
    let [found, version] = fields.array()?;
    let features = u16::from_le_bytes(fields.array()?);
    if version > VERSION {
        return Err(OpenError::Newer(version.into()));
    }
    if version == 0 || found != kind as u8 {
        return Err(OpenError::NotOurs);
    }
    if features != 0 {
        return Err(OpenError::Feature(format!("flags {features:#06x}")));
    }
    let of = Uuid::from_bytes(fields.array()?);
    if of != vault {
        return Err(OpenError::OtherVault(of));
    }
    let encapsulated = reader.take(32)?;
    let sealed = reader.take(48)?;
    let object_key = open_key(front, encapsulated, sealed, secret).ok_or(OpenError::Damaged)?;
    BodyKey::derive(&object_key, writer).ok_or(OpenError::Damaged)
}

fn open_key(front: &[u8], encapsulated: &[u8], sealed: &[u8], secret: &SecretKey) -> Option<[u8; 32]> {
    let secret = <X25519HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(secret.reveal()).ok()?;
    let encapsulated = <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
    let mut plain = hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        &secret,
        &encapsulated,
        INFO,
        sealed,
        front,
    )
    .ok()?;
    let key = plain.as_slice().try_into().ok();
    plain.zeroize();
    key
}

/// A whole object whose body is one sealed stretch. `name` is bound to it: who has only the store can't pass one
/// record off as another.
pub fn seal_object(
    kind: ObjectKind,
    vault: Uuid,
    to: &PublicKey,
    writer: &SecretKey,
    name: &[u8],
    plain: &[u8],
) -> Result<Vec<u8>, NoRandomness> {
    let (mut object, key) = begin(kind, vault, to, writer)?;
    let aad = [&object, name].concat();
    key.seal(0, &aad, plain, &mut object).ok_or(NoRandomness)?;
    Ok(object)
}

/// The body of an object that [`seal_object`] made.
pub fn open_object(
    object: &[u8],
    kind: ObjectKind,
    vault: Uuid,
    secret: &SecretKey,
    writer: &SecretKey,
    name: &[u8],
) -> Result<Vec<u8>, OpenError> {
    let key = open(object, kind, vault, secret, writer)?;
    let (header, body) = object.split_at_checked(HEADER_LEN).ok_or(OpenError::Damaged)?;
    let mut body = body.to_vec();
    let len = key.open(0, &[header, name].concat(), &mut body)?.len();
    body.truncate(len);
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_opens_for_its_keys_only() {
        let (secret, writer) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let vault = Uuid::from_u128(7);
        let object =
            seal_object(ObjectKind::Record, vault, &secret.public(), &writer, b"name", b"hello").unwrap();
        let open = |object: &[u8], kind, vault, secret: &SecretKey, writer: &SecretKey| {
            open_object(object, kind, vault, secret, writer, b"name")
        };
        assert_eq!(open(&object, ObjectKind::Record, vault, &secret, &writer).unwrap(), b"hello");
        let other = SecretKey::generate().unwrap();
        let renamed = open_object(&object, ObjectKind::Record, vault, &secret, &writer, b"other");
        assert_eq!(renamed, Err(OpenError::Damaged));
        assert_eq!(open(&object, ObjectKind::Record, vault, &other, &writer), Err(OpenError::Damaged));
        assert_eq!(open(&object, ObjectKind::Record, vault, &secret, &other), Err(OpenError::Damaged));
        assert_eq!(open(&object, ObjectKind::Index, vault, &secret, &writer), Err(OpenError::NotOurs));
        assert!(matches!(
            open(&object, ObjectKind::Record, Uuid::nil(), &secret, &writer),
            Err(OpenError::OtherVault(_))
        ));
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let (secret, writer) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let object =
            seal_object(ObjectKind::Index, Uuid::nil(), &secret.public(), &writer, b"name", b"hello")
                .unwrap();
        for at in 0..object.len() {
            let mut damaged = object.clone();
            damaged[at] ^= 0x10;
            assert!(
                open_object(&damaged, ObjectKind::Index, Uuid::nil(), &secret, &writer, b"name").is_err(),
                "byte {at}"
            );
        }
        assert!(
            open_object(&object[..50], ObjectKind::Index, Uuid::nil(), &secret, &writer, b"name").is_err()
        );
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let (secret, writer) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let mut object =
            seal_object(ObjectKind::Index, Uuid::nil(), &secret.public(), &writer, b"name", b"").unwrap();
        object[9] = 2;
        assert_eq!(
            open_object(&object, ObjectKind::Index, Uuid::nil(), &secret, &writer, b"name"),
            Err(OpenError::Newer(2))
        );
        object[9] = 1;
        object[10] = 4;
        assert_eq!(
            open_object(&object, ObjectKind::Index, Uuid::nil(), &secret, &writer, b"name"),
            Err(OpenError::Feature("flags 0x0004".into()))
        );
    }
}
