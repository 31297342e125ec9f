//! The state on stdout: three formats, STATEs only when they are safe, and earlier states read.

use serde_json::{Value, json};

use crate::support::{Place, Remote, contacts, counts, record, schema, singer, state};

#[test]
fn full_and_platform_have_the_shape_that_readers_know() {
    let remote = Remote::start();
    let full = Place::at(&remote, "sandbox").done(singer("contacts.jsonl"));
    let keys: Vec<String> = full.state().as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["bookmarks", "summary", "mappings", "tap"]);

    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("state", json!({"format": "platform"}));
    let ran = place.done(singer("contacts.jsonl"));
    // Byte for byte as Python prints it: separators, escapes, the order of the keys.
    assert!(
        ran.stdout.starts_with("{\"bookmarks\": {\"companies\": [{\"success\": true, \"hash\": \"")
    );
    assert!(ran.stdout.ends_with(
        "\"summary\": {\"companies\": {\"success\": 20, \"fail\": 0, \"existing\": 0, \"updated\": 0}, \
         \"contacts\": {\"success\": 248, \"fail\": 2, \"existing\": 0, \"updated\": 0}}}\n"
    ), "{}", ran.stdout);
    let entries = ran.state()["bookmarks"]["contacts"].clone();
    let failed: Vec<&Value> =
        entries.as_array().unwrap().iter().filter(|entry| entry["success"] == false).collect();
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|entry| entry["hg_error_class"] == "InvalidPayloadError"));
}

#[test]
fn the_published_record_has_the_published_hash() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("state", json!({"format": "platform"}));
    let schema = json!({"type": "SCHEMA", "stream": "a", "key_properties": [], "schema": {"properties": {
        "externalId": {"type": "string"}, "s": {"type": "string"}, "n": {"type": "number"},
        "d": {"type": "string", "format": "date-time"}, "dd": {"type": "string", "format": "date"}}}});
    let record = r#"{"type":"RECORD","stream":"a","record":{"externalId":"x1","s":"Läst","n":1.50,"d":"2026-01-02T03:04:05Z","dd":"2026-01-02"}}"#;
    let ran = place.done(format!("{schema}\n{record}\n"));
    let id = crate::support::text(&remote.records("a")[0]["id"]);
    assert_eq!(
        ran.stdout,
        format!(
            "{{\"bookmarks\": {{\"a\": [{{\"success\": true, \"hash\": \"c0539fd15175c790860796654ec8e04847eee447121a3460c7244e289a6c1210\", \"id\": \"{id}\", \"externalId\": \"x1\"}}]}}, \"summary\": {{\"a\": {{\"success\": 1, \"fail\": 0, \"existing\": 0, \"updated\": 0}}}}}}\n"
        )
    );
}

#[test]
fn no_records_and_no_state_give_an_empty_object() {
    let remote = Remote::start();
    assert_eq!(Place::at(&remote, "sandbox").done("").stdout, "{}\n");
    assert_eq!(Place::at(&remote, "sandbox").done(schema("contacts")).stdout, "{}\n");
}

#[test]
fn a_streaming_job_wraps_both_states() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").env("STREAMING_JOB", "True");
    let ran = place.done(contacts(2) + &state(&json!({"cursor": 7})));
    let told = ran.state();
    assert_eq!(told["tap"], json!({"cursor": 7}));
    assert_eq!(told["target"]["summary"]["contacts"]["success"], 2);
}

#[test]
fn the_mapped_record_is_told_on_request() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").env("OUTPUT_MAPPED_RECORD", "TRUE");
    let told = place.done(contacts(1)).state();
    assert_eq!(
        told["bookmarks"]["contacts"][0]["mapped_record"],
        json!({"email": "c0@example.com", "visits": 0})
    );
}

#[test]
fn the_tap_format_passes_states_on_as_they_came() {
    let remote = Remote::start();
    // One call at a time, and the second one of both records of the last two STATEs.
    let place = Place::at(&remote, "sandbox")
        .set("state", json!({"format": "tap"}))
        .set("batch", json!({"records": 2, "secs": 60}))
        .set("max_in_flight", 1);
    let value = r#"{"z": 1.50, "a":   "ä"}"#;
    let input = state(&json!({"n": 0}))
        + &contacts(2)
        + &format!("{{\"type\": \"STATE\", \"value\": {value}}}\n")
        + &record("contacts", &json!({"externalId": "late"}))
        + &state(&json!({"n": 2}))
        + &record("contacts", &json!({"externalId": "last"}))
        + &state(&json!({"n": 3}));
    let ran = place.done(input);
    // The one before the last became safe together with it, and is covered by it.
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), ["{\"n\":0}", value, "{\"n\":3}"]);
}

#[test]
fn a_state_waits_for_every_record_before_it() {
    let remote = Remote::with(
        "{faults: [{on: \"PATCH /v1/*\", do: status, status: 503}, {on: \"POST /v1/slow\", do: status, status: 503}]}",
    );
    let place = Place::at(&remote, "rest-one-by-one")
        .set("state", json!({"format": "tap"}))
        .set("max_in_flight", 1)
        .set("retry", json!({"attempts": 2, "base_millis": 1}));
    let input = schema("contacts")
        + &schema("slow")
        + &record("contacts", &json!({"externalId": "a"}))
        + &state(&json!({"n": 1}))
        + &record("slow", &json!({"externalId": "b"}))
        + &state(&json!({"n": 2}))
        + &record("contacts", &json!({"externalId": "c"}))
        + &state(&json!({"n": 3}));
    let ran = place.run(input);
    // The second record failed, or was not sent: it must come again.
    assert_eq!(ran.stdout, "{\"n\":1}\n");
    assert_eq!(place.counts("slow"), counts([("read", 1), ("failed", 1)]));
    // A job whose every record is written or rejected tells the last.
    let place = place.set("validation", "reject");
    let input = schema("contacts")
        + &schema("typed").replace("\"externalId\":{}", "\"externalId\":{\"type\":\"string\"}")
        + &record("typed", &json!({"externalId": 7}))
        + &state(&json!({"n": 4}));
    let ran = place.done(input);
    assert_eq!(place.counts("typed")["rejected"], 1);
    assert_eq!(ran.stdout, "{\"n\":4}\n");
}

#[test]
fn records_that_are_not_attempted_hold_the_state_back() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox")
        .set("access_token", "not-the-token")
        .set("state", json!({"format": "tap"}));
    let ran = place.run(state(&json!({"n": 0})) + &contacts(3) + &state(&json!({"n": 1})));
    assert_eq!(ran.code, 3);
    assert_eq!(ran.stdout, "{\"n\":0}\n");
}

#[test]
fn a_state_from_elsewhere_is_known() {
    let remote = Remote::start();
    let first = Place::at(&remote, "sandbox").done(singer("contacts.jsonl"));
    // Another machine: no store, but the state.
    for format in ["full", "platform"] {
        let place = Place::at(&remote, "sandbox").set("state", json!({"format": format}));
        let path = place.file("state.json", &first.stdout);
        let place = place.arg("--state").arg(path.to_str().unwrap());
        place.done(singer("contacts.jsonl"));
        assert_eq!(
            place.counts("contacts"),
            counts([("read", 250), ("unchanged", 248), ("rejected", 2)])
        );
    }
    let place = Place::at(&remote, "sandbox");
    let path = place.file("state.json", "[1, 2]");
    let ran = place.arg("--state").arg(path.to_str().unwrap()).run(contacts(1));
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("state.json"), "{}", ran.stderr);
}

#[test]
fn records_without_an_id_in_an_earlier_state_are_not_written_again() {
    let remote = Remote::start();
    let input = singer("no_ids.jsonl");
    let first = Place::at(&remote, "sandbox").done(&input);
    let stream = first.state()["bookmarks"].as_object().unwrap().keys().next().unwrap().clone();
    let there = remote.records(&stream).len();
    let place = Place::at(&remote, "sandbox");
    let path = place.file("state.json", &first.stdout);
    place.arg("--state").arg(path.to_str().unwrap()).done(&input);
    assert_eq!(remote.records(&stream).len(), there);
}

#[test]
fn schemas_say_what_is_printed() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let ran = place.done(singer("contacts.jsonl"));
    let schemas: std::collections::HashMap<_, _> =
        target_upsert::commands::schemas().into_iter().collect();
    let valid = |name: &str, value: &Value| {
        if let Err(error) = jsonschema::validator_for(&schemas[name]).unwrap().validate(value) {
            panic!("{name}: {error} at {}", error.instance_path());
        }
    };
    valid("state.schema.json", &ran.state());
    valid("job-summary.schema.json", &place.summary());
    place.results().iter().for_each(|row| valid("result.schema.json", row));
    valid("config.schema.json", &place.config);
    let platform = Place::at(&remote, "sandbox").set("state", json!({"format": "platform"}));
    valid("state-platform.schema.json", &platform.done(singer("contacts.jsonl")).state());
}

#[test]
fn the_platforms_job_that_is_started_again_knows_what_was_written() {
    // The platform's place for it is absolute; where it cannot be made, the platform is not either.
    let job_id = format!("target-upsert-test-{}", std::process::id());
    let folder = std::path::Path::new("/home/hotglue").join(&job_id);
    if let Err(error) = std::fs::create_dir_all(&folder) {
        println!("left out: {} cannot be made: {error}", folder.display());
        return;
    }
    let remote =
        Remote::with("{faults: [{on: \"POST /v1/*/batch\", calls: [2], do: status, status: 401}]}");
    let place = || {
        Place::at(&remote, "sandbox")
            .env("JOB_ID", &job_id)
            .env("FLOW", "f")
            .set("max_in_flight", 1)
            .set("state", json!({"format": "platform"}))
    };
    let first = place();
    let ran = first.run(contacts(250));
    let path = folder.join("incremental_target_state.json");
    let told: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    // Another machine: no store, but that file.
    let second = place();
    second.done(contacts(250));
    let counted = second.counts("contacts");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(ran.code, 3);
    assert_eq!(told, ran.state());
    let written = told["summary"]["contacts"]["success"].as_u64().unwrap();
    assert!((100..250).contains(&written), "{written}");
    assert_eq!(counted["unchanged"], written);
    assert_eq!(remote.by_ext("contacts").len(), 250);
    assert_eq!(remote.calls()["records_written"], 250);
}

/// An update or upsert without an answer is simply sent again, so the tap has to bring it again;
/// the STATE went past it, as past a create that nothing can tell of.
#[test]
fn a_state_waits_for_an_upsert_without_an_answer() {
    let remote = Remote::with("{faults: [{on: \"*\", do: status, status: 500}]}");
    let place = Place::at(&remote, "sandbox")
        .set("retry", json!({"base_millis": 1, "attempts": 2}))
        .set("state", json!({"format": "tap"}));
    let input = state(&json!({"n": 0}))
        + &schema("contacts")
        + &record("contacts", &json!({"externalId": "a"}))
        + &state(&json!({"n": 1}));
    let ran = place.run(&input);
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]));
    assert_eq!(ran.stdout, "{\"n\":0}\n");
}
