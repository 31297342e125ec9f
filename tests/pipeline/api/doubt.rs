//! A post whose answer is lost: it is never sent twice, unless the remote knows it by a key.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use wiremock::ResponseTemplate;

use super::{Receiver, numbered, values};
use crate::support::{counts, record, schema};

#[test]
fn a_post_whose_answer_is_lost_is_told_and_never_sent_again() {
    for (config, lost) in [
        (json!({}), ResponseTemplate::new(500)),
        (json!({}), ResponseTemplate::new(502).set_body_string("<html>")),
        (
            json!({"timeout": 1, "timeout_secs": 60}),
            ResponseTemplate::new(200).set_delay(Duration::from_secs(3)),
        ),
        (json!({"process_as_batch": true}), ResponseTemplate::new(500)),
    ] {
        let receiver = Receiver::new(move |_| lost.clone());
        let place = receiver.place(&config);
        let input = schema("things") + &numbered("things", 0, 1);
        let ran = place.run(&input);
        assert_eq!(ran.code, 3, "every call failed");
        assert_eq!(place.counts("things"), counts([("read", 1), ("in_doubt", 1)]));
        assert_eq!(ran.state()["summary"]["things"]["fail"], 1);
        assert_eq!(receiver.bodies().len(), 1);
        // Not in the next run either: nothing can be asked, and a second one would be a second
        // record.
        place.done(&input);
        assert_eq!(place.counts("things"), counts([("read", 1), ("in_doubt", 1)]));
        assert_eq!(receiver.bodies().len(), 1);
        // Until somebody has looked.
        let place = place.set("retry", json!({"base_millis": 1}));
        assert_eq!(place.call(&["ids", "forget", "e-0", "--stream", "things"]).code, 0);
        place.run(&input);
        assert_eq!(receiver.bodies().len(), 2);
    }
}

#[test]
fn an_id_that_somebody_tells_ends_the_doubt_that_a_killed_job_left() {
    let receiver = Receiver::taking();
    let place = receiver.place(&json!({}));
    let input = schema("things") + &numbered("things", 0, 1);
    place.dies_at("answered:1", &input);
    place.file("ids.csv", "InputId,RemoteId\ne-0,r-7\n");
    let taken = place.call(&["ids", "import", "ids.csv", "--stream", "things"]);
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    place.done(&input);
    let bodies = receiver.bodies();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    assert!(bodies[1].contains("r-7"), "{bodies:?}");
}

#[test]
fn a_remote_that_breaks_down_leaves_few_records_in_doubt() {
    let is_up = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let asked = Arc::clone(&is_up);
    let receiver = Receiver::new(move |_| {
        let is_up = asked.load(std::sync::atomic::Ordering::Relaxed);
        ResponseTemplate::new(if is_up { 200 } else { 500 })
    });
    let place = receiver.place(&json!({}));
    let input = schema("things") + &numbered("things", 0, 300);
    let ran = place.run(&input);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let lost = receiver.bodies().len() as u64;
    // Ten in a row are enough, and those that were under way beside the tenth.
    assert!((10..=20).contains(&lost), "{lost}");
    let expected = counts([("read", 300), ("in_doubt", lost), ("failed", 300 - lost)]);
    assert_eq!(place.counts("things"), expected);
    is_up.store(true, std::sync::atomic::Ordering::Relaxed);
    place.done(&input);
    let expected = counts([("read", 300), ("in_doubt", lost), ("created", 300 - lost)]);
    assert_eq!(place.counts("things"), expected);
    assert_eq!(receiver.bodies().len(), 300, "each was posted once");
}

#[test]
fn a_change_whose_answer_is_lost_is_not_posted_again_nor_taken_back_in_silence() {
    let receiver = Receiver::new(|request| {
        let n = values(std::str::from_utf8(&request.body).unwrap())[0];
        ResponseTemplate::new(if n == 2 { 500 } else { 200 }).set_body_json(json!({"id": "r"}))
    });
    let place = receiver.place(&json!({}));
    let input = |n: u64| schema("s") + &record("s", &json!({"externalId": "a", "n": n}));
    place.done(input(1));
    assert_eq!(place.run(input(2)).code, 3);
    assert_eq!(place.counts("s"), counts([("read", 1), ("in_doubt", 1)]));
    for n in [2, 1, 3] {
        // Whatever stands there, nobody knows it: not what was sent before the change either.
        place.done(input(n));
        assert_eq!(place.counts("s"), counts([("read", 1), ("in_doubt", 1)]), "{n}");
    }
    assert_eq!(receiver.bodies(), [r#"{"n":1}"#, r#"{"n":2,"id":"r"}"#]);
}

#[test]
fn a_job_that_is_killed_in_a_post_does_not_post_again() {
    let receiver = Receiver::new(|_| ResponseTemplate::new(200).set_delay(Duration::from_secs(20)));
    let place = receiver.place(&json!({}));
    let input = schema("things") + &numbered("things", 0, 1);
    let mut child = place.job().spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    while receiver.bodies().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    place.done(input);
    assert_eq!(place.counts("things"), counts([("read", 1), ("in_doubt", 1)]));
    assert_eq!(receiver.bodies().len(), 1);
}

#[test]
fn with_a_key_of_its_own_a_post_is_sent_again() {
    let calls = Mutex::new(0);
    let receiver = Receiver::new(move |_| {
        let mut calls = calls.lock().unwrap();
        *calls += 1;
        ResponseTemplate::new(if *calls % 2 == 1 { 500 } else { 200 })
    });
    let place = receiver
        .place(&json!({"idempotency_key_header": "Idempotency-Key", "enforce_order": true}));
    let input = |n: u64| schema("s") + &record("s", &json!({"externalId": "a", "n": n}));
    // Content that comes back is another post, not the first one again.
    for n in [1, 2, 1] {
        place.done(input(n));
    }
    let keys: Vec<_> =
        receiver.requests().iter().map(|one| one.headers["idempotency-key"].clone()).collect();
    assert_eq!(
        receiver.bodies(),
        ["{\"n\":1}", "{\"n\":1}", "{\"n\":2}", "{\"n\":2}", "{\"n\":1}", "{\"n\":1}"]
    );
    assert!(keys[0] == keys[1] && keys[2] == keys[3] && keys[4] == keys[5], "{keys:?}");
    assert!(keys[0] != keys[2] && keys[2] != keys[4] && keys[0] != keys[4], "{keys:?}");
}
