//! One bulk job, from its opening to what became of its records.
//!
//! It is on disk before its records are handed over, so that a job that is killed, or has to end
//! before the remote has, leaves it to the next one: that waits for its end, and hands nothing over
//! twice. What a bulk job has not written goes out in calls of its own.

use std::time::{Duration, Instant};

use super::asking::{NoAnswer, ask};
use super::delivery::{Delivery, intent};
use super::flight::Flight;
use super::judging::{Judged, Open, UNREACHABLE, judge_all};
use super::retry::{GaveUp, Kind, Tries};
use super::{Calls, Dispatcher, Ended, Event, Planned};
use crate::connector::contract::{
    Action, Bulk, Opened, Progress, RequestError, Ticket, Verdict, WriteBatch,
};
use crate::crash::point;
use crate::error::Error;
use crate::outcome::{Fate, NOT_SENT, Trouble, UNDER_WAY};
use crate::store::journal::IntentId;

/// The first wait for a job, and the longest: a remote that is asked every second for hours is asked
/// too often, and one that is asked every minute holds up a small job.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How long after a job was aborted its results are taken for all there are.
const SETTLES: Duration = Duration::from_secs(5);
/// A job that is under way for so long is told of, and again after twice as long.
const FIRST_TOLD: Duration = Duration::from_secs(60);
/// How often a job that says that it has not started may refuse to be given up.
const MOST_REFUSED: u32 = 5;
/// How often a remote has to say that it does not know a job: with the waits in between, for half a
/// minute.
const MOST_UNKNOWN: u32 = 10;
/// HTTP status of results.
const OK: u16 = 200;

/// What became of a bulk job that was to be started.
enum Start {
    Started(Ticket, IntentId),
    /// It may have started, and nobody can tell now.
    Untold(Ticket, NoAnswer),
    /// It was not, and may be tried again.
    Again(RequestError),
    /// It was not: the remote does not take it.
    Refused(String),
    /// It was not, and the job ends, with this.
    Over(String, Option<Error>),
}

/// Sees a batch through that goes out as a bulk job.
///
/// # Errors
/// What ends the job; every record has an outcome by then.
pub(super) async fn deliver(
    flight: &Flight<'_>,
    bulk: &dyn Bulk,
    action: Action,
    mut records: Vec<Planned>,
) -> Result<(), Error> {
    let retry = &flight.dispatcher.retry;
    let mut tries = Tries::default();
    let bytes: usize = records.iter().map(|planned| planned.outgoing().len()).sum();
    Calls::add(&flight.calls.bytes, bytes as u64);
    let handover = Handover { flight, bulk, action };
    loop {
        let (code, why, fatal) = match handover.start(&records).await? {
            Start::Started(ticket, intent) => {
                count(&mut records);
                return handover.see_through(&ticket, intent, records).await;
            }
            Start::Untold(ticket, no_answer) => {
                count(&mut records);
                return handover.leave(&ticket, no_answer, records).await;
            }
            Start::Refused(why) => {
                tracing::warn!(
                    stream = %flight.stream.name,
                    records = records.len(),
                    "No bulk job is made of these records, they go out in smaller calls: {why}"
                );
                handover.divide(records);
                return Ok(());
            }
            Start::Over(why, fatal) => (NOT_SENT, why, fatal),
            Start::Again(error) => match wait(flight.dispatcher, &mut tries, &error).await {
                Ok(()) => continue,
                Err(fatal) => {
                    let code = if retry.is_stopped() { NOT_SENT } else { UNREACHABLE };
                    (code, error.to_string(), fatal)
                }
            },
        };
        let ended = records.into_iter().map(|planned| {
            let trouble = Trouble::other(code, why.clone());
            (planned, Some(action), Ended::trouble(Fate::Failed, trouble))
        });
        flight.settle(ended.collect(), None).await?;
        return fatal.map_or(Ok(()), Err);
    }
}

/// Records were handed over.
fn count(records: &mut [Planned]) {
    let now = Instant::now();
    for planned in records {
        planned.attempts += 1;
        planned.sent.get_or_insert(now);
    }
}

/// Waits before the next try.
///
/// # Errors
/// Nothing more is to be tried; within, what ends the job.
async fn wait(
    dispatcher: &Dispatcher,
    tries: &mut Tries,
    error: &RequestError,
) -> Result<(), Option<Error>> {
    let Dispatcher { retry, limiter, .. } = dispatcher;
    let asked = match error {
        RequestError::Throttled { retry_after, .. } => Some(*retry_after),
        RequestError::InDoubt { retry_after: Some(asked), .. } => Some(Some(*asked)),
        _ => None,
    };
    let waited = match asked {
        Some(asked) => tries.throttled(retry, limiter, asked).await.map_err(Some)?,
        None => tries.again(retry).await,
    };
    waited.map_err(|gave_up| match gave_up {
        GaveUp::Attempts => Some(
            Error::remote(error.to_string())
                .hint("see whether the remote is well, then run the same input again"),
        ),
        GaveUp::Stopped => None,
    })
}

struct Handover<'a> {
    flight: &'a Flight<'a>,
    bulk: &'a dyn Bulk,
    action: Action,
}

impl Handover<'_> {
    /// Opens a job, hands the records over and closes it, with an intent on disk before that. One
    /// that was opened and not closed never starts.
    ///
    /// # Errors
    /// Trouble of the store.
    async fn start(&self, records: &[Planned]) -> Result<Start, Error> {
        let Flight { dispatcher, stream, calls, .. } = self.flight;
        let batch = WriteBatch {
            stream: stream.name.clone(),
            action: self.action,
            writes: records.iter().map(|planned| planned.write(self.action)).collect(),
            id: None,
            not_after: None,
        };
        let opened = ask(dispatcher, calls, Kind::Write, || self.bulk.open(&batch)).await;
        let Opened { ticket, upload } = match opened {
            Ok(opened) => opened,
            Err(NoAnswer { why, refusal: Some(_), .. }) => return Ok(Start::Refused(why)),
            Err(NoAnswer { why, fatal, .. }) => return Ok(Start::Over(why, fatal)),
        };
        let writes = records.iter().map(intent).collect();
        let lookup = stream.options.lookup_by();
        let (store, stored, told) =
            (&dispatcher.store, self.flight.stored.id, Some(ticket.clone()));
        let intended = store.intend(dispatcher.job, stored, self.action, lookup, told, writes);
        let intent = intended.await?;
        point("intended");
        Calls::add(&calls.writes, 1);
        let not_started = match self.bulk.upload(&ticket, upload).await {
            Ok(()) => {
                dispatcher.retry.answered(Kind::Write);
                point("uploaded");
                // Until it is answered: given up between a close and its answer, the job might start
                // although its records go out another way.
                match ask(dispatcher, calls, Kind::Write, || self.bulk.close(&ticket)).await {
                    Ok(()) => {
                        point("answered");
                        return Ok(Start::Started(ticket, intent));
                    }
                    Err(NoAnswer { why, refusal: Some(_), .. }) => Start::Refused(why),
                    Err(no_answer) => return Ok(Start::Untold(ticket, no_answer)),
                }
            }
            Err(error @ (RequestError::Refused { .. } | RequestError::Forbidden { .. })) => {
                Start::Refused(error.to_string())
            }
            Err(error @ RequestError::Stopped) => Start::Over(error.to_string(), None),
            Err(error) => Start::Again(error),
        };
        let progress = ask(dispatcher, calls, Kind::Write, || self.bulk.progress(&ticket)).await;
        let is_given_up = matches!(progress, Ok(Progress::Open))
            && ask(dispatcher, calls, Kind::Write, || self.bulk.abandon(&ticket)).await.is_ok();
        if !is_given_up {
            // It has started after all, or somebody has ended it: what follows finds out.
            return Ok(Start::Started(ticket, intent));
        }
        dispatcher.store.withdraw(intent).await?;
        Ok(not_started)
    }

    /// Waits for the end of a job that was started, and settles its records.
    async fn see_through(
        &self,
        ticket: &Ticket,
        intent: IntentId,
        records: Vec<Planned>,
    ) -> Result<(), Error> {
        let Flight { dispatcher, calls, stream, .. } = self.flight;
        let (end, verdicts) = match collect(dispatcher, calls, self.bulk, ticket).await {
            Ok(collected) => collected,
            // Its results are not to be had, now or later.
            Err(NoAnswer { refusal: Some(_), .. }) => (Progress::Unknown, Vec::new()),
            Err(no_answer) => return self.leave(ticket, no_answer, records).await,
        };
        let mut delivery = Delivery::going_on(self.flight, self.action, intent);
        if end == Progress::Open {
            delivery.end().await?;
            self.divide(records);
            return Ok(());
        }
        let mut judged = Judged::default();
        judge_all(records, self.action, OK, verdicts, &mut judged);
        if let Progress::Broken(why) | Progress::Aborted(why) = &end {
            tracing::warn!(
                stream = %stream.name,
                "A bulk job ended before its end: {why}; {} records of it are not written.",
                judged.open.len()
            );
        }
        let mut open = std::mem::take(&mut judged.open);
        let doubtful = std::mem::take(&mut judged.doubtful);
        delivery.settle_judged(&mut judged, false).await?;
        let mut fatal = judged.fatal;
        if self.action == Action::Create && !doubtful.is_empty() {
            let found = delivery.look_for(doubtful, Ok(()), &mut open, true, false).await?;
            fatal = fatal.or(found);
        } else {
            open.extend(doubtful);
        }
        // What somebody has ended is not written against their will.
        if fatal.is_some() || matches!(end, Progress::Aborted(_)) {
            let ended = open.drain(..).map(|open| {
                let (planned, ended) = open.give_up();
                (planned, Some(self.action), ended)
            });
            self.flight.settle(ended.collect(), None).await?;
        }
        delivery.end().await?;
        self.divide(open.into_iter().map(|open: Open| open.planned).collect());
        fatal.map_or(Ok(()), Err)
    }

    /// The job ends before the remote has: the next one goes on from here.
    async fn leave(
        &self,
        ticket: &Ticket,
        no_answer: NoAnswer,
        records: Vec<Planned>,
    ) -> Result<(), Error> {
        let why = format!(
            "handed over, and under way when the job ended ({}); the next run asks what became of it",
            no_answer.why
        );
        let job = self.bulk.name(ticket);
        tracing::warn!(%job, records = records.len(), "A bulk job is left under way.");
        let fate = if self.action == Action::Create { Fate::InDoubt } else { Fate::Failed };
        let ended = records.into_iter().map(|planned| {
            let trouble = Trouble::other(UNDER_WAY, why.clone());
            (planned, Some(self.action), Ended::trouble(fate, trouble))
        });
        self.flight.settle(ended.collect(), None).await?;
        no_answer.fatal.map_or(Ok(()), Err)
    }

    /// What was not written goes out by itself.
    fn divide(&self, records: Vec<Planned>) {
        if !records.is_empty() {
            self.flight.event(Event::Divided(self.action, records));
        }
    }
}

/// Waits for the end of a bulk job, and asks what became of its records. How it has ended: one that
/// is open never began, and never will.
async fn collect(
    dispatcher: &Dispatcher,
    calls: &Calls,
    bulk: &dyn Bulk,
    ticket: &Ticket,
) -> Result<(Progress, Vec<Verdict>), NoAnswer> {
    let (began, mut wait) = (Instant::now(), FIRST_WAIT);
    let (mut refused, mut unknown) = (0, 0);
    let mut tell_after = FIRST_TOLD;
    let end = loop {
        match ask(dispatcher, calls, Kind::Write, || bulk.progress(ticket)).await? {
            end @ (Progress::Done | Progress::Broken(_) | Progress::Aborted(_)) => break end,
            // Said once, it may be a slip; and a job that was started goes on.
            Progress::Unknown if unknown < MOST_UNKNOWN => unknown += 1,
            Progress::Unknown => return Ok((Progress::Unknown, Vec::new())),
            Progress::Running if began.elapsed() >= tell_after => {
                let (job, secs) = (bulk.name(ticket), began.elapsed().as_secs());
                tracing::info!(%job, "A bulk job has run for {secs} seconds.");
                tell_after *= 2;
            }
            Progress::Running => {}
            Progress::Open => match ask(dispatcher, calls, Kind::Write, || bulk.abandon(ticket))
                .await
            {
                Ok(()) => return Ok((Progress::Open, Vec::new())),
                // It may have started in between.
                Err(NoAnswer { refusal: Some(_), .. }) if refused < MOST_REFUSED => refused += 1,
                Err(no_answer) => return Err(no_answer),
            },
        }
        if !dispatcher.retry.sleep_in_grace(wait).await {
            let why = "the remote had not ended it".to_owned();
            return Err(NoAnswer { why, fatal: None, refusal: None });
        }
        wait = (wait * 3 / 2).min(LONGEST_WAIT);
    };
    // A piece of it that was at work when it was aborted may still be written.
    if matches!(end, Progress::Aborted(_)) && !dispatcher.retry.sleep_in_grace(SETTLES).await {
        let why = "it was aborted a moment ago".to_owned();
        return Err(NoAnswer { why, fatal: None, refusal: None });
    }
    let verdicts = ask(dispatcher, calls, Kind::Write, || bulk.results(ticket)).await?;
    Ok((end, verdicts))
}

/// What became of the records of a bulk job that an earlier job has left under way.
///
/// # Errors
/// Nobody can tell now.
pub(super) async fn find_out(
    dispatcher: &Dispatcher,
    bulk: &dyn Bulk,
    ticket: &Ticket,
    count: usize,
) -> Result<Vec<Verdict>, NoAnswer> {
    let (rest, mut verdicts) = match collect(dispatcher, &Calls::default(), bulk, ticket).await {
        Ok((Progress::Open, verdicts)) => (Verdict::Busy("it was not started".into()), verdicts),
        Ok((_, verdicts)) => (Verdict::InDoubt("nobody can tell any more".into()), verdicts),
        // To ask again makes no sense, and no job could ever go on.
        Err(NoAnswer { why, refusal: Some(_), .. }) => (Verdict::InDoubt(why.into()), Vec::new()),
        Err(no_answer) => return Err(no_answer),
    };
    verdicts.resize(count, rest);
    Ok(verdicts)
}
