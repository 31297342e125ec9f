//! Many records go out as bulk jobs: each is handed over once, whatever is lost and whoever is killed.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{place, stream};
use crate::support::{Place, Ran, Remote, counts, finish};

/// A place that makes jobs of few records.
fn bulky(remote: &Remote) -> Place {
    place(remote).set("bulk_from", 10).set("lookup_by_email", false)
}

fn accounts(count: usize, name: &str) -> String {
    let one = |n| json!({"Ext_Id__c": format!("a{n}"), "Name": format!("{name} \"{n}\",\n x")});
    stream("Account", Some("Ext_Id__c"), &(0..count).map(one).collect::<Vec<Value>>())
}

/// Calls of a method to paths that have this in them.
fn calls(remote: &Remote, method: &str, path: &str) -> u64 {
    let calls = remote.calls()["calls"].as_object().unwrap().clone();
    let is_meant = |route: &str| route.starts_with(method) && route.contains(path);
    calls
        .iter()
        .filter(|(route, _)| is_meant(route))
        .map(|(_, count)| count.as_u64().unwrap())
        .sum()
}

#[test]
fn many_records_are_one_job() {
    let remote = Remote::with("{salesforce: {job_ms: 600}}");
    let place = bulky(&remote);
    place.done(accounts(300, "Acme"));
    assert_eq!(place.counts("Account"), counts([("read", 300), ("created", 300)]));
    assert_eq!(calls(&remote, "PATCH", "/composite/"), 0);
    assert_eq!(calls(&remote, "PUT", "/batches"), 1);
    let held = remote.org_by("Account", "Ext_Id__c");
    assert_eq!((held.len(), &held["a7"]["Name"]), (300, &json!("Acme \"7\",\n x")));
    for row in place.results() {
        let id = row["RemoteId"].as_str().unwrap();
        let external = row["InputId"].as_str().unwrap();
        assert_eq!(held[external]["Id"], id, "{row}");
    }
    // Nothing has changed, so there is nothing to do; and few go out by themselves.
    place.done(accounts(300, "Acme"));
    assert_eq!(place.counts("Account"), counts([("read", 300), ("unchanged", 300)]));
    place.done(accounts(9, "Apex"));
    assert_eq!(place.counts("Account"), counts([("read", 9), ("updated", 9)]));
    assert_eq!((calls(&remote, "PUT", "/batches"), calls(&remote, "PATCH", "/composite/")), (1, 1));
}

/// Updates, deletes, and records that have no id of the user.
#[test]
fn every_plan_has_its_job() {
    let remote = Remote::start();
    let place = bulky(&remote);
    let lead = |n: usize, title: Value| {
        json!({"externalId": format!("l{n}"), "LastName": "Lee", "Company": "Acme", "Title": title,
            "HasOptedOutOfEmail": n == 3})
    };
    let leads = |title: &Value| {
        let all: Vec<Value> = (0..40).map(|n| lead(n, title.clone())).collect();
        stream("Lead", None, &all)
    };
    place.done(leads(&json!("Dr")));
    assert_eq!(place.counts("Lead"), counts([("read", 40), ("created", 40)]));
    place.done(leads(&json!(null)));
    assert_eq!(place.counts("Lead"), counts([("read", 40), ("updated", 40)]));
    let held = remote.org("Lead");
    assert!(held.iter().all(|lead| lead.get("Title").is_none_or(Value::is_null)), "{:?}", held[0]);
    assert_eq!(
        held.iter().filter(|lead| lead.get("HasOptedOutOfEmail") == Some(&json!(true))).count(),
        1
    );
    let place = place.set("streams", json!({"Lead": {"mode": "delete"}}));
    place.done(leads(&json!(null)));
    assert_eq!(place.counts("Lead"), counts([("read", 40), ("deleted", 40)]));
    assert!(remote.org("Lead").is_empty());
    assert_eq!((calls(&remote, "PUT", "/batches"), calls(&remote, "POST", "/composite/")), (3, 0));
}

/// What a row cannot say goes out in a call; what is refused is told in words.
#[test]
fn rows_that_are_refused_are_told_and_the_rest_is_written() {
    let remote = Remote::start();
    let place = bulky(&remote);
    let mut all: Vec<Value> = (0..20)
        .map(|n| json!({"Ext_Id__c": format!("c{n}"), "LastName": format!("Ann {n}"), "Email": "a@example.com"}))
        .collect();
    all[3]["LastName"] = json!("x".repeat(200));
    all[4]["Email"] = json!("nonsense");
    all[5]["FirstName"] = json!("#N/A");
    all[6]["Account"] = json!({"Ext_Id__c": "nobody"});
    place.done(stream("Contact", Some("Ext_Id__c"), &all));
    assert_eq!(place.counts("Contact"), counts([("read", 20), ("created", 17), ("rejected", 3)]));
    let held = remote.org_by("Contact", "Ext_Id__c");
    assert_eq!((held.len(), &held["c5"]["FirstName"]), (17, &json!("#N/A")));
    let rows = place.results();
    let of = |id: &str| rows.iter().find(|row| row["InputId"] == id).unwrap().clone();
    assert_eq!(of("c3")["error_code"], "STRING_TOO_LONG");
    assert_eq!(of("c4")["error_code"], "INVALID_EMAIL_ADDRESS");
    assert!(of("c3")["error_message"].as_str().unwrap().contains("Last"), "{}", of("c3"));
    // What names nobody was sent once more, when nobody could be on the way any more.
    assert_eq!((calls(&remote, "PUT", "/batches"), calls(&remote, "PATCH", "/composite/")), (1, 2));
}

/// Whatever answer is lost: with an external id and without one, no row is handed over twice.
#[test]
fn answers_of_a_job_that_are_lost_make_nothing_twice() {
    for call in [
        "POST /services/data/*/jobs/ingest",
        "PUT /services/data/*/jobs/ingest/*/batches",
        "PATCH /services/data/*/jobs/ingest/*",
        "GET /services/data/*/jobs/ingest/*",
        "GET /services/data/*/jobs/ingest/*/successfulResults",
    ] {
        for fault in [
            "reset_after",
            "truncate_after",
            "status_after, status: 502",
            "status, status: 503",
            "reset",
        ] {
            let remote = Remote::with(&format!(
                "{{salesforce: {{job_ms: 50}}, faults: [{{on: '{call}', calls: [1], do: {fault}}}]}}"
            ));
            let place = bulky(&remote);
            place.done(accounts(30, "Acme"));
            let what = format!("{call} {fault}");
            assert_eq!(remote.org_by("Account", "Ext_Id__c").len(), 30, "{what}");
            assert_eq!(place.counts("Account"), counts([("read", 30), ("created", 30)]), "{what}");
            let remote = Remote::with(&format!(
                "{{salesforce: {{job_ms: 50}}, faults: [{{on: '{call}', calls: [1], do: {fault}}}]}}"
            ));
            let place = bulky(&remote);
            place.done(leads(30));
            assert_eq!(remote.org_by("Lead", "LastName").len(), 30, "{what}");
            assert_eq!(place.counts("Lead"), counts([("read", 30), ("created", 30)]), "{what}");
            // What was handed over is closed until that is answered: no second job is made of it.
            if call.starts_with("PATCH") {
                let others = calls(&remote, "POST", "/composite/");
                assert_eq!((calls(&remote, "PUT", "/batches"), others), (1, 0), "{what}");
            }
        }
    }
}

/// Leads that nothing but their content tells apart.
fn leads(count: usize) -> String {
    let one = |n| json!({"LastName": format!("Lee {n}"), "Company": "Acme"});
    stream("Lead", None, &(0..count).map(one).collect::<Vec<Value>>())
}

/// A run that is killed at any step leaves its job to the next one, which hands nothing over again
/// that was handed over.
#[test]
fn a_killed_run_leaves_its_job_to_the_next() {
    for (step, uploads) in
        [("intended:1", 1), ("sent:1", 2), ("uploaded:1", 2), ("answered:1", 1), ("recorded:1", 1)]
    {
        for (input, object, key) in
            [(accounts(40, "Acme"), "Account", "Ext_Id__c"), (leads(40), "Lead", "LastName")]
        {
            let remote = Remote::with("{salesforce: {job_ms: 400}}");
            let place = bulky(&remote);
            place.dies_at(step, &input);
            place.done(&input);
            assert_eq!(remote.org_by(object, key).len(), 40, "{step} {object}");
            assert!(calls(&remote, "PUT", "/batches") <= uploads, "{step} {object}");
            assert_eq!(calls(&remote, "POST", "/composite/"), 0, "{step} {object}");
            if object == "Account" {
                place.done(&input);
                let all = counts([("read", 40), ("unchanged", 40)]);
                assert_eq!(place.counts(object), all, "{step}");
            }
        }
    }
}

/// A run that is told to end does not wait for the org: the next one tells what became of the rows.
#[test]
fn a_run_that_is_stopped_leaves_its_job_to_the_next() {
    let remote = Remote::with("{salesforce: {job_ms: 14000}}");
    let place = bulky(&remote);
    for (object, input) in [("Lead", leads(25)), ("Account", accounts(25, "Acme"))] {
        let ran = cut_off(&place, &remote, &input, Signal::TERM);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains("under way"), "{}", ran.stderr);
        let outcome = if object == "Lead" { "in_doubt" } else { "failed" };
        assert_eq!(place.counts(object), counts([("read", 25), (outcome, 25)]), "{object}");
        assert_eq!(place.results()[0]["error_code"], "under_way");
        // Each of them once.
        let doubts = place.call(&["ids", "doubts"]).stdout;
        assert_eq!(doubts.lines().count(), if object == "Lead" { 26 } else { 1 }, "{doubts}");
        place.done(&input);
        assert_eq!(place.counts(object), counts([("read", 25), ("unchanged", 25)]), "{object}");
        assert_eq!(remote.org(object).len(), 25, "{object}");
    }
    assert_eq!(calls(&remote, "PUT", "/batches"), 2);
}

/// The same of one that is killed while it waits.
#[test]
fn a_run_that_is_killed_while_it_waits_leaves_its_job_to_the_next() {
    let remote = Remote::with("{salesforce: {job_ms: 2000}}");
    let place = bulky(&remote);
    for (object, input) in [("Lead", leads(25)), ("Account", accounts(25, "Acme"))] {
        cut_off(&place, &remote, &input, Signal::KILL);
        let ran = place.done(&input);
        assert!(ran.stderr.contains("its end is waited for"), "{}", ran.stderr);
        assert_eq!(place.counts(object), counts([("read", 25), ("unchanged", 25)]), "{object}");
        assert_eq!(remote.org(object).len(), 25, "{object}");
    }
    assert_eq!(calls(&remote, "PUT", "/batches"), 2);
}

/// What is told of a job's rows is told by their places: forgetting one id moves no other.
#[test]
fn an_id_that_is_forgotten_moves_no_other() {
    let remote = Remote::with("{salesforce: {job_ms: 1500}}");
    let place = bulky(&remote);
    cut_off(&place, &remote, &accounts(25, "Acme"), Signal::KILL);
    let forgot = place.call(&["ids", "forget", "a3", "--stream", "Account"]);
    assert!(forgot.code == 0 || forgot.stderr.contains("a3"), "{}", forgot.stderr);
    place.done(accounts(25, "Apex"));
    assert_eq!(place.counts("Account"), counts([("read", 25), ("updated", 25)]));
    let held = remote.org_by("Account", "Ext_Id__c");
    for row in place.results() {
        let one = &held[row["InputId"].as_str().unwrap()];
        assert_eq!(one["Id"], row["RemoteId"], "{row}");
        let number = row["InputId"].as_str().unwrap().trim_start_matches('a').to_owned();
        assert_eq!(one["Name"], format!("Apex \"{number}\",\n x"), "{row}");
    }
}

/// In mode `insert` the next run is told at once what became of the rows, also where the job is lost.
#[test]
fn what_a_lost_job_has_made_is_looked_for() {
    let remote = Remote::with(
        "{salesforce: {job_ms: 300}, faults: [{on: 'GET /services/data/*/jobs/ingest/*', do: status, status: 404}]}",
    );
    let place = bulky(&remote).set("streams", json!({"Account": {"mode": "insert"}}));
    place.dies_at("answered:1", accounts(25, "Acme"));
    std::thread::sleep(Duration::from_millis(600));
    let ran = place.done(accounts(25, "Acme"));
    assert_eq!(place.counts("Account")["read"], 25, "{}", ran.stderr);
    assert_eq!(remote.org_by("Account", "Ext_Id__c").len(), 25);
    assert_eq!(calls(&remote, "PUT", "/batches"), 1);
    assert_eq!(place.counts("Account").get("in_doubt"), None, "{}", ran.stderr);
}

/// Children that name their parents wait for the job that makes these; those that name nobody are told.
#[test]
fn children_wait_for_the_job_of_their_parents() {
    let remote = Remote::with("{salesforce: {job_ms: 1500}}");
    let place = bulky(&remote);
    let child = |n: usize| json!({"Ext_Id__c": format!("c{n}"), "LastName": "Ann", "Account": {"Ext_Id__c": format!("a{n}")}});
    let children: Vec<Value> = (0..9).chain([99]).map(child).collect();
    place.done(accounts(40, "Acme") + &stream("Contact", Some("Ext_Id__c"), &children));
    assert_eq!(place.counts("Account"), counts([("read", 40), ("created", 40)]));
    assert_eq!(place.counts("Contact"), counts([("read", 10), ("created", 9), ("rejected", 1)]));
    let held = remote.org_by("Contact", "Ext_Id__c");
    let parents = remote.org_by("Account", "Ext_Id__c");
    assert_eq!((held.len(), &held["c7"]["AccountId"]), (9, &parents["a7"]["Id"]));
}

/// That the remote does not know a job is not believed at once: it may be a slip.
#[test]
fn a_job_that_is_not_found_once_is_asked_for_again() {
    for body in ["[{\"errorCode\": \"NOT_FOUND\", \"message\": \"no\"}]", "<html>no</html>"] {
        let remote = Remote::with(&format!(
            "{{salesforce: {{job_ms: 900}}, faults: [{{on: 'GET /services/data/*/jobs/ingest/*', calls: [1, 2], \
              do: status, status: 404, body: '{body}'}}, \
              {{on: 'PATCH /services/data/*/jobs/ingest/*', calls: [1], do: reset_after}}]}}"
        ));
        let place = bulky(&remote);
        place.done(leads(30));
        assert_eq!(place.counts("Lead"), counts([("read", 30), ("created", 30)]), "{body}");
        assert_eq!(remote.org_by("Lead", "LastName").len(), 30, "{body}");
    }
}

/// A run that gets a signal once its job is under way.
fn cut_off(place: &Place, remote: &Remote, input: &str, signal: Signal) -> Ran {
    let closed = || calls(remote, "PATCH", "/jobs/ingest/");
    let before = closed();
    let child = place.job().spawn().unwrap();
    let pid = Pid::from_child(&child);
    let input = input.to_owned();
    let waiter = std::thread::spawn(move || finish(child, input.as_bytes()));
    while closed() == before && !waiter.is_finished() {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    kill_process(pid, signal).unwrap();
    waiter.join().unwrap()
}

/// An org that takes no bulk jobs is written to all the same.
#[test]
fn where_there_are_no_jobs_calls_do() {
    for fault in ["status, status: 404", "status, status: 400"] {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: 'POST /services/data/*/jobs/ingest', do: {fault}}}]}}"
        ));
        let place = bulky(&remote);
        let ran = place.done(accounts(450, "Acme"));
        assert!(ran.stderr.contains("No bulk job"), "{}", ran.stderr);
        assert_eq!(remote.org_by("Account", "Ext_Id__c").len(), 450, "{fault}");
        assert_eq!(calls(&remote, "PATCH", "/composite/"), 3, "{fault}");
    }
}

/// What it takes is told, and nothing is written.
#[test]
fn a_dry_run_tells_jobs_and_calls() {
    let remote = Remote::start();
    let place = bulky(&remote).arg("--dry-run");
    let lead = json!({"LastName": "Lee", "Company": "Acme"});
    let input = accounts(30, "Acme") + &stream("Lead", None, &[lead]);
    let ran = place.done(input);
    assert!(ran.stderr.contains("in 0 calls and 1 bulk job"), "{}", ran.stderr);
    assert!(ran.stderr.contains("of 100000 calls are left"), "{}", ran.stderr);
    let summary = place.summary();
    assert_eq!(summary["streams"]["Account"]["planned"]["bulk_jobs"], 1);
    assert_eq!(summary["streams"]["Lead"]["planned"]["calls"], 1);
    assert_eq!(summary["quota"]["max"], 100_000);
    assert!(remote.org("Account").is_empty() && calls(&remote, "POST", "/jobs/") == 0);
    let person = json!({"LastName": "Lee", "Email": "ann@example.com"});
    let ran = place.set("lookup_by_email", true).done(stream("Contact", None, &[person]));
    assert!(ran.stderr.contains("in 1 call, after 1 call to look for them"), "{}", ran.stderr);
}

/// Children of one parent go out together, or one call after the other: no row is locked.
#[test]
fn children_of_one_parent_go_out_together() {
    let remote = Remote::with("{salesforce: {lock_ms: 150}, latency_ms: 20}");
    let place = place(&remote).set("bulk_from", 0);
    place.done(accounts(50, "Acme"));
    let child = |n: usize| {
        json!({"Ext_Id__c": format!("c{n}"), "LastName": "Ann",
            "Account": {"Ext_Id__c": format!("a{}", n % 50)}})
    };
    place.done(stream("Contact", Some("Ext_Id__c"), &(0..1000).map(child).collect::<Vec<Value>>()));
    assert_eq!(place.counts("Contact"), counts([("read", 1000), ("created", 1000)]));
    assert_eq!(place.summary()["streams"]["Contact"]["retries"], 0);
    assert_eq!(calls(&remote, "PATCH", "/composite/sobjects/"), 6);
    // More of one parent than a call takes.
    let child = |n: usize| json!({"Ext_Id__c": format!("d{n}"), "LastName": "Ann", "Account": {"Ext_Id__c": "a7"}});
    let place = place.set("retry", json!({"base_millis": 200, "attempts": 9}));
    place.done(stream("Contact", Some("Ext_Id__c"), &(0..500).map(child).collect::<Vec<Value>>()));
    assert_eq!(place.counts("Contact"), counts([("read", 500), ("created", 500)]));
}

/// A run that is told to end while it waits for the job of an earlier one ends in good order, and the
/// next one goes on.
#[test]
fn a_run_that_waits_for_an_earlier_job_can_be_stopped() {
    let remote = Remote::with("{salesforce: {job_ms: 17000}}");
    let place = bulky(&remote);
    cut_off(&place, &remote, &leads(25), Signal::KILL);
    let child = place.job().spawn().unwrap();
    let pid = Pid::from_child(&child);
    let waiter = std::thread::spawn(move || finish(child, leads(25).as_bytes()));
    std::thread::sleep(Duration::from_millis(800));
    kill_process(pid, Signal::TERM).unwrap();
    let ran = waiter.join().unwrap();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("what became of records"), "{}", ran.stderr);
    place.done(leads(25));
    assert_eq!(remote.org_by("Lead", "LastName").len(), 25);
    assert_eq!(calls(&remote, "PUT", "/batches"), 1);
}

/// One external id that a row cannot say keeps no other out of the job.
#[test]
fn an_external_id_that_no_row_can_say_goes_out_by_itself() {
    let remote = Remote::start();
    let place = bulky(&remote);
    let mut all: Vec<Value> =
        (0..20).map(|n| json!({"Ext_Id__c": format!("a{n}"), "Name": "Acme"})).collect();
    all[7]["Ext_Id__c"] = json!("#N/A");
    place.done(stream("Account", Some("Ext_Id__c"), &all));
    assert_eq!(place.counts("Account"), counts([("read", 20), ("created", 20)]));
    assert!(remote.org_by("Account", "Ext_Id__c").contains_key("#N/A"));
    assert_eq!((calls(&remote, "PUT", "/batches"), calls(&remote, "PATCH", "/composite/")), (1, 1));
}

/// A list of results that is too long to be read hides none of the others.
#[test]
fn results_that_cannot_be_read_hide_no_others() {
    let remote = Remote::with(
        "{faults: [{on: 'GET /services/data/*/jobs/ingest/*/failedResults', do: huge, bytes: 20000000}]}",
    );
    let place = bulky(&remote);
    let mut all: Vec<Value> =
        (0..30).map(|n| json!({"LastName": format!("Lee {n}"), "Company": "Acme"})).collect();
    all[3]["LastName"] = json!("x".repeat(200));
    place.run(stream("Lead", None, &all));
    assert_eq!(place.counts("Lead"), counts([("read", 30), ("created", 29), ("in_doubt", 1)]));
    assert_eq!(remote.org("Lead").len(), 29);
}
