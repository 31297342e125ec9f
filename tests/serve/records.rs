//! Records that are written at once.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::service::{Service, config, config_of, contact, keep};
use crate::support::{Remote, text};

const PLACE: &str = "/dev/two/acme/connectors/crm/contacts";

#[test]
fn the_answer_tells_what_became_of_it() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let first = service.post(PLACE, &json!({"data": contact("c-1")})).is(200);
    let bookmark = &first["state"]["bookmarks"]["contacts"][0];
    assert_eq!(bookmark["success"], true, "{first}");
    assert_eq!(bookmark["externalId"], "c-1");
    assert_eq!(bookmark["id"], text(&remote.by_ext("contacts")["c-1"]["id"]));
    assert_eq!(first["async"], false);
    let again = service.post(PLACE, &json!({"data": contact("c-1")})).is(200);
    assert_eq!(again["state"]["summary"]["contacts"]["existing"], 1, "{again}");
    assert_eq!(again["jobId"], first["jobId"]);
    assert_ne!(again["taskId"], first["taskId"]);
    let refused = json!({"data": {"externalId": "c-2", "email": "none"}});
    let refused = service.post(PLACE, &refused).is(200);
    assert_eq!(refused["state"]["bookmarks"]["contacts"][0]["success"], false);
    assert_eq!(refused["state"]["summary"]["contacts"]["fail"], 1);
    assert_eq!(remote.by_ext("contacts").len(), 1);
    // The job of all of them is one of the tenant's.
    let job = service.get(&format!("/api/v1/jobs/{}", first["jobId"].as_str().unwrap())).is(200);
    assert_eq!((&job["source"], &job["status"]), (&json!("live"), &json!("running")));
}

#[test]
fn a_key_that_nobody_knows_is_refused_but_from_clients_of_the_platform() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let body = json!({"data": contact("c-1"), "asnyc": true});
    let told = service.post("/api/v1/records/dev/two/acme/crm/contacts", &body).problem(422);
    assert!(told.contains("asnyc"), "{told}");
    assert!(remote.records("contacts").is_empty());
    service.post(PLACE, &body).is(200);
    assert_eq!(remote.by_ext("contacts").len(), 1);
}

#[test]
fn the_same_content_without_an_id_is_another_record() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    for _ in 0..2 {
        let data = json!({"name": "a note"});
        let told =
            service.post("/dev/two/acme/connectors/crm/notes", &json!({"data": data})).is(200);
        assert_eq!(told["state"]["summary"]["notes"]["success"], 1, "{told}");
    }
    assert_eq!(remote.records("notes").len(), 2);
}

#[test]
fn who_does_not_wait_asks_later() {
    let remote = Remote::with("{latency_ms: 200}");
    let service = Service::start(&config(&remote.url));
    let asked = service.post(PLACE, &json!({"data": contact("c-1"), "async": true})).is(202);
    assert_eq!(asked["async"], true);
    assert_eq!(service.outcome(&asked)["success"], true);
    service.get("/dev/two/acme/connectors/status?taskId=none").problem(404);
    service.get("/dev/two/acme/connectors/status").problem(400);
}

#[test]
fn past_the_deadline_the_write_goes_on() {
    // Time enough for an account to be opened on any machine, and none for a call.
    let remote = Remote::with("{latency_ms: 8000}");
    let mut config = config(&remote.url);
    config["deadline_secs"] = json!(3);
    let service = Service::start(&config);
    let asked = service.post(PLACE, &json!({"data": contact("c-1")})).is(202);
    assert!(remote.records("contacts").is_empty());
    assert_eq!(service.outcome(&asked)["success"], true);
    assert_eq!(remote.by_ext("contacts").len(), 1);
}

#[test]
fn a_request_with_a_key_is_carried_out_once() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let send = |name: &str| {
        let body = json!({"data": {"name": name}}).to_string();
        let place = "/dev/two/acme/connectors/crm/notes";
        service.send("POST", place, &[("idempotency-key", "k-1")], &body)
    };
    let first = send("one").is(200);
    let again = send("one").is(200);
    assert_eq!(again["taskId"], first["taskId"]);
    assert_eq!(again["state"], first["state"]);
    assert!(send("two").problem(409).contains("another request"));
    assert_eq!(remote.records("notes").len(), 1);
}

#[test]
fn one_record_is_never_on_its_way_twice_whoever_brings_it() {
    let remote = Remote::with("{latency_ms: 30}");
    let service = Service::start(&config(&remote.url));
    // The job has each id many times, and requests bring them in between.
    let ids: Vec<String> = (0..400).map(|n| format!("c-{}", n % 10)).collect();
    let records = ids.iter().enumerate().map(
        |(n, id)| json!({"externalId": id, "email": format!("{id}@example.com"), "visits": n}),
    );
    let body = json!({"connector_id": "crm", "job_type": "write",
        "state": {"contacts": records.collect::<Vec<_>>()}});
    let job = service.post("/v2/dev/two/acme/jobs", &body).is(201);
    for n in 0..30 {
        let data =
            json!({"externalId": format!("c-{}", n % 10), "email": "a@example.com", "live": n});
        service.post(PLACE, &json!({"data": data})).is(200);
    }
    let ended = service.ended(job["job_id"].as_str().unwrap());
    assert_eq!(ended["status"], "succeeded", "{ended}");
    assert_eq!(remote.by_ext("contacts").len(), 10);
}

#[test]
fn who_waits_goes_before_a_job_that_has_time() {
    // A job of 300 calls that take 100 ms each, at most 2 at once, takes 15 seconds.
    let remote = Remote::with("{latency_ms: 100}");
    let mut config = config(&remote.url);
    let own = &mut config["environments"]["dev"]["flows"]["two"]["connectors"]["crm"]["config"];
    own["max_in_flight"] = 2.into();
    own["streams"] = json!({"contacts": {"batch_records": 1}});
    let service = Service::start(&config);
    let ids: Vec<String> = (0..300).map(|n| format!("c-{n}")).collect();
    let job = service.queue("acme", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    service
        .wait_until(|| service.get(&format!("/api/v1/jobs/{job}")).is(200)["status"] == "running");
    for n in 0..5 {
        let told = service.post(PLACE, &json!({"data": contact(&format!("now-{n}"))})).is(200);
        assert_eq!(told["state"]["summary"]["contacts"]["success"], 1, "{told}");
    }
    // All five were told while the job was far from its end.
    let state = service.get(&format!("/api/v1/jobs/{job}")).is(200);
    assert_eq!(state["status"], "running");
    assert!(remote.by_ext("contacts").len() < 250);
    service.post(&format!("/api/v1/jobs/{job}/cancel"), &json!({})).is(202);
    service.ended(&job);
}

/// Two requests with one key at the same time.
#[test]
fn a_key_that_comes_twice_at_once_is_carried_out_once() {
    let remote = Remote::with("{latency_ms: 300}");
    let service = Service::start(&config(&remote.url));
    let send = |name: &str| {
        let body = json!({"data": {"name": name}}).to_string();
        let place = "/dev/two/acme/connectors/crm/notes";
        service.send("POST", place, &[("idempotency-key", "k-1")], &body)
    };
    // Nothing is open yet, so that all of them wait.
    let answers: Vec<_> = std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..4).map(|_| scope.spawn(|| send("one"))).collect();
        let other = scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            send("two")
        });
        waiting.into_iter().chain([other]).map(|waits| waits.join().unwrap()).collect()
    });
    let told: Vec<Value> = answers[..4].iter().map(|answer| answer.is(200)).collect();
    let ids: std::collections::BTreeSet<_> =
        told.iter().map(|told| told["taskId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1, "{told:?}");
    answers[4].problem(409);
    assert_eq!(remote.records("notes").len(), 1);
}

#[test]
fn a_client_that_goes_away_leaves_nothing_half_done() {
    let remote = Remote::with("{latency_ms: 20}");
    let service = Service::start(&config(&remote.url));
    let post = |path: &str, body: &Value, key: &str| {
        let body = body.to_string();
        let mut stream = TcpStream::connect(service.url.trim_start_matches("http://")).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nidempotency-key: {key}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        // Some go at once, and some while they are served.
        std::thread::sleep(Duration::from_millis(key.len() as u64 % 4));
    };
    for n in 0..30 {
        let key = "k".repeat(n + 1);
        let jobs = json!({"connector_id": "crm", "job_type": "write",
            "state": {"contacts": [contact(&format!("job-{n}"))]}});
        post("/v2/dev/two/acme/jobs", &jobs, &key);
        post(
            "/dev/two/acme/connectors/crm/notes",
            &json!({"data": {"name": format!("n-{n}")}}),
            &key,
        );
    }
    // What was accepted comes to its end, with no restart; the same request again finds it.
    let began = Instant::now();
    for n in 0..30 {
        let key = "k".repeat(n + 1);
        let jobs = json!({"connector_id": "crm", "job_type": "write",
            "state": {"contacts": [contact(&format!("job-{n}"))]}});
        let key = [("idempotency-key", key.as_str())];
        let job = service.send("POST", "/v2/dev/two/acme/jobs", &key, &jobs.to_string()).is(201);
        assert_eq!(service.ended(job["job_id"].as_str().unwrap())["status"], "succeeded");
        let note = json!({"data": {"name": format!("n-{n}")}}).to_string();
        service.send("POST", "/dev/two/acme/connectors/crm/notes", &key, &note).is(200);
    }
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(remote.by_ext("contacts").len(), 30);
    assert_eq!(remote.records("notes").len(), 30);
}

#[test]
fn an_account_that_is_not_open_before_the_deadline_writes_nothing() {
    let remote = Remote::with("{latency_ms: 900}");
    let account = json!({"base_url": remote.url, "access_token": "sandbox-token"});
    let config = json!({"deadline_secs": 0.2, "environments": {"dev": {
        "flows": {"two": {"connectors": {"hubspot": {"config": account}}}},
        "tenants": {"acme": {"connectors": {"hubspot": {}}}}}}});
    let service = Service::start(&config);
    let place = "/dev/two/acme/connectors/hubspot/contacts";
    let late = service.post(place, &json!({"data": contact("c-1")}));
    assert!(late.problem(503).contains("not written"));
    assert!(late.headers.contains_key("retry-after"));
    // Once it is open, records are taken in time.
    let late = json!({"data": contact("c-2"), "async": true});
    service.wait_until(|| service.post(place, &late).status == 202);
    service.wait_until(|| !remote.records("hubspot%2F0-1").is_empty());
    std::thread::sleep(Duration::from_millis(200));
    let held = remote.records("hubspot%2F0-1");
    assert!(held.iter().all(|held| held["email"] == "c-2@example.com"), "{held:?}");
}

#[test]
fn records_that_wait_take_no_more_room_than_they_may() {
    let remote = Remote::with("{latency_ms: 60000}");
    let mut config = config(&remote.url);
    let own = &mut config["environments"]["dev"]["flows"]["two"]["connectors"]["crm"]["config"];
    own["max_buffer_bytes"] = (2 << 20).into();
    let service = Service::start(&config);
    let filler = "x".repeat(500_000);
    let refused = (0..100).map(|n| {
        let data = json!({"externalId": format!("c-{n}"), "note": filler});
        service.post(PLACE, &json!({"data": data, "async": true}))
    });
    let refused = { refused }.find(|answer| answer.status != 202).unwrap();
    assert!(refused.problem(503).contains("too many records wait"));
    assert!(refused.headers.contains_key("retry-after"));
}

#[test]
fn a_record_that_a_job_could_not_read_closes_the_way_for_no_other() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    let own = &mut config["environments"]["dev"]["flows"]["two"]["connectors"]["crm"]["config"];
    own["max_line_bytes"] = 200_000.into();
    let service = Service::start(&config);
    let wide = |from: u32, count: u32| {
        let fields = (from..from + count).map(|n| (format!("p{n}"), json!(1)));
        let mut record: serde_json::Map<_, _> = fields.collect();
        record.insert("externalId".to_owned(), format!("w-{from}").into());
        json!({"data": record})
    };
    assert!(service.post(PLACE, &wide(0, 10_001)).problem(422).contains("10000 fields"));
    let long = json!({"data": {"externalId": "l-1", "note": "x".repeat(200_001)}, "async": true});
    assert!(service.post(PLACE, &long).problem(413).contains("200000"));
    // Together they have more than a SCHEMA may.
    for n in 0..12 {
        let told = service.post(PLACE, &wide(n * 9000, 9000)).is(200);
        assert_eq!(told["state"]["bookmarks"]["contacts"][0]["success"], true, "{told}");
    }
    assert_eq!(remote.by_ext("contacts").len(), 12);
    let job = json!({"connector_id": "crm", "job_type": "write",
        "state": {"contacts": [wide(0, 9000)["data"], wide(9000, 9000)["data"]]}});
    assert!(service.post("/v2/dev/two/acme/jobs", &job).problem(422).contains("10000 different"));
}

/// A remote that takes connections and never says whose account it is.
#[test]
fn a_remote_that_hangs_holds_up_its_own_account_alone() {
    let (remote, hangs) = (Remote::start(), Remote::with("{latency_ms: 600000}"));
    let mut config = config(&remote.url);
    let account = json!({"config": {"base_url": hangs.url, "access_token": "sandbox-token"}});
    config["environments"]["dev"]["flows"]["two"]["connectors"]["hubspot"] = account;
    config["environments"]["dev"]["tenants"]["acme"]["connectors"]["hubspot"] = json!({});
    config["deadline_secs"] = json!(3);
    let mut service = Service::start(&config);
    let asked = service.post(PLACE, &json!({"data": contact("c-1"), "async": true})).is(202);
    assert_eq!(service.outcome(&asked)["success"], true);
    let place = "/dev/two/acme/connectors/hubspot/contacts";
    service.post(place, &json!({"data": contact("c-2")})).problem(503);
    // What is known of another connector's record is told, and its jobs end.
    assert_eq!(service.outcome(&asked)["success"], true);
    let body = json!({"connector_id": "hubspot", "job_type": "write", "state": {"contacts": [contact("c-3")]}});
    let job = service.post("/v2/dev/two/acme/jobs", &body).is(201);
    let job = job["job_id"].as_str().unwrap();
    service.ended(&service.queue("acme", &["c-4"]));
    service.post(&format!("/api/v1/jobs/{job}/cancel"), &json!({})).is(202);
    assert_eq!(service.ended(job)["status"], "cancelled");
    service.end();
}

#[test]
fn what_was_mended_at_the_remote_holds_while_the_service_goes_on() {
    let remote = Remote::start();
    let own = json!({"base_url": remote.url, "access_token": "sandbox-token",
        "streams": {"contacts": {"external_id_property": "acme_id"}}});
    let service = Service::start(&config_of("hubspot", &own));
    let place = "/dev/two/acme/connectors/hubspot/contacts";
    let write = || {
        let data = json!({"externalId": "c-1", "email": "c-1@example.com"});
        let told = service.post(place, &json!({"data": data})).is(200);
        told["state"]["bookmarks"]["contacts"][0].clone()
    };
    assert_eq!(write()["success"], false);
    let mut made = own.as_object().unwrap().clone();
    made.insert("connector".to_owned(), "hubspot".into());
    keep(&service.path("config.json"), &json!(made).to_string());
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_target-upsert"));
    check.args(["check", "--config", "config.json", "--create", "contacts"]);
    assert!(check.current_dir(service.path("")).status().unwrap().success());
    service.wait_until(|| write()["success"] == true);
    assert_eq!(remote.records("hubspot%2F0-1").len(), 1);
}

/// A field of Salesforce that is made while the service goes on: what an object has not is left out, and
/// what was known of it must not hold for ever.
#[test]
fn what_was_added_at_the_remote_is_written_after_a_while() {
    let remote = Remote::start();
    let own = json!({"base_url": remote.url, "access_token": "sandbox-token", "describe_hours": 0,
        "settle_secs": 0, "streams": {"Account": {"external_id_property": "Ext_Id__c"}}});
    let mut config = config_of("salesforce", &own);
    config["renew_secs"] = json!(0.3);
    let service = Service::start(&config);
    let mut tries = 0;
    let mut write = || {
        tries += 1;
        let data =
            json!({"externalId": "a-1", "Name": format!("Acme {tries}"), "Later__c": "here"});
        let place = "/dev/two/acme/connectors/salesforce/Account";
        service.post(place, &json!({"data": data})).is(200);
        let all = remote.records("salesforce%2FAccount");
        assert_eq!(all.len(), 1);
        all[0].get("Later__c").cloned()
    };
    assert_eq!(write(), None);
    let text = "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/' \
        xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><Header><SessionHeader>\
        <sessionId>sandbox-token</sessionId></SessionHeader></Header><Body><createMetadata>\
        <metadata xsi:type='CustomField'><fullName>Account.Later__c</fullName><label>Later</label>\
        <type>Text</type><length>80</length></metadata></createMetadata></Body></Envelope>";
    let told = remote.send("/services/Soap/m/60.0", text);
    assert!(told.contains("<success>true"), "{told}");
    let set = remote.ask("GET", "/services/data/v60.0/query?q=SELECT+Id+FROM+PermissionSet");
    let may = json!({"ParentId": set["records"][0]["Id"], "SobjectType": "Account",
        "Field": "Account.Later__c", "PermissionsEdit": true, "PermissionsRead": true});
    remote.post("/services/data/v60.0/sobjects/FieldPermissions", &may);
    service.wait_until(|| write() == Some("here".into()));
}

#[test]
fn an_account_that_cannot_be_opened_anew_is_used_on() {
    let calls: Vec<_> = (2..200).collect();
    let remote = Remote::with(&format!(
        "{{faults: [{{on: 'GET /account-info/*/*', calls: {calls:?}, do: status, status: 401}}]}}"
    ));
    let own = json!({"base_url": remote.url, "access_token": "sandbox-token"});
    let mut config = config_of("hubspot", &own);
    config["renew_secs"] = json!(0.1);
    let service = Service::start(&config);
    let mut written = 0;
    let mut write = || {
        written += 1;
        let data = json!({"externalId": format!("c-{written}"), "email": format!("c-{written}@example.com")});
        let place = "/dev/two/acme/connectors/hubspot/contacts";
        let told = service.post(place, &json!({"data": data})).is(200);
        assert_eq!(told["state"]["bookmarks"]["contacts"][0]["success"], true, "{told}");
    };
    service.wait_until(|| {
        write();
        service.log().contains("An account was not opened anew.")
    });
    write();
    assert_eq!(remote.records("hubspot%2F0-1").len(), written);
}
