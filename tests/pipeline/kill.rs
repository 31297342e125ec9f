//! A job that is killed at any instant and run again with the same input leaves each external id
//! exactly once, and every record written.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use crate::support::{Place, Remote, contacts, finish, record, schema};

/// Kills jobs by SIGKILL after growing times until one ends by itself. Returns how many died.
fn run_killed(place: &Place, input: &str, step: Duration) -> u32 {
    let mut killed = 0;
    for round in 1.. {
        let child = place.job().spawn().unwrap();
        let pid = child.id();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            if receiver.recv_timeout(step * round) == Err(RecvTimeoutError::Timeout) {
                // The child is reaped only after this thread was joined, so the id is its own.
                drop(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status());
            }
        });
        let code = finish(child, input.as_bytes()).code;
        // The killer may have done its work by now, and listens no more.
        drop(sender);
        thread.join().unwrap();
        match code {
            -1 => killed += 1,
            code => {
                assert_eq!(code, 0);
                return killed;
            }
        }
    }
    unreachable!()
}

/// Kills jobs over so many records, and compares the remote with the input.
fn killed_again_and_again(manifest: &str, count: usize) {
    let remote = Remote::with("{latency_ms: 2, latency_jitter_ms: 3}");
    let place = Place::at(&remote, manifest)
        .set("batch", serde_json::json!({"records": 10}))
        .set("max_in_flight", 4);
    let input = contacts(count);
    let killed = run_killed(&place, &input, Duration::from_millis(23));
    assert!(killed > 1, "{manifest}: killed {killed} times only");
    let held = remote.by_ext("contacts");
    assert_eq!(held.len(), count, "{manifest}, killed {killed} times");
    assert!((0..count).all(|n| held[&format!("c-{n}")]["visits"] == n), "{manifest}");
    // The id map knows them all.
    place.done(&input);
    assert_eq!(place.counts("contacts")["unchanged"], count as u64, "{manifest}");
}

#[test]
fn killed_again_and_again_it_ends_with_each_record_once() {
    for manifest in ["sandbox", "rest-one-by-one", "rest-lookup-bulk", "rest-by-ext"] {
        killed_again_and_again(manifest, 400);
    }
}

#[test]
fn killed_between_writing_and_reading_back_too() {
    killed_again_and_again("rest-conditional", 60);
}

#[test]
fn records_without_an_id_are_not_written_twice_when_a_job_is_killed() {
    let remote = Remote::with("{latency_ms: 3}");
    let place = Place::at(&remote, "create-only").set("max_in_flight", 4);
    let schema = serde_json::json!({"type": "SCHEMA", "stream": "events", "key_properties": [],
        "schema": {"properties": {"n": {}}}});
    let events = (0..200).map(|n| record("events", &serde_json::json!({"n": n})));
    let input = format!("{schema}\n") + &events.collect::<String>();
    let killed = run_killed(&place, &input, Duration::from_millis(31));
    assert!(killed > 1, "killed {killed} times only");
    let held = remote.records("events");
    let mut numbers: Vec<i64> = held.iter().map(|record| record["n"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    let twice = numbers.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!(twice, 0, "killed {killed} times");
    // What was in flight at a kill cannot be looked up: it is in doubt, and told so.
    let doubtful = place.counts("events").get("in_doubt").copied().unwrap_or(0);
    assert!(held.len() as u64 + doubtful >= 200, "{} there, {doubtful} in doubt", held.len());
}

#[test]
fn a_lookup_that_lags_behind_a_killed_job_is_waited_for() {
    // What a killed job has made stays invisible to a lookup for most of a second.
    let remote = Remote::with("{latency_ms: 30, search_lag_ms: 900}");
    let place = Place::at(&remote, "rest-lookup-bulk")
        .set("batch", serde_json::json!({"records": 4}))
        .set("max_in_flight", 4);
    let input = contacts(160);
    let killed = run_killed(&place, &input, Duration::from_millis(110));
    assert!(killed > 1, "killed {killed} times only");
    assert_eq!(remote.by_ext("contacts").len(), 160, "killed {killed} times");
}

#[test]
fn circles_and_children_before_their_parents_survive_kills() {
    for manifest in ["rest-lookup-bulk", "rest-by-ext"] {
        let remote = Remote::with("{latency_ms: 2, latency_jitter_ms: 3}");
        let relations = serde_json::json!([{"field": "next", "stream": "people"}]);
        let place = Place::at(&remote, manifest)
            .set("batch", serde_json::json!({"records": 5}))
            .set("max_in_flight", 4)
            .set("streams", serde_json::json!({"people": {"relations": relations}}));
        // Rings of four, and a chain whose head comes last.
        let next = |n: usize| match n {
            0..120 => Some(n / 4 * 4 + (n + 1) % 4),
            120..199 => Some(n + 1),
            _ => None,
        };
        let person = |n: usize| {
            let next = next(n).map(|next| format!("p{next}"));
            record("people", &serde_json::json!({"externalId": format!("p{n}"), "next": next}))
        };
        let input = schema("people") + &(0..200).map(person).collect::<String>();
        let killed = run_killed(&place, &input, Duration::from_millis(41));
        assert!(killed > 1, "{manifest}: killed {killed} times only");
        let held = remote.by_ext("people");
        assert_eq!(held.len(), 200, "{manifest}, killed {killed} times");
        for n in 0..200 {
            let id = next(n)
                .map_or(serde_json::Value::Null, |next| held[&format!("p{next}")]["id"].clone());
            assert_eq!(held[&format!("p{n}")]["next"], id, "{manifest}: p{n}");
        }
    }
}
