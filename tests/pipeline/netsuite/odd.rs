//! Answers that NetSuite should not give, and that overwrite nothing and hide nothing.

use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use super::{place_at, stream};
use crate::support::counts;
use crate::support::odd::{Odd, World};

fn rows(rows: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"items": rows, "hasMore": false}))
}

fn refused(status: u16, code: &str) -> ResponseTemplate {
    let details = json!([{"detail": "No.", "o:errorCode": code}]);
    ResponseTemplate::new(status)
        .set_body_json(json!({"title": "x", "status": status, "o:errorDetails": details}))
}

fn at(path: &str) -> ResponseTemplate {
    ResponseTemplate::new(204).insert_header("Location", format!("http://h/services/rest{path}"))
}

/// A lookup shows a bill that was deleted, whose id is another bill's external id.
fn deleted(_: &mut World, request: &Request) -> ResponseTemplate {
    let (path, body) = (request.url.path(), String::from_utf8_lossy(&request.body));
    match request.method.as_str() {
        "POST" if path.ends_with("/suiteql") => rows(&match &*body {
            body if body.contains("FROM vendor") => json!([{"id": "1", "externalid": "v-1"}]),
            body if body.contains("FROM account") => json!([{"id": "12", "acctnumber": "6000"}]),
            body if body.contains("tranid IN") => {
                json!([{"id": "999", "tranid": "N2", "entity": "1"}])
            }
            _ => json!([]),
        }),
        "GET" if path.ends_with("/vendorBill/eid:999") => ResponseTemplate::new(200)
            .set_body_json(json!({"id": "5", "externalId": "999", "entity": {"id": "1"}})),
        "PATCH" if path.ends_with("/vendorBill/eid:999") => at("/record/v1/vendorbill/5"),
        _ => refused(404, "NONEXISTENT_ID"),
    }
}

#[test]
fn an_id_that_was_looked_up_is_nobodys_external_id() {
    let odd = Odd::start(deleted);
    let place = place_at(&odd.server.uri()).set("identity", "platform");
    let bill = json!({"billNumber": "N2", "vendorExternalId": "v-1",
        "expenses": [{"accountNumber": "6000", "description": "x", "amount": 5}]});
    place.run(stream("Bills", &[bill]));
    let asked = odd.world().asked.clone();
    assert!(asked.iter().any(|call| call.contains("GET") && call.contains("/vendorBill/999")));
    assert!(!asked.iter().any(|call| call.contains("eid:999")), "{asked:#?}");
    // Where the record says it itself, it may be the user's.
    let own = json!({"id": "999", "description": "mine"});
    place.done(stream("Bills", &[own]));
    assert!(odd.world().asked.iter().any(|call| call.starts_with("PATCH")));
}

/// A job's list of tasks has one of them twice, and leaves out the one that has failed.
fn forgetful(_: &mut World, request: &Request) -> ResponseTemplate {
    let path = request.url.path();
    match request.method.as_str() {
        "POST" if path.ends_with("/suiteql") => {
            rows(&json!([{"id": "1", "externalid": "x-1"}, {"id": "2", "externalid": "x-2"}]))
        }
        "PUT" if path.ends_with("/vendor") => {
            let job = "http://h/services/rest/async/v1/job/7";
            ResponseTemplate::new(202).insert_header("Location", job)
        }
        "PUT" if path.ends_with("/eid:x-1") => at("/record/v1/vendor/1"),
        "PUT" => refused(400, "USER_ERROR"),
        _ if path.ends_with("/job/7") => {
            ResponseTemplate::new(200).set_body_json(json!({"completed": true}))
        }
        _ if path.ends_with("/task") => rows(&json!([{"id": "1"}, {"id": "1"}])),
        _ if path.ends_with("/result") => ResponseTemplate::new(204),
        _ => rows(&json!([])),
    }
}

#[test]
fn each_record_of_a_job_has_a_task_of_its_own() {
    let odd = Odd::start(forgetful);
    let place = place_at(&odd.server.uri()).set("bulk_from", 2);
    let vendor = |n| json!({"externalId": format!("x-{n}"), "companyName": "New"});
    place.done(stream("vendor", &[vendor(1), vendor(2)]));
    assert_eq!(place.counts("vendor"), counts([("read", 2), ("created", 1), ("rejected", 1)]));
}
