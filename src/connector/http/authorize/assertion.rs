//! A JWT (RFC 7519) that says who asks for a token, signed with a private key instead of a secret:
//! for a user (RFC 7523 section 2.1), or for the client itself (section 2.2).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::Serialize;

use super::key::{Padding, PrivateKey};
use super::random_name;
use crate::connector::contract::RequestError;

/// How long one is good. It is used at once; Salesforce takes none that is good for longer, and
/// NetSuite none for an hour.
const LIFE: Duration = Duration::from_secs(180);

/// What is signed for each token.
pub struct Assertion {
    key: PrivateKey,
    /// Which of the client's keys it is, where the endpoint knows several.
    key_id: Option<String>,
    audience: String,
    subject: Subject,
}

enum Subject {
    User(String),
    Client { scope: Vec<String>, is_named: bool },
}

#[derive(Serialize)]
struct Header<'a> {
    typ: &'a str,
    alg: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Default, Serialize)]
struct Claims<'a> {
    iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a [String]>,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    exp: u64,
}

impl Assertion {
    /// For `user`, at the server that calls itself `audience`. `key`: an RSA key as PEM, which
    /// signs by RS256, the only algorithm that Salesforce takes.
    ///
    /// # Errors
    /// For people: it is no such key.
    pub fn of_user(key: &str, user: String, audience: String) -> Result<Self, String> {
        let key = PrivateKey::from_pem(key, Padding::Pkcs1)?;
        if key.algorithm() != "RS256" {
            return Err("it is no RSA key".to_owned());
        }
        Ok(Self { key, key_id: None, audience, subject: Subject::User(user) })
    }

    /// For the client itself, as NetSuite wants it: with the rights in `scope`, such as
    /// `rest_webservices`, at the token endpoint `audience`, where the certificate of the key has
    /// the id `key_id`, if there are ids. `key`: PEM of an RSA key, which signs by PS256, or of one
    /// on the curve P-256, P-384 or P-521, which sign by ES256, ES384 and ES512.
    ///
    /// NetSuite takes RSA keys of 3072 and 4096 bits only; others are good elsewhere, and are not
    /// refused here.
    ///
    /// # Errors
    /// For people: it is no such key.
    pub fn of_client(
        key: &str,
        key_id: Option<String>,
        scope: Vec<String>,
        audience: String,
    ) -> Result<Self, String> {
        let key = PrivateKey::from_pem(key, Padding::Pss)?;
        let subject = Subject::Client { scope, is_named: false };
        Ok(Self { key, key_id, audience, subject })
    }

    /// With the client as the subject (`sub`), as RFC 7523 section 3 wants it, and a name of its own
    /// (`jti`), as section 9 of `OpenID` Connect Core does. NetSuite's help lists neither.
    #[must_use]
    pub fn named(mut self) -> Self {
        if let Subject::Client { is_named, .. } = &mut self.subject {
            *is_named = true;
        }
        self
    }

    /// The user that it is for; nobody where it is the client itself.
    pub(super) fn subject(&self) -> &str {
        match &self.subject {
            Subject::User(user) => user,
            Subject::Client { .. } => "",
        }
    }

    /// A new one, by `client`, good from now on.
    ///
    /// # Errors
    /// [`RequestError::Unauthorized`] when the key signs nothing, [`RequestError::Unreachable`] when
    /// the system gives no random numbers.
    pub(super) fn sign(&self, client: &str) -> Result<SecretString, RequestError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let header = Header { typ: "JWT", alg: self.key.algorithm(), kid: self.key_id.as_deref() };
        let exp = now.saturating_add(LIFE).as_secs();
        let mut claims = Claims { iss: client, aud: &self.audience, exp, ..Claims::default() };
        match &self.subject {
            Subject::User(user) => claims.sub = Some(user),
            Subject::Client { scope, is_named } => {
                claims.iat = Some(now.as_secs());
                claims.scope = Some(scope).filter(|scope| !scope.is_empty()).map(Vec::as_slice);
                if *is_named {
                    claims.sub = Some(client);
                    claims.jti = Some(random_name()?);
                }
            }
        }
        self.signed(&header, &claims).ok_or_else(|| {
            RequestError::Unauthorized("nothing can be signed with the private key".into())
        })
    }

    /// The compact form (RFC 7515 section 3.1).
    fn signed(&self, header: &Header, claims: &Claims) -> Option<SecretString> {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let header = encode(&serde_json::to_vec(header).ok()?);
        let claims = encode(&serde_json::to_vec(claims).ok()?);
        let signed = format!("{header}.{claims}");
        let signature = encode(&self.key.sign(signed.as_bytes())?);
        Some(format!("{signed}.{signature}").into())
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion").field("audience", &self.audience).finish_non_exhaustive()
    }
}
