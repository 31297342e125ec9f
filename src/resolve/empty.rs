//! `only_upsert_empty_fields`: what the remote has already stays as it is.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::json::fields::{Fields, finish_object, push_field};

/// Those fields of `body`, the text of a JSON object, that are empty in `held`, and those that are not
/// `kept`; `None` where there are none. What the record itself leaves empty fills nothing.
pub fn only_empty(
    body: &Arc<str>,
    held: &Map<String, Value>,
    kept: impl Fn(&str) -> bool,
) -> Option<Arc<str>> {
    let Ok(fields) = Fields::of_text(body) else { return Some(Arc::clone(body)) };
    let mut object = String::new();
    for (name, value) in &fields.0 {
        if !kept(name) {
            push_field(&mut object, name, value.get());
            continue;
        }
        let fills = !matches!(value.get(), "null" | "\"\"" | "[]" | "{}");
        if fills && is_empty(held.get(&**name)) {
            push_field(&mut object, name, value.get());
        }
    }
    (!object.is_empty()).then(|| finish_object(object).into())
}

/// Whether a person would call a remote's value empty. `0` and `false` are values.
fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Bool(_) | Value::Number(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_filled_stays() {
        let held =
            json!({"a": "x", "b": null, "c": "", "d": 0, "e": false, "f": [], "g": {"h": 1}});
        let held = held.as_object().unwrap();
        let body =
            r#"{"a":1,"b":1.50,"c":3,"d":4,"e":5,"f":6,"g":7,"new":8,"none":null,"blank":""}"#;
        let left = only_empty(&Arc::from(body), held, |_| true);
        assert_eq!(left.as_deref(), Some(r#"{"b":1.50,"c":3,"f":6,"new":8}"#));
        assert_eq!(only_empty(&Arc::from(r#"{"a":1}"#), held, |_| true), None);
        let left = only_empty(&Arc::from(r#"{"a":1,"d":null,"e":5}"#), held, |name| name != "d");
        assert_eq!(left.as_deref(), Some(r#"{"d":null}"#));
    }
}
