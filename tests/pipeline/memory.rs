//! Memory is bounded by configuration, not by the input's length.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use serde_json::json;

use crate::support::{Place, Remote, contacts, finish, record, schema};

#[test]
fn an_input_that_comes_faster_than_the_remote_takes_it_waits_outside() {
    // The remote takes nothing for minutes, and the tap has 60 MB to give.
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/*/batch\", do: status, status: 429, retry_after: {seconds: 250}}]}",
    );
    let place = Place::at(&remote, "sandbox").set("max_buffer_bytes", 4_000_000);
    let text = "x".repeat(20_000);
    let line = record("notes", &json!({"externalId": "n", "text": text}));
    let mut child = place.job().spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let given = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&given);
    let tap = std::thread::spawn(move || {
        stdin.write_all(schema("notes").as_bytes()).unwrap();
        for n in 0..3000 {
            let line = line.replacen("\"n\"", &n.to_string(), 1);
            // The job ends while the tap still writes.
            if stdin.write_all(line.as_bytes()).is_err() {
                return;
            }
            counter.fetch_add(1, Relaxed);
        }
    });
    // Until it takes no more.
    loop {
        let before = given.load(Relaxed);
        std::thread::sleep(Duration::from_secs(1));
        if remote.faults("status") > 0 && given.load(Relaxed) == before {
            break;
        }
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(finish(child, b"").code, 0);
    tap.join().unwrap();
    let read = place.counts("notes")["read"];
    // 4 MB hold 100 records, as they came and as they go; a few chunks of 256 KiB wait beside.
    assert!((50..250).contains(&read), "{read} records of 20 kB were read");
}

#[test]
fn a_buffer_smaller_than_a_record_still_lets_it_through() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("max_buffer_bytes", 1);
    place.done(contacts(20));
    assert_eq!(remote.by_ext("contacts").len(), 20);
}
