//! The generic API target: configs of the platform's `target-api`, and what the server received.

mod batches;
mod doubt;
mod posts;
mod settings;

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers};

use crate::support::Place;

/// A server that remembers what it was sent, and answers as the test says.
struct Receiver {
    runtime: tokio::runtime::Runtime,
    server: MockServer,
}

impl Receiver {
    fn new(answer: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            Mock::given(matchers::any()).respond_with(answer).mount(&server).await;
            server
        });
        Self { runtime, server }
    }

    /// One that takes everything.
    fn taking() -> Self {
        Self::new(|_| ResponseTemplate::new(200))
    }

    /// The requests, in the order in which they came.
    fn requests(&self) -> Vec<Request> {
        self.runtime.block_on(self.server.received_requests()).unwrap()
    }

    /// Their bodies.
    fn bodies(&self) -> Vec<String> {
        self.requests().into_iter().map(|one| String::from_utf8(one.body).unwrap()).collect()
    }

    /// A place whose jobs post to it.
    fn place(&self, config: &Value) -> Place {
        let mut all = json!({
            "connector": "api",
            "url": format!("{}/in/{{stream}}", self.server.uri()),
            "retry": {"base_millis": 1},
        });
        all.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        Place::with(all)
    }
}

/// A SCHEMA line of a stream with an `externalId` and an `id`.
fn with_id(stream: &str) -> String {
    json!({"type": "SCHEMA", "stream": stream, "key_properties": ["id"],
        "schema": {"type": "object", "properties": {"externalId": {}, "id": {}}}})
    .to_string()
        + "\n"
}

/// A RECORD line of this text, whose digits stay.
fn raw(stream: &str, record: &str) -> String {
    format!("{{\"type\":\"RECORD\",\"stream\":\"{stream}\",\"record\":{record}}}\n")
}

fn numbered(stream: &str, from: usize, to: usize) -> String {
    (from..to).map(|n| raw(stream, &format!(r#"{{"externalId":"e-{n}","n":{n}}}"#))).collect()
}

/// The values of `n` in a body, in their order.
fn values(body: &str) -> Vec<u64> {
    match serde_json::from_str(body).unwrap() {
        Value::Array(records) => records.iter().map(|one| one["n"].as_u64().unwrap()).collect(),
        one => vec![one["n"].as_u64().unwrap()],
    }
}

/// A state entry less its hash, which is checked to be one.
fn entry(entry: &Value) -> Value {
    let mut entry = entry.clone();
    let hash = entry.as_object_mut().unwrap().remove("hash").unwrap();
    assert_eq!(hash.as_str().unwrap().len(), 64);
    entry
}
