//! Batches by records, bytes and age, within what the remote takes.

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Place, Remote, contacts, finish, record, schema};

fn calls(remote: &Remote, route: &str) -> u64 {
    remote.calls()["calls"][route].as_u64().unwrap_or(0)
}

#[test]
fn the_remotes_own_limits_are_never_passed() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("batch", json!({"records": 100_000}));
    place.done(contacts(950));
    assert_eq!(remote.records("contacts").len(), 950);
    let batches = calls(&remote, "POST /v1/{object}/batch");
    assert!((10..=14).contains(&batches), "{batches} calls for 950 records");
    assert!(remote.calls()["statuses"].get("400").is_none(), "{}", remote.calls());

    // 1,000,000 bytes a call: 40 records of 100 kB need more than four calls.
    let long = "x".repeat(100_000);
    let records = (0..40).map(|n| record("notes", &json!({"externalId": n, "text": long})));
    place.done(schema("notes") + &records.collect::<String>());
    assert_eq!(remote.records("notes").len(), 40);
    assert!(remote.calls()["statuses"].get("413").is_none(), "{}", remote.calls());
}

#[test]
fn a_batch_may_be_smaller() {
    let remote = Remote::start();
    let place =
        Place::at(&remote, "sandbox").set("streams", json!({"contacts": {"batch_records": 7}}));
    place.done(contacts(70));
    assert_eq!(calls(&remote, "POST /v1/{object}/batch"), 10);

    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("batch", json!({"bytes": 300}));
    place.done(contacts(30));
    assert!(calls(&remote, "POST /v1/{object}/batch") >= 6, "{}", remote.calls());
    assert_eq!(remote.records("contacts").len(), 30);
}

#[test]
fn a_lonely_record_does_not_wait_for_the_end_of_the_input() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("batch", json!({"secs": 0.05}));
    let mut child = place.job().spawn().unwrap();
    let stdin = child.stdin.as_mut().unwrap();
    stdin.write_all(contacts(1).as_bytes()).unwrap();
    stdin.flush().unwrap();
    let started = Instant::now();
    while remote.records("contacts").is_empty() {
        assert!(started.elapsed() < Duration::from_secs(20), "the record was never written");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(finish(child, b"").code, 0);
}
