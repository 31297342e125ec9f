//! Kinto: a batch call whose HTTP 200 hides failures, ids that it refuses, preconditions.

use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::installed::{Server, ask, program};
use crate::proxy::{Fault, Proxy};
use crate::support::{Place, counts, fixture, record, schema};

struct Kinto {
    _folder: tempfile::TempDir,
    server: Server,
}

const PASSWORD: &str = "pw-0f81";

fn basic() -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("bob:{PASSWORD}"));
    format!("Basic {encoded}")
}

impl Kinto {
    fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kinto.ini");
        let settings = format!(
            "[server:main]\nuse = egg:waitress#main\nhost = 127.0.0.1\nport = %(http_port)s\n\
             [app:main]\nuse = egg:kinto\nkinto.includes = kinto.plugins.accounts\n\
             kinto.storage_backend = kinto.core.storage.memory\n\
             kinto.cache_backend = kinto.core.cache.memory\n\
             kinto.permission_backend = kinto.core.permission.memory\n\
             kinto.userid_hmac_secret = s3cret\nmultiauth.policies = account\n\
             multiauth.policy.account.use = kinto.plugins.accounts.AccountsPolicy\n\
             kinto.account_create_principals = system.Everyone\n\
             kinto.bucket_create_principals = system.Authenticated\n\
             kinto.experimental_collection_schema_validation = true\n{more}\n"
        );
        std::fs::File::create(&path).unwrap().write_all(settings.as_bytes()).unwrap();
        let server = Server::start(|port| {
            let mut command = Command::new(program("kinto"));
            command.arg("start").arg("--ini").arg(&path).args(["--port", &port.to_string()]);
            command
        });
        let kinto = Self { _folder: folder, server };
        let account = json!({"data": {"password": PASSWORD}});
        let url = format!("{}/v1/accounts/bob", kinto.server.url());
        assert_eq!(ask("PUT", &url, None, Some(&account)).0, 201);
        kinto.put("", &json!({}));
        let age = json!({"type": "object", "properties": {"age": {"type": "integer"}}});
        kinto.put("/collections/contacts", &json!({"data": {"schema": age}}));
        kinto
    }

    fn put(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}/v1/buckets/crm{path}", self.server.url());
        let (status, answer) = ask("PUT", &url, Some(&basic()), Some(body));
        assert!(status < 300, "{answer}");
        answer
    }

    fn place(url: &str) -> Place {
        Place::with(json!({
            "connector": "rest",
            "manifest": fixture("manifests/kinto.yaml").display().to_string(),
            "base_url": format!("{url}/v1"),
            "username": "bob",
            "password": PASSWORD,
            "bucket": "crm",
            "retry": {"base_millis": 5, "attempts": 20},
        }))
    }

    /// All records, without what Kinto adds, by id.
    fn held(&self) -> std::collections::BTreeMap<String, Value> {
        let url = format!("{}/v1/buckets/crm/collections/contacts/records", self.server.url());
        let (status, answer) = ask("GET", &url, Some(&basic()), None);
        assert_eq!(status, 200);
        let records = answer["data"].as_array().unwrap().iter().map(|record| {
            let mut record = record.as_object().unwrap().clone();
            record.remove("last_modified").unwrap();
            record.remove("schema").unwrap(); // which version of the schema it was held against
            let id = record.remove("id").unwrap().as_str().unwrap().to_owned();
            (id, Value::Object(record))
        });
        records.collect()
    }
}

fn contacts(records: &[Value]) -> String {
    schema("contacts") + &records.iter().map(|one| record("contacts", one)).collect::<String>()
}

#[test]
#[ignore = "needs Kinto, which `tests/run` installs"]
fn what_stands_there_is_what_came_in_however_rough_the_way() {
    let kinto = Kinto::start("");
    let good = |n: usize| json!({"name": "Zoë \"Z\"\n", "age": n, "tags": ["a", {"b": null}]});
    let records: Vec<Value> = (0..330)
        .map(|n| {
            let mut record = good(n);
            record["externalId"] = json!(format!("id-{n}"));
            match n {
                40 => record["externalId"] = json!("not@allowed"),
                140 => record["age"] = json!("forty"),
                _ => {}
            }
            record
        })
        .collect();
    let proxy = Proxy::rough(kinto.server.port, 11);
    let place = Kinto::place(&proxy.url);
    place.done(contacts(&records));
    assert!(proxy.seen.lost.load(Ordering::SeqCst) > 0);
    let counted = place.counts("contacts");
    assert_eq!((counted["read"], counted["rejected"]), (330, 2), "{counted:?}");
    assert_eq!(counted.get("in_doubt"), None);
    let held = kinto.held();
    assert_eq!(held.len(), 328);
    for n in (0..330).filter(|n| ![40, 140].contains(n)) {
        assert_eq!(held[&format!("id-{n}")], good(n));
    }
    let told = place.read("results.jsonl");
    assert!(
        told.contains("Invalid object id") && told.contains("'forty' is not of type"),
        "{told}"
    );
    place.done(contacts(&records));
    assert_eq!(place.counts("contacts")["unchanged"], 328);
}

#[test]
#[ignore = "needs Kinto, which `tests/run` installs"]
fn a_change_of_somebody_else_in_between_is_not_overwritten_unseen() {
    let kinto = Kinto::start("");
    Kinto::place(&kinto.server.url()).done(contacts(&[json!({"externalId": "a", "age": 1})]));
    // Between our reading and our writing somebody else writes.
    let (url, once) = (kinto.server.url(), AtomicBool::new(true));
    let proxy = Proxy::start(kinto.server.port, move |_, head| {
        if head.starts_with("POST") && once.swap(false, Ordering::SeqCst) {
            let url = format!("{url}/v1/buckets/crm/collections/contacts/records/a");
            let body = json!({"data": {"age": 2, "theirs": true}});
            assert_eq!(ask("PUT", &url, Some(&basic()), Some(&body)).0, 200);
        }
        Fault::None
    });
    let place = Kinto::place(&proxy.url).set("streams", json!({"*": {"mode": "update"}}));
    place.done(contacts(&[json!({"externalId": "a", "ours": 3}), json!({"externalId": "none"})]));
    let expected = counts([("read", 2), ("updated", 1), ("skipped", 1)]);
    assert_eq!(place.counts("contacts"), expected, "{}", place.read("results.jsonl"));
    assert_eq!(kinto.held()["a"], json!({"age": 2, "theirs": true, "ours": 3}));
    let place = Kinto::place(&kinto.server.url()).set("streams", json!({"*": {"mode": "delete"}}));
    place.done(contacts(&[json!({"externalId": "a"}), json!({"externalId": "none"})]));
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("deleted", 1), ("skipped", 1)]));
    assert!(kinto.held().is_empty());
}

#[test]
#[ignore = "needs Kinto, which `tests/run` installs"]
fn only_empty_fields_are_filled_and_others_are_found_by_a_field() {
    let kinto = Kinto::start("");
    kinto.put("/collections/contacts/records/x", &json!({"data": {"email": "a@x.com", "age": 7}}));
    let place = Kinto::place(&kinto.server.url())
        .set("lookup_fields", json!({"contacts": "email"}))
        .set("only_upsert_empty_fields", true);
    place.done(contacts(&[
        json!({"externalId": "1", "email": "a@x.com", "age": 8, "name": "Ann"}),
        json!({"externalId": "2", "email": "b@x.com", "age": 9}),
    ]));
    let expected = counts([("read", 2), ("created", 1), ("updated", 1)]);
    assert_eq!(place.counts("contacts"), expected, "{}", place.read("results.jsonl"));
    let held = kinto.held();
    assert_eq!(held["x"], json!({"email": "a@x.com", "age": 7, "name": "Ann"}));
    assert_eq!(held["2"], json!({"email": "b@x.com", "age": 9}));
}

#[test]
#[ignore = "needs Kinto, which `tests/run` installs"]
fn a_refused_credential_ends_the_job_though_the_status_is_200() {
    let kinto = Kinto::start("");
    let place = Kinto::place(&kinto.server.url()).set("password", "wrong-9b1");
    let ran = place.run(contacts(&[json!({"externalId": "a"})]));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("authenticate") && !ran.stderr.contains("wrong-9b1"));
    assert!(kinto.held().is_empty());
}

#[test]
#[ignore = "needs Kinto, which `tests/run` installs"]
fn quiet_that_is_asked_for_beside_a_success_is_kept() {
    let kinto = Kinto::start("kinto.backoff = 1");
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    let proxy = Proxy::start(kinto.server.port, move |_, _| {
        seen.lock().unwrap().push(Instant::now());
        Fault::None
    });
    let place = Kinto::place(&proxy.url).set("max_in_flight", 1);
    let records: Vec<_> = (0..60).map(|n| json!({"externalId": format!("c{n}")})).collect();
    place.done(contacts(&records));
    assert_eq!(kinto.held().len(), 60);
    let calls = calls.lock().unwrap();
    assert_eq!(calls.len(), 3);
    for pair in calls.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_secs(1), "{calls:?}");
    }
    let throttled = place.summary()["throttled_secs"].as_f64().unwrap();
    assert!((1.9..3.1).contains(&throttled), "a second after each call but the last: {throttled}");
}
