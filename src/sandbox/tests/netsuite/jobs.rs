//! Jobs: many records in one call, what becomes of each, and a key by which a call is taken once.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{Reply, Sandbox};
use super::assert_refused;

const COLLECTION: (&str, &str) =
    ("content-type", "application/vnd.oracle.resource+json; type=collection");
const ASYNC: (&str, &str) = ("prefer", "respond-async");

impl Sandbox {
    async fn ns_many(&self, method: &str, kind: &str, items: Value) -> Reply {
        let body = json!({"items": items});
        self.ns_with(method, &format!("/record/v1/{kind}"), &[COLLECTION, ASYNC], body).await
    }

    async fn ns_at(&self, location: &str) -> Reply {
        let (_, path) = location.split_once("/services/rest").unwrap();
        self.ns("GET", path, "").await
    }

    /// Waits for a job, and gives what its tasks were answered, in the order of their ids.
    async fn ns_results(&self, job: &Reply) -> (Value, Vec<Reply>) {
        assert_eq!((job.status, job.header("preference-applied")), (202, "respond-async"));
        let location = job.header("location");
        assert!(location.contains("/services/rest/async/v1/job/"), "{location}");
        let told = loop {
            let told = self.ns_at(location).await.json();
            if told["completed"] == true {
                break told;
            }
            assert!(matches!(told["progress"].as_str(), Some("pending" | "processing")), "{told}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let tasks = self.ns_at(told["task"]["links"][0]["href"].as_str().unwrap()).await.json();
        let mut results = Vec::new();
        for task in tasks["items"].as_array().unwrap() {
            let href = task["links"][0]["href"].as_str().unwrap();
            let task = self.ns_at(href).await.json();
            assert_eq!(task["completed"], true);
            let related = task["links"][0]["href"].as_str().unwrap();
            assert!(related.ends_with("/result"), "{related}");
            results.push(self.ns_at(related).await);
        }
        (told, results)
    }
}

fn vendor(name: &str) -> Value {
    json!({"companyName": name, "externalId": name, "subsidiary": {"id": "1"}})
}

#[tokio::test]
async fn each_record_of_a_batch_has_a_result_of_its_own() {
    let sandbox = Sandbox::start("netsuite: {job_ms: 200}").await;
    let items = json!([vendor("A"), {"companyName": "B"}, vendor("C"), vendor("c")]);
    let job = sandbox.ns_many("POST", "vendor", items).await;
    assert_eq!(job.text, "");
    // Nothing is written while the client waits.
    assert!(sandbox.ns_held("vendor").await.is_empty());
    let (told, results) = sandbox.ns_results(&job).await;
    assert_eq!(told["progress"], "failed");
    assert!(told["endTime"].is_string());
    assert_eq!(results.len(), 4);
    assert_eq!((results[0].status, results[0].text.as_str()), (204, ""));
    assert!(results[0].header("location").contains("/services/rest/record/v1/vendor/10"));
    assert_refused(&results[1], 400, "USER_ERROR", "Primary Subsidiary", "");
    // Which of two that are alike is first is not said.
    let mut statuses = [results[2].status, results[3].status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 400]);
    assert_eq!(sandbox.ns_held("vendor").await.len(), 2);

    let items = json!([{"externalId": "A", "phone": "1"}, vendor("D")]);
    let (told, results) = sandbox.ns_results(&sandbox.ns_many("PUT", "vendor", items).await).await;
    assert_eq!((&told["progress"], results.len()), (&json!("succeeded"), 2));
    assert_eq!(sandbox.ns_get("vendor", "eid:A").await["phone"], "1");

    // An id counts before an external id.
    let id = sandbox.ns_get("vendor", "eid:D").await["id"].clone();
    let items = json!([{"id": id, "externalId": "D2", "phone": "2"}, {"externalId": "none"}]);
    let (_, results) = sandbox.ns_results(&sandbox.ns_many("PATCH", "vendor", items).await).await;
    assert_eq!((results[0].status, results[1].status), (204, 404));
    assert_eq!(sandbox.ns_get("vendor", "eid:D2").await["phone"], "2");

    let delete =
        sandbox.ns_with("DELETE", "/record/v1/vendor?ids=eid:A,eid:none", &[ASYNC], "").await;
    let (_, results) = sandbox.ns_results(&delete).await;
    assert_eq!((results[0].status, results[1].status), (204, 404));
    assert!(sandbox.ns("GET", "/record/v1/vendor/eid:A", "").await.status == 404);
}

#[tokio::test]
async fn a_job_is_done_bit_by_bit() {
    let sandbox = Sandbox::start("netsuite: {job_ms: 1000}").await;
    let items: Value = (0..10).map(|n| vendor(&format!("V{n}"))).collect();
    let job = sandbox.ns_many("POST", "vendor", items).await;
    let location = job.header("location");
    let told = sandbox.ns_at(location).await.json();
    assert_eq!((&told["progress"], &told["completed"]), (&json!("pending"), &json!(false)));
    let early = sandbox.ns_at(&format!("{location}/task/1/result")).await;
    assert_refused(&early, 404, "NONEXISTENT_ID", "not completed", "");
    tokio::time::sleep(Duration::from_millis(800)).await;
    let held = sandbox.ns_held("vendor").await;
    assert!((1..10).contains(&held.len()), "{}", held.len());
    let names: Vec<&str> = held.iter().filter_map(|vendor| vendor["entityId"].as_str()).collect();
    assert!(!names.is_sorted() || names[0] != "V0", "{names:?}");
    let (told, _) = sandbox.ns_results(&job).await;
    assert_eq!(
        (&told["progress"], sandbox.ns_held("vendor").await.len()),
        (&json!("succeeded"), 10)
    );
    assert_eq!(sandbox.ns("GET", "/async/v1/job/77", "").await.status, 404);
}

#[tokio::test]
async fn a_key_is_taken_once() {
    let sandbox = Sandbox::start("netsuite: {job_ms: 0}").await;
    let key = ("x-netsuite-idempotency-key", "CAC827EA-3543-4cda-add2-bae634326c27");
    let send = async |headers: &[(&str, &str)]| {
        let path = "/record/v1/customrecord_widget";
        sandbox.ns_with("POST", path, headers, json!({"name": "W"})).await
    };
    let first = send(&[key, ASYNC]).await;
    let (_, results) = sandbox.ns_results(&first).await;
    assert_eq!((results.len(), results[0].status), (1, 204));
    let again =
        send(&[("X-NetSuite-Idempotency-Key", "cac827ea-3543-4cda-add2-bae634326c27"), ASYNC])
            .await;
    assert_refused(
        &again,
        400,
        "IDEMPOTENCY_ERROR",
        "same idempotency key is already submitted",
        "",
    );
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.json()["title"], "Conflict");
    assert_eq!(sandbox.ns_held("customrecord_widget").await.len(), 1);
    // Without `respond-async` it does nothing.
    assert_eq!((send(&[key]).await.status, send(&[key]).await.status), (204, 204));
    assert_eq!(sandbox.ns_held("customrecord_widget").await.len(), 3);
    let odd = send(&[("x-netsuite-idempotency-key", "x"), ASYNC]).await;
    assert_refused(&odd, 400, "INVALID_HEADER", "UUID", "X-NetSuite-Idempotency-Key");
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused() {
    let sandbox = Sandbox::start("").await;
    let many: Value = (0..101).map(|n| vendor(&n.to_string())).collect();
    let refused = sandbox.ns_many("POST", "vendor", many).await;
    assert_refused(&refused, 400, "INVALID_CONTENT", "The maximum is 100", "items");
    let refused = sandbox.ns_many("PUT", "vendor", json!([{"id": "1", "companyName": "A"}])).await;
    assert_refused(&refused, 400, "INVALID_VALUE", "", "externalId");
    let refused = sandbox.ns_many("PATCH", "vendor", json!([{"companyName": "A"}])).await;
    assert_refused(&refused, 400, "INVALID_VALUE", "", "id");
    let body = json!({"items": [vendor("A")]});
    let refused = sandbox.ns_with("POST", "/record/v1/vendor", &[COLLECTION], &body).await;
    assert_refused(&refused, 400, "INVALID_HEADER", "respond-async", "Prefer");
    let refused = sandbox.ns_with("PATCH", "/record/v1/vendor", &[ASYNC], &body).await;
    assert_refused(&refused, 415, "INVALID_HEADER", "type=collection", "Content-Type");
    assert!(sandbox.ns_held("vendor").await.is_empty());
}
