//! Creates that a killed job had sent, and bulk jobs that an earlier one has left under way: what
//! became of them is found out before this one sends anything.

use std::time::Instant;

use super::asking::NoAnswer;
use super::finding::{Finder, Traits};
use super::in_doubt::{Late, find_late};
use super::{Calls, Dispatcher, Ended, bulk};
use crate::config::StreamOptions;
use crate::connector::contract::{Action, Capabilities, Ticket, Verdict};
use crate::crash::point;
use crate::error::Error;
use crate::outcome::{ALTERED, Fate, LOOKUP_FAILED, Outcome, Trouble, UNFINISHED};
use crate::record::StreamName;
use crate::resolve::found_by::found_by;
use crate::store::jobs;
use crate::store::journal::Intent;
use crate::store::recovery::Leftover;

/// Finds out what became of a batch that a killed job left in doubt, and records it with that job.
///
/// What the remote has keeps its id, and is updated when it comes again: whether it has our content
/// is not known. What it has not, once it could show it, was not created, and may be when it comes
/// again. Where nothing can tell, the records stay in doubt. `began`: when this job did.
///
/// # Errors
/// What ends the job: the remote gives no answer, or the store fails.
pub async fn recover(
    dispatcher: &Dispatcher,
    leftover: Leftover,
    capabilities: &Capabilities,
    options: &StreamOptions,
    began: Instant,
) -> Result<(), Error> {
    let options = &options.with_lookup(leftover.lookup);
    let stream = StreamName::new(leftover.stream_name.as_str());
    let calls = Calls::default();
    let finder = Finder { dispatcher, stream: &stream, capabilities, options, calls: &calls };
    let traits = |write: &Intent| Traits {
        external_id: write.external_id.clone(),
        values: write.lookup_values.clone(),
    };
    let (mut told, mut writes) = (Vec::new(), leftover.writes);
    if let Some(ticket) = &leftover.ticket {
        (told, writes) = of_bulk(dispatcher, &stream, ticket, writes).await?;
        // All but a create is simply sent again.
        if leftover.action != Action::Create {
            writes.clear();
        }
    }
    let (askable, blind): (Vec<_>, Vec<_>) =
        writes.into_iter().partition(|write| finder.can_find(&traits(write)));
    let mut found = Vec::new();
    if !askable.is_empty() {
        // A call may have left long after its intent: tried again, or halved. All had left before
        // this job began.
        let visible = began + finder.settles();
        let wanted = askable.iter().map(traits).collect();
        found = find_late(finder, wanted, visible)
            .await
            .map_err(|no_answer| untold(&stream, &no_answer))?;
    }
    let found = askable.into_iter().zip(found).filter_map(|(write, found)| {
        let ended = match found {
            Ok(ids) => of_found(Late::of(&ids, options.mode, capabilities))?,
            Err(why) => {
                let why =
                    format!("the job was killed before the answer, and the lookup failed: {why}");
                Ended::trouble(Fate::InDoubt, Trouble::other(LOOKUP_FAILED, why))
            }
        };
        Some((write, ended))
    });
    let blind = blind.into_iter().map(|write| {
        let sent = jobs::at_millis(leftover.sent_millis);
        let why = format!(
            "the job was killed while it was sent, at {sent}; nothing can tell whether it was applied"
        );
        (write, Ended::trouble(Fate::InDoubt, Trouble::other("in_doubt", why)))
    });
    let (stream, sent_millis) = (leftover.stream, leftover.sent_millis);
    let action = leftover.action;
    let outcomes = found.chain(blind).chain(told).map(|(write, ended)| Outcome {
        found_by: found_by(options, capabilities, &write.lookup_values),
        ..outcome(stream, sent_millis, action, write, ended)
    });
    let outcomes = outcomes.collect();
    point("recovering");
    Ok(dispatcher.store.record_late(leftover.job, outcomes, leftover.intent).await?)
}

/// What ends a job that cannot find out.
fn untold(stream: &StreamName, no_answer: &NoAnswer) -> Error {
    Error::remote(format!(
        "cannot find out what became of records that an earlier job had sent: {}",
        no_answer.why
    ))
    .hint(format!(
        "run the same input again once the remote answers; nothing is sent before. To send them again \
         without an answer: `target-upsert ids forget --stream {stream} --doubts`"
    ))
}

/// What became of records that were handed over as a bulk job, and those of which nobody can tell.
async fn of_bulk(
    dispatcher: &Dispatcher,
    stream: &StreamName,
    ticket: &Ticket,
    writes: Vec<Intent>,
) -> Result<(Vec<(Intent, Ended)>, Vec<Intent>), Error> {
    let Some(remote) = dispatcher.connector.bulk() else { return Ok((Vec::new(), writes)) };
    let job = remote.name(ticket);
    tracing::info!(%job, "An earlier job has left a bulk job under way; its end is waited for.");
    let found = bulk::find_out(dispatcher, remote, ticket, writes.len()).await;
    let verdicts = found.map_err(|no_answer| untold(stream, &no_answer))?;
    let (mut told, mut open) = (Vec::new(), Vec::new());
    for (write, verdict) in writes.into_iter().zip(verdicts) {
        let not_written = |why: &str| {
            let why = format!("a bulk job has not written it: {why}");
            Ended::trouble(Fate::Failed, Trouble::other("not_written", why))
        };
        let ended = match verdict {
            Verdict::InDoubt(_) => {
                open.push(write);
                continue;
            }
            Verdict::Created(id) => Ended::under(Fate::Created, id),
            Verdict::Updated(id) | Verdict::Upserted(id) => Ended::under(Fate::Updated, id),
            Verdict::Unchanged(id) => Ended::under(Fate::Unchanged, id),
            Verdict::Incomplete { remote_id, .. } => Ended {
                remote_id: Some(remote_id),
                ..Ended::trouble(
                    Fate::Failed,
                    Trouble::other(UNFINISHED, "what belongs to it is open"),
                )
            },
            Verdict::Altered(id, why) => Ended {
                remote_id: id,
                ..Ended::trouble(Fate::Failed, Trouble::payload(ALTERED, why))
            },
            Verdict::Deleted => Ended::new(Fate::Deleted),
            Verdict::Rejected(rejection) => Ended::rejected(rejection),
            Verdict::NoParent(rejection) => not_written(&rejection.message),
            Verdict::Busy(why) => not_written(&why),
            Verdict::Exists(_) => not_written("the remote has it already"),
            Verdict::Missing => not_written("the remote misses it"),
            Verdict::Changed => not_written("it has changed"),
        };
        told.push((write, ended));
    }
    Ok((told, open))
}

/// How a create ended that a killed job had sent; `None`: it was not made.
fn of_found(late: Late) -> Option<Ended> {
    let under = |id, fate, code, why| {
        let trouble = Some(Trouble::other(code, why));
        Some(Ended { fate, remote_id: Some(id), trouble })
    };
    match late {
        Late::NotThere => None,
        Late::ToUpdate(id) => {
            let why = "the job was killed before the answer; the remote has it by now";
            under(id, Fate::InDoubt, "in_doubt", why)
        }
        Late::MayLackRest(id) => {
            let why = "the job was killed before the answer; the remote has it by now, and may lack \
                       what belongs to it";
            under(id, Fate::Failed, UNFINISHED, why)
        }
        Late::Made(id) => Some(Ended::under(Fate::Created, Some(id))),
        Late::Ambiguous(why) => {
            Some(Ended::trouble(Fate::InDoubt, Trouble::other("ambiguous", why)))
        }
    }
}

fn outcome(stream: i64, sent_millis: i64, action: Action, write: Intent, ended: Ended) -> Outcome {
    let age = chrono::Utc::now().timestamp_millis().saturating_sub(sent_millis);
    Outcome {
        position: write.position,
        stream,
        external_id: write.external_id,
        remote_id: ended.remote_id,
        action: Some(action),
        fate: ended.fate,
        attempts: write.attempts.unwrap_or(0) + 1,
        status: None,
        trouble: ended.trouble,
        millis: u64::try_from(age).unwrap_or(0),
        fingerprint: write.fingerprint,
        parents: write.parents,
        found_by: None,
        custom_data: None,
        batch_id: None,
        key: write.key,
        may_be_resent: false,
        content: None,
    }
}
