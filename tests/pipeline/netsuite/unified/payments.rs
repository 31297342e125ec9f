//! Payments: of their own, and those that come with a bill or an invoice.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{bill, books, message, stream, told};
use crate::support::{Place, Remote, counts};

fn payment(amount: f64, day: &str) -> Value {
    json!({"amount": amount, "paymentDate": format!("{day}T00:00:00Z"), "accountName": "Checking"})
}

fn paid(remote: &Remote) -> Vec<f64> {
    let of = |payment: &serde_json::Map<String, Value>| {
        payment["apply"]["items"][0]["amount"].as_f64().unwrap()
    };
    remote.books("vendorPayment").iter().map(of).collect()
}

#[test]
fn payments_that_come_with_a_bill_are_made_once() {
    let remote = Remote::start();
    let place = books(&remote);
    let with = |payments: &[Value]| bill("b-1", &json!({"relatedPayments": payments}));
    place.done(stream("Bills", &[with(&[payment(20.0, "2026-05-02")])]));
    assert_eq!(
        place.counts("Bills"),
        counts([("read", 1), ("created", 1)]),
        "{:?}",
        place.results()
    );
    assert_eq!(paid(&remote), [20.0]);
    // One more of the same sum on another day.
    place.done(stream(
        "Bills",
        &[with(&[payment(20.0, "2026-05-02"), payment(20.0, "2026-05-03")])],
    ));
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("updated", 1)]));
    assert_eq!(paid(&remote), [20.0, 20.0]);
    let held = remote.books("vendorPayment");
    let vendor = remote.books_by("vendor")["v-1"]["id"].clone();
    assert!(held.iter().all(|payment| payment["entity"]["id"] == vendor));
}

#[test]
fn a_payment_is_known_by_its_external_id_or_by_what_it_says() {
    let remote = Remote::start();
    let place = books(&remote);
    let no_day = json!({"amount": 20.0, "accountName": "Checking"});
    let mut own = payment(20.0, "2026-05-02");
    own["externalId"] = json!("p-1");
    let with = |memo: &str, payments: &[&Value]| {
        bill("b-1", &json!({"relatedPayments": payments, "description": memo}))
    };
    place.done(stream("Bills", &[with("first", &[&own])]));
    assert_eq!(paid(&remote), [20.0], "{:?}", place.results());
    // One that says neither its day nor whose id it is goes to the other one's side, and is made once.
    place.done(stream("Bills", &[with("second", &[&no_day, &own])]));
    place.done(stream("Bills", &[with("third", &[&no_day, &own])]));
    assert_eq!(paid(&remote), [20.0, 20.0], "{:?}", place.results());
    own["externalId"] = json!("p-2");
    place.done(stream("Bills", &[with("fourth", &[&own])]));
    assert_eq!(paid(&remote), [20.0, 20.0, 20.0], "{:?}", place.results());
}

/// A payment of two bills, of which `share` is the first one's, under NetSuite's own names.
fn pay_both(remote: &Remote, place: &Place, share: f64, rest: f64) {
    let bills = remote.books_by("vendorBill");
    let line = |bill: &str, amount: f64| json!({"doc": {"id": bills[bill]["id"]}, "apply": true, "amount": amount});
    let paid = json!({"entity": bills["b-1"]["entity"], "tranDate": "2026-05-02",
        "apply": {"items": [line("b-1", share), line("b-2", rest)]}});
    place.done(stream("vendorPayment", &[paid]));
    assert_eq!(place.counts("vendorPayment")["created"], 1, "{:?}", place.results());
}

/// What one document has of a payment is what it is known by there, in whatever order they come.
#[test]
fn a_payment_of_several_documents_is_none_of_its_whole_amount() {
    for amounts in [vec![50.0, 90.0], vec![90.0, 50.0], vec![90.0]] {
        let remote = Remote::start();
        let place = books(&remote);
        let large = json!([{"accountNumber": "6000", "description": "Fuel", "amount": 500.0}]);
        let with = |id: &str, payments: &[Value]| {
            bill(id, &json!({"expenses": large, "relatedPayments": payments}))
        };
        place.done(stream("Bills", &[with("b-1", &[]), with("b-2", &[])]));
        pay_both(&remote, &place, 50.0, 40.0);
        let payments: Vec<_> = amounts.iter().map(|sum| payment(*sum, "2026-05-02")).collect();
        place.done(stream("Bills", &[with("b-1", &payments)]));
        assert_eq!(paid(&remote), [50.0, 90.0], "{amounts:?}: {:?}", place.results());
    }
}

/// One that was made by hand, and one of the user's: both are there, whichever comes first.
#[test]
fn a_payment_is_not_taken_by_another() {
    for order in [["p-1", "p-2"], ["p-2", "p-1"]] {
        let remote = Remote::start();
        let place = books(&remote);
        let own = |id: &str| {
            let mut payment = payment(20.0, "2026-05-02");
            payment["externalId"] = json!(id);
            payment
        };
        let with = |payments: &[Value]| bill("b-1", &json!({"relatedPayments": payments}));
        place.done(stream("Bills", &[with(&[]), bill("b-2", &json!({}))]));
        pay_both(&remote, &place, 20.0, 5.0);
        place.done(stream("Bills", &[with(&[own("p-9"), own("p-1")])]));
        assert_eq!(paid(&remote).len(), 2);
        place.done(stream("Bills", &[with(&order.map(own))]));
        assert_eq!(paid(&remote).len(), 2, "{order:?}: {:?}", remote.books("vendorPayment"));
    }
}

#[test]
fn a_payment_that_was_made_here_is_not_made_again_under_the_users_id() {
    let remote = Remote::start();
    let place = books(&remote);
    let with = |payment: &Value| bill("b-1", &json!({"relatedPayments": [payment]}));
    let mut own = payment(20.0, "2026-05-02");
    place.done(stream("Bills", &[with(&own)]));
    own["externalId"] = json!("p-9");
    place.done(stream("Bills", &[with(&own)]));
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("updated", 1)]));
    assert_eq!(paid(&remote), [20.0]);
}

#[test]
fn a_payment_that_differs_is_told() {
    let remote = Remote::start();
    let place = books(&remote);
    let with = |amount: f64| {
        let mut own = payment(amount, "2026-05-02");
        own["externalId"] = json!("p-1");
        bill("b-1", &json!({"relatedPayments": [own]}))
    };
    place.done(stream("Bills", &[with(20.0)]));
    place.done(stream("Bills", &[with(25.0)]));
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("failed", 1)]));
    let told = message(&place, "b-1");
    assert!(told.contains("`p-1` comes to 20 there, and is not changed to 25"), "{told}");
    assert_eq!(paid(&remote), [20.0]);
}

/// NetSuite is asked for no more than it takes, and a document is not written for its payment.
#[test]
fn a_payment_that_is_throttled_waits() {
    let remote = Remote::with(
        "{faults: [{on: 'POST /services/rest/record/v1/*', calls: [5, 6], do: status, status: 429, \
         retry_after: {seconds: 2}}]}",
    );
    let place = books(&remote);
    let payments = [payment(10.0, "2026-05-02")];
    let began = Instant::now();
    place.done(stream("Bills", &[bill("b-1", &json!({"relatedPayments": payments}))]));
    assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("created", 1)]));
    assert_eq!((paid(&remote), remote.calls_to("PATCH", "/record/")), (vec![10.0], 0));
}

/// SuiteQL shows a payment later than NetSuite refuses to make it twice.
#[test]
fn a_payment_that_is_not_shown_yet_is_there() {
    let remote = Remote::with(
        "{search_lag_ms: 3000, faults: [{on: 'POST /services/rest/record/v1/*', calls: [5], do: reset_after}]}",
    );
    let place = books(&remote);
    std::thread::sleep(Duration::from_secs(4));
    let payments = [payment(10.0, "2026-05-02")];
    place.done(stream("Bills", &[bill("b-1", &json!({"relatedPayments": payments}))]));
    assert_eq!(
        place.counts("Bills"),
        counts([("read", 1), ("created", 1)]),
        "{:?}",
        place.results()
    );
    assert_eq!(paid(&remote), [10.0]);
}

/// The bill is there, its payment is not: that is told as it is, and mended by the next run.
#[test]
fn a_payment_that_is_refused_is_told_beside_its_bill() {
    let remote = Remote::start();
    let place = books(&remote);
    let mut bad = payment(20.0, "2026-05-02");
    bad["accountName"] = json!("Nowhere");
    let with =
        |bad: &Value| bill("b-1", &json!({"relatedPayments": [payment(10.0, "2026-05-02"), bad]}));
    place.done(stream("Bills", &[with(&bad)]));
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("failed", 1)]));
    let row = told(&place, "b-1");
    assert_eq!(row["RemoteId"], remote.books("vendorBill")[0]["id"]);
    let words = message(&place, "b-1");
    for part in [
        "the bill itself is written, 1 of its 2 payments are there, and 1 not",
        "Error creating payment for Bill: Unable to find account. Tried lookup by name Nowhere.",
    ] {
        assert!(words.contains(part), "{words}");
    }
    assert_eq!(paid(&remote), [10.0]);
    bad["accountName"] = json!("Checking");
    place.done(stream("Bills", &[with(&bad)]));
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("updated", 1)]));
    assert_eq!((paid(&remote), remote.books("vendorBill").len()), (vec![10.0, 20.0], 1));
}

#[test]
fn payments_are_made_once_whatever_is_lost() {
    for fault in
        ["reset_after", "truncate_after", "status_after, status: 502", "status, status: 429"]
    {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: 'POST /services/rest/record/v1/*', calls: [5, 7], do: {fault}}}]}}"
        ));
        let place = books(&remote);
        let with = |id: &str| {
            let payments = [payment(10.0, "2026-05-02"), payment(20.0, "2026-05-02")];
            bill(id, &json!({"relatedPayments": payments}))
        };
        place.done(stream("Bills", &[with("b-1"), with("b-2")]));
        assert_eq!(remote.books_by("vendorBill").len(), 2, "{fault}");
        let mut all = paid(&remote);
        all.sort_by(f64::total_cmp);
        assert_eq!(all, [10.0, 10.0, 20.0, 20.0], "{fault}: {:?}", place.results());
    }
    for step in ["sent:1", "sent:2", "sent:3", "answered:1"] {
        let remote = Remote::start();
        let place = books(&remote);
        let payments = [payment(10.0, "2026-05-02"), payment(20.0, "2026-05-02")];
        let input = stream("Bills", &[bill("b-1", &json!({"relatedPayments": payments}))]);
        place.dies_at(step, &input);
        place.done(&input);
        assert_eq!((paid(&remote).len(), remote.books("vendorBill").len()), (2, 1), "{step}");
    }
}

/// A bill that comes later is not mistaken for another vendor's of the same number.
#[test]
fn a_payment_is_of_the_document_that_it_names() {
    let remote = Remote::start();
    let place = books(&remote);
    let mut other =
        bill("x", &json!({"billNumber": "77", "vendorExternalId": "v-2", "subsidiaryId": "2"}));
    other.as_object_mut().unwrap().remove("externalId");
    place.done(stream("Bills", &[other]));
    let payment = json!({"externalId": "p-1", "billExternalId": "b-77", "billNumber": "77", "amount": 5,
        "paymentDate": "2026-05-05", "accountName": "Checking"});
    place.done(stream("BillPayments", std::slice::from_ref(&payment)));
    assert_eq!(place.counts("BillPayments"), counts([("read", 1), ("rejected", 1)]));
    assert!(message(&place, "p-1").contains("say the Vendor"), "{}", message(&place, "p-1"));
    assert_eq!(paid(&remote), [] as [f64; 0]);
    place.done(stream("Bills", &[bill("b-77", &json!({"billNumber": "77"}))]));
    place.done(stream("BillPayments", &[payment]));
    let paid = &remote.books("vendorPayment")[0];
    let bills = remote.books("vendorBill");
    let own = bills.iter().find(|bill| bill.get("externalId") == Some(&json!("b-77"))).unwrap();
    assert_eq!(paid["apply"]["items"][0]["doc"]["id"], own["id"]);
    assert_eq!(paid["entity"]["id"], own["entity"]["id"]);
}

/// NetSuite is still at work on a payment whose answer is lost: it is there a while later, once.
#[test]
fn a_payment_that_is_late_is_not_made_again() {
    let remote = Remote::with(
        "{faults: [{on: 'POST /services/rest/record/v1/*', calls: [5], do: slow, ms: 900}]}",
    );
    let place = books(&remote).set("timeout_secs", json!(0.3));
    let payments = [payment(10.0, "2026-05-02"), payment(10.0, "2026-05-02")];
    let input = stream("Bills", &[bill("b-1", &json!({"relatedPayments": payments}))]);
    place.done(&input);
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("created", 1)]));
    std::thread::sleep(Duration::from_secs(1));
    place.done(&input);
    assert_eq!((paid(&remote), remote.books("vendorBill").len()), (vec![10.0, 10.0], 1));
}

#[test]
fn a_payment_is_of_the_one_whose_document_it_pays() {
    let remote = Remote::start();
    let place = books(&remote);
    place.done(stream("Bills", &[bill("b-1", &json!({}))]));
    let of = |id: &str, more: &Value| {
        let mut one = json!({"externalId": id, "billNumber": "N-b-1", "amount": 5, "currency": "USD",
            "paymentDate": "2026-05-05", "accountName": "Checking"});
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one
    };
    place.done(stream(
        "BillPayments",
        &[
            of("p-1", &json!({})),
            of("p-2", &json!({"vendorExternalId": "v-1"})),
            of("p-3", &json!({"vendorExternalId": "v-2"})),
            of("p-4", &json!({"billNumber": "nothing"})),
        ],
    ));
    assert_eq!(
        place.counts("BillPayments"),
        counts([("read", 4), ("created", 2), ("rejected", 2)])
    );
    assert_eq!(message(&place, "p-3"), "The Vendor supplied must be the same Bill Vendor");
    assert_eq!(message(&place, "p-4"), "Unable to find bill. Tried lookup by number nothing.");
    assert_eq!(paid(&remote), [5.0, 5.0]);
}

/// A payment that is there under an id of somebody else's is known by what it comes to in its own
/// currency, whatever that is worth.
#[test]
fn a_payment_that_others_have_named_is_not_made_again() {
    let remote = Remote::start();
    let place = books(&remote);
    let mut own = payment(20.0, "2026-05-02");
    own["currency"] = json!("EUR");
    own["exchangeRate"] = json!(1.1);
    let with = |memo: &str, payments: &[&Value]| {
        let more = json!({"relatedPayments": payments, "description": memo, "currency": "EUR",
            "exchangeRate": 1.1});
        bill("b-1", &more)
    };
    let mut theirs = own.clone();
    theirs["externalId"] = json!("p-1");
    place.done(stream("Bills", &[with("first", &[&theirs])]));
    assert_eq!(paid(&remote), [20.0], "{:?}", place.results());
    place.done(stream("Bills", &[with("second", &[&own])]));
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("updated", 1)]));
    assert_eq!(paid(&remote), [20.0], "{:?}", place.results());
    own["amount"] = json!(22.0);
    place.done(stream("Bills", &[with("third", &[&own])]));
    assert_eq!(paid(&remote), [20.0, 22.0], "{:?}", place.results());
}

/// A bill is not told as written while a payment of it is still to be made.
#[test]
fn a_payment_that_is_not_made_at_once_is_made_before_its_bill_is_told() {
    for fault in ["status, status: 429", "status, status: 503", "reset", "reset_after"] {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: 'POST /services/rest/record/v1/vendorPayment', calls: [1, 3], do: {fault}}}]}}"
        ));
        let place = books(&remote);
        let payments = [payment(10.0, "2026-05-02"), payment(20.0, "2026-05-02")];
        let of = |memo: &str, payments: &[Value]| {
            bill("b-1", &json!({"relatedPayments": payments, "description": memo}))
        };
        place.done(stream("Bills", &[of("first", &payments[..1])]));
        assert_eq!(place.counts("Bills"), counts([("read", 1), ("created", 1)]), "{fault}");
        assert_eq!(paid(&remote), [10.0], "{fault}: {:?}", place.results());
        place.done(stream("Bills", &[of("second", &payments)]));
        assert_eq!(place.counts("Bills"), counts([("read", 1), ("updated", 1)]), "{fault}");
        assert_eq!(paid(&remote), [10.0, 20.0], "{fault}: {:?}", place.results());
    }
}
