//! What a job is wired to, and what it has come to.

use std::sync::Arc;
use std::time::Instant;

use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::BatchOptions;
use crate::connector::contract::Quota;
use crate::dispatch::Dispatcher;
use crate::dispatch::concurrency::Rank;
use crate::error::Error;
use crate::outcome::Outcome;
use crate::resolve::turns::Turns;
use crate::store::streams::StoredStream;
use crate::stream::Item;
use crate::stream::intake::InputCounts;
use crate::summary::{Counts, Errors, Input, StreamSummary};

/// What the intake thread sends.
#[derive(Debug)]
pub enum Chunk {
    /// Items in the order of the input.
    Items(Vec<Item>),
    /// The end of the input, or what ended the reading early.
    End(InputCounts, Option<Error>),
}

/// Takes the tap's newest safe STATE.
pub type StateSink = Box<dyn FnMut(&RawValue) -> Result<(), Error> + Send>;
/// Told of each group of outcomes, with the counts of the whole job.
pub type ProgressHook = Box<dyn FnMut(&Counts) + Send>;
/// Told of outcomes that are on disk.
pub type SettledHook = Box<dyn FnMut(&[Outcome]) + Send>;
/// Looks at a stream when it first comes up: its number in the store, its name.
pub type StreamHook = Box<dyn FnMut(StoredStream, &str) -> Result<(), Error> + Send>;

/// How a job takes part in what is written to its account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// No other job of this process writes to it.
    #[default]
    Alone,
    /// Others may, at the same time.
    Beside,
    /// Others may, and somebody waits for each of its records: they go first, and alone where there
    /// is room for that. Each is an input of its own: its like is another record.
    Live,
}

impl Role {
    /// Whether others may write to the account at the same time.
    pub fn is_beside(self) -> bool {
        self != Self::Alone
    }

    /// Whose calls go first.
    pub fn rank(self) -> Rank {
        if self == Self::Live { Rank::First } else { Rank::Later }
    }
}

/// How a job is wired.
pub struct Wiring {
    /// Sends batches and settles them.
    pub dispatcher: Arc<Dispatcher>,
    /// Whose turn it is, among the jobs that write to the account at the same time.
    pub turns: Arc<Turns>,
    /// How this one takes part.
    pub role: Role,
    /// Connector and account.
    pub namespace: String,
    /// When the job before this one had ended, as far as is known: what it wrote last, a lookup may
    /// not show yet.
    pub last_end: Option<Instant>,
    /// How records are gathered.
    pub batch: BatchOptions,
    /// Bytes of records in memory, at most, about.
    pub max_buffer_bytes: usize,
    /// From the intake thread.
    pub input: mpsc::Receiver<Chunk>,
    /// Ends the reading.
    pub stop: CancellationToken,
    /// Takes the newest of the tap's STATEs that became safe.
    pub on_state: StateSink,
    /// Called at the first SCHEMA of each stream, before any of its records: brings in what is
    /// known of its ids, and its limit on calls.
    pub on_stream: StreamHook,
    /// For the progress line.
    pub on_progress: ProgressHook,
    /// For those who wait for a record.
    pub on_settled: SettledHook,
}

impl std::fmt::Debug for Wiring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wiring").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// What a job has come to.
#[derive(Debug, Default)]
pub struct Finished {
    /// By stream, in the order of their first SCHEMA; before them, under the empty name, the lines
    /// that were no message, where there are any.
    pub streams: Vec<(String, StreamSummary)>,
    /// What was read beside records.
    pub input: Input,
    /// Errors of records.
    pub errors: Errors,
    /// The tap's last STATE that is safe.
    pub tap_state: Option<Box<RawValue>>,
    /// A signal ended the reading before the input's end.
    pub stopped: bool,
    /// Not all was done that was read, and the tap's STATE says so: it brings the rest again.
    pub comes_again: bool,
    /// What is left of the calls that may be made, where that was asked for.
    pub quota: Option<Quota>,
    /// What ended the job early.
    pub error: Option<Error>,
}
