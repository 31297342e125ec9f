//! No secret is printable: not in a log, an error, the summary, the results, a panic.

use crate::support::{Place, Remote, contacts};

const SECRETS: [&str; 3] =
    ["hush-token-0123456789", "hush-refresh-0123456789", "hush-secret-0123456789"];

/// A place whose credentials are wrong and easy to find in a text.
fn place(remote: &Remote, manifest: &str) -> Place {
    Place::at(remote, manifest)
        .set("access_token", SECRETS[0])
        .set("refresh_token", SECRETS[1])
        .set("client_secret", SECRETS[2])
        .set("retry", serde_json::json!({"attempts": 2, "base_millis": 1}))
        .env("LOGLEVEL", "TRACE")
}

#[test]
fn nothing_that_is_written_has_a_secret_in_it() {
    let faults = [
        "{static_token: false}",
        "{faults: [{on: \"*\", do: reset}]}",
        "{faults: [{on: \"*\", do: html}]}",
        "{faults: [{on: \"*\", do: status, status: 400, body: '{\"message\": \"bad token hush-token-0123456789 hush-refresh-0123456789\"}'}]}",
        "{faults: [{on: \"*\", do: status, status: 401, body: '{\"error\": \"invalid_grant\", \"error_description\": \"hush-secret-0123456789 hush-refresh-0123456789\"}'}]}",
    ];
    for faults in faults {
        for manifest in ["sandbox", "rest-by-ext"] {
            let remote = Remote::with(faults);
            let place = place(&remote, manifest);
            let ran = place.run(contacts(3));
            assert_ne!((ran.code, ran.stdout.contains("true")), (0, true), "{faults}");
            let checked = place.call(&["check", "--config", "config.json", "contacts"]);
            let token = place.call(&["--access-token", "--config", "config.json"]);
            let mut all = ran.stdout + &ran.stderr + &checked.stdout + &checked.stderr;
            // What it prints on stdout is the token that was asked for, or why there is none.
            assert!(token.stdout.contains("access_token") || token.stdout.contains("error"));
            all += &token.stderr;
            if token.stdout.contains("error") {
                all += &token.stdout;
            }
            for entry in std::fs::read_dir(place.folder.path()).unwrap() {
                let entry = entry.unwrap();
                if entry.file_name() == "config.json" || entry.path().is_dir() {
                    continue;
                }
                all += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap());
            }
            for entry in std::fs::read_dir(place.path(".target-upsert")).unwrap() {
                all += &String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap());
            }
            for secret in SECRETS {
                assert!(!all.contains(secret), "{manifest} {faults}: {secret} is in\n{all}");
            }
        }
    }
}
