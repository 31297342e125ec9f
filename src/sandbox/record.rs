//! A record as the remote holds it: fields in the order they came, values as raw JSON text, so
//! that every digit stays what it was.

use std::fmt;
use std::time::Instant;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The fields of a record. A field named twice in one text has the last value.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Fields(IndexMap<Box<str>, Box<RawValue>>);

impl Fields {
    /// Reads a JSON object; `None` when `json` is anything else.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    pub(super) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name).map(AsRef::as_ref)
    }

    /// Takes a field out; the others keep their order.
    pub(super) fn take(&mut self, name: &str) -> Option<Box<RawValue>> {
        self.0.shift_remove(name)
    }

    /// Adds a field that is a string.
    pub(super) fn set_text(&mut self, name: &str, value: &str) {
        if let Ok(raw) = serde_json::value::to_raw_value(value) {
            self.0.insert(name.into(), raw);
        }
    }

    /// A field as an id: the text of a string, the digits of a number. `None` for an empty string
    /// and everything else.
    pub(super) fn id_text(&self, name: &str) -> Option<String> {
        id_text(self.get(name)?)
    }

    /// Replaces the fields that `other` has, keeps the rest.
    pub(super) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Appends the fields to the JSON object that `out` ends in; `any`: it has some already.
    fn write(&self, out: &mut String, mut any: bool) {
        for (name, value) in &self.0 {
            if std::mem::replace(&mut any, true) {
                out.push(',');
            }
            quote(name, out);
            out.push(':');
            out.push_str(value.get());
        }
    }

    /// The fields as a JSON object.
    pub(super) fn to_json(&self) -> String {
        let mut out = String::from("{");
        self.write(&mut out, false);
        out.push('}');
        out
    }
}

/// One record, without its id.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) fields: Fields,
    /// When it was made; `None` when that was before the sandbox was started.
    pub(super) created: Option<Instant>,
}

impl Record {
    /// Appends the record as JSON, its id first, as a string.
    pub(super) fn write(&self, id: impl fmt::Display, out: &mut String) {
        out.push_str("{\"id\":\"");
        out.push_str(&id.to_string());
        out.push('"');
        self.fields.write(out, true);
        out.push('}');
    }
}

/// A JSON value as an id: the text of a string, the digits of a number. `None` for an empty string
/// and everything else.
pub(super) fn id_text(value: &RawValue) -> Option<String> {
    let json = value.get();
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json)
            .ok()
            .filter(|text: &String| !text.is_empty()),
        b'-' | b'0'..=b'9' => Some(json.to_owned()),
        _ => None,
    }
}

/// Appends `text` as a JSON string.
pub(super) fn quote(text: &str, out: &mut String) {
    let plain = !text
        .bytes()
        .any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\');
    if plain {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}
