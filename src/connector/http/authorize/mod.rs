//! How a request says who sends it.

mod assertion;
mod keeping;
mod key;
mod login;
mod oauth;
mod oauth1;
mod platform;
mod tokens;

use std::fmt;

use aws_lc_rs::rand;
use base64::Engine as _;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

pub use assertion::Assertion;
pub use login::{Find, LoginSettings};
pub use oauth::{ClientIn, Grant, OAuthSettings};
pub use oauth1::{OAuth1, OAuth1Settings};
pub use platform::PlatformSettings;
use tokens::Source;
pub use tokens::Tokens;

use super::redact::Redactor;
use crate::connector::budgets::Credential;
use crate::connector::contract::RequestError;

/// How a request says who sends it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Authorizer {
    /// It does not.
    None,
    /// A header that never changes.
    Header {
        /// Such as `authorization`.
        name: HeaderName,
        /// The whole value; its `Debug` shows nothing.
        value: HeaderValue,
        /// The part of it that is the credential.
        token: SecretString,
    },
    /// A query parameter that never changes.
    Query {
        /// Of the parameter.
        name: String,
        /// The credential.
        token: SecretString,
    },
    /// A header that signs each request.
    OAuth1(Box<OAuth1>),
    /// A header with a token that is renewed.
    Tokens {
        /// Such as `authorization`.
        name: HeaderName,
        /// From a token to the header's whole value.
        value: Value,
        /// Gets and keeps them.
        tokens: Tokens,
    },
}

/// From a token to the whole value of a header.
pub struct Value(Box<ValueOf>);

type ValueOf = dyn Fn(&str) -> Result<String, String> + Send + Sync;

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value")
    }
}

/// What follows `Basic` (RFC 7617).
fn basic_credential(username: &str, password: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"))
}

/// A name that nothing else has, in 32 hexadecimal digits.
///
/// # Errors
/// [`RequestError::Unreachable`] when the system gives no random numbers: nothing is sent then.
fn random_name() -> Result<String, RequestError> {
    let mut name = [0; 16];
    rand::fill(&mut name).map_err(|_| {
        RequestError::Unreachable("the system gives no random numbers to sign with".into())
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(name)))
}

impl Authorizer {
    /// `Authorization: Bearer {token}`.
    ///
    /// # Errors
    /// When `token` cannot stand in a header.
    pub fn bearer(token: &str, redactor: &Redactor) -> Result<Self, String> {
        let value = format!("Bearer {token}");
        Self::header(AUTHORIZATION, &value, token, redactor)
    }

    /// `Authorization: Basic …`.
    ///
    /// # Errors
    /// When `username` has a colon, where the password would begin.
    pub fn basic(username: &str, password: &str, redactor: &Redactor) -> Result<Self, String> {
        if username.contains(':') {
            return Err("the user name of basic authorization has a colon".to_owned());
        }
        redactor.add(password);
        let encoded = basic_credential(username, password);
        Self::header(AUTHORIZATION, &format!("Basic {encoded}"), &encoded, redactor)
    }

    /// `{name}: {key}`.
    ///
    /// # Errors
    /// When one of them cannot stand in a header.
    pub fn key_header(name: &str, key: &str, redactor: &Redactor) -> Result<Self, String> {
        redactor.add_header(key);
        let name =
            HeaderName::try_from(name).map_err(|_| "no header can have such a name".to_owned())?;
        Self::header(name, key, key, redactor)
    }

    /// `?{name}={key}`.
    pub fn key_query(name: &str, key: &str, redactor: &Redactor) -> Self {
        redactor.add(key);
        Self::Query { name: name.to_owned(), token: key.into() }
    }

    /// `Authorization: Bearer …`, with tokens of OAuth 2.
    pub fn oauth(http: reqwest::Client, settings: OAuthSettings, redactor: &Redactor) -> Self {
        let source = Source::OAuth(oauth::OAuth::new(settings, redactor));
        Self::Tokens {
            name: AUTHORIZATION,
            value: Value(Box::new(|token| Ok(format!("Bearer {token}")))),
            tokens: Tokens::new(http, source, redactor),
        }
    }

    /// `Authorization: OAuth …`, which signs each request by OAuth 1.0a.
    pub fn oauth1(settings: OAuth1Settings, redactor: &Redactor) -> Self {
        Self::OAuth1(Box::new(OAuth1::new(settings, redactor)))
    }

    /// `Authorization: Bearer …`, with tokens that the hosted platform hands out, and where it does
    /// not with those of OAuth 2.
    pub fn platform(
        http: reqwest::Client,
        settings: PlatformSettings,
        own: Option<OAuthSettings>,
        redactor: &Redactor,
    ) -> Self {
        let own = own.map(|own| oauth::OAuth::new(own, redactor));
        let source = Source::Platform(platform::Platform::new(settings, own, redactor));
        Self::Tokens {
            name: AUTHORIZATION,
            value: Value(Box::new(|token| Ok(format!("Bearer {token}")))),
            tokens: Tokens::new(http, source, redactor),
        }
    }

    /// `{name}: {value}`, with tokens that a call of the remote gives. `value` makes the header's
    /// value out of a token.
    pub fn login(
        http: reqwest::Client,
        settings: LoginSettings,
        name: HeaderName,
        value: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static,
        redactor: &Redactor,
    ) -> Self {
        let tokens = Tokens::new(http, Source::Login(login::Login(settings)), redactor);
        Self::Tokens { name, value: Value(Box::new(value)), tokens }
    }

    fn header(
        name: HeaderName,
        value: &str,
        token: &str,
        redactor: &Redactor,
    ) -> Result<Self, String> {
        redactor.add(token);
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| "the credential has characters that no header can hold".to_owned())?;
        value.set_sensitive(true);
        Ok(Self::Header { name, value, token: token.into() })
    }

    /// Puts the credential into `request`; returns the generation of the token, for
    /// [`renew`](Self::renew).
    pub(super) async fn apply(&self, request: &mut reqwest::Request) -> Result<u64, RequestError> {
        match self {
            Self::None => Ok(0),
            Self::Header { name, value, .. } => {
                request.headers_mut().insert(name.clone(), value.clone());
                Ok(0)
            }
            Self::Query { name, token } => {
                let url = request.url_mut();
                url.query_pairs_mut().append_pair(name, token.expose_secret());
                Ok(0)
            }
            Self::OAuth1(signer) => {
                signer.apply(request)?;
                Ok(0)
            }
            Self::Tokens { name, value, tokens } => {
                let (token, generation) = tokens.token().await?;
                let unusable =
                    |_| RequestError::Unauthorized("the token cannot stand in a header".into());
                let value = (value.0)(token.expose_secret()).map_err(unusable)?;
                let mut value = HeaderValue::from_str(&value).map_err(|_| unusable(value))?;
                value.set_sensitive(true);
                request.headers_mut().insert(name.clone(), value);
                Ok(generation)
            }
        }
    }

    /// After a 401 with a token of `generation`: gets a newer one, unless another call already
    /// has. Nothing where nothing [can be renewed](Self::can_renew).
    pub(super) async fn renew(&self, generation: u64) -> Result<(), RequestError> {
        match self {
            Self::Tokens { tokens, .. } => tokens.renew(generation).await,
            _ => Ok(()),
        }
    }

    /// What the token endpoint told with the token that requests carry now, under one of the names that
    /// are [kept](OAuthSettings::kept); `None` where the token is none of its own.
    ///
    /// # Errors
    /// As [`access_token`](Self::access_token).
    pub async fn told(&self, name: &str) -> Result<Option<serde_json::Value>, RequestError> {
        match self {
            Self::Tokens { tokens, .. } => tokens.told(name).await,
            _ => Ok(None),
        }
    }

    /// Which one it is; `None` where there is none.
    pub(in crate::connector) fn credential(&self) -> Option<Credential> {
        match self {
            Self::None => None,
            Self::Header { token, .. } | Self::Query { token, .. } => {
                Some(Credential::of([token.expose_secret().as_bytes()]))
            }
            Self::OAuth1(signer) => Some(signer.credential()),
            Self::Tokens { tokens, .. } => Some(tokens.credential()),
        }
    }

    /// Whether a refused credential can be renewed.
    pub fn can_renew(&self) -> bool {
        matches!(self, Self::Tokens { .. })
    }

    /// The credential that requests carry at this moment, renewed if it is due.
    ///
    /// # Errors
    /// [`RequestError::Unauthorized`] when there is none, or no new one is given; else what kept
    /// the token endpoint from answering.
    pub async fn access_token(&self) -> Result<SecretString, RequestError> {
        match self {
            Self::None => Err(RequestError::Unauthorized("it uses no credential".into())),
            Self::OAuth1(_) => Err(RequestError::Unauthorized(
                "it signs each request by itself, and uses no access token".into(),
            )),
            Self::Header { token, .. } | Self::Query { token, .. } => Ok(token.clone()),
            Self::Tokens { tokens, .. } => Ok(tokens.sure_token().await?),
        }
    }
}
