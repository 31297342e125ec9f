//! Documents whose numbers others give: found by their number and whose they are, however and whenever
//! that is said.

use serde_json::{Value, json};

use super::{bill, books, in_parts, message, stream};
use crate::support::{Place, Remote, counts};

/// A bill without an external id, with the number 77; `whose`: fields that say of whom.
fn numbered(whose: &Value) -> Value {
    let mut bill = bill("x", &json!({"billNumber": "77"}));
    for id in ["externalId", "vendorExternalId"] {
        bill.as_object_mut().unwrap().remove(id);
    }
    bill.as_object_mut().unwrap().extend(whose.as_object().unwrap().clone());
    bill
}

/// Books whose vendor has a number and no external id, and has a bill with the number 77.
fn with_a_bill(remote: &Remote) -> Place {
    let place = books(remote).set("identity", "platform");
    let vendor = json!({"vendorNumber": "N-9", "vendorName": "Nine", "subsidiaryId": "1"});
    place.done(stream("Vendors", &[vendor]));
    place.done(stream("Bills", &[numbered(&json!({"vendorNumber": "N-9"}))]));
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("created", 1)]));
    // Another job's store knows nothing of them.
    super::super::place(remote).set("identity", "platform")
}

/// The same vendor, by the external id that it gets.
fn vendor() -> String {
    let vendor = json!({"externalId": "w-1", "vendorNumber": "N-9", "vendorName": "Nine"});
    stream("Vendors", &[vendor])
}

/// External ids and vendors of all bills.
fn bills(remote: &Remote) -> Vec<(Value, Value)> {
    let bills = remote.books("vendorBill");
    let of = |bill: &serde_json::Map<String, Value>| {
        (bill.get("externalId").cloned().unwrap_or_default(), bill["entity"]["id"].clone())
    };
    bills.iter().map(of).collect()
}

#[test]
fn one_whose_owner_is_named_in_several_ways_is_one() {
    let remote = Remote::start();
    let place = books(&remote).set("identity", "platform");
    let id = remote.books_by("vendor")["v-1"]["id"].clone();
    let all = [
        numbered(&json!({"vendorName": "Acme"})),
        numbered(&json!({"vendorExternalId": "v-1"})),
        numbered(&json!({"vendorId": id, "vendorName": "Acme"})),
        numbered(&json!({"vendorId": id, "vendorName": "Acme Ltd"})),
        numbered(&json!({"description": "of the only one"})),
    ];
    place.done(stream("Bills", &all));
    assert_eq!(place.counts("Bills"), counts([("read", 5), ("created", 1), ("updated", 4)]));
    let held = remote.books("vendorBill");
    assert_eq!((held.len(), &held[0]["memo"]), (1, &json!("of the only one")));
    // One of another vendor's is another one; and which of both is meant, is to be said.
    let other = numbered(&json!({"vendorExternalId": "v-2", "subsidiaryId": "2"}));
    let mut same = other.clone();
    same["vendorName"] = json!("Bolt");
    place.done(stream("Bills", &[other, same, numbered(&json!({"description": "whose?"}))]));
    assert_eq!(
        place.counts("Bills"),
        counts([("read", 3), ("created", 1), ("updated", 1), ("rejected", 1)])
    );
    assert_eq!(remote.books("vendorBill").len(), 2);
}

#[test]
fn payments_and_credits_whose_owner_is_named_in_several_ways_are_made_once() {
    let remote = Remote::start();
    let place = books(&remote).set("identity", "platform");
    place.done(stream("Bills", &[bill("b-1", &json!({}))]));
    let payment = |whose: Value| {
        let mut one = json!({"paymentNumber": "CHK1", "billExternalId": "b-1", "amount": 5,
            "paymentDate": "2026-05-05", "accountName": "Checking"});
        one.as_object_mut().unwrap().extend(whose.as_object().unwrap().clone());
        one
    };
    let credit = |whose: Value| {
        let mut one = json!({"vendorCreditNumber": "C1", "subsidiaryId": "1",
            "expenses": [{"accountNumber": "6000", "amount": 5, "description": "x"}]});
        one.as_object_mut().unwrap().extend(whose.as_object().unwrap().clone());
        one
    };
    let whose = || [json!({"vendorName": "Acme"}), json!({"vendorExternalId": "v-1"})];
    let input = stream("BillPayments", &whose().map(payment))
        + &stream("VendorCredits", &whose().map(credit));
    place.done(input);
    let held = |kind| remote.books(kind).len();
    assert_eq!((held("vendorPayment"), held("vendorCredit")), (1, 1), "{:?}", place.results());
}

#[test]
fn one_of_a_vendor_that_comes_later_is_looked_for_again() {
    let remote = Remote::start();
    let place = with_a_bill(&remote);
    let of = |id: &str, number: &str| {
        bill(id, &json!({"billNumber": number, "vendorExternalId": "w-1"}))
    };
    place.done(stream("Bills", &[of("b-77", "77"), of("b-78", "78")]) + &vendor());
    assert_eq!(place.counts("Bills"), counts([("read", 2), ("created", 1), ("updated", 1)]));
    let vendor = remote.books_by("vendor")["w-1"]["id"].clone();
    assert_eq!(bills(&remote), [(json!("b-77"), vendor.clone()), (json!("b-78"), vendor)]);
}

/// That nobody was there a moment ago is not believed.
#[test]
fn one_of_a_vendor_that_was_missed_before_is_found() {
    let remote = Remote::start();
    let place = with_a_bill(&remote);
    let of = |id: &str, number: &str| {
        let more = json!({"billNumber": number, "vendorExternalId": "w-1"});
        stream("Bills", &[bill(id, &more)])
    };
    let asked = || remote.calls_to("POST", "suiteql");
    let before = asked();
    in_parts(
        &place,
        &[
            // Its external id, its vendor, and the four tables that it names.
            (of("x-1", "1"), &|| asked() >= before + 6),
            (vendor(), &|| {
                let vendors = remote.books("vendor");
                vendors.iter().any(|one| one.get("externalId") == Some(&json!("w-1")))
            }),
            (of("y-1", "77"), &|| true),
        ],
    );
    let vendor = remote.books_by("vendor")["w-1"]["id"].clone();
    assert_eq!(bills(&remote), [(json!("y-1"), vendor.clone()), (json!("x-1"), vendor)]);
}

/// A vendor's name may be another one's by now, in the same job.
#[test]
fn one_of_a_vendor_by_a_name_that_moved_is_found() {
    let remote = Remote::start();
    let place = with_a_bill(&remote);
    let of = |id: &str, number: &str| {
        let more = json!({"billNumber": number, "vendorExternalId": null, "vendorName": "Acme"});
        stream("Bills", &[bill(id, &more)])
    };
    let renamed = stream(
        "Vendors",
        &[
            json!({"externalId": "v-1", "vendorName": "Acme Old"}),
            json!({"externalId": "w-1", "vendorNumber": "N-9", "vendorName": "Acme"}),
        ],
    );
    let is_called = |id: &str, name: &str| {
        let vendors = remote.books("vendor");
        vendors
            .iter()
            .any(|one| one.get("externalId") == Some(&json!(id)) && one["companyName"] == name)
    };
    in_parts(
        &place,
        &[
            (of("x-1", "1"), &|| remote.books("vendorBill").len() == 2),
            (renamed, &|| is_called("v-1", "Acme Old") && is_called("w-1", "Acme")),
            (of("y-1", "77"), &|| true),
        ],
    );
    let vendors = remote.books_by("vendor");
    let id = |name: &str| vendors[name]["id"].clone();
    assert_eq!(bills(&remote), [(json!("y-1"), id("w-1")), (json!("x-1"), id("v-1"))]);
}

/// NetSuite keeps no white space around a number.
#[test]
fn a_number_has_no_space_around_it() {
    let remote = Remote::start();
    let place = books(&remote).set("identity", "platform");
    for description in ["first", "second"] {
        let mut bill = numbered(&json!({"vendorExternalId": "v-1", "description": description}));
        bill["billNumber"] = json!(" 77 ");
        place.done(stream("Bills", &[bill, numbered(&json!({"vendorName": "Acme"}))]));
    }
    let held = remote.books("vendorBill");
    let held: Vec<_> = held.iter().map(|bill| (&bill["tranId"], &bill["memo"])).collect();
    assert_eq!(held, [(&json!("77"), &json!("second"))]);
}

#[test]
fn a_payment_by_a_number_that_several_have_is_of_whom_it_names() {
    let remote = Remote::start();
    let place = books(&remote);
    let of = |id: &str, vendor: &str, subsidiary: &str| {
        bill(
            id,
            &json!({"billNumber": "77", "vendorExternalId": vendor, "subsidiaryId": subsidiary,
            "currency": null}),
        )
    };
    place.done(stream("Bills", &[of("b-1", "v-1", "1"), of("b-2", "v-2", "2")]));
    let payment = |id: &str, vendor: Option<&str>| {
        json!({"externalId": id, "billNumber": "77", "vendorExternalId": vendor, "amount": 5,
            "paymentDate": "2026-05-05", "accountName": "Checking"})
    };
    let all = [payment("p-1", Some("v-2")), payment("p-2", None), payment("p-3", Some("v-3"))];
    place.done(stream("BillPayments", &all));
    assert_eq!(
        place.counts("BillPayments"),
        counts([("read", 3), ("created", 1), ("rejected", 2)]),
        "{:?}",
        place.results()
    );
    let paid = remote.books_by("vendorPayment");
    let bill = remote.books_by("vendorBill")["b-2"].clone();
    assert_eq!(paid["p-1"]["apply"]["items"][0]["doc"]["id"], bill["id"]);
    assert_eq!(paid["p-1"]["entity"]["id"], bill["entity"]["id"]);
    assert!(message(&place, "p-2").contains("or say whose it is"), "{}", message(&place, "p-2"));
    assert!(message(&place, "p-3").starts_with("Unable to find vendor"));
}
