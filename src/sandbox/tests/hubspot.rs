//! HubSpot's paths and batches, in what its own client does not look at.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Sandbox;

/// An object's records.
async fn held(sandbox: &Sandbox, object: &str) -> Vec<Value> {
    serde_json::from_str(&sandbox.held(&format!("hubspot%2F{object}")).await).unwrap()
}

fn traced(emails: &[&str]) -> Value {
    let input = |email: &&str| json!({"properties": {"email": email}, "associations": [], "objectWriteTraceId": email});
    json!({"inputs": emails.iter().map(input).collect::<Vec<_>>()})
}

#[tokio::test]
async fn all_versions_of_a_path_lead_to_one_record() {
    let sandbox = Sandbox::start("").await;
    let made = json!({"properties": {"email": "a@example.com", "firstname": "Ada"}});
    let made = sandbox.call("POST", "/crm/objects/2026-03/contacts", made).await;
    assert_eq!(made.status, 201, "{made:?}");
    for path in [
        "/crm/v3/objects/0-1/1",
        "/crm/objects/2026-09/contact/1",
        "/crm/objects/2025-09/contacts/a@example.com?idProperty=email",
    ] {
        let read = sandbox.call("GET", path, "").await;
        assert_eq!((read.status, &read.json()["id"]), (200, &json!("1")), "{path}");
        assert_eq!(read.json()["properties"]["firstname"], "Ada", "{path}");
    }
    let other = sandbox.call("GET", "/crm/objects/2031-03/contacts/1", "").await;
    assert_eq!((other.status, &other.json()["category"]), (400, &json!("VALIDATION_ERROR")));
    let unknown = sandbox.call("GET", "/crm/dragons", "").await;
    assert_eq!((unknown.status, &unknown.json()["status"]), (404, &json!("error")));
}

#[tokio::test]
async fn two_inputs_with_one_address_make_one_contact() {
    let sandbox = Sandbox::start("").await;
    let body = traced(&["a@example.com", "A@example.com", "b@example.com"]);
    let reply = sandbox.call("POST", "/crm/objects/2026-03/contacts/batch/create", body).await;
    assert_eq!((reply.status, &reply.json()["numErrors"]), (207, &json!(1)));
    let emails = held(&sandbox, "0-1").await.into_iter().map(|one| one["email"].clone());
    let emails: BTreeSet<String> = emails.map(|one| one.as_str().unwrap().to_owned()).collect();
    assert_eq!(emails, ["a@example.com", "b@example.com"].map(str::to_owned).into());
}

#[tokio::test]
async fn answers_that_are_spoilt_leave_what_was_applied() {
    let sandbox = Sandbox::start(
        "faults:
           - {on: 'POST *', calls: [1], do: drop_results, count: 1}
           - {on: 'POST *', calls: [2], do: reset_after}",
    )
    .await;
    let path = "/crm/objects/2026-03/contacts/batch/create";
    let first = sandbox.call("POST", path, traced(&["a@example.com", "b@example.com"])).await;
    let told = first.json()["results"].as_array().unwrap().len();
    assert!(told < 2, "{first:?}");
    sandbox.try_call("POST", path, traced(&["c@example.com"])).await.unwrap_err();
    assert_eq!(held(&sandbox, "0-1").await.len(), 3);
    let again = sandbox.call("POST", path, traced(&["c@example.com"])).await.json();
    assert_eq!(again["errors"][0]["category"], "CONFLICT");
    assert_eq!(again["errors"][0]["message"], "Contact already exists. Existing ID: 3");
}

#[tokio::test]
async fn too_much_and_no_token_are_told_as_hubspot_does() {
    let sandbox = Sandbox::start("rate_limit: {requests: 1, per_secs: 60}").await;
    let path = "/crm/objects/2026-03/contacts";
    let nobody = super::send(sandbox.request("GET", path)).await.unwrap();
    assert_eq!(
        (nobody.status, &nobody.json()["category"]),
        (401, &json!("INVALID_AUTHENTICATION"))
    );
    assert_eq!(sandbox.call("GET", path, "").await.status, 200);
    let much = sandbox.call("GET", path, "").await;
    assert_eq!((much.status, &much.json()["category"]), (429, &json!("RATE_LIMITS")));
    assert_eq!(much.json()["policyName"], "TEN_SECONDLY_ROLLING");
    assert_eq!(
        ["max", "remaining", "interval-milliseconds"]
            .map(|name| much.header(&format!("x-hubspot-ratelimit-{name}")).to_owned()),
        ["1", "0", "60000"]
    );
    // The search has a limit of its own, and tells none.
    let search = "/crm/objects/2026-03/contacts/search";
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let found = sandbox.call("POST", search, json!({"filterGroups": []})).await;
        assert_eq!(found.header("x-hubspot-ratelimit-max"), "");
        statuses.push(found.status);
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
}

#[tokio::test]
async fn an_object_of_ones_own_has_the_properties_that_were_given() {
    let sandbox = Sandbox::start("").await;
    let body = json!({"name": "car", "labels": {"singular": "Car", "plural": "Cars"}, "properties": [
        {"name": "vin", "label": "VIN", "type": "string", "fieldType": "text", "hasUniqueValue": true},
    ]});
    let made = sandbox.call("POST", "/crm-object-schemas/2026-03/schemas", body).await;
    assert_eq!((made.status, &made.json()["objectTypeId"]), (201, &json!("2-1")), "{made:?}");
    for object in ["car", "2-1", "p62515_car"] {
        let path = format!("/crm/objects/2026-03/{object}/batch/upsert");
        let body = json!({"inputs": [{"id": "V1", "idProperty": "vin", "properties": {}}]});
        let reply = sandbox.call("POST", &path, body).await;
        assert_eq!(reply.json()["results"][0]["new"], json!(object == "car"), "{reply:?}");
    }
    assert_eq!(held(&sandbox, "2-1").await.len(), 1);
    let wrong = json!({"properties": {"wheels": "4"}});
    let wrong = sandbox.call("POST", "/crm/objects/2026-03/car", wrong).await.json();
    assert_eq!(wrong["errors"][0]["code"], "PROPERTY_DOESNT_EXIST");
}
