//! A record on its way out, between its plan and its outcome.

use std::sync::Arc;
use std::time::Instant;

use crate::config::stream::Mode;
use crate::config::{OnDoubt, OnMissing};
use crate::connector::contract::{Action, Write};
use crate::record::{ExternalId, RemoteId};
use crate::resolve::resend::{CreateKey, may_be_resent};
use crate::store::doubts::Doubt;
use crate::stream::Record;

/// A record on its way, with what was tried so far.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Planned {
    /// The record.
    pub record: Record,
    /// The remote id that it is updated under.
    pub remote_id: Option<RemoteId>,
    /// The record's body, with its relations.
    pub body: Arc<str>,
    /// Of the remote ids that stand in that body for its parents; 0 where there are none.
    pub parents: i64,
    /// An earlier create of it is in doubt.
    pub doubt: Option<Doubt>,
    /// It goes out without some of its relations, and is not at its end then.
    pub is_partial: bool,
    /// What the remote holds of the record that it is about to be written to, where that was read.
    pub held: Option<Held>,
    /// The id map had it: what an upsert does to it is an update.
    pub was_mapped: bool,
    /// Calls that it was part of.
    pub attempts: u32,
    /// Under which the remote knows its create again.
    pub key: Option<CreateKey>,
    /// A try of its create had no answer, and nothing has told of it since: whatever a later try
    /// comes to, it may be there.
    pub is_doubtful: bool,
    /// From when on it is believed that a lookup shows it; it may have been written lately.
    pub visible: Option<Instant>,
    /// The remote has said that it has it, and has not said where.
    pub is_said_to_exist: bool,
    /// It has waited for a record that it names, and is sent for the last time.
    pub has_waited: bool,
    /// Before this it is not looked up.
    pub not_before: Option<Instant>,
    /// Times that an answer made a new plan necessary.
    pub plans: u32,
    /// When it was sent first.
    pub sent: Option<Instant>,
    /// HTTP status of the last answer.
    pub status: Option<u16>,
    /// Name of the batch that it went out with last.
    pub batch_id: Option<Arc<str>>,
}

/// What was read of a record before it is written. It says nothing of any other record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its version, for a write that is conditional on it.
    pub version: Option<Arc<str>>,
    /// Where only what is empty there is to be written: the fields that are.
    pub left: Option<Arc<str>>,
}

impl Planned {
    /// A record that was not sent yet.
    pub fn new(record: Record, remote_id: Option<RemoteId>, was_mapped: bool) -> Self {
        Self {
            body: Arc::clone(&record.body),
            parents: 0,
            doubt: None,
            is_partial: false,
            held: None,
            remote_id,
            was_mapped,
            attempts: record.partial.as_ref().map_or(0, |partial| partial.attempts),
            key: None,
            is_doubtful: false,
            visible: None,
            is_said_to_exist: false,
            has_waited: false,
            not_before: None,
            plans: 0,
            sent: None,
            status: None,
            batch_id: None,
            record,
        }
    }
}

impl Planned {
    /// Whether its create, if that is in doubt, may be sent again although nothing can tell whether
    /// it was applied.
    pub(super) fn may_be_resent(&self) -> bool {
        may_be_resent(&self.record, self.key.as_ref(), Instant::now())
    }

    /// From when on its create may not be sent again any more: it may have been applied, and the
    /// remote may have forgotten its key.
    pub(super) fn not_after(&self) -> Option<Instant> {
        let is_held = self.record.stream.options.on_doubt == OnDoubt::Hold;
        self.key.as_ref().filter(|_| self.is_doubtful && is_held).map(|key| key.until)
    }

    /// The external id that leaves the map when the remote misses the record, and the remote id
    /// that it leads to.
    pub(super) fn lost_id(&self) -> Option<(ExternalId, RemoteId)> {
        let record = &self.record;
        let is_made_anew = record.stream.options.on_missing == OnMissing::Recreate
            && record.stream.options.mode != Mode::Delete;
        let external_id = record.external_id.clone().filter(|_| is_made_anew);
        external_id.zip(self.remote_id.clone())
    }

    /// What a call is told that does `action`.
    pub fn write(&self, action: Action) -> Write {
        Write {
            external_id: self.record.external_id.clone(),
            remote_id: self.remote_id.clone().filter(|_| action != Action::Upsert),
            says_id: self.remote_id.is_some() && self.remote_id == self.record.remote_id,
            version: self.held.as_ref().and_then(|held| held.version.clone()),
            body: Arc::clone(self.outgoing()),
            key: self.key.as_ref().map_or_else(Arc::default, |key| Arc::clone(&key.text)),
            stands_in: self.record.stands_in,
            has_waited: self.has_waited,
        }
    }

    /// What goes out.
    pub fn outgoing(&self) -> &Arc<str> {
        self.held.as_ref().and_then(|held| held.left.as_ref()).unwrap_or(&self.body)
    }
}
