//! What a manifest says, as it is written. Its meaning is found out in [`program`](super::program).
//!
//! The comments below are the documentation that users read in `schemas/manifest.schema.json`.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::shape::Shape;
use super::text::{Placed, Text};

/// How the `rest` connector speaks to one HTTP API.
///
/// A *template* is Jinja, such as `/v1/{{ object }}`. A *selector* is a JSON path (RFC 9535), such as
/// `$.error.message`. A *test* is a Jinja expression, such as `{{ status == 409 }}`; what it names
/// and is not there equals nothing.
///
/// Templates know `config` (the whole config), and within a stream `stream`, `object` and
/// `external_id_property`. What else they know is said at each operation. A query parameter,
/// header or field of a body whose template names a value that a call does not have (`next` on the
/// first page, `external_id` of a record without one) is left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Manifest of the rest connector")]
pub(super) struct Manifest {
    /// Version of this language: 1.
    pub(super) version: Placed<u32>,
    /// Name of the remote, for logs.
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

/// How a request says who sends it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Auth {
    /// Which way. The keys below belong to single ways.
    #[serde(rename = "type", default)]
    pub(super) kind: AuthKind,
    /// For `bearer`: template of the token.
    pub(super) token: Option<Text>,
    /// For `basic`: template of the user name.
    pub(super) username: Option<Text>,
    /// For `basic`: template of the password.
    pub(super) password: Option<Text>,
    /// For `api_key`: name of the header that holds the key.
    pub(super) header: Option<Text>,
    /// For `api_key`: name of the query parameter that holds the key, instead of a header.
    pub(super) query: Option<Text>,
    /// For `api_key`: template of the key, or of the header's whole value.
    pub(super) key: Option<Text>,
    /// For `oauth2_refresh` and `oauth2_client_credentials`: template of the token endpoint's
    /// address; knows `base_url` too.
    pub(super) token_url: Option<Text>,
    /// For `oauth2_client_credentials`: template of the rights to ask for.
    pub(super) scope: Option<Text>,
    /// For `oauth2_refresh` and `oauth2_client_credentials`: where the client says who it is.
    /// Default: in the form.
    pub(super) client_in: Option<ClientPlace>,
}

/// The ways of saying who sends a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AuthKind {
    /// None.
    #[default]
    None,
    /// `Authorization: Bearer`, with `token`.
    Bearer,
    /// `Authorization: Basic`, with `username` and `password`.
    Basic,
    /// A header or a query parameter, with `key`.
    ApiKey,
    /// OAuth 2 with the config's `refresh_token`, `client_id` and `client_secret`, and its
    /// `redirect_uri`, `access_token` and `expires_in` if it has them. New tokens are written
    /// back into the config file.
    #[serde(rename = "oauth2_refresh")]
    OAuth2Refresh,
    /// OAuth 2 with the config's `client_id` and `client_secret`.
    #[serde(rename = "oauth2_client_credentials")]
    OAuth2ClientCredentials,
}

/// Where an OAuth 2 client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClientPlace {
    /// As `client_id` and `client_secret` in the form.
    Form,
    /// In a basic `Authorization`.
    Basic,
}

/// How much the remote takes at once.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// Requests in `per_secs`, at least 1.
    pub(super) requests: Option<u32>,
    /// Seconds, at least 1.
    pub(super) per_secs: Option<u32>,
    /// Calls under way at once, at least 1. Default 4.
    pub(super) in_flight: Option<usize>,
}

/// What a whole answer means.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerRule {
    /// Test: knows `status`, `body` and `headers` (names in lower case).
    pub(super) when: Text,
    /// What it means.
    pub(super) is: AnswerIs,
    /// For `exists`: selector in the body of the id that the record has.
    pub(super) remote_id: Option<Text>,
    /// Selector in the body of the message for people; several are joined.
    pub(super) message: Option<Text>,
    /// Selector in the body of the remote's error code.
    pub(super) code: Option<Text>,
    /// Selector in the body of the field at fault.
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
    /// The credential is refused: the job ends.
    Unauthorized,
    /// The credential may not do this: the records fail.
    Forbidden,
    /// The call is refused and names no record: it is sent again in halves.
    Refused,
    /// The record is refused. For a call with several, as `refused`.
    Rejected,
    /// The record is not there; a lookup found none. For a call with several, as `refused`.
    Missing,
    /// The record is there already. For a call with several, as `refused`.
    Exists,
    /// Not applied this time (a lock): it is sent again.
    Busy,
}

/// What one row of an answer means.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RowRule {
    /// Test: knows `row`, `status`, `body` and `headers` (names in lower case).
    pub(super) when: Text,
    /// What it means.
    pub(super) is: RowIs,
    /// Selector in the row of the record's id, over the operation's own.
    pub(super) remote_id: Option<Text>,
    /// Selector in the row of the message for people; several are joined.
    pub(super) message: Option<Text>,
    /// Selector in the row of the remote's error code.
    pub(super) code: Option<Text>,
    /// Selector in the row of the field at fault.
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
    /// Not applied this time; sending it again can help.
    Busy,
    /// Nobody knows.
    InDoubt,
}

/// What can be done with a stream.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Stream {
    /// Template of the remote's name for what the stream writes to. Default `{{ stream }}`.
    pub(super) object: Option<Text>,
    /// Template of the property in which the remote keeps the external id. It is sent with each
    /// record. Default: the name in `lookup.external_id` or `upsert.external_id`, where that is a
    /// plain `$.name`.
    pub(super) external_id_property: Option<Text>,
    /// Finds remote ids by external ids. Templates also know `external_ids` (a list), with
    /// `max_ids: 1` also `external_id`, and with `next` also `next`.
    pub(super) lookup: Option<Lookup>,
    /// Makes new records.
    pub(super) create: Option<Write>,
    /// Changes records with known remote ids.
    pub(super) update: Option<Write>,
    /// Finds by external id by itself, and creates or updates.
    pub(super) upsert: Option<Write>,
    /// Removes records with known remote ids.
    pub(super) delete: Option<Write>,
}

/// One request that changes nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Endpoint {
    /// HTTP method.
    pub(super) method: Method,
    /// Template of the path after `base_url`, from `/`. Each value in it is encoded as one
    /// segment.
    pub(super) path: Text,
    /// Query parameters; the values are templates.
    #[serde(default)]
    pub(super) query: IndexMap<Text, Text>,
    /// Headers of this operation; the values are templates.
    #[serde(default)]
    pub(super) headers: IndexMap<Text, Text>,
}

/// HTTP methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// Finds remote ids by external ids.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lookup {
    /// HTTP method.
    pub(super) method: Method,
    /// Template of the path after `base_url`, from `/`. Each value in it is encoded as one
    /// segment.
    pub(super) path: Text,
    /// Query parameters; the values are templates.
    #[serde(default)]
    pub(super) query: IndexMap<Text, Text>,
    /// Headers of this operation; the values are templates.
    #[serde(default)]
    pub(super) headers: IndexMap<Text, Text>,
    /// JSON with templates in its strings and keys. A string that is `{{ external_ids }}` alone is
    /// the list of ids, as strings.
    pub(super) body: Option<Placed<Shape>>,
    /// Ids in one call, at least 1. Default 100.
    pub(super) max_ids: Option<usize>,
    /// Selector of the rows: of a list's members (`$.data[*]`), or of one object.
    pub(super) rows: Text,
    /// Selector in a row of the external id. Default: the `external_id_property`.
    pub(super) external_id: Option<Text>,
    /// Selector in a row of the remote id.
    pub(super) remote_id: Text,
    /// Selector in the body of what leads to the next page; none, an empty string or `null` on the
    /// last. Where a template names `next`, the same request is sent with it; otherwise it is the
    /// address of the next page, on the same host.
    pub(super) next: Option<Text>,
    /// Seconds that a written record may stay invisible to this lookup: a create whose answer was
    /// lost is looked up for so long before it is sent again. Default 1, since the remote may
    /// still be at work on a call that was given up.
    pub(super) lag_secs: Option<u64>,
}

/// Writes records, one or many in a call.
///
/// With `max_records: 1` templates also know `external_id`, `remote_id` (in `update` and
/// `delete`), and `key`, which is the same whenever the same record is sent again; otherwise
/// `external_ids`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Write {
    /// HTTP method.
    pub(super) method: Method,
    /// Template of the path after `base_url`, from `/`. Each value in it is encoded as one
    /// segment.
    pub(super) path: Text,
    /// Query parameters; the values are templates.
    #[serde(default)]
    pub(super) query: IndexMap<Text, Text>,
    /// Headers of this operation; the values are templates.
    #[serde(default)]
    pub(super) headers: IndexMap<Text, Text>,
    /// JSON with templates in its strings and keys. A string that is `{{ records }}` alone is the
    /// list of records, `{{ record }}` the only one, `{{ external_ids }}` the list of ids; numbers
    /// keep their digits.
    pub(super) body: Option<Placed<Shape>>,
    /// Records in one call, at least 1. Default 1.
    pub(super) max_records: Option<usize>,
    /// Bytes of the body, at most. Default 1000000.
    pub(super) max_bytes: Option<usize>,
    /// Fields that stand in each record before its own: names and templates, which know
    /// `external_id`, `remote_id` (in `update` and `delete`) and `key`. Default: the
    /// `external_id_property` with the external id; for `delete`, none.
    pub(super) record: Option<IndexMap<Text, Text>>,
    /// Selector of the rows, a list's members: `$.results[*]`. Needed with `max_records` above 1;
    /// otherwise the body is the row.
    pub(super) rows: Option<Text>,
    /// How a row finds its record. Needed with `rows`.
    #[serde(rename = "match")]
    pub(super) matched: Option<Match>,
    /// Selector in a row of the external id. Default with `match: external_id`: the
    /// `external_id_property`. A row that names another one than its record's is ignored.
    pub(super) external_id: Option<Text>,
    /// Selector in a row of the remote id. A created or upserted record whose row lacks it is in
    /// doubt; an updated or deleted one's that names another is ignored.
    pub(super) remote_id: Option<Text>,
    /// Selector in a row of the record's place in the call, from 0.
    pub(super) index: Option<Text>,
    /// For `upsert`. Test: whether the record is new. Knows `row`, `status`, `body`, `headers`.
    pub(super) created: Option<Text>,
    /// Selector in a row of the refusal's message. Where it finds something, the row is a refusal.
    pub(super) error: Option<Text>,
    /// Selector in a row of the refusal's code.
    pub(super) error_code: Option<Text>,
    /// Selector in a row of the field at fault.
    pub(super) error_field: Option<Text>,
    /// For `delete`: a record that is not there counts as deleted.
    pub(super) missing_is_done: Option<bool>,
    /// For `create` with `max_records: 1`: the header in which the remote takes a key, so that
    /// the same create twice makes one record.
    pub(super) idempotency_key_header: Option<Text>,
}

/// How a row finds its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Match {
    /// Rows come in the order of the records, as many.
    Position,
    /// By `external_id`.
    ExternalId,
    /// By `remote_id`; for `update` and `delete`.
    RemoteId,
    /// By `index`.
    Index,
}
