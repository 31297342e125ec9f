//! Bills, invoices, credits, orders and journals: lines that are added once, taxes, and whose they are.

use std::time::Duration;

use serde_json::{Value, json};

use super::{bill, books, lines, message, stream, told};
use crate::support::{Place, Remote, counts};

fn expense(description: &str, amount: f64) -> Value {
    json!({"accountNumber": "6000", "description": description, "amount": amount})
}

fn held(remote: &Remote, id: &str) -> Vec<(String, f64)> {
    let record = remote.books_by("vendorBill")[id].clone();
    let of = |line: &Value| {
        (line["memo"].as_str().unwrap_or_default().to_owned(), line["amount"].as_f64().unwrap())
    };
    lines(&record, "expense").iter().map(of).collect()
}

#[test]
fn only_new_lines_are_added_and_changed_ones_change() {
    let remote = Remote::start();
    let place = books(&remote);
    let run = |lines: &[Value]| {
        place.done(stream("Bills", &[bill("b-1", &json!({"expenses": lines}))]));
    };
    run(&[expense("Fuel", 50.0), json!({"accountNumber": "6100", "amount": 7})]);
    let line = |memo: &str, amount: f64| (memo.to_owned(), amount);
    assert_eq!(held(&remote, "b-1"), [line("Fuel", 50.0), line("", 7.0)]);
    // One more, one that is other by now, and one that says nothing of itself and is the same.
    run(&[
        expense("Fuel", 55.0),
        json!({"accountNumber": "6100", "amount": 7}),
        expense("Toll", 3.0),
    ]);
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("updated", 1)]));
    assert_eq!(held(&remote, "b-1"), [line("Fuel", 55.0), line("", 7.0), line("Toll", 3.0)]);
    // Lines that a record does not have any more stay, as with the platform's target.
    run(&[expense("Toll", 3.0)]);
    assert_eq!(held(&remote, "b-1").len(), 3);
}

/// NetSuite rounds amounts and trims texts: a line that it has so is not added by each change.
#[test]
fn lines_that_are_kept_in_another_form_are_added_once() {
    let remote = Remote::start();
    let place = books(&remote);
    let run = |memo: &str, amount: f64| {
        let note = json!([{"name": "custcol_note", "value": " x "}]);
        let line = json!({"accountNumber": "6000", "amount": amount, "customFields": note});
        place.done(stream(
            "Bills",
            &[bill("b-1", &json!({"description": memo, "expenses": [line]}))],
        ));
    };
    for memo in ["a", "b"] {
        run(memo, 33.335);
        assert_eq!(held(&remote, "b-1"), [(String::new(), 33.34)]);
    }
    // Whether it is a whole amount that was rounded, nobody can tell.
    let line = json!({"accountNumber": "6000", "amount": 20});
    place.done(stream("Bills", &[bill("b-2", &json!({"expenses": [line]}))]));
    let line = json!({"accountNumber": "6000", "amount": 20.4});
    place.done(stream("Bills", &[bill("b-2", &json!({"expenses": [line]}))]));
    assert!(message(&place, "b-2").contains("Give it a description"), "{:?}", place.results());
    assert_eq!(held(&remote, "b-2").len(), 1);
}

#[test]
fn a_line_that_says_nothing_is_refused() {
    let remote = Remote::start();
    let place = books(&remote);
    place.done(stream("Bills", &[bill("b-1", &json!({"expenses": [null]}))]));
    assert!(message(&place, "b-1").contains("'expenses.0'"), "{:?}", place.results());
    assert_eq!(remote.books("vendorBill").len(), 0);
}

/// A change whose answer is lost is sent again, and adds nothing twice.
#[test]
fn lines_are_added_once_whatever_is_lost() {
    for fault in ["reset_after", "truncate_after", "status_after, status: 502"] {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: 'PATCH /services/rest/record/v1/*/*', calls: [1, 2], do: {fault}}}]}}"
        ));
        let place = books(&remote);
        place.done(stream("Bills", &[bill("b-1", &json!({}))]));
        let more = json!({"expenses": [expense("Fuel", 50.0), json!({"accountNumber": "6100", "amount": 7})]});
        place.done(stream("Bills", &[bill("b-1", &more)]));
        assert_eq!(held(&remote, "b-1").len(), 2, "{fault}");
        assert_eq!(place.counts("Bills"), counts([("read", 1), ("updated", 1)]), "{fault}");
    }
}

#[test]
fn taxes_are_as_told_or_as_reckoned() {
    let remote = Remote::start();
    let place = books(&remote);
    let taxed = json!({"expenses": [
        {"accountNumber": "6000", "description": "Fuel", "amount": 200.0, "taxCode": "VAT19", "taxAmount": 20.0},
        {"accountNumber": "6000", "description": "Toll", "amount": 100.0, "taxCode": "VAT19"},
        {"accountNumber": "6000", "description": "Tip", "amount": 1.0}]});
    place.done(stream("Bills", &[bill("b-1", &taxed)]));
    assert_eq!(
        place.counts("Bills"),
        counts([("read", 1), ("created", 1)]),
        "{:?}",
        place.results()
    );
    let record = remote.books_by("vendorBill")["b-1"].clone();
    assert_eq!(record["taxDetailsOverride"], true);
    let details = lines(&record, "taxDetails");
    let of = |at: usize| {
        let detail = &details[at];
        let number = |name: &str| detail[name].as_f64().unwrap();
        (number("taxRate"), number("taxBasis"), number("taxAmount"))
    };
    assert_eq!((details.len(), of(0), of(1)), (2, (10.0, 200.0, 20.0), (19.0, 100.0, 19.0)));
    assert_eq!(details[1]["taxDetailsReference"]["id"], "NEW_EXPENSE_1");
    let unknown = json!({"expenses": [{"accountNumber": "6000", "amount": 1, "taxCode": "VAT99"}]});
    place.done(stream("Bills", &[bill("b-2", &unknown)]));
    assert_eq!(message(&place, "b-2"), "Unable to find tax code: VAT99");
}

/// What a new line is known by in tax details is nothing that an older one is known by.
#[test]
fn the_taxes_of_lines_are_told_apart() {
    let remote = Remote::start();
    let place = books(&remote);
    let line = |memo: &str| {
        let mut line = expense(memo, 10.0);
        line["taxCode"] = json!("VAT19");
        line
    };
    for lines in [vec![line("A")], vec![line("A"), line("B")], vec![line("C")], vec![line("D")]] {
        place.done(stream("Bills", &[bill("b-1", &json!({"expenses": lines}))]));
    }
    let record = remote.books_by("vendorBill")["b-1"].clone();
    let references = lines(&record, "expense").into_iter();
    let references: std::collections::BTreeSet<String> =
        references.map(|line| line["taxDetailsReference"].to_string()).collect();
    assert_eq!(references.len(), 4, "{references:?}");
}

/// Vendors number their bills themselves: the same number from another one is another bill.
#[test]
fn a_bill_of_another_vendor_is_not_overwritten() {
    let remote = Remote::start();
    let place = books(&remote).set("identity", "platform");
    let mut first = bill("b-1", &json!({"billNumber": "1"}));
    first.as_object_mut().unwrap().remove("externalId");
    place.done(stream("Bills", &[first.clone()]));
    let other = json!({"billNumber": "1", "vendorExternalId": "v-2", "subsidiaryId": "2",
        "expenses": [expense("Rent", 900.0)], "externalId": "o-1"});
    place.done(stream("Bills", &[other]));
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("created", 1)]));
    let held = remote.books("vendorBill");
    assert_eq!((held.len(), lines(&held[0], "expense").len()), (2, 1));
    // The same vendor's is the same bill.
    let mut again = first;
    again["description"] = json!("changed");
    place.done(stream("Bills", &[again]));
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("updated", 1)]));
}

#[test]
fn a_journal_entry_is_not_changed() {
    let remote = Remote::start();
    let place = books(&remote);
    let journal = |amount: u64, memo: &str| {
        json!({"externalId": "j-1", "subsidiaryId": "1", "currency": "USD", "description": memo,
            "lineItems": [{"accountNumber": "6000", "debitAmount": amount}, {"accountNumber": "1000", "creditAmount": amount}]})
    };
    place.done(stream("JournalEntries", &[journal(10, "a")]));
    place.done(stream("JournalEntries", &[journal(11, "a")]));
    assert_eq!(message(&place, "j-1"), "Record already exists");
    assert_eq!(remote.books("journalEntry").len(), 1);
    // One that does not balance is refused by NetSuite.
    let mut odd = journal(1, "b");
    odd["externalId"] = json!("j-2");
    odd["lineItems"][0]["debitAmount"] = json!(2);
    place.done(stream("JournalEntries", &[odd]));
    assert_eq!(told(&place, "j-2")["outcome"], "rejected");
    assert_eq!(remote.books("journalEntry").len(), 1);
}

#[test]
fn documents_are_made_once_whatever_is_lost() {
    for fault in
        ["reset_after", "truncate_after", "status_after, status: 502", "status, status: 503"]
    {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: 'POST /services/rest/record/v1/*', calls: [4, 5, 8], do: {fault}}}]}}"
        ));
        let place = books(&remote);
        let all: Vec<Value> = (0..8).map(|n| bill(&format!("b-{n}"), &json!({}))).collect();
        place.done(stream("Bills", &all));
        assert_eq!(remote.books_by("vendorBill").len(), 8, "{fault}: {:?}", place.counts("Bills"));
    }
    for step in ["intended:2", "sent:5", "answered:6", "recorded:4"] {
        let remote = Remote::start();
        let place = books(&remote);
        let all: Vec<Value> = (0..8).map(|n| bill(&format!("b-{n}"), &json!({}))).collect();
        place.dies_at(step, stream("Bills", &all));
        place.done(stream("Bills", &all));
        assert_eq!(remote.books_by("vendorBill").len(), 8, "{step}");
    }
}

/// A number that another vendor's has, too, finds nothing of this one's: whatever is to be done.
#[test]
fn a_document_of_another_is_left_alone() {
    let remote = Remote::start();
    let place = books(&remote);
    place.done(stream("Bills", &[bill("b-1", &json!({"billNumber": "77"}))]));
    let payment = |vendor: &str| {
        json!({"paymentNumber": "9", "paymentDate": "2026-05-05", "accountName": "Checking",
            "vendorExternalId": vendor})
    };
    let mut of_bill = payment("v-1");
    of_bill["billExternalId"] = json!("b-1");
    of_bill["amount"] = json!(5);
    place.done(stream("BillPayments", &[of_bill]));
    let (bills, payments) = (remote.books("vendorBill"), remote.books("vendorPayment"));
    let other = json!({"billNumber": "77", "vendorExternalId": "v-2", "subsidiaryId": "2",
        "issueDate": "2026-05-01", "description": "Mine",
        "expenses": [{"accountNumber": "6000", "amount": 5, "description": "x"}]});
    let deleting = |place: Place| place.set("streams", json!({"*": {"mode": "delete"}}));
    let place = deleting(place);
    place.done(stream("Bills", std::slice::from_ref(&other)));
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("skipped", 1)]));
    place.done(stream("BillPayments", &[payment("v-2")]));
    assert_eq!(place.counts("BillPayments"), counts([("read", 1), ("skipped", 1)]));
    assert_eq!((remote.books("vendorBill"), remote.books("vendorPayment")), (bills, payments));
    // It is made, and found again by both.
    let place = place.set("streams", json!({}));
    place.done(stream("Bills", std::slice::from_ref(&other)));
    assert_eq!(
        place.counts("Bills"),
        counts([("read", 1), ("created", 1)]),
        "{:?}",
        place.results()
    );
    let again = super::super::place(&remote);
    let mut changed = other;
    changed["description"] = json!("Mine too");
    again.done(stream("Bills", std::slice::from_ref(&changed)));
    assert_eq!(
        again.counts("Bills"),
        counts([("read", 1), ("updated", 1)]),
        "{:?}",
        again.results()
    );
    let bills = remote.books("vendorBill");
    let memos: Vec<_> = bills.iter().map(|bill| bill.get("memo").cloned()).collect();
    assert_eq!(memos, [None, Some(json!("Mine too"))]);
    // Whose it is, is not said: both are meant.
    changed.as_object_mut().unwrap().remove("vendorExternalId");
    again.done(stream("Bills", &[changed]));
    assert_eq!(again.counts("Bills"), counts([("read", 1), ("rejected", 1)]));
}

/// A change that NetSuite is still at work on appends its lines once.
#[test]
fn lines_of_a_late_change_are_there_once() {
    let remote = Remote::with(
        "{faults: [{on: 'PATCH /services/rest/record/v1/*/*', calls: [1], do: slow, ms: 900}]}",
    );
    let place = books(&remote);
    let line = |memo: &str| json!({"accountNumber": "6000", "description": memo, "amount": 5});
    place.done(stream("Bills", &[bill("b-1", &json!({"expenses": [line("x")]}))]));
    let place = place.set("timeout_secs", json!(0.3)).set("settle_secs", 1);
    place.done(stream("Bills", &[bill("b-1", &json!({"expenses": [line("x"), line("y")]}))]));
    // Until the first call has come to its end, too.
    std::thread::sleep(Duration::from_secs(1));
    let held = remote.books_by("vendorBill")["b-1"]["expense"]["items"].clone();
    assert_eq!(held.as_array().unwrap().len(), 2, "{held}");
}

/// A journal is posted once, and that its answer is lost does not make a mistake of it.
#[test]
fn a_journal_whose_answer_is_lost_is_there() {
    let remote = Remote::with(
        "{faults: [{on: 'POST /services/rest/record/v1/*', calls: [4], do: reset_after}]}",
    );
    let place = books(&remote);
    let journal = |amount: f64| {
        json!({"externalId": "j-1", "subsidiaryId": "1", "currency": "USD", "description": "Pay ",
            "transactionDate": "2026-05-01", "lineItems": [
                {"accountNumber": "6000", "entryType": "Debit", "debitAmount": amount},
                {"accountNumber": "1000", "entryType": "Credit", "creditAmount": amount}]})
    };
    place.done(stream("JournalEntries", &[journal(10.335)]));
    let told = place.counts("JournalEntries");
    assert_eq!(told.get("rejected"), None, "{:?}", place.results());
    assert_eq!(remote.books("journalEntry").len(), 1);
    place.done(stream("JournalEntries", &[journal(20.0)]));
    assert_eq!(place.counts("JournalEntries"), counts([("read", 1), ("rejected", 1)]));
}

/// A bill that only its number tells from others.
fn numbered(number: &str) -> Value {
    let mut bill = bill(number, &json!({}));
    bill.as_object_mut().unwrap().remove("externalId");
    bill
}

/// NetSuite refuses no second document of a number: whether it has one is asked after each answer
/// that is lost.
#[test]
fn documents_without_ids_are_made_once_whatever_is_lost() {
    for fault in ["reset_after", "truncate_after", "status_after, status: 502"] {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: 'POST /services/rest/record/v1/vendorBill', calls: [1, 4], do: {fault}}}]}}"
        ));
        let place = books(&remote);
        let all: Vec<Value> = (0..6).map(|n| numbered(&n.to_string())).collect();
        place.done(stream("Bills", &all));
        let held = remote.books("vendorBill");
        assert_eq!(held.len(), 6, "{fault}: {:?}", place.results());
    }
}

/// NetSuite is still at work on a bill whose answer is lost: that it is not there yet is not believed.
#[test]
fn a_document_that_is_late_is_not_made_again() {
    let late = "{faults: [{on: 'POST /services/rest/record/v1/vendorBill', calls: [1], do: slow, ms: 900}]}";
    let remote = Remote::with(late);
    let hasty = |place: Place| place.set("timeout_secs", json!(0.3)).set("settle_secs", 2);
    let place = hasty(books(&remote));
    place.done(stream("Bills", &[numbered("1")]));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(remote.books("vendorBill").len(), 1, "{:?}", place.results());
    // The same where the job is killed, and the next one goes on at once.
    let remote = Remote::with(late);
    let place = hasty(books(&remote));
    place.dies_at("answered:1", stream("Bills", &[numbered("1")]));
    place.done(stream("Bills", &[numbered("1")]));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(remote.books("vendorBill").len(), 1, "{:?}", place.results());
}

/// A document that is named by its id is not given to another vendor.
#[test]
fn a_document_stays_whose_it_is() {
    let remote = Remote::start();
    let place = books(&remote).set("identity", "platform");
    place.done(stream("Bills", &[numbered("1")]));
    let before = remote.books("vendorBill");
    let mut other = numbered("1");
    other["id"] = before[0]["id"].clone();
    other["vendorExternalId"] = json!("v-2");
    other["description"] = json!("Mine");
    place.done(stream("Bills", &[other]));
    assert_eq!(place.counts("Bills"), counts([("read", 1), ("rejected", 1)]));
    assert_eq!(remote.books("vendorBill"), before);
}
