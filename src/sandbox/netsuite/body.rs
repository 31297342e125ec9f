//! Reads what a call gives for a record: names, kinds of values, references.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_1545142407.html>

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::catalog::{Field, Kind, Type};
use super::held;
use super::problem::Problem;
use super::state::Values;
use crate::sandbox::world::World;

/// Members of every record that are not looked at.
const NOT_LOOKED_AT: [&str; 3] = ["links", "id", "refName"];

/// Reads values of a record. What is no field of its type is refused if names are `strict`, and
/// left out otherwise.
pub(super) fn read(
    world: &mut World,
    kind: &'static Type,
    body: &Values,
    strict: bool,
) -> Result<Values, Problem> {
    let mut values = Values::new();
    for (name, value) in body {
        if NOT_LOOKED_AT.contains(&name.as_str()) {
            continue;
        }
        if name == "externalId" {
            let text = value.as_str().filter(|text| !text.trim().is_empty());
            let text = text.ok_or_else(|| Problem::value(name))?;
            values.insert(name.clone(), text.into());
            continue;
        }
        let Some(field) = kind.field(name) else {
            if strict {
                return Err(Problem::name(name));
            }
            continue;
        };
        if !field.is_read_only {
            let value = read_value(world, field, value, name, strict)?;
            values.insert(field.name.to_owned(), value);
        }
    }
    Ok(values)
}

/// Names of a record that are no fields of its type, as far as a header can tell them.
pub(super) fn ignored(kind: &Type, body: &Values) -> Vec<String> {
    let is_one = |name: &&String| {
        !NOT_LOOKED_AT.contains(&name.as_str())
            && name.as_str() != "externalId"
            && kind.field(name).is_none()
            && name.bytes().all(|byte| byte.is_ascii_graphic())
    };
    body.keys().filter(is_one).cloned().collect()
}

/// Reads the fields of a line or a part.
fn read_fields(
    world: &mut World,
    fields: &'static [Field],
    key: Option<&str>,
    body: &Value,
    path: &str,
    strict: bool,
) -> Result<Value, Problem> {
    let body = body.as_object().ok_or_else(|| Problem::value(path))?;
    let mut values = Values::new();
    for (name, value) in body {
        let path = format!("{path}.{name}");
        let Some(field) = super::catalog::find(fields, name) else {
            if key == Some(name.as_str()) {
                let id = id_text(value).ok_or_else(|| Problem::value(&path))?;
                values.insert(name.clone(), id.into());
            } else if strict && name != "links" {
                return Err(Problem::name(&path));
            }
            continue;
        };
        if !field.is_read_only {
            let value = read_value(world, field, value, &path, strict)?;
            values.insert(field.name.to_owned(), value);
        }
    }
    Ok(values.into())
}

fn read_value(
    world: &mut World,
    field: &'static Field,
    value: &Value,
    path: &str,
    strict: bool,
) -> Result<Value, Problem> {
    if value.is_null() {
        return Ok(Value::Null);
    }
    let refused = || Problem::value(path);
    let fits = match field.kind {
        // It keeps no white space around a text.
        Kind::Text => {
            return value.as_str().map(|text| text.trim().into()).ok_or_else(refused);
        }
        Kind::Number => value.is_number(),
        Kind::Bool => value.is_boolean(),
        Kind::Date => value.as_str().is_some_and(|text| day(text).is_some()),
        Kind::Choice => {
            let id = value.get("id").unwrap_or(value);
            let id = id_text(id).ok_or_else(refused)?;
            return Ok(json!({"id": id}));
        }
        Kind::To(types) => return reference(world, types, value, path),
        Kind::ToMany(types) => {
            let mut read = Vec::new();
            for (at, item) in items(value).ok_or_else(refused)?.iter().enumerate() {
                read.push(reference(world, types, item, &format!("{path}.items[{at}]"))?);
            }
            return Ok(json!({"items": read}));
        }
        Kind::Lines(fields, key) => {
            let mut read = Vec::new();
            for (at, item) in items(value).ok_or_else(refused)?.iter().enumerate() {
                let path = format!("{path}.items[{at}]");
                read.push(read_fields(world, fields, key, item, &path, strict)?);
            }
            return Ok(json!({"items": read}));
        }
        Kind::Part(fields) => return read_fields(world, fields, None, value, path, strict),
    };
    if fits { Ok(value.clone()) } else { Err(refused()) }
}

/// A day, with or without a time after it.
pub(super) fn day(text: &str) -> Option<NaiveDate> {
    text.get(..10)?.parse().ok()
}

fn items(value: &Value) -> Option<&Vec<Value>> {
    value.get("items")?.as_array()
}

/// An id: a text, or a whole number.
fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) if number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// The record that is referred to by its id, or else by its external id.
fn reference(
    world: &mut World,
    types: &'static [&'static str],
    value: &Value,
    path: &str,
) -> Result<Value, Problem> {
    let kinds = || types.iter().flat_map(|to| Type::named(to));
    if let Some(text) = value.get("id").and_then(id_text) {
        let id = held::id(&text).filter(|id| kinds().any(|kind| held::exists(world, kind, *id)));
        return match id {
            Some(id) => Ok(json!({"id": id.to_string()})),
            None => Err(Problem::reference(path, &text)),
        };
    }
    let Some(external_id) = value.get("externalId").and_then(Value::as_str) else {
        return Err(Problem::value(path));
    };
    match held::by_external_id(world, kinds(), external_id) {
        Some((_, id)) => Ok(json!({"id": id.to_string()})),
        None => Err(Problem::external_reference(path, external_id)),
    }
}
