//! The connector that needs no Rust: a manifest says how its remote is spoken to.
//!
//! - [`manifest`]: what can be written; [`text`] and [`shape`]: values that know their place.
//! - [`load`]: from a file to a [`program`], whose [`template`]s and [`select`]ors are compiled,
//!   with the parts of each [`operation`], [`endpoint`] and [`credential`] checked against each
//!   other.
//! - [`build`]: from a program and a config to a connector; [`bound`]: what a stream comes to.
//! - [`request`]: from an operation and records to a request, whose body may have another
//!   [`encoding`] than JSON; [`call`] and [`finding`]: send it.
//! - [`reading`]: an answer that is looked into; [`judge`] and [`rows`]: from it to verdicts.
//!
//! A new key of the language has its documentation in `manifest`, its meaning in `operation` or
//! `endpoint`, and its effect in `request` or `judge`.

mod bound;
mod build;
mod call;
mod credential;
mod encoding;
mod endpoint;
mod finding;
mod judge;
mod limits;
mod load;
mod lookup;
mod manifest;
mod matching;
mod operation;
mod program;
mod reading;
mod request;
mod rows;
mod secrets;
mod select;
mod shape;
mod stored;
mod template;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use self::secrets::{hide_all, hide_named};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use indexmap::IndexMap;
use minijinja::value::Value as Name;
use secrecy::SecretString;
use url::Url;

use self::bound::Bound;
use self::program::Program;
use super::StreamSettings;
use super::contract::{
    Capabilities, CheckLine, Connector, Found, Question, RequestError, WriteAnswer, WriteBatch,
};
use super::http::Authorizer;
use super::http::Client;
use crate::record::StreamName;

/// The JSON Schema of manifests.
pub fn manifest_schema() -> serde_json::Value {
    load::schema()
}

/// A remote as its manifest describes it.
pub struct Rest {
    program: Program,
    client: Client,
    /// Where ids belong: `rest:my-api@api.example.com/tenant`.
    namespace: String,
    base_url: Url,
    /// The whole config, secrets included, for templates.
    config: Name,
    streams: IndexMap<String, StreamSettings>,
    /// What is known of streams that were asked for: the answer must not change during a job.
    bound: Mutex<HashMap<StreamName, Arc<Bound>>>,
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest")
            .field("manifest", &self.program.name)
            .field("client", &self.client)
            .field("streams", &self.streams)
            .finish_non_exhaustive()
    }
}

impl Rest {
    /// Manifest, host and path: what tells one account's ids from another's, without a secret.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// How requests say who sends them.
    pub(super) fn authorizer(&self) -> &Authorizer {
        self.client.authorizer()
    }

    /// The credential that requests carry now, renewed if it is due.
    ///
    /// # Errors
    /// As [`Authorizer::access_token`](super::http::Authorizer::access_token).
    pub async fn access_token(&self) -> Result<SecretString, RequestError> {
        self.client.authorizer().access_token().await
    }
}

#[async_trait]
impl Connector for Rest {
    fn name(&self) -> &'static str {
        "rest"
    }

    fn capabilities(&self, stream: &StreamName) -> Result<Capabilities, RequestError> {
        self.bind(stream).map(|bound| bound.capabilities.clone())
    }

    async fn check(&self, streams: &[StreamName], _: bool) -> Vec<CheckLine> {
        let mut lines = vec![self.check_credential().await];
        for stream in streams {
            lines.push(self.check_stream(stream).await);
        }
        lines
    }

    async fn lookup(&self, question: &Question) -> Result<Found, RequestError> {
        self.answer(question).await
    }

    async fn write(&self, batch: &WriteBatch) -> Result<WriteAnswer, RequestError> {
        self.send_batch(batch).await
    }
}
