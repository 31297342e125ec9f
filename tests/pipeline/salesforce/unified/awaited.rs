//! Whom records name may come later in the same input: they are waited for, and what is not there when
//! nobody is on the way any more is told.

use serde_json::{Value, json};

use super::super::{place, stream};
use super::{message, one};
use crate::support::{Remote, counts};

fn deal(more: &Value) -> String {
    let mut deal = json!({"externalId": "d", "title": "Big", "status": "prospecting", "close_date": "2026-05-06"});
    deal.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    one("deals", &deal)
}

#[test]
fn a_deal_waits_for_its_contact_and_its_account() {
    let ann = json!({"last_name": "Lee", "email": "ann@example.com",
        "external_id": {"name": "Ext_Id__c", "value": "c1"}});
    for named in [
        json!({"contact_email": "ann@example.com", "company_name": "Acme"}),
        json!({"contact_external_id": {"name": "Ext_Id__c", "value": "c1"}, "company_name": "Acme"}),
    ] {
        let remote = Remote::start();
        let place = place(&remote);
        place.done(
            deal(&named) + &one("contacts", &ann) + &one("companies", &json!({"name": "Acme"})),
        );
        assert_eq!(
            place.counts("deals"),
            counts([("read", 1), ("created", 1)]),
            "{}",
            message(&place)
        );
        let held = &remote.all("Opportunity")[0];
        assert_eq!(
            (&held["ContactId"], &held["AccountId"]),
            (&remote.all("Contact")[0]["Id"], &remote.all("Account")[0]["Id"])
        );
    }
}

/// A person may work where nobody is a customer: waited for is who is about to come.
#[test]
fn a_contact_waits_for_its_account_where_accounts_come() {
    let remote = Remote::start();
    let place = place(&remote);
    let person = |n: u32, company: &str| json!({"last_name": "Lee", "email": format!("{n}@example.com"), "company_name": company});
    let people = stream("contacts", None, &[person(1, "Acme"), person(2, "Nobody")]);
    let companies = one("companies", &json!({"name": "Acme"}));
    let (schema, company) = companies.split_once('\n').unwrap();
    place.done(format!("{schema}\n{people}{company}"));
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("created", 2)]));
    let held = remote.org_by("Contact", "Email");
    assert_eq!(held["1@example.com"]["AccountId"], remote.all("Account")[0]["Id"]);
    assert!(held["2@example.com"].get("AccountId").is_none_or(Value::is_null));
}

#[test]
fn whom_nobody_is_is_told_once_nobody_can_come() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(deal(&json!({"contact_email": "no@example.com"})));
    assert_eq!(place.counts("deals"), counts([("read", 1), ("failed", 1)]));
    assert!(message(&place).contains("no Contact has the Email `no@"), "{}", message(&place));
    // It is there all the same, without its contact, and once.
    assert_eq!(remote.all("Opportunity").len(), 1);
    place.done(deal(
        &json!({"externalId": "e", "contact_external_id": {"name": "Ext_Id__c", "value": "x"}}),
    ));
    assert_eq!(place.counts("deals"), counts([("read", 1), ("rejected", 1)]));
    assert_eq!(place.results()[0]["error_code"], "no_parent");
    assert_eq!(remote.all("Opportunity").len(), 1);
}

/// What only new records are given is told of those that are there.
#[test]
fn the_contact_of_a_deal_that_is_there_stays() {
    let remote = Remote::start();
    let place = place(&remote);
    let person = |name: &str| json!({"last_name": name, "email": format!("{name}@example.com")});
    place.done(stream("contacts", None, &[person("ann"), person("bea")]));
    place.done(deal(&json!({"contact_email": "ann@example.com"})));
    let ran = place.done(deal(&json!({"contact_email": "bea@example.com", "title": "Bigger"})));
    let held = &remote.all("Opportunity")[0];
    let ann = &remote.org_by("Contact", "LastName")["ann"]["Id"];
    assert_eq!((&held["Name"], &held["ContactId"]), (&json!("Bigger"), ann));
    assert!(ran.stderr.contains("left out of them"), "{}", ran.stderr);
}

/// A run that is told to end leaves those that wait to the next.
#[test]
fn those_that_wait_at_the_end_are_not_rejected() {
    use rustix::process::{Pid, Signal, kill_process};
    use std::io::Write as _;

    let remote = Remote::start();
    let place = place(&remote);
    let mut child = place.job().spawn().unwrap();
    let mut tap = child.stdin.take().unwrap();
    tap.write_all(deal(&json!({"contact_email": "ann@example.com"})).as_bytes()).unwrap();
    let asked = || remote.calls_of_path("/query");
    let since = std::time::Instant::now();
    while asked() < 2 && since.elapsed().as_secs() < 20 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(tap);
    assert_eq!(place.counts("deals"), counts([("read", 1), ("failed", 1)]));
    assert_eq!(place.results()[0]["error_code"], "not_sent", "{}", message(&place));
    assert_eq!(remote.all("Opportunity").len(), 0);
}

/// More wait than there is room for: they are left to the next run, and none is written without whom it
/// names.
#[test]
fn more_that_wait_than_there_is_room_for_come_again() {
    let remote = Remote::start();
    let place = place(&remote).set("max_buffer_bytes", 200_000);
    let deals: Vec<Value> = (0..600)
        .map(|n| {
            json!({"externalId": format!("d{n}"), "title": "Big", "status": "prospecting", "close_date": "2026-05-06",
                "contact_email": format!("p{}@example.com", n % 7)})
        })
        .collect();
    let people: Vec<Value> =
        (0..7).map(|n| json!({"last_name": "Lee", "email": format!("p{n}@example.com")})).collect();
    let input = stream("deals", None, &deals) + &stream("contacts", None, &people);
    place.run(&input);
    assert!(place.counts("deals")["failed"] > 0, "{:?}", place.counts("deals"));
    place.done(&input);
    assert_eq!(
        place.counts("deals").get("failed"),
        None,
        "{:?} {:?}",
        place.counts("deals"),
        place.results().last()
    );
    let held = remote.all("Opportunity");
    assert_eq!(
        (held.len(), held.iter().filter(|deal| deal["ContactId"].is_string()).count()),
        (600, 600)
    );
}

/// Two streams of deals: the second one does not wait for a deal of the first that waits for its contact,
/// which comes behind both.
#[test]
fn a_second_stream_of_an_object_goes_on_beside_those_that_wait() {
    let remote = Remote::start();
    let place = place(&remote);
    let named = json!({"contact_email": "ann@example.com", "external_id": {"name": "Ext_Id__c", "value": "x"}});
    let first = deal(&named);
    let second = first.replace("\"deals\"", "\"opportunities\"").replace("Big", "Bigger");
    let began = std::time::Instant::now();
    place.done(
        first
            + &second
            + &one("contacts", &json!({"last_name": "Lee", "email": "ann@example.com"})),
    );
    assert!(began.elapsed().as_secs() < 30, "it waited");
    let held = remote.org_by("Opportunity", "Ext_Id__c");
    assert_eq!((held.len(), &held["x"]["Name"]), (1, &json!("Bigger")), "{:?}", place.results());
    assert_eq!(held["x"]["ContactId"], remote.all("Contact")[0]["Id"]);
}
