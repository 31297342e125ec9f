//! NetSuite's records, jobs, queries and logins: what its tests share.

mod jobs;
mod logins;
mod queries;
mod records;
mod transactions;

use serde_json::{Value, json};

use super::{Reply, Sandbox, send};

const REST: &str = "/services/rest";

impl Sandbox {
    /// A call below `/services/rest`, with headers.
    async fn ns_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl ToString,
    ) -> Reply {
        let mut request = self.request(method, &format!("{REST}{path}"));
        request = request.bearer_auth("sandbox-token").body(body.to_string());
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request).await.unwrap()
    }

    async fn ns(&self, method: &str, path: &str, body: impl ToString) -> Reply {
        self.ns_with(method, path, &[], body).await
    }

    /// Makes a record, and gives its id.
    async fn ns_make(&self, kind: &str, body: Value) -> String {
        let made = self.ns("POST", &format!("/record/v1/{kind}"), body).await;
        assert_eq!((made.status, made.text.as_str()), (204, ""), "{made:?}");
        id(&made, kind)
    }

    /// A record with all that it holds.
    async fn ns_get(&self, kind: &str, id: &str) -> Value {
        let path = format!("/record/v1/{kind}/{id}?expandSubResources=true");
        let reply = self.ns("GET", &path, "").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    async fn ns_query(&self, q: &str, page: &str) -> Reply {
        let body = json!({"q": q});
        let headers = [("prefer", "transient")];
        self.ns_with("POST", &format!("/query/v1/suiteql{page}"), &headers, body).await
    }

    /// The rows of a query, without their links.
    async fn ns_rows(&self, q: &str) -> Vec<Value> {
        let reply = self.ns_query(q, "").await;
        assert_eq!(reply.status, 200, "{q}: {reply:?}");
        let mut rows = reply.json()["items"].as_array().unwrap().clone();
        for row in &mut rows {
            assert_eq!(row.as_object_mut().unwrap().shift_remove("links"), Some(json!([])));
        }
        rows
    }

    /// What the remote holds of a type.
    async fn ns_held(&self, kind: &str) -> Vec<Value> {
        serde_json::from_str(&self.held(&format!("netsuite%2F{kind}")).await).unwrap()
    }

    /// A vendor of the first subsidiary.
    async fn vendor(&self, name: &str) -> String {
        let vendor = json!({"companyName": name, "externalId": format!("V-{name}"),
            "subsidiary": {"id": "1"}});
        self.ns_make("vendor", vendor).await
    }
}

/// The id in a `Location`.
fn id(reply: &Reply, kind: &str) -> String {
    let location = reply.header("location");
    let (base, id) = location.rsplit_once('/').unwrap();
    assert!(base.ends_with(&format!("{REST}/record/v1/{kind}")), "{location}");
    assert!(location.starts_with("http://127.0.0.1:"), "{location}");
    id.to_owned()
}

/// Status, code, detail, and the part of the call that a refusal is about.
fn refusal(reply: &Reply) -> (u16, String, String, String) {
    let media_type = "application/vnd.oracle.resource+json; type=error";
    assert_eq!(reply.header("content-type"), media_type, "{reply:?}");
    let body = reply.json();
    assert_eq!(body["status"], reply.status, "{body}");
    assert!(body["type"].as_str().unwrap().starts_with("https://www.rfc-editor.org/rfc/rfc"));
    let error = &body["o:errorDetails"][0];
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    let about = ["o:errorPath", "o:errorQueryParam", "o:errorHeader"].map(text).concat();
    (reply.status, text("o:errorCode"), text("detail"), about)
}

#[track_caller]
fn assert_refused(reply: &Reply, status: u16, code: &str, detail: &str, about: &str) {
    let (own_status, own_code, own_detail, own_about) = refusal(reply);
    assert_eq!(
        (own_status, own_code.as_str(), own_about.as_str()),
        (status, code, about),
        "{reply:?}"
    );
    assert!(own_detail.contains(detail), "{own_detail:?} has no {detail:?}");
}
