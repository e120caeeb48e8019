//! Download links: signed, and good for a while.

use ring::hmac;
use undercroft_vault::fragment::{hex, unhex};

/// Seconds for which a link is good.
pub const GOOD_FOR: i64 = 3600;

fn message(path: &str, expires: i64) -> Vec<u8> {
    format!("{path}\n{expires}").into_bytes()
}

/// The path with its signature, good until `expires` (Unix seconds).
pub fn sign(key: &[u8; 32], path: &str, expires: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let tag = hmac::sign(&key, &message(path, expires));
    format!("{path}?Expires={expires}&Signature={}", hex(tag.as_ref()))
}

/// Whether the signature is the path's and still good at `now`.
pub fn is_good(key: &[u8; 32], path: &str, expires: i64, signature: &str, now: i64) -> bool {
    let Some(tag) = unhex::<32>(signature) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    now < expires && hmac::verify(&key, &message(path, expires), &tag).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_for_its_path_until_it_expires() {
        let link = sign(&[1; 32], "/download/a", 1_000);
        let signature = link.rsplit('=').next().unwrap();
        assert!(is_good(&[1; 32], "/download/a", 1_000, signature, 999));
        assert!(!is_good(&[1; 32], "/download/a", 1_000, signature, 1_000), "it has expired");
        assert!(!is_good(&[1; 32], "/download/a", 2_000, signature, 999), "its end is signed too");
        assert!(!is_good(&[1; 32], "/download/b", 1_000, signature, 999));
        assert!(!is_good(&[2; 32], "/download/a", 1_000, signature, 999));
        assert!(!is_good(&[1; 32], "/download/a", 1_000, "", 999));
    }
}
