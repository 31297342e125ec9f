//! What the sandbox's Salesforce remembers beside its records: the bin, queries that go on, bulk
//! jobs, locks. None of it outlives the process.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use serde_json::{Map, Value};

use super::jobs::Job;
use super::org::Org;
use crate::sandbox::faults::Faults;
use crate::sandbox::memory::Memory;

/// A record's values by the names of its fields.
pub(super) type Values = Map<String, Value>;

/// All of it.
#[derive(Debug)]
pub(in crate::sandbox) struct State {
    pub(super) org: Org,
    /// Calls that had a good token.
    pub(super) used: u64,
    /// Batches that bulk jobs had.
    pub(super) batches: u64,
    /// Jobs that are still to be stopped halfway.
    pub(super) stops_left: u64,
    /// Calls that wrote, to tell one's locks from those of others.
    pub(super) writes: u64,
    /// What was deleted, by object and number.
    pub(super) bin: BTreeMap<(&'static str, u64), Values>,
    /// The rows of queries whose answer had no room for all.
    pub(super) cursors: BTreeMap<u64, Cursor>,
    pub(super) jobs: BTreeMap<u64, Job>,
    /// Until when a record is locked, and by which call, by its id.
    pub(super) locks: HashMap<String, (u64, Instant)>,
    numbers: u64,
}

/// A query that was answered in part.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) rows: Vec<Value>,
    pub(super) page_rows: usize,
}

impl State {
    /// What is remembered at the start, with the fields that `memory` has.
    pub(in crate::sandbox) fn new(faults: &Faults, memory: &Memory) -> Self {
        let mut org = Org::new(faults);
        org.recall(memory);
        Self {
            org,
            used: 0,
            batches: 0,
            stops_left: faults.salesforce.job_stop.map_or(0, |stop| stop.times),
            writes: 0,
            bin: BTreeMap::new(),
            cursors: BTreeMap::new(),
            jobs: BTreeMap::new(),
            locks: HashMap::new(),
            numbers: 0,
        }
    }

    /// A number that no cursor and no job has.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}
