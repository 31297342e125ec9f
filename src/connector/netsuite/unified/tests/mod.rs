//! Which streams are unified, and what is told of their records.

mod documents;

use serde_json::json;

use super::*;
use crate::json::exact;

/// What a record comes to, with nothing in it that nobody knows.
pub(super) fn made(kind: Kind, record: &Value) -> Result<Value, String> {
    let made = make(kind, record.as_object().unwrap())?;
    assert_eq!(made.ignored, [""; 0]);
    Ok(made.body.into())
}

/// The place of another record.
pub(super) fn find(table: &str, what: &str, by: Value, within: bool) -> Value {
    let mut place = json!({"$find": {"table": table, "what": what, "within": within}});
    place["$find"]["by"] = by;
    place
}

#[test]
fn streams_are_known_in_any_case() {
    for (stream, kind, record) in [
        ("accounts", Kind::Account, "account"),
        ("Vendors", Kind::Vendor, "vendor"),
        ("CUSTOMERS", Kind::Customer, "customer"),
        ("Items", Kind::Item, "item"),
        ("Bills", Kind::Bill, "vendorBill"),
        ("billPayments", Kind::BillPayment, "vendorPayment"),
        ("Invoices", Kind::Invoice, "invoice"),
        ("InvoicePayments", Kind::InvoicePayment, "customerPayment"),
        ("VendorCredits", Kind::VendorCredit, "vendorCredit"),
        ("PurchaseOrders", Kind::PurchaseOrder, "purchaseOrder"),
        ("JournalEntries", Kind::JournalEntry, "journalEntry"),
    ] {
        assert_eq!((Kind::of(stream), kind.record_type()), (Some(kind), record));
    }
    assert_eq!((Kind::of("bill"), Kind::of("vendorBill")), (None, None));
    assert_eq!(Kind::Item.record_types().len(), 10);
}

#[test]
fn digits_come_out_as_they_came_in() {
    let record = r#"{"billNumber": 12345678901234567890123, "balance": 100.00, "exchangeRate": 1.10,
        "lineItems": [{"quantity": 3, "unitPrice": 33.330, "amount": 9007199254740993.25,
        "taxCode": "A"}]}"#;
    let record = exact::parse(record.as_bytes()).unwrap();
    let body = make(Kind::Bill, record.as_object().unwrap()).unwrap().body;
    assert_eq!(
        render(&body.into()),
        concat!(
            r#"{"tranId":"12345678901234567890123","balance":100.00,"exchangeRate":1.10,"#,
            r#""item":{"items":[{"quantity":3,"rate":33.330,"amount":9007199254740993.25,"#,
            r#""$tax":{"code":"A","basis":9007199254740993.25}}]}}"#,
        )
    );
}

#[test]
fn what_nobody_knows_is_ignored_and_told() {
    let record = json!({"colour": "red", "memo": "x", "status": "open", "empty": null,
    "lineItems": [{"colour": 1,
        "item": "x"}, {"colour": 2}], "relatedPayments": [{"amount": 1, "odd": 1}]});
    let made = make(Kind::Bill, record.as_object().unwrap()).unwrap();
    let names = ["colour", "memo", "lineItems.colour", "lineItems.item", "relatedPayments.odd"];
    assert_eq!(made.ignored, names);
    assert_eq!(
        told_ignored(Kind::Bill, &made.ignored[..2]),
        "Extra fields found in Bills will be ignored: colour, memo"
    );
}

#[test]
fn lists_must_be_lists_of_objects() {
    let record = json!({"lineItems": {"a": 1}, "expenses": ["x"]});
    assert_eq!(
        made(Kind::Bill, &record).unwrap_err(),
        "Failed Structure/Datatype validation for Bills: 'lineItems' -> Input should be a valid \
         list (got value {\"a\":1} of type dict); 'expenses.0' -> Input should be a valid \
         dictionary (got value x of type str)"
    );
}
