//! The connector that needs no Rust: a manifest says how its remote is spoken to.
//!
//! - [`manifest`]: what can be written; [`text`] and [`shape`]: values that know their place.
//! - [`load`]: from a file to a [`program`], whose [`template`]s and [`select`]ors are compiled,
//!   with the parts of each [`operation`], [`endpoint`] and [`credential`] checked against each
//!   other.
//! - [`build`]: from a program and a config to a connector.
//! - [`request`]: from an operation and records to a request, whose body may have another
//!   [`encoding`] than JSON; [`call`] and [`finding`]: send it.
//! - [`reading`]: an answer that is looked into; [`judge`] and [`rows`]: from it to verdicts.
//!
//! A new key of the language has its documentation in `manifest`, its meaning in `operation` or
//! `endpoint`, and its effect in `request` or `judge`.

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

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use indexmap::IndexMap;
use minijinja::value::Value as Name;
use secrecy::SecretString;

use self::program::{Program, Stream, Write};
use super::StreamSettings;
use super::contract::{
    Action, CallLimits, Capabilities, CheckLine, Connector, Found, Lookup, Question, RequestError,
    WriteAnswer, WriteBatch,
};
use super::http::Client;
use crate::record::StreamName;

/// What a manifest puts around a record in a bulk call, about.
const ENVELOPE_BYTES: usize = 64;

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
    /// Without a `/` at its end.
    base_url: String,
    /// The whole config, secrets included, for templates.
    config: Name,
    streams: IndexMap<String, StreamSettings>,
    /// What is known of streams that were asked for: the answer must not change during a job.
    bound: Mutex<HashMap<StreamName, Arc<Bound>>>,
}

/// What a stream comes to.
#[derive(Debug)]
struct Bound {
    /// The key in the manifest's `streams`.
    entry: String,
    object: String,
    property: Option<String>,
    capabilities: Capabilities,
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

    /// The credential that requests carry now, renewed if it is due.
    ///
    /// # Errors
    /// As [`Authorizer::access_token`](super::http::Authorizer::access_token).
    pub async fn access_token(&self) -> Result<SecretString, RequestError> {
        self.client.authorizer().access_token().await
    }

    fn bind(&self, stream: &StreamName) -> Result<Arc<Bound>, RequestError> {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = bound.get(stream) {
            return Ok(Arc::clone(found));
        }
        let found = Arc::new(self.find(stream).map_err(|message| self.never_sent(&message))?);
        bound.insert(stream.clone(), Arc::clone(&found));
        Ok(found)
    }

    fn find(&self, stream: &StreamName) -> Result<Bound, String> {
        let streams = &self.program.streams;
        let entry = [stream.as_str(), "*"].into_iter().find(|name| streams.contains_key(*name));
        let (Some(entry), Some(found)) = (entry, entry.and_then(|name| streams.get(name))) else {
            return Err(format!("the manifest has no stream `{stream}`, and no `*`"));
        };
        let own = self.streams.get(stream.as_str()).or_else(|| self.streams.get("*"));
        let mut values =
            vec![("config", self.config.clone()), ("stream", Name::from(stream.as_str()))];
        let fill = |template, values: &[(&'static str, Name)]| {
            let context = Name::from_pairs(values.iter().cloned());
            self.program.templates.render(template, &context)
        };
        let object = match own.and_then(|own| own.object.clone()) {
            Some(object) => object,
            None => fill(&found.object, &values)?,
        };
        if object.is_empty() {
            return Err(format!("the object of the stream `{stream}` has no name"));
        }
        values.push(("object", Name::from(object.as_str())));
        let property = match (own.and_then(|own| own.external_id_property.clone()), &found.property)
        {
            (Some(property), _) => Some(property),
            (None, Some(template)) => Some(fill(template, &values)?),
            (None, None) => None,
        };
        values.extend(property.as_deref().map(|name| ("external_id_property", Name::from(name))));
        let mut reserved = Vec::new();
        for write in operations(found).filter_map(|(_, write)| write) {
            if write.record_needs_property && property.is_none() {
                continue;
            }
            for (name, _) in &write.record {
                let name = fill(name, &values);
                let name = name?;
                if !reserved.contains(&name) {
                    reserved.push(name);
                }
            }
        }
        let limits = |write: &Option<Write>| {
            let write = write.as_ref()?;
            let Write { max_records, max_bytes, reads_first, reads_after, .. } = *write;
            let envelope_bytes = ENVELOPE_BYTES;
            Some(CallLimits { max_records, max_bytes, envelope_bytes, reads_first, reads_after })
        };
        let looks = |found: &Option<program::Lookup>| {
            found.as_ref().map(|lookup| Lookup {
                max_ids: lookup.max_ids,
                lag: lookup.lag,
                ignores_case: lookup.ignore_case,
            })
        };
        let find = looks(&found.find);
        let capabilities = Capabilities {
            create: limits(&found.create),
            update: limits(&found.update),
            upsert: limits(&found.upsert),
            delete: limits(&found.delete),
            lookup: looks(&found.lookup).or(find.filter(|_| property.is_some())),
            find,
            read: looks(&found.read),
            max_in_flight: self.program.limits.in_flight,
            idempotent_create: found
                .create
                .as_ref()
                .and_then(|create| create.key_header.as_ref())
                .map(|header| header.life),
            external_id_property: property.clone(),
            reserved_properties: reserved,
            ..Capabilities::default()
        };
        Ok(Bound { entry: entry.to_owned(), object, property, capabilities })
    }

    /// What every template of an operation on `stream` knows.
    fn names(&self, stream: &StreamName, bound: &Bound) -> request::Scope {
        let mut values = std::collections::BTreeMap::new();
        values.insert("config", self.config.clone());
        values.insert("stream", Name::from(stream.as_str()));
        values.insert("object", Name::from(bound.object.as_str()));
        if let Some(property) = &bound.property {
            values.insert("external_id_property", Name::from(property.as_str()));
        }
        request::Scope::new(values)
    }
}

fn operations(stream: &Stream) -> impl Iterator<Item = (Action, Option<&Write>)> {
    let Stream { create, update, upsert, delete, .. } = stream;
    [
        (Action::Create, create.as_ref()),
        (Action::Update, update.as_ref()),
        (Action::Upsert, upsert.as_ref()),
        (Action::Delete, delete.as_ref()),
    ]
    .into_iter()
}

#[async_trait]
impl Connector for Rest {
    fn name(&self) -> &'static str {
        "rest"
    }

    fn capabilities(&self, stream: &StreamName) -> Result<Capabilities, RequestError> {
        self.bind(stream).map(|bound| bound.capabilities.clone())
    }

    async fn check(&self, streams: &[StreamName]) -> Vec<CheckLine> {
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
