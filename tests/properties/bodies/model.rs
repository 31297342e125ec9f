//! JSON as it stands, looked into without the program's own reading of it.

use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;
/// The text of the member at the end of `path`; of two of one name, the last.
pub fn at<'a>(json: &'a str, path: &[&str]) -> Option<&'a str> {
    path.iter().try_fold(json, |json, name| {
        let members: HashMap<String, &RawValue> = serde_json::from_str(json).ok()?;
        members.get(*name).map(|member| member.get())
    })
}

/// The scalar at the end of `path` as an id: the content of a text, the digits of a number.
pub fn id(json: &str, path: &[&str]) -> Option<String> {
    let raw = at(json, path)?;
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok().filter(|text: &String| !text.is_empty()),
        b'n' | b'{' | b'[' => None,
        _ => Some(raw.to_owned()),
    }
}

/// The members of the list at the end of `path`, each as text.
pub fn list<'a>(json: &'a str, path: &[&str]) -> Option<Vec<&'a str>> {
    let members: Vec<&RawValue> = serde_json::from_str(at(json, path)?).ok()?;
    Some(members.into_iter().map(RawValue::get).collect())
}

/// Whether something stands at the end of `path` that tells of a refusal.
pub fn tells(json: &str, path: &[&str]) -> bool {
    at(json, path).is_some_and(|raw| !matches!(raw, "null" | "false" | "\"\""))
        && list(json, path).is_none_or(|list| !list.is_empty())
}

/// All texts and numbers that stand in it, names among them.
pub fn scalars(json: &str) -> HashSet<String> {
    let mut found = HashSet::new();
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        (_, rest) = rest.split_at(at);
        let is_text = rest.starts_with('"');
        let end = if is_text { text_end(rest) } else { rest.find(|c| !is_of_number(c)) };
        let token;
        (token, rest) = rest.split_at(end.unwrap_or(rest.len()));
        let text = if is_text { serde_json::from_str(token).ok() } else { Some(token.to_owned()) };
        found.extend(text);
    }
    found
}

fn text_end(json: &str) -> Option<usize> {
    let mut is_escaped = false;
    let inside = json.get(1..)?;
    let quote = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    quote.map(|at| at + 2)
}

fn is_of_number(c: char) -> bool {
    c.is_ascii_digit() || "+-.eE".contains(c)
}
