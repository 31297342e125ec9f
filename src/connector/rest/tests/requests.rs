//! What the connector asks for, and what it makes of a remote in trouble.

use std::time::Duration;

use super::*;
use crate::connector::contract::RequestError;

async fn faulty(fault: &str) -> (Remote, std::sync::Arc<dyn Connector>) {
    let on = "{on: 'POST /v1/{object}/batch', ";
    let search = "{on: 'POST /v1/{object}/search', ";
    let faults = format!("{{faults: [{on}{fault}}}, {search}{fault}}}]}}");
    let remote = Remote::start(&faults).await;
    let mut settings = settings(&remote.url(), "sandbox");
    settings.timeout = Duration::from_millis(700);
    let connector = build("rest", settings).unwrap().connector;
    (remote, connector)
}

/// What the connector says of a write and of a lookup that meet `fault`, and how many records the
/// remote holds then.
async fn met(fault: &str) -> (String, String, usize) {
    let (remote, connector) = faulty(fault).await;
    let write = batch(Action::Upsert, vec![write(Some("a"), None, "{}")]);
    let write = match connector.write(&write).await {
        Ok(answer) => match &answer.verdicts[..] {
            [Verdict::InDoubt(_)] => "in doubt".to_owned(),
            other => format!("{other:?}"),
        },
        Err(error) => short(&error),
    };
    let ids = [ExternalId::from("a")];
    let lookup = match find_ids(&*connector, &ids).await {
        Ok(found) => format!("{}", found.len()),
        Err(error) => short(&error),
    };
    (write, lookup, remote.held("contacts").await.len())
}

fn short(error: &RequestError) -> String {
    match error {
        RequestError::Throttled { retry_after: Some(wait), .. } => {
            format!("throttled {}", wait.as_secs_f64().round())
        }
        RequestError::Throttled { .. } => "throttled".to_owned(),
        RequestError::Unreachable(_) => "unreachable".to_owned(),
        RequestError::InDoubt { .. } => "in doubt".to_owned(),
        RequestError::Unauthorized(_) => "unauthorized".to_owned(),
        RequestError::NotKept(_) | RequestError::Spent(_) => "not kept".to_owned(),
        RequestError::Forbidden { .. } => "forbidden".to_owned(),
        RequestError::Refused { status, message, .. } => format!("refused {status} {message}"),
        RequestError::Protocol(_) => "protocol".to_owned(),
        RequestError::Stopped | RequestError::TooLate => "not sent".to_owned(),
    }
}

#[tokio::test]
async fn trouble_is_told_by_what_may_have_been_applied() {
    let redirected =
        "refused 307 it redirects to the host `evil.example`, and redirects are not followed";
    let cases = [
        ("do: status, status: 429", "throttled", "throttled", 0),
        ("do: status, status: 429, retry_after: {seconds: 7}", "throttled 7", "throttled 7", 0),
        (
            "do: status, status: 429, retry_after: {date_in_secs: 100}",
            "throttled 99",
            "throttled 99",
            0,
        ),
        ("do: status, status: 503, retry_after: {seconds: 7}", "throttled 7", "throttled 7", 0),
        ("do: status, status: 503", "in doubt", "unreachable", 0),
        ("do: status_after, status: 500", "in doubt", "unreachable", 1),
        ("do: status, status: 408", "in doubt", "throttled", 0),
        ("do: status, status: 403", "forbidden", "forbidden", 0),
        (
            "do: status, status: 413, body: '{\"message\":\"too long\"}'",
            "refused 413 too long",
            "refused 413 too long",
            0,
        ),
        (
            "do: status, status: 422, body: oops",
            "refused 422 a text (status 422): oops",
            "refused 422 a text (status 422): oops",
            0,
        ),
        ("do: reset", "in doubt", "unreachable", 0),
        ("do: reset_after", "in doubt", "unreachable", 1),
        ("do: hang, ms: 5000", "in doubt", "unreachable", 0),
        ("do: hang_after, ms: 5000", "in doubt", "unreachable", 1),
        ("do: html", "in doubt", "protocol", 0),
        ("do: empty_after, status: 200", "in doubt", "protocol", 1),
        ("do: truncate_after", "in doubt", "protocol", 1),
        ("do: huge", "in doubt", "protocol", 0),
        (
            "do: redirect, to: 'http://user:pass@evil.example/x?token=hidden'",
            redirected,
            redirected,
            0,
        ),
        ("do: expire_token", "unauthorized", "unauthorized", 0),
    ];
    for (fault, write, lookup, held) in cases {
        let (wrote, looked, holds) = met(fault).await;
        // A date has whole seconds, so what is left of it depends on the moment.
        let near = |told: &str| told.replace("throttled 100", "throttled 99");
        assert_eq!(
            (near(&wrote).as_str(), near(&looked).as_str(), holds),
            (write, lookup, held),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn a_remote_that_is_not_there_got_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let connector = build("rest", settings(&url, "sandbox")).unwrap().connector;
    let sent = connector.write(&batch(Action::Upsert, vec![write(Some("a"), None, "{}")])).await;
    assert!(matches!(sent, Err(RequestError::Unreachable(_))), "{sent:?}");
    let lines = connector.check(&[stream()], false).await;
    assert_eq!(lines[0].hint.as_deref(), Some("look at `base_url` and the network"));
    let told = lines[1].result.as_ref().unwrap_err();
    assert!(told.starts_with("the lookup of an id that nobody has: the remote cannot"), "{told}");
}

#[tokio::test]
async fn a_body_over_the_limit_never_leaves() {
    let remote = Remote::start("").await;
    let connector = remote.connector("sandbox");
    let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(600_000));
    let writes = vec![write(Some("a"), None, &long), write(Some("b"), None, &long)];
    let sent = connector.write(&batch(Action::Upsert, writes)).await;
    assert!(matches!(sent, Err(RequestError::Refused { status: 0, .. })), "{sent:?}");
    assert!(remote.held("contacts").await.is_empty());
}

#[tokio::test]
async fn a_bad_credential_is_told_without_itself() {
    let remote = Remote::start("").await;
    let mut settings = settings(&remote.url(), "sandbox");
    settings.values.insert("access_token".to_owned(), "wrong-token-value".into());
    let connector = build("rest", settings).unwrap().connector;
    let lines = connector.check(&[], false).await;
    let told = lines[0].result.as_ref().unwrap_err();
    assert!(told.starts_with("the remote refuses the credential"), "{told}");
    assert!(!told.contains("wrong-token-value"));
}
