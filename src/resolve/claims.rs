//! Records with the same lookup values are the same one at the remote, though their external ids
//! differ: the later waits for the earlier, and finds what that made, also while no lookup shows
//! it.

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
///
/// A record takes its place behind all that it claims when it comes, and goes on when it is the
/// first everywhere: so nobody who comes later passes it at one claim while it waits for another.
#[derive(Debug, Default)]
pub struct Claims {
    /// Who claims it, in the order in which they came. The first may be on its way.
    queues: HashMap<Claim, VecDeque<Key>>,
    held: HashMap<Key, Vec<Claim>>,
    waiting: HashMap<Key, Record>,
    /// What was made so lately that a lookup may not show it, and until when.
    made: HashMap<Claim, (RemoteId, Instant)>,
    fading: VecDeque<(Instant, Claim)>,
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
        let key = Key::of(&record);
        if !self.held.contains_key(&key) {
            let claims = claims(&record);
            if claims.is_empty() {
                return Claimed::Free(record);
            }
            for claim in &claims {
                self.queues.entry(claim.clone()).or_default().push_back(key.clone());
            }
            self.held.insert(key.clone(), claims);
        }
        if !self.is_first(&key) {
            self.waiting.insert(key, record);
            return Claimed::Waits;
        }
        let held = self.held.get(&key).into_iter().flatten();
        match held.filter_map(|claim| self.made.get(claim)).find(|(_, until)| now < *until) {
            Some((remote_id, _)) => Claimed::Made(record, remote_id.clone()),
            None => Claimed::Free(record),
        }
    }

    /// Whether nobody who came before still claims what it does.
    fn is_first(&self, key: &Key) -> bool {
        let mut held = self.held.get(key).into_iter().flatten();
        held.all(|claim| self.queues.get(claim).and_then(VecDeque::front) == Some(key))
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
        let mut next = Vec::new();
        for claim in self.held.remove(key).unwrap_or_default() {
            if let Some(remote_id) = written {
                // A second more, so that those who waited find it in any case.
                let until = now + lag + Duration::from_secs(1);
                self.made.insert(claim.clone(), (remote_id.clone(), until));
                self.fading.push_back((until, claim.clone()));
            }
            let Some(queue) = self.queues.get_mut(&claim) else { continue };
            // It is the first, but for one that ends before its turn.
            if queue.front() == Some(key) {
                queue.pop_front();
            } else {
                queue.retain(|waiting| waiting != key);
            }
            match queue.front() {
                Some(first) => next.push(first.clone()),
                None => drop(self.queues.remove(&claim)),
            }
        }
        let mut free = Vec::new();
        for key in next {
            if self.is_first(&key)
                && let Some(record) = self.waiting.remove(&key)
            {
                free.push(record);
            }
        }
        free
    }

    /// Records that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
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
