//! The faults file: what the sandbox is asked to do wrong, and how strict it is.
//!
//! Everything here is what a person writes. Which call meets which fault is decided in
//! [`strikes`](super::strikes); what the fault then does, in [`gate`](super::gate).

use std::path::Path;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::SandboxError;
use super::fault::Fault;
use super::netsuite::Options as NetSuite;
use super::salesforce::Options as Salesforce;

/// The greatest delay that a file may ask for, in milliseconds: one day.
pub(super) const MAX_DELAY_MS: u64 = 86_400_000;

/// How the sandbox behaves. Without a file: quick, lenient and without faults.
///
/// The same seed and the same sequence of requests give the same faults, jitter and order of
/// answers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "The faults file of the sandbox")]
#[expect(clippy::struct_field_names, reason = "the fields are named as in the file")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the file, none excludes another"
)]
pub struct Faults {
    /// Where chance starts from. Any whole number.
    pub(super) seed: u64,
    /// Every request waits this long before it is applied, in milliseconds, 0 to 86400000.
    #[schemars(range(max = MAX_DELAY_MS))]
    pub(super) latency_ms: u64,
    /// A random part on top of `latency_ms`, from 0 to this, in milliseconds.
    #[schemars(range(max = MAX_DELAY_MS))]
    pub(super) latency_jitter_ms: u64,
    /// How long a new record stays invisible to search, in milliseconds. Reading it by its id
    /// shows it at once.
    #[schemars(range(max = MAX_DELAY_MS))]
    pub(super) search_lag_ms: u64,
    /// Whether an external id can be had by one record only: a second create is then refused with
    /// `EXISTS`. Without it, creating twice makes two records.
    pub(super) unique_ext_id: bool,
    /// Whether a create with an `Idempotency-Key` seen before answers the first answer again
    /// without applying anything.
    pub(super) idempotency: bool,
    /// Whether the verdicts of a bulk call come in any order instead of that of the inputs.
    pub(super) shuffle: bool,
    /// Whether one bad record refuses its whole bulk call with `INVALID_BATCH`, naming none.
    pub(super) all_or_nothing: bool,
    /// How long a token from `/oauth/token` is good, in seconds, at least 1.
    #[schemars(range(min = 1))]
    pub(super) token_secs: u64,
    /// For how many requests a token from `/oauth/token` is good. Without it, for any number.
    #[schemars(range(min = 1))]
    pub(super) token_calls: Option<u64>,
    /// Whether `sandbox-token` is taken without having been issued.
    pub(super) static_token: bool,
    /// Whether using a refresh token gives a new one and ends the old one.
    pub(super) rotate_refresh_token: bool,
    /// How long a refresh token that was replaced is still taken, in milliseconds: some servers
    /// give such a time, so that a client that has lost the answer can ask again.
    #[schemars(range(max = MAX_DELAY_MS))]
    pub(super) refresh_token_grace_ms: u64,
    /// How many requests are let through. Without it, all.
    pub(super) rate_limit: Option<RateLimit>,
    /// What is of NetSuite only.
    pub(super) netsuite: NetSuite,
    /// What is of Salesforce only.
    pub(super) salesforce: Salesforce,
    /// What goes wrong. Of several that a request meets at once, the first in the file is done.
    pub(super) faults: Vec<Fault>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            seed: 0,
            latency_ms: 0,
            latency_jitter_ms: 0,
            search_lag_ms: 0,
            unique_ext_id: false,
            idempotency: false,
            // Real bulk APIs promise no order, so a client that counts on one should fail here.
            shuffle: true,
            all_or_nothing: false,
            // What most token endpoints give.
            token_secs: 3600,
            token_calls: None,
            static_token: true,
            rotate_refresh_token: false,
            refresh_token_grace_ms: 0,
            rate_limit: None,
            netsuite: NetSuite::default(),
            salesforce: Salesforce::default(),
            faults: Vec::new(),
        }
    }
}

impl Faults {
    /// Reads a faults file: YAML, of which JSON is a part.
    ///
    /// # Errors
    /// [`SandboxError::Read`] when the file cannot be read, [`SandboxError::Faults`] with line and
    /// column when it says something unknown or impossible.
    pub fn read(path: &Path) -> Result<Self, SandboxError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SandboxError::Read { path: path.to_owned(), source })?;
        text.parse().map_err(|error| match error {
            SandboxError::Faults { message, .. } => {
                SandboxError::Faults { name: path.display().to_string(), message }
            }
            other => other,
        })
    }
}

impl FromStr for Faults {
    type Err = SandboxError;

    /// Takes the text of a faults file; an empty one asks for no faults.
    fn from_str(text: &str) -> Result<Self, SandboxError> {
        let wrong = |message| SandboxError::Faults { name: "faults".to_owned(), message };
        let faults: Self =
            serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let delays = [
            faults.latency_ms,
            faults.latency_jitter_ms,
            faults.search_lag_ms,
            faults.refresh_token_grace_ms,
            faults.netsuite.job_ms,
            faults.salesforce.job_ms,
            faults.salesforce.lock_ms,
        ];
        if let Some(delay) = delays.iter().find(|delay| **delay > MAX_DELAY_MS) {
            return Err(wrong(format!(
                "a delay of {delay} ms is over the limit of {MAX_DELAY_MS} ms"
            )));
        }
        if faults.token_secs == 0 || faults.token_calls == Some(0) {
            return Err(wrong("`token_secs` and `token_calls` are at least 1".to_owned()));
        }
        Ok(faults)
    }
}

/// A quota on requests: so many in a window that starts with the first of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(try_from = "RateLimitText")]
#[schemars(into = "RateLimitText")]
pub struct RateLimit {
    pub(super) requests: u64,
    pub(super) per_secs: u64,
    pub(super) retry_after: RetryAfterForm,
}

/// A quota on requests: so many in a window that starts with the first of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RateLimit")]
struct RateLimitText {
    /// Requests let through in one window, at least 1. Refused ones do not count.
    #[schemars(range(min = 1))]
    requests: u64,
    /// Length of the window in seconds, at least 1.
    #[schemars(range(min = 1))]
    per_secs: u64,
    /// How the answer 429 tells when to come back.
    #[serde(default)]
    retry_after: RetryAfterForm,
}

impl TryFrom<RateLimitText> for RateLimit {
    type Error = String;

    fn try_from(text: RateLimitText) -> Result<Self, String> {
        if text.requests == 0 || text.per_secs == 0 {
            return Err("`requests` and `per_secs` of a rate limit are at least 1".to_owned());
        }
        let RateLimitText { requests, per_secs, retry_after } = text;
        Ok(Self { requests, per_secs, retry_after })
    }
}

/// How a 429 of the rate limit tells when to come back.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfterForm {
    /// As a number of seconds.
    #[default]
    Seconds,
    /// As an HTTP date.
    Date,
    /// Not at all.
    None,
}
