//! Ids of every kind: odd ones, composite ones, none, and those whose meaning is not said.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{Place, Remote, counts, fixture, record, schema, singer, text};

/// Manifests whose remotes keep the external id, in every way of writing.
const MANIFESTS: [&str; 4] = ["sandbox", "rest-one-by-one", "rest-lookup-bulk", "rest-by-ext"];

#[test]
fn each_of_46_odd_ids_arrives_as_it_is_by_every_way_of_writing() {
    let input = singer("odd_ids.jsonl");
    let records: Vec<Value> = input
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).unwrap().get("record").cloned())
        .collect();
    for manifest in MANIFESTS {
        let remote = Remote::start();
        let place = Place::at(&remote, manifest);
        place.done(&input);
        // `.` and `..` can stand in no path: every URL reader resolves them, encoded or not (URL
        // Standard, "double-dot URL path segment"). They are refused, and told.
        let in_path = u64::from(manifest == "rest-by-ext") * 2;
        let all = place.counts("contacts");
        assert_eq!(
            (all["created"], all.get("rejected").copied()),
            (46 - in_path, Some(in_path).filter(|n| *n > 0)),
            "{manifest}"
        );
        let held: BTreeMap<String, String> = remote
            .records("contacts")
            .iter()
            .map(|record| (text(&record["ext_id"]), text(&record["email"])))
            .collect();
        let sent: BTreeMap<String, String> = records
            .iter()
            .map(|record| (text(&record["externalId"]), text(&record["email"])))
            .filter(|(id, _)| in_path == 0 || !matches!(id.as_str(), "." | ".."))
            .collect();
        assert_eq!(held, sent, "{manifest}");

        // Known again, with the id map and without it.
        place.done(&input);
        assert_eq!(place.counts("contacts")["unchanged"], 46 - in_path);
        let fresh = Place::at(&remote, manifest);
        fresh.done(&input);
        assert_eq!(
            remote.records("contacts").len(),
            sent.len(),
            "{manifest}: found again by lookup"
        );
    }
}

#[test]
fn records_without_an_id_are_written_once_a_job() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.done(singer("no_ids.jsonl"));
    // Three are equal, but one of them has its fields in another order, which is another text.
    assert_eq!(place.counts("notes"), counts([("read", 8), ("created", 7), ("unchanged", 1)]));
    assert_eq!(remote.records("notes").len(), 7);
}

#[test]
fn empty_ids_are_no_ids_and_never_the_same() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.done(singer("empty_ids.jsonl"));
    assert_eq!(remote.records("contacts").len(), 5);
    assert_eq!(place.counts("contacts"), counts([("read", 5), ("created", 5)]));
}

#[test]
fn keys_of_two_fields_never_collide() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("identity", "source");
    place.done(singer("composite_key.jsonl"));
    let stream = place.results()[0]["stream"].as_str().unwrap().to_owned();
    let ids: BTreeSet<String> =
        remote.records(&stream).iter().map(|record| text(&record["ext_id"])).collect();
    assert_eq!(ids.len(), 9, "{ids:?}");
    place.done(singer("composite_key.jsonl"));
    assert_eq!(place.counts(&stream), counts([("read", 9), ("unchanged", 9)]));
}

#[test]
fn a_stream_whose_ids_could_mean_either_is_refused_with_the_two_ways_out() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let ran = place.run(singer("source_identity.jsonl"));
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("\"identity\": \"source\""), "{}", ran.stderr);
    assert!(ran.stderr.contains("\"identity\": \"platform\""), "{}", ran.stderr);
    assert_eq!(remote.calls()["records_written"], 0);

    let place = place.set("identity", "source");
    place.done(singer("source_identity.jsonl"));
    let stream = place.results()[0]["stream"].as_str().unwrap().to_owned();
    assert_eq!(remote.by_ext(&stream).len(), 12);
}

#[test]
fn the_platforms_environment_says_what_ids_mean() {
    let remote = Remote::start();
    // The remote id is the record's own; it exists.
    let place = Place::at(&remote, "sandbox");
    place.done(
        schema("contacts") + &record("contacts", &json!({"externalId": "a", "city": "Oslo"})),
    );
    let id = text(&remote.records("contacts")[0]["id"]);

    let place = Place::at(&remote, "sandbox").env("FLOW", "f").env("JOB_ID", "no-such-job");
    let schema = json!({"type": "SCHEMA", "stream": "contacts", "key_properties": ["id"],
        "schema": {"properties": {"id": {}, "city": {}}}});
    let input = format!("{schema}\n") + &record("contacts", &json!({"id": id, "city": "Bergen"}));
    place.done(input);
    let held = remote.records("contacts");
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["city"], "Bergen");
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("updated", 1)]));
}

#[test]
fn a_record_names_its_own_remote_id() {
    let remote = Remote::start();
    let place = Place::at(&remote, "rest-lookup-bulk").set("identity", "platform");
    let with_id = json!({"type": "SCHEMA", "stream": "contacts", "key_properties": [],
        "schema": {"properties": {"externalId": {}, "id": {}}}});
    let input = |id: &Value, city: &str| {
        format!("{with_id}\n")
            + &record("contacts", &json!({"externalId": "a", "id": id, "city": city}))
    };
    place.done(input(&Value::Null, "Oslo"));
    let id = remote.records("contacts")[0]["id"].clone();
    place.done(input(&id, "Bergen"));
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Bergen");
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("updated", 1)]));
}

#[test]
fn a_mapped_record_that_is_gone_is_made_again_or_refused() {
    for (on_missing, outcome, there) in [("recreate", "created", 1), ("fail", "rejected", 0)] {
        for manifest in ["rest-one-by-one", "rest-lookup-bulk"] {
            let remote = Remote::start();
            let place = Place::at(&remote, manifest)
                .set("streams", json!({"*": {"on_missing": on_missing}}));
            let input = |city: &str| {
                schema("contacts") + &record("contacts", &json!({"externalId": "a", "city": city}))
            };
            place.done(input("Oslo"));
            remote.reset();
            place.done(input("Bergen"));
            assert_eq!(place.counts("contacts")[outcome], 1, "{manifest} {on_missing}");
            assert_eq!(remote.records("contacts").len(), there);
        }
    }
}

/// An id that somebody has imported, and that an upsert by external id does not lead to: the record
/// beside it was told as an update of it.
#[test]
fn an_upsert_that_makes_another_record_than_the_known_one_is_told_as_a_create() {
    let remote = Remote::start();
    let manifest = std::fs::read_to_string(fixture("manifests/rest-by-ext.yaml")).unwrap();
    let manifest = manifest.replace("      created: \"{{ status == 201 }}\"\n", "");
    let place = Place::at(&remote, "sandbox").manifest(manifest);
    let input = |id: &str, city: &str| {
        schema("contacts") + &record("contacts", &json!({"externalId": id, "city": city}))
    };
    place.done(input("a", "Oslo"));
    let known = text(&remote.by_ext("contacts")["a"]["id"]);
    place.file("ids.csv", format!("InputId,RemoteId\nb,{known}\n"));
    let ran = place.call(&["ids", "import", "ids.csv", "--stream", "contacts"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    place.done(input("b", "Rome"));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("created", 1)]));
    let held = remote.by_ext("contacts");
    assert_eq!((held.len(), &held["a"]["city"]), (2, &json!("Oslo")));
    assert_eq!(place.results()[0]["RemoteId"], text(&held["b"]["id"]));
    // From then on it is known.
    place.done(input("b", "Nice"));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("updated", 1)]));
}
