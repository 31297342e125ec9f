//! What HubSpot takes and what it refuses: a write is judged before it is applied.

use std::time::Instant;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::object::Object;
use super::problem::{Detail, Problem};
use crate::sandbox::memory::{Memory, id};
use crate::sandbox::record::Fields;
use crate::store::jobs;

/// By what a record is known.
#[derive(Clone, Debug)]
pub(super) enum Key {
    /// HubSpot's own id, as it was spelled.
    Id(String),
    /// The value of a property that is unique.
    Unique { property: String, value: String },
}

/// One write, as asked for.
#[derive(Debug)]
pub(super) enum Write {
    Create(Map<String, Value>),
    Update(Key, Map<String, Value>),
    Upsert { property: String, value: String, properties: Map<String, Value> },
}

/// One write that can be applied.
#[derive(Debug)]
pub(super) enum Change {
    Create(Fields),
    Merge(u64, Fields),
}

/// The key that an input's `id` and `idProperty` make.
pub(super) fn key(id: String, property: Option<String>) -> Key {
    match property {
        None => Key::Id(id),
        Some(property) => Key::Unique { property, value: id },
    }
}

/// The record that `key` is of, if there is one.
///
/// # Errors
/// The property is not unique.
pub(super) fn find(
    memory: &mut Memory,
    object: &Object,
    key: &Key,
) -> Result<Option<u64>, Problem> {
    match key {
        Key::Id(text) => Ok(id(text).filter(|id| memory.get(&object.records(), *id).is_some())),
        Key::Unique { property, value } => {
            must_be_unique(memory, object, property)?;
            let value = normal(property, value);
            Ok(memory.find(&object.records(), property, &value).first().copied())
        }
    }
}

/// Lets a property through that tells records apart.
///
/// # Errors
/// It does not.
pub(super) fn must_be_unique(
    memory: &mut Memory,
    object: &Object,
    property: &str,
) -> Result<(), Problem> {
    if object.property(memory, property).is_some_and(|property| property.is_unique) {
        return Ok(());
    }
    Err(Problem::invalid(format!(
        "Unable to perform update/upsert by non-unique {} property {property} in portal ID {}",
        object.id,
        super::PORTAL
    )))
}

/// Says what a write comes to, without touching the memory.
///
/// # Errors
/// Why HubSpot refuses it.
pub(super) fn judge(memory: &mut Memory, object: &Object, write: Write) -> Result<Change, Problem> {
    match write {
        Write::Create(properties) => Ok(Change::Create(values(memory, object, None, &properties)?)),
        Write::Update(key, properties) => {
            let Some(id) = find(memory, object, &key)? else {
                let (Key::Id(text) | Key::Unique { value: text, .. }) = key;
                return Err(Problem::not_found(&object.singular, &[text]));
            };
            Ok(Change::Merge(id, values(memory, object, Some(id), &properties)?))
        }
        Write::Upsert { property, value, mut properties } => {
            let key = Key::Unique { property, value };
            let found = find(memory, object, &key)?;
            if let (None, Key::Unique { property, value }) = (found, key) {
                properties.entry(property).or_insert(value.into());
            }
            let fields = values(memory, object, found, &properties)?;
            Ok(match found {
                Some(id) => Change::Merge(id, fields),
                None => Change::Create(fields),
            })
        }
    }
}

/// Applies a change; returns the record's id and whether it is new.
pub(super) fn apply(
    memory: &mut Memory,
    object: &Object,
    change: Change,
    now: Instant,
) -> (u64, bool) {
    let moment = jobs::now();
    match change {
        Change::Create(mut fields) => {
            fields.set_text("createdate", &moment);
            fields.set_text(object.modified(), &moment);
            let id = memory.create(&object.records(), &fields, now);
            (id, true)
        }
        Change::Merge(id, mut fields) => {
            fields.set_text(object.modified(), &moment);
            memory.merge(&object.records(), id, fields);
            (id, false)
        }
    }
}

/// The properties as they are held: texts, or `null` where one is cleared.
fn values(
    memory: &mut Memory,
    object: &Object,
    own: Option<u64>,
    properties: &Map<String, Value>,
) -> Result<Fields, Problem> {
    let (mut fields, mut wrong) = (Fields::default(), Vec::new());
    for (name, value) in properties {
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            Value::Array(_) | Value::Object(_) => {
                return Err(Problem::invalid(format!(
                    "Invalid input JSON: Cannot deserialize value of type `java.lang.String` from \
                     {} value (property {name})",
                    if value.is_array() { "Array" } else { "Object" }
                )));
            }
        };
        let Some(property) = object.property(memory, name) else {
            let message = format!("Property \"{name}\" does not exist");
            let property = Some(name.clone());
            wrong.push(Detail { code: "PROPERTY_DOESNT_EXIST", message, property });
            continue;
        };
        let Some(text) = text else {
            fields.set(name, RawValue::NULL.to_owned());
            continue;
        };
        if let Err(detail) = property.judge(name, &text) {
            wrong.push(detail);
            continue;
        }
        let text = normal(name, &text);
        if property.is_unique {
            let others = memory.find(&object.records(), name, &text);
            if let Some(other) = others.iter().copied().find(|other| Some(*other) != own) {
                return Err(taken(object, name, &text, other));
            }
        }
        fields.set_text(name, &text);
    }
    if wrong.is_empty() { Ok(fields) } else { Err(Problem::of_properties(wrong)) }
}

fn taken(object: &Object, name: &str, value: &str, other: u64) -> Problem {
    if name == "email" {
        return Problem::conflict(&object.singular, other);
    }
    Problem::of_properties(vec![Detail {
        code: "CONFLICTING_UNIQUE_VALUE",
        message: format!("{other} already has that value. ({name}={value})"),
        property: Some(name.to_owned()),
    }])
}

/// Addresses have no upper case.
pub(super) fn normal(property: &str, value: &str) -> String {
    if property == "email" { value.trim().to_lowercase() } else { value.to_owned() }
}
