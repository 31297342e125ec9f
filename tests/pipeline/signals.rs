//! A signal ends the reading; what was read is written, as far as a short time allows, and told.

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;
use wiremock::ResponseTemplate;

use crate::support::odd::Odd;
use crate::support::{Place, Remote, contacts, counts, finish, state};

fn until(what: impl Fn() -> bool) {
    let started = Instant::now();
    while !what() {
        assert!(started.elapsed() < Duration::from_secs(20), "it never came to pass");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn term_int_and_usr1_end_a_job_in_good_order() {
    for signal in ["TERM", "INT", "USR1"] {
        let remote = Remote::start();
        let place = Place::at(&remote, "sandbox");
        let mut child = place.job().spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(contacts(150).as_bytes()).unwrap();
        stdin.flush().unwrap();
        until(|| remote.records("contacts").len() >= 100);
        let kill = |signal: &str| {
            let mut kill = std::process::Command::new("kill");
            assert!(
                kill.args([&format!("-{signal}"), &child.id().to_string()])
                    .status()
                    .unwrap()
                    .success()
            );
        };
        kill(signal);
        // The tap is still there; the job does not wait for it.
        let ran = finish(child, b"");
        drop(stdin);
        assert_eq!(ran.code, 0, "{signal}: {}", ran.stderr);
        let held = remote.by_ext("contacts").len();
        assert_eq!(ran.state()["summary"]["contacts"]["success"], held, "{signal}");
        let summary = place.summary();
        assert_eq!(summary["status"], "stopped", "{signal}");
        assert_eq!(summary["proof"]["holds"], true);
        assert_eq!(summary["proof"]["read"], held);
    }
}

#[test]
fn a_signal_does_not_wait_for_a_remote_that_throttles() {
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/*/batch\", do: status, status: 429, retry_after: {seconds: 250}}]}",
    );
    let place = Place::at(&remote, "sandbox");
    let mut child = place.job().spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(contacts(450).as_bytes()).unwrap();
    drop(stdin);
    until(|| remote.faults("status") >= 1);
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let began = Instant::now();
    let ran = finish(child, b"");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // Not even for the time that a job has to send what it has read.
    let took = began.elapsed().as_secs();
    assert!(took < 9, "{took} s");
    let summary = place.summary();
    assert_eq!((&summary["status"], &summary["proof"]["holds"]), (&"stopped".into(), &true.into()));
    // What was read by then.
    let counts = place.counts("contacts");
    assert!(counts["read"] > 0 && counts["failed"] == counts["read"], "{counts:?}");
    assert_eq!(remote.records("contacts").len(), 0);
}

/// The first try of a change may have been applied, and the second one waits for its turn.
#[test]
fn a_signal_tells_the_doubt_of_a_change_that_is_not_sent_again() {
    let remote =
        Remote::with("{faults: [{on: \"POST /v1/*/batch\", calls: [1], do: reset_after}]}");
    let place = Place::at(&remote, "sandbox")
        .set("rate_limit", json!({"requests": 1, "per_secs": 60}))
        .set("retry", json!({"base_millis": 1}));
    let mut child = place.job().spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(contacts(3).as_bytes()).unwrap();
    drop(stdin);
    until(|| remote.records("contacts").len() == 3);
    std::thread::sleep(Duration::from_millis(500));
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let ran = finish(child, b"");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("in_doubt", 3)]));
    assert_eq!(place.results()[0]["error_code"], "cut_off");
}

/// All that was read was written first, one call after another: two minutes for 3000 records, when
/// who had sent the signal had long since killed the job, and no state was told.
#[test]
fn a_signal_leaves_unsent_what_would_take_long() {
    // By the second limit three calls leave at once, and then one in 20 seconds.
    for (faults, rate_limit) in
        [("{latency_ms: 200}", json!(null)), ("{}", json!({"requests": 30, "per_secs": 560}))]
    {
        let remote = Remote::with(faults);
        let place = Place::at(&remote, "create-only")
            .set("max_in_flight", 2)
            .set("retry", json!({"attempts": 1}));
        let place = if rate_limit.is_null() { place } else { place.set("rate_limit", rate_limit) };
        let mut child = place.job().spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input =
            contacts(2) + &state(&json!({"n": 1})) + &contacts(400) + &state(&json!({"n": 2}));
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        until(|| remote.records("contacts").len() >= 3);
        let id = child.id().to_string();
        let began = Instant::now();
        assert!(
            std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success()
        );
        let ran = finish(child, b"");
        let took = began.elapsed().as_secs();
        assert!((9..16).contains(&took), "{took} s");
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let summary = place.summary();
        assert_eq!(
            (&summary["status"], &summary["proof"]["holds"]),
            (&json!("stopped"), &json!(true))
        );
        let counts = place.counts("contacts");
        let held = remote.by_ext("contacts").len() as u64;
        assert_eq!((counts["read"], counts["created"]), (402, held), "{counts:?}");
        assert!(held < 150 && counts["failed"] >= 250, "{counts:?}");
        assert_eq!(summary["errors"][0]["code"], "not_sent", "{}", ran.stderr);
        // What is not sent comes again.
        assert_eq!(ran.state()["tap"], json!({"n": 1}));
    }
}

/// The state was told after the files, and the job waited for a reader that never came, whatever
/// signal it got.
#[test]
fn a_pipe_that_nobody_reads_holds_no_state_and_a_signal_ends_the_wait() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let pipe = place.path("pipe");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let mut job = place.command(&["--config", "config.json", "--rejects", "pipe"]);
    place.file("config.json", place.config.to_string());
    let mut child = job.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(contacts(3).as_bytes()).unwrap();
    let mut told = String::new();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut told).unwrap();
    assert!(told.contains("\"success\": 3"), "{told}");
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let ran = finish(child, b"");
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("nobody reads this pipe"), "{}", ran.stderr);
}

/// A login, and a lookup of what a killed job has left, were waited for as long as the remote
/// wanted.
#[test]
fn a_signal_ends_the_wait_for_what_comes_before_the_first_record() {
    let login = Odd::start(|_, _| ResponseTemplate::new(200).set_delay(Duration::from_secs(60)));
    let lookup = Remote::with(
        "{faults: [{on: \"POST /v1/{object}/search\", calls: [2], do: hang, ms: 60000}]}",
    );
    let waits = Place::at(&lookup, "rest-conditional")
        .set("base_url", login.server.uri())
        .set("client_id", "sandbox-client")
        .set("client_secret", "sandbox-secret");
    let killed = Place::at(&lookup, "rest-lookup-bulk");
    killed.dies_at("sent:1", contacts(1));
    let waits_for = |place: &Place, is_asked: &dyn Fn() -> bool, expected: i32| {
        let mut child = place.job().spawn().unwrap();
        child.stdin.take().unwrap().write_all(contacts(1).as_bytes()).unwrap();
        until(is_asked);
        let began = Instant::now();
        let id = child.id().to_string();
        let kill = std::process::Command::new("kill").args(["-TERM", &id]).status();
        assert!(kill.unwrap().success());
        let ran = finish(child, b"");
        let took = began.elapsed().as_secs();
        assert!((9..20).contains(&took), "{took} s: {}", ran.stderr);
        assert_eq!(ran.code, expected, "{}", ran.stderr);
        assert!(!ran.stdout.is_empty(), "no state: {}", ran.stderr);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| waits_for(&waits, &|| !login.world().asked.is_empty(), 0));
        scope.spawn(|| waits_for(&killed, &|| lookup.faults("hang") > 0, 0));
    });
    assert_eq!(waits.counts("contacts"), counts([("read", 1), ("failed", 1)]));
    killed.done(contacts(1));
    assert_eq!(lookup.by_ext("contacts").len(), 1);
    assert_eq!(lookup.records("contacts").len(), 1);
}

/// The thread that reads waits for what the remote says of a stream: one time in five it ended in a
/// panic.
#[test]
fn a_signal_while_a_stream_is_described_is_no_panic() {
    for _ in 0..15 {
        let remote = Remote::with(
            "{faults: [{on: \"GET /services/data/*/sobjects/*/describe\", do: hang, ms: 60000}]}",
        );
        let place = Place::with(json!({"connector": "salesforce", "base_url": remote.url,
            "access_token": "sandbox-token"}));
        let mut child = place.job().spawn().unwrap();
        let input = "{\"type\": \"SCHEMA\", \"stream\": \"Account\", \"key_properties\": [], \
                     \"schema\": {\"properties\": {\"Name\": {}}}}\n";
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        until(|| remote.faults("hang") > 0);
        let id = child.id().to_string();
        assert!(
            std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success()
        );
        let ran = finish(child, b"");
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
}
