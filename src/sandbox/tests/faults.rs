//! Faults: each kind, when it strikes, and what is applied all the same.

use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::{Reply, Sandbox, inputs, send};
use crate::sandbox::{Faults, SandboxError};

/// What became of one bulk call that meets `fault`, what the remote holds then, and how long it
/// took. The fault's text stands for the rest of its line.
async fn meet(fault: &str) -> (Result<Reply, reqwest::Error>, usize, Duration) {
    let faults = format!(
        "{{shuffle: false, faults: [{{on: 'POST /v1/{{object}}/batch', times: 1, {fault}}}]}}"
    );
    let sandbox = Sandbox::start(&faults).await;
    let begin = Instant::now();
    let reply = sandbox.try_call("POST", "/v1/c/batch", inputs(0..4)).await;
    let took = begin.elapsed();
    let held = held(&sandbox).await;
    // One request came, whatever the client makes of a connection that is closed.
    let calls = sandbox.calls().await;
    assert_eq!(calls["calls"], json!({"POST /v1/{object}/batch": 1}), "{fault}");
    assert_eq!(calls["faults"].as_object().unwrap().len(), 1);
    // The fault is over after `times`.
    let fine = sandbox.call("POST", "/v1/c/batch", inputs(0..4)).await;
    assert_eq!((fine.status, fine.json()["results"][0]["new"].as_bool()), (200, Some(held == 0)));
    (reply, held, took)
}

async fn held(sandbox: &Sandbox) -> usize {
    serde_json::from_str::<Vec<serde_json::Value>>(&sandbox.held("c").await).unwrap().len()
}

#[tokio::test]
async fn refusals_apply_nothing_or_everything() {
    for (fault, status, body, applied) in [
        (
            "do: status, status: 503",
            503,
            r#"{"code":"UNAVAILABLE","message":"the remote was asked to fail"}"#,
            0,
        ),
        ("do: status, status: 429, body: '{\"x\":1}'", 429, r#"{"x":1}"#, 0),
        (
            "do: status_after",
            500,
            r#"{"code":"SERVER_ERROR","message":"the remote was asked to fail"}"#,
            4,
        ),
        ("do: status_after, status: 502, body: gateway", 502, "gateway", 4),
        ("do: empty_after", 200, "", 4),
        ("do: empty_after, status: 204", 204, "", 4),
        ("do: redirect, to: 'http://127.0.0.1:9/x'", 307, "", 0),
        (
            "do: expire_token",
            401,
            r#"{"code":"UNAUTHORIZED","message":"the token has expired"}"#,
            0,
        ),
    ] {
        let (reply, held, _) = meet(fault).await;
        let reply = reply.unwrap();
        assert_eq!((reply.status, reply.text.as_str(), held), (status, body, applied), "{fault}");
        let to = if status == 307 { "http://127.0.0.1:9/x" } else { "" };
        assert_eq!(reply.header("location"), to);
    }
    let (reply, held, _) = meet("do: html").await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, held), (200, 0));
    assert!(reply.header("content-type").starts_with("text/html") && reply.text.contains("<h1>"));
}

#[tokio::test]
async fn refusals_tell_when_to_come_back() {
    let (reply, ..) = meet("do: status, status: 503, retry_after: {seconds: 7}").await;
    assert_eq!(reply.unwrap().header("retry-after"), "7");
    let (reply, ..) = meet("do: status_after, retry_after: {date_in_secs: 60}").await;
    let date = httpdate::parse_http_date(reply.unwrap().header("retry-after")).unwrap();
    let ahead = date.duration_since(SystemTime::now()).unwrap().as_secs();
    assert!((55..=60).contains(&ahead));
}

#[tokio::test]
async fn connections_are_closed_without_an_answer() {
    for (fault, applied, least_ms) in [
        ("do: reset", 0, 0),
        ("do: reset_after", 4, 0),
        ("do: hang, ms: 200", 0, 200),
        ("do: hang_after, ms: 200", 4, 200),
    ] {
        let (reply, held, took) = meet(fault).await;
        let error = reply.unwrap_err();
        assert!(error.is_request() && !error.is_timeout(), "{error:?}");
        assert_eq!(held, applied, "{fault}");
        assert!(took >= Duration::from_millis(least_ms), "{fault}");
    }
}

#[tokio::test]
async fn a_slow_call_is_applied_after_the_client_has_gone() {
    let sandbox = Sandbox::start("faults: [{on: 'POST *', calls: [1], do: slow, ms: 600}]").await;
    let request = sandbox.request("POST", "/v1/c").bearer_auth("sandbox-token").body("{}");
    let request = request.header("content-type", "application/json");
    let error = request.timeout(Duration::from_millis(100)).send().await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(sandbox.held("c").await, "[]");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(sandbox.held("c").await, r#"[{"id":"1"}]"#);
    let (reply, held, took) = meet("do: slow, ms: 150").await;
    assert_eq!((reply.unwrap().status, held), (200, 4));
    assert!(took >= Duration::from_millis(150));
}

#[tokio::test]
async fn bulk_answers_lack_verdicts_have_too_many_or_are_cut() {
    let indexes = |reply: &Reply| -> Vec<u64> {
        let json = reply.json();
        let rows = json["results"].as_array().unwrap();
        rows.iter().map(|row| row["index"].as_u64().unwrap()).collect()
    };
    let (reply, held, _) = meet("do: drop_results, count: 3").await;
    assert_eq!((indexes(&reply.unwrap()), held), (vec![3], 4));
    let (reply, held, _) = meet("do: extra_results, count: 2").await;
    let reply = reply.unwrap();
    assert_eq!((indexes(&reply), held), (vec![0, 1, 2, 3, 0, 0], 4));
    assert_eq!(reply.json()["results"][5]["ext_id"], "nobody-asked");
    let (reply, held, _) = meet("do: truncate_after").await;
    let reply = reply.unwrap();
    assert_eq!((reply.status, held), (200, 4));
    assert_eq!(reply.header("content-length"), reply.text.len().to_string());
    assert!(serde_json::from_str::<serde_json::Value>(&reply.text).is_err());
    assert!(reply.text.starts_with("{\"results\":[{"));
}

#[tokio::test]
async fn a_huge_body_is_streamed_and_not_told_ahead() {
    let (reply, held, _) = meet("do: huge, bytes: 3000000").await;
    let reply = reply.unwrap();
    assert_eq!((reply.text.len(), held), (3_000_000, 0));
    assert_eq!(reply.header("content-length"), "");
    // Two GiB, of which the client reads a little.
    let sandbox = Sandbox::start("faults: [{on: '*', do: huge}]").await;
    let request = sandbox.request("GET", "/v1/me").bearer_auth("sandbox-token");
    let mut response = request.send().await.unwrap();
    assert!(response.chunk().await.unwrap().unwrap().starts_with(b"\"xxx"));
    drop(response);
    sandbox.running.stop().await;
}

#[tokio::test]
async fn a_fault_strikes_the_calls_that_it_names() {
    for (when, expected) in [
        ("calls: [2, 5]", ".X..X..."),
        ("calls: [2, 5], times: 1", ".X......"),
        ("every: 3", "..X..X.."),
        ("every: 3, times: 1", "..X....."),
        ("times: 2", "XX......"),
        ("rate: 0", "........"),
        ("rate: 1", "XXXXXXXX"),
    ] {
        let faults = format!(
            "faults: [{{on: 'GET /v1/deals', do: status, status: 400}}, \
             {{on: 'GET /v1/{{object}}', {when}, do: status, status: 500}}]"
        );
        let sandbox = Sandbox::start(&faults).await;
        let mut met = String::new();
        for _ in 0..8 {
            // Neither one that does not match nor one that is not let in is counted.
            sandbox.call("GET", "/v1/me", "").await;
            let stranger = send(sandbox.request("GET", "/v1/c")).await.unwrap();
            assert_eq!(stranger.status, 401);
            let status = sandbox.call("GET", "/v1/c", "").await.status;
            met.push(if status == 500 { 'X' } else { '.' });
        }
        assert_eq!(met, expected, "{when}");
        assert_eq!(sandbox.call("GET", "/v1/deals", "").await.status, 400);
    }
}

#[tokio::test]
async fn chance_repeats_with_its_seed() {
    let run = async |seed: u64| {
        let faults = format!("{{seed: {seed}, faults: [{{on: '*', rate: 0.3, do: reset}}]}}");
        let sandbox = Sandbox::start(&faults).await;
        let mut met = Vec::new();
        for _ in 0..60 {
            met.push(sandbox.try_call("GET", "/v1/me", "").await.is_err());
        }
        // A reset on a connection that has served before is not sent again behind our back.
        assert_eq!(sandbox.calls().await["calls"]["GET /v1/me"], 60);
        met
    };
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
    let count = first.iter().filter(|met| **met).count();
    assert!((6..=34).contains(&count), "{count}");
}

#[tokio::test]
async fn requests_in_flight_are_counted_and_those_that_share_a_record() {
    let sandbox = Sandbox::start("{latency_ms: 150, latency_jitter_ms: 20}").await;
    sandbox.call("POST", "/v1/c", json!({"ext_id": "a"})).await;
    assert_eq!(sandbox.calls().await["max_in_flight_same_record"], 1);
    let begin = Instant::now();
    tokio::join!(
        sandbox.call("POST", "/v1/c/batch", inputs(["x"])),
        sandbox.call("POST", "/v1/c/batch", inputs(["y", "z"])),
        sandbox.call("POST", "/v1/d/batch", inputs(["x"])),
    );
    assert!(begin.elapsed() >= Duration::from_millis(150));
    let calls = sandbox.calls().await;
    assert_eq!((&calls["max_in_flight"], &calls["in_flight"]), (&json!(3), &json!(0)));
    assert_eq!(calls["max_in_flight_same_record"], 1);
    // The same record by its id and by its external id.
    tokio::join!(
        sandbox.call("PATCH", "/v1/c/1", "{}"),
        sandbox.call("PUT", "/v1/c/by-ext/a", "{}"),
    );
    assert_eq!(sandbox.calls().await["max_in_flight_same_record"], 2);
}

#[test]
fn a_wrong_file_is_told_where_it_is_wrong() {
    for (text, expected) in [
        ("seed: 1\nlatency: 5\n", "line 2"),
        ("faults:\n  - on: '*'\n    do: nothing\n", "line 3"),
        ("faults:\n  - on: '*'\n    do: reset\n    when: 1\n", "line 4"),
        ("faults:\n  - on: /v1\n    do: reset\n", "line 2"),
        ("faults:\n  - on: '*'\n    do: reset\n    calls: [0]\n", "count from 1"),
        ("faults:\n  - on: '*'\n    do: reset\n    every: 0\n", "at least 1"),
        ("faults:\n  - on: '*'\n    do: reset\n    rate: 1.5\n", "between 0 and 1"),
        ("faults: [{on: '*', do: reset, every: 2, calls: [1]}]", "only one of"),
        ("faults: [{on: '*', do: reset, ms: 5}]", "`ms` means nothing to `do: reset`"),
        ("faults: [{on: '*', do: hang}]", "`ms` is missing"),
        ("faults: [{on: '*', do: status}]", "needs a `status`"),
        ("faults: [{on: '*', do: status, status: 99}]", "between 200 and 599"),
        ("faults: [{on: '*', do: redirect}]", "needs a `to`"),
        ("faults: [{on: '*', do: empty_after, status: 500}]", "not 200 or 204"),
        ("rate_limit: {requests: 0, per_secs: 1}", "at least 1"),
        ("latency_ms: 86400001", "over the limit"),
        ("token_calls: 0", "at least 1"),
    ] {
        let error = text.parse::<Faults>().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    "{\"seed\": 1, \"faults\": []}".parse::<Faults>().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faults.yaml");
    assert!(matches!(Faults::read(&path), Err(SandboxError::Read { .. })));
    let write = |out: &mut std::io::BufWriter<&std::fs::File>| {
        std::io::Write::write_all(out, b"seed: 1\nsead: 2\n")
    };
    crate::file::replace(&path, crate::file::Access::Everyone, write).unwrap();
    let error = Faults::read(&path).unwrap_err().to_string();
    assert!(error.contains("faults.yaml") && error.contains("line 2 column 1"), "{error}");
}

#[test]
fn the_schema_describes_the_file_as_it_is_written() {
    let schema = serde_json::to_value(schemars::schema_for!(Faults)).unwrap();
    let fault = &schema["$defs"]["Fault"]["properties"];
    assert!(fault["do"].is_object() && fault["retry_after"].is_object(), "{schema:#}");
    assert_eq!(schema["additionalProperties"], json!(false));
    assert!(schema["properties"]["search_lag_ms"]["description"].is_string());
}
