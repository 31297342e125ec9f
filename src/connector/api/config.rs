//! The keys of the config: those of the platform's `target-api` and one of ours.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::config::lenient::flag;

/// The keys of the connector `api`, beside those of every connector. They are those of the hosted
/// platform's `target-api`.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(title = "target-upsert configuration of the connector `api`")]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in the file")]
pub struct ApiConfig {
    /// Where records are posted to. Names in braces are filled in: `{stream}`, and from the
    /// environment `{tenant}` and `{tenant_id}` (`TENANT`), `{flow}` and `{flow_id}` (`FLOW`),
    /// `{tap}` (`TAP`), `{connector_id}` (`CONNECTOR_ID`). `{{` and `}}` are braces. A value is one
    /// segment of the path, whatever characters it has. Required.
    pub url: Option<String>,
    /// The HTTP method. Default `POST`.
    pub method: Option<String>,
    /// Sends `api_key` in the header that `api_key_header` names.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub auth: bool,
    /// The key.
    pub api_key: Option<String>,
    /// Name of the header, and of the query parameter, with the key. Default `x-api-key`.
    pub api_key_header: Option<String>,
    /// Sends `api_key` in the query of the address too. The header goes with it, as `target-api`
    /// has it.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub api_key_url: bool,
    /// More headers. Their values are taken for secrets.
    #[serde(deserialize_with = "headers")]
    #[schemars(with = "Option<Vec<CustomHeader>>")]
    pub custom_headers: Vec<CustomHeader>,
    /// The header `User-Agent`. Default: this program's name and version.
    pub user_agent: Option<String>,
    /// Seconds that one call may take, over `timeout_secs`. Default: `timeout_secs` where the
    /// config has it, else 600.
    pub timeout: Option<Count>,
    /// Posts a JSON array of records, instead of one record a call.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub process_as_batch: bool,
    /// Records a call, at most. Default 100.
    pub batch_size: Option<Count>,
    /// A batch is full at 90 % of so many bytes of the encoded body. Default: no limit.
    pub max_size_in_bytes: Option<Count>,
    /// Every record gets the field `stream`, with the stream's name.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub add_stream_key: bool,
    /// An object, or its JSON text, whose fields go into every record's `metadata`, over those that
    /// the record has. In a text, numbers keep their digits.
    pub metadata: Option<Metadata>,
    /// Every record of a batch gets the field `hgBatchId`, which the state tells too: MD5 of
    /// `JOB_ROOT:stream:number`, where the number counts the batches of the job from 0.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub inject_batch_ids: bool,
    /// One `{}` is posted for a stream whose SCHEMA came and no record, at the end of the input.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub post_empty_record: bool,
    /// One call at a time, in the order of the input, over all streams.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub enforce_order: bool,
    /// A header in which each post carries a key of its own, so that the remote knows one that is
    /// sent again: then a post whose answer is lost is. Not with `process_as_batch`. This key is
    /// ours.
    pub idempotency_key_header: Option<String>,
    /// Seconds that the remote remembers such a key: in that time later jobs, too, send a post
    /// again whose answer was lost. Default 86400. This key is ours.
    pub idempotency_key_secs: Option<Count>,
}

/// One header.
#[derive(Clone, Deserialize, JsonSchema)]
pub struct CustomHeader {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A number, or its text: the platform's forms write both.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a whole number, or its text")]
pub enum Count {
    /// The number.
    Number(u64),
    /// Its text.
    Text(String),
}

/// An object, or its JSON text.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "an object, or its JSON text")]
pub enum Metadata {
    /// The text.
    Text(String),
    /// The object.
    Object(Map<String, Value>),
}

impl std::fmt::Debug for ApiConfig {
    /// It holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiConfig").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for CustomHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CustomHeader").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is no header with texts is passed over, as `target-api` does.
fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<CustomHeader>, D::Error> {
    let entries = Option::<Vec<Value>>::deserialize(deserializer)?.unwrap_or_default();
    let count = entries.len();
    let headers: Vec<CustomHeader> =
        entries.into_iter().filter_map(|entry| serde_json::from_value(entry).ok()).collect();
    if headers.len() < count {
        tracing::warn!(
            passed_over = count - headers.len(),
            "Entries of `custom_headers` have no `name` and `value` that are texts."
        );
    }
    Ok(headers)
}
