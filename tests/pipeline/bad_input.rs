//! Lines that are no messages: the place is named, what stands before is written, nothing is lost.

use serde_json::{Value, json};

use crate::support::{Place, Remote, contacts, fixture, record};

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture("singer/bad").join(name)).unwrap()
}

/// Lines 1 to 4 are a SCHEMA and good records; line 5 is bad.
const BAD: [&str; 8] = [
    "not_json",
    "invalid_utf8",
    "not_an_object",
    "no_type",
    "record_is_array",
    "cut_last_line",
    "nul_byte",
    "record_before_schema",
];

#[test]
fn a_bad_line_ends_the_job_after_what_stands_before_it() {
    for name in BAD {
        let remote = Remote::start();
        let place = Place::at(&remote, "sandbox");
        let ran = place.run(bytes(&format!("{name}.jsonl")));
        assert_eq!(ran.code, 4, "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains("line 5"), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint:"), "{name}: {}", ran.stderr);
        let held = remote.by_ext("contacts").len();
        assert!(held >= 2, "{name}: {held} records before the line");
        let summary = place.summary();
        assert_eq!(summary["status"], "failed", "{name}");
        assert_eq!(summary["proof"]["read"], held, "{name}");
        assert_eq!(ran.state()["summary"]["contacts"]["success"], held, "{name}");
    }
}

#[test]
fn bad_lines_can_be_rejected_instead() {
    for name in &BAD[..7] {
        let remote = Remote::start();
        let place = Place::at(&remote, "sandbox").set("on_bad_line", "reject");
        place.done(bytes(&format!("{name}.jsonl")));
        let summary = place.summary();
        assert_eq!(summary["input"]["bad_lines"], 1, "{name}");
        assert_eq!(summary["proof"]["rejected"], 1, "{name}");
        let before = if *name == "cut_last_line" { 2 } else { 3 };
        assert!(remote.by_ext("contacts").len() >= before, "{name}");
        let bad = place.results().into_iter().find(|row| row["stream"] == "").unwrap();
        assert!(bad["error_message"].as_str().unwrap().contains("line 5"), "{bad}");
    }
}

#[test]
fn records_that_json_allows_and_sense_does_not_stand_alone() {
    // Deep nesting and half a surrogate pair: the record is refused, the ones beside it are not.
    for name in ["deep_nesting", "lone_surrogate", "duplicate_keys"] {
        let remote = Remote::start();
        let place = Place::at(&remote, "sandbox").set("on_bad_line", "reject");
        let ran = place.run(bytes(&format!("{name}.jsonl")));
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
        let summary = place.summary();
        assert_eq!(summary["proof"]["holds"], true);
        let held = remote.by_ext("contacts").len();
        assert!(held >= 3, "{name}: {held}");
    }
}

#[test]
fn a_line_over_the_limit_is_told_and_not_held_in_memory() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("max_line_bytes", 1000);
    let long = record("contacts", &json!({"externalId": "long", "text": "x".repeat(5000)}));
    let input = contacts(2) + &long + &record("contacts", &json!({"externalId": "after"}));
    let ran = place.run(&input);
    assert_eq!(ran.code, 4);
    assert!(
        ran.stderr.contains("line 4") && ran.stderr.contains("max_line_bytes"),
        "{}",
        ran.stderr
    );
    assert_eq!(remote.by_ext("contacts").len(), 2);

    let place =
        Place::at(&remote, "sandbox").set("max_line_bytes", 1000).set("on_bad_line", "reject");
    place.done(&input);
    assert_eq!(remote.by_ext("contacts").len(), 3);
}

#[test]
fn a_schema_that_cannot_be_used_is_told_with_its_place() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let bad = json!({"type": "SCHEMA", "stream": "contacts", "key_properties": [],
        "schema": {"properties": {"externalId": {"type": "no such type"}}}});
    let ran = place.run(format!("{bad}\n"));
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("line 1") && ran.stderr.contains("`contacts`"), "{}", ran.stderr);
}

#[test]
fn a_schema_that_names_no_field_is_refused_unless_the_ids_are_known() {
    let remote = Remote::start();
    let input = |keys: &str| {
        format!(
            "{{\"type\":\"SCHEMA\",\"stream\":\"a\",\"schema\":{{\"type\":\"object\"}},\"key_properties\":{keys}}}\n\
             {{\"type\":\"RECORD\",\"stream\":\"a\",\"record\":{{\"externalId\":\"x\",\"_id\":\"y\"}}}}\n"
        )
    };
    for place in
        [Place::at(&remote, "sandbox"), Place::at(&remote, "sandbox").set("identity", "source")]
    {
        let ran = place.run(input("[]"));
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        assert!(ran.stderr.contains("line 1 of the input: the schema of stream `a`"));
    }
    assert!(remote.records("a").is_empty());
    Place::at(&remote, "sandbox").set("identity", "source").done(input("[\"_id\"]"));
    Place::at(&remote, "sandbox").set("identity", "platform").done(input("[]"));
    Place::at(&remote, "sandbox")
        .set("streams", json!({"a": {"external_id": "_id"}}))
        .done(input("[]"));
    assert_eq!(remote.by_ext("a").into_keys().collect::<Vec<_>>(), ["x", "y"]);
}

#[test]
fn a_schemas_reference_is_never_fetched() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let secret = place.file("secret.json", "{\"type\": \"string\"}");
    let (file, http) =
        (format!("file://{}", secret.display()), format!("{}/v1/schema", remote.url));
    let path = secret.display().to_string();
    let mut schemas: Vec<Value> = [&*file, &http, &path, "secret.json", "./secret.json#/type"]
        .iter()
        .map(|reference| json!({"properties": {"externalId": {"$ref": reference}}}))
        .collect();
    let folder = file.trim_end_matches("secret.json");
    for draft in ["draft-04", "draft-07", "2019-09", "2020-12"] {
        let draft = format!("https://json-schema.org/{draft}/schema");
        schemas.extend([
            json!({"$schema": draft, "properties": {"externalId": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": http}}}),
            json!({"$schema": draft, "$id": http, "id": http, "properties": {"externalId": {"$ref": "other.json"}}}),
            json!({"$schema": draft, "$id": folder, "id": folder, "properties": {"externalId": {"$ref": "secret.json"}}}),
        ]);
    }
    let dynamic = json!({"$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {"externalId": {"$dynamicRef": http}}});
    schemas.push(dynamic);
    for schema in schemas {
        let schema =
            json!({"type": "SCHEMA", "stream": "contacts", "key_properties": [], "schema": schema});
        let ran = place.run(format!("{schema}\n"));
        assert_eq!(ran.code, 4, "{schema}: {}", ran.stderr);
        assert!(ran.stderr.contains("the schema of stream `contacts`"), "{schema}: {}", ran.stderr);
    }
    // A draft that nobody knows is no reason to go and look for it.
    let unknown = json!({"type": "SCHEMA", "stream": "contacts", "key_properties": [],
        "schema": {"$schema": http, "$id": http, "properties": {"externalId": {}}}});
    place.done(format!("{unknown}\n{}", record("contacts", &json!({"externalId": "a"}))));
    assert_eq!(remote.by_ext("contacts").len(), 1);
    assert_eq!(remote.calls()["calls"].as_object().unwrap().len(), 1, "{}", remote.calls());
}

#[test]
fn a_missing_input_file_is_a_usage_error() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").arg("--input").arg("no/such.jsonl");
    let ran = place.run("");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("no/such.jsonl"), "{}", ran.stderr);
}
