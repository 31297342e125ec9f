//! The keys of the config: those of the platform's `target-netsuite-v2` and some of ours.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::config::lenient::flag;

/// The keys of the connector `netsuite`, beside those of every connector. Those that begin with `ns_`
/// or `snapshot_` are those of the hosted platform's `target-netsuite-v2`.
///
/// Requests say who sends them by one of two ways: with tokens of OAuth 2.0, given to the integration
/// `client_id` for an assertion that is signed with the `private_key` of the certificate
/// `certificate_id`; or signed one by one with the four `ns_` keys (token-based authentication), which
/// NetSuite gives to no new integration from its release 2027.1 on. Where all are there, it is OAuth 2.0.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(title = "target-upsert configuration of the connector `netsuite`")]
pub struct NetSuiteConfig {
    /// The account's id, such as `1234567` or `1234567_SB1`, as it stands in NetSuite's setup or in its
    /// address.
    pub ns_account: Option<String>,
    /// OAuth 2.0: the client id of the integration record.
    pub client_id: Option<String>,
    /// OAuth 2.0: the id of the certificate, as NetSuite shows it where the certificate was uploaded.
    pub certificate_id: Option<String>,
    /// OAuth 2.0: the certificate's private key as PEM: RSA of 3072 bits or more, or EC.
    pub private_key: Option<String>,
    /// Token-based authentication: the consumer key of the integration record.
    pub ns_consumer_key: Option<String>,
    /// Token-based authentication: the consumer secret of the integration record.
    pub ns_consumer_secret: Option<String>,
    /// Token-based authentication: the token's id.
    pub ns_token_key: Option<String>,
    /// Token-based authentication: the token's secret.
    pub ns_token_secret: Option<String>,
    /// Hours for which what was told of subsidiaries, accounts, currencies and the like holds in later
    /// jobs. Default 0: each job asks anew for what its records name.
    #[schemars(with = "Option<f64>")]
    pub snapshot_hours: Option<Value>,
    /// The folder in which that is kept. Default: the store's.
    pub snapshot_dir: Option<String>,
    /// A record with a field that its type has not, or with a value that a field does not take, is
    /// refused. Without it NetSuite leaves out what it does not know, and what it says of that is told
    /// once. Default false.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub refuse_unknown_fields: bool,
    /// Seconds for which a call whose answer is lost may still be at work in the account: what it
    /// was to make is looked for until then, before it is made again, and what it was to change is
    /// changed again only then, by the next job too. Default 30.
    pub settle_secs: Option<u64>,
    /// Records that come at once, are in NetSuite's own names and have external ids go out as one
    /// asynchronous job of up to 100, where they are so many. NetSuite works through such jobs in its own
    /// time, and each record's result takes a call: this pays where records take long. 0: never.
    /// Default 0.
    pub bulk_from: Option<usize>,
}

impl fmt::Debug for NetSuiteConfig {
    /// Without what may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetSuiteConfig")
            .field("ns_account", &self.ns_account)
            .finish_non_exhaustive()
    }
}
