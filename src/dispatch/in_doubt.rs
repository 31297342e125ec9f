//! Creates that were sent and not answered: looked up before anything is sent again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::delivery::Open;
use super::{Again, Calls, Dispatcher, Ended, Planned, Told, looking};
use crate::config::stream::Mode;
use crate::connector::contract::{Action, Capabilities, Lookup};
use crate::error::Error;
use crate::outcome::{Fate, Outcome, Trouble};
use crate::record::{ExternalId, RemoteId, StreamName};
use crate::store::journal::JobKey;
use crate::store::recovery::Leftover;

/// What a lookup says of creates in doubt.
#[derive(Default)]
pub(super) struct Resolved {
    /// They are there, or nobody can tell.
    pub(super) ended: Vec<(Planned, Ended)>,
    /// They are there. Whether with our content is not known, for another may have made them: they
    /// are updated.
    pub(super) again: Vec<(Planned, Again)>,
    /// They are not there for sure, or the remote makes no second record of them: they may be
    /// sent again.
    pub(super) resend: Vec<Open>,
}

/// Looks for `records`, once what was written can be seen by a lookup.
pub(super) async fn resolve(
    dispatcher: &Dispatcher,
    told: &Told<'_>,
    records: Vec<Open>,
    calls: &Calls,
) -> Resolved {
    let mut resolved = Resolved::default();
    let capabilities = &told.stream.capabilities;
    let can_find = |open: &Open| open.planned.record.external_id.is_some();
    let in_doubt = |open: Open, code, why: String| {
        let message = format!("{}; {why}", open.why);
        (open.planned, Ended::trouble(Fate::InDoubt, Trouble::other(code, message)))
    };
    let (askable, blind): (Vec<_>, Vec<_>) = match capabilities.lookup {
        Some(_) => records.into_iter().partition(can_find),
        None => (Vec::new(), records),
    };
    if capabilities.idempotent_create {
        resolved.resend = blind;
    } else {
        resolved.ended.extend(blind.into_iter().map(|open| {
            in_doubt(open, "in_doubt", "nothing can tell whether it was applied".to_owned())
        }));
    }
    let Some(lookup) = capabilities.lookup.filter(|_| !askable.is_empty()) else {
        return resolved;
    };
    let ids: Vec<ExternalId> =
        askable.iter().filter_map(|open| open.planned.record.external_id.clone()).collect();
    let found = find_late(dispatcher, &told.stream.name, &ids, lookup, Instant::now(), calls).await;
    for mut open in askable {
        let id = open.planned.record.external_id.as_ref();
        match &found {
            Ok(found) => match id.and_then(|id| found.get(id)).map(Vec::as_slice) {
                None | Some([]) => {
                    open.fate = Fate::Failed;
                    resolved.resend.push(open);
                }
                Some([id]) if is_updated(told.stream.options.mode, capabilities) => {
                    resolved.again.push((open.planned, Again::Exists(Some(id.clone()))));
                }
                Some([id]) => {
                    let ended = Ended::under(Fate::Created, Some(id.clone()));
                    resolved.ended.push((open.planned, ended));
                }
                Some(several) => {
                    let why = format!("the remote has {} records of it", several.len());
                    resolved.ended.push(in_doubt(open, "ambiguous", why));
                }
            },
            Err(lookup_failed) => {
                let why = format!("and the lookup failed: {lookup_failed}");
                resolved.ended.push(in_doubt(open, "in_doubt", why));
            }
        }
    }
    resolved
}

/// Whether a record that is found after all is updated.
fn is_updated(mode: Mode, capabilities: &Capabilities) -> bool {
    mode == Mode::Upsert && (capabilities.update.is_some() || capabilities.upsert.is_some())
}

/// Finds `ids` among what may have been written until `since`.
///
/// What is found at once is found. That the rest is not there is believed only after the remote's
/// lag.
async fn find_late(
    dispatcher: &Dispatcher,
    stream: &StreamName,
    ids: &[ExternalId],
    lookup: Lookup,
    since: Instant,
    calls: &Calls,
) -> Result<HashMap<ExternalId, Vec<RemoteId>>, String> {
    let mut found = HashMap::new();
    let mut wanted: Vec<ExternalId> = ids.to_vec();
    let visible = since + lookup.lag;
    loop {
        // Asked again until the lag is over, so that the last answer counts.
        let is_late = Instant::now() >= visible;
        for ids in wanted.chunks(lookup.max_ids.max(1)) {
            let answer = looking::find(dispatcher, stream, ids, calls).await;
            found.extend(answer.map_err(|no_answer| no_answer.why)?);
        }
        wanted.retain(|id| !found.contains_key(id));
        if is_late || wanted.is_empty() {
            return Ok(found);
        }
        let pause = (lookup.lag / 4).max(Duration::from_millis(100));
        let next = (Instant::now() + pause).min(visible);
        dispatcher
            .retry
            .sleep_until(next)
            .await
            .map_err(|_| "the job ended before the remote could show it".to_owned())?;
    }
}

/// Finds out what became of a batch that a killed job left in doubt, and records it with that job.
///
/// What the remote has keeps its id, and is updated when it comes again: whether it has our content
/// is not known. What it has not, once it could show it, was not created, and may be when it comes
/// again. Where nothing can tell, the records stay in doubt.
///
/// # Errors
/// What ends the job: the remote gives no answer, or the store fails.
pub async fn recover(
    dispatcher: &Dispatcher,
    leftover: Leftover,
    capabilities: &Capabilities,
    mode: Mode,
) -> Result<(), Error> {
    let stream = StreamName::new(leftover.stream_name.as_str());
    let ids: Vec<ExternalId> =
        leftover.writes.iter().filter_map(|write| write.external_id.clone()).collect();
    let found = match capabilities.lookup {
        Some(lookup) if !ids.is_empty() => {
            let age = chrono::Utc::now().timestamp_millis().saturating_sub(leftover.sent_millis);
            // A clock that went back makes the wait longer, never shorter.
            let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
            let rest = Lookup { lag: lookup.lag.saturating_sub(age), ..lookup };
            let calls = Calls::default();
            let found = find_late(dispatcher, &stream, &ids, rest, Instant::now(), &calls).await;
            Some(found.map_err(|why| {
                Error::remote(format!(
                    "cannot find out what became of records that a killed job had sent: {why}"
                ))
                .hint("run the same input again once the remote answers; nothing is sent before")
            })?)
        }
        _ => None,
    };
    let mut outcomes = Vec::new();
    for write in leftover.writes {
        let ended = if let (Some(found), Some(id)) = (&found, &write.external_id) {
            match found.get(id).map(Vec::as_slice) {
                None | Some([]) => continue,
                Some([remote_id]) if is_updated(mode, capabilities) => {
                    let why = "the job was killed before the answer; the remote has it by now";
                    let trouble = Trouble::other("in_doubt", why);
                    let remote_id = Some(remote_id.clone());
                    Ended { fate: Fate::InDoubt, remote_id, trouble: Some(trouble) }
                }
                Some([remote_id]) => Ended::under(Fate::Created, Some(remote_id.clone())),
                Some(several) => {
                    let why = format!("the remote has {} records of it", several.len());
                    Ended::trouble(Fate::InDoubt, Trouble::other("ambiguous", why))
                }
            }
        } else {
            let why =
                "the job was killed while it was sent; nothing can tell whether it was applied";
            Ended::trouble(Fate::InDoubt, Trouble::other("in_doubt", why))
        };
        outcomes.push(Outcome {
            position: write.position,
            stream: leftover.stream,
            external_id: write.external_id,
            remote_id: ended.remote_id,
            action: Some(Action::Create),
            fate: ended.fate,
            attempts: 1,
            status: None,
            trouble: ended.trouble,
            millis: 0,
            fingerprint: write.fingerprint,
            custom_data: None,
            content: None,
        });
    }
    let job = JobKey { id: leftover.job, series: dispatcher.job.series };
    Ok(dispatcher.store.record(job, Arc::new(outcomes), Some(leftover.intent)).await?)
}
