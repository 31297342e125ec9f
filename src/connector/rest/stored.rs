//! Tells whether a remote holds what was sent, or something else in silence.

use serde_json::Value;

use super::select::Selector;
use crate::connector::http::Redactor;

/// Fields that are named, at most.
const MAX_NAMED: usize = 3;
/// Characters of a value that is told.
const MAX_VALUE_CHARS: usize = 60;

/// Which fields of `body`, the text of a JSON object, stand in `row` with other values, for people;
/// `None` when none does, or the row does not say. Fields that it lacks are not compared.
pub(super) fn altered(
    stored: &Selector,
    row: &Value,
    body: &str,
    redactor: &Redactor,
) -> Option<String> {
    let held = stored.object(row)?;
    let sent: Value = serde_json::from_str(body).ok()?;
    let other = sent.as_object()?.iter().filter_map(|(name, sent)| {
        let held = held.get(name)?;
        (!is_same(sent, held)).then_some((name, sent, held))
    });
    let told = other.take(MAX_NAMED).map(|(name, sent, held)| {
        let value = |value: &Value| redactor.excerpt(&value.to_string(), MAX_VALUE_CHARS);
        format!("`{name}` was sent as {} and is held as {}", value(sent), value(held))
    });
    let told: Vec<_> = told.collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Whether two values say the same. `held` comes from [`exact::parse`], where a number that no
/// machine type prints as it stood is a text.
///
/// [`exact::parse`]: crate::connector::http::exact::parse
fn is_same(sent: &Value, held: &Value) -> bool {
    match (sent, held) {
        (Value::Number(sent), Value::Number(held)) => sent.as_f64() == held.as_f64(),
        (Value::Number(sent), Value::String(digits)) => {
            let number: Option<Value> = serde_json::from_str(digits).ok();
            let printed = number.as_ref().map(Value::to_string);
            printed.as_ref() != Some(digits)
                && number.is_some_and(|number| number.as_f64() == sent.as_f64())
        }
        (Value::Array(sent), Value::Array(held)) => {
            sent.len() == held.len() && sent.iter().zip(held).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(sent), Value::Object(held)) => {
            sent.iter().all(|(name, value)| held.get(name).is_some_and(|held| is_same(value, held)))
        }
        (sent, held) => sent == held,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::http::exact;

    fn told(sent: &str, row: &str) -> Option<String> {
        let row = exact::parse(row.as_bytes()).unwrap();
        altered(&Selector::Property("now".into()), &row, sent, &Redactor::default())
    }

    #[test]
    fn what_is_held_otherwise_is_named() {
        let same = r#"{"a":1.50,"b":"x","c":[1,{"d":null}],"e":12345678901234567890123,"gone":1}"#;
        let row = r#"{"now":{"a":1.5,"b":"x","c":[1.0,{"d":null,"more":1}],"e":12345678901234567890123}}"#;
        assert_eq!(told(same, row), None);
        for (sent, held) in [("\"007\"", "7"), ("7", "\"7\""), ("\"abc\"", "0"), ("1", "true")] {
            let told = told(&format!("{{\"a\":{sent}}}"), &format!("{{\"now\":{{\"a\":{held}}}}}"));
            assert_eq!(told, Some(format!("`a` was sent as {sent} and is held as {held}")));
        }
        assert_eq!(told(same, "{}"), None);
    }
}
