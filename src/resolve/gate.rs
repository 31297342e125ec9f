//! Records of one id go one after another, in the order in which they came; others pass freely.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use super::turns::Seat;
use crate::record::{ExternalId, Fingerprint, RemoteId, StreamName};
use crate::stream::Record;

/// What makes two records the same one at the remote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Stream and the user's id.
    External(StreamName, ExternalId),
    /// Stream and the remote's id, for a record with no other.
    Remote(StreamName, RemoteId),
    /// Stream and content, for a record with no id at all.
    Content(StreamName, Fingerprint),
}

impl Key {
    /// The key of a record.
    pub fn of(record: &Record) -> Self {
        let stream = record.stream.name.clone();
        match (&record.external_id, &record.remote_id) {
            (Some(id), _) => Self::External(stream, id.clone()),
            (None, Some(id)) => Self::Remote(stream, id.clone()),
            (None, None) => Self::Content(stream, record.fingerprint),
        }
    }

    /// The stream.
    pub fn stream(&self) -> &StreamName {
        let (Self::External(stream, _) | Self::Remote(stream, _) | Self::Content(stream, _)) = self;
        stream
    }
}

/// Which keys are taken, and the records that wait for them.
#[derive(Debug, Default)]
pub struct Gate {
    taken: HashMap<Key, Taken>,
}

#[derive(Debug)]
struct Taken {
    by: Seat,
    queue: VecDeque<(Seat, Record)>,
}

impl Gate {
    /// Lets the record through and takes its key; keeps it when the key is taken.
    pub fn enter(&mut self, seat: Seat, record: Record) -> Option<Record> {
        match self.taken.entry(Key::of(&record)) {
            Entry::Occupied(mut taken) => {
                taken.get_mut().queue.push_back((seat, record));
                None
            }
            Entry::Vacant(free) => {
                free.insert(Taken { by: seat, queue: VecDeque::new() });
                Some(record)
            }
        }
    }

    /// Gives the key back; the next record that waits for it comes out and has it.
    pub fn leave(&mut self, key: &Key) -> Option<(Seat, Record)> {
        let taken = self.taken.get_mut(key)?;
        if let Some((seat, next)) = taken.queue.pop_front() {
            taken.by = seat;
            return Some((seat, next));
        }
        self.taken.remove(key);
        None
    }

    /// Who has the key.
    pub fn holder(&self, key: &Key) -> Option<Seat> {
        self.taken.get(key).map(|taken| taken.by)
    }

    /// Nobody of `seat` waits any more. Returns the keys that it has.
    pub fn clear(&mut self, seat: Seat) -> Vec<Key> {
        for taken in self.taken.values_mut() {
            taken.queue.retain(|(by, _)| *by != seat);
        }
        let own = self.taken.iter().filter(|(_, taken)| taken.by == seat);
        own.map(|(key, _)| key.clone()).collect()
    }

    /// Whether a record has the key.
    pub fn is_taken(&self, key: &Key) -> bool {
        self.taken.contains_key(key)
    }

    /// Whether a record waits for the key.
    pub fn has_next(&self, key: &Key) -> bool {
        self.taken.get(key).is_some_and(|taken| !taken.queue.is_empty())
    }
}
