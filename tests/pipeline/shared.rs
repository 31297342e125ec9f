//! Streams that are kept as one object: what one of them brings, the others know of.

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::plain::{CREATE, DELETE, LOOKUP, UPDATE, pairs};
use crate::support::{Place, Remote, counts, finish, record, schema};

/// One external id in two streams, each with a name of its own.
fn both(contact: &str, lead: &str) -> String {
    let one = |stream: &str, name: &str| record(stream, &json!({"externalId": "a", "name": name}));
    schema("contacts") + &schema("leads") + &one("contacts", contact) + &one("leads", lead)
}

/// Each stream learned by itself that its known id leads nowhere, and made the record anew.
#[test]
fn two_streams_that_miss_one_record_make_it_once() {
    let remote = Remote::with("{search_lag_ms: 900}");
    let place = Place::plain(&remote.url, &[LOOKUP, CREATE, UPDATE])
        .set("streams", json!({"*": {"object": "contacts"}}));
    place.done(both("Ann", "Anne"));
    let id = remote.records("contacts")[0]["id"].as_str().unwrap().to_owned();
    remote.delete("contacts", &id);
    place.done(both("Bea", "Beate"));
    assert_eq!(remote.held("contacts", "name"), pairs([("a", "Beate")]), "{:?}", place.results());
}

/// Both updates were under way at once, and the slow first one came last.
#[test]
fn of_two_streams_changes_to_one_record_the_last_in_the_input_stays() {
    for (mode, expected) in [("upsert", pairs([("a", "last")])), ("delete", pairs([]))] {
        let slow = "{faults: [{on: \"PATCH /v1/{object}/{id}\", calls: [2], do: slow, ms: 900}]}";
        let remote = Remote::with(slow);
        let place = Place::plain(&remote.url, &[LOOKUP, CREATE, UPDATE, DELETE])
            .set("streams", json!({"*": {"object": "contacts"}}));
        place.done(both("one", "two"));
        let leads = json!({"object": "contacts", "mode": mode});
        let place = place.set("streams", json!({"*": {"object": "contacts"}, "leads": leads}));
        place.done(both("first", "last"));
        assert_eq!(remote.faults("slow"), 1, "{mode}");
        assert_eq!(remote.calls()["max_in_flight_same_record"], 1, "{mode}");
        assert_eq!(remote.held("contacts", "name"), expected, "{mode}: {:?}", place.results());
    }
}

/// Where the external id stands is known to the manifest's templates alone.
const NO_PROPERTY: &str = r#"
version: 1
name: no-property
base_url: "{{ config.base_url }}"
auth: { type: bearer, token: "{{ config.access_token }}" }
streams:
  "*":
    lookup:
      method: POST
      path: "/v1/{{ object }}/search"
      body: { ext_id: { in: "{{ external_ids }}" } }
      rows: $.data[*]
      external_id: EXTERNAL_ID
      remote_id: $.id
      lag_secs: 1
    create:
      method: POST
      path: "/v1/{{ object }}"
      body: { ext_id: "{{ external_id }}", name: "{{ record.name }}" }
      remote_id: $.id
    update:
      method: PATCH
      path: "/v1/{{ object }}/{{ remote_id }}"
      body: { ext_id: "{{ external_id }}", name: "{{ record.name }}" }
"#;

#[test]
fn two_streams_make_one_record_where_no_property_is_named_for_their_ids() {
    for selector in ["$['ext_id']", "\"{{ row.ext_id }}\""] {
        let remote = Remote::with("{search_lag_ms: 900}");
        let place = Place::plain(&remote.url, &[])
            .manifest(NO_PROPERTY.replace("EXTERNAL_ID", selector))
            .set("streams", json!({"*": {"object": "contacts"}}));
        place.done(both("Ann", "Anne"));
        let held = remote.held("contacts", "name");
        assert_eq!(held, pairs([("a", "Anne")]), "{selector}: {:?}", place.results());
    }
}

/// The create of the first is applied and its answer lost; the lookup that asks for it is refused.
/// The other stream's lookup came before it could show what was made.
#[test]
fn what_is_in_doubt_in_one_stream_is_waited_for_in_another() {
    let remote = Remote::with(
        "{search_lag_ms: 900, faults: [
            {on: \"POST /v1/{object}\", calls: [1], do: reset_after},
            {on: \"POST /v1/{object}/search\", calls: [2], do: status, status: 400}]}",
    );
    let place = Place::plain(&remote.url, &[LOOKUP, CREATE, UPDATE])
        .set("streams", json!({"*": {"object": "contacts"}}))
        .set("max_in_flight", 1);
    place.done(both("Ann", "Anne"));
    assert_eq!((remote.faults("reset_after"), remote.faults("status")), (1, 1));
    assert_eq!(place.counts("contacts")["in_doubt"], 1, "{:?}", place.results());
    assert_eq!(remote.held("contacts", "name"), pairs([("a", "Anne")]), "{:?}", place.results());
}

/// What is under way comes to its end before another stream of its object begins; where nothing is,
/// nothing is waited for.
#[test]
fn a_stream_of_an_object_that_is_known_begins_at_once() {
    let remote = Remote::start();
    let place = Place::plain(&remote.url, &[LOOKUP, CREATE, UPDATE])
        .set("streams", json!({"*": {"object": "contacts"}}));
    let mut child = place.job().spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all((schema("contacts") + &schema("leads")).as_bytes()).unwrap();
    stdin.flush().unwrap();
    // The tap takes a moment to its first record.
    std::thread::sleep(Duration::from_millis(500));
    let one = |stream: &str| record(stream, &json!({"externalId": stream, "name": "Ann"}));
    stdin.write_all((one("contacts") + &one("leads")).as_bytes()).unwrap();
    drop(stdin);
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    let ran = finish(child, b"");
    assert_eq!(ran.code, 0, "after {:?}: {}", began.elapsed(), ran.stderr);
    let mut ids: Vec<_> = remote.held("contacts", "ext_id").into_iter().map(|(id, _)| id).collect();
    ids.sort();
    assert_eq!(ids, ["contacts", "leads"]);
}

/// What the other stream wrote in between is there, though this one wrote the same before.
#[test]
fn what_another_stream_has_written_since_is_not_unchanged() {
    for is_native in [false, true] {
        let remote = Remote::start();
        let place = if is_native {
            Place::at(&remote, "sandbox")
        } else {
            Place::plain(&remote.url, &[LOOKUP, CREATE, UPDATE])
        };
        let place = place.set("streams", json!({"*": {"object": "contacts"}}));
        let one = |stream: &str, name: &str| {
            record(stream, &json!({"externalId": "a", "ext_id": "a", "name": name}))
        };
        // In one job, over two, and after one that was killed with nothing told.
        place.done(both("first", "second") + &one("contacts", "first"));
        assert_eq!(
            remote.held("contacts", "name"),
            pairs([("a", "first")]),
            "{:?}",
            place.results()
        );
        place.done(schema("leads") + &one("leads", "second"));
        place.done(schema("contacts") + &one("contacts", "first"));
        assert_eq!(
            remote.held("contacts", "name"),
            pairs([("a", "first")]),
            "{:?}",
            place.results()
        );
        for step in ["sent:1", "recorded:1"] {
            place.dies_at(step, schema("leads") + &one("leads", step));
            place.done(schema("contacts") + &one("contacts", "first"));
            let held = remote.held("contacts", "name");
            assert_eq!(held, pairs([("a", "first")]), "{step}: {:?}", place.results());
        }
        place.done(schema("contacts") + &one("contacts", "first"));
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("unchanged", 1)]));
    }
}

#[test]
fn what_another_stream_has_deleted_is_made_again() {
    let remote = Remote::start();
    let place = Place::plain(&remote.url, &[LOOKUP, CREATE, UPDATE, DELETE]).set(
        "streams",
        json!({"*": {"object": "contacts"}, "gone": {"object": "contacts", "mode": "delete"}}),
    );
    let one = |stream: &str| record(stream, &json!({"externalId": "a", "name": "Ann"}));
    place.done(
        schema("contacts") + &schema("gone") + &one("contacts") + &one("gone") + &one("contacts"),
    );
    assert_eq!(remote.held("contacts", "name"), pairs([("a", "Ann")]), "{:?}", place.results());
    place.done(schema("gone") + &one("gone"));
    assert_eq!(remote.held("contacts", "name"), pairs([]));
    place.done(schema("contacts") + &one("contacts"));
    assert_eq!(remote.held("contacts", "name"), pairs([("a", "Ann")]), "{:?}", place.results());
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("created", 1)]));
}
