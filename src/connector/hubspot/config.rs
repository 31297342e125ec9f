//! The keys of the config: those of the platform's `target-hubspot-v4` and some of ours.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::config::lenient::flag;

/// The keys of the connector `hubspot`, beside those of every connector. Most are those of the
/// hosted platform's `target-hubspot-v4`.
///
/// With `refresh_token`, `client_id` and `client_secret` tokens are got by OAuth and kept in the
/// config file; with `access_token` alone it is that of a private app or a service key.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(title = "target-upsert configuration of the connector `hubspot`")]
pub struct HubSpotConfig {
    /// The token of a private app or a service key; beside a `refresh_token`, the one that was got
    /// last.
    pub access_token: Option<String>,
    /// OAuth: gets new access tokens.
    pub refresh_token: Option<String>,
    /// OAuth: of the app.
    pub client_id: Option<String>,
    /// OAuth: of the app.
    pub client_secret: Option<String>,
    /// OAuth: one that the app has registered.
    pub redirect_uri: Option<String>,
    /// OAuth: when `access_token` is over, in seconds since 1970. Written back with it.
    #[schemars(with = "Option<u64>")]
    pub expires_in: Option<Value>,
    /// HubSpot has ended its API keys in 2022; an error says what to use.
    pub hapikey: Option<Value>,
    /// The version of HubSpot's paths: a date such as `2026-03` (`/crm/objects/2026-03/…`), or `v3`
    /// for those that were before (`/crm/v3/objects/…`, with associations of `v4`), which HubSpot
    /// ends in 2027. Default `2026-03`.
    pub api_version: Option<String>,
    /// Records come in the platform's unified schema (contacts, companies, deals, activities,
    /// notes), and not as HubSpot's own objects. Default false.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub unified_api_schema: bool,
    /// Seconds that a record which was written may stay invisible to HubSpot's search. It is asked by
    /// `lookup_fields` that are not unique, and for companies and deals that a note names. Default 15.
    pub search_lag_secs: Option<u64>,
    /// Gets tokens from the platform, where its environment is there (`API_KEY`, `ENV_ID`, `FLOW`,
    /// `TENANT`, `TARGET`). Default false.
    #[serde(rename = "_refresh_token_via_hg_api", deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub via_platform: bool,
    /// The header `User-Agent`. Default: this program's name and version.
    pub user_agent: Option<String>,
    /// Read by the platform's target, and used by neither.
    #[schemars(with = "Option<String>")]
    pub current_division: Option<Value>,
}

impl fmt::Debug for HubSpotConfig {
    /// Without what may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubSpotConfig")
            .field("api_version", &self.api_version)
            .field("unified_api_schema", &self.unified_api_schema)
            .finish_non_exhaustive()
    }
}
