//! `/metrics`: what it tells is compared with what was done and with what the remote has counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::service::{Service, config, contact};
use crate::support::Remote;

/// What all lanes of that connector share.
const CRM: &str = r#"{environment="dev",connector="crm"}"#;
const LANE: &str = r#"environment="dev",flow="two",connector="crm""#;

/// Values by series.
struct Told(BTreeMap<String, f64>);

impl Told {
    fn of(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let told = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        });
        Self(told.collect())
    }

    #[track_caller]
    fn get(&self, series: &str) -> f64 {
        *self.0.get(series).unwrap_or_else(|| panic!("{series} in {:#?}", self.0))
    }

    fn sum(&self, name: &str) -> f64 {
        let of = |series: &str| series == name || series.starts_with(&format!("{name}{{"));
        self.0.iter().filter(|(series, _)| of(series)).map(|(_, value)| value).sum()
    }

    fn series(&self) -> BTreeSet<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

fn told(service: &Service) -> Told {
    let answer = service.get("/metrics");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4")
    );
    Told::of(&answer.text)
}

/// Waits until that holds of what is told.
#[track_caller]
fn until(service: &Service, holds: impl Fn(&Told) -> bool) -> Told {
    service.wait(|| {
        let told = told(service);
        if holds(&told) { Ok(told) } else { Err(json!(told.0)) }
    })
}

fn calls(remote: &Remote) -> f64 {
    remote.calls()["calls"].as_object().unwrap().values().filter_map(Value::as_f64).sum()
}

#[test]
fn what_was_done_is_counted_by_what_became_of_it() {
    let (remote, receiver) = (Remote::start(), Receiver::saying([(500, vec![])]));
    let mut config = config(&remote.url);
    config["environments"]["dev"]["webhooks"] = json!([{"url": receiver.url(), "secret": {"env": "HOOK_SECRET"}, "events": ["JOB_COMPLETED"]}]);
    let service = Service::start(&config);
    let body = json!({"connector_id": "crm", "job_type": "write",
        "state": {"contacts": [contact("c-1"), contact("c-2"), {"externalId": "c-3", "email": "none"}]}});
    let job = service.post("/v2/dev/two/acme/jobs", &body).is(201);
    service.ended(job["job_id"].as_str().unwrap());
    service.post("/dev/two/acme/connectors/crm/contacts", &json!({"data": contact("c-4")})).is(200);
    service.get("/nowhere/at/all").problem(404);
    receiver.wait(2);
    let delivered = r#"target_upsert_webhook_events_total{environment="dev",outcome="delivered"}"#;
    let told = until(&service, |told| told.get(delivered) > 0.0);
    for (series, value) in [
        (format!("target_upsert_jobs_ended_total{{{LANE},status=\"completed_with_failures\"}}"), 1.0),
        (format!("target_upsert_job_duration_seconds_count{{{LANE}}}"), 1.0),
        (format!("target_upsert_records_total{{{LANE},outcome=\"created\"}}"), 3.0),
        (format!("target_upsert_records_total{{{LANE},outcome=\"rejected\"}}"), 1.0),
        (format!("target_upsert_records_total{{{LANE},outcome=\"failed\"}}"), 0.0),
        (
            format!("target_upsert_live_record_duration_seconds_count{{{LANE},outcome=\"settled\"}}"),
            1.0,
        ),
        (format!("target_upsert_remote_calls_under_way{{{LANE}}}"), 0.0),
        (r#"target_upsert_jobs_queued{environment="dev"}"#.to_owned(), 0.0),
        // The job of records at once stays open.
        (r#"target_upsert_jobs_running{environment="dev"}"#.to_owned(), 1.0),
        (r#"target_upsert_webhook_attempts_total{environment="dev",outcome="failed"}"#.to_owned(), 1.0),
        (r#"target_upsert_webhook_attempts_total{environment="dev",outcome="taken"}"#.to_owned(), 1.0),
        (delivered.to_owned(), 1.0),
        (delivered.replace("delivered", "failed"), 0.0),
        (r#"target_upsert_webhook_events_waiting{environment="dev"}"#.to_owned(), 0.0),
        (
            r#"target_upsert_http_requests_total{method="POST",route="/v2/{env_id}/{flow_id}/{tenant}/jobs",status="2xx"}"#
                .to_owned(),
            1.0,
        ),
        (r#"target_upsert_http_requests_total{method="GET",route="none",status="4xx"}"#.to_owned(), 1.0),
        (r#"target_upsert_http_request_duration_seconds_count{method="GET",route="none"}"#.to_owned(), 1.0),
        (format!("target_upsert_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0),
    ] {
        assert!((told.get(&series) - value).abs() < f64::EPSILON, "{series}: {}", told.get(&series));
    }
    let counted = told.sum("target_upsert_remote_calls_total");
    assert!((counted - calls(&remote)).abs() < f64::EPSILON, "{counted} of {}", remote.calls());
    let timed = told.sum("target_upsert_remote_call_duration_seconds_count");
    assert!((counted - timed).abs() < f64::EPSILON);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let started = told.get("process_start_time_seconds");
    assert!(started <= now + 1.0 && started > now - 120.0, "{started}");
    if cfg!(target_os = "linux") {
        assert!(told.get("process_resident_memory_bytes") > 1e6);
        assert!(told.get("process_open_fds") > 3.0);
    }
    let text = service.get("/metrics").text;
    for name in ["jobs_queued", "records_total", "remote_calls_total", "build_info"] {
        assert!(text.contains(&format!("# HELP target_upsert_{name} ")), "{name} in {text}");
    }
    assert!(text.contains("# TYPE target_upsert_job_duration_seconds histogram"), "{text}");
    assert!(text.contains(r#"le="86400"}"#), "{text}");
}

#[test]
fn pages_and_what_is_refused_at_the_door_are_counted_and_have_an_id() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let page = service.get("/ui/jobs");
    let away = service.send("GET", "/ui/jobs", &[("host", "evil.example")], "");
    away.problem(403);
    let foreign = [("sec-fetch-site", "cross-site")];
    let refused = service.send("POST", "/api/v1/jobs", &foreign, "{}");
    refused.problem(403);
    let ids: BTreeSet<_> =
        [&page, &away, &refused].map(|answer| &answer.headers["x-request-id"]).into();
    assert_eq!(ids.len(), 3);
    let told = told(&service);
    for (method, route, status) in
        [("GET", "/ui/jobs", "2xx"), ("GET", "/ui/jobs", "4xx"), ("POST", "/api/v1/jobs", "4xx")]
    {
        let series = format!(
            "target_upsert_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"
        );
        assert!((told.get(&series) - 1.0).abs() < f64::EPSILON, "{series}");
    }
}

#[test]
fn what_waits_and_what_is_throttled_is_told() {
    let remote = Remote::with(
        "{latency_ms: 300, faults: [{on: 'POST *', calls: [1], do: status, status: 429, retry_after: {seconds: 2}}]}",
    );
    let service = Service::start(&config(&remote.url));
    let jobs: Vec<_> = (0..4).map(|n| service.queue("acme", &[&format!("c-{n}")])).collect();
    let queued = r#"target_upsert_jobs_queued{environment="dev"}"#;
    let oldest = r#"target_upsert_jobs_oldest_queued_age_seconds{environment="dev"}"#;
    let under_way = format!("target_upsert_remote_calls_under_way{{{LANE}}}");
    let told = until(&service, |told| told.get(queued) > 0.0 && told.get(oldest) > 0.0);
    assert!(told.get(queued) <= 4.0 && told.get(oldest) < 60.0);
    assert!(told.get(r#"target_upsert_jobs_running{environment="dev"}"#) <= 1.0);
    until(&service, |told| told.0.get(&under_way).is_some_and(|calls| *calls > 0.0));
    let throttled = jobs.iter().map(|job| {
        let ended = service.ended(job);
        assert_eq!(ended["status"], "succeeded");
        ended["summary"]["throttled_secs"].as_f64().unwrap()
    });
    // The jobs of a lane run one after another, and have waited for what was asked while they ran.
    assert_eq!(throttled.filter(|secs| *secs > 0.0).count(), 1);
    // Another lane that writes with the same credential has no quiet of its own.
    let place = "/dev/one/acme/connectors/crm/contacts";
    service.post(place, &json!({"data": contact("c-9")})).is(200);
    let told = until(&service, |told| told.get(&under_way) < 1.0);
    assert!(told.get(queued) < 1.0 && told.get(oldest) < f64::EPSILON);
    let throttled = "target_upsert_remote_throttled_seconds_total";
    let throttled: Vec<_> = told.0.iter().filter(|(name, _)| name.starts_with(throttled)).collect();
    let series = format!("target_upsert_remote_throttled_seconds_total{CRM}");
    assert_eq!(throttled, [(&series, &2.0)]);
    let refused = told.get(&format!("target_upsert_remote_calls_total{{{LANE},status=\"4xx\"}}"));
    assert!((refused - 1.0).abs() < f64::EPSILON, "{refused}");
}

#[test]
fn no_tenant_job_stream_or_made_up_text_is_a_label() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let round = |n: u32| {
        for tenant in ["acme", "other"] {
            let job = service.queue(tenant, &[&format!("c-{tenant}-{n}")]);
            service.ended(&job);
            let place = format!("/dev/two/{tenant}/connectors/crm/deals");
            let deal = json!({"data": {"externalId": format!("d-{tenant}-{n}")}});
            service.post(&place, &deal).is(200);
            service.get(&format!("/api/v1/jobs/{job}")).is(200);
        }
        service.get(&format!("/made-up-{n}/by/a-client")).problem(404);
        service.get(&format!("/v2/env-{n}/flow-{n}/tenant-{n}/jobs")).is(200);
        let place = format!("/env-{n}/flow-{n}/tenant-{n}/connectors/connector-{n}/stream-{n}");
        service.post(&place, &json!({"data": {}})).problem(404);
        service.send(&format!("MADEUP{n}"), "/api/v1/jobs", &[], "").problem(405);
        told(&service)
    };
    // The first answer does not tell of its own request yet.
    round(0);
    let first = round(1);
    let later = (2..4).map(round).last().unwrap();
    assert_eq!(first.series(), later.series());
    for series in later.series() {
        for made_up in ["acme", "tenant=", "contacts", "deals", "made-up", "MADEUP", "-0", "c-"] {
            assert!(!series.contains(made_up), "{made_up} in {series}");
        }
    }
}

#[test]
fn they_are_for_an_admin_and_a_key_may_be_a_bearer_token() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    config["admin_keys"] = json!([{"env": "ADMIN_KEY"}]);
    config["environments"]["dev"]["tenants"]["acme"]["keys"] = json!([{"env": "ACME_KEY"}]);
    let service = Service::start(&config);
    service.get("/metrics").problem(401);
    let ask = |path: &str, name: &str, value: &str| service.send("GET", path, &[(name, value)], "");
    ask("/metrics", "x-api-key", "acme-key").problem(403);
    ask("/metrics", "authorization", "Bearer wrong").problem(401);
    ask("/metrics", "authorization", "Basic admin-key").problem(401);
    assert_eq!(ask("/metrics", "x-api-key", "admin-key").status, 200);
    assert_eq!(ask("/metrics", "authorization", "Bearer admin-key").status, 200);
    // The same on every route.
    assert_eq!(ask("/api/v1/jobs", "authorization", "bearer acme-key").is(200)["jobs"], json!([]));
    ask("/v2/dev/two/other/jobs", "authorization", "Bearer acme-key").problem(403);
    assert!(!service.log().contains("admin-key"), "{}", service.log());
}
