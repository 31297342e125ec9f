//! Credentials that sign: each request, or what a token is given for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use rcgen::{KeyPair, RsaKeySize};
use serde_json::{Value, json};
use wiremock::matchers::{any, header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::connector::contract::RequestError;
use crate::connector::http::authorize::{
    Assertion, ClientIn, Grant, OAuth1Settings, OAuthSettings,
};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn oauth1(redactor: &Redactor) -> Authorizer {
    let settings = OAuth1Settings {
        realm: Some("123456_SB1".to_owned()),
        consumer_key: "the-key".to_owned(),
        consumer_secret: "consumer-secret".into(),
        token: "the-token".into(),
        token_secret: "token-secret".into(),
    };
    Authorizer::oauth1(settings, redactor)
}

/// NetSuite answers 401 where too many call at once, too: what to do about it is for the connector.
#[tokio::test]
async fn every_attempt_is_signed_anew_and_a_refusal_is_the_answer() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(401)).mount(&server).await;
    let redactor = Redactor::default();
    let client = client(oauth1(&redactor));
    assert!(!client.authorizer().can_renew());
    let request = request(&format!("{}/a?q=1", server.uri()), false);
    for _ in 0..3 {
        assert_eq!(client.send(&request).await.unwrap().status, 401);
    }
    let told = server.received_requests().await.unwrap();
    assert_eq!(told.len(), 3);
    let mut nonces = HashSet::new();
    for request in told {
        let value = request.headers["authorization"].to_str().unwrap();
        let (scheme, parameters) = value.split_once(' ').unwrap();
        let of = |name: &str| {
            let mut pairs = parameters.split(", ").filter_map(|pair| pair.split_once('='));
            pairs.find(|pair| pair.0 == name).unwrap().1.trim_matches('"').to_owned()
        };
        assert_eq!((scheme, &*of("realm")), ("OAuth", "123456_SB1"));
        assert_eq!((&*of("oauth_consumer_key"), &*of("oauth_token")), ("the-key", "the-token"));
        let nonce = of("oauth_nonce");
        assert!(nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(nonces.insert(nonce));
        assert!((now() - 60..=now()).contains(&of("oauth_timestamp").parse().unwrap()));
        // As a remote may tell it back.
        let clean = redactor.clean(&format!("{} {value}", of("oauth_signature")));
        assert!(clean.starts_with("[secret] OAuth realm="), "{clean}");
        assert!(clean.contains("oauth_token=\"[secret]\""), "{clean}");
        assert!(clean.ends_with("oauth_signature=\"[secret]\""), "{clean}");
    }
}

#[tokio::test]
async fn who_signs_shows_no_secret_and_has_no_access_token() {
    let redactor = Redactor::default();
    let authorizer = oauth1(&redactor);
    let shown = format!("{authorizer:?}");
    for hidden in ["consumer-secret", "token-secret", "the-token", "the-key"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
    assert_eq!(redactor.clean("consumer-secret token-secret"), "[secret] [secret]");
    let error = authorizer.access_token().await.unwrap_err();
    assert!(
        matches!(&error, RequestError::Unauthorized(text) if text.contains("signs")),
        "{error}"
    );
}

/// A token endpoint at `/token`, and data for who has its tokens.
async fn endpoint(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/token")).respond_with(answer).mount(&server).await;
    Mock::given(header("authorization", "Bearer new-token"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    server
}

fn token(expires_in: &Value) -> ResponseTemplate {
    let body =
        json!({"access_token": "new-token", "expires_in": expires_in, "token_type": "bearer"});
    ResponseTemplate::new(200).set_delay(Duration::from_millis(50)).set_body_json(body)
}

fn signing(server: &MockServer, grant: Grant) -> Client {
    lasting(server, grant, None)
}

/// The same, of tokens that are good for `lasts` where the endpoint does not say.
fn lasting(server: &MockServer, grant: Grant, lasts: Option<Duration>) -> Client {
    let http = pool(Duration::from_secs(5), "test").unwrap();
    let redactor = Redactor::default();
    let settings = OAuthSettings {
        token_url: format!("{}/token", server.uri()).parse().unwrap(),
        grant,
        client_id: "the-client".to_owned(),
        client_secret: "".into(),
        client_in: ClientIn::Form,
        parameters: Vec::new(),
        access_token: None,
        expires_in: None,
        lasts,
        kept: &[],
        config_file: None,
    };
    let authorizer = Authorizer::oauth(http.clone(), settings, &redactor);
    Client::new(http, authorizer, None, redactor)
}

fn pem(key: &KeyPair) -> String {
    let body = BASE64_STANDARD.encode(key.serialized_der());
    format!("-----BEGIN PRIVATE KEY-----\\n{body}\\n-----END PRIVATE KEY-----\\n")
}

fn of_client(key: &KeyPair, server: &MockServer) -> Grant {
    let audience = format!("{}/token", server.uri());
    let scope = vec!["rest_webservices".to_owned(), "restlets".to_owned()];
    let key = pem(key);
    Grant::ClientAssertion(
        Assertion::of_client(&key, Some("cert-1".into()), scope, audience).unwrap(),
    )
}

/// The forms that came to `/token`.
async fn forms(server: &MockServer) -> Vec<HashMap<String, String>> {
    let all = server.received_requests().await.unwrap();
    let asked = all.iter().filter(|request| request.url.path() == "/token");
    asked
        .map(|request| {
            assert!(request.headers.get("authorization").is_none());
            url::form_urlencoded::parse(&request.body).into_owned().collect()
        })
        .collect()
}

fn claims(assertion: &str, key: &DecodingKey, algorithm: Algorithm, audience: &str) -> Value {
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[audience]);
    decode::<Value>(assertion, key, &validation).unwrap().claims
}

#[tokio::test]
async fn a_client_signs_for_its_token() {
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072).unwrap();
    let p256 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let of_ec = |key: &KeyPair| DecodingKey::from_ec_der(key.public_key_raw());
    let of_rsa = DecodingKey::from_rsa_der(rsa.public_key_raw());
    for (key, algorithm, public) in [
        (&rsa, Algorithm::PS256, of_rsa),
        (&p256, Algorithm::ES256, of_ec(&p256)),
        (&p384, Algorithm::ES384, of_ec(&p384)),
    ] {
        let server = endpoint(token(&"3600".into())).await;
        let client = signing(&server, of_client(key, &server));
        let data = request(&format!("{}/data", server.uri()), true);
        assert_eq!(client.send(&data).await.unwrap().status, 200);
        let [form] = &forms(&server).await[..] else { panic!("not one token") };
        let assertion = &form["client_assertion"];
        assert_eq!(
            *form,
            HashMap::from(
                [
                    ("grant_type", "client_credentials"),
                    (
                        "client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                    ),
                    ("client_assertion", assertion),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
            )
        );
        let told = decode_header(assertion).unwrap();
        assert_eq!((told.typ.as_deref(), told.kid.as_deref()), (Some("JWT"), Some("cert-1")));
        assert_eq!(told.alg, algorithm);
        let audience = format!("{}/token", server.uri());
        let claims = claims(assertion, &public, algorithm, &audience);
        let issued = claims["iat"].as_u64().unwrap();
        let until = claims["exp"].as_u64().unwrap();
        assert!((now() - 60..=now()).contains(&issued));
        assert!(issued < until && until < issued + 3600);
        let scope = ["rest_webservices", "restlets"];
        assert_eq!(
            claims,
            json!({"iss": "the-client", "scope": scope, "aud": audience, "iat": issued, "exp": until})
        );
        let shown = format!("{client:?}");
        assert!(!shown.contains("PRIVATE") && !shown.contains("eyJ"), "{shown}");
    }
}

#[tokio::test]
async fn a_client_signs_for_a_user() {
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let of_user =
        |key: &KeyPair| Assertion::of_user(&pem(key), "bob".into(), "https://login.example".into());
    let server = endpoint(token(&3600.into())).await;
    let client = signing(&server, Grant::JwtBearer(of_user(&rsa).unwrap()));
    client.authorizer().access_token().await.unwrap();
    let [form] = &forms(&server).await[..] else { panic!("not one token") };
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(form.len(), 2);
    let public = DecodingKey::from_rsa_der(rsa.public_key_raw());
    let claims = claims(&form["assertion"], &public, Algorithm::RS256, "https://login.example");
    let until = claims["exp"].as_u64().unwrap();
    assert!((now() + 100..=now() + 180).contains(&until));
    let (client, audience) = ("the-client", "https://login.example");
    assert_eq!(claims, json!({"iss": client, "sub": "bob", "aud": audience, "exp": until}));

    let ec = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    assert_eq!(of_user(&ec).unwrap_err(), "it is no RSA key");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_callers_share_a_renewal_and_each_is_signed_anew() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    // So short that the first token is over when the second round begins; the second is good.
    let server = MockServer::start().await;
    for (answer, times) in [(token(&"2".into()), 1), (token(&"3600".into()), 9)] {
        Mock::given(path("/token")).respond_with(answer).up_to_n_times(times).mount(&server).await;
    }
    Mock::given(path("/data")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let client = Arc::new(signing(&server, of_client(&key, &server)));
    for tokens in 1..=2 {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (client, data) =
                (Arc::clone(&client), request(&format!("{}/data", server.uri()), true));
            calls.spawn(async move { client.send(&data).await.unwrap().status });
        }
        assert!(calls.join_all().await.iter().all(|status| *status == 200));
        assert_eq!(forms(&server).await.len(), tokens);
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    let assertions: HashSet<_> =
        forms(&server).await.into_iter().map(|mut form| form.remove("client_assertion")).collect();
    assert_eq!(assertions.len(), 2);
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_also_where_that_is_not_told() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let server = endpoint(token(&Value::Null)).await;
    let client = lasting(&server, of_client(&key, &server), Some(Duration::from_secs(2)));
    for tokens in 1..=2 {
        let data = request(&format!("{}/data", server.uri()), true);
        assert_eq!(client.send(&data).await.unwrap().status, 200);
        assert_eq!(forms(&server).await.len(), tokens);
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
}

#[tokio::test]
async fn a_refused_assertion_is_not_told() {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let server = MockServer::start().await;
    Mock::given(path("/token"))
        .respond_with(|request: &wiremock::Request| {
            let form = url::form_urlencoded::parse(&request.body);
            let assertion = form.into_owned().find(|(name, _)| name == "client_assertion");
            let description = format!("{} is not known", assertion.unwrap().1);
            ResponseTemplate::new(400).set_body_json(
                json!({"error": "invalid_request", "error_description": description}),
            )
        })
        .mount(&server)
        .await;
    let client = signing(&server, of_client(&key, &server));
    let error = client.authorizer().access_token().await.unwrap_err();
    let RequestError::Unauthorized(text) = &error else { panic!("{error:?}") };
    let said = "the token endpoint answered invalid_request: [secret] is not known (status 400)";
    assert_eq!(&**text, said);
    // What is refused is not asked for again.
    client.authorizer().access_token().await.unwrap_err();
    assert_eq!(forms(&server).await.len(), 1);
}
