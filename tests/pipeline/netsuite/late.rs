//! An account that is at work on a change for longer than its answer is waited for, whatever that
//! says; and that shows lines in a form of its own.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use super::stream;
use crate::support::odd::{Odd, World};
use crate::support::{Place, finish};

/// How long the account takes.
const WORK: Duration = Duration::from_secs(3);

/// An account with one bill, whose lines are shown once it is through with their change. The first
/// change is answered by `first`.
fn account(first: fn() -> ResponseTemplate, work: Duration) -> Odd {
    let done = || ResponseTemplate::new(204).insert_header("location", "/record/v1/vendorbill/101");
    Odd::start(move |world: &mut World, request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let told = if request.method == "POST" {
            let is_bill =
                body["q"].as_str().is_some_and(|question| question.contains("transaction"));
            let bill = json!({"id": "101", "externalid": "b-1"});
            json!({"items": if is_bill { vec![bill] } else { Vec::new() }, "hasMore": false})
        } else if request.method == "GET" {
            let shown = world.rows.iter().filter(|row| world.age(row) >= work).map(shown);
            json!({"id": "101", "externalId": "b-1",
                "expense": {"items": shown.collect::<Vec<_>>(), "hasMore": false}})
        } else {
            for line in body["expense"]["items"].as_array().into_iter().flatten() {
                world.add(line.clone());
            }
            let changes = world.asked.iter().filter(|asked| asked.starts_with("PATCH"));
            return if changes.count() == 1 { first() } else { done() };
        };
        ResponseTemplate::new(200).set_body_json(told)
    })
}

/// A line as NetSuite shows it: several entries of a list with their names and links.
fn shown(row: &Value) -> Value {
    let mut line = row.clone();
    line["line"] = line["id"].take();
    for entry in line["custcol_m"]["items"].as_array_mut().into_iter().flatten() {
        (entry["refName"], entry["links"]) = (json!("x"), json!([]));
    }
    if line["custcol_m"].is_object() {
        (line["custcol_m"]["links"], line["custcol_m"]["totalResults"]) = (json!([]), json!(1));
    }
    line
}

fn place(odd: &Odd) -> Place {
    Place::with(
        json!({"connector": "netsuite", "base_url": odd.server.uri(), "ns_account": "1234567_SB1",
        "ns_consumer_key": "k", "ns_consumer_secret": "s", "ns_token_key": "t", "ns_token_secret": "u",
        "retry": {"base_millis": 1}, "settle_secs": 5}),
    )
}

fn bill(memo: &str) -> String {
    let lines = json!([{"amount": 5, "description": "Fuel"}]);
    stream("Bills", &[json!({"externalId": "b-1", "description": memo, "expenses": lines})])
}

/// A proxy answers for the account while that is at work.
#[test]
fn lines_are_added_once_whatever_a_gateway_says() {
    for first in [
        || ResponseTemplate::new(503).insert_header("retry-after", "1").set_body_string("<html>"),
        || ResponseTemplate::new(504).set_body_string("<html>"),
        || ResponseTemplate::new(404).set_body_string("<html>"),
    ] as [fn() -> ResponseTemplate; 3]
    {
        let odd = account(first, WORK);
        let place = place(&odd);
        place.done(bill("a"));
        assert_eq!(odd.world().rows.len(), 1, "{:?}", odd.world().asked);
        assert_eq!(place.counts("Bills")["updated"], 1, "{:?}", place.results());
    }
}

#[test]
fn a_change_that_a_killed_job_has_sent_is_waited_for() {
    let odd = account(|| ResponseTemplate::new(204), WORK);
    let place = place(&odd);
    place.dies_at("sent:1", bill("a"));
    place.done(bill("a"));
    assert_eq!(odd.world().rows.len(), 1, "{:?}", odd.world().asked);
}

/// The wait ends with the job, and the next one waits in its place.
#[test]
fn a_signal_ends_the_wait_for_a_change() {
    let odd = account(|| ResponseTemplate::new(204).set_delay(Duration::from_secs(60)), WORK);
    let place = place(&odd).set("timeout_secs", json!(0.5)).set("settle_secs", 120);
    let mut child = place.job().spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(bill("a").as_bytes()).unwrap();
    drop(stdin);
    let until = Instant::now() + Duration::from_secs(30);
    while odd.world().rows.is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(1));
    let (id, began) = (child.id().to_string(), Instant::now());
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let ran = finish(child, b"");
    assert!(began.elapsed() < Duration::from_secs(18), "{:?}: {}", began.elapsed(), ran.stderr);
    // It is applied only now.
    odd.world().touch(1);
    place.set("settle_secs", 5).done(bill("a"));
    assert_eq!(odd.world().rows.len(), 1, "{:?}", odd.world().asked);
}

/// A line without a description is known by what it says, in whatever form that is shown.
#[test]
fn lines_that_are_shown_in_another_form_are_added_once() {
    let odd = account(|| ResponseTemplate::new(204), Duration::ZERO);
    let place = place(&odd);
    let several = json!([{"name": "custcol_m", "value": {"items": [{"id": "4"}]}}]);
    for memo in ["a", "b"] {
        let lines = json!([{"amount": 5, "customFields": several}]);
        let bill = json!({"externalId": "b-1", "description": memo, "expenses": lines});
        place.done(stream("Bills", &[bill]));
    }
    assert_eq!(odd.world().rows.len(), 1, "{:?}", odd.world().asked);
}
