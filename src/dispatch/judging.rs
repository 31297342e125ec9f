//! From an answer to what it means for each record of a call.

use std::time::{Duration, Instant};

use super::delivery::not_sent;
use super::retry::Kind;
use super::{Again, Dispatcher, Ended, Planned, halves};
use crate::connector::contract::{
    Action, ErrorClass, Rejection, RequestError, THROTTLED, Verdict, WriteAnswer,
};
use crate::error::Error;
use crate::outcome::{ALTERED, Fate, NOT_SENT, Trouble, UNFINISHED};
use crate::stream::Partial;

/// A record that a call has not brought to its end, and how it ends if nothing helps.
pub(super) struct Open {
    pub(super) planned: Planned,
    pub(super) fate: Fate,
    pub(super) code: &'static str,
    pub(super) why: Box<str>,
}

impl Open {
    /// Of a record that was sent before without an answer, and not once more.
    pub(super) fn doubted(planned: Planned) -> Self {
        let why = "sent before without an answer; the job ended before it was sent again".into();
        Self { planned, fate: Fate::InDoubt, code: NO_ANSWER, why }
    }

    pub(super) fn give_up(self) -> (Planned, Ended) {
        (self.planned, Ended::trouble(self.fate, Trouble::other(self.code, self.why)))
    }
}

/// What one call leaves.
#[derive(Default)]
pub(super) struct Judged {
    /// Have come to their end.
    pub(super) ended: Vec<(Planned, Ended)>,
    /// Were written without some of their relations.
    pub(super) partial: Vec<(Planned, Partial)>,
    /// Wait for records that they name, and what the remote says of them.
    pub(super) orphans: Vec<(Planned, Rejection)>,
    /// Need another plan.
    pub(super) again: Vec<(Planned, Again)>,
    /// Were not applied for sure: to be sent again.
    pub(super) open: Vec<Open>,
    /// May have been applied.
    pub(super) doubtful: Vec<Open>,
    /// How long to wait because the remote throttles.
    #[expect(clippy::option_option, reason = "throttled or not; and with a wait asked for or not")]
    pub(super) throttled: Option<Option<Duration>>,
    /// What ends the job.
    pub(super) fatal: Option<Error>,
}

/// From an answer to what it means for each record; the call was sent at `sent`.
pub(super) fn judge(
    dispatcher: &Dispatcher,
    action: Action,
    records: Vec<Planned>,
    (sent, answer): (Instant, Result<WriteAnswer, RequestError>),
    pieces: &mut Vec<Vec<Planned>>,
) -> Judged {
    let mut judged = Judged::default();
    match answer {
        Ok(answer) => {
            let now = Instant::now();
            if answer.status == THROTTLED {
                dispatcher.limiter.troubled(sent, now);
            } else {
                dispatcher.limiter.succeeded(Kind::Write, sent, now);
            }
            dispatcher.keep_quiet(answer.quiet);
            dispatcher.retry.answered(Kind::Write);
            judge_all(records, action, answer.status, answer.verdicts, &mut judged);
        }
        Err(error) => judge_failure(dispatcher, records, sent, error, pieces, &mut judged),
    }
    judged
}

/// From the verdicts of an answer to what they mean.
pub(super) fn judge_all(
    records: Vec<Planned>,
    action: Action,
    status: u16,
    verdicts: Vec<Verdict>,
    judged: &mut Judged,
) {
    // A verdict that is missing is none: nothing may be lost by a connector's mistake.
    let none = || Verdict::InDoubt("the connector gives no verdict".into());
    let verdicts = verdicts.into_iter().chain(std::iter::repeat_with(none));
    for (planned, verdict) in records.into_iter().zip(verdicts) {
        judge_one(planned, action, status, verdict, judged);
    }
}

/// From a call that failed as a whole to what it means for its records.
fn judge_failure(
    dispatcher: &Dispatcher,
    mut records: Vec<Planned>,
    sent: Instant,
    error: RequestError,
    pieces: &mut Vec<Vec<Planned>>,
    judged: &mut Judged,
) {
    let now = Instant::now();
    let (limiter, retry) = (&dispatcher.limiter, &dispatcher.retry);
    let why: Box<str> = error.to_string().into();
    let open = |records: Vec<Planned>, fate, code| {
        let open = |planned| Open { planned, fate, code, why: why.clone() };
        records.into_iter().map(open).collect()
    };
    if let RequestError::Refused { status, .. } | RequestError::Forbidden { status, .. } = &error {
        for planned in &mut records {
            planned.status = Some(*status).filter(|status| *status > 0);
        }
    }
    match error {
        RequestError::Refused { code, message, .. } => {
            retry.answered(Kind::Write);
            if records.len() > 1 {
                // Somewhere in it is what the remote does not take: halved until it stands alone.
                pieces.extend(halves(records));
            } else {
                let rejection = Rejection { class: ErrorClass::Payload, code, message };
                judged.ended = all(records, || Ended::rejected(rejection.clone()));
            }
        }
        RequestError::Forbidden { message, .. } => {
            let class = ErrorClass::Credentials;
            let code = Some("forbidden".into());
            let rejection = Rejection { class, code, message: message.clone() };
            judged.ended = all(records, || Ended::rejected(rejection.clone()));
            judged.fatal = retry.failed(Kind::Write, &message);
        }
        RequestError::Throttled { retry_after, .. } => {
            limiter.troubled(sent, now);
            judged.throttled = Some(retry_after);
            judged.open = open(records, Fate::Failed, "throttled");
        }
        RequestError::Unreachable(_) => {
            limiter.troubled(sent, now);
            judged.open = open(records, Fate::Failed, UNREACHABLE);
        }
        RequestError::Unauthorized(_) | RequestError::NotKept(_) => {
            judged.open = open(records, Fate::Failed, NOT_SENT);
            judged.fatal = Some(no_token(&error));
        }
        RequestError::Spent(why) => {
            judged.open = open(records, Fate::Failed, NOT_SENT);
            judged.fatal = Some(spent(&why));
        }
        // Before the next try, it is held.
        RequestError::TooLate => judged.open = open(records, Fate::Failed, NOT_SENT),
        RequestError::Stopped => judged.ended = records.into_iter().map(never_left).collect(),
        RequestError::InDoubt { retry_after, .. } => {
            limiter.troubled(sent, now);
            judged.throttled = retry_after.map(Some);
            judged.doubtful = open(records, Fate::InDoubt, NO_ANSWER);
        }
        RequestError::Protocol(_) => {
            limiter.troubled(sent, now);
            judged.doubtful = open(records, Fate::InDoubt, NO_ANSWER);
        }
    }
}

/// What ends a job that has no token any more.
pub fn no_token(error: &RequestError) -> Error {
    let text = error.to_string();
    if matches!(error, RequestError::NotKept(_)) {
        return Error::ours(text)
            .hint("let the config file be written to by this user, then run the same input again");
    }
    Error::remote(text)
        .hint("check the credential with `target-upsert check`, then run the same input again")
}

/// What ends a job that may make no more calls.
pub(super) fn spent(why: &str) -> Error {
    Error::remote(why.to_owned())
        .hint("run the same input again later, or allow more of the quota: what was written is not written twice")
}

/// A record of a call that has not left.
fn never_left(mut planned: Planned) -> (Planned, Ended) {
    planned.attempts -= 1;
    let (planned, _, ended) = not_sent(planned);
    (planned, ended)
}

fn judge_one(
    mut planned: Planned,
    action: Action,
    status: u16,
    verdict: Verdict,
    judged: &mut Judged,
) {
    planned.status = Some(status).filter(|status| *status > 0);
    let ended = match verdict {
        Verdict::Created(id) => Ended::under(Fate::Created, id),
        Verdict::Updated(id) => Ended::under(Fate::Updated, id),
        Verdict::Upserted(id) => {
            // Under another id than the known one it is another record. Where a create is what
            // changes one, ids are no more than what the remote says to each post.
            let is_other = action == Action::Upsert
                && id
                    .as_ref()
                    .zip(planned.remote_id.as_ref())
                    .is_some_and(|(id, known)| id != known);
            let is_known = planned.was_mapped && !is_other;
            let fate = if is_known { Fate::Updated } else { Fate::Created };
            Ended::under(fate, id)
        }
        Verdict::Unchanged(id) => Ended::under(Fate::Unchanged, id),
        Verdict::Incomplete { remote_id, is_new } => {
            let fate = if is_new { Fate::Created } else { Fate::Updated };
            let attempts = planned.attempts;
            return judged.partial.push((planned, Partial { remote_id, action, fate, attempts }));
        }
        Verdict::Deleted => Ended::new(Fate::Deleted),
        Verdict::NoParent(rejection) if !planned.has_waited => {
            return judged.orphans.push((planned, rejection));
        }
        Verdict::NoParent(rejection) | Verdict::Rejected(rejection) => Ended::rejected(rejection),
        Verdict::Exists(id) => return judged.again.push((planned, Again::Exists(id))),
        Verdict::Missing => return judged.again.push((planned, Again::Missing)),
        Verdict::Changed => return judged.again.push((planned, Again::Changed(action))),
        Verdict::Altered(remote_id, why) => {
            // Made under an id that nobody knows, it must not be made again.
            let is_lost = action == Action::Create && remote_id.is_none();
            let fate = if is_lost { Fate::InDoubt } else { Fate::Failed };
            let trouble = Some(Trouble::payload(ALTERED, why));
            Ended { fate, remote_id, trouble }
        }
        Verdict::Busy(why) => {
            return judged.open.push(Open { planned, fate: Fate::Failed, code: "busy", why });
        }
        Verdict::InDoubt(why) => {
            let (fate, code) = (Fate::InDoubt, NO_ANSWER);
            return judged.doubtful.push(Open { planned, fate, code, why });
        }
    };
    if planned.is_partial && ended.fate.is_success() {
        if let Some(remote_id) = ended.remote_id.or_else(|| planned.remote_id.clone()) {
            let (fate, attempts) = (ended.fate, planned.attempts);
            let partial = Partial { remote_id, action, fate, attempts };
            return judged.partial.push((planned, partial));
        }
        let why = "written without some of its relations, and the remote did not tell its id";
        let ended = Ended::trouble(Fate::Failed, Trouble::other(UNFINISHED, why));
        return judged.ended.push((planned, ended));
    }
    judged.ended.push((planned, ended));
}

/// Code of a record that may have been applied.
const NO_ANSWER: &str = "no_answer";

/// Code of a record whose remote cannot be reached.
pub(super) const UNREACHABLE: &str = "unreachable";

fn all(records: Vec<Planned>, ended: impl Fn() -> Ended) -> Vec<(Planned, Ended)> {
    records.into_iter().map(|planned| (planned, ended())).collect()
}
