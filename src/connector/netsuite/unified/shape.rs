//! The records of a unified stream, as the pipeline takes them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::Map;

use super::{Kind, make, render, told_ignored};
use crate::connector::netsuite::reference::By;
use crate::connector::netsuite::shape::told;
use crate::connector::shape::{Incoming, Outgoing, Shape};
use crate::json::exact;
use crate::json::fields::Fields;

/// Fields that are told as ignored, of one stream.
const MAX_TOLD: usize = 50;

/// Records of one kind.
#[derive(Debug)]
pub(in crate::connector::netsuite) struct Unified {
    pub(in crate::connector::netsuite) kind: Kind,
    /// Fields that were told of as ignored.
    told: Mutex<BTreeSet<String>>,
}

impl Unified {
    pub(in crate::connector::netsuite) fn new(kind: Kind) -> Self {
        Self { kind, told: Mutex::default() }
    }

    /// Under which name a body has the number that its record is found by.
    pub(in crate::connector::netsuite) fn lookup_names(&self) -> Vec<String> {
        let number = self.kind.number_field().map(|(_, by)| match by {
            By::EntityId => "entityId",
            By::ItemId => "itemId",
            _ => "tranId",
        });
        number.map(str::to_owned).into_iter().collect()
    }

    /// Tells once of each field that nobody knows.
    fn tell_ignored(&self, names: Vec<String>) {
        if names.is_empty() {
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = |name: &String| told.len() < MAX_TOLD && told.insert(name.clone());
        let new: Vec<String> = names.into_iter().filter(is_new).collect();
        if !new.is_empty() {
            tracing::warn!("{}", told_ignored(self.kind, &new));
        }
    }
}

impl Shape for Unified {
    fn is_platform(&self, _: &[String]) -> bool {
        true
    }

    fn flat(&self, _: &Fields<'_>) -> Result<Option<String>, String> {
        Ok(None)
    }

    fn goes_out(&self, _: &str) -> bool {
        false
    }

    fn outgoing(&self, fields: &[Incoming<'_>]) -> Result<Outgoing, String> {
        let mut record = Map::new();
        for Incoming { name, value, .. } in fields.iter().filter(|field| !field.is_id) {
            let value = exact::parse(value.get().as_bytes()).map_err(|error| error.to_string())?;
            record.insert((*name).to_owned(), value);
        }
        let made = make(self.kind, &record)?;
        self.tell_ignored(made.ignored);
        Ok(Outgoing { body: render(&made.body.into()), hashed: None })
    }

    fn told(&self, body: &str) -> String {
        told(body)
    }
}
