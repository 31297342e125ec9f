//! From a record of a stream to an object's fields: those that the object has and that may be written.
//!
//! As the platform's `target-salesforce-v3` takes records without a unified schema: a field that the
//! object has not is left out, which is told once; a relationship takes a record of its own
//! (`Account__r: {"Ext__c": "x"}`), by whose external id Salesforce finds it.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::describe::{Description, Descriptions, Field};
use super::files;
use super::ids::{long_id, spelled_id};
use super::part::{REST, told};
use super::value::spelled_out;
use crate::connector::once::Once;
use crate::connector::shape::{Incoming, Outgoing, Shape};
use crate::json::fields::{Fields, finish_object, push_field, push_text};
use crate::record::RemoteId;

/// Records of one object.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) description: Arc<Description>,
    /// A date that says nothing clears its field.
    pub(super) clears_falsy_dates: bool,
    /// Where external ids are kept: what a record says there itself goes out as its id.
    pub(super) property: Option<String>,
    /// The fields that name a record which is locked while one is written.
    pub(super) locks: Vec<Field>,
    pub(super) told: Warned,
}

/// What is told of a stream, each thing once. A value that a picklist has not may have come since the
/// object was described: the next job asks for it again.
#[derive(Debug)]
pub(super) struct Warned {
    stream: String,
    descriptions: Arc<Descriptions>,
    told: Once,
}

impl Warned {
    pub(super) fn new(stream: &str, descriptions: &Arc<Descriptions>) -> Self {
        Self {
            stream: stream.to_owned(),
            descriptions: Arc::clone(descriptions),
            told: Once::default(),
        }
    }

    /// Fields that an object has not, or that may not be written.
    pub(super) fn left_out(&self, object: &str, names: &[&str]) {
        if names.is_empty() {
            return;
        }
        let is_new = |name: &&&str| self.told.is_new(&format!("{object}.{name}"));
        let new: Vec<&str> = names.iter().filter(is_new).copied().collect();
        if !new.is_empty() {
            tracing::warn!(
                stream = %self.stream,
                "{object} has no such fields, or they may not be written; they are left out: {}",
                new.join(", ")
            );
        }
    }

    /// A value that is none of those that a field has.
    pub(super) fn unpicked(&self, object: &str, field: &str, value: &str) {
        if self.told.is_new(&format!("{object}.{field}=")) {
            self.descriptions.forget(object);
            tracing::warn!(
                stream = %self.stream,
                "{field} of {object} has no value `{value}`; it is left out, and so are others of this field \
                 that it has not"
            );
        }
    }

    /// An object may have more by now than was told of it.
    pub(super) fn is_outdated(&self, object: &str) {
        self.descriptions.forget(object);
    }
}

impl Shape for Content {
    fn is_platform(&self, _: &[String]) -> bool {
        false
    }

    /// Salesforce keeps no white space around a text: what is looked for has none either.
    fn flat(&self, record: &Fields<'_>) -> Result<Option<String>, String> {
        let is_trimmed = |(name, value): &(Cow<'_, str>, &RawValue)| {
            is_external_id(name) || !has_space_around(value.get())
        };
        if record.0.iter().all(is_trimmed) {
            return Ok(None);
        }
        let mut flat = String::new();
        for (name, value) in &record.0 {
            match serde_json::from_str::<String>(value.get()) {
                Ok(text) if !is_external_id(name) => {
                    let mut own = String::new();
                    push_text(&mut own, text.trim());
                    push_field(&mut flat, name, &own);
                }
                _ => push_field(&mut flat, name, value.get()),
            }
        }
        Ok(Some(finish_object(flat)))
    }

    fn goes_out(&self, name: &str) -> bool {
        self.description.field(name).is_some_and(|field| field.createable || field.updateable)
    }

    fn outgoing(&self, fields: &[Incoming<'_>]) -> Result<Outgoing, String> {
        let mut body = String::new();
        let mut left_out = Vec::new();
        let mut rest = None;
        for Incoming { name, value, .. } in fields.iter().filter(|field| !field.is_id) {
            if is_external_id(name) {
                continue;
            }
            if *name == files::LINKED && self.description.name == files::OBJECT {
                rest = files::rest(value)?;
                continue;
            }
            if let Some(field) = self.description.field(name) {
                if field.name == "Id" || self.property.as_deref() == Some(&field.name) {
                    continue;
                }
                if !field.createable && !field.updateable {
                    left_out.push(*name);
                    continue;
                }
                let is_date = matches!(field.kind.as_str(), "date" | "datetime");
                let is_cleared = self.clears_falsy_dates && is_date && is_falsy(value);
                let own = if is_cleared { "null".into() } else { spelled_out(field, value) };
                push_field(&mut body, &field.name, &own);
            } else if self.description.reference(name).is_some() {
                if !value.get().starts_with(['{', 'n']) {
                    return Err(format!(
                        "its `{name}` names no record: it is one by its external id, such as \
                         `{{\"Ext_Id__c\": \"value\"}}`"
                    ));
                }
                if !is_empty_reference(value) {
                    push_field(&mut body, name, value.get());
                }
            } else {
                left_out.push(*name);
            }
        }
        self.told.left_out(&self.description.name, &left_out);
        if body.is_empty() && rest.is_none() {
            return Err("Record is empty or None".to_owned());
        }
        if let Some(rest) = rest {
            let rest = serde_json::to_string(&rest).map_err(|error| error.to_string())?;
            push_field(&mut body, REST, &rest);
        }
        Ok(Outgoing { body: finish_object(body), hashed: None })
    }

    fn locks_any(&self) -> bool {
        !self.locks.is_empty()
    }

    fn locks(&self, body: &str) -> Option<String> {
        let fields = Fields::of_text(body).ok()?;
        // A field may stand there by its own name or by its relationship's.
        let locked = |field: &Field| {
            let is_it = |name: &str| {
                name.eq_ignore_ascii_case(&field.name)
                    || field
                        .relationship_name
                        .as_deref()
                        .is_some_and(|own| own.eq_ignore_ascii_case(name))
            };
            let (_, value) = fields.0.iter().find(|(name, _)| is_it(name))?;
            let json = value.get();
            if matches!(json, "null" | "\"\"") {
                return None;
            }
            let object = field.reference_to.first()?;
            Some(format!("{object} {}", spelled_id(json.trim_matches('"'))))
        };
        self.locks.iter().find_map(locked)
    }

    fn remote_id(&self, id: RemoteId) -> RemoteId {
        RemoteId::new(long_id(id.as_str()))
    }

    fn told(&self, body: &str) -> String {
        told(body)
    }
}

/// Whether it may be a text with white space around it.
fn has_space_around(json: &str) -> bool {
    let Some(text) = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')) else {
        return false;
    };
    // White space other than the plain one may be escaped, or no ASCII.
    let is_odd = |c: char| c.is_whitespace() || c == '\\';
    text.starts_with(is_odd)
        || text.ends_with(char::is_whitespace)
        || ["\\n", "\\r", "\\t"].iter().any(|end| text.ends_with(end))
}

fn is_external_id(name: &str) -> bool {
    crate::stream::identity::PLATFORM_EXTERNAL.contains(&name)
}

/// Whether Python would take it for false.
fn is_falsy(value: &RawValue) -> bool {
    matches!(value.get(), "null" | "\"\"" | "false" | "0" | "0.0" | "[]" | "{}")
}

/// A relationship that names nobody: all that it has says nothing.
fn is_empty_reference(value: &RawValue) -> bool {
    let Ok(fields) = Fields::parse(value) else { return value.get() == "null" };
    fields.0.iter().all(|(_, value)| matches!(value.get(), "null" | "\"\""))
}

/// `{"attributes":{"type":…},…}` around what a record's body has, with what `with` adds.
pub(super) fn typed(object: &str, with: &[(&str, &str)], body: &str) -> String {
    sent(Some(object), with, body, |_| true)
}

/// What `keeps` keeps of a record's body, with what `with` adds, and its type where an object is
/// given.
pub(super) fn sent(
    object: Option<&str>,
    with: &[(&str, &str)],
    body: &str,
    keeps: impl Fn(&str) -> bool,
) -> String {
    let text = |text: &str| {
        let mut json = String::new();
        push_text(&mut json, text);
        json
    };
    let mut json = String::with_capacity(body.len() + object.map_or(0, str::len) + 40);
    if let Some(object) = object {
        push_field(&mut json, "attributes", &format!("{{\"type\":{}}}", text(object)));
    }
    for (name, value) in with {
        push_field(&mut json, name, &text(value));
    }
    if let Ok(fields) = Fields::of_text(body) {
        let is_given = |name: &str| with.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        for (name, value) in fields.0.iter().filter(|(name, _)| !is_given(name) && keeps(name)) {
            push_field(&mut json, name, value.get());
        }
    }
    finish_object(json)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::describe::Field;
    use super::*;

    fn field(name: &str, kind: &str, is_writable: bool) -> Field {
        Field {
            name: name.to_owned(),
            kind: kind.to_owned(),
            createable: is_writable,
            updateable: is_writable,
            relationship_name: name
                .strip_suffix("Id")
                .map(str::to_owned)
                .filter(|name| !name.is_empty()),
            ..Field::default()
        }
    }

    fn shaped(record: &str) -> Result<String, String> {
        let fields = vec![
            field("Id", "id", false),
            field("Name", "string", true),
            field("AccountId", "reference", true),
            field("CreatedDate", "datetime", false),
            field("Since__c", "date", true),
            field("Ext__c", "string", true),
        ];
        let description = Description {
            name: "Contact".to_owned(),
            fields: fields.into(),
            ..Description::default()
        };
        let content = Content {
            description: Arc::new(description),
            clears_falsy_dates: true,
            property: Some("Ext__c".to_owned()),
            locks: Vec::new(),
            told: Warned::new("contacts", &Arc::new(Descriptions::new(None, Duration::ZERO))),
        };
        let fields = Fields::of_text(record).unwrap();
        let incoming: Vec<Incoming<'_>> = fields
            .0
            .iter()
            .map(|(name, value)| Incoming { name, value, moment: None, is_id: name == "id" })
            .collect();
        content.outgoing(&incoming).map(|outgoing| outgoing.body)
    }

    #[test]
    fn what_an_object_has_goes_out() {
        let body = shaped(
            r#"{"id":"1","externalId":"a","name":"Ann","CreatedDate":"2026-01-01","Nope":1,"Since__c":"","Ext__c":"a",
                "Account":{"Ext__c":"x"},"Parent__r":{"Ext__c":null},"Other__r":{"Ext__c":"y"}}"#,
        );
        assert_eq!(body.unwrap(), r#"{"Name":"Ann","Since__c":null,"Account":{"Ext__c":"x"}}"#);
        assert_eq!(shaped(r#"{"Nope":1}"#).unwrap_err(), "Record is empty or None");
        assert!(shaped(r#"{"Account":"a-1"}"#).unwrap_err().starts_with("its `Account` names no"));
        assert_eq!(
            typed("Contact", &[("id", "003")], r#"{"Name":"Ann"}"#),
            r#"{"attributes":{"type":"Contact"},"id":"003","Name":"Ann"}"#
        );
        assert_eq!(
            typed("Contact", &[("Ext__c", "a")], r#"{"ext__c":"b"}"#),
            r#"{"attributes":{"type":"Contact"},"Ext__c":"a"}"#
        );
    }
}
