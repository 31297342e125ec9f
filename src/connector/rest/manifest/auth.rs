//! The `auth` of a manifest: how a request says who sends it.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Encoding, Method};
use crate::connector::rest::shape::Shape;
use crate::connector::rest::text::{Placed, Text};

/// How a request says who sends it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::connector::rest) struct Auth {
    /// Which way. The keys below belong to single ways.
    #[serde(rename = "type", default)]
    pub(in crate::connector::rest) kind: AuthKind,
    /// For `bearer` and `oauth1`: template of the token.
    pub(in crate::connector::rest) token: Option<Text>,
    /// For `basic`: template of the user name.
    pub(in crate::connector::rest) username: Option<Text>,
    /// For `basic`: template of the password.
    pub(in crate::connector::rest) password: Option<Text>,
    /// For `api_key` and `login`: name of the header that holds the key. For `login` the default is
    /// `Authorization`.
    pub(in crate::connector::rest) header: Option<Text>,
    /// For `api_key`: name of the query parameter that holds the key, instead of a header.
    pub(in crate::connector::rest) query: Option<Text>,
    /// For `api_key`: template of the key, or of the header's whole value. For `login`: what stands
    /// in the header, by default `Bearer {{ token }}`; knows `token` too.
    pub(in crate::connector::rest) key: Option<Text>,
    /// For `oauth1`: template of the client's key.
    pub(in crate::connector::rest) consumer_key: Option<Text>,
    /// For `oauth1`: template of the client's secret.
    pub(in crate::connector::rest) consumer_secret: Option<Text>,
    /// For `oauth1`: template of the token's secret.
    pub(in crate::connector::rest) token_secret: Option<Text>,
    /// For `oauth1`: template of the realm, where the remote wants one; NetSuite's is the account.
    pub(in crate::connector::rest) realm: Option<Text>,
    /// For `login`: the call that gives a token.
    pub(in crate::connector::rest) login: Option<Login>,
    /// For all `oauth2_…`: template of the token endpoint's address; knows `base_url` too.
    pub(in crate::connector::rest) token_url: Option<Text>,
    /// For `oauth2_client_credentials` and `oauth2_client_assertion`: template of the rights to ask
    /// for, apart by spaces.
    pub(in crate::connector::rest) scope: Option<Text>,
    /// For all `oauth2_…`: more of the form, such as `audience`; the values are templates.
    pub(in crate::connector::rest) parameters: Option<IndexMap<Text, Text>>,
    /// For `oauth2_refresh` and `oauth2_client_credentials`: where the client says who it is.
    /// Default: in the form.
    pub(in crate::connector::rest) client_in: Option<ClientPlace>,
}

/// The ways of saying who sends a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::connector::rest) enum AuthKind {
    /// None.
    #[default]
    None,
    /// `Authorization: Bearer`, with `token`.
    Bearer,
    /// `Authorization: Basic`, with `username` and `password`.
    Basic,
    /// A header or a query parameter, with `key`.
    ApiKey,
    /// OAuth 2 with the config's `refresh_token`, `client_id` and `client_secret`, and its
    /// `redirect_uri`, `access_token` and `expires_in` if it has them. New tokens are written
    /// back into the config file.
    #[serde(rename = "oauth2_refresh")]
    OAuth2Refresh,
    /// OAuth 2 with the config's `client_id` and `client_secret`.
    #[serde(rename = "oauth2_client_credentials")]
    OAuth2ClientCredentials,
    /// OAuth 2 with an assertion that the config's `private_key` signs for its `client_id`. It is
    /// PEM: an RSA key signs by PS256, one on P-256, P-384 or P-521 by ES256, ES384 or ES512.
    /// `key_id` is its id at the token endpoint, if it has one. The claims are `iss`, `sub`, `aud`
    /// (the `token_url`), `jti`, `iat`, `exp` and, as a list, `scope`.
    #[serde(rename = "oauth2_client_assertion")]
    OAuth2ClientAssertion,
    /// OAuth 1.0a, with `consumer_key`, `consumer_secret`, `token` and `token_secret`: each request
    /// is signed by HMAC-SHA256.
    #[serde(rename = "oauth1")]
    OAuth1,
    /// A header with the token that a `login` call gives. It is called before the first request,
    /// when its token is about to run out, and when a request is refused for its credential.
    Login,
}

/// A call that gives a token.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::connector::rest) struct Login {
    /// HTTP method.
    pub(in crate::connector::rest) method: Method,
    /// Template of the path after `base_url`, from `/`. Each value in it is encoded as one
    /// segment.
    pub(in crate::connector::rest) path: Text,
    /// Query parameters; names and values are templates.
    #[serde(default)]
    pub(in crate::connector::rest) query: IndexMap<Text, Text>,
    /// Headers of this call; the values are templates.
    #[serde(default)]
    pub(in crate::connector::rest) headers: IndexMap<Text, Text>,
    /// JSON with templates in its strings and keys.
    pub(in crate::connector::rest) body: Option<Placed<Shape>>,
    /// How the body is sent.
    #[serde(default)]
    pub(in crate::connector::rest) encoding: Encoding,
    /// Selector in the answer of the token.
    pub(in crate::connector::rest) token: Text,
    /// Selector in the answer of how long the token is good: seconds, or seconds since 1970.
    /// Without it, a token is used until it is refused.
    pub(in crate::connector::rest) expires_in: Option<Text>,
}

/// Where an OAuth 2 client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::connector::rest) enum ClientPlace {
    /// As `client_id` and `client_secret` in the form.
    Form,
    /// In a basic `Authorization`.
    Basic,
}
