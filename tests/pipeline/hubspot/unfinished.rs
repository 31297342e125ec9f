//! Records that were made, and not with all that belongs to them: whatever came in between, they are
//! made once, and finished when they come again.

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{CONTACTS, DEALS, ON_LIST, one, schema, unified};
use crate::support::{Place, Remote, counts, finish, record};

fn inserting(remote: &Remote) -> Place {
    unified(remote).set("streams", json!({"*": {"mode": "insert"}}))
}

fn on_list() -> String {
    one("contacts", &json!({"externalId": "a", "email": "ann@example.com", "lists": ["news"]}))
}

/// Nothing but its content tells a deal without an id: neither a further run nor a retry makes it
/// again, or calls it unchanged.
#[test]
fn a_deal_without_an_id_is_made_once_and_finished_by_a_retry() {
    let remote = Remote::start();
    let place = unified(&remote);
    let deal = one("deals", &json!({"title": "Big", "contact_email": "ann@example.com"}));
    for _ in 0..2 {
        place.done(&deal);
        assert_eq!(place.counts("deals"), counts([("read", 1), ("failed", 1)]));
        assert_eq!(remote.crm(DEALS).len(), 1);
    }
    place.done(one("contacts", &json!({"email": "ann@example.com"})));
    let job = place.call(&["jobs", "list"]).stdout;
    let before = job.lines().nth(2).unwrap().split_whitespace().next().unwrap();
    let retried = place.call(&["jobs", "retry", before, "--config", "config.json"]);
    assert!(retried.stderr.contains("updated 1"), "{job}\n{}", retried.stderr);
    let deals = remote.crm(DEALS);
    let id = deals[0]["id"].as_str().unwrap();
    assert_eq!((deals.len(), remote.associated("deals", id, "contacts").len()), (1, 1));
}

/// What somebody has deleted in the meantime is made anew.
#[test]
fn one_that_is_deleted_before_it_is_finished_is_made_again() {
    let remote = Remote::start();
    let place = unified(&remote);
    let deal = one("deals", &json!({"title": "Big", "contact_email": "ann@example.com"}));
    place.done(&deal);
    remote.delete_crm("deals", remote.crm(DEALS)[0]["id"].as_str().unwrap());
    place.done(one("contacts", &json!({"email": "ann@example.com"})));
    place.done(&deal);
    assert_eq!(place.counts("deals"), counts([("read", 1), ("created", 1)]));
    assert_eq!(remote.crm(DEALS).len(), 1);
}

/// The same for one that has an id, and what follows is written once it is there.
#[test]
fn one_with_an_id_that_is_deleted_before_it_is_finished_is_made_again() {
    let remote = Remote::start();
    let place = unified(&remote);
    let deal = one(
        "deals",
        &json!({"externalId": "d", "title": "Big", "contact_email": "ann@example.com"}),
    );
    place.done(&deal);
    remote.delete_crm("deals", remote.crm(DEALS)[0]["id"].as_str().unwrap());
    for _ in 0..2 {
        place.done(&deal);
        assert_eq!(place.counts("deals"), counts([("read", 1), ("failed", 1)]));
        assert_eq!(remote.crm(DEALS).len(), 1);
    }
    place.done(one("contacts", &json!({"email": "ann@example.com"})));
    place.done(&deal);
    assert_eq!(place.counts("deals"), counts([("read", 1), ("updated", 1)]));
}

/// What is refused and what is only late go together: both are told, and the late is made good.
#[test]
fn what_is_late_is_tried_again_beside_what_is_refused() {
    let remote = Remote::with(&format!(
        "{{faults: [{{on: '{ON_LIST}', calls: [1], do: status, status: 503}},
                   {{on: 'GET /crm/properties/*/contacts', do: status, status: 403}},
                   {{on: 'POST /crm/properties/*/contacts', do: status, status: 403}}]}}"
    ));
    let place = unified(&remote);
    let fields = json!([{"name": "tier", "value": "gold"}, {"name": "rank", "value": "1"}]);
    let contact = json!({"email": "ann@example.com", "lists": ["news"], "custom_fields": fields});
    place.done(one("contacts", &contact));
    let row = &place.results()[0];
    assert_eq!((&row["outcome"], remote.members("news").len()), (&json!("failed"), 1), "{row}");
    let told = row["error_message"].as_str().unwrap();
    assert!(told.contains("`tier`") && told.contains("`rank`"), "{told}");
}

/// To put a new contact on its lists is part of inserting it.
#[test]
fn an_insert_whose_answer_is_lost_is_finished() {
    let remote = Remote::with(
        "{faults: [{on: 'POST /crm/objects/*/contacts/batch/create', calls: [1], do: reset_after}]}",
    );
    let place = inserting(&remote);
    place.done(on_list());
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("created", 1)]));
    assert_eq!((remote.crm(CONTACTS).len(), remote.members("news").len()), (1, 1));
}

#[test]
fn an_insert_that_is_killed_is_finished_by_the_next() {
    for step in ["intended:1", "sent:1", "answered:1", "recorded:1", "partial:1"] {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: '{ON_LIST}', calls: [1], do: status, status: 503}}]}}"
        ));
        let place = inserting(&remote);
        place.dies_at(step, on_list());
        place.done(on_list());
        assert_eq!(remote.crm(CONTACTS).len(), 1, "{step}");
        assert_eq!(remote.members("news").len(), 1, "{step}: {:?}", place.results());
        place.done(on_list());
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("unchanged", 1)]), "{step}");
    }
}

/// Killed in the middle of the call that puts it on its list.
#[test]
fn an_insert_that_is_killed_between_its_calls_is_finished_by_the_next() {
    let remote = Remote::with(&format!(
        "{{faults: [{{on: '{ON_LIST}', calls: [1], do: hang, ms: 60000}}]}}"
    ));
    let place = inserting(&remote);
    let mut child = place.job().spawn().unwrap();
    child.stdin.take().unwrap().write_all(on_list().as_bytes()).unwrap();
    until(|| remote.faults("hang") == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    place.done(on_list());
    assert_eq!(
        (remote.crm(CONTACTS).len(), remote.members("news").len()),
        (1, 1),
        "{:?}",
        place.results()
    );
}

/// Refused, and mended: the same input finishes it.
#[test]
fn an_insert_whose_list_was_refused_is_finished_by_the_next() {
    let body = r#"{"status":"error","category":"MISSING_SCOPES","message":"no scope"}"#;
    let remote = Remote::with(&format!(
        "{{faults: [{{on: '{ON_LIST}', calls: [1], do: status, status: 403, body: '{body}'}}]}}"
    ));
    let place = inserting(&remote);
    place.done(on_list());
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("failed", 1)]));
    place.done(on_list());
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("updated", 1)]));
    assert_eq!((remote.crm(CONTACTS).len(), remote.members("news").len()), (1, 1));
}

/// A property that may not be made is left out of the record that brought it, and of no other.
#[test]
fn a_custom_field_that_cannot_be_made_takes_nothing_from_others() {
    let remote = Remote::with(
        "{faults: [{on: 'GET /crm/properties/*/contacts', calls: [1], do: status, status: 403},
                   {on: 'POST /crm/properties/*/contacts', calls: [1, 2], do: status, status: 403}]}",
    );
    let place = unified(&remote);
    let fields = json!([{"name": "Tier", "value": "gold"}, {"name": "City", "value": "Rome"}]);
    let names = ["externalId", "email", "custom_fields", "addresses"];
    let input = schema("contacts", &names)
        + &record(
            "contacts",
            &json!({"externalId": "a", "email": "a@example.com", "custom_fields": fields}),
        )
        + &record(
            "contacts",
            &json!({"externalId": "b", "email": "b@example.com", "addresses": [{"city": "Paris"}]}),
        );
    place.done(&input);
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("created", 1), ("failed", 1)]));
    assert_eq!(remote.crm_by(CONTACTS, "email")["b@example.com"]["city"], "Paris");
    place.done(&input);
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("unchanged", 1), ("updated", 1)]));
    let held = remote.crm_by(CONTACTS, "email");
    let ann = &held["a@example.com"];
    assert_eq!((held.len(), &ann["tier"], &ann["city"]), (2, &json!("gold"), &json!("Rome")));
}

/// A job that is told to end says what it has made, and what is lacking.
#[test]
fn a_signal_before_the_rest_tells_what_is_there() {
    let remote =
        Remote::with(&format!("{{faults: [{{on: '{ON_LIST}', do: status, status: 503}}]}}"));
    let place = unified(&remote).set("retry", json!({"base_millis": 20_000, "attempts": 9}));
    let mut child = place.job().spawn().unwrap();
    child.stdin.take().unwrap().write_all(on_list().as_bytes()).unwrap();
    until(|| remote.faults("status") >= 1);
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let ran = finish(child, b"");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let row = &place.results()[0];
    assert_eq!((&row["outcome"], &row["RemoteId"]), (&json!("failed"), &json!("1")), "{row}");
    assert_eq!((remote.crm(CONTACTS).len(), remote.members("news").len()), (1, 0));
    assert!(!row["error_message"].as_str().unwrap().starts_with("not sent"), "{row}");
}

fn until(what: impl Fn() -> bool) {
    let started = Instant::now();
    while !what() {
        assert!(started.elapsed() < Duration::from_secs(20), "it never came to pass");
        std::thread::sleep(Duration::from_millis(5));
    }
}
