//! A remote that says what is not so: that it has done what it has not, or kept what it has cut.

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{body, last, merge, ok, people, query};
use crate::support::odd::Odd;
use crate::support::{counts, text};

/// It says 204 to an update of what is not there and to a delete that it does not do, 500 to a
/// record that is there already, and shows back what was sent while it keeps five letters of it.
fn liar() -> Odd {
    Odd::start(|world, request| {
        let short = |row: &Value| {
            let mut row = row.clone();
            if let Some(name) = row["name"].as_str() {
                row["name"] = json!(name.chars().take(5).collect::<String>());
            }
            row
        };
        match request.method.as_str() {
            "POST" => {
                let sent = body(request);
                if world.row("ref", sent["ref"].as_str().unwrap()).is_some() {
                    let text = "IntegrityError: UNIQUE constraint failed: people.ref";
                    return ResponseTemplate::new(500).set_body_string(text);
                }
                let id = world.add(short(&sent));
                let mut shown = sent;
                shown["id"] = json!(id);
                ResponseTemplate::new(201).set_body_json(shown)
            }
            "PATCH" => {
                let change = short(&body(request));
                if let Some(row) = world.row("id", &last(request)) {
                    merge(row, &change);
                }
                ResponseTemplate::new(204)
            }
            "DELETE" => ResponseTemplate::new(204),
            // A filter that it does not understand is no filter.
            _ => {
                let (name, values) = query(request).remove(0);
                let values: Vec<_> = values.split(',').collect();
                let is_asked =
                    |row: &&Value| name != "id" || values.contains(&text(&row["id"]).as_str());
                ok(&world.rows.iter().filter(is_asked).cloned().collect())
            }
        }
    })
}

const LIES: &str = "When the remote lies";

#[test]
fn what_a_liar_keeps_otherwise_is_told_and_sent_again() {
    let odd = liar();
    let place = odd.place(LIES);
    let records =
        [json!({"externalId": "a", "name": "Ann"}), json!({"externalId": "b", "name": "Barbara"})];
    place.done(people(&records));
    assert_eq!(place.counts("people"), counts([("read", 2), ("created", 1), ("failed", 1)]));
    let told = place.read("results.jsonl");
    assert!(
        told.contains("`name` was sent as \\\"Barbara\\\" and is held as \\\"Barba\\\""),
        "{told}"
    );
    place.done(people(&records));
    assert_eq!(place.counts("people"), counts([("read", 2), ("unchanged", 1), ("failed", 1)]));
    assert_eq!(odd.world().rows.len(), 2);
}

/// What is there is there, whatever it looks like: others can name it.
#[test]
fn a_child_of_a_parent_that_a_liar_keeps_otherwise_is_written() {
    let odd = liar();
    let relations = json!([{"field": "boss", "stream": "people"}]);
    let place = odd.place(LIES).set("streams", json!({"people": {"relations": relations}}));
    place.done(people(&[
        json!({"externalId": "a", "name": "Ann", "boss": "b"}),
        json!({"externalId": "b", "name": "Barbara"}),
    ]));
    assert_eq!(place.counts("people"), counts([("read", 2), ("created", 1), ("failed", 1)]));
    let mut world = odd.world();
    let boss = text(&world.row("ref", "b").unwrap()["id"]);
    assert_eq!(world.row("ref", "a").unwrap()["boss"], boss);
}

#[test]
fn what_a_liar_has_already_is_updated_and_what_it_lost_is_made_again() {
    let odd = liar();
    let place = odd.place(LIES);
    place.done(people(&[json!({"externalId": "a", "name": "Ann"})]));
    // Somebody deletes it behind our back; the update is answered with 204 all the same.
    odd.world().rows[0] = json!({"id": 77, "ref": "stranger", "name": "Sue"});
    place.done(people(&[json!({"externalId": "a", "name": "Anna"})]));
    assert_eq!(place.counts("people"), counts([("read", 1), ("created", 1)]));
    assert_eq!(odd.world().row("ref", "a").unwrap()["name"], "Anna");
    assert_eq!(odd.world().row("ref", "stranger").unwrap()["name"], "Sue");
    // The filter by `ref` shows all; the record that a lost id map does not know is found all the
    // same. Were the lookup blind, the 500 would tell.
    std::fs::remove_dir_all(place.path(".target-upsert")).unwrap();
    place.done(people(&[json!({"externalId": "a", "name": "Ana"})]));
    assert_eq!(place.counts("people"), counts([("read", 1), ("updated", 1)]));
    assert_eq!(odd.world().rows.len(), 2);
}

#[test]
fn a_duplicate_that_is_told_as_a_500_is_found_and_updated() {
    // The lookup shows a record only once it was asked for twice: what is new to it looks missing.
    let odd = Odd::start(|world, request| match request.method.as_str() {
        "POST" => {
            let text = "IntegrityError: UNIQUE constraint failed: people.ref";
            ResponseTemplate::new(500).set_body_string(text)
        }
        "PATCH" => {
            merge(world.row("id", &last(request)).unwrap(), &body(request));
            ResponseTemplate::new(204)
        }
        _ => {
            let asked = world.asked.iter().filter(|asked| asked.contains("?ref=")).count();
            let rows: Vec<_> = world.rows.iter().filter(|_| asked > 1).collect();
            ok(&json!(rows))
        }
    });
    odd.world().add(json!({"ref": "a", "name": "Old"}));
    let place = odd.place(LIES);
    place.done(people(&[json!({"externalId": "a", "name": "New"})]));
    assert_eq!(place.counts("people"), counts([("read", 1), ("updated", 1)]));
    assert_eq!(odd.world().rows, [json!({"id": 1, "ref": "a", "name": "New"})]);
}

#[test]
fn a_delete_that_was_none_is_told() {
    let odd = liar();
    odd.place(LIES).done(people(&[json!({"externalId": "a", "name": "Ann"})]));
    let place = odd.place(LIES).set("streams", json!({"*": {"mode": "delete"}}));
    place.done(people(&[json!({"externalId": "a"})]));
    assert_eq!(place.counts("people"), counts([("read", 1), ("failed", 1)]));
    assert!(place.read("results.jsonl").contains("still has it"));
}
