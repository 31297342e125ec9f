//! What is kept encrypted: AES-256-GCM under a key that is kept elsewhere, each text bound to the place
//! where it stands.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::error::Error;

/// Characters of a key, at least: 32 bytes of chance in Base64 have 44.
const KEY_CHARS: usize = 32;
/// What a text that is encrypted begins with.
const MARK: &str = "sealed1:";

/// A key to encrypt with.
pub struct Vault(RandomizedNonceKey);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

/// It was encrypted with another key, or stood elsewhere, or was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was encrypted with another key, or is damaged")]
pub struct Sealed;

impl Vault {
    /// With a key that was made by chance.
    ///
    /// # Errors
    /// Exit code 2 for one of fewer than 32 characters.
    pub fn new(key: &SecretString) -> Result<Self, Error> {
        let key = key.expose_secret();
        if key.len() < KEY_CHARS {
            return Err(Error::usage("the `encryption_key` has fewer than 32 characters")
                .hint("make one with `openssl rand -base64 32`"));
        }
        RandomizedNonceKey::new(&AES_256_GCM, &Sha256::digest(key))
            .map(Self)
            .map_err(|_| Error::ours("the `encryption_key` cannot be used"))
    }

    /// Encrypts `text` for `place`, as ASCII: no two are alike.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn seal(&self, place: &str, text: &str) -> Result<String, Sealed> {
        let mut sealed = text.as_bytes().to_vec();
        let place = Aad::from(place.as_bytes());
        let nonce = self.0.seal_in_place_append_tag(place, &mut sealed).map_err(|_| Sealed)?;
        let mut kept = nonce.as_ref().to_vec();
        kept.append(&mut sealed);
        Ok(format!("{MARK}{}", BASE64_STANDARD.encode(kept)))
    }

    /// What was encrypted for `place`.
    ///
    /// # Errors
    /// [`Sealed`].
    pub fn open(&self, place: &str, kept: &str) -> Result<SecretString, Sealed> {
        let kept = kept.trim_end().strip_prefix(MARK).ok_or(Sealed)?;
        let kept = BASE64_STANDARD.decode(kept).map_err(|_| Sealed)?;
        let (nonce, sealed) = kept.split_at_checked(NONCE_LEN).ok_or(Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Sealed)?;
        let mut text = sealed.to_vec();
        let place = Aad::from(place.as_bytes());
        let text = self.0.open_in_place(nonce, place, &mut text).map_err(|_| Sealed)?;
        String::from_utf8(text.to_vec()).map(Into::into).map_err(|_| Sealed)
    }
}

/// Whether a text is encrypted.
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_read_in_its_place_with_its_key_alone() {
        let vault = Vault::new(&"0123456789abcdef0123456789abcdef".into()).unwrap();
        let kept = vault.seal("dev/acme/hubspot", "token").unwrap();
        assert!(is_sealed(&kept) && !kept.contains("token"));
        assert_ne!(kept, vault.seal("dev/acme/hubspot", "token").unwrap());
        let opened = vault.open("dev/acme/hubspot", &kept).unwrap();
        assert_eq!(opened.expose_secret(), "token");
        vault.open("dev/other/hubspot", &kept).unwrap_err();
        let other = Vault::new(&"0123456789abcdef0123456789abcdeX".into()).unwrap();
        other.open("dev/acme/hubspot", &kept).unwrap_err();
        let other_mark = kept.replace("sealed1", "sealed2");
        let mut shorter = kept.clone();
        shorter.truncate(kept.len() - 4); // by three bytes: it is Base64 still
        for wrong in ["short", "sealed1:", "sealed1:c2hvcnQ=", &shorter, &other_mark] {
            vault.open("dev/acme/hubspot", wrong).unwrap_err();
        }
        for at in MARK.len()..kept.len() {
            let mut changed = kept.clone();
            let instead = if kept.as_bytes()[at] == b'A' { "B" } else { "A" };
            changed.replace_range(at..=at, instead);
            vault.open("dev/acme/hubspot", &changed).unwrap_err();
        }
        Vault::new(&"short".into()).unwrap_err();
    }
}
