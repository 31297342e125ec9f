//! What the faults file says of NetSuite alone.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::sandbox::faults::MAX_DELAY_MS;

/// How the sandbox's NetSuite behaves.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "NetSuite")]
pub(crate) struct Options {
    /// Calls that the account handles at once, at least 1; one more is refused with
    /// `CONCURRENCY_LIMIT_EXCEEDED`.
    #[schemars(range(min = 1))]
    pub(super) concurrency: u64,
    /// How long a job is under way, in milliseconds. Its records are written one after the other in
    /// that time, in any order.
    #[schemars(range(max = MAX_DELAY_MS))]
    pub(in crate::sandbox) job_ms: u64,
    /// Rows in one page of a query or a list, at most 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) page_rows: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // What an account without a tier of its own has.
            concurrency: 5,
            // Long enough that a client which never asks twice is found out.
            job_ms: 100,
            page_rows: 1000,
        }
    }
}
