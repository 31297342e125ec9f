//! Which keys there are, and what each takes: as the schemas of the types say.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Config;

/// Our keys, and whether each takes something else than a text.
pub(super) fn own_keys() -> BTreeMap<String, bool> {
    keys_of(&schemars::schema_for!(Config).to_value())
}

/// The keys that a schema describes, and whether each takes something else than a text.
pub(super) fn keys_of(schema: &Value) -> BTreeMap<String, bool> {
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    properties
        .into_iter()
        .map(|(key, property)| {
            let types = &property["type"];
            let is_text = *types == "string"
                || types.as_array().is_some_and(|types| types.contains(&"string".into()))
                || property.get("$ref").is_some_and(|name| is_enumeration(schema, name))
                || property["anyOf"].as_array().is_some_and(|any| {
                    let mut names = any.iter().filter_map(|one| one.get("$ref"));
                    names.any(|name| is_enumeration(schema, name))
                });
            (key, !is_text)
        })
        .collect()
}

/// Whether a definition is one of our word lists rather than an object.
fn is_enumeration(schema: &Value, reference: &Value) -> bool {
    let name = reference.as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    schema["$defs"][name]["type"] != "object"
}
