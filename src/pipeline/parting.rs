//! What was gathered is parted into calls: into a bulk job, where it is worth one, else into calls of
//! the remote's own size. Records that lock the same other record, such as their parent, go out
//! together: where they fill more than one call, one call goes out after the other.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::Job;
use crate::connector::contract::{Action, Capabilities};
use crate::connector::shape::Shape;
use crate::dispatch::{Batch, Planned, Task};
use crate::stream::Stream;
use crate::stream::batch::Limits;

/// Records of one call, with hashes of what they lock.
type Part = (Vec<Planned>, Vec<u64>);

impl Job {
    /// When a batch is full, or has waited enough.
    pub(super) fn limits(&self, stream: &Stream, task: Task) -> Limits {
        let capabilities = &stream.capabilities;
        let (most_records, most_bytes) = match task {
            Task::Lookup => {
                let lookup = capabilities.lookup.or(capabilities.find);
                (lookup.map_or(1, |lookup| lookup.max_ids), usize::MAX)
            }
            Task::Read(_) => (capabilities.read.map_or(1, |read| read.max_ids), usize::MAX),
            Task::Prepare(action) | Task::Write(action) => gathered(capabilities, action),
        };
        let secs = stream.options.batch_secs.unwrap_or(self.wiring.batch.secs);
        let (records, bytes) = self.within(stream, most_records, most_bytes);
        Limits { records, bytes, age: secs.duration() }
    }

    /// Records and bytes of one call that does `action`, at most.
    pub(super) fn most_in_a_call(&self, stream: &Stream, action: Action) -> (usize, usize) {
        let limits = stream.capabilities.limits(action);
        let most = limits.map_or((1, usize::MAX), |limits| (limits.max_records, limits.max_bytes));
        self.within(stream, most.0, most.1)
    }

    /// As the config bounds them.
    fn within(&self, stream: &Stream, records: usize, bytes: usize) -> (usize, usize) {
        let (options, batch) = (&stream.options, &self.wiring.batch);
        let given = options.batch_records.or(batch.records).unwrap_or(records);
        let given_bytes = options.batch_bytes.or(batch.bytes).unwrap_or(bytes);
        (given.min(records).max(1), given_bytes.min(bytes))
    }

    /// Makes the batches of records that were gathered to be written.
    pub(super) fn part(
        &self,
        stream: &Arc<Stream>,
        action: Action,
        records: Vec<Planned>,
    ) -> Vec<Batch> {
        let capabilities = &stream.capabilities;
        if capabilities.bulk.is_none() && capabilities.gathers == 0 {
            return vec![self.batch(stream, action, false, (records, Vec::new()))];
        }
        let connector = &self.wiring.dispatcher.connector;
        let shape = connector.shape(&stream.name);
        let (in_bulk, records) = match capabilities.bulk.zip(connector.bulk()) {
            Some((limits, bulk)) if records.len() >= limits.min_records => {
                let takes = |one: &Planned| bulk.takes(&stream.name, action, &one.write(action));
                let (fit, left): (Vec<_>, Vec<_>) = records.into_iter().partition(takes);
                if fit.len() >= limits.min_records {
                    (fit, left)
                } else {
                    (Vec::new(), [fit, left].into_iter().flatten().collect())
                }
            }
            _ => (Vec::new(), records),
        };
        let mut batches = Vec::new();
        if !in_bulk.is_empty() {
            let families = families(shape.as_deref(), in_bulk);
            let locks = families.iter().filter_map(|(lock, _)| *lock).collect();
            let records = families.into_iter().flat_map(|(_, records)| records).collect();
            batches.push(self.batch(stream, action, true, (records, locks)));
        }
        batches.extend(self.in_calls(stream, action, records));
        batches
    }

    /// Batches of the remote's own size.
    pub(super) fn in_calls(
        &self,
        stream: &Arc<Stream>,
        action: Action,
        records: Vec<Planned>,
    ) -> Vec<Batch> {
        let shape = self.wiring.dispatcher.connector.shape(&stream.name);
        let most = self.most_in_a_call(stream, action);
        let parts = parts(families(shape.as_deref(), records), action, most);
        parts.into_iter().map(|part| self.batch(stream, action, false, part)).collect()
    }

    /// The first batch that is ready and locks nothing that one on its way locks.
    pub(super) fn take_ready(&mut self) -> Option<Batch> {
        let mut before: HashSet<u64> = HashSet::new();
        let place = self.ready.iter().position(|batch| {
            let is_free = !batch.locks.iter().any(|lock| before.contains(lock))
                && self.turn.lock(&batch.locks);
            // Those that lock the same stay in their order.
            before.extend(&*batch.locks);
            is_free
        });
        self.ready.remove(place?)
    }

    fn batch(&self, stream: &Arc<Stream>, action: Action, is_bulk: bool, part: Part) -> Batch {
        let (records, locks) = part;
        let stored = self.streams[stream.index].stored;
        let (stream, task) = (Arc::clone(stream), Task::Write(action));
        Batch { stream, stored, task, records, id: None, is_bulk, locks: locks.into() }
    }
}

/// Records and bytes that are gathered before they are parted into calls, at most.
fn gathered(capabilities: &Capabilities, action: Action) -> (usize, usize) {
    let Some(limits) = capabilities.limits(action) else { return (1, usize::MAX) };
    let Capabilities { bulk, gathers, .. } = *capabilities;
    let bulk = bulk.map_or((0, 0), |bulk| (bulk.max_records, bulk.max_bytes));
    let is_parted = bulk.0.max(gathers) > 0;
    let bytes = if is_parted { bulk.1.max(GATHERED_BYTES) } else { 0 };
    (limits.max_records.max(gathers).max(bulk.0), limits.max_bytes.max(bytes))
}

/// Bytes of what is gathered to be parted, where no bulk job says more: what waits takes memory.
const GATHERED_BYTES: usize = 4 << 20;

/// Records by what they lock, in the order of the input; one that locks nothing is alone.
fn families(shape: Option<&dyn Shape>, records: Vec<Planned>) -> Vec<(Option<u64>, Vec<Planned>)> {
    let mut families: Vec<(Option<u64>, Vec<Planned>)> = Vec::new();
    let mut places: HashMap<u64, usize> = HashMap::new();
    for planned in records {
        let lock = shape.and_then(|shape| shape.locks(planned.outgoing())).map(|lock| hash(&lock));
        if let Some(place) = lock.and_then(|lock| places.get(&lock)) {
            families[*place].1.push(planned);
            continue;
        }
        places.extend(lock.map(|lock| (lock, families.len())));
        families.push((lock, vec![planned]));
    }
    families
}

fn hash(lock: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    lock.hash(&mut hasher);
    hasher.finish()
}

/// Families into calls of `most` records and bytes: one that has room in a call stays whole.
fn parts(
    families: Vec<(Option<u64>, Vec<Planned>)>,
    action: Action,
    (most_records, most_bytes): (usize, usize),
) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let (mut part, mut bytes): (Part, usize) = Default::default();
    for (lock, records) in families {
        let weights: Vec<usize> =
            records.iter().map(|planned| weight(planned, Task::Write(action))).collect();
        let whole: usize = weights.iter().sum();
        let fits = part.0.len() + records.len() <= most_records && bytes + whole <= most_bytes;
        if !fits && !part.0.is_empty() && records.len() <= most_records {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        for (planned, weight) in records.into_iter().zip(weights) {
            if !part.0.is_empty() && (part.0.len() >= most_records || bytes + weight > most_bytes) {
                parts.push(std::mem::take(&mut part));
                bytes = 0;
            }
            part.0.push(planned);
            bytes += weight;
            if part.1.last() != lock.as_ref() {
                part.1.extend(lock);
            }
        }
    }
    if !part.0.is_empty() {
        parts.push(part);
    }
    parts
}

/// Bytes of the encoded body that a record takes, at most.
pub(super) fn weight(planned: &Planned, task: Task) -> usize {
    let record = &planned.record;
    let capabilities = &record.stream.capabilities;
    let limits = match task {
        Task::Prepare(action) | Task::Write(action) => capabilities.limits(action),
        Task::Lookup | Task::Read(_) => None,
    };
    let external_id = record.external_id.as_ref().filter(|_| !capabilities.external_id_is_content);
    record.body.len()
        + limits.map_or(0, |limits| limits.envelope_bytes)
        + external_id.map_or(0, |id| id.as_str().len())
        + planned.remote_id.as_ref().map_or(0, |id| id.as_str().len() + ID_ENVELOPE_BYTES)
}

/// What stands around a remote id: `,"id":""`.
const ID_ENVELOPE_BYTES: usize = 8;
