//! A record finds its stream: it is validated, mapped, fingerprinted, and its ids are read.
//!
//! [`intake`] turns lines into prepared records, [`batch`] gathers them for a call.

mod ability;
pub mod batch;
mod batch_files;
pub mod fingerprint;
pub mod identity;
pub mod intake;
pub mod mapping;
pub mod moment;
mod prepare;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::config::StreamOptions;
use crate::connector::contract::{Action, Capabilities};
use crate::outcome::{Fate, Trouble};
use crate::record::{ExternalId, Fingerprint, RemoteId, StreamName};

/// A stream, as its last SCHEMA and the configuration make it. A changed SCHEMA makes a new one
/// under the same index.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Place among the streams of this job, in order of their first SCHEMA, from 0.
    pub index: usize,
    /// Its name.
    pub name: StreamName,
    /// What the user wants of it.
    pub options: StreamOptions,
    /// What the remote can do with it.
    pub capabilities: Capabilities,
    /// The SCHEMA line as it came in, for the rejects file.
    pub schema_line: Box<str>,
    /// How many SCHEMAs of this stream came before.
    pub version: u32,
}

impl Stream {
    /// How long a record that was written may stay invisible to the lookups that it makes.
    pub fn lag(&self) -> Duration {
        self.capabilities.lag(&self.options)
    }
}

/// A record, ready to be planned.
#[derive(Clone, Debug)]
pub struct Record {
    /// Place among the records of the input, over all streams, from 1.
    pub position: u64,
    /// Where it belongs.
    pub stream: Arc<Stream>,
    /// The user's id of it.
    pub external_id: Option<ExternalId>,
    /// The remote's id of it, where the record itself says so.
    pub remote_id: Option<RemoteId>,
    /// Its values of the stream's `lookup_fields`, in their order; `None` for those it lacks.
    pub lookup_values: Vec<Option<Arc<str>>>,
    /// It was written in this job, without some of its relations.
    pub partial: Option<Partial>,
    /// Of its prepared content.
    pub fingerprint: Fingerprint,
    /// What goes out: a JSON object as text, without the ids' own fields.
    pub body: Arc<str>,
    /// Fields of that which are written only where they are empty at the remote; `None`: all of them,
    /// where the options say so.
    pub kept: Option<Arc<BTreeSet<String>>>,
    /// What came in: a JSON object as text.
    pub source: Arc<str>,
    /// Fields that the platform wants to see again in the state: a JSON object as text.
    pub custom_data: Option<Arc<str>>,
    /// It is none of the input's but tells that its stream had none.
    pub stands_in: bool,
}

/// How a record was written that lacks some of its relations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partial {
    /// Under this id.
    pub remote_id: RemoteId,
    /// By this.
    pub action: Action,
    /// And with this result.
    pub fate: Fate,
    /// Calls that it was part of until then.
    pub attempts: u32,
}

/// What a record takes beside its texts: in its batch, its key, its ids, its outcome.
const BESIDE_BYTES: usize = 768;

impl Record {
    /// Bytes that it holds in memory, about.
    pub fn size(&self) -> usize {
        self.body.len() + self.source.len() + BESIDE_BYTES
    }
}

/// What the intake hands on, in the order of the input.
#[derive(Debug)]
pub enum Item {
    /// A stream's first SCHEMA, or a changed one.
    Stream(Arc<Stream>),
    /// A record that may be written.
    Record(Record),
    /// A record that may not: its SCHEMA says no, or its ids cannot be read.
    Refused {
        /// The record, with as much of it as could be read.
        record: Record,
        /// Why.
        trouble: Trouble,
    },
    /// A line that is no message, passed over as `on_bad_line` says.
    BadLine {
        /// Its number among the records, so that it has an outcome like a record.
        position: u64,
        /// Where and why, for people.
        reason: String,
    },
    /// The tap's bookmark.
    State(Box<RawValue>),
    /// A record beyond `--limit`.
    Beyond {
        /// Its place among the records.
        position: u64,
        /// Its stream's index.
        stream: usize,
    },
}
