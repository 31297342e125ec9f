//! A value as a field of Salesforce takes it: a number for a number, a day for a day, one of a
//! picklist's own values.

use std::borrow::Cow;

use chrono::DateTime;
use serde_json::Value;
use serde_json::value::RawValue;

use super::describe::{Choice, Field};
use crate::json::exact;
use crate::json::fields::push_text;

/// A value in Salesforce's own form, which goes out as it came, but for days, moments and picklists
/// in another spelling: what they mean is plain, and Salesforce refuses them.
pub(super) fn spelled_out<'a>(field: &Field, value: &'a RawValue) -> Cow<'a, str> {
    let json = value.get();
    let as_it_came = Cow::Borrowed(json);
    let own = match (field.kind.as_str(), json.as_bytes().first()) {
        ("date" | "datetime" | "picklist", Some(b'"')) => {
            let Ok(text) = serde_json::from_str::<Cow<'_, str>>(json) else { return as_it_came };
            match field.kind.as_str() {
                "date" => day(&text),
                "datetime" => moment(&text),
                _ => match picked(field, &text) {
                    Some(choice) => choice.to_owned(),
                    // An org takes other values, unless the picklist is restricted.
                    None => return as_it_came,
                },
            }
        }
        ("multipicklist", Some(b'[')) => {
            let Ok(list) = serde_json::from_str::<Vec<String>>(json) else { return as_it_came };
            let own = list.iter().map(|text| picked(field, text).unwrap_or(text));
            own.collect::<Vec<_>>().join(";")
        }
        _ => return as_it_came,
    };
    Cow::Owned(quoted(&own))
}

/// As JSON, of a unified record; `None` where it says nothing.
pub(super) fn json(field: &Field, value: &Value) -> Option<String> {
    let text = match value {
        // Several values of a picklist.
        Value::Array(list) if field.kind == "multipicklist" => {
            list.iter().filter_map(exact::text).collect::<Vec<_>>().join(";")
        }
        Value::Array(_) | Value::Object(_) => value.to_string(),
        value => exact::text(value)?,
    };
    Some(match field.kind.as_str() {
        "boolean" => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => "true".to_owned(),
            "false" | "0" => "false".to_owned(),
            _ => quoted(&text),
        },
        _ if field.is_number() => {
            let number = text.trim();
            let is_number = serde_json::from_str::<serde_json::Number>(number).is_ok();
            if is_number { number.to_owned() } else { quoted(&text) }
        }
        "date" => quoted(&day(&text)),
        "datetime" => quoted(&moment(&text)),
        _ => quoted(&text),
    })
}

pub(super) fn quoted(text: &str) -> String {
    let mut json = String::new();
    push_text(&mut json, text);
    json
}

/// The value of a picklist that a text means: by its label or value, whatever the case of its
/// letters and what stands between its words.
pub(super) fn picked<'a>(field: &'a Field, text: &str) -> Option<&'a str> {
    let is_active = |choice: &&Choice| choice.active;
    let wanted = spelled(text);
    let choices = || field.picklist_values.iter().filter(is_active);
    let exact = choices().find(|choice| choice.value == text.trim());
    let exact =
        exact.or_else(|| choices().find(|choice| choice.label.as_deref() == Some(text.trim())));
    let is_spelled = |choice: &&Choice| {
        let names = [Some(choice.value.as_str()), choice.label.as_deref()];
        !wanted.is_empty() && names.into_iter().flatten().any(|name| spelled(name) == wanted)
    };
    exact.or_else(|| choices().find(is_spelled)).map(|choice| choice.value.as_str())
}

/// What there is to pick from, for people.
pub(super) fn choices(field: &Field) -> String {
    let active = field.picklist_values.iter().filter(|choice| choice.active);
    active.map(|choice| choice.value.as_str()).collect::<Vec<_>>().join(", ")
}

fn spelled(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The day of a moment: `2026-01-02T03:04:05Z`, or seconds or milliseconds since 1970.
pub(super) fn day(text: &str) -> String {
    let text = text.trim();
    if let Some(moment) = since_1970(text) {
        return moment.format("%Y-%m-%d").to_string();
    }
    let is_day = |day: &&str| {
        day.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    };
    text.get(..10).filter(is_day).unwrap_or(text).to_owned()
}

/// A moment with its zone: UTC, where it has none. A day begins at its midnight.
fn moment(text: &str) -> String {
    let text = text.trim();
    if let Some(moment) = since_1970(text) {
        return moment.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    }
    let (day, time) = text.split_at(text.find(['T', ' ']).unwrap_or(text.len()));
    if time.is_empty() {
        return if day.len() == 10 { format!("{day}T00:00:00Z") } else { text.to_owned() };
    }
    let has_zone = time.ends_with(['Z', 'z']) || time.contains(['+', '-']);
    format!("{day}T{}{}", time.trim_start_matches(['T', ' ']), if has_zone { "" } else { "Z" })
}

/// Milliseconds, where there are too many for seconds.
fn since_1970(text: &str) -> Option<DateTime<chrono::Utc>> {
    let number = text.parse::<i64>().ok().filter(|_| text.len() >= 9)?;
    if number.unsigned_abs() >= 100_000_000_000 {
        return DateTime::from_timestamp_millis(number);
    }
    DateTime::from_timestamp(number, 0)
}

/// Whole seconds from one moment to another.
pub(super) fn seconds(from: &str, to: &str) -> Option<i64> {
    let read = |text: &str| DateTime::parse_from_rfc3339(&moment(text)).ok();
    Some((read(to)? - read(from)?).num_seconds())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_plain_goes_out_as_salesforce_spells_it() {
        let choice = |value: &str| Choice { value: value.to_owned(), label: None, active: true };
        let picklist_values = vec![choice("Cold Call"), choice("Web")];
        for (kind, value, told) in [
            ("date", r#""2026-05-06T07:08:09Z""#, r#""2026-05-06""#),
            ("date", r#""soon""#, r#""soon""#),
            ("datetime", r#""2026-05-06 07:08:09""#, r#""2026-05-06T07:08:09Z""#),
            ("datetime", r#""2026-05-06T07:08:09+02:00""#, r#""2026-05-06T07:08:09+02:00""#),
            ("picklist", r#""cold call""#, r#""Cold Call""#),
            ("picklist", r#""Fair""#, r#""Fair""#),
            ("multipicklist", r#"["web","Fair"]"#, r#""Web;Fair""#),
            ("multipicklist", r#""a;b""#, r#""a;b""#),
            ("string", r#""2026-05-06 07:08:09""#, r#""2026-05-06 07:08:09""#),
            ("double", "12345678901234567890.10", "12345678901234567890.10"),
            ("date", "null", "null"),
        ] {
            let field = Field { picklist_values: picklist_values.clone(), ..field(kind) };
            let value: Box<RawValue> = serde_json::from_str(value).unwrap();
            assert_eq!(spelled_out(&field, &value), told, "{kind} {value}");
        }
    }

    fn field(kind: &str) -> Field {
        Field { kind: kind.to_owned(), ..Field::default() }
    }

    #[test]
    fn values_are_of_the_fields_kind() {
        for (kind, value, told) in [
            ("string", json!(5), Some(r#""5""#)),
            ("string", json!(true), Some(r#""true""#)),
            ("string", json!(""), None),
            ("string", json!(null), None),
            ("string", json!({"a": 1}), Some(r#""{\"a\":1}""#)),
            ("boolean", json!("TRUE"), Some("true")),
            ("boolean", json!(0), Some("false")),
            ("boolean", json!("perhaps"), Some(r#""perhaps""#)),
            ("currency", json!("1000.50"), Some("1000.50")),
            ("int", json!(12), Some("12")),
            ("int", json!("many"), Some(r#""many""#)),
            ("date", json!("2026-05-06T07:08:09.000Z"), Some(r#""2026-05-06""#)),
            ("date", json!(1_767_322_800), Some(r#""2026-01-02""#)),
            ("date", json!("soon"), Some(r#""soon""#)),
            ("date", json!(i64::MIN), Some(r#""-9223372036854775808""#)),
            ("datetime", json!("2026-05-06 07:08:09"), Some(r#""2026-05-06T07:08:09Z""#)),
            ("datetime", json!("2026-05-06"), Some(r#""2026-05-06T00:00:00Z""#)),
            ("datetime", json!("1767322800000"), Some(r#""2026-01-02T03:00:00Z""#)),
            ("multipicklist", json!(["a", "b"]), Some(r#""a;b""#)),
        ] {
            assert_eq!(json(&field(kind), &value).as_deref(), told, "{kind} {value}");
        }
        assert_eq!(seconds("2026-01-02T03:00:00Z", "2026-01-02 03:05:10"), Some(310));
        assert_eq!(seconds("soon", "2026-01-02T03:05:10Z"), None);
    }

    /// As people write them, not only as they are spelled.
    #[test]
    fn values_are_picked_by_value_or_label() {
        let choice = |value: &str, label: Option<&str>, active| Choice {
            value: value.to_owned(),
            label: label.map(str::to_owned),
            active,
        };
        let stage = Field {
            picklist_values: vec![
                choice("Closed Won", None, true),
                choice("negotiation", Some("Negotiation/Review"), true),
                choice("Old", None, false),
            ],
            ..field("picklist")
        };
        for (text, found) in [
            ("closedwon", Some("Closed Won")),
            ("Closed Won", Some("Closed Won")),
            ("CLOSED-WON", Some("Closed Won")),
            ("Negotiation Review", Some("negotiation")),
            ("Old", None),
            ("won", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(picked(&stage, text), found, "{text}");
        }
        assert_eq!(choices(&stage), "Closed Won, negotiation");
    }
}
