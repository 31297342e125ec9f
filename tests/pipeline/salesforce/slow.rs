//! An org that is at work on a call for longer than its answer is waited for: SOQL shows what it makes
//! once that is committed.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use super::stream;
use crate::support::odd::{Odd, World};
use crate::support::{Place, counts};

/// How long the org takes.
const WORK: Duration = Duration::from_secs(3);

fn id(row: &Value) -> String {
    format!("003{:012}AAA", row["id"].as_u64().unwrap())
}

fn answer(world: &mut World, request: &Request) -> ResponseTemplate {
    let field = |name: &str, kind: &str| json!({"name": name, "type": kind, "createable": name != "Id", "updateable": name != "Id"});
    let (path, query) = (request.url.path(), request.url.query().unwrap_or_default());
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let told = if path.ends_with("/sobjects") && request.method == "GET" {
        json!({"sobjects": [{"name": "Contact", "label": "Contact", "labelPlural": "Contacts"}]})
    } else if path.ends_with("/describe") {
        json!({"name": "Contact", "createable": true, "updateable": true, "keyPrefix": "003",
            "fields": [field("Id", "id"), field("LastName", "string"), field("Email", "email")]})
    } else if query.contains("Organization") {
        json!({"records": [{"Id": "00D000000000001AAA"}], "done": true})
    } else if path.ends_with("/query") {
        let shown = world.rows.iter().filter(|row| world.age(row) >= WORK);
        let shown = shown.map(|row| json!({"Id": id(row), "Email": row["Email"]}));
        json!({"records": shown.collect::<Vec<_>>(), "done": true})
    } else if request.method == "POST" {
        let mut results = Vec::new();
        for row in body["records"].as_array().unwrap() {
            let number = world.add(json!({"Email": row["Email"]}));
            results.push(json!({"id": id(&json!({"id": number})), "success": true, "errors": []}));
        }
        return ResponseTemplate::new(200).set_delay(WORK).set_body_json(results);
    } else {
        let results = body["records"].as_array().unwrap().iter();
        let results = results.map(|row| json!({"id": row["id"], "success": true, "errors": []}));
        json!(results.collect::<Vec<_>>())
    };
    ResponseTemplate::new(200).set_body_json(told)
}

#[test]
fn what_an_org_is_still_at_work_on_is_not_made_again() {
    let org = Odd::start(answer);
    let place = Place::with(json!({"connector": "salesforce", "base_url": org.server.uri(),
        "access_token": "session-token", "timeout_secs": 1, "settle_secs": 8, "retry": {"base_millis": 1}}));
    let people: Vec<Value> =
        (0..3).map(|n| json!({"LastName": "Lee", "Email": format!("p{n}@example.com")})).collect();
    place.done(stream("Contact", None, &people));
    assert_eq!(org.world().rows.len(), 3, "{:?}", org.world().asked);
    assert_eq!(place.counts("Contact"), counts([("read", 3), ("updated", 3)]));
}
