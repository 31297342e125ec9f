//! Posts records to one address: the platform's generic `target-api`, with its keys.
//!
//! - [`config`]: the keys; [`build`](Api::build): from them to a connector.
//! - [`address`]: from the template of the `url` to a stream's address; [`account`]: whose it is.
//! - [`request`]: from records to a body.
//!
//! Nothing is known of the remote but that a 2xx takes the whole call. It cannot be asked what it
//! has, so every post is a create: none is sent twice unless the remote knows it by a key.

mod account;
mod address;
mod build;
mod config;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use url::Url;

use self::address::Template;
pub use self::config::ApiConfig;
use self::request::Added;
use super::contract::{
    Action, BatchIds, CallLimits, Capabilities, CheckLine, Connector, Found, KeyHeader, Question,
    RequestError, Verdict, WriteAnswer, WriteBatch,
};
use super::http::meaning::complaint;
use super::http::{Answer, Call, Client, Meaning, meaning};
use crate::json::exact;
use crate::record::{RemoteId, StreamName};

/// Calls at once: as many as `target-api` drains streams at once.
const MAX_IN_FLIGHT: usize = 10;
/// What stands in the place of the job where the platform names none.
const NO_JOB: &str = "job_Example";
/// Characters of an answer that an error may hold. The platform's own target keeps 5,000.
const MAX_ERROR_CHARS: usize = 2000;

/// A remote that takes posts.
#[derive(Debug)]
pub struct Api {
    client: Client,
    template: Template,
    /// What is sent instead of the stream's name in the address, by stream; `*` for all others.
    objects: indexmap::IndexMap<String, String>,
    /// Where the remote is, in place of the template's own host.
    base: Option<Url>,
    /// The name of the query parameter with the key, and the key.
    key_in_query: Option<(String, secrecy::SecretString)>,
    method: Method,
    headers: HeaderMap,
    added: Added,
    /// Records a call, and bytes; `None` posts each record by itself.
    batch: Option<(usize, usize)>,
    /// The job's part of the batches' names.
    batch_ids: Option<String>,
    in_order: bool,
    wants_empty: bool,
    key_header: Option<KeyHeader>,
    namespace: String,
}

impl Api {
    /// What tells one account's ids from another's, without a secret.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Where the records of a stream go.
    fn address(&self, stream: &StreamName) -> Result<Url, String> {
        let name = stream.as_str();
        let object = self.objects.get(name).or_else(|| self.objects.get("*"));
        let mut url = self.template.fill(object.map_or(name, String::as_str))?;
        if let Some(base) = &self.base {
            let mut moved = base.clone();
            moved.set_path(&format!("{}{}", base.path().trim_end_matches('/'), url.path()));
            moved.set_query(url.query());
            url = moved;
        }
        if let Some((name, key)) = &self.key_in_query {
            let key = secrecy::ExposeSecret::expose_secret(key);
            url.query_pairs_mut().append_pair(name, key);
        }
        Ok(url)
    }

    /// What a 2xx says: all is taken. Ids, where it tells them.
    fn verdicts(&self, body: &[u8], records: usize) -> Vec<Verdict> {
        let body = exact::parse(body).unwrap_or_default();
        let redactor = self.client.redactor();
        let id = |row: &Value| {
            remote_id(row.get("id")?).and_then(|id| redactor.unless_secret(id)).map(RemoteId::new)
        };
        match (&body, self.batch) {
            // In a batch, the `id` of one object would be that of the batch.
            (Value::Object(_), None) => vec![Verdict::Upserted(id(&body)); records],
            (Value::Array(rows), Some(_))
                if rows.len() == records && rows.iter().all(Value::is_object) =>
            {
                rows.iter().map(|row| Verdict::Upserted(id(row))).collect()
            }
            _ => vec![Verdict::Upserted(None); records],
        }
    }

    /// What the remote said, with its status.
    fn told(&self, answer: &Answer) -> Box<str> {
        let redactor = self.client.redactor();
        let text = redactor.excerpt(&String::from_utf8_lossy(&answer.body), MAX_ERROR_CHARS);
        let message = complaint(answer, redactor).message;
        // A message that was found in the body says it shorter.
        let text = if *message == *answer.describe(redactor) { text.as_str() } else { &message };
        match text {
            "" => format!("status {}, and an empty body", answer.status).into(),
            text => format!("status {}: {text}", answer.status).into(),
        }
    }

    fn failed(&self, answer: &Answer, error: RequestError) -> RequestError {
        match error {
            RequestError::Refused { status, code, .. } if status >= 400 => {
                RequestError::Refused { status, code, message: self.told(answer) }
            }
            RequestError::Forbidden { status, .. } => {
                RequestError::Forbidden { status, message: self.told(answer) }
            }
            RequestError::Unauthorized(_) => RequestError::Unauthorized(self.told(answer)),
            other => other,
        }
    }
}

/// An id that means something: not empty, not zero, no yes or no.
fn remote_id(value: &Value) -> Option<String> {
    match value {
        Value::Bool(_) => None,
        Value::Number(number) if number.as_f64() == Some(0.0) => None,
        value => exact::text(value),
    }
}

#[async_trait]
impl Connector for Api {
    fn name(&self) -> &'static str {
        "api"
    }

    fn capabilities(&self, stream: &StreamName) -> Result<Capabilities, RequestError> {
        self.address(stream).map_err(|message| RequestError::never_sent(&message))?;
        let batch_ids = self
            .batch_ids
            .as_ref()
            .map(|job| BatchIds { prefix: format!("{job}:{stream}:").into() });
        let (max_records, max_bytes) = self.batch.unwrap_or((1, usize::MAX));
        let create = CallLimits {
            max_records,
            max_bytes,
            envelope_bytes: self.added.bytes(stream, batch_ids.is_some()),
            reads_first: false,
            reads_after: false,
        };
        Ok(Capabilities {
            create: Some(create),
            max_in_flight: MAX_IN_FLIGHT,
            idempotent_create: self.key_header.as_ref().map(|header| header.life),
            creates_again: true,
            in_order: self.in_order,
            wants_empty: self.wants_empty,
            external_id_is_content: self.batch.is_some(),
            id_is_content: true,
            batch_ids,
            ..Capabilities::default()
        })
    }

    async fn check(&self, streams: &[StreamName], _: bool) -> Vec<CheckLine> {
        let credential = CheckLine {
            subject: "credential".to_owned(),
            result: Ok("not tried: the remote can only be posted to".to_owned()),
            hint: None,
        };
        let line = |stream: &StreamName| {
            let address = self.address(stream);
            let result = address.map(|url| {
                // The rest of it may be a secret.
                let host = url.host_str().unwrap_or_default();
                format!("{} to {host}, over {}", self.method, url.scheme())
            });
            CheckLine { subject: format!("stream {stream}"), result, hint: None }
        };
        std::iter::once(credential).chain(streams.iter().map(line)).collect()
    }

    async fn lookup(&self, _: &Question) -> Result<Found, RequestError> {
        Err(RequestError::never_sent("the remote cannot be asked what it has"))
    }

    async fn write(&self, batch: &WriteBatch) -> Result<WriteAnswer, RequestError> {
        let request = self.request(batch).map_err(|message| RequestError::never_sent(&message))?;
        let answer = self.client.send(&request).await?;
        // A 404 or 409 is about the address and the call: nothing is known of single records.
        let call = Call::Write { action: Action::Create, single: false };
        match meaning::meaning(&answer, call, self.client.redactor()) {
            Meaning::Failed(error) => Err(self.failed(&answer, error)),
            Meaning::Rows => {
                let verdicts = self.verdicts(&answer.body, batch.writes.len());
                Ok(WriteAnswer { status: answer.status, verdicts, quiet: None })
            }
            Meaning::Missing | Meaning::Exists | Meaning::Changed => {
                Err(RequestError::Protocol(self.told(&answer)))
            }
        }
    }
}

/// A connector that can be shared.
pub(super) fn build(settings: super::Settings) -> Result<super::Built, super::BuildError> {
    let api = Api::build(settings)?;
    let (namespace, credential) =
        (api.namespace().to_owned(), api.client.authorizer().credential());
    Ok(super::Built { connector: Arc::new(api), namespace, credential })
}
