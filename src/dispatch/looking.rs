//! Batches that ask: which records the remote has, and what it holds of those that it has.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::asking::{NoAnswer, Refusal};
use super::finding::{Finder, Traits};
use super::flight::Flight;
use super::retry::Kind;
use super::{Again, Ended, Event, Planned, halves};
use crate::connector::contract::{Action, By, Row};
use crate::error::Error;
use crate::json::fields::Fields;
use crate::outcome::{Fate, LOOKUP_FAILED, Trouble};
use crate::record::RemoteId;

/// What a batch asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Under which remote ids the records stand.
    Ids,
    /// What stands under their remote ids.
    Content(Action),
}

/// Asks for a batch of records and tells of it. A lookup that is refused as a whole is halved
/// until the record that the remote does not take stands alone.
///
/// # Errors
/// What ends the job, after every record was settled.
pub(super) async fn look_up(
    flight: &Flight<'_>,
    ask: Ask,
    records: Vec<Planned>,
) -> Result<(), Error> {
    let retry = &flight.dispatcher.retry;
    if let Some(at) = records.iter().filter_map(|planned| planned.not_before).max()
        && retry.sleep_until(at).await.is_err()
    {
        let ended = records.into_iter().map(super::not_sent).collect();
        return flight.settle(ended, None).await;
    }
    let pieces = VecDeque::from([records]);
    let mut asking =
        Asking { flight, ask, pieces, refused: Vec::new(), has_answer: false, fatal: None };
    let mut is_lone = false;
    // After a record that is refused alone, the largest piece tells whether that lies in the
    // record, before its neighbours are refused too and trip the breaker.
    while let Some(piece) =
        if is_lone { asking.pieces.pop_front() } else { asking.pieces.pop_back() }
    {
        is_lone = asking.piece(piece).await?;
        if asking.fatal.is_some() || retry.is_over() {
            let left = asking.pieces.drain(..).flatten().map(super::not_sent).collect();
            flight.settle(left, None).await?;
        }
    }
    asking.end().await
}

/// A batch that is asked for, in one piece or several.
struct Asking<'a> {
    flight: &'a Flight<'a>,
    ask: Ask,
    /// What is still to be asked for; those behind are parts of those in front of them.
    pieces: VecDeque<Vec<Planned>>,
    /// Each of them alone, and why.
    refused: Vec<(Planned, Refusal, String)>,
    /// Some piece was answered.
    has_answer: bool,
    /// What ends the job.
    fatal: Option<Error>,
}

impl Asking<'_> {
    /// Asks for records together. Returns whether one was refused alone.
    async fn piece(&mut self, mut records: Vec<Planned>) -> Result<bool, Error> {
        let (dispatcher, finder) = (self.flight.dispatcher, self.flight.finder());
        let answered = match self.ask {
            Ask::Ids => find(finder, &mut records).await,
            Ask::Content(action) => read(finder, action, &mut records).await,
        };
        match answered {
            Ok((event, missing)) => {
                self.has_answer = true;
                self.flight.event(event);
                self.flight.again(missing).await?;
            }
            Err(NoAnswer { refusal: Some(_), .. }) if records.len() > 1 => {
                self.pieces.extend(halves(records));
            }
            Err(NoAnswer { why, refusal: Some(refusal), .. }) => {
                if !self.has_answer {
                    self.fatal = dispatcher.retry.failed(Kind::Lookup, &why);
                }
                let refused = |planned| (planned, refusal, why.clone());
                self.refused.extend(records.into_iter().map(refused));
                return Ok(true);
            }
            Err(NoAnswer { fatal: None, refusal: None, .. }) if dispatcher.retry.is_stopped() => {
                let left = records.into_iter().map(super::not_sent).collect();
                self.flight.settle(left, None).await?;
            }
            Err(NoAnswer { why, fatal, refusal: None }) => {
                self.fatal = fatal;
                let trouble = Trouble::other(LOOKUP_FAILED, format!("the lookup failed: {why}"));
                let failed =
                    |planned| (planned, None, Ended::trouble(Fate::Failed, trouble.clone()));
                self.flight.settle(records.into_iter().map(failed).collect(), None).await?;
            }
        }
        Ok(false)
    }

    /// Settles what was refused, now that it is known what else was answered.
    async fn end(self) -> Result<(), Error> {
        let is_answered = self.flight.calls.answered.load(Ordering::Relaxed) > 0;
        let is_good = is_answered && self.fatal.is_none();
        let ended = self
            .refused
            .into_iter()
            .map(|(planned, refusal, why)| (planned, None, refused_alone(refusal, is_good, &why)));
        self.flight.settle(ended.collect(), None).await?;
        self.fatal.map_or(Ok(()), Err)
    }
}

/// The end of a record that the remote refuses to be asked for, alone. `is_good`: the same question
/// about others of the stream was answered, so it is the record that is not.
fn refused_alone(refusal: Refusal, is_good: bool, why: &str) -> Ended {
    let message = format!("the lookup failed: {why}");
    if is_good && refusal == Refusal::Question {
        Ended::trouble(Fate::Rejected, Trouble::payload("lookup_refused", message))
    } else {
        Ended::trouble(Fate::Failed, Trouble::other("lookup_refused", message))
    }
}

/// What is told of records that were asked for, and those that the remote misses.
type Answered = (Event, Vec<(Planned, Again)>);

async fn find(finder: Finder<'_>, records: &mut Vec<Planned>) -> Result<Answered, NoAnswer> {
    let wanted: Vec<_> = records.iter().map(|planned| Traits::of(&planned.record)).collect();
    let found = finder.find(&wanted).await?;
    let found = std::mem::take(records).into_iter().zip(found).collect();
    Ok((Event::Found(found), Vec::new()))
}

async fn read(
    finder: Finder<'_>,
    action: Action,
    records: &mut Vec<Planned>,
) -> Result<Answered, NoAnswer> {
    let Some(lookup) = finder.capabilities.read else {
        let why = "the remote cannot read records by their remote ids".to_owned();
        return Err(NoAnswer { why, fatal: None, refusal: Some(Refusal::Credential) });
    };
    let keys = records.iter().map(|planned| {
        planned.remote_id.as_ref().map(|id: &RemoteId| Arc::<str>::from(id.as_str()))
    });
    let keys: Vec<_> = keys.collect();
    let only_empty = finder.options.only_empty();
    let bodies = records.iter().filter(|_| only_empty).map(|planned| &*planned.body);
    let want = names(bodies);
    let mut rows: HashMap<Arc<str>, Row> = HashMap::new();
    // What was written a moment ago, a reading may not show yet: it is asked for again until it
    // must.
    let deadline = Instant::now() + lookup.lag;
    loop {
        let is_late = Instant::now() >= deadline;
        let open =
            |key: &&Option<Arc<str>>| key.as_ref().is_some_and(|key| !rows.contains_key(key));
        let open: Vec<_> = keys.iter().filter(open).cloned().collect();
        if open.is_empty() {
            break;
        }
        let read = finder.ask(lookup, &By::RemoteId, open.into_iter(), &want).await?;
        rows.extend(
            read.into_iter().filter_map(|(key, rows)| Some((key, rows.into_iter().next()?))),
        );
        if is_late {
            break;
        }
        let why = || "the job ended before the remote could show it".to_owned();
        let waited = finder.dispatcher.retry.poll(lookup.lag, deadline).await;
        waited.map_err(|_| NoAnswer { why: why(), fatal: None, refusal: None })?;
    }
    let (mut read, mut missing) = (Vec::new(), Vec::new());
    for (planned, key) in std::mem::take(records).into_iter().zip(keys) {
        // Two records may have one remote id: the row is for both.
        match key.and_then(|key| rows.get(&key)) {
            Some(row) => read.push((planned, row.clone())),
            None => missing.push((planned, Again::Missing)),
        }
    }
    Ok((Event::Read(action, read), missing))
}

/// The names of all fields of these objects.
pub(super) fn names<'a>(bodies: impl Iterator<Item = &'a str>) -> Vec<Arc<str>> {
    let mut names = BTreeSet::new();
    for fields in bodies.filter_map(|body| Fields::of_text(body).ok()) {
        names.extend(fields.0.into_iter().map(|(name, _)| Arc::<str>::from(&*name)));
    }
    names.into_iter().collect()
}
