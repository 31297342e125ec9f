//! `check` and `sandbox`: a remote looked at, and one of one's own.

use std::io::BufRead as _;

use crate::support::{Place, Remote, contacts, finish, singer};

#[test]
fn check_tells_one_line_a_thing() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.file("config.json", place.config.to_string());
    let ran = place.call(&["check", "--config", "config.json", "contacts"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.lines().count() >= 2 && !ran.stdout.contains("FAILED"), "{}", ran.stdout);
    assert_eq!(remote.calls()["records_written"], 0);

    let place = place.set("access_token", "wrong");
    place.file("config.json", place.config.to_string());
    let ran = place.call(&["check", "--config", "config.json"]);
    assert_eq!(ran.code, 3);
    assert!(ran.stdout.contains("FAILED") && ran.stdout.contains("hint:"), "{}", ran.stdout);
}

#[test]
fn check_tells_of_a_stream_that_can_only_be_created() {
    let remote = Remote::start();
    for (manifest, is_told) in [
        ("create-only", true),
        ("create-with-key", true),
        ("rest-one-by-one", false),
        ("rest-by-ext", false),
    ] {
        let place = Place::at(&remote, manifest);
        place.file("config.json", place.config.to_string());
        let ran = place.call(&["check", "--config", "config.json", "contacts"]);
        assert_eq!(ran.code, 0, "{manifest}: {}", ran.stdout);
        assert_eq!(
            ran.stdout.contains("create; create-only: "),
            is_told,
            "{manifest}: {}",
            ran.stdout
        );
    }
}

#[test]
fn a_sandbox_stands_alone_and_keeps_its_records() {
    let place = Place::with(serde_json::json!({}));
    for round in 0..2 {
        let arguments = ["sandbox", "rest", "hubspot", "--port", "0", "--data", "data.jsonl"];
        let mut child = place.command(&arguments).spawn().unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.next().unwrap().unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        let job = Place::with(serde_json::json!({
            "connector": "rest", "manifest": "sandbox", "base_url": url,
            "access_token": "sandbox-token",
        }));
        job.done(contacts(3));
        let outcome = if round == 0 { "created" } else { "updated" };
        assert_eq!(job.counts("contacts")[outcome], 3, "its records are still there");
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        assert_eq!(finish(child, b"").code, 0);
    }
}

#[test]
fn a_job_brings_its_own_sandbox() {
    let place = Place::with(serde_json::json!({}));
    let input = place.file("in.jsonl", singer("contacts.jsonl"));
    let arguments =
        ["--sandbox", "rest", "--input", input.to_str().unwrap(), "--summary", "summary.json"];
    assert_eq!(place.call(&arguments).code, 0);
    assert_eq!(place.counts("contacts")["created"], 248);
    assert_eq!(place.call(&arguments).code, 0);
    assert_eq!(place.counts("contacts")["unchanged"], 248);
    assert!(!place.counts("contacts").contains_key("created"));
}
