//! No secret is printable: not in a log, an error, the summary, the results, a panic.

use serde_json::json;
use wiremock::ResponseTemplate;

use crate::liars::Odd;
use crate::support::{Place, Remote, contacts};

const SECRETS: [&str; 3] =
    ["hush-token-0123456789", "hush-refresh-0123456789", "hush-secret-0123456789"];

/// A place whose credentials are wrong and easy to find in a text.
fn place(remote: &Remote, manifest: &str) -> Place {
    Place::at(remote, manifest)
        .set("access_token", SECRETS[0])
        .set("refresh_token", SECRETS[1])
        .set("client_secret", SECRETS[2])
        .set("retry", serde_json::json!({"attempts": 2, "base_millis": 1}))
        .env("LOGLEVEL", "TRACE")
}

#[test]
fn nothing_that_is_written_has_a_secret_in_it() {
    let faults = [
        "{static_token: false}",
        "{faults: [{on: \"*\", do: reset}]}",
        "{faults: [{on: \"*\", do: html}]}",
        "{faults: [{on: \"*\", do: status, status: 400, body: '{\"message\": \"bad token hush-token-0123456789 hush-refresh-0123456789\"}'}]}",
        "{faults: [{on: \"*\", do: status, status: 401, body: '{\"error\": \"invalid_grant\", \"error_description\": \"hush-secret-0123456789 hush-refresh-0123456789\"}'}]}",
    ];
    for faults in faults {
        for manifest in ["sandbox", "rest-by-ext"] {
            let remote = Remote::with(faults);
            let place = place(&remote, manifest);
            let ran = place.run(contacts(3));
            assert_ne!((ran.code, ran.stdout.contains("true")), (0, true), "{faults}");
            let checked = place.call(&["check", "--config", "config.json", "contacts"]);
            let token = place.call(&["--access-token", "--config", "config.json"]);
            let mut all = ran.stdout + &ran.stderr + &checked.stdout + &checked.stderr;
            // What it prints on stdout is the token that was asked for, or why there is none.
            assert!(token.stdout.contains("access_token") || token.stdout.contains("error"));
            all += &token.stderr;
            if token.stdout.contains("error") {
                all += &token.stdout;
            }
            for entry in std::fs::read_dir(place.folder.path()).unwrap() {
                let entry = entry.unwrap();
                if entry.file_name() == "config.json" || entry.path().is_dir() {
                    continue;
                }
                all += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap());
            }
            for entry in std::fs::read_dir(place.path(".target-upsert")).unwrap() {
                all += &String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap());
            }
            for secret in SECRETS {
                assert!(!all.contains(secret), "{manifest} {faults}: {secret} is in\n{all}");
            }
        }
    }
}

/// The remote told back what it was sent, as some do for what they refuse; only texts of a few names
/// at the top of the config were known as secrets.
#[test]
fn what_a_login_sends_is_in_no_output_when_the_remote_tells_it_back() {
    let secrets = ["hush-passwd-1", "hush-nested-22", "8877665544332211", "hush-literal-55"];
    for login in [true, false] {
        let odd = Odd::start(move |_, request| {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            if request.url.path() == "/login" && login {
                let token = json!({"token": "hush/token+9999=="});
                return ResponseTemplate::new(200).set_body_json(token);
            }
            let header = request.headers.get("x-token").map(|value| value.to_str().unwrap());
            let told = header.unwrap_or_default().replace('/', "\\/");
            let query = request.url.query().unwrap_or_default();
            let text =
                format!("{{\"message\": \"bad: {told} {} {query}\"}}", body.replace('"', "'"));
            ResponseTemplate::new(422).set_body_string(text)
        });
        let place = Place::with(json!({
            "connector": "rest", "manifest": "m.yaml", "base_url": odd.server.uri(),
            "passwd": secrets[0], "db": {"password": secrets[1]}, "pin_key": 8_877_665_544_332_211_u64,
        }))
        .env("LOGLEVEL", "TRACE");
        place.file("m.yaml", LOGIN);
        let ran = place.run(contacts(1));
        let checked = place.call(&["check", "--config", "config.json", "contacts"]);
        let mut all = ran.stdout + &ran.stderr + &checked.stdout + &checked.stderr;
        for name in ["summary.json", "results.jsonl"] {
            all += &place.read(name);
        }
        assert!(all.contains("[secret]"), "{all}");
        for secret in secrets.iter().chain(&["hush/token+9999==", "hush\\/token"]) {
            assert!(!all.contains(secret), "{secret} is in\n{all}");
        }
    }
}

const LOGIN: &str = r#"
version: 1
name: m
base_url: "{{ config.base_url }}"
auth:
  type: login
  login:
    method: POST
    path: /login
    body: { user: bob, password: "{{ config.passwd }}", more: { db: "{{ config.db.password }}" },
            pin: "{{ config.pin_key }}", fixed: hush-literal-55 }
    token: $.token
  header: X-Token
  key: "{{ token }}"
streams:
  "*":
    create:
      method: POST
      path: /create
      query: { nested: "{{ config.db.password }}" }
      body: "{{ record }}"
"#;
