//! Taps as sources: what they bring is written, from where the one before has come to, and none stays
//! behind.

use std::path::Path;

use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};

use crate::service::{Service, config, keep};
use crate::support::Remote;

/// A configuration whose flow has the tap `numbers`, with these keys of its config.
fn with_tap(url: &str, keys: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/tap.py");
    let mut config = config(url);
    let mut tap = json!({"command": ["python3", script, "first"], "kill_secs": 1, "config": keys});
    tap["config"]["token"] = json!({"env": "TAP_TOKEN"});
    config["environments"]["dev"]["flows"]["two"]["taps"] = json!({"numbers": tap});
    config
}

fn tap(config: &mut Value) -> &mut Value {
    &mut config["environments"]["dev"]["flows"]["two"]["taps"]["numbers"]
}

/// Queues a job of the tap; its id.
#[track_caller]
fn queue(service: &Service, tenant: &str) -> String {
    let body = json!({"environment": "dev", "flow": "two", "tenant": tenant, "connector": "crm",
        "tap": "numbers"});
    let job = service.post("/api/v1/jobs", &body).is(201);
    assert_eq!((&job["source"], &job["tap"]), (&json!("tap"), &json!("numbers")));
    job["id"].as_str().unwrap().to_owned()
}

const STATE: &str = "/api/v1/taps/dev/two/acme/crm/numbers/state";

fn state(service: &Service) -> Value {
    service.get(STATE).is(200)["state"].clone()
}

/// The lines of a file that the tap writes, or none. One that it is just writing is none yet.
fn lines(service: &Service, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(service.path(name)).unwrap_or_default();
    text.split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
        .map(str::to_owned)
        .collect()
}

/// What the tap was started with, each time.
fn starts(service: &Service) -> Vec<Value> {
    lines(service, "starts").iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Whether a process runs; one that has ended and that nobody has asked for does not.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    test_kill_process(pid).is_ok()
        && stat.rsplit(") ").next().is_none_or(|rest| !rest.starts_with('Z'))
}

#[test]
fn the_next_job_begins_where_the_last_has_come_to() {
    let remote = Remote::start();
    let mut config = with_tap(&remote.url, &json!({"to": 25}));
    tap(&mut config)["environment"] = json!({"PLAIN": "text", "SECRET": {"env": "TAP_SECRET"}});
    let service = Service::start(&config);
    let job = service.ended(&queue(&service, "acme"));
    assert_eq!(job["status"], "succeeded", "{job}");
    assert!(job["name"].as_str().unwrap().starts_with("two-numbers-"), "{job}");
    let again = format!("/api/v1/jobs/{}/retry", job["id"].as_str().unwrap());
    let told = service.post(&again, &json!({})).is(409);
    assert!(told["hint"].as_str().unwrap().contains("the tap's next job"), "{told}");
    assert_eq!(remote.by_ext("contacts").len(), 25);
    assert_eq!(state(&service), json!({"next": 20}));

    // The platform's body does the same, and the flow of the tap has none of what was read.
    let body = json!({"connector_id": "crm", "job_type": "write", "tap": "numbers"});
    let told = service.post("/v2/dev/two/acme/jobs", &body).is(201);
    assert_eq!(told["tap"], "numbers");
    let job = service.ended(told["job_id"].as_str().unwrap());
    assert_eq!(job["summary"]["streams"]["contacts"]["unchanged"], 5, "{job}");
    let starts = starts(&service);
    let states: Vec<_> = starts.iter().map(|start| &start["state"]).collect();
    assert_eq!(states, [&Value::Null, &json!({"next": 20})]);
    assert_eq!(remote.calls()["records_written"], 25);

    // It has its secrets, in files and a folder that others cannot read, and none of the service's.
    assert_eq!(starts[0]["first"], "first");
    assert_eq!(starts[0]["config"]["token"], "tap-token");
    assert_eq!(starts[0]["modes"], json!(["0o600", "0o700"]));
    assert!(!Path::new(starts[0]["path"].as_str().unwrap()).exists());
    let environment = starts[0]["environment"].as_object().unwrap();
    assert_eq!(environment["PLAIN"], "text");
    assert_eq!(environment["SECRET"], "tap-secret");
    assert!(environment.contains_key("PATH"));
    for secret in ["SANDBOX_TOKEN", "ADMIN_KEY", "ACME_KEY", "TAP_TOKEN", "TAP_SECRET"] {
        assert!(!environment.contains_key(secret), "{secret}");
    }
}

#[test]
fn a_tenant_has_its_own_config_and_state() {
    let remote = Remote::start();
    let mut config = with_tap(&remote.url, &json!({"to": 10}));
    let of_tap = tap(&mut config);
    of_tap["catalog"] = "catalog.json".into();
    of_tap["working_dir"] = "elsewhere".into();
    config["environments"]["dev"]["tenants"]["other"]["taps"] =
        json!({"numbers": {"to": 20, "token": {"file": "token"}}});
    let service = Service::start(&config);
    // A folder that is not there is told.
    let job = service.ended(&queue(&service, "acme"));
    assert_eq!(job["status"], "failed");
    assert!(job["message"].as_str().unwrap().contains("no folder `elsewhere`"), "{job}");
    assert!(job["summary"]["error"]["hint"].as_str().unwrap().contains("`working_dir`"), "{job}");
    std::fs::create_dir(service.path("elsewhere")).unwrap();
    keep(&service.path("catalog.json"), "{\"streams\": []}");
    keep(&service.path("token"), "other-token\n");
    assert_eq!(service.ended(&queue(&service, "acme"))["status"], "succeeded");
    assert_eq!(service.ended(&queue(&service, "other"))["status"], "succeeded");
    assert_eq!(remote.by_ext("contacts").len(), 20);
    let starts: Vec<Value> = lines(&service, "elsewhere/starts")
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(starts[0]["config"], json!({"to": 10, "token": "tap-token"}));
    assert_eq!(starts[1]["config"], json!({"to": 20, "token": "other-token"}));
    assert_eq!(starts[1]["state"], Value::Null);
    assert_eq!(starts[1]["catalog"], json!({"streams": []}));
    assert_eq!(state(&service), json!({"next": 10}));
}

#[test]
fn a_tap_that_dies_fails_its_job_and_the_next_one_does_the_rest() {
    let remote = Remote::start();
    let service = Service::start(&with_tap(&remote.url, &json!({"to": 40, "die_at": 25})));
    let id = queue(&service, "acme");
    let job = service.ended(&id);
    assert_eq!(job["status"], "failed", "{job}");
    assert_is_of(&service, "The job has failed", &id);
    let message = job["message"].as_str().unwrap();
    assert!(message.ends_with("exit code 3: boom: not let in with [secret]"), "{message}");
    // What came before is written and told, and the state says no more than that.
    assert_eq!(job["summary"]["streams"]["contacts"]["created"], 25, "{job}");
    assert_eq!(remote.by_ext("contacts").len(), 25);
    assert_eq!(state(&service), json!({"next": 20}));
    let job = service.ended(&queue(&service, "acme"));
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(starts(&service)[1]["state"], json!({"next": 20}));
    assert_eq!(remote.by_ext("contacts").len(), 40);
    assert_eq!(remote.calls()["records_created"], 40);
    assert!(!service.log().contains("tap-token"));
}

#[test]
fn a_state_says_no_more_than_what_is_written() {
    // The remote is down half way: three tries of one call, and three of the next.
    let remote = Remote::with(
        "{faults: [{on: 'POST *', calls: [6, 7, 8, 9, 10, 11], do: status, status: 503}]}",
    );
    let mut config = with_tap(&remote.url, &json!({"to": 60}));
    let of_connector =
        &mut config["environments"]["dev"]["flows"]["two"]["connectors"]["crm"]["config"];
    of_connector["max_in_flight"] = 1.into();
    of_connector["batch"] = json!({"records": 5});
    let service = Service::start(&config);
    let job = service.ended(&queue(&service, "acme"));
    assert_ne!(job["status"], "succeeded", "{job}");
    let held = remote.by_ext("contacts");
    let through = state(&service)["next"].as_u64().unwrap();
    assert!((10..60).contains(&through), "{through}");
    assert!((0..through).all(|n| held.contains_key(&format!("c-{n}"))), "{through}");
    assert_eq!(service.ended(&queue(&service, "acme"))["status"], "succeeded");
    assert_eq!(remote.by_ext("contacts").len(), 60);
    assert_eq!(remote.calls()["records_created"], 60);
}

#[test]
fn a_killed_service_takes_its_taps_along_and_goes_on_from_the_last_state() {
    let remote = Remote::start();
    let mut service =
        Service::start(&with_tap(&remote.url, &json!({"to": 300, "pause": 0.01, "helper": true})));
    let job = queue(&service, "acme");
    service.wait_until(|| state(&service)["next"].as_u64() >= Some(50));
    service.kill();
    let pid = starts(&service)[0]["pid"].to_string();
    let helper = lines(&service, "helpers")[0].clone();
    service.wait_until(|| !runs(&pid) && !runs(&helper));
    let written = remote.by_ext("contacts").len();
    assert!(written < 300, "{written}");
    service.begin();
    let ended = service.ended(&job);
    assert_eq!(ended["status"], "succeeded", "{ended}");
    let starts = starts(&service);
    assert_eq!(starts.len(), 2);
    // What the state says was written before the kill.
    let from = starts[1]["state"]["next"].as_u64().unwrap();
    assert!((50..=u64::try_from(written).unwrap()).contains(&from), "{from}");
    assert_eq!(remote.by_ext("contacts").len(), 300);
    assert_eq!(remote.calls()["records_created"], 300);
    // Nothing is left of what it was given.
    assert_eq!(std::fs::read_dir(service.path(".target-upsert/serve/taps")).unwrap().count(), 0);
}

#[test]
fn a_tap_that_hangs_is_killed_with_the_service() {
    let remote = Remote::start();
    let keys = json!({"to": 20, "hang_at": 10, "stubborn": true});
    let mut service = Service::start(&with_tap(&remote.url, &keys));
    queue(&service, "acme");
    service.wait_until(|| !lines(&service, "hangs").is_empty());
    let pid = lines(&service, "hangs")[0].clone();
    assert!(runs(&pid));
    service.kill();
    service.wait_until(|| !runs(&pid));
}

#[test]
fn a_signal_ends_taps_and_their_jobs_go_on_at_the_next_start() {
    let remote = Remote::start();
    let mut service = Service::start(&with_tap(&remote.url, &json!({"to": 300, "pause": 0.01})));
    let job = queue(&service, "acme");
    service.wait_until(|| state(&service)["next"].as_u64() >= Some(20));
    service.end();
    let pid = starts(&service)[0]["pid"].to_string();
    assert!(!runs(&pid));
    let held = remote.by_ext("contacts").len();
    service.begin();
    assert_eq!(service.ended(&job)["status"], "succeeded");
    let from = starts(&service)[1]["state"]["next"].as_u64().unwrap();
    assert!(from >= 20 && from <= u64::try_from(held).unwrap(), "{from}");
    assert_eq!(remote.calls()["records_created"], 300);
    assert_eq!(remote.by_ext("contacts").len(), 300);
}

#[test]
fn a_cancelled_job_ends_its_tap_and_what_that_started() {
    let remote = Remote::start();
    let keys = json!({"to": 20, "hang_at": 15, "stubborn": true, "helper": true});
    let service = Service::start(&with_tap(&remote.url, &keys));
    let job = queue(&service, "acme");
    service.wait_until(|| !lines(&service, "hangs").is_empty());
    let (pid, helper) =
        (lines(&service, "hangs")[0].clone(), lines(&service, "helpers")[0].clone());
    assert!(runs(&pid) && runs(&helper));
    service.wait_until(|| remote.by_ext("contacts").len() == 15);
    service.post(&format!("/api/v1/jobs/{job}/cancel"), &json!({})).is(202);
    let ended = service.ended(&job);
    // It was told to end, did not, and is gone before its job is told to have ended.
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    service.wait_until(|| !runs(&helper));
    assert_eq!(ended["status"], "stopped", "{ended}");
    assert_eq!(remote.by_ext("contacts").len(), 15);
    assert_eq!(state(&service), json!({"next": 10}));
}

#[test]
fn what_a_tap_leaves_behind_does_not_hold_its_job_up() {
    for helper in ["holds", "dribbles", "floods"] {
        let remote = Remote::start();
        let service = Service::start(&with_tap(&remote.url, &json!({"to": 20, "helper": helper})));
        let ended = service.ended(&queue(&service, "acme"));
        // Whether more would have come is not known.
        assert_eq!(ended["status"], "failed", "{ended}");
        let told = ended["message"].as_str().unwrap();
        assert!(told.contains("tap `numbers` has ended, and something"), "{helper}: {told}");
        assert_eq!(remote.by_ext("contacts").len(), 20);
        let helper = lines(&service, "helpers")[0].clone();
        service.wait_until(|| !runs(&helper));
    }
}

#[test]
fn a_tap_that_takes_too_long_fails_its_job() {
    let remote = Remote::start();
    let mut config = with_tap(&remote.url, &json!({"to": 20, "hang_at": 15}));
    tap(&mut config)["timeout_secs"] = 6.into();
    let service = Service::start(&config);
    let ended = service.ended(&queue(&service, "acme"));
    assert_eq!(ended["status"], "failed", "{ended}");
    assert!(ended["message"].as_str().unwrap().contains("`timeout_secs`"), "{ended}");
    assert_eq!(remote.by_ext("contacts").len(), 15);
    assert!(!runs(&lines(&service, "hangs")[0]));
}

#[test]
fn a_tap_that_prints_no_message_is_ended() {
    let remote = Remote::start();
    let service = Service::start(&with_tap(&remote.url, &json!({"to": 20, "garbage_at": 15})));
    let ended = service.ended(&queue(&service, "acme"));
    assert_eq!(ended["status"], "failed", "{ended}");
    assert_eq!(remote.by_ext("contacts").len(), 15);
    assert!(!runs(&starts(&service)[0]["pid"].to_string()));
}

/// The line of the log that says this is a job's, as its other lines are.
#[track_caller]
fn assert_is_of(service: &Service, says: &str, job: &str) {
    let log = service.log();
    let line = log.lines().find(|line| line.contains(says)).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&line["span"]["job"], &line["span"]["lane"]),
        (&job.into(), &"dev/two/acme/crm".into()),
        "{line}"
    );
    assert!(line["span"]["run"].is_string() && line["fields"]["job"].is_null(), "{line}");
}

#[test]
fn what_a_tap_says_is_logged_in_part_and_without_its_secrets() {
    let remote = Remote::start();
    let keys = json!({"to": 5, "say": {"lines": 20_000, "endless": 30_000_000}});
    let service = Service::start(&with_tap(&remote.url, &keys));
    let job = queue(&service, "acme");
    let ended = service.ended(&job);
    assert_eq!(ended["status"], "succeeded", "{ended}");
    let log = service.log();
    assert!(log.contains("line 7 [secret]"), "{log}");
    assert_is_of(&service, "line 7 [secret]", &job);
    assert!(log.contains("level `debug`") && !log.contains("line 1001 "));
    assert!(!log.contains("tap-token"));
    assert!(log.len() < 1_000_000, "{}", log.len());
}

#[test]
fn a_request_names_a_tap_and_no_command() {
    let remote = Remote::start();
    let mut config = with_tap(&remote.url, &json!({"to": 5}));
    let flows = &mut config["environments"]["dev"]["flows"];
    flows["two"]["taps"]["elsewhere"] = json!({"command": ["true"], "connectors": ["erp"]});
    let other = flows["two"]["connectors"]["crm"].clone();
    flows["two"]["connectors"]["erp"] = other;
    let service = Service::start(&config);
    let own = |more: Value| {
        let mut body =
            json!({"environment": "dev", "flow": "two", "tenant": "acme", "connector": "crm"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        service.post("/api/v1/jobs", &body)
    };
    assert!(own(json!({"tap": "none"})).problem(404).contains("no tap `none`"));
    assert!(own(json!({"tap": {"command": ["touch", "x"]}})).problem(422).contains("`tap`"));
    assert!(
        own(json!({"tap": "numbers", "command": ["touch", "x"]})).problem(422).contains("command")
    );
    assert!(own(json!({"tap": "numbers", "records": {}})).problem(422).contains("`records` and"));
    assert!(own(json!({})).problem(422).contains("neither"));
    assert!(own(json!({"tap": "elsewhere"})).problem(422).contains("not for connector `crm`"));
    let platform = |more: Value| {
        let mut body = json!({"connector_id": "crm", "job_type": "write"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        service.post("/v2/dev/two/acme/jobs", &body)
    };
    assert!(platform(json!({"tap": "none"})).problem(404).contains("no tap `none`"));
    let both = json!({"tap": "numbers", "state": {"contacts": []}});
    assert!(platform(both).problem(422).contains("`state`"));
    let config = json!({"tap": "numbers", "override_source_config": {"command": ["touch", "x"]}});
    assert!(platform(config).problem(422).contains("override_source_config"));
    // A flow without taps has its records from requests.
    let one = json!({"tap": "numbers"});
    assert!(service.post("/dev/one/acme/jobs", &one).problem(404).contains("no tap"));
    assert_eq!(service.get("/api/v1/jobs").is(200)["jobs"], json!([]));
    assert!(starts(&service).is_empty());
}

#[test]
fn a_tap_that_is_not_there_is_told() {
    let remote = Remote::start();
    let mut config = with_tap(&remote.url, &json!({"to": 5}));
    tap(&mut config)["command"] = json!(["no-such-tap", "--password", "hunter-22"]);
    let service = Service::start(&config);
    let ended = service.ended(&queue(&service, "acme"));
    assert_eq!(ended["status"], "failed", "{ended}");
    let message = ended["message"].as_str().unwrap();
    assert!(
        message.contains("cannot start `no-such-tap`") && !message.contains("hunter"),
        "{message}"
    );
    assert!(ended["summary"]["error"]["hint"].as_str().unwrap().contains("`command`"), "{ended}");
}

#[test]
fn how_far_a_tap_is_through_is_seen_and_set() {
    let remote = Remote::start();
    let mut config = with_tap(&remote.url, &json!({"to": 30, "hang_at": 25}));
    config["admin_keys"] = json!([{"env": "ADMIN_KEY"}]);
    for (tenant, key) in [("acme", "ACME_KEY"), ("other", "OTHER_KEY")] {
        config["environments"]["dev"]["tenants"][tenant]["keys"] = json!([{"env": key}]);
    }
    let service = Service::start(&config);
    let send = |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        service.send(method, path, &[("x-api-key", "acme-key")], &body)
    };
    let none = json!({"state": null, "updated": null});
    assert_eq!(send("GET", STATE, Value::Null).is(200), none);
    let set = send("PUT", STATE, json!({"state": {"next": 18}})).is(200);
    assert_eq!(set["state"], json!({"next": 18}));
    assert!(set["updated"].is_string());
    let body = json!({"environment": "dev", "flow": "two", "tenant": "acme", "connector": "crm", "tap": "numbers"});
    let job = send("POST", "/api/v1/jobs", body).is(201)["id"].as_str().unwrap().to_owned();
    service.wait_until(|| remote.by_ext("contacts").len() == 7);
    assert_eq!(starts(&service)[0]["state"], json!({"next": 18}));
    // A job under way would set it again.
    assert!(send("PUT", STATE, json!({"state": {}})).problem(409).contains("under way"));
    send("DELETE", STATE, Value::Null).problem(409);
    send("POST", &format!("/api/v1/jobs/{job}/cancel"), json!({})).is(202);
    service.wait_until(|| {
        send("GET", &format!("/api/v1/jobs/{job}"), Value::Null).is(200)["status"] == "stopped"
    });
    assert_eq!(remote.by_ext("contacts").len(), 7);
    assert_eq!(send("DELETE", STATE, Value::Null).status, 204);
    assert_eq!(send("GET", STATE, Value::Null).is(200), none);
    assert!(send("PUT", STATE, json!({"state": 7})).problem(422).contains("no state"));
    send("PUT", STATE, json!({})).problem(422);
    send("GET", &STATE.replace("numbers", "none"), Value::Null).problem(404);
    send("GET", &STATE.replace("acme", "other"), Value::Null).problem(403);
}

#[test]
fn what_a_tap_brought_and_was_not_written_is_tried_again() {
    let remote = Remote::start();
    let service = Service::start(&with_tap(&remote.url, &json!({"to": 10, "bad": 4})));
    let job = queue(&service, "acme");
    let ended = service.ended(&job);
    assert_eq!(ended["status"], "completed_with_failures", "{ended}");
    assert_eq!(remote.by_ext("contacts").len(), 9);
    let again = service.post(&format!("/api/v1/jobs/{job}/retry"), &json!({})).is(201);
    let ended = service.ended(again["id"].as_str().unwrap());
    let counts = &ended["summary"]["streams"]["contacts"];
    assert_eq!((&counts["read"], &counts["rejected"]), (&json!(1), &json!(1)), "{ended}");
    assert_eq!(starts(&service).len(), 1);
}

/// Those of the tap's jobs, the newest first.
fn jobs(service: &Service) -> Vec<Value> {
    service.get("/api/v1/jobs?tenant=acme").is(200)["jobs"].as_array().unwrap().clone()
}

#[test]
fn a_tap_runs_by_itself_and_never_beside_itself() {
    let remote = Remote::start();
    let mut config = with_tap(&remote.url, &json!({"to": 1_000_000, "hang_at": 10}));
    tap(&mut config)["cron"] = "* * * * * *".into();
    let service = Service::start(&config);
    // The first of each tenant does not come to its end: those that are due since are passed over.
    let passed_over = |tenant: &str| {
        let lane = format!("dev/two/{tenant}/crm");
        let log = service.log();
        log.lines().filter(|line| line.contains("passed over") && line.contains(&lane)).count()
    };
    service.wait_until(|| starts(&service).len() > 1);
    service.wait_until(|| passed_over("acme") > 1 && passed_over("other") > 0);
    assert_eq!(jobs(&service).len(), 1);
    assert_eq!(starts(&service).len(), 2);
    let job = jobs(&service)[0].clone();
    let name = job["name"].as_str().unwrap();
    assert!(name.starts_with("two-numbers-20"), "{name}");
    assert_eq!(job["source"], "tap");
    service.wait_until(|| state(&service)["next"] == 10);
    service
        .post(&format!("/api/v1/jobs/{}/cancel", job["id"].as_str().unwrap()), &json!({}))
        .is(202);
    // Then the next comes, from where that one has come to.
    service.wait_until(|| jobs(&service).len() > 1);
    service.wait_until(|| starts(&service).len() > 2);
    assert_eq!(starts(&service)[2]["state"], json!({"next": 10}));
}

#[test]
fn a_run_that_was_missed_is_made_up_once() {
    let remote = Remote::start();
    let mut config = with_tap(&remote.url, &json!({"to": 10}));
    tap(&mut config)["cron"] = "0 0 1 1 *".into();
    tap(&mut config)["timezone"] = "Europe/Berlin".into();
    config["environments"]["dev"]["tenants"].as_object_mut().unwrap().remove("other");
    let mut service = Service::start(&config);
    service.wait_until(|| service.log().contains("A tap runs by itself."));
    // What was due before the first start was not missed.
    service.end();
    let database = service.path(".target-upsert/serve/serve.db");
    let database = rusqlite::Connection::open(database).unwrap();
    let down_for = |days: i64| {
        let then = chrono::Utc::now().timestamp_millis() - days * 86_400_000;
        let set = database.execute("UPDATE tap_plans SET planned_millis = ?", [then]).unwrap();
        assert_eq!(set, 1);
    };
    let count = || -> u64 {
        database.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(), 0);
    // Down for three years, in which it was due three times.
    down_for(3 * 366);
    service.begin();
    service.wait_until(|| jobs(&service).iter().any(|job| job["status"] == "succeeded"));
    let name = jobs(&service)[0]["name"].as_str().unwrap().to_owned();
    assert!(name.ends_with("1231-230000"), "{name}");
    service.end();
    service.begin();
    service.wait_until(|| service.log().matches("A tap runs by itself.").count() == 3);
    service.end();
    assert_eq!((count(), starts(&service).len()), (1, 1));
    assert_eq!(remote.by_ext("contacts").len(), 10);
}

#[test]
fn an_expression_that_is_wrong_is_refused_at_the_start() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let mut config = with_tap(&remote.url, &json!({"to": 10}));
    tap(&mut config)["cron"] = "0 25 * * *".into();
    keep(&service.path("wrong.yaml"), &config.to_string());
    let mut command = service.command();
    let ran = command.args(["--config", "wrong.yaml"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(
        told.contains("`environments.dev.flows.two.taps.numbers.cron`: `0 25 * * *`"),
        "{told}"
    );
    assert!(told.contains("it is minute, hour"), "{told}");
}
