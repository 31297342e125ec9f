//! The data file: what a start recalls.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use super::{Sandbox, inputs};
use crate::sandbox::{Options, SandboxError, start};

async fn open(path: &Path) -> Sandbox {
    Sandbox::with(Options { data: Some(path.to_owned()), ..Options::default() }).await
}

fn append(path: &Path, text: &str) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn records_survive_and_half_a_line_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("remote.jsonl");
    let sandbox = open(&path).await;
    sandbox.call("POST", "/v1/c/batch", inputs(0..5)).await;
    sandbox.call("PATCH", "/v1/c/2", "{\n\"n\": [1e400,\r\n\t0.10],\"ü\":\"\\n\"}").await;
    sandbox.call("DELETE", "/v1/c/5", "").await;
    sandbox.call("POST", "/v1/d", json!({"ext_id": "d"})).await;
    sandbox.call("DELETE", "/v1/d/6", "").await;
    let before = sandbox.held("c").await;
    // The lines are there as soon as the answer is, without an orderly end.
    let copy = folder.path().join("copy.jsonl");
    fs::copy(&path, &copy).unwrap();
    sandbox.running.stop().await;
    append(&copy, r#"{"object":"c","id":7,"record":{"ext_i"#);
    let blanks = |text: &str| text.replace(['\n', '\r'], " ");
    for path in [path, copy] {
        let sandbox = open(&path).await;
        assert_eq!(sandbox.held("c").await, blanks(&before));
        assert_eq!(sandbox.held("d").await, "[]");
        // Ids of records that are gone are not given again; the external ids are found.
        let next = sandbox.call("POST", "/v1/c", "{}").await.json();
        assert_eq!(next, json!({"id": "7"}));
        let found = sandbox.call("POST", "/v1/c/search", json!({"ext_id": {"in": ["3"]}})).await;
        assert_eq!(found.json()["data"], json!([{"id": "4", "ext_id": "3"}]));
        sandbox.running.stop().await;
        let lines = fs::read_to_string(&path).unwrap();
        assert!(lines.ends_with("{\"object\":\"c\",\"id\":7,\"record\":{}}\n"), "{lines}");
    }
}

#[tokio::test]
async fn a_reset_clears_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("remote.jsonl");
    let sandbox = open(&path).await;
    sandbox.call("POST", "/v1/c/batch", inputs(0..5)).await;
    sandbox.call("POST", "/_sandbox/reset", "").await;
    sandbox.call("POST", "/v1/c/batch", inputs([9])).await;
    sandbox.running.stop().await;
    assert_eq!(open(&path).await.held("c").await, r#"[{"id":"1","ext_id":"9"}]"#);
}

#[tokio::test]
async fn one_file_serves_one_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("remote.jsonl");
    let first = open(&path).await;
    let error =
        start(Options { data: Some(path.clone()), ..Options::default() }).await.unwrap_err();
    assert!(matches!(&error, SandboxError::InUse { path: taken } if *taken == path), "{error}");
    first.running.stop().await;
    open(&path).await;
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("remote.jsonl");
    for (text, line) in [
        ("precious", 1),
        ("{\"sandbox\":2}\n", 1),
        ("{\"sandbox\":1}\n{\"object\":\"c\"}\n{\"object\":\"c\",\"id\":1}\n", 2),
    ] {
        fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        let options = Options { data: Some(path.clone()), ..Options::default() };
        let error = start(options).await.unwrap_err();
        assert!(matches!(error, SandboxError::Line { line: at, .. } if at == line), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    // Killed while the first line was written.
    fs::File::create(&path).unwrap().write_all(b"{\"sand").unwrap();
    open(&path).await.running.stop().await;
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"sandbox\":1}\n");
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("remote.jsonl");
    let _sandbox = open(&path).await;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}
