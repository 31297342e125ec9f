//! Records with the same lookup values are the same one at the remote, though their external ids
//! differ: the later waits for the earlier, and finds what that made, also while no lookup shows it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gate::Key;
use crate::config::stream::LookupMethod;
use crate::record::RemoteId;
use crate::stream::Record;

/// What a record is found by, beside its ids: stream's index, place of the field (`None` for all
/// of them together), value.
type Claim = (usize, Option<usize>, Arc<str>);

/// Who looks for what.
#[derive(Debug, Default)]
pub struct Claims {
    taken: HashMap<Claim, VecDeque<Record>>,
    held: HashMap<Key, Vec<Claim>>,
    /// What was made so lately that a lookup may not show it, and until when.
    made: HashMap<Claim, (RemoteId, Instant)>,
    fading: VecDeque<(Instant, Claim)>,
    waiting: usize,
}

/// What is known of what a record claims.
#[derive(Debug)]
pub enum Claimed {
    /// Nothing: the remote is to be asked.
    Free(Record),
    /// It was made a moment ago, under this id.
    Made(Record, RemoteId),
    /// Another record claims it too; this one is kept until that has come to its end.
    Waits,
}

impl Claims {
    /// Claims what `record` is found by, or keeps the record until it can.
    pub fn enter(&mut self, record: Record, now: Instant) -> Claimed {
        let mut claims = claims(&record);
        if claims.is_empty() {
            return Claimed::Free(record);
        }
        let key = Key::of(&record);
        if self.held.contains_key(&key) {
            // Handed over by the one that it waited for; what else is free is taken too.
            claims.retain(|claim| !self.taken.contains_key(claim));
        }
        let taken = claims.iter().find(|claim| self.taken.contains_key(claim));
        if let Some(queue) = taken.and_then(|claim| self.taken.get_mut(claim)) {
            queue.push_back(record);
            self.waiting += 1;
            return Claimed::Waits;
        }
        self.taken.extend(claims.iter().map(|claim| (claim.clone(), VecDeque::new())));
        let held = self.held.entry(key).or_default();
        held.extend(claims);
        match held.iter().find_map(|claim| self.made.get(claim)) {
            Some((remote_id, until)) if now < *until => Claimed::Made(record, remote_id.clone()),
            _ => Claimed::Free(record),
        }
    }

    /// Gives back what the record of `key` claims. `written` is where it stands now, and `lag` for
    /// how long no lookup may show it. Returns records that waited and can go on.
    pub fn leave(
        &mut self,
        key: &Key,
        written: Option<&RemoteId>,
        lag: Duration,
        now: Instant,
    ) -> Vec<Record> {
        self.fade(now);
        let mut free = Vec::new();
        for claim in self.held.remove(key).unwrap_or_default() {
            let mut queue = self.taken.remove(&claim).unwrap_or_default();
            if let Some(remote_id) = written {
                // A second more, so that those who waited find it in any case.
                let until = now + lag + Duration::from_secs(1);
                self.made.insert(claim.clone(), (remote_id.clone(), until));
                self.fading.push_back((until, claim.clone()));
            }
            // One after another, for they write to the same record.
            if let Some(next) = queue.pop_front() {
                self.held.entry(Key::of(&next)).or_default().push(claim.clone());
                self.taken.insert(claim, queue);
                free.push(next);
            }
        }
        self.waiting -= free.len();
        free
    }

    /// Records that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// What a lookup shows by now is not remembered, so that memory does not grow with the input.
    fn fade(&mut self, now: Instant) {
        while self.fading.front().is_some_and(|(until, _)| *until <= now)
            && let Some((_, claim)) = self.fading.pop_front()
        {
            if self.made.get(&claim).is_some_and(|(_, until)| *until <= now) {
                self.made.remove(&claim);
            }
        }
    }
}

fn claims(record: &Record) -> Vec<Claim> {
    let stream = record.stream.index;
    let values = &record.lookup_values;
    if !super::has_values(&record.stream.options, values) {
        return Vec::new();
    }
    match record.stream.options.lookup_method.unwrap_or_default() {
        LookupMethod::All => {
            let values: Vec<_> = values.iter().flatten().map(|value| &**value).collect();
            vec![(stream, None, serde_json::json!(values).to_string().into())]
        }
        LookupMethod::Any | LookupMethod::Sequential => {
            let values = values.iter().enumerate();
            let claim = |(place, value): (usize, &Option<Arc<str>>)| {
                Some((stream, Some(place), value.clone()?))
            };
            values.filter_map(claim).collect()
        }
    }
}
