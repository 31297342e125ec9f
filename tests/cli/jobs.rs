//! `jobs`: what became of past jobs, also without their files.

use serde_json::Value;

use crate::support::{Place, Remote, counts, singer};

#[test]
fn past_jobs_are_listed_and_told_again() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let first = place.done(singer("contacts.jsonl"));
    let job = place.summary()["job_id"].as_str().unwrap().to_owned();
    let list = place.call(&["jobs"]);
    assert!(list.stdout.contains(&job) && list.stdout.contains("completed with failures"));

    let shown: Value = serde_json::from_str(&place.call(&["jobs", "show"]).stdout).unwrap();
    assert_eq!(shown, place.summary());
    assert_eq!(place.call(&["jobs", "state", &job]).stdout, first.stdout);
    assert_eq!(place.call(&["jobs", "results", &job]).stdout, place.read("results.jsonl"));
    assert_eq!(place.call(&["jobs", "rejects"]).stdout, place.read("rejects.jsonl"));
    let rejected = place.call(&["jobs", "results", "--outcome", "rejected", "--format", "csv"]);
    assert_eq!(rejected.stdout.lines().count(), 3, "a header and two rows");
    let ran = place.call(&["jobs", "results", "--outcome", "lost"]);
    assert_eq!(ran.code, 2);
    let all = "created, updated, unchanged, deleted, rejected, failed, skipped, in_doubt";
    assert!(ran.stderr.contains(all), "{}", ran.stderr);
    let help = place.call(&["jobs", "results", "-h"]).stdout;
    assert!(help.split_whitespace().collect::<Vec<_>>().join(" ").contains(all), "{help}");
    assert_eq!(place.call(&["jobs", "show", "nosuchjob"]).code, 2);
}

#[test]
fn what_failed_is_tried_again_without_the_input() {
    let remote = Remote::with("{faults: [{on: \"POST /v1/{object}\", do: status, status: 403}]}");
    let place = Place::at(&remote, "create-only");
    let ran = place.run(crate::support::contacts(3));
    assert!(ran.code == 0 || ran.code == 3, "{}", ran.stderr);
    assert_eq!(remote.records("contacts").len(), 0);

    // The remote is another one now, which takes them.
    let well = Remote::start();
    let mut config = place.config.clone();
    config["base_url"] = well.url.clone().into();
    config["namespace"] = place.summary()["namespace"].clone();
    place.file("config.json", config.to_string());
    let again = place.call(&[
        "jobs",
        "retry",
        "last",
        "--config",
        "config.json",
        "--summary",
        "summary.json",
    ]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(well.by_ext("contacts").len(), 3);
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("created", 3)]));
}

#[test]
fn a_retry_looks_into_the_store_of_its_config() {
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/{object}\", calls: [1, 3], do: status, status: 403}]}",
    );
    let place = Place::at(&remote, "create-only").set("store", "kept/ids.db");
    for (count, store) in [(1, &[][..]), (2, &["--store", "kept/ids.db"])] {
        place.run(crate::support::contacts(count));
        let retry = ["jobs", "retry", "last", "--config", "config.json"];
        let again = place.call(&[&retry[..], store].concat());
        assert_eq!(again.code, 0, "{}", again.stderr);
        assert_eq!(remote.by_ext("contacts").len(), count);
    }
    assert!(!place.path(".target-upsert").exists());
}

#[test]
fn a_retry_of_nothing_is_no_job() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.done(crate::support::contacts(2));
    let before = place.call(&["jobs"]).stdout;
    let ran = place.call(&["jobs", "retry", "last", "--config", "config.json"]);
    assert_eq!((ran.code, &*ran.stdout), (0, "{}\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Nothing to retry"), "{}", ran.stderr);
    assert_eq!(place.call(&["jobs"]).stdout, before);
    // Where the tap's STATEs go out, there is none.
    let place = place.set("state", serde_json::json!({"format": "tap"}));
    place.done("");
    assert_eq!(place.call(&["jobs", "retry", "--config", "config.json"]).stdout, "");
}

#[test]
fn a_job_that_was_killed_can_be_told() {
    let remote = Remote::with("{latency_ms: 20}");
    let place = Place::at(&remote, "rest-one-by-one").set("max_in_flight", 2);
    let mut child = place.job().spawn().unwrap();
    {
        use std::io::Write as _;
        child.stdin.as_mut().unwrap().write_all(crate::support::contacts(200).as_bytes()).unwrap();
    }
    while remote.records("contacts").len() < 20 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(place.call(&["jobs"]).stdout.contains("interrupted"));
    let state = place.call(&["jobs", "state", "last"]).state();
    let told = state["bookmarks"]["contacts"].as_array().unwrap().len();
    assert!(told >= 10, "{told} are told");
    assert_eq!(state["summary"]["contacts"]["success"], told);
    assert_eq!(place.call(&["jobs", "results"]).stdout.lines().count(), told);
    assert_eq!(place.call(&["jobs", "show"]).code, 2, "it has no summary");
}

#[test]
fn a_job_can_be_looked_at_while_it_runs() {
    use std::io::Write as _;
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("batch", serde_json::json!({"secs": 0.01}));
    let mut child = place.job().spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(crate::support::contacts(150).as_bytes()).unwrap();
    stdin.flush().unwrap();
    // The outcomes follow the writes; the job itself waits for its tap.
    loop {
        let results = place.call(&["jobs", "results", "last"]);
        if results.code == 0 && results.stdout.lines().count() == 150 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(place.call(&["jobs"]).stdout.contains("running"));
    assert_eq!(place.call(&["ids", "list"]).code, 0);
    drop(stdin);
    assert_eq!(crate::support::finish(child, b"").code, 0);
    assert!(place.call(&["jobs"]).stdout.contains("succeeded"));
}
