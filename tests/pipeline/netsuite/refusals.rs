//! What NetSuite refuses, loses, or leaves out.

use serde_json::json;

use super::{customers, place, stream};
use crate::support::{Remote, counts};

#[test]
fn each_record_has_its_own_refusal() {
    let remote = Remote::start();
    let place = place(&remote);
    let all = [
        json!({"externalId": "a", "companyName": "A", "subsidiary": {"id": "1"}}),
        json!({"externalId": "b", "companyName": "B"}),
        json!({"externalId": "c", "companyName": "C", "subsidiary": {"id": "77"}}),
        json!({"externalId": "d", "companyName": "D", "subsidiary": {"id": "1"}, "colour": "red"}),
    ];
    let ran = place.done(stream("customer", &all));
    assert_eq!(place.counts("customer"), counts([("read", 4), ("created", 2), ("rejected", 2)]));
    let rows = place.results();
    let told = |id: &str| {
        let row = rows.iter().find(|row| row["InputId"] == id).unwrap();
        row["error_message"].as_str().unwrap().to_owned()
    };
    assert!(told("b").contains("Please enter value(s) for"), "{}", told("b"));
    assert!(told("c").contains("Invalid Field Value 77"), "{}", told("c"));
    // What NetSuite leaves out is told, once.
    assert_eq!(ran.stderr.matches("NetSuite warns").count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("colour"), "{}", ran.stderr);
    // Or it is refused.
    let place = place.set("refuse_unknown_fields", true);
    let mut other = all[3].clone();
    other["externalId"] = json!("e");
    place.done(stream("customer", &[other]));
    assert_eq!(place.counts("customer"), counts([("read", 1), ("rejected", 1)]));
    assert!(place.results()[0]["error_message"].as_str().unwrap().contains("colour"));
    assert_eq!(remote.books("customer").len(), 2);
}

#[test]
fn a_type_that_there_is_not_is_told_once() {
    let remote = Remote::start();
    let place = place(&remote);
    let input = stream("kustomer", &[json!({"externalId": "a"}), json!({"externalId": "b"})]);
    place.done(input + &customers(1, "a@x.example"));
    assert_eq!(place.counts("kustomer"), counts([("read", 2), ("rejected", 2)]));
    assert_eq!(place.counts("customer"), counts([("read", 1), ("created", 1)]));
    assert!(place.results()[0]["error_message"].as_str().unwrap().contains("kustomer"));
    // Asked for once, and nothing is sent to it.
    assert_eq!(remote.calls_to("GET", "/record/"), 2);
    assert_eq!(remote.calls_to("PUT", "/record/"), 1);
}

#[test]
fn answers_that_are_lost_make_nothing_twice() {
    for fault in
        ["reset_after", "truncate_after", "status_after, status: 502", "status, status: 503"]
    {
        for call in ["PUT /services/rest/record/v1/*/*", "POST /services/rest/record/v1/*"] {
            let remote = Remote::with(&format!(
                "{{faults: [{{on: '{call}', calls: [1, 2, 5], do: {fault}}}]}}"
            ));
            let place = place(&remote);
            place.done(customers(12, "a@x.example"));
            assert_eq!(remote.books_by("customer").len(), 12, "{fault}");
            let place = place.set("streams", json!({"*": {"mode": "insert"}}));
            let vendor = |n| json!({"externalId": format!("v-{n}"), "companyName": format!("V {n}"), "subsidiary": {"id": "1"}});
            let all: Vec<_> = (0..12).map(vendor).collect();
            place.done(stream("vendor", &all));
            assert_eq!(
                remote.books_by("vendor").len(),
                12,
                "{fault}: {:?}",
                place.counts("vendor")
            );
        }
    }
}

#[test]
fn a_job_that_is_killed_makes_nothing_twice() {
    for step in ["intended:1", "sent:2", "answered:3", "recorded:1"] {
        let remote = Remote::start();
        let place = place(&remote).set("streams", json!({"*": {"mode": "insert"}}));
        place.dies_at(step, customers(20, "a@x.example"));
        place.done(customers(20, "a@x.example"));
        assert_eq!(remote.books_by("customer").len(), 20, "{step}");
    }
}

/// What stands between may answer for NetSuite: that is no word of a record, nor of its type.
#[test]
fn pages_of_others_refuse_no_record() {
    let page = "status: 404, body: '<html>not here</html>'";
    for call in ["GET /services/rest/record/v1/*", "PUT /services/rest/record/v1/*/*"] {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: '{call}', calls: [1], do: status, {page}}}]}}"
        ));
        let place = place(&remote);
        place.done(customers(3, "a@x.example"));
        assert_eq!(place.counts("customer"), counts([("read", 3), ("created", 3)]), "{call}");
    }
}

/// A success that is none: NetSuite answers a write with nothing but where the record is.
#[test]
fn a_success_with_a_problem_is_none() {
    let body = json!({"o:errorDetails": [{"detail": "No.", "o:errorCode": "USER_ERROR"}]});
    let remote = Remote::with(&format!(
        "{{faults: [{{on: 'PUT /services/rest/record/v1/*/*', calls: [1], do: status, status: 200, body: '{body}'}}, \
         {{on: 'PUT /services/rest/record/v1/*/*', calls: [2], do: status, status: 202, body: '{{}}'}}]}}"
    ));
    let place = place(&remote).set("max_in_flight", 1);
    place.done(customers(3, "a@x.example"));
    assert_eq!(place.counts("customer"), counts([("read", 3), ("created", 2), ("rejected", 1)]));
    assert_eq!(remote.books_by("customer").len(), 2);
}
