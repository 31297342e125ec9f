//! Jobs from the queue.

use serde_json::{Value, json};

use crate::service::{Service, config, contact, keep};
use crate::support::Remote;

#[test]
fn a_job_of_the_platform_is_queued_run_and_told() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let body = json!({"connector_id": "crm", "job_type": "write", "job_name": "nightly", "state": {
        "contacts": [contact("c-1"), contact("c-2")],
        "deals": [{"externalId": "d-1", "amount": "DIGITS"}]}});
    let body = body.to_string().replace("\"DIGITS\"", "10.50");
    let queued = service.send("POST", "/v2/dev/two/acme/jobs", &[], &body).is(201);
    assert_eq!(queued["job_name"], "nightly");
    assert_eq!(queued["status"], "JOB_CREATED");
    assert_eq!(queued["processed_rows"], 3);
    let id = queued["job_id"].as_str().unwrap();
    assert_eq!(service.ended(id)["status"], "succeeded");
    assert_eq!(remote.by_ext("contacts").len(), 2);
    // Digits are those that came in.
    assert_eq!(remote.raw("deals")[0]["amount"].get(), "10.50");
    let told = service.get(&format!("/v2/dev/two/acme/jobs/{id}")).is(200);
    assert_eq!(told["status"], "JOB_COMPLETED");
    assert_eq!(told["metrics"]["recordCount"], json!({"contacts": 2, "deals": 1}));
    let nothing = json!({"connector_id": "crm", "job_type": "write"});
    assert!(service.post("/v2/dev/two/acme/jobs", &nothing).problem(422).contains("`state`"));
    let listed = service.get("/v2/dev/two/acme/jobs?count=5").is(200);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(service.get("/v2/dev/two/acme/jobs?status=JOB_CREATED").is(200), json!([]));
    assert_eq!(service.get("/v2/dev/two/other/jobs").is(200), json!([]));
    service.get(&format!("/v2/dev/two/other/jobs/{id}")).problem(404);
}

#[test]
fn a_job_of_a_first_version_flow_needs_no_connector() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let body = json!({"tap": "api", "state": {"contacts": [contact("c-1")]}});
    let queued = service.post("/dev/one/acme/jobs", &body).is(201);
    let id = queued["job_id"].as_str().unwrap();
    service.ended(id);
    assert_eq!(remote.by_ext("contacts").len(), 1);
    let told = service.get(&format!("/dev/one/acme/jobs/{id}")).is(200);
    assert_eq!(told["status"], "JOB_COMPLETED");
}

#[test]
fn what_became_of_each_record_is_told_in_every_form() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let body = json!({"environment": "dev", "flow": "two", "tenant": "acme", "connector": "crm",
        "records": {"contacts": [contact("c-1"), {"externalId": "c-2", "email": "none"}]}});
    let queued = service.post("/api/v1/jobs", &body);
    let place = queued.headers["location"].to_str().unwrap().to_owned();
    let id = queued.is(201)["id"].as_str().unwrap().to_owned();
    assert_eq!(place, format!("/api/v1/jobs/{id}"));
    let ended = service.ended(&id);
    assert_eq!(ended["status"], "completed_with_failures");
    assert_eq!(ended["summary"]["streams"]["contacts"]["rejected"], 1);
    let results = service.get(&format!("{place}/results"));
    let rows: Vec<Value> =
        results.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows[0]["RemoteId"],
        remote.by_ext("contacts")["c-1"]["id"].to_string().trim_matches('"')
    );
    assert_eq!(rows[1]["outcome"], "rejected");
    let csv = service.get(&format!("{place}/results?format=csv&outcome=rejected"));
    assert_eq!(csv.text.lines().count(), 2);
    assert!(csv.text.contains("c-2"), "{}", csv.text);
    let state = service.get(&format!("{place}/state")).is(200);
    assert_eq!(
        state["summary"]["contacts"],
        json!({"success": 1, "fail": 1, "existing": 0, "updated": 0})
    );
    assert_eq!(state["mappings"]["contacts"][0]["InputId"], "c-1");
    let rejects = service.get(&format!("{place}/rejects"));
    assert!(
        rejects.text.contains(r#""type":"SCHEMA""#) && rejects.text.contains("c-2"),
        "{}",
        rejects.text
    );
}

#[test]
fn what_failed_is_tried_again_from_what_is_kept() {
    // Every write fails until the fault is spent: three tries of one call.
    let remote = Remote::with(
        "{latency_ms: 500, faults: [{on: 'POST *', calls: [1, 2, 3], do: status, status: 500}]}",
    );
    let service = Service::start(&config(&remote.url));
    let first = service.queue("acme", &["c-1"]);
    let ended = service.ended(&first);
    assert_ne!(ended["status"], "succeeded", "{ended}");
    assert_eq!((&ended["counts"]["read"], &ended["counts"]["created"]), (&json!(1), &json!(0)));
    // It waits behind another one; asked for again, it is the same.
    let ids: Vec<String> = (0..2000).map(|n| format!("d-{n}")).collect();
    service.queue("acme", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let retry = || service.post(&format!("/api/v1/jobs/{first}/retry"), &json!({})).is(201);
    let again = retry();
    assert_eq!(again["retries"], first.as_str());
    assert_eq!(again["counts"], Value::Null);
    assert_eq!(retry()["id"], again["id"]);
    let ended = service.ended(again["id"].as_str().unwrap());
    assert_eq!(ended["status"], "succeeded", "{ended}");
    assert_eq!(ended["counts"]["created"], 1, "{ended}");
    assert!(remote.by_ext("contacts").contains_key("c-1"));
}

#[test]
fn a_job_is_ended_and_a_retry_writes_what_it_has_left() {
    // More than is read while one call is under way.
    const COUNT: u64 = 20_000;
    let remote = Remote::with("{latency_ms: 100}");
    let service = Service::start(&config(&remote.url));
    let ids: Vec<String> = (0..COUNT).map(|n| format!("c-{n}")).collect();
    let many = service.queue("acme", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let waits = service.queue("acme", &["d-1"]);
    let act = |job: &str, act: &str| service.post(&format!("/api/v1/jobs/{job}/{act}"), &json!({}));
    assert_eq!(act(&waits, "cancel").is(202)["status"], "cancelled");
    service.wait_until(|| !remote.by_ext("contacts").is_empty());
    act(&many, "cancel").is(202);
    let ended = service.ended(&many);
    assert_eq!(ended["status"], "stopped", "{ended}");
    assert!(act(&many, "cancel").problem(409).contains("has ended"));
    let read = ended["summary"]["streams"]["contacts"]["read"].as_u64().unwrap();
    assert!((1..COUNT).contains(&read), "{ended}");
    let told = ended["message"].as_str().unwrap();
    assert!(told.starts_with(&format!("{} records were not read", COUNT - read)), "{told}");
    let held = remote.by_ext("contacts");
    assert!(held.len() as u64 <= read && !held.contains_key("d-1"));
    for job in [&many, &waits] {
        let again = service.ended(act(job, "retry").is(201)["id"].as_str().unwrap());
        assert_eq!(again["status"], "succeeded", "{again}");
    }
    assert_eq!(remote.by_ext("contacts").len() as u64, COUNT + 1);
}

#[test]
fn a_job_that_fails_says_how_many_it_has_not_read() {
    // More than is read before the first answer says that the token is not taken.
    const COUNT: usize = 20_000;
    let remote = Remote::with(
        "{latency_ms: 100, faults: [{on: 'POST *', calls: [1], do: status, status: 401}]}",
    );
    let service = Service::start(&config(&remote.url));
    let ids: Vec<String> = (0..COUNT).map(|n| format!("c-{n}")).collect();
    let job = service.queue("acme", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let ended = service.ended(&job);
    assert_eq!(ended["status"], "failed", "{ended}");
    let unread = COUNT as u64 - ended["summary"]["streams"]["contacts"]["read"].as_u64().unwrap();
    let told = ended["message"].as_str().unwrap();
    assert!(told.contains("refuses the credential"), "{told}");
    let left = format!("; {unread} records were not read: a retry writes them");
    assert!(unread > 0 && told.ends_with(&left), "{told}");
    let again = service.post(&format!("/api/v1/jobs/{job}/retry"), &json!({})).is(201);
    assert_eq!(service.ended(again["id"].as_str().unwrap())["status"], "succeeded");
    assert_eq!(remote.by_ext("contacts").len(), COUNT);
}

#[test]
fn a_request_with_a_key_is_carried_out_once() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let body = |id: &str| {
        let body = json!({"connector_id": "crm", "job_type": "write", "state": {"contacts": [contact(id)]}});
        body.to_string()
    };
    let send = |id: &str| {
        service.send("POST", "/v2/dev/two/acme/jobs", &[("idempotency-key", "k-1")], &body(id))
    };
    let first = send("c-1").is(201);
    assert_eq!(send("c-1").is(201)["job_id"], first["job_id"]);
    assert!(send("c-2").problem(409).contains("another request"));
    // Another tenant's keys are its own.
    let other =
        service.send("POST", "/v2/dev/two/other/jobs", &[("idempotency-key", "k-1")], &body("c-3"));
    other.is(201);
    service.ended(first["job_id"].as_str().unwrap());
    assert_eq!(service.get("/v2/dev/two/acme/jobs").is(200).as_array().unwrap().len(), 1);
}

#[test]
fn a_full_queue_says_when_to_come_again() {
    let remote = Remote::with("{latency_ms: 300}");
    let mut config = config(&remote.url);
    config["max_queued_jobs"] = 2.into();
    config["max_jobs"] = 1.into();
    let service = Service::start(&config);
    let jobs: Vec<_> = (0..2).map(|n| service.queue("acme", &[&format!("c-{n}")])).collect();
    let body =
        json!({"connector_id": "crm", "job_type": "write", "state": {"contacts": [contact("x")]}});
    let refused = (0..9)
        .map(|_| service.post("/v2/dev/two/acme/jobs", &body))
        .find(|answer| answer.status == 429);
    let refused = refused.unwrap();
    refused.problem(429);
    assert!(refused.headers.contains_key("retry-after"));
    for job in jobs {
        assert_eq!(service.ended(&job)["status"], "succeeded");
    }
}

#[test]
fn a_tenants_ids_are_the_platforms_snapshots() {
    use base64::Engine as _;
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let job = service.queue("acme", &["c-1"]);
    service.ended(&job);
    let listed = service.get("/tenant/dev/acme/snapshots").is(200);
    assert_eq!(listed, json!(["contacts_two.snapshot.csv"]));
    let file = service.get("/tenant/dev/acme/snapshots?file=contacts_two.snapshot.csv").is(200);
    let content =
        base64::prelude::BASE64_STANDARD.decode(file["content"].as_str().unwrap()).unwrap();
    let content = String::from_utf8(content).unwrap();
    assert!(content.starts_with("InputId,RemoteId,CustomData\nc-1,"), "{content}");
    service.get("/tenant/dev/acme/snapshots?file=x.csv").problem(404);
    assert_eq!(service.get("/tenant/dev/other/snapshots").is(200), json!([]));
}

#[test]
fn each_connector_of_a_flow_has_snapshots_of_its_own() {
    use base64::Engine as _;
    let remotes = [Remote::start(), Remote::start()];
    let mut config = config(&remotes[0].url);
    let own = &mut config["environments"]["dev"];
    for (place, more) in [
        ("/flows/two/connectors", json!({"config": {"base_url": remotes[1].url}})),
        ("/tenants/acme/connectors", json!({})),
    ] {
        let connectors = own.pointer_mut(place).unwrap();
        let mut second = connectors["crm"].clone();
        if let Some(url) = more.pointer("/config/base_url") {
            second["config"]["base_url"] = url.clone();
        }
        connectors["erp"] = second;
    }
    let service = Service::start(&config);
    let write = |connector: &str, ids: &[&str]| {
        let contacts: Vec<_> = ids.iter().map(|id| contact(id)).collect();
        let body = json!({"environment": "dev", "flow": "two", "tenant": "acme",
            "connector": connector, "records": {"contacts": contacts}});
        let job = service.post("/api/v1/jobs", &body).is(201);
        assert_eq!(service.ended(job["id"].as_str().unwrap())["status"], "succeeded");
    };
    let list = || service.get("/tenant/dev/acme/snapshots").is(200);
    let ids = |file: &str| {
        let told = service.get(&format!("/tenant/dev/acme/snapshots?file={file}")).is(200);
        let content = base64::prelude::BASE64_STANDARD.decode(told["content"].as_str().unwrap());
        let content = String::from_utf8(content.unwrap()).unwrap();
        let ids = content.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    write("crm", &["c-1"]);
    assert_eq!(list(), json!(["contacts_two.snapshot.csv"]));
    assert_eq!(ids("contacts_two.snapshot.csv"), ["c-1"]);
    write("erp", &["e-1", "e-2"]);
    let both = ["contacts_two_crm.snapshot.csv", "contacts_two_erp.snapshot.csv"];
    assert_eq!(list(), json!(both));
    assert_eq!(ids(both[0]), ["c-1"]);
    assert_eq!(ids(both[1]), ["e-1", "e-2"]);
    let told = service.get("/tenant/dev/acme/snapshots?file=contacts_two.snapshot.csv");
    assert!(told.problem(409).contains("2 connectors"));
}

#[test]
fn what_was_written_at_once_since_is_not_tried_again() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let place = "/dev/two/acme/connectors/crm/contacts";
    // The job of these is begun before the one that fails.
    service.post(place, &json!({"data": contact("c-0")})).is(200);
    let bad = |id: &str| json!({"externalId": id, "email": "none"});
    let body = json!({"connector_id": "crm", "job_type": "write",
        "state": {"contacts": [bad("c-1"), bad("c-2")]}});
    let job = service.post("/v2/dev/two/acme/jobs", &body).is(201);
    let id = job["job_id"].as_str().unwrap();
    assert_eq!(service.ended(id)["status"], "completed_with_failures");
    service.post(place, &json!({"data": contact("c-1")})).is(200);
    let rejects = service.get(&format!("/api/v1/jobs/{id}/rejects")).text;
    assert!(rejects.contains("c-2") && !rejects.contains("c-1"), "{rejects}");
}

#[test]
fn what_became_of_old_jobs_is_forgotten_and_ids_are_not() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    let mut service = Service::start(&config);
    let old = service.queue("acme", &["c-1"]);
    service.ended(&old);
    let newer = service.queue("acme", &["c-2"]);
    service.ended(&newer);
    // Nobody uses this one any more.
    for id in ["o-1", "o-2"] {
        service.ended(&service.queue("other", &[id]));
    }
    service.end();
    config["keep_days"] = 0.into();
    keep(&service.path("serve.yaml"), &config.to_string());
    service.begin();
    service.wait_until(|| service.get(&format!("/api/v1/jobs/{old}")).status == 404);
    service.wait_until(|| service.log().matches("Old jobs are forgotten").count() >= 2);
    // It is what was written last, and so nothing is sent.
    let again = service.queue("acme", &["c-1"]);
    let ended = service.ended(&again);
    assert_eq!(ended["summary"]["streams"]["contacts"]["unchanged"], 1, "{ended}");
}

#[test]
fn what_waits_to_be_tried_again_is_not_forgotten() {
    let remote = Remote::with(
        "{latency_ms: 2000, faults: [{on: 'POST /v1/{object}/batch', calls: [2], do: status, status: 422}]}",
    );
    let mut config = config(&remote.url);
    let mut service = Service::start(&config);
    let old = service.queue("acme", &["c-0"]);
    service.ended(&old);
    let failed = service.queue("acme", &["c-1"]);
    assert_eq!(service.ended(&failed)["status"], "completed_with_failures");
    let before = service.queue("acme", &["c-2"]);
    let again = service.post(&format!("/api/v1/jobs/{failed}/retry"), &json!({})).is(201);
    service.kill();
    config["keep_days"] = 0.into();
    keep(&service.path("serve.yaml"), &config.to_string());
    service.begin();
    service.wait_until(|| service.get(&format!("/api/v1/jobs/{old}")).status == 404);
    service.wait_until(|| service.log().contains("Old jobs are forgotten"));
    let id = again["id"].as_str().unwrap();
    service.get(&format!("/api/v1/jobs/{failed}")).is(200);
    let ended = service.ended(id);
    assert_eq!(ended["status"], "succeeded", "{ended}");
    assert_eq!(ended["summary"]["proof"]["read"], 1, "{ended}");
    service.ended(&before);
    assert!(remote.by_ext("contacts").contains_key("c-1"));
}

#[test]
fn a_job_that_fails_loses_nothing_of_what_it_was_given() {
    // The credential is refused in the middle of it.
    let remote = Remote::with(
        "{faults: [{on: 'POST /v1/{object}/batch', calls: [3], do: status, status: 401}]}",
    );
    let mut config = config(&remote.url);
    let own = &mut config["environments"]["dev"]["flows"]["two"]["connectors"]["crm"]["config"];
    own["max_in_flight"] = 1.into();
    own["max_buffer_bytes"] = (64 << 10).into();
    let mut service = Service::start(&config);
    // Of each two, one has no id of its own.
    let contacts = (0..1000).map(|n| contact(&format!("c-{n}")));
    let notes = (0..1000).map(|n| json!({"name": format!("n-{n}"), "text": "x".repeat(200)}));
    let body = json!({"environment": "dev", "flow": "two", "tenant": "acme", "connector": "crm",
        "records": {"contacts": contacts.collect::<Vec<_>>(), "notes": notes.collect::<Vec<_>>()}});
    let job = service.post("/api/v1/jobs", &body).is(201);
    let first = service.ended(job["id"].as_str().unwrap());
    assert_eq!(first["status"], "failed", "{first}");
    assert!(first["summary"]["proof"]["read"].as_u64().unwrap() < 2000, "{first}");
    service.kill();
    service.begin();
    // The first retry takes it over, also where it is pressed twice.
    let retry = || {
        let place = format!("/api/v1/jobs/{}/retry", first["id"].as_str().unwrap());
        let again = service.post(&place, &json!({})).is(201);
        service.ended(again["id"].as_str().unwrap())
    };
    for _ in 0..2 {
        let again = retry();
        assert_eq!(again["status"], "succeeded", "{again}");
    }
    assert_eq!(remote.by_ext("contacts").len(), 1000);
    assert_eq!(remote.records("notes").len(), 1000);
    let inputs = std::fs::read_dir(service.path(".target-upsert/serve/inputs")).unwrap();
    assert_eq!(inputs.count(), 0);
}

#[test]
fn a_job_whose_account_cannot_be_opened_is_there_for_a_retry() {
    let remote = Remote::start();
    // A port that nobody listens on.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at = |url: &str| {
        let own = json!({"base_url": url, "access_token": "sandbox-token"});
        json!({"environments": {"dev": {
            "flows": {"two": {"connectors": {"hubspot": {"config": own}}}},
            "tenants": {"acme": {"connectors": {"hubspot": {}}}}}}})
    };
    let mut service = Service::start(&at(&format!("http://{closed}")));
    let body = json!({"connector_id": "hubspot", "job_type": "write", "state": {"contacts": [contact("c-1")]}});
    let job = service.post("/v2/dev/two/acme/jobs", &body).is(201);
    let id = job["job_id"].as_str().unwrap().to_owned();
    assert_eq!(service.ended(&id)["status"], "failed");
    service.end();
    keep(&service.path("serve.yaml"), &at(&remote.url).to_string());
    service.begin();
    let again = service.post(&format!("/api/v1/jobs/{id}/retry"), &json!({})).is(201);
    let again = service.ended(again["id"].as_str().unwrap());
    assert_eq!(again["status"], "succeeded", "{again}");
    assert_eq!(remote.records("hubspot%2F0-1").len(), 1);
    // What it was given is another job's now.
    service.post(&format!("/api/v1/jobs/{id}/retry"), &json!({})).problem(409);
}
