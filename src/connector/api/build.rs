//! From a config to a connector: what is said is read, what cannot be meant refused.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use serde_json::Value;
use serde_json::value::RawValue;

use super::account::{hide_address, namespace};
use super::address::{self, Template};
use super::config::{ApiConfig, Count, CustomHeader, Metadata};
use super::request::Added;
use super::{Api, NO_JOB};
use crate::config::seconds::{EXPECTED, MAX};
use crate::config::wrong::without_value;
use crate::connector::budgets::CALLS;
use crate::connector::contract::{KEY_LIFE_SECS, KeyHeader};
use crate::connector::http::{Authorizer, Client, Redactor, client};
use crate::connector::{BuildError, Settings, own_keys};
use crate::json::fields::Fields;

/// Records a call, where nothing else is said: as `target-api` has it.
const BATCH_SIZE: u64 = 100;
/// Seconds of a call, where nothing else is said: as `target-api` has it, for remotes that work off
/// a whole batch before they answer.
const TIMEOUT_SECS: u64 = 600;
/// The header, or query parameter, with the key.
const API_KEY_HEADER: &str = "x-api-key";

impl Api {
    /// From a config. No I/O.
    ///
    /// # Errors
    /// When the config lacks what is needed, or has what cannot be used.
    pub fn build(settings: Settings) -> Result<Self, BuildError> {
        let config: ApiConfig = own_keys(&settings.values)?;
        let redactor = Redactor::default();
        let url = config.url()?;
        hide_address(url, &redactor);
        let wrong_url = |message| wrong(format!("config key `url`: {message}"));
        let template = Template::parse(url, &settings.environment).map_err(wrong_url)?;
        let namespace = namespace(&template).map_err(wrong_url)?;
        let base = settings.base_url.as_deref().map(address::of_remote).transpose();
        let base = base.map_err(|message| wrong(format!("config key `base_url`: {message}")))?;
        let (authorizer, key_in_query) = config.key(&redactor)?;
        let timeout = config.timeout(&settings)?;
        let http = client::pool(timeout, &settings.user_agent).map_err(wrong)?;
        let limiter =
            settings.rate_limit.and_then(|limit| settings.budgets.rate(&authorizer, CALLS, limit));
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
            client: Client::new(http, authorizer, limiter, redactor).metered(settings.meter),
        })
    }
}

impl ApiConfig {
    fn url(&self) -> Result<&str, BuildError> {
        self.url.as_deref().filter(|url| !url.trim().is_empty()).ok_or_else(|| {
            missing("url", "set it to the address that takes the records; `{stream}` is filled in")
        })
    }

    /// How the key is sent: in the header, and in the query under a name.
    fn key(
        &self,
        redactor: &Redactor,
    ) -> Result<(Authorizer, Option<(String, SecretString)>), BuildError> {
        let name = self.api_key_header.as_deref().filter(|name| !name.is_empty());
        let name = name.unwrap_or(API_KEY_HEADER);
        let key = self.api_key.as_deref().filter(|key| !key.is_empty());
        if let Some(key) = key {
            redactor.add(key);
        }
        if !self.auth && !self.api_key_url {
            return Ok((Authorizer::None, None));
        }
        let key = key.ok_or_else(|| {
            missing("api_key", "set it to the key, or `auth` and `api_key_url` to false")
        })?;
        let in_header = Authorizer::key_header(name, key, redactor)
            .map_err(|message| wrong(format!("config key `api_key_header`: {message}")))?;
        Ok((in_header, self.api_key_url.then(|| (name.to_owned(), key.into()))))
    }

    fn timeout(&self, settings: &Settings) -> Result<Duration, BuildError> {
        Ok(match Count::read(self.timeout.as_ref(), "timeout")? {
            Some(secs) => seconds(secs, "timeout")?,
            None if settings.values.contains_key("timeout_secs") => settings.timeout,
            None => Duration::from_secs(TIMEOUT_SECS),
        })
    }

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
            let message = "`idempotency_key_header` and `process_as_batch` do not go together: a \
                           key names one record";
            return Err(BuildError::Setting {
                message: message.to_owned(),
                hint: Some("take one of them out of the config".to_owned()),
            });
        }
        let name = header_name("idempotency_key_header", name)?;
        let life = Count::read(self.idempotency_key_secs.as_ref(), "idempotency_key_secs")?;
        let life = seconds(life.unwrap_or(KEY_LIFE_SECS), "idempotency_key_secs")?;
        Ok(Some(KeyHeader { name, life }))
    }
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

fn seconds(secs: u64, key: &str) -> Result<Duration, BuildError> {
    let time = Duration::from_secs(secs);
    if time > MAX { Err(wrong(format!("config key `{key}` is not {EXPECTED}"))) } else { Ok(time) }
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
