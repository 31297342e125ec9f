//! Jobs that write to one account at the same time take turns: what is one record at the remote is
//! written by one of them at a time, in the order in which it came to any of them.
//!
//! A job alone has all turns at once; it takes the same way.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::claims::{Claimed, Claims, Seen, Stands};
use super::gate::{Gate, Key};
use crate::record::RemoteId;
use crate::stream::{Record, Stream};

/// A job among those that take turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seat(u64);

/// Hands a record to its job when it is its turn.
pub type Call = Box<dyn Fn(Record) + Send>;

/// What the jobs that write to one account share.
#[derive(Debug, Default)]
pub struct Turns(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    gate: Gate,
    claims: Claims,
    /// Hashes of what is locked while records are on their way that lock it.
    locks: HashSet<u64>,
    jobs: HashMap<Seat, Sitting>,
    last: u64,
}

struct Sitting {
    call: Call,
    /// Records that have their keys.
    taken: usize,
    /// Records that wait for their keys.
    queued: usize,
    /// Records that have their keys, and wait for what they are found by.
    claiming: usize,
    /// What its batches have locked.
    locks: HashSet<u64>,
}

impl std::fmt::Debug for Sitting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { taken, queued, claiming, .. } = self;
        f.debug_tuple("Sitting").field(taken).field(queued).field(claiming).finish()
    }
}

/// One job's part in the [`Turns`]. Gives everything back when it is dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
    seat: Seat,
}

impl Turns {
    /// A job joins. `call` is told of each of its records that has waited for one of another job, and
    /// must not call back.
    pub fn join(self: &Arc<Self>, call: Call) -> Turn {
        let mut state = self.lock();
        state.last += 1;
        let seat = Seat(state.last);
        state.jobs.insert(
            seat,
            Sitting { call, taken: 0, queued: 0, claiming: 0, locks: HashSet::new() },
        );
        drop(state);
        Turn { turns: Arc::clone(self), seat }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn job(&mut self, seat: Seat, change: impl FnOnce(&mut Sitting)) {
        if let Some(job) = self.jobs.get_mut(&seat) {
            change(job);
        }
    }

    /// Gives a key back; its next record has it.
    fn leave(&mut self, key: &Key) -> Option<(Seat, Record)> {
        if let Some(seat) = self.gate.holder(key) {
            self.job(seat, |job| job.taken -= 1);
        }
        let (seat, record) = self.gate.leave(key)?;
        self.job(seat, |job| {
            job.queued -= 1;
            job.taken += 1;
        });
        Some((seat, record))
    }

    /// Whose they are: records that have what they claim by now.
    fn freed(&mut self, free: Vec<Record>) -> Vec<(Seat, Record)> {
        let mut of = Vec::with_capacity(free.len());
        for record in free {
            let Some(seat) = self.gate.holder(&Key::of(&record)) else { continue };
            self.job(seat, |job| job.claiming -= 1);
            of.push((seat, record));
        }
        of
    }

    /// Calls other jobs for theirs; returns those of `seat`.
    fn hand_on(
        &self,
        seat: Seat,
        records: impl IntoIterator<Item = (Seat, Record)>,
    ) -> Vec<Record> {
        let mut own = Vec::new();
        for (of, record) in records {
            if of == seat {
                own.push(record);
            } else if let Some(job) = self.jobs.get(&of) {
                (job.call)(record);
            }
        }
        own
    }
}

impl Turn {
    /// Lets the record through and takes its key; keeps it when the key is taken.
    pub fn enter(&self, record: Record) -> Option<Record> {
        let mut state = self.turns.lock();
        let entered = state.gate.enter(self.seat, record);
        let is_in = entered.is_some();
        state.job(self.seat, |job| if is_in { job.taken += 1 } else { job.queued += 1 });
        entered
    }

    /// Gives the key back; the next record of this job that waits for it comes out and has it.
    pub fn leave(&self, key: &Key) -> Option<Record> {
        let mut state = self.turns.lock();
        let next = state.leave(key);
        state.hand_on(self.seat, next).pop()
    }

    /// Claims what `record`, which has its key, is found by, or keeps it until it can: see
    /// [`Claims::enter`].
    pub fn claim(&self, record: Record, by_id: bool) -> Claimed {
        let mut state = self.turns.lock();
        let claimed = state.claims.enter(record, by_id);
        if matches!(claimed, Claimed::Waits) {
            state.job(self.seat, |job| job.claiming += 1);
        }
        claimed
    }

    /// Gives back what the record of `key` claims: see [`Claims::leave`]. Returns records of this job
    /// that waited and can go on.
    pub fn give_back(
        &self,
        key: &Key,
        stream: &Stream,
        stands: Stands<'_>,
        lag: Duration,
    ) -> Vec<Record> {
        let mut state = self.turns.lock();
        let free = state.claims.leave(key, stream, stands, lag, Instant::now());
        let free = state.freed(free);
        state.hand_on(self.seat, free)
    }

    /// See [`Claims::aim`].
    pub fn aim(&self, record: &Record, remote_id: &RemoteId) {
        self.turns.lock().claims.aim(&Key::of(record), &record.stream, remote_id);
    }

    /// See [`Claims::see`].
    pub fn see(&self, record: &Record, found: Vec<RemoteId>, now: Instant) -> Seen {
        self.turns.lock().claims.see(record, found, now)
    }

    /// See [`Claims::share`].
    pub fn share(&self, record: &Record) {
        self.turns.lock().claims.share(record);
    }

    /// Locks `locks` for a batch that leaves, unless a batch of any job has locked one of them.
    pub fn lock(&self, locks: &[u64]) -> bool {
        let mut state = self.turns.lock();
        let is_free = !locks.iter().any(|lock| state.locks.contains(lock));
        if is_free {
            state.locks.extend(locks);
            state.job(self.seat, |job| job.locks.extend(locks));
        }
        is_free
    }

    /// The batch that has locked them is through.
    pub fn unlock(&self, locks: &[u64]) {
        let mut state = self.turns.lock();
        for lock in locks {
            state.locks.remove(lock);
        }
        state.job(self.seat, |job| job.locks.retain(|lock| !locks.contains(lock)));
    }

    /// Whether a record of any job has the key.
    pub fn is_taken(&self, key: &Key) -> bool {
        self.turns.lock().gate.is_taken(key)
    }

    /// Whether a record of any job waits for the key.
    pub fn has_next(&self, key: &Key) -> bool {
        self.turns.lock().gate.has_next(key)
    }

    /// Records of this job that have their keys.
    pub fn taken(&self) -> usize {
        self.turns.lock().jobs.get(&self.seat).map_or(0, |job| job.taken)
    }

    /// Records of this job that wait for others.
    pub fn waiting(&self) -> usize {
        self.turns.lock().jobs.get(&self.seat).map_or(0, |job| job.queued + job.claiming)
    }
}

impl Drop for Turn {
    /// Others do not wait for a job that is no more.
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        let locks = state.jobs.remove(&self.seat).map(|job| job.locks).unwrap_or_default();
        state.locks.retain(|lock| !locks.contains(lock));
        for key in state.gate.clear(self.seat) {
            let free = state.claims.give_back(&key);
            let free = state.freed(free);
            let next = state.leave(&key);
            state.hand_on(self.seat, free.into_iter().chain(next));
        }
    }
}
