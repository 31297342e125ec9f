//! One batch of writes, from its intent to its last outcome.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::flight::Flight;
use super::judging::{Judged, Open, UNREACHABLE, judge};
use super::retry::{GaveUp, Kind, Tries};
use super::verifying::verify;
use super::{Calls, Dispatcher, Ended, Event, Planned, in_doubt};
use crate::connector::contract::{Action, RequestError, WriteAnswer, WriteBatch};
use crate::connector::exchange::{Exchange, heard};
use crate::crash::point;
use crate::error::Error;
use crate::outcome::{CUT_OFF, Fate, NOT_SENT, Trouble, UNFINISHED};
use crate::resolve::first_bytes;
use crate::resolve::resend::CreateKey;
use crate::store::journal::{Intent, IntentId};

/// Sees a batch of writes through.
///
/// # Errors
/// What ends the job, after every record of the batch was settled; or trouble of the store, when
/// creates that were sent without an outcome on disk have their intent there.
pub(super) async fn deliver(
    flight: &Flight<'_>,
    action: Action,
    mut records: Vec<Planned>,
    batch_id: Option<Arc<str>>,
) -> Result<(), Error> {
    let dispatcher = flight.dispatcher;
    let mut delivery = Delivery { flight, action, batch_id, intent: None, exchanges: Vec::new() };
    if action == Action::Create
        && let Some(life) = flight.stream.capabilities.idempotent_create
    {
        for planned in records.iter_mut().filter(|planned| planned.key.is_none()) {
            let text = create_key(dispatcher, planned);
            planned.key = Some(CreateKey::new(text, Instant::now(), life));
        }
    }
    // What other streams of the object know of a record does not hold any more either.
    let is_shared = dispatcher.store.shares_object(&flight.stored);
    let comes_late = may_come_late(flight, action);
    let outlives = |planned: &&Planned| {
        let is_known = planned.was_mapped || is_shared;
        let is_told = is_known && planned.record.external_id.is_some();
        action == Action::Create || comes_late || is_told
    };
    let writes: Vec<Intent> = records.iter().filter(outlives).map(intent).collect();
    if !writes.is_empty() {
        let lookup = flight.stream.options.lookup_by();
        let store = &dispatcher.store;
        let intended = store.intend(dispatcher.job, flight.stored.id, action, lookup, None, writes);
        delivery.intent = Some(intended.await?);
        point("intended");
    }
    let mut pieces = vec![records];
    let mut fatal = None;
    while fatal.is_none()
        && !dispatcher.retry.is_over()
        && let Some(piece) = pieces.pop()
    {
        fatal = delivery.send(piece, &mut pieces).await?;
    }
    let left = pieces.into_iter().flatten().map(not_sent).collect();
    let intent = delivery.intent.take();
    flight.settle(left, intent).await?;
    fatal.map_or(Ok(()), Err)
}

/// Whether a call that changes records may be applied after its job has ended: then the next one
/// has to know of it, and waits.
fn may_come_late(flight: &Flight<'_>, action: Action) -> bool {
    action == Action::Update && !flight.stream.capabilities.settles.is_zero()
}

pub(super) fn intent(planned: &Planned) -> Intent {
    let record = &planned.record;
    Intent {
        position: record.position,
        external_id: record.external_id.clone(),
        fingerprint: record.fingerprint,
        lookup_values: record.lookup_values.clone(),
        key: planned.key.as_ref().map(|key| Arc::clone(&key.text)),
        parents: Some(planned.parents),
        attempts: Some(planned.attempts),
    }
}

/// A record that was not sent, since the job ended before; or not once more, with what belongs to it.
pub fn not_sent(planned: Planned) -> (Planned, Option<Action>, Ended) {
    if let Some(partial) = &planned.record.partial {
        let why = "written, and the job ended before all that belongs to it was";
        let action = Some(partial.action);
        return (planned, action, Ended::trouble(Fate::Failed, Trouble::other(UNFINISHED, why)));
    }
    let trouble = Trouble::other(NOT_SENT, "not sent: the job ended before");
    (planned, None, Ended::trouble(Fate::Failed, trouble))
}

pub(super) struct Delivery<'a> {
    flight: &'a Flight<'a>,
    action: Action,
    batch_id: Option<Arc<str>>,
    intent: Option<IntentId>,
    /// What the last call sent and heard.
    exchanges: Vec<Exchange>,
}

impl<'a> Delivery<'a> {
    /// Of records that were sent with this intent.
    pub(super) fn going_on(flight: &'a Flight<'a>, action: Action, intent: IntentId) -> Self {
        Self { flight, action, batch_id: None, intent: Some(intent), exchanges: Vec::new() }
    }

    /// What was not applied has no intent any more.
    pub(super) async fn end(mut self) -> Result<(), Error> {
        self.flight.settle(Vec::new(), self.intent.take()).await
    }
}

impl Delivery<'_> {
    /// Sends `records` until each has come to its end, needs another plan, or stands in `pieces`
    /// again because the call was refused as a whole. Returns what ends the job.
    async fn send(
        &mut self,
        mut records: Vec<Planned>,
        pieces: &mut Vec<Vec<Planned>>,
    ) -> Result<Option<Error>, Error> {
        let (mut tries, mut is_in_doubt) = (Tries::default(), false);
        loop {
            records = self.hold_expired(records, pieces.is_empty()).await?;
            if records.is_empty() {
                return Ok(None);
            }
            let sent = Instant::now();
            let answer = self.call(&mut records, !tries.is_first()).await;
            let has_answer = answer.is_ok();
            let is_stopped = matches!(answer, Err(RequestError::Stopped));
            let heard = self.flight.dispatcher.heard.as_ref();
            let positions =
                heard.map(|_| records.iter().map(|planned| planned.record.position).collect());
            let mut judged =
                judge(self.flight.dispatcher, self.action, records, (sent, answer), pieces);
            if let (Some(heard), Some(positions)) = (heard, positions) {
                let is_well = judged.is_well();
                heard.keep(self.flight, self.action, positions, sent, &self.exchanges, is_well);
            }
            if is_stopped && is_in_doubt && self.action != Action::Create {
                // An earlier try may have been applied.
                let doubted = judged.ended.drain(..).map(|(planned, _)| Open::doubted(planned));
                judged.open.extend(doubted);
            }
            let mut open = std::mem::take(&mut judged.open);
            let doubtful = std::mem::take(&mut judged.doubtful);
            let is_known = pieces.is_empty() && open.is_empty() && doubtful.is_empty();
            // What is known goes to disk before anything is waited for.
            self.settle_judged(&mut judged, is_known).await?;
            if self.action != Action::Create || doubtful.is_empty() {
                open.extend(doubtful);
            } else {
                // The quiet that is asked for is kept by the lookup too.
                let quiet = match judged.throttled.take() {
                    Some(asked) => self.keep_quiet(&mut Tries::default(), asked).await,
                    None => Ok(()),
                };
                let is_last = pieces.is_empty();
                let fatal = self.look_for(doubtful, quiet, &mut open, has_answer, is_last).await?;
                judged.fatal = judged.fatal.or(fatal);
            }
            let Some(first) = open.first() else {
                return Ok(judged.fatal);
            };
            is_in_doubt |= open.iter().any(|open| open.fate == Fate::InDoubt);
            let mut is_cut_off = is_stopped;
            let waited = match (judged.fatal, judged.throttled) {
                (Some(fatal), _) => Err(Some(fatal)),
                _ if is_stopped => Err(None),
                (None, Some(asked)) => {
                    let kept = self.keep_quiet(&mut tries, asked).await;
                    is_cut_off = matches!(kept, Err(None));
                    kept
                }
                (None, None) => {
                    let waited = tries.again(&self.flight.dispatcher.retry).await;
                    is_cut_off = waited == Err(GaveUp::Stopped);
                    waited.map_err(|gave_up| match gave_up {
                        GaveUp::Attempts => self.call_failed(first.code, &first.why),
                        GaveUp::Stopped => None,
                    })
                }
            };
            match waited {
                Ok(()) => records = open.into_iter().map(|open| open.planned).collect(),
                Err(fatal) => {
                    if is_in_doubt && may_come_late(self.flight, self.action) {
                        // It stays on disk, and outlives the job.
                        self.intent = None;
                    }
                    if is_cut_off {
                        // More tries were due.
                        for open in &mut open {
                            open.code = match open.fate {
                                Fate::Failed => NOT_SENT,
                                _ if self.action != Action::Create => CUT_OFF,
                                _ => open.code,
                            };
                        }
                    }
                    let ended = open.into_iter().map(Open::give_up).collect();
                    self.settle(ended, pieces.is_empty()).await?;
                    return Ok(fatal);
                }
            }
        }
    }

    /// Ends creates in doubt that may not be sent again any more: in the meantime the remote may
    /// have forgotten their keys. Returns the others. `is_last`: no other piece of the batch is to
    /// be sent.
    async fn hold_expired(
        &mut self,
        records: Vec<Planned>,
        is_last: bool,
    ) -> Result<Vec<Planned>, Error> {
        let is_expired = |planned: &Planned| {
            self.action == Action::Create && planned.is_doubtful && !planned.may_be_resent()
        };
        let (expired, records): (Vec<_>, Vec<_>) = records.into_iter().partition(is_expired);
        let why =
            "sent before without an answer; the remote may have forgotten its idempotency key";
        let held = expired.into_iter().map(|planned| {
            (planned, Ended::trouble(Fate::InDoubt, Trouble::other("in_doubt", why)))
        });
        self.settle(held.collect(), is_last && records.is_empty()).await?;
        Ok(records)
    }

    /// Puts on disk what an answer has told, once what is to be read back was. `is_known`: nothing
    /// else of the batch is open.
    pub(super) async fn settle_judged(
        &mut self,
        judged: &mut Judged,
        is_known: bool,
    ) -> Result<(), Error> {
        let mut ended = std::mem::take(&mut judged.ended);
        let mut written = Vec::new();
        if self.reads_after() {
            let is_written = |(_, ended): &(Planned, Ended)| ended.fate.is_success();
            (written, ended) = ended.into_iter().partition(is_written);
        }
        self.flight.settle_partial(std::mem::take(&mut judged.partial)).await?;
        self.settle(ended, is_known && written.is_empty()).await?;
        self.flight.again(std::mem::take(&mut judged.again)).await?;
        let orphans = std::mem::take(&mut judged.orphans);
        if !orphans.is_empty() {
            self.flight.event(Event::NoParent(self.action, orphans));
        }
        if !written.is_empty() {
            let verified = verify(self.flight, self.action, written).await;
            judged.fatal = judged.fatal.take().or(verified.fatal);
            self.settle(verified.ended, is_known).await?;
            self.flight.again(verified.again).await?;
        }
        Ok(())
    }

    /// Looks for creates that had no answer; those that may be sent again join `open`. Returns what
    /// ends the job. `is_last`: no other piece of the batch is to be sent.
    pub(super) async fn look_for(
        &mut self,
        doubtful: Vec<Open>,
        quiet: Result<(), Option<Error>>,
        open: &mut Vec<Open>,
        has_answer: bool,
        is_last: bool,
    ) -> Result<Option<Error>, Error> {
        let resolved = in_doubt::resolve(self.flight, doubtful, quiet).await;
        open.extend(resolved.resend);
        for open in &mut *open {
            open.planned.is_doubtful |= open.fate == Fate::InDoubt;
        }
        let is_dead = resolved.is_blind && !has_answer;
        let fatal = resolved.fatal.or_else(|| {
            // Or a remote that is broken would leave all of the input in doubt.
            let why = "it does not answer, and cannot be asked what it has";
            is_dead.then(|| self.flight.dispatcher.retry.failed(Kind::Write, why)).flatten()
        });
        self.flight.settle_partial(resolved.partial).await?;
        self.flight.again(resolved.again).await?;
        self.settle(resolved.ended, is_last && open.is_empty()).await?;
        Ok(fatal)
    }

    /// Whether what was written is to be read back.
    fn reads_after(&self) -> bool {
        let limits = self.flight.stream.capabilities.limits(self.action);
        limits.is_some_and(|limits| limits.reads_after)
    }

    async fn settle(&mut self, ended: Vec<(Planned, Ended)>, is_last: bool) -> Result<(), Error> {
        if ended.is_empty() {
            return Ok(());
        }
        let done = if is_last { self.intent.take() } else { None };
        let ended = ended.into_iter().map(|(planned, ended)| (planned, Some(self.action), ended));
        self.flight.settle(ended.collect(), done).await
    }

    async fn keep_quiet(
        &self,
        tries: &mut Tries,
        asked: Option<Duration>,
    ) -> Result<(), Option<Error>> {
        let Dispatcher { limiter, retry, .. } = self.flight.dispatcher;
        let kept = tries.throttled(retry, limiter, asked).await.map_err(Some)?;
        kept.map_err(|_| None)
    }

    /// A call failed for good: the remote is out of reach, or the breaker says that it is enough.
    fn call_failed(&self, code: &str, why: &str) -> Option<Error> {
        if code == UNREACHABLE {
            return Some(Error::remote(why.to_owned()).hint(
                "see whether the address is right and the remote is up, then run the same input again",
            ));
        }
        self.flight.dispatcher.retry.failed(Kind::Write, why)
    }

    async fn call(
        &mut self,
        records: &mut [Planned],
        is_retry: bool,
    ) -> Result<WriteAnswer, RequestError> {
        let now = Instant::now();
        let bytes: usize = records.iter().map(|planned| planned.outgoing().len()).sum();
        Calls::add(&self.flight.calls.writes, 1);
        Calls::add(&self.flight.calls.bytes, bytes as u64);
        if is_retry {
            Calls::add(&self.flight.calls.retries, 1);
        }
        for planned in records.iter_mut() {
            planned.attempts += 1;
            planned.sent.get_or_insert(now);
            planned.batch_id.clone_from(&self.batch_id);
        }
        let batch = WriteBatch {
            stream: self.flight.stream.name.clone(),
            action: self.action,
            writes: records.iter().map(|planned| planned.write(self.action)).collect(),
            id: self.batch_id.clone(),
            not_after: records.iter().filter_map(Planned::not_after).min(),
        };
        let call = self.flight.dispatcher.connector.write(&batch);
        let answer = if self.flight.dispatcher.heard.is_some() {
            let (answer, exchanges) = heard(call).await;
            self.exchanges = exchanges;
            answer
        } else {
            call.await
        };
        point("answered");
        answer
    }
}

/// Names a create: this one of this job alone. It is kept with the intent, for a job that goes on
/// from there. Whoever makes the record again after a call, or in another job, makes another one,
/// for this may have been deleted since: under its key the remote would tell of what it made then.
fn create_key(dispatcher: &Dispatcher, planned: &Planned) -> Arc<str> {
    let mut key = Sha256::new();
    key.update(&dispatcher.uuid);
    key.update(planned.record.position.to_be_bytes());
    key.update(planned.attempts.to_be_bytes());
    uuid::Builder::from_random_bytes(first_bytes(key)).into_uuid().to_string().into()
}
