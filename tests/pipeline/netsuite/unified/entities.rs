//! Vendors and customers: found by their numbers, with addresses that are added once.

use serde_json::{Value, json};

use super::{books, lines, message, stream};
use crate::support::{Remote, counts};

fn address(city: &str) -> Value {
    json!({"addressType": "billing", "line1": "1 Main", "city": city, "country": "US"})
}

#[test]
fn an_address_that_is_there_is_not_added_again() {
    let remote = Remote::start();
    let place = books(&remote);
    let vendor = |city: &str, email: &str| {
        json!({"externalId": "v-1", "vendorName": "Acme", "email": email, "subsidiaryId": "1",
            "addresses": [address(city)]})
    };
    place.done(stream("Vendors", &[vendor("Bern", "a@x.example")]));
    place.done(stream("Vendors", &[vendor("Bern", "b@x.example")]));
    let held = remote.books_by("vendor");
    assert_eq!(held["v-1"]["email"], "b@x.example");
    assert_eq!(lines(&held["v-1"], "addressbook").len(), 1);
    place.done(stream("Vendors", &[vendor("Basel", "b@x.example")]));
    assert_eq!(lines(&remote.books_by("vendor")["v-1"], "addressbook").len(), 2);
}

/// A record without the user's id is found by its number; one that has another id is another one.
#[test]
fn a_number_finds_a_record_that_nobody_else_has() {
    let remote = Remote::start();
    let place = books(&remote).set("identity", "platform");
    let named = |more: Value| {
        let mut one = json!({"vendorNumber": "N-v-1", "vendorName": "Acme", "subsidiaryId": "1"});
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one
    };
    place.done(stream("Vendors", &[named(json!({"email": "n@x.example"}))]));
    assert_eq!(place.counts("Vendors"), counts([("read", 1), ("updated", 1)]));
    assert_eq!(remote.books_by("vendor")["v-1"]["email"], "n@x.example");
    place.done(stream("Vendors", &[named(json!({"externalId": "v-9", "email": "o@x.example"}))]));
    // NetSuite keeps a number for one vendor alone.
    assert_eq!(place.counts("Vendors"), counts([("read", 1), ("rejected", 1)]));
    assert_eq!(remote.books_by("vendor")["v-1"]["email"], "n@x.example");
}

/// The platform's `id` may be the user's own id, and is then tried as that.
#[test]
fn an_id_may_be_the_users_own() {
    let remote = Remote::start();
    let place = books(&remote);
    let one = |id: &str| json!({"id": id, "vendorName": "Acme Inc", "subsidiaryId": "1"});
    place.done(stream("Vendors", &[one("v-1"), one("nobody")]));
    assert_eq!(place.counts("Vendors"), counts([("read", 2), ("updated", 1), ("rejected", 1)]));
    assert_eq!(remote.books_by("vendor")["v-1"]["companyName"], "Acme Inc");
    assert_eq!(remote.books("vendor").len(), 2);
}

#[test]
fn what_the_schema_does_not_take_is_refused_in_the_platforms_words() {
    let remote = Remote::start();
    let place = books(&remote);
    let phone = json!({"externalId": "a", "vendorName": "A", "phoneNumbers": [{"type": "fax", "phoneNumber": "1"}]});
    let flag = json!({"externalId": "b", "vendorName": "B", "isPerson": "maybe"});
    place.done(stream("Vendors", &[phone, flag]));
    assert!(message(&place, "a").starts_with("Unsupported phone type: fax"));
    assert_eq!(
        message(&place, "b"),
        "Failed Structure/Datatype validation for Vendors: 'isPerson' -> Input should be a valid boolean (got value \
         maybe of type str)"
    );
}
