//! What may stand at the remote, though nobody was told so: who comes after it reckons with it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use crate::support::odd::Odd;
use crate::support::plain::{
    CREATE, FIND, KEY, LOOKUP, READ, UPDATE, answer, body, is_create, is_search, pairs,
};
use crate::support::{Place, Remote, counts, finish, record, schema, state};

/// Searches show what was written so much later; a bit less than the manifests say.
const LAG: Duration = Duration::from_millis(900);

fn person(id: &str, email: &str, name: &str) -> String {
    record("contacts", &json!({"externalId": id, "email": email, "name": name}))
}

fn by_email(url: &str, parts: &[&str]) -> Place {
    Place::plain(url, parts).set("streams", json!({"*": {"lookup_fields": "email"}}))
}

/// A remote that takes the blanks around a name away.
fn that_trims() -> Odd {
    Odd::start(|world, request| {
        let told = answer(world, request, LAG);
        let Some(row) = world.rows.last_mut().filter(|_| is_create(request)) else { return told };
        row["name"] = json!(row["name"].as_str().unwrap().trim());
        ResponseTemplate::new(201).set_body_json(row)
    })
}

const STORED: &str = "      stored: $\n";

/// The next brings the same email, or the same external id in another stream.
#[test]
fn a_record_that_was_made_and_altered_is_there_for_the_next_that_means_it() {
    let lead = record("leads", &json!({"externalId": "a", "email": "f@x.com", "name": "B"}));
    for (options, next) in [
        (json!({"lookup_fields": "email"}), person("b", "e@x.com", "B")),
        (json!({"object": "contacts"}), schema("leads") + &lead),
    ] {
        let odd = that_trims();
        let place = Place::plain(&odd.server.uri(), &[LOOKUP, FIND, CREATE, STORED, UPDATE])
            .set("streams", json!({"*": options}));
        place.done(schema("contacts") + &person("a", "e@x.com", "Ann ") + &next);
        let names: Vec<_> = odd.held("name").into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["B"], "{options}: {:?}", place.results());
        assert_eq!(place.results()[0]["error_code"], "altered");
    }
}

#[test]
fn a_record_without_ids_that_was_made_and_altered_is_not_made_again() {
    let odd = that_trims();
    let place = Place::plain(&odd.server.uri(), &[CREATE, STORED, UPDATE]);
    let schema = json!({"type": "SCHEMA", "stream": "contacts", "key_properties": [],
        "schema": {"properties": {"name": {}}}});
    let ann = record("contacts", &json!({"name": "Ann "}));
    place.done(format!("{schema}\n{ann}{ann}"));
    assert_eq!(odd.world().rows.len(), 1, "{:?}", place.results());
    // Nor by a retry.
    let ran = place.call(&["jobs", "retry", "last", "--config", "config.json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(odd.world().rows.len(), 1);
}

#[test]
fn a_record_that_was_made_and_could_not_be_read_is_there_for_the_next_of_its_email() {
    let remote = Remote::with(
        "{search_lag_ms: 900, faults: [
            {on: \"GET /v1/{object}/{id}\", calls: [1], do: status, status: 400}]}",
    );
    let parts = [LOOKUP, FIND, READ, CREATE, "      read_after: true\n", UPDATE];
    let place = by_email(&remote.url, &parts);
    place.done(schema("contacts") + &person("a", "e@x.com", "Ann") + &person("b", "e@x.com", "B"));
    assert_eq!(remote.faults("status"), 1);
    assert_eq!(remote.held("contacts", "name"), pairs([("b", "B")]), "{:?}", place.results());
}

/// An update is applied that no answer tells of, and searches do not show it yet.
#[test]
fn an_email_that_a_record_in_doubt_may_have_got_is_looked_for_once_a_search_must_show_it() {
    let odd = Odd::start(|world, request| {
        let is_lost = request.method.as_str() == "PATCH" && body(request)["name"] == "Anne";
        let told = answer(world, request, LAG);
        if is_lost {
            world.touch(1);
            return ResponseTemplate::new(500);
        }
        told
    });
    let place = by_email(&odd.server.uri(), &[LOOKUP, FIND, CREATE, UPDATE])
        .set("retry", json!({"attempts": 2, "base_millis": 1}));
    place.done(schema("contacts") + &person("a", "e@x.com", "Ann"));
    // What that job wrote is not waited for any more.
    std::thread::sleep(Duration::from_millis(1100));
    place.done(schema("contacts") + &person("a", "f@x.com", "Anne") + &person("b", "f@x.com", "B"));
    assert_eq!(place.counts("contacts")["in_doubt"], 1, "{:?}", place.results());
    assert_eq!(odd.held("name"), pairs([("b", "B")]), "{:?}", place.results());
}

/// A create is applied that no answer tells of, and the lookup that asks for it is refused.
#[test]
fn an_email_of_a_new_record_in_doubt_is_looked_for_once_a_search_must_show_it() {
    let step = AtomicUsize::new(0);
    let odd = Odd::start(move |world, request| {
        let told = answer(world, request, LAG);
        let is_next = |request: &_, now| match now {
            0 => is_create(request),
            _ => now == 1 && is_search(request),
        };
        let now = step.load(Ordering::Relaxed);
        if is_next(request, now) {
            step.store(now + 1, Ordering::Relaxed);
            return ResponseTemplate::new(if now == 0 { 500 } else { 400 });
        }
        told
    });
    let place = by_email(&odd.server.uri(), &[LOOKUP, FIND, CREATE, UPDATE])
        .set("retry", json!({"attempts": 2, "base_millis": 1}));
    place.done(schema("contacts") + &person("a", "e@x.com", "Ann") + &person("b", "e@x.com", "B"));
    assert_eq!(place.counts("contacts")["in_doubt"], 1, "{:?}", place.results());
    assert_eq!(odd.held("name"), pairs([("b", "B")]), "{:?}", place.results());
}

/// What a [`cutting`] remote is asked: method, path and body. Status and body of its answer, and
/// how much of that body is sent.
type Answers = dyn FnMut(&str, &str, &Value) -> (u16, Value, usize) + Send;

/// A remote whose answers end before they should.
fn cutting(
    answers: impl FnMut(&str, &str, &Value) -> (u16, Value, usize) + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answers: Arc<Mutex<Box<Answers>>> = Arc::new(Mutex::new(Box::new(answers)));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let answers = Arc::clone(&answers);
            std::thread::spawn(move || {
                let Some((head, body)) = request(&mut stream) else { return };
                let mut words = head.split(' ');
                let (method, path) = (words.next().unwrap(), words.next().unwrap());
                let (status, body, sent) = answers.lock().unwrap()(method, path, &body);
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 {status} Said\r\nConnection: close\r\n\
                     Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let sent = &body.as_bytes()[..sent.min(body.len())];
                // Whoever has gone is not told.
                drop(stream.write_all(&[head.as_bytes(), sent].concat()));
            });
        }
    });
    url
}

/// Reads one request: its head, and its body as JSON.
fn request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase();
            let length = length.split_once("content-length: ");
            let length =
                length.map_or(0, |(_, rest)| rest.lines().next().unwrap().parse().unwrap());
            if body.len() >= length {
                let body = serde_json::from_str(body).unwrap_or_default();
                return Some((head.to_owned(), body));
            }
        }
        match stream.read(&mut part) {
            Ok(read) if read > 0 => bytes.extend(&part[..read]),
            _ => return None,
        }
    }
}

const WHOLE: usize = usize::MAX;

/// Creates in bulk, and says in an answer of status 422 what became of each.
const IN_BULK: &str = r#"
version: 1
name: in-bulk
base_url: "{{ config.base_url }}"
answers:
  - { when: "{{ status == 422 and body.results is defined }}", is: rows }
streams:
  "*":
    external_id_property: ext_id
    lookup:
      method: POST
      path: "/v1/{{ object }}/search"
      body: { ext_id: { in: "{{ external_ids }}" } }
      rows: $.data[*]
      remote_id: $.id
      lag_secs: 1
    create:
      method: POST
      path: "/v1/{{ object }}/batch"
      body: { records: "{{ records }}" }
      max_records: 10
      rows: "$.results[*]"
      match: external_id
      external_id: $.ext_id
      remote_id: $.id
    update: { method: PATCH, path: "/v1/{{ object }}/{{ remote_id }}", body: "{{ record }}" }
"#;

/// Its status alone was taken for a refusal of all, and one by one they were made again.
#[test]
fn a_refusal_whose_body_is_cut_says_nothing_of_the_records_where_the_body_would() {
    let rows: Arc<Mutex<Vec<(Instant, Value)>>> = Arc::default();
    let held = Arc::clone(&rows);
    let mut is_first = true;
    let url = cutting(move |method, path, body| {
        let mut rows = held.lock().unwrap();
        if path.ends_with("/search") {
            let asked = body["ext_id"]["in"].as_array().unwrap();
            let shown = rows
                .iter()
                .filter(|(made, row)| made.elapsed() >= LAG && asked.contains(&row["ext_id"]));
            let shown: Vec<_> = shown.map(|(_, row)| row.clone()).collect();
            return (200, json!({"data": shown}), WHOLE);
        }
        if method == "PATCH" {
            return (200, json!({}), WHOLE);
        }
        let mut results = Vec::new();
        for record in body["records"].as_array().unwrap() {
            let mut row = record.clone();
            row["id"] = json!(rows.len() + 1);
            results.push(row.clone());
            rows.push((Instant::now(), row));
        }
        let sent = if std::mem::take(&mut is_first) { 30 } else { WHOLE };
        (422, json!({"results": results}), sent)
    });
    let place = Place::plain(&url, &[]).manifest(IN_BULK);
    let people = ["a", "b", "c", "d"].map(|id| person(id, "e@x.com", id));
    place.done(schema("contacts") + &people.concat());
    let rows = rows.lock().unwrap();
    let ids: Vec<_> = rows.iter().map(|(_, row)| &row["ext_id"]).collect();
    assert_eq!(ids, ["a", "b", "c", "d"], "{:?}", place.results());
}

/// A body that says "later" was cut, its status alone was taken for a refusal, and the STATE went
/// on: nobody brought the record again.
#[test]
fn a_refusal_whose_body_is_cut_is_no_refusal_where_the_body_may_say_later() {
    let rows: Arc<Mutex<Vec<Value>>> = Arc::default();
    let held = Arc::clone(&rows);
    let mut is_first = true;
    let url = cutting(move |_, path, body| {
        let mut rows = held.lock().unwrap();
        if path.ends_with("/search") {
            return (200, json!({"data": *rows}), WHOLE);
        }
        if std::mem::take(&mut is_first) {
            return (400, json!({"code": "LATER", "message": "too many requests"}), 10);
        }
        let mut row = body.clone();
        row["id"] = json!(rows.len() + 1);
        rows.push(row.clone());
        (201, row, WHOLE)
    });
    let rule =
        "answers:\n  - { when: \"{{ status == 400 and body.code == 'LATER' }}\", is: throttled }\n";
    let place = Place::plain(&url, &[LOOKUP, CREATE, UPDATE]);
    let manifest = place.read("m.yaml").replace("streams:", &format!("{rule}streams:"));
    let place = place.manifest(manifest);
    place.done(schema("contacts") + &person("a", "e@x.com", "Ann") + &state(&json!({"n": 1})));
    assert_eq!(rows.lock().unwrap().len(), 1, "{:?}", place.results());
}

/// A resend under the same key is told "in use": the first may have been applied. The job dies
/// before that is kept.
#[test]
fn a_doubt_that_a_second_answer_leaves_outlives_a_kill() {
    let remote = Remote::with(
        "{idempotency: true, faults: [
            {on: \"POST /v1/{object}\", calls: [1], do: reset_after},
            {on: \"POST /v1/{object}\", calls: [2], do: status, status: 409}]}",
    );
    let place = Place::plain(&remote.url, &[CREATE, KEY, UPDATE]);
    let input = schema("contacts") + &person("a", "e@x.com", "Ann");
    place.dies_at("replanned:1", &input);
    assert_eq!((remote.faults("reset_after"), remote.faults("status")), (1, 1));
    // From here on the intent may go at any time.
    let store = rusqlite::Connection::open(place.path(".target-upsert/store.db")).unwrap();
    assert_eq!(store.execute("DELETE FROM intents", []).unwrap(), 1);
    drop(store);
    place.done(&input);
    assert_eq!(remote.held("contacts", "name"), pairs([("a", "Ann")]), "{:?}", place.results());
}

/// Takes 15 seconds: so long a call may still hang after the signal.
#[test]
fn after_a_signal_a_call_that_hangs_is_given_up_and_in_doubt() {
    let remote = Remote::with(
        "{faults: [{on: \"POST /v1/{object}\", calls: [1], do: hang_after, ms: 60000}]}",
    );
    let place = Place::plain(&remote.url, &[LOOKUP, CREATE, UPDATE]);
    let input = schema("contacts") + &person("a", "e@x.com", "Ann") + &state(&json!({"n": 1}));
    let mut child = place.job().spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    while remote.faults("hang_after") == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    let began = Instant::now();
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let ran = finish(child, b"");
    let took = began.elapsed().as_secs();
    assert!((10..20).contains(&took), "{took} s: {}", ran.stderr);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(place.summary()["status"], "stopped");
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]), "{}", ran.stderr);
    assert_eq!(ran.state().get("tap"), None);
    let ran = place.done(&input);
    assert_eq!(ran.state()["tap"], json!({"n": 1}));
    assert_eq!(remote.held("contacts", "name"), pairs([("a", "Ann")]), "{:?}", place.results());
}
