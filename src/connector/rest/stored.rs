//! Tells whether a remote holds what was sent, or something else in silence.

use serde_json::Value;

use crate::connector::http::Redactor;
use crate::json::exact;

/// Fields that are named, at most.
const MAX_NAMED: usize = 3;
/// Characters of a value that is told.
const MAX_VALUE_CHARS: usize = 60;

/// Which fields of `body`, the text of a JSON object, the remote holds with other values, for
/// people; `None` when it holds none. Fields that it does not tell are not compared.
///
/// `held` is an object as [`exact::parse`] reads it.
pub(super) fn altered(held: &Value, body: &str, redactor: &Redactor) -> Option<String> {
    let sent = exact::parse(body.as_bytes()).ok()?;
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

/// Whether two values say the same. A number that no machine type prints as it stood is a text by
/// now, so a text of such digits counts as a number too.
fn is_same(sent: &Value, held: &Value) -> bool {
    match (sent, held) {
        (Value::Array(sent), Value::Array(held)) => {
            sent.len() == held.len() && sent.iter().zip(held).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(sent), Value::Object(held)) => {
            sent.iter().all(|(name, value)| held.get(name).is_some_and(|held| is_same(value, held)))
        }
        _ if sent == held => true,
        (Value::Number(_) | Value::String(_), Value::Number(_))
        | (Value::Number(_), Value::String(_)) => {
            matches!((number(sent), number(held)), (Some(sent), Some(held)) if sent == held)
        }
        _ => false,
    }
}

/// A number as its digits, without zeros at either end, and its power of ten.
fn number(value: &Value) -> Option<(bool, String, i64)> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        // Only a number that was turned into a text: others were texts from the beginning.
        Value::String(text) => {
            let read: serde_json::Number = serde_json::from_str(text).ok()?;
            if read.to_string() == *text {
                return None;
            }
            text.clone()
        }
        _ => return None,
    };
    let (text, is_negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (&*text, false),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().ok()?;
    let digits = format!("{whole}{fraction}");
    let kept = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len() - kept.len()).ok()?;
    let places = i64::try_from(fraction.len()).ok()?;
    let kept = kept.trim_start_matches('0').to_owned();
    if kept.is_empty() {
        return Some((false, kept, 0));
    }
    Some((is_negative, kept, exponent - places + dropped))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(sent: &str, held: &str) -> Option<String> {
        let held = exact::parse(held.as_bytes()).unwrap();
        altered(&held, sent, &Redactor::default())
    }

    #[test]
    fn the_same_in_other_words_is_the_same() {
        let sent = r#"{"a":1.50,"b":"x","c":[1,{"d":null}],"e":12345678901234567890123,"gone":1,
            "f":100,"g":1e3,"h":0.0,"i":-0.1}"#;
        let held = r#"{"a":1.5,"b":"x","c":[1.0,{"d":null,"more":1}],
            "e":12345678901234567890123,"f":1.0e2,"g":1000,"h":0,"i":-1e-1}"#;
        assert_eq!(told(sent, held), None);
        assert_eq!(told(sent, "{}"), None, "the remote does not tell");
    }

    #[test]
    fn what_is_held_otherwise_is_named() {
        let cases = [
            ("\"007\"", "7"),
            ("7", "\"7\""),
            ("\"abc\"", "0"),
            ("1", "true"),
            ("0.1", "0.10000000000000001"),
            ("[1,2]", "[2,1]"),
            ("1", "-1"),
        ];
        for (sent, held) in cases {
            let told = told(&format!("{{\"a\":{sent}}}"), &format!("{{\"a\":{held}}}"));
            assert!(told.is_some_and(|told| told.starts_with("`a` was sent as ")), "{sent} {held}");
        }
        let long = told(r#"{"a":12345678901234567890123}"#, r#"{"a":1.2345678901234568e+22}"#);
        assert!(long.is_some(), "digits were lost");
    }
}
