//! Tokens and the rate limit: who is let in.

use std::time::{Duration, SystemTime};

use serde_json::json;

use super::{Reply, Sandbox, send};

async fn token(sandbox: &Sandbox, form: &[(&str, &str)]) -> Reply {
    let client = [("client_id", "sandbox-client"), ("client_secret", "sandbox-secret")];
    let form: Vec<_> = client.iter().chain(form).collect();
    send(sandbox.request("POST", "/oauth/token").form(&form)).await.unwrap()
}

async fn me(sandbox: &Sandbox, token: &str) -> u16 {
    send(sandbox.request("GET", "/v1/me").bearer_auth(token)).await.unwrap().status
}

const REFRESH: [(&str, &str); 2] =
    [("grant_type", "refresh_token"), ("refresh_token", "sandbox-refresh")];

#[tokio::test]
async fn without_a_token_nothing_is_done() {
    let sandbox = Sandbox::start("").await;
    for header in ["", "Bearer wrong", "Basic c2FuZGJveC10b2tlbg==", "sandbox-token"] {
        let request = sandbox.request("POST", "/v1/c").header("authorization", header);
        let request = request.header("content-type", "application/json").body("{}");
        let refused = send(request).await.unwrap();
        assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("UNAUTHORIZED")));
    }
    assert_eq!(me(&sandbox, "sandbox-token").await, 200);
    assert_eq!(sandbox.held("c").await, "[]");
    let strict = Sandbox::start("static_token: false").await;
    assert_eq!(me(&strict, "sandbox-token").await, 401);
}

#[tokio::test]
async fn tokens_are_given_out_and_refused_as_oauth_says() {
    let sandbox = Sandbox::start("static_token: false").await;
    let first = token(&sandbox, &REFRESH).await;
    let expected =
        json!({"access_token": "sandbox-access-1", "token_type": "Bearer", "expires_in": 3600});
    assert_eq!((first.status, first.json()), (200, expected));
    assert_eq!(me(&sandbox, "sandbox-access-1").await, 200);
    let second = token(&sandbox, &[("grant_type", "client_credentials")]).await.json();
    assert_eq!(me(&sandbox, second["access_token"].as_str().unwrap()).await, 200);
    for (form, status, error) in [
        (vec![("grant_type", "refresh_token"), ("refresh_token", "x")], 400, "invalid_grant"),
        (vec![("grant_type", "password")], 400, "unsupported_grant_type"),
        (vec![], 400, "invalid_request"),
        (vec![("grant_type", "client_credentials"), ("client_secret", "x")], 401, "invalid_client"),
    ] {
        let refused = token(&sandbox, &form).await;
        assert_eq!((refused.status, &refused.json()["error"]), (status, &json!(error)));
        assert!(refused.json()["error_description"].is_string());
    }
    let basic = sandbox.request("POST", "/oauth/token").form(&REFRESH);
    let basic = send(basic.basic_auth("sandbox-client", Some("sandbox-secret"))).await.unwrap();
    assert_eq!(basic.status, 200);
    let json = sandbox.request("POST", "/oauth/token").header("content-type", "application/json");
    assert_eq!(send(json.body("{}")).await.unwrap().status, 400);
}

#[tokio::test]
async fn tokens_end_with_time_and_with_use() {
    let sandbox = Sandbox::start("{token_secs: 1, token_calls: 2}").await;
    token(&sandbox, &REFRESH).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(me(&sandbox, "sandbox-access-1").await);
    }
    assert_eq!(statuses, [200, 200, 401]);
    token(&sandbox, &REFRESH).await;
    assert_eq!(me(&sandbox, "sandbox-access-2").await, 200);
    tokio::time::sleep(Duration::from_millis(1050)).await;
    assert_eq!(me(&sandbox, "sandbox-access-2").await, 401);
    assert_eq!(me(&sandbox, "sandbox-token").await, 200);
}

#[tokio::test]
async fn a_rotated_refresh_token_is_dead() {
    let sandbox = Sandbox::start("rotate_refresh_token: true").await;
    let first = token(&sandbox, &REFRESH).await.json();
    let again = token(&sandbox, &REFRESH).await;
    assert_eq!((again.status, &again.json()["error"]), (400, &json!("invalid_grant")));
    let rotated = first["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", rotated)];
    assert_eq!(token(&sandbox, &form).await.status, 200);
    assert_eq!(token(&sandbox, &form).await.status, 400);
}

#[tokio::test]
async fn beyond_the_quota_nothing_is_applied_until_the_window_has_passed() {
    for form in ["seconds", "date", "none"] {
        let faults = format!("rate_limit: {{requests: 3, per_secs: 1, retry_after: {form}}}");
        let sandbox = Sandbox::start(&faults).await;
        for left in ["2", "1", "0"] {
            let fine = sandbox.call("POST", "/v1/c", "{}").await;
            assert_eq!(fine.status, 201);
            assert_eq!(fine.header("x-ratelimit-limit"), "3");
            assert_eq!(fine.header("x-ratelimit-remaining"), left);
        }
        let refused = sandbox.call("POST", "/v1/c", "{}").await;
        assert_eq!((refused.status, &refused.json()["code"]), (429, &json!("RATE_LIMITED")));
        assert_eq!(refused.header("x-ratelimit-remaining"), "0");
        let wait = refused.header("retry-after");
        match form {
            "seconds" => assert_eq!(wait, "1"),
            "date" => {
                let ahead = httpdate::parse_http_date(wait).unwrap();
                let ahead = ahead.duration_since(SystemTime::now()).unwrap();
                assert!(ahead <= Duration::from_secs(2));
            }
            _ => assert_eq!(wait, ""),
        }
        // Tokens and the administration are not limited.
        assert_eq!(token(&sandbox, &REFRESH).await.status, 200);
        assert_eq!(sandbox.calls().await["records_created"], 3);
        tokio::time::sleep(Duration::from_millis(1050)).await;
        assert_eq!(sandbox.call("POST", "/v1/c", "{}").await.status, 201);
    }
}

#[tokio::test]
async fn the_token_endpoint_can_fail_too() {
    let faults = "faults: [{on: POST /oauth/token, calls: [1], do: status, status: 503}]";
    let sandbox = Sandbox::start(faults).await;
    assert_eq!(token(&sandbox, &REFRESH).await.status, 503);
    let given = token(&sandbox, &REFRESH).await.json();
    assert_eq!(given["access_token"], "sandbox-access-1");
}
