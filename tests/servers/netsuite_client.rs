//! `netsuite`, a client of NetSuite's that others wrote: it drives the sandbox's NetSuite. And a
//! signer that others wrote, to compare signatures with.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use url::Position;
use wiremock::matchers::{any, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::hubspot_client::passes;
use crate::installed::{ask, program};
use crate::support::{Place, Remote, record};

#[test]
#[ignore = "needs `netsuite`, which `tests/run` installs"]
fn in_python_finds_what_it_knows() {
    let remote = Remote::with(r#"{"netsuite": {"page_rows": 2, "job_ms": 200}}"#);
    passes("netsuite_client_suite.py", &[("REMOTE", &remote.url)], 12);
}

#[test]
#[ignore = "needs oauthlib, which `tests/run` installs"]
fn a_signature_of_oauthlib_is_good() {
    let remote = Remote::start();
    let url = format!("{}/services/rest/record/v1/vendor?q=email IS \"a&b\"&limit=2", remote.url);
    let url = url.replace(' ', "%20").replace('"', "%22").replace("a&b", "a%26b");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let [authorization, _] = authorizations("GET", &url, "nonce-1", now);
    assert_eq!(ask("GET", &url, Some(&authorization), None).0, 200);
    // It is good once, and for nothing else.
    assert_eq!(ask("GET", &url, Some(&authorization), None).0, 401);
    let [other, _] = authorizations("POST", &url, "nonce-2", now);
    assert_eq!(ask("GET", &url, Some(&other), None).0, 401);
}

/// What the connector signs is what oauthlib and the client sign: of addresses with and without a
/// query, and with letters in them that are encoded.
#[test]
#[ignore = "needs oauthlib and `netsuite`, which `tests/run` installs"]
fn our_signatures_are_those_of_others() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(async {
        let server = MockServer::start().await;
        let rows = ResponseTemplate::new(200).set_body_json(json!({"items": [], "hasMore": false}));
        let written = ResponseTemplate::new(204).insert_header("location", "/record/v1/customer/7");
        Mock::given(method("PUT")).respond_with(written).mount(&server).await;
        Mock::given(any()).respond_with(rows).mount(&server).await;
        server
    });
    let place = Place::with(json!({"connector": "netsuite", "base_url": server.uri(),
        "ns_account": "1234567_SB1", "ns_consumer_key": "sandbox-consumer-key",
        "ns_consumer_secret": "sandbox-consumer-secret", "ns_token_key": "sandbox-token-key",
        "ns_token_secret": "sandbox-token-secret"}));
    let one = |id: &str| {
        let name = json!({"refName": "O'Hare & Sons ü"});
        record("customer", &json!({"externalId": id, "companyName": "A", "subsidiary": name}))
    };
    let plain = record("customer", &json!({"externalId": "a b+ü/1", "companyName": "A"}));
    let schema = json!({"type": "SCHEMA", "stream": "customer", "key_properties": [],
        "schema": {"properties": {"externalId": {}, "companyName": {}, "subsidiary": {}}}});
    place.done(format!("{schema}\n{plain}{}", one("c-2")));
    let calls = runtime.block_on(server.received_requests()).unwrap();
    let mut kinds = BTreeSet::new();
    for call in calls {
        let ours = call.headers["authorization"].to_str().unwrap();
        let part = |name: &str| {
            let rest = ours.split(&format!("{name}=\"")).nth(1).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let timestamp = part("oauth_timestamp").parse().unwrap();
        let signature = format!("oauth_signature=\"{}\"", part("oauth_signature"));
        let method = call.method.as_str();
        // As it was sent, it has the server's host.
        let url = format!("{}{}", server.uri(), &call.url[Position::BeforePath..]);
        for theirs in authorizations(method, &url, &part("oauth_nonce"), timestamp) {
            for part in [&*signature, "realm=\"1234567_SB1\""] {
                assert!(theirs.contains(part) && ours.contains(part), "{method} {url}: {theirs}");
            }
        }
        kinds.insert((call.method.to_string(), call.url.query().is_some()));
    }
    let all = [("GET", true), ("POST", true), ("PUT", false)];
    assert_eq!(kinds, all.map(|(method, query)| (method.to_owned(), query)).into());
}

/// The `Authorization` of a call, as oauthlib signs it, and as the client does.
fn authorizations(method: &str, url: &str, nonce: &str, timestamp: u64) -> [String; 2] {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/netsuite_signature.py");
    let ran = Command::new(program("python"))
        .arg(script)
        .args([method, url, nonce, &timestamp.to_string()])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let told = String::from_utf8(ran.stdout).unwrap();
    let lines: Vec<String> = told.lines().map(str::to_owned).collect();
    lines.try_into().unwrap()
}
