//! Records of one id go one after another, in the order of the input; others pass freely.

use std::collections::{HashMap, VecDeque};

use crate::record::{ExternalId, Fingerprint, RemoteId};
use crate::stream::Record;

/// What makes two records the same one at the remote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Stream's index and the user's id.
    External(usize, ExternalId),
    /// Stream's index and the remote's id, for a record with no other.
    Remote(usize, RemoteId),
    /// Stream's index and content, for a record with no id at all.
    Content(usize, Fingerprint),
}

impl Key {
    /// The key of a record.
    pub fn of(record: &Record) -> Self {
        let stream = record.stream.index;
        match (&record.external_id, &record.remote_id) {
            (Some(id), _) => Self::External(stream, id.clone()),
            (None, Some(id)) => Self::Remote(stream, id.clone()),
            (None, None) => Self::Content(stream, record.fingerprint),
        }
    }
}

/// Which keys are taken, and the records that wait for them.
#[derive(Debug, Default)]
pub struct Gate {
    taken: HashMap<Key, VecDeque<Record>>,
    waiting: usize,
}

impl Gate {
    /// Lets the record through and takes its key; keeps it when the key is taken.
    pub fn enter(&mut self, record: Record) -> Option<Record> {
        match self.taken.entry(Key::of(&record)) {
            std::collections::hash_map::Entry::Occupied(mut queue) => {
                queue.get_mut().push_back(record);
                self.waiting += 1;
                None
            }
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(VecDeque::new());
                Some(record)
            }
        }
    }

    /// Gives the key back; the next record that waits for it comes out and has it.
    pub fn leave(&mut self, key: &Key) -> Option<Record> {
        let queue = self.taken.get_mut(key)?;
        if let Some(next) = queue.pop_front() {
            self.waiting -= 1;
            return Some(next);
        }
        self.taken.remove(key);
        None
    }

    /// Whether a record has the key.
    pub fn is_taken(&self, key: &Key) -> bool {
        self.taken.contains_key(key)
    }

    /// Whether a record waits for the key.
    pub fn has_next(&self, key: &Key) -> bool {
        self.taken.get(key).is_some_and(|queue| !queue.is_empty())
    }

    /// Records that have a key.
    pub fn taken(&self) -> usize {
        self.taken.len()
    }

    /// Records that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }
}
