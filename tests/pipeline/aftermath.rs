//! What a try without an answer leaves behind, whatever comes after it: another answer, another
//! job, other content, an older state.

use serde_json::{Value, json};

use crate::support::{Place, Remote, contacts, counts, fixture, record, schema, text};

fn quick(place: Place) -> Place {
    place.set("retry", json!({"base_millis": 1, "attempts": 3})).set("max_in_flight", 1)
}

/// One record, of this city.
fn of(city: &str) -> String {
    schema("contacts") + &record("contacts", &json!({"externalId": "a", "city": city}))
}

fn manifest(name: &str) -> String {
    std::fs::read_to_string(fixture("manifests").join(format!("{name}.yaml"))).unwrap()
}

/// Makes and changes records, and can find none.
pub(crate) const WITHOUT_LOOKUP: &str = r#"
version: 1
name: without-lookup
base_url: "{{ config.base_url }}"
auth: { type: bearer, token: "{{ config.access_token }}" }
streams:
  "*":
    external_id_property: ext_id
    create: { method: POST, path: "/v1/{{ object }}", body: "{{ record }}", remote_id: $.id }
    update: { method: PATCH, path: "/v1/{{ object }}/{{ remote_id }}", body: "{{ record }}" }
"#;

#[test]
fn a_create_in_doubt_stays_so_however_its_next_try_is_refused() {
    let refusals = [
        ("status: 400", 0),
        ("status: 403", 3),
        ("status: 401", 3),
        ("status: 429, retry_after: {seconds: 4000}", 3),
    ];
    for (refusal, code) in refusals {
        let remote = Remote::with(&format!(
            "{{idempotency: true, faults: [{{on: \"POST /v1/{{object}}\", calls: [1], do: reset_after}},
                {{on: \"POST /v1/{{object}}\", calls: [2], do: status, {refusal}}}]}}"
        ));
        let place = quick(Place::at(&remote, "create-with-key"));
        assert_eq!(place.run(of("Oslo")).code, code, "{refusal}");
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]), "{refusal}");
        // Other content is no other record.
        place.done(of("Bergen"));
        assert_eq!(remote.records("contacts").len(), 1, "{refusal}");
        // The same content is known under its key.
        place.done(of("Oslo"));
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("created", 1)]), "{refusal}");
        assert_eq!(remote.records("contacts").len(), 1, "{refusal}");
    }
}

/// The remote counts a key's life from its first call, in whichever job that was.
#[test]
fn a_key_that_is_used_again_lives_no_longer() {
    let remote = Remote::with(
        "{idempotency: true, faults: [{on: \"POST /v1/{object}\", calls: [1, 2], do: reset_after}]}",
    );
    let manifest = manifest("create-with-key") + "      idempotency_key_secs: 3\n";
    let place = quick(Place::at(&remote, "sandbox")).manifest(manifest);
    let place = place.set("retry", json!({"base_millis": 1, "attempts": 1}));
    for pause in [1_800, 1_800, 0] {
        place.run(of("Oslo"));
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]));
        std::thread::sleep(std::time::Duration::from_millis(pause));
    }
}

#[test]
fn a_record_that_may_have_been_deleted_is_not_unchanged() {
    let remote = Remote::with(
        "{faults: [{on: \"DELETE *\", calls: [1], do: reset_after},
            {on: \"DELETE *\", calls: [2], do: status, status: 400}]}",
    );
    let place = quick(Place::at(&remote, "rest-one-by-one"));
    place.done(of("Oslo"));
    let place = place.set("streams", json!({"*": {"mode": "delete"}}));
    place.done(of("Oslo"));
    assert!(remote.records("contacts").is_empty());
    place.set("streams", json!({})).done(of("Oslo"));
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Oslo");
}

/// A remote that had the record, and a place that knows it by an id that is gone.
fn gone(faults: &str) -> (Remote, Place) {
    let remote = Remote::with(faults);
    let place = quick(Place::at(&remote, "sandbox")).manifest(WITHOUT_LOOKUP);
    place.done(of("Oslo"));
    remote.delete("contacts", &text(&remote.records("contacts")[0]["id"]));
    (remote, place)
}

#[test]
fn what_is_made_anew_and_lost_is_in_doubt_and_neither_unchanged_nor_made_again() {
    let (remote, place) =
        gone("{faults: [{on: \"POST /v1/{object}\", calls: [2], do: reset_after}]}");
    for city in ["Bergen", "Oslo", "Bergen"] {
        place.done(of(city));
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]), "{city}");
        assert_eq!(remote.by_ext("contacts")["a"]["city"], "Bergen");
    }
}

#[test]
fn a_job_that_dies_while_it_makes_a_record_anew_leaves_it_in_doubt() {
    let (remote, place) = gone("{}");
    place.dies_at("answered:2", of("Bergen"));
    assert_eq!(remote.records("contacts").len(), 1);
    place.done(of("Bergen"));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]));
    assert_eq!(remote.records("contacts").len(), 1);
}

#[test]
fn what_is_made_anew_and_refused_is_not_what_was_there_before() {
    let (remote, place) =
        gone("{faults: [{on: \"POST /v1/{object}\", calls: [2], do: status, status: 400}]}");
    place.done(of("Bergen"));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("rejected", 1)]));
    place.done(of("Oslo"));
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Oslo");
}

#[test]
fn a_record_that_was_deleted_is_made_again_under_another_key() {
    let remote = Remote::with("{idempotency: true}");
    let delete = "    delete: { method: DELETE, path: '/v1/{{ object }}/{{ remote_id }}' }\n";
    let place = quick(Place::at(&remote, "sandbox")).manifest(manifest("create-with-key") + delete);
    place.done(of("Oslo"));
    let place = place.set("streams", json!({"*": {"mode": "delete"}}));
    place.done(of("Oslo"));
    assert!(remote.records("contacts").is_empty());
    place.set("streams", json!({})).done(of("Oslo"));
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Oslo");
}

#[test]
fn an_older_state_tells_nothing_of_content_that_the_store_knows() {
    // A remote that tells no ids.
    let remote = Remote::start();
    let silent = manifest("rest-by-ext").replace("      remote_id: $.id\n", "");
    let place = quick(Place::at(&remote, "sandbox")).manifest(silent);
    let before = place.done(of("Oslo")).state();
    place.file("before.json", before.to_string());
    place.done(of("Bergen"));
    place.arg("--state").arg("before.json").done(of("Oslo"));
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Oslo");
}

#[test]
fn a_leftover_that_cannot_be_asked_for_holds_up_nothing_else() {
    let refused: Vec<usize> = (2..40).collect();
    let remote = Remote::with(&format!(
        "{{faults: [{{on: \"POST /v1/contacts/search\", calls: {refused:?}, do: status, status: 404}}]}}"
    ));
    let place = quick(Place::at(&remote, "rest-one-by-one"));
    place.dies_at("intended:1", of("Oslo"));
    let company = record("companies", &json!({"externalId": "c"}));
    place.done(schema("companies") + &company);
    assert_eq!(remote.by_ext("companies").len(), 1);
    // Itself it is not sent before it could be asked for.
    place.run(of("Oslo"));
    assert!(remote.records("contacts").is_empty());
}

#[test]
fn a_leftover_that_the_lookup_refuses_stands_alone() {
    // Of three that a killed job left, the first is in every lookup that is refused.
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/*/search\", calls: [2, 3], do: status, status: 400}]}",
    );
    let place = quick(Place::at(&remote, "rest-lookup-bulk"));
    place.dies_at("sent:1", contacts(3));
    assert_eq!(remote.records("contacts").len(), 3);
    place.done(contacts(3));
    let held = remote.by_ext("contacts");
    assert_eq!(held.len(), 3);
}

#[test]
fn what_a_later_job_has_sent_is_not_among_the_rejects_of_an_earlier_one() {
    let remote = Remote::with(
        "{faults: [{on: \"PATCH *\", calls: [1, 2, 3], do: status, status: 500},
            {on: \"PATCH *\", calls: [4, 5, 6], do: status_after, status: 500}]}",
    );
    let place = quick(Place::at(&remote, "rest-one-by-one"));
    place.done(of("Oslo"));
    place.run(of("Bergen"));
    let first = place.summary()["job_id"].as_str().unwrap().to_owned();
    place.run(of("Tromsø"));
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Tromsø");
    let rejects = |job: &str| {
        let told = place.call(&["jobs", "rejects", job]).stdout;
        let lines = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["type"] == "RECORD").count()
    };
    assert_eq!((rejects(&first), rejects("last")), (0, 1));
}

#[test]
fn a_state_that_tells_of_a_lost_update_after_a_success_keeps_neither_for_sure() {
    let remote = Remote::with(
        "{faults: [{on: \"PATCH *\", calls: [1, 2, 3], do: status_after, status: 500}]}",
    );
    let place = quick(Place::at(&remote, "rest-one-by-one"));
    // Two versions in one input: the second is applied, and its answers are lost.
    let second = record("contacts", &json!({"externalId": "a", "city": "Bergen"}));
    let told = place.done(of("Oslo") + &second).state();
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Bergen");
    let other = quick(Place::at(&remote, "rest-one-by-one"));
    let path = other.file("before.json", told.to_string());
    other.arg("--state").arg(path.to_str().unwrap()).done(of("Oslo"));
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Oslo");
}

/// Makes records, and puts them by an external id.
const CREATE_AND_UPSERT: &str = r#"
version: 1
name: create-and-upsert
base_url: "{{ config.base_url }}"
auth: { type: bearer, token: "{{ config.access_token }}" }
streams:
  "*":
    external_id_property: ext_id
    create: { method: POST, path: "/v1/{{ object }}", body: "{{ record }}", remote_id: $.id }
    upsert:
      method: PUT
      path: "/v1/{{ object }}/by-ext/{{ external_id }}"
      body: "{{ record }}"
      external_id: $.ext_id
      remote_id: $.id
"#;

#[test]
fn a_create_in_doubt_is_remembered_where_the_remote_could_upsert_too() {
    let lost = "{faults: [{on: \"POST /v1/{object}\", calls: [2], do: reset_after}]}";
    for kills in [false, true] {
        let remote = Remote::with(if kills { "{}" } else { lost });
        let place = quick(Place::at(&remote, "sandbox")).manifest(CREATE_AND_UPSERT);
        let place = place.set("streams", json!({"*": {"mode": "insert"}}));
        let other = schema("contacts") + &record("contacts", &json!({"externalId": "b"}));
        place.done(other);
        if kills {
            place.dies_at("sent:1", of("Oslo"));
        } else {
            place.run(of("Oslo"));
        }
        for _ in 0..2 {
            place.done(of("Oslo"));
            assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]));
            assert_eq!(remote.by_ext("contacts").len(), 2, "{kills}");
            assert_eq!(remote.records("contacts").len(), 2, "{kills}");
        }
        // By upsert it can be settled.
        place.set("streams", json!({})).done(of("Bergen"));
        assert_eq!(remote.records("contacts").len(), 2);
        assert_eq!(remote.by_ext("contacts")["a"]["city"], "Bergen");
    }
}

#[test]
fn an_upsert_without_an_answer_is_not_inserted() {
    let remote = Remote::with(
        "{faults: [{on: \"PUT *\", calls: [1, 2, 3], do: status_after, status: 500}]}",
    );
    let place = quick(Place::at(&remote, "sandbox")).manifest(CREATE_AND_UPSERT);
    place.run(of("Oslo"));
    place.set("streams", json!({"*": {"mode": "insert"}})).done(of("Oslo"));
    assert_eq!(remote.records("contacts").len(), 1);
}

#[test]
fn an_id_that_comes_back_does_not_end_a_doubt() {
    // The record is deleted, made anew, and the answer lost; then an older state tells the old id.
    let faults = "{faults: [{on: \"POST /v1/{object}\", calls: [2], do: reset_after}]}";
    let remote = Remote::with(faults);
    let place = quick(Place::at(&remote, "sandbox")).manifest(WITHOUT_LOOKUP);
    let told = place.done(of("Oslo")).state();
    place.file("before.json", told.to_string());
    remote.delete("contacts", &text(&remote.records("contacts")[0]["id"]));
    place.done(of("Bergen"));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]));
    let place = place.arg("--state").arg("before.json");
    for city in ["Oslo", "Bergen", "Oslo"] {
        place.done(of(city));
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]), "{city}");
        assert_eq!(remote.records("contacts").len(), 1, "{city}");
    }
}

#[test]
fn a_kill_does_not_bring_back_what_was_known_of_a_record_that_is_gone() {
    // Written, and gone when it is written again; the job dies before it is made anew.
    let remote = Remote::with("{faults: [{on: \"PATCH *\", calls: [1], do: status, status: 404}]}");
    let place = quick(Place::at(&remote, "sandbox")).manifest(WITHOUT_LOOKUP);
    let second = record("contacts", &json!({"externalId": "a", "city": "Tromsø"}));
    place.dies_at("intended:3", of("Bergen") + &second);
    remote.delete("contacts", &text(&remote.records("contacts")[0]["id"]));
    // The first content once more is not what stands there.
    place.done(of("Bergen"));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]));
}

#[test]
fn of_records_without_ids_that_are_one_at_the_remote_the_last_content_counts() {
    let remote = Remote::start();
    let place =
        Place::at(&remote, "sandbox").set("streams", json!({"*": {"lookup_fields": "email"}}));
    let people = |cities: &[&str]| {
        let schema = json!({"type": "SCHEMA", "stream": "people", "key_properties": [],
            "schema": {"properties": {"email": {}, "city": {}}}});
        let one = |city: &&str| record("people", &json!({"email": "e@x.com", "city": city}));
        format!("{schema}\n") + &cities.iter().map(one).collect::<String>()
    };
    let city = || text(&remote.records("people")[0]["city"]);
    place.done(people(&["A", "B", "A"]));
    assert_eq!((remote.records("people").len(), city()), (1, "A".to_owned()));
    let told = place.done(people(&["A", "B"])).state();
    assert_eq!(city(), "B");
    place.file("before.json", told.to_string());
    place.arg("--state").arg("before.json").done(people(&["A"]));
    assert_eq!(city(), "A");
}

#[test]
fn a_retry_does_not_put_old_content_over_new_for_records_with_a_remote_id_alone() {
    let remote = Remote::with("{faults: [{on: \"PATCH *\", calls: [1], do: status, status: 400}]}");
    let place = quick(Place::at(&remote, "rest-one-by-one"));
    place.done(of("Oslo"));
    let id = text(&remote.records("contacts")[0]["id"]);
    let place = place.set("identity", "platform");
    let with_id = |city: &str| record("contacts", &json!({"id": id, "city": city}));
    place.done(schema("contacts") + &with_id("v1") + &with_id("v2"));
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("updated", 1), ("rejected", 1)]));
    let ran = place.call(&["jobs", "retry", "last", "--config", "config.json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "v2");
}
