//! A property's value: HubSpot keeps texts, whatever the property's type.
//!
//! The platform's target reads each text as a literal of Python, or else as JSON, and sends what it
//! has read: `"5"` as 5, `"True"` as true. Where that is printed as it came, the two are one value
//! for HubSpot, and the hash is the platform's. Where it is not, the text is corrupted on the way
//! (`"+1555"` becomes 1555, `"1.10"` 1.1, `"1_000"` 1000, `"None"` nothing), and it stays as it came
//! here.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::json::fields::{plain_text, push_text};
use crate::json::python::write_readable;

/// What goes out, as a JSON string; `null` for nothing.
pub(super) fn outgoing(value: &RawValue) -> Cow<'_, str> {
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'"') => match word(raw) {
            Some(word) => quoted(word).into(),
            None => raw.into(),
        },
        Some(b'{' | b'[') => dumped(raw).into(),
        Some(b'n') | None => "null".into(),
        _ => quoted(raw).into(),
    }
}

/// What the platform's target hashes of it, as JSON.
pub(super) fn hashed(value: &RawValue) -> Cow<'_, str> {
    let raw = value.get();
    match raw.as_bytes().first() {
        Some(b'"') => match word(raw).or_else(|| number(raw)) {
            Some(literal) => literal.into(),
            None => raw.into(),
        },
        Some(b'{' | b'[') => dumped(raw).into(),
        _ => raw.into(),
    }
}

/// A text that says yes or no, in Python's words or JSON's.
fn word(raw: &str) -> Option<&'static str> {
    match plain_text(raw)? {
        "True" | "true" => Some("true"),
        "False" | "false" => Some("false"),
        _ => None,
    }
}

/// A text that is a number, and the one that Python prints of it.
fn number(raw: &str) -> Option<&str> {
    let text = plain_text(raw)?;
    let is_number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && serde_json::from_str::<serde_json::Number>(text).is_ok();
    (is_number && printed(text) == text.as_bytes()).then_some(text)
}

/// An object or a list, as the text that Python prints of it.
fn dumped(raw: &str) -> String {
    quoted(&String::from_utf8_lossy(&printed(raw)))
}

fn printed(json: &str) -> Vec<u8> {
    let mut printed = Vec::with_capacity(json.len());
    if let Err(error) = write_readable(&mut printed, json) {
        unreachable!("memory takes every byte: {error}");
    }
    printed
}

fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    push_text(&mut json, text);
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(json: &str) -> (String, String) {
        let value: &RawValue = serde_json::from_str(json).unwrap();
        (outgoing(value).into_owned(), hashed(value).into_owned())
    }

    fn same(json: &str, out: &str, hash: &str) {
        assert_eq!(both(json), (out.to_owned(), hash.to_owned()), "{json}");
    }

    #[test]
    fn values_go_out_as_texts() {
        same("5", r#""5""#, "5");
        same("1.50", r#""1.50""#, "1.50");
        same("true", r#""true""#, "true");
        same("null", "null", "null");
        same(r#""""#, r#""""#, r#""""#);
        same(r#""a \"b\"""#, r#""a \"b\"""#, r#""a \"b\"""#);
        same(
            r#"{"a":[1,"é"]}"#,
            r#""{\"a\": [1, \"\\u00e9\"]}""#,
            r#""{\"a\": [1, \"\\u00e9\"]}""#,
        );
        same("[]", r#""[]""#, r#""[]""#);
    }

    #[test]
    fn what_python_prints_as_it_came_has_its_hash() {
        for text in ["5", "-5", "1.5", "0.1", "1e+16", "15551234567", "12345678901234567890123"] {
            same(&format!("\"{text}\""), &format!("\"{text}\""), text);
        }
        for (text, word) in
            [("True", "true"), ("true", "true"), ("False", "false"), ("false", "false")]
        {
            same(&format!("\"{text}\""), &format!("\"{word}\""), word);
        }
    }

    #[test]
    fn what_python_would_change_stays() {
        for text in [
            "+15551234567",
            "(555)",
            "1_000",
            "0x10",
            "1.10",
            "5,6",
            "None",
            "null",
            "007",
            "-0",
            "1e5",
            "1.0e5",
            " 5",
            "5 ",
            ".5",
            "5.",
            "NaN",
            "Infinity",
            "-Infinity",
            "'a'",
            "[1,2]",
            "{'a': 1}",
            "1e999",
            "TRUE",
            "-",
            "",
        ] {
            let json = format!("\"{text}\"");
            same(&json, &json, &json);
        }
    }
}
