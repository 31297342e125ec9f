//! This machine's own trouble: a store of another version, in use, on a disk that is full; files
//! that cannot be written; a stdout that nobody reads.

use std::process::Stdio;

use serde_json::json;

use crate::support::{Place, Remote, contacts, finish};

#[test]
fn a_store_in_use_is_refused_and_the_owner_named() {
    let remote = Remote::with("{latency_ms: 200}");
    let place = Place::at(&remote, "sandbox");
    let mut first = place.job().spawn().unwrap();
    let stdin = first.stdin.take();
    let lock = place.path(".target-upsert/store.db.lock");
    while std::fs::read_to_string(&lock).unwrap_or_default().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let second = place.run(contacts(1));
    assert_eq!(second.code, 2);
    assert!(second.stderr.contains(&first.id().to_string()), "{}", second.stderr);
    assert!(second.stderr.contains("--store"), "{}", second.stderr);
    drop(stdin);
    assert_eq!(finish(first, b"").code, 0);
}

#[test]
fn a_store_of_another_version_or_kind_is_left_as_it_is() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.done(contacts(1));
    let path = place.path(".target-upsert/store.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let before = std::fs::read(&path).unwrap();
    let ran = place.run(contacts(1));
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("version 99"), "{}", ran.stderr);
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let place = Place::at(&remote, "sandbox");
    let path = place
        .file("notes.txt", "my notes, not a database at all, and long enough to see\n".repeat(9));
    let place = place.set("store", path.display().to_string());
    let ran = place.run(contacts(1));
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("not a store"), "{}", ran.stderr);
    assert!(place.read("notes.txt").starts_with("my notes"));
}

#[test]
fn what_is_no_file_is_no_store_and_nothing_is_made_beside_it() {
    let place = Place::with(json!({"sandbox": "rest", "store": "folder"}));
    std::fs::create_dir(place.path("folder")).unwrap();
    let calls: [&[&str]; 3] = [
        &["--config", "config.json"],
        &["ids", "--store", "folder", "list"],
        &["jobs", "--store", "folder"],
    ];
    place.file("config.json", place.config.to_string());
    for arguments in calls {
        let ran = place.call(arguments);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains("the store `folder` is no file"), "{}", ran.stderr);
        assert!(ran.stderr.contains("`folder/store.db`"), "{}", ran.stderr);
    }
    assert_eq!(std::fs::read_dir(place.path("")).unwrap().count(), 2);
}

#[test]
fn a_disk_that_is_full_ends_the_job_and_loses_nothing() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.file("config.json", place.config.to_string());
    // No file of this process may grow past 300 blocks of 512 bytes.
    let program = env!("CARGO_BIN_EXE_target-upsert");
    let script = format!("ulimit -f 300; exec '{program}' --config config.json");
    let mut command = std::process::Command::new("/bin/sh");
    command
        .args(["-c", &script])
        .current_dir(place.folder.path())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ran = finish(command.spawn().unwrap(), contacts(5000).as_bytes());
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("store"), "{}", ran.stderr);
    // What the store did not take has no outcome, and that is no mistake of the count.
    assert!(!ran.stderr.contains("please report this"), "{}", ran.stderr);
    // With room again, the same input is brought to its end.
    place.done(contacts(5000));
    assert_eq!(remote.by_ext("contacts").len(), 5000);
}

#[test]
fn a_stdout_that_nobody_reads_is_told_and_the_state_can_be_had_later() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let mut child = place.job().spawn().unwrap();
    drop(child.stdout.take());
    let ran = finish(child, contacts(500).as_bytes());
    assert_eq!(ran.code, 5);
    assert!(ran.stderr.contains("jobs state last"), "{}", ran.stderr);
    assert_eq!(remote.by_ext("contacts").len(), 500);
    let state = place.call(&["jobs", "state", "last"]).state();
    assert_eq!(state["summary"]["contacts"]["success"], 500);
}

#[test]
fn a_file_that_cannot_be_written_is_told_after_the_state() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.file("taken", "a file");
    let place = place.arg("--summary").arg("x.json");
    // Named twice is a usage error of the command line.
    assert_eq!(place.run(contacts(1)).code, 2);

    let place = Place::at(&remote, "sandbox");
    place.file("taken", "a file");
    place.file("config.json", place.config.to_string());
    let mut command =
        place.command(&["--config", "config.json", "--results", "taken/results.jsonl"]);
    command.stdin(Stdio::piped());
    let ran = finish(command.spawn().unwrap(), contacts(3).as_bytes());
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("taken/results.jsonl"), "{}", ran.stderr);
    assert_eq!(ran.state()["summary"]["contacts"]["success"], 3);
}

/// The program, from a shell that has run `first`.
fn behind(place: &Place, first: &str, arguments: &str) -> std::process::Command {
    let program = env!("CARGO_BIN_EXE_target-upsert");
    let mut command = std::process::Command::new("/bin/sh");
    command
        .args(["-c", &format!("{first}; exec '{program}' {arguments}")])
        .current_dir(place.folder.path())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The runtime panicked, and waited for the threads that it had.
#[test]
fn where_no_threads_can_be_started_the_job_ends() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.file("config.json", place.config.to_string());
    let mut command =
        behind(&place, "{ ulimit -u 1 || ulimit -p 1; } 2>/dev/null", "--config config.json");
    if rustix::process::getuid().is_root() {
        // Who is not limited: the job is of somebody who has no other process.
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(place.folder.path(), open).unwrap();
        command.uid(64_123).gid(64_123);
    }
    let ran = finish(command.spawn().unwrap(), contacts(1).as_bytes());
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("ulimit -u") && !ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert_eq!(remote.records("contacts").len(), 0);
}

/// A signal ended every command but a job where no file may grow.
#[test]
fn a_limit_on_files_is_an_error_of_every_command() {
    let remote = Remote::with("{static_token: false}");
    let place = Place::at(&remote, "rest-by-ext").set("store", ":memory:");
    let text = std::fs::read_to_string(place.config["manifest"].as_str().unwrap()).unwrap();
    let auth = "auth: { type: oauth2_refresh, token_url: \"{{ base_url }}/oauth/token\" }";
    let lines = text.lines().map(|line| if line.starts_with("auth:") { auth } else { line });
    let place = place.manifest(lines.collect::<Vec<_>>().join("\n"));
    place.file("config.json", place.config.to_string());
    for command in ["--access-token --config config.json", "check --config config.json"] {
        let ran = finish(behind(&place, "ulimit -f 0", command).spawn().unwrap(), b"");
        assert_eq!(ran.signal, None, "{command}: {}", ran.stderr);
        let told = ran.stdout + &ran.stderr;
        assert!(told.contains("no new token was asked for"), "{command}: {told}");
    }
    assert_eq!(place.read("config.json"), place.config.to_string());
}
