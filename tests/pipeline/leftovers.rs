//! Creates that a killed job has left: they are asked for as that job would have asked, or not at all.

use serde_json::{Value, json};

use crate::doubt::{FOUND_BY_FIELDS, quick};
use crate::support::{Place, Remote, counts, record, schema};

/// A person with an email and a phone, and with an external id or none.
fn person(id: Option<&str>) -> String {
    let mut content = json!({"email": "e@x.com", "city": "Oslo"});
    if let Some(id) = id {
        content["externalId"] = json!(id);
    }
    schema("people") + &record("people", &content)
}

fn by(fields: &Value) -> Value {
    json!({"*": {"lookup_fields": fields}})
}

#[test]
fn a_killed_create_is_asked_for_by_the_fields_that_its_job_had() {
    for id in [None, Some("a")] {
        for after in [by(&json!("phone")), by(&json!(["phone", "email"])), json!({})] {
            let remote = Remote::start();
            let place = quick(Place::at(&remote, "sandbox")).manifest(FOUND_BY_FIELDS);
            let place = place.set("streams", by(&json!("email")));
            place.dies_at("answered:1", person(id));
            assert_eq!(remote.records("people").len(), 1);
            let place = place.set("streams", after.clone());
            place.done(person(id));
            assert_eq!(remote.records("people").len(), 1, "{id:?} {after}");
        }
    }
}

#[test]
fn a_killed_create_that_can_be_asked_for_no_more_is_in_doubt() {
    for id in [None, Some("a")] {
        let remote = Remote::start();
        let place = quick(Place::at(&remote, "sandbox")).manifest(FOUND_BY_FIELDS);
        let place = place.set("streams", by(&json!("email")));
        place.dies_at("answered:1", person(id));
        let (before, finding) = FOUND_BY_FIELDS.split_once("    find:").unwrap();
        let (_, after) = finding.split_once("    create:").unwrap();
        let blind = format!("{before}    create:{after}");
        let place = place.manifest(blind).set("streams", json!({}));
        for _ in 0..2 {
            place.done(person(id));
            assert_eq!(place.counts("people"), counts([("read", 1), ("in_doubt", 1)]), "{id:?}");
            assert_eq!(remote.records("people").len(), 1, "{id:?}");
        }
    }
}

/// Makes and changes records, and can find none.
const WITHOUT_LOOKUP: &str = r#"
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
fn the_outcome_of_a_record_without_its_relations_is_none_of_the_create_after_it() {
    // Two that name each other: the first is made without its relation, in one call or in the second
    // that is tried; it is gone when it is to be completed, is made anew, and the job dies with that.
    for (faults, step) in [("", 4), ("{on: 'POST *', calls: [1], do: status, status: 423},", 5)] {
        let remote = Remote::with(&format!(
            "{{faults: [{faults} {{on: 'PATCH *', do: status, status: 404}}]}}"
        ));
        let busy = "answers: [{ when: \"{{ status == 423 }}\", is: busy }]\nstreams:";
        let manifest = WITHOUT_LOOKUP.replace("streams:", busy);
        let relations = json!({"p": {"relations": [{"field": "friend", "stream": "p"}]}});
        let place = quick(Place::at(&remote, "sandbox")).manifest(manifest);
        let place = place.set("streams", relations);
        let one =
            |id: &str, friend: &str| record("p", &json!({"externalId": id, "friend": friend}));
        let input = schema("p") + &one("a", "b") + &one("b", "a");
        place.dies_at(&format!("answered:{step}"), &input);
        assert_eq!(remote.records("p").len(), 3);
        for _ in 0..2 {
            place.done(&input);
            assert_eq!(place.counts("p")["in_doubt"], 1, "{step}");
            assert_eq!(remote.records("p").len(), 3, "{step}");
        }
    }
}
