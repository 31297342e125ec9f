//! What was written a moment ago, by this job or the one before, at a remote whose lookups lag.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::odd::Odd;
use crate::support::{Place, Remote, counts, fixture, record, schema, text};

/// A remote whose searches show what was written a second later.
fn late() -> Remote {
    Remote::with("{search_lag_ms: 1000}")
}

/// Found by their email, two seconds after they were written at the latest.
fn by_email(remote: &Remote) -> Place {
    let manifest = std::fs::read_to_string(fixture("manifests/rest-conditional.yaml")).unwrap();
    let lag = "next: $.paging.next\n      lag_secs: 2";
    Place::at(remote, "sandbox")
        .manifest(manifest.replacen("next: $.paging.next", lag, 1))
        .set("client_id", "sandbox-client")
        .set("client_secret", "sandbox-secret")
        .set("retry", json!({"base_millis": 1}))
        .set("streams", json!({"*": {"lookup_fields": "email"}}))
}

fn people(records: &[Value]) -> String {
    schema("contacts") + &records.iter().map(|one| record("contacts", one)).collect::<String>()
}

/// External id, email and city of each record that the remote holds.
fn held(remote: &Remote) -> Vec<(String, String, String)> {
    let mut held: Vec<_> = remote
        .records("contacts")
        .iter()
        .map(|one| (text(&one["ext_id"]), text(&one["email"]), text(&one["city"])))
        .collect();
    held.sort();
    held
}

fn row(id: &str, email: &str, city: &str) -> (String, String, String) {
    (id.into(), email.into(), city.into())
}

#[test]
fn an_email_that_moves_to_another_record_does_not_take_the_first_record_along() {
    let remote = late();
    by_email(&remote).done(people(&[
        json!({"externalId": "a", "email": "e@x.com", "city": "Oslo"}),
        json!({"externalId": "a", "email": "e2@x.com", "city": "Oslo"}),
        json!({"externalId": "b", "email": "e@x.com", "city": "Rome"}),
    ]));
    assert_eq!(held(&remote), [row("a", "e2@x.com", "Oslo"), row("b", "e@x.com", "Rome")]);
}

#[test]
fn what_the_last_job_wrote_is_not_made_again_before_a_lookup_can_show_it() {
    let remote = late();
    let place = by_email(&remote);
    for id in ["a", "b", "c"] {
        place.done(people(&[json!({"externalId": id, "email": "e@x.com", "city": id})]));
    }
    assert_eq!(held(&remote), [row("c", "e@x.com", "c")]);
    // A job that was killed has told nobody when it ended.
    place.dies_at("recorded:1", people(&[json!({"externalId": "d", "email": "f@x.com"})]));
    place.done(people(&[json!({"externalId": "e", "email": "f@x.com"})]));
    assert_eq!(remote.records("contacts").len(), 2);
}

#[test]
fn records_of_one_email_that_are_made_anew_are_made_once() {
    let remote = late();
    let place = by_email(&remote);
    let one = |id: &str, city: &str| json!({"externalId": id, "email": "e@x.com", "city": city});
    place.done(people(&[one("a", "1"), one("b", "2")]));
    let id = text(&remote.records("contacts")[0]["id"]);
    remote.delete("contacts", &id);
    place.done(people(&[one("a", "3"), one("b", "4"), one("c", "5")]));
    assert_eq!(held(&remote), [row("c", "e@x.com", "5")]);
}

/// `rest-lookup-bulk` without the ids in what creates answer, and a lookup that lags so long.
fn untold(remote: &Remote, manifest: &str) -> Place {
    let manifest = std::fs::read_to_string(fixture(&format!("manifests/{manifest}.yaml"))).unwrap();
    let (before, create) = manifest.split_once("    create:").unwrap();
    let create = create.replacen("      remote_id: $.id\n", "", 1);
    let before = before.replace("lag_secs: 1", "lag_secs: 2");
    Place::at(remote, "sandbox").manifest(format!("{before}    create:{create}"))
}

#[test]
fn a_record_whose_id_was_never_told_is_not_made_again() {
    let remote = late();
    let place = untold(&remote, "rest-lookup-bulk");
    let one = |city: &str| json!({"externalId": "a", "email": "e@x.com", "city": city});
    place.done(people(&[one("1"), one("2")]));
    assert_eq!(held(&remote), [row("a", "e@x.com", "2")]);
    place.done(people(&[one("3")]));
    assert_eq!(held(&remote), [row("a", "e@x.com", "3")]);
    // Where nothing can find it, it is not made again either.
    let remote = Remote::start();
    let place = untold(&remote, "create-only");
    place.done(people(&[one("1")]));
    place.done(people(&[one("2")]));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("rejected", 1)]));
    assert_eq!(held(&remote), [row("a", "e@x.com", "1")]);
}

/// What a template says that ids stand in is no property: nothing but the id map tells that the
/// record was written.
#[test]
fn a_record_whose_id_was_never_told_is_not_made_again_where_its_id_is_no_property() {
    let remote = late();
    let manifest = std::fs::read_to_string(fixture("manifests/rest-lookup-bulk.yaml")).unwrap();
    let id = "external_id: \"{{ row.ext_id }}\"";
    let manifest = manifest
        .replacen("    external_id_property: ext_id\n", "", 1)
        .replacen("external_id: $.ext_id", id, 1)
        .replacen("external_id\n      remote_id: $.id", &format!("external_id\n      {id}"), 1)
        .replacen("lag_secs: 1", "lag_secs: 2", 1);
    let place = Place::at(&remote, "sandbox").manifest(manifest);
    let one = |city: &str| json!({"externalId": "a", "ext_id": "a", "city": city});
    place.done(people(&[one("1"), one("2")]));
    let held = remote.by_ext("contacts");
    assert_eq!((held.len(), &held["a"]["city"]), (1, &json!("2")));
}

#[test]
fn of_records_without_ids_that_are_made_untold_the_second_finds_the_first() {
    let remote = late();
    let manifest = std::fs::read_to_string(fixture("manifests/rest-conditional.yaml")).unwrap();
    let (before, create) = manifest.split_once("    create:").unwrap();
    let create = create
        .replacen("      remote_id: $.id\n", "", 1)
        .replacen("      stored: $\n", "", 1)
        .replacen("      read_after: true\n", "", 1);
    let before =
        before.replacen("next: $.paging.next", "next: $.paging.next\n      lag_secs: 2", 1);
    let place = by_email(&remote).manifest(format!("{before}    create:{create}"));
    let schema = json!({"type": "SCHEMA", "stream": "contacts", "key_properties": [],
        "schema": {"properties": {"email": {}, "city": {}}}});
    let one = |email: &str, city: &str| record("contacts", &json!({"email": email, "city": city}));
    let records = [one("e@x.com", "Oslo"), one("f@x.com", "Rome"), one("e@x.com", "Bergen")];
    place.done(schema.to_string() + "\n" + &records.concat());
    let held = remote.records("contacts");
    let mut held: Vec<_> =
        held.iter().map(|one| (text(&one["email"]), text(&one["city"]))).collect();
    held.sort();
    assert_eq!(
        held,
        [("e@x.com", "Bergen"), ("f@x.com", "Rome")].map(|(a, b)| (a.into(), b.into()))
    );
}

/// What two streams bring to one object is found by the same property there.
#[test]
fn two_streams_of_one_object_make_one_record_of_one_external_id() {
    for streams in [json!({"leads": {"object": "contacts"}}), json!({"*": {"object": "contacts"}})]
    {
        let remote = late();
        let place = Place::at(&remote, "rest-lookup-bulk").set("streams", streams.clone());
        let (contacts, leads) = (schema("contacts"), schema("leads"));
        let one = |stream: &str, id: &str, city: &str| {
            record(stream, &json!({"externalId": id, "email": "e@x.com", "city": city}))
        };
        // At once, and one after the other.
        let first = one("contacts", "a", "Oslo") + &one("leads", "a", "Rome");
        let then = one("leads", "b", "Bergen") + &one("contacts", "b", "Nice");
        place.done(contacts + &one("contacts", "c", "Porto") + &leads + &first + &then);
        let expected = [("a", "Rome"), ("b", "Nice"), ("c", "Porto")]
            .map(|(id, city)| row(id, "e@x.com", city));
        assert_eq!(held(&remote), expected, "{streams}: {:?}", place.results());
    }
}

/// Two streams that keep their external ids in two properties have two records of one id.
#[test]
fn two_streams_of_one_object_with_two_properties_make_two_records() {
    let remote = late();
    let manifest = std::fs::read_to_string(fixture("manifests/rest-lookup-bulk.yaml")).unwrap();
    let property = "\"{{ external_id_property }}\"";
    let manifest = manifest
        .replacen("body: { ext_id:", &format!("body: {{ {property}:"), 1)
        .replace("      external_id: $.ext_id\n", "");
    let place = Place::at(&remote, "sandbox")
        .manifest(manifest)
        .set("streams", json!({"leads": {"object": "contacts", "external_id_property": "phone"}}));
    let one = |stream: &str, city: &str| record(stream, &json!({"externalId": "7", "city": city}));
    place.done(
        schema("contacts") + &schema("leads") + &one("contacts", "Oslo") + &one("leads", "Rome"),
    );
    assert_eq!(remote.records("contacts").len(), 2);
}

/// The create is refused for it, without its id, and the lookup after that is no wiser yet.
#[test]
fn what_somebody_else_has_just_made_is_found_once_a_lookup_can_show_it() {
    let remote = Remote::with("{search_lag_ms: 1900, unique_ext_id: true}");
    let manifest = std::fs::read_to_string(fixture("manifests/rest-lookup-bulk.yaml")).unwrap();
    let manifest = manifest.replacen(", remote_id: $.error.existing_id", "", 1).replacen(
        "lag_secs: 1",
        "lag_secs: 2",
        1,
    );
    for (city, fate) in [("Oslo", "created"), ("Bergen", "updated")] {
        // Each with a store of its own.
        let place = Place::at(&remote, "sandbox").manifest(&manifest);
        place.done(people(&[json!({"externalId": "a", "city": city})]));
        assert_eq!(place.counts("contacts"), counts([("read", 1), (fate, 1)]));
    }
    assert_eq!(remote.by_ext("contacts")["a"]["city"], "Bergen");
}

/// A lookup that still showed what was gone was believed, again and again.
#[test]
fn what_is_gone_is_made_anew_once_the_lookup_shows_it_no_more() {
    let missed: Mutex<Option<Instant>> = Mutex::new(None);
    let odd = Odd::start(move |world, request| {
        let mut missed = missed.lock().unwrap();
        if request.url.path().ends_with("/search") {
            let is_shown = missed.is_none_or(|at| at.elapsed() < Duration::from_millis(900));
            let rows = world.rows.iter().filter(|row| is_shown || row["id"] != 1);
            let rows: Vec<_> = rows.cloned().collect();
            return ResponseTemplate::new(200).set_body_json(json!({"data": rows}));
        }
        if request.method == "PATCH" {
            missed.get_or_insert_with(Instant::now);
            return ResponseTemplate::new(404);
        }
        let id = world.add(serde_json::from_slice(&request.body).unwrap());
        ResponseTemplate::new(201).set_body_json(json!({"id": id}))
    });
    let manifest = std::fs::read_to_string(fixture("manifests/rest-one-by-one.yaml")).unwrap();
    let place = Place::at(&Remote::start(), "sandbox").set("base_url", odd.server.uri());
    let place = place.manifest(manifest.replacen("lag_secs: 0", "lag_secs: 1", 1));
    let one = |city: &str| people(&[json!({"externalId": "a", "city": city})]);
    odd.world().rows.push(json!({"ext_id": "a", "id": 1}));
    place.done(one("Oslo"));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("created", 1)]));
    assert_eq!(odd.world().rows.len(), 2);
}
