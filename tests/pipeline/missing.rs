//! Records that the remote misses: of their own ids, of searches that show them too long, or after
//! it has said that they are there.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use crate::support::odd::{Odd, World};
use crate::support::plain::{
    CREATE, DELETE, FIND, KEY, LOOKUP, UPDATE, answer, here, is_create, is_search, last, pairs,
};
use crate::support::{Place, Remote, counts, record, schema, state};

fn contact(content: &Value) -> String {
    record("contacts", content)
}

/// It was made anew by every run, though the id map knew what the first had made.
#[test]
fn a_record_that_names_a_remote_id_that_is_gone_is_made_anew_once() {
    let one = |city: &str| contact(&json!({"externalId": "a", "id": "77", "city": city}));
    let remote = Remote::start();
    let place = Place::plain(&remote.url, &[CREATE, UPDATE]);
    for city in ["Oslo", "Oslo", "Rome"] {
        place.done(schema("contacts") + &one(city));
        let held = remote.held("contacts", "city");
        assert_eq!(held, pairs([("a", city)]), "{:?}", place.results());
    }
    let remote = Remote::start();
    let place = Place::plain(&remote.url, &[CREATE, UPDATE]);
    place.done(schema("contacts") + &one("Oslo") + &one("Rome"));
    assert_eq!(remote.held("contacts", "city"), pairs([("a", "Rome")]), "{:?}", place.results());
}

/// The id of the record's own led nowhere, and it was told as deleted.
#[test]
fn a_record_that_names_a_remote_id_that_is_gone_is_deleted_where_it_is() {
    let remote = Remote::start();
    let place = Place::plain(&remote.url, &[LOOKUP, CREATE, UPDATE, DELETE]);
    let input = schema("contacts") + &contact(&json!({"externalId": "a", "id": "77", "city": "x"}));
    place.done(&input);
    assert_eq!(remote.records("contacts").len(), 1);
    let place = place.set("streams", json!({"*": {"mode": "delete"}}));
    place.done(&input);
    assert_eq!(remote.held("contacts", "city"), [], "{:?}", place.results());
}

/// Somebody else's record has what must be had once, such as the email; no lookup by our id finds
/// it. That ended as `failed`, and the STATE waited for good.
#[test]
fn a_record_that_conflicts_with_what_is_never_found_is_rejected() {
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/{object}\", calls: [2, 3, 4, 5, 6, 7, 8, 9], do: status,
            status: 409, body: '{\"message\": \"the email is taken\"}'}]}",
    );
    let place = Place::plain(&remote.url, &[LOOKUP, CREATE, UPDATE]);
    let known = |city: &str| contact(&json!({"externalId": "a", "city": city}));
    place.done(schema("contacts") + &known("Oslo"));
    let new = contact(&json!({"externalId": "b", "city": "Bergen"}));
    let ran = place.done(schema("contacts") + &new + &known("Rome") + &state(&json!({"n": 1})));
    assert_eq!(remote.held("contacts", "city"), pairs([("a", "Rome")]));
    let expected = counts([("read", 2), ("updated", 1), ("rejected", 1)]);
    assert_eq!(place.counts("contacts"), expected, "{:?}", place.results());
    assert_eq!(place.results()[0]["error_class"], "InvalidPayloadError");
    assert_eq!(ran.state()["tap"], json!({"n": 1}));
}

/// Searches show for a while what has been deleted; its update was refused, and the record told as
/// rejected.
#[test]
fn a_record_that_only_a_late_search_still_shows_is_made() {
    for parts in [&[FIND, CREATE, UPDATE][..], &[LOOKUP, FIND, CREATE, UPDATE]] {
        let started = Instant::now();
        let shown = Duration::from_millis(800);
        let odd = Odd::start(move |world, request| {
            if is_search(request) && started.elapsed() < shown {
                let gone = json!({"id": "77", "email": "a@x.com", "name": "old"});
                return ResponseTemplate::new(200).set_body_json(json!({"data": [gone]}));
            }
            answer(world, request, Duration::ZERO)
        });
        let place = Place::plain(&odd.server.uri(), parts)
            .set("streams", json!({"*": {"lookup_fields": "email"}}));
        let schema = json!({"type": "SCHEMA", "stream": "contacts", "key_properties": [],
            "schema": {"properties": {"email": {}, "name": {}}}});
        let ann = contact(&json!({"email": "a@x.com", "name": "Ann"}));
        place.done(format!("{schema}\n{ann}"));
        let world = odd.world();
        let names: Vec<_> = here(&world).into_iter().map(|row| &row["name"]).collect();
        assert_eq!(names, ["Ann"], "{:?} {:?}", place.results(), world.asked);
    }
}

/// Answers of creates, by the keys they came under, of all objects.
type Keys = Mutex<HashMap<String, Value>>;

/// A remote that answers a create whose key it knows as it did the first time.
fn with_keys(keys: &Keys, world: &mut World, request: &Request) -> ResponseTemplate {
    let key = request.headers.get("Idempotency-Key").filter(|_| is_create(request));
    let Some(key) = key.map(|key| key.to_str().unwrap().to_owned()) else {
        return answer(world, request, Duration::ZERO);
    };
    let mut keys = keys.lock().unwrap();
    if let Some(known) = keys.get(&key) {
        return ResponseTemplate::new(201).set_body_json(known);
    }
    let answer = answer(world, request, Duration::ZERO);
    keys.insert(key, world.rows.last().unwrap().clone());
    answer
}

/// One that has its first record gone when that is changed.
fn that_forgets(first_create: u16) -> Odd {
    let (keys, gone, made) = (Keys::default(), AtomicBool::new(false), AtomicBool::new(false));
    Odd::start(move |world, request| {
        if request.method.as_str() == "PATCH" && !gone.swap(true, Ordering::Relaxed) {
            world.row("id", &last(request)).unwrap()["gone"] = json!(true);
        }
        let answer = with_keys(&keys, world, request);
        if is_create(request) && !made.swap(true, Ordering::Relaxed) && first_create != 201 {
            return ResponseTemplate::new(first_create);
        }
        answer
    })
}

/// It was made under the key that had made it first, which makes nothing.
#[test]
fn what_is_missed_when_its_relation_is_written_is_made_anew_under_another_key() {
    for parts in [&[LOOKUP, CREATE, KEY, UPDATE][..], &[CREATE, KEY, UPDATE]] {
        let odd = that_forgets(201);
        let relations = json!([{"field": "boss", "stream": "contacts"}]);
        let place = Place::plain(&odd.server.uri(), parts)
            .set("streams", json!({"*": {"relations": relations}}));
        let one = |id: &str, boss: &str| contact(&json!({"externalId": id, "boss": boss}));
        place.done(schema("contacts") + &one("a", "b") + &one("b", "a"));
        let mut ids: Vec<_> = odd.held("ext_id").into_iter().map(|(id, _)| id).collect();
        ids.sort();
        assert_eq!(ids, ["a", "b"], "{:?} {:?}", place.results(), odd.world().asked);
    }
}

#[test]
fn what_was_in_doubt_and_found_and_is_missed_then_is_made_anew_under_another_key() {
    let odd = that_forgets(500);
    let place = Place::plain(&odd.server.uri(), &[LOOKUP, CREATE, KEY, UPDATE]);
    place.done(schema("contacts") + &contact(&json!({"externalId": "a", "name": "Ann"})));
    // What is found is what was sent: there is nothing to change, or it is changed and missed.
    assert_eq!(odd.held("name"), pairs([("a", "Ann")]), "{:?}", place.results());
}

/// A key was made of what two stores have in common: the second was answered that its record is
/// there, and it never was.
#[test]
fn creates_of_two_stores_go_under_keys_of_their_own() {
    for (first, second) in [("contacts", "contacts"), ("people", "leads")] {
        let keys = Keys::default();
        let odd = Odd::start(move |world, request| with_keys(&keys, world, request));
        let input = schema("contacts") + &contact(&json!({"externalId": "a", "name": "Ann"}));
        let mut place = Place::plain(&odd.server.uri(), &[CREATE, KEY, UPDATE]);
        for (store, object) in [("trial.db", first), ("real.db", second)] {
            // The trial is cleaned up at the remote.
            odd.world().rows.iter_mut().for_each(|row| row["gone"] = json!(true));
            place = place.set("store", store).set("streams", json!({"*": {"object": object}}));
            place.done(&input);
            let held = odd.held("name");
            assert_eq!(held, pairs([("a", "Ann")]), "{store}: {:?}", odd.world().asked);
        }
    }
}
