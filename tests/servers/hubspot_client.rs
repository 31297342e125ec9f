//! HubSpot's own client, generated from HubSpot's descriptions: it drives the sandbox's HubSpot, and
//! reads what the connector sends.

use std::path::Path;
use std::process::Command;

use crate::installed::program;
use crate::support::Remote;

#[test]
#[ignore = "needs HubSpot's client, which `tests/run` installs"]
fn finds_what_it_knows() {
    let (remote, lagging) = (Remote::start(), Remote::with(r#"{"search_lag_ms": 1500}"#));
    passes("hubspot_client_suite.py", &[("REMOTE", &remote.url), ("LAGGING", &lagging.url)], 20);
}

#[test]
#[ignore = "needs HubSpot's client, which `tests/run` installs"]
fn reads_what_is_sent() {
    let remote = Remote::start();
    let program = env!("CARGO_BIN_EXE_target-upsert");
    passes("hubspot_bodies_suite.py", &[("REMOTE", &remote.url), ("PROGRAM", program)], 1);
}

/// Runs a suite of tests in Python, all of which are to pass.
pub(crate) fn passes(suite: &str, environment: &[(&str, &str)], tests: usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(suite);
    let ran = Command::new(program("python"))
        .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", "--rootdir"])
        .arg(folder.path())
        .arg(file)
        .current_dir(folder.path())
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("TMPDIR", folder.path())
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{told}\n{}", String::from_utf8_lossy(&ran.stderr));
    let last = told.lines().last().unwrap();
    assert!(last.starts_with(&format!("{tests} passed")), "{last}");
}
