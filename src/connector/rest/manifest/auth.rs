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
    /// For `bearer`: template of the token.
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
    /// For `login`: the call that gives a token.
    pub(in crate::connector::rest) login: Option<Login>,
    /// For `oauth2_refresh` and `oauth2_client_credentials`: template of the token endpoint's
    /// address; knows `base_url` too.
    pub(in crate::connector::rest) token_url: Option<Text>,
    /// For `oauth2_client_credentials`: template of the rights to ask for.
    pub(in crate::connector::rest) scope: Option<Text>,
    /// For `oauth2_refresh` and `oauth2_client_credentials`: more of the form, such as `audience`;
    /// the values are templates.
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
