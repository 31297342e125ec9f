//! Answers that HubSpot gives, and worse ones: what they say of each record.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use url::Url;

use super::judge::{Sent, verdicts};
use super::part::Part;
use super::problem::{Problem, failure};
use crate::connector::contract::{Action, RequestError, Verdict, Write};
use crate::connector::http::{Answer, Call, Redactor};
use crate::record::RemoteId;

fn answer(status: u16, body: &Value) -> Answer {
    Answer::new(status, HeaderMap::new(), body.to_string(), Url::parse("http://h").unwrap())
}

fn write(n: usize) -> Write {
    Write {
        external_id: Some(format!("e{n}").as_str().into()),
        remote_id: Some(RemoteId::new(format!("{n}"))),
        version: None,
        body: format!(r#"{{"email":"p{n}@example.com"}}"#).into(),
        key: "".into(),
        says_id: false,
        stands_in: false,
        has_waited: false,
    }
}

/// What an answer says of `count` records, in short.
fn said(action: Action, count: usize, status: u16, body: &Value) -> Option<Vec<String>> {
    let writes: Vec<Write> = (0..count).map(write).collect();
    let parts: Vec<Part> =
        writes.iter().map(|write| Part::of(write, action, Some("erp_id")).unwrap()).collect();
    let inputs: Vec<(&Write, &Part)> = writes.iter().zip(&parts).collect();
    let sent = Sent { action, property: Some("erp_id"), inputs: &inputs };
    let verdicts = verdicts(&sent, &answer(status, body), &Redactor::default())?;
    let short = |verdict: Verdict| match verdict {
        Verdict::Created(id) => format!("created {}", id.unwrap()),
        Verdict::Updated(id) => format!("updated {}", id.unwrap()),
        Verdict::Upserted(id) => format!("upserted {}", id.unwrap()),
        Verdict::Exists(id) => format!("exists {}", id.map_or("?".into(), |id| id.to_string())),
        Verdict::Rejected(no) => format!("rejected {}", no.code.unwrap_or_default()),
        Verdict::InDoubt(_) => "in doubt".to_owned(),
        Verdict::Missing => "missing".to_owned(),
        other => format!("{other:?}"),
    };
    Some(verdicts.into_iter().map(short).collect())
}

fn result(n: usize, id: &str) -> Value {
    json!({"id": id, "objectWriteTraceId": format!("record-{n}"), "properties": {}, "new": n == 0})
}

#[test]
fn results_are_known_by_their_traces() {
    let body = json!({"status": "COMPLETE", "results": [result(2, "12"), result(0, "10")]});
    let created = said(Action::Create, 3, 201, &body).unwrap();
    assert_eq!(created, ["created 10", "in doubt", "created 12"]);
    let upserted = said(Action::Upsert, 3, 200, &body).unwrap();
    assert_eq!(upserted, ["created 10", "in doubt", "updated 12"]);
    // A stranger's says nothing more.
    let body = json!({"results": [result(0, "10"), result(9, "19"), {"id": "7"}]});
    assert_eq!(said(Action::Create, 2, 201, &body).unwrap(), ["created 10", "in doubt"]);
}

/// What is said of a record twice, or of two at once, is in doubt.
#[test]
fn contradictions_are_in_doubt() {
    let both = |action, results: Value| said(action, 2, 200, &json!({"results": results})).unwrap();
    let doubt = ["in doubt", "in doubt"];
    assert_eq!(both(Action::Create, json!([result(0, "10"), result(0, "11")])), doubt);
    assert_eq!(both(Action::Create, json!([result(0, "10"), result(1, "10")])), doubt);
    assert_eq!(both(Action::Upsert, json!([result(0, "10"), result(1, "10")])), doubt);
    let of = |n: usize, id: &str, erp_id: &str| json!({"id": id, "objectWriteTraceId": format!("record-{n}"), "properties": {"erp_id": erp_id}, "new": true});
    for action in [Action::Create, Action::Upsert] {
        assert_eq!(both(action, json!([of(0, "10", "e1"), of(1, "11", "e0")])), doubt);
        assert_eq!(
            both(action, json!([of(0, "10", "e0"), of(1, "11", "e1")])),
            ["created 10", "created 11"]
        );
    }
    // A value that HubSpot spells otherwise is nobody else's.
    assert_eq!(
        both(Action::Create, json!([of(0, "10", "E-0"), of(1, "11", "e1")])),
        ["created 10", "created 11"]
    );
    // Another id than the one that was sent: the record was merged into that, which may be the
    // other's, where its own result says so too.
    assert_eq!(
        both(Action::Update, json!([result(0, "7"), result(1, "7")])),
        ["updated 7", "updated 7"]
    );
    assert_eq!(
        both(Action::Update, json!([result(0, "1"), result(1, "1")])),
        ["updated 1", "updated 1"]
    );
    assert_eq!(both(Action::Update, json!([result(0, "1"), result(1, "0")])), doubt);
}

#[test]
fn without_traces_ids_and_values_tell() {
    let untraced = |id: &str, properties: Value| json!({"id": id, "properties": properties});
    let body = json!({"results": [untraced("1", json!({})), untraced("0", json!({}))]});
    assert_eq!(said(Action::Update, 2, 200, &body).unwrap(), ["updated 0", "updated 1"]);
    let body = json!({"results": [untraced("11", json!({"erp_id": "e1"})), untraced("10", json!({"erp_id": "e0"}))]});
    assert_eq!(said(Action::Upsert, 2, 200, &body).unwrap(), ["upserted 10", "upserted 11"]);
    let body = json!({"results": [untraced("11", json!({"erp_id": "E1"}))]});
    assert_eq!(said(Action::Upsert, 2, 200, &body).unwrap(), ["in doubt", "in doubt"]);
    let of = |n: usize| json!({"email": format!("p{n}@example.com"), "erp_id": format!("e{n}"), "more": "x"});
    let body =
        json!({"results": [untraced("11", of(1)), untraced("10", of(0)), untraced("15", of(5))]});
    assert_eq!(
        said(Action::Create, 3, 201, &body).unwrap(),
        ["created 10", "created 11", "in doubt"]
    );
}

#[test]
fn refusals_are_told_record_by_record() {
    let error = |category: &str, context: Value| json!({"status": "error", "category": category, "message": "no", "context": context});
    let traced = |n: usize| json!({"objectWriteTraceId": [format!("record-{n}")]});
    let body = json!({"results": [result(0, "10")], "numErrors": 1, "errors": [error("VALIDATION_ERROR", traced(2))]});
    assert_eq!(
        said(Action::Create, 3, 207, &body).unwrap(),
        ["created 10", "in doubt", "rejected VALIDATION_ERROR"]
    );
    // Several in one, by the ids that were asked for.
    let body = json!({"results": [result(1, "1")], "errors": [error("OBJECT_NOT_FOUND", json!({"ids": ["0", "2"]}))]});
    assert_eq!(said(Action::Update, 3, 207, &body).unwrap(), ["missing", "updated 1", "missing"]);
    // One that names nobody is of the only one that nothing else is said of.
    let body =
        json!({"results": [result(0, "10")], "errors": [error("VALIDATION_ERROR", json!({}))]});
    assert_eq!(
        said(Action::Create, 2, 207, &body).unwrap(),
        ["created 10", "rejected VALIDATION_ERROR"]
    );
    assert_eq!(
        said(Action::Create, 3, 207, &body).unwrap(),
        ["created 10", "in doubt", "in doubt"]
    );
    // As many refusals as records that nothing names: none of them was applied.
    let two = |first: Value, second: Value| json!({"results": [], "numErrors": 2, "errors": [first, second]});
    let exists = |id: u32| json!({"category": "CONFLICT", "message": format!("Contact already exists. Existing ID: {id}")});
    let validation = || error("VALIDATION_ERROR", json!({}));
    let all = |action, body: &Value| said(action, 2, 207, body).unwrap().join(", ");
    let no = "rejected VALIDATION_ERROR, rejected VALIDATION_ERROR";
    assert_eq!(all(Action::Create, &two(validation(), validation())), no);
    // Both may be about one of them, where nobody says that it is one for each.
    let uncounted = json!({"results": [], "errors": [validation(), validation()]});
    assert_eq!(all(Action::Create, &uncounted), "in doubt, in doubt");
    // But whose id it is, or which of them is missing, nobody knows.
    for body in [two(exists(5), exists(6)), two(exists(5), exists(5)), two(exists(5), validation())]
    {
        assert_eq!(all(Action::Create, &body), "in doubt, in doubt");
    }
    let body = two(error("OBJECT_NOT_FOUND", json!({})), validation());
    assert_eq!(all(Action::Update, &body), "in doubt, in doubt");
    // What may have been applied is not sent again, though it is said to be busy too.
    let traced = |category: &str| error(category, json!({"objectWriteTraceId": ["record-0"]}));
    let body = json!({"results": [], "errors": [traced("RATE_LIMITS"), traced("INTERNAL_ERROR")]});
    assert_eq!(said(Action::Create, 1, 207, &body).unwrap(), ["in doubt"]);
    // What went wrong there says nothing of what was applied.
    let body = json!({"results": [], "errors": [error("INTERNAL_ERROR", json!({}))]});
    assert_eq!(said(Action::Create, 1, 207, &body).unwrap(), ["in doubt"]);
}

/// What was written, and what is said beside it.
#[test]
fn a_refusal_beside_results_is_told() {
    let error = |context: Value| json!({"category": "VALIDATION_ERROR", "message": "no", "context": context});
    let told = |context: Value| {
        let body =
            json!({"results": [result(0, "10"), result(1, "11")], "errors": [error(context)]});
        said(Action::Create, 2, 207, &body).unwrap()
    };
    let altered = r#"Altered(Some("10"), "no")"#;
    assert_eq!(told(json!({"objectWriteTraceId": ["record-0"]})), [altered, "created 11"]);
    let all = told(json!({}));
    assert!(
        all.iter().all(|one| one.starts_with("Altered(") && one.contains("of one record")),
        "{all:?}"
    );
}

/// Nothing of a call that is refused as a whole was applied: one that does not speak of each record
/// says nothing of them, and is halved.
#[test]
fn a_refused_call_speaks_of_all_or_of_none() {
    let of = |n: usize| json!({"message": "bad", "context": {"objectWriteTraceId": [format!("record-{n}")]}});
    let body =
        |errors: Value| json!({"category": "VALIDATION_ERROR", "message": "no", "errors": errors});
    assert_eq!(said(Action::Create, 2, 400, &body(json!([of(1)]))), None);
    let all = said(Action::Create, 2, 400, &body(json!([of(1), of(0)]))).unwrap();
    assert_eq!(all, ["rejected VALIDATION_ERROR"; 2]);
    // Whatever it lists.
    for status in [401, 403, 429, 500, 503] {
        assert_eq!(said(Action::Create, 2, status, &body(json!([of(1), of(0)]))), None);
    }
}

/// Ids may be numbers, and what is not archived is not gone.
#[test]
fn what_was_archived_is_told_by_what_was_not() {
    let gone =
        |status: u16, body: &Value| said(Action::Delete, 2, status, body).unwrap().join(", ");
    let error = |ids: Value| json!({"category": "VALIDATION_ERROR", "message": "no", "context": {"ids": ids}});
    let told = |error: Value| json!({"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [error]});
    assert_eq!(gone(200, &json!({"status": "COMPLETE", "results": []})), "Deleted, Deleted");
    assert_eq!(gone(207, &told(error(json!([1])))), "Deleted, rejected VALIDATION_ERROR");
    assert_eq!(gone(207, &told(error(json!([])))), "in doubt, in doubt");
    // Another one is not listed.
    let two = json!({"results": [], "numErrors": 2, "errors": [error(json!([1]))]});
    assert_eq!(gone(207, &two), "in doubt, rejected VALIDATION_ERROR");
    assert_eq!(
        gone(200, &json!({"status": "error", "category": "VALIDATION_ERROR"})),
        "in doubt, in doubt"
    );
}

/// As HubSpot answered a batch, in June 2026.
#[test]
fn what_is_wrong_with_properties_is_told_by_name() {
    let message = r#"Property values were not valid: [{"isValid":false,"message":"Email address nonsense is invalid","error":"INVALID_EMAIL","name":"email","localizedErrorMessage":"Email address nonsense is invalid","portalId":1}]"#;
    let body = json!({"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [{"status": "error",
        "category": "VALIDATION_ERROR", "message": message, "context": {"objectWriteTraceId": ["record-0"]}}]});
    assert_eq!(said(Action::Create, 1, 207, &body).unwrap(), ["rejected INVALID_EMAIL"]);
    let rejection = Problem(&body["errors"][0]).rejection(&Redactor::default());
    assert_eq!(
        &*rejection.message,
        "Property values were not valid: `email`: Email address nonsense is invalid"
    );
}

#[test]
fn what_is_there_already_is_named() {
    let conflict = json!({"status": "error", "category": "CONFLICT", "message": "Contact already exists. Existing ID: 512"});
    assert_eq!(said(Action::Create, 1, 409, &conflict).unwrap(), ["exists 512"]);
    // Of a call with several, nobody knows which.
    assert_eq!(said(Action::Create, 2, 409, &conflict), None);
    let body = |name: &str| {
        let list = json!([{"isValid": false, "message": "77 already has that value.", "error":
            "CONFLICTING_UNIQUE_VALUE", "name": name}]);
        json!({"errors": [{"status": "error", "category": "VALIDATION_ERROR", "message":
            format!("Property values were not valid: {list}"), "context": {"objectWriteTraceId": ["record-0"]}}]})
    };
    assert_eq!(said(Action::Create, 1, 207, &body("erp_id")).unwrap(), ["exists 77"]);
    // Another property is not what it is known by.
    let other = said(Action::Create, 1, 207, &body("other_id")).unwrap();
    assert_eq!(other, ["rejected CONFLICTING_UNIQUE_VALUE"]);
    let update = said(Action::Update, 1, 207, &body("erp_id")).unwrap();
    assert_eq!(update, ["rejected CONFLICTING_UNIQUE_VALUE"]);
}

#[test]
fn calls_that_fail_say_what_to_do() {
    let call = Call::Write { action: Action::Create, single: false };
    let failed =
        |status: u16, body: Value| failure(&answer(status, &body), call, &Redactor::default());
    let wait = |error: RequestError| match error {
        RequestError::Throttled { retry_after, .. } => retry_after.map(|wait| wait.as_secs()),
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(failed(423, json!({}))), Some(2));
    assert_eq!(wait(failed(477, json!({}))), Some(60));
    let limit = |policy: &str| json!({"category": "RATE_LIMITS", "policyName": policy});
    assert_eq!(wait(failed(429, limit("DAILY"))), Some(86_400));
    assert_eq!(wait(failed(429, limit("SECONDLY"))), Some(1));
    assert_eq!(wait(failed(429, limit("TEN_SECONDLY_ROLLING"))), None);
    let refused = failed(
        400,
        json!({"category": "VALIDATION_ERROR", "message":
        "Unable to perform update/upsert by non-unique 0-2 property name in portal ID 1"}),
    );
    assert!(matches!(refused, RequestError::Refused { status: 400, .. }), "{refused:?}");
    for status in [500, 502, 504] {
        assert!(matches!(failed(status, json!({})), RequestError::InDoubt { .. }));
    }
    let scopes = failed(
        403,
        json!({"category": "MISSING_SCOPES", "message": "No.", "errors": [
        {"message": "needed", "context": {"requiredGranularScopes": ["a.read", "a.write"]}}]}),
    );
    assert!(scopes.to_string().contains("(scopes: a.read, a.write)"), "{scopes}");
}
