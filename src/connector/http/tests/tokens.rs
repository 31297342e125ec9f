//! OAuth 2 tokens: one renewal for all, written back before it is used.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wiremock::matchers::{body_string_contains, header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::connector::contract::RequestError;
use crate::connector::http::Answer;
use crate::connector::http::authorize::{ClientIn, Grant, OAuthSettings};
use crate::connector::stop;
use crate::file::{Access, open_lock, replace};

struct Case {
    server: MockServer,
    config: PathBuf,
    folder: tempfile::TempDir,
}

impl Case {
    async fn new(token_answer: ResponseTemplate) -> Self {
        let server = MockServer::start().await;
        Mock::given(path("/token")).respond_with(token_answer).mount(&server).await;
        Mock::given(header("authorization", "Bearer new-token"))
            .respond_with(ResponseTemplate::new(200).set_body_string("fine"))
            .mount(&server)
            .await;
        Mock::given(path("/data"))
            .respond_with(ResponseTemplate::new(401))
            .with_priority(9)
            .mount(&server)
            .await;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.json");
        replace(&config, Access::Owner, |out| {
            std::io::Write::write_all(out, br#"{"refresh_token": "old-refresh", "other": 1}"#)
        })
        .unwrap();
        Self { server, config, folder }
    }

    /// Sends what is to end a moment later.
    async fn cut_off(&self, client: &Client) -> Result<Answer, RequestError> {
        let stop = CancellationToken::new();
        let data = self.data();
        let ending = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            stop.cancel();
        };
        tokio::join!(stop::until(stop.clone(), client.send(&data)), ending).0
    }

    fn client(&self, access_token: Option<&str>, expires_in: Option<u64>) -> Client {
        let settings = OAuthSettings {
            token_url: format!("{}/token", self.server.uri()).parse().unwrap(),
            grant: Grant::RefreshToken {
                refresh_token: "old-refresh".into(),
                redirect_uri: Some("https://here.example".to_owned()),
            },
            client_id: "the-client".to_owned(),
            client_secret: "client-secret".into(),
            parameters: Vec::new(),
            client_in: ClientIn::Form,
            access_token: access_token.map(Into::into),
            expires_in,
            config_file: Some(self.config.clone().into()),
            lasts: None,
            kept: &[],
        };
        Self::with(settings)
    }

    fn with(settings: OAuthSettings) -> Client {
        let http = pool(Duration::from_secs(5), "test").unwrap();
        let redactor = Redactor::default();
        let oauth = Authorizer::oauth(http.clone(), settings, &redactor);
        Client::new(http, oauth, None, redactor)
    }

    fn data(&self) -> Request {
        request(&format!("{}/data", self.server.uri()), false)
    }

    async fn calls(&self, path: &str) -> usize {
        let all = self.server.received_requests().await.unwrap();
        all.iter().filter(|request| request.url.path() == path).count()
    }

    fn kept(&self) -> Value {
        serde_json::from_slice(&std::fs::read(&self.config).unwrap()).unwrap()
    }
}

fn token() -> ResponseTemplate {
    ResponseTemplate::new(200).set_delay(Duration::from_millis(100)).set_body_json(
        json!({"access_token": "new-token", "refresh_token": "new-refresh", "expires_in": 3600}),
    )
}

async fn twenty(case: &Case, client: Client) -> Vec<Result<u16, RequestError>> {
    let client = Arc::new(client);
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (client, request) = (Arc::clone(&client), case.data());
            tokio::spawn(async move { client.send(&request).await.map(|answer| answer.status) })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_calls_share_one_renewal() {
    for old in [Some("old-token"), None] {
        let case = Case::new(token()).await;
        let outcomes = twenty(&case, case.client(old, None)).await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(200))), "{outcomes:?}");
        assert_eq!(case.calls("/token").await, 1);
        let kept = case.kept();
        assert_eq!(kept["refresh_token"], "new-refresh");
        assert_eq!(kept["access_token"], "new-token");
        assert_eq!(kept["other"], 1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let until = kept["expires_in"].as_u64().unwrap();
        assert!((now + 3590..=now + 3600).contains(&until), "{until}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refusal_is_shared_and_tells_no_secret() {
    let description = "old-refresh of client-secret is used up";
    let body = json!({"error": "invalid_grant", "error_description": description});
    let case = Case::new(
        ResponseTemplate::new(400).set_delay(Duration::from_millis(300)).set_body_json(body),
    )
    .await;
    let outcomes = twenty(&case, case.client(None, None)).await;
    for outcome in &outcomes {
        let Err(RequestError::Unauthorized(text)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(
            &**text,
            "the token endpoint answered invalid_grant: [secret] of [secret] is used up (status 400)"
        );
    }
    assert_eq!(case.calls("/token").await, 1);
    assert_eq!(case.kept()["refresh_token"], "old-refresh");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_is_over() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // What the config says, and whether the token is used as it is first.
    let cases = [
        (Some(0), 1),
        (Some(now - 5), 1),
        (Some(1_000_000_000), 1),
        (Some(3600), 2),
        (Some(now + 3600), 2),
        (Some(40), 2),
        (None, 2),
    ];
    for (expires_in, data_calls) in cases {
        let case = Case::new(token()).await;
        let client = case.client(Some("old-token"), expires_in);
        assert_eq!(client.send(&case.data()).await.unwrap().status, 200);
        assert_eq!(case.calls("/data").await, data_calls, "{expires_in:?}");
        assert_eq!(case.calls("/token").await, 1);
    }
}

#[tokio::test]
async fn a_dropped_call_does_not_lose_the_rotated_token() {
    let case = Case::new(token()).await;
    let client = case.client(None, None);
    let call = tokio::time::timeout(Duration::from_millis(50), client.send(&case.data())).await;
    call.unwrap_err();
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(case.kept()["refresh_token"], "new-refresh");
    assert_eq!(client.send(&case.data()).await.unwrap().status, 200);
    assert_eq!(case.calls("/token").await, 1);
}

/// What came could not be kept: no more tokens are used up, and the job is not to go on as if
/// nothing were lost.
#[tokio::test]
async fn a_token_that_could_not_be_kept_is_the_last_one() {
    let case = Case::new(token()).await;
    let client = Arc::new(case.client(None, None));
    let (first, data) = (Arc::clone(&client), case.data());
    let first = tokio::spawn(async move { first.send(&data).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    std::fs::remove_file(&case.config).unwrap();
    for error in [first.await.unwrap().unwrap_err(), client.send(&case.data()).await.unwrap_err()] {
        assert!(matches!(error, RequestError::NotKept(_)), "{error:?}");
    }
    assert_eq!((case.calls("/token").await, case.calls("/data").await), (1, 0));
}

#[tokio::test]
async fn nobody_waits_for_a_turn_when_nothing_more_is_to_leave() {
    let case = Case::new(token()).await;
    let lock = open_lock(&case.config.with_extension("json.lock")).unwrap();
    lock.lock().unwrap();
    let client = case.client(None, None);
    assert!(matches!(case.cut_off(&client).await, Err(RequestError::Stopped)));
    assert_eq!(case.calls("/token").await, 0);
}

/// The answer may hold the only refresh token that is still good.
#[tokio::test]
async fn a_token_that_is_on_its_way_is_kept_when_nothing_more_is_to_leave() {
    let case = Case::new(token()).await;
    let client = case.client(None, None);
    assert!(matches!(case.cut_off(&client).await, Err(RequestError::Stopped)));
    assert_eq!(case.kept()["refresh_token"], "new-refresh");
    assert_eq!(case.calls("/data").await, 0);
}

#[tokio::test]
async fn others_go_on_when_a_job_ends_that_shares_their_client() {
    let case = Case::new(token()).await;
    let (client, data) = (case.client(None, None), case.data());
    let (ended, goes_on) = tokio::join!(case.cut_off(&client), client.send(&data));
    assert!(matches!(ended, Err(RequestError::Stopped)), "{ended:?}");
    assert_eq!(goes_on.unwrap().status, 200);
}

#[tokio::test]
async fn a_token_endpoint_in_trouble_is_no_refusal() {
    let cases = [
        (ResponseTemplate::new(429).insert_header("retry-after", "9"), "throttles"),
        (ResponseTemplate::new(502).set_body_string("<html>"), "cannot be reached"),
        (ResponseTemplate::new(200).set_body_string("new-token"), "refuses the credential"),
        (ResponseTemplate::new(200).set_body_json(json!({})), "refuses the credential"),
        (
            ResponseTemplate::new(302).insert_header("location", "https://login.example/?t=1"),
            "redirect to the host `login.example`",
        ),
    ];
    for (answer, expected) in cases {
        let case = Case::new(answer).await;
        let error = case.client(None, None).send(&case.data()).await.unwrap_err();
        let told = error.to_string();
        assert!(told.contains(expected), "{told}");
        assert!(!told.contains("new-token"), "{told}");
        assert_eq!(case.calls("/data").await, 0);
    }
}

#[tokio::test]
async fn a_third_401_is_the_answer() {
    let case = Case::new(
        ResponseTemplate::new(200).set_body_json(json!({"access_token": "useless-token"})),
    )
    .await;
    let answer = case.client(Some("old-token"), None).send(&case.data()).await.unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!((case.calls("/token").await, case.calls("/data").await), (2, 3));
    assert!(case.kept().get("expires_in").is_none());
}

/// The time of its end was beyond what the clock can tell, and the job died of the sum, after the
/// old refresh token was used up and before the new one was kept.
#[tokio::test]
async fn a_token_that_is_good_for_ever_is_kept() {
    for expires_in in [u64::MAX, u64::MAX / 2, 1 << 40, 1 << 62] {
        let body = json!({"access_token": "new-token", "refresh_token": "new-refresh",
            "expires_in": expires_in});
        let case = Case::new(ResponseTemplate::new(200).set_body_json(body)).await;
        let client = case.client(None, None);
        assert_eq!(client.send(&case.data()).await.unwrap().status, 200, "{expires_in}");
        assert_eq!(client.send(&case.data()).await.unwrap().status, 200, "{expires_in}");
        assert_eq!(case.calls("/token").await, 1);
        assert_eq!(case.kept()["refresh_token"], "new-refresh");
        let in_a_year = SystemTime::now() + Duration::from_secs(365 * 24 * 3600);
        let in_a_year = in_a_year.duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(case.kept()["expires_in"].as_u64().unwrap() > in_a_year);
    }
}

#[tokio::test]
async fn a_token_that_is_over_as_it_comes_is_used_all_the_same() {
    let body = json!({"access_token": "new-token", "expires_in": 0});
    let case = Case::new(ResponseTemplate::new(200).set_body_json(body)).await;
    let client = case.client(None, None);
    for _ in 0..10 {
        assert_eq!(client.send(&case.data()).await.unwrap().status, 200);
    }
    let renewals = case.calls("/token").await;
    assert!(renewals <= 2, "{renewals} renewals in less than two seconds");
}

#[tokio::test]
async fn client_credentials_are_never_written_back() {
    let case = Case::new(ResponseTemplate::new(500)).await;
    case.server.reset().await;
    Mock::given(path("/token"))
        .and(header("authorization", "Basic dGhlLWNsaWVudDpjbGllbnQtc2VjcmV0"))
        .and(body_string_contains("grant_type=client_credentials&scope=a+b"))
        .and(body_string_contains("&audience=https%3A%2F%2Fa.example"))
        .respond_with(token())
        .mount(&case.server)
        .await;
    let client = Case::with(OAuthSettings {
        token_url: format!("{}/token", case.server.uri()).parse().unwrap(),
        grant: Grant::ClientCredentials { scope: Some("a b".to_owned()) },
        client_id: "the-client".to_owned(),
        client_secret: "client-secret".into(),
        parameters: vec![("audience".to_owned(), "https://a.example".to_owned())],
        client_in: ClientIn::Basic,
        access_token: None,
        expires_in: None,
        config_file: Some(case.config.clone().into()),
        lasts: None,
        kept: &[],
    });
    let token = client.authorizer().access_token().await.unwrap();
    assert_eq!(secrecy::ExposeSecret::expose_secret(&token), "new-token");
    assert_eq!(case.kept(), json!({"refresh_token": "old-refresh", "other": 1}));
    assert!(case.folder.path().exists());
    let shown = format!("{client:?}");
    assert!(!shown.contains("client-secret") && !shown.contains("new-token"), "{shown}");
}
