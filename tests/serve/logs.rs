//! Log lines: each says of which job and which request it is.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::service::{Service, config, contact};
use crate::support::Remote;

fn lines(service: &Service) -> Vec<Value> {
    service.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn message(line: &Value) -> &str {
    line["fields"]["message"].as_str().unwrap_or_default()
}

/// Lines that say this.
fn saying<'a>(lines: &'a [Value], text: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| message(line).contains(text)).collect()
}

#[test]
fn each_line_of_a_job_has_its_id_and_its_lane() {
    let remote = Remote::with("{latency_ms: 30}");
    let mut service = Service::start(&config(&remote.url));
    service.loglevel = "debug";
    service.kill();
    service.begin();
    let mut jobs = Vec::new();
    for tenant in ["acme", "other"] {
        // One that the reading thread tells of, and ones that tasks carry.
        let body = json!({"connector_id": "crm", "job_type": "write", "state": {
            "contacts": [contact(&format!("{tenant}-1")), contact(&format!("{tenant}-2")),
                {"externalId": format!("{tenant}-3"), "email": "none", "ext_id": "x"}]}});
        let job = service.post(&format!("/v2/dev/two/{tenant}/jobs"), &body).is(201);
        jobs.push((job["job_id"].as_str().unwrap().to_owned(), tenant));
    }
    for (job, _) in &jobs {
        assert_eq!(service.ended(job)["status"], "completed_with_failures");
    }
    let lines = lines(&service);
    for (job, tenant) in &jobs {
        let own: Vec<_> = lines.iter().filter(|line| line["span"]["job"] == job.as_str()).collect();
        assert!(own.iter().all(|line| line["span"]["lane"] == format!("dev/two/{tenant}/crm")));
        let says = |text: &str| own.iter().any(|line| message(line).contains(text));
        assert!(says("A job begins.") && says("A job has ended."), "{own:#?}");
        assert!(says("The field is not sent"), "{own:#?}");
        // Calls that tell of this tenant's records: each in this job's lines alone.
        let calls = saying(&lines, &format!("{tenant}-1@example.com"));
        assert!(!calls.is_empty(), "{lines:#?}");
        for line in calls {
            assert_eq!(line["span"]["job"], job.as_str(), "{line}");
            assert!(line["span"]["run"].is_string(), "{line}");
        }
    }
}

#[test]
fn lines_of_records_at_once_have_the_job_that_stays_open() {
    let remote = Remote::start();
    let mut service = Service::start(&config(&remote.url));
    service.loglevel = "debug";
    service.kill();
    service.begin();
    let place = "/dev/two/acme/connectors/crm/contacts";
    let mut runs = BTreeSet::new();
    for n in 0..2 {
        let told = service.post(place, &json!({"data": contact(&format!("c-{n}"))})).is(200);
        runs.insert(told["jobId"].as_str().unwrap().to_owned());
    }
    let lines = lines(&service);
    let job = runs.first().unwrap();
    assert_eq!(runs.len(), 1);
    for n in 0..2 {
        let calls = saying(&lines, &format!("c-{n}@example.com"));
        assert!(!calls.is_empty(), "{lines:#?}");
        assert!(calls.iter().all(|line| line["span"]["job"] == job.as_str()), "{calls:#?}");
        // It is no part of the request that began it.
        assert!(
            calls.iter().all(|line| line["spans"].as_array().unwrap().len() == 1),
            "{calls:#?}"
        );
    }
}

#[test]
fn a_request_is_told_with_the_id_that_its_answer_has() {
    let remote = Remote::start();
    let mut service = Service::start(&config(&remote.url));
    let silent = service.get("/api/v1/jobs?tenant=hush");
    assert!(saying(&lines(&service), "A request was answered").is_empty());
    let id = silent.headers["x-request-id"].to_str().unwrap().to_owned();
    assert_ne!(id, service.get("/healthz").headers["x-request-id"].to_str().unwrap());
    service.loglevel = "debug";
    service.kill();
    service.begin();
    let given = [("x-request-id", "trace-7")];
    let answer = service.send("GET", "/v2/dev/two/acme/jobs?status=wrong&token=hush", &given, "");
    answer.problem(400);
    assert_eq!(answer.headers["x-request-id"], "trace-7");
    let odd = service.send("GET", "/healthz", &[("x-request-id", "a \"b\"")], "");
    assert_ne!(odd.headers["x-request-id"], "a \"b\"");
    let lines = lines(&service);
    let told = saying(&lines, "A request was answered");
    let line = told.iter().find(|line| line["span"]["request"] == "trace-7").unwrap();
    assert_eq!(line["fields"]["route"], "/v2/{env_id}/{flow_id}/{tenant}/jobs");
    assert_eq!(
        (&line["fields"]["status"], &line["fields"]["method"]),
        (&json!(400), &json!("GET"))
    );
    assert!(line["fields"]["ms"].is_u64() && line["level"] == "DEBUG", "{line}");
    assert!(!service.log().contains("hush"), "{}", service.log());
}

/// What can never work is told at the start, and not to the first who writes.
#[test]
fn the_start_tells_what_cannot_work() {
    let mut config = config("http://127.0.0.1:9");
    let flow = &mut config["environments"]["dev"]["flows"]["two"];
    flow["connectors"]["crn"] = json!({"config": {"connector": "hubspott"}});
    flow["taps"] = json!({"orders": {"command": ["no-such-tap"]}, "mine": {"command": ["sh"]},
        "other": {"command": ["sh"], "catalog": "no-such-catalog.json",
            "config": {"api_key": {"env": "NO_SUCH_SECRET"}}}});
    let tenants = &mut config["environments"]["dev"]["tenants"];
    tenants["acme"]["connectors"]["crn"] = json!({});
    tenants["other"]["connectors"]["crm"]["access_token"] = json!({"env": "NO_SUCH_VARIABLE"});
    tenants["acme"]["connectors"]["crm"]["base_ulr"] = "x".into();
    let service = Service::start(&config);
    service.wait_until(|| service.log().contains("NO_SUCH_VARIABLE"));
    assert!(service.log().contains("did you mean `base_url`"), "{}", service.log());
    let lines = lines(&service);
    let wrong = saying(&lines, "Nothing can be written here");
    assert_eq!(wrong.len(), 1, "{lines:#?}");
    assert_eq!(wrong[0]["fields"]["lane"], "dev/two/acme/crn");
    assert!(message(wrong[0]).contains("`hubspott`"), "{}", wrong[0]);
    let taps = saying(&lines, "A tap cannot run");
    let lacks = |what: &str| {
        taps.iter().any(|line| line["fields"]["lacks"].as_str().unwrap().contains(what))
    };
    assert!(taps.len() == 3 && lacks("`no-such-tap`"), "{taps:#?}");
    assert!(lacks("`NO_SUCH_SECRET`") && lacks("`no-such-catalog.json`"), "{taps:#?}");
}
