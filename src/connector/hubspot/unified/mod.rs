//! The hosted platform's unified schema: records of contacts, companies, deals, activities and notes
//! that are the same for every CRM, made into HubSpot's.
//!
//! - [`contact`], [`company`], [`deal`], [`activity`], [`note`]: from a record to properties.
//! - [`extras`]: what is written beside a record's properties: [`fields`] that are made first, records
//!   that it is associated with and that are [`related`] first, and [`lists`] that it is put on after.
//!
//! A property is written only where the record has its field. The hash is that of the record as it
//! came in.

mod activity;
mod company;
mod contact;
mod deal;
pub(super) mod extras;
mod fields;
mod lists;
mod note;
mod related;

use serde_json::{Map, Value};

use self::extras::Extras;
pub(super) use self::fields::CustomFields;
pub(super) use self::lists::Lists;
use super::associate::Association;
use super::shape::{ASSOCIATIONS, BESIDE, OBJECT, told};
use crate::connector::country;
use crate::connector::shape::{Incoming, Outgoing, Shape, content};
use crate::json::exact;
use crate::json::fields::{finish_object, push_field, push_text};

/// What the records of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Contact,
    Company,
    Deal,
    Activity,
    Note,
}

impl Kind {
    /// By the stream's name, in any case.
    pub(super) fn of(stream: &str) -> Option<Self> {
        Some(match stream.to_lowercase().as_str() {
            "contacts" | "contact" | "customers" | "customer" => Self::Contact,
            "companies" | "company" => Self::Company,
            "deals" | "deal" | "opportunities" => Self::Deal,
            "activities" | "activity" => Self::Activity,
            "notes" | "note" => Self::Note,
            _ => return None,
        })
    }

    /// The objects that its records are; one, but for activities.
    pub(super) fn objects(self) -> &'static [&'static str] {
        match self {
            Self::Contact => &["contacts"],
            Self::Company => &["companies"],
            Self::Deal => &["deals"],
            Self::Activity => &["calls", "tasks"],
            Self::Note => &["notes"],
        }
    }
}

/// Names of lists and of properties that are kept, at most: they come from the records, and what is
/// forgotten is asked for again.
const MAX_KEPT: usize = 5000;

/// Names of the streams, for people.
pub(super) const STREAMS: &str = "contacts, companies, deals, activities and notes";

impl Shape for Kind {
    fn is_platform(&self, _: &[String]) -> bool {
        true
    }

    fn goes_out(&self, _: &str) -> bool {
        false
    }

    fn outgoing(&self, fields: &[Incoming<'_>]) -> Result<Outgoing, String> {
        let record = content(fields)?;
        let record = Unified(&record);
        let made = match self {
            Self::Contact => contact::make(record)?,
            Self::Company => company::make(record)?,
            Self::Deal => deal::make(record),
            Self::Activity => activity::make(record)?,
            Self::Note => note::make(record)?,
        };
        Ok(Outgoing { body: made.body(), hashed: None })
    }

    fn told(&self, body: &str) -> String {
        told(body)
    }
}

/// A record in the unified schema.
#[derive(Clone, Copy, Debug)]
struct Unified<'a>(&'a Map<String, Value>);

impl<'a> Unified<'a> {
    fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name)
    }

    /// A text or a number that says something.
    fn text(self, name: &str) -> Option<String> {
        self.get(name).and_then(exact::text)
    }

    /// A list, or the JSON text of one; empty where there is none.
    ///
    /// # Errors
    /// For people: it is none.
    fn list(self, name: &str) -> Result<Vec<Value>, String> {
        let no_list = || format!("its `{name}` are no list");
        match self.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list.clone()),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(Vec::new()),
            Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| no_list()),
            Some(_) => Err(no_list()),
        }
    }
}

/// What HubSpot is to hold of a value: a text, of a list or an object its JSON.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Array(_) | Value::Object(_) => Some(value.to_string()),
        value => exact::text(value),
    }
}

/// What a record comes to.
#[derive(Debug, Default)]
struct Made {
    properties: Vec<(String, Option<String>)>,
    object: Option<&'static str>,
    associations: Vec<Association>,
    extras: Extras,
}

impl Made {
    /// Sets a property; to nothing where the value says nothing.
    fn set(&mut self, name: &str, value: Option<&Value>) {
        self.set_text(name, value.and_then(text_of));
    }

    fn has(&self, name: &str) -> bool {
        self.properties.iter().any(|(known, _)| known == name)
    }

    fn set_text(&mut self, name: &str, text: Option<String>) {
        match self.properties.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = text,
            None => self.properties.push((name.to_owned(), text)),
        }
    }

    /// Sets properties from those fields that the record has.
    fn take(&mut self, record: Unified<'_>, names: &[(&str, &str)]) {
        for (field, property) in names {
            if let Some(value) = record.get(field) {
                self.set(property, Some(value));
            }
        }
    }

    /// The same from those that say something.
    fn take_said(&mut self, record: Unified<'_>, names: &[(&str, &str)]) {
        for (field, property) in names {
            if let Some(text) = record.text(field) {
                self.set_text(property, Some(text));
            }
        }
    }

    /// Sets properties from the first of the record's addresses, where it has any.
    ///
    /// # Errors
    /// For people: they are no addresses.
    fn take_address(&mut self, record: Unified<'_>, names: &[(&str, &str)]) -> Result<(), String> {
        let addresses = record.list("addresses")?;
        let Some(address) = addresses.first() else { return Ok(()) };
        if !address.is_object() {
            return Err("the first of its `addresses` is no object".to_owned());
        }
        for (field, property) in names {
            let value = address.get(field).unwrap_or(&Value::Null);
            if value.is_array() || value.is_object() {
                return Err(format!("`{field}` of the first of its `addresses` is no text"));
            }
            let text = exact::text(value);
            let text = text.map(|text| match *field {
                "country" => country::name(&text).to_owned(),
                _ => text,
            });
            self.set_text(property, text);
        }
        Ok(())
    }

    fn body(self) -> String {
        let mut body = String::new();
        for (name, text) in &self.properties {
            let mut json = String::new();
            match text {
                Some(text) => push_text(&mut json, text),
                None => json.push_str("null"),
            }
            push_field(&mut body, name, &json);
        }
        let mut push = |name: &str, json: serde_json::Result<String>| {
            push_field(&mut body, name, &json.unwrap_or_else(|_| "null".to_owned()));
        };
        if let Some(object) = self.object {
            push(OBJECT, serde_json::to_string(object));
        }
        if !self.associations.is_empty() {
            push(ASSOCIATIONS, serde_json::to_string(&self.associations));
        }
        if self.extras != Extras::default() {
            push(BESIDE, serde_json::to_string(&self.extras));
        }
        finish_object(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::fields::Fields;

    pub(super) fn made(kind: Kind, record: &str) -> Result<Value, String> {
        let fields = Fields::of_text(record).unwrap();
        let incoming: Vec<Incoming<'_>> = fields
            .0
            .iter()
            .map(|(name, value)| Incoming { name, value, moment: None, is_id: name == "id" })
            .collect();
        Ok(serde_json::from_str(&kind.outgoing(&incoming)?.body).unwrap())
    }

    #[test]
    fn streams_are_known_in_any_case() {
        assert_eq!(Kind::of("Customers"), Some(Kind::Contact));
        assert_eq!(Kind::of("opportunities"), Some(Kind::Deal));
        assert_eq!(Kind::of("tickets"), None);
    }
}
