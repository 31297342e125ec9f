//! New tokens are kept where the next job finds them, or not asked for.

use std::fs::{File, Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Place, Ran, Remote, contacts, finish, fixture};

/// A remote whose refresh token is another one after each renewal.
fn rotating() -> Remote {
    Remote::with("{static_token: false, rotate_refresh_token: true, token_calls: 10}")
}

fn place(remote: &Remote) -> Place {
    let text = std::fs::read_to_string(fixture("manifests").join("rest-by-ext.yaml")).unwrap();
    let auth = "auth: { type: oauth2_refresh, token_url: \"{{ base_url }}/oauth/token\" }";
    let lines = text.lines().map(|line| if line.starts_with("auth:") { auth } else { line });
    let text = lines.collect::<Vec<_>>().join("\n");
    let place = Place::at(remote, "sandbox").manifest(text);
    place.file("input.jsonl", contacts(35));
    place
}

fn renewals(remote: &Remote) -> u64 {
    remote.calls()["calls"]["POST /oauth/token"].as_u64().unwrap_or(0)
}

#[test]
fn a_config_that_cannot_be_written_to_is_told_and_the_job_goes_on() {
    let remote = Remote::with("{static_token: false, rotate_refresh_token: true, token_calls: 10}");
    let place = place(&remote);
    place.file("input.jsonl", contacts(35));
    // As `--config <(vault read …)` gives it: what comes through a pipe is gone when it is read.
    let mut command = place.command(&["--config", "/dev/stdin", "--input", "input.jsonl"]);
    command.stdin(Stdio::piped());
    let ran = finish(command.spawn().unwrap(), place.config.to_string().as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("the next job may need a new refresh token"), "{}", ran.stderr);
    assert!(ran.stderr.contains("/dev/stdin"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("sandbox-refresh"), "{}", ran.stderr);
    assert_eq!(remote.by_ext("contacts").len(), 35);
}

/// The loader passed over a byte order mark, and what writes the new tokens did not: each was used
/// up and lost.
#[test]
fn a_config_with_a_byte_order_mark_is_written_to_and_keeps_its_digits() {
    let remote = rotating();
    let place = place(&remote);
    let config = place.config.to_string().replacen('{', "\u{feff}{\"rate\": 1.10, ", 1);
    place.file("config.json", &config);
    for _ in 0..2 {
        let ran = place.call(&["--config", "config.json", "--input", "input.jsonl"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        remote.reset();
    }
    let kept = place.read("config.json");
    assert!(kept.contains("\"rate\": 1.10"), "{kept}");
    assert!(!kept.contains("sandbox-refresh\""), "{kept}");
}

/// A job of a user who may not write into the folder, with a config of these permissions.
fn in_a_closed_folder(place: &Place, mode: u32) -> Ran {
    let config = place.file("config.json", place.config.to_string());
    set_permissions(config, Permissions::from_mode(mode)).unwrap();
    let mut command = place.command(&[
        "--config",
        "config.json",
        "--input",
        "input.jsonl",
        "--store",
        ":memory:",
    ]);
    let folder = |mode| set_permissions(place.folder.path(), Permissions::from_mode(mode)).unwrap();
    if rustix::process::getuid().is_root() {
        // Whom no permissions hold off: the job is somebody else's.
        command.uid(65534).gid(65534);
        folder(0o755);
    } else {
        folder(0o555);
    }
    let ran = finish(command.spawn().unwrap(), b"");
    folder(0o755);
    ran
}

#[test]
fn a_config_that_can_be_written_into_and_not_replaced_is() {
    let remote = rotating();
    let mut place = place(&remote);
    let ran = in_a_closed_folder(&place, 0o666);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(renewals(&remote) > 1, "{}", remote.calls());
    let kept: Value = serde_json::from_str(&place.read("config.json")).unwrap();
    assert_ne!(kept["refresh_token"], "sandbox-refresh");
    // The next job starts from it.
    place.config = kept;
    let ran = in_a_closed_folder(&place, 0o666);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn no_token_is_asked_for_that_could_not_be_kept() {
    let remote = rotating();
    let place = place(&remote);
    let ran = in_a_closed_folder(&place, 0o444);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("`config.json`: no new token was asked for"), "{}", ran.stderr);
    assert_eq!(renewals(&remote), 0, "{}", remote.calls());
    assert_eq!(ran.state()["summary"]["contacts"]["fail"], 35);
}

/// Jobs took turns by a lock on the config's folder, which whoever can read it can hold for ever,
/// as `flock . target-upsert …` does.
#[test]
fn a_lock_on_the_folder_or_the_config_is_nobodys_turn() {
    let remote = rotating();
    let place = place(&remote);
    place.file("config.json", place.config.to_string());
    let locks = [place.folder.path().to_owned(), place.path("config.json")].map(|path| {
        let lock = File::open(path).unwrap();
        lock.lock().unwrap();
        lock
    });
    let ran = place.call(&["--config", "config.json", "--input", "input.jsonl"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(renewals(&remote) > 1, "{}", remote.calls());
    let mode = std::fs::metadata(place.path("config.json.lock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(locks);
}
