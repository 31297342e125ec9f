//! Relations across streams: external ids go out as the remote ids of their parents, in whatever
//! order the records come.

mod circles;
mod parents;

use serde_json::{Value, json};

use crate::support::{Place, Remote, counts, record, schema, state};

fn place(remote: &Remote, relations: &Value) -> Place {
    Place::at(remote, "sandbox")
        .set("retry", json!({"base_millis": 1}))
        .set("streams", json!({"people": {"relations": relations}}))
}

fn company() -> Value {
    json!([{"field": "company", "stream": "companies"}])
}

fn boss() -> Value {
    json!([{"field": "boss", "stream": "people"}])
}

fn people(records: &[Value]) -> String {
    schema("people") + &records.iter().map(|one| record("people", one)).collect::<String>()
}

fn companies(ids: &[&str]) -> String {
    let one = |id: &&str| record("companies", &json!({"externalId": id, "name": id}));
    schema("companies") + &ids.iter().map(one).collect::<String>()
}

/// The external id of the record that `field` of a person leads to.
#[track_caller]
fn leads(remote: &Remote, person: &str, field: &str, object: &str) -> Value {
    let held = remote.by_ext("people");
    let id = held[person].get(field).cloned().unwrap_or_default();
    let to = remote.by_ext(object);
    let found = to.iter().find(|(_, record)| !id.is_null() && record["id"] == id);
    found.map_or(Value::Null, |(name, _)| json!(name))
}

fn errors(place: &Place) -> Vec<String> {
    let rows = place.results();
    rows.iter().filter_map(|row| row["error_message"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_child_finds_its_parent_before_it_and_after_it() {
    let ann = || people(&[json!({"externalId": "ann", "company": "c1", "n": 1.50})]);
    for input in [companies(&["c1"]) + &ann(), ann() + &companies(&["c1", "c2"])] {
        let remote = Remote::start();
        let place = place(&remote, &company());
        place.done(&input);
        assert_eq!(place.counts("people"), counts([("read", 1), ("created", 1)]));
        assert_eq!(leads(&remote, "ann", "company", "companies"), "c1");
        place.done(&input);
        assert_eq!(place.counts("people"), counts([("read", 1), ("unchanged", 1)]));
    }
}

#[test]
fn many_children_before_many_parents_and_some_without() {
    let remote = Remote::start();
    let place = place(&remote, &company()).set("max_buffer_bytes", 100_000);
    let children: Vec<_> = (0..3000)
        .map(|n| json!({"externalId": format!("p{n}"), "company": format!("c{}", n % 700)}))
        .collect();
    let ids: Vec<_> = (0..600).map(|n| format!("c{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    place.done(people(&children) + &companies(&ids));
    let lost = (0..3000).filter(|n| n % 700 >= 600).count() as u64;
    let expected = counts([("read", 3000), ("created", 3000 - lost), ("rejected", lost)]);
    assert_eq!(place.counts("people"), expected);
    let parents = remote.by_ext("companies");
    for (id, held) in remote.by_ext("people") {
        let n: usize = id.trim_start_matches('p').parse().unwrap();
        assert_eq!(held["company"], parents[&format!("c{}", n % 700)]["id"], "{id}");
    }
    let errors = errors(&place);
    let text = "its parent `c699` of stream `companies` (field `company`) is neither in the input \
                nor known from earlier jobs";
    assert!(errors.iter().any(|error| error == text), "{errors:?}");
}

#[test]
fn lists_and_several_fields() {
    let remote = Remote::start();
    let relations = json!([
        {"field": "company", "stream": "companies"},
        {"field": "friends", "stream": "people"},
        {"field": "number", "stream": "companies", "form": "number"},
    ]);
    let place = place(&remote, &relations);
    let input = people(&[
        json!({"externalId": "ann", "company": "c1", "friends": ["bob", "cyd"], "number": "c1"}),
        json!({"externalId": "bob", "company": null, "friends": []}),
        json!({"externalId": "cyd", "friends": ["ann"], "company": {"id": 1}}),
        json!({"externalId": "dan", "friends": ["bob"], "company": "c2"}),
    ]) + &companies(&["c1", "c2"]);
    place.done(&input);
    let counted = place.counts("people");
    assert_eq!(counted, counts([("read", 4), ("created", 2), ("rejected", 2)]));
    let held = remote.by_ext("people");
    assert_eq!((&held["bob"]["company"], &held["bob"]["friends"]), (&Value::Null, &json!([])));
    assert_eq!(held["dan"]["friends"], json!([held["bob"]["id"]]));
    let errors = errors(&place).join("\n");
    assert!(errors.contains("the id in `company` is neither"), "{errors}");
    assert!(errors.contains("its parent `cyd`"), "{errors}");
    place.done(people(&[
        json!({"externalId": "cyd", "friends": ["ann"]}),
        json!({"externalId": "ann", "company": "c1", "friends": ["bob", "cyd"], "number": "c1"}),
    ]));
    let held = remote.by_ext("people");
    let (ann, bob, cyd) = (&held["ann"], &held["bob"]["id"], &held["cyd"]);
    assert_eq!((&ann["friends"], &cyd["friends"]), (&json!([bob, cyd["id"]]), &json!([ann["id"]])));
    assert_eq!(ann["number"].to_string(), ann["company"].as_str().unwrap());
}

#[test]
fn records_of_one_id_keep_their_order_while_the_first_waits() {
    let remote = Remote::start();
    let place = place(&remote, &company());
    let input = people(&[
        json!({"externalId": "ann", "company": "late", "n": 1}),
        json!({"externalId": "ann", "n": 2}),
        json!({"externalId": "ann", "company": "none", "n": 3}),
        json!({"externalId": "ann", "n": 4}),
        json!({"externalId": "bob", "company": "none"}),
        json!({"externalId": "bob", "n": 5}),
    ]) + &companies(&["late"]);
    place.done(&input);
    let expected = counts([("read", 6), ("created", 2), ("updated", 2), ("rejected", 2)]);
    assert_eq!(place.counts("people"), expected);
    let held = remote.by_ext("people");
    assert_eq!((&held["ann"]["n"], &held["bob"]["n"]), (&json!(4), &json!(5)));
    assert_eq!(leads(&remote, "ann", "company", "companies"), "late");
}

#[test]
fn a_state_does_not_pass_a_record_that_waits() {
    let remote = Remote::start();
    let place = place(&remote, &company()).set("state", json!({"format": "tap"}));
    let input = people(&[json!({"externalId": "ann", "company": "c1"})])
        + &state(&json!({"after": "ann"}))
        + "this is no message\n"
        + &companies(&["c1"]);
    let ran = place.run(&input);
    assert_eq!((ran.code, ran.stdout.as_str()), (4, ""));
    assert_eq!(place.counts("people"), counts([("read", 1), ("failed", 1)]));
    assert!(errors(&place)[0].contains("not sent"));
    let ran = place.done(input.replace("this is no message\n", ""));
    assert_eq!(ran.stdout, "{\"after\":\"ann\"}\n");
}

#[test]
fn a_relation_that_is_new_in_the_config_is_written() {
    let remote = Remote::start();
    let input = companies(&["c1"]) + &people(&[json!({"externalId": "ann", "company": "c1"})]);
    let without = Place::at(&remote, "sandbox");
    without.done(&input);
    assert_eq!(remote.by_ext("people")["ann"]["company"], "c1");
    let with = without.set("streams", json!({"people": {"relations": company()}}));
    with.done(&input);
    assert_eq!(leads(&remote, "ann", "company", "companies"), "c1");
    let number = json!([{"field": "company", "stream": "companies", "form": "number"}]);
    let with = with.set("streams", json!({"people": {"relations": number}}));
    with.done(&input);
    assert!(remote.by_ext("people")["ann"]["company"].is_number());
    with.done(&input);
    assert_eq!(with.counts("people"), counts([("read", 1), ("unchanged", 1)]));
    // And without it again.
    with.set("streams", json!({})).done(&input);
    assert_eq!(remote.by_ext("people")["ann"]["company"], "c1");
}

#[test]
fn a_relation_that_a_record_is_found_by_stands_there_with_the_parent_s_remote_id() {
    let remote = Remote::start();
    let manifest =
        std::fs::read_to_string(crate::support::fixture("manifests/rest-conditional.yaml"));
    let options = json!({"companies": {}, "people": {
        "lookup_fields": ["company", "name"], "relations": company()}});
    let place = || {
        Place::at(&remote, "sandbox")
            .manifest(manifest.as_ref().unwrap())
            .set("client_id", "sandbox-client")
            .set("client_secret", "sandbox-secret")
            .set("streams", options.clone())
    };
    let input = |city: &str| {
        companies(&["c"]) + &people(&[json!({"company": "c", "name": "Ann", "city": city})])
    };
    let first = place();
    first.done(input("Oslo"));
    first.done(input("Rome"));
    let held = remote.records("people");
    assert_eq!((held.len(), &held[0]["city"]), (1, &json!("Rome")));
}
