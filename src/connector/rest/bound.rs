//! What a stream comes to: its object, its property and what can be done with it, as the manifest
//! and the config together say.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use minijinja::value::Value as Name;

use super::Rest;
use super::program::{self, Stream, Write};
use super::request::Scope;
use super::template::Template;
use crate::connector::contract::{Action, CallLimits, Capabilities, Lookup, RequestError};
use crate::connector::of_stream;
use crate::record::StreamName;

/// What a manifest puts around a record in a bulk call, about.
const ENVELOPE_BYTES: usize = 64;

/// What a stream comes to.
#[derive(Debug)]
pub(super) struct Bound {
    /// The key in the manifest's `streams`.
    pub(super) entry: String,
    pub(super) object: String,
    pub(super) property: Option<String>,
    pub(super) capabilities: Capabilities,
}

/// Names that the templates of a stream know, with their values.
type Names = BTreeMap<&'static str, Name>;

impl Rest {
    /// What a stream comes to. It is found out once.
    pub(super) fn bind(&self, stream: &StreamName) -> Result<Arc<Bound>, RequestError> {
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
        let own = of_stream(&self.streams, stream);
        let mut names =
            Names::from([("config", self.config.clone()), ("stream", Name::from(stream.as_str()))]);
        let object = match own.and_then(|own| own.object.clone()) {
            Some(object) => object,
            None => self.fill(&found.object, &names)?,
        };
        if object.is_empty() {
            return Err(format!("the object of the stream `{stream}` has no name"));
        }
        names.insert("object", Name::from(object.as_str()));
        let property = match (own.and_then(|own| own.external_id_property.clone()), &found.property)
        {
            (Some(property), _) => Some(property),
            (None, Some(template)) => Some(self.fill(template, &names)?),
            (None, None) => None,
        };
        names.extend(property.as_deref().map(|name| ("external_id_property", Name::from(name))));
        let capabilities = Capabilities {
            object: Some(object.as_str().into()),
            max_in_flight: self.program.limits.in_flight,
            reserved_properties: self.reserved(found, property.is_some(), &names)?,
            external_id_property: property.clone(),
            ..capabilities(found, property.is_some())
        };
        Ok(Bound { entry: entry.to_owned(), object, property, capabilities })
    }

    /// The properties that the manifest itself fills in each record.
    fn reserved(
        &self,
        found: &Stream,
        has_property: bool,
        names: &Names,
    ) -> Result<Vec<String>, String> {
        let mut reserved = Vec::new();
        for write in operations(found).filter_map(|(_, write)| write) {
            if write.record_needs_property && !has_property {
                continue;
            }
            for (name, _) in &write.record {
                let name = self.fill(name, names)?;
                if !reserved.contains(&name) {
                    reserved.push(name);
                }
            }
        }
        Ok(reserved)
    }

    fn fill(&self, template: &Template, names: &Names) -> Result<String, String> {
        let context = Name::from_pairs(names.iter().map(|(name, value)| (*name, value.clone())));
        self.program.templates.render(template, &context)
    }

    /// What every template of an operation on `stream` knows.
    pub(super) fn names(&self, stream: &StreamName, bound: &Bound) -> Scope {
        let mut names = Names::new();
        names.insert("config", self.config.clone());
        names.insert("stream", Name::from(stream.as_str()));
        names.insert("object", Name::from(bound.object.as_str()));
        if let Some(property) = &bound.property {
            names.insert("external_id_property", Name::from(property.as_str()));
        }
        Scope::new(names)
    }
}

/// What the operations that a stream has are able to do.
fn capabilities(found: &Stream, has_property: bool) -> Capabilities {
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
            trims: false,
        })
    };
    let find = looks(&found.find);
    let key_header = found.create.as_ref().and_then(|create| create.key_header.as_ref());
    Capabilities {
        create: limits(&found.create),
        update: limits(&found.update),
        upsert: limits(&found.upsert),
        delete: limits(&found.delete),
        lookup: looks(&found.lookup).or(find.filter(|_| has_property)),
        find,
        read: looks(&found.read),
        idempotent_create: key_header.map(|header| header.life),
        ..Capabilities::default()
    }
}

/// The writes of a stream.
pub(super) fn operations(stream: &Stream) -> impl Iterator<Item = (Action, Option<&Write>)> {
    let Stream { create, update, upsert, delete, .. } = stream;
    [
        (Action::Create, create.as_ref()),
        (Action::Update, update.as_ref()),
        (Action::Upsert, upsert.as_ref()),
        (Action::Delete, delete.as_ref()),
    ]
    .into_iter()
}
