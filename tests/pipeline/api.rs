//! The generic API target: configs of the platform's `target-api`, and what the server received.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers};

use crate::support::{Place, counts, finish, record, schema};

/// A server that remembers what it was sent, and answers as the test says.
struct Receiver {
    runtime: tokio::runtime::Runtime,
    server: MockServer,
}

impl Receiver {
    fn new(answer: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            Mock::given(matchers::any()).respond_with(answer).mount(&server).await;
            server
        });
        Self { runtime, server }
    }

    /// One that takes everything.
    fn taking() -> Self {
        Self::new(|_| ResponseTemplate::new(200))
    }

    /// The requests, in the order in which they came.
    fn requests(&self) -> Vec<Request> {
        self.runtime.block_on(self.server.received_requests()).unwrap()
    }

    /// Their bodies.
    fn bodies(&self) -> Vec<String> {
        self.requests().into_iter().map(|one| String::from_utf8(one.body).unwrap()).collect()
    }

    /// A place whose jobs post to it.
    fn place(&self, config: &Value) -> Place {
        let mut all = json!({
            "connector": "api",
            "url": format!("{}/in/{{stream}}", self.server.uri()),
            "retry": {"base_millis": 1},
        });
        all.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        Place::with(all)
    }
}

/// A SCHEMA line of a stream with an `externalId` and an `id`.
fn with_id(stream: &str) -> String {
    json!({"type": "SCHEMA", "stream": stream, "key_properties": ["id"],
        "schema": {"type": "object", "properties": {"externalId": {}, "id": {}}}})
    .to_string()
        + "\n"
}

/// A RECORD line of this text, whose digits stay.
fn raw(stream: &str, record: &str) -> String {
    format!("{{\"type\":\"RECORD\",\"stream\":\"{stream}\",\"record\":{record}}}\n")
}

fn numbered(stream: &str, from: usize, to: usize) -> String {
    (from..to).map(|n| raw(stream, &format!(r#"{{"externalId":"e-{n}","n":{n}}}"#))).collect()
}

/// The values of `n` in a body, in their order.
fn values(body: &str) -> Vec<u64> {
    match serde_json::from_str(body).unwrap() {
        Value::Array(records) => records.iter().map(|one| one["n"].as_u64().unwrap()).collect(),
        one => vec![one["n"].as_u64().unwrap()],
    }
}

/// A state entry less its hash, which is checked to be one.
fn entry(entry: &Value) -> Value {
    let mut entry = entry.clone();
    let hash = entry.as_object_mut().unwrap().remove("hash").unwrap();
    assert_eq!(hash.as_str().unwrap().len(), 64);
    entry
}

#[cfg(unix)]
#[test]
fn a_config_of_the_platforms_own_target_runs_under_its_name() {
    let receiver = Receiver::taking();
    let mut place = receiver.place(&json!({
        "url": format!("{}/{{tenant}}/{{flow}}/{{tap}}/{{connector_id}}/{{stream}}?v=1", receiver.server.uri()),
        "method": "put",
        "auth": true,
        "api_key": "key-0123456789",
        "api_key_header": "X-Key",
        "api_key_url": true,
        "custom_headers": [{"name": "X-Env", "value": "production"}],
        "user_agent": "them/1.0",
        "timeout": 30,
        "process_as_batch": true,
        "batch_size": 2,
        "max_size_in_bytes": 1_000_000,
        "add_stream_key": true,
        "metadata": "{\"run\": 1.50}",
        "inject_batch_ids": true,
        "post_empty_record": true,
        "enforce_order": true,
    }));
    for ours in ["connector", "retry"] {
        place.config.as_object_mut().unwrap().remove(ours);
    }
    place.file("config.json", place.config.to_string());
    let link = place.path("target-api");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_target-upsert"), &link).unwrap();
    let mut command = std::process::Command::new(&link);
    command
        .args(["--config", "config.json"])
        .current_dir(place.folder.path())
        .env_clear()
        .envs([("TENANT", "acme/1"), ("FLOW", "f1"), ("TAP", "shop"), ("CONNECTOR_ID", "api-2")])
        .env("JOB_ROOT", "acme/flows/f1/jobs/7")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let input = with_id("orders")
        + &raw("orders", r#"{"externalId":"o-1","id":7,"total":10.50}"#)
        + &raw("orders", r#"{"externalId":"o-2","big":12345678901234567890123}"#)
        + &raw("orders", r#"{"externalId":"o-3","metadata":{"own":1e400}}"#)
        + &schema("none");
    let ran = finish(command.spawn().unwrap(), input.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!ran.stderr.contains("is not known"), "{}", ran.stderr);
    let requests = receiver.requests();
    let paths: Vec<_> = requests.iter().map(|one| one.url.path()).collect();
    let path = |stream: &str| format!("/acme%2F1/f1/shop/api-2/{stream}");
    assert_eq!(paths, [path("orders"), path("orders"), path("none")]);
    for request in &requests {
        assert_eq!(request.method.as_str(), "PUT");
        assert_eq!(request.url.query(), Some("v=1&X-Key=key-0123456789"));
        for (name, value) in [
            ("x-key", "key-0123456789"),
            ("x-env", "production"),
            ("user-agent", "them/1.0"),
            ("content-type", "application/json"),
        ] {
            assert_eq!(request.headers[name], value);
        }
    }
    // Python: md5(f"acme/flows/f1/jobs/7:orders:{n}".encode()).hexdigest()
    let ids = ["4fd0b4c2b7e054f0fa611b4f0a1375d1", "312aa894d5ca4fa4347e02982f3822af"];
    assert_eq!(
        receiver.bodies(),
        [
            format!(
                r#"[{{"externalId":"o-1","id":7,"total":10.50,"stream":"orders","metadata":{{"run":1.50}},"hgBatchId":"{0}"}},{{"externalId":"o-2","big":12345678901234567890123,"stream":"orders","metadata":{{"run":1.50}},"hgBatchId":"{0}"}}]"#,
                ids[0]
            ),
            format!(
                r#"[{{"externalId":"o-3","metadata":{{"own":1e400,"run":1.50}},"stream":"orders","hgBatchId":"{}"}}]"#,
                ids[1]
            ),
            "[{}]".to_owned(),
        ]
    );
    let state = ran.state();
    let entries: Vec<_> =
        state["bookmarks"]["orders"].as_array().unwrap().iter().map(entry).collect();
    let expected =
        |id: &str, batch: &str| json!({"success": true, "externalId": id, "hgBatchId": batch});
    assert_eq!(
        entries,
        [expected("o-1", ids[0]), expected("o-2", ids[0]), expected("o-3", ids[1])]
    );
    assert_eq!(entry(&state["bookmarks"]["none"][0]), json!({"success": true}));
    let mut command = std::process::Command::new(&link);
    let about = command.args(["--about", "--format", "json"]).env_clear().output().unwrap();
    let about: Value = serde_json::from_slice(&about.stdout).unwrap();
    let settings = &about["settings"]["properties"];
    assert!(settings["max_size_in_bytes"].is_object() && settings["store"].is_object());
    assert_eq!(about["capabilities"], json!(["about", "hotglue-exceptions-classes"]));
    // Over the state of the whole line, in the order that its readers know.
    let (_, first) = ran.stdout.split_once("\"orders\"").unwrap();
    let places: Vec<_> = ["success", "hash", "externalId", "hgBatchId"]
        .iter()
        .map(|key| first.find(&format!("\"{key}\"")).unwrap())
        .collect();
    assert!(places.is_sorted(), "{first}");
}

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
fn a_record_that_nothing_can_be_added_to_is_refused_alone() {
    let receiver = Receiver::taking();
    let place = receiver.place(&json!({"process_as_batch": true, "metadata": {"run": 2}}));
    let odd = raw("things", r#"{"externalId":"odd","metadata":"a text"}"#);
    place.done(schema("things") + &numbered("things", 0, 2) + &odd);
    assert_eq!(place.counts("things"), counts([("read", 3), ("created", 2), ("rejected", 1)]));
    assert!(place.read("results.jsonl").contains("its `metadata` is no object"));
    assert!(receiver.bodies().iter().all(|body| !body.contains("odd")));
}

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
    // Python: md5(b"root:a:0"), md5(b"root:a:1") twice, since that call was sent again, md5(b"root:b:2")
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
                ResponseTemplate::new(503).insert_header("retry-after", "0")
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
        // Not in the next run either: nothing can be asked, and a second one would be a second record.
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

#[test]
fn what_cannot_be_meant_is_told_before_anything_is_posted() {
    let receiver = Receiver::taking();
    for (key, value, words) in [
        ("url", json!("http://127.0.0.1/{streams}"), ["`{streams}`", "{connector_id}"]),
        ("url", json!("http://127.0.0.1/{tenant}"), ["`{tenant}`", "`TENANT`"]),
        ("metadata", json!("{no json"), ["`metadata`", "JSON"]),
        (
            "idempotency_key_header",
            json!("Key"),
            ["`process_as_batch`", "`idempotency_key_header`"],
        ),
        ("auth", json!(true), ["`api_key`", "hint:"]),
        (
            "streams",
            json!({"things": {"relations": [{"field": "a", "stream": "b"}]}}),
            ["`relations`", "`enforce_order`"],
        ),
    ] {
        let place = receiver.place(&json!({"process_as_batch": true, "enforce_order": true}));
        let place = place.set(key, value);
        let ran = place.run(schema("things") + &numbered("things", 0, 1));
        assert_eq!(ran.code, 2, "{key}: {}", ran.stderr);
        assert!(words.iter().all(|word| ran.stderr.contains(word)), "{key}: {}", ran.stderr);
    }
    // A slip of one of its keys is told with the key that is near; its own keys are not.
    let place = receiver.place(&json!({"proces_as_batch": true, "timeout": 9, "batch_size": 7}));
    let ran = place.done("");
    assert!(ran.stderr.contains("did you mean `process_as_batch`?"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("is not known").count(), 1, "{}", ran.stderr);
    assert!(receiver.bodies().is_empty());
}

#[test]
fn its_keys_come_from_the_environment_with_their_types() {
    let receiver = Receiver::taking();
    let place = Place::with(json!({}))
        .env("TARGET_UPSERT_CONNECTOR", "api")
        .env("TARGET_UPSERT_URL", &receiver.server.uri())
        .env("TARGET_UPSERT_PROCESS_AS_BATCH", "true")
        .env("TARGET_UPSERT_BATCH_SIZE", "3");
    place.done(schema("things") + &numbered("things", 0, 6));
    assert_eq!(receiver.bodies().iter().map(|body| values(body).len()).collect::<Vec<_>>(), [3, 3]);
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
fn the_secrets_of_a_post_are_in_no_output() {
    const SECRETS: [&str; 4] = [
        "hush-key+0123456789",
        "hush-header-0123456789",
        "hush-query-0123456789",
        "hush-path-0123456789",
    ];
    let all = SECRETS.join(" ");
    let answers = [
        ResponseTemplate::new(200).set_body_string(all.clone()),
        ResponseTemplate::new(400).set_body_json(json!({"message": all})),
        ResponseTemplate::new(401).set_body_string(all.clone()),
        ResponseTemplate::new(403).set_body_string(all.clone()),
        ResponseTemplate::new(302).insert_header("location", format!("/?a={}", SECRETS[0])),
        ResponseTemplate::new(500).set_body_string(all.clone()),
        ResponseTemplate::new(200).set_delay(Duration::from_secs(3)),
    ];
    let mut receivers: Vec<Receiver> =
        answers.into_iter().map(|answer| Receiver::new(move |_| answer.clone())).collect();
    receivers.push(Receiver::taking());
    for (at, receiver) in receivers.iter().enumerate() {
        let mut place = receiver
            .place(&json!({"auth": true, "api_key_url": true, "api_key": SECRETS[0], "timeout": 1,
                "custom_headers": [{"name": "X-Auth", "value": SECRETS[1]}]}))
            .env("LOGLEVEL", "TRACE");
        let uri = receiver.server.uri();
        // The last one is out of reach.
        let uri = if at + 1 == receivers.len() { "http://127.0.0.1:9" } else { uri.as_str() };
        place.config["url"] = format!("{uri}/{}/{{stream}}?code={}", SECRETS[3], SECRETS[2]).into();
        let ran = place.run(schema("things") + &numbered("things", 0, 2));
        let checked = place.call(&["check", "--config", "config.json", "things"]);
        let token = place.call(&["--access-token", "--config", "config.json"]);
        assert!(token.stdout.contains("Fetch access token support is not implemented"));
        let mut told = ran.stdout + &ran.stderr + &checked.stdout + &checked.stderr;
        told += &token.stdout;
        told += &token.stderr;
        for folder in [place.path(""), place.path(".target-upsert")] {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_name() != "config.json" && entry.path().is_file() {
                    told += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap());
                }
            }
        }
        let encoded = "hush-key%2B0123456789";
        for secret in SECRETS.iter().chain(&[encoded]) {
            assert!(!told.contains(secret), "answer {at}: {secret} is in\n{told}");
        }
        if at + 1 < receivers.len() {
            let request = receiver.requests().remove(0);
            let query = format!("code={}&x-api-key={encoded}", SECRETS[2]);
            assert_eq!(request.url.query(), Some(&*query));
            assert_eq!(request.headers["x-api-key"], SECRETS[0]);
            assert_eq!(request.headers["x-auth"], SECRETS[1]);
        }
    }
}
