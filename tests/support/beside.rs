//! What is done at the remote beside the program, as somebody else would.

use serde_json::Value;

use super::Remote;

impl Remote {
    /// Calls whose route, with its method, has this in it.
    pub fn calls_of_path(&self, part: &str) -> u64 {
        let calls = self.calls()["calls"].as_object().unwrap().clone();
        let own = calls.iter().filter(|(route, _)| route.contains(part));
        own.map(|(_, count)| count.as_u64().unwrap()).sum()
    }

    /// Deletes one record, as somebody else would.
    pub fn delete(&self, object: &str, id: &str) {
        self.runtime.block_on(async {
            let request = reqwest::Client::new().delete(format!("{}/v1/{object}/{id}", self.url));
            let answer = request.bearer_auth("sandbox-token").send().await.unwrap();
            assert!(answer.status().is_success());
        });
    }

    /// Sends a call without a body, and reads the JSON that comes, if any does.
    pub fn ask(&self, method: &str, path: &str) -> Value {
        self.runtime.block_on(async {
            let method = method.parse().unwrap();
            let request = reqwest::Client::new().request(method, format!("{}{path}", self.url));
            let answer = request.bearer_auth("sandbox-token").send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            #[expect(clippy::disallowed_methods, reason = "our own sandbox answers")]
            let text = answer.text().await.unwrap();
            serde_json::from_str(&text).unwrap_or_default()
        })
    }

    /// The status with which a path is answered.
    pub fn status_of(&self, path: &str) -> u16 {
        self.runtime.block_on(async {
            let request = reqwest::Client::new().get(format!("{}{path}", self.url));
            request.bearer_auth("sandbox-token").send().await.unwrap().status().as_u16()
        })
    }

    /// Posts a body of JSON.
    pub fn post(&self, path: &str, body: &Value) {
        self.send(path, &body.to_string());
    }

    /// Posts a body of JSON or XML, and reads what comes.
    pub fn send(&self, path: &str, body: &str) -> String {
        let kind = if body.starts_with('<') { "text/xml" } else { "application/json" };
        self.runtime.block_on(async {
            let request = reqwest::Client::new().post(format!("{}{path}", self.url));
            let request = request.bearer_auth("sandbox-token").header("content-type", kind);
            let answer = request.body(body.to_owned()).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            #[expect(clippy::disallowed_methods, reason = "our own sandbox answers")]
            answer.text().await.unwrap()
        })
    }

    /// Forgets all records, as if somebody had deleted them.
    pub fn reset(&self) {
        self.runtime.block_on(async {
            let answer = reqwest::Client::new().post(format!("{}/_sandbox/reset", self.url));
            assert!(answer.send().await.unwrap().status().is_success());
        });
    }
}
