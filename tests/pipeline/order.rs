//! Records of one external id are applied in input order and are never in flight twice.

use serde_json::json;

use crate::support::{Place, Remote, counts, record, schema, singer};

const MANIFESTS: [&str; 4] = ["sandbox", "rest-one-by-one", "rest-lookup-bulk", "rest-by-ext"];

#[test]
fn one_id_many_times_ends_as_its_last() {
    for manifest in MANIFESTS {
        let remote = Remote::with("{latency_jitter_ms: 5}");
        let place = Place::at(&remote, manifest);
        place.done(singer("same_id_twice.jsonl"));
        let held = remote.by_ext("contacts");
        assert_eq!(held.len(), 22, "{manifest}");
        assert_eq!(held["c-3"]["visits"], 40, "{manifest}");
        assert_eq!(held["c-3"]["city"], "Porto", "{manifest}");
        // Oslo, Bergen, Oslo: the last equals the first and must still win.
        assert_eq!(held["c-5"]["city"], "Oslo", "{manifest}");
    }
}

#[test]
fn different_ids_are_in_flight_at_once_and_the_same_one_never() {
    for manifest in MANIFESTS {
        let remote = Remote::with("{latency_ms: 10, latency_jitter_ms: 10}");
        let place = Place::at(&remote, manifest).set("batch", json!({"records": 5}));
        let mut input = schema("contacts");
        for round in 0..6 {
            for id in 0..40 {
                input += &record("contacts", &json!({"externalId": id, "visits": round}));
            }
        }
        place.done(input);
        let calls = remote.calls();
        assert_eq!(calls["max_in_flight_same_record"], 1, "{manifest}");
        assert!(
            calls["max_in_flight"].as_u64().unwrap() > 1,
            "{manifest}: nothing ran in parallel"
        );
        let held = remote.by_ext("contacts");
        assert_eq!(held.len(), 40, "{manifest}");
        assert!(held.values().all(|record| record["visits"] == 5), "{manifest}");
        assert_eq!(
            place.counts("contacts"),
            counts([("read", 240), ("created", 40), ("updated", 200)]),
            "{manifest}"
        );
    }
}

/// The remote's own id names the same record, with the user's id beside it or alone.
#[test]
fn records_of_one_remote_id_go_one_after_another() {
    let remote = Remote::with(
        "{faults: [{on: \"PATCH /v1/{object}/{id}\", calls: [1], do: slow, ms: 700}]}",
    );
    let place = Place::at(&remote, "rest-one-by-one");
    place.done(
        schema("contacts") + &record("contacts", &json!({"externalId": "a", "city": "Oslo"})),
    );
    let id = remote.records("contacts")[0]["id"].clone();
    let place = Place::at(&remote, "rest-one-by-one");
    place.done(
        schema("contacts")
            + &record("contacts", &json!({"externalId": "a", "id": id, "city": "Rome"}))
            + &record("contacts", &json!({"id": id, "city": "Bergen"})),
    );
    assert_eq!(remote.faults("slow"), 1);
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Bergen", "{:?}", place.results());
    assert_eq!(remote.calls()["max_in_flight_same_record"], 1);
}
