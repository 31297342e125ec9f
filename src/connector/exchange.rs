//! What a call sent over HTTP and what it heard, for whoever wants to see it: [`heard`] collects it
//! beside the call, and nothing is collected otherwise.

use std::cell::RefCell;
use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};

use super::http::{Redactor, Request};

/// Bytes of a body that are told, at most.
const MAX_BYTES: usize = 64 << 10;

tokio::task_local! {
    static HEARD: RefCell<Vec<Exchange>>;
}

/// Makes a call, and returns with its answer what it has sent and heard, in that order.
pub(crate) async fn heard<F: Future>(call: F) -> (F::Output, Vec<Exchange>) {
    HEARD
        .scope(RefCell::default(), async {
            let answer = call.await;
            (answer, HEARD.with(RefCell::take))
        })
        .await
}

/// One request, and its answer if there was one. Both stand there as they were sent: see
/// [`told`](Self::told).
pub(crate) struct Exchange {
    method: Method,
    url: Url,
    body: Bytes,
    /// The status, or why there is none.
    outcome: Result<u16, String>,
    answer: Bytes,
    began: Instant,
    took: Duration,
    redactor: Redactor,
}

impl Exchange {
    /// Adds one, if anybody listens. `outcome`: the status, or why there is none.
    pub(super) fn add(
        redactor: &Redactor,
        request: &Request,
        began: Instant,
        outcome: &Result<u16, String>,
        answer: &Bytes,
    ) {
        let add = |heard: &RefCell<Vec<Self>>| {
            heard.borrow_mut().push(Self {
                method: request.method.clone(),
                url: request.url.clone(),
                body: request.body.clone().unwrap_or_default(),
                outcome: outcome.clone(),
                answer: answer.clone(),
                began,
                took: began.elapsed(),
                redactor: redactor.clone(),
            });
        };
        // Most of the time nobody listens.
        HEARD.try_with(add).unwrap_or_default();
    }

    /// As it is told: without any secret, and with bodies where that is asked for. `since`: when the
    /// call began.
    pub(crate) fn told(&self, since: Instant, with_bodies: bool) -> Told {
        let body = |bytes: &Bytes| {
            let is_told = with_bodies && !bytes.is_empty() && bytes.len() <= MAX_BYTES;
            is_told.then(|| self.redactor.clean(&String::from_utf8_lossy(bytes)))
        };
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Told {
            after_millis: millis(self.began.saturating_duration_since(since)),
            millis: millis(self.took),
            method: self.method.to_string(),
            url: self.redactor.clean(self.url.as_str()),
            status: self.outcome.as_ref().ok().copied(),
            error: self.outcome.as_ref().err().cloned(),
            request: body(&self.body),
            answer: body(&self.answer),
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its address and what was sent may hold a secret.
        f.debug_struct("Exchange").field("method", &self.method).finish_non_exhaustive()
    }
}

/// One request and its answer, as they are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Milliseconds from the call's beginning until it left.
    pub after_millis: u64,
    /// Milliseconds until its answer was there.
    pub millis: u64,
    /// HTTP method.
    pub method: String,
    /// The address, without any secret.
    pub url: String,
    /// The answer's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The body, where it is kept and has no more than 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The answer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}
