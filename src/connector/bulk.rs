//! Bulk jobs: batches that a remote takes as a whole and works through in its own time.
//!
//! A bulk job is opened, and nothing of it is applied; its name is on disk before its records are
//! handed over. From then on it goes on by itself, whatever becomes of the program: it is asked for
//! until it has ended, by the next run if need be, and never handed over twice.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::contract::{Action, RequestError, Verdict, Write, WriteBatch};
use crate::record::StreamName;

/// What a connector does whose remote takes bulk jobs. As with a
/// [`Connector`](super::contract::Connector), the pipeline waits and tries again.
#[async_trait]
pub trait Bulk: Send + Sync {
    /// Whether a record can be part of a bulk job. Pure.
    fn takes(&self, stream: &StreamName, action: Action, write: &Write) -> bool;

    /// Opens a job for a batch. One that is opened and not closed does nothing, and may be lost.
    ///
    /// # Errors
    /// As [`Bulk::progress`]. [`RequestError::Refused`] or [`RequestError::Forbidden`]: there are none
    /// for this object or this credential; its records go out by [`write`](super::contract::Connector::write).
    async fn open(&self, batch: &WriteBatch) -> Result<Opened, RequestError>;

    /// Hands over what the job was opened for, which does not start it.
    ///
    /// # Errors
    /// Any; it is not started in any case.
    async fn upload(&self, ticket: &Ticket, upload: Bytes) -> Result<(), RequestError>;

    /// Nothing more is handed over: the job starts. One that has started does not start again.
    ///
    /// # Errors
    /// As [`Bulk::progress`]: to close it twice changes nothing.
    async fn close(&self, ticket: &Ticket) -> Result<(), RequestError>;

    /// What people know a job by. Pure.
    fn name(&self, ticket: &Ticket) -> String;

    /// How far a job is.
    ///
    /// # Errors
    /// Never [`RequestError::InDoubt`], as with a lookup.
    async fn progress(&self, ticket: &Ticket) -> Result<Progress, RequestError>;

    /// Keeps a job that was not closed from ever starting.
    ///
    /// # Errors
    /// Any; [`Bulk::progress`] then tells whether it will. [`RequestError::Refused`] where it has
    /// begun after all.
    async fn abandon(&self, ticket: &Ticket) -> Result<(), RequestError>;

    /// What became of the records of a job that has ended: verdict `i` is that of `writes[i]` of the
    /// batch that it was opened for, and there are exactly as many. What was not processed is
    /// [`Verdict::Busy`]; what is not told [`Verdict::InDoubt`].
    ///
    /// # Errors
    /// As [`Bulk::progress`].
    async fn results(&self, ticket: &Ticket) -> Result<Vec<Verdict>, RequestError>;
}

/// A bulk job that was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// By which it is known from now on.
    pub ticket: Ticket,
    /// Its records, as they are handed over.
    pub upload: Bytes,
}

/// A bulk job, with all that it takes to know what became of its records. The connector alone knows
/// what is in it; it is kept on disk, and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(pub Arc<str>);

/// How far a bulk job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not started, and does not by itself.
    Open,
    /// Under way; what became of its records is not known yet.
    Running,
    /// Over, and all of its records were tried.
    Done,
    /// Over before its end, by itself: why, for people. Some of its records may be written.
    Broken(Box<str>),
    /// The same, because somebody wanted it so.
    Aborted(Box<str>),
    /// The remote does not know it.
    Unknown,
}

/// Which batches go out as bulk jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkLimits {
    /// Records from which on a batch is worth one.
    pub min_records: usize,
    /// Records of one, at most.
    pub max_records: usize,
    /// Bytes of its records, at most.
    pub max_bytes: usize,
}
