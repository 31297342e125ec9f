//! What a call inside of another takes from those before it: `@{name.path}` in its address and body.

use std::collections::HashMap;

use serde_json::Value;

/// A value with what others answered in the place of each `@{name.path}`.
///
/// # Errors
/// What stands between the braces, where there is no such answer.
pub(super) fn filled(value: &Value, answered: &HashMap<String, Value>) -> Result<Value, String> {
    match value {
        Value::String(text) => fill(text, answered).map(Value::from),
        Value::Array(items) => items.iter().map(|item| filled(item, answered)).collect(),
        Value::Object(members) => {
            let members =
                members.iter().map(|(name, value)| Ok((name.clone(), filled(value, answered)?)));
            Ok(Value::Object(members.collect::<Result<_, String>>()?))
        }
        other => Ok(other.clone()),
    }
}

/// A text with what others answered in the same way.
///
/// # Errors
/// What stands between the braces, where there is no such answer.
pub(super) fn fill(text: &str, answered: &HashMap<String, Value>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let Some((name, after)) = after.split_once('}') else { break };
        out.push_str(before);
        match found(name, answered) {
            Some(Value::String(text)) => out.push_str(text),
            Some(value) if !value.is_null() => out.push_str(&value.to_string()),
            _ => return Err(name.to_owned()),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands at a path such as `refAccount.id` or `refQuery.records[0].Id`.
fn found<'a>(path: &str, answered: &'a HashMap<String, Value>) -> Option<&'a Value> {
    let mut value = answered.get(root(path))?;
    for step in path.split(['.', '[']).skip(1) {
        value = match step.strip_suffix(']') {
            Some(index) => value.get(index.parse::<usize>().ok()?)?,
            None => value.get(step)?,
        };
    }
    Some(value)
}

/// The call that a reference is to.
pub(super) fn root(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or_default()
}

/// The names of the calls that a text, or a value with texts, refers to.
pub(super) fn names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            for part in text.split("@{").skip(1) {
                let path = part.split('}').next().unwrap_or_default();
                found.push(root(path).to_owned());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        Value::Object(members) => members.values().for_each(|value| names(value, found)),
        _ => {}
    }
}
