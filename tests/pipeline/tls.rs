//! Certificates are verified, always: a remote that cannot prove its name gets no request, and so
//! no credential.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use crate::support::{Place, contacts};

/// An authority of the test's own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), der }
    }

    /// As a file of trusted authorities.
    fn pem(&self) -> String {
        let body = BASE64_STANDARD.encode(&self.der);
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    }
}

/// A remote over TLS that takes everything, and counts the requests that come through to it.
struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// With a certificate for `name`, good until the end of `year`; without an `authority` it has
    /// signed it itself.
    fn start(name: &str, year: i32, authority: Option<&Authority>) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 12, 31);
        let certificate = match authority {
            Some(authority) => params.signed_by(&key, &authority.issuer).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (config, requests) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().map(Result::unwrap) {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream);
                // A client that does not like the certificate sends no byte of a request.
                if matches!(stream.read(&mut [0; 16 << 10]), Ok(read) if read > 0) {
                    counter.fetch_add(1, Relaxed);
                    let head =
                        "HTTP/1.1 201 Created\r\nContent-Length: 10\r\nConnection: close\r\n\r\n";
                    stream.write_all(format!("{head}{{\"id\":\"1\"}}").as_bytes()).unwrap();
                    stream.conn.send_close_notify();
                    stream.flush().unwrap();
                }
            }
        });
        Self { url, requests }
    }

    fn place(&self, trusted: &str) -> Place {
        let place = Place::with(json!({"connector": "rest", "manifest": "m.yaml",
            "base_url": self.url, "access_token": "hush-0123", "retry": {"attempts": 1}}))
        .env("SSL_CERT_FILE", "trusted.pem");
        place.file("trusted.pem", trusted);
        place.file(
            "m.yaml",
            "version: 1\nname: m\nbase_url: \"{{ config.base_url }}\"\n\
             auth: { type: bearer, token: \"{{ config.access_token }}\" }\n\
             check: { method: GET, path: /me }\n\
             streams: { \"*\": { create: { method: POST, path: /x, body: \"{{ record }}\", remote_id: $.id } } }\n",
        );
        place
    }
}

#[test]
fn a_remote_that_cannot_prove_its_name_gets_no_request() {
    let ours = Authority::new("ours");
    let theirs = Authority::new("theirs");
    for (server, word) in [
        (Server::start("127.0.0.1", 2999, None), "UnknownIssuer"),
        (Server::start("127.0.0.1", 2999, Some(&theirs)), "UnknownIssuer"),
        (Server::start("elsewhere.example", 2999, Some(&ours)), "not valid for name"),
        (Server::start("127.0.0.1", 2001, Some(&ours)), "expired"),
    ] {
        let place = server.place(&ours.pem());
        let ran = place.run(contacts(1));
        assert_eq!(ran.code, 3, "{word}: {}", ran.stderr);
        assert!(ran.stderr.contains("certificate"), "{word}: {}", ran.stderr);
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint:"), "{word}: {}", ran.stderr);
        let names_the_way_out = ran.stderr.contains("`SSL_CERT_FILE`");
        assert_eq!(names_the_way_out, word == "UnknownIssuer", "{word}: {}", ran.stderr);
        let checked = place.call(&["check", "--config", "config.json", "contacts"]);
        assert_eq!(checked.code, 3, "{word}: {}", checked.stdout);
        assert!(checked.stdout.contains("certificate"), "{word}: {}", checked.stdout);
        assert_eq!(server.requests.load(Relaxed), 0, "{word}");
    }
}

#[test]
fn an_authority_that_the_user_names_is_trusted() {
    let authority = Authority::new("ours");
    let server = Server::start("127.0.0.1", 2999, Some(&authority));
    let place = server.place(&authority.pem());
    place.done(contacts(1));
    assert_eq!(server.requests.load(Relaxed), 1);
    assert_eq!(place.results()[0]["RemoteId"], "1");
}
