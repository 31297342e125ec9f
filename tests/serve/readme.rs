//! What the README has its readers try.

use serde_json::json;

use crate::service::Service;
use crate::support::fixture;

#[test]
fn the_service_to_try_writes_without_an_account() {
    let text = std::fs::read_to_string(fixture("serve/sandbox.yaml")).unwrap();
    let service = Service::of(&text);
    let record = json!({"data": {"externalId": "c-1", "email": "ada@example.com"}});
    let told = service.post("/dev/crm/acme/connectors/rest/contacts", &record).is(200);
    assert_eq!(told["state"]["bookmarks"]["contacts"][0]["success"], true, "{told}");
    let job = json!({"connector_id": "rest", "job_type": "write", "state": {"contacts": [{"externalId": "c-2"}]}});
    let job = service.post("/v2/dev/crm/acme/jobs", &job).is(201);
    assert_eq!(service.ended(job["job_id"].as_str().unwrap())["status"], "succeeded");
    assert_eq!(service.get("/healthz").text, "ok\n");
    assert_eq!(service.get("/api/v1/openapi.json").is(200)["openapi"], "3.1.0");
}

#[test]
fn the_tap_to_try_goes_on_where_it_was() {
    let text = std::fs::read_to_string(fixture("serve/tap.yaml")).unwrap();
    let folder = fixture("serve").display().to_string();
    let service = Service::of(&text.replace("fixtures/serve", &folder));
    let job = json!({"environment": "dev", "flow": "crm", "tenant": "acme", "connector": "rest",
        "tap": "contacts"});
    for (run, first) in ["c-1", "c-4"].into_iter().enumerate() {
        let job = service.post("/api/v1/jobs", &job).is(201);
        let id = job["id"].as_str().unwrap();
        assert_eq!(service.ended(id)["status"], "succeeded");
        let told = service.get(&format!("/api/v1/jobs/{id}/state")).is(200);
        assert_eq!(told["mappings"]["contacts"][0]["InputId"], first);
        let state = service.get("/api/v1/taps/dev/crm/acme/rest/contacts/state").is(200);
        assert_eq!(state["state"], json!({"next": 4 + 3 * run}));
    }
}
