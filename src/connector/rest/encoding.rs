//! Bodies in other forms than JSON, made of its text, so that numbers keep their digits.

use std::borrow::Cow;

use serde_json::value::RawValue;
use url::form_urlencoded::Serializer;

use crate::json::fields::Fields;

/// A JSON object as a form: what is nested is named with brackets, as PHP and Rails read it.
///
/// # Errors
/// For people, when it is no object.
pub(super) fn form(json: &str) -> Result<String, String> {
    let fields = Fields::of_text(json).map_err(|_| "a form is made of an object".to_owned())?;
    let mut out = Serializer::new(String::new());
    for (name, value) in &fields.0 {
        append(&mut out, name, value)?;
    }
    Ok(out.finish())
}

fn append(out: &mut Serializer<'_, String>, name: &str, value: &RawValue) -> Result<(), String> {
    let raw = value.get();
    // Left out, the remote would keep what it has.
    let is_empty =
        raw.strip_prefix(['{', '[']).is_some_and(|rest| matches!(rest.trim_start(), "]" | "}"));
    if is_empty {
        out.append_pair(name, "");
        return Ok(());
    }
    let unreadable = |error: serde_json::Error| error.to_string();
    match raw.as_bytes().first() {
        Some(b'{') => {
            for (key, value) in &Fields::parse(value).map_err(unreadable)?.0 {
                append(out, &format!("{name}[{key}]"), value)?;
            }
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(unreadable)?;
            for (place, item) in items.iter().enumerate() {
                // Only what is named needs to be told apart.
                let is_nested = item.get().starts_with(['{', '[']);
                let place = if is_nested { place.to_string() } else { String::new() };
                append(out, &format!("{name}[{place}]"), item)?;
            }
        }
        Some(b'"') => {
            let text: Cow<'_, str> = serde_json::from_str(raw).map_err(unreadable)?;
            out.append_pair(name, &text);
        }
        Some(b'n') => {
            out.append_pair(name, "");
        }
        _ => {
            out.append_pair(name, raw);
        }
    }
    Ok(())
}

/// A JSON list as lines of its members; a member that is a list gives lines of its own members.
///
/// # Errors
/// For people, when it is no list.
pub(super) fn lines(json: &str) -> Result<String, String> {
    let list = |text| {
        serde_json::from_str::<Vec<&RawValue>>(text)
            .map_err(|_| "lines are made of a list".to_owned())
    };
    let mut out = String::with_capacity(json.len());
    for member in list(json)? {
        if member.get().starts_with('[') {
            for inner in list(member.get())? {
                push_line(&mut out, inner);
            }
        } else {
            push_line(&mut out, member);
        }
    }
    Ok(out)
}

/// A record may have come with line ends between its fields: in JSON they mean nothing, here they
/// would make two lines of one.
fn push_line(out: &mut String, value: &RawValue) {
    out.extend(value.get().chars().filter(|c| !matches!(c, '\n' | '\r')));
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values_are_named_with_brackets() {
        let json = r#"{"a": {"b": 1.50, "c d": "x&y=z"}, "l": ["p", "q"], "o": [{"k": true}], "n": null, "e": [ ], "f": {}}"#;
        let decoded: Vec<_> = url::form_urlencoded::parse(form(json).unwrap().as_bytes())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(
            decoded,
            ["a[b]=1.50", "a[c d]=x&y=z", "l[]=p", "l[]=q", "o[0][k]=true", "n=", "e=", "f="]
        );
        assert!(form("[1]").is_err());
    }

    #[test]
    fn lists_become_lines() {
        let json = "[[{\"index\":{}}, {\"n\":\n1e400}], \"x\\ny\"]";
        assert_eq!(lines(json).unwrap(), "{\"index\":{}}\n{\"n\":1e400}\n\"x\\ny\"\n");
        assert!(lines("{}").is_err());
    }
}
