//! The main job: created, then unchanged, then changed; what was refused is mended and sent again.

use std::collections::BTreeMap;

use serde_json::json;
use serde_json::value::RawValue;

use crate::support::{Place, Remote, contacts, counts, record, singer};

#[test]
fn a_second_run_writes_nothing_and_a_third_what_has_changed() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");

    let first = place.done(singer("contacts.jsonl"));
    assert_eq!(place.counts("companies"), counts([("read", 20), ("created", 20)]));
    assert_eq!(
        place.counts("contacts"),
        counts([("read", 250), ("created", 248), ("rejected", 2)])
    );
    assert_eq!(place.summary()["status"], "completed_with_failures");
    let held = (remote.by_ext("companies"), remote.by_ext("contacts"));
    assert_eq!((held.0.len(), held.1.len()), (20, 248));
    assert!(!held.1.contains_key("c-0057") && !held.1.contains_key("c-0143"));
    // The mappings are those of the remote.
    let mappings = &first.state()["mappings"]["contacts"];
    assert_eq!(mappings.as_array().unwrap().len(), 248);
    for mapping in mappings.as_array().unwrap() {
        let remote_id = &held.1[mapping["InputId"].as_str().unwrap()]["id"];
        assert_eq!(crate::support::text(remote_id), mapping["RemoteId"].as_str().unwrap());
    }
    // In bulk: far fewer calls than records.
    let calls = place.summary()["streams"]["contacts"]["requests"].as_u64().unwrap();
    assert!(calls < 20, "{calls} calls for 250 records");

    let written = remote.calls()["records_written"].clone();
    place.done(singer("contacts.jsonl"));
    assert_eq!(place.counts("companies"), counts([("read", 20), ("unchanged", 20)]));
    assert_eq!(
        place.counts("contacts"),
        counts([("read", 250), ("unchanged", 248), ("rejected", 2)])
    );
    assert_eq!(remote.calls()["records_written"], written);
    assert_eq!((remote.by_ext("companies"), remote.by_ext("contacts")), held);

    place.done(singer("contacts_changed.jsonl"));
    assert_eq!(
        place.counts("contacts"),
        counts([("read", 250), ("created", 2), ("updated", 10), ("unchanged", 238)])
    );
    let now = remote.by_ext("contacts");
    assert_eq!(now.len(), 250);
    let changed = held.1.iter().filter(|(id, record)| now[*id] != **record).count();
    assert_eq!(changed, 10);
    for (id, record) in &held.1 {
        assert_eq!(now[id]["id"], record["id"], "a record was made anew instead of updated");
    }
}

#[derive(serde::Deserialize)]
struct Line {
    stream: Option<String>,
    record: Option<BTreeMap<String, Box<RawValue>>>,
}

#[test]
fn numbers_and_text_arrive_as_they_left() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.done(singer("contacts.jsonl"));
    let held = remote.raw("companies");
    for line in singer("contacts.jsonl").lines() {
        let line: Line = serde_json::from_str(line).unwrap();
        let (Some("companies"), Some(record)) = (line.stream.as_deref(), line.record) else {
            continue;
        };
        let there = held.iter().find(|there| there["ext_id"].get() == record["externalId"].get());
        for (name, value) in record.iter().filter(|(name, _)| *name != "externalId") {
            assert_eq!(there.unwrap()[name].get(), value.get(), "{name}");
        }
    }
}

#[test]
fn rejects_are_mended_and_piped_in_again() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.done(singer("contacts.jsonl"));
    let rejects = place.read("rejects.jsonl");
    assert!(rejects.lines().next().unwrap().contains("\"SCHEMA\""));
    assert_eq!(rejects.lines().filter(|line| line.contains("\"RECORD\"")).count(), 2);

    // As they are, they are refused again.
    place.done(&rejects);
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("rejected", 2)]));
    let errors = place.summary()["errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 2, "{errors}");

    let mended = mend(&rejects);
    place.done(mended);
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("created", 2)]));
    let held = remote.by_ext("contacts");
    assert!(held.contains_key("c-0057") && held.contains_key("c-0143"));
    assert_eq!(held.len(), 250);
}

#[test]
fn what_was_written_later_is_not_sent_again_from_the_rejects() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let one = |id: &str, email: &str| {
        crate::support::record("contacts", &json!({"externalId": id, "email": email}))
    };
    let schema = crate::support::schema("contacts");
    place.done(schema.clone() + &one("a", "no") + &one("b", "no") + &one("a", "a@example.com"));
    let rejected = |rejects: &str| rejects.matches("\"RECORD\"").count();
    let rejects = place.read("rejects.jsonl");
    assert!(rejected(&rejects) == 1 && rejects.contains("\"b\""), "{rejects}");
    // What a later job wrote counts as well.
    let first = place.summary()["job_id"].as_str().unwrap().to_owned();
    let told = |place: &Place| {
        place.call(&["jobs", "rejects", &first, "--store", ".target-upsert/store.db"]).stdout
    };
    assert_eq!(rejected(&told(&place)), 1);
    place.done(schema + &one("b", "b@example.com"));
    assert_eq!(rejected(&told(&place)), 0);
}

/// What a person would do with an editor.
fn mend(rejects: &str) -> String {
    let lines = rejects.lines().map(|line| {
        let mut message: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(record) = message.get_mut("record") {
            record["email"] = json!("mended@example.com");
            record["visits"] = json!(1);
        }
        format!("{message}\n")
    });
    lines.collect()
}

#[test]
fn a_dry_run_writes_nothing_and_tells_what_it_would_do() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.done(singer("contacts.jsonl"));
    let written = remote.calls()["records_written"].clone();

    let dry = Place::at(&remote, "sandbox")
        .set("store", place.path(".target-upsert/store.db").display().to_string())
        .arg("--dry-run");
    let before = std::fs::read(place.path(".target-upsert/store.db")).unwrap();
    let ran = dry.done(singer("contacts_changed.jsonl"));
    assert_eq!(remote.calls()["records_written"], written);
    assert_eq!(ran.stdout, "{}\n");
    let planned = &dry.summary()["streams"]["contacts"]["planned"];
    assert_eq!((&planned["create"], &planned["update"]), (&json!(2), &json!(10)), "{planned}");
    assert_eq!(
        dry.counts("contacts"),
        counts([("read", 250), ("unchanged", 238), ("skipped", 12)])
    );
    assert_eq!(std::fs::read(place.path(".target-upsert/store.db")).unwrap(), before);
}

#[test]
fn a_dry_run_without_a_store_asks_the_remote() {
    let remote = Remote::start();
    Place::at(&remote, "sandbox").done(singer("contacts.jsonl"));
    let dry = Place::at(&remote, "sandbox").arg("--dry-run");
    dry.done(singer("contacts_changed.jsonl"));
    let planned = &dry.summary()["streams"]["contacts"]["planned"];
    assert_eq!((&planned["create"], &planned["update"]), (&json!(2), &json!(248)), "{planned}");
    assert!(!dry.path(".target-upsert").exists(), "a dry run leaves nothing behind");
}

#[test]
fn a_limit_counts_by_stream_and_holds_the_state_back() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").arg("--limit").arg("30");
    let ran = place.done(singer("contacts.jsonl"));
    assert_eq!(place.counts("companies"), counts([("read", 20), ("created", 20)]));
    assert_eq!(
        place.counts("contacts"),
        counts([("read", 250), ("created", 30), ("skipped", 220)])
    );
    assert_eq!(remote.by_ext("contacts").len(), 30);
    // The STATE after the companies is safe, the first after 100 contacts is not.
    let tap = ran.state()["tap"].clone();
    assert!(tap["bookmarks"].get("contacts").is_none(), "{tap}");
}

#[test]
fn a_dry_run_knows_what_a_killed_job_has_written() {
    let remote = Remote::start();
    let place = Place::at(&remote, "create-only").set("max_in_flight", 1);
    place.dies_at("recorded:3", contacts(5));
    assert_eq!(remote.records("contacts").len(), 3);
    let dry = place.arg("--dry-run");
    dry.done(contacts(5));
    assert_eq!(dry.counts("contacts"), counts([("read", 5), ("unchanged", 3), ("skipped", 2)]));
    assert_eq!(remote.records("contacts").len(), 3);
}

#[test]
fn a_dry_run_knows_what_is_in_doubt() {
    let remote = Remote::with("{faults: [{on: \"POST /v1/*\", calls: [2], do: reset_after}]}");
    let place = Place::at(&remote, "create-only").set("max_in_flight", 1);
    place.done(contacts(3));
    let dry = place.arg("--dry-run");
    dry.done(contacts(3));
    assert_eq!(dry.counts("contacts"), counts([("read", 3), ("unchanged", 2), ("in_doubt", 1)]));
    assert_eq!(remote.by_ext("contacts").len(), 3);
}

#[test]
fn a_dry_run_knows_records_without_ids_by_their_content() {
    let remote = Remote::with("{faults: [{on: \"POST /v1/*\", calls: [2], do: reset_after}]}");
    let place = Place::at(&remote, "create-only").set("max_in_flight", 1);
    let schema = r#"{"type":"SCHEMA","stream":"contacts","key_properties":[],"schema":{"properties":{"city":{}}}}"#;
    let one = |city: &str| record("contacts", &json!({"city": city}));
    let input = schema.to_owned() + "\n" + &one("Oslo") + &one("Rome") + &one("Nice");
    place.done(&input);
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("created", 2), ("in_doubt", 1)]));
    // What is written is that of another input, what is in doubt is in doubt in any.
    let dry = place.arg("--dry-run");
    dry.done(&input);
    assert_eq!(dry.counts("contacts"), counts([("read", 3), ("skipped", 2), ("in_doubt", 1)]));
    assert_eq!(remote.records("contacts").len(), 3);
}
