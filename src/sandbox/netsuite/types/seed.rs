//! Records that an account is set up with: companies, currencies, a chart of accounts. They have
//! the ids below [`FIRST_MADE`], are never in the data file, and cannot be deleted.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::super::state::Values;

/// The id that the first record has which somebody makes.
pub(in super::super) const FIRST_MADE: u64 = 1001;

static SEEDS: LazyLock<HashMap<&'static str, Vec<(u64, Values)>>> =
    LazyLock::new(|| super::all().map(|kind| (kind.name, make(kind.name))).collect());

/// The records of a type, with their ids.
pub(in super::super) fn of(kind: &str) -> &'static [(u64, Values)] {
    SEEDS.get(kind).map_or(&[], Vec::as_slice)
}

fn make(kind: &str) -> Vec<(u64, Values)> {
    let everywhere = json!({"items": [{"id": "1"}, {"id": "2"}]});
    let apart = |names: [&str; 3]| {
        let record = |name: &&str| json!({"name": name, "subsidiary": everywhere});
        names.iter().map(record).collect::<Vec<_>>()
    };
    let account = |number: &str, name: &str, kind: &str| {
        json!({"acctNumber": number, "acctName": name, "acctType": {"id": kind},
            "externalId": format!("GL-{number}"), "currency": {"id": "1"},
            "subsidiary": everywhere, "includeChildren": true})
    };
    let records: Vec<Value> = match kind {
        "subsidiary" => vec![
            json!({"name": "Parent Company", "externalId": "SUB-PARENT", "currency": {"id": "1"},
                "country": "US"}),
            json!({"name": "Sub GmbH", "externalId": "SUB-DE", "parent": {"id": "1"},
                "currency": {"id": "2"}, "country": "DE"}),
        ],
        "currency" => vec![
            json!({"name": "US Dollar", "symbol": "USD", "exchangeRate": 1.0,
                "isBaseCurrency": true}),
            json!({"name": "Euro", "symbol": "EUR", "exchangeRate": 1.1}),
        ],
        "department" => apart(["Sales", "Operations", "Administration"]),
        "location" => apart(["New York", "Berlin", "Warehouse 1"]),
        "classification" => apart(["Hardware", "Software", "Services"]),
        "vendorCategory" => vec![json!({"name": "Supplier"})],
        "customerCategory" => vec![json!({"name": "Corporate"})],
        "salesTaxItem" => vec![
            json!({"itemId": "CA-SF", "displayName": "San Francisco", "rate": 8.5}),
            json!({"itemId": "VAT19", "displayName": "Germany 19%", "rate": 19.0}),
        ],
        "account" => vec![
            account("1000", "Checking", "Bank"),
            account("1100", "Accounts Receivable", "AcctRec"),
            account("1200", "Inventory Asset", "OthCurrAsset"),
            account("1500", "Furniture and Fixtures", "FixedAsset"),
            account("2000", "Accounts Payable", "AcctPay"),
            account("2100", "Accrued Expenses", "OthCurrLiab"),
            account("4000", "Sales", "Income"),
            account("5000", "Cost of Goods Sold", "COGS"),
            account("6000", "Office Expenses", "Expense"),
            account("6100", "Travel", "Expense"),
        ],
        _ => Vec::new(),
    };
    let objects = records.into_iter().filter_map(|mut record| {
        record["isInactive"] = false.into();
        match record {
            Value::Object(values) => Some(values),
            _ => None,
        }
    });
    (1..).zip(objects).collect()
}
