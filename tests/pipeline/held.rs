//! What is read of a record before it is written counts for that write alone.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use crate::support::odd::{Odd, World};
use crate::support::{Place, record, schema, text};

const MANIFEST: &str = r#"
version: 1
name: held
base_url: "{{ config.base_url }}"
streams:
  people:
    external_id_property: ext_id
    lookup:
      method: POST
      path: /search
      body: { ids: "{{ external_ids }}" }
      rows: $.rows[*]
      external_id: $.ext_id
      remote_id: $.id
      lag_secs: 1
    read: { method: GET, path: "/people/{{ remote_id }}", max_ids: 1, rows: $, remote_id: $.id, lag_secs: 0 }
    create: { method: POST, path: /people, body: "{{ record }}", remote_id: $.id }
    update: { method: PATCH, path: "/people/{{ remote_id }}", body: "{{ record }}" }
"#;

fn place(odd: &Odd) -> Place {
    Place::with(json!({"connector": "rest", "base_url": odd.server.uri(), "identity": "platform",
        "retry": {"base_millis": 1}, "only_upsert_empty_fields": true}))
    .manifest(MANIFEST)
}

fn person(city: &str) -> String {
    let person = json!({"externalId": "a", "name": "Ann", "city": city});
    schema("people") + &record("people", &person)
}

/// What a remote does of itself that holds `world.rows`, of which those with a `gone` are no more.
fn answer(world: &mut World, request: &Request) -> ResponseTemplate {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let path = request.url.path();
    let id = path.rsplit('/').next().unwrap_or_default();
    let here = |row: &&mut Value| row.get("gone").is_none();
    match request.method.as_str() {
        "POST" if path == "/search" => {
            let rows: Vec<_> = world.rows.iter().filter(|row| row.get("gone").is_none()).collect();
            ResponseTemplate::new(200).set_body_json(json!({"rows": rows}))
        }
        "POST" => {
            let id = world.add(body);
            ResponseTemplate::new(201).set_body_json(json!({"id": id}))
        }
        "GET" => match world.row("id", id).filter(here) {
            Some(row) => ResponseTemplate::new(200).set_body_json(row),
            None => ResponseTemplate::new(404),
        },
        _ => match world.row("id", id).filter(here) {
            Some(row) => {
                for (name, value) in body.as_object().unwrap() {
                    row[name] = value.clone();
                }
                ResponseTemplate::new(200).set_body_json(row)
            }
            None => ResponseTemplate::new(404),
        },
    }
}

/// Name and city of what is there.
fn held(odd: &Odd) -> Vec<(String, String)> {
    let world = odd.world();
    let rows = world.rows.iter().filter(|row| row.get("gone").is_none());
    rows.map(|row| (text(&row["name"]), text(&row["city"]))).collect()
}

/// Somebody deletes the record between our read and our write, or puts another one in its place.
#[test]
fn what_was_read_of_one_record_is_not_taken_for_another() {
    for other in [None, Some(json!({"ext_id": "a", "name": "Bea"})), Some(json!({"ext_id": "a"}))] {
        let put = other.clone();
        let odd = Odd::start(move |world, request| {
            let is_read = request.method.as_str() == "GET";
            let told = answer(world, request);
            if is_read && world.rows.len() == 1 {
                world.rows[0]["gone"] = json!(true);
                put.clone().map(|row| world.add(row));
            }
            told
        });
        odd.world().add(json!({"ext_id": "a", "name": "Ann", "city": ""}));
        place(&odd).done(person("Oslo"));
        let name = other.as_ref().and_then(|row| row["name"].as_str()).unwrap_or("Ann");
        assert_eq!(held(&odd), [(name.to_owned(), "Oslo".to_owned())], "{other:?}");
    }
}

/// A search shows a record for a while that is there no more.
#[test]
fn a_record_that_cannot_be_read_any_more_is_looked_for_once_a_search_must_know_that() {
    let gone = Mutex::new(None);
    let odd = Odd::start(move |world, request| {
        let mut gone = gone.lock().unwrap();
        if request.method.as_str() == "GET" {
            gone.get_or_insert_with(Instant::now);
            world.rows[0]["gone"] = json!(true);
        }
        let is_shown =
            gone.is_none_or(|since: Instant| since.elapsed() < Duration::from_millis(900));
        if request.url.path() == "/search" && is_shown {
            return ResponseTemplate::new(200).set_body_json(json!({"rows": [world.rows[0]]}));
        }
        answer(world, request)
    });
    odd.world().add(json!({"ext_id": "a", "name": "Ann"}));
    let ran = place(&odd).done(person("Oslo"));
    assert_eq!(held(&odd), [("Ann".to_owned(), "Oslo".to_owned())], "{:?}", odd.world().asked);
    assert!(ran.stderr.contains("no record with the id `1`"), "{}", ran.stderr);
}
