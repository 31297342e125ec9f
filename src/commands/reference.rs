//! The reference of the manifest language, `schemas/manifest.md`: made from the types, so that it
//! cannot say anything else than what the program reads.

use serde_json::Value;

/// What stands before the parts.
const HEAD: &str = "\
<!-- Made from the types by `target-upsert schemas schemas`: change their documentation, not this file. -->

# Manifest reference

Each key of a manifest, made from the types that the program reads it with. How to write one, step by step:
[Writing a manifest](../fixtures/manifests/README.md). For editors that know JSON Schema:
[`manifest.schema.json`](manifest.schema.json).
";

/// The parts of a manifest in the order of reading: definition, and where it stands.
const PARTS: &[(&str, &str)] = &[
    ("", "The manifest"),
    ("Auth", "`auth`"),
    ("Login", "`auth.login`"),
    ("Limits", "`limits`"),
    ("AnswerRule", "Each of `answers`"),
    ("RowRule", "Each of `row_answers`"),
    ("Endpoint", "`check`"),
    ("Stream", "Each of `streams`"),
    ("Lookup", "`lookup`, `find`, `read`"),
    ("Write", "`create`, `update`, `upsert`, `delete`"),
    ("Failures", "`failures`"),
];

/// The reference, as Markdown.
pub(super) fn manifest() -> String {
    let schema = crate::connector::rest::manifest_schema();
    let mut page = HEAD.to_owned();
    for (name, title) in PARTS {
        let part = if name.is_empty() { &schema } else { &schema["$defs"][*name] };
        page.push_str(&format!("\n## {title}\n\n{}\n\n", said(part)));
        let required: Vec<_> =
            part["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (key, property) in part["properties"].as_object().into_iter().flatten() {
            let needed = if required.contains(&key.as_str()) { " (needed)" } else { "" };
            let values = values(&schema, property);
            page.push_str(&format!("- **`{key}`**{needed}: {}{values}\n", said(property)));
        }
    }
    page
}

/// The documentation of a type or a key, in one line a paragraph.
fn said(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let paragraphs = text.split("\n\n").map(|text| text.replace('\n', " "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// The words that a key takes, if it takes words.
fn values(schema: &Value, property: &Value) -> String {
    let own = property["$ref"].as_str();
    let inner = || property["anyOf"].as_array()?.iter().find_map(|one| one["$ref"].as_str());
    let name = own.or_else(inner).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let words = schema["$defs"][name]["oneOf"].as_array().into_iter().flatten();
    let words = words.filter_map(|word| {
        let name = word["const"].as_str()?;
        Some(format!("\n  - `{name}`: {}", said(word)))
    });
    words.collect()
}
