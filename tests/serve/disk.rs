//! A disk that is full for a while: what was accepted before is written when it has room again.

use serde_json::{Value, json};

use crate::service::{Service, config, contact};
use crate::support::Remote;

/// What is logged when a job has met it.
const FULL: &str = "The disk cannot be written: how the job has ended is kept when it can.";

/// Whether a call is on its way, or was.
fn is_written_to(remote: &Remote) -> bool {
    remote.calls()["calls"].as_object().unwrap().keys().any(|call| call.starts_with("POST /v1/"))
}

/// Queues a job of notes that have no ids of their own.
fn queue_notes(service: &Service, count: usize) -> String {
    let notes: Vec<Value> = (0..count).map(|n| json!({"name": format!("n-{n}")})).collect();
    let body = json!({"environment": "dev", "flow": "two", "tenant": "acme", "connector": "crm",
        "records": {"notes": notes}});
    service.post("/api/v1/jobs", &body).is(201)["id"].as_str().unwrap().to_owned()
}

fn queue(service: &Service, prefix: &str, count: usize) -> String {
    let ids: Vec<String> = (0..count).map(|n| format!("{prefix}-{n}")).collect();
    service.queue("acme", &ids.iter().map(String::as_str).collect::<Vec<_>>())
}

fn states(service: &Service) -> Vec<(String, String)> {
    let told = service.get("/api/v1/jobs").is(200);
    let own = |job: &Value, key: &str| job[key].as_str().unwrap().to_owned();
    let jobs = told["jobs"].as_array().unwrap().iter();
    jobs.map(|job| (own(job, "source"), own(job, "status"))).collect()
}

#[test]
fn jobs_go_on_when_there_is_room_again() {
    let remote = Remote::with("{latency_ms: 500}");
    let service = Service::start(&config(&remote.url));
    let mut jobs = vec![queue(&service, "a", 3)];
    service.wait_until(|| states(&service).contains(&("api".into(), "running".into())));
    jobs.extend(["b", "c"].map(|prefix| queue(&service, prefix, 3)));
    // Its answer comes when it cannot be kept.
    service.wait_until(|| is_written_to(&remote));
    service.fill_disk();
    service.wait_until(|| service.log().contains(FULL));
    let unready = service.get("/readyz");
    assert_eq!(unready.status, 503, "{unready:?}");
    service.free_disk();
    for job in &jobs {
        let ended = service.ended(job);
        assert_eq!(ended["status"], "succeeded", "{ended}");
        assert_eq!(ended["summary"]["proof"]["read"], 3, "{ended}");
    }
    let held: Vec<String> = remote.by_ext("contacts").into_keys().collect();
    let own = ["a", "b", "c"].map(|prefix| (0..3).map(move |n| format!("{prefix}-{n}")));
    assert_eq!(held, own.into_iter().flatten().collect::<Vec<_>>());
}

#[test]
fn a_job_for_records_at_once_ends_when_there_is_room_again() {
    let remote = Remote::with("{latency_ms: 300}");
    let mut config = config(&remote.url);
    // Who waits for a job to begin is told so before long.
    config["deadline_secs"] = json!(1);
    let service = Service::start(&config);
    let place = "/dev/two/acme/connectors/crm/contacts";
    let sent = service.post(place, &json!({"data": contact("before"), "async": true})).is(202);
    service.fill_disk();
    service.wait_until(|| service.log().contains(FULL));
    let refused = service.post(place, &json!({"data": contact("full"), "async": true}));
    assert!(refused.status >= 500, "{refused:?}");
    service.free_disk();
    // Another one may have begun by then, which goes on with what this one has left.
    service.wait_until(|| states(&service).contains(&("live".into(), "failed".into())));
    service.post(place, &json!({"data": contact("after")})).is(200);
    assert_eq!(service.outcome(&sent)["success"], true);
    let held: Vec<String> = remote.by_ext("contacts").into_keys().collect();
    assert_eq!(held, ["after", "before"]);
}

#[test]
fn a_job_that_could_not_be_cancelled_runs() {
    let remote = Remote::with("{latency_ms: 500}");
    let service = Service::start(&config(&remote.url));
    let first = queue(&service, "a", 3);
    service.wait_until(|| states(&service).contains(&("api".into(), "running".into())));
    let [second, third] = ["b", "c"].map(|prefix| queue(&service, prefix, 3));
    service.fill_disk();
    let cancel = |job: &str| service.post(&format!("/api/v1/jobs/{job}/cancel"), &json!({}));
    for job in [&second, &third] {
        let refused = cancel(job);
        assert!(refused.status >= 500, "{refused:?}");
    }
    service.free_disk();
    cancel(&third).is(202);
    assert_eq!(service.ended(&third)["status"], "cancelled");
    for job in [&first, &second] {
        assert_eq!(service.ended(job)["status"], "succeeded");
    }
    let held: Vec<String> = remote.by_ext("contacts").into_keys().collect();
    assert_eq!(held, ["a-0", "a-1", "a-2", "b-0", "b-1", "b-2"]);
}

#[test]
fn what_has_no_id_and_was_on_its_way_is_not_written_again() {
    let remote = Remote::with("{latency_ms: 1000}");
    let service = Service::start(&config(&remote.url));
    let job = queue_notes(&service, 5);
    service.wait_until(|| is_written_to(&remote));
    service.fill_disk();
    service.wait_until(|| service.log().contains(FULL));
    assert_eq!(remote.records("notes").len(), 5);
    service.free_disk();
    let ended = service.ended(&job);
    // Which of them is which, nobody can ask the remote.
    assert_eq!(ended["counts"]["in_doubt"], 5, "{ended}");
    assert_eq!(remote.records("notes").len(), 5);
}

#[test]
fn the_end_of_a_job_is_kept_late_and_across_a_kill() {
    for is_killed in [false, true] {
        let remote = Remote::with("{latency_ms: 500}");
        let mut service = Service::start(&config(&remote.url));
        let job = queue_notes(&service, 5);
        let place = format!("/api/v1/jobs/{job}");
        service.wait_until(|| service.get(&place).is(200)["status"] == "running");
        // Somebody else holds the queue's file.
        let queue = service.path(".target-upsert/serve/serve.db");
        let other = rusqlite::Connection::open(queue).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        service.wait_until(|| service.log().contains("That a job has ended cannot be kept yet."));
        assert_eq!(remote.records("notes").len(), 5);
        if is_killed {
            service.kill();
        }
        drop(other);
        if is_killed {
            service.begin();
        }
        let ended = service.ended(&job);
        let told = (&ended["status"], &ended["counts"]["created"]);
        assert_eq!(told, (&json!("succeeded"), &json!(5)), "{ended}");
        assert_eq!(remote.records("notes").len(), 5);
    }
}
