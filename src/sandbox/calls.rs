//! What has been asked of the sandbox: counts for tests, and for people who wonder.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::memory::{Changed, Memory};
use super::remote::Target;

/// Everything since the start, or since the last reset. Serialized as `GET /_sandbox/calls`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Calls {
    /// Requests by method and template, such as `POST /v1/{object}/batch`.
    calls: BTreeMap<String, u64>,
    /// Answers by status; `none` for connections that were closed instead.
    statuses: BTreeMap<String, u64>,
    /// Faults done, by kind.
    faults: BTreeMap<&'static str, u64>,
    /// Requests that changed at least one record.
    writes_applied: u64,
    /// The sum of the next three.
    records_written: u64,
    records_created: u64,
    records_updated: u64,
    records_deleted: u64,
    /// Requests being handled now.
    in_flight: u64,
    /// The most of them at once.
    max_in_flight: u64,
    /// The most requests at once that write one same record.
    max_in_flight_same_record: u64,
    #[serde(skip)]
    claims: HashMap<String, u64>,
}

impl Calls {
    pub(super) fn begin(&mut self, route: String) {
        *self.calls.entry(route).or_default() += 1;
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
    }

    pub(super) fn end(&mut self) {
        self.in_flight -= 1;
    }

    /// Notes that a request is about to write `targets`; returns what [`Calls::release`] takes.
    pub(super) fn claim(&mut self, targets: &[Target], memory: &mut Memory) -> Vec<String> {
        let mut names: Vec<_> = targets
            .iter()
            .flat_map(|target| names(target, memory))
            .collect();
        names.sort_unstable();
        names.dedup();
        for name in &names {
            let count = self.claims.entry(name.clone()).or_default();
            *count += 1;
            self.max_in_flight_same_record = self.max_in_flight_same_record.max(*count);
        }
        names
    }

    pub(super) fn release(&mut self, names: &[String]) {
        for name in names {
            if let Some(count) = self.claims.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.claims.remove(name);
                }
            }
        }
    }

    /// `None`: no answer.
    pub(super) fn answered(&mut self, status: Option<u16>) {
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        *self.statuses.entry(status).or_default() += 1;
    }

    pub(super) fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    pub(super) fn applied(&mut self, changed: Changed) {
        self.writes_applied += u64::from(changed.records() > 0);
        self.records_written += changed.records();
        self.records_created += changed.created;
        self.records_updated += changed.updated;
        self.records_deleted += changed.deleted;
    }

    /// Begins to count anew; what is in flight stays so.
    pub(super) fn reset(&mut self) {
        let (in_flight, claims) = (self.in_flight, std::mem::take(&mut self.claims));
        let same = claims.values().copied().max().unwrap_or_default();
        *self = Self {
            in_flight,
            claims,
            max_in_flight: in_flight,
            max_in_flight_same_record: same,
            ..Self::default()
        };
    }
}

/// The names under which a record is claimed. One that is written by its id and, at the same time,
/// by its external id is found out as long as it is there.
fn names(target: &Target, memory: &mut Memory) -> Vec<String> {
    let Target {
        object,
        id,
        external,
    } = target;
    let mut names = Vec::new();
    if let Some((property, value)) = external {
        names.push(format!("{object} {property} {value}"));
        let ids = memory.find(object, property, value);
        names.extend(ids.iter().map(|id| format!("{object} {id}")));
    }
    if let Some(id) = id {
        names.push(format!("{object} {id}"));
    }
    names
}
