//! Every Singer fixture, and what the remote holds of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Place, Remote, counts, record, schema, singer, text};

/// Runs one fixture; gives the place and what the remote holds of `object` by external id.
fn written(name: &str, object: &str) -> (Place, BTreeMap<String, serde_json::Map<String, Value>>) {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.done(singer(name));
    let held = remote.by_ext(object);
    (place, held)
}

#[test]
fn all_of_22_numbers_keep_their_digits() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let input = singer("numbers.jsonl");
    place.done(&input);
    let mut seen = 0;
    for there in remote.raw("amounts") {
        let digits: String = serde_json::from_str(there["text"].get()).unwrap();
        for (name, value) in &there {
            let value = value.get();
            if ["id", "ext_id", "text"].contains(&name.as_str()) || value.starts_with('"') {
                continue;
            }
            assert!(value.contains(&digits), "{name} of {digits} arrived as {value}");
            seen += 1;
        }
    }
    assert!(seen >= 22, "{seen} numbers were looked at");
}

/// Python's floats, moments and dictionaries hold less, and the hash is that of what they hold.
#[test]
fn a_change_that_the_platforms_hash_does_not_see_is_written() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let typed = json!({"type": "SCHEMA", "stream": "amounts", "key_properties": [],
        "schema": {"properties": {"externalId": {}, "at": {"type": "string", "format": "date-time"}}}});
    let changes = [
        (r#""n":12345678901234567890.12"#, r#""n":12345678901234567890.13"#),
        (r#""n":9007199254740992.0"#, r#""n":9007199254740993.0"#),
        (r#""n":{"in":[1e400]}"#, r#""n":{"in":[2e400]}"#),
        (r#""n":{"a":1,"a":2}"#, r#""n":{"a":3,"a":2}"#),
        (r#""at":"2026-01-02T03:04:05.123456001Z""#, r#""at":"2026-01-02T03:04:05.123456789Z""#),
    ];
    let same = [
        (r#""n":1.50"#, r#""n":1.5"#),
        (r#""n":9007199254740993.0"#, r#""n":9007199254740993.00"#),
        (r#""at":"2026-01-02T03:04:05.1234567Z""#, r#""at":"2026-01-02 03:04:05.12345670+00:00""#),
    ];
    let input = |content: &dyn Fn(&(&'static str, &'static str)) -> &'static str| {
        let all = changes.iter().chain(&same).enumerate();
        let lines = all.map(|(at, pair)| {
            let content = content(pair);
            format!(
                "{{\"type\":\"RECORD\",\"stream\":\"amounts\",\"record\":{{\"externalId\":\"{at}\",{content}}}}}\n"
            )
        });
        format!("{typed}\n{}", lines.collect::<String>())
    };
    place.done(input(&|(before, _)| before));
    place.done(input(&|(_, after)| after));
    assert_eq!(place.counts("amounts"), counts([("read", 8), ("updated", 5), ("unchanged", 3)]));
    for there in remote.raw("amounts") {
        let at: usize =
            text(&serde_json::from_str(there["ext_id"].get()).unwrap()).parse().unwrap();
        let (name, value) =
            there.iter().find(|(name, _)| ["n", "at"].contains(&name.as_str())).unwrap();
        let held = format!("\"{name}\":{}", value.get());
        assert_eq!(held, changes.get(at).map_or_else(|| same[at - changes.len()].0, |pair| pair.1));
    }
    place.done(input(&|(_, after)| after));
    assert_eq!(place.counts("amounts"), counts([("read", 8), ("unchanged", 8)]));
}

#[test]
fn each_draft_judges_by_its_own_rules() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.done(singer("drafts.jsonl"));
    let results = place.results();
    assert_eq!(results.len(), 12);
    for row in results {
        let id = row["InputId"].as_str().unwrap();
        let expected = if id.contains("bad") { "rejected" } else { "created" };
        assert_eq!(row["outcome"], expected, "{row}");
    }
}

#[test]
fn formats_are_asserted_and_the_reason_names_them() {
    let (place, held) = written("formats.jsonl", "formats");
    assert_eq!(held.len(), 7, "{:?}", held.keys());
    for row in place.results() {
        let id = row["InputId"].as_str().unwrap();
        let is_bad = id.ends_with("-bad");
        assert_eq!(row["outcome"] == "rejected", is_bad, "{row}");
        if is_bad {
            let reason = row["error_message"].as_str().unwrap();
            let format = id.trim_end_matches("-bad");
            assert!(reason.contains(&format!("is not a \"{format}\"")), "{reason}");
            assert_eq!(row["error_class"], "InvalidPayloadError");
        }
    }
}

#[test]
fn validation_can_warn_or_be_off() {
    for (how, rejected) in [("reject", 1), ("warn", 0), ("off", 0)] {
        let remote = Remote::start();
        let place = Place::at(&remote, "sandbox").set("validation", how);
        let typed = json!({"type": "SCHEMA", "stream": "contacts", "key_properties": [],
            "schema": {"properties": {"externalId": {"type": "string"}, "n": {"type": "integer"}}}});
        let input = format!("{typed}\n")
            + &record("contacts", &json!({"externalId": "a", "n": "x"}))
            + &record("contacts", &json!({"externalId": "b", "n": 1}));
        let ran = place.done(input);
        assert_eq!(remote.by_ext("contacts").len(), 2 - rejected);
        assert_eq!(ran.stderr.contains("WARN"), how != "off", "{how}: {}", ran.stderr);
    }
}

#[test]
fn a_schema_may_change_in_mid_stream() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("identity", "source");
    place.done(singer("schema_changes.jsonl"));
    let rejected: Vec<bool> =
        place.results().iter().map(|row| row["outcome"] == "rejected").collect();
    assert_eq!(rejected.len(), 9);
    assert_eq!(rejected.iter().filter(|is| **is).count(), 2);
    // The rejects have each SCHEMA before its records.
    let rejects = place.read("rejects.jsonl");
    let kinds: Vec<bool> = rejects.lines().map(|line| line.contains("\"SCHEMA\"")).collect();
    assert_eq!(kinds, [true, false, true, false]);
}

#[test]
fn sdc_columns_stay_behind_unless_asked_for() {
    let (place, held) = written("sdc_columns.jsonl", "contacts");
    assert_eq!(held.len(), 3);
    assert!(held.values().all(|record| record.keys().all(|key| !key.starts_with("_sdc_"))));
    assert_eq!(place.counts("contacts"), counts([("read", 4), ("created", 3), ("unchanged", 1)]));

    let remote = Remote::start();
    Place::at(&remote, "sandbox")
        .set("add_record_metadata", true)
        .done(singer("sdc_columns.jsonl"));
    let held = remote.by_ext("contacts");
    assert!(held.values().any(|record| record.keys().any(|key| key.starts_with("_sdc_"))));
}

#[test]
fn what_the_platform_asks_for_goes_into_the_state() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let ran = place.done(singer("x_hotglue.jsonl"));
    let state = ran.state();
    let contacts = state["bookmarks"]["contacts"].as_array().unwrap();
    assert!(contacts.iter().any(|entry| entry["customData"]["hash"] == entry["hash"]), "{state}");
    let companies = state["bookmarks"]["companies"].as_array().unwrap();
    assert!(companies.iter().all(|entry| entry.get("customData").is_none()), "{state}");
    // It stands beside the ids too.
    let mapping = &state["mappings"]["contacts"][0];
    assert!(mapping["CustomData"].as_object().is_some_and(|data| !data.is_empty()), "{mapping}");
}

#[test]
fn messages_of_other_kinds_are_counted() {
    let (place, held) = written("unknown_types.jsonl", "contacts");
    assert_eq!(held.len(), 4);
    let input = &place.summary()["input"];
    assert_eq!(input["unknown"].as_object().unwrap().len(), 3, "{input}");

    let (place, held) = written("activate_version.jsonl", "contacts");
    assert_eq!(place.summary()["input"]["activate_versions"], 2);
    assert_eq!(held.len(), 6, "nothing is deleted but in mirror mode");
}

#[test]
fn a_byte_order_mark_crlf_and_blank_lines_are_read_over() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let bytes = std::fs::read(crate::support::fixture("singer/bom_crlf_blank.jsonl")).unwrap();
    let ran = place.done(bytes);
    assert_eq!(remote.by_ext("contacts").len(), 4);
    assert!(ran.state()["tap"].is_object());
}

#[test]
fn fields_are_renamed_made_and_dropped() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set(
        "streams",
        json!({"contacts": {"object": "people", "fields": {
            "email": {"from": "mail"},
            "name": {"template": "{{ first }} {{ last }}"},
            "source": {"constant": "import"},
            "amount": {"from": "sum"},
            "secret_note": null,
        }}}),
    );
    let input = schema("contacts")
        + "{\"type\":\"RECORD\",\"stream\":\"contacts\",\"record\":{\"externalId\":\"a\",\
           \"mail\":\"a@b.c\",\"first\":\"Ada\",\"last\":\"L\",\"sum\":1.50,\"secret_note\":\"x\",\
           \"city\":\"Oslo\"}}\n";
    place.done(input);
    assert_eq!(place.results()[0]["outcome"], "created", "{:?}", place.results());
    let held = remote.raw("people").remove(0);
    let held: BTreeMap<&str, &str> =
        held.iter().map(|(name, value)| (name.as_str(), value.get())).collect();
    assert_eq!(held["email"], "\"a@b.c\"");
    assert_eq!(held["name"], "\"Ada L\"");
    assert_eq!(held["source"], "\"import\"");
    assert_eq!(held["amount"], "1.50");
    assert_eq!(held["city"], "\"Oslo\"");
    assert!(!held.contains_key("secret_note") && !held.contains_key("mail"), "{held:?}");
}

#[test]
fn records_of_a_batch_message_are_read_from_its_files() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let file =
        place.file("part.jsonl", "{\"externalId\": \"a\", \"n\": 1.50}\n{\"externalId\": \"b\"}\n");
    let message = json!({"type": "BATCH", "stream": "contacts",
        "encoding": {"format": "jsonl"}, "manifest": [format!("file://{}", file.display())]});
    place.done(format!("{}{message}\n", schema("contacts")));
    assert_eq!(remote.by_ext("contacts").len(), 2);
    assert_eq!(
        remote.raw("contacts").iter().find(|r| r.contains_key("n")).unwrap()["n"].get(),
        "1.50"
    );

    let message = json!({"type": "BATCH", "stream": "contacts",
        "encoding": {"format": "parquet"}, "manifest": ["x"]});
    let ran = place.run(format!("{}{message}\n", schema("contacts")));
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("parquet") && ran.stderr.contains("jsonl"), "{}", ran.stderr);
}

#[test]
fn a_field_under_the_remotes_own_name_for_an_id_does_not_overwrite_it() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let input = schema("contacts")
        + &record("contacts", &json!({"externalId": "mine", "ext_id": "not mine", "city": "Oslo"}));
    let ran = place.done(input);
    let held = remote.records("contacts");
    assert_eq!(held.len(), 1);
    assert_eq!(text(&held[0]["ext_id"]), "mine");
    assert!(ran.stderr.contains("ext_id"), "{}", ran.stderr);
}
