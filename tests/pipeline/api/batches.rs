//! Many records in a post.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{Receiver, numbered, raw, values};
use crate::support::{counts, schema};

#[test]
fn batches_are_full_by_count_and_by_bytes() {
    let receiver = Receiver::taking();
    let place = receiver.place(&json!({"process_as_batch": true, "enforce_order": true}));
    let place = place.set("batch", json!({"secs": 30}));
    place.done(schema("things") + &numbered("things", 0, 250));
    let sizes: Vec<_> = receiver.bodies().iter().map(|body| values(body).len()).collect();
    assert_eq!(sizes, [100, 100, 50]);
    assert!(
        receiver.bodies()[0].starts_with(r#"[{"externalId":"e-0","n":0},{"externalId":"e-1","#)
    );

    // Records of 40 bytes, with what is added: four of them are 2 + 4 * 40 + 3 bytes.
    let receiver = Receiver::taking();
    let place = receiver.place(&json!({"process_as_batch": true, "enforce_order": true}));
    let record = |n: usize| raw("s", &format!(r#"{{"externalId":"{n:03}"}}"#));
    let input = schema("s") + &(0..10).map(record).collect::<String>();
    let place = place.set("add_stream_key", true).set("batch", json!({"secs": 30}));
    let place = place.set("max_size_in_bytes", 170);
    place.done(&input);
    for body in receiver.bodies() {
        assert!(body.len() <= 170 * 9 / 10, "{body}");
    }
    let one = r#"{"externalId":"000","stream":"s"}"#.len();
    let fit = (153 - 1) / (one + 1);
    let sizes: Vec<_> =
        receiver.bodies().iter().map(|body| body.matches("stream").count()).collect();
    assert_eq!((fit, sizes), (4, vec![4, 4, 2]));
    // Our own keys work beside theirs, and one record is never too large to be tried.
    let place = place.set("store", "other.db").set("batch", json!({"records": 1}));
    let place = place.set("max_size_in_bytes", "5");
    place.done(&input);
    assert_eq!(receiver.bodies().len(), 13);
}

#[test]
fn batches_are_numbered_over_the_whole_run() {
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    let receiver = Receiver::new(move |_| {
        let mut calls = counted.lock().unwrap();
        *calls += 1;
        let answer = ResponseTemplate::new(if *calls == 2 { 429 } else { 200 });
        answer.insert_header("retry-after", "0")
    });
    let place = receiver
        .place(&json!({"process_as_batch": true, "batch_size": 2, "inject_batch_ids": true,
            "enforce_order": true}))
        .env("JOB_ROOT", "root");
    let input = schema("a") + &numbered("a", 0, 3) + &schema("b") + &numbered("b", 0, 1);
    place.done(input);
    let ids: Vec<String> = receiver
        .bodies()
        .iter()
        .map(|body| {
            serde_json::from_str::<Value>(body).unwrap()[0]["hgBatchId"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    // Python: md5(b"root:a:0"), md5(b"root:a:1") twice, since that call was sent again,
    // md5(b"root:b:2")
    assert_eq!(
        ids,
        [
            "373cf118b886f582002b69cdfa8e4cff",
            "d8c3cbe89d6fd835c7b440b22be8fe4d",
            "d8c3cbe89d6fd835c7b440b22be8fe4d",
            "9a9065fac8f3b5f64f24d3feda2aa006"
        ]
    );
}

#[test]
fn ids_of_a_batch_are_taken_by_position() {
    let receiver = Receiver::new(|request| {
        let records: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
        let row =
            |one: &Value| json!({"id": format!("of {}", one["externalId"].as_str().unwrap())});
        ResponseTemplate::new(200).set_body_json(records.iter().map(row).collect::<Vec<_>>())
    });
    let place = receiver.place(&json!({"process_as_batch": true, "batch_size": 2}));
    let state = place.done(schema("things") + &numbered("things", 0, 3)).state();
    for n in 0..3 {
        assert_eq!(state["bookmarks"]["things"][n]["id"], format!("of e-{n}"));
    }
    place.done(schema("things") + &raw("things", r#"{"externalId":"e-1","n":9}"#));
    assert_eq!(receiver.bodies()[2..], [r#"[{"externalId":"e-1","n":9,"id":"of e-1"}]"#]);
}

#[test]
fn a_bad_record_of_a_batch_is_refused_alone() {
    let receiver = Receiver::new(|request| {
        if values(std::str::from_utf8(&request.body).unwrap()).contains(&42) {
            let body = json!({"code": "BAD", "message": "42 is no answer (key-0123456789)"});
            return ResponseTemplate::new(422).set_body_json(body);
        }
        ResponseTemplate::new(200)
    });
    let place = receiver.place(&json!({"process_as_batch": true, "inject_batch_ids": true,
        "auth": true, "api_key": "key-0123456789"}));
    let state = place.done(schema("things") + &numbered("things", 0, 100)).state();
    assert_eq!(place.counts("things"), counts([("read", 100), ("created", 99), ("rejected", 1)]));
    let mut taken: Vec<u64> = receiver
        .bodies()
        .iter()
        .map(|body| values(body))
        .filter(|all| !all.contains(&42))
        .flatten()
        .collect();
    taken.sort_unstable();
    let all_but_one: Vec<u64> = (0..100).filter(|n| *n != 42).collect();
    assert_eq!(taken, all_but_one, "each of the others was taken exactly once");
    // The batch keeps its name while it is halved, and every entry tells it.
    // Python: md5(b"job_Example:things:0").hexdigest()
    let id = "807ecfee5b76fb0c9ac3360745b586e8";
    let ids: std::collections::BTreeSet<String> = receiver
        .bodies()
        .iter()
        .flat_map(|body| serde_json::from_str::<Vec<Value>>(body).unwrap())
        .map(|one| one["hgBatchId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.iter().collect::<Vec<_>>(), [id]);
    for (n, told) in state["bookmarks"]["things"].as_array().unwrap().iter().enumerate() {
        assert_eq!(told["hgBatchId"], id);
        if n == 42 {
            assert_eq!(told["error"], "status 422: 42 is no answer ([secret])");
            assert_eq!(told["hg_error_class"], "InvalidPayloadError");
        }
    }
    // What was mended goes out by itself.
    place.done(
        schema("things")
            + &raw("things", r#"{"externalId":"e-42","n":43}"#)
            + &numbered("things", 0, 42),
    );
    assert_eq!(place.counts("things"), counts([("read", 43), ("created", 1), ("unchanged", 42)]));
}

#[test]
fn a_record_that_nothing_can_be_added_to_is_refused_alone() {
    let receiver = Receiver::taking();
    let place = receiver.place(&json!({"process_as_batch": true, "metadata": {"run": 2}}));
    let odd = raw("things", r#"{"externalId":"odd","metadata":"a text"}"#);
    place.done(schema("things") + &numbered("things", 0, 2) + &odd);
    assert_eq!(place.counts("things"), counts([("read", 3), ("created", 2), ("rejected", 1)]));
    assert!(place.read("results.jsonl").contains("its `metadata` is no object"));
    assert!(receiver.bodies().iter().all(|body| !body.contains("odd")));
}

/// A batch's records hold their ids, so the alias beside the id is content that may change.
#[test]
fn the_alias_of_the_external_id_is_content_beside_it() {
    let receiver = Receiver::taking();
    let place = receiver.place(&json!({"process_as_batch": true}));
    let input = |alias: &str| {
        schema("things")
            + &raw("things", &format!(r#"{{"externalid":"{alias}","externalId":"a"}}"#))
    };
    place.done(input("x"));
    place.done(input("y"));
    assert_eq!(place.counts("things"), counts([("read", 1), ("updated", 1)]));
    assert!(receiver.bodies()[1].contains(r#""externalid":"y""#), "{:?}", receiver.bodies());
    place.done(input("y"));
    assert_eq!(receiver.bodies().len(), 2);
}
