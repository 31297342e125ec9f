//! What a simulated remote is made of: routes, and plain functions from a request to an answer.
//!
//! A remote does no I/O, waits for nothing and knows nothing of faults: a route's `plan` reads the
//! request, and the work that it returns is run once, with the whole sandbox locked. So one file
//! for each remote, and everything nasty is done around it, for all of them, in
//! [`gate`](super::gate).

use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use hyper::header::HeaderName;
use hyper::{HeaderMap, Method, StatusCode};

use super::faults::{Faults, RateLimit};
use super::world::World;

/// One simulated remote.
#[derive(Debug)]
pub(super) struct Remote {
    /// Every route that it answers.
    pub(super) routes: &'static [Route],
    /// What this remote's paths begin with: an unknown path below it gets this remote's error.
    pub(super) prefix: &'static str,
    /// The remote's own body for a refusal that has nothing to do with the record: 401, 404, 405,
    /// 413, 429 and 5xx.
    pub(super) refusal: fn(StatusCode, &str) -> String,
    /// Media type of such a body.
    pub(super) refusal_type: &'static str,
    /// Looks at the credential of a call to a route that needs one.
    pub(super) authorized: fn(&mut World, &Caller<'_>, Instant) -> Result<(), Denied>,
    /// Calls that are handled at once, at most: one more is refused with 429 and [`TOO_MANY`].
    pub(super) most_at_once: fn(&Faults) -> Option<u64>,
    /// How the limit on requests is told, and what else it is of: see [`Quota`].
    pub(super) quota: fn(&Quota<'_>) -> Vec<(HeaderName, String)>,
    /// Calls of these routes have a limit of their own, and are told none: requests a second.
    pub(super) apart: Option<(&'static str, u64)>,
    /// Status of a call that the rate limit refuses. Only a 429 tells when to come back.
    pub(super) throttled: StatusCode,
    /// Counts a call that has a good token, and says what its answer tells in any case.
    pub(super) counted: fn(&mut World) -> Vec<(HeaderName, String)>,
    /// Bytes of a request's body, at most, by the route's template.
    pub(super) max_body_bytes: fn(&str) -> usize,
}

/// What the body of a request has at most where the remote sets no limit of its own.
pub(super) fn usual_body_bytes(_template: &str) -> usize {
    1_000_000
}

/// Why a call is refused that would have been one too many at once.
pub(super) const TOO_MANY: &str = "too many requests at once";

/// Who calls: what a credential can be checked by.
#[derive(Debug)]
pub(super) struct Caller<'a> {
    pub(super) method: &'a str,
    /// As the client names it.
    pub(super) host: &'a str,
    /// As it was sent, still encoded.
    pub(super) path: &'a str,
    /// The part of the address after `?`, still encoded.
    pub(super) query: &'a str,
    pub(super) authorization: Option<&'a str>,
}

/// Why a credential is refused, with a 401.
#[derive(Debug)]
pub(super) struct Denied {
    pub(super) message: String,
    pub(super) headers: Vec<(HeaderName, String)>,
}

/// The limit on requests, after one of them.
#[derive(Debug)]
pub(super) struct Quota<'a> {
    pub(super) limit: &'a RateLimit,
    pub(super) remaining: u64,
    /// Seconds until all are there again.
    pub(super) reset_secs: u64,
}

/// A method and a path with placeholders, and what is done there.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) method: Method,
    /// Such as `/v1/{object}/{id}`; a placeholder stands for one whole, non-empty segment.
    pub(super) template: &'static str,
    pub(super) access: Access,
    pub(super) plan: fn(&Request, &Faults) -> Result<Plan, Answer>,
}

impl Route {
    /// A route for whoever has a token.
    pub(super) const fn new(
        method: Method,
        template: &'static str,
        plan: fn(&Request, &Faults) -> Result<Plan, Answer>,
    ) -> Self {
        Self { method, template, access: Access::Token, plan }
    }
}

/// Who may call a route, and what is done around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// With a token, within the rate limit.
    Token,
    /// Anybody; no rate limit.
    Open,
    /// Anybody; no rate limit, no faults, no latency, not counted.
    Admin,
}

/// A request that has been received in full.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) headers: HeaderMap,
    /// What stood where the template has placeholders, in their order, percent-decoded.
    pub(super) places: Vec<Vec<u8>>,
    /// The part of the address after `?`, still encoded.
    pub(super) query: String,
    pub(super) body: Bytes,
}

impl Request {
    /// The n-th placeholder as text.
    pub(super) fn place(&self, n: usize) -> Result<&str, std::str::Utf8Error> {
        std::str::from_utf8(self.places.get(n).map_or(&[][..], Vec::as_slice))
    }

    /// A header's value, if it is there and is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A parameter of the query; the last one wins.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.filter(|(key, _)| key == name).last().map(|(_, value)| value.into_owned())
    }
}

/// What a request comes down to, once it is read.
pub(super) struct Plan {
    /// The records that it may write, to tell whether two requests write one at the same time.
    pub(super) targets: Vec<Target>,
    /// Under what an answer is kept for the same create sent again.
    pub(super) idempotency: Option<String>,
    pub(super) run: Run,
}

/// The work of a request: run at most once, with everything locked.
pub(super) type Run = Box<dyn FnOnce(&mut World, Instant) -> Answer + Send>;

impl Plan {
    /// A plan that writes no record.
    pub(super) fn reading(
        run: impl FnOnce(&mut World, Instant) -> Answer + Send + 'static,
    ) -> Self {
        Self { targets: Vec::new(), idempotency: None, run: Box::new(run) }
    }

    /// A plan that writes `targets`.
    pub(super) fn writing(
        targets: Vec<Target>,
        run: impl FnOnce(&mut World, Instant) -> Answer + Send + 'static,
    ) -> Self {
        Self { targets, idempotency: None, run: Box::new(run) }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("targets", &self.targets).finish_non_exhaustive()
    }
}

/// A record that a request may write, as far as the request says which.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) object: String,
    pub(super) id: Option<u64>,
    /// The property that holds the external id, and its value.
    pub(super) external: Option<(String, String)>,
}

/// What the remote answers, before any fault touches it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) content: Content,
}

/// The body of an answer.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Empty,
    /// JSON text.
    Json(String),
    /// Text of this media type.
    Text(&'static str, String),
    /// The verdicts of a bulk call.
    Rows(Box<Rows>),
}

/// The verdicts of a bulk call, still apart from each other.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// In the order of the inputs.
    pub(super) verdicts: Vec<Row>,
    /// A verdict on a record that nobody sent.
    pub(super) stranger: String,
    /// Whether the remote promises no order.
    pub(super) any_order: bool,
    /// What the body begins with, for an envelope that needs more than the verdicts.
    pub(super) head: String,
    /// Media type of the body.
    pub(super) media_type: &'static str,
    /// Makes the body of [`Rows::head`] and the verdicts.
    pub(super) envelope: fn(&str, &[Row]) -> String,
}

/// The media type of most bodies.
pub(super) const JSON: &str = "application/json";

/// One verdict of a bulk call.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// JSON text, or a line of another media type.
    pub(super) json: String,
    pub(super) applied: bool,
}

impl Answer {
    /// An answer with a JSON body.
    pub(super) fn json(status: StatusCode, json: String) -> Self {
        Self { status, headers: Vec::new(), content: Content::Json(json) }
    }

    /// An answer without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), content: Content::Empty }
    }
}
