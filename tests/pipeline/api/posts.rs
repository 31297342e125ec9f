//! What is posted, in which order, and what is not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use wiremock::ResponseTemplate;

use super::{Receiver, entry, numbered, raw, values, with_id};
use crate::support::{counts, schema};

#[test]
fn one_record_a_call_has_its_id_in_the_state_and_its_content_in_the_body() {
    let count = Mutex::new(0);
    let receiver = Receiver::new(move |_| {
        let mut count = count.lock().unwrap();
        *count += 1;
        ResponseTemplate::new(201).set_body_json(json!({"id": format!("r-{count}")}))
    });
    let place = receiver.place(&json!({"enforce_order": true}));
    let input = with_id("things")
        + &raw("things", r#"{"externalId":"t-1","id":1.0,"a":1.50}"#)
        + &raw("things", r#"{"externalId":"t-2","a":12345678901234567890123}"#)
        + &raw("things", r#"{"id":"x"}"#);
    let state = place.done(&input).state();
    let bodies = [r#"{"id":1.0,"a":1.50}"#, r#"{"a":12345678901234567890123}"#, r#"{"id":"x"}"#];
    assert_eq!(receiver.bodies(), bodies);
    let entries: Vec<_> =
        state["bookmarks"]["things"].as_array().unwrap().iter().map(entry).collect();
    assert_eq!(
        entries,
        [
            json!({"success": true, "id": "r-1", "externalId": "t-1"}),
            json!({"success": true, "id": "r-2", "externalId": "t-2"}),
            json!({"success": true, "id": "r-3"}),
        ]
    );
    assert_eq!(
        state["summary"]["things"],
        json!({"success": 3, "fail": 0, "existing": 0, "updated": 0})
    );

    // What has not changed is not posted, what has is, with the id where the record has none.
    let input = with_id("things")
        + &raw("things", r#"{"externalId":"t-1","id":1.0,"a":1.50}"#)
        + &raw("things", r#"{"externalId":"t-2","a":2}"#);
    let state = place.done(input).state();
    assert_eq!(receiver.bodies()[3..], [r#"{"a":2,"id":"r-2"}"#]);
    assert_eq!(place.counts("things"), counts([("read", 2), ("updated", 1), ("unchanged", 1)]));
    assert_eq!(
        entry(&state["bookmarks"]["things"][1]),
        json!({"success": true, "id": "r-4", "externalId": "t-2"})
    );
    place.done(with_id("things") + &raw("things", r#"{"externalId":"t-1","id":2,"a":1.50}"#));
    assert_eq!(receiver.bodies()[4..], [r#"{"id":2,"a":1.50}"#]);
}

#[test]
fn a_second_run_posts_nothing() {
    for config in [json!({}), json!({"process_as_batch": true, "inject_batch_ids": true})] {
        let receiver = Receiver::taking();
        let place = receiver.place(&config);
        let input = schema("things") + &numbered("things", 0, 250);
        place.done(&input);
        let calls = receiver.bodies().len();
        place.done(&input);
        assert_eq!(place.counts("things"), counts([("read", 250), ("unchanged", 250)]));
        // What is added to every record is none of its content.
        let place = place.set("metadata", json!({"run": 2})).set("add_stream_key", true);
        place.done(&input);
        assert_eq!(place.counts("things"), counts([("read", 250), ("unchanged", 250)]));
        assert_eq!(receiver.bodies().len(), calls);
    }
}

#[test]
fn a_dry_run_posts_nothing() {
    let receiver = Receiver::taking();
    let place = receiver
        .place(&json!({"process_as_batch": true, "post_empty_record": true}))
        .arg("--dry-run");
    place.done(schema("empty") + &schema("things") + &numbered("things", 0, 150));
    assert!(receiver.requests().is_empty());
    assert_eq!(place.summary()["streams"]["things"]["planned"]["create"], 150);
    assert_eq!(place.summary()["streams"]["empty"]["planned"]["create"], 1);
    let checked = place.call(&["check", "--config", "config.json", "things"]);
    assert_eq!(checked.code, 0);
    assert!(checked.stdout.contains("POST to 127.0.0.1, over http\n"), "{}", checked.stdout);
    assert!(receiver.requests().is_empty(), "neither does a check");
}

#[test]
fn every_record_of_a_call_that_is_refused_one_by_one_has_its_own_fate() {
    let receiver = Receiver::new(|request| {
        let n = values(std::str::from_utf8(&request.body).unwrap())[0];
        match n % 3 {
            0 => ResponseTemplate::new(200),
            1 => ResponseTemplate::new(409).set_body_string("it is there"),
            _ => ResponseTemplate::new(404),
        }
    });
    let place = receiver.place(&json!({}));
    let state = place.done(schema("things") + &numbered("things", 0, 9)).state();
    assert_eq!(place.counts("things"), counts([("read", 9), ("created", 3), ("rejected", 6)]));
    assert_eq!(state["bookmarks"]["things"][1]["error"], "status 409: it is there");
    assert_eq!(state["bookmarks"]["things"][2]["error"], "status 404, and an empty body");
    assert_eq!(receiver.bodies().len(), 9);
}

#[test]
fn a_stream_without_records_posts_an_empty_one() {
    for (batch, empty) in [(false, "{}"), (true, "[{}]")] {
        let receiver = Receiver::taking();
        let place = receiver.place(&json!({"process_as_batch": batch, "post_empty_record": true,
            "add_stream_key": true, "metadata": {"a": 1}, "inject_batch_ids": true}));
        let required = json!({"type": "SCHEMA", "stream": "empty", "key_properties": ["id"],
            "schema": {"type": "object", "required": ["id"], "properties": {"id": {}}}});
        let input =
            format!("{required}\n") + &schema("full") + &numbered("full", 0, 1) + &schema("also");
        place.done(&input);
        let posts = receiver.requests();
        let mut bare: Vec<_> = posts
            .iter()
            .filter(|one| one.body == empty.as_bytes())
            .map(|one| one.url.path().to_owned())
            .collect();
        bare.sort();
        assert_eq!((posts.len(), bare), (3, vec!["/in/also".to_owned(), "/in/empty".to_owned()]));
        for stream in ["empty", "also", "full"] {
            assert_eq!(place.counts(stream), counts([("read", 1), ("created", 1)]));
        }
        // Each run tells it, also one that knows the state of the last.
        let state = place.done(schema("empty")).stdout;
        assert_eq!(receiver.bodies().len(), 4);
        let (path, store) = (place.file("state.json", state), place.path("new.db"));
        let next = receiver.place(&place.config).set("store", store.display().to_string());
        let next = next.arg("--state").arg(path.to_str().unwrap());
        next.done(schema("empty"));
        assert_eq!((receiver.bodies().len(), &*receiver.bodies()[4]), (5, empty));
        // An input that breaks off is no proof that a stream has none.
        let ran = place.run(schema("late") + "no message\n");
        assert_eq!((ran.code, receiver.bodies().len()), (4, 5));
    }
    let receiver = Receiver::taking();
    let place = receiver.place(&json!({}));
    assert_eq!(place.done(schema("empty")).stdout, "{}\n");
    assert!(receiver.bodies().is_empty(), "only where it is asked for");
}

#[test]
fn the_order_of_the_input_is_kept_over_streams_retries_and_halves() {
    const WAIT: Duration = Duration::from_millis(10);
    for batch in [true, false] {
        let calls = Arc::new(Mutex::new((0, Vec::new(), Vec::new())));
        let seen = Arc::clone(&calls);
        let receiver = Receiver::new(move |request| {
            let mut calls = seen.lock().unwrap();
            let (count, taken, times) = &mut *calls;
            times.push(std::time::Instant::now());
            *count += 1;
            let all = values(std::str::from_utf8(&request.body).unwrap());
            let answer = if *count % 3 == 0 {
                ResponseTemplate::new(429).insert_header("retry-after", "0")
            } else if all.contains(&13) {
                ResponseTemplate::new(400)
            } else {
                taken.extend(all);
                ResponseTemplate::new(200)
            };
            answer.set_delay(WAIT)
        });
        let place = receiver.place(&json!({"process_as_batch": batch, "batch_size": 8,
            "enforce_order": true}));
        // The stream changes every few records, and an external id comes again while the one before
        // it still waits for company, or is on its way.
        let stream = |n: u64| if (n / 7).is_multiple_of(2) { "a" } else { "b" };
        let record = |n| raw(stream(n), &format!(r#"{{"externalId":"e-{}","n":{n}}}"#, n % 5));
        place.done(schema("a") + &schema("b") + &(0..70).map(record).collect::<String>());
        let calls = calls.lock().unwrap();
        let expected: Vec<u64> = (0..70).filter(|n| *n != 13).collect();
        assert_eq!(calls.1, expected, "batch: {batch}");
        let one_by_one = calls.2.windows(2).all(|times| times[1] - times[0] >= WAIT);
        assert!(one_by_one, "a call left before the one before it was answered");
    }
}
