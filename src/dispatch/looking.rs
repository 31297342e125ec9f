//! Batches that ask: which records the remote has, and what it holds of those that it has.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::finding::{Finder, NoAnswer, Traits};
use super::retry::Kind;
use super::{Calls, Dispatcher, Ended, Event, Planned, Told};
use crate::connector::contract::{Action, By};
use crate::error::Error;
use crate::outcome::{Fate, LOOKUP_FAILED, Trouble};
use crate::record::RemoteId;
use crate::stream::fields::Fields;

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
    dispatcher: &Dispatcher,
    ask: Ask,
    records: Vec<Planned>,
    calls: &Calls,
    told: &Told<'_>,
) -> Result<(), Error> {
    // A create in doubt is asked for when the remote can show it, not before.
    if let Some(visible) = records.iter().filter_map(|planned| planned.visible).max()
        && dispatcher.retry.sleep_until(visible).await.is_err()
    {
        let ended = records.into_iter().map(super::not_sent).collect();
        return told.settle(ended, None).await;
    }
    let (capabilities, options) = (&told.stream.capabilities, &told.stream.options);
    let finder = Finder { dispatcher, stream: &told.stream.name, capabilities, options, calls };
    let mut pieces = vec![records];
    let mut fatal = None;
    while let Some(piece) = pieces.pop() {
        let ended = look_up_piece(finder, ask, piece, told, &mut pieces).await?;
        if ended.is_some() {
            fatal = ended;
            let left = pieces.drain(..).flatten().map(super::not_sent).collect();
            told.settle(left, None).await?;
        }
    }
    fatal.map_or(Ok(()), Err)
}

/// Asks for records together. Returns what ends the job.
async fn look_up_piece(
    finder: Finder<'_>,
    ask: Ask,
    mut records: Vec<Planned>,
    told: &Told<'_>,
    pieces: &mut Vec<Vec<Planned>>,
) -> Result<Option<Error>, Error> {
    let answered = match ask {
        Ask::Ids => find(finder, &mut records).await,
        Ask::Content(action) => read(finder, action, &mut records).await,
    };
    match answered {
        Ok(event) => {
            if let Event::Read(_, read) = &event {
                let missing = read.iter().filter(|(_, row)| row.is_none());
                let lost = missing.filter_map(|(planned, _)| planned.lost_id()).collect();
                finder.dispatcher.store.lose(told.stored, lost).await?;
            }
            told.event(event);
            Ok(None)
        }
        Err(NoAnswer { is_refusal: true, .. }) if records.len() > 1 => {
            let right = records.split_off(records.len() / 2);
            pieces.push(right);
            pieces.push(records);
            Ok(None)
        }
        Err(NoAnswer { why, mut fatal, is_refusal }) => {
            if is_refusal {
                fatal = finder.dispatcher.retry.failed(Kind::Lookup, &why);
            }
            let code = if is_refusal { "lookup_refused" } else { LOOKUP_FAILED };
            let trouble = Trouble::other(code, format!("the lookup failed: {why}"));
            let ended = records
                .into_iter()
                .map(|planned| (planned, None, Ended::trouble(Fate::Failed, trouble.clone())))
                .collect();
            told.settle(ended, None).await?;
            Ok(fatal)
        }
    }
}

async fn find(finder: Finder<'_>, records: &mut Vec<Planned>) -> Result<Event, NoAnswer> {
    let wanted: Vec<_> = records.iter().map(|planned| Traits::of(&planned.record)).collect();
    let found = finder.find(&wanted).await?;
    Ok(Event::Found(std::mem::take(records).into_iter().zip(found).collect()))
}

async fn read(
    finder: Finder<'_>,
    action: Action,
    records: &mut Vec<Planned>,
) -> Result<Event, NoAnswer> {
    let Some(lookup) = finder.capabilities.read else {
        let why = "the remote cannot read records by their remote ids".to_owned();
        return Err(NoAnswer { why, fatal: None, is_refusal: true });
    };
    let keys = records.iter().map(|planned| {
        planned.remote_id.as_ref().map(|id: &RemoteId| Arc::<str>::from(id.as_str()))
    });
    let keys: Vec<_> = keys.collect();
    let only_empty = finder.options.only_empty();
    let bodies = records.iter().filter(|_| only_empty).map(|planned| &*planned.body);
    let mut rows = finder.ask(lookup, &By::RemoteId, keys.iter().cloned(), &names(bodies)).await?;
    let read = std::mem::take(records).into_iter().zip(keys).map(|(planned, key)| {
        // Two records may have one remote id: the row is for both.
        let row = key.and_then(|key| rows.get_mut(&key)).and_then(|rows| rows.first().cloned());
        (planned, row)
    });
    Ok(Event::Read(action, read.collect()))
}

/// The names of all fields of these objects.
pub(super) fn names<'a>(bodies: impl Iterator<Item = &'a str>) -> Vec<Arc<str>> {
    let mut names = BTreeSet::new();
    for fields in bodies.filter_map(|body| Fields::of_text(body).ok()) {
        names.extend(fields.0.into_iter().map(|(name, _)| Arc::<str>::from(&*name)));
    }
    names.into_iter().collect()
}
