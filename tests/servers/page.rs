//! The service's page in a real Chromium.

use std::path::Path;
use std::process::Command;

use crate::installed::node_folder;
use crate::service::{Service, with_keys};
use crate::support::Remote;

/// Slow enough to be looked at; the first calls that write deals fail.
const FAULTS: &str = "{latency_ms: 400, faults: [
    {on: 'POST /v1/deals/batch', calls: [1, 2, 3], do: status, status: 500}]}";

#[test]
#[ignore = "needs Chromium, and packages that `tests/run` installs"]
fn somebody_looks_after_jobs() {
    let remote = Remote::with(FAULTS);
    let mut config = with_keys(&remote.url);
    let connector = &mut config["environments"]["dev"]["flows"]["two"]["connectors"]["crm"];
    connector["config"]["max_in_flight"] = 4.into();
    let service = Service::start(&config);
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/page_suite.mjs");
    let folder = tempfile::tempdir().unwrap();
    // What is seen can be kept, to be looked at.
    let kept = std::env::var_os("PICTURES");
    let keep = if kept.is_some() { "1" } else { "" };
    let ran = Command::new("node")
        .args(["--test", "--test-reporter=tap"])
        .arg(suite)
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", folder.path())
        .env("SERVICE", &service.url)
        .env("NODE", node_folder())
        .env("PICTURES", kept.unwrap_or_else(|| folder.path().into()))
        .env("KEEP", keep)
        .output()
        .unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{told}\n{}", String::from_utf8_lossy(&ran.stderr));
    assert!(told.contains("\n# pass 12\n"), "{told}");
    let log = service.log();
    assert!(!log.contains("panicked"), "{log}");
}
