//! The service's events, by readers that others wrote.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use crate::installed::program;
use crate::receiver::Receiver;
use crate::service::{Service, config, keep};
use crate::support::Remote;

#[test]
#[ignore = "needs `standardwebhooks` and `prometheus-client`, which `tests/run` installs"]
fn are_verified_and_parsed() {
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let (remote, receiver) = (Remote::start(), Receiver::start());
    let mut config = config(&remote.url);
    let mut service = Service::start(&config);
    service.kill();
    keep(&service.path("secret"), secret);
    config["environments"]["dev"]["webhooks"] =
        json!([{"url": receiver.url(), "secret": {"file": "secret"}}]);
    keep(&service.path("serve.yaml"), &config.to_string());
    service.begin();
    let job = service.queue("acme", &["c-1", "ü-2"]);
    assert_eq!(service.ended(&job)["status"], "succeeded");
    let messages = receiver.wait(3).into_iter().map(|came| {
        let headers = came
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().into()));
        json!({"headers": headers.collect::<Map<_, _>>(), "body": came.body})
    });
    let messages: Vec<_> = messages.collect();
    let given =
        json!({"secret": secret, "messages": messages, "metrics": service.get("/metrics").text});
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/events_readers.py");
    let mut reader = Command::new(program("python"))
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reader.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let told = reader.wait_with_output().unwrap();
    assert!(told.status.success());
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["verified"], json!(["JOB_CREATED", "EXPORT_STARTED", "JOB_COMPLETED"]));
    assert_eq!(told["refused"], 3);
    let kinds = &told["kinds"];
    assert_eq!(kinds["target_upsert_jobs_queued"], "gauge", "{told}");
    assert_eq!(kinds["target_upsert_jobs_ended"], "counter", "{told}");
    assert_eq!(kinds["target_upsert_remote_call_duration_seconds"], "histogram", "{told}");
}
