//! A disk that is full for a while: what was accepted before is written when it has room again.

use serde_json::{Value, json};

use crate::service::{Service, config, contact};
use crate::support::Remote;

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
    service.fill_disk();
    let failed = "the job begins again when it can";
    service.wait_until(|| service.log().contains(failed));
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
    service.wait_until(|| service.log().contains("That a job has ended cannot be kept yet."));
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
