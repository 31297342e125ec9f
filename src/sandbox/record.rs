//! A record: fields in the order they came, values as raw JSON text, so that every digit stays what
//! it was. Held as one text, since millions of them are to fit; taken apart where one is changed.

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
            self.set(name, raw);
        }
    }

    /// Adds a field.
    pub(super) fn set(&mut self, name: &str, value: Box<RawValue>) {
        self.0.insert(name.into(), value);
    }

    /// The fields that are texts, and the texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().filter_map(|(name, value)| {
            Some((&**name, serde_json::from_str::<String>(value.get()).ok()?))
        })
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

    /// The fields as a JSON object.
    fn to_json(&self) -> Box<str> {
        let lengths = self.0.iter().map(|(name, value)| name.len() + value.get().len() + 4);
        let mut out = String::with_capacity(2 + lengths.sum::<usize>());
        out.push('{');
        for (name, value) in &self.0 {
            if out.len() > 1 {
                out.push(',');
            }
            quote(name, &mut out);
            out.push(':');
            out.push_str(value.get());
        }
        out.push('}');
        out.into_boxed_str()
    }
}

/// One record, without its id.
#[derive(Debug)]
pub(super) struct Record {
    /// A JSON object without blanks around it.
    json: Box<str>,
    /// When it was made; `None` when that was before the sandbox was started.
    pub(super) created: Option<Instant>,
}

impl Record {
    pub(super) fn new(fields: &Fields, created: Option<Instant>) -> Self {
        Self { json: fields.to_json(), created }
    }

    /// The fields as a JSON object.
    pub(super) fn json(&self) -> &str {
        &self.json
    }

    pub(super) fn fields(&self) -> Fields {
        Fields::parse(self.json.as_bytes()).unwrap_or_default()
    }

    /// Replaces all fields.
    pub(super) fn set(&mut self, fields: &Fields) {
        self.json = fields.to_json();
    }

    /// Appends the record as JSON, its id first, as a string.
    pub(super) fn write(&self, id: impl fmt::Display, out: &mut String) {
        out.push_str("{\"id\":\"");
        out.push_str(&id.to_string());
        out.push('"');
        let rest = self.json.strip_prefix('{').unwrap_or("}");
        if rest != "}" {
            out.push(',');
        }
        out.push_str(rest);
    }
}

/// A JSON value as an id: the text of a string, the digits of a number. `None` for an empty string
/// and everything else.
pub(super) fn id_text(value: &RawValue) -> Option<String> {
    let json = value.get();
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok().filter(|text: &String| !text.is_empty()),
        b'-' | b'0'..=b'9' => Some(json.to_owned()),
        _ => None,
    }
}

/// Appends `text` as a JSON string.
pub(super) fn quote(text: &str, out: &mut String) {
    let plain = !text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\');
    if plain {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}
