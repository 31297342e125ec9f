//! A record is made ready: its ids are read, it is mapped, fingerprinted, validated, and its
//! outgoing body is made.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::fingerprint::{fingerprint, moment_text};
use super::identity::{IdFields, id_in};
use super::intake::IntakeOptions;
use super::mapping::Mapping;
use super::{Item, Record, Stream};
use crate::config::Validation;
use crate::config::stream::{Mode, OnlyEmpty};
use crate::connector::shape::{Incoming, Outgoing, Shape};
use crate::json::fields::{Fields, finish_object, push_field};
use crate::outcome::Trouble;
use crate::record::Fingerprint;
use crate::singer::schema::RecordSchema;
use crate::singer::values::{self, MAX_VALUES};

/// Makes the records of one stream ready, as its SCHEMA and its options say.
pub(super) struct Preparer {
    pub(super) stream: Arc<Stream>,
    /// The text of the schema and keys that this was made of, to see whether they change.
    pub(super) made_of: (Box<str>, Vec<String>),
    pub(super) schema: RecordSchema,
    pub(super) ids: IdFields,
    pub(super) shape: Option<Arc<dyn Shape>>,
    pub(super) mapping: Option<Mapping>,
    pub(super) extension: Extension,
    /// Why no record of it can be written.
    pub(super) unusable: Option<String>,
    pub(super) read: u64,
    pub(super) warned: bool,
    pub(super) warned_reserved: Cell<bool>,
}

/// Another value of the same kind, as far as there is one.
fn other_value(value: &RawValue) -> Box<RawValue> {
    let other = match value.get().as_bytes() {
        b"\"\"" => "\"x\"",
        b"true" => "false",
        b"false" => "true",
        b"0" => "1",
        [b'"' | b'n', ..] => "\"\"",
        [b'{' | b'[', ..] => "null",
        _ => "0",
    };
    RawValue::from_string(other.to_owned()).unwrap_or_else(|_| value.to_owned())
}

/// A record that would take too much memory. Its ids are not looked for: that too takes some.
fn too_large(position: u64) -> Trouble {
    let why = format!(
        "record {position} of the input has more than {MAX_VALUES} values: let the tap send what it \
         lists as records of their own"
    );
    Trouble::payload("record", why)
}

/// The platform's `x-hotglue` object of a SCHEMA.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extension {
    state_fields: Vec<String>,
    include_hash: bool,
}

impl Extension {
    pub(super) fn read(raw: Option<&RawValue>) -> Self {
        let value: serde_json::Value =
            raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        let fields = value["target_state_fields"].as_array();
        let names =
            fields.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned));
        Self {
            state_fields: names.collect(),
            include_hash: value["target_state_include_hash"] == true,
        }
    }

    /// The `customData` of a record: the fields asked for, as they came in.
    fn custom_data(&self, fields: &Fields<'_>, fingerprint: &Fingerprint) -> Option<Arc<str>> {
        if self.state_fields.is_empty() && !self.include_hash {
            return None;
        }
        let mut object = String::new();
        for (name, value) in self.state_fields.iter().zip(fields.get_all(&self.state_fields)) {
            if let Some(value) = value.filter(|value| value.get() != "null") {
                push_field(&mut object, name, value.get());
            }
        }
        if self.include_hash {
            push_field(&mut object, "hash", &format!("\"{fingerprint}\""));
        }
        Some(finish_object(object).into())
    }
}

impl Preparer {
    /// A record without fields, for a stream that had none.
    pub(super) fn stand_in(&mut self, position: u64) -> Record {
        self.read += 1;
        Record {
            position,
            stream: Arc::clone(&self.stream),
            external_id: None,
            remote_id: None,
            lookup_values: vec![None; self.stream.options.lookup_names().len()],
            partial: None,
            fingerprint: fingerprint(std::iter::empty(), None),
            body: Arc::from("{}"),
            kept: None,
            source: Arc::from("{}"),
            custom_data: None,
            stands_in: true,
        }
    }

    /// Makes one record ready, or says why it cannot be.
    pub(super) fn prepare(
        &mut self,
        source: &RawValue,
        position: u64,
        options: &IntakeOptions,
    ) -> Item {
        self.read += 1;
        if options.limit.is_some_and(|limit| self.read > limit) {
            return Item::Beyond { position, stream: self.stream.index };
        }
        let mut record = Record {
            position,
            stream: Arc::clone(&self.stream),
            external_id: None,
            remote_id: None,
            lookup_values: Vec::new(),
            partial: None,
            fingerprint: Fingerprint([0; 32]),
            body: Arc::from(""),
            kept: None,
            source: Arc::from(source.get()),
            custom_data: None,
            stands_in: false,
        };
        match self.complete(&mut record, source, options) {
            Ok(()) => Item::Record(record),
            Err(trouble) => Item::Refused { record, trouble },
        }
    }

    fn complete(
        &mut self,
        record: &mut Record,
        source: &RawValue,
        options: &IntakeOptions,
    ) -> Result<(), Trouble> {
        if values::is_over(source.get(), MAX_VALUES) {
            return Err(too_large(record.position));
        }
        let unreadable = |error: &dyn std::fmt::Display| {
            Trouble::payload("record", format!("the record cannot be read: {error}"))
        };
        let came = Fields::parse(source).map_err(|error| unreadable(&error))?;
        // Of the fields that are left out below, the SCHEMA may speak too.
        let is_checked = options.validation != Validation::Off && self.unusable.is_none();
        let allowed = if is_checked { self.schema.check(source, &came) } else { Ok(()) };
        let flat = self.shape.as_ref().map_or(Ok(None), |shape| shape.flat(&came));
        let flat = flat.map_err(|error| unreadable(&error))?;
        let mut fields = match &flat {
            Some(flat) => Fields::of_text(flat).map_err(|error| unreadable(&error))?,
            None => came,
        };
        // Ids and fingerprint come first, so that a refused record is told with them.
        let ids = self.ids.read(&fields).map_err(|reason| Trouble::payload("ids", reason))?;
        record.external_id = ids.external;
        record.remote_id = match &self.shape {
            Some(shape) => ids.remote.map(|id| shape.remote_id(id)),
            None => ids.remote,
        };
        if !options.keep_metadata {
            fields.0.retain(|(name, _)| !name.starts_with("_sdc_"));
        }
        let mapped;
        let mut prepared = &fields;
        let mapped_fields;
        if let Some(mapping) = &self.mapping {
            let trouble = |reason: String| Trouble::payload("fields", reason);
            mapped = mapping.apply(&fields).map_err(trouble)?;
            mapped_fields = Fields::parse(&mapped).map_err(|error| trouble(error.to_string()))?;
            prepared = &mapped_fields;
        }
        let shaped = self.shape.as_ref().map(|shape| self.shaped(&**shape, prepared));
        let hashed = match &shaped {
            Some(Ok(Outgoing { hashed: Some(hashed), .. })) => {
                Some(Fields::of_text(hashed).map_err(|error| unreadable(&error))?)
            }
            _ => None,
        };
        record.fingerprint = self.fingerprint(prepared, hashed.as_ref());
        record.custom_data = self.extension.custom_data(&fields, &record.fingerprint);
        let looked_up = match &shaped {
            Some(Ok(shaped)) => {
                let body = Fields::of_text(&shaped.body).map_err(|error| unreadable(&error))?;
                self.lookup_values(&body)
            }
            _ => self.lookup_values(prepared),
        };
        if let Ok(values) = &looked_up {
            // Also of a record that is refused below: others may be found by them.
            record.lookup_values.clone_from(values);
        }
        if let Some(reason) = &self.unusable {
            return Err(Trouble::other("stream", reason.clone()));
        }
        if let Err(reason) = allowed {
            if options.validation == Validation::Reject {
                return Err(Trouble::payload("schema", reason));
            }
            if !std::mem::replace(&mut self.warned, true) {
                tracing::warn!(stream = %self.stream.name, "{reason}; more of this are not told");
            }
        }
        // Of a record that is deleted nothing goes out.
        let is_deleted = self.stream.options.mode == Mode::Delete;
        let shaped = match shaped {
            Some(Err(_)) if is_deleted => Some(Outgoing { body: "{}".to_owned(), hashed: None }),
            shaped => shaped.transpose()?,
        };
        looked_up?;
        record.body = match shaped {
            Some(shaped) => shaped.body.into(),
            None => self.body(prepared, &record.source),
        };
        if let Some(OnlyEmpty::These(names)) = &self.stream.options.only_upsert_empty_fields {
            record.kept = Some(self.kept(names, &fields, record).into());
        }
        Ok(())
    }

    /// Fields of a record's body that are named, or made of fields of it that are: with other values in
    /// those, they would go out with other values.
    fn kept(&self, names: &[String], fields: &Fields<'_>, record: &Record) -> BTreeSet<String> {
        let is_named = |name: &str| names.iter().any(|named| named.eq_ignore_ascii_case(name));
        let others: Vec<_> = fields.0.iter().map(|(_, value)| other_value(value)).collect();
        let others = fields.0.iter().zip(&others).map(|((name, value), other)| {
            (name.clone(), if is_named(name) { &**other } else { value })
        });
        let other = self.made_of(&Fields(others.collect()), &record.source).unwrap_or_default();
        let other = Fields::of_text(&other).map(|fields| fields.0).unwrap_or_default();
        let other: HashMap<&str, &str> =
            other.iter().map(|(name, value)| (&**name, value.get())).collect();
        let whole = Fields::of_text(&record.body).map(|fields| fields.0).unwrap_or_default();
        let is_kept = |(name, value): &&(Cow<'_, str>, &RawValue)| {
            is_named(name) || other.get(&**name) != Some(&value.get())
        };
        whole.iter().filter(is_kept).map(|(name, _)| name.to_string()).collect()
    }

    /// The body of a record with these fields; `None` where none can be made of them.
    fn made_of(&self, fields: &Fields<'_>, source: &Arc<str>) -> Option<String> {
        let mapped = self.mapping.as_ref().map(|mapping| mapping.apply(fields));
        let mapped = mapped.transpose().ok()?;
        let mapped = mapped.as_deref().map(Fields::parse).transpose().ok()?;
        let fields = mapped.as_ref().unwrap_or(fields);
        match &self.shape {
            Some(shape) => Some(self.shaped(&**shape, fields).ok()?.body),
            None => Some(self.body(fields, source).to_string()),
        }
    }

    /// The hash of a record: of what a shape says, or of its fields.
    fn fingerprint(&self, prepared: &Fields<'_>, hashed: Option<&Fields<'_>>) -> Fingerprint {
        let external = self.ids.platform_external(prepared);
        let external_id = external.and_then(|name| prepared.get(name));
        if let Some(hashed) = hashed {
            let fields = hashed.0.iter().map(|(name, value)| (&**name, *value, None));
            return fingerprint(fields, external_id);
        }
        let content = prepared.0.iter().filter(|(name, _)| Some(&**name) != external);
        let fields = content.map(|(name, value)| (&**name, *value, self.schema.temporal(name)));
        fingerprint(fields, external_id)
    }

    /// What a shape makes of a record.
    fn shaped(&self, shape: &dyn Shape, prepared: &Fields<'_>) -> Result<Outgoing, Trouble> {
        let external = self.ids.platform_external(prepared);
        let mut content = Vec::with_capacity(prepared.0.len());
        for (name, value) in &prepared.0 {
            if Some(&**name) == external || self.is_reserved(name) {
                continue;
            }
            let moment = self.schema.temporal(name).and_then(|_| moment_text(value));
            content.push((name, value, moment));
        }
        let incoming = content.iter().map(|(name, value, moment)| Incoming {
            name,
            value,
            moment: moment.as_deref(),
            is_id: self.ids.is_id(name),
        });
        let shaped = shape.outgoing(&incoming.collect::<Vec<_>>());
        shaped.map_err(|reason| Trouble::payload("record", reason))
    }

    /// Whether a field is not sent, since the remote keeps an id under its name; told once.
    fn is_reserved(&self, name: &str) -> bool {
        let reserved = &self.stream.capabilities.reserved_properties;
        if !reserved.iter().any(|reserved| reserved == name) {
            return false;
        }
        let is_sent = self.ids.is_external_id(name);
        if !is_sent && !self.warned_reserved.replace(true) {
            tracing::warn!(
                stream = %self.stream.name, field = %name,
                "The field is not sent: the remote keeps an id under this name. \
                 Rename it with `fields`, if it is to go out."
            );
        }
        true
    }

    /// The values of the stream's `lookup_fields`, in their order.
    fn lookup_values(&self, prepared: &Fields<'_>) -> Result<Vec<Option<Arc<str>>>, Trouble> {
        let value = |name: &String| {
            let value = id_in(prepared, name);
            let value = value.map_err(|reason| Trouble::payload("lookup_fields", reason))?;
            Ok(value.map(Into::into))
        };
        self.stream.options.lookup_names().iter().map(value).collect()
    }

    /// The outgoing object: all but the ids' own fields, and those that the remote's ids have.
    fn body(&self, fields: &Fields<'_>, source: &Arc<str>) -> Arc<str> {
        let mut object = String::with_capacity(source.len());
        for (name, value) in &fields.0 {
            if !self.ids.is_id(name) && !self.is_reserved(name) {
                push_field(&mut object, name, value.get());
            }
        }
        finish_object(object).into()
    }
}
