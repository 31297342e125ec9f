//! What the program says of itself.

use serde_json::{Value, json};

use crate::support::Place;

fn place() -> Place {
    Place::with(json!({}))
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = place().call(&["--help"]);
    assert_eq!(help.code, 0);
    for flag in [
        "--config",
        "--state",
        "--input",
        "--sandbox",
        "--store",
        "--summary",
        "--results",
        "--rejects",
        "--dry-run",
        "--limit",
        "--about",
        "--access-token",
        "--progress",
        "--log-format",
        "check",
        "connectors",
        "ids",
        "jobs",
        "sandbox",
        "completions",
        "man",
    ] {
        assert!(help.stdout.contains(flag), "{flag} is missing from\n{}", help.stdout);
    }
    assert!(!help.stdout.contains("schemas"), "what is for building only is hidden");
    let version = place().call(&["--version"]);
    assert_eq!(version.stdout, concat!("target-upsert ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn about_has_the_keys_that_platforms_read() {
    let about: Value =
        serde_json::from_str(&place().call(&["--about", "--format", "json"]).stdout).unwrap();
    let keys: Vec<&String> = about.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "name",
            "description",
            "version",
            "sdk_name",
            "sdk_version",
            "capabilities",
            "alerting_level",
            "settings"
        ]
    );
    assert!(about["settings"]["properties"]["streams"].is_object());
    assert!(place().call(&["--about"]).stdout.starts_with("name: target-upsert\n"));
    assert!(place().call(&["--about", "--format=markdown"]).stdout.contains("| `store` |"));
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    for arguments in [&["--no-such"][..], &["nosuch"], &["--limit", "x"], &["--results", "r.txt"]] {
        let ran = place().call(arguments);
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert_eq!(ran.stdout, "");
        assert!(!ran.stderr.is_empty());
    }
}

#[test]
fn scripts_and_the_manual_are_made_from_the_same_flags() {
    let place = place();
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.call(&["completions", shell]).stdout.contains("dry-run"), "{shell}");
    }
    assert!(place.call(&["man"]).stdout.starts_with(".ie"));
    assert!(place.call(&["connectors"]).stdout.contains("rest"));
}

#[cfg(unix)]
#[test]
fn called_by_the_name_of_a_connector_it_takes_that() {
    let remote = crate::support::Remote::start();
    let mut place = Place::at(&remote, "sandbox");
    place.config.as_object_mut().unwrap().remove("connector");
    place.file("config.json", place.config.to_string());
    let link = place.path("target-rest");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_target-upsert"), &link).unwrap();
    let run = |program: &std::path::Path| {
        let mut command = std::process::Command::new(program);
        command
            .args(["--config", "config.json"])
            .current_dir(place.folder.path())
            .env_clear()
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        crate::support::finish(command.spawn().unwrap(), crate::support::contacts(2).as_bytes())
    };
    assert_eq!(run(&link).code, 0);
    assert_eq!(remote.by_ext("contacts").len(), 2);
    let ran = run(env!("CARGO_BIN_EXE_target-upsert").as_ref());
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`connector`"), "{}", ran.stderr);
}
