//! Texts that nobody may see: where they stand, and how they are kept.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::error::Error;

/// Where a secret stands.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretSource {
    /// In a variable of the service's environment.
    Env(String),
    /// In a file; a line's end at its end is none of it.
    File(PathBuf),
}

impl SecretSource {
    /// Reads it.
    ///
    /// # Errors
    /// Exit code 2, naming the variable or the file.
    pub fn read(&self) -> Result<SecretString, Error> {
        let (place, text) = match self {
            Self::Env(name) => (format!("the variable `{name}`"), std::env::var(name).ok()),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).ok();
                let text = text.map(|text| text.trim_end_matches(['\n', '\r']).to_owned());
                (format!("the file `{}`", path.display()), text)
            }
        };
        match text {
            Some(text) if !text.is_empty() => Ok(text.into()),
            _ => Err(Error::usage(format!(
                "a secret is to be read from {place}, which is empty, or not there"
            ))
            .hint("set it, and start the service again")),
        }
    }

    /// The source that a config value names, if it is one.
    fn of(value: &Value) -> Option<Self> {
        let object = value.as_object().filter(|object| object.len() == 1)?;
        let (key, place) = object.iter().next()?;
        let place = place.as_str()?;
        match key.as_str() {
            "env" => Some(Self::Env(place.to_owned())),
            "file" => Some(Self::File(place.into())),
            _ => None,
        }
    }
}

/// A config with the secrets that it names in their places. Only for what stands in a file of this
/// machine: a request that could name a variable or a file could read it.
///
/// # Errors
/// See [`SecretSource::read`].
pub(super) fn resolved(config: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let mut resolved = config.clone();
    for value in resolved.values_mut() {
        if let Some(source) = SecretSource::of(value) {
            *value = source.read()?.expose_secret().into();
        }
    }
    Ok(resolved)
}

/// The key of a config whose value names a variable or a file, if there is one.
pub(super) fn names_a_place(config: &Map<String, Value>) -> Option<&str> {
    let named = config.iter().find(|(_, value)| SecretSource::of(value).is_some());
    named.map(|(key, _)| key.as_str())
}

/// A text that nobody guesses: 32 bytes of chance.
///
/// # Errors
/// Exit code 5: the system has none.
pub(super) fn by_chance() -> Result<String, Error> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Error::ours("the system gives no random numbers"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// A new key.
///
/// # Errors
/// See [`by_chance`].
pub(super) fn new_key() -> Result<SecretString, Error> {
    Ok(format!("tu_{}", by_chance()?).into())
}

/// What is kept of a key: enough to know it again. Keys are long and made by chance, so a fast hash
/// tells nobody anything.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyHash([u8; 32]);

impl KeyHash {
    pub(super) fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// One that was kept.
    pub(super) fn kept(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What is kept.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// In a time that tells nothing of the other.
    pub(super) fn is(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_again_by_its_hash() {
        let (one, other) = (KeyHash::of("one"), KeyHash::of("other"));
        assert!(one.is(&KeyHash::of("one")));
        assert!(!one.is(&other));
        assert_eq!(format!("{one:?}"), "KeyHash");
    }
}
