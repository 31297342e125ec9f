//! What Salesforce takes and what it refuses: a write is judged before it is applied.

use std::time::{Duration, Instant};

use chrono::Utc;
use serde_json::Value;

use super::catalog::{Access, Call, Field, Key, Kind, Object};
use super::draft::{self, Draft, Given};
use super::problem::Problem;
use super::state::Values;
use super::{held, ids, peculiar};
use crate::sandbox::memory::FOLDED;
use crate::sandbox::record::Fields;
use crate::sandbox::world::World;

/// The call that writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer {
    /// Which one it is, to tell its own locks from those of others.
    number: u64,
    /// Whether records may be made that are like others.
    pub(super) allows_duplicates: bool,
    pub(super) now: Instant,
}

impl Writer {
    pub(super) fn new(world: &mut World, allows_duplicates: bool, now: Instant) -> Self {
        world.salesforce.writes += 1;
        Self { number: world.salesforce.writes, allows_duplicates, now }
    }

    /// The same, later.
    pub(super) fn at(self, now: Instant) -> Self {
        Self { now, ..self }
    }
}

/// The record that a write is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    New,
    Held(u64),
}

/// The numbers of the records whose `key` has this value.
pub(super) fn find(
    world: &mut World,
    object: &'static Object,
    key: &Field,
    value: &str,
) -> Vec<u64> {
    if key.kind == Kind::Id {
        return held::resolve(world, object, value).into_iter().collect();
    }
    let mut found: Vec<u64> = world
        .memory
        .find(&object.records(), &format!("{FOLDED}{}", key.name), &value.trim().to_lowercase())
        .to_vec();
    found.extend(held::first_with(object, key.name, value));
    found.sort_unstable();
    found
}

/// Writes one record; returns its number.
///
/// # Errors
/// All that is wrong with it; then nothing is written.
pub(super) fn write(
    world: &mut World,
    writer: Writer,
    object: &'static Object,
    of: Of,
    draft: Draft,
) -> Result<u64, Vec<Problem>> {
    let given = judge(world, writer, object, of, draft)?;
    let moment = draft::shown(Utc::now());
    let mut fields = Fields::default();
    let number = match of {
        Of::New => world.memory.next_id(),
        Of::Held(number) => number,
    };
    let mut set = |name: &str, value: &Value| {
        if let Ok(raw) = serde_json::value::to_raw_value(value) {
            fields.set(name, raw);
        }
    };
    if of == Of::New {
        set("Id", &ids::long(object.prefix, number).into());
        for field in object.fields() {
            let default = field.default.and_then(|json| serde_json::from_str(json).ok());
            if let Some(default) = default {
                set(field.name, &default);
            }
        }
        set("CreatedDate", &moment.clone().into());
        set("CreatedById", &held::user().into());
        if object.field("OwnerId").is_some() {
            set("OwnerId", &held::user().into());
        }
    }
    for (name, value) in &given {
        set(name, value);
    }
    for (name, value) in peculiar::derived(world, object, of, number, &given) {
        set(name, &value);
    }
    set("LastModifiedDate", &moment.clone().into());
    set("LastModifiedById", &held::user().into());
    set("SystemModstamp", &moment.into());
    match of {
        Of::New => {
            world.memory.create(&object.records(), &fields, writer.now);
        }
        Of::Held(number) => {
            world.memory.merge(&object.records(), number, fields);
        }
    }
    lock(world, writer, object, &given);
    peculiar::follow(world, writer, object, of, number);
    Ok(number)
}

/// Puts a record into the bin.
///
/// # Errors
/// Nobody can.
pub(super) fn delete(
    world: &mut World,
    object: &'static Object,
    number: u64,
) -> Result<(), Problem> {
    if held::is_first(object, number) {
        return Err(Problem::of(
            "INSUFFICIENT_ACCESS_OR_READONLY",
            &[],
            "insufficient access rights on object id",
        ));
    }
    if !object.takes(Call::Delete) {
        return Err(Problem::not_taken(object, Call::Delete));
    }
    if !remove(world, object, number) {
        return Err(Problem::deleted());
    }
    peculiar::follow_deletion(world, object, number);
    Ok(())
}

/// The same, whoever asks for it; `false` when it is not there.
pub(super) fn remove(world: &mut World, object: &'static Object, number: u64) -> bool {
    let Some(mut values) = held::get(world, object, number) else { return false };
    world.memory.remove(&object.records(), number);
    values.insert("IsDeleted".to_owned(), true.into());
    world.salesforce.bin.insert((object.name, number), values);
    true
}

/// The values that a draft comes to.
fn judge(
    world: &mut World,
    writer: Writer,
    object: &'static Object,
    of: Of,
    draft: Draft,
) -> Result<Values, Vec<Problem>> {
    if matches!(of, Of::Held(number) if held::is_first(object, number)) {
        let message = "insufficient access rights on object id";
        return Err(Problem::of("INSUFFICIENT_ACCESS_OR_READONLY", &[], message).into());
    }
    let call = if of == Of::New { Call::Create } else { Call::Update };
    if !object.takes(call) {
        return Err(Problem::not_taken(object, call).into());
    }
    let closed: Vec<&str> = draft
        .values
        .iter()
        .map(|(field, _)| field)
        .filter(|field| match field.access {
            Access::Free => false,
            Access::AtCreate => of != Of::New,
            Access::Never => true,
        })
        .map(|field| field.name)
        .collect();
    if !closed.is_empty() {
        let message = format!(
            "Unable to create/update fields: {}. Please check the security settings of this field \
             and verify that it is read/write for your profile or permission set.",
            closed.join(", ")
        );
        return Err(Problem::of("INVALID_FIELD_FOR_INSERT_UPDATE", &closed, message).into());
    }
    let mut problems = Vec::new();
    let mut given = Values::new();
    for (field, value) in draft.values {
        let value = match value {
            Given::Value(value) => value_of(world, field, value),
            Given::Related { object, key, value } => related(world, object, key, &value),
        };
        match value {
            Ok(value) => {
                given.insert(field.name.to_owned(), value);
            }
            Err(problem) => problems.push(problem),
        }
    }
    let missing: Vec<&str> = object
        .fields()
        .filter(|field| field.is_required)
        .filter(|field| match given.get(field.name) {
            Some(value) => value.is_null(),
            None => of == Of::New && field.default.is_none(),
        })
        .map(|field| field.name)
        .filter(|name| {
            !problems
                .iter()
                .any(|problem| problem.fields.iter().flatten().any(|field| field == name))
        })
        .collect();
    if !missing.is_empty() {
        let message = format!("Required fields are missing: [{}]", missing.join(", "));
        problems.push(Problem::of("REQUIRED_FIELD_MISSING", &missing, message));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    unique(world, object, of, &given)?;
    peculiar::judge(world, writer, object, of, &given)?;
    if let Some(parent) = locked(world, writer, object, &given) {
        let message =
            format!("unable to obtain exclusive access to this record or 1 records: {parent}");
        return Err(Problem::of("UNABLE_TO_LOCK_ROW", &[], message).into());
    }
    Ok(given)
}

fn value_of(world: &World, field: &'static Field, value: Value) -> Result<Value, Problem> {
    let wrong = |code, message: String| {
        Err(Problem::of(code, &[field.name], format!("{}: {message}", field.label())))
    };
    if let Some((digits, scale)) = field.kind.digits() {
        let most = 10_f64.powi(i32::try_from(digits - scale).unwrap_or(18));
        if value.as_f64().is_some_and(|number| number.abs() >= most) {
            let code = "NUMBER_OUTSIDE_VALID_RANGE";
            return wrong(code, format!("value outside of valid range on numeric field: {value}"));
        }
        // More digits behind the point than the field has are rounded away without a word.
        if let Some(number) = value.as_f64().filter(|_| value.is_f64()) {
            let unit = 10_f64.powi(i32::try_from(scale).unwrap_or_default());
            return Ok(((number * unit).round() / unit).into());
        }
    }
    let Value::String(text) = &value else { return Ok(value) };
    match field.kind {
        Kind::Picklist(values, true) if !values.iter().any(|other| other == text) => {
            let code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
            return wrong(code, format!("bad value for restricted picklist field: {text}"));
        }
        Kind::Email if !is_address(text) => {
            return wrong("INVALID_EMAIL_ADDRESS", format!("invalid email address: {text}"));
        }
        Kind::Reference(objects) => return reference(world, field, objects, text),
        _ => {}
    }
    let most = field.kind.length();
    if most > 0 && text.chars().count() > most {
        let message = format!("data value too large: {text} (max length={most})");
        return wrong("STRING_TOO_LONG", message);
    }
    Ok(value)
}

/// The long id of the record that a reference is to.
fn reference(
    world: &World,
    field: &'static Field,
    objects: &[&str],
    text: &str,
) -> Result<Value, Problem> {
    let wrong = |code| {
        let message = format!("{}: id value of incorrect type: {text}", field.label());
        Err(Problem::of(code, &[field.name], message))
    };
    if !ids::is_id(text.as_bytes()) {
        return wrong("MALFORMED_ID");
    }
    let Some(object) = Object::of_id(text).filter(|object| objects.contains(&object.name)) else {
        return wrong("FIELD_INTEGRITY_EXCEPTION");
    };
    match held::resolve(world, object, text) {
        Ok(number) => Ok(ids::long(object.prefix, number).into()),
        Err(problem) if problem.code == "ENTITY_IS_DELETED" => {
            Err(Problem::of("ENTITY_IS_DELETED", &[], "entity is deleted"))
        }
        Err(_) => {
            Err(Problem::of("INVALID_CROSS_REFERENCE_KEY", &[], "invalid cross reference id"))
        }
    }
}

/// The long id of the record that is known by a key.
fn related(
    world: &mut World,
    object: &'static Object,
    key: &'static Field,
    value: &str,
) -> Result<Value, Problem> {
    match find(world, object, key, value)[..] {
        [number] => Ok(ids::long(object.prefix, number).into()),
        [] => Err(Problem::of(
            "INVALID_FIELD",
            &[],
            format!(
                "Foreign key external ID: {} not found for field {} in entity {}",
                value.to_lowercase(),
                key.name,
                object.name
            ),
        )),
        _ => Err(Problem::of(
            "INVALID_FIELD",
            &[],
            format!(
                "More than one record found for external id field {} in entity {}: {value}",
                key.name, object.name
            ),
        )),
    }
}

/// Refuses a value of a unique field that another record has.
fn unique(
    world: &mut World,
    object: &'static Object,
    of: Of,
    given: &Values,
) -> Result<(), Problem> {
    for field in object.fields().filter(|field| field.key == Key::Unique) {
        let Some(value) = given.get(field.name).and_then(Value::as_str) else { continue };
        let others = find(world, object, field, value);
        if let Some(other) = others.into_iter().find(|other| of != Of::Held(*other)) {
            let message = format!(
                "duplicate value found: {} duplicates value on record with id: {}",
                field.name,
                ids::long(object.prefix, other)
            );
            return Err(Problem::of("DUPLICATE_VALUE", &[], message));
        }
    }
    Ok(())
}

/// The records that a write locks beside its own, by their ids.
fn parents<'a>(
    object: &'static Object,
    given: &'a Values,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let references = object.fields().filter(
        |field| matches!(field.kind, Kind::Reference(objects) if !objects.contains(&"User")),
    );
    references.filter_map(|field| given.get(field.name)?.as_str())
}

/// A parent that another call has locked.
fn locked<'a>(
    world: &World,
    writer: Writer,
    object: &'static Object,
    given: &'a Values,
) -> Option<&'a str> {
    parents(object, given).find(|id| {
        world
            .salesforce
            .locks
            .get(*id)
            .is_some_and(|(call, until)| *call != writer.number && writer.now < *until)
    })
}

fn lock(world: &mut World, writer: Writer, object: &'static Object, given: &Values) {
    let lock_ms = world.faults.salesforce.lock_ms;
    if lock_ms > 0 {
        let until = writer.now + Duration::from_millis(lock_ms);
        let locks = parents(object, given).map(|id| (id.to_owned(), (writer.number, until)));
        world.salesforce.locks.extend(locks);
    }
}

fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty()
            && host.contains('.')
            && !host.starts_with('.')
            && !host.ends_with('.')
            && !host.contains('@')
            && !text.contains(char::is_whitespace)
    })
}
