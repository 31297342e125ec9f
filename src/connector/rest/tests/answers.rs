//! What odd answers mean, by one fixed answer each.

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::connector::contract::RequestError;

const MANIFEST: &str = r#"
version: 1
name: odd
base_url: "{{ config.base_url }}"
answers:
  - { when: "{{ body.slow_down }}", is: throttled }
  - { when: "{{ status == 404 and body.code == 'NO_ROWS' }}", is: missing }
row_answers:
  - { when: "{{ row.state == 'locked' }}", is: busy, message: $.why }
  - { when: "{{ row.state == 'same' }}", is: unchanged }
streams:
  "*":
    external_id_property: key
    lookup: { method: GET, path: /find, query: { keys: "{{ external_ids | join(',') }}" },
              rows: "$.rows[*]", remote_id: $.id, next: $.next }
    create: { method: POST, path: /new, body: "{{ record }}", remote_id: $.id }
    upsert: { method: POST, path: /all, body: "{{ records }}", max_records: 10, rows: "$.rows[*]",
              match: MATCH, index: $.at, external_id: $.key, remote_id: $.id, error: $.error }
    update: { method: PATCH, path: "/one/{{ remote_id }}", body: "{{ record }}" }
"#;

async fn answering(answer: ResponseTemplate, matched: &str) -> (MockServer, Rest) {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let connector = of_text(&MANIFEST.replace("MATCH", matched), &server.uri()).unwrap();
    (server, connector)
}

async fn upsert(body: Value, matched: &str) -> Vec<Verdict> {
    let (_server, connector) =
        answering(ResponseTemplate::new(200).set_body_json(body), matched).await;
    let writes = ["7", "b", "c"].iter().map(|id| write(Some(id), None, "{}")).collect();
    connector.write(&batch(Action::Upsert, writes)).await.unwrap().verdicts
}

fn short(verdicts: &[Verdict]) -> String {
    let words = verdicts.iter().map(|verdict| match verdict {
        Verdict::Upserted(Some(id)) => format!("upserted {id}"),
        Verdict::Unchanged(Some(id)) => format!("unchanged {id}"),
        Verdict::Rejected(rejection) => format!("rejected {}", rejection.message),
        Verdict::Busy(why) => format!("busy {why}"),
        Verdict::InDoubt(_) => "in doubt".to_owned(),
        other => format!("{other:?}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn rows_find_their_records_in_four_ways_and_never_by_luck() {
    let by_id = json!({"rows": [
        {"key": "c", "error": "no"}, {"key": 7, "id": 1}, {"key": "zzz", "id": 9},
        {"key": "b", "id": 2, "state": "locked", "why": "edited"},
    ]});
    assert_eq!(short(&upsert(by_id, "external_id").await), "upserted 1, busy edited, rejected no");
    let twice =
        json!({"rows": [{"key": "7", "id": 1}, {"key": "7", "id": 1}, {"key": "b", "id": 2}]});
    assert_eq!(short(&upsert(twice, "external_id").await), "in doubt, upserted 2, in doubt");
    let places = json!({"rows": [{"at": 2, "id": 3}, {"at": "0", "id": 1, "state": "same"}, {"at": 7, "id": 8}]});
    assert_eq!(short(&upsert(places, "index").await), "unchanged 1, in doubt, upserted 3");
    let in_order = json!({"rows": [{"id": 1}, {"id": 2, "key": "other"}, {"id": 3}]});
    assert_eq!(short(&upsert(in_order, "position").await), "upserted 1, in doubt, upserted 3");
    let too_few = json!({"rows": [{"id": 1}, {"id": 2}]});
    assert_eq!(short(&upsert(too_few, "position").await), "in doubt, in doubt, in doubt");
    let odd = json!({"rows": [null, {}, {"id": null}]});
    assert_eq!(short(&upsert(odd, "position").await), "in doubt, in doubt, in doubt");
    for unreadable in [json!({}), json!([]), json!({"rows": {}}), json!("ok")] {
        assert_eq!(short(&upsert(unreadable, "index").await), "in doubt, in doubt, in doubt");
    }
}

#[tokio::test]
async fn an_answer_about_another_record_is_none_to_a_call_of_one_record() {
    let cases = [
        (json!({"key": "a", "id": 1}), true),
        (json!({"id": 1}), true),
        (json!({"key": "b", "id": 1}), false),
        (json!({"key": "a", "id": 2}), false),
    ];
    for (body, is_about) in cases {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_json(&body);
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let manifest = MANIFEST.replace("MATCH", "index").replace(
            "path: \"/one/{{ remote_id }}\", body: \"{{ record }}\"",
            "path: \"/one/{{ remote_id }}\", body: \"{{ record }}\", external_id: $.key, remote_id: $.id",
        );
        let connector = of_text(&manifest, &server.uri()).unwrap();
        let writes = vec![write(Some("a"), Some("1"), "{}")];
        let verdicts = connector.write(&batch(Action::Update, writes)).await.unwrap().verdicts;
        let updated = [Verdict::Updated(Some(RemoteId::from("1")))];
        assert_eq!(verdicts == updated, is_about, "{body}: {verdicts:?}");
    }
}

#[tokio::test]
async fn the_code_and_the_field_of_a_row_show_no_secret() {
    let answer = ResponseTemplate::new(200).set_body_json(json!({"rows": [
        {"key": "7", "error": "bad", "code": "c sandbox-token", "field": "f sandbox-token"}]}));
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let manifest = MANIFEST
        .replace("MATCH", "external_id")
        .replace("error: $.error", "error: $.error, error_code: $.code, error_field: $.field");
    let connector = of_text(&manifest, &server.uri()).unwrap();
    let sent = connector.write(&batch(Action::Upsert, vec![write(Some("7"), None, "{}")])).await;
    let shown = format!("{sent:?}");
    assert!(shown.contains("bad") && !shown.contains("sandbox-token"), "{shown}");
}

#[tokio::test]
async fn a_long_number_as_an_id_keeps_its_digits() {
    let body = r#"{"id": 12345678901234567890123, "price": 1e400}"#;
    let answer = ResponseTemplate::new(201).set_body_raw(body, "application/json");
    let (_server, connector) = answering(answer, "index").await;
    let made = write_all(&connector, Action::Create, &[write(Some("a"), None, "{}")]).await;
    assert_eq!(made, [Verdict::Created(Some(RemoteId::from("12345678901234567890123")))]);
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_none() {
    let html = || ResponseTemplate::new(200).set_body_raw("<html>hello", "text/html");
    let cases = [
        (Action::Create, html(), "in doubt"),
        (Action::Update, html(), "in doubt"),
        (Action::Create, ResponseTemplate::new(204), "in doubt"),
        (Action::Create, ResponseTemplate::new(201).set_body_json(json!({})), "in doubt"),
        (Action::Update, ResponseTemplate::new(204), "Updated(None)"),
        (Action::Update, ResponseTemplate::new(404), "Missing"),
        (Action::Create, ResponseTemplate::new(409), "Exists(None)"),
    ];
    for (action, answer, expected) in cases {
        let (_server, connector) = answering(answer, "index").await;
        let one = write(Some("a"), (action == Action::Update).then_some("1"), "{}");
        let verdicts = write_all(&connector, action, &[one]).await;
        assert_eq!(short(&verdicts), expected);
    }
}

#[tokio::test]
async fn a_lookup_believes_only_what_it_can_read() {
    let ids = [ExternalId::from("a"), ExternalId::from("7")];
    let find = async |answer| {
        let (_server, connector) = answering(answer, "index").await;
        find_ids(&connector, &ids).await
    };
    let json = |body: Value| ResponseTemplate::new(200).set_body_json(body);
    let found = find(json(
        json!({"rows": [{"key": 7, "id": 1}, {"key": "x", "id": 2}, {"key": "7", "id": 3}]}),
    ))
    .await;
    let pair = |id: &str, remote: &str| (ExternalId::from(id), RemoteId::from(remote));
    assert_eq!(found.unwrap(), [pair("7", "1"), pair("7", "3")]);
    let nothing = ResponseTemplate::new(404).set_body_json(json!({"code": "NO_ROWS"}));
    assert_eq!(find(nothing).await.unwrap(), []);
    for unreadable in [
        json(json!({})),
        json(json!({"rows": null})),
        json(json!({"rows": [{"id": 1}]})),
        json(json!({"rows": [{"key": "a"}]})),
        json(json!({"rows": [], "next": "http://elsewhere.example/find"})),
        ResponseTemplate::new(200).set_body_raw("<html>hello", "text/html"),
    ] {
        let answer = find(unreadable).await;
        assert!(matches!(answer, Err(RequestError::Protocol(_))), "{answer:?}");
    }
    let plain = find(ResponseTemplate::new(404)).await;
    assert!(matches!(plain, Err(RequestError::Refused { status: 404, .. })), "{plain:?}");
    let down = find(ResponseTemplate::new(500)).await;
    assert!(matches!(down, Err(RequestError::Unreachable(_))), "{down:?}");
    let slow = find(json(json!({"slow_down": true, "rows": []}))).await;
    assert!(matches!(slow, Err(RequestError::Throttled { .. })), "{slow:?}");
}

#[tokio::test]
async fn the_address_of_a_next_page_is_followed() {
    let server = MockServer::start().await;
    let page = |body: Value| ResponseTemplate::new(200).set_body_json(body);
    Mock::given(wiremock::matchers::path("/more"))
        .respond_with(page(json!({"rows": [{"key": "b", "id": 2}], "next": null})))
        .mount(&server)
        .await;
    Mock::given(wiremock::matchers::query_param("keys", "a,b"))
        .respond_with(page(json!({"rows": [{"key": "a", "id": 1}], "next": "/more?page=2"})))
        .mount(&server)
        .await;
    let connector = of_text(&MANIFEST.replace("MATCH", "index"), &server.uri()).unwrap();
    let ids = [ExternalId::from("a"), ExternalId::from("b")];
    assert_eq!(find_ids(&connector, &ids).await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_error_that_cannot_be_looked_for_is_no_success() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_json(json!({"id": 1, "faults": 7}));
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let manifest = MANIFEST
        .replace("MATCH", "index")
        .replace("path: /new,", "path: /new, error: \"{{ row.faults | join(' ') }}\",");
    let connector = of_text(&manifest, &server.uri()).unwrap();
    let writes = vec![write(Some("a"), None, "{}")];
    let verdicts = connector.write(&batch(Action::Create, writes)).await.unwrap().verdicts;
    assert!(matches!(verdicts.as_slice(), [Verdict::InDoubt(_)]), "{verdicts:?}");
}

#[tokio::test]
async fn an_answer_of_more_values_than_memory_is_for_is_told_as_that() {
    let body = format!("{{\"rows\":[{}1]}}", "1,".repeat(600_000));
    let answer = ResponseTemplate::new(200).set_body_raw(body, "application/json");
    let (_server, connector) = answering(answer, "index").await;
    let told = find_ids(&connector, &[ExternalId::from("a")]).await.unwrap_err().to_string();
    assert!(told.contains("it has more than 500000 values"), "{told}");
}
