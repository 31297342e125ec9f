//! Who may see what.

use serde_json::json;

use crate::service::{Service, config, contact, keep, with_keys};
use crate::support::Remote;

#[test]
fn a_tenants_key_sees_that_tenant_alone() {
    let remote = Remote::start();
    let service = Service::start(&with_keys(&remote.url));
    let ask = |method: &str, path: &str, key: &str, body: &str| {
        service.send(method, path, &[("x-api-key", key)], body)
    };
    assert!(service.get("/api/v1/jobs").problem(401).contains("missing"));
    let unknown = ask("GET", "/api/v1/jobs", "unknown-key", "");
    unknown.problem(401);
    assert_eq!(unknown.headers["www-authenticate"], "Bearer");
    let body = json!({"connector_id": "crm", "job_type": "write", "state": {"contacts": [contact("c-1")]}});
    let body = body.to_string();
    ask("POST", "/v2/dev/two/acme/jobs", "other-key", &body).problem(403);
    let job = ask("POST", "/v2/dev/two/acme/jobs", "acme-key", &body).is(201);
    let id = job["job_id"].as_str().unwrap();
    ask("GET", &format!("/api/v1/jobs/{id}"), "other-key", "").problem(404);
    ask("POST", &format!("/api/v1/jobs/{id}/cancel"), "other-key", "").problem(404);
    ask("GET", &format!("/api/v1/jobs/{id}/results"), "other-key", "").problem(404);
    ask("GET", "/tenant/dev/acme/snapshots", "other-key", "").problem(403);
    let own = ask("GET", "/api/v1/jobs", "acme-key", "").is(200);
    assert_eq!(own["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(ask("GET", "/api/v1/jobs", "other-key", "").is(200)["jobs"], json!([]));
    ask("GET", "/api/v1/jobs?tenant=acme", "other-key", "").problem(403);
    assert_eq!(
        ask("GET", "/api/v1/jobs", "admin-key", "").is(200)["jobs"].as_array().unwrap().len(),
        1
    );
    let record = json!({"data": contact("c-2")}).to_string();
    ask("POST", "/dev/two/acme/connectors/crm/contacts", "other-key", &record).problem(403);
    ask("POST", "/dev/two/acme/connectors/crm/contacts", "acme-key", &record).is(200);
    // Refused attempts are told, and no key is.
    let log = service.log();
    assert!(log.contains("Refused"), "{log}");
    for secret in ["admin-key", "acme-key", "other-key", "unknown-key", "sandbox-token"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[test]
fn other_machines_are_not_let_in_without_a_key() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let mut config = config(&remote.url);
    config["listen"] = "0.0.0.0:0".into();
    keep(&service.path("open.yaml"), &config.to_string());
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_target-upsert"))
        .args(["serve", "--config", "open.yaml"])
        .current_dir(service.path(""))
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(told.contains("`admin_keys` is empty"), "{told}");
}

#[test]
fn a_key_of_two_is_refused_at_the_start() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let mut config = config(&remote.url);
    config["data"] = "other".into();
    for (tenant, key) in [("acme", "ACME_KEY"), ("other", "ACME_KEY")] {
        config["environments"]["dev"]["tenants"][tenant]["keys"] = json!([{"env": key}]);
    }
    keep(&service.path("twice.yaml"), &config.to_string());
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_target-upsert"))
        .args(["serve", "--config", "twice.yaml", "--listen", "127.0.0.1:0"])
        .current_dir(service.path(""))
        .env("SANDBOX_TOKEN", "sandbox-token")
        .env("ACME_KEY", "acme-key")
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(told.contains("somebody else's too"), "{told}");
}

#[cfg(unix)]
#[test]
fn what_is_kept_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let remote = Remote::with("{latency_ms: 300}");
    let service = Service::start(&config(&remote.url));
    let record = json!({"data": contact("c-1")});
    service.post("/dev/two/acme/connectors/crm/contacts", &record).is(200);
    // The input of the second one waits.
    service.queue("other", &["c-2"]);
    service.queue("other", &["c-3"]);
    let mut folders = vec![service.path(".target-upsert/serve")];
    let (mut names, mut files) = (Vec::new(), 0);
    while let Some(folder) = folders.pop() {
        let mode = |path: &std::path::Path| {
            std::fs::metadata(path).map(|found| found.permissions().mode() & 0o777)
        };
        assert_eq!(mode(&folder).unwrap(), 0o700, "{}", folder.display());
        for file in std::fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(mode) = mode(&path) {
                // One that is gone by now tells nothing.
                assert_eq!(mode, 0o600, "{}", path.display());
                files += 1;
            }
        }
        names.push(folder.file_name().unwrap().to_owned());
    }
    assert!(names.iter().any(|name| name == "inputs") && files > 4, "{names:?} {files}");
}
