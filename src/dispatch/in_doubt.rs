//! Creates that were sent and not answered: looked up before anything is sent again.

use std::time::{Duration, Instant};

use super::finding::{Finder, NoAnswer, Traits};
use super::judging::Open;
use super::retry::Kind;
use super::{Again, Calls, Dispatcher, Ended, Planned, Told};
use crate::config::StreamOptions;
use crate::config::stream::Mode;
use crate::connector::contract::{Action, Capabilities};
use crate::crash::point;
use crate::error::Error;
use crate::outcome::{Fate, LOOKUP_FAILED, Outcome, Trouble};
use crate::record::{RemoteId, StreamName};
use crate::store::jobs;
use crate::store::journal::Intent;
use crate::store::recovery::Leftover;

/// What a lookup says of creates in doubt.
#[derive(Default)]
pub(super) struct Resolved {
    /// They are there, or nobody can tell.
    pub(super) ended: Vec<(Planned, Ended)>,
    /// They are there. Whether with our content is not known, for another may have made them: they
    /// are updated.
    pub(super) again: Vec<(Planned, Again)>,
    /// They are not there for sure, or the remote makes no second record of them, or the user takes
    /// that into account: they may be sent again.
    pub(super) resend: Vec<Open>,
    /// What ends the job.
    pub(super) fatal: Option<Error>,
    /// Of some of them nobody could be asked: the remote has given no sign of life.
    pub(super) is_blind: bool,
}

/// Looks for `records`, once what was written can be seen by a lookup.
pub(super) async fn resolve(
    dispatcher: &Dispatcher,
    told: &Told<'_>,
    records: Vec<Open>,
    calls: &Calls,
) -> Resolved {
    let mut resolved = Resolved::default();
    let (capabilities, options) = (&told.stream.capabilities, &told.stream.options);
    let finder = Finder { dispatcher, stream: &told.stream.name, capabilities, options, calls };
    let can_find = |open: &Open| finder.can_find(&Traits::of(&open.planned.record));
    let in_doubt = |open: Open, code, why: String| {
        let message = format!("{}; {why}", open.why);
        (open.planned, Ended::trouble(Fate::InDoubt, Trouble::other(code, message)))
    };
    let (askable, blind): (Vec<_>, Vec<_>) = records.into_iter().partition(can_find);
    let (resend, lost): (Vec<_>, Vec<_>) =
        blind.into_iter().partition(|open| open.planned.may_be_resent());
    resolved.resend = resend;
    resolved.is_blind = !lost.is_empty();
    resolved.ended.extend(lost.into_iter().map(|open| {
        in_doubt(open, "in_doubt", "nothing can tell whether it was applied".to_owned())
    }));
    if askable.is_empty() {
        return resolved;
    }
    let wanted = askable.iter().map(|open| Traits::of(&open.planned.record)).collect();
    let (found, refused) = match find_late(finder, wanted, Instant::now() + finder.lag()).await {
        Ok(found) => found,
        Err(NoAnswer { why, fatal, .. }) => {
            resolved.fatal = fatal;
            let why = format!("and the lookup failed: {why}");
            let ended = askable.into_iter().map(|open| in_doubt(open, LOOKUP_FAILED, why.clone()));
            resolved.ended.extend(ended);
            return resolved;
        }
    };
    resolved.fatal = refused.as_ref().and_then(|why| dispatcher.retry.failed(Kind::Lookup, why));
    for (mut open, ids) in askable.into_iter().zip(found) {
        let Some(ids) = ids else {
            let why = refused.as_deref().unwrap_or_default();
            let why = format!("and the lookup failed: {why}");
            resolved.ended.push(in_doubt(open, LOOKUP_FAILED, why));
            continue;
        };
        match ids.as_slice() {
            [] => {
                open.fate = Fate::Failed;
                open.planned.is_doubtful = false;
                resolved.resend.push(open);
            }
            [id] if is_updated(options.mode, capabilities) => {
                resolved.again.push((open.planned, Again::Exists(Some(id.clone()))));
            }
            [id] => {
                let ended = Ended::under(Fate::Created, Some(id.clone()));
                resolved.ended.push((open.planned, ended));
            }
            several => {
                let why = format!("the remote has {} records of it", several.len());
                resolved.ended.push(in_doubt(open, "ambiguous", why));
            }
        }
    }
    resolved
}

/// Whether a record that is found after all is updated.
fn is_updated(mode: Mode, capabilities: &Capabilities) -> bool {
    mode == Mode::Upsert && (capabilities.update.is_some() || capabilities.upsert.is_some())
}

/// The remote ids of each record; `None` of one that the remote refuses to be asked for, and why.
type FoundLate = (Vec<Option<Vec<RemoteId>>>, Option<String>);

/// Finds `wanted` among what may have been written, which the remote can show from `visible` on.
///
/// What is found at once is found. That the rest is not there is believed only then. A lookup that is
/// refused as a whole is halved until the record that the remote does not take stands alone.
async fn find_late(
    finder: Finder<'_>,
    wanted: Vec<Traits>,
    visible: Instant,
) -> Result<FoundLate, NoAnswer> {
    let mut found: Vec<Option<Vec<RemoteId>>> = vec![Some(Vec::new()); wanted.len()];
    let mut refused = None;
    let mut open: Vec<usize> = (0..wanted.len()).collect();
    loop {
        // Asked again until the lag is over, so that the last answer counts.
        let is_late = Instant::now() >= visible;
        let mut pieces = vec![std::mem::take(&mut open)];
        while let Some(mut piece) = pieces.pop() {
            let asked: Vec<_> = piece.iter().filter_map(|at| wanted.get(*at).cloned()).collect();
            match finder.find(&asked).await {
                Ok(ids) => {
                    for (at, ids) in piece.into_iter().zip(ids) {
                        if ids.is_empty() {
                            open.push(at);
                        }
                        found[at] = Some(ids);
                    }
                }
                Err(no_answer) if !no_answer.is_refusal => return Err(no_answer),
                Err(_) if piece.len() > 1 => {
                    pieces.push(piece.split_off(piece.len() / 2));
                    pieces.push(piece);
                }
                Err(no_answer) => {
                    for at in piece {
                        found[at] = None;
                    }
                    refused = Some(no_answer.why);
                }
            }
        }
        if is_late || open.is_empty() {
            return Ok((found, refused));
        }
        finder.dispatcher.retry.poll(finder.lag(), visible).await.map_err(|_| NoAnswer {
            why: "the job ended before the remote could show it".to_owned(),
            fatal: None,
            is_refusal: false,
        })?;
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
    options: &StreamOptions,
) -> Result<(), Error> {
    let stream = StreamName::new(leftover.stream_name.as_str());
    let calls = Calls::default();
    let finder = Finder { dispatcher, stream: &stream, capabilities, options, calls: &calls };
    let traits = |write: &Intent| Traits {
        external_id: write.external_id.clone(),
        values: write.lookup_values.clone(),
    };
    let (askable, blind): (Vec<_>, Vec<_>) =
        leftover.writes.into_iter().partition(|write| finder.can_find(&traits(write)));
    let age = chrono::Utc::now().timestamp_millis().saturating_sub(leftover.sent_millis);
    let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
    let (mut found, mut refused) = (Vec::new(), None);
    if !askable.is_empty() {
        // A call may have left long after its intent: tried again, or halved. All had left by now.
        let visible = Instant::now() + finder.lag();
        let wanted = askable.iter().map(traits).collect();
        (found, refused) = find_late(finder, wanted, visible).await.map_err(|no_answer| {
            Error::remote(format!(
                "cannot find out what became of records that a killed job had sent: {}",
                no_answer.why
            ))
            .hint("run the same input again once the remote answers; nothing is sent before")
        })?;
    }
    let asked = found.len();
    let found = found.into_iter().chain(std::iter::repeat(None));
    let mut outcomes = Vec::new();
    for (at, (write, found)) in askable.into_iter().chain(blind).zip(found).enumerate() {
        let ended = match found.as_deref() {
            Some([]) => continue,
            Some([remote_id]) if is_updated(options.mode, capabilities) => {
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
            None if at < asked => {
                let why = refused.as_deref().unwrap_or_default();
                let why =
                    format!("the job was killed before the answer, and the lookup failed: {why}");
                Ended::trouble(Fate::InDoubt, Trouble::other(LOOKUP_FAILED, why))
            }
            None => {
                let sent = jobs::at_millis(leftover.sent_millis);
                let why = format!(
                    "the job was killed while it was sent, at {sent}; nothing can tell whether it was applied"
                );
                Ended::trouble(Fate::InDoubt, Trouble::other("in_doubt", why))
            }
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
            millis: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            fingerprint: write.fingerprint,
            parents: None,
            custom_data: None,
            batch_id: None,
            key: write.key,
            may_be_resent: false,
            content: None,
        });
    }
    point("recovering");
    Ok(dispatcher.store.record_late(leftover.job, outcomes, leftover.intent).await?)
}
