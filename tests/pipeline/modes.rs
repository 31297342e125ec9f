//! The modes beside `upsert`: what each does, and what it leaves alone.

use serde_json::json;

use crate::support::{Place, Remote, contacts, counts, record, schema};

/// A job in this mode, with a store of its own: it knows nothing of what others wrote.
fn in_mode(remote: &Remote, manifest: &str, mode: &str) -> Place {
    Place::at(remote, manifest).set("streams", json!({"*": {"mode": mode}}))
}

fn people(ids: &[&str], city: &str) -> String {
    let records = ids.iter().map(|id| record("contacts", &json!({"externalId": id, "city": city})));
    schema("contacts") + &records.collect::<String>()
}

const LOOKING: [&str; 2] = ["rest-one-by-one", "rest-lookup-bulk"];

#[test]
fn insert_makes_what_is_new_and_leaves_the_rest_as_it_is() {
    for manifest in LOOKING {
        let remote = Remote::start();
        Place::at(&remote, manifest).done(people(&["a", "b"], "Oslo"));
        let place = in_mode(&remote, manifest, "insert");
        place.done(people(&["a", "b", "c"], "Bergen"));
        assert_eq!(
            place.counts("contacts"),
            counts([("read", 3), ("created", 1), ("skipped", 2)]),
            "{manifest}"
        );
        let held = remote.by_ext("contacts");
        assert_eq!((&held["a"]["city"], &held["c"]["city"]), (&json!("Oslo"), &json!("Bergen")));
        assert!(place.read("results.jsonl").contains("not inserted: the remote has it as"));
        // What it made itself is known, and not touched when it comes changed.
        place.done(people(&["c"], "Bergen"));
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("unchanged", 1)]));
        place.done(people(&["c"], "Tromsø"));
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("skipped", 1)]));
        assert_eq!(remote.by_ext("contacts")["c"]["city"], "Bergen");
    }
}

#[test]
fn an_insert_whose_conflict_comes_late_is_skipped_and_one_in_doubt_is_looked_up() {
    let remote = Remote::with("{search_lag_ms: 60000, unique_ext_id: true}");
    Place::at(&remote, "rest-lookup-bulk").done(people(&["a"], "Oslo"));
    let place = in_mode(&remote, "rest-lookup-bulk", "insert");
    place.done(people(&["a"], "Bergen"));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("skipped", 1)]));
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Oslo");

    let remote =
        Remote::with("{faults: [{on: \"POST /v1/*/batch/create\", calls: [1], do: reset_after}]}");
    let place = in_mode(&remote, "rest-lookup-bulk", "insert");
    place.done(contacts(5));
    assert_eq!(place.counts("contacts"), counts([("read", 5), ("created", 5)]));
    assert_eq!(remote.by_ext("contacts").len(), 5);
}

#[test]
fn update_changes_what_is_there_and_makes_nothing() {
    for manifest in LOOKING {
        let remote = Remote::start();
        Place::at(&remote, manifest).done(people(&["a", "b"], "Oslo"));
        let place = in_mode(&remote, manifest, "update");
        place.done(people(&["a", "c"], "Bergen"));
        assert_eq!(
            place.counts("contacts"),
            counts([("read", 2), ("updated", 1), ("skipped", 1)]),
            "{manifest}"
        );
        let held = remote.by_ext("contacts");
        assert_eq!(held.len(), 2);
        assert_eq!((&held["a"]["city"], &held["b"]["city"]), (&json!("Bergen"), &json!("Oslo")));
        // Gone at the remote: it is not made again, whatever `on_missing` says.
        in_mode(&remote, "rest-one-by-one", "delete").done(people(&["a"], ""));
        place.done(people(&["a"], "Tromsø"));
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("skipped", 1)]));
        assert_eq!(remote.by_ext("contacts").len(), 1);
    }
}

#[test]
fn delete_removes_what_is_there_and_is_content_with_the_rest() {
    let remote = Remote::start();
    let writer = Place::at(&remote, "rest-one-by-one");
    writer.done(people(&["a", "b", "c"], "Oslo"));
    let place = in_mode(&remote, "rest-one-by-one", "delete");
    place.done(people(&["a", "c", "zzz"], ""));
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("deleted", 2), ("skipped", 1)]));
    assert_eq!(remote.by_ext("contacts").into_keys().collect::<Vec<_>>(), ["b"]);
    place.done(people(&["a"], ""));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("skipped", 1)]));
    // The writer's map still has them. It deletes what is gone, and may write it again.
    let writer = writer.set("streams", json!({"*": {"mode": "delete"}}));
    writer.done(people(&["a"], "Oslo"));
    assert_eq!(writer.counts("contacts"), counts([("read", 1), ("deleted", 1)]));
    let writer = writer.set("streams", json!({}));
    writer.done(people(&["a", "b"], "Oslo"));
    assert_eq!(writer.counts("contacts"), counts([("read", 2), ("created", 1), ("unchanged", 1)]));
    assert_eq!(remote.by_ext("contacts").len(), 2);
}

#[test]
fn a_delete_whose_answer_is_lost_is_sent_again() {
    for fault in ["reset_after", "reset", "status_after, status: 500"] {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: \"DELETE /v1/*/*\", rate: 0.3, do: {fault}}}]}}"
        ));
        Place::at(&remote, "rest-one-by-one").done(contacts(20));
        let place = in_mode(&remote, "rest-one-by-one", "delete")
            .set("retry", json!({"base_millis": 1, "attempts": 12}));
        place.done(contacts(20));
        assert_eq!(place.counts("contacts"), counts([("read", 20), ("deleted", 20)]), "{fault}");
        assert!(remote.records("contacts").is_empty());
        assert!(remote.calls()["faults"].as_object().is_some_and(|done| !done.is_empty()));
    }
}

#[test]
fn a_remote_that_cannot_do_it_says_so_and_nothing_is_touched() {
    // A remote that only upserts would create what is to be updated or deleted.
    let remote = Remote::start();
    for (mode, code) in [("update", "cannot_find"), ("delete", "cannot_find")] {
        let place = in_mode(&remote, "create-only", mode);
        place.done(people(&["a"], "Oslo"));
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("rejected", 1)]));
        assert!(place.read("results.jsonl").contains(code));
        // Without any id there is nothing to find it by.
        let input = schema("contacts") + &record("contacts", &json!({"city": "Oslo"}));
        place.done(input);
        assert!(place.read("results.jsonl").contains("no_external_id"));
    }
    assert!(remote.records("contacts").is_empty());
}

#[test]
fn a_killed_delete_leaves_no_ids_of_what_is_gone() {
    let remote = Remote::with("{latency_ms: 10}");
    let place = Place::at(&remote, "rest-one-by-one").set("max_in_flight", 2);
    place.done(contacts(100));
    let place = place.set("streams", json!({"*": {"mode": "delete"}}));
    let mut child = place.job().spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, contacts(100).as_bytes()).unwrap();
    while remote.records("contacts").len() > 60 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let held = remote.by_ext("contacts");
    // The next job brings the id map up to what was done. Two calls may have been under way.
    place.done("");
    let known = place.call(&["ids", "list", "--stream", "contacts"]).stdout;
    let gone =
        known.lines().skip(1).filter(|line| !held.contains_key(line.split(',').next().unwrap()));
    assert!(held.len() <= 60 && known.lines().count() > 1 && gone.count() <= 2, "{known}");
}

#[test]
fn a_state_that_tells_of_a_deletion_makes_nothing_known() {
    let remote = Remote::start();
    let place = in_mode(&remote, "rest-one-by-one", "upsert");
    place.done(people(&["a", "b"], "Oslo"));
    let place = place.set("streams", json!({"*": {"mode": "delete"}}));
    let told = place.done(people(&["a"], "Oslo")).state();
    assert_eq!(told["bookmarks"]["contacts"][0]["deleted"], json!(true), "{told}");
    let other = in_mode(&remote, "rest-one-by-one", "upsert");
    let path = other.file("before.json", told.to_string());
    let other = other.arg("--state").arg(path.to_str().unwrap());
    other.done(people(&["a", "b"], "Oslo"));
    assert_eq!(other.counts("contacts"), counts([("read", 2), ("created", 1), ("updated", 1)]));
    assert_eq!(remote.by_ext("contacts").len(), 2);
}

#[test]
fn a_parent_that_is_there_already_has_its_children() {
    let remote = Remote::start();
    Place::at(&remote, "rest-lookup-bulk").done(people(&["boss"], "Oslo"));
    let id = remote.by_ext("contacts")["boss"]["id"].clone();
    let place = Place::at(&remote, "rest-lookup-bulk").set(
        "streams",
        json!({"contacts": {"mode": "insert"},
            "deals": {"relations": [{"field": "contact", "stream": "contacts"}]}}),
    );
    let deal = record("deals", &json!({"externalId": "d", "contact": "boss"}));
    place.done(people(&["boss"], "Rome") + &schema("deals") + &deal);
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("skipped", 1)]));
    assert_eq!(remote.by_ext("deals")["d"]["contact"], id);
    assert_eq!(remote.by_ext("contacts")["boss"]["city"], "Oslo");
}
