//! What a connector is: its methods, and the words in which it answers.
//!
//! A connector says what happened; the pipeline decides what to do next. So no connector sleeps,
//! retries a write, counts, or touches the store. The one thing that it mends by itself is an
//! expired token: a request that the remote refused unread with 401 is sent once more with a
//! fresh one (see [`http`](super::http)).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use super::bulk::{Bulk, BulkLimits, Opened, Progress, Ticket};
pub use super::capabilities::{
    BatchIds, CallLimits, Capabilities, KEY_LIFE_SECS, KeyHeader, Lookup,
};
pub use super::request_error::RequestError;
use super::shape::Shape;
use crate::record::{ExternalId, RemoteId, StreamName};

/// A remote system that takes records.
///
/// One value serves a whole job and is shared between tasks: all calls take `&self`, and any
/// number of them may run at once. A connector keeps only what it may lose (tokens, cached
/// descriptions of objects).
///
/// # Cancellation
/// The pipeline may drop any returned future. A dropped `write` counts as
/// [`RequestError::InDoubt`].
#[async_trait]
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    /// Name in configs, logs and metrics: lowercase ASCII, such as `rest`.
    fn name(&self) -> &str;

    /// What the remote can do with the object behind `stream`. Pure: no I/O. The answer must not
    /// change during a job.
    ///
    /// # Errors
    /// [`RequestError::Refused`] when no object of the remote answers to this stream.
    fn capabilities(&self, stream: &StreamName) -> Result<Capabilities, RequestError>;

    /// Learns what the remote alone can tell of the object behind a stream, before its first record
    /// and before its [`capabilities`](Connector::capabilities) are asked for. Reads only.
    ///
    /// # Errors
    /// A refusal is of that stream's records: its capabilities say it again. Anything else keeps the
    /// job from going on.
    async fn learn(&self, _schema: &StreamSchema<'_>) -> Result<(), RequestError> {
        Ok(())
    }

    /// How records of `stream` are made ready; `None`: they go out as they are.
    fn shape(&self, _stream: &StreamName) -> Option<Arc<dyn Shape>> {
        None
    }

    /// Whose account it is, for the namespace of its ids, where only the remote can tell. Reads
    /// only.
    ///
    /// # Errors
    /// When it cannot be told now, and could be later.
    async fn account(&self) -> Result<Account, RequestError> {
        Ok(Account::Unneeded)
    }

    /// Asks whether the remote can be reached, takes the credential, and has the objects behind
    /// `streams`. Reads only, but that with `may_create` properties are made in which the remote is to
    /// keep external ids. One line for each thing looked at, in the order looked at; what failed is a
    /// line too, so this has no error.
    async fn check(&self, streams: &[StreamName], may_create: bool) -> Vec<CheckLine>;

    /// Finds which records the remote has, in one call: a page of them, where there are several.
    ///
    /// Rows come in any order. A key without a row is not there; a key that the remote has twice
    /// has two rows, and the pipeline decides. Rows that were not asked for are left out.
    ///
    /// # Errors
    /// Never [`RequestError::InDoubt`]: a lookup changes nothing, so a lost answer is
    /// [`RequestError::Unreachable`].
    async fn lookup(&self, question: &Question) -> Result<Found, RequestError>;

    /// Whether a record, by its [body](Write::body), names others that the remote is asked for before it
    /// is written. Pure.
    fn names_others(&self, _body: &str) -> bool {
        false
    }

    /// Asks for what bodies [name](Connector::names_others), all of those at once that were
    /// [gathered](Capabilities::gathers) and are about to be written in calls of their own. Reads only.
    /// What it learns, [`write`](Connector::write) need not ask again.
    ///
    /// # Errors
    /// As [`lookup`](Connector::lookup). A refusal leaves it to each `write` to ask for itself.
    async fn prepare(&self, _bodies: &[Arc<str>]) -> Result<(), RequestError> {
        Ok(())
    }

    /// Sends one batch: in one call. Where the remote wants calls of their own for what a record
    /// names, or for what belongs to it, those that ask come before, and those that write after it.
    ///
    /// On `Ok`, verdict `i` is that of `batch.writes[i]`, and there are exactly as many. What the
    /// answer does not name is [`Verdict::InDoubt`], never a success.
    ///
    /// # Errors
    /// A [`RequestError`] when no answer for single records exists. A 2xx with some records
    /// refused is `Ok`.
    async fn write(&self, batch: &WriteBatch) -> Result<WriteAnswer, RequestError>;

    /// How bulk jobs are made, where the remote takes them: for batches within
    /// [`Capabilities::bulk`].
    fn bulk(&self) -> Option<&dyn Bulk> {
        None
    }

    /// What is left of the calls that may be made, where the remote tells. Reads only.
    ///
    /// # Errors
    /// When it cannot be told now.
    async fn quota(&self) -> Result<Option<Quota>, RequestError> {
        Ok(None)
    }
}

/// What a SCHEMA says of a stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamSchema<'a> {
    /// The Singer stream.
    pub stream: &'a StreamName,
    /// Names of the top-level properties.
    pub properties: &'a [String],
    /// Names of those that are the tap's key.
    pub keys: &'a [String],
}

/// Calls that may be made in a time, over all that share the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quota {
    /// Those that were made.
    pub used: u64,
    /// Those that may be.
    pub max: u64,
}

/// Whose account a remote is, where ids mean something in their account alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// The address tells all.
    Unneeded,
    /// The remote's name of it.
    Told(String),
    /// The remote does not let this credential ask.
    Untold,
}

/// What a lookup goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The user's id, as the remote keeps it.
    ExternalId,
    /// The remote's own id.
    RemoteId,
    /// The value of this property.
    Field(Arc<str>),
}

/// What a lookup asks for.
#[derive(Clone, Debug)]
pub struct Question {
    /// The Singer stream; the connector knows the object behind it.
    pub stream: StreamName,
    /// What the keys are.
    pub by: By,
    /// 1 to [`Lookup::max_ids`], no duplicates.
    pub keys: Vec<Arc<str>>,
    /// Properties whose values are to come back with each row.
    pub want: Vec<Arc<str>>,
    /// What was written under keys, to be compared: JSON objects as text.
    pub sent: HashMap<Arc<str>, Arc<str>>,
    /// Which page: [`Found::next`] of the one before; `None` for the first.
    pub next: Option<Arc<str>>,
}

impl Question {
    /// Asks for the first page of ids, and for nothing of the records.
    pub fn of_ids(stream: StreamName, by: By, keys: Vec<Arc<str>>) -> Self {
        Self { stream, by, keys, want: Vec::new(), sent: HashMap::new(), next: None }
    }
}

/// What a lookup found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The records of this page.
    pub rows: Vec<Row>,
    /// What leads to the next page, if there is one.
    pub next: Option<Arc<str>>,
    /// Of the answer, if it has any rows: two pages with the same one are one page twice.
    pub digest: Option<u64>,
    /// The remote asks for quiet, for so long.
    pub quiet: Option<Duration>,
}

/// A record that a lookup found.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The one of [`Question::keys`] that it answers to, to the letter.
    pub key: Arc<str>,
    /// The remote's id of it.
    pub remote_id: RemoteId,
    /// Which version of the record this is, where the remote tells.
    pub version: Option<Arc<str>>,
    /// Those of [`Question::want`] that the row has.
    pub fields: Map<String, Value>,
    /// Which fields of [`Question::sent`] it holds with other values, for people.
    pub altered: Option<Box<str>>,
}

/// What is to be done with every record of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    /// Make it; nothing at the remote is touched otherwise.
    Create,
    /// Change the one with [`Write::remote_id`].
    Update,
    /// Create or update by [`Write::external_id`].
    Upsert,
    /// Remove the one with [`Write::remote_id`].
    Delete,
}

impl Action {
    const ALL: [Self; 4] = [Self::Create, Self::Update, Self::Upsert, Self::Delete];

    /// Lowercase English, as in results and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::Delete => "delete",
        }
    }

    /// Reads [`Action::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// Records of one stream that share one call.
///
/// 1 to [`CallLimits::max_records`] of them, no external id twice. Two external ids may be mapped
/// to one remote id: a connector whose remote cannot take that twice leaves the second in doubt.
#[derive(Clone, Debug)]
pub struct WriteBatch {
    /// The Singer stream; the connector knows the object behind it.
    pub stream: StreamName,
    /// What is to be done with each.
    pub action: Action,
    /// The records.
    pub writes: Vec<Write>,
    /// The batch's name, with [`Capabilities::batch_ids`]: the same when it is sent again, whole or
    /// halved.
    pub id: Option<Arc<str>>,
    /// The call does not leave any more from then on.
    pub not_after: Option<Instant>,
}

/// One record on its way out.
#[derive(Clone, Debug)]
pub struct Write {
    /// Present for every [`Action::Upsert`]; otherwise as far as the record has one.
    pub external_id: Option<ExternalId>,
    /// Present for every [`Action::Update`] and [`Action::Delete`]; of an [`Action::Create`], where
    /// the remote [creates again](Capabilities::creates_again) and it is known; absent otherwise.
    pub remote_id: Option<RemoteId>,
    /// The record itself says that id: no lookup has found it, and no map.
    pub says_id: bool,
    /// The version that it is to have still, where [`CallLimits::reads_first`] asks for it and the
    /// remote told one.
    pub version: Option<Arc<str>>,
    /// A JSON object as text, without the ids' own fields. Numbers stand in it as they came in.
    pub body: Arc<str>,
    /// Names a create in an `Idempotency-Key`: the same for each resend of it, also in a later job;
    /// empty where the remote knows [no keys](Capabilities::idempotent_create).
    pub key: Arc<str>,
    /// It is no record of the input but tells that its stream had none
    /// ([`Capabilities::wants_empty`]): it goes out bare.
    pub stands_in: bool,
    /// It has waited for whom it names: nobody else is on the way any more.
    pub has_waited: bool,
}

/// The status of an answer of which a part was throttled, after the rest had been applied.
pub const THROTTLED: u16 = 429;

/// What the remote answered to one batch.
#[derive(Clone, Debug)]
pub struct WriteAnswer {
    /// HTTP status of the answer; 0 where nothing had to be sent.
    pub status: u16,
    /// One for each write, in the order of the writes.
    pub verdicts: Vec<Verdict>,
    /// The remote asks for quiet, for so long.
    pub quiet: Option<Duration>,
}

/// What became of one record of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Made, under this id, if the answer names it.
    Created(Option<RemoteId>),
    /// Changed.
    Updated(Option<RemoteId>),
    /// Created or updated; the remote does not say which.
    Upserted(Option<RemoteId>),
    /// Left as it was, since nothing differs.
    Unchanged(Option<RemoteId>),
    /// Created or updated, but what belongs to it could not be written after it: it is to be
    /// updated, with all that belongs to it.
    Incomplete {
        /// Its id.
        remote_id: RemoteId,
        /// It is new.
        is_new: bool,
    },
    /// Removed, or already gone where that is as good.
    Deleted,
    /// Not created: the remote already has it, under this id if it says so.
    Exists(Option<RemoteId>),
    /// Not changed: nothing has this remote id.
    Missing,
    /// Not changed: it has not [`Write::version`] any more.
    Changed,
    /// Applied, but the remote holds other values than were sent, or has refused what belongs to it:
    /// which, for people.
    Altered(Option<RemoteId>, Box<str>),
    /// The remote's no, to this record alone; sending it again cannot help.
    Rejected(Rejection),
    /// Not applied: a record that it names is not there. That may be on its way in another call; where
    /// it is not, this is the remote's no.
    NoParent(Rejection),
    /// Not applied this time (a lock, a limit on this record), or not all of it, where to apply it
    /// twice leaves the same; sending it again can help.
    Busy(Box<str>),
    /// The answer does not say; it may or may not have been applied.
    InDoubt(Box<str>),
}

/// Why the remote, or the schema, says no to a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Who can mend it, in the platform's terms.
    pub class: ErrorClass,
    /// The remote's own code, such as `PROPERTY_DOESNT_EXIST`; groups errors in the summary.
    pub code: Option<Box<str>>,
    /// For people; holds no secret.
    pub message: Box<str>,
}

/// The platform's classes of errors, and the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The data is at fault: `InvalidPayloadError`.
    Payload,
    /// The credential is at fault, or lacks a permission: `InvalidCredentialsError`.
    Credentials,
    /// Anything else; the platform gives it no class.
    Other,
}

impl ErrorClass {
    /// The value of `hg_error_class`, where there is one.
    pub fn platform_name(self) -> Option<&'static str> {
        match self {
            Self::Payload => Some("InvalidPayloadError"),
            Self::Credentials => Some("InvalidCredentialsError"),
            Self::Other => None,
        }
    }
}

/// One thing that `check` looked at.
#[derive(Clone, Debug)]
pub struct CheckLine {
    /// What was looked at, such as `credential` or `object contacts`.
    pub subject: String,
    /// `Ok`: what was found. `Err`: what is wrong.
    pub result: Result<String, String>,
    /// What to do about it.
    pub hint: Option<String>,
}
