//! What a manifest says, as it is written. Its meaning is found out in [`program`](super::program).
//!
//! The comments below are the documentation that users read in `schemas/manifest.schema.json`.

mod auth;
mod operations;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use self::auth::{Auth, AuthKind, ClientPlace, Login};
pub(super) use self::operations::{
    Encoding, Endpoint, Failures, FailuresMatch, Lookup, Match, Method, Stream, Unnamed, Write,
};
use super::text::{Placed, Text};

/// How the `rest` connector speaks to one HTTP API.
///
/// A *template* is Jinja, such as `/v1/{{ object }}`. A *selector* is a JSON path (RFC 9535), such
/// as `$.error.message`; where it says so, it may also be a template over the answer. A *test* is a
/// Jinja expression, such as `{{ status == 409 }}`; what it names and is not there equals nothing.
///
/// Templates know `config` (the whole config), and within a stream `stream`, `object` and
/// `external_id_property`. What else they know is said at each operation. A query parameter, header
/// or field of a body whose template names a value that a call does not have (`next` on the first
/// page, `external_id` of a record without one) is left out. A query parameter whose template is
/// one expression and gives a list (`{{ external_ids }}`) is sent once for each member. Beside
/// Jinja's own filters there are `segment` (encodes a text as one segment of a path), `base64`,
/// `md5` and `sha256`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Manifest of the rest connector")]
pub(super) struct Manifest {
    /// Version of this language: 1.
    pub(super) version: Placed<u32>,
    /// Name of the remote. With the address it keeps the ids of different remotes apart
    /// (`rest:NAME@HOST`): the ids that were kept under another name are not found, unless the
    /// config's `namespace` says which they are.
    pub(super) name: String,
    /// Template: where all paths begin, such as `https://api.example.com`. The config's own
    /// `base_url` wins over it.
    pub(super) base_url: Text,
    /// How a request says who sends it. Default: not at all.
    #[serde(default)]
    pub(super) auth: Placed<Auth>,
    /// Headers of all requests; the values are templates.
    #[serde(default)]
    pub(super) headers: IndexMap<Text, Text>,
    /// How much the remote takes at once.
    #[serde(default)]
    pub(super) limits: Placed<Limits>,
    /// What whole answers mean. The first rule whose test is true wins; what no rule names
    /// follows HTTP: 2xx is read, 429 waits, 404 and 409 are about the record, and so on.
    #[serde(default)]
    pub(super) answers: Vec<AnswerRule>,
    /// What single rows of an answer mean; the body itself where an operation has no `rows`. The
    /// first rule whose test is true wins; what no rule names is a refusal when the operation's
    /// `error` finds something, else a success.
    #[serde(default)]
    pub(super) row_answers: Vec<RowRule>,
    /// A request that succeeds with a good credential.
    pub(super) check: Option<Endpoint>,
    /// What can be done with which stream, by its name; `*` for all others.
    pub(super) streams: IndexMap<String, Stream>,
}

/// How much the remote takes at once.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// Requests in `per_secs`, at least 1.
    pub(super) requests: Option<u32>,
    /// Seconds, 1 to 2678400 (31 days).
    #[schemars(range(min = 1, max = 2_678_400))]
    pub(super) per_secs: Option<u32>,
    /// Calls under way at once, at least 1. Default 4.
    pub(super) in_flight: Option<usize>,
    /// Header of answers that tells how many requests are left. At 0, nothing more is sent until
    /// the time in `reset_header`.
    pub(super) remaining_header: Option<Text>,
    /// Header that tells when there are more again: seconds from now, seconds or milliseconds since
    /// 1970, or a date. Needed with `remaining_header`.
    pub(super) reset_header: Option<Text>,
    /// Header that asks for quiet, whatever the status: seconds, or a date.
    pub(super) quiet_header: Option<Text>,
}

/// What a whole answer means.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerRule {
    /// Test: knows `call` (the operation: `lookup`, `create` and so on), `status`, `body`, `text`
    /// (of a body that is no JSON), `headers` (names in lower case) and `links` (the addresses of a
    /// `Link` header).
    pub(super) when: Text,
    /// What it means.
    pub(super) is: AnswerIs,
    /// For `exists`: selector in the body, or template, of the id that the record has.
    pub(super) remote_id: Option<Text>,
    /// Selector in the body, or template, of the message for people; several are joined.
    pub(super) message: Option<Text>,
    /// Selector in the body, or template, of the remote's error code.
    pub(super) code: Option<Text>,
    /// Selector in the body, or template, of the field at fault.
    pub(super) field: Option<Text>,
}

/// What a whole answer can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AnswerIs {
    /// What its rows say, whatever the status.
    Rows,
    /// Too much at once, not applied: it is sent again, after `Retry-After` if there is one.
    Throttled,
    /// The remote is down, not applied: it is sent again.
    Unreachable,
    /// Nobody knows whether it was applied: it is looked up before anything is sent again.
    InDoubt,
    /// The credential is refused: a token of a login or of OAuth 2 is renewed, and the call sent
    /// again. Where that does not help, the job ends.
    Unauthorized,
    /// The credential may not do this: the records are rejected.
    Forbidden,
    /// The call is refused and names no record: it is sent again in halves.
    Refused,
    /// The record is refused. For a call with several, as `refused`.
    Rejected,
    /// The record is not there; a lookup found none. For a call with several, as `refused`.
    Missing,
    /// The record is there already. For a call with several, as `refused`.
    Exists,
    /// Not changed, for it is another version than the one that was read: it is read and sent
    /// again. For a call with several, as `refused`.
    Changed,
    /// Not applied this time (a lock): it is sent again.
    Busy,
}

/// What one row of an answer means.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RowRule {
    /// Test: knows `row`, and what the tests of `answers` know.
    pub(super) when: Text,
    /// What it means.
    pub(super) is: RowIs,
    /// Selector in the row, or template, of the record's id, over the operation's own.
    pub(super) remote_id: Option<Text>,
    /// Selector in the row, or template, of the message for people; several are joined.
    pub(super) message: Option<Text>,
    /// Selector in the row, or template, of the remote's error code.
    pub(super) code: Option<Text>,
    /// Selector in the row, or template, of the field at fault.
    pub(super) field: Option<Text>,
}

/// What one row of an answer can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum RowIs {
    /// Made.
    Created,
    /// Changed.
    Updated,
    /// Left as it was, since nothing differs.
    Unchanged,
    /// Removed.
    Deleted,
    /// Refused; sending it again cannot help.
    Rejected,
    /// Nothing has this id.
    Missing,
    /// Not created, for it is there already.
    Exists,
    /// Not changed, for it is another version than the one that was read.
    Changed,
    /// Not applied this time; sending it again can help.
    Busy,
    /// Nobody knows.
    InDoubt,
}
