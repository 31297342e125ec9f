//! Sublists: which of the given lines change one that is there, which are added.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_1545295601.html>,
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_1545297048.html>

use serde_json::{Value, json};

use super::catalog::{Field, Kind, Type};
use super::problem::Problem;
use super::state::Values;

/// Puts what a call gives over what is there. Lines of the sublists in `replaced` that are not
/// given again are dropped.
pub(super) fn merge(
    kind: &'static Type,
    held: &mut Values,
    given: Values,
    replaced: &[String],
) -> Result<(), Problem> {
    for (name, value) in given {
        let merged = match kind.field(&name).map(|field| field.kind) {
            Some(Kind::Lines(fields, key)) => {
                let is_replaced = replaced.contains(&name);
                let lines = merge_lines(fields, key, held.get(&name), &value, is_replaced)?;
                json!({"items": lines})
            }
            Some(Kind::Part(_)) => over(held.get(&name), value),
            _ => value,
        };
        held.insert(name, merged);
    }
    Ok(())
}

/// The lines of a sublist.
pub(super) fn of(value: Option<&Value>) -> &[Value] {
    let items = value.and_then(|value| value.get("items")?.as_array());
    items.map_or(&[], Vec::as_slice)
}

/// The id that a reference has.
pub(super) fn id(value: Option<&Value>) -> Option<&str> {
    value?.get("id")?.as_str()
}

fn merge_lines(
    fields: &'static [Field],
    key: Option<&str>,
    held: Option<&Value>,
    given: &Value,
    is_replaced: bool,
) -> Result<Vec<Value>, Problem> {
    let held = of(held);
    let next = held.iter().filter_map(|line| number(key, line)).max().unwrap_or(0) + 1;
    let mut numbers = next..;
    let mut merged: Vec<Value> = if is_replaced { Vec::new() } else { held.to_vec() };
    for line in of(Some(given)) {
        let same = |other: &&Value| {
            key.is_some_and(|key| known_by(other, key) == known_by(line, key))
                && key.is_some_and(|key| known_by(line, key).is_some())
        };
        let Some(old) = held.iter().find(same) else {
            let missing = fields.iter().filter(|field| {
                field.is_mandatory && line.get(field.name).is_none_or(Value::is_null)
            });
            let missing: Vec<&str> = missing.map(|field| field.label).collect();
            if !missing.is_empty() {
                return Err(Problem::missing(&missing));
            }
            let mut line = line.clone();
            match key {
                Some("line") => line["line"] = numbers.next().into(),
                Some("id") => line["id"] = numbers.next().unwrap_or_default().to_string().into(),
                _ => {}
            }
            merged.push(line);
            continue;
        };
        let changed = over(Some(old), line.clone());
        match merged.iter_mut().find(|other| same(&&**other)) {
            Some(place) => *place = changed,
            None => merged.push(changed),
        }
    }
    Ok(merged)
}

fn known_by(line: &Value, key: &str) -> Option<String> {
    match line.get(key)? {
        Value::Null => None,
        Value::Object(reference) => Some(reference.get("id")?.to_string()),
        other => Some(other.to_string()),
    }
}

fn number(key: Option<&str>, line: &Value) -> Option<u64> {
    let value = line.get(key?)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The members of `new` over those of `old`, at every depth of parts.
fn over(old: Option<&Value>, new: Value) -> Value {
    let Some(Value::Object(old)) = old else { return new };
    let Value::Object(new) = new else { return new };
    let mut merged = old.clone();
    for (name, value) in new {
        // A reference is replaced as a whole.
        let is_part = value.is_object() && value.get("id").is_none();
        let value = if is_part { over(merged.get(&name), value) } else { value };
        merged.insert(name, value);
    }
    merged.into()
}
