//! Webhooks: what counts is what the receiver holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::receiver::{Came, Receiver};
use crate::service::{Service, config, contact, keep};
use crate::support::Remote;

/// A configuration with webhooks, each with these keys beside its address.
fn with_hooks(remote: &Remote, hooks: &[(&Receiver, Value)]) -> Value {
    let mut config = config(&remote.url);
    let hooks = hooks.iter().map(|(receiver, more)| {
        let mut hook = json!({"url": receiver.url(), "secret": {"env": "HOOK_SECRET"}});
        hook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hook
    });
    config["environments"]["dev"]["webhooks"] = hooks.collect();
    config
}

fn steps(came: &[Came], job: &str) -> Vec<String> {
    came.iter().filter(|came| came.job() == job).map(Came::status).collect()
}

/// Signed by whoever has the secret, each in its own way.
fn assert_signed(came: &Came, secret: &str) {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = format!("{}.{}.{}", came.id(), came.header("webhook-timestamp"), came.body);
    let signature = came.header("webhook-signature").strip_prefix("v1,").unwrap();
    let signature = BASE64_STANDARD.decode(signature).unwrap();
    hmac::verify(&key, signed.as_bytes(), &signature).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let tag = hmac::sign(&key, came.body.as_bytes());
    let hex = target_upsert::text::hex(tag.as_ref());
    assert_eq!(came.header("x-hub-signature"), format!("sha1={hex}"));
    let age =
        chrono::Utc::now().timestamp() - came.header("webhook-timestamp").parse::<i64>().unwrap();
    assert!((0..120).contains(&age), "{age}");
}

fn deliveries(service: &Service, status: &str) -> Vec<Value> {
    let page = service.get(&format!("/api/v1/webhooks/deliveries?status={status}")).is(200);
    page["deliveries"].as_array().unwrap().clone()
}

/// Waits until that holds of the messages that stand so.
#[track_caller]
fn until(service: &Service, status: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    service.wait(|| {
        let found = deliveries(service, status);
        if holds(&found) { Ok(found) } else { Err(found.into()) }
    })
}

fn retry(service: &Service, message: &Value) -> u16 {
    let id = message["id"].as_str().unwrap();
    service.post(&format!("/api/v1/webhooks/deliveries/{id}/retry"), &json!({})).status
}

#[test]
fn the_steps_of_a_job_are_told_in_order_and_signed() {
    let (remote, receiver) = (Remote::start(), Receiver::start());
    let service = Service::start(&with_hooks(&remote, &[(&receiver, json!({}))]));
    let body = json!({"connector_id": "crm", "job_type": "write", "job_name": "nightly",
        "state": {"contacts": [contact("c-1"), {"externalId": "c-2", "email": "none"}]}});
    let job = service.post("/v2/dev/two/acme/jobs", &body).is(201);
    let id = job["job_id"].as_str().unwrap();
    let came = receiver.wait(3);
    assert_eq!(steps(&came, id), ["JOB_CREATED", "EXPORT_STARTED", "JOB_COMPLETED"]);
    for came in &came {
        assert_signed(came, "hook-secret");
    }
    let ids: BTreeSet<_> = came.iter().map(Came::id).collect();
    assert_eq!(ids.len(), 3);
    // What is told is what the platform's routes tell at that step.
    assert_eq!(came[0].json(), job);
    let told = service.get(&format!("/v2/dev/two/acme/jobs/{id}")).is(200);
    assert_eq!(came[2].json(), told);
    assert_eq!(came[2].json()["metrics"]["recordCount"], json!({"contacts": 2}));
    assert_eq!(came[2].header("content-type"), "application/json");
    let kept = until(&service, "delivered", |found| found.len() == 3);
    assert_eq!(kept[0]["id"], came[2].id());
    assert_eq!((&kept[0]["attempts"], &kept[0]["last_status"]), (&json!(1), &json!(200)));
}

#[test]
fn what_is_not_taken_comes_again_under_its_id_and_when_it_was_asked_for() {
    let remote = Remote::start();
    let receiver = Receiver::saying([
        (500, vec![]),
        (503, vec![("retry-after", "3".to_owned())]),
        (302, vec![("location", "/elsewhere".to_owned())]),
    ]);
    let service = Service::start(&with_hooks(&remote, &[(&receiver, json!({}))]));
    let job = service.queue("acme", &["c-1"]);
    let came = receiver.wait(6);
    let ids: Vec<_> = came.iter().map(Came::id).collect();
    assert!(ids[..4].iter().all(|id| *id == ids[0]) && ids[4] != ids[0], "{ids:?}");
    assert_eq!(came[0].body, came[3].body);
    assert_eq!(steps(&came[3..], &job), ["JOB_CREATED", "EXPORT_STARTED", "JOB_COMPLETED"]);
    // Without the header it would be two seconds, at most.
    assert!(came[2].at - came[1].at >= Duration::from_secs(3));
    assert!(came.iter().all(|came| came.uri == "/hook"), "a redirect was followed");
    for came in &came {
        assert_signed(came, "hook-secret");
    }
}

#[test]
fn what_a_dead_receiver_has_missed_comes_after_a_kill_under_the_same_ids() {
    let (remote, mut receiver) = (Remote::start(), Receiver::start());
    let mut service = Service::start(&with_hooks(&remote, &[(&receiver, json!({}))]));
    receiver.end();
    let job = service.queue("acme", &["c-1"]);
    assert_eq!(service.ended(&job)["status"], "succeeded");
    let tried = |found: &[Value]| found.iter().any(|message| message["attempts"] != 0);
    let waiting = until(&service, "waiting", |found| found.len() == 3 && tried(found));
    assert!(receiver.came().is_empty());
    service.kill();
    receiver.begin();
    service.begin();
    let came = receiver.wait(3);
    let ids: Vec<_> = came.iter().map(Came::id).collect();
    let promised: Vec<_> =
        waiting.iter().rev().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!(ids, promised);
    assert_eq!(steps(&came, &job), ["JOB_CREATED", "EXPORT_STARTED", "JOB_COMPLETED"]);
}

#[test]
fn no_kill_loses_a_step_or_gives_it_a_second_id() {
    let (remote, receiver) = (Remote::with("{latency_ms: 20}"), Receiver::start());
    let mut config = with_hooks(&remote, &[(&receiver, json!({}))]);
    config["max_jobs"] = 2.into();
    let mut service = Service::start(&config);
    let jobs: Vec<_> = (0..12)
        .map(|n| {
            let ids: Vec<String> = (0..20).map(|m| format!("c-{n}-{m}")).collect();
            service.queue("acme", &ids.iter().map(String::as_str).collect::<Vec<_>>())
        })
        .collect();
    for millis in [40, 90, 150] {
        std::thread::sleep(Duration::from_millis(millis));
        service.kill();
        service.begin();
    }
    for job in &jobs {
        assert_eq!(service.ended(job)["status"], "succeeded");
    }
    let came = receiver.until(|came| {
        jobs.iter().all(|job| steps(came, job).iter().any(|step| step == "JOB_COMPLETED"))
    });
    for job in &jobs {
        let mut ids: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for came in came.iter().filter(|came| came.job() == *job) {
            ids.entry(came.status()).or_default().insert(came.id());
        }
        let told: Vec<_> = ids.iter().map(|(step, ids)| (step.as_str(), ids.len())).collect();
        assert_eq!(told, [("EXPORT_STARTED", 1), ("JOB_COMPLETED", 1), ("JOB_CREATED", 1)]);
    }
}

#[test]
fn jobs_that_fail_or_are_ended_are_told_and_a_hook_hears_what_it_wants() {
    let remote = Remote::with("{latency_ms: 300}");
    let (all, failed, other) = (Receiver::start(), Receiver::start(), Receiver::start());
    let mut config = with_hooks(
        &remote,
        &[
            (&all, json!({})),
            (&failed, json!({"events": ["EXPORT_FAILED"]})),
            (&other, json!({"flows": ["one"]})),
        ],
    );
    // Nobody answers for this tenant.
    config["environments"]["dev"]["tenants"]["other"]["connectors"]["crm"] =
        json!({"access_token": "wrong"});
    let service = Service::start(&config);
    let fails = service.queue("other", &["x-1"]);
    assert_eq!(service.ended(&fails)["status"], "failed");
    let came = failed.wait(1);
    assert_eq!(steps(&came, &fails), ["EXPORT_FAILED"]);
    assert!(came[0].json()["message"].as_str().is_some_and(|message| !message.is_empty()));
    let ids: Vec<String> = (0..8000).map(|n| format!("c-{n}")).collect();
    let many = service.queue("acme", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let waits = service.queue("acme", &["d-1"]);
    service.post(&format!("/api/v1/jobs/{waits}/cancel"), &json!({})).is(202);
    service.post(&format!("/api/v1/jobs/{many}/cancel"), &json!({})).is(202);
    assert_eq!(service.ended(&many)["status"], "stopped");
    let came = all.wait(8);
    assert_eq!(steps(&came, &waits), ["JOB_CREATED", "JOB_CANCELED"]);
    assert_eq!(steps(&came, &many), ["JOB_CREATED", "EXPORT_STARTED", "EXPORT_FAILED"]);
    failed.wait(2);
    let of_first = service.post(
        "/dev/one/acme/jobs",
        &json!({"tap": "api", "state": {"contacts": [contact("e-1")]}}),
    );
    let of_first = of_first.is(201)["job_id"].as_str().unwrap().to_owned();
    let came = other.wait(3);
    assert!(came.iter().all(|came| came.job() == of_first), "{came:#?}");
    assert_eq!(failed.came().len(), 2);
}

#[test]
fn a_hook_that_is_slow_does_not_hold_up_another() {
    let (remote, slow, quick) = (Remote::start(), Receiver::start(), Receiver::start());
    slow.hold(true);
    let hooks = [(&slow, json!({})), (&quick, json!({}))];
    let service = Service::start(&with_hooks(&remote, &hooks));
    let job = service.queue("acme", &["c-1"]);
    let came = quick.wait(3);
    assert_eq!(steps(&came, &job), ["JOB_CREATED", "EXPORT_STARTED", "JOB_COMPLETED"]);
    assert_eq!(slow.came().len(), 1);
    // One that does not answer in time is told again.
    let came = slow.wait(2);
    assert_eq!(came[0].id(), came[1].id());
    slow.hold(false);
    slow.until(|came| came.iter().any(|came| came.status() == "JOB_COMPLETED"));
}

#[test]
fn the_job_of_records_at_once_is_told_when_it_begins_and_ends() {
    let (remote, receiver) = (Remote::start(), Receiver::start());
    let mut service = Service::start(&with_hooks(&remote, &[(&receiver, json!({}))]));
    let place = "/dev/two/acme/connectors/crm/contacts";
    service.post(place, &json!({"data": contact("c-1")})).is(200);
    let came = receiver.wait(1);
    assert_eq!(came[0].status(), "EXPORT_STARTED");
    let first = came[0].job();
    // What its end has brought about comes now, or with the next start.
    service.end();
    service.begin();
    let came = receiver.until(|came| came.iter().any(|came| came.status() == "JOB_COMPLETED"));
    assert_eq!(steps(&came, &first).last().unwrap(), "JOB_COMPLETED");
    service.post(place, &json!({"data": contact("c-2")})).is(200);
    service.kill();
    service.begin();
    let came = receiver.until(|came| came.iter().any(|came| came.status() == "EXPORT_FAILED"));
    assert_eq!(came.last().unwrap().json()["message"], "the service ended");
}

#[test]
fn an_admin_sees_what_waits_and_has_it_sent_at_once() {
    let remote = Remote::start();
    let hour = || vec![("retry-after", "3600".to_owned())];
    let receiver = Receiver::saying([(503, hour()), (422, hour())]);
    let mut config = with_hooks(&remote, &[(&receiver, json!({"id": "crm-events"}))]);
    config["admin_keys"] = json!([{"env": "ADMIN_KEY"}]);
    config["environments"]["dev"]["tenants"]["acme"]["keys"] = json!([{"env": "ACME_KEY"}]);
    let service = Service::start(&config);
    let body = json!({"connector_id": "crm", "job_type": "write", "state": {"contacts": [contact("c-1")]}});
    let admin = [("x-api-key", "admin-key")];
    let job = service.send("POST", "/v2/dev/two/acme/jobs", &admin, &body.to_string()).is(201);
    let list = "/api/v1/webhooks/deliveries?status=waiting";
    service.get(list).problem(401);
    service.send("GET", list, &[("x-api-key", "acme-key")], "").problem(403);
    let oldest = |attempts: u64| {
        service.wait(|| {
            let page = service.send("GET", list, &admin, "").is(200);
            let oldest = page["deliveries"].as_array().unwrap().last();
            oldest.filter(|oldest| oldest["attempts"] == attempts).cloned().ok_or(page)
        })
    };
    let waits = oldest(1);
    assert_eq!(waits["webhook"], "crm-events");
    assert_eq!(waits["job"], job["job_id"]);
    assert_eq!(
        (&waits["last_status"], &waits["last_error"]),
        (&json!(503), &json!("what it says"))
    );
    let again = format!("/api/v1/webhooks/deliveries/{}/retry", waits["id"].as_str().unwrap());
    service.send("POST", &again, &[("x-api-key", "acme-key")], "").problem(403);
    service.send("POST", "/api/v1/webhooks/deliveries/none/retry", &admin, "").problem(404);
    assert_eq!(service.send("POST", &again, &admin, "").is(202)["id"], waits["id"]);
    assert_eq!(oldest(2)["last_status"], 422);
    assert_eq!(receiver.came().len(), 2);
    service.send("POST", &again, &admin, "").is(202);
    receiver.wait(5);
    // One that was taken may be asked for again.
    let delivered = "/api/v1/webhooks/deliveries?status=delivered&limit=1";
    let taken = || service.send("GET", delivered, &admin, "").is(200);
    service.wait_until(|| taken()["deliveries"] != json!([]));
    service.send("POST", &again, &admin, "").is(202);
    let came =
        receiver.until(|came| came.iter().filter(|came| came.id() == waits["id"]).count() == 4);
    assert_eq!(came[0].body, came.last().unwrap().body);
}

#[test]
fn a_message_that_is_refused_does_not_hold_up_the_others_for_ever() {
    let remote = Remote::start();
    // Whoever refuses it wants it in an hour, and is asked before.
    let refusal = (400, vec![("retry-after", "3600".to_owned())]);
    let receiver = Receiver::saying(std::iter::repeat_n(refusal, 5));
    let service = Service::start(&with_hooks(&remote, &[(&receiver, json!({}))]));
    let job = service.queue("acme", &["c-1"]);
    let failed = service.wait(|| {
        let failed = deliveries(&service, "failed").first().cloned();
        failed.ok_or_else(|| {
            let waiting = deliveries(&service, "waiting");
            for message in waiting.iter().filter(|one| one["attempts"] != 0) {
                retry(&service, message);
            }
            waiting.into()
        })
    });
    assert_eq!((&failed["attempts"], &failed["event"]), (&json!(5), &json!("JOB_CREATED")));
    assert!(service.log().contains("given up"), "{}", service.log());
    // The next one has its turn at once: it may be well.
    let came = receiver.until(|came| came.iter().any(|came| came.status() == "JOB_COMPLETED"));
    assert_eq!(steps(&came[5..], &job)[..2], ["EXPORT_STARTED", "JOB_COMPLETED"]);
}

#[test]
fn a_hook_that_is_gone_or_no_more_configured_gets_nothing_more() {
    let remote = Remote::start();
    let receiver = Receiver::saying([(410, vec![])]);
    let with = with_hooks(&remote, &[(&receiver, json!({"id": "h"}))]);
    let mut service = Service::start(&with);
    let first = service.queue("acme", &["c-1"]);
    service.ended(&first);
    let failed = until(&service, "failed", |found| found.len() == 3);
    let second = service.queue("acme", &["c-2"]);
    service.ended(&second);
    until(&service, "failed", |found| found.len() == 6);
    assert_eq!(receiver.came().len(), 1);
    service.kill();
    // After a start it is tried again.
    service.begin();
    let third = service.queue("acme", &["c-3"]);
    assert_eq!(steps(&receiver.wait(4), &third).len(), 3);
    receiver.hold(true);
    let fourth = service.queue("acme", &["c-4"]);
    service.ended(&fourth);
    let waiting = until(&service, "waiting", |found| found.len() == 3);
    service.kill();
    keep(&service.path("serve.yaml"), &config(&remote.url).to_string());
    service.begin();
    assert_eq!(deliveries(&service, "waiting"), [] as [Value; 0]);
    let known = deliveries(&service, "failed");
    assert!(waiting.iter().all(|one| known.iter().any(|known| known["id"] == one["id"])));
    assert_eq!(retry(&service, &failed[0]), 409);
}

#[test]
fn a_hook_that_is_gone_is_sent_to_again_once_somebody_asks() {
    let remote = Remote::start();
    let receiver = Receiver::saying((0..2).map(|_| (410, vec![])));
    let service = Service::start(&with_hooks(&remote, &[(&receiver, json!({}))]));
    let job = service.queue("acme", &["c-1"]);
    service.ended(&job);
    let first = until(&service, "failed", |found| found.len() == 3).pop().unwrap();
    assert_eq!((&first["event"], &first["attempts"]), (&json!("JOB_CREATED"), &json!(1)));
    // It is gone still, and what is asked for ends as the others have.
    assert_eq!(retry(&service, &first), 202);
    until(&service, "failed", |found| found.len() == 3 && found[2]["attempts"] == 2);
    assert_eq!(receiver.came().len(), 2);
    assert_eq!(retry(&service, &first), 202);
    until(&service, "delivered", |found| found.len() == 1);
    let came = receiver.came();
    assert!(came.iter().all(|came| came.id() == first["id"]), "{came:#?}");
    // The others stay given up; what comes now is told.
    assert_eq!(deliveries(&service, "failed").len(), 2);
    let next = service.queue("acme", &["c-2"]);
    let came = receiver.wait(6);
    assert_eq!(steps(&came[3..], &next).len(), 3);
}

#[test]
fn no_secret_of_a_webhook_is_told() {
    let remote = Remote::start();
    let mut receiver = Receiver::saying((0..2).map(|_| (500, vec![])));
    let mut config = with_hooks(&remote, &[(&receiver, json!({}))]);
    let url = format!("http://user:hush-1@{}/hush-2?token=hush-3", receiver.address);
    config["environments"]["dev"]["webhooks"][0]["url"] = url.into();
    let mut service = Service::start(&config);
    service.loglevel = "trace";
    service.kill();
    service.begin();
    let job = service.queue("acme", &["c-1"]);
    let came = receiver.wait(3);
    assert_eq!(came[2].uri, "/hush-2?token=hush-3");
    assert_eq!(
        came[2].header("authorization"),
        format!("Basic {}", BASE64_STANDARD.encode("user:hush-1"))
    );
    service.ended(&job);
    receiver.end();
    let dead = service.queue("acme", &["c-2"]);
    service.ended(&dead);
    until(&service, "waiting", |found| found.iter().any(|one| one["last_error"].is_string()));
    let told = service.get("/api/v1/webhooks/deliveries").text;
    let log = service.log();
    assert!(log.contains("A webhook has not taken an event") && log.contains(&job), "{log}");
    for secret in ["hush", "hook-secret", &BASE64_STANDARD.encode("user:hush-1")] {
        assert!(!log.contains(secret), "{secret} in {log}");
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}
