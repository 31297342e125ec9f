//! What a stream is: a record type of NetSuite's, or records in the platform's unified schema, by its
//! name; and what can be done with it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::NetSuite;
use super::numbered::WHOSE;
use super::record::EXTERNAL_ID;
use super::shape::Native;
use super::table::Place;
use super::unified::{Kind, Unified};
use crate::connector::contract::{BulkLimits, CallLimits, Capabilities, Lookup};
use crate::connector::shape::Shape;
use crate::record::StreamName;

/// Calls at once. An account without licences for more takes five, of all integrations together:
/// <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_156224824287.html>.
const MAX_IN_FLIGHT: usize = 5;
/// Bytes of a call's body, at most.
const MAX_BYTES: usize = 100_000_000;
/// Bytes that a record takes beside its own body and its ids: `,"externalId":""`.
const ENVELOPE_BYTES: usize = 20;
/// Records whose names are asked for together, and of an asynchronous job.
pub(super) const MAX_RECORDS: usize = 100;
/// Keys of one lookup.
const MAX_KEYS: usize = 500;
/// Records that are read one by one for a lookup.
const MAX_READ: usize = 10;

/// What is known of a stream.
#[derive(Clone, Debug)]
pub(super) enum Learned {
    /// Records of this type, in NetSuite's own names.
    Native(Arc<Native>),
    /// Records in the platform's unified schema.
    Unified(Arc<Unified>),
    /// NetSuite has no such records: why.
    Unusable(Arc<str>),
}

impl Learned {
    /// Of its records; the first one, where there are several.
    pub(super) fn record_type(&self) -> &str {
        match self {
            Self::Native(native) => &native.record_type,
            Self::Unified(unified) => unified.kind.record_type(),
            Self::Unusable(_) => "",
        }
    }

    /// All types that its records may be of.
    pub(super) fn record_types(&self) -> Vec<&str> {
        match self {
            Self::Unified(unified) => unified.kind.record_types(),
            _ => vec![self.record_type()],
        }
    }

    /// Where its records stand in SuiteQL.
    pub(super) fn place(&self) -> Place {
        Place::of(self.record_type())
    }

    pub(super) fn shape(&self) -> Option<Arc<dyn Shape>> {
        match self {
            Self::Native(native) => Some(Arc::clone(native) as Arc<dyn Shape>),
            Self::Unified(unified) => Some(Arc::clone(unified) as Arc<dyn Shape>),
            Self::Unusable(_) => None,
        }
    }

    pub(super) fn capabilities(&self, bulk_from: usize) -> Capabilities {
        let limits = CallLimits {
            max_records: 1,
            max_bytes: MAX_BYTES,
            envelope_bytes: ENVELOPE_BYTES,
            reads_first: false,
            reads_after: false,
        };
        let lookup = |max_ids, ignores_case| Lookup {
            max_ids,
            lag: Duration::ZERO,
            ignores_case,
            trims: false,
        };
        let unified = match self {
            Self::Unified(unified) => Some(unified),
            _ => None,
        };
        let bulk =
            BulkLimits { min_records: bulk_from, max_records: MAX_RECORDS, max_bytes: MAX_BYTES };
        // All transactions share their ids and external ids, and so do all items.
        let place = self.place();
        Capabilities {
            object: Some(self.record_type().to_ascii_lowercase().into()),
            create: Some(limits),
            update: Some(limits),
            // One that another user's number finds is looked for first.
            upsert: unified.is_none().then_some(limits),
            delete: Some(limits),
            lookup: Some(lookup(MAX_KEYS, true)),
            find: Some(lookup(MAX_KEYS, false)),
            // Of which type an item is, its own id does not tell.
            read: (place.table != "item" || unified.is_none()).then(|| lookup(MAX_READ, false)),
            bulk: Some(bulk).filter(|_| unified.is_none() && bulk_from > 0),
            gathers: MAX_RECORDS,
            max_in_flight: MAX_IN_FLIGHT,
            external_id_property: Some(EXTERNAL_ID.to_owned()),
            reserved_properties: vec![EXTERNAL_ID.to_owned()],
            remote_id_names: vec!["id".to_owned(), "internalId".to_owned()],
            lookup_names: unified
                .and_then(|unified| unified.kind.number())
                .map(str::to_owned)
                .into_iter()
                .collect(),
            narrowed_behind: unified
                .filter(|unified| unified.kind.is_held_by_others())
                .map(|_| WHOSE),
            spares_others: true,
            writes_after: unified.is_some_and(|unified| unified.kind.has_payments()),
            ..Capabilities::default()
        }
    }
}

impl NetSuite {
    /// What a stream is by its name, before NetSuite was asked.
    fn named(&self, stream: &StreamName) -> Learned {
        let object = self.settings(stream).and_then(|settings| settings.object.as_deref());
        match Kind::of(stream.as_str()).filter(|_| object.is_none()) {
            Some(kind) => Learned::Unified(Arc::new(Unified::new(kind))),
            None => Learned::Native(Arc::new(Native {
                record_type: object.unwrap_or(stream.as_str()).to_owned(),
            })),
        }
    }

    /// What is known of a stream.
    pub(super) fn known(&self, stream: &StreamName) -> Learned {
        let mut known = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(stream.clone()).or_insert_with(|| self.named(stream)).clone()
    }

    pub(super) fn note(&self, stream: &StreamName, learned: Learned) {
        let mut known = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(stream.clone(), learned);
    }
}

/// What is known of streams.
pub(super) type AllLearned = HashMap<StreamName, Learned>;
