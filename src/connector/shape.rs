//! How a connector takes records that come in another form than they go out in.
//!
//! A [`Shape`] works on one record at a time, before anything else is made of it, and asks nobody.

use std::fmt;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::exact;
use crate::json::fields::Fields;
use crate::record::RemoteId;

/// From a stream's records to what its object takes.
pub trait Shape: fmt::Debug + Send + Sync {
    /// Whether a stream whose SCHEMA has these properties comes in the hosted platform's form, where
    /// `externalId` is the user's id and `id` the remote's: then nothing else need say so.
    fn is_platform(&self, properties: &[String]) -> bool;

    /// The record as a flat object, as text, where it comes as anything else: ids, the config's
    /// `fields`, `lookup_fields` and `relations` are of that.
    ///
    /// # Errors
    /// For people: the record cannot be read so.
    fn flat(&self, _record: &Fields<'_>) -> Result<Option<String>, String> {
        Ok(None)
    }

    /// Whether a field of a flat record goes out under its name: only there can the remote id of
    /// another record take its place.
    fn goes_out(&self, name: &str) -> bool;

    /// What goes out of a flat record, and what is hashed of it.
    ///
    /// # Errors
    /// For people: what is wrong with the record.
    fn outgoing(&self, fields: &[Incoming<'_>]) -> Result<Outgoing, String>;

    /// Whether a write of any record [locks](Shape::locks) another one.
    fn locks_any(&self) -> bool {
        false
    }

    /// The record of another object that is locked while this one is written, by its
    /// [body](Outgoing::body): those that lock the same go out together, or one call after the
    /// other.
    fn locks(&self, _body: &str) -> Option<String> {
        None
    }

    /// A remote id in the form in which the remote tells it, where it takes several.
    fn remote_id(&self, id: RemoteId) -> RemoteId {
        id
    }

    /// A body that was [made](Outgoing::body), as the state tells it: an object that looks like what
    /// the remote was sent.
    fn told(&self, body: &str) -> String;
}

/// A field of a flat record.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value, as it came in.
    pub value: &'a RawValue,
    /// By the SCHEMA a moment: as the platform prints it, a JSON string.
    pub moment: Option<&'a str>,
    /// It is one of the record's ids, and no content.
    pub is_id: bool,
}

/// The content of a flat record as values, whose numbers keep their digits.
///
/// # Errors
/// For people: a value cannot be read.
pub fn content(fields: &[Incoming<'_>]) -> Result<Map<String, Value>, String> {
    let mut content = Map::new();
    for Incoming { name, value, .. } in fields.iter().filter(|field| !field.is_id) {
        let value = exact::parse(value.get().as_bytes()).map_err(|error| error.to_string())?;
        content.insert((*name).to_owned(), value);
    }
    Ok(content)
}

/// A record that was shaped: objects as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// What goes out, without the ids. The connector alone knows what its names mean.
    pub body: String,
    /// What the platform's own target hashes, less the external id; `None`: the record as it came
    /// in.
    pub hashed: Option<String>,
}
