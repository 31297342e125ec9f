//! simple-salesforce and jsforce, clients of Salesforce's that others wrote: they drive the sandbox's
//! Salesforce.

use std::path::Path;
use std::process::Command;

use crate::hubspot_client::passes;
use crate::installed::node_folder;
use crate::support::Remote;

/// Pages and jobs small enough that a client has to come back for more of each.
const FAULTS: &str = r#"{"salesforce": {"page_rows": 2, "job_ms": 200}}"#;
/// Accounts of people, a rule that no two contacts are alike, and a job that fails halfway.
const PEOPLE: &str = r#"{"salesforce": {"person_accounts": true, "duplicate_rule": true,
    "job_stop": {"after_rows": 3, "ending": "failed"}}}"#;

#[test]
#[ignore = "needs simple-salesforce, which `tests/run` installs"]
fn in_python_finds_what_it_knows() {
    let remote = Remote::with(FAULTS);
    let people = Remote::with(PEOPLE);
    let environment = [("REMOTE", remote.url.as_str()), ("PEOPLE", &people.url)];
    passes("salesforce_client_suite.py", &environment, 25);
}

#[test]
#[ignore = "needs jsforce, which `tests/run` installs"]
fn in_node_finds_what_it_knows() {
    let remote = Remote::with(FAULTS);
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/jsforce_suite.mjs");
    let folder = tempfile::tempdir().unwrap();
    let ran = Command::new("node")
        .args(["--test", "--test-reporter=tap"])
        .arg(suite)
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", folder.path())
        .env("REMOTE", &remote.url)
        .env("JSFORCE", node_folder())
        .output()
        .unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{told}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(told.contains("\n# pass 9\n"), "{told}");
}
