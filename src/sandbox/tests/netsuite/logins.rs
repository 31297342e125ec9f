//! Signatures with every call, and tokens for assertions. The signatures of this test are made by
//! hand from RFC 5849; a client that others wrote makes more of them in `tests/servers`.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::super::{Reply, Sandbox, send};
use super::assert_refused;

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// What is said in a signature; each test spoils one part of it.
struct Signed {
    realm: &'static str,
    key: &'static str,
    token: &'static str,
    method: &'static str,
    secret: &'static str,
    nonce: &'static str,
    late_secs: i64,
}

const GOOD: Signed = Signed {
    realm: "1234567_SB1",
    key: "sandbox-consumer-key",
    token: "sandbox-token-key",
    method: "HMAC-SHA256",
    secret: "sandbox-consumer-secret&sandbox-token-secret",
    nonce: "n1",
    late_secs: 0,
};

impl Signed {
    fn header(&self, address: &str, query: &[(&str, &str)]) -> String {
        let timestamp = (Utc::now().timestamp() - self.late_secs).to_string();
        let own = [
            ("oauth_consumer_key", self.key),
            ("oauth_nonce", self.nonce),
            ("oauth_signature_method", self.method),
            ("oauth_timestamp", &timestamp),
            ("oauth_token", self.token),
            ("oauth_version", "1.0"),
        ];
        let mut pairs: Vec<String> = own
            .iter()
            .chain(query)
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        pairs.sort();
        let base = format!("GET&{}&{}", encoded(address), encoded(&pairs.join("&")));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let signature = STANDARD.encode(hmac::sign(&key, base.as_bytes()));
        let own: Vec<String> =
            own.iter().map(|(name, value)| format!("{name}=\"{}\"", encoded(value))).collect();
        format!(
            "OAuth realm=\"{}\", {}, oauth_signature=\"{}\"",
            self.realm,
            own.join(", "),
            encoded(&signature)
        )
    }
}

const PATH: &str = "/services/rest/record/v1/vendor";

impl Sandbox {
    async fn signed(&self, signed: &Signed) -> Reply {
        let address = format!("http://{}{PATH}", self.running.address());
        let header = signed.header(&address, &[("limit", "2"), ("q", "entityId IS \"a & b\"")]);
        let query = "?q=entityId+IS+%22a%20%26%20b%22&limit=2";
        let request = self.request("GET", &format!("{PATH}{query}"));
        send(request.header("authorization", header)).await.unwrap()
    }
}

#[tokio::test]
async fn a_call_is_let_in_by_its_signature() {
    let sandbox = Sandbox::start("").await;
    assert_eq!(sandbox.signed(&GOOD).await.status, 200);
    for (signed, error) in [
        (Signed { realm: "1234567_sb1", nonce: "n2", ..GOOD }, "token_rejected"),
        (Signed { key: "x", nonce: "n3", ..GOOD }, "consumer_key_unknown"),
        (Signed { token: "x", nonce: "n4", ..GOOD }, "token_rejected"),
        (Signed { method: "HMAC-SHA1", nonce: "n5", ..GOOD }, "signature_method_rejected"),
        (Signed { secret: "x&y", nonce: "n6", ..GOOD }, "signature_invalid"),
        (Signed { late_secs: 310, nonce: "n7", ..GOOD }, "timestamp_refused"),
        (Signed { late_secs: -310, nonce: "n8", ..GOOD }, "timestamp_refused"),
        (Signed { nonce: "", ..GOOD }, "nonce_used"),
    ] {
        let refused = sandbox.signed(&signed).await;
        assert_refused(&refused, 401, "INVALID_LOGIN", "Invalid login attempt.", "");
        let told = format!(
            "OAuth realm=\"1234567_SB1\", error=\"{error}\", error_description=\"Invalid login \
                attempt.\""
        );
        assert_eq!(refused.header("www-authenticate"), told);
    }
    // A nonce is good once for each second.
    let late = Signed { late_secs: 100, ..GOOD };
    assert_eq!(sandbox.signed(&late).await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(sandbox.signed(&Signed { nonce: "twice", ..GOOD }).await.status);
    }
    assert!(statuses.contains(&401), "{statuses:?}");

    let bearer = send(sandbox.request("GET", PATH).bearer_auth("another")).await.unwrap();
    assert_refused(&bearer, 401, "INVALID_LOGIN", "", "");
    assert!(bearer.header("www-authenticate").contains("error=\"invalid_token\""));
    let none = send(sandbox.request("GET", PATH)).await.unwrap();
    assert_refused(&none, 401, "INVALID_LOGIN", "", "");
}

fn pem(label: &str, der: &[u8]) -> String {
    let lines: Vec<String> = STANDARD
        .encode(der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[tokio::test]
async fn a_token_is_had_for_an_assertion() {
    let sandbox = Sandbox::start("token_calls: 1").await;
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate =
        rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&pair).unwrap();
    let public = rcgen::PublicKeyData::subject_public_key_info(&pair);
    for (id, pem) in
        [("c1", pem("CERTIFICATE", certificate.der())), ("c2", pem("PUBLIC KEY", &public))]
    {
        let body = json!({"certificate_id": id, "certificate": pem});
        let set = sandbox.call("POST", "/_sandbox/netsuite/certificates", body).await;
        assert_eq!(set.status, 204, "{set:?}");
    }
    let odd = json!({"certificate_id": "c3", "certificate": "x"});
    assert_eq!(sandbox.call("POST", "/_sandbox/netsuite/certificates", odd).await.status, 400);

    let address =
        format!("http://{}/services/rest/auth/oauth2/v1/token", sandbox.running.address());
    let now = Utc::now().timestamp();
    let claims = json!({"iss": "sandbox-client-id", "aud": address, "iat": now, "exp": now + 3600,
        "scope": ["restlets", "rest_webservices"]});
    let key = EncodingKey::from_ec_der(&pair.serialize_der());
    let ask = async |kid: &str, claims: &Value, key: &EncodingKey, alg: Algorithm| {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(alg) };
        let assertion = encode(&header, claims, key).unwrap();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        send(sandbox.request("POST", "/services/rest/auth/oauth2/v1/token").form(&form))
            .await
            .unwrap()
    };
    for kid in ["c1", "c2"] {
        let given = ask(kid, &claims, &key, Algorithm::ES256).await;
        assert_eq!(given.status, 200, "{given:?}");
        let given = given.json();
        assert_eq!(
            (&given["expires_in"], &given["token_type"]),
            (&json!("3600"), &json!("Bearer"))
        );
        assert!(given.get("refresh_token").is_none());
        let token = given["access_token"].as_str().unwrap();
        let call = async || send(sandbox.request("GET", PATH).bearer_auth(token)).await.unwrap();
        assert_eq!((call().await.status, call().await.status), (200, 401));
    }
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let other = EncodingKey::from_ec_der(&other.serialize_der());
    let shared = EncodingKey::from_secret(b"x").unwrap();
    for (kid, claims, key, alg, error) in [
        ("c1", claims.clone(), &other, Algorithm::ES256, "invalid_client"),
        ("c9", claims.clone(), &key, Algorithm::ES256, "invalid_client"),
        ("c1", claims.clone(), &shared, Algorithm::HS256, "invalid_client"),
        ("c1", with("iss", json!("x")), &key, Algorithm::ES256, "invalid_client"),
        ("c1", with("aud", json!("https://x/token")), &key, Algorithm::ES256, "invalid_grant"),
        ("c1", with("exp", json!(now - 100)), &key, Algorithm::ES256, "invalid_grant"),
        ("c1", with("exp", json!(now + 3700)), &key, Algorithm::ES256, "invalid_grant"),
        ("c1", with("scope", json!("restlets")), &key, Algorithm::ES256, "invalid_scope"),
    ] {
        let refused = ask(kid, &claims, key, alg).await;
        assert_eq!((refused.status, refused.json()), (400, json!({"error": error})), "{claims}");
    }
}
