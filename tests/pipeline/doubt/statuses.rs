//! Statuses that leave open whether a call was applied, from a remote that has applied it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;
use wiremock::ResponseTemplate;

use super::quick;
use crate::support::odd::Odd;
use crate::support::{Place, Remote, contacts, counts, fixture, state};

/// Manifests that look up, and the calls by which they create and update.
const WAYS: [(&str, &str, &str); 2] = [
    ("rest-one-by-one", "POST /v1/{object}", "PATCH *"),
    ("rest-lookup-bulk", "POST /v1/*/batch/create", "POST /v1/*/batch/update"),
];

/// A remote that applies the first so many calls `on` a path, and answers them with `answer`.
fn that_answers(on: &str, calls: usize, answer: &str) -> Remote {
    let calls: Vec<usize> = (1..=calls).collect();
    Remote::with(&format!(
        "{{faults: [{{on: \"{on}\", calls: {calls:?}, do: status_after, {answer}}}]}}"
    ))
}

#[test]
fn what_a_503_asks_to_wait_for_is_looked_up_before_it_is_created_again() {
    for (manifest, create, _) in WAYS {
        let remote = that_answers(create, 1, "status: 503, retry_after: {seconds: 1}");
        let place = quick(Place::at(&remote, manifest));
        place.done(contacts(3));
        assert_eq!(remote.faults("status_after"), 1, "{manifest}");
        assert_eq!(remote.by_ext("contacts").len(), 3, "{manifest}");
        let waited = place.summary()["throttled_secs"].as_f64().unwrap();
        assert!(waited >= 0.9, "{manifest}: waited {waited} s");
        place.done(contacts(3));
        assert_eq!(place.counts("contacts"), counts([("read", 3), ("unchanged", 3)]), "{manifest}");
    }
}

#[test]
fn a_503_that_has_applied_nothing_is_sent_again() {
    for (manifest, create, _) in WAYS {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: \"{create}\", calls: [1, 2], do: status, status: 503,
                retry_after: {{seconds: 0}}}}]}}"
        ));
        let place = quick(Place::at(&remote, manifest));
        place.done(contacts(3));
        assert_eq!(place.counts("contacts"), counts([("read", 3), ("created", 3)]), "{manifest}");
        assert_eq!(remote.by_ext("contacts").len(), 3, "{manifest}");
    }
}

#[test]
fn the_quiet_that_a_503_asks_for_is_kept_by_the_lookup_too() {
    let created: Mutex<Option<Instant>> = Mutex::new(None);
    let odd = Odd::start(move |world, request| {
        let mut created = created.lock().unwrap();
        if request.url.path().ends_with("/search") {
            // Who asks too early finds nothing.
            let is_late = created.is_some_and(|at| at.elapsed() >= Duration::from_millis(950));
            let rows = if is_late { world.rows.as_slice() } else { &[] };
            return ResponseTemplate::new(200).set_body_json(json!({"data": rows}));
        }
        if request.method == "PATCH" {
            return ResponseTemplate::new(200).set_body_json(&world.rows[0]);
        }
        world.add(serde_json::from_slice(&request.body).unwrap());
        *created = Some(Instant::now());
        ResponseTemplate::new(503).insert_header("retry-after", "1")
    });
    let place = quick(Place::at(&Remote::start(), "rest-one-by-one"));
    let place = place.set("base_url", odd.server.uri());
    place.done(contacts(1));
    assert_eq!(odd.world().rows.len(), 1, "{:?}", odd.world().asked);
}

#[test]
fn a_503_that_nobody_can_look_behind_leaves_its_record_in_doubt() {
    let answer = "status: 503, retry_after: {seconds: 0}";
    let remote = that_answers("POST /v1/{object}", 1, answer);
    let place = quick(Place::at(&remote, "create-only"));
    for rest in ["created", "unchanged"] {
        place.done(contacts(3));
        assert_eq!(place.counts("contacts"), counts([("read", 3), (rest, 2), ("in_doubt", 1)]));
        assert_eq!(remote.by_ext("contacts").len(), 3);
    }
    // A manifest knows a remote that has applied nothing then.
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/{object}\", calls: [1], do: status, status: 503,
            retry_after: {seconds: 0}}]}",
    );
    let manifest = std::fs::read_to_string(fixture("manifests/create-only.yaml")).unwrap();
    let rule = "answers:\n  - { when: \"{{ status == 503 and headers['retry-after'] }}\", is: throttled }\n";
    let place = quick(Place::at(&remote, "sandbox"));
    let place = place.manifest(manifest.replacen("streams:", &format!("{rule}streams:"), 1));
    place.done(contacts(3));
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("created", 3)]));
    assert_eq!(remote.by_ext("contacts").len(), 3);
}

#[test]
fn a_503_that_asks_for_hours_ends_the_job_and_the_next_one_looks_it_up() {
    let answer = "status: 503, retry_after: {seconds: 7200}";
    for (manifest, create, _) in WAYS {
        let remote = that_answers(create, 1, answer);
        let place = quick(Place::at(&remote, manifest));
        let input = contacts(1) + &state(&json!({"n": 1}));
        let ran = place.run(&input);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains("7200 seconds"), "{}", ran.stderr);
        assert_eq!(ran.state().get("tap"), None, "{manifest}");
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]), "{manifest}");
        assert_eq!(place.done(&input).state()["tap"], json!({"n": 1}), "{manifest}");
        assert_eq!(remote.by_ext("contacts").len(), 1, "{manifest}");
    }
}

/// "See Other" is the answer to a POST that was applied: told as a refusal, it made the tap go on
/// behind records that nobody had the ids of.
#[test]
fn a_create_that_is_answered_with_another_place_is_looked_up() {
    for status in [302, 303] {
        for (manifest, create, _) in WAYS {
            let remote = that_answers(create, 1, &format!("status: {status}"));
            let place = quick(Place::at(&remote, manifest));
            place.done(contacts(3));
            assert_eq!(remote.faults("status_after"), 1, "{manifest}");
            assert_eq!(remote.by_ext("contacts").len(), 3, "{status} {manifest}");
            place.done(contacts(3));
            let all = place.counts("contacts");
            assert_eq!(all, counts([("read", 3), ("unchanged", 3)]), "{status} {manifest}");
        }
    }
}

#[test]
fn a_change_that_is_answered_with_another_place_is_no_refusal() {
    for status in [302, 303] {
        for (manifest, _, update) in WAYS {
            // As often as it is tried, and once.
            for (times, fate) in [(3, "in_doubt"), (1, "updated")] {
                let remote = that_answers(update, times, &format!("status: {status}"));
                let place = quick(Place::at(&remote, manifest));
                let input = |visits: &str| contacts(1).replace("\"visits\":0", visits);
                place.done(input("\"visits\":0"));
                let ran = place.run(input("\"visits\":7") + &state(&json!({"n": 1})));
                let what = format!("{status} {manifest} {fate}: {}", ran.stderr);
                // No call was answered.
                assert_eq!(ran.code, if fate == "updated" { 0 } else { 3 }, "{what}");
                assert_eq!(place.counts("contacts"), counts([("read", 1), (fate, 1)]), "{what}");
                assert_eq!(ran.state().get("tap").is_some(), fate == "updated", "{what}");
                assert_eq!(remote.by_ext("contacts")["c-0"]["visits"], 7, "{what}");
                // Nobody takes it for unwritten, or for what was there before.
                place.done(input("\"visits\":0"));
                assert_eq!(remote.by_ext("contacts")["c-0"]["visits"], 0, "{what}");
            }
        }
    }
}

#[test]
fn a_manifest_can_take_another_place_for_a_success() {
    let odd = Odd::start(|world, request| {
        if request.method == "POST" {
            let id = world.add(serde_json::from_slice(&request.body).unwrap());
            return ResponseTemplate::new(303).insert_header("location", format!("/v1/it/{id}"));
        }
        ResponseTemplate::new(400)
    });
    let manifest = std::fs::read_to_string(fixture("manifests/create-only.yaml")).unwrap();
    let rule = "answers:\n  - { when: \"{{ call == 'create' and status == 303 }}\", is: rows }\n";
    let manifest = manifest
        .replacen("streams:", &format!("{rule}streams:"), 1)
        .replace("$.id", "\"{{ headers.location | split('/') | last }}\"");
    let place = quick(Place::at(&Remote::start(), "sandbox")).set("base_url", odd.server.uri());
    let place = place.manifest(manifest);
    place.done(contacts(2));
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("created", 2)]));
    let ids: Vec<_> = place.results().iter().map(|row| row["RemoteId"].clone()).collect();
    assert_eq!((ids, odd.world().rows.len()), (vec![json!("1"), json!("2")], 2));
}
