//! Records that are each other's parents: one of each circle is written twice.

use serde_json::json;

use super::{boss, errors, leads, people, place};
use crate::support::{Place, Remote, counts, state};

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

/// One of a circle is made first without its relation, and what is there is not changed in this
/// mode: where the answer was lost, it was found and stayed so, and was told as created.
#[test]
fn a_circle_is_not_begun_where_nothing_that_is_there_is_changed() {
    let input = people(&[
        json!({"externalId": "a", "boss": "b"}),
        json!({"externalId": "b", "boss": "a"}),
        json!({"externalId": "c", "boss": "d"}),
        json!({"externalId": "d"}),
    ]);
    let lost = "{faults: [{on: \"POST /v1/{object}\", calls: [3], do: reset_after}]}";
    for faults in [lost, "{}"] {
        let remote = Remote::with(faults);
        let place = Place::at(&remote, "rest-one-by-one")
            .set("retry", json!({"base_millis": 1}))
            .set("max_in_flight", 1)
            .set("streams", json!({"people": {"relations": boss(), "mode": "insert"}}));
        place.done(&input);
        let held: Vec<_> = remote.by_ext("people").into_keys().collect();
        assert_eq!(held, ["c", "d"], "{:?} {:?}", remote.records("people"), place.results());
        assert_eq!(leads(&remote, "c", "boss", "people"), "d");
        let expected = counts([("read", 4), ("created", 2), ("rejected", 2)]);
        assert_eq!(place.counts("people"), expected, "{:?}", place.results());
        let errors = errors(&place).join("\n");
        assert!(errors.contains("`insert`"), "{errors}");
    }
}
