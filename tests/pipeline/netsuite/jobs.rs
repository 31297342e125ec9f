//! Many records in one asynchronous call: handed over once, whatever is lost and whoever is killed.

use serde_json::json;

use super::{customers, place, stream};
use crate::support::{Place, Remote, counts};

fn bulky(remote: &Remote) -> Place {
    place(remote).set("bulk_from", 10)
}

#[test]
fn many_records_are_one_call() {
    let remote = Remote::with("{netsuite: {job_ms: 300}}");
    let place = bulky(&remote);
    place.done(customers(60, "a@x.example"));
    assert_eq!(place.counts("customer"), counts([("read", 60), ("created", 60)]));
    assert_eq!(remote.books_by("customer").len(), 60);
    assert_eq!((remote.jobs(), remote.calls_to("PUT", "/record/")), (1, 1));
    let held = remote.books_by("customer");
    for row in place.results() {
        assert_eq!(held[row["InputId"].as_str().unwrap()]["id"], row["RemoteId"], "{row}");
    }
    // NetSuite compares external ids without regard to case.
    let one = |n: usize| json!({"externalId": format!("C-{n}X"), "companyName": format!("D {n}"), "subsidiary": {"id": "1"}});
    place.done(stream("customer", &(0..20).map(one).collect::<Vec<_>>()));
    assert_eq!(place.counts("customer"), counts([("read", 20), ("created", 20)]));
    assert_eq!((remote.jobs(), remote.calls_to("PUT", "/record/")), (2, 2));
    // Few go out by themselves.
    place.done(customers(9, "b@x.example"));
    assert_eq!(place.counts("customer"), counts([("read", 9), ("updated", 9)]));
}

/// Which of them were refused is told by calls of their own.
#[test]
fn records_that_are_refused_are_told_and_the_rest_is_written() {
    let remote = Remote::start();
    let place = bulky(&remote);
    let one = |n: usize| {
        let subsidiary = if n == 3 { "77" } else { "1" };
        json!({"externalId": format!("c-{n}"), "companyName": format!("A {n}"), "subsidiary": {"id": subsidiary}})
    };
    place.done(stream("customer", &(0..12).map(one).collect::<Vec<_>>()));
    assert_eq!(place.counts("customer"), counts([("read", 12), ("created", 11), ("rejected", 1)]));
    assert_eq!(remote.books_by("customer").len(), 11);
    let rows = place.results();
    let refused = rows.iter().find(|row| row["outcome"] == "rejected").unwrap();
    assert_eq!(refused["InputId"], "c-3");
    assert!(refused["error_message"].as_str().unwrap().contains("Invalid Field Value 77"));
}

#[test]
fn answers_of_a_job_that_are_lost_make_nothing_twice() {
    for call in [
        "PUT /services/rest/record/v1/*",
        "GET /services/rest/async/v1/job/*",
        "GET /services/rest/async/v1/job/*/task",
        "GET /services/rest/async/v1/job/*/task/*/result",
        "POST /services/rest/query/v1/suiteql",
    ] {
        for fault in
            ["reset_after", "truncate_after", "status_after, status: 502", "status, status: 429"]
        {
            let remote =
                Remote::with(&format!("{{faults: [{{on: '{call}', calls: [1], do: {fault}}}]}}"));
            let place = bulky(&remote);
            place.done(customers(20, "a@x.example"));
            assert_eq!(remote.books_by("customer").len(), 20, "{call}: {fault}");
            assert_eq!(
                place.counts("customer"),
                counts([("read", 20), ("created", 20)]),
                "{call}: {fault}"
            );
            assert_eq!(remote.jobs(), 1, "{call}: {fault}");
        }
    }
}

impl Remote {
    /// Jobs that the account has taken on.
    fn jobs(&self) -> usize {
        let is_there = |number: &usize| {
            self.status_of(&format!("/services/rest/async/v1/job/{number}")) == 200
        };
        (1..10).take_while(is_there).count()
    }
}

#[test]
fn a_job_that_is_killed_is_gone_on_with() {
    for step in ["intended:1", "uploaded:1", "answered:1", "sent:1"] {
        let remote = Remote::with("{netsuite: {job_ms: 200}}");
        let place = bulky(&remote);
        place.dies_at(step, customers(20, "a@x.example"));
        place.done(customers(20, "a@x.example"));
        assert_eq!(remote.books_by("customer").len(), 20, "{step}");
        // Handed over once; where nothing was, the question for it has become a job that reads.
        let jobs = if matches!(step, "intended:1" | "uploaded:1") { 2 } else { 1 };
        assert_eq!((remote.jobs(), remote.calls_to("PUT", "/record/")), (jobs, 1), "{step}");
    }
}

/// Who asks for a job that was never handed over takes its key; that the answer to this is lost makes
/// no records written that are not. That job has one task, as one of a single record has.
#[test]
fn a_job_that_was_never_handed_over_is_not_believed() {
    for (count, bulk_from) in [(20, 10), (1, 1)] {
        // The fourth is that question; each job before has asked whether there is the type.
        let remote = Remote::with(
            "{faults: [{on: 'GET /services/rest/record/v1/*', calls: [4], do: reset_after}]}",
        );
        place(&remote).set("bulk_from", bulk_from).done(customers(count, "a@x.example"));
        let place = place(&remote).set("bulk_from", bulk_from);
        place.dies_at("uploaded:1", customers(count, "b@x.example"));
        place.done(customers(count, "b@x.example"));
        let held = remote.books_by("customer");
        assert!(held.values().all(|customer| customer["email"] == "b@x.example"), "{held:?}");
        assert_eq!(held.len(), count);
    }
}

/// A list of tasks that is no list of all of them says nothing of those that it lacks.
#[test]
fn a_job_that_tells_too_few_tasks_is_not_believed() {
    let first = json!({"items": [{"id": "1"}], "totalResults": 1});
    let remote = Remote::with(&format!(
        "{{faults: [{{on: 'GET /services/rest/async/v1/job/*/task', calls: [2], do: status, status: 200, body: '{first}'}}]}}"
    ));
    bulky(&remote).done(customers(12, "a@x.example"));
    let one = |n: usize| {
        let subsidiary = if n == 3 { "77" } else { "1" };
        json!({"externalId": format!("c-{n}"), "email": "b@x.example", "subsidiary": {"id": subsidiary}})
    };
    // A place that knows none of their ids: known ones go out by themselves.
    let place = bulky(&remote);
    place.done(stream("customer", &(0..12).map(one).collect::<Vec<_>>()));
    assert_eq!(remote.jobs(), 2);
    assert_eq!(place.counts("customer"), counts([("read", 12), ("created", 11), ("rejected", 1)]));
    let held = remote.books_by("customer");
    let changed = held.values().filter(|customer| customer["email"] == "b@x.example");
    assert_eq!((changed.count(), &held["c-3"]["email"]), (11, &json!("a@x.example")));
}
