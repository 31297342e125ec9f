//! A service that is killed at any moment goes on when it starts again: what it has accepted is
//! written, and once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::service::{Service, config, config_of, contact, keep};
use crate::support::Remote;

#[test]
fn jobs_that_were_accepted_run_after_a_kill() {
    let remote = Remote::with("{latency_ms: 20}");
    let mut config = config(&remote.url);
    config["max_jobs"] = 2.into();
    let mut service = Service::start(&config);
    let mut jobs = Vec::new();
    for n in 0..12 {
        let ids: Vec<String> = (0..40).map(|m| format!("c-{n}-{m}")).collect();
        let tenant = if n % 3 == 0 { "other" } else { "acme" };
        jobs.push(service.queue(tenant, &ids.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    for millis in [60, 110, 170] {
        std::thread::sleep(Duration::from_millis(millis));
        service.kill();
        service.begin();
    }
    for job in &jobs {
        let ended = service.ended(job);
        assert_eq!(ended["status"], "succeeded", "{ended}");
    }
    assert_eq!(remote.by_ext("contacts").len(), 12 * 40);
}

#[test]
fn records_that_were_accepted_are_written_after_a_kill() {
    let remote = Remote::with("{latency_ms: 100}");
    let mut service = Service::start(&config(&remote.url));
    let place = "/dev/two/acme/connectors/crm/contacts";
    let tasks: Vec<Value> = (0..40)
        .map(|n| {
            service.post(place, &json!({"data": contact(&format!("c-{n}")), "async": true})).is(202)
        })
        .collect();
    service.kill();
    service.begin();
    for task in tasks {
        let told = service.outcome(&task);
        assert_eq!(told["success"], true, "{told}");
    }
    assert_eq!(remote.by_ext("contacts").len(), 40);
}

#[test]
fn a_signal_ends_it_in_good_order() {
    const COUNT: usize = 1000;
    let remote = Remote::with("{latency_ms: 100}");
    let mut config = config(&remote.url);
    let own = &mut config["environments"]["dev"]["flows"]["two"]["connectors"]["crm"]["config"];
    own["max_in_flight"] = 1.into();
    own["streams"] = json!({"contacts": {"batch_records": 50}});
    let mut service = Service::start(&config);
    let ids: Vec<String> = (0..COUNT).map(|n| format!("c-{n}")).collect();
    let job = service.queue("acme", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let told =
        service.post("/dev/two/other/connectors/crm/deals", &json!({"data": {"externalId": "d"}}));
    told.is(200);
    service.wait_until(|| !remote.by_ext("contacts").is_empty());
    service.ask_to_end();
    // It was under way then, and some of it is left for after.
    let written = remote.by_ext("contacts").len();
    assert!(written < COUNT, "{written}");
    service.end();
    service.begin();
    assert_eq!(service.ended(&job)["status"], "succeeded");
    assert_eq!(remote.by_ext("contacts").len(), COUNT);
}

#[test]
fn what_a_kill_has_left_beside_the_queue_is_taken_away() {
    let remote = Remote::start();
    let mut service = Service::start(&config(&remote.url));
    service.ended(&service.queue("acme", &["c-1"]));
    service.kill();
    let left = service.path(".target-upsert/serve/inputs/left.jsonl");
    keep(&left, "{}");
    service.begin();
    assert!(!left.exists());
}

#[test]
fn a_job_that_was_cancelled_stays_so() {
    let remote = Remote::with("{latency_ms: 100}");
    let mut service = Service::start(&config(&remote.url));
    let ids: Vec<String> = (0..3000).map(|n| format!("c-{n}")).collect();
    let job = service.queue("acme", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    service.wait_until(|| !remote.records("contacts").is_empty());
    service.post(&format!("/api/v1/jobs/{job}/cancel"), &json!({})).is(202);
    service.kill();
    service.begin();
    assert_eq!(service.ended(&job)["status"], "stopped");
    // Another one of the account is not held up by it.
    assert_eq!(service.ended(&service.queue("acme", &["d-1"]))["status"], "succeeded");
    assert!(remote.by_ext("contacts").len() < 3000);
}

/// Writes eight records that nobody waits for, each with a key, at a remote that asks for quiet.
fn accepted(service: &Service) -> Vec<(String, Value)> {
    let place = "/dev/two/acme/connectors/crm/notes";
    let tasks = (0..8).map(|n| {
        let body = json!({"data": {"name": format!("n-{n}")}, "async": true}).to_string();
        let key = format!("k-{n}");
        let told = service.send("POST", place, &[("idempotency-key", &key)], &body).is(202);
        (body, told)
    });
    tasks.collect()
}

/// Waits until all are told as written, under their first ids.
fn all_are_written(service: &Service, remote: &Remote, tasks: &[(String, Value)]) {
    for (n, (body, task)) in tasks.iter().enumerate() {
        let told = service.outcome(task);
        assert_eq!(told["success"], true, "{told}");
        let key = format!("k-{n}");
        let place = "/dev/two/acme/connectors/crm/notes";
        let again = service.send("POST", place, &[("idempotency-key", &key)], body);
        assert!(again.status < 300, "{again:?}");
    }
    assert_eq!(remote.records("notes").len(), tasks.len());
}

#[test]
fn records_that_were_accepted_are_written_after_a_signal() {
    let remote = Remote::with(
        "{faults: [{on: 'POST *', calls: [1, 2, 3, 4, 5, 6, 7, 8], do: status, status: 429, retry_after: {seconds: 8}}]}",
    );
    let mut service = Service::start(&config(&remote.url));
    let tasks = accepted(&service);
    let live = tasks[0].1["jobId"].as_str().unwrap().to_owned();
    service.end();
    service.begin();
    // Whoever retries what the job has left finds that it is on its way already.
    service.post(&format!("/api/v1/jobs/{live}/retry"), &json!({})).is(201);
    all_are_written(&service, &remote, &tasks);
}

#[test]
fn records_that_were_accepted_are_written_after_a_job_has_failed() {
    let remote = Remote::with(
        "{latency_ms: 100, faults: [{on: 'POST *', calls: [2], do: status, status: 401}]}",
    );
    let mut config = config(&remote.url);
    let own = &mut config["environments"]["dev"]["flows"]["two"]["connectors"]["crm"]["config"];
    own["max_in_flight"] = 1.into();
    let service = Service::start(&config);
    let tasks = accepted(&service);
    all_are_written(&service, &remote, &tasks);
}

/// Ends it by a signal, which is not to take as long as a call may.
fn ends_soon(service: &mut Service) {
    let began = Instant::now();
    service.end();
    let took = began.elapsed();
    // Ten seconds for what is under way, and five for calls that are given up.
    assert!(took < Duration::from_secs(30), "{took:?}\n{}", service.log());
}

#[test]
fn a_remote_that_hangs_does_not_keep_it_from_ending() {
    let remote = Remote::with("{latency_ms: 600000}");
    let mut config = config(&remote.url);
    let own = &mut config["environments"]["dev"]["flows"]["two"]["connectors"]["crm"]["config"];
    own["timeout_secs"] = 50.into();
    config["deadline_secs"] = json!(3);
    let mut service = Service::start(&config);
    let place = "/dev/two/acme/connectors/crm/contacts";
    let asked = service.post(place, &json!({"data": contact("c-1"), "async": true})).is(202);
    let job = asked["jobId"].as_str().unwrap();
    let cancel = || service.post(&format!("/api/v1/jobs/{job}/cancel"), &json!({})).status;
    assert_eq!(cancel(), 202);
    // The next record waits for the end of what was closed; who asks for that again does not.
    service.post(place, &json!({"data": contact("c-2")})).problem(503);
    assert_eq!(cancel(), 202);
    ends_soon(&mut service);
}

#[test]
fn a_job_is_cancelled_also_while_its_call_hangs() {
    let remote = Remote::with("{faults: [{on: 'POST *', calls: [1], do: hang, ms: 600000}]}");
    let mut config = config(&remote.url);
    let own = &mut config["environments"]["dev"]["flows"]["two"]["connectors"]["crm"]["config"];
    own["timeout_secs"] = 100.into();
    let service = Service::start(&config);
    let began = Instant::now();
    let job = service.queue("acme", &["c-1"]);
    service.wait_until(|| remote.faults("hang") > 0);
    service.post(&format!("/api/v1/jobs/{job}/cancel"), &json!({})).is(202);
    // Another one of the account goes on.
    service.post("/dev/two/acme/connectors/crm/contacts", &json!({"data": contact("c-2")})).is(200);
    assert_eq!(service.ended(&job)["status"], "stopped");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    service.post("/dev/two/acme/connectors/crm/contacts", &json!({"data": contact("c-3")})).is(200);
    assert_eq!(remote.by_ext("contacts").len(), 2);
}

/// A call that may have been applied, and whose answer a signal has cut off: what may be sent again is.
#[test]
fn a_record_that_was_accepted_is_sent_again_after_a_signal_has_cut_its_call_off() {
    let remote = Remote::with("{faults: [{on: 'POST *', calls: [1], do: hang_after, ms: 600000}]}");
    let mut service = Service::start(&config(&remote.url));
    let body = json!({"data": contact("c-1"), "async": true});
    let task = service.post("/dev/two/acme/connectors/crm/contacts", &body).is(202);
    service.wait_until(|| remote.by_ext("contacts").len() == 1);
    ends_soon(&mut service);
    service.begin();
    let told = service.outcome(&task);
    assert_eq!(told["success"], true, "{told}");
    assert_eq!(remote.by_ext("contacts").len(), 1);
}

#[test]
fn a_record_that_was_accepted_is_written_after_a_signal_has_cut_its_lookup_off() {
    let remote = Remote::with("{faults: [{on: 'POST *', calls: [1], do: hang, ms: 600000}]}");
    let own = json!({"base_url": remote.url, "access_token": "sandbox-token"});
    let mut service = Service::start(&config_of("hubspot", &own));
    let body = json!({"data": contact("c-1"), "async": true});
    let task = service.post("/dev/two/acme/connectors/hubspot/contacts", &body).is(202);
    service.wait_until(|| remote.faults("hang") > 0);
    ends_soon(&mut service);
    assert!(remote.records("hubspot%2F0-1").is_empty());
    service.begin();
    let told = service.outcome(&task);
    assert_eq!(told["success"], true, "{told}");
    assert_eq!(remote.records("hubspot%2F0-1").len(), 1);
}

/// The same of what would be there twice: it stays in doubt.
#[test]
fn a_create_that_was_accepted_is_not_sent_again_after_a_signal_has_cut_its_call_off() {
    let remote =
        Remote::with("{faults: [{on: 'POST *', calls: [1, 2], do: hang_after, ms: 600000}]}");
    // The second names each create by a key, which the next job would not know.
    let posts = json!({"connector": "api", "url": format!("{}/v1/notes", remote.url),
        "idempotency_key_header": "idempotency-key",
        "custom_headers": [{"name": "authorization", "value": "Bearer sandbox-token"}]});
    let crm = &config(&remote.url)["environments"]["dev"]["flows"]["two"]["connectors"]["crm"];
    let mut service = Service::start(&json!({"environments": {"dev": {
        "flows": {"two": {"connectors": {"crm": crm, "posts": {"config": posts}}}},
        "tenants": {"acme": {"connectors": {
            "crm": {"access_token": {"env": "SANDBOX_TOKEN"}}, "posts": {}}}}}}}));
    let body = json!({"data": {"name": "n-1"}, "async": true});
    let place = |connector: &str| format!("/dev/two/acme/connectors/{connector}/notes");
    let tasks = ["crm", "posts"].map(|connector| service.post(&place(connector), &body).is(202));
    service.wait_until(|| remote.records("notes").len() == 2);
    ends_soon(&mut service);
    service.begin();
    for (task, connector) in tasks.iter().zip(["crm", "posts"]) {
        let told = service.outcome(task);
        assert_eq!(told["success"], false, "{told}");
        service.post(&place(connector), &json!({"data": {"name": "n-2"}})).is(200);
    }
    assert_eq!(remote.records("notes").len(), 4);
}

/// A bulk job that a cancelled job has left under way at Salesforce: in the same lane, which stays open,
/// the next job finds out what became of it, also where a signal ends it on the way.
#[test]
fn what_a_cancelled_job_has_left_is_waited_for() {
    let remote = Remote::with("{salesforce: {job_ms: 25000}}");
    let own = json!({"base_url": remote.url, "access_token": "sandbox-token", "bulk_from": 10,
        "settle_secs": 0, "lookup_by_email": false});
    let mut service = Service::start(&config_of("salesforce", &own));
    let leads: Vec<Value> = (0..25)
        .map(|n| json!({"externalId": format!("l-{n}"), "LastName": "Lee", "Company": "Acme"}))
        .collect();
    let queue = |service: &Service| {
        let body =
            json!({"connector_id": "salesforce", "job_type": "write", "state": {"Lead": leads}});
        let job = service.post("/v2/dev/two/acme/jobs", &body).is(201);
        job["job_id"].as_str().unwrap().to_owned()
    };
    let first = queue(&service);
    service.wait_until(|| remote.calls_of_path("PATCH ") > 0);
    service.post(&format!("/api/v1/jobs/{first}/cancel"), &json!({})).is(202);
    let left = service.ended(&first);
    assert_eq!(left["status"], "stopped", "{left}");
    let second = queue(&service);
    service.wait_until(|| service.log().contains("its end is waited for"));
    ends_soon(&mut service);
    service.begin();
    let ended = service.ended(&second);
    assert_eq!(service.log().matches("its end is waited for").count(), 2, "{}", service.log());
    assert_eq!(ended["status"], "succeeded", "{ended}");
    assert_eq!(ended["summary"]["streams"]["Lead"]["unchanged"], 25, "{ended}");
    assert_eq!(remote.records("salesforce%2FLead").len(), 25);
}

/// All was read, and the last call fails while the service ends: it was to be sent again.
#[test]
fn a_job_whose_last_call_fails_as_a_signal_ends_it_goes_on_at_the_next_start() {
    let remote = Remote::with("{faults: [{on: 'POST *', calls: [1], do: hang, ms: 3000}]}");
    let mut service = Service::start(&config(&remote.url));
    let job = service.queue("acme", &["c-1", "c-2"]);
    service.wait_until(|| remote.faults("hang") > 0);
    ends_soon(&mut service);
    assert!(remote.by_ext("contacts").is_empty());
    service.begin();
    let ended = service.ended(&job);
    assert_eq!(ended["status"], "succeeded", "{ended}");
    assert_eq!(remote.by_ext("contacts").len(), 2);
}

#[test]
fn an_account_that_does_not_open_does_not_keep_it_from_ending() {
    let (remote, hangs) = (Remote::start(), Remote::with("{latency_ms: 600000}"));
    let account = |url: &str| json!({"base_url": url, "access_token": "sandbox-token"});
    let config = json!({"deadline_secs": 0.5, "encryption_key": {"env": "ENCRYPTION_KEY"},
        "environments": {"dev": {
            "flows": {"two": {"connectors": {"hubspot": {"config": {"timeout_secs": 50}}}}},
            "tenants": {"acme": {"connectors": {"hubspot": account(&remote.url)}}}}}});
    let mut service = Service::start(&config);
    let place = "/dev/two/acme/connectors/hubspot/contacts";
    service.wait_until(|| service.post(place, &json!({"data": contact("c-1")})).status == 200);
    let own = "/api/v1/tenants/dev/acme/connectors/hubspot";
    service.send("PUT", own, &[], &account(&hangs.url).to_string()).is(200);
    service.post(place, &json!({"data": contact("c-2")})).problem(503);
    ends_soon(&mut service);
}
