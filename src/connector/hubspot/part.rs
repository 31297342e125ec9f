//! A record on its way out, taken apart: its properties, and what is written beside them.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::associate::Association;
use super::shape::{ASSOCIATIONS, BESIDE, OBJECT};
use super::unified::extras::Extras;
use crate::connector::contract::{Action, Verdict, Write};
use crate::json::fields::{Fields, finish_object, push_field, push_text};
use crate::record::ExternalId;

/// What a record comes to.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// A JSON object: texts by the names of properties.
    pub(super) properties: String,
    /// The object, where the stream is of several.
    pub(super) object: Option<String>,
    pub(super) associations: Vec<Association>,
    pub(super) extras: Extras,
    /// What became of it before it was sent: it is not.
    pub(super) verdict: Option<Verdict>,
    /// What it is written without, and why.
    pub(super) missing: Vec<String>,
}

impl Part {
    /// Of a record that a [shape](super::shape) has made. `property`: where its external id is kept.
    ///
    /// # Errors
    /// For people: it is none.
    pub(super) fn of(
        write: &Write,
        action: Action,
        property: Option<&str>,
    ) -> Result<Self, String> {
        let fields = Fields::of_text(&write.body).map_err(|error| error.to_string())?;
        let mut part = Self::default();
        for (name, value) in &fields.0 {
            match &**name {
                OBJECT => part.object = Some(read(value)?),
                ASSOCIATIONS => part.associations = read(value)?,
                BESIDE => part.extras = read(value)?,
                name => match value.get() {
                    // A property that is empty has no value; one that had is cleared.
                    "null" if action == Action::Create => {}
                    "null" => push_field(&mut part.properties, name, "\"\""),
                    text => push_field(&mut part.properties, name, text),
                },
            }
        }
        // A record's own property of this name was left out when it was made ready.
        if let (Some(property), Some(id)) = (property, &write.external_id) {
            let mut text = String::new();
            push_text(&mut text, ExternalId::as_str(id));
            push_field(&mut part.properties, property, &text);
        }
        part.properties = finish_object(part.properties);
        Ok(part)
    }

    /// Its object; that of the stream, where it names none.
    pub(super) fn object_or<'a>(&'a self, of_stream: &'a str) -> &'a str {
        self.object.as_deref().unwrap_or(of_stream)
    }

    /// Whether another one leaves the same at the remote.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.properties == other.properties
            && self.associations == other.associations
            && self.extras == other.extras
    }

    /// Whether it is put on lists, or taken off them.
    pub(super) fn has_lists(&self) -> bool {
        !self.extras.lists.is_empty()
    }

    /// Takes those of its own custom fields out that `names` has, and says why.
    pub(super) fn leave_out(&mut self, names: &HashMap<String, String>) {
        let Ok(fields) = Fields::of_text(&self.properties) else { return };
        let mut left = String::new();
        for (name, value) in &fields.0 {
            match names.get(&**name).filter(|_| self.extras.has_field(name)) {
                Some(why) => {
                    let why = format!("the custom field `{name}` cannot be made: {why}");
                    self.missing.push(why);
                }
                None => push_field(&mut left, name, value.get()),
            }
        }
        self.properties = finish_object(left);
    }
}

fn read<T: DeserializeOwned>(value: &RawValue) -> Result<T, String> {
    serde_json::from_str(value.get()).map_err(|error| error.to_string())
}
