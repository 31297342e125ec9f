//! A mistake in a config or a manifest is told with its place, and without the value: it may be a
//! secret under the wrong key.

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::odd::Odd;
use crate::support::secrets::{HUSH, all_commands, leak, told};
use crate::support::{Place, Remote, contacts};

#[test]
fn a_mistake_in_the_config_is_told_without_the_value() {
    let rest = |key: &str, value: Value| {
        let mut config = json!({"connector": "rest", "manifest": "sandbox",
            "base_url": "http://127.0.0.1:9", "access_token": HUSH});
        config[key] = value;
        config
    };
    let api = |key: &str, value: Value| {
        let mut config = json!({"connector": "api", "url": "http://127.0.0.1:9/x", "auth": true,
            "api_key": HUSH});
        config[key] = value;
        config
    };
    let hubspot = |key: &str, value: serde_json::Value| {
        let mut config = json!({"connector": "hubspot", "base_url": "http://127.0.0.1:9",
            "access_token": HUSH});
        config[key] = value;
        config
    };
    let salesforce = |key: &str, value: serde_json::Value| {
        let mut config = json!({"connector": "salesforce", "base_uri": "http://127.0.0.1:9",
            "client_id": "app", "client_secret": HUSH, "refresh_token": HUSH});
        config[key] = value;
        config
    };
    let in_url = |text: &str| text.replace("HUSH", "hush-0123456789").into();
    let mistakes = [
        (rest("timeout_secs", HUSH.into()), "`timeout_secs`"),
        (rest("timeout_secs", 0.into()), "`timeout_secs`"),
        (rest("access_token", json!([HUSH])), "`access_token`"),
        (rest("client_secret", json!({"a": HUSH})), "`client_secret`"),
        (
            rest("connector", "hush-0123".into()),
            "the connectors are: rest, hubspot, salesforce, netsuite, api",
        ),
        (rest("manifest", "hush-0123".into()), "path of a YAML file"),
        (rest("sandbox", "hush-0123".into()), "the sandboxes are: rest"),
        (rest("identity", HUSH.into()), "`identity`"),
        (rest("streams", HUSH.into()), "`streams`"),
        (rest("streams", json!({"a": HUSH})), "`streams.a`"),
        (rest("state", json!({"format": HUSH})), "`state.format`"),
        (rest("batch", json!({"records": HUSH})), "`batch.records`"),
        (rest("base_url", in_url("https://bob:HUSH@127.0.0.1:9")), "holds a credential"),
        (rest("base_url", in_url("http://127.0.0.1:9/?token=HUSH")), "has a `?`"),
        (rest("base_url", in_url("HUSH")), "is no URL"),
        (rest("access_token", json!(format!("{HUSH}\n"))), "no header can hold"),
        (api("batch_size", HUSH.into()), "`batch_size`"),
        (api("method", json!(format!("Bearer {HUSH}"))), "`method`"),
        (api("auth", HUSH.into()), "`auth`"),
        (api("api_key", json!([HUSH])), "`api_key`"),
        (api("api_key", json!(format!("{HUSH}\n"))), "no header can hold"),
        (api("api_key_header", json!(format!("X Key {HUSH}"))), "`api_key_header`: no header"),
        (api("custom_headers", json!(format!("X-Key: {HUSH}"))), "`custom_headers`"),
        (
            api("custom_headers", json!([{"name": format!("X-Key: {HUSH}"), "value": ""}])),
            "`custom_headers`",
        ),
        (
            api("custom_headers", json!([{"name": "X", "value": format!("{HUSH}\n")}])),
            "no header can hold",
        ),
        (api("metadata", json!(format!("\"{HUSH}\""))), "`metadata`"),
        (api("metadata", json!([HUSH])), "`metadata`"),
        (api("idempotency_key_header", json!(format!("X Key {HUSH}"))), "`idempotency_key_header`"),
        (api("url", in_url("https://bob:HUSH@127.0.0.1:9")), "holds a credential"),
        (hubspot("base_url", in_url("https://bob:HUSH@127.0.0.1:9")), "holds a credential"),
        (hubspot("base_url", in_url("http://127.0.0.1:9/?token=HUSH")), "has a `?`"),
        (hubspot("access_token", json!(format!("{HUSH}\n{HUSH}"))), "no header can hold"),
        (hubspot("api_version", HUSH.into()), "`api_version`"),
        (hubspot("refresh_token", HUSH.into()), "`client_id`"),
        (hubspot("unified_api_schema", HUSH.into()), "`unified_api_schema`"),
        (hubspot("search_lag_secs", HUSH.into()), "`search_lag_secs`"),
        (api("base_url", in_url("https://bob:HUSH@127.0.0.1:9")), "holds a credential"),
        (salesforce("base_url", in_url("https://bob:HUSH@127.0.0.1:9")), "holds a credential"),
        (salesforce("base_uri", in_url("https://bob:HUSH@127.0.0.1:9")), "`base_uri`"),
        (salesforce("instance_url", in_url("HUSH")), "`instance_url`"),
        (salesforce("api_version", HUSH.into()), "`api_version`"),
        (salesforce("quota_percent_total", HUSH.into()), "`quota_percent_total`"),
        (salesforce("bulk_from", HUSH.into()), "`bulk_from`"),
        (salesforce("describe_hours", json!([HUSH])), "`describe_hours`"),
        (salesforce("client_id", "".into()), "`client_id`"),
        (
            json!({"connector": "salesforce", "client_id": "app", "username": "bob", "private_key": HUSH}),
            "`private_key`",
        ),
    ];
    let mut leaks = Vec::new();
    for (config, word) in mistakes {
        let what = config.to_string();
        let place = Place::with(config).env("LOGLEVEL", "TRACE");
        let ran =
            [place.run(contacts(1)), place.call(&["check", "--config", "config.json", "contacts"])];
        assert_eq!(ran[0].code, 2, "{what}: {}", ran[0].stderr);
        assert!(ran[0].stderr.contains(word), "{what}: {}", ran[0].stderr);
        leaks.extend(leak(&what, &told(&place, &ran)));
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_without_what_stands_in_it() {
    let mut leaks = Vec::new();
    for text in [
        "{\"access_token\": \"hush-0123\" oops}",
        "{\"access_token\": \"hush-0123",
        "\"hush-0123\"",
        "[\"hush-0123\"]",
        "{\"access_token\": hush-0123}",
    ] {
        let place = Place::with(json!({}));
        place.file("config.json", text);
        let ran = [
            place.call(&["--config", "config.json"]),
            place.call(&["check", "--config", "config.json"]),
        ];
        assert!(
            ran.iter().all(|ran| ran.code == 2 && ran.stderr.contains("JSON object")),
            "{ran:?}"
        );
        leaks.extend(leak(text, &told(&place, &ran)));
    }
    let good = "version: 1\nname: m\nbase_url: \"http://127.0.0.1:9\"\nheaders: {}\nauth: { type: none }\n\
                streams: { \"*\": { create: { method: POST, path: /x, body: \"{{ record }}\" } } }\n";
    for (old, new) in [
        ("{ type: none }", "hush-0123"),
        ("{ type: none }", "{ type: bearer, token: \"hush-0123 {{ confg.x }}\" }"),
        ("{ type: none }", "{ type: bearer, token: \"hush-0123 {{\" }"),
        ("{ type: none }", "{ type: bearer, token: [hush-0123] }"),
        ("{ type: none }", "{ type: bearer, token: \"hush-0123\" x"),
        ("headers: {}", "headers: hush-0123"),
        ("headers: {}", "headers: { X-Key: \"hush-0123{{ confg.x }}\" }"),
        ("version: 1", "version: hush-0123"),
        ("{ type: none }", "{ type: bearer, hush-0123 }"),
        ("{ type: none }", "{ type: hush-0123, token: x }"),
        ("{ type: none }", "{ type: bearer, token: \"{{ 'hush-0123' | nofilter }}\" }"),
        ("{ type: none }", "{ type: bearer, token: \"{{ 'hush-0123\\\\'hush' + }}\" }"),
        ("{ type: none }", "{ type: bearer, token: \"{{ hush0123 }}\" }"),
        ("headers: {}", "headers: { \"hush-0123 bad\": x }"),
        ("path: /x", "path: hush-0123"),
        ("method: POST", "method: hush-0123"),
        ("headers: {}", "answers: [{ when: \"'hush-0123' +\", is: missing }]"),
    ] {
        let place = Place::with(json!({"connector": "rest", "manifest": "m.yaml"}));
        place.file("m.yaml", good.replacen(old, new, 1));
        let (place, ran) = all_commands(place);
        assert_eq!(ran[0].code, 2, "{new}: {}", ran[0].stderr);
        assert!(ran[0].stderr.contains("m.yaml:"), "{new}: {}", ran[0].stderr);
        leaks.extend(leak(new, &told(&place, &ran)));
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// What a tap names is told on stderr, and must not steer the terminal that shows it.
#[test]
fn a_name_that_steers_a_terminal_is_told_by_its_numbers() {
    let name = "a\u{1b}[2J\u{202e}b\nerror: c";
    for (line, code) in [
        (json!({"type": "RECORD", "stream": name, "record": {}}), 4),
        (
            json!({"type": "SCHEMA", "stream": name, "key_properties": ["id"], "schema": {"properties": {"id": {}}}}),
            2,
        ),
        (
            json!({"type": "SCHEMA", "stream": name, "key_properties": [], "schema": {"properties": {"n": {"type": "integer"}}}}),
            0,
        ),
    ] {
        let remote = Remote::start();
        let place = Place::at(&remote, "sandbox");
        let bad = json!({"type": "RECORD", "stream": name, "record": {"n": name}});
        let ran =
            place.run(if code == 0 { format!("{line}\n{bad}\n") } else { format!("{line}\n") });
        assert_eq!(ran.code, code, "{}", ran.stderr);
        let listed = place.call(&["ids", "list"]);
        let told = ran.stderr + &listed.stdout;
        assert!(told.contains("a\\u001b[2J\\u202eb"), "{told}");
        assert!(!told.contains(['\u{1b}', '\u{202e}']) && !told.contains("\nerror: c"), "{told}");
    }
}

/// Nor must what a remote says to `check`, or an object that somebody has named so.
#[test]
fn what_check_finds_does_not_steer_a_terminal() {
    let name = "a\u{1b}[2J\u{202e}b";
    let refusal = json!({"message": name});
    let odd = Odd::start(move |_, _| ResponseTemplate::new(403).set_body_json(&refusal));
    let place = Place::at(&Remote::start(), "rest-one-by-one").set("base_url", odd.server.uri());
    place.file("config.json", place.config.to_string());
    let ran = place.call(&["check", "--config", "config.json", name]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    // The credential, the object, and its lookup.
    assert_eq!(ran.stdout.matches("a\\u001b[2J\\u202eb").count(), 3, "{}", ran.stdout);
    assert!(!ran.stdout.contains(['\u{1b}', '\u{202e}']), "{}", ran.stdout);
}

#[test]
fn a_secret_of_the_environment_is_told_nowhere() {
    let mut leaks = Vec::new();
    for (name, code, word) in [
        ("TARGET_UPSERT_ACCESS_TOKEN", 3, "401"),
        ("TARGET_UPSERT_TIMEOUT_SECS", 2, "`timeout_secs`"),
        ("TARGET_UPSERT_STATE", 2, "`state`"),
        ("TARGET_UPSERT_TIMEOUT_SEC", 2, "did you mean `timeout_secs`?"),
    ] {
        let remote = Remote::start();
        let place = Place::with(json!({"connector": "rest", "manifest": "sandbox",
            "base_url": remote.url, "strict_config": true}));
        let (place, ran) = all_commands(place.env(name, HUSH));
        assert_eq!(ran[0].code, code, "{name}: {}", ran[0].stderr);
        let all = told(&place, &ran);
        assert!(all.contains(word), "{name}: {all}");
        leaks.extend(leak(name, &all));
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// A time that no clock has was added to one, and the job died of it half way.
#[test]
fn a_time_that_no_clock_has_is_refused_by_its_key() {
    let remote = Remote::start();
    let key = |key: &str, value: &Value| Place::at(&remote, "sandbox").set(key, value.clone());
    let manifest = |line: &str, value: &Value| {
        let all = include_str!("../../fixtures/manifests/rest-lookup-bulk.yaml");
        let create =
            "    create: { method: POST, path: \"/v1/{{ object }}\", body: \"{{ record }}\",
      idempotency_key_header: Idempotency-Key, idempotency_key_secs: 1 }\n  none:\n";
        let all = all.replacen("  \"*\":\n", &format!("  keys:\n{create}"), 1);
        let all = all.replacen("name:", "limits: { requests: 9, per_secs: 9 }\nname:", 1);
        let (before, after) = all.split_once(&format!("{line}: ")).unwrap();
        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
        Place::at(&remote, "sandbox").manifest(format!("{before}{line}: {value}{after}"))
    };
    for value in [json!(-1), json!(2_678_401), json!(1e19), json!(u64::MAX)] {
        let api = |key: &str| {
            let config = json!({"connector": "api", "url": format!("{}/x", remote.url),
                "idempotency_key_header": "Key"});
            Place::with(config).set(key, value.clone())
        };
        let rate = json!({"requests": 1, "per_secs": value});
        for (place, word) in [
            (key("timeout_secs", &value), "`timeout_secs`"),
            (key("batch", &json!({"secs": value})), "`batch.secs`"),
            (key("retry", &json!({"max_wait_secs": value})), "`retry.max_wait_secs`"),
            (key("streams", &json!({"*": {"batch_secs": value}})), "`streams.*.batch_secs`"),
            (key("rate_limit", &rate), "`rate_limit"),
            (manifest("lag_secs", &value), "`lag_secs`"),
            (manifest("idempotency_key_secs", &value), "`idempotency_key_secs`"),
            (manifest("per_secs", &value), "`per_secs`"),
            (api("timeout"), "`timeout`"),
            (api("idempotency_key_secs"), "`idempotency_key_secs`"),
        ] {
            let ran = place.run(contacts(1));
            let what = format!("{word} {value}: {}", ran.stderr);
            assert_eq!(ran.code, 2, "{what}");
            assert!(ran.stderr.contains(word), "{what}");
        }
    }
    // A rate of nothing is none.
    for rate in [json!({"requests": 0, "per_secs": 1}), json!({"requests": 1, "per_secs": 0})] {
        let ran = key("rate_limit", &rate).run(contacts(1));
        assert_eq!(ran.code, 2, "{rate}: {}", ran.stderr);
        assert!(ran.stderr.contains("`rate_limit"), "{rate}: {}", ran.stderr);
    }
    assert_eq!(remote.calls()["total"].as_u64().unwrap_or(0), 0);
}
