//! A remote id means something in its object alone: a stream that is to be written to another one
//! does not take the ids of the old one along.

use serde_json::{Value, json};

use crate::doubt::{events, quick};
use crate::support::{Place, Remote, contacts, counts, record, schema};

fn person(city: &str) -> String {
    schema("people") + &record("people", &json!({"externalId": "a", "city": city}))
}

/// The options of the stream `people`: what it is written to, and in which mode.
fn to(object: &str, mode: &str) -> Value {
    json!({"people": {"object": object, "mode": mode}})
}

/// A person at the object `persons`, and a stranger of the same remote id at `leads`.
fn moved() -> (Remote, Place) {
    let remote = Remote::start();
    quick(Place::at(&remote, "rest-one-by-one")).done(
        schema("leads") + &record("leads", &json!({"externalId": "stranger", "city": "Rome"})),
    );
    let place = quick(Place::at(&remote, "rest-one-by-one"));
    let place = place.set("streams", to("persons", "upsert"));
    place.done(person("Oslo"));
    (remote, place)
}

#[test]
fn the_ids_of_one_object_are_not_used_at_another() {
    let (remote, place) = moved();
    for mode in ["upsert", "update", "delete"] {
        for arguments in [&[][..], &["--dry-run"]] {
            let other = Place::with(place.config.clone())
                .set("store", place.path(".target-upsert/store.db").display().to_string())
                .set("streams", to("leads", mode));
            let place = arguments.iter().fold(other, |place, one| place.arg(one));
            let ran = place.run(person("Bergen"));
            assert_eq!(ran.code, 2, "{mode}: {}", ran.stderr);
            let says = |text: &str| assert!(ran.stderr.contains(text), "{text}: {}", ran.stderr);
            says("`persons`");
            says("`leads`");
            says("`namespace`");
            says("ids forget --all --stream people");
        }
    }
    let leads = remote.by_ext("leads");
    assert_eq!((leads.len(), &leads["stranger"]["city"]), (1, &json!("Rome")));
    assert_eq!(remote.by_ext("persons")["a"]["city"], "Oslo");
}

#[test]
fn another_namespace_keeps_the_ids_of_both_objects() {
    let (remote, place) = moved();
    let place = place.set("streams", to("leads", "upsert")).set("namespace", "leads");
    place.done(person("Bergen"));
    let place = place.set("streams", to("persons", "upsert")).set("namespace", Value::Null);
    place.done(person("Tromsø"));
    assert_eq!(remote.by_ext("leads")["a"]["city"], "Bergen");
    assert_eq!(remote.by_ext("leads")["stranger"]["city"], "Rome");
    assert_eq!(remote.by_ext("persons")["a"]["city"], "Tromsø");
}

#[test]
fn a_stream_whose_ids_are_forgotten_can_be_written_to_another_object() {
    let (remote, place) = moved();
    let forgot = place.call(&["ids", "forget", "--all", "--stream", "people"]);
    assert_eq!(forgot.code, 0, "{}", forgot.stderr);
    let place = place.set("streams", to("leads", "upsert"));
    place.done(person("Bergen"));
    assert_eq!(remote.by_ext("leads")["a"]["city"], "Bergen");
    assert_eq!(remote.by_ext("leads")["stranger"]["city"], "Rome");
    place.done(person("Bergen"));
    assert_eq!(place.counts("people"), counts([("read", 1), ("unchanged", 1)]));
}

#[test]
fn ids_of_the_new_object_can_be_taken_in_once_the_old_ones_are_forgotten() {
    let (remote, place) = moved();
    let forgot = place.call(&["ids", "forget", "--all", "--stream", "people"]);
    assert_eq!(forgot.code, 0, "{}", forgot.stderr);
    let id = crate::support::text(&remote.records("leads")[0]["id"]);
    place.file("ids.csv", format!("InputId,RemoteId\na,{id}\n"));
    let taken = place.call(&["ids", "import", "ids.csv", "--stream", "people"]);
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    place.set("streams", to("leads", "upsert")).done(person("Bergen"));
    let leads = remote.records("leads");
    assert_eq!((leads.len(), &leads[0]["city"]), (1, &json!("Bergen")));
}

#[test]
fn records_without_ids_that_one_object_has_are_written_to_another() {
    let remote = Remote::start();
    let to = |object: &str| json!({"events": {"object": object}});
    let place = quick(Place::at(&remote, "rest-one-by-one")).set("streams", to("old"));
    // The same input comes again, and at the old object none of it would be written again.
    assert_eq!(place.run(events(3) + "this is no message\n").code, 4);
    let place = place.set("streams", to("new"));
    place.done(events(3));
    assert_eq!((remote.records("old").len(), remote.records("new").len()), (3, 3));
}

#[test]
fn what_was_read_before_such_a_stream_is_written() {
    let (remote, place) = moved();
    let place = place.set("streams", to("leads", "upsert"));
    let ran = place.run(contacts(3) + &person("Bergen"));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert_eq!(remote.by_ext("contacts").len(), 3);
    assert_eq!(remote.by_ext("leads").len(), 1);
}

#[test]
fn a_parent_of_another_object_is_nobody_s_parent() {
    let (remote, place) = moved();
    let place = place.set(
        "streams",
        json!({"people": {"object": "leads"},
            "notes": {"relations": [{"field": "of", "stream": "people"}]}}),
    );
    let note = record("notes", &json!({"externalId": "n", "of": "a"}));
    let ran = place.run(schema("notes") + &note);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(remote.records("notes").is_empty());
}

#[test]
fn a_doubt_is_not_settled_by_another_object() {
    // The create was applied, and its job killed; the other object has nothing of it.
    for step in ["answered:1", "sent:1"] {
        let remote = Remote::start();
        let place = quick(Place::at(&remote, "rest-one-by-one"));
        let place = place.set("streams", to("persons", "upsert"));
        place.dies_at(step, person("Oslo"));
        let place = place.set("streams", to("leads", "upsert"));
        assert_eq!(place.run(person("Oslo")).code, 2, "{step}");
        assert!(remote.records("leads").is_empty(), "{step}");
        let place = place.set("streams", to("persons", "upsert"));
        place.done(person("Oslo"));
        assert_eq!(remote.by_ext("persons").len(), 1, "{step}");
    }
}
