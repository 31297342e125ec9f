//! Who may read the files that a job writes: their owner alone, whatever the umask is and whatever
//! stood there before.

#![cfg(unix)]

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::support::{Place, Ran, Remote, contacts, finish, record};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A job of `place` under a umask that takes nothing away.
fn openly(place: &Place) -> Command {
    let job = place.job();
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 000; exec \"$0\" \"$@\""])
        .arg(job.get_program())
        .args(job.get_args())
        .current_dir(place.folder.path())
        .env_clear()
        .envs(job.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs such a job, with one bad record.
fn run_openly(place: &Place, more: &[&str]) -> Ran {
    let mut command = openly(place);
    command.args(more);
    let bad = record("contacts", &json!({"externalId": "bad", "email": "no"}));
    finish(command.spawn().unwrap(), (contacts(3) + &bad).as_bytes())
}

#[test]
fn what_holds_records_or_secrets_is_readable_by_its_owner_alone() {
    for format in ["csv", "parquet"] {
        let remote = Remote::with("{static_token: false, rotate_refresh_token: true}");
        let place = Place::at(&remote, "rest-by-ext")
            .set("save_record_ids", true)
            .set("snapshot_format", format)
            .set("snapshot_dir", "snapshots");
        // Whatever stands there already, and whoever can read it.
        for name in ["results.jsonl", "rejects.jsonl"] {
            let path = place.file(name, "old");
            std::fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
        }
        let ran = run_openly(&place, &[]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(mode(&place.path(".target-upsert")), 0o700);
        let snapshot = format!("snapshots/contacts_None.snapshot.{format}");
        for name in [
            ".target-upsert/store.db",
            ".target-upsert/store.db.lock",
            "results.jsonl",
            "rejects.jsonl",
            "config.json",
            &snapshot,
        ] {
            assert_eq!(mode(&place.path(name)), 0o600, "{name}");
        }
        assert!(place.read("rejects.jsonl").contains("\"bad\""));
        assert!(place.read("config.json").contains("sandbox-refresh-"));
    }
}

#[test]
fn the_side_files_of_a_store_in_use_are_their_owners_alone() {
    let remote = Remote::with("{faults: [{on: \"POST /v1/*/batch\", do: hang, ms: 600000}]}");
    let place = Place::at(&remote, "sandbox");
    let mut child = openly(&place).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), contacts(3).as_bytes()).unwrap();
    for _ in 0..4000 {
        if remote.faults("hang") > 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(remote.faults("hang") > 0, "it never sent anything");
    for name in ["store.db", "store.db-wal", "store.db-shm", "store.db.lock"] {
        assert_eq!(mode(&place.path(".target-upsert").join(name)), 0o600, "{name}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The pipe was replaced by a file: its reader waited, and what was told went nowhere.
#[test]
fn a_summary_goes_where_it_is_to_go_though_that_is_no_file() {
    let remote = Remote::start();
    for (name, summary) in [("/dev/stderr", "\"job_id\""), ("/dev/null", "")] {
        let place = Place::at(&remote, "sandbox");
        place.file("config.json", place.config.to_string());
        let mut command = place.command(&["--config", "config.json", "--summary", name]);
        command.stdin(Stdio::piped());
        // A file that others write to as well.
        let log =
            std::fs::File::options().create(true).append(true).open(place.path("log")).unwrap();
        command.stderr(log);
        let ran = finish(command.spawn().unwrap(), contacts(1).as_bytes());
        let told = place.read("log");
        assert_eq!(ran.code, 0, "{told}");
        assert!(told.contains(summary) && told.contains("succeeded in"), "{name}: {told}");
        assert!(!std::fs::metadata(name).unwrap().is_file() || name == "/dev/stderr");
    }
}

/// The sandbox's own file stands beside the store and was the first to be made: in a folder that
/// everybody could look into.
#[test]
fn the_folder_of_a_job_with_a_sandbox_is_its_owners_alone() {
    let place = Place::with(json!({"sandbox": "rest"}));
    let ran = run_openly(&place, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(mode(&place.path(".target-upsert")), 0o700);
    for name in ["store.db", "sandbox-rest.jsonl"] {
        assert_eq!(mode(&place.path(".target-upsert").join(name)), 0o600, "{name}");
    }
}

#[test]
fn a_config_that_is_a_symbolic_link_stays_one_and_its_target_is_the_owners() {
    let remote = Remote::with("{static_token: false, rotate_refresh_token: true}");
    let place = Place::at(&remote, "rest-by-ext");
    let real = place.file("real.json", place.config.to_string());
    std::fs::set_permissions(&real, Permissions::from_mode(0o644)).unwrap();
    symlink(&real, place.path("link.json")).unwrap();
    let mut command = place.command(&["--config", "link.json"]);
    command.stdin(Stdio::piped());
    let ran = finish(command.spawn().unwrap(), contacts(1).as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(std::fs::symlink_metadata(place.path("link.json")).unwrap().is_symlink());
    assert!(place.read("real.json").contains("sandbox-refresh-1"));
    assert_eq!(mode(&real), 0o600);
}

#[test]
fn a_store_is_one_store_by_all_its_names() {
    for (first, second) in [
        ("link.db", "real/store.db"),
        ("folder/store.db", "link.db"),
        ("real/store.db", "folder/store.db"),
    ] {
        let remote = Remote::start();
        let place = Place::at(&remote, "sandbox").set("store", first);
        std::fs::create_dir(place.path("real")).unwrap();
        symlink("real", place.path("folder")).unwrap();
        // A name of a store that is still to be made.
        symlink("real/store.db", place.path("link.db")).unwrap();
        let mut running = place.job().spawn().unwrap();
        let mut input = running.stdin.take().unwrap();
        input.write_all(contacts(1).as_bytes()).unwrap();
        while remote.records("contacts").is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let place = place.set("store", second);
        let refused = place.run(contacts(3));
        assert_eq!(refused.code, 2, "{first}, {second}: {}", refused.stderr);
        assert!(refused.stderr.contains("another process"), "{}", refused.stderr);
        drop(input);
        let ran = finish(running, b"");
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(remote.records("contacts").len(), 1, "{first}, {second}");
    }
}

/// A store that was there with a wider mode, as from a backup, stayed open to all.
#[test]
fn a_store_that_others_could_read_is_its_owners_from_now_on() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    std::fs::create_dir(place.path(".target-upsert")).unwrap();
    // Empty, as a first start that fails leaves it: no store of somebody else's.
    let store = place.file(".target-upsert/store.db", "");
    std::fs::set_permissions(&store, Permissions::from_mode(0o644)).unwrap();
    std::fs::set_permissions(store.parent().unwrap(), Permissions::from_mode(0o755)).unwrap();
    let listed = place.call(&["jobs"]);
    assert_eq!(listed.code, 2, "{}", listed.stderr);
    assert!(listed.stderr.contains("holds no job yet"), "{}", listed.stderr);
    place.done(contacts(1));
    assert_eq!(mode(&store), 0o600);
    assert_eq!(mode(store.parent().unwrap()), 0o700);
}

/// The summary replaced the store, and the results the config with its tokens.
#[test]
fn what_a_job_needs_is_not_written_over() {
    let remote = Remote::start();
    let place = Place::at(&remote, "rest-by-ext");
    let manifest = place.config["manifest"].as_str().unwrap().to_owned();
    let place = place.manifest(std::fs::read(manifest).unwrap());
    place.file("config.json", place.config.to_string());
    place.file("input.jsonl", contacts(1));
    place.file("state.json", "{}");
    std::fs::create_dir(place.path("folder")).unwrap();
    symlink("config.json", place.path("link.json")).unwrap();
    for (arguments, named) in [
        (["--summary", "config.json", "--rejects", "r"], "the config `config.json`"),
        (["--summary", "folder/../link.json", "--rejects", "r"], "the config `config.json`"),
        (["--summary", "m.yaml", "--rejects", "r"], "the manifest"),
        (["--summary", "input.jsonl", "--rejects", "r"], "the input `input.jsonl`"),
        (["--summary", "state.json", "--rejects", "r"], "the state `state.json`"),
        (["--summary", ".target-upsert/store.db", "--rejects", "r"], "the store's"),
        (["--summary", ".target-upsert/store.db-wal", "--rejects", "r"], "the store's"),
        (["--summary", ".target-upsert/store.db.lock", "--rejects", "r"], "the store's"),
        (["--summary", "r", "--rejects", "./r"], "`--rejects ./r`"),
    ] {
        let mut all = vec!["--config", "config.json", "--input", "input.jsonl", "--state"];
        all.push("state.json");
        all.extend(arguments);
        let ran = place.call(&all);
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        for name in [named, arguments[1]] {
            assert!(ran.stderr.contains(name), "{arguments:?}: {}", ran.stderr);
        }
        assert_eq!(place.read("config.json"), place.config.to_string());
    }
    assert_eq!(remote.records("contacts").len(), 0);
    // One pipe may take two.
    let all = ["--config", "config.json", "--input", "input.jsonl", "--summary", "/dev/stderr"];
    let ran = place.call(&[&all[..], &["--rejects", "/dev/stderr"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}
