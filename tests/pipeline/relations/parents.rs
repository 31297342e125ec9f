//! What becomes of a parent (refused, in doubt, made anew, known of old, not in this job) is what
//! its children are told by.

use serde_json::json;

use super::{companies, company, errors, leads, people, place};
use crate::support::{Place, Remote, counts, record, schema, state, text};

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
        .set("max_in_flight", 1)
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
    let doubt = "its parent `c1` of stream `companies` (field `company`) is in doubt: ";
    assert!(errors(&place).iter().any(|error| error.starts_with(doubt)), "{:?}", errors(&place));
    // A retry alone does not mend it, and is not said to; the end of the doubt does.
    let group = place.summary()["errors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["stream"] == "people")
        .cloned();
    let hint = group.unwrap()["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("`target-upsert ids doubts`"), "{hint}");
    let id = text(&remote.by_ext("companies")["c1"]["id"]);
    place.file("ids.csv", format!("InputId,RemoteId\nc1,{id}\n"));
    assert_eq!(place.call(&["ids", "import", "ids.csv", "--stream", "companies"]).code, 0);
    let ran = place.call(&["jobs", "retry", "last", "--config", "config.json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(leads(&remote, "bob", "company", "companies"), "c1");
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
