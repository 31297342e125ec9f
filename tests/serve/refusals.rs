//! What cannot be carried out is refused with its place, and nothing of it happens.

use serde_json::{Value, json};

use crate::service::{Service, config, contact};
use crate::support::Remote;

#[test]
fn a_request_that_is_wrong_says_where() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    config["max_record_bytes"] = 300.into();
    config["max_body_bytes"] = 2000.into();
    let service = Service::start(&config);
    let jobs = "/v2/dev/two/acme/jobs";
    let send = |path: &str, body: &str| service.send("POST", path, &[], body);
    let refused = |body: serde_json::Value| service.post(jobs, &body).problem(422);
    assert!(send(jobs, "{\"state\": ").problem(400).contains("no JSON"));
    assert!(send(jobs, " ").problem(400).contains("no body"));
    let records =
        |record| json!({"connector_id": "crm", "job_type": "write", "state": {"contacts": record}});
    assert!(refused(records(json!([contact("a"), 7]))).contains("`state.contacts[1]`"));
    assert!(refused(records(json!({}))).contains("state.contacts"));
    let own = |records| {
        json!({"environment": "dev", "flow": "two", "tenant": "acme", "connector": "crm",
            "records": records})
    };
    let refused_own = |records| service.post("/api/v1/jobs", &own(records)).problem(422);
    assert!(refused_own(json!({"contacts": [contact("a"), 7]})).contains("`records.contacts[1]`"));
    assert!(refused_own(json!({"": [contact("a")]})).contains("`records`"));
    assert!(refused(json!({"connector_id": "crm", "job_type": "read"})).contains("`read`"));
    // An array is no object whose names are left out.
    for (path, body) in [
        ("/dev/two/acme/connectors/crm/contacts", r#"[{"externalId": "a"}, false]"#),
        ("/api/v1/records/dev/two/acme/crm/contacts", r#" [{"externalId": "a"}]"#),
        ("/api/v1/jobs", r#"["dev", "two", "acme", "crm", null, {"contacts": []}, null]"#),
        (jobs, r#"["crm", "write"]"#),
    ] {
        assert!(send(path, body).problem(422).contains("array"), "{path}");
    }
    // Which of two lists is meant, nobody knows.
    let twice = r#"{"contacts": [{"externalId": "a"}], "contacts": [{"externalId": "b"}]}"#;
    let told = send(jobs, &format!(r#"{{"connector_id": "crm", "state": {twice}}}"#)).problem(422);
    assert!(told.contains("`contacts` comes twice"), "{told}");
    let place = r#""environment": "dev", "flow": "two", "tenant": "acme", "connector": "crm""#;
    let told = send("/api/v1/jobs", &format!(r#"{{{place}, "records": {twice}}}"#)).problem(422);
    assert!(told.contains("`contacts` comes twice"), "{told}");
    let config_too = json!({"connector_id": "crm", "job_type": "write", "state": {},
        "override_target_config": {"base_url": "http://elsewhere"}});
    assert!(refused(config_too).contains("override_target_config"));
    let body = records(json!([contact("a")]));
    for (path, what) in [
        ("/v2/none/two/acme/jobs", "environment"),
        ("/v2/dev/none/acme/jobs", "flow"),
        ("/v2/dev/two/none/jobs", "tenant"),
    ] {
        assert!(service.post(path, &body).problem(404).contains(what), "{path}");
    }
    let other = json!({"connector_id": "none", "job_type": "write", "state": {}});
    assert!(service.post(jobs, &other).problem(404).contains("connector"));
    let now = "/dev/two/acme/connectors/crm/contacts";
    let told = service.post(now, &json!({"data": [1]})).problem(422);
    assert!(told.contains("`data`") && told.contains("expected a JSON object"), "{told}");
    let state = json!({"connector_id": "crm", "job_type": "write", "state": {"contacts": 5}});
    assert!(refused(state).contains("`state.contacts`"));
    let named = [("idempotency-key", "a"), ("idempotency-key", "b")];
    let told = service.send("POST", now, &named, &json!({"data": contact("a")}).to_string());
    assert!(told.problem(400).contains("more than once"));
    let told = service.send("GET", "/api/v1/jobs", &[("host", "localhost"), ("host", "x")], "");
    assert!(told.problem(400).contains("`host`"));
    assert!(service.post(now, &json!({})).problem(422).contains("data"));
    let long = json!({"data": {"externalId": "x", "name": "x".repeat(500)}});
    service.post(now, &long).problem(413);
    let many = records(json!(vec![contact("a"); 60]));
    assert!(many.to_string().len() > 2000);
    assert!(service.post(jobs, &many).problem(413).contains("2000 bytes"));
    service.get("/nowhere").problem(404);
    service.send("DELETE", jobs, &[], "").problem(405);
    service.get("/api/v1/jobs?limit=0").problem(400);
    let told = service.get("/api/v1/jobs?status=odd").problem(400);
    assert!(told.contains("`queued`") && !told.contains("odd"), "{told}");
    assert!(service.get("/api/v1/jobs?state=queued").problem(400).contains("`state`"));
    let told = service.get("/api/v1/jobs/none/results?outcom=failed").problem(400);
    assert!(told.contains("`outcom`"), "{told}");
    service.get("/api/v1/jobs/none").problem(404);
    assert_eq!(service.get("/api/v1/jobs").is(200)["jobs"], json!([]));
    assert!(remote.records("contacts").is_empty());
}

#[test]
fn a_remote_that_refuses_the_credential_is_told_and_so_is_the_way_out() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    config["environments"]["dev"]["tenants"]["acme"]["connectors"]["crm"]["access_token"] =
        "wrong".into();
    let service = Service::start(&config);
    let job = service.queue("acme", &["c-1"]);
    let ended = service.ended(&job);
    assert_eq!(ended["status"], "failed", "{ended}");
    // The way out is one of the service's, and no command.
    let hint = ended["summary"]["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("/api/v1/check") && !hint.contains("target-upsert"), "{hint}");
    let hint = ended["summary"]["errors"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("retry") && !hint.contains("target-upsert"), "{hint}");
    let now =
        service.post("/dev/two/acme/connectors/crm/contacts", &json!({"data": contact("c-2")}));
    assert!(
        now.status == 502 || now.json()["state"]["summary"]["contacts"]["fail"] == 1,
        "{now:?}"
    );
    assert!(!now.text.contains("wrong"), "{now:?}");
}

/// A record with `count` fields that begin with `prefix`, besides its id.
fn wide(prefix: &str, count: usize) -> Value {
    let fields = (0..count).map(|n| (format!("{prefix}{n}"), json!(n)));
    fields.chain([("externalId".to_owned(), json!(prefix))]).collect()
}

#[test]
fn what_a_job_holds_and_tells_has_an_end() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let (long, full) = ("n".repeat(201), "ñ".repeat(200));
    let queue = |name: &str, records: Value| {
        service.post(
            "/api/v1/jobs",
            &json!({"environment": "dev", "flow": "two", "tenant": "acme", "connector": "crm",
                "name": name, "records": records}),
        )
    };
    let one = json!([contact("c-1")]);
    assert!(queue(&long, json!({"contacts": one})).problem(422).contains("name"));
    assert!(queue("", json!({&long: one})).problem(422).contains("name"));
    let body = json!({"connector_id": "crm", "job_name": long, "state": {"contacts": one}});
    assert!(service.post("/v2/dev/two/acme/jobs", &body).problem(422).contains("name"));
    let now = |stream: &str, record: &Value| {
        service
            .post(&format!("/api/v1/records/dev/two/acme/crm/{stream}"), &json!({"data": record}))
    };
    assert!(now(&long, &contact("c-1")).problem(422).contains("name"));
    assert!(remote.records("contacts").is_empty());
    let queued = queue(&full, json!({"contacts": one})).is(201);
    assert_eq!(queued["name"], full.as_str());
    service.ended(queued["id"].as_str().unwrap());
    // Over all streams together.
    let streams = |count| json!({"one": [wide("a", count)], "other": [wide("b", count)]});
    assert!(queue("", streams(5000)).problem(422).contains("10000 different fields"));
    let queued = queue("", streams(4998)).is(201);
    assert_eq!(service.ended(queued["id"].as_str().unwrap())["status"], "succeeded");
    // Of what is written at once, one more than fit is another job's.
    for (stream, count) in [("one", 6000), ("other", 3990), ("one", 6000), ("third", 6000)] {
        now(stream, &wide("c", count)).is(200);
    }
    let told = service.get("/api/v1/jobs").is(200);
    let lives = told["jobs"].as_array().unwrap().iter().filter(|job| job["source"] == "live");
    assert_eq!(lives.count(), 2, "{told}");
}
