//! Creates whose fate is open: looked up in time, sent again only where that is safe.

mod statuses;

use serde_json::json;

use crate::support::{Place, Remote, contacts, counts, fixture, record, schema, state};

pub(crate) fn quick(place: Place) -> Place {
    place.set("retry", json!({"base_millis": 1, "attempts": 3})).set("max_in_flight", 1)
}

#[test]
fn what_the_last_job_left_in_doubt_is_not_created_before_the_lag_is_over() {
    // The create is applied and its answer lost; the lookup that would find it is refused, and the
    // next job comes before a lookup can show it.
    let remote = Remote::with(
        "{search_lag_ms: 900, faults: [
            {on: \"POST /v1/*/batch/create\", calls: [1], do: reset_after},
            {on: \"POST /v1/*/search\", calls: [2], do: status, status: 400}]}",
    );
    let place = quick(Place::at(&remote, "rest-lookup-bulk"));
    let input = contacts(1) + &state(&json!({"n": 1}));
    // The tap's STATE is not passed on: the record has to come again.
    assert_eq!(place.done(&input).state().get("tap"), None);
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]));
    assert_eq!(place.done(&input).state()["tap"], json!({"n": 1}));
    assert_eq!(remote.by_ext("contacts").len(), 1);
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("updated", 1)]));
    place.done(&input);
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("unchanged", 1)]));
}

#[test]
fn what_this_job_left_in_doubt_is_not_created_before_the_lag_is_over() {
    // The same, and the record comes once more in the same input.
    let remote = Remote::with(
        "{search_lag_ms: 900, faults: [
            {on: \"POST /v1/*/batch/create\", calls: [1], do: reset_after},
            {on: \"POST /v1/*/search\", calls: [2], do: status, status: 400}]}",
    );
    let place = quick(Place::at(&remote, "rest-lookup-bulk"));
    let one = |city: &str| record("contacts", &json!({"externalId": "a", "city": city}));
    place.done(schema("contacts") + &one("Oslo") + &one("Bergen"));
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("in_doubt", 1), ("updated", 1)]));
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Bergen");
}

#[test]
fn a_remote_that_answers_neither_creates_nor_lookups_ends_the_job() {
    // Nothing is answered after the first lookup.
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/*/batch/create\", do: status, status: 503},
            {on: \"POST /v1/*/search\", calls: [2, 3, 4, 5, 6], do: status, status: 503}]}",
    );
    let place = quick(Place::at(&remote, "rest-lookup-bulk"))
        .set("retry", json!({"base_millis": 1, "attempts": 1, "give_up_after": 1}));
    let ran = place.run(contacts(20));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("the remote cannot be reached"), "{}", ran.stderr);
    assert_eq!(place.counts("contacts"), counts([("read", 20), ("in_doubt", 20)]));
    assert!(remote.records("contacts").is_empty());
}

#[test]
fn a_create_with_a_key_that_the_remote_remembers_is_sent_again() {
    let remote = Remote::with(
        "{idempotency: true, faults: [{on: \"POST /v1/*\", calls: [2, 3], do: reset_after}]}",
    );
    let place = quick(Place::at(&remote, "create-with-key"));
    place.done(contacts(5));
    assert_eq!(remote.faults("reset_after"), 2);
    assert_eq!(place.counts("contacts"), counts([("read", 5), ("created", 5)]));
    assert_eq!(remote.by_ext("contacts").len(), 5);
}

#[test]
fn a_bulk_call_that_is_not_there_says_nothing_of_its_one_record() {
    let remote =
        Remote::with("{faults: [{on: \"POST /v1/*/batch/update\", do: status, status: 404}]}");
    let place = quick(Place::at(&remote, "rest-lookup-bulk"));
    let input = |city: &str| {
        schema("contacts") + &record("contacts", &json!({"externalId": "a", "city": city}))
    };
    place.done(input("Oslo"));
    place.done(input("Bergen"));
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Oslo");
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("rejected", 1)]));
}

#[test]
fn a_lookup_that_is_refused_is_halved() {
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/*/search\", calls: [1, 2, 3, 4], do: status, status: 400}]}",
    );
    let place = quick(Place::at(&remote, "rest-lookup-bulk"));
    place.done(contacts(8));
    // Eight ids, four, two, and the one that stands alone.
    assert_eq!(place.counts("contacts"), counts([("read", 8), ("created", 7), ("rejected", 1)]));
    assert_eq!(remote.by_ext("contacts").len(), 7);
    place.done(contacts(8));
    assert_eq!(remote.by_ext("contacts").len(), 8);
}

#[test]
fn what_somebody_else_made_under_our_id_gets_our_content_all_the_same() {
    // A record is there that a lookup cannot show yet; our create is refused for it, and the
    // refusal is lost. What is found then is not ours.
    let remote = Remote::with(
        "{search_lag_ms: 800, unique_ext_id: true, faults: [
            {on: \"POST /v1/*/batch/create\", calls: [2], do: reset_after}]}",
    );
    let input = |city: &str| {
        schema("contacts") + &record("contacts", &json!({"externalId": "a", "city": city}))
    };
    quick(Place::at(&remote, "rest-lookup-bulk")).done(input("Oslo"));
    let place = quick(Place::at(&remote, "rest-lookup-bulk"));
    place.done(input("Bergen"));
    assert_eq!(remote.faults("reset_after"), 1);
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Bergen");
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("updated", 1)]));
}

/// A remote that applies so many creates, from the second on, and answers none of them.
pub(crate) fn that_loses(answers: usize, more: &str) -> Remote {
    let calls: Vec<usize> = (2..2 + answers).collect();
    Remote::with(&format!(
        "{{{more} faults: [{{on: \"POST /v1/{{object}}\", calls: {calls:?}, do: reset_after}}]}}"
    ))
}

#[test]
fn a_key_that_the_remote_remembers_settles_a_doubt_in_the_next_job() {
    let remote = that_loses(3, "idempotency: true,");
    let place = quick(Place::at(&remote, "create-with-key"));
    // All three tries of the second record are lost, and the tap's STATE waits for it.
    let input = contacts(3) + &state(&json!({"n": 3}));
    assert_eq!(place.done(&input).state().get("tap"), None);
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("created", 2), ("in_doubt", 1)]));
    assert_eq!(place.done(&input).state()["tap"], json!({"n": 3}));
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("created", 1), ("unchanged", 2)]));
    assert_eq!(remote.by_ext("contacts").len(), 3);
}

#[test]
fn other_content_is_not_sent_under_a_key_in_doubt() {
    let remote = that_loses(3, "idempotency: true,");
    let place = quick(Place::at(&remote, "create-with-key"));
    place.done(contacts(3));
    let changed = contacts(3).replace("c1@example.com", "other@example.com");
    for input in [&changed, &changed] {
        place.done(input);
        assert_eq!(place.counts("contacts")["in_doubt"], 1);
    }
    let held = remote.by_ext("contacts");
    assert_eq!((held.len(), &held["c-1"]["email"]), (3, &json!("c1@example.com")));
    // As it was sent first, it is known again.
    place.done(contacts(3));
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("created", 1), ("unchanged", 2)]));
    assert_eq!(remote.by_ext("contacts").len(), 3);
}

#[test]
fn a_key_that_the_remote_has_forgotten_settles_nothing() {
    let remote = that_loses(1, "");
    let place = quick(Place::at(&remote, "create-with-key"));
    let path = place.config["manifest"].as_str().unwrap();
    let manifest = std::fs::read_to_string(path).unwrap() + "      idempotency_key_secs: 0\n";
    let place = place.manifest(manifest);
    for counted in [[("created", 2), ("in_doubt", 1)], [("unchanged", 2), ("in_doubt", 1)]] {
        place.done(contacts(3));
        assert_eq!(place.counts("contacts"), counts([("read", 3), counted[0], counted[1]]));
        assert_eq!(remote.by_ext("contacts").len(), 3);
    }
}

#[test]
fn a_record_that_is_gone_is_made_anew_under_another_key() {
    let remote = Remote::with("{idempotency: true}");
    let manifest = std::fs::read_to_string(fixture("manifests/create-with-key.yaml")).unwrap()
        + "    update: { method: PATCH, path: '/v1/{{ object }}/{{ remote_id }}', body: '{{ record }}' }\n";
    let place = quick(Place::at(&remote, "sandbox"));
    let place = place.manifest(manifest);
    place.done(contacts(2));
    let id = crate::support::text(&remote.by_ext("contacts")["c-1"]["id"]);
    remote.delete("contacts", &id);
    // The same content once more, as if nothing had been known of it.
    let place = place.set("streams", json!({"*": {"skip_unchanged": false}}));
    place.done(contacts(2));
    assert_eq!(remote.by_ext("contacts").len(), 2);
}

#[test]
fn a_doubt_is_told_with_all_that_is_known() {
    let remote = that_loses(1, "");
    let place = quick(Place::at(&remote, "create-only"));
    place.done(contacts(3));
    let row = place.results().into_iter().find(|row| row["outcome"] == "in_doubt").unwrap();
    assert_eq!((&row["InputId"], &row["action"]), (&json!("c-1"), &json!("create")));
    assert_eq!((&row["attempts"], &row["error_code"]), (&json!(1), &json!("in_doubt")));
    let message = row["error_message"].as_str().unwrap();
    assert!(message.contains("no answer"), "{message}");
    let error = &place.summary()["errors"][0];
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("ids forget") && hint.contains("on_doubt"), "{error}");
    // The next job says when it was sent.
    place.done(contacts(3));
    let row = place.results().into_iter().find(|row| row["outcome"] == "in_doubt").unwrap();
    let message = row["error_message"].as_str().unwrap();
    assert!(message.contains("sent by an earlier job at 20"), "{message}");
}

#[test]
fn who_would_rather_have_a_record_twice_than_never_can_say_so() {
    let place = |remote: &Remote| {
        quick(Place::at(remote, "create-only"))
            .set("streams", json!({"contacts": {"on_doubt": "resend"}}))
    };
    // Sent again at once: the one that was applied stays, and two more of it.
    let remote = that_loses(3, "");
    place(&remote).set("retry", json!({"base_millis": 1, "attempts": 6})).done(contacts(3));
    assert_eq!(remote.records("contacts").len(), 6);
    // Sent again by the next job, where no try was answered; the tap's STATE waits for it.
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/{object}\", calls: [2, 3, 4], do: status, status: 500}]}",
    );
    let place = place(&remote);
    let input = contacts(3) + &state(&json!({"n": 3}));
    assert_eq!(place.done(&input).state().get("tap"), None);
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("created", 2), ("in_doubt", 1)]));
    assert_eq!(place.done(&input).state()["tap"], json!({"n": 3}));
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("created", 1), ("unchanged", 2)]));
    assert_eq!(remote.by_ext("contacts").len(), 3);
}

#[test]
fn the_lag_is_waited_for_from_the_last_call_of_a_killed_job_and_not_from_its_intent() {
    // The first call is throttled for longer than the lag; the second is applied, and its job dies.
    let remote = Remote::with(
        "{search_lag_ms: 900, faults: [{on: \"POST /v1/*/batch/create\", calls: [1], do: status,
            status: 429, retry_after: {seconds: 2}}]}",
    );
    let place = quick(Place::at(&remote, "rest-lookup-bulk"));
    place.dies_at("sent:2", contacts(1));
    assert_eq!(remote.records("contacts").len(), 1);
    place.done(contacts(1));
    assert_eq!(remote.by_ext("contacts").len(), 1);
}

#[test]
fn a_doubt_waits_for_the_lag_of_the_fields_that_its_record_is_found_by() {
    // Nobody can be asked for the external id; the create's answer and the lookup after it are
    // lost.
    let remote = Remote::with(
        "{search_lag_ms: 900, faults: [{on: \"POST /v1/{object}\", calls: [1], do: reset_after},
            {on: \"POST /v1/*/search\", calls: [2], do: status, status: 400}]}",
    );
    let place = quick(Place::at(&remote, "sandbox"));
    let place =
        place.manifest(FOUND_BY_FIELDS).set("streams", json!({"*": {"lookup_fields": "email"}}));
    place.done(contacts(1));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]));
    place.done(contacts(1));
    assert_eq!(remote.records("contacts").len(), 1);
}

pub(crate) const FOUND_BY_FIELDS: &str = r#"
version: 1
name: found-by-fields
base_url: "{{ config.base_url }}"
auth: { type: bearer, token: "{{ config.access_token }}" }
streams:
  "*":
    find:
      method: POST
      path: "/v1/{{ object }}/search"
      body: { "{{ field }}": { in: "{{ values }}" }, after: "{{ next }}" }
      rows: $.data[*]
      remote_id: $.id
      next: $.paging.next
      lag_secs: 1
    create: { method: POST, path: "/v1/{{ object }}", body: "{{ record }}", remote_id: $.id }
    update:
      method: PATCH
      path: "/v1/{{ object }}/{{ remote_id }}"
      body: "{{ record }}"
"#;

/// So many records without an external id.
pub(crate) fn events(count: usize) -> String {
    let schema = json!({"type": "SCHEMA", "stream": "events", "key_properties": [],
        "schema": {"properties": {"n": {}}}});
    let events = (0..count).map(|n| record("events", &json!({"n": n})));
    format!("{schema}\n") + &events.collect::<String>()
}

#[test]
fn a_doubt_about_a_record_without_an_id_ends_with_its_stream_s() {
    let remote = that_loses(1, "");
    let place = quick(Place::at(&remote, "create-only"));
    // Cut off before its end, so that the next job goes on from there.
    place.dies_at("told:1", events(3));
    assert_eq!(remote.records("events").len(), 3);
    place.dies_at("told:1", events(3));
    assert_eq!(remote.records("events").len(), 3);
    // Somebody has looked, and lets out what is in doubt.
    let forgot = place.call(&["ids", "forget", "--stream", "events", "--all"]);
    assert_eq!(forgot.code, 0, "{}", forgot.stderr);
    place.done(events(3));
    assert_eq!(remote.records("events").len(), 4);
}

#[test]
fn a_job_with_another_stream_does_not_make_records_without_ids_forgotten() {
    for step in ["sent:2", "told:1"] {
        let remote = Remote::start();
        let place = quick(Place::at(&remote, "create-only"));
        place.dies_at(step, events(3));
        place.done(contacts(2));
        place.done(events(3));
        let there = |n: usize| remote.records("events").iter().filter(|one| one["n"] == n).count();
        // One may have been sent and not applied: nothing can tell.
        assert!((0..3).all(|n| there(n) <= 1), "{step}");
        assert!((0..3).map(there).sum::<usize>() >= 2, "{step}");
        // In another input, the same content is another record, but for the one that is in doubt.
        let before = remote.records("events").len();
        place.done(events(3));
        let made = place.counts("events")["created"];
        assert_eq!(remote.records("events").len() as u64, before as u64 + made, "{step}");
        assert_eq!(made + place.counts("events").get("in_doubt").unwrap_or(&0), 3, "{step}");
    }
}

#[test]
fn a_retry_between_a_cut_off_job_and_the_next_makes_nothing_forgotten() {
    // The credential is refused half way, and the job ends.
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/{object}\", calls: [3], do: status, status: 401}]}",
    );
    let place = quick(Place::at(&remote, "create-only"));
    assert_eq!(place.run(events(5)).code, 3);
    let ran = place.call(&["jobs", "retry", "last", "--config", "config.json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    place.done(events(5));
    assert_eq!(remote.records("events").len(), 5);
}

#[test]
fn a_retry_does_not_send_again_what_is_in_doubt_without_an_id() {
    let remote = that_loses(1, "");
    let place = quick(Place::at(&remote, "create-only"));
    place.done(events(3));
    assert_eq!(place.counts("events"), counts([("read", 3), ("created", 2), ("in_doubt", 1)]));
    for _ in 0..2 {
        let ran = place.call(&["jobs", "retry", "last", "--config", "config.json"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(remote.records("events").len(), 3);
    }
}

#[test]
fn a_key_that_runs_out_while_the_remote_throttles_is_not_used() {
    // The remote itself forgets keys at once: a second call is a second record.
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/{object}\", calls: [1], do: reset_after},
            {on: \"POST /v1/{object}\", calls: [2], do: status, status: 429, retry_after: {seconds: 2}}]}",
    );
    let path = fixture("manifests/create-with-key.yaml");
    let manifest = std::fs::read_to_string(path).unwrap() + "      idempotency_key_secs: 1\n";
    let place = quick(Place::at(&remote, "create-with-key")).manifest(manifest);
    place.done(contacts(1));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]));
    assert_eq!(remote.records("contacts").len(), 1);
}

#[test]
fn a_conflict_that_names_no_record_does_not_end_a_doubt() {
    let remote = Remote::with(
        "{idempotency: true, faults: [{on: \"POST /v1/{object}\", calls: [1], do: reset_after},
            {on: \"POST /v1/{object}\", calls: [2], do: status, status: 409}]}",
    );
    let place = quick(Place::at(&remote, "create-with-key"));
    let input = contacts(1) + &state(&json!({"n": 1}));
    assert_eq!(place.done(&input).state().get("tap"), None);
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]));
    place.done(&input);
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("created", 1)]));
    assert_eq!(remote.records("contacts").len(), 1);
}

#[test]
fn equal_records_without_ids_of_two_jobs_are_two_though_the_remote_knows_keys() {
    let remote = Remote::with("{idempotency: true}");
    for _ in 0..2 {
        // Each with a store of its own.
        quick(Place::at(&remote, "create-with-key")).done(events(2));
    }
    assert_eq!(remote.records("events").len(), 4);
}
