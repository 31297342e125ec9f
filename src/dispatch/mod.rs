//! A batch is sent: with its intent on disk before, its outcomes on disk after, tried again,
//! halved or looked up in between as the answers say.
//!
//! [`Dispatcher::deliver`] sees one batch through; the pipeline runs as many of them at once as
//! the [`concurrency`] limit allows. Whatever happens, each record of the batch comes out of it
//! exactly once: settled (its outcome is on disk) or to be planned again.

mod asking;
mod bulk;
pub mod concurrency;
mod delivery;
mod finding;
mod flight;
mod heard;
mod in_doubt;
mod judging;
mod looking;
mod planned;
mod preparing;
mod recovering;
pub mod retry;
mod verifying;

pub use delivery::not_sent;
pub use heard::Heard;
pub use judging::no_token;
pub use planned::{Held, Planned};
pub use recovering::recover;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::config::Keep;
use crate::connector::contract::{Action, Connector, ErrorClass, Rejection, Row};
use crate::error::Error;
use crate::outcome::{Content, Fate, Outcome, Trouble};
use crate::record::RemoteId;
use crate::resolve::found_by::found_by;
use crate::resolve::gate::Key;
use crate::store::Store;
use crate::store::jobs::JobId;
use crate::store::streams::StoredStream;
use crate::stream::{Partial, Record, Stream};

use concurrency::Limiter;
use flight::Flight;
use looking::Ask;
use retry::Retry;

/// Records that share a call.
#[derive(Debug)]
pub struct Batch {
    /// Their stream.
    pub stream: Arc<Stream>,
    /// The stream in the store.
    pub stored: StoredStream,
    /// What is to be done.
    pub task: Task,
    /// The records: no key twice.
    pub records: Vec<Planned>,
    /// Its name, where the remote is told one.
    pub id: Option<Arc<str>>,
    /// It goes out as a bulk job.
    pub is_bulk: bool,
    /// Hashes of the records that are locked while these are written.
    pub locks: Arc<[u64]>,
}

/// What a batch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// The remote is asked which of them it has.
    Lookup,
    /// What the remote holds of them is read, before this is done.
    Read(Action),
    /// What they name is asked for, before this is done.
    Prepare(Action),
    /// They are written.
    Write(Action),
}

/// What the pipeline is told.
#[derive(Debug)]
pub enum Event {
    /// These records have come to their end, and it is on disk.
    Settled(Settled),
    /// The remote was asked for these records, and has them under these ids.
    Found(Vec<(Planned, Vec<RemoteId>)>),
    /// The remote was asked what it holds of these records, before this is done.
    Read(Action, Vec<(Planned, Row)>),
    /// What these records name was asked for, before this is done.
    Prepared(Action, Vec<Planned>),
    /// These records were written without some of their relations; how is on disk.
    Partial(Vec<Record>),
    /// These records, for which this is to be done, were part of a bulk job that has not written
    /// them: they go out in smaller calls.
    Divided(Action, Vec<Planned>),
    /// These records, for which this is to be done, name others that are not there, which may be on
    /// their way; and what the remote says of them.
    NoParent(Action, Vec<(Planned, Rejection)>),
    /// The answer asks for another plan.
    Again(Vec<(Planned, Again)>),
    /// It is the turn of this record, which has waited for one of another job.
    Turn(Record),
    /// The job cannot go on.
    Fatal(Error),
    /// The batch is through; its place is free, and what it locked is.
    Delivered {
        /// It went out as a bulk job.
        is_bulk: bool,
        /// Hashes of the records that it locked.
        locks: Arc<[u64]>,
    },
}

/// Records that have come to their end.
#[derive(Debug)]
pub struct Settled {
    /// Index of their stream.
    pub stream: usize,
    /// What became of them.
    pub outcomes: Arc<Vec<Outcome>>,
    /// The key of each of them that went through the gate.
    pub keys: Vec<Option<Key>>,
    /// Bytes of memory that they held.
    pub bytes: usize,
}

/// Why a record needs another plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// It was to be created, and is there already, under this id if the remote says so.
    Exists(Option<RemoteId>),
    /// It was to be changed, and is not there.
    Missing,
    /// It was to be changed, and is another version than the one that was read.
    Changed(Action),
}

/// Calls made for one stream.
#[derive(Debug, Default)]
pub struct Calls {
    /// Calls that look up.
    pub lookups: AtomicU64,
    /// Of these, those that were answered.
    pub answered: AtomicU64,
    /// Calls that write.
    pub writes: AtomicU64,
    /// Calls that were made again.
    pub retries: AtomicU64,
    /// Bytes of records sent.
    pub bytes: AtomicU64,
}

impl Calls {
    fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// Everything that a batch needs on its way.
#[derive(Debug)]
pub struct Dispatcher {
    /// The remote.
    pub connector: Arc<dyn Connector>,
    /// Where intents and outcomes go.
    pub store: Arc<Store>,
    /// The job that they belong to.
    pub job: JobId,
    /// Its name, which no other job of any store has.
    pub uuid: String,
    /// What of a record's content is kept.
    pub keep: Keep,
    /// The state tells what was sent, so bodies are kept too.
    pub keep_bodies: bool,
    /// What calls have sent and heard is kept.
    pub heard: Option<Heard>,
    /// How many calls at once.
    pub limiter: Arc<Limiter>,
    /// How often again.
    pub retry: Retry,
    /// Nothing is written: each record's outcome is `skipped`, with what would have been done.
    pub dry_run: bool,
}

impl Dispatcher {
    /// Sees one batch through and tells `events` of it; the last event is
    /// [`Event::Delivered`].
    pub async fn deliver(&self, batch: Batch, calls: &Calls, events: &UnboundedSender<Event>) {
        let (is_bulk, locks) = (batch.is_bulk, Arc::clone(&batch.locks));
        let flight = Flight {
            dispatcher: self,
            stream: &Arc::clone(&batch.stream),
            stored: batch.stored,
            calls,
            events,
        };
        if let Err(error) = self.retry.until_over(self.carry(batch, &flight)).await {
            flight.event(Event::Fatal(error));
        }
        flight.event(Event::Delivered { is_bulk, locks });
    }

    async fn carry(&self, batch: Batch, flight: &Flight<'_>) -> Result<(), Error> {
        let Batch { task, records, id, is_bulk, .. } = batch;
        match task {
            Task::Lookup => looking::look_up(flight, Ask::Ids, records).await,
            Task::Read(action) => looking::look_up(flight, Ask::Content(action), records).await,
            Task::Prepare(action) => preparing::prepare(flight, action, records).await,
            Task::Write(action) if self.dry_run => {
                Calls::add(&flight.calls.writes, 1);
                let settled = records.into_iter().map(|planned| {
                    let action = match action {
                        Action::Upsert if planned.was_mapped => Action::Update,
                        other => other,
                    };
                    (planned, Some(action), Ended::new(Fate::Skipped))
                });
                flight.settle(settled.collect(), None).await
            }
            Task::Write(action) => match self.connector.bulk().filter(|_| is_bulk) {
                Some(bulk) => bulk::deliver(flight, bulk, action, records).await,
                None => delivery::deliver(flight, action, records, id).await,
            },
        }
    }

    /// Puts on disk that a record needs no call, but for some of its relations, and tells `events`.
    pub async fn settle_partial(
        &self,
        stored: StoredStream,
        planned: Planned,
        partial: Partial,
        events: &UnboundedSender<Event>,
    ) {
        let stream = Arc::clone(&planned.record.stream);
        let calls = Calls::default();
        let flight = Flight { dispatcher: self, stream: &stream, stored, calls: &calls, events };
        if let Err(error) = flight.settle_partial(vec![(planned, partial)]).await {
            flight.event(Event::Fatal(error));
        }
    }

    /// The remote asked for quiet beside its answer.
    fn keep_quiet(&self, quiet: Option<Duration>) {
        if let Some(quiet) = quiet {
            self.limiter.pause(Instant::now(), quiet);
        }
    }

    /// The outcome of a record, as it is stored and told.
    pub fn outcome(
        &self,
        stored: i64,
        planned: &Planned,
        action: Option<Action>,
        ended: Ended,
    ) -> Outcome {
        let record = &planned.record;
        let (mut action, mut ended) = (action, ended);
        if planned.is_doubtful && matches!(ended.fate, Fate::Rejected | Fate::Failed) {
            action = Some(Action::Create);
            ended.fate = Fate::InDoubt;
            let said = ended.trouble.map(|trouble| trouble.message).unwrap_or_default();
            let why = format!("an earlier try had no answer; the last one: {said}");
            ended.trouble = Some(Trouble::other("in_doubt", why));
        }
        if let Some(partial) = &record.partial {
            // What was made stays made; only a failure keeps its id in the map.
            match ended.fate {
                Fate::Updated | Fate::Unchanged => {
                    ended.fate = partial.fate;
                    action = Some(partial.action);
                }
                Fate::Rejected => ended.fate = Fate::Failed,
                _ => {}
            }
            ended.remote_id.get_or_insert_with(|| partial.remote_id.clone());
        }
        let keep = match self.keep {
            Keep::All => true,
            Keep::Failed => ended.fate.is_trouble(),
            Keep::None => false,
        };
        let body = self.keep_bodies.then(|| {
            let body = planned.outgoing();
            let shape = self.connector.shape(&record.stream.name);
            shape.map_or_else(|| Arc::clone(body), |shape| shape.told(body).into())
        });
        let content = (keep || self.keep_bodies).then(|| Content {
            schema_version: record.stream.version,
            source: keep.then(|| Arc::clone(&record.source)),
            body,
        });
        let is_open = ended.fate == Fate::InDoubt && action == Some(Action::Create);
        Outcome {
            position: record.position,
            stream: stored,
            external_id: record.external_id.clone(),
            remote_id: ended.remote_id.or_else(|| planned.remote_id.clone()),
            action,
            fate: ended.fate,
            attempts: planned.attempts,
            status: planned.status,
            trouble: ended.trouble,
            millis: planned
                .sent
                .map_or(0, |sent| u64::try_from(sent.elapsed().as_millis()).unwrap_or(u64::MAX)),
            fingerprint: record.fingerprint,
            parents: Some(planned.parents),
            found_by: found_by(
                &record.stream.options,
                &record.stream.capabilities,
                &record.lookup_values,
            ),
            custom_data: record.custom_data.clone(),
            batch_id: planned.batch_id.clone(),
            key: planned.key.as_ref().filter(|_| is_open).map(|key| Arc::clone(&key.text)),
            may_be_resent: is_open && planned.may_be_resent(),
            content,
        }
    }
}

/// A call that is refused as a whole may be so for one of its records: halved again and again, that
/// one stands alone.
fn halves<T>(mut records: Vec<T>) -> [Vec<T>; 2] {
    let right = records.split_off(records.len() / 2);
    [right, records]
}

/// How a record ended.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub fate: Fate,
    /// Under which id, if the remote told one.
    pub remote_id: Option<RemoteId>,
    /// Why not well.
    pub trouble: Option<Trouble>,
}

impl Ended {
    /// Without more to tell.
    pub fn new(fate: Fate) -> Self {
        Self { fate, remote_id: None, trouble: None }
    }

    /// Well, under this id.
    pub fn under(fate: Fate, remote_id: Option<RemoteId>) -> Self {
        Self { fate, remote_id, trouble: None }
    }

    /// Not well.
    pub fn trouble(fate: Fate, trouble: Trouble) -> Self {
        Self { fate, remote_id: None, trouble: Some(trouble) }
    }

    /// The remote's no.
    pub fn rejected(rejection: Rejection) -> Self {
        let Rejection { class, code, message } = rejection;
        let code = code.unwrap_or_else(|| "rejected".into());
        // What a credential may not do, we say ourselves.
        let is_remote = class == ErrorClass::Payload;
        Self::trouble(Fate::Rejected, Trouble { class, code, message, is_remote })
    }
}
