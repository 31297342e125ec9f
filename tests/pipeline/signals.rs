//! A signal ends the reading; what was read is written and told.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::support::{Place, Remote, contacts, finish};

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
    // Without the stop this test would run for minutes, and be ended.
    let ran = finish(child, b"");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let summary = place.summary();
    assert_eq!((&summary["status"], &summary["proof"]["holds"]), (&"stopped".into(), &true.into()));
    assert_eq!(place.counts("contacts")["failed"], 450);
    assert_eq!(remote.records("contacts").len(), 0);
}
