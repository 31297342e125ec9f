//! The sandbox over a real socket; each test asks in the end what the remote holds.

mod bulk;
mod data;
mod faults;
mod hubspot;
mod netsuite;
mod records;
mod salesforce;
mod tokens;

use std::fmt::Debug;
use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::{Options, Running, start};

/// A sandbox of the test's own, and a client that follows no redirects.
#[derive(Debug)]
struct Sandbox {
    running: Running,
    client: Client,
}

/// An answer that has been read to its end.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Sandbox {
    /// With a faults file of this text.
    async fn start(faults: &str) -> Self {
        let faults = faults.parse().unwrap();
        Self::with(Options { faults, ..Options::default() }).await
    }

    async fn with(options: Options) -> Self {
        let running = start(options).await.unwrap();
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        Self { running, client }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.running.address());
        self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), url)
    }

    /// A request with the static token; `body` is JSON text, none when empty.
    async fn call(&self, method: &str, path: &str, body: impl ToString) -> Reply {
        self.try_call(method, path, body).await.unwrap()
    }

    async fn try_call(
        &self,
        method: &str,
        path: &str,
        body: impl ToString,
    ) -> Result<Reply, reqwest::Error> {
        let mut request = self.request(method, path).bearer_auth("sandbox-token");
        let body = body.to_string();
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body);
        }
        send(request).await
    }

    /// What the remote holds, as text.
    async fn held(&self, object: &str) -> String {
        self.call("GET", &format!("/_sandbox/objects/{object}"), "").await.text
    }

    async fn calls(&self) -> Value {
        self.call("GET", "/_sandbox/calls", "").await.json()
    }
}

async fn send(request: reqwest::RequestBuilder) -> Result<Reply, reqwest::Error> {
    let mut response = request.send().await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(Reply { status: status.as_u16(), headers, text: String::from_utf8(bytes).unwrap() })
}

/// `{"inputs":[…]}` of records with these external ids.
fn inputs(ids: impl IntoIterator<Item = impl Debug>) -> Value {
    let inputs: Vec<_> = ids.into_iter().map(|id| json!({"ext_id": format!("{id:?}")})).collect();
    json!({"inputs": inputs})
}

#[tokio::test]
async fn what_is_stopped_answers_no_more() {
    let sandbox = Sandbox::start("faults: [{on: '*', do: hang, ms: 60000}]").await;
    let url = format!("http://{}/v1/me", sandbox.running.address());
    let waiting =
        tokio::spawn(sandbox.request("GET", "/v1/me").bearer_auth("sandbox-token").send());
    tokio::time::sleep(Duration::from_millis(100)).await;
    tokio::time::timeout(Duration::from_secs(5), sandbox.running.stop()).await.unwrap();
    waiting.await.unwrap().unwrap_err();
    sandbox.client.get(url).send().await.unwrap_err();
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let sandbox = Sandbox::start("").await;
    assert!(sandbox.running.address().ip().is_loopback());
    let port = sandbox.running.address().port();
    let error = start(Options { port, ..Options::default() }).await.unwrap_err();
    assert!(matches!(error, super::SandboxError::Bind { port: taken, .. } if taken == port));
}

#[tokio::test]
async fn a_reset_forgets_everything() {
    let sandbox =
        Sandbox::start("faults: [{on: 'GET *', calls: [2], do: status, status: 500}]").await;
    for _ in 0..2 {
        let made = sandbox.call("POST", "/v1/contacts", json!({"name": "x"})).await;
        assert_eq!(made.json(), json!({"id": "1", "name": "x"}));
        assert_eq!(sandbox.call("GET", "/v1/me", "").await.status, 200);
        assert_eq!(sandbox.call("GET", "/v1/me", "").await.status, 500);
        assert_eq!(sandbox.calls().await["records_created"], 1);
        let reset = sandbox.call("POST", "/_sandbox/reset", "").await;
        assert_eq!(reset.status, StatusCode::NO_CONTENT);
        assert_eq!(sandbox.held("contacts").await, "[]");
        assert_eq!(sandbox.calls().await["calls"], json!({}));
    }
}
