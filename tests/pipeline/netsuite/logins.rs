//! Who calls: by signed requests, and by tokens for a signed assertion.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use serde_json::{Value, json};

use super::{customers, place};
use crate::support::{Place, Remote, counts};

/// The account's setup, with the certificate of a key that is made anew.
fn with_certificate(remote: &Remote) -> String {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let public = pem("PUBLIC", &key.subject_public_key_info());
    let body = json!({"certificate_id": "cert-1", "certificate": public});
    remote.post("/_sandbox/netsuite/certificates", &body);
    pem("PRIVATE", key.serialized_der())
}

fn pem(kind: &str, der: &[u8]) -> String {
    let lines = BASE64_STANDARD.encode(der);
    format!("-----BEGIN {kind} KEY-----\n{lines}\n-----END {kind} KEY-----\n")
}

fn certified(remote: &Remote, key: &str) -> Place {
    Place::with(
        json!({"connector": "netsuite", "base_url": remote.url, "ns_account": "1234567-sb1",
        "client_id": "sandbox-client-id", "certificate_id": "cert-1", "private_key": key,
        "retry": {"base_millis": 1}}),
    )
}

#[test]
fn a_signed_assertion_gets_a_token() {
    let remote = Remote::start();
    let key = with_certificate(&remote);
    let place = certified(&remote, &key);
    place.done(customers(5, "a@x.example"));
    assert_eq!(place.counts("customer"), counts([("read", 5), ("created", 5)]));
    assert_eq!(remote.calls_to("POST", "/auth/oauth2/v1/token"), 1);
    // A key that NetSuite does not know is none, and is not told.
    let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let other = pem("PRIVATE", other.serialized_der());
    let ran = certified(&remote, &other).run(customers(1, "b@x.example"));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(!ran.stderr.contains(other.lines().nth(1).unwrap()), "{}", ran.stderr);
    assert_eq!(remote.books("customer").len(), 5);
}

/// Before it ends: no call goes out with one that is over.
#[test]
fn a_token_that_ends_is_renewed() {
    let remote = Remote::with("{token_secs: 4, latency_ms: 150}");
    let key = with_certificate(&remote);
    let place = certified(&remote, &key).set("max_in_flight", 1);
    place.done(customers(20, "a@x.example"));
    assert_eq!(place.counts("customer"), counts([("read", 20), ("created", 20)]));
    assert!(remote.calls_to("POST", "/auth/oauth2/v1/token") > 1);
    assert_eq!(remote.calls()["statuses"]["401"], Value::Null);
}

#[test]
fn a_wrong_secret_ends_the_job_and_is_not_told() {
    let remote = Remote::start();
    let place = place(&remote).set("ns_token_secret", "not-the-secret");
    let ran = place.run(customers(2, "a@x.example"));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("Invalid login attempt"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("not-the-secret") && !ran.stdout.contains("not-the-secret"));
    assert!(remote.books("customer").is_empty());
}

#[test]
fn a_config_says_who_calls() {
    let remote = Remote::start();
    for (without, hint) in [
        ("ns_account", "ns_account"),
        ("ns_token_key", "client_id"),
        ("ns_consumer_secret", "private_key"),
    ] {
        let place = place(&remote).set(without, Value::Null);
        let ran = place.run(customers(1, "a@x.example"));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(without) && ran.stderr.contains(hint), "{}", ran.stderr);
    }
    for (given, missing) in [
        (json!({"client_id": "a", "certificate_id": "b"}), "`private_key`"),
        (json!({"client_id": "a", "private_key": "c"}), "`certificate_id`"),
        (json!({"certificate_id": "b", "private_key": "c"}), "`client_id`"),
    ] {
        let all = given.as_object().unwrap().iter();
        let place = all.fold(place(&remote), |place, (key, value)| place.set(key, value.clone()));
        let ran = place.run(customers(1, "a@x.example"));
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        assert!(ran.stderr.contains(missing), "{}", ran.stderr);
    }
    let ran = place(&remote).set("ns_account", "https://evil.example").run(customers(1, "x"));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}
