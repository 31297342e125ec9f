//! Asks the remote which records it has, as often as it takes to get an answer.

use std::collections::HashMap;
use std::time::Instant;

use super::retry::GaveUp;
use super::{Calls, Dispatcher, Ended, Event, Planned, Told};
use crate::connector::contract::RequestError;
use crate::error::Error;
use crate::outcome::{Fate, Trouble};
use crate::record::{ExternalId, RemoteId, StreamName};

/// Why a lookup has no answer.
pub(super) struct NoAnswer {
    /// Why, for people.
    pub(super) why: String,
    /// What ends the job.
    pub(super) fatal: Option<Error>,
    /// The remote refuses to be asked; it makes no sense to ask again.
    pub(super) is_refusal: bool,
}

/// Looks up a batch of records and tells of it. A lookup that is refused as a whole is halved
/// until the id that the remote does not take stands alone.
///
/// # Errors
/// What ends the job, after every record was settled.
pub(super) async fn look_up(
    dispatcher: &Dispatcher,
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
    let mut pieces = vec![records];
    let mut fatal = None;
    while let Some(piece) = pieces.pop() {
        let ended = look_up_piece(dispatcher, piece, calls, told, &mut pieces).await?;
        if ended.is_some() {
            fatal = ended;
            let left = pieces.drain(..).flatten().map(super::not_sent).collect();
            told.settle(left, None).await?;
        }
    }
    fatal.map_or(Ok(()), Err)
}

/// Looks up records in one call. Returns what ends the job.
async fn look_up_piece(
    dispatcher: &Dispatcher,
    mut records: Vec<Planned>,
    calls: &Calls,
    told: &Told<'_>,
    pieces: &mut Vec<Vec<Planned>>,
) -> Result<Option<Error>, Error> {
    let ids: Vec<ExternalId> =
        records.iter().filter_map(|planned| planned.record.external_id.clone()).collect();
    match find(dispatcher, &told.stream.name, &ids, calls).await {
        Ok(mut found) => {
            let found = records
                .into_iter()
                .map(|planned| {
                    let ids = planned.record.external_id.as_ref().and_then(|id| found.remove(id));
                    (planned, ids.unwrap_or_default())
                })
                .collect();
            told.event(Event::Found(found));
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
                fatal = dispatcher.retry.failed(&why);
            }
            let code = if is_refusal { "lookup_refused" } else { "lookup_failed" };
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

/// Finds which of `ids` the remote has, and under which ids.
pub(super) async fn find(
    dispatcher: &Dispatcher,
    stream: &StreamName,
    ids: &[ExternalId],
    calls: &Calls,
) -> Result<HashMap<ExternalId, Vec<RemoteId>>, NoAnswer> {
    let retry = &dispatcher.retry;
    let (mut attempt, mut throttled) = (0, 0);
    loop {
        Calls::add(&calls.lookups, 1);
        if attempt + throttled > 0 {
            Calls::add(&calls.retries, 1);
        }
        let error = match dispatcher.connector.lookup(stream, ids).await {
            Ok(pairs) => {
                dispatcher.limiter.succeeded();
                retry.answered();
                let mut found: HashMap<ExternalId, Vec<RemoteId>> = HashMap::new();
                for (external_id, remote_id) in pairs {
                    let ids = found.entry(external_id).or_default();
                    if !ids.contains(&remote_id) {
                        ids.push(remote_id);
                    }
                }
                return Ok(found);
            }
            Err(error) => error,
        };
        let why = error.to_string();
        let no_answer = |fatal| NoAnswer { why: why.clone(), fatal, is_refusal: false };
        let waited = match error {
            RequestError::Unauthorized(_) => {
                return Err(no_answer(Some(Error::remote(why.clone()).hint(
                    "check the credential with `target-upsert check`, then run the same input again",
                ))));
            }
            RequestError::Refused { .. } | RequestError::Forbidden { .. } => {
                return Err(NoAnswer { why, fatal: None, is_refusal: true });
            }
            RequestError::Throttled { retry_after, .. } => {
                dispatcher.limiter.troubled(Instant::now());
                throttled += 1;
                let wait = retry
                    .throttled(retry_after, throttled)
                    .map_err(|fatal| no_answer(Some(fatal)))?;
                dispatcher.limiter.pause(Instant::now(), wait);
                retry.sleep(wait).await
            }
            _ => {
                dispatcher.limiter.troubled(Instant::now());
                attempt += 1;
                throttled = 0;
                retry.again(attempt).await
            }
        };
        match waited {
            Ok(()) => {}
            Err(GaveUp::Stopped) => return Err(no_answer(None)),
            Err(GaveUp::Attempts) => {
                let fatal = Error::remote(why.clone()).hint(
                    "see whether the remote is well, then run the same input again: nothing is \
                     created before a lookup has an answer",
                );
                return Err(no_answer(Some(fatal)));
            }
        }
    }
}
