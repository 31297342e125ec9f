//! Salesforce: any object of an org, upserted by its own external ids, 200 records a call.
//!
//! - [`config`] and [`mod@build`]: from a config to a connector; [`paths`]: where its calls go;
//!   [`quota`]: how many the org has left.
//! - [`describe`]: what the org says of its objects; [`stream`]: what follows for a stream.
//! - [`shape`]: from a record to an object's fields, and [`value`]s; [`unified`]: records in the
//!   platform's own schema; [`part`]: a record on its way out.
//! - [`collections`]: records are written; [`batch`]: those with more to them, whom they name found
//!   first ([`relate`]), and what belongs to them written [`after`], such as [`files`]; many at once
//!   by [`bulk`] jobs, as [`rows`]; [`single`] asks whom a duplicate rule means.
//! - [`find`], by [`soql`]: records are looked for; [`ids`]: in which forms ids come. [`check`]: what
//!   there is; [`problem`]: Salesforce's refusals.
//!
//! Salesforce finds a record by an external id itself, creates it or changes it, and says which:
//! the same call twice leaves one record. What has no external id is looked for before it is made,
//! and after an answer that was lost.

mod after;
mod batch;
mod build;
mod bulk;
mod check;
mod collections;
mod config;
mod describe;
mod files;
mod find;
mod ids;
mod part;
mod paths;
mod problem;
mod quota;
mod relate;
mod rows;
mod shape;
mod single;
mod soql;
mod stream;
mod unified;
mod value;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use indexmap::IndexMap;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

pub use self::config::SalesforceConfig;
use self::describe::Descriptions;
use self::ids::{is_id, long_id};
use self::paths::Paths;
use self::problem::failure;
use self::quota::Quota;
use self::stream::Learned;
use self::unified::{MadeFields, Names};
use super::contract::{
    self, Account, Action, Bulk, Capabilities, CheckLine, Connector, Found, Question, RequestError,
    StreamSchema, Write, WriteAnswer, WriteBatch,
};
use super::http::{Answer, Call, Client, Request};
use super::shape::Shape;
use super::stop::unless_stopped;
use super::{StreamSettings, of_stream};
use crate::json::exact;
use crate::record::StreamName;

/// An org.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Salesforce {
    client: Client,
    paths: Paths,
    /// The address that the config gives over all that is told.
    fixed: Option<Url>,
    /// Where the org is until a token endpoint tells it.
    given_instance: Option<Url>,
    descriptions: Arc<Descriptions>,
    quota: Quota,
    streams: IndexMap<String, StreamSettings>,
    /// `lookup_fields` by stream or object, in any case.
    lookup_fields: IndexMap<String, Vec<String>>,
    clears_falsy_dates: bool,
    looks_by_email: bool,
    only_known_accounts: bool,
    /// Records from which on a bulk job is made of them; 0: never.
    bulk_from: usize,
    /// How long a call whose answer is lost may still be at work.
    settles: Duration,
    creates_fields: bool,
    made_fields: MadeFields,
    names: Names,
    learned: Mutex<HashMap<StreamName, Arc<Learned>>>,
    /// Fields that an object has not any more, by object.
    gone: Mutex<HashMap<String, Arc<HashSet<String>>>>,
    /// Fields that are told of as left out, by object.
    left_out: Mutex<HashSet<(String, String)>>,
    /// Jobs whose results were shorter than they say, and how long they were.
    short_results: Mutex<HashSet<(String, u64)>>,
    /// Records that were written by calls of their own, to be told whom a rule means.
    asked_for_matches: AtomicUsize,
    /// The org's own id; `None` where it may not be asked for.
    org: OnceCell<Option<String>>,
    namespace: String,
}

impl Salesforce {
    /// The namespace of its ids, without the org.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The credential that requests carry now, renewed if it is due.
    ///
    /// # Errors
    /// As [`Authorizer::access_token`](super::http::Authorizer::access_token).
    pub async fn access_token(&self) -> Result<SecretString, RequestError> {
        self.client.authorizer().access_token().await
    }

    fn settings(&self, stream: &StreamName) -> Option<&StreamSettings> {
        of_stream(&self.streams, stream)
    }

    /// Where the org is now.
    async fn instance(&self) -> Result<Url, RequestError> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let told = self.client.authorizer().told("instance_url").await?;
        let told = told.as_ref().and_then(build::told_instance);
        told.or_else(|| self.given_instance.clone()).ok_or_else(|| {
            RequestError::Unauthorized("the token endpoint does not tell the `instance_url`".into())
        })
    }

    async fn url(&self, segments: &[&str]) -> Result<Url, RequestError> {
        self.paths.of(&self.instance().await?, segments)
    }

    async fn get(&self, segments: &[&str]) -> Result<Value, RequestError> {
        let url = self.url(segments).await?;
        self.read(url).await
    }

    /// The body of an answer of success to a question.
    async fn read(&self, url: Url) -> Result<Value, RequestError> {
        self.quota.refuse_spent()?;
        self.body_of(&self.send(Method::GET, url, Bytes::new(), true, None).await?)
    }

    /// The body of an answer of success.
    fn body_of(&self, answer: &Answer) -> Result<Value, RequestError> {
        let redactor = self.client.redactor();
        if !answer.is_success() {
            return Err(failure(answer, Call::Read, redactor));
        }
        answer.json(redactor).map_err(|what| RequestError::Protocol(what.into()))
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Bytes,
        reads_only: bool,
        not_after: Option<Instant>,
    ) -> Result<Answer, RequestError> {
        self.send_as("application/json", method, url, body, reads_only, not_after).await
    }

    async fn send_as(
        &self,
        media_type: &'static str,
        method: Method,
        url: Url,
        body: Bytes,
        reads_only: bool,
        not_after: Option<Instant>,
    ) -> Result<Answer, RequestError> {
        let mut headers = HeaderMap::new();
        let body = Some(body).filter(|body| !body.is_empty());
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        let mut request = Request { method, url, headers, body, reads_only, not_after };
        let mut answer = self.client.send(&request).await?;
        // With a new token, the org may have told another address.
        if answer.status == 401
            && let Some(url) = self.moved(&request.url).await?
        {
            request.url = url;
            answer = self.client.send(&request).await?;
        }
        self.quota.heed(&answer);
        Ok(answer)
    }

    /// The same below the org's address; `None` where it is there already.
    async fn moved(&self, url: &Url) -> Result<Option<Url>, RequestError> {
        let mut now = self.instance().await?;
        if now.origin() == url.origin() {
            return Ok(None);
        }
        now.set_path(url.path());
        now.set_query(url.query());
        Ok(Some(now))
    }

    /// The org's id; of one that may not be asked for, its address.
    async fn org(&self) -> Result<String, RequestError> {
        let host = self.instance().await?.host_str().unwrap_or_default().to_owned();
        Ok(self.org_id().await?.unwrap_or(host))
    }

    async fn org_id(&self) -> Result<Option<String>, RequestError> {
        let ask = || async {
            match self.query("SELECT Id FROM Organization LIMIT 1").await {
                Ok(body) => {
                    let id = body.pointer("/records/0/Id").and_then(exact::text);
                    Ok(id.filter(|id| is_id(id)).map(|id| long_id(&id)))
                }
                Err(RequestError::Refused { .. } | RequestError::Forbidden { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        unless_stopped(self.org.get_or_try_init(ask)).await?.cloned()
    }

    fn learned(&self, stream: &StreamName) -> Option<Arc<Learned>> {
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.get(stream).cloned()
    }

    /// What is known of a stream.
    fn known(&self, stream: &StreamName) -> Result<Arc<Learned>, RequestError> {
        self.learned(stream).ok_or_else(|| RequestError::never_sent("its object is not known"))
    }

    /// Whether a stream writes records of an object.
    fn is_written(&self, object: &str) -> bool {
        let learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.values().any(|learned| learned.writes(object))
    }

    /// Tells once that a field is left out of records on which it may not be set.
    fn tell_left_out(&self, object: &str, field: &str) {
        let mut told = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert((object.to_owned(), field.to_owned())) {
            tracing::warn!(
                %object, %field,
                "Salesforce does not let the field be set on some records (such as on those that are there \
                 already): it is left out of them."
            );
        }
    }

    fn gone(&self, object: &str) -> Arc<HashSet<String>> {
        let known = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(object).cloned().unwrap_or_default()
    }

    /// A field is left out from now on. Whether that is new.
    fn note_gone(&self, object: &str, field: &str) -> bool {
        let mut known = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        let known = Arc::make_mut(known.entry(object.to_owned()).or_default());
        let is_new = known.insert(field.to_owned());
        if is_new {
            tracing::warn!(%object, %field, "The object has the field no more: it is left out.");
        }
        is_new
    }
}

#[async_trait]
impl Connector for Salesforce {
    fn name(&self) -> &'static str {
        "salesforce"
    }

    fn capabilities(&self, stream: &StreamName) -> Result<Capabilities, RequestError> {
        let learned = self.learned(stream).ok_or_else(|| {
            RequestError::never_sent(&format!("Record type {stream} doesn't exist on Salesforce."))
        })?;
        Ok(Capabilities {
            settles: self.settles,
            ..learned.capabilities(self.only_known_accounts, self.bulk_from)?
        })
    }

    async fn learn(&self, schema: &StreamSchema<'_>) -> Result<(), RequestError> {
        let learned = self.learn_of(schema).await;
        let learned = match learned {
            Ok(learned) => learned,
            Err(error @ (RequestError::Refused { .. } | RequestError::Forbidden { .. })) => {
                Learned::unusable(&error.to_string())
            }
            Err(error) => return Err(error),
        };
        let mut known = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(schema.stream.clone(), Arc::new(learned));
        Ok(())
    }

    fn shape(&self, stream: &StreamName) -> Option<Arc<dyn Shape>> {
        self.learned(stream)?.shape.clone()
    }

    async fn account(&self) -> Result<Account, RequestError> {
        if let Some(id) = self.org_id().await? {
            return Ok(Account::Told(id));
        }
        tracing::warn!(
            "Salesforce does not say which org it is: set `namespace` in the config, if one store is \
             used for several orgs."
        );
        Ok(Account::Untold)
    }

    async fn check(&self, streams: &[StreamName], _: bool) -> Vec<CheckLine> {
        self.check_all(streams).await
    }

    async fn lookup(&self, question: &Question) -> Result<Found, RequestError> {
        let learned = self.known(&question.stream)?;
        let property = learned.property.as_deref();
        match &learned.unified {
            Some(unified) => self.find_unified(unified, property, question).await,
            None => self.find(learned.description()?, property, question).await,
        }
    }

    async fn write(&self, batch: &WriteBatch) -> Result<WriteAnswer, RequestError> {
        let learned = self.known(&batch.stream)?;
        let (description, property) = (learned.description()?, learned.property.as_deref());
        let is_plain = |write: &Write| part::is_plain(&write.body);
        // A SCHEMA may have come since, in other words than the records of the one before.
        if batch.action == Action::Delete || batch.writes.iter().all(is_plain) {
            return self.write_collection(description, property, batch).await;
        }
        self.write_batch(description, property, batch).await
    }

    fn bulk(&self) -> Option<&dyn Bulk> {
        Some(self)
    }

    async fn quota(&self) -> Result<Option<contract::Quota>, RequestError> {
        let body = self.get(&["limits"]).await?;
        let number = |name: &str| body["DailyApiRequests"][name].as_u64();
        let told = number("Max").zip(number("Remaining"));
        Ok(told.map(|(max, left)| contract::Quota { used: max.saturating_sub(left), max }))
    }
}

/// A connector that can be shared.
pub(super) fn build(settings: super::Settings) -> Result<super::Built, super::BuildError> {
    let salesforce = Salesforce::build(settings)?;
    let (namespace, credential) =
        (salesforce.namespace().to_owned(), salesforce.client.authorizer().credential());
    Ok(super::Built { connector: Arc::new(salesforce), namespace, credential })
}
