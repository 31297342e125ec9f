//! The streams of a manifest: how their records are found, read and written.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Seconds;
use crate::connector::rest::shape::Shape;
use crate::connector::rest::text::{Placed, Text};

/// What can be done with a stream.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::connector::rest) struct Stream {
    /// Template of the remote's name for what the stream writes to. Default `{{ stream }}`.
    pub(in crate::connector::rest) object: Option<Text>,
    /// Template of the property in which the remote keeps the external id. It is sent with each
    /// record. Default: the name in `lookup.external_id` or `upsert.external_id`, where that is a
    /// plain `$.name`.
    pub(in crate::connector::rest) external_id_property: Option<Text>,
    /// Finds records by external ids. Templates also know `external_ids` (a list), with
    /// `max_ids: 1` also `external_id`.
    pub(in crate::connector::rest) lookup: Option<Lookup>,
    /// Finds records by the values of one property: what the option `lookup_fields` needs.
    /// Templates also know `field` (the property), `values` (a list), with `max_ids: 1` also
    /// `value`. Where there is no `lookup`, this one finds external ids too, by the
    /// `external_id_property`.
    pub(in crate::connector::rest) find: Option<Lookup>,
    /// Reads records whose remote ids are known: what the option `only_upsert_empty_fields`, the
    /// name `version`, `read_first` and `read_after` need. Templates also know `remote_ids` (a
    /// list), with `max_ids: 1` also `remote_id`.
    pub(in crate::connector::rest) read: Option<Lookup>,
    /// Makes new records.
    pub(in crate::connector::rest) create: Option<Write>,
    /// Changes records with known remote ids.
    pub(in crate::connector::rest) update: Option<Write>,
    /// Finds by external id by itself, and creates or updates.
    pub(in crate::connector::rest) upsert: Option<Write>,
    /// Removes records with known remote ids.
    pub(in crate::connector::rest) delete: Option<Write>,
}

/// One request that changes nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::connector::rest) struct Endpoint {
    /// HTTP method.
    pub(in crate::connector::rest) method: Method,
    /// Template of the path after `base_url`, from `/`. Each value in it is encoded as one
    /// segment.
    pub(in crate::connector::rest) path: Text,
    /// Query parameters; names and values are templates.
    #[serde(default)]
    pub(in crate::connector::rest) query: IndexMap<Text, Text>,
    /// Headers of this operation; the values are templates.
    #[serde(default)]
    pub(in crate::connector::rest) headers: IndexMap<Text, Text>,
    /// JSON with templates in its strings and keys.
    pub(in crate::connector::rest) body: Option<Placed<Shape>>,
    /// How the body is sent.
    #[serde(default)]
    pub(in crate::connector::rest) encoding: Encoding,
}

/// How a body is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::connector::rest) enum Encoding {
    /// As JSON.
    #[default]
    Json,
    /// As a form (`application/x-www-form-urlencoded`): `{a: {b: 1}, c: [x, y]}` is
    /// `a[b]=1&c[]=x&c[]=y`; `null`, `[]` and `{}` are empty.
    Form,
    /// A list as one line of JSON for each member (`application/x-ndjson`); a member that is a list
    /// itself gives a line for each of its own.
    Lines,
}

/// HTTP methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(in crate::connector::rest) enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// Finds records. Templates also know `wanted`, a list of the properties whose values are needed,
/// and where `next` is set, `next`.
///
/// Selectors of what a row holds may also be templates over `row`, `status`, `headers` (names in
/// lower case), `links` (the addresses of a `Link` header by their relation), `body` and `text` (of
/// an answer that is no JSON).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::connector::rest) struct Lookup {
    /// HTTP method.
    pub(in crate::connector::rest) method: Method,
    /// Template of the path after `base_url`, from `/`. Each value in it is encoded as one
    /// segment.
    pub(in crate::connector::rest) path: Text,
    /// Query parameters; names and values are templates.
    #[serde(default)]
    pub(in crate::connector::rest) query: IndexMap<Text, Text>,
    /// Headers of this operation; the values are templates.
    #[serde(default)]
    pub(in crate::connector::rest) headers: IndexMap<Text, Text>,
    /// JSON with templates in its strings and keys. A string that is `{{ external_ids }}`, `{{
    /// values }}`, `{{ remote_ids }}` or `{{ wanted }}` alone is that list, of strings; one that is
    /// another expression alone is its value.
    pub(in crate::connector::rest) body: Option<Placed<Shape>>,
    /// How the body is sent.
    #[serde(default)]
    pub(in crate::connector::rest) encoding: Encoding,
    /// Ids, or values, in one call, at least 1. Default 100.
    pub(in crate::connector::rest) max_ids: Option<usize>,
    /// Selector of the rows: of a list's members (`$.data[*]`), of some of them (`$.data[?@.id]`,
    /// for a remote that has rows for what it has not), or of one object.
    pub(in crate::connector::rest) rows: Text,
    /// For `lookup`: selector in a row of the external id. Default: the `external_id_property`
    /// among the row's `fields`.
    pub(in crate::connector::rest) external_id: Option<Text>,
    /// Selector in a row of the remote id. For `read` with `max_ids: 1` the default is the one that
    /// was asked for.
    pub(in crate::connector::rest) remote_id: Option<Text>,
    /// Selector in a row of the object that holds the record's fields. Default: the row itself.
    pub(in crate::connector::rest) fields: Option<Text>,
    /// For `read`: selector in a row of the record's version, or with `max_ids: 1` a template such
    /// as `{{ headers.etag }}`.
    pub(in crate::connector::rest) version: Option<Text>,
    /// The remote finds values without regard to upper and lower case. Default false: a row with
    /// another spelling is not what was asked for.
    pub(in crate::connector::rest) ignore_case: Option<bool>,
    /// Selector in the body of what leads to the next page, or a template such as `{{ links.next
    /// }}`; none, an empty string or `null` on the last. Where a template names `next`, the same
    /// request is sent with it; otherwise it is the address of the next page, on the same host. As
    /// a template it also knows `count`, the number of rows on this page, and the `next` that led
    /// to it: `{{ (next | default(1) | int) + 1 if count == 50 }}` counts pages of 50.
    pub(in crate::connector::rest) next: Option<Text>,
    /// Seconds that a written record may stay invisible to this lookup: a create whose answer was
    /// lost is looked up for so long before it is sent again. Default 1, since the remote may
    /// still be at work on a call that was given up.
    #[schemars(with = "Option<Seconds>")]
    pub(in crate::connector::rest) lag_secs: Option<Placed<f64>>,
}

/// Writes records, one or many in a call.
///
/// With `max_records: 1` templates also know `external_id`, `remote_id` and `version` (in `update`
/// and `delete`), and `key`, which is the same whenever the same record is sent again; otherwise
/// `external_ids`, and `remote_ids` (in `update` and `delete`). `record.email` is a field of the
/// record, where one record is meant: with `max_records: 1`, in `each` and in `record`. A record is
/// read before it is sent where `version` is named; a version that the remote does not tell is left
/// out.
///
/// Selectors of what a row holds may also be templates over `row`, `status`, `headers` (names in
/// lower case), `links` (the addresses of a `Link` header by their relation), `body` and `text` (of
/// an answer that is no JSON): `{{ headers.location | split('/') | last }}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::connector::rest) struct Write {
    /// HTTP method.
    pub(in crate::connector::rest) method: Method,
    /// Template of the path after `base_url`, from `/`. Each value in it is encoded as one
    /// segment.
    pub(in crate::connector::rest) path: Text,
    /// Query parameters; names and values are templates.
    #[serde(default)]
    pub(in crate::connector::rest) query: IndexMap<Text, Text>,
    /// Headers of this operation; the values are templates.
    #[serde(default)]
    pub(in crate::connector::rest) headers: IndexMap<Text, Text>,
    /// JSON with templates in its strings and keys. A string that is `{{ records }}` alone is the
    /// list of records, `{{ record }}` the only one, `{{ external_ids }}` the list of ids; numbers
    /// keep their digits. One that is another expression alone is its value: `{{ remote_id | int
    /// }}` is a number.
    pub(in crate::connector::rest) body: Option<Placed<Shape>>,
    /// How the body is sent.
    #[serde(default)]
    pub(in crate::connector::rest) encoding: Encoding,
    /// Records in one call, at least 1. Default 1.
    pub(in crate::connector::rest) max_records: Option<usize>,
    /// Bytes of the body, at most. Default 1000000.
    pub(in crate::connector::rest) max_bytes: Option<usize>,
    /// Fields that stand in each record before its own: JSON with templates, which know
    /// `external_id`, `remote_id` and `version` (in `update` and `delete`) and `key`. Default: the
    /// `external_id_property` with the external id, as a text; for `delete`, none. A record's own
    /// field of the same name is left out.
    pub(in crate::connector::rest) record: Option<IndexMap<Text, Placed<Shape>>>,
    /// What stands for each record in `{{ records }}`: JSON with templates, which know what
    /// `record` knows; a string that is `{{ record }}` alone is the record itself. Default: that
    /// alone. `{{ external_id | segment }}` encodes a value as one segment of a path.
    pub(in crate::connector::rest) each: Option<Placed<Shape>>,
    /// Each record is read before: for a remote that takes a write to what is not there. For
    /// `update` and `delete`. Default false.
    pub(in crate::connector::rest) read_first: Option<bool>,
    /// Each record is read after it was written, and compared: for a remote that says yes and does
    /// something else. What is not there was not written; what has other values is a failure
    /// (`altered`); what should be gone and is not, too. Default false.
    pub(in crate::connector::rest) read_after: Option<bool>,
    /// Selector of the rows, a list's members: `$.results[*]`. Without it, and without `failures`,
    /// the body is the row of the only record.
    pub(in crate::connector::rest) rows: Option<Text>,
    /// How a row finds its record. Needed with `rows`.
    #[serde(rename = "match")]
    pub(in crate::connector::rest) matched: Option<Match>,
    /// Selector in a row of the external id. Default with `match: external_id`: the
    /// `external_id_property`. A row that names another one than its record's is ignored.
    pub(in crate::connector::rest) external_id: Option<Text>,
    /// Selector in a row of the remote id. A created or upserted record whose row lacks it is in
    /// doubt; an updated or deleted one's that names another is ignored.
    pub(in crate::connector::rest) remote_id: Option<Text>,
    /// Selector in a row of the record's place in the call, from 0; `{{ row.line - 1 }}` where the
    /// remote counts from 1.
    pub(in crate::connector::rest) index: Option<Text>,
    /// Where the answer tells refused records apart from the `rows`.
    pub(in crate::connector::rest) failures: Option<Failures>,
    /// What becomes of a record that the answer does not name. Default `in_doubt`.
    pub(in crate::connector::rest) unnamed: Option<Unnamed>,
    /// For `upsert`. Test: whether the record is new. Knows what the tests of `row_answers` know.
    /// Without it, a record that the id map does not know counts as created.
    pub(in crate::connector::rest) created: Option<Text>,
    /// Selector in a row of the refusal's message. Where it finds something, the row is a refusal.
    pub(in crate::connector::rest) error: Option<Text>,
    /// Selector in a row of the refusal's code.
    pub(in crate::connector::rest) error_code: Option<Text>,
    /// Selector in a row of the field at fault.
    pub(in crate::connector::rest) error_field: Option<Text>,
    /// Selector in a row of the object that holds the record as the remote has it now. A sent field
    /// that stands there with another value makes the record a failure (`altered`): for a remote
    /// that changes values in silence.
    pub(in crate::connector::rest) stored: Option<Text>,
    /// For `delete`: a record that is not there counts as deleted.
    pub(in crate::connector::rest) missing_is_done: Option<bool>,
    /// For `create` with `max_records: 1`: the header in which the remote takes a key, so that
    /// the same create twice makes one record.
    pub(in crate::connector::rest) idempotency_key_header: Option<Text>,
    /// Seconds that the remote remembers such a key. In that time a create whose answer is lost is
    /// sent again, by later jobs too. Default 86400.
    #[schemars(with = "Option<Seconds>")]
    pub(in crate::connector::rest) idempotency_key_secs: Option<Placed<f64>>,
}

/// Rows about refused records.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::connector::rest) struct Failures {
    /// Selector of the rows, a list's members: `$.errors[*]`. An answer without them has none.
    pub(in crate::connector::rest) rows: Text,
    /// How a row finds its record, or records.
    #[serde(rename = "match")]
    pub(in crate::connector::rest) matched: FailuresMatch,
    /// Selector in a row of the external ids. Default with `match: external_id`: the
    /// `external_id_property`.
    pub(in crate::connector::rest) external_id: Option<Text>,
    /// Selector in a row of the remote ids.
    pub(in crate::connector::rest) remote_id: Option<Text>,
    /// Selector in a row of the places in the call, from 0.
    pub(in crate::connector::rest) index: Option<Text>,
    /// Selector in a row of the message. Default: the row.
    pub(in crate::connector::rest) error: Option<Text>,
    /// Selector in a row of the code.
    pub(in crate::connector::rest) error_code: Option<Text>,
    /// Selector in a row of the field at fault.
    pub(in crate::connector::rest) error_field: Option<Text>,
}

/// How a row about refused records finds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::connector::rest) enum FailuresMatch {
    /// By `external_id`.
    ExternalId,
    /// By `remote_id`; for `update` and `delete`. Two records of one id share its row.
    RemoteId,
    /// By `index`.
    Index,
}

/// What becomes of a record that an answer does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::connector::rest) enum Unnamed {
    /// Nobody knows: it is looked up before anything is sent again.
    #[default]
    InDoubt,
    /// It was written: for a remote that names only what it refuses, or says yes and no to whole
    /// calls.
    Written,
}

/// How a row finds its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::connector::rest) enum Match {
    /// Rows come in the order of the records, as many.
    Position,
    /// By `external_id`.
    ExternalId,
    /// By `remote_id`; for `update` and `delete`. Two records of one id share its row.
    RemoteId,
    /// By `index`.
    Index,
}
