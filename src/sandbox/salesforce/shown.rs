//! Records as Salesforce shows them.

use serde_json::{Map, Value, json};

use super::catalog::{Kind, Object};
use super::problem::Problem;
use super::state::Values;

/// The newest version of the API; paths in answers have it where the call names none.
pub(super) const NEWEST: &str = "68.0";

/// What each record in an answer begins with.
pub(super) fn attributes(object: &Object, id: &str) -> Value {
    let url = format!("/services/data/v{NEWEST}/sobjects/{}/{id}", object.name);
    json!({"type": object.name, "url": url})
}

/// A record with these fields, or with all.
///
/// # Errors
/// There is no such field.
pub(super) fn record(
    object: &Object,
    held: &Values,
    names: Option<&[String]>,
) -> Result<Value, Problem> {
    let mut out = Map::new();
    let id = held.get("Id").and_then(Value::as_str).unwrap_or_default();
    out.insert("attributes".to_owned(), attributes(object, id));
    if let Some(names) = names {
        for name in names {
            let field = object.field(name);
            let field = field.ok_or_else(|| Problem::no_field(object.name, name))?;
            out.insert(field.name.to_owned(), value(object, held, field.name));
        }
        out.entry("Id").or_insert_with(|| id.into());
    } else {
        for field in object.fields() {
            out.insert(field.name.to_owned(), value(object, held, field.name));
        }
    }
    Ok(out.into())
}

/// A field's value as an answer has it. Numbers that may have a fraction always show one; the
/// content of a file is where the value says.
pub(super) fn value(object: &Object, held: &Values, name: &str) -> Value {
    let value = held.get(name).cloned().unwrap_or_default();
    match object.field(name).map(|field| field.kind) {
        Some(Kind::Bool) if value.is_null() => false.into(),
        Some(Kind::Double(..) | Kind::Currency | Kind::Percent(..)) => {
            value.as_f64().map_or(Value::Null, Value::from)
        }
        Some(Kind::Base64) if !value.is_null() => {
            let id = held.get("Id").and_then(Value::as_str).unwrap_or_default();
            let object = object.name;
            format!("/services/data/v{NEWEST}/sobjects/{object}/{id}/{name}").into()
        }
        _ => value,
    }
}
