//! Salesforce's paths, collections, composites, queries and jobs, in what other clients of it do not
//! look at: what its tests share.

mod many;
mod queries;
mod records;

use serde_json::{Value, json};

use super::{Reply, Sandbox, send};

const DATA: &str = "/services/data/v60.0";

impl Sandbox {
    /// A call below a version of the API.
    async fn sf(&self, method: &str, path: &str, body: impl ToString) -> Reply {
        self.call(method, &format!("{DATA}{path}"), body).await
    }

    /// An object's records, in the order in which they were made.
    async fn sf_held(&self, object: &str) -> Vec<Value> {
        serde_json::from_str(&self.held(&format!("salesforce%2F{object}")).await).unwrap()
    }

    async fn soql(&self, query: &str) -> Value {
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        self.sf("GET", &format!("/query?q={query}"), "").await.json()
    }

    /// The values of one field in what a query finds.
    async fn found(&self, query: &str, field: &str) -> Vec<Value> {
        let answer = self.soql(query).await;
        let records = answer["records"].as_array().unwrap_or_else(|| panic!("{query}: {answer}"));
        records.iter().map(|record| record[field].clone()).collect()
    }

    async fn make(&self, object: &str, body: Value) -> String {
        let made = self.sf("POST", &format!("/sobjects/{object}"), body).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// A bulk job with this upload, closed.
    async fn job(&self, job: Value, csv: &str) -> String {
        let made = self.sf("POST", "/jobs/ingest", job).await;
        assert_eq!(made.status, 200, "{made:?}");
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let upload = self.request("PUT", &format!("{DATA}/jobs/ingest/{id}/batches"));
        let upload = upload.bearer_auth("sandbox-token").header("content-type", "text/csv");
        let upload = send(upload.body(csv.to_owned())).await.unwrap();
        assert_eq!((upload.status, &*upload.text), (201, ""));
        let path = format!("/jobs/ingest/{id}");
        let closed = self.sf("PATCH", &path, json!({"state": "UploadComplete"})).await;
        assert_eq!((closed.status, &closed.json()["state"]), (200, &json!("UploadComplete")));
        id
    }

    /// The rows of a job's results, without their header, in a settled order.
    async fn results(&self, job: &str, which: &str) -> Vec<Vec<String>> {
        let reply = self.sf("GET", &format!("/jobs/ingest/{job}/{which}"), "").await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "text/csv"));
        let mut rows = csv::Reader::from_reader(reply.text.as_bytes());
        let mut rows: Vec<Vec<String>> =
            rows.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
        rows.sort_by(|left, right| left.last().cmp(&right.last()));
        rows
    }
}

fn code(reply: &Reply) -> (u16, String) {
    (reply.status, reply.json()[0]["errorCode"].as_str().unwrap_or_default().to_owned())
}

fn typed(object: &str, mut record: Value) -> Value {
    record["attributes"] = json!({"type": object});
    record
}

fn refused(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}
