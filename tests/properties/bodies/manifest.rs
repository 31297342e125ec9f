//! Manifests and their templates: read, compiled, and tried on an answer.

use std::time::Duration;

use serde_json::{Value, json};
use target_upsert::connector::contract::{Action, Write, WriteBatch};
use target_upsert::connector::http::Answer;
use target_upsert::connector::rest::Rest;
use target_upsert::connector::{BuildError, Connector, Settings};
use target_upsert::record::{ExternalId, RemoteId, StreamName};
use url::Url;

/// A secret of the config.
pub const TOKEN: &str = "sandbox-token";
const FILE: &str = "odd.yaml";

/// Where a template is filled in without anything being sent.
const PLACES: [&str; 3] = [
    r#"{version: 1, name: t, base_url: "http://h", streams: {"*": {object: TEMPLATE}}}"#,
    r#"{version: 1, name: t, base_url: "http://h", row_answers: [{when: TEMPLATE, is: updated}],
        streams: {"*": {update: {method: PUT, path: /, body: "{{ record }}"}}}}"#,
    r#"{version: 1, name: t, base_url: "http://h",
        streams: {"*": {create: {method: PUT, path: /, body: "{{ record }}", remote_id: TEMPLATE}}}}"#,
];

/// - What is wrong is told with the file and a place in it, or with a hint.
/// - What is taken can be asked what it can do, and has a verdict for each record.
///
/// That reading ends is for whoever calls to see.
pub fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Rest::of_text(FILE, text, settings()) {
        Err(error) => check_error(&error, text),
        Ok(rest) => try_out(&rest),
    }
}

/// A template is refused with its place, or filled in, or said to have run away.
///
/// That filling it in ends is for whoever calls to see.
pub fn template(data: &[u8]) {
    let Ok(template) = std::str::from_utf8(data) else { return };
    for place in PLACES {
        let text = place.replace("TEMPLATE", &Value::from(template).to_string());
        match Rest::of_text(FILE, &text, settings()) {
            Err(error) => check_error(&error, &text),
            Ok(rest) => try_out(&rest),
        }
    }
}

/// What a manifest may name of the config.
pub fn settings() -> Settings {
    let values = json!({
        "access_token": TOKEN, "refresh_token": "sandbox-refresh", "client_id": "sandbox-client",
        "client_secret": "sandbox-secret", "username": "somebody", "password": "sandbox-password",
        "bucket": "b", "base_url": "http://127.0.0.1:9/v1",
    });
    Settings {
        values: values.as_object().unwrap().clone(),
        timeout: Duration::from_secs(1),
        user_agent: "test".to_owned(),
        ..Settings::default()
    }
}

/// Panics unless the error says where, or what to do.
fn check_error(error: &BuildError, text: &str) {
    match error {
        BuildError::Manifest { file, line, column, message, hint } => {
            assert_eq!(file, FILE);
            assert!(!message.is_empty());
            assert!((*line > 0 && *column > 0) || hint.is_some(), "{error}");
            let lines = 1 + text.matches(['\n', '\r']).count();
            assert!(usize::try_from(*line).unwrap() <= lines, "{error}");
        }
        BuildError::MissingKey { hint, .. } => assert!(!hint.is_empty()),
        BuildError::Setting { message, .. } => assert!(!message.is_empty()),
        other => panic!("{other} is nothing that a manifest's text can be blamed for"),
    }
}

/// Asks a connector what it can do, and what an answer means to it.
fn try_out(rest: &Rest) {
    let stream = StreamName::from("contacts");
    let Ok(capabilities) = rest.capabilities(&stream) else { return };
    for action in [Action::Create, Action::Update, Action::Upsert, Action::Delete] {
        let Some(limits) = capabilities.limits(action) else { continue };
        let knows_id = matches!(action, Action::Update | Action::Delete);
        let writes = (0..limits.max_records.min(2)).map(|place| Write {
            external_id: Some(ExternalId::from(["a", "b"][place])),
            remote_id: knows_id.then(|| RemoteId::from(["1", "2"][place])),
            version: None,
            body: "{\"n\":1.50}".into(),
            key: "k".into(),
            says_id: false,
            stands_in: false,
            has_waited: false,
        });
        let (stream, writes) = (stream.clone(), writes.collect::<Vec<_>>());
        let batch = WriteBatch { stream, action, writes, id: None, not_after: None };
        for body in
            ["", r#"{"id":1,"results":[{"index":0,"id":1},{"index":1,"error":{}}]}"#, "<html>"]
        {
            let asked = Url::parse("http://127.0.0.1:9/").unwrap();
            let answer = Answer::new(200, reqwest::header::HeaderMap::new(), body, asked);
            if let Ok(verdicts) = rest.verdicts(&batch, &answer) {
                assert_eq!(verdicts.len(), batch.writes.len());
            }
        }
    }
}
