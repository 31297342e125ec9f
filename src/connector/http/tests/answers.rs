//! Answers: their cap, their numbers, their meaning, and what is told of them.

use std::time::{Duration, SystemTime};

use serde_json::json;
use wiremock::matchers::{any, header, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::RateLimit;
use crate::connector::contract::{Action, RequestError};
use crate::connector::http::Answer;
use crate::connector::http::meaning::{Call, Meaning, complaint, meaning};
use crate::connector::http::rate_limit::Limiter;
use crate::json::exact;

fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().unwrap());
    }
    Answer {
        status,
        headers: map,
        body: Bytes::from(body.to_owned()),
        asked: "http://h/x?secret=1".parse().unwrap(),
        generation: 0,
    }
}

#[test]
fn a_status_means_what_may_have_been_applied() {
    let create = Call::Write { action: Action::Create, single: true };
    let update = Call::Write { action: Action::Update, single: true };
    let delete = Call::Write { action: Action::Delete, single: true };
    let many = Call::Write { action: Action::Create, single: false };
    let plain: &[(&str, &str)] = &[];
    let later = &[("retry-after", "3")][..];
    let cases = [
        (200, plain, create, "rows"),
        (207, plain, many, "rows"),
        (204, plain, Call::Read, "rows"),
        (301, plain, Call::Read, "refused"),
        (301, plain, create, "refused"),
        (302, plain, create, "in doubt"),
        (302, plain, Call::Read, "refused"),
        (303, plain, update, "in doubt"),
        (303, plain, many, "in doubt"),
        (303, plain, Call::Read, "refused"),
        (307, plain, create, "refused"),
        (308, plain, update, "refused"),
        (400, plain, create, "refused"),
        (401, plain, create, "unauthorized"),
        (403, plain, many, "forbidden"),
        (404, plain, update, "missing"),
        (404, plain, delete, "missing"),
        (404, plain, create, "refused"),
        (404, plain, Call::Read, "refused"),
        (408, plain, create, "in doubt"),
        (408, plain, Call::Read, "throttled"),
        (409, plain, create, "exists"),
        (409, plain, many, "refused"),
        (409, plain, update, "refused"),
        (413, plain, many, "refused"),
        (422, plain, create, "refused"),
        (425, plain, create, "throttled"),
        (429, plain, many, "throttled"),
        (429, later, Call::Read, "throttled 3"),
        (500, plain, create, "in doubt"),
        (500, plain, Call::Read, "unreachable"),
        (502, plain, many, "in doubt"),
        (503, plain, many, "in doubt"),
        (503, later, many, "in doubt 3"),
        (503, later, create, "in doubt 3"),
        (503, later, update, "throttled 3"),
        (503, later, delete, "throttled 3"),
        (503, later, Call::Read, "throttled 3"),
        (503, plain, Call::Read, "unreachable"),
        (504, plain, delete, "in doubt"),
        (599, plain, update, "in doubt"),
    ];
    for (status, headers, call, expected) in cases {
        let told = match meaning(&answer(status, headers, "{}"), call, &Redactor::default()) {
            Meaning::Rows => "rows".to_owned(),
            Meaning::Missing => "missing".to_owned(),
            Meaning::Exists => "exists".to_owned(),
            Meaning::Changed => "changed".to_owned(),
            Meaning::Failed(error) => match error {
                RequestError::Throttled { retry_after: Some(wait), .. } => {
                    format!("throttled {}", wait.as_secs())
                }
                RequestError::Throttled { .. } => "throttled".to_owned(),
                RequestError::Unreachable(_) => "unreachable".to_owned(),
                RequestError::InDoubt { retry_after: Some(wait), .. } => {
                    format!("in doubt {}", wait.as_secs())
                }
                RequestError::InDoubt { .. } => "in doubt".to_owned(),
                RequestError::Unauthorized(_) => "unauthorized".to_owned(),
                RequestError::NotKept(_) | RequestError::Spent(_) => "not kept".to_owned(),
                RequestError::Forbidden { .. } => "forbidden".to_owned(),
                RequestError::Refused { .. } => "refused".to_owned(),
                RequestError::Protocol(_) => "protocol".to_owned(),
                RequestError::Stopped | RequestError::TooLate => "not sent".to_owned(),
            },
        };
        assert_eq!(told, expected, "{status} to {call:?}");
    }
}

#[test]
fn retry_after_is_read_in_both_forms() {
    let wait = |value: &str| answer(429, &[("retry-after", value)], "").retry_after();
    assert_eq!(wait("120"), Some(Duration::from_secs(120)));
    assert_eq!(wait(" 0.5 "), Some(Duration::from_millis(500)));
    assert_eq!(wait("-1"), None);
    assert_eq!(wait("soon"), None);
    assert_eq!(wait("NaN"), None);
    for beyond in ["1e19", "1e400", "inf"] {
        assert!(wait(beyond) > Some(Duration::from_secs(1 << 31)), "{beyond}");
    }
    assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
    let left = wait(&date).unwrap();
    assert!(left > Duration::from_secs(58) && left <= Duration::from_secs(60), "{left:?}");
}

#[test]
fn numbers_keep_their_digits() {
    let same = |text: &str, expected: serde_json::Value| {
        assert_eq!(exact::parse(text.as_bytes()).unwrap(), expected, "{text}");
    };
    same("7", json!(7));
    same("[0,-1,18446744073709551615]", json!([0, -1, 18_446_744_073_709_551_615_u64]));
    same(
        "[18446744073709551616,1.50,1e400,-0,1E2]",
        json!(["18446744073709551616", "1.50", "1e400", "-0", "1E2"]),
    );
    same(r#"{"a\"1e400":"\\","b":0.5}"#, json!({"a\"1e400": "\\", "b": 0.5}));
    for broken in ["1-2", "01", "{\"a\":1.}", "\"open", "[1e]", "", "nul"] {
        exact::parse(broken.as_bytes()).unwrap_err();
    }
}

#[test]
fn what_came_is_told_briefly_and_without_secrets() {
    let redactor = Redactor::default();
    redactor.add("hunter22");
    redactor.add("p\"ss/word");
    redactor.add("short");
    let html =
        answer(502, &[("content-type", "text/html")], "<html>\n <b>Bad   Gateway</b> hunter22");
    assert_eq!(
        html.describe(&redactor),
        "an HTML page (status 502): <html> <b>Bad Gateway</b> [secret]"
    );
    assert_eq!(answer(200, &[], "").describe(&redactor), "an empty body (status 200)");
    let text = answer(200, &[], "élan").describe(&redactor);
    assert_eq!(text, "a text (status 200): élan");
    let long = answer(500, &[], &"ä".repeat(1000)).describe(&redactor);
    assert!(long.chars().count() < 230, "{long}");
    assert_eq!(
        redactor.clean(r#"p%22ss%2Fword "p\"ss/word" short"#),
        r#"[secret] "[secret]" short"#
    );
    let told =
        complaint(&answer(400, &[], r#"{"error":{"code":7,"message":"no hunter22"}}"#), &redactor);
    assert_eq!((told.code.as_deref(), &*told.message), (Some("7"), "no [secret]"));
    let told = complaint(&answer(400, &[], r#"[{"errorCode":"X","message":"y"}]"#), &redactor);
    assert_eq!((told.code.as_deref(), &*told.message), (Some("X"), "y"));
}

#[tokio::test]
async fn a_body_over_the_cap_is_not_read() {
    let server = MockServer::start().await;
    let long = "x".repeat(5000);
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_string(&long))
        .mount(&server)
        .await;
    let client = client(Authorizer::None).with_max_body_bytes(4999);
    let url = format!("{}/?token=hidden-token", server.uri());
    let read = client.send(&request(&url, true)).await.unwrap_err();
    assert!(matches!(read, RequestError::Protocol(_)), "{read:?}");
    let write = client.send(&request(&url, false)).await.unwrap_err();
    assert!(matches!(write, RequestError::InDoubt { .. }), "{write:?}");
    assert!(!format!("{read}{write}").contains("hidden-token"));
    let client = client.with_max_body_bytes(5000);
    assert_eq!(client.send(&request(&url, true)).await.unwrap().body.len(), 5000);
}

/// Servers of .NET begin each text with a byte order mark: what they had made was in doubt.
#[tokio::test]
async fn a_byte_order_mark_before_json_is_no_part_of_it() {
    let server = MockServer::start().await;
    let body = "\u{feff}{\"id\": 7}";
    let answer = ResponseTemplate::new(200).set_body_string(body);
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let answer = client(Authorizer::None).send(&request(&server.uri(), true)).await.unwrap();
    assert_eq!(answer.json(&Redactor::default()), Ok(json!({"id": 7})));
}

#[tokio::test]
async fn credentials_go_where_they_belong() {
    let server = MockServer::start().await;
    let redactor = Redactor::default();
    let cases = [
        (
            "bearer",
            Authorizer::bearer("tok-123456", &redactor).unwrap(),
            Mock::given(header("authorization", "Bearer tok-123456")),
        ),
        (
            "basic",
            Authorizer::basic("u", "secret-pw", &redactor).unwrap(),
            Mock::given(header("authorization", "Basic dTpzZWNyZXQtcHc=")),
        ),
        (
            "header",
            Authorizer::key_header("X-Key", "k-123456", &redactor).unwrap(),
            Mock::given(header("x-key", "k-123456")),
        ),
        (
            "query",
            Authorizer::key_query("key", "q &123456", &redactor),
            Mock::given(query_param("key", "q &123456")),
        ),
    ];
    for (name, authorizer, mock) in cases {
        server.reset().await;
        mock.respond_with(ResponseTemplate::new(204)).mount(&server).await;
        let shown = format!("{authorizer:?}");
        for secret in ["123456", "secret-pw", "dTpz"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        let sent = client(authorizer).send(&request(&server.uri(), true)).await.unwrap();
        assert_eq!(sent.status, 204, "{name}");
    }
    assert_eq!(redactor.clean("dTpzZWNyZXQtcHc= q%20%26123456"), "[secret] [secret]");
    Authorizer::bearer("line\nend", &redactor).unwrap_err();
    Authorizer::basic("a:b", "c", &redactor).unwrap_err();
}

#[tokio::test]
async fn a_limit_spreads_what_it_lets_through() {
    let new = |requests: u32, per_secs| {
        Limiter::new(RateLimit { requests: requests.try_into().unwrap(), per_secs })
    };
    let limiter = new(20, 1).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..12 {
        limiter.turn().await;
    }
    // Two at once, then one every 1/19 s.
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
    // More than a clock can tell apart is no limit.
    assert!(new(u32::MAX, 1).is_none());
    assert!(new(u32::MAX, u32::MAX).is_some());
}
