//! Creates that a killed job has left: they are asked for as that job would have asked, or not at
//! all.

use serde_json::{Value, json};

use crate::aftermath::WITHOUT_LOOKUP;
use crate::doubt::{FOUND_BY_FIELDS, quick};
use crate::support::{Place, Remote, counts, fixture, record, schema};

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
fn a_killed_create_is_asked_for_until_a_lookup_can_show_it() {
    // What is not found counts as not created, and by the new config nothing would find it then.
    let remote = Remote::with("{search_lag_ms: 900}");
    let place = quick(Place::at(&remote, "sandbox")).manifest(FOUND_BY_FIELDS);
    let place = place.set("streams", by(&json!("email")));
    place.dies_at("answered:1", person(Some("a")));
    let place = place.set("streams", json!({}));
    place.done(person(Some("a")));
    assert_eq!(remote.records("people").len(), 1);
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

#[test]
fn the_outcome_of_a_record_without_its_relations_is_none_of_the_create_after_it() {
    // Two that name each other: the first is made without its relation, in one call or in the
    // second that is tried; it is gone when it is to be completed, is made anew, and the job dies
    // with that.
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

/// What is known of a batch says nothing of its other pieces: they are in doubt until the last is
/// known.
#[test]
fn the_last_piece_of_a_halved_batch_that_a_killed_job_had_sent_is_in_doubt() {
    let remote = Remote::with("{all_or_nothing: true}");
    let bulk = std::fs::read_to_string(fixture("manifests/rest-lookup-bulk.yaml")).unwrap();
    let (before, lookup) = bulk.split_once("    lookup:").unwrap();
    let (_, after) = lookup.split_once("    create:").unwrap();
    let place = quick(Place::at(&remote, "sandbox")).set("batch", json!({"secs": 60}));
    let place = place.manifest(format!("{before}    create:{after}"));
    // The first one is refused, alone in the third call; the fifth has the last two.
    let email = |n: usize| if n == 0 { "no address" } else { "a@x.com" };
    let one = |n| record("people", &json!({"externalId": format!("p{n}"), "email": email(n)}));
    let input = schema("people") + &(0..4).map(one).collect::<String>();
    place.dies_at("answered:5", &input);
    assert_eq!(remote.by_ext("people").len(), 3);
    place.done(&input);
    let expected = counts([("read", 4), ("unchanged", 1), ("rejected", 1), ("in_doubt", 2)]);
    assert_eq!(place.counts("people"), expected);
    assert_eq!(remote.records("people").len(), 3);
}
