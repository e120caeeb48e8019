//! Keys: the recovery key that opens every vault, and each vault's own.

use hpke::kem::X25519HkdfSha256 as Kem;
use hpke::{Deserializable, Kem as _, Serializable};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// No randomness could be had from the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random numbers")]
pub struct NoRandomness;

/// The text is not a recovery key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRecoveryKey {
    /// It has another form.
    #[error(
        "this is not a recovery key: one looks like UCRK1-XXXX-XXXX-… (60 letters and digits in groups of four)"
    )]
    Form,
    /// A letter is wrong.
    #[error("this recovery key has a typing error: its check letters do not fit")]
    Checksum,
}

/// So many random bytes.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// An X25519 secret (RFC 7748).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

/// An X25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(pub [u8; 32]);

impl SecretKey {
    /// A new random secret.
    pub fn generate() -> Result<Self, NoRandomness> {
        random().map(SecretKey)
    }

    /// The secret with these bytes; any 32 will do.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        SecretKey(bytes)
    }

    /// The bytes, for the one place that keeps them.
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> PublicKey {
        let mut public = [0; 32];
        if let Ok(secret) = <Kem as hpke::Kem>::PrivateKey::from_bytes(&self.0) {
            public.copy_from_slice(&Kem::sk_to_pk(&secret).to_bytes());
        }
        PublicKey(public)
    }
}

/// The key that opens every vault of an installation: what a person keeps on paper.
#[derive(Clone)]
pub struct RecoveryKey(pub SecretKey);

/// Crockford's letters: none that is mistaken for another.
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const PREFIX: &str = "UCRK1";
/// 32 bytes of key and 5 of check, five bits a letter (the last four bits are zero).
const LETTER_COUNT: usize = 60;

impl RecoveryKey {
    /// The key as text: groups of four letters, the last ones a check on the others.
    pub fn to_text(&self) -> String {
        let mut bytes = self.0.reveal().to_vec();
        bytes.extend(check(self.0.reveal()));
        let mut text = PREFIX.to_owned();
        for n in 0..LETTER_COUNT {
            if n % 4 == 0 {
                text.push('-');
            }
            text.push(char::from(LETTERS[usize::from(five_bits(&bytes, n))]));
        }
        bytes.zeroize();
        text
    }

    /// The key that a text stands for; case, spaces and hyphens do not matter.
    pub fn from_text(text: &str) -> Result<Self, BadRecoveryKey> {
        let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        let plain = plain.to_ascii_uppercase();
        let letters = plain.strip_prefix(PREFIX).ok_or(BadRecoveryKey::Form)?;
        if letters.len() != LETTER_COUNT {
            return Err(BadRecoveryKey::Form);
        }
        let mut bits = Vec::with_capacity(LETTER_COUNT * 5);
        for letter in letters.bytes() {
            let letter = match letter {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let value = LETTERS.iter().position(|l| *l == letter).ok_or(BadRecoveryKey::Form)?;
            bits.extend((0..5).rev().map(|bit| value >> bit & 1 == 1));
        }
        let bytes: Vec<u8> =
            bits.chunks_exact(8).map(|c| c.iter().fold(0, |b, bit| b << 1 | u8::from(*bit))).collect();
        let key: [u8; 32] = bytes.get(..32).and_then(|b| b.try_into().ok()).ok_or(BadRecoveryKey::Form)?;
        if bytes.get(32..37) != Some(&check(&key)[..]) {
            return Err(BadRecoveryKey::Checksum);
        }
        Ok(RecoveryKey(SecretKey(key)))
    }
}

fn check(key: &[u8; 32]) -> [u8; 5] {
    let digest = ring::digest::digest(&ring::digest::SHA256, key);
    let mut out = [0; 5];
    out.copy_from_slice(&digest.as_ref()[..5]);
    out
}

/// The `n`-th group of five bits, zero beyond the end.
fn five_bits(bytes: &[u8], n: usize) -> u8 {
    (0..5).fold(0, |value, bit| {
        let at = n * 5 + bit;
        let byte = bytes.get(at / 8).copied().unwrap_or(0);
        value << 1 | (byte >> (7 - at % 8) & 1)
    })
}

/// What a vault's writer needs: it can add, and open nothing that is there.
#[derive(Clone)]
pub struct WriterKeys {
    /// What objects are sealed to.
    pub public: PublicKey,
    /// Names fragments, and is part of every object's key: who has only the store can forge nothing.
    pub writer: SecretKey,
}

/// All of a vault's keys.
#[derive(Clone)]
pub struct VaultKeys {
    /// What opens its objects.
    pub secret: SecretKey,
    /// What writers have.
    pub writer: SecretKey,
}

impl VaultKeys {
    /// Keys for a new vault.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(VaultKeys { secret: SecretKey::generate()?, writer: SecretKey::generate()? })
    }

    /// The part that a writer gets.
    pub fn for_writer(&self) -> WriterKeys {
        WriterKeys { public: self.secret.public(), writer: self.writer.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_key_survives_its_text() {
        let key = RecoveryKey(SecretKey::generate().unwrap());
        let text = key.to_text();
        assert_eq!(RecoveryKey::from_text(&text).unwrap().0.reveal(), key.0.reveal());
        let sloppy = text.to_lowercase().replace('-', " ").replace('0', "o");
        assert_eq!(RecoveryKey::from_text(&sloppy).unwrap().0.reveal(), key.0.reveal());
    }

    #[test]
    fn a_typing_error_is_noticed() {
        let text = RecoveryKey(SecretKey::from_bytes([7; 32])).to_text();
        let wrong = text.replacen("UCRK1-0", "UCRK1-1", 1);
        assert_ne!(wrong, text);
        assert_eq!(RecoveryKey::from_text(&wrong).err(), Some(BadRecoveryKey::Checksum));
        assert_eq!(RecoveryKey::from_text("hello").err(), Some(BadRecoveryKey::Form));
    }
}
