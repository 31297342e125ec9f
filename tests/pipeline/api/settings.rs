//! What is said in the config: the platform's own keys, their slips, and the secrets among them.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{Receiver, entry, numbered, raw, values, with_id};
use crate::support::{Place, finish, schema};

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
