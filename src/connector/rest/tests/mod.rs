//! The connector against the sandbox and odd answers; what counts is what the remote holds.

mod answers;
mod credentials;
mod language;
mod requests;
mod writes;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::Rest;
use crate::connector::contract::{
    Action, By, Connector, Question, RequestError, Verdict, Write, WriteAnswer, WriteBatch,
};
use crate::connector::{BuildError, Settings, build};
use crate::record::{ExternalId, RemoteId, StreamName};
use crate::sandbox::{Options, Running, start};

/// Ids that break careless URLs and careless JSON.
fn nasty() -> Vec<String> {
    let mut ids: Vec<String> = [
        "plain",
        "a/b",
        "100%",
        "%2F",
        "ä ö",
        "\"quoted\"",
        "'",
        "?x=1&y",
        "#frag",
        "back\\slash",
        "a.b",
        "...",
        "{{ 7*7 }}",
        "+",
        " lead",
        "tab\there",
        "日本",
        "7",
        "007",
        "12345678901234567890123",
        "a//b",
        ";",
        "batch",
    ]
    .into_iter()
    .map(ToOwned::to_owned)
    .collect();
    ids.push("x".repeat(4096));
    ids
}

/// A sandbox of the test's own.
struct Remote {
    running: Running,
}

impl Remote {
    async fn start(faults: &str) -> Self {
        let options = Options { faults: faults.parse().unwrap(), ..Options::default() };
        Self { running: start(options).await.unwrap() }
    }

    fn url(&self) -> String {
        format!("http://{}", self.running.address())
    }

    fn connector(&self, manifest: &str) -> std::sync::Arc<dyn Connector> {
        build("rest", settings(&self.url(), manifest)).unwrap().connector
    }

    async fn asked(&self, path: &str) -> Value {
        let url = format!("{}/_sandbox/{path}", self.url());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut response = client.get(url).send().await.unwrap();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.unwrap() {
            bytes.extend_from_slice(&chunk);
        }
        // Numbers are told as they stand, so that a test sees each digit.
        crate::json::exact::parse(&bytes).unwrap()
    }

    /// All records of an object.
    async fn held(&self, object: &str) -> Vec<Value> {
        self.asked(&format!("objects/{object}")).await.as_array().unwrap().clone()
    }
}

fn settings(base_url: &str, manifest: &str) -> Settings {
    let values = json!({
        "manifest": manifest,
        "base_url": base_url,
        "access_token": "sandbox-token",
        "refresh_token": "sandbox-refresh",
        "client_id": "sandbox-client",
        "client_secret": "sandbox-secret",
        "expires_in": 1,
    });
    Settings {
        values: values.as_object().unwrap().clone(),
        base_url: Some(base_url.to_owned()),
        timeout: Duration::from_secs(10),
        user_agent: "test".to_owned(),
        ..Settings::default()
    }
}

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/manifests");
    folder.join(format!("{name}.yaml")).display().to_string()
}

fn stream() -> StreamName {
    StreamName::from("contacts")
}

fn write(external_id: Option<&str>, remote_id: Option<&str>, body: &str) -> Write {
    Write {
        external_id: external_id.map(ExternalId::from),
        remote_id: remote_id.map(RemoteId::from),
        body: body.into(),
        version: None,
        key: format!("key of {external_id:?}").into(),
        says_id: false,
        stands_in: false,
        has_waited: false,
    }
}

/// Looks `ids` up: which of them the remote has, and under which remote ids.
async fn find_ids(
    connector: &dyn Connector,
    ids: &[ExternalId],
) -> Result<Vec<(ExternalId, RemoteId)>, RequestError> {
    let keys = ids.iter().map(|id| id.as_str().into()).collect();
    let (want, sent) = (Vec::new(), std::collections::HashMap::new());
    let mut question =
        Question { stream: stream(), by: By::ExternalId, keys, want, sent, next: None };
    let mut ids = Vec::new();
    loop {
        let found = connector.lookup(&question).await?;
        ids.extend(found.rows.into_iter().map(|row| (ExternalId::new(row.key), row.remote_id)));
        question.next = found.next;
        if question.next.is_none() {
            return Ok(ids);
        }
        assert!(ids.len() < 1000, "pages without an end");
    }
}

fn batch(action: Action, writes: Vec<Write>) -> WriteBatch {
    WriteBatch { stream: stream(), action, writes, id: None, not_after: None }
}

/// Writes in batches of what the connector takes.
async fn write_all(connector: &dyn Connector, action: Action, writes: &[Write]) -> Vec<Verdict> {
    let capabilities = connector.capabilities(&stream()).unwrap();
    let limits = capabilities.limits(action);
    let mut verdicts = Vec::new();
    for chunk in writes.chunks(limits.unwrap().max_records) {
        let WriteAnswer { verdicts: more, .. } =
            connector.write(&batch(action, chunk.to_vec())).await.unwrap();
        assert_eq!(more.len(), chunk.len());
        verdicts.extend(more);
    }
    verdicts
}

fn remote_id(verdict: &Verdict) -> RemoteId {
    match verdict {
        Verdict::Created(Some(id)) | Verdict::Updated(Some(id)) | Verdict::Upserted(Some(id)) => {
            id.clone()
        }
        other => panic!("no id in {other:?}"),
    }
}

/// A connector with this manifest text below `base_url`.
fn of_text(text: &str, base_url: &str) -> Result<Rest, BuildError> {
    Rest::of_text("test.yaml", text, settings(base_url, ""))
}
