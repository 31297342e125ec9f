//! The schemas in `schemas/` are those of the types.

use std::path::Path;

#[test]
fn they_have_not_drifted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let mut names = Vec::new();
    for (name, schema) in target_upsert::commands::schemas() {
        let there = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let expected = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        assert!(there == expected, "schemas/{name} has drifted: cargo run -- schemas schemas");
        jsonschema::meta::validate(&schema).unwrap();
        names.push(name);
    }
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&&*name), "schemas/{name} comes from nowhere");
    }
}

#[test]
fn the_readme_s_reference_of_manifests_has_not_drifted() {
    use target_upsert::commands::reference;
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let readme = readme.unwrap();
    let [begin, end] = reference::MARKS;
    let there = readme.split_once(begin).unwrap().1.split_once(end).unwrap().0;
    let expected = reference::manifest();
    assert!(there == expected, "it has drifted: cargo run -- schemas schemas --readme README.md");
    // Every part that has keys stands in it, with each of them.
    let schemas: std::collections::HashMap<_, _> =
        target_upsert::commands::schemas().into_iter().collect();
    let schema = &schemas["manifest.schema.json"];
    let parts = schema["$defs"].as_object().unwrap().values().chain([schema]);
    let keys =
        |part: &serde_json::Value| part["properties"].as_object().map_or(0, serde_json::Map::len);
    let lines = expected.lines().filter(|line| line.starts_with("- **`")).count();
    assert_eq!(lines, parts.map(keys).sum::<usize>());
}

#[test]
fn manifests_are_valid_by_theirs() {
    let schemas: std::collections::HashMap<_, _> =
        target_upsert::commands::schemas().into_iter().collect();
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
