//! Whether it is up, and whether it is to be sent requests.

use serde_json::json;

use crate::service::{Answer, Service, config, contact};
use crate::support::Remote;

/// Waits until `/readyz` has this status.
#[track_caller]
fn until(service: &Service, status: u16) -> Answer {
    service.wait(|| {
        let answer = service.get("/readyz");
        if answer.status == status { Ok(answer) } else { Err(answer.text.into()) }
    })
}

#[test]
fn it_is_ready_without_a_key_and_not_when_nothing_can_be_kept() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    config["admin_keys"] = json!([{"env": "ADMIN_KEY"}]);
    config["data"] = "data".into();
    let service = Service::start(&config);
    assert_eq!(until(&service, 200).json(), json!({"status": "ready"}));
    let other = rusqlite::Connection::open(service.path("data/serve.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let away = until(&service, 503);
    assert!(away.problem(503).contains("disk"), "{away:?}");
    assert!(away.headers.contains_key("retry-after"));
    assert_eq!(service.get("/healthz").text, "ok\n");
    other.execute_batch("ROLLBACK").unwrap();
    until(&service, 200);
    // What is answered so is told at any level.
    let log = service.log();
    let told = log.lines().filter(|line| line.contains("A request was answered"));
    assert!(told.clone().count() > 0 && told.clone().all(|line| line.contains("503")), "{log}");
}

#[test]
fn it_is_not_ready_before_it_has_taken_up_what_a_kill_has_left() {
    // It is asked whose account it is before anything is written, at each start.
    let remote = Remote::with("{latency_ms: 2000}");
    let account = json!({"base_url": remote.url, "access_token": "sandbox-token"});
    let config = json!({"environments": {"dev": {
        "flows": {"two": {"connectors": {"hubspot": {"config": account}}}},
        "tenants": {"acme": {"connectors": {"hubspot": {}}}}}}});
    let mut service = Service::start(&config);
    let place = "/dev/two/acme/connectors/hubspot/contacts";
    service.post(place, &json!({"data": contact("c-1"), "async": true})).is(202);
    assert_eq!(remote.calls()["writes_applied"], 0);
    service.kill();
    service.begin();
    let away = until(&service, 503);
    assert!(away.problem(503).contains("takes up"), "{away:?}");
    assert_eq!(service.get("/healthz").status, 200);
    until(&service, 200);
}

#[test]
fn it_says_so_while_it_ends_and_still_answers() {
    let remote = Remote::with("{latency_ms: 2000}");
    let mut service = Service::start(&config(&remote.url));
    until(&service, 200);
    let job = service.queue("acme", &["c-1"]);
    // It is waited for, whatever else ends.
    service.wait_until(|| remote.calls()["in_flight"] == 1);
    service.ask_to_end();
    let away = until(&service, 503);
    assert!(away.problem(503).contains("about to end"), "{away:?}");
    assert_eq!(service.get("/healthz").status, 200);
    assert_eq!(service.get(&format!("/api/v1/jobs/{job}")).is(200)["id"], job);
    service.end();
    service.begin();
    assert_eq!(service.ended(&job)["status"], "succeeded");
}
