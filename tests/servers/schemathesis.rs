//! The service's `OpenAPI` document against the service itself, by a tester that others wrote.

use std::process::Command;

use serde_json::json;

use crate::installed::program;
use crate::service::{Service, config, contact, keep};
use crate::support::Remote;

#[test]
#[ignore = "needs `schemathesis`, which `tests/run` installs"]
fn every_answer_is_as_the_document_says() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    config["admin_keys"] = json!([{"env": "ADMIN_KEY"}]);
    config["encryption_key"] = json!({"env": "ENCRYPTION_KEY"});
    config["environments"]["dev"]["flows"]["two"]["taps"] =
        json!({"numbers": {"command": ["true"]}});
    let service = Service::start(&config);
    let body = json!({"connector_id": "crm", "job_type": "write", "state": {"contacts": [contact("c-1")]}});
    let key = [("x-api-key", "admin-key")];
    let job = service.send("POST", "/v2/dev/two/acme/jobs", &key, &body.to_string()).is(201);
    // What is there, so that not all is answered with 404.
    let job = &job["job_id"];
    let settings = format!(
        "[parameters]\nenv_id = \"dev\"\nenvironment = \"dev\"\nflow_id = \"two\"\nflow = \"two\"\n\
         tenant = \"acme\"\nconnector_id = \"crm\"\nconnector = \"crm\"\ntap = \"numbers\"\njob_id = {job}\nid = {job}\n"
    );
    let path = service.path("schemathesis.toml");
    keep(&path, &settings);
    let ran = Command::new(program("schemathesis"))
        .arg("--config-file")
        .arg(&path)
        .arg("run")
        .arg(format!("{}/api/v1/openapi.json", service.url))
        .args(["--header", "x-api-key: admin-key", "--max-examples", "25", "--seed", "7"])
        .current_dir(service.path(""))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{told}");
    assert!(told.contains("Tested: 34"), "{told}");
    let log = service.log();
    assert!(!log.contains("panicked"), "{log}");
}
