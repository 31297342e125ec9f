//! What has been asked of the sandbox: counts for tests, and for people who wonder.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use super::memory::{Changed, Memory};
use super::remote::Target;

/// Everything since the start, or since the last reset. Serialized as `GET /_sandbox/calls`.
#[derive(Debug, Default, Serialize)]
#[expect(clippy::struct_field_names, reason = "the fields are named as in the answer")]
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
    claims: HashMap<Claim, u64>,
}

/// A record that is being written, by a hash of what it is known by. 64 bits tell the few that are
/// under way at once apart, and cost no memory of their own.
type Claim = u64;

impl Calls {
    /// A request has come in; [`Calls::end`] when it has been answered.
    pub(super) fn begin(&mut self, route: String) {
        *self.calls.entry(route).or_default() += 1;
        self.in_flight += 1;
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
    }

    pub(super) fn end(&mut self) {
        self.in_flight -= 1;
    }

    /// Notes that a request is about to write `targets`; returns what [`Calls::release`] takes.
    pub(super) fn claim(&mut self, targets: &[Target], memory: &mut Memory) -> Vec<Claim> {
        let mut claims = Vec::with_capacity(2 * targets.len());
        for target in targets {
            add_claims(target, memory, &mut claims);
        }
        // One request may name a record by both of its ids.
        claims.sort_unstable();
        claims.dedup();
        for claim in &claims {
            let count = self.claims.entry(*claim).or_default();
            *count += 1;
            self.max_in_flight_same_record = self.max_in_flight_same_record.max(*count);
        }
        claims
    }

    pub(super) fn release(&mut self, claims: &[Claim]) {
        for claim in claims {
            if let Some(count) = self.claims.get_mut(claim) {
                *count -= 1;
                if *count == 0 {
                    self.claims.remove(claim);
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

/// All that a record is known by. One that is written by its id and, at the same time, by its
/// external id is found out as long as it is there.
fn add_claims(target: &Target, memory: &mut Memory, claims: &mut Vec<Claim>) {
    let Target { object, id, external } = target;
    if let Some((property, value)) = external {
        claims.push(hash((object, property, value)));
        let ids = memory.find(object, property, value);
        claims.extend(ids.iter().map(|id| hash((object, id))));
    }
    if let Some(id) = id {
        claims.push(hash((object, id)));
    }
}

fn hash(known_by: impl Hash) -> Claim {
    let mut hasher = DefaultHasher::new();
    known_by.hash(&mut hasher);
    hasher.finish()
}
