//! What the sandbox's NetSuite remembers beside its records: who may log in, what was signed, jobs,
//! and what was changed of the records that are there from the start. None of it outlives the
//! process.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value};

use super::jobs::Job;

/// A record's values by the names of its fields.
pub(super) type Values = Map<String, Value>;

/// All of it.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct State {
    /// Certificates of the account, in PEM, by their ids.
    pub(super) certificates: HashMap<String, String>,
    /// Timestamps and nonces of the signatures that were taken.
    pub(super) signed: HashSet<(u64, String)>,
    /// Records that are there from the start and were changed, by type and id.
    pub(super) changed: HashMap<(&'static str, u64), Values>,
    pub(super) jobs: BTreeMap<u64, Job>,
    /// The job of each idempotency key.
    pub(super) keys: HashMap<String, u64>,
    /// Transactions that were given a number.
    pub(super) numbered: u64,
}
