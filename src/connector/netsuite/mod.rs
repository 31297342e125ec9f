//! NetSuite: any record type over SuiteTalk REST, found by the user's external id, and the accounting
//! records of the platform's unified schema.
//!
//! - [`config`] and [`mod@build`]: from a config to a connector, of an [`account`]; [`paths`]: where its
//!   calls go; [`logins`]: which refusals are believed; [`warnings`]: what is told beside an answer.
//! - [`stream`]: what a stream is; [`shape`]: records in NetSuite's own names; [`unified`]: records in
//!   the platform's.
//! - [`record`]: a record is written; [`draft`]: a unified one, with its [`lines`] ([`alike`]: how
//!   they are compared) and [`tax`]es, and the [`payments`] that belong to it ([`applied`]: those
//!   that are there); [`owner`]: whose it is; [`numbered`]: found by that and a number.
//! - [`mod@reference`]: whom records name; [`named`]: how those are found, in their [`table`]s by [`suiteql`],
//!   and kept in a [`directory`] and its [`snapshot`].
//! - [`jobs`]: many records, in a call that NetSuite works through in its own time.
//! - [`find`]: records are looked for. [`check`]: what there is; [`problem`]: NetSuite's refusals.
//!
//! NetSuite finds a record by an external id itself, and creates it or changes it: the same call twice
//! leaves one record, but for lines that are appended. It takes one record a call, and few calls at once,
//! in one limit for all integrations of the account.

mod account;
mod alike;
mod applied;
mod build;
mod check;
mod config;
mod directory;
mod draft;
mod find;
mod jobs;
mod lines;
mod logins;
mod named;
mod numbered;
mod owner;
mod paths;
mod payments;
mod problem;
mod record;
mod reference;
mod shape;
mod snapshot;
mod stream;
mod suiteql;
mod table;
mod tax;
mod unified;
mod warnings;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use indexmap::IndexMap;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use self::account::AccountId;
pub use self::config::NetSuiteConfig;
use self::directory::Directory;
use self::draft::taxes;
use self::jobs::Jobs;
use self::logins::Logins;
use self::numbered::Asked;
use self::paths::{Paths, Which};
use self::payments::Unpaid;
use self::problem::{Problem, failure};
use self::record::is_missing;
use self::reference::{names_others, references};
use self::stream::{AllLearned, Learned};
use self::unified::TAX;
use self::warnings::Warned;
use super::contract::{
    Bulk, Capabilities, CheckLine, Connector, Found, Question, RequestError, StreamSchema,
    WriteAnswer, WriteBatch,
};
use super::http::{Answer, Call, Client, Request};
use super::shape::Shape;
use super::{StreamSettings, of_stream};
use crate::record::StreamName;

/// An account.
#[derive(Debug)]
pub struct NetSuite {
    client: Client,
    paths: Paths,
    account: AccountId,
    logins: Logins,
    /// Whom records name.
    directory: Directory,
    /// Of whom documents were looked for by their numbers.
    asked: Asked,
    streams: IndexMap<String, StreamSettings>,
    learned: Mutex<AllLearned>,
    jobs: Jobs,
    unpaid: Unpaid,
    warned: Warned,
    /// What NetSuite does not know is refused, and not left out.
    refuses_unknown: bool,
    /// How long a call whose answer is lost may still be at work.
    settles: Duration,
    /// Records from which on an asynchronous job is made of them; 0: never.
    bulk_from: usize,
    namespace: String,
}

impl NetSuite {
    /// The namespace of its ids.
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

    async fn get(&self, url: Url) -> Result<Answer, RequestError> {
        self.send(Method::GET, url, Bytes::new(), true, None).await
    }

    /// The body of an answer of success to a question.
    fn body_of(&self, answer: &Answer) -> Result<Value, RequestError> {
        let redactor = self.client.redactor();
        if !answer.is_success() {
            return Err(failure(answer, Call::Read, redactor));
        }
        answer.json(redactor).map_err(|what| RequestError::Protocol(what.into()))
    }

    /// A record as NetSuite has it, with its sublists if `whole`; `None` where it has none.
    async fn read(
        &self,
        record_type: &str,
        which: Which<'_>,
        whole: bool,
    ) -> Result<Option<Value>, RequestError> {
        let mut url = self.paths.record(record_type, which)?;
        if whole {
            url.query_pairs_mut().append_pair("expandSubResources", "true");
        }
        let answer = self.get(url).await?;
        if is_missing(&answer) { Ok(None) } else { self.body_of(&answer).map(Some) }
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Bytes,
        reads_only: bool,
        not_after: Option<Instant>,
    ) -> Result<Answer, RequestError> {
        self.send_with(method, url, body, reads_only, not_after, Vec::new()).await
    }

    /// The same, with more headers.
    async fn send_with(
        &self,
        method: Method,
        url: Url,
        body: Bytes,
        reads_only: bool,
        not_after: Option<Instant>,
        more: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Answer, RequestError> {
        let mut headers = HeaderMap::new();
        let body = Some(body).filter(|body| !body.is_empty());
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in more {
            headers.insert(name, value);
        }
        if self.refuses_unknown && !reads_only {
            headers.extend(warnings::STRICT.map(|name| (name, HeaderValue::from_static("Error"))));
        }
        let request = Request { method, url, headers, body, reads_only, not_after };
        let answer = self.client.send(&request).await?;
        if answer.is_success() {
            self.warned.heed(&answer, self.client.redactor());
            self.logins.worked();
        }
        // NetSuite refuses a login in words of its own, under each of these statuses.
        let may_be_login = matches!(answer.status, 400 | 401 | 403);
        let problem = may_be_login.then(|| Problem::read(&answer.body)).flatten();
        let is_login = answer.status == 401 || problem.as_ref().is_some_and(Problem::is_of_login);
        if is_login {
            if let Some(error) = self.logins.refused(answer.status) {
                return Err(error);
            }
            if let Some(problem) = problem {
                return Err(RequestError::Unauthorized(problem.words(self.client.redactor())));
            }
        }
        Ok(answer)
    }
}

#[async_trait]
impl Connector for NetSuite {
    fn name(&self) -> &'static str {
        "netsuite"
    }

    fn capabilities(&self, stream: &StreamName) -> Result<Capabilities, RequestError> {
        match self.known(stream) {
            Learned::Unusable(why) => Err(RequestError::never_sent(&why)),
            learned => {
                Ok(Capabilities { settles: self.settles, ..learned.capabilities(self.bulk_from) })
            }
        }
    }

    async fn learn(&self, schema: &StreamSchema<'_>) -> Result<(), RequestError> {
        let learned = self.known(schema.stream);
        let Learned::Native(native) = &learned else { return Ok(()) };
        match self.has_type(&native.record_type).await {
            Err(error @ RequestError::Refused { status: 404, .. }) => {
                self.note(schema.stream, Learned::Unusable(error.to_string().into()));
                Ok(())
            }
            // Who may not see records, or list them, may be allowed to make them.
            Ok(()) | Err(RequestError::Forbidden { .. } | RequestError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn shape(&self, stream: &StreamName) -> Option<Arc<dyn Shape>> {
        self.known(stream).shape()
    }

    async fn check(&self, streams: &[StreamName], _: bool) -> Vec<CheckLine> {
        self.check_all(streams).await
    }

    async fn lookup(&self, question: &Question) -> Result<Found, RequestError> {
        self.find(&self.known(&question.stream), question).await
    }

    fn names_others(&self, body: &str) -> bool {
        names_others(body) || body.contains(TAX)
    }

    async fn prepare(&self, bodies: &[Arc<str>]) -> Result<(), RequestError> {
        let mut named = Vec::new();
        for body in bodies {
            named.extend(references(body));
            if body.contains(TAX) {
                named.extend(taxes(body));
            }
        }
        self.look_for(&named, true).await
    }

    async fn write(&self, batch: &WriteBatch) -> Result<WriteAnswer, RequestError> {
        match self.known(&batch.stream) {
            Learned::Unified(unified) => self.write_unified(unified.kind, batch).await,
            learned => self.write_native(&learned, batch).await,
        }
    }

    fn bulk(&self) -> Option<&dyn Bulk> {
        Some(self)
    }
}

/// A connector that can be shared.
pub(super) fn build(settings: super::Settings) -> Result<super::Built, super::BuildError> {
    let netsuite = NetSuite::build(settings)?;
    let (namespace, credential) =
        (netsuite.namespace().to_owned(), netsuite.client.authorizer().credential());
    Ok(super::Built { connector: Arc::new(netsuite), namespace, credential })
}
