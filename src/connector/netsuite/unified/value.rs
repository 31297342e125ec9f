//! Values as NetSuite takes them: numbers with the digits they came in, days.
//!
//! A number that a [`Value`] would print in another way (`100.00`, twenty digits) stands in a body
//! as `{"$number": "100.00"}`; [`render`] writes the digits themselves. All others are plain
//! numbers.

use chrono::NaiveDate;
use serde_json::value::RawValue;
use serde_json::{Number, Value, json};

use crate::json::fields::{finish_object, push_field, push_text};

/// What stands in the place of a number whose digits a [`Value`] has no room for.
const NUMBER: &str = "$number";
/// Characters of a wrong value that are shown, at most.
const MAX_SHOWN: usize = 80;
/// Digits that a factor may have: more are no price of anything.
const MAX_SCALE: i32 = 30;

/// A number from its digits; `None` where they are none.
pub(super) fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    let starts = text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    if !starts || serde_json::from_str::<&RawValue>(text).is_err() {
        return None;
    }
    match serde_json::from_str::<Number>(text) {
        Ok(number) if number.to_string() == text => Some(Value::Number(number)),
        _ => Some(json!({NUMBER: text})),
    }
}

/// The digits of a number in a body.
fn digits(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        value => kept(value).map(str::to_owned),
    }
}

fn kept(value: &Value) -> Option<&str> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object.get(NUMBER)?.as_str()
}

/// What two numbers of a body make, to the last digit; `None` where that is more than anything
/// costs.
pub(super) fn product(one: &Value, other: &Value) -> Option<Value> {
    let (one, other) = (decimal(&digits(one)?)?, decimal(&digits(other)?)?);
    let (mut whole, mut scale) = (one.0.checked_mul(other.0)?, one.1 + other.1);
    while scale > 0 && whole % 10 == 0 {
        whole /= 10;
        scale -= 1;
    }
    let places = usize::try_from(scale).ok()?;
    let sign = if whole < 0 { "-" } else { "" };
    let all = format!("{:0>width$}", whole.unsigned_abs(), width = places + 1);
    let (before, after) = all.split_at(all.len() - places);
    number(&if after.is_empty() {
        format!("{sign}{before}")
    } else {
        format!("{sign}{before}.{after}")
    })
}

/// A number without its point, and how many of its digits stand behind that.
fn decimal(text: &str) -> Option<(i128, i32)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().ok()?;
    let mut whole: i128 = format!("{before}{after}").parse().ok()?;
    let mut scale = i32::try_from(after.len()).ok()?.checked_sub(exponent)?;
    if scale > MAX_SCALE {
        return None;
    }
    while scale < 0 {
        whole = whole.checked_mul(10)?;
        scale += 1;
        if whole == 0 {
            scale = 0;
        }
    }
    Some((whole, scale))
}

/// The day of a date or of a date with a time, as it stands there. NetSuite keeps a day for these
/// fields, in no zone: reckoned into another one, a bill of midnight would be due the day before.
pub(super) fn day(text: &str) -> Option<&str> {
    let text = text.trim();
    let (day, rest) = text.split_at_checked(10)?;
    let is_spelled = day.bytes().enumerate().all(|(place, byte)| match place {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let is_there = NaiveDate::parse_from_str(day, "%Y-%m-%d").is_ok();
    let has_time = |rest: &str| {
        let time = rest.strip_prefix(['T', 't', ' ']);
        time.is_some_and(|time| time.starts_with(|first: char| first.is_ascii_digit()))
    };
    (is_spelled && is_there && (rest.is_empty() || has_time(rest))).then_some(day)
}

/// A body as the JSON that is sent, with all numbers in their own digits.
pub(in crate::connector::netsuite) fn render(value: &Value) -> String {
    match value {
        Value::Array(list) => {
            let all: Vec<String> = list.iter().map(render).collect();
            format!("[{}]", all.join(","))
        }
        Value::Object(fields) => {
            if let Some(digits) = kept(value) {
                return digits.to_owned();
            }
            let mut object = String::new();
            for (name, value) in fields {
                push_field(&mut object, name, &render(value));
            }
            finish_object(object)
        }
        Value::String(text) => {
            let mut json = String::new();
            push_text(&mut json, text);
            json
        }
        value => value.to_string(),
    }
}

/// A wrong value for people, with its type as the platform names it.
pub(super) fn shown(value: &Value) -> String {
    let (text, kind) = match value {
        Value::Null => ("None".to_owned(), "NoneType"),
        Value::Bool(true) => ("True".to_owned(), "bool"),
        Value::Bool(false) => ("False".to_owned(), "bool"),
        Value::Number(number) if number.is_f64() => (number.to_string(), "float"),
        Value::Number(number) => (number.to_string(), "int"),
        Value::String(text) => (text.clone(), "str"),
        Value::Array(_) => (value.to_string(), "list"),
        Value::Object(_) => (value.to_string(), "dict"),
    };
    let end = text.char_indices().nth(MAX_SHOWN).map_or(text.len(), |(end, _)| end);
    let more = if end < text.len() { "…" } else { "" };
    format!("(got value {}{more} of type {kind})", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        for text in ["1", "-2.5", "100.00", "12345678901234567890.10", "1e400", "0.10"] {
            let value = number(text).unwrap();
            assert_eq!((digits(&value).unwrap(), render(&value)), (text.into(), text.into()));
        }
        assert_eq!(number(" 20.5 "), Some(json!(20.5)));
        assert_eq!(number("20.50"), Some(json!({"$number": "20.50"})));
        for text in ["", "x", "1,000", "007", "+1", ".5", "NaN", "true", "\"1\"", "[1]", "1 2"] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!((digits(&json!("1")), digits(&json!({"$number": 1}))), (None, None));
    }

    #[test]
    fn a_product_is_exact() {
        for (one, other, made) in [
            ("2", "100.00", "200"),
            ("3", "0.1", "0.3"),
            ("-1.5", "0.05", "-0.075"),
            ("1e2", "2.5E-1", "25"),
            ("0", "1.10", "0"),
            ("0e99", "1", "0"),
            ("1234567.89", "1000000.01", "1234567902345.6789"),
        ] {
            let value = product(&number(one).unwrap(), &number(other).unwrap()).unwrap();
            assert_eq!(digits(&value).unwrap(), made, "{one} * {other}");
        }
        for huge in ["1e400", "1e-400", "1e99999999999"] {
            assert_eq!(product(&number(huge).unwrap(), &json!(2)), None, "{huge}");
        }
    }

    #[test]
    fn a_day_is_read_as_it_stands() {
        for text in ["2026-01-02", " 2026-01-02T23:59:59-08:00", "2026-01-02 00:00:00"] {
            assert_eq!(day(text), Some("2026-01-02"), "{text}");
        }
        for text in [
            "",
            "2026",
            "02.01.2026",
            "2026-02-30",
            "2026-01-02x",
            "2026-01-02T",
            "1767312000",
            "2026-01- 2",
            "2026-01-0\u{e9}",
        ] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn a_body_is_written_with_its_digits() {
        let body = json!({"rate": {"$number": "100.00"}, "items": [{"a\"": [1, null, true]}, {}],
        "t": "\n"});
        assert_eq!(render(&body), r#"{"rate":100.00,"items":[{"a\"":[1,null,true]},{}],"t":"\n"}"#);
    }

    #[test]
    fn wrong_values_are_shown_with_their_types() {
        for (value, text) in [
            (json!(null), "(got value None of type NoneType)"),
            (json!(true), "(got value True of type bool)"),
            (json!(1), "(got value 1 of type int)"),
            (json!(1.5), "(got value 1.5 of type float)"),
            (json!("x"), "(got value x of type str)"),
            (json!([1]), "(got value [1] of type list)"),
            (json!({"a": 1}), "(got value {\"a\":1} of type dict)"),
        ] {
            assert_eq!(shown(&value), text);
        }
        let long = format!("(got value {}… of type str)", "é".repeat(80));
        assert_eq!(shown(&json!("é".repeat(81))), long);
    }
}
