//! Reads JSON without changing a number: what would not come out as it went in becomes a string.
//!
//! An id of twenty digits, read as a float, would name another record; a `1e400` somewhere in an
//! answer would make the whole of it unreadable.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

/// Values in one JSON text, at most, about. A parsed value takes a hundred times the memory of the
/// two bytes that it may have: pages of a few hundred rows have a tenth of this.
const MAX_VALUES: usize = 500_000;

/// Reads `json`. Numbers that `i64`, `u64` or `f64` do not print as they stand here are strings
/// of the same digits.
///
/// # Errors
/// When `json` is no JSON, or holds more values than memory is for.
pub fn parse(json: &[u8]) -> Result<Value, serde_json::Error> {
    let (quoted, values) = quoted(json);
    if values > MAX_VALUES {
        let why = format!("it has more than {MAX_VALUES} values");
        return Err(serde::de::Error::custom(why));
    }
    serde_json::from_slice(&quoted)
}

/// A scalar as an id or a text for people: a string as it is, the digits of a number. `None` for
/// an empty string, `null`, lists and objects.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// With the numbers as described, and how many values there are.
fn quoted(json: &[u8]) -> (Cow<'_, [u8]>, usize) {
    let mut values = 0;
    let mut out: Option<Vec<u8>> = None;
    let mut kept = 0;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        match byte {
            b'"' => at = after_string(json, at),
            b'-' | b'0'..=b'9' => {
                let end = json[at..]
                    .iter()
                    .position(|byte| {
                        !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
                    })
                    .map_or(json.len(), |length| at + length);
                let number = &json[at..end];
                if changes(number) {
                    let out = out.get_or_insert_with(Vec::new);
                    out.extend_from_slice(&json[kept..at]);
                    out.push(b'"');
                    out.extend_from_slice(number);
                    out.push(b'"');
                    kept = end;
                }
                at = end;
            }
            _ => {
                values += usize::from(matches!(byte, b',' | b'[' | b'{'));
                at += 1;
            }
        }
    }
    let quoted = match out {
        None => Cow::Borrowed(json),
        Some(mut out) => {
            out.extend_from_slice(&json[kept..]);
            Cow::Owned(out)
        }
    };
    (quoted, values)
}

/// Where the string that begins at `start` is over.
fn after_string(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    json.len()
}

/// Whether `number` is a number of JSON and would be printed in another way.
fn changes(number: &[u8]) -> bool {
    if number.len() < 18 && number.iter().all(u8::is_ascii_digit) && number[0] != b'0' {
        return false;
    }
    let Ok(text) = std::str::from_utf8(number) else {
        return false;
    };
    match serde_json::from_str::<Value>(text) {
        Ok(value) => {
            let printed = value.to_string();
            printed != text
        }
        // Out of the range of `f64`, or no number at all: then it is left for the parser to refuse.
        Err(_) => serde_json::from_str::<&RawValue>(text).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_take_too_much_memory_is_not_parsed() {
        let list = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
        assert!(parse(list(1000).as_bytes()).is_ok());
        let told = parse(list(MAX_VALUES + 1).as_bytes()).unwrap_err().to_string();
        assert!(told.contains("more than 500000 values"), "{told}");
        // Commas in a text are no values.
        let text = format!("[\"{}\"]", ",".repeat(MAX_VALUES + 1));
        assert!(parse(text.as_bytes()).is_ok());
    }
}
