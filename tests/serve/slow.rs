//! Clients that are slow hold up nobody else.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::service::{Service, config};
use crate::support::Remote;

/// As many as may download at once.
const AT_ONCE: usize = 16;

fn connect(service: &Service) -> TcpStream {
    let stream = TcpStream::connect(service.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn ask(service: &Service, path: &str) -> TcpStream {
    let mut stream = connect(service);
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

#[test]
fn who_does_not_end_a_request_is_cut_off() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    config["request_secs"] = json!(0.5);
    let service = Service::start(&config);
    // One never ends its headers, one its body.
    let headers =
        "POST /v2/dev/two/acme/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n";
    let answered = |text: &str| {
        let mut stream = connect(&service);
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert_eq!(answered(headers), "");
    let answer = answered(&format!("{headers}\r\n{{"));
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(service.get("/healthz").text, "ok\n");
}

#[test]
fn a_request_of_today_names_its_host() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let answered = |version: &str| {
        let mut stream = connect(&service);
        let request = format!("GET /healthz HTTP/{version}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = answered("1.1");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("`host` is missing"), "{answer}");
    let answer = answered("1.0");
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
}

#[test]
fn headers_that_are_long_are_not_held() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let mut stream = connect(&service);
    let headers = format!(
        "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n",
        "x".repeat(200_000)
    );
    // It may be closed before all of it is sent.
    drop(stream.write_all(headers.as_bytes()));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(service.get("/healthz").text, "ok\n");
}

#[test]
fn downloads_that_nobody_reads_end_and_others_have_their_turn() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    config["request_secs"] = json!(2);
    let mut service = Service::start(&config);
    service.loglevel = "debug";
    service.kill();
    service.begin();
    // More than what sockets hold by themselves, and nothing that the remote would take.
    let note = "x".repeat(500_000);
    let records: Vec<Value> = (0..40)
        .map(|n| json!({"externalId": format!("c-{n}"), "email": "none", "note": note}))
        .collect();
    let body = json!({"connector_id": "crm", "job_type": "write", "state": {"contacts": records}});
    let job = service.post("/v2/dev/two/acme/jobs", &body).is(201);
    let id = job["job_id"].as_str().unwrap();
    let ended = service.ended(id);
    assert_eq!(ended["summary"]["streams"]["contacts"]["rejected"], 40, "{ended}");
    let rejects = format!("/api/v1/jobs/{id}/rejects");
    let mut left: Vec<_> = (0..AT_ONCE).map(|_| ask(&service, &rejects)).collect();
    // Either the part that waits tells of it, or the connection that takes nothing.
    let ended = |log: &str| {
        ["A download is cut off", "A client has left its download"]
            .map(|says| log.matches(says).count())
            .iter()
            .sum::<usize>()
    };
    service.wait_until(|| ended(&service.log()) >= AT_ONCE);
    let whole = service.get(&rejects);
    assert_eq!((whole.status, whole.text.matches(&note).count()), (200, 40));
    // What was left does not say that it is all.
    for stream in &mut left {
        let mut text = Vec::new();
        let is_cut_off = match stream.read_to_end(&mut text) {
            Ok(_) => !text.ends_with(b"\r\n0\r\n\r\n"),
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        };
        assert!(is_cut_off && text.len() < whole.text.len(), "{}", text.len());
    }
}

#[test]
fn past_the_limit_of_connections_one_waits_until_another_ends() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    config["max_connections"] = 2.into();
    let service = Service::start(&config);
    let (first, _second) = (connect(&service), connect(&service));
    let mut third = ask(&service, "/healthz");
    third.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let waits = third.read(&mut [0; 1]).unwrap_err();
    assert!(matches!(waits.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{waits}");
    drop(first);
    third.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"), "{answer}");
}

/// The beginning of a request that queues a job, with a body of this length.
fn announced(length: usize) -> String {
    format!(
        "POST /v2/dev/two/acme/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    )
}

#[test]
fn bodies_that_are_announced_and_do_not_come_keep_nobody_out() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    config["max_body_bytes"] = 100_000.into();
    let service = Service::start(&config);
    let mut left: Vec<_> = (0..20).map(|_| connect(&service)).collect();
    for stream in &mut left {
        stream.write_all(format!("{}{{", announced(100_000)).as_bytes()).unwrap();
    }
    service.ended(&service.queue("acme", &["c-1"]));
    assert_eq!(remote.by_ext("contacts").len(), 1);
}

#[test]
fn long_bodies_that_come_together_come_to_their_end_one_after_another() {
    const LENGTH: usize = 100_000;
    let remote = Remote::start();
    let mut config = config(&remote.url);
    config["max_body_bytes"] = LENGTH.into();
    let service = Service::start(&config);
    let records = json!({"contacts": [{"externalId": "c-1", "email": "c-1@example.com"}]});
    let job = json!({"connector_id": "crm", "job_type": "write", "state": records}).to_string();
    // Half way, they have taken all the room that there is for the rest.
    let mut clients: Vec<_> = (0..8).map(|_| connect(&service)).collect();
    for stream in &mut clients {
        let begins = format!("{}{}", announced(LENGTH), " ".repeat(LENGTH / 2 + LENGTH / 10));
        stream.write_all(begins.as_bytes()).unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    for stream in &mut clients {
        let ends = format!("{job:>length$}", length = LENGTH - LENGTH / 2 - LENGTH / 10);
        stream.write_all(ends.as_bytes()).unwrap();
    }
    for mut stream in clients {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
}
