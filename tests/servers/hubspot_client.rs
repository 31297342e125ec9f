//! HubSpot's own client, generated from HubSpot's descriptions, drives the sandbox's HubSpot.

use std::path::Path;
use std::process::Command;

use crate::installed::program;
use crate::support::Remote;

#[test]
#[ignore = "needs HubSpot's client, which `tests/run` installs"]
fn finds_what_it_knows() {
    let (remote, lagging) = (Remote::start(), Remote::with(r#"{"search_lag_ms": 1500}"#));
    let folder = tempfile::tempdir().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/hubspot_client_suite.py");
    let ran = Command::new(program("python"))
        .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider", "--rootdir"])
        .arg(folder.path())
        .arg(file)
        .current_dir(folder.path())
        .env_clear()
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("REMOTE", &remote.url)
        .env("LAGGING", &lagging.url)
        .output()
        .unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{told}\n{}", String::from_utf8_lossy(&ran.stderr));
    let last = told.lines().last().unwrap();
    assert!(last.starts_with("20 passed"), "{last}");
}
