//! What the faults file says of Salesforce alone.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::sandbox::faults::MAX_DELAY_MS;

/// How the sandbox's Salesforce behaves.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Salesforce")]
pub(crate) struct Options {
    /// Rows in one page of a query, where the call asks for no other number, at least 1.
    #[schemars(range(min = 1))]
    pub(super) page_rows: usize,
    /// Whether a contact or a lead whose email another one has is refused with
    /// `DUPLICATES_DETECTED`, as long as the call does not allow it.
    pub(super) duplicate_rule: bool,
    /// Whether an account may be a person: one that is made with a `LastName` is, and has a contact
    /// of its own.
    pub(super) person_accounts: bool,
    /// How long the parent of a record that was written stays locked, in milliseconds: a child of
    /// it in another call is refused with `UNABLE_TO_LOCK_ROW` meanwhile.
    #[schemars(range(max = MAX_DELAY_MS))]
    pub(in crate::sandbox) lock_ms: u64,
    /// How long a bulk job is under way once its upload is complete, in milliseconds.
    #[schemars(range(max = MAX_DELAY_MS))]
    pub(in crate::sandbox) job_ms: u64,
    /// Rows of one batch of a bulk job, at least 1. Batches are written side by side: with
    /// `lock_ms`, children of one parent that are in different ones are in each other's way.
    #[schemars(range(min = 1))]
    pub(super) job_batch_rows: usize,
    /// Jobs that do not come to their end. Without it, all do.
    pub(super) job_stop: Option<JobStop>,
    /// Bytes that a bulk job takes.
    pub(super) job_bytes: usize,
    /// Calls that the account has in 24 hours, as `Sforce-Limit-Info` tells them. More are not
    /// refused: that is what `rate_limit` is for.
    pub(super) daily_calls: u64,
}

/// A bulk job that does not come to its end: the rows that were written stay so, the others are
/// never looked at.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobStop {
    /// Rows that are written, or refused, before it stops. A job with no more is not stopped.
    pub(super) after_rows: usize,
    /// Its state then.
    pub(super) ending: Ending,
    /// How many jobs are stopped, the first ones.
    #[serde(default = "one")]
    pub(super) times: u64,
}

fn one() -> u64 {
    1
}

/// How a job ends that is stopped.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// `Aborted`, as by somebody else.
    Aborted,
    /// `Failed`, as after all retries.
    Failed,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_queryoptions.htm>
            page_rows: 2000,
            // A new account has such a rule, but it only warns.
            duplicate_rule: false,
            // Somebody has to switch them on, and nobody can switch them off again.
            person_accounts: false,
            lock_ms: 0,
            job_ms: 0,
            // <https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/datafiles_understanding_bulk2_ingest.htm>
            job_batch_rows: 10_000,
            job_stop: None,
            // <https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/upload_job_data.htm>
            job_bytes: 150_000_000,
            daily_calls: 100_000,
        }
    }
}
