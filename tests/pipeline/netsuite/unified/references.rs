//! Whom records name: in the platform's order, all of a batch at once, within the record's subsidiary.

use std::time::Duration;

use serde_json::{Value, json};

use super::{bill, books, in_parts, lines, message, stream};
use crate::support::{Remote, counts};

#[test]
fn who_is_not_there_is_told_in_the_platforms_words() {
    let remote = Remote::start();
    let place = books(&remote);
    let all = [
        bill("b-1", &json!({"vendorExternalId": null, "vendorId": "99", "vendorName": "Zap"})),
        bill("b-2", &json!({"currency": "XXX"})),
        bill("b-3", &json!({"expenses": [{"accountNumber": "9999", "amount": 1}]})),
        bill("b-4", &json!({"locationName": "Atlantis"})),
        bill("b-5", &json!({})),
    ];
    place.done(stream("Bills", &all));
    assert_eq!(place.counts("Bills"), counts([("read", 5), ("created", 1), ("rejected", 4)]));
    for (id, words) in [
        ("b-1", "Unable to find vendor. Tried lookup by id 99, and by name Zap."),
        ("b-2", "Unable to find currency. Tried lookup by symbol XXX."),
        ("b-3", "Unable to find account. Tried lookup by number 9999."),
        ("b-4", "Unable to find location. Tried lookup by name Atlantis, and within subsidiary 1."),
    ] {
        assert_eq!(message(&place, id), words);
    }
    assert_eq!(remote.books("vendorBill").len(), 1);
}

/// One question for each table, whatever the records.
#[test]
fn many_records_ask_once() {
    let remote = Remote::start();
    let place = books(&remote);
    let before = remote.calls_to("POST", "suiteql");
    let all: Vec<Value> = (0..90)
        .map(|n| bill(&format!("b-{n}"), &json!({"departmentName": "Sales", "locationId": "1"})))
        .collect();
    place.done(stream("Bills", &all));
    assert_eq!(place.counts("Bills"), counts([("read", 90), ("created", 90)]));
    // External ids, numbers, and six tables.
    assert_eq!(remote.calls_to("POST", "suiteql") - before, 8);
}

/// What lasts is not asked for again by the next job.
#[test]
fn what_was_told_holds_for_snapshot_hours() {
    let remote = Remote::start();
    let place = books(&remote).set("snapshot_hours", "1");
    let asked = || remote.calls_to("POST", "suiteql");
    let run = |id: &str| {
        let before = asked();
        place.done(stream("Bills", &[bill(id, &json!({}))]));
        assert_eq!(place.counts("Bills"), counts([("read", 1), ("created", 1)]));
        asked() - before
    };
    // The ids, the number, the vendor; and the subsidiary, the currency and the account.
    assert_eq!((run("b-1"), run("b-2")), (6, 3));
}

/// A job that writes accounts leaves to the next one nothing that it was told of them before.
#[test]
fn what_was_told_before_a_write_does_not_hold() {
    let remote = Remote::start();
    let place = books(&remote).set("snapshot_hours", "1");
    let account = |id: &str, name: &str| json!({"externalId": id, "name": name, "type": "Expense", "subsidiary": ["1"]});
    let of_fuel = |id: &str| {
        let expenses = json!([{"accountName": "Fuel", "description": "x", "amount": 5}]);
        stream("Bills", &[bill(id, &json!({"expenses": expenses}))])
    };
    place.done(stream("Accounts", &[account("a-1", "Fuel")]));
    place.done(of_fuel("b-1"));
    place.done(stream("Accounts", &[account("a-1", "Old fuel"), account("a-2", "Fuel")]));
    place.done(of_fuel("b-2"));
    let (accounts, bills) = (remote.books_by("account"), remote.books_by("vendorBill"));
    let paid = |id: &str| lines(&bills[id], "expense")[0]["account"]["id"].clone();
    assert_eq!(
        (paid("b-1"), paid("b-2")),
        (accounts["a-1"]["id"].clone(), accounts["a-2"]["id"].clone())
    );
}

/// What a job of many records has written is another by then, as well as what single calls have.
#[test]
fn a_name_that_a_job_has_moved_is_asked_for_again() {
    let remote = Remote::start();
    let place = books(&remote).set("bulk_from", 2).set("identity", "platform");
    let place = place.set("streams", json!({"many": {"object": "vendor"}}));
    let of_acme = |id: &str| {
        stream("Bills", &[bill(id, &json!({"vendorExternalId": null, "vendorName": "Acme"}))])
    };
    let vendor = |id: &str, name: &str| json!({"externalId": id, "companyName": name, "subsidiary": {"id": "1"}});
    let renamed = stream("many", &[vendor("v-1", "Acme Old"), vendor("v-9", "Acme")]);
    let told = || remote.calls_to("GET", "/result") == 2;
    in_parts(
        &place,
        &[
            (of_acme("b-1"), &|| remote.books("vendorBill").len() == 1),
            (renamed, &|| {
                let is_told = told();
                // The ids of its records are asked for after its results.
                std::thread::sleep(Duration::from_millis(if is_told { 500 } else { 0 }));
                is_told
            }),
            (of_acme("b-2"), &|| true),
        ],
    );
    let (vendors, bills) = (remote.books_by("vendor"), remote.books_by("vendorBill"));
    let of = |id: &str| bills[id]["entity"]["id"].clone();
    assert_eq!(
        (of("b-1"), of("b-2")),
        (vendors["v-1"]["id"].clone(), vendors["v-9"]["id"].clone())
    );
}

/// A parent that comes in the same input, before it or after it, is waited for.
#[test]
fn a_vendor_that_is_on_its_way_is_waited_for() {
    let remote = Remote::start();
    let place = books(&remote);
    let vendor = json!({"externalId": "v-9", "vendorName": "Late", "subsidiaryId": "1"});
    let of = |id: &str| bill(id, &json!({"vendorExternalId": "v-9"}));
    let input = stream("Bills", &[of("b-1")])
        + &stream("Vendors", &[vendor])
        + &stream("Bills", &[of("b-2")]);
    place.done(input);
    assert_eq!(
        place.counts("Bills"),
        counts([("read", 2), ("created", 2)]),
        "{:?}",
        place.results()
    );
    let vendor = remote.books_by("vendor")["v-9"]["id"].clone();
    for (id, held) in remote.books_by("vendorBill") {
        assert_eq!(held["entity"]["id"], vendor, "{id}");
    }
}

#[test]
fn a_name_that_several_have_is_refused() {
    let remote = Remote::start();
    let place = books(&remote);
    let second = json!({"externalId": "v-3", "vendorNumber": "X", "vendorName": "Acme", "subsidiaryId": "1"});
    place.done(stream("Vendors", &[second]));
    place.done(stream(
        "Bills",
        &[bill("b-1", &json!({"vendorExternalId": null, "vendorName": "Acme"}))],
    ));
    assert!(
        message(&place, "b-1").contains("name the one by its id"),
        "{}",
        message(&place, "b-1")
    );
    assert!(remote.books("vendorBill").is_empty());
}

/// Values that would end a question's quotes are values.
#[test]
fn a_value_cannot_change_a_question() {
    let remote = Remote::start();
    let place = books(&remote);
    let odd = "x') OR 1=1 --";
    let all = [
        bill("b'1", &json!({"vendorExternalId": odd})),
        bill("b-2", &json!({"vendorExternalId": null, "vendorId": "1 OR 1=1"})),
        bill("b-3", &json!({})),
    ];
    place.done(stream("Bills", &all));
    assert_eq!(place.counts("Bills"), counts([("read", 3), ("created", 1), ("rejected", 2)]));
    assert_eq!(lines(&remote.books_by("vendorBill")["b-3"], "expense").len(), 1);
    // A quote in a name is a part of it.
    let vendor = json!({"externalId": "v-3", "vendorName": "O'Hare's", "subsidiaryId": "1"});
    place.done(stream("Vendors", &[vendor]));
    let named = json!({"vendorExternalId": null, "vendorName": "O'Hare's"});
    place.done(stream("Bills", &[bill("b-4", &named)]));
    let held = remote.books_by("vendorBill")["b-4"]["entity"]["id"].clone();
    assert_eq!(held, remote.books_by("vendor")["v-3"]["id"]);
}

/// A record that does not say its subsidiary is of the one that NetSuite has it in.
#[test]
fn a_name_is_of_the_subsidiary_that_the_record_is_in() {
    let remote = Remote::start();
    let place = books(&remote);
    let depot = |id: &str, subsidiary: &str| {
        let within = json!({"items": [{"id": subsidiary}]});
        json!({"externalId": id, "name": "Depot", "subsidiary": within})
    };
    place.done(stream("location", &[depot("l-1", "1"), depot("l-2", "2")]));
    let of_second = json!({"vendorExternalId": "v-2", "subsidiaryId": "2"});
    place.done(stream("Bills", &[bill("b-1", &of_second)]));
    let change = json!({"externalId": "b-1", "vendorExternalId": "v-2", "locationName": "Depot"});
    place.done(stream("Bills", &[change]));
    assert_eq!(
        place.counts("Bills"),
        counts([("read", 1), ("updated", 1)]),
        "{}",
        message(&place, "b-1")
    );
    let held = remote.books_by("vendorBill")["b-1"].clone();
    assert_eq!(held["location"]["id"], remote.books_by("location")["l-2"]["id"]);
}

/// What an earlier job was told of somebody who is not there any more is asked for again.
#[test]
fn a_name_that_somebody_else_has_by_now_is_asked_for_again() {
    let remote = Remote::start();
    let place = books(&remote).set("snapshot_hours", "1");
    let depot = |id: &str| {
        let within = json!({"items": [{"id": "1"}]});
        stream("location", &[json!({"externalId": id, "name": "Depot", "subsidiary": within})])
    };
    let others = || super::super::place(&remote);
    others().done(depot("l-1"));
    let of = |id: &str| stream("Bills", &[bill(id, &json!({"locationName": "Depot"}))]);
    place.done(of("b-1"));
    let before = remote.books_by("vendorBill")["b-1"]["location"]["id"].clone();
    assert_eq!(before, remote.books_by("location")["l-1"]["id"]);
    others().set("streams", json!({"location": {"mode": "delete"}})).done(depot("l-1"));
    others().done(depot("l-2"));
    place.done(of("b-2"));
    assert_eq!(
        place.counts("Bills"),
        counts([("read", 1), ("created", 1)]),
        "{}",
        message(&place, "b-2")
    );
    let now = remote.books_by("vendorBill")["b-2"]["location"]["id"].clone();
    assert_eq!(now, remote.books_by("location")["l-2"]["id"]);
}
