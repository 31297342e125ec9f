//! What was rejected and is sent again later: old content never goes over new, by whatever the
//! record is known.

use serde_json::{Value, json};

use crate::doubt::quick;
use crate::support::{Place, Remote, record, schema, text};

fn retry(place: &Place, job: &str) {
    let ran = place.call(&["jobs", "retry", job, "--config", "config.json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

fn job_id(place: &Place) -> String {
    place.summary()["job_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_record_is_known_again_by_each_of_its_ids() {
    // Both ids, one of them, or the other: before, and after.
    for (old, new) in [("both", "remote"), ("remote", "both"), ("both", "external")] {
        let remote =
            Remote::with("{faults: [{on: \"PATCH *\", calls: [1], do: status, status: 400}]}");
        let place = quick(Place::at(&remote, "rest-one-by-one")).set("identity", "platform");
        let of = |content: &Value| schema("contacts") + &record("contacts", content);
        place.done(of(&json!({"externalId": "a", "city": "first"})));
        let id = text(&remote.records("contacts")[0]["id"]);
        let with = |which: &str, city: &str| match which {
            "both" => of(&json!({"externalId": "a", "id": id, "city": city})),
            "remote" => of(&json!({"id": id, "city": city})),
            _ => of(&json!({"externalId": "a", "city": city})),
        };
        place.done(with(old, "old"));
        let rejected = job_id(&place);
        assert_eq!(place.counts("contacts")["rejected"], 1, "{old}, then {new}");
        place.done(with(new, "new"));
        retry(&place, &rejected);
        assert_eq!(remote.by_ext("contacts")["a"]["city"], "new", "{old}, then {new}");
    }
}

#[test]
fn a_record_that_its_schema_refuses_is_known_by_its_remote_id_too() {
    let remote = Remote::start();
    let place = quick(Place::at(&remote, "rest-one-by-one")).set("identity", "platform");
    place.done(schema("contacts") + &record("contacts", &json!({"externalId": "a"})));
    let id = text(&remote.records("contacts")[0]["id"]);
    let line = |kind: &str, city: &Value| {
        let schema = json!({"type": "SCHEMA", "stream": "contacts", "key_properties": [],
            "schema": {"properties": {"id": {}, "city": {"type": kind}}}});
        format!("{schema}\n") + &record("contacts", &json!({"id": id, "city": city}))
    };
    place.done(line("integer", &json!("old")));
    assert_eq!(place.counts("contacts")["rejected"], 1);
    let rejected = job_id(&place);
    place.done(line("string", &json!("new")));
    assert_eq!(place.call(&["jobs", "rejects", &rejected]).stdout, "");
}

#[test]
fn what_a_later_job_could_not_send_stays_among_the_rejects_of_an_earlier_one() {
    // Refused; and then the credential is, at the record before it.
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/{object}\", calls: [1], do: status, status: 400},
            {on: \"POST /v1/{object}\", calls: [2], do: status, status: 401}]}",
    );
    let place = quick(Place::at(&remote, "create-only"));
    let one = |id: &str| record("contacts", &json!({"externalId": id}));
    place.done(schema("contacts") + &one("a"));
    let rejected = job_id(&place);
    assert_eq!(place.run(schema("contacts") + &one("b") + &one("a")).code, 3);
    assert_eq!(place.results()[1]["error_code"], "not_sent");
    retry(&place, &rejected);
    assert!(remote.by_ext("contacts").contains_key("a"));
}

/// A person who is known by email alone, or by email and name.
fn person(name: &str, city: &str) -> String {
    let schema = json!({"type": "SCHEMA", "stream": "people", "key_properties": [],
        "schema": {"properties": {"email": {}, "city": {}}}});
    let content = json!({"email": "e@x.com", "name": name, "city": city});
    format!("{schema}\n") + &record("people", &content)
}

/// A remote that refuses the first record that is made there, and finds it by these fields.
fn that_refuses(fields: &Value) -> (Remote, Place) {
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/{object}\", calls: [1], do: status, status: 400}]}",
    );
    let place = quick(Place::at(&remote, "sandbox")).manifest(crate::doubt::FOUND_BY_FIELDS);
    (remote, place.set("streams", json!({"*": {"lookup_fields": fields}})))
}

#[test]
fn a_record_is_known_again_by_what_it_is_found_by() {
    for fields in [json!("email"), json!(["email", "name"])] {
        let (remote, place) = that_refuses(&fields);
        place.done(person("ann", "old"));
        let rejected = job_id(&place);
        place.done(person("ann", "new"));
        retry(&place, &rejected);
        let held = remote.records("people");
        assert_eq!((held.len(), &held[0]["city"]), (1, &json!("new")), "{fields}");
    }
}

#[test]
fn a_record_is_known_again_by_another_spelling_where_the_remote_ignores_case() {
    let (_remote, place) = that_refuses(&json!("email"));
    let rows = "rows: $.data[*]\n";
    let ignoring = format!("{rows}      ignore_case: true\n");
    let place = place.manifest(crate::doubt::FOUND_BY_FIELDS.replacen(rows, &ignoring, 1));
    place.done(person("ann", "old").replace("e@x.com", "É@X.com"));
    let rejected = job_id(&place);
    assert_eq!(place.counts("people")["rejected"], 1);
    place.done(person("ann", "new").replace("e@x.com", "é@x.com"));
    assert_eq!(place.call(&["jobs", "rejects", &rejected]).stdout, "");
}

#[test]
fn a_record_that_its_schema_refuses_is_known_by_what_it_is_found_by_too() {
    let (_remote, place) = that_refuses(&json!("email"));
    let line = |kind: &str| {
        let schema = json!({"type": "SCHEMA", "stream": "people", "key_properties": [],
            "schema": {"properties": {"email": {}, "city": {"type": kind}}}});
        format!("{schema}\n") + &record("people", &json!({"email": "e@x.com", "city": "Oslo"}))
    };
    place.done(line("integer"));
    let rejected = job_id(&place);
    for _ in 0..2 {
        place.done(line("string"));
    }
    assert_eq!(place.call(&["jobs", "rejects", &rejected]).stdout, "");
}

#[test]
fn a_record_that_is_found_by_something_else_is_sent_again() {
    let (remote, place) = that_refuses(&json!(["email", "name"]));
    place.done(person("ann", "old"));
    let rejected = job_id(&place);
    place.done(person("bob", "new"));
    retry(&place, &rejected);
    assert_eq!(remote.records("people").len(), 2);
}

#[test]
fn of_records_that_are_one_the_last_is_sent_again_though_its_content_was_there_before() {
    // A, B, A: the last is refused.
    let remote = Remote::with("{faults: [{on: \"PATCH *\", calls: [2], do: status, status: 400}]}");
    let place = quick(Place::at(&remote, "sandbox")).manifest(crate::doubt::FOUND_BY_FIELDS);
    let place = place.set("streams", json!({"*": {"lookup_fields": "email"}}));
    for city in ["A", "B", "A"] {
        place.done(person("ann", city));
    }
    assert_eq!(place.counts("people")["rejected"], 1);
    retry(&place, "last");
    let held = remote.records("people");
    assert_eq!((held.len(), &held[0]["city"]), (1, &json!("A")));
}
