//! Credentials of a manifest that sign.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const ASSERTION: &str = "{ type: oauth2_client_assertion, token_url: \"{{ base_url }}/token\", \
                         scope: \"read write\", parameters: { resource: all } }";
const OAUTH1: &str = "{ type: oauth1, consumer_key: the-key, token: \"{{ config.token_id }}\", \
                      consumer_secret: \"{{ config.client_secret }}\", realm: \"{{ config.account }}\", \
                      token_secret: \"{{ config.token_secret }}\" }";

struct Case {
    server: MockServer,
    folder: tempfile::TempDir,
}

impl Case {
    async fn new() -> Self {
        let server = MockServer::start().await;
        let token = json!({"access_token": "new-token", "expires_in": "3600"});
        Mock::given(path("/token"))
            .respond_with(ResponseTemplate::new(200).set_body_json(token))
            .mount(&server)
            .await;
        Self { server, folder: tempfile::tempdir().unwrap() }
    }

    /// With `more` in the config; a `null` takes a key out.
    fn build(&self, auth: &str, more: &Value) -> Result<super::super::Rest, BuildError> {
        let manifest = format!(
            "version: 1\nname: m\nbase_url: \"{{{{ config.base_url }}}}\"\nauth: {auth}\n\
             check: {{ method: GET, path: /me }}\n\
             streams: {{ \"*\": {{ create: {{ method: POST, path: /x, body: \"{{{{ record }}}}\" }} }} }}\n"
        );
        let file = self.folder.path().join("m.yaml");
        crate::file::replace(&file, crate::file::Access::Owner, |out| {
            std::io::Write::write_all(out, manifest.as_bytes())
        })
        .unwrap();
        let mut settings = settings(&self.server.uri(), file.to_str().unwrap());
        settings.values.extend(more.as_object().unwrap().clone());
        settings.values.retain(|_, value| !value.is_null());
        Rest::build(settings)
    }

    fn refusal(&self, auth: &str, more: &Value) -> String {
        self.build(auth, more).unwrap_err().to_string()
    }
}

#[tokio::test]
async fn a_client_signs_for_its_tokens() {
    let case = Case::new().await;
    Mock::given(path("/me"))
        .and(header("authorization", "Bearer new-token"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&case.server)
        .await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let body = BASE64_STANDARD.encode(key.serialized_der());
    let pem = format!("-----BEGIN PRIVATE KEY-----\\n{body}\\n-----END PRIVATE KEY-----");
    // There is no secret, and the endpoint is told none.
    let config = json!({"private_key": pem, "key_id": "k-1", "client_secret": null});
    let rest = case.build(ASSERTION, &config).unwrap();
    let lines = rest.check(&[], false).await;
    assert!(lines[0].result.is_ok(), "{:?}", lines[0].result);

    let all = case.server.received_requests().await.unwrap();
    let asked = all.iter().find(|request| request.url.path() == "/token").unwrap();
    let mut form: HashMap<String, String> =
        url::form_urlencoded::parse(&asked.body).into_owned().collect();
    let assertion = form.remove("client_assertion").unwrap();
    let expected = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("scope", "read write"),
        ("resource", "all"),
    ];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(decode_header(&assertion).unwrap().kid.as_deref(), Some("k-1"));
    let mut validation = Validation::new(Algorithm::ES256);
    let audience = format!("{}/token", case.server.uri());
    validation.set_audience(&[&audience]);
    let public = DecodingKey::from_ec_der(key.public_key_raw());
    let claims = decode::<Value>(&assertion, &public, &validation).unwrap().claims;
    assert_eq!(
        (&claims["iss"], &claims["sub"]),
        (&"sandbox-client".into(), &"sandbox-client".into())
    );
    assert_eq!(claims["scope"], json!(["read", "write"]));
    assert_eq!(claims["jti"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn each_request_is_signed() {
    let case = Case::new().await;
    let config = json!({"token_id": "the-token", "token_secret": "hush", "account": "1_SB1"});
    let rest = case.build(OAUTH1, &config).unwrap();
    Mock::given(path("/me")).respond_with(ResponseTemplate::new(200)).mount(&case.server).await;
    for _ in 0..2 {
        let lines = rest.check(&[], false).await;
        assert!(lines[0].result.is_ok(), "{:?}", lines[0].result);
    }
    let told = case.server.received_requests().await.unwrap();
    let told: Vec<_> =
        told.iter().map(|request| request.headers["authorization"].to_str().unwrap()).collect();
    assert!(told.len() == 2 && told[0] != told[1], "{told:?}");
    let begin =
        "OAuth realm=\"1_SB1\", oauth_token=\"the-token\", oauth_consumer_key=\"the-key\", ";
    assert!(told.iter().all(|told| told.starts_with(begin)), "{told:?}");
}

#[tokio::test]
async fn what_signing_needs_is_told() {
    let case = Case::new().await;
    let told = case.refusal(ASSERTION, &json!({}));
    assert!(told.contains("`private_key`"), "{told}");
    let told = case.refusal(ASSERTION, &json!({"private_key": "hunter2-hunter2"}));
    assert!(told.contains("`private_key`: it is no private key in the form PEM"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    let told = case.refusal(OAUTH1, &json!({"token_id": "the-token", "account": "1"}));
    assert!(told.contains("`token_secret`"), "{told}");
    let told = case.refusal("{ type: oauth1, consumer_key: a }", &json!({}));
    assert!(told.contains("`type: oauth1` needs `consumer_secret`"), "{told}");
    let auth = ASSERTION.replace("parameters", "client_in: basic, parameters");
    let told = case.refusal(&auth, &json!({}));
    assert!(
        told.contains("`client_in` means nothing to `type: oauth2_client_assertion`"),
        "{told}"
    );
}
