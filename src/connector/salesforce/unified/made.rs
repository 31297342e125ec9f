//! A unified record, and what it comes to: fields of its object, and what is written beside them.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::{find, push};
use crate::connector::country;
use crate::connector::salesforce::describe::{Description, Field};
use crate::connector::salesforce::part::{FIND, NewField, OBJECT, REST, Reference, Rest};
use crate::connector::salesforce::shape::Warned;
use crate::connector::salesforce::soql;
use crate::connector::salesforce::value::{self, choices, picked, quoted};
use crate::json::exact;
use crate::json::fields::{finish_object, push_field};

/// A record in the unified schema, without its ids.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'r> {
    pub(super) fields: &'r Map<String, Value>,
    /// It says which remote id it has.
    pub(super) has_id: bool,
}

impl<'r> Record<'r> {
    pub(super) fn get(self, name: &str) -> Option<&'r Value> {
        self.fields.get(name)
    }

    /// A text or a number that says something.
    pub(super) fn text(self, name: &str) -> Option<String> {
        self.get(name).and_then(trimmed)
    }

    /// A list, or the JSON text of one; empty where there is none.
    ///
    /// # Errors
    /// For people: it is none.
    pub(super) fn list(self, name: &str) -> Result<Vec<Value>, String> {
        let no_list = || format!("its `{name}` are no list");
        match self.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list.clone()),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(Vec::new()),
            Some(Value::String(text)) => match exact::parse(text.as_bytes()) {
                Ok(Value::Array(list)) => Ok(list),
                _ => Err(no_list()),
            },
            Some(_) => Err(no_list()),
        }
    }

    /// A field of another object with its value: `{"name": …, "value": …}`, or the JSON text of
    /// that.
    ///
    /// # Errors
    /// For people: it is none.
    pub(super) fn key(self, name: &str) -> Result<Option<(String, String)>, String> {
        let parsed;
        let key = match self.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
            Some(Value::String(text)) => {
                parsed = exact::parse(text.as_bytes()).unwrap_or_default();
                &parsed
            }
            Some(key) => key,
        };
        let text = |name: &str| key.get(name).and_then(trimmed);
        match (text("name"), text("value")) {
            (Some(field), Some(value)) if soql::is_name(&field) => Ok(Some((field, value))),
            // It has no value: it says nothing.
            (Some(_), None)
                if key.get("value").is_none_or(|value| value == "" || value.is_null()) =>
            {
                Ok(None)
            }
            _ => Err(format!("its `{name}` is no field with a `name` and a `value`")),
        }
    }
}

/// A text or a number as Salesforce keeps it, which is without white space around it; `None` where
/// nothing is left.
pub(super) fn trimmed(value: &Value) -> Option<String> {
    let text = exact::text(value)?;
    let own = text.trim();
    (!own.is_empty()).then(|| own.to_owned())
}

/// What a record comes to.
#[derive(Debug)]
pub(super) struct Made<'a> {
    pub(super) object: &'a Description,
    /// Names of fields, and JSON.
    fields: IndexMap<String, String>,
    pub(super) rest: Rest,
    /// What it is found by: a field, and its value.
    by: Option<(String, String)>,
    keys: Vec<(String, String)>,
    told: &'a Warned,
}

impl<'a> Made<'a> {
    pub(super) fn new(object: &'a Description, told: &'a Warned) -> Self {
        let (fields, rest) = (IndexMap::new(), Rest::default());
        Self { object, fields, rest, by: None, keys: Vec::new(), told }
    }

    /// A field that may be written. Of any other it is told once that it is left out.
    pub(super) fn field(&self, name: &str) -> Option<&'a Field> {
        let field = self.object.field(name);
        let field = field.filter(|field| field.createable || field.updateable);
        if field.is_none() {
            self.leave_out(name);
        }
        field
    }

    /// Tells once that a field is left out.
    pub(super) fn leave_out(&self, name: &str) {
        self.told.left_out(&self.object.name, &[name]);
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    fn put(&mut self, name: &str, json: String) {
        self.fields.insert(name.to_owned(), json);
    }

    /// Sets a field, where the value says something.
    pub(super) fn set(&mut self, name: &str, value: Option<&Value>) {
        let Some(value) = value.filter(|value| says(value)) else { return };
        let Some(field) = self.field(name) else { return };
        if let Some(json) = value::json(field, value) {
            self.put(&field.name, json);
        }
    }

    pub(super) fn set_text(&mut self, name: &str, text: Option<&str>) {
        self.set(name, text.map(Value::from).as_ref());
    }

    /// Sets fields from those of the record.
    pub(super) fn take(&mut self, record: Record<'_>, names: &[(&str, &str)]) {
        for (from, to) in names {
            self.set(to, record.get(from));
        }
    }

    /// Sets a field to one of its own values; what none of them is, is left out and told once.
    pub(super) fn pick(&mut self, record: Record<'_>, from: &str, to: &str) {
        let Some(text) = record.text(from) else { return };
        let Some(field) = self.field(to) else { return };
        if field.picklist_values.is_empty() {
            return self.set_text(to, Some(&text));
        }
        match picked(field, &text) {
            Some(value) => self.put(&field.name, quoted(value)),
            None => self.told.unpicked(&self.object.name, &field.name, &text),
        }
    }

    /// The same; what none of them is goes out as it is, and Salesforce says whether that may be.
    pub(super) fn pick_any(&mut self, record: Record<'_>, from: &str, to: &str) {
        let Some(text) = record.text(from) else { return };
        let Some(field) = self.field(to) else { return };
        self.set_text(to, Some(picked(field, &text).unwrap_or(&text)));
    }

    /// The same, with the first of several texts that is one of them; where none is, the record is
    /// refused.
    ///
    /// # Errors
    /// For people, with all there are.
    pub(super) fn pick_one_of(&mut self, texts: &[String], to: &str) -> Result<(), String> {
        let (Some(first), Some(field)) = (texts.first(), self.field(to)) else { return Ok(()) };
        if field.picklist_values.is_empty() {
            self.set_text(to, Some(first));
            return Ok(());
        }
        let Some(value) = texts.iter().find_map(|text| picked(field, text)) else {
            let name = &field.name;
            self.told.is_outdated(&self.object.name);
            return Err(format!("`{first}` is no {name}: it is one of {}", choices(field)));
        };
        self.put(&field.name, quoted(value));
        Ok(())
    }

    /// A value that is to be found: the first of `references` that finds something gives it.
    pub(super) fn find(&mut self, name: &str, references: &[Reference]) {
        if let Some(field) = self.field(name) {
            self.put(&field.name, json!({FIND: references}).to_string());
        }
    }

    /// A field that is made, with its value.
    pub(super) fn make(&mut self, field: NewField, text: &str) {
        self.put(&field.name, quoted(text));
        if !self.rest.fields.contains(&field) {
            self.rest.fields.push(field);
        }
    }

    /// A relationship, which names a record by its external id.
    pub(super) fn relate(&mut self, name: &str, value: &Value) {
        self.put(name, value.to_string());
    }

    /// Sets an address; its street is all of its lines.
    ///
    /// # Errors
    /// For people: it is none.
    pub(super) fn address(&mut self, address: &Value, prefix: &str) -> Result<(), String> {
        if address.is_null() {
            return Ok(());
        }
        let address = address.as_object().ok_or("one of its `addresses` is no object")?;
        let lines: BTreeMap<&String, &Value> =
            address.iter().filter(|(name, _)| name.contains("line")).collect();
        let street: Vec<String> = lines.into_values().filter_map(trimmed).collect();
        self.set_text(&format!("{prefix}Street"), Some(&street.join(" - ")));
        for (from, to) in [("city", "City"), ("state", "State"), ("postal_code", "PostalCode")] {
            self.set(&format!("{prefix}{to}"), address.get(from));
        }
        let Some(country) = address.get("country").and_then(exact::text) else { return Ok(()) };
        let name = country::name(&country);
        if country::is_name(name) {
            self.set_text(&format!("{prefix}Country"), Some(name));
        } else {
            self.told.unpicked(&self.object.name, &format!("{prefix}Country"), &country);
        }
        Ok(())
    }

    /// It is found by this, where nothing else is said.
    pub(super) fn found_by(&mut self, field: &str, value: &str) {
        self.by = Some((field.to_owned(), value.to_owned()));
    }

    /// The record's `external_id`: a field that it is found by, too.
    ///
    /// # Errors
    /// For people: the object has no such field.
    pub(super) fn take_external_id(&mut self, record: Record<'_>) -> Result<(), String> {
        let Some((name, value)) = record.key("external_id")? else { return Ok(()) };
        let field = self.object.field(&name).ok_or_else(|| {
            format!("{} has no field `{name}`, which is its `external_id`", self.object.name)
        })?;
        self.set_text(&field.name, Some(&value));
        self.found_by(&field.name, &value);
        self.rest.key = Some(field.name.clone());
        Ok(())
    }

    /// What it is found by, under `names`: by `fields`, where the config says so. Where there are
    /// more names than fields, since another object has more, the first one stands there again.
    pub(super) fn find_by(&mut self, fields: &[String], names: Vec<String>) {
        let by = self.by.take();
        for (place, name) in names.into_iter().enumerate() {
            let key = match fields.get(place).or(fields.first()) {
                Some(field) => self.text(field).map(|value| (field.clone(), value)),
                None => by.clone(),
            };
            let key = key.map(|(field, value)| find::key(&self.object.name, &field, &value));
            self.keys.extend(key.map(|key| (name, key)));
        }
    }

    /// The value of a field that is set, as text.
    fn text(&self, field: &str) -> Option<String> {
        let json = self.fields.get(&self.object.field(field)?.name)?;
        exact::text(&serde_json::from_str::<Value>(json).ok()?)
    }

    /// Whether there is nothing to be written.
    pub(super) fn is_empty(&self) -> bool {
        let Rest { campaigns, topics, .. } = &self.rest;
        self.fields.is_empty() && campaigns.is_empty() && topics.is_empty()
    }

    pub(super) fn body(self) -> String {
        let mut body = String::new();
        push(&mut body, OBJECT, &self.object.name);
        for (name, key) in &self.keys {
            push(&mut body, name, key);
        }
        for (name, json) in &self.fields {
            push_field(&mut body, name, json);
        }
        if self.rest != Rest::default() {
            push(&mut body, REST, &self.rest);
        }
        finish_object(body)
    }
}

/// Whether a value says something.
pub(super) fn says(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => true,
    }
}
