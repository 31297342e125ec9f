//! A call is made until it has an answer: one that leaves the same when it is made twice, so that a lost
//! answer costs one more call and no more.

use std::time::Instant;

use super::judging::{no_token, spent};
use super::retry::{GaveUp, Kind, Tries};
use super::{Calls, Dispatcher};
use crate::connector::contract::RequestError;
use crate::error::Error;

/// Why a question has no answer.
pub(super) struct NoAnswer {
    /// Why, for people.
    pub(super) why: String,
    /// What ends the job.
    pub(super) fatal: Option<Error>,
    /// Asking the same again makes no sense.
    pub(super) refusal: Option<Refusal>,
}

/// What a remote refuses that refuses a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// This question.
    Question,
    /// To be asked at all: by this credential, or by anybody.
    Credential,
}

/// The answer to what `ask` asks, counted with the calls of its `kind`.
pub(super) async fn ask<T, F>(
    dispatcher: &Dispatcher,
    calls: &Calls,
    kind: Kind,
    ask: impl Fn() -> F,
) -> Result<T, NoAnswer>
where
    F: Future<Output = Result<T, RequestError>>,
{
    let retry = &dispatcher.retry;
    let mut tries = Tries::default();
    loop {
        let counter = if kind == Kind::Lookup { &calls.lookups } else { &calls.writes };
        Calls::add(counter, 1);
        if !tries.is_first() {
            Calls::add(&calls.retries, 1);
        }
        let sent = Instant::now();
        let error = match ask().await {
            Ok(answer) => {
                dispatcher.limiter.succeeded(kind, sent, Instant::now());
                retry.answered(kind);
                if kind == Kind::Lookup {
                    Calls::add(&calls.answered, 1);
                }
                return Ok(answer);
            }
            Err(error) => error,
        };
        let why = error.to_string();
        let no_answer = |fatal| NoAnswer { why: why.clone(), fatal, refusal: None };
        let waited = match error {
            RequestError::Unauthorized(_) | RequestError::NotKept(_) => {
                return Err(no_answer(Some(no_token(&error))));
            }
            RequestError::Spent(why) => return Err(no_answer(Some(spent(&why)))),
            RequestError::Stopped => return Err(no_answer(None)),
            RequestError::Refused { .. } => {
                return Err(NoAnswer { why, fatal: None, refusal: Some(Refusal::Question) });
            }
            RequestError::Forbidden { .. } => {
                return Err(NoAnswer { why, fatal: None, refusal: Some(Refusal::Credential) });
            }
            RequestError::Throttled { retry_after, .. } => {
                dispatcher.limiter.troubled(sent, Instant::now());
                let kept = tries.throttled(retry, &dispatcher.limiter, retry_after).await;
                kept.map_err(|fatal| no_answer(Some(fatal)))?
            }
            _ => {
                dispatcher.limiter.troubled(sent, Instant::now());
                tries.again(retry).await
            }
        };
        match waited {
            Ok(()) => {}
            Err(GaveUp::Stopped) => return Err(no_answer(None)),
            Err(GaveUp::Attempts) => {
                let fatal = Error::remote(why.clone()).hint(
                    "see whether the remote is well, then run the same input again: nothing is sent \
                     twice that may have been applied",
                );
                return Err(no_answer(Some(fatal)));
            }
        }
    }
}
