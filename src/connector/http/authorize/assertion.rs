//! A JWT bearer assertion, which a token is given for (RFC 7523 section 2.1).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::SecretString;
use serde::Serialize;

use crate::connector::contract::RequestError;

/// How long one is good: Salesforce takes none that is good for longer.
const LIFE: Duration = Duration::from_secs(180);

/// What is signed for each token.
pub struct Assertion {
    key: EncodingKey,
    user: String,
    audience: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
}

impl Assertion {
    /// For `user`, at the server that calls itself `audience`. `key`: an RSA key as PEM, which signs by
    /// RS256.
    ///
    /// # Errors
    /// For people: it is no such key.
    pub fn new(key: &str, user: String, audience: String) -> Result<Self, String> {
        let key = EncodingKey::from_rsa_pem(key.as_bytes())
            .map_err(|_| "it is no RSA key in the form PEM".to_owned())?;
        Ok(Self { key, user, audience })
    }

    pub(super) fn sign(&self, client: &str) -> Result<SecretString, RequestError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let claims = Claims {
            iss: client,
            sub: &self.user,
            aud: &self.audience,
            exp: now.saturating_add(LIFE).as_secs(),
        };
        let signed = encode(&Header::new(Algorithm::RS256), &claims, &self.key).map_err(|_| {
            RequestError::Unauthorized("nothing can be signed with the private key".into())
        })?;
        Ok(signed.into())
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion").field("audience", &self.audience).finish_non_exhaustive()
    }
}
