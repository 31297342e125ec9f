//! Relations across streams: external ids go out as the remote ids of their parents, in whatever
//! order the records come.

use serde_json::{Value, json};

use crate::support::{Place, Remote, counts, record, schema, state, text};

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
fn a_child_of_a_rejected_parent_is_rejected_by_name_and_so_is_its_own() {
    for parent_first in [true, false] {
        let remote = Remote::start();
        let relations = json!([{"field": "boss", "stream": "people"}]);
        let place = place(&remote, &relations);
        let mut records = vec![
            json!({"externalId": "top", "email": "no address"}),
            json!({"externalId": "mid", "boss": "top"}),
            json!({"externalId": "low", "boss": "mid"}),
            json!({"externalId": "free"}),
        ];
        if !parent_first {
            records.reverse();
        }
        place.done(people(&records));
        assert_eq!(place.counts("people"), counts([("read", 4), ("created", 1), ("rejected", 3)]));
        let errors = errors(&place).join("\n");
        assert!(errors.contains("its parent `top` of stream `people` (field `boss`) was not written (rejected): `email` is not an address"), "{errors}");
        assert!(errors.contains("its parent `mid`"), "{errors}");
        // Mended and piped in again, all three are written.
        let rejects = place.read("rejects.jsonl").replace("no address", "top@x.com");
        place.done(rejects);
        assert_eq!(place.counts("people"), counts([("read", 3), ("created", 3)]));
        assert_eq!(leads(&remote, "low", "boss", "people"), "mid");
    }
}

#[test]
fn circles_are_broken_by_writing_one_twice() {
    let remote = Remote::start();
    let place = place(&remote, &boss());
    let input = people(&[
        json!({"externalId": "tail", "boss": "a"}),
        json!({"externalId": "a", "boss": "b"}),
        json!({"externalId": "b", "boss": "c"}),
        json!({"externalId": "c", "boss": "a"}),
        json!({"externalId": "self", "boss": "self"}),
        json!({"externalId": "x", "boss": "y"}),
        json!({"externalId": "y", "boss": "x"}),
    ]);
    place.done(&input);
    assert_eq!(place.counts("people"), counts([("read", 7), ("created", 7)]));
    let pairs = [
        ("tail", "a"),
        ("a", "b"),
        ("b", "c"),
        ("c", "a"),
        ("self", "self"),
        ("x", "y"),
        ("y", "x"),
    ];
    for (person, boss) in pairs {
        assert_eq!(leads(&remote, person, "boss", "people"), boss, "{person}");
    }
    // One of each circle was written twice, nobody else.
    let calls = remote.calls();
    assert_eq!((&calls["records_created"], &calls["records_updated"]), (&json!(7), &json!(3)));
    place.done(&input);
    assert_eq!(place.counts("people"), counts([("read", 7), ("unchanged", 7)]));
}

#[test]
fn a_circle_with_a_bad_record_ends_with_its_name() {
    let remote = Remote::start();
    let place = place(&remote, &boss());
    place.done(people(&[
        json!({"externalId": "a", "boss": "b"}),
        json!({"externalId": "b", "boss": "a", "email": "no address"}),
    ]));
    assert_eq!(
        place.counts("people"),
        counts([("read", 2), ("rejected", 1), ("failed", 1)]),
        "{:?}",
        place.results()
    );
    let errors = errors(&place).join("\n");
    assert!(errors.contains("not in full: its parent `b`"), "{errors}");
    // Mended, both are whole, and nothing is there twice.
    let rejects = place.read("rejects.jsonl").replace("no address", "b@x.com");
    place.done(rejects);
    assert_eq!(leads(&remote, "a", "boss", "people"), "b");
    assert_eq!(leads(&remote, "b", "boss", "people"), "a");
    assert_eq!(remote.records("people").len(), 2);
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
fn parents_of_earlier_jobs_come_from_the_id_map_and_from_snapshots() {
    let remote = Remote::start();
    let place = place(&remote, &company());
    place.done(companies(&["c1"]));
    place.done(people(&[json!({"externalId": "ann", "company": "c1"})]));
    assert_eq!(leads(&remote, "ann", "company", "companies"), "c1");
    let id = remote.by_ext("companies")["c1"]["id"].as_str().unwrap().to_owned();
    let other = self::place(&remote, &company()).set("snapshot_dir", ".").env("FLOW", "f");
    other.file("companies_f.snapshot.csv", format!("InputId,RemoteId\nold,{id}\n"));
    other.done(people(&[json!({"externalId": "bob", "company": "old"})]));
    assert_eq!(leads(&remote, "bob", "company", "companies"), "c1");
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
fn a_lost_answer_to_the_first_half_of_a_circle_doubles_nothing() {
    for manifest in ["rest-lookup-bulk", "rest-one-by-one", "rest-by-ext"] {
        let remote = Remote::with("{faults: [{on: \"*\", rate: 0.3, do: reset_after}], seed: 3}");
        let place = Place::at(&remote, manifest)
            .set("retry", json!({"base_millis": 1, "attempts": 30}))
            .set("streams", json!({"people": {"relations": boss()}}));
        let ring = |n: usize| json!({"externalId": format!("p{n}"), "boss": format!("p{}", n / 10 * 10 + (n + 1) % 10)});
        let records: Vec<_> = (0..50).map(ring).collect();
        place.done(people(&records));
        let held = remote.by_ext("people");
        assert_eq!(held.len(), 50, "{manifest}");
        for n in 0..50 {
            let boss = format!("p{}", n / 10 * 10 + (n + 1) % 10);
            assert_eq!(held[&format!("p{n}")]["boss"], held[&boss]["id"], "{manifest}");
        }
        assert!(remote.faults("reset_after") > 3);
    }
}

/// Companies and people of whom one parent was deleted at the remote, and made anew as it changed.
#[test]
fn a_child_gets_the_id_of_a_parent_that_was_made_anew() {
    for manifest in ["sandbox", "rest-one-by-one"] {
        let remote = Remote::start();
        let place = Place::at(&remote, manifest)
            .set("streams", json!({"people": {"relations": company()}}));
        let ann = people(&[json!({"externalId": "ann", "company": "c1", "n": 1.50})]);
        let input = |name: &str| {
            let company = json!({"externalId": "c1", "name": name});
            schema("companies") + &record("companies", &company) + &ann
        };
        place.done(input("one"));
        remote.delete("companies", &text(&remote.by_ext("companies")["c1"]["id"]));
        place.done(input("two"));
        // Whoever was planned before the parent's end goes out with the next job.
        place.done(input("two"));
        assert_eq!(leads(&remote, "ann", "company", "companies"), "c1", "{manifest}");
        place.done(input("two"));
        assert_eq!(place.counts("people"), counts([("read", 1), ("unchanged", 1)]));
    }
}

#[test]
fn a_child_of_a_parent_that_is_in_doubt_for_good_does_not_hold_up_the_state() {
    let remote =
        Remote::with("{faults: [{on: \"POST /v1/companies\", calls: [2], do: reset_after}]}");
    let place = Place::at(&remote, "create-only")
        .set("streams", json!({"people": {"relations": company()}}));
    let input = companies(&["c0", "c1"])
        + &people(&[
            json!({"externalId": "ann", "company": "c0"}),
            json!({"externalId": "bob", "company": "c1"}),
        ])
        + &state(&json!({"n": 1}));
    assert_eq!(place.done(&input).state()["tap"], json!({"n": 1}));
    assert_eq!(place.counts("companies"), counts([("read", 2), ("created", 1), ("in_doubt", 1)]));
    assert_eq!(place.counts("people"), counts([("read", 2), ("created", 1), ("rejected", 1)]));
    assert!(errors(&place).join("\n").contains("was not written (in_doubt)"));
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
fn a_key_stands_for_the_parents_too() {
    // The child's create is applied, and no try of it is answered.
    let remote = Remote::with(
        "{idempotency: true, faults: [{on: \"POST /v1/people\", calls: [2, 3, 4], do: reset_after}]}",
    );
    let place = Place::at(&remote, "create-with-key")
        .set("retry", json!({"base_millis": 1, "attempts": 3}))
        .set("max_in_flight", 1)
        .set("streams", json!({"people": {"relations": company()}}));
    place.done(people(&[json!({"externalId": "first"})]));
    let ann = people(&[json!({"externalId": "ann", "company": "c1"})]);
    place.run(companies(&["c1"]) + &ann);
    assert_eq!(place.counts("people"), counts([("read", 1), ("in_doubt", 1)]));
    let first = leads(&remote, "ann", "company", "companies");
    assert_eq!(first, "c1");
    // Its parent is another record now.
    place.file("ids.csv", "InputId,RemoteId\nc1,r-other\n");
    let taken = place.call(&["ids", "import", "ids.csv", "--stream", "companies"]);
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    place.done(&ann);
    assert_eq!(place.counts("people"), counts([("read", 1), ("in_doubt", 1)]));
}

#[test]
fn a_circle_whose_second_write_has_no_answer_holds_the_state() {
    let remote =
        Remote::with("{faults: [{on: \"PATCH *\", calls: [1, 2, 3], do: status, status: 500}]}");
    let place = Place::at(&remote, "rest-one-by-one")
        .set("retry", json!({"base_millis": 1, "attempts": 3}))
        .set("streams", json!({"people": {"relations": boss()}}));
    let input =
        people(&[json!({"externalId": "a", "boss": "b"}), json!({"externalId": "b", "boss": "a"})])
            + &state(&json!({"n": 1}));
    assert_eq!(place.done(&input).state().get("tap"), None);
    assert_eq!(place.done(&input).state()["tap"], json!({"n": 1}));
    for (person, boss) in [("a", "b"), ("b", "a")] {
        assert_eq!(leads(&remote, person, "boss", "people"), boss);
    }
    assert_eq!(remote.records("people").len(), 2);
}

#[test]
fn a_child_whose_parent_stands_beyond_the_limit_comes_again() {
    let remote = Remote::start();
    let place = place(&remote, &company());
    let input = people(&[json!({"externalId": "p", "company": "far"})])
        + &companies(&["near", "far"])
        + &state(&json!({"n": 1}));
    let limited = place.arg("--limit").arg("1");
    let ran = limited.done(&input);
    assert_eq!(ran.state().get("tap"), None);
    assert_eq!(limited.counts("people"), counts([("read", 1), ("failed", 1)]));
    let place = self::place(&remote, &company());
    assert_eq!(place.done(&input).state()["tap"], json!({"n": 1}));
    assert_eq!(leads(&remote, "p", "company", "companies"), "far");
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

#[test]
fn a_circle_is_closed_where_nothing_but_the_relation_is_missing() {
    let remote = Remote::start();
    // They are there, with all but the relation.
    let pair = |boss: bool| {
        let one = |id: &str, other: &str| {
            if boss {
                json!({"externalId": id, "name": id, "boss": other})
            } else {
                json!({"externalId": id, "name": id})
            }
        };
        people(&[one("a", "b"), one("b", "a")])
    };
    Place::at(&remote, "rest-lookup-bulk").done(pair(false));
    let manifest =
        std::fs::read_to_string(crate::support::fixture("manifests/rest-lookup-bulk.yaml"));
    let read = "    read:\n      method: GET\n      path: '/v1/{{ object }}/{{ remote_id }}'\n      max_ids: 1\n      rows: $\n      remote_id: $.id\n";
    let place = Place::at(&remote, "sandbox")
        .manifest(manifest.unwrap() + read)
        .set("streams", json!({"people": {"relations": boss(), "only_upsert_empty_fields": true}}));
    let ran = place.done(pair(true));
    assert_eq!(leads(&remote, "a", "boss", "people"), "b", "{}", ran.stderr);
    assert_eq!(leads(&remote, "b", "boss", "people"), "a");
}
