//! Transactions: their lines, what they are applied to, journal entries.

use serde_json::{Value, json};

use super::super::Sandbox;
use super::assert_refused;

fn bill(vendor: &str, external_id: &str) -> Value {
    json!({
        "externalId": external_id,
        "entity": {"id": vendor},
        "tranId": "B-1",
        "tranDate": "2025-07-09",
        "custbody_memo2": "x",
        "expense": {"items": [
            {"account": {"externalId": "GL-6000"}, "amount": 10.1, "memo": "paper",
                "custcol_note": "n"},
            {"account": {"id": "10"}, "amount": 20, "memo": "train"},
        ]},
    })
}

#[tokio::test]
async fn lines_are_added_unless_their_number_is_there() {
    let sandbox = Sandbox::start("").await;
    let vendor = sandbox.vendor("Acme").await;
    let made = sandbox.ns_make("vendorBill", bill(&vendor, "B1")).await;
    let path = format!("/record/v1/vendorBill/{made}");
    let lines = async || {
        let bill = sandbox.ns_get("vendorBill", &made).await;
        let lines = bill["expense"]["items"].as_array().unwrap().clone();
        let told = |line: &Value| format!("{} {} {}", line["line"], line["amount"], line["memo"]);
        (lines.iter().map(told).collect::<Vec<_>>(), bill["total"].clone())
    };
    let expected = ["1 10.1 \"paper\"", "2 20.0 \"train\""];
    assert_eq!(lines().await, (expected.map(str::to_owned).to_vec(), json!(30.1)));

    let two = json!({"expense": {"items": [
        {"line": 2, "amount": 25},
        {"account": {"id": "9"}, "amount": 1, "memo": "pens"},
    ]}});
    assert_eq!(sandbox.ns("PATCH", &path, &two).await.status, 204);
    let expected = ["1 10.1 \"paper\"", "2 25.0 \"train\"", "3 1.0 \"pens\""];
    assert_eq!(lines().await, (expected.map(str::to_owned).to_vec(), json!(36.1)));

    let replaced = format!("{path}?replace=expense,item");
    let one = json!({"expense": {"items": [{"line": 3, "memo": "ink"}]}});
    assert_eq!(sandbox.ns("PATCH", &replaced, &one).await.status, 204);
    assert_eq!(lines().await, (vec!["3 1.0 \"ink\"".to_owned()], json!(1.0)));

    let read = sandbox.ns("GET", &path, "").await.json();
    let href = read["expense"]["links"][0]["href"].as_str().unwrap();
    let (_, part) = href.split_once("/services/rest").unwrap();
    let part = sandbox.ns("GET", part, "").await.json();
    assert_eq!((&part["totalResults"], &part["items"][0]["line"]), (&json!(1), &json!(3)));
    let none = sandbox.ns("GET", &format!("{path}/dragons"), "").await;
    assert_refused(&none, 404, "NOT_FOUND", "The sub-resource 'dragons' does not exist.", "");

    let none = json!({"expense": {"items": []}});
    let refused = sandbox.ns("PATCH", &replaced, &none).await;
    assert_refused(&refused, 400, "USER_ERROR", "You must enter at least one line item", "");
    let bad = json!({"expense": {"items": [{"account": {"id": "999"}, "amount": 1}]}});
    let refused = sandbox.ns("PATCH", &path, &bad).await;
    let about = "expense.items[0].account";
    assert_refused(&refused, 400, "INVALID_CONTENT", "Invalid Field Value 999", about);
    let bad = json!({"expense": {"items": [{"amount": 1}]}});
    let refused = sandbox.ns("PATCH", &path, &bad).await;
    assert_refused(&refused, 400, "USER_ERROR", "Please enter value(s) for: Account", "");
}

#[tokio::test]
async fn what_a_transaction_needs_is_asked_for_or_taken_from_its_entity() {
    let sandbox = Sandbox::start("").await;
    let vendor = json!({"companyName": "GmbH", "subsidiary": {"id": "2"}, "currency": {"id": "2"}});
    let vendor = sandbox.ns_make("vendor", vendor).await;
    let made = sandbox.ns_make("vendorBill", bill(&vendor, "B1")).await;
    let read = sandbox.ns_get("vendorBill", &made).await;
    assert_eq!(
        (&read["subsidiary"]["id"], &read["currency"]["refName"]),
        (&json!("2"), &json!("Euro"))
    );
    let refused = sandbox.ns("POST", "/record/v1/vendorBill", json!({"tranId": "1"})).await;
    assert_refused(&refused, 400, "USER_ERROR", "Please enter value(s) for: Vendor", "");
    let no_lines = json!({"entity": {"id": vendor}});
    let refused = sandbox.ns("POST", "/record/v1/invoice", &no_lines).await;
    assert_refused(&refused, 400, "INVALID_CONTENT", "Invalid Field Value", "entity");
    let refused = sandbox.ns("POST", "/record/v1/vendorBill", &no_lines).await;
    assert_refused(&refused, 400, "USER_ERROR", "You must enter at least one line item", "");
    // An external id is had once by all transactions.
    let order = json!({"externalId": "b1", "entity": {"id": vendor},
        "expense": {"items": [{"account": {"id": "9"}, "amount": 1}]}});
    let refused = sandbox.ns("POST", "/record/v1/purchaseOrder", order).await;
    assert_refused(&refused, 400, "USER_ERROR", "This record already exists.", "");
    let other = sandbox.ns("GET", &format!("/record/v1/invoice/{made}"), "").await;
    assert_refused(&other, 400, "USER_ERROR", "Transaction type specified is incorrect.", "");
    let none = sandbox.ns("GET", "/record/v1/invoice/99999", "").await;
    assert_refused(&none, 404, "NONEXISTENT_ID", "", "");
}

#[tokio::test]
async fn a_payment_is_applied_to_what_the_same_entity_owes() {
    let sandbox = Sandbox::start("").await;
    let (acme, bolt) = (sandbox.vendor("Acme").await, sandbox.vendor("Bolt").await);
    let owed = sandbox.ns_make("vendorBill", bill(&acme, "B1")).await;
    let payment = |vendor: &str, doc: &str, amount: Value| {
        json!({"entity": {"id": vendor}, "account": {"id": "1"},
            "apply": {"items": [{"doc": {"id": doc}, "apply": true, "amount": amount}]}})
    };
    let refused =
        sandbox.ns("POST", "/record/v1/vendorPayment", payment(&bolt, &owed, json!(5))).await;
    let detail = format!(
        "Unable to find a matching line for sublist apply with key: [doc,line] and value: \
            [{owed},null]."
    );
    assert_refused(&refused, 400, "USER_ERROR", &detail, "");
    let refused =
        sandbox.ns("POST", "/record/v1/vendorPayment", payment(&acme, "77", json!(5))).await;
    let about = "apply.items[0].doc";
    assert_refused(&refused, 400, "INVALID_CONTENT", "Invalid Field Value 77", about);

    let status = async || {
        let q = format!("SELECT status, foreigntotal FROM transaction WHERE id = {owed}");
        sandbox.ns_rows(&q).await
    };
    let first = sandbox.ns_make("vendorPayment", payment(&acme, &owed, json!(10))).await;
    assert_eq!(status().await, [json!({"status": "A", "foreigntotal": "-30.1"})]);
    // The rest, when no amount is told.
    let second = sandbox.ns_make("vendorPayment", payment(&acme, &owed, Value::Null)).await;
    assert_eq!(sandbox.ns_get("vendorPayment", &second).await["total"], 20.1);
    assert_eq!(status().await, [json!({"status": "B", "foreigntotal": "-30.1"})]);
    let links = sandbox
        .ns_rows("SELECT nextdoc, previousdoc, foreignamount FROM nexttransactionlinelink")
        .await;
    let link = |payment: &str, amount: &str| {
        json!({"nextdoc": payment, "previousdoc": owed,
        "foreignamount": amount})
    };
    assert_eq!(links, [link(&first, "10"), link(&second, "20.1")]);
}

#[tokio::test]
async fn a_journal_entry_balances() {
    let sandbox = Sandbox::start("").await;
    let entry = |credit: f64| {
        json!({"subsidiary": {"id": "1"}, "line": {"items": [
            {"account": {"id": "1"}, "debit": 0.3},
            {"account": {"id": "7"}, "credit": credit, "memo": "a"},
            {"account": {"id": "8"}, "credit": 0.1},
        ]}})
    };
    let refused = sandbox.ns("POST", "/record/v1/journalEntry", entry(0.3)).await;
    assert_refused(&refused, 400, "USER_ERROR", "The amounts in a journal entry must balance.", "");
    let made = sandbox.ns_make("journalEntry", entry(0.2)).await;
    let q = format!(
        "SELECT BUILTIN.DF(l.expenseaccount) account, l.netamount FROM transactionline l WHERE \
            l.transaction = {made} ORDER BY l.linesequencenumber"
    );
    let rows = sandbox.ns_rows(&q).await;
    assert_eq!(
        rows,
        [
            json!({"account": "1000 Checking", "netamount": "0.3"}),
            json!({"account": "4000 Sales", "netamount": "-0.2"}),
            json!({"account": "5000 Cost of Goods Sold", "netamount": "-0.1"}),
        ]
    );
}

#[tokio::test]
async fn lines_go_the_other_way_than_their_sum() {
    let sandbox = Sandbox::start("").await;
    let customer = json!({"companyName": "C", "subsidiary": {"id": "1"}});
    let customer = sandbox.ns_make("customer", customer).await;
    let item = sandbox.ns_make("serviceSaleItem", json!({"itemId": "S"})).await;
    let invoice = json!({"entity": {"id": customer}, "tranDate": "2025-12-01", "memo": "m",
        "item": {"items": [{"item": {"id": item}, "quantity": 2, "rate": 3.5,
            "description": "d"}]}});
    let made = sandbox.ns_make("invoice", invoice).await;
    let q = "SELECT t.type, t.recordtype, t.trandate, l.mainline, l.quantity, l.foreignamount, \
             l.memo, \
             BUILTIN.DF(l.item) AS Item FROM transaction t INNER JOIN transactionline l \
             ON l.transaction = t.id ORDER BY l.id";
    let common = |mut row: Value| {
        row["type"] = "CustInvc".into();
        row["recordtype"] = "invoice".into();
        row["trandate"] = "12/1/2025".into();
        row
    };
    assert_eq!(
        sandbox.ns_rows(q).await,
        [
            common(json!({"mainline": "T", "foreignamount": "7", "memo": "m"})),
            common(json!({"mainline": "F", "quantity": "-2", "foreignamount": "-7", "memo": "d",
                    "item": "S"})),
        ]
    );
    let payment = json!({"customer": {"id": customer}, "payment": 7,
        "apply": {"items": [{"doc": {"id": made}}]}});
    let payment = sandbox.ns_make("customerPayment", payment).await;
    let q = format!("SELECT entity FROM transaction WHERE id = '{payment}'");
    assert_eq!(sandbox.ns_rows(&q).await, [json!({"entity": customer})]);
}
