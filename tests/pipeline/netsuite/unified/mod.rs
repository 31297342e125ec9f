//! Records of the platform's unified accounting schema: what NetSuite holds after them.

mod documents;
mod entities;
mod numbers;
mod payments;
mod references;

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{place, stream};
use crate::support::{Place, Remote, counts, finish};

/// An account with a vendor and a customer of each subsidiary.
fn books(remote: &Remote) -> Place {
    let place = place(remote);
    let vendor = |id: &str, name: &str, subsidiary: &str| {
        json!({"externalId": id, "vendorNumber": format!("N-{id}"), "vendorName": name,
            "subsidiaryName": subsidiary})
    };
    let vendors = [vendor("v-1", "Acme", "Parent Company"), vendor("v-2", "Bolt", "Sub GmbH")];
    place.done(stream("Vendors", &vendors));
    let customer = json!({"externalId": "c-1", "customerNumber": "C-1", "companyName": "Core",
        "subsidiaryId": "1"});
    place.done(stream("Customers", &[customer]));
    place
}

/// A bill of one expense, with what `more` says.
fn bill(id: &str, more: &Value) -> Value {
    let mut bill = json!({"externalId": id, "billNumber": format!("N-{id}"), "vendorExternalId": "v-1",
        "subsidiaryId": "1", "currency": "USD", "issueDate": "2026-05-01T00:00:00Z",
        "expenses": [{"accountNumber": "6000", "description": "Fuel", "amount": 50.0}]});
    bill.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    bill
}

/// What the results tell of a record.
fn told(place: &Place, id: &str) -> Value {
    place.results().into_iter().find(|row| row["InputId"] == id).unwrap()
}

fn message(place: &Place, id: &str) -> String {
    told(place, id)["error_message"].as_str().unwrap_or_default().to_owned()
}

fn lines(record: &serde_json::Map<String, Value>, sublist: &str) -> Vec<Value> {
    record.get(sublist).and_then(|own| own["items"].as_array()).cloned().unwrap_or_default()
}

/// Runs a job over an input that comes in parts: after each, until it is `true` what stands beside it.
fn in_parts(place: &Place, parts: &[(String, &dyn Fn() -> bool)]) {
    let mut child = place.job().spawn().unwrap();
    for (part, is_done) in parts {
        let stdin = child.stdin.as_mut().unwrap();
        stdin.write_all(part.as_bytes()).unwrap();
        stdin.flush().unwrap();
        let started = Instant::now();
        while !is_done() {
            assert!(started.elapsed() < Duration::from_secs(30), "{part}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let ran = finish(child, b"");
    assert_eq!(ran.code, 0, "stderr:\n{}", ran.stderr);
}

/// Whatever the platform's target has taken, in one run: parents first, and each by its own key.
#[test]
fn every_stream_is_written() {
    let remote = Remote::start();
    let place = books(&remote);
    let account =
        json!({"externalId": "a-1", "name": "Tea", "type": "Expense", "subsidiary": ["1"]});
    let item = json!({"externalId": "i-1", "itemNumber": "BOLT", "displayName": "A bolt",
        "type": "NonInvtPart", "category": "Resale", "subsidiaryRef": [{"name": "Parent Company"}],
        "accounts": [{"accountType": "income", "id": "7"}, {"accountType": "expense", "id": "9"}]});
    let credit = json!({"externalId": "vc-1", "vendorCreditNumber": "VC-1", "vendorNumber": "N-v-1",
        "issueDate": "2026-05-04", "currency": "USD", "subsidiaryId": "1",
        "expenses": [{"accountNumber": "6000", "amount": 5, "description": "Back"}]});
    let order = json!({"externalId": "po-1", "purchaseOrderNumber": "PO-1", "vendorName": "Acme",
        "subsidiaryId": "1", "currency": "USD",
        "lineItems": [{"itemNumber": "BOLT", "quantity": 2, "unitPrice": 3.5, "description": "Bolts"}]});
    let invoice = json!({"externalId": "in-1", "invoiceNumber": "IN-1", "customerNumber": "C-1",
        "subsidiaryId": "1", "issueDate": "2026-05-01",
        "lineItems": [{"itemExternalId": "i-1", "quantity": 2, "unitPrice": 5, "description": "Bolts"}]});
    let journal = json!({"externalId": "j-1", "journalEntryNumber": "J-1", "subsidiaryId": "1",
        "currency": "USD", "transactionDate": "2026-05-01",
        "lineItems": [{"accountNumber": "6000", "entryType": "Debit", "debitAmount": 10},
            {"accountNumber": "1000", "entryType": "Credit", "creditAmount": 10}]});
    let bill_payment = json!({"externalId": "bp-1", "paymentNumber": "BP-1", "billExternalId": "b-1",
        "amount": 50, "paymentDate": "2026-05-05", "accountName": "Checking", "currency": "USD"});
    let invoice_payment = json!({"externalId": "ip-1", "invoiceNumber": "IN-1", "amount": 10,
        "paymentDate": "2026-05-05", "accountName": "Checking", "currency": "USD"});
    let all = [
        ("Accounts", account, "account"),
        ("Items", item, "nonInventoryResaleItem"),
        ("Bills", bill("b-1", &json!({})), "vendorBill"),
        ("VendorCredits", credit, "vendorCredit"),
        ("PurchaseOrders", order, "purchaseOrder"),
        ("Invoices", invoice, "invoice"),
        ("JournalEntries", journal, "journalEntry"),
        ("BillPayments", bill_payment, "vendorPayment"),
        ("InvoicePayments", invoice_payment, "customerPayment"),
    ];
    let input: String =
        all.iter().map(|(name, record, _)| stream(name, std::slice::from_ref(record))).collect();
    place.done(&input);
    for (name, record, record_type) in &all {
        let why = place.results();
        assert_eq!(place.counts(name), counts([("read", 1), ("created", 1)]), "{why:?}");
        let held = remote.books_by(record_type);
        assert!(held.contains_key(record["externalId"].as_str().unwrap()), "{name}");
    }
    // Once more, nothing is to be done.
    place.done(&input);
    for (name, ..) in &all {
        assert_eq!(place.counts(name), counts([("read", 1), ("unchanged", 1)]), "{name}");
    }
    let paid = &remote.books_by("vendorPayment")["bp-1"];
    assert_eq!(paid["entity"]["id"], remote.books_by("vendor")["v-1"]["id"]);
}
