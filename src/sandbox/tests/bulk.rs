//! Bulk calls: verdicts, their order, and what is applied.

use serde_json::{Value, json};

use super::{Sandbox, inputs, send};

/// The verdicts in the order of the inputs.
fn sorted(reply: &super::Reply) -> Vec<Value> {
    let mut rows = reply.json()["results"].as_array().unwrap().clone();
    rows.sort_by_key(|row| row["index"].as_u64());
    rows
}

#[tokio::test]
async fn a_mixed_batch_answers_207_and_applies_the_good_ones() {
    let sandbox = Sandbox::start("").await;
    sandbox.call("POST", "/v1/c", json!({"ext_id": "two"})).await;
    sandbox.call("POST", "/v1/c", json!({"ext_id": "two"})).await;
    sandbox.call("POST", "/v1/c", json!({"ext_id": "old", "kept": 1})).await;
    let body = json!({"inputs": [
        {"ext_id": "new", "n": 1},
        {"ext_id": "old", "n": 2},
        {"ext_id": "two", "n": 3},
        {"ext_id": "twice"},
        {"ext_id": "twice"},
        {"n": 4},
        {"ext_id": "bad", "email": "x"},
    ]});
    let reply = sandbox.call("POST", "/v1/c/batch", body).await;
    assert_eq!(reply.status, 207);
    let rows = sorted(&reply);
    assert_eq!(rows[0], json!({"index": 0, "id": "4", "ext_id": "new", "new": true}));
    assert_eq!(rows[1], json!({"index": 1, "id": "3", "ext_id": "old", "new": false}));
    let codes: Vec<_> = rows[2..].iter().map(|row| row["error"]["code"].clone()).collect();
    assert_eq!(codes, ["AMBIGUOUS", "DUPLICATE", "DUPLICATE", "REQUIRED", "INVALID_EMAIL"]);
    assert_eq!((&rows[6]["ext_id"], &rows[6]["error"]["field"]), (&json!("bad"), &json!("email")));
    assert_eq!(
        sandbox.held("c").await,
        r#"[{"id":"1","ext_id":"two"},{"id":"2","ext_id":"two"},"#.to_owned()
            + r#"{"id":"3","ext_id":"old","kept":1,"n":2},{"id":"4","ext_id":"new","n":1}]"#
    );
}

#[tokio::test]
async fn create_update_and_delete_in_bulk() {
    let sandbox = Sandbox::start("").await;
    let made = sandbox.call("POST", "/v1/c/batch/create", inputs([1, 1, 2])).await;
    assert_eq!((made.status, sorted(&made)[1]["id"].clone()), (200, json!("2")));
    let body = json!({"inputs": [
        {"id": "1", "n": 1}, {"id": 2, "ext_id": "z"}, {"id": "9"}, {"n": 1},
        {"id": "3"}, {"id": "3"},
    ]});
    let reply = sandbox.call("POST", "/v1/c/batch/update", body).await;
    let rows = sorted(&reply);
    assert_eq!(reply.status, 207);
    assert_eq!(rows[0], json!({"index": 0, "id": "1", "ext_id": "1", "new": false}));
    assert_eq!(rows[1], json!({"index": 1, "id": "2", "ext_id": "z", "new": false}));
    let codes: Vec<_> = rows[2..].iter().map(|row| row["error"]["code"].clone()).collect();
    assert_eq!(codes, ["NOT_FOUND", "REQUIRED", "DUPLICATE", "DUPLICATE"]);
    let reply =
        sandbox.call("POST", "/v1/c/batch/delete", r#"{"inputs":[{"id":"3"},{"id":"4"}]}"#).await;
    let rows = sorted(&reply);
    let gone = json!({"index": 0, "id": "3", "ext_id": "2", "new": false});
    assert_eq!((reply.status, &rows[0]), (207, &gone));
    assert_eq!(rows[1]["error"]["code"], "NOT_FOUND");
    let expected = r#"[{"id":"1","ext_id":"1","n":1},{"id":"2","ext_id":"z"}]"#;
    assert_eq!(sandbox.held("c").await, expected);
    let calls = sandbox.calls().await;
    let counts = ["created", "updated", "deleted", "written"]
        .map(|name| calls[format!("records_{name}")].as_u64());
    assert_eq!(counts, [3, 2, 1, 6].map(Some));
}

#[tokio::test]
async fn a_call_that_cannot_be_read_applies_nothing() {
    let sandbox = Sandbox::start("").await;
    for (body, code) in [
        (inputs(0..101).to_string(), "TOO_MANY"),
        (r#"{"inputs":[]}"#.to_owned(), "INVALID"),
        (r#"{"inputs":[{"ext_id":"a"},7]}"#.to_owned(), "INVALID"),
        (r#"{"records":[]}"#.to_owned(), "INVALID"),
        ("[]".to_owned(), "INVALID"),
    ] {
        for path in ["batch", "batch/create", "batch/update", "batch/delete"] {
            let refused = sandbox.call("POST", &format!("/v1/c/{path}"), &body).await;
            assert_eq!((refused.status, &refused.json()["code"]), (400, &json!(code)));
        }
    }
    assert_eq!(sandbox.held("c").await, "[]");
    assert_eq!(sandbox.calls().await["writes_applied"], 0);
}

#[tokio::test]
async fn all_or_nothing_names_no_record() {
    let sandbox = Sandbox::start("all_or_nothing: true").await;
    let body = json!({"inputs": [{"ext_id": "a"}, {"ext_id": "b", "readonly": 1}]});
    let refused = sandbox.call("POST", "/v1/c/batch", body).await;
    assert_eq!(refused.status, 400);
    let expected = r#"{"code":"INVALID_BATCH","message":"a record of the batch is invalid"}"#;
    assert_eq!(refused.text, expected);
    assert_eq!(sandbox.held("c").await, "[]");
    assert_eq!(sandbox.call("POST", "/v1/c/batch", inputs(["a"])).await.status, 200);
}

#[tokio::test]
async fn unique_external_ids_hold_in_bulk_too() {
    let sandbox = Sandbox::start("unique_ext_id: true").await;
    sandbox.call("POST", "/v1/c", json!({"ext_id": "a"})).await;
    let body =
        json!({"inputs": [{"ext_id": "a"}, {"ext_id": "b"}, {"ext_id": "b"}, {"ext_id": "c"}]});
    let rows = sorted(&sandbox.call("POST", "/v1/c/batch/create", body).await);
    assert_eq!(rows[0]["error"]["code"], "EXISTS");
    assert_eq!(rows[0]["error"]["existing_id"], "1");
    assert_eq!(rows[1]["error"]["code"], "DUPLICATE");
    assert_eq!(rows[3]["new"], true);
    assert_eq!(sandbox.held("c").await, r#"[{"id":"1","ext_id":"a"},{"id":"2","ext_id":"c"}]"#);
}

#[tokio::test]
async fn the_order_of_verdicts_is_any_and_repeats_with_its_seed() {
    let order = async |faults: &str| {
        let sandbox = Sandbox::start(faults).await;
        let mut orders = Vec::new();
        for _ in 0..3 {
            let reply = sandbox.call("POST", "/v1/c/batch", inputs(0..50)).await;
            let rows = reply.json()["results"].as_array().unwrap().clone();
            orders.push(rows.iter().map(|row| row["index"].as_u64().unwrap()).collect::<Vec<_>>());
        }
        orders
    };
    let inputs_order: Vec<_> = (0..50).collect();
    assert_eq!(order("shuffle: false").await, [&inputs_order[..]; 3]);
    let first = order("seed: 5").await;
    assert_eq!(first, order("seed: 5").await);
    assert_ne!(first, order("seed: 6").await);
    assert!(first[0] != first[1] && first[1] != first[2]);
    for mut indexes in first {
        indexes.sort_unstable();
        assert_eq!(indexes, inputs_order);
    }
}

#[tokio::test]
async fn an_idempotency_key_makes_one_record_of_two_creates() {
    for (faults, left) in [("idempotency: true", 1), ("", 3)] {
        let sandbox = Sandbox::start(faults).await;
        let create = async |path: &str, body: String, key: &str| {
            let request = sandbox.request("POST", path).bearer_auth("sandbox-token");
            let request = request.header("content-type", "application/json");
            send(request.header("Idempotency-Key", key).body(body)).await.unwrap()
        };
        let body = json!({"name": "x"}).to_string();
        let answers = [
            create("/v1/c", body.clone(), "k").await,
            create("/v1/c", body.clone(), "k").await,
            create("/v1/c", body, "k").await,
        ];
        assert_eq!(answers.each_ref().map(|answer| answer.status), [201; 3]);
        assert_eq!(answers[0].text == answers[2].text, left == 1);
        // A refusal is not kept: the mended record is taken under the same key.
        let bad = r#"{"inputs":[{"email":"x"}]}"#.to_owned();
        assert_eq!(create("/v1/d/batch/create", bad, "k").await.status, 207);
        let good = r#"{"inputs":[{"email":"x@y"}]}"#.to_owned();
        assert_eq!(create("/v1/d/batch/create", good.clone(), "k").await.status, 200);
        assert_eq!(create("/v1/d/batch/create", good, "k").await.status, 200);
        let held = |text: &str| serde_json::from_str::<Vec<Value>>(text).unwrap().len();
        assert_eq!(held(&sandbox.held("c").await), left);
        assert_eq!(held(&sandbox.held("d").await), if left == 1 { 1 } else { 2 });
    }
}
