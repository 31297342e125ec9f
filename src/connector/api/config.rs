//! The keys of the config, those of the platform's `target-api` and one of ours, and from them to a
//! connector.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::address::{self, Template};
use super::request::Added;
use super::{Api, NO_JOB};
use crate::config::wrong::without_value;
use crate::connector::contract::{KEY_LIFE_SECS, KeyHeader};
use crate::connector::http::rate_limit::Limiter;
use crate::connector::http::{Authorizer, Client, Redactor, client};
use crate::connector::{BuildError, Settings};
use crate::stream::fields::Fields;

/// Records a call, where nothing else is said: as `target-api` has it.
const BATCH_SIZE: u64 = 100;
/// Seconds of a call, where nothing else is said: as `target-api` has it, for remotes that work off
/// a whole batch before they answer.
const TIMEOUT_SECS: u64 = 600;
/// The header, or query parameter, with the key.
const API_KEY_HEADER: &str = "x-api-key";

/// A parameter of the query with one of these names holds a key, whatever stands between its words.
/// The whole name counts: `country_code` is none.
const KEY_NAMES: [&str; 16] = [
    "key",
    "apikey",
    "xapikey",
    "accesskey",
    "functionskey",
    "subscriptionkey",
    "token",
    "apitoken",
    "accesstoken",
    "authtoken",
    "secret",
    "code",
    "sig",
    "signature",
    "password",
    "auth",
];

/// Letters of a part of an address that is taken for a key rather than for a word.
const MIN_KEY_CHARS: usize = 16;

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
    /// Sends `api_key` in the query of the address too. The header goes with it, as `target-api` has
    /// it.
    #[serde(deserialize_with = "flag")]
    #[schemars(with = "Option<bool>")]
    pub api_key_url: bool,
    /// More headers. Their values are taken for secrets.
    #[serde(deserialize_with = "headers")]
    #[schemars(with = "Option<Vec<CustomHeader>>")]
    pub custom_headers: Vec<CustomHeader>,
    /// The header `User-Agent`. Default: this program's name and version.
    pub user_agent: Option<String>,
    /// Seconds that one call may take, over `timeout_secs`. Default: `timeout_secs` where the config
    /// has it, else 600.
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
    /// Seconds that the remote remembers such a key: in that time later jobs, too, send a post again
    /// whose answer was lost. Default 86400. This key is ours.
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

/// `null` is no.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::<bool>::deserialize(deserializer).map(Option::unwrap_or_default)
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

impl Count {
    /// The number; `None` for zero, which says nothing.
    fn read(count: Option<&Self>, key: &str) -> Result<Option<u64>, BuildError> {
        let number = match count {
            None => return Ok(None),
            Some(Self::Number(number)) => *number,
            Some(Self::Text(text)) if text.trim().is_empty() => return Ok(None),
            Some(Self::Text(text)) => text
                .trim()
                .parse()
                .map_err(|_| wrong(format!("config key `{key}` is no whole number")))?,
        };
        Ok(Some(number).filter(|number| *number > 0))
    }
}

impl Metadata {
    /// Names and values, as JSON.
    fn read(&self) -> Result<Vec<(String, String)>, BuildError> {
        let text = match self {
            Self::Text(text) if text.trim().is_empty() => return Ok(Vec::new()),
            Self::Text(text) => text.clone(),
            Self::Object(object) => Value::Object(object.clone()).to_string(),
        };
        let read = || -> serde_json::Result<Vec<(String, String)>> {
            let fields = Fields::parse(serde_json::from_str::<&RawValue>(&text)?)?;
            let fields = fields.0.into_iter();
            Ok(fields.map(|(name, value)| (name.into_owned(), value.get().to_owned())).collect())
        };
        read().map_err(|error| {
            wrong(format!(
                "config key `metadata` is neither an object nor the JSON of one: {}",
                without_value(&error)
            ))
        })
    }
}

fn wrong(message: impl Into<String>) -> BuildError {
    BuildError::Setting { message: message.into(), hint: None }
}

fn missing(key: &str, hint: &str) -> BuildError {
    BuildError::MissingKey { key: key.to_owned(), hint: hint.to_owned() }
}

fn header_name(key: &str, name: &str) -> Result<HeaderName, BuildError> {
    HeaderName::try_from(name)
        .map_err(|_| wrong(format!("config key `{key}` holds what is no name of a header")))
}

impl Api {
    /// From a config. No I/O.
    ///
    /// # Errors
    /// When the config lacks what is needed, or has what cannot be used.
    pub fn build(settings: Settings) -> Result<Self, BuildError> {
        let values = Value::Object(settings.values.clone());
        let config: ApiConfig = serde_path_to_error::deserialize(values).map_err(|error| {
            let path = error.path().to_string();
            wrong(format!("config key `{path}`: {}", without_value(error.inner())))
        })?;
        let redactor = Redactor::default();
        let text = config.url.as_deref().filter(|url| !url.trim().is_empty());
        let text = text.ok_or_else(|| {
            missing("url", "set it to the address that takes the records; `{stream}` is filled in")
        })?;
        hide_address(text, &redactor);
        let wrong_url = |message| wrong(format!("config key `url`: {message}"));
        let template = Template::parse(text, &settings.environment).map_err(wrong_url)?;
        let namespace = namespace(&template).map_err(wrong_url)?;
        let base = settings.base_url.as_deref().map(address::of_remote).transpose();
        let base = base.map_err(|message| wrong(format!("config key `base_url`: {message}")))?;

        let key_name = config.api_key_header.as_deref().filter(|name| !name.is_empty());
        let key_name = key_name.unwrap_or(API_KEY_HEADER);
        let has_key = config.auth || config.api_key_url;
        let key = match config.api_key.as_deref().filter(|key| !key.is_empty()) {
            Some(key) => {
                redactor.add(key);
                Some(key).filter(|_| has_key)
            }
            None if has_key => {
                let hint = "set it to the key, or `auth` and `api_key_url` to false";
                return Err(missing("api_key", hint));
            }
            None => None,
        };
        let authorizer = match key {
            Some(key) => Authorizer::key_header(key_name, key, &redactor)
                .map_err(|message| wrong(format!("config key `api_key_header`: {message}")))?,
            None => Authorizer::None,
        };
        let key_in_query = key.filter(|_| config.api_key_url);
        let key_in_query = key_in_query.map(|key| (key_name.to_owned(), key.into()));

        let timeout = match Count::read(config.timeout.as_ref(), "timeout")? {
            Some(secs) => Duration::from_secs(secs),
            None if settings.values.contains_key("timeout_secs") => settings.timeout,
            None => Duration::from_secs(TIMEOUT_SECS),
        };
        let http = client::pool(timeout, &settings.user_agent).map_err(wrong)?;
        let limiter = settings.rate_limit.and_then(Limiter::new);
        let batch = config.batch()?;
        let objects = settings.streams.into_iter();
        let objects = objects.filter_map(|(name, stream)| Some((name, stream.object?)));
        Ok(Self {
            template,
            objects: objects.collect(),
            base,
            key_in_query,
            method: config.method()?,
            headers: config.headers(&redactor)?,
            added: Added {
                stream: config.add_stream_key,
                metadata: config.metadata.as_ref().map_or(Ok(Vec::new()), Metadata::read)?,
            },
            batch_ids: config.batch_ids(settings.environment.job_root),
            batch,
            in_order: config.enforce_order,
            wants_empty: config.post_empty_record,
            key_header: config.key_header()?,
            namespace,
            client: Client::new(http, authorizer, limiter, redactor),
        })
    }
}

impl ApiConfig {
    fn method(&self) -> Result<Method, BuildError> {
        let method = self.method.as_deref().filter(|method| !method.is_empty()).unwrap_or("POST");
        Method::from_bytes(method.to_uppercase().as_bytes())
            .map_err(|_| wrong("config key `method` is no HTTP method"))
    }

    fn headers(&self, redactor: &Redactor) -> Result<HeaderMap, BuildError> {
        let mut headers = HeaderMap::new();
        for CustomHeader { name, value } in &self.custom_headers {
            redactor.add(value);
            let key = header_name("custom_headers", name)?;
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                wrong(format!(
                    "config key `custom_headers`: the value of `{name}` has characters that no \
                     header can hold"
                ))
            })?;
            value.set_sensitive(true);
            headers.insert(key, value);
        }
        Ok(headers)
    }

    /// Records a call and bytes, where records share calls.
    fn batch(&self) -> Result<Option<(usize, usize)>, BuildError> {
        let records = Count::read(self.batch_size.as_ref(), "batch_size")?.unwrap_or(BATCH_SIZE);
        let bytes = Count::read(self.max_size_in_bytes.as_ref(), "max_size_in_bytes")?;
        // Full at 90 %. Each record is counted with a comma, of which there is one too many for two
        // brackets.
        let bytes = bytes.map_or(u64::MAX, |bytes| {
            let tenth = bytes / 10 + u64::from(bytes % 10 > 0);
            (bytes - tenth).saturating_sub(1)
        });
        let most = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        Ok(self.process_as_batch.then(|| (most(records), most(bytes))))
    }

    fn batch_ids(&self, job_root: Option<String>) -> Option<String> {
        if self.inject_batch_ids && !self.process_as_batch {
            tracing::warn!("`inject_batch_ids` does nothing without `process_as_batch`.");
        }
        (self.inject_batch_ids && self.process_as_batch)
            .then(|| job_root.unwrap_or_else(|| NO_JOB.to_owned()))
    }

    fn key_header(&self) -> Result<Option<KeyHeader>, BuildError> {
        let name = self.idempotency_key_header.as_deref().filter(|name| !name.is_empty());
        let Some(name) = name else { return Ok(None) };
        if self.process_as_batch {
            return Err(BuildError::Setting {
                message:
                    "`idempotency_key_header` and `process_as_batch` do not go together: a key \
                          names one record"
                        .to_owned(),
                hint: Some("take one of them out of the config".to_owned()),
            });
        }
        let name = header_name("idempotency_key_header", name)?;
        let life = Count::read(self.idempotency_key_secs.as_ref(), "idempotency_key_secs")?;
        let life = life.unwrap_or(KEY_LIFE_SECS);
        Ok(Some(KeyHeader { name, life: Duration::from_secs(life) }))
    }
}

/// The address of a hook is its credential: what is sent in the query, and the parts of the path that
/// no person would choose, are taken for secrets.
fn hide_address(template: &str, redactor: &Redactor) {
    let (path, query) = template.split_once('?').unwrap_or((template, ""));
    let path = path.split_once("://").map_or("", |(_, path)| path);
    // Between the placeholders everything may be a key, but what is a plain word.
    let values = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    let parts = path.split('/').skip(1).chain(values);
    for text in parts.flat_map(|part| part.split(['{', '}'])).filter(|text| !is_word(text)) {
        redactor.add(text);
        redactor.add(&percent_encoding::percent_decode_str(text).decode_utf8_lossy());
    }
}

/// Whether a part of an address is a word, such as `contacts` or `web-hooks`.
fn is_word(text: &str) -> bool {
    let is_plain = text.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == '_');
    is_plain && text.len() < MIN_KEY_CHARS
}

/// The host, and a hash of the rest, for any stream: a path or a query tells accounts apart, but
/// may be a secret. A key in the query does not count: a new key is no new account, to which all
/// records would be posted again.
fn namespace(template: &Template) -> Result<String, String> {
    let url = template.fill("stream")?;
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let mut rest = url.path().to_owned();
    for (name, value) in url.query_pairs() {
        let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        if !KEY_NAMES.contains(&&*word.to_lowercase()) {
            rest.push_str(&format!("\n{name}\n{value}"));
        }
    }
    let digest: [u8; 32] = Sha256::digest(rest).into();
    let digits: String =
        digest.iter().take(6).fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
    Ok(format!("api:{host}{port}#{digits}"))
}
