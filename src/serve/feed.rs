//! What is written to a job that is open for records, as the input that it reads: a Singer stream which
//! has no end before all who write it have gone.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use super::input::{MOST_FIELDS, schema_line};
use crate::json::fields::Fields;

/// What a job that is open for records is given.
pub(super) struct Feed {
    /// Gone when no more is taken.
    pub(super) lines: Option<mpsc::Sender<Vec<u8>>>,
    pub(super) position: u64,
    /// Bytes that wait to be read, and how many may.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) most_bytes: usize,
    /// Bytes of a line, at most.
    pub(super) most_line: usize,
    /// The properties that each stream's SCHEMA has named.
    pub(super) streams: HashMap<String, BTreeSet<String>>,
    /// Streams, and properties of all of them.
    pub(super) named: usize,
    pub(super) used: Instant,
}

/// Records of one job, at most: what became of them is looked at by job.
const MOST_RECORDS: u64 = 100_000;

impl Feed {
    /// What of a record no SCHEMA has named yet: its stream, and its properties.
    pub(super) fn new_in(&self, stream: &str, record: &Fields<'_>) -> usize {
        let known = self.streams.get(stream);
        let is_new = |name: &str| known.is_none_or(|known| !known.contains(name));
        let properties = record.0.iter().filter(|(name, _)| is_new(name)).count();
        properties + usize::from(known.is_none())
    }

    /// Whether a record with so much that is new is for another job: this one has had enough, or would come
    /// to hold too much.
    pub(super) fn is_full_for(&self, new: usize) -> bool {
        // The first one is taken whatever it has.
        let is_too_much = self.position > 0 && new > 0 && self.named + new > MOST_FIELDS;
        self.position >= MOST_RECORDS || is_too_much
    }

    /// The SCHEMA line that is due before a record with something new.
    pub(super) fn schema(&mut self, stream: &str, record: &Fields<'_>) -> String {
        self.named += usize::from(!self.streams.contains_key(stream));
        let known = self.streams.entry(stream.to_owned()).or_default();
        let before = known.len();
        known.extend(record.0.iter().map(|(name, _)| name.to_string()));
        self.named += known.len() - before;
        schema_line(stream, known.iter())
    }
}

/// What comes line by line, as a file that has no end before all who write it have gone.
pub(super) struct Lines {
    pub(super) from: mpsc::Receiver<Vec<u8>>,
    pub(super) line: Vec<u8>,
    pub(super) read: usize,
    /// Bytes of those that were not taken yet.
    pub(super) waiting: Arc<AtomicUsize>,
}

impl Read for Lines {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.line.len() {
            let Ok(line) = self.from.recv() else { return Ok(0) };
            self.waiting.fetch_sub(line.len(), Ordering::AcqRel);
            (self.line, self.read) = (line, 0);
        }
        let rest = &self.line[self.read..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        Ok(count)
    }
}
