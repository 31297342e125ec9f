//! The schemas in `schemas/`, and the reference beside them, are those of the types.

use std::collections::HashMap;
use std::path::Path;

#[test]
fn they_have_not_drifted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let files = target_upsert::commands::schema_files();
    for (name, expected) in &files {
        let there = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(there == *expected, "schemas/{name} has drifted: cargo run -- schemas schemas");
    }
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(files.iter().any(|file| file.0 == name), "schemas/{name} comes from nowhere");
    }
}

#[test]
fn they_are_schemas() {
    for (_, schema) in target_upsert::commands::schemas() {
        jsonschema::meta::validate(&schema).unwrap();
    }
}

#[test]
fn the_reference_of_manifests_has_every_key() {
    let files: HashMap<_, _> = target_upsert::commands::schema_files().into_iter().collect();
    let schemas: HashMap<_, _> = target_upsert::commands::schemas().into_iter().collect();
    let schema = &schemas["manifest.schema.json"];
    let parts = schema["$defs"].as_object().unwrap().values().chain([schema]);
    let keys =
        |part: &serde_json::Value| part["properties"].as_object().map_or(0, serde_json::Map::len);
    let lines = files["manifest.md"].lines().filter(|line| line.starts_with("- **`")).count();
    assert_eq!(lines, parts.map(keys).sum::<usize>());
}

#[test]
fn manifests_are_valid_by_theirs() {
    let schemas: HashMap<_, _> = target_upsert::commands::schemas().into_iter().collect();
    let validator = jsonschema::validator_for(&schemas["manifest.schema.json"]).unwrap();
    let folder = crate::support::fixture("manifests");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let manifest: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        if let Err(error) = validator.validate(&manifest) {
            panic!("{}: {error} at {}", path.display(), error.instance_path());
        }
    }
}
