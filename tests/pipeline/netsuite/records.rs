//! Records in NetSuite's own names: by external id, by id, found by a column, with lines and with
//! others whom they name.

use serde_json::{Value, json};

use super::{customers, place, stream};
use crate::support::{Remote, counts};

const UPSERT: &str = "/record/v1/{type}/{id}";

#[test]
fn records_are_upserted_by_external_id() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(customers(7, "a@x.example"));
    assert_eq!(place.counts("customer"), counts([("read", 7), ("created", 7)]));
    let held = remote.books_by("customer");
    assert_eq!((held.len(), &held["c-3"]["email"]), (7, &json!("a@x.example")));
    assert_eq!((remote.calls_to("PUT", UPSERT), remote.calls_to("POST", "suiteql")), (7, 0));
    for row in place.results() {
        let id = row["RemoteId"].as_str().unwrap();
        let external = row["InputId"].as_str().unwrap();
        assert_eq!(held[external]["id"], id, "{row}");
    }
    // Nothing has changed, so there is nothing to do; what has is changed.
    place.done(customers(7, "a@x.example"));
    assert_eq!(place.counts("customer"), counts([("read", 7), ("unchanged", 7)]));
    place.done(customers(2, "b@x.example"));
    assert_eq!(place.counts("customer"), counts([("read", 2), ("updated", 2)]));
    let held = remote.books_by("customer");
    assert_eq!((held.len(), &held["c-1"]["email"]), (7, &json!("b@x.example")));
    assert_eq!(held["c-2"]["email"], "a@x.example");
}

/// An external id that could lead elsewhere in an address.
#[test]
fn an_external_id_stays_one_segment() {
    let remote = Remote::start();
    let place = place(&remote);
    let one = |id: &str| json!({"externalId": id, "companyName": id, "subsidiary": {"id": "1"}});
    place.done(stream("customer", &[one("a/b"), one("ä ?"), one("a|b"), one("..")]));
    let rows = place.results();
    let why = |id: &str| {
        let row = rows.iter().find(|row| row["InputId"] == id).unwrap();
        assert_eq!(row["outcome"], "rejected", "{row}");
        row["error_message"].as_str().unwrap().to_owned()
    };
    assert!(why("a|b").contains("list of several"), "{}", why("a|b"));
    assert!(why("a/b").contains("Invalid external ID 'a/b'"), "{}", why("a/b"));
    assert!(why("ä ?").contains("Spaces are not allowed"), "{}", why("ä ?"));
    assert!(why("..").contains("Invalid external ID '..'"), "{}", why(".."));
    assert!(remote.books("customer").is_empty());
    // Each was asked for as a record of its type, and nothing else was.
    assert_eq!(remote.calls_to("PUT", UPSERT), 3);
    assert_eq!(remote.calls_to("PUT", ""), 3);
}

/// External ids that differ in their case alone are one to NetSuite.
#[test]
fn an_external_id_is_one_in_any_case() {
    let remote = Remote::start();
    let place = place(&remote);
    let one = |id: &str, email: &str| json!({"externalId": id, "companyName": "Acme", "email": email, "subsidiary": {"id": "1"}});
    place.done(stream("customer", &[one("Ab", "1@x.example")]));
    place.done(stream("customer", &[one("aB", "2@x.example")]));
    let held = remote.books("customer");
    assert_eq!((held.len(), &held[0]["email"]), (1, &json!("2@x.example")));
    // Of two in one input the last one holds, however long the first one takes.
    let remote = Remote::with(
        "{faults: [{on: 'PUT /services/rest/record/v1/*/*', calls: [1], do: slow, ms: 500}]}",
    );
    let place = super::place(&remote);
    place.done(stream("customer", &[one("Ab", "1@x.example"), one("aB", "2@x.example")]));
    let held = remote.books("customer");
    assert_eq!((held.len(), &held[0]["email"]), (1, &json!("2@x.example")));
}

#[test]
fn records_are_changed_and_removed_by_their_ids() {
    let remote = Remote::start();
    let place = place(&remote).set("identity", "platform");
    place.done(customers(3, "a@x.example"));
    let held = remote.books_by("customer");
    let id = |n: &str| held[n]["id"].clone();
    let changed = [
        json!({"id": id("c-0"), "email": "b@x.example"}),
        json!({"id": "999999", "email": "c@x.example", "companyName": "New", "subsidiary": {"id": "1"}}),
        json!({"id": "x/../1", "email": "d@x.example"}),
    ];
    place.done(stream("customer", &changed));
    assert_eq!(place.counts("customer"), counts([("read", 3), ("updated", 1), ("rejected", 2)]));
    assert_eq!(remote.books_by_id(&id("c-0"))["email"], "b@x.example");
    let place = place.set("streams", json!({"customer": {"mode": "delete"}}));
    place.done(stream("customer", &[json!({"externalId": "c-1"}), json!({"id": id("c-2")})]));
    assert_eq!(place.counts("customer"), counts([("read", 2), ("deleted", 2)]));
    assert_eq!(remote.books("customer").len(), 1);
}

impl Remote {
    fn books_by_id(&self, id: &Value) -> serde_json::Map<String, Value> {
        self.books("customer").into_iter().find(|one| one["id"] == *id).unwrap()
    }
}

#[test]
fn records_without_ids_are_found_by_columns() {
    let remote = Remote::start();
    let place = place(&remote)
        .set("identity", "platform")
        .set("streams", json!({"customer": {"lookup_fields": ["email"]}}));
    place.done(customers(2, "a@x.example"));
    let one = |email: &str, title: &str| json!({"email": email, "comments": title, "companyName": email, "subsidiary": {"id": "1"}});
    place.done(stream("customer", &[one("new@x.example", "x")]));
    assert_eq!(place.counts("customer"), counts([("read", 1), ("created", 1)]));
    place.done(stream("customer", &[one("new@x.example", "y"), one("a@x.example", "z")]));
    // Two have the second one.
    assert_eq!(place.counts("customer"), counts([("read", 2), ("updated", 1), ("rejected", 1)]));
    let held = remote.books("customer");
    let of = |email: &str| held.iter().filter(|one| one["email"] == email).count();
    assert_eq!((held.len(), of("new@x.example")), (3, 1));
}

fn bill(lines: &Value) -> Value {
    json!({"externalId": "b-1", "entity": {"externalId": "v-1"}, "subsidiary": {"id": "1"},
        "expense": {"items": lines}})
}

fn vendor(remote: &Remote) {
    let vendor = json!({"externalId": "v-1", "companyName": "Acme", "subsidiary": {"id": "1"}});
    place(remote).done(stream("vendor", &[vendor]));
}

fn expenses(remote: &Remote) -> Vec<Value> {
    remote.books_by("vendorBill")["b-1"]["expense"]["items"].as_array().unwrap().clone()
}

/// Lines take the place of those that are there: a record that is sent twice has them once.
#[test]
fn lines_are_replaced() {
    let remote = Remote::with(
        "{faults: [{on: 'PUT /services/rest/record/v1/*/*', calls: [2], do: reset_after}]}",
    );
    vendor(&remote);
    let place = place(&remote);
    let line = |amount: Value| json!({"account": {"id": "9"}, "amount": amount, "memo": "Fuel"});
    place.done(stream("vendorBill", &[bill(&json!([line(json!(50)), line(json!(60))]))]));
    assert_eq!(remote.calls_to("PUT", UPSERT), 3);
    assert_eq!(expenses(&remote).len(), 2);
    place.done(stream("vendorBill", &[bill(&json!([line(json!(70))]))]));
    let held = expenses(&remote);
    assert_eq!((held.len(), &held[0]["amount"]), (1, &json!(70.0)));
}

#[test]
fn others_are_named_by_id_external_id_and_name() {
    let remote = Remote::start();
    vendor(&remote);
    let place = place(&remote);
    let order = |id: &str, vendor: Value| {
        json!({"externalId": id, "entity": vendor, "subsidiary": {"refName": "Parent Company"},
            "expense": {"items": [{"account": {"refName": "Travel"}, "amount": 5,
                "department": {"externalId": "nobody"}}]}})
    };
    let mut good = order("p-1", json!({"refName": "Acme"}));
    good["expense"]["items"][0]["department"] = json!({"refName": "Sales"});
    let nobody = order("p-2", json!({"refName": "Acme"}));
    let unknown = order("p-3", json!({"refName": "Nobody & Sons"}));
    place.done(stream("vendorBill", &[good, nobody, unknown]));
    assert_eq!(place.counts("vendorBill"), counts([("read", 3), ("created", 1), ("rejected", 2)]));
    let held = remote.books_by("vendorBill");
    let vendor = remote.books("vendor")[0]["id"].clone();
    assert_eq!(held["p-1"]["entity"]["id"], vendor);
    assert_eq!(held["p-1"]["expense"]["items"][0]["department"]["id"], "1");
    let rows = place.results();
    let of = |id: &str| rows.iter().find(|row| row["InputId"] == id).unwrap().clone();
    assert_eq!(
        of("p-3")["error_message"],
        "Unable to find entity. Tried lookup by name Nobody & Sons, and within subsidiary 1."
    );
    assert!(of("p-2")["error_message"].as_str().unwrap().contains("department"), "{}", of("p-2"));
}

/// What a hundred records name is asked for together, in the four tables where they are.
#[test]
fn names_are_asked_for_together() {
    let remote = Remote::start();
    vendor(&remote);
    let place = place(&remote);
    let bill = |n: usize| {
        json!({"externalId": format!("p-{n}"), "entity": {"refName": "Acme"},
            "subsidiary": {"refName": "Parent Company"},
            "expense": {"items": [{"account": {"refName": "Travel"}, "amount": 5,
                "department": {"refName": "Sales"}}]}})
    };
    place.done(stream("vendorBill", &(0..120).map(bill).collect::<Vec<_>>()));
    assert_eq!(place.counts("vendorBill"), counts([("read", 120), ("created", 120)]));
    // However the records came together.
    assert!(remote.calls_to("POST", "suiteql") < 40, "{}", remote.calls());
}
