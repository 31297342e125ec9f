//! Many jobs of many tenants, and a kill in the middle.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::service::{Service, config};
use crate::support::Remote;

const TENANTS: usize = 100;
const JOBS: usize = 1000;

#[test]
fn a_thousand_jobs_of_a_hundred_tenants_are_told_to_the_last_record() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    let tenant = config["environments"]["dev"]["tenants"]["acme"].clone();
    let tenants = (0..TENANTS).map(|n| (format!("t-{n}"), tenant.clone()));
    config["environments"]["dev"]["tenants"] = tenants.collect::<serde_json::Map<_, _>>().into();
    let mut service = Service::start(&config);
    let mut jobs = Vec::new();
    for n in 0..JOBS {
        let ids = [format!("c-{n}-0"), format!("c-{n}-1")];
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        jobs.push(service.queue(&format!("t-{}", n % TENANTS), &ids));
        if n == JOBS / 2 {
            service.kill();
            service.begin();
        }
    }
    service.kill();
    service.begin();
    let is_none = |status| {
        let listed = service.get(&format!("/api/v1/jobs?status={status}&limit=1")).is(200);
        listed["jobs"] == json!([])
    };
    service.wait_until(|| is_none("queued") && is_none("running"));
    let mut ended: BTreeMap<String, Value> = BTreeMap::new();
    let mut next = Some(String::new());
    while let Some(before) = next {
        let page = service.get(&format!("/api/v1/jobs?limit=1000{before}")).is(200);
        for job in page["jobs"].as_array().unwrap() {
            ended.insert(job["id"].as_str().unwrap().to_owned(), job.clone());
        }
        next = page["next"].as_i64().map(|next| format!("&before={next}"));
    }
    assert_eq!(ended.len(), JOBS);
    for job in &jobs {
        let job = &ended[job];
        assert_eq!(job["status"], "succeeded", "{job}");
        let counts = &job["summary"]["streams"]["contacts"];
        let told =
            ["created", "updated", "unchanged"].map(|name| counts[name].as_u64().unwrap_or(0));
        assert_eq!(told.iter().sum::<u64>(), 2, "{job}");
    }
    assert_eq!(remote.by_ext("contacts").len(), JOBS * 2);
    // One of each tenant is told record by record.
    for job in jobs.iter().step_by(JOBS / 10) {
        let results = service.get(&format!("/api/v1/jobs/{job}/results")).text;
        assert_eq!(results.lines().count(), 2, "{results}");
    }
    let listed = service.get("/v2/dev/two/t-7/jobs?count=1000").is(200);
    assert_eq!(listed.as_array().unwrap().len(), JOBS / TENANTS);
}
