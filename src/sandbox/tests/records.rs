//! Records one at a time, lists, searches, and the rules on records.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::{Sandbox, inputs};

#[tokio::test]
async fn a_record_is_made_read_changed_and_removed() {
    let sandbox = Sandbox::start("").await;
    let made = sandbox.call("POST", "/v1/contacts", json!({"name": "Ann", "age": 7})).await;
    assert_eq!((made.status, made.text.as_str()), (201, r#"{"id":"1","name":"Ann","age":7}"#));
    assert_eq!(made.header("content-type"), "application/json");
    assert!(httpdate::parse_http_date(made.header("date")).is_ok());
    let read = sandbox.call("GET", "/v1/contacts/1", "").await;
    assert_eq!((read.status, read.text), (200, made.text));
    let changed = sandbox.call("PATCH", "/v1/contacts/1", r#"{"age":null,"x":[1, 2]}"#).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.text, r#"{"id":"1","name":"Ann","age":null,"x":[1, 2]}"#);
    assert_eq!(sandbox.held("contacts").await, format!("[{}]", changed.text));
    // The id of one object is nothing to another.
    assert_eq!(sandbox.call("GET", "/v1/deals/1", "").await.status, 404);
    assert_eq!(sandbox.call("DELETE", "/v1/contacts/1", "").await.status, 204);
    for (method, body) in [("GET", ""), ("PATCH", "{}"), ("DELETE", "")] {
        let missing = sandbox.call(method, "/v1/contacts/1", body).await;
        assert_eq!((missing.status, &missing.json()["code"]), (404, &json!("NOT_FOUND")));
    }
    assert_eq!(sandbox.held("contacts").await, "[]");
    // An id is never given twice.
    let next = sandbox.call("POST", "/v1/contacts", "{}").await;
    assert_eq!(next.text, r#"{"id":"2"}"#);
    let calls = sandbox.calls().await;
    assert_eq!(calls["calls"]["PATCH /v1/{object}/{id}"], 2);
    assert_eq!(calls["statuses"], json!({"200": 2, "201": 2, "204": 1, "404": 4}));
    assert_eq!((&calls["writes_applied"], &calls["records_written"]), (&json!(4), &json!(4)));
    assert_eq!(sandbox.call("GET", "/v1/objects", "").await.json(), json!({"data": ["contacts"]}));
    assert_eq!(sandbox.call("GET", "/v1/me", "").await.json(), json!({"name": "sandbox"}));
}

#[tokio::test]
async fn digits_and_text_stay_as_they_were() {
    let sandbox = Sandbox::start("").await;
    let fields = [
        r#""int":12345678901234567890123"#,
        r#""big":1e400"#,
        r#""money":0.10"#,
        r#""minus":-0.0E+2"#,
        r#""uml\u00e4ut":"\u00e4\ud83d\ude00\/""#,
        r#""nested":{"b":1.0,"a":[01e1]}"#,
    ];
    // 01e1 is no JSON number.
    let wrong = format!("{{{}}}", fields.join(","));
    assert_eq!(sandbox.call("POST", "/v1/x", wrong).await.status, 400);
    let right = fields.join(",").replace("01e1", "1e1");
    let made = sandbox.call("POST", "/v1/x", format!("{{{right}}}")).await;
    let held = format!(r#"{{"id":"1",{right}}}"#).replace("uml\\u00e4ut", "umläut");
    assert_eq!((made.status, made.text), (201, held.clone()));
    sandbox.call("POST", "/v1/x/batch", r#"{"inputs":[{"ext_id":007}]}"#).await;
    sandbox.call("POST", "/v1/x/batch", r#"{"inputs":[{"ext_id":7.0},{"ext_id":"7"}]}"#).await;
    let expected = format!(r#"[{held},{{"id":"2","ext_id":7.0}},{{"id":"3","ext_id":"7"}}]"#);
    assert_eq!(sandbox.held("x").await, expected);
}

#[tokio::test]
async fn an_external_id_in_the_path_may_be_anything() {
    let sandbox = Sandbox::start("").await;
    let long = "é/".repeat(1365);
    let too_long = "x".repeat(4097);
    let ids = ["a/b", "a%2Fb", " ", "?#&=+", "ä\u{1F600}", "\"\\\n\0", "[\"de\",7]", &long];
    for (id, expected) in ids.iter().zip(1..) {
        let encoded = utf8_percent_encode(id, NON_ALPHANUMERIC);
        let path = format!("/v1/contacts/by-ext/{encoded}");
        let made = sandbox.call("PUT", &path, json!({"n": 1})).await;
        assert_eq!(made.status, 201, "{id}");
        assert_eq!(made.json(), json!({"id": expected.to_string(), "n": 1, "ext_id": id}));
        let again = sandbox.call("PUT", &path, json!({"n": 2, "ext_id": id})).await;
        assert_eq!(again.status, 200, "{id}");
        assert_eq!(again.json(), json!({"id": expected.to_string(), "n": 2, "ext_id": id}));
    }
    for (path, status, code) in [
        ("/v1/contacts/by-ext/%FF", 400, "INVALID_TYPE"),
        ("/v1/contacts/by-ext/", 404, "NOT_FOUND"),
        ("/v1/contacts/by-ext/other", 400, "MISMATCH"),
        (&format!("/v1/contacts/by-ext/{too_long}"), 400, "TOO_LONG"),
    ] {
        let record = if code == "MISMATCH" { json!({"ext_id": "mine"}) } else { json!({}) };
        let refused = sandbox.call("PUT", path, record).await;
        assert_eq!((refused.status, &refused.json()["code"]), (status, &json!(code)));
    }
    let held: Vec<serde_json::Value> =
        serde_json::from_str(&sandbox.held("contacts").await).unwrap();
    assert_eq!(held.len(), ids.len());
}

#[tokio::test]
async fn bad_records_and_bad_requests_are_refused() {
    let sandbox = Sandbox::start("").await;
    let long = "ä".repeat(256);
    let fits = "ä".repeat(255);
    for (body, status, code, field) in [
        (json!({"email": "nobody"}).to_string(), 400, "INVALID_EMAIL", "email"),
        (json!({"name": long}).to_string(), 400, "TOO_LONG", "name"),
        (json!({"readonly": null}).to_string(), 400, "READ_ONLY", "readonly"),
        (json!({"id": "5"}).to_string(), 400, "READ_ONLY", "id"),
        (json!({"ext_id": true}).to_string(), 400, "INVALID_TYPE", "ext_id"),
        ("[]".to_owned(), 400, "INVALID", ""),
        ("{".to_owned(), 400, "INVALID", ""),
        ("{} {}".to_owned(), 400, "INVALID", ""),
        (format!("{{\"x\":\"{}\"}}", "x".repeat(1_000_000)), 413, "TOO_LARGE", ""),
    ] {
        let refused = sandbox.call("POST", "/v1/contacts", body).await;
        let json = refused.json();
        assert_eq!((refused.status, json["code"].as_str()), (status, Some(code)));
        assert_eq!(json["field"].as_str().unwrap_or_default(), field);
        assert!(json["message"].is_string());
    }
    for (method, path, status, code) in [
        ("GET", "/v1", 404, "NOT_FOUND"),
        ("GET", "/", 404, "NOT_FOUND"),
        ("PUT", "/v1/contacts", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/v1/me", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST", "/v1/contacts", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("GET", "/v1/contacts?limit=0", 400, "INVALID"),
        ("GET", "/v1/contacts?limit=101", 400, "INVALID"),
        ("GET", "/v1/contacts?after=x", 400, "INVALID"),
        ("GET", "/v1/con%20tacts", 404, "NO_OBJECT"),
        ("GET", "/v1/contacts/01", 404, "NOT_FOUND"),
    ] {
        let refused = sandbox.call(method, path, "").await;
        let expected = if path == "/v1/me" { (404, "NO_OBJECT") } else { (status, code) };
        assert_eq!((refused.status, refused.json()["code"].as_str().unwrap()), expected, "{path}");
    }
    let allowed = sandbox.call("PUT", "/v1/contacts/1", "").await;
    assert_eq!(allowed.header("allow"), "GET, PATCH, DELETE");
    let fine = json!({"email": "", "name": fits});
    assert_eq!(sandbox.call("POST", "/v1/contacts", fine).await.status, 201);
    let fine = json!({"email": 7, "name": 8, "id": "1"});
    assert_eq!(sandbox.call("PATCH", "/v1/contacts/1", fine).await.status, 200);
    assert_eq!(sandbox.held("contacts").await, r#"[{"id":"1","email":7,"name":8}]"#);
}

#[tokio::test]
async fn external_ids_are_unique_only_when_asked() {
    let lenient = Sandbox::start("").await;
    for _ in 0..2 {
        assert_eq!(lenient.call("POST", "/v1/c", json!({"ext_id": "a"})).await.status, 201);
    }
    let upsert = lenient.call("PUT", "/v1/c/by-ext/a", json!({})).await;
    assert_eq!((upsert.status, &upsert.json()["code"]), (409, &json!("AMBIGUOUS")));
    assert_eq!(lenient.held("c").await, r#"[{"id":"1","ext_id":"a"},{"id":"2","ext_id":"a"}]"#);
    lenient.call("DELETE", "/v1/c/1", "").await;
    assert_eq!(lenient.call("PUT", "/v1/c/by-ext/a", json!({})).await.status, 200);

    let strict = Sandbox::start("unique_ext_id: true").await;
    assert_eq!(strict.call("POST", "/v1/c", json!({"ext_id": "a"})).await.status, 201);
    assert_eq!(strict.call("POST", "/v1/c", json!({"ext_id": "b"})).await.status, 201);
    for (method, path) in [("POST", "/v1/c"), ("PATCH", "/v1/c/2")] {
        let refused = strict.call(method, path, json!({"ext_id": "a"})).await;
        let json = refused.json();
        assert_eq!((refused.status, &json["code"]), (409, &json!("EXISTS")));
        assert_eq!(json["existing_id"], "1");
    }
    assert_eq!(strict.call("PATCH", "/v1/c/1", json!({"ext_id": "a"})).await.status, 200);
    assert_eq!(strict.held("c").await, r#"[{"id":"1","ext_id":"a"},{"id":"2","ext_id":"b"}]"#);
}

#[tokio::test]
async fn lists_and_searches_come_in_pages() {
    let sandbox = Sandbox::start("").await;
    for from in [0, 100, 200] {
        let made = sandbox.call("POST", "/v1/c/batch/create", inputs(from..from + 100)).await;
        assert_eq!(made.status, 200);
    }
    sandbox.call("POST", "/v1/c", json!({"ext_id": "7"})).await;
    for (limit, pages) in [("", 4), ("limit=100&", 4), ("limit=43&", 7)] {
        let (mut next, mut ids, mut count) = (String::new(), Vec::new(), 0);
        loop {
            let page = sandbox.call("GET", &format!("/v1/c?{limit}{next}"), "").await.json();
            let rows = page["data"].as_array().unwrap();
            ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().parse::<u64>().unwrap()));
            count += 1;
            let Some(after) = page["paging"]["next"].as_str() else {
                break;
            };
            next = format!("after={after}");
        }
        assert_eq!((count, ids), (pages, (1..=301).collect::<Vec<u64>>()));
    }
    let found = sandbox.call("POST", "/v1/c/search", r#"{"ext_id":{"in":[7,"8","none"]}}"#).await;
    let ids: Vec<_> =
        found.json()["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids, ["8", "9", "301"]);
    assert_eq!(found.json()["paging"], json!({}));
    let first = json!({"ext_id": {"in": ["7", "8"]}, "limit": 2});
    let first = sandbox.call("POST", "/v1/c/search", first).await.json();
    let after = &first["paging"]["next"];
    let rest = json!({"ext_id": {"in": ["7", "8"]}, "limit": 2, "after": after});
    let rest = sandbox.call("POST", "/v1/c/search", rest).await.json();
    assert_eq!(rest, json!({"data": [{"id": "301", "ext_id": "7"}], "paging": {}}));
    // By any property, and by the id itself.
    let by_id = json!({"id": {"in": ["301", "302", "x"]}});
    let by_id = sandbox.call("POST", "/v1/c/search", by_id).await.json();
    assert_eq!(by_id, json!({"data": [{"id": "301", "ext_id": "7"}], "paging": {}}));
    let by_name = json!({"name": {"in": ["n"]}});
    assert_eq!(sandbox.call("POST", "/v1/c/search", by_name).await.json()["data"], json!([]));
    let many: Vec<_> = (0..101).map(|n| n.to_string()).collect();
    for (body, code) in [
        (json!({"ext_id": {"in": many}}), "TOO_MANY"),
        (json!({"ext_id": {"in": [null]}}), "INVALID"),
        (json!({"name": {"in": []}, "ext_id": {"in": []}}), "INVALID"),
        (json!({}), "INVALID"),
    ] {
        let refused = sandbox.call("POST", "/v1/c/search", body).await;
        assert_eq!((refused.status, &refused.json()["code"]), (400, &json!(code)));
    }
}

#[tokio::test]
async fn a_write_can_be_conditional_on_a_version() {
    let sandbox = Sandbox::start("").await;
    sandbox.call("POST", "/v1/c", json!({"ext_id": "a"})).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/v1/c/1", sandbox.running.address());
    let call = async |method: &str, version: Option<&str>, body: &str| {
        let method = method.parse().unwrap();
        let mut request = client.request(method, &url).bearer_auth("sandbox-token");
        request = request.header("content-type", "application/json").body(body.to_owned());
        if let Some(version) = version {
            request = request.header("if-match", version);
        }
        let answer = request.send().await.unwrap();
        let version = answer.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        (answer.status().as_u16(), version)
    };
    let first = call("GET", None, "").await.1.unwrap();
    let (status, second) = call("PATCH", Some(&first), r#"{"n":1}"#).await;
    assert_eq!(status, 200);
    assert_ne!(second.as_ref(), Some(&first));
    assert_eq!(call("PATCH", Some(&first), r#"{"n":2}"#).await.0, 412);
    assert_eq!(call("DELETE", Some(&first), "").await.0, 412);
    assert_eq!(sandbox.held("c").await, r#"[{"id":"1","ext_id":"a","n":1}]"#);
    assert_eq!(call("DELETE", second.as_deref(), "").await.0, 204);
    assert_eq!(call("PATCH", second.as_deref(), "{}").await.0, 404);
}

#[tokio::test]
async fn search_sees_a_new_record_late_and_a_read_at_once() {
    let sandbox = Sandbox::start("search_lag_ms: 800").await;
    let search = || sandbox.call("POST", "/v1/c/search", json!({"ext_id": {"in": ["a"]}}));
    sandbox.call("POST", "/v1/c", json!({"ext_id": "a"})).await;
    assert_eq!(search().await.json()["data"], json!([]));
    assert_eq!(sandbox.call("GET", "/v1/c/1", "").await.status, 200);
    assert_eq!(sandbox.call("PUT", "/v1/c/by-ext/a", "{}").await.status, 200);
    tokio::time::sleep(Duration::from_millis(850)).await;
    assert_eq!(search().await.json()["data"], json!([{"id": "1", "ext_id": "a"}]));
    sandbox.call("PATCH", "/v1/c/1", json!({"n": 1})).await;
    assert_eq!(search().await.json()["data"][0]["n"], 1);
    assert_eq!(sandbox.held("c").await, r#"[{"id":"1","ext_id":"a","n":1}]"#);
}
