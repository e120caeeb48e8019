//! Sealing of what must not be read in the catalog's file.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use std::sync::Arc;

use undercroft_model::Secret;

/// Seals secrets with the data folder's own key (AES-256-GCM, a random nonce before the sealed bytes).
#[derive(Clone)]
pub struct Sealer {
    key: Arc<LessSafeKey>,
}

/// The key or what was sealed with it can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is damaged, or was sealed with another data folder's key")]
pub struct BadKey;

impl Sealer {
    /// A sealer with this key.
    ///
    /// # Errors
    /// Never with a key of 32 bytes.
    pub fn new(key: &[u8; 32]) -> Result<Self, BadKey> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| BadKey)?;
        Ok(Sealer { key: Arc::new(LessSafeKey::new(key)) })
    }

    /// Seals a secret; `place` says where it belongs, and it opens nowhere else.
    ///
    /// # Errors
    /// [`BadKey`] if the system has no randomness.
    pub fn seal(&self, place: &str, secret: &Secret) -> Result<Vec<u8>, BadKey> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| BadKey)?;
        let mut body = secret.reveal().as_bytes().to_vec();
        let aad = Aad::from(place.as_bytes());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body)
            .map_err(|_| BadKey)?;
        Ok([&nonce[..], &body].concat())
    }

    /// Opens what was sealed for the place.
    ///
    /// # Errors
    /// [`BadKey`] if it is damaged, belongs elsewhere, or was sealed with another key.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret, BadKey> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(BadKey)?;
        let mut body = body.to_vec();
        let aad = Aad::from(place.as_bytes());
        let plain = self
            .key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut body)
            .map_err(|_| BadKey)?;
        Ok(Secret::new(std::str::from_utf8(plain).map_err(|_| BadKey)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_in_its_own_place_only() {
        let sealer = Sealer::new(&[1; 32]).unwrap();
        let sealed = sealer.seal("shop.live", &Secret::new("hunter2")).unwrap();
        assert!(!sealed.windows(7).any(|w| w == b"hunter2"));
        assert_eq!(sealer.open("shop.live", &sealed).unwrap().reveal(), "hunter2");
        assert_eq!(sealer.open("shop.dev", &sealed), Err(BadKey));
        assert_eq!(Sealer::new(&[2; 32]).unwrap().open("shop.live", &sealed), Err(BadKey));
        assert_eq!(sealer.open("shop.live", &sealed[..5]), Err(BadKey));
    }
}
