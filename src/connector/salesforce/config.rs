//! The keys of the config: those of the platform's `target-salesforce-v3` and some of ours.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::config::lenient::{flag, some_flag};

/// The keys of the connector `salesforce`, beside those of every connector. Most are those of the
/// hosted platform's `target-salesforce-v3`.
///
/// Tokens are got by one of three ways of OAuth: a `refresh_token`; the client's own credentials
/// (`client_id` and `client_secret` alone, at the org's own login address); or an assertion that is
/// signed for a `username` with the `private_key`. An `access_token` with its `instance_url` is used
/// until it is over.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(title = "target-upsert configuration of the connector `salesforce`")]
pub struct SalesforceConfig {
    /// OAuth: of the connected app.
    pub client_id: Option<String>,
    /// OAuth: of the connected app.
    pub client_secret: Option<String>,
    /// OAuth: one that the app has registered.
    pub redirect_uri: Option<String>,
    /// OAuth: gets new access tokens. One that Salesforce replaces is written back.
    pub refresh_token: Option<String>,
    /// A token or a session id. Written back when it is renewed.
    pub access_token: Option<String>,
    /// When `access_token` was given, in milliseconds since 1970. Written back with it.
    #[schemars(with = "Option<u64>")]
    pub issued_at: Option<Value>,
    /// Where the org is. What the token endpoint tells goes over it, and is written back.
    pub instance_url: Option<String>,
    /// Where tokens are given: `https://login.salesforce.com` unless it is said, or an org's own
    /// address (`https://acme.my.salesforce.com`).
    pub base_uri: Option<String>,
    /// Tokens are given at `https://test.salesforce.com`, where `base_uri` says nothing.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub is_sandbox: bool,
    /// For a signed assertion: for whom it is.
    pub username: Option<String>,
    /// For a signed assertion: an RSA key as PEM.
    pub private_key: Option<String>,
    /// The version of the API, such as `55.0`; 46.0 at least, and in place of what is older.
    /// Default 55.0.
    #[schemars(with = "Option<String>")]
    pub api_version: Option<Value>,
    /// The job ends when the calls of all apps have used up more than this part of the day's quota.
    /// 1 to 100. Default 80.
    #[schemars(with = "Option<f64>")]
    pub quota_percent_total: Option<Value>,
    /// A date or moment that is empty, false or 0 clears its field. Default true.
    #[serde(deserialize_with = "some_flag")]
    #[schemars(with = "Option<bool>")]
    pub clear_falsy_date_fields: Option<bool>,
    /// Records of Account are changed, and none is made. Default false.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub only_upsert_accounts: bool,
    /// Custom fields of unified records that an object has not are made, and all permission sets may
    /// write them. Without it they are left out. Default false.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub create_custom_fields: bool,
    /// Records without an external id are found by their email addresses. Default true.
    #[serde(deserialize_with = "some_flag")]
    #[schemars(with = "Option<bool>")]
    pub lookup_by_email: Option<bool>,
    /// Records that come at once and are written alike go out as a bulk job, where they are so many,
    /// up to 10,000 of them in one; fewer by calls of 200. 0: none does. Default 2000.
    pub bulk_from: Option<usize>,
    /// Seconds for which a call whose answer is lost may still be at work in the org: what it was to make
    /// is looked for until then, before it is made again. Default 20.
    pub settle_secs: Option<u64>,
    /// Hours that descriptions of objects are kept for. 0 asks in each job. Default 24.
    pub describe_hours: Option<u64>,
    /// The header `User-Agent`. Default: this program's name and version.
    pub user_agent: Option<String>,
}

impl fmt::Debug for SalesforceConfig {
    /// Without what may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SalesforceConfig")
            .field("api_version", &self.api_version)
            .finish_non_exhaustive()
    }
}
