//! Creates whose fate is open: looked up in time, sent again only where that is safe.

use serde_json::json;

use crate::support::{Place, Remote, contacts, counts, record, schema, state};

fn quick(place: Place) -> Place {
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
    assert_eq!(place.counts("contacts"), counts([("read", 8), ("created", 7), ("failed", 1)]));
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
