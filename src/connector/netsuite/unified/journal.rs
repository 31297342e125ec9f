//! Journal entries.

use serde_json::{Map, Value};

use super::layout::{
    CLASS, CURRENCY, CUSTOMER, DEPARTMENT, Form, LOCATION, Layout, SUBSIDIARY, VENDOR,
};
use super::lines::JOURNAL_LINES;
use super::source::Source;
use crate::connector::netsuite::reference::Reference;

pub(super) const LAYOUT: Layout = Layout {
    fields: &[
        ("journalEntryNumber", "tranId", Form::Key),
        ("transactionDate", "tranDate", Form::Day),
        ("description", "memo", Form::Text),
        ("exchangeRate", "exchangeRate", Form::Number),
        ("postingPeriod", "postingPeriod", Form::Text),
    ],
    links: &[CURRENCY, SUBSIDIARY, LOCATION, CLASS, DEPARTMENT],
    read: &["lineItems"],
    set: &["line"],
    idle: &["createdAt", "updatedAt", "hgTenantId"],
};

pub(super) fn make(source: &Source<'_>) -> Map<String, Value> {
    let mut body = LAYOUT.make(source);
    let mut lines = Vec::new();
    for (line, mut made) in JOURNAL_LINES.make(source) {
        if let Some(entity) = entity(&line) {
            made.insert("entity".to_owned(), entity.placed());
        }
        let is_credit = is_credit(&line);
        let (from, to) =
            if is_credit { ("creditAmount", "credit") } else { ("debitAmount", "debit") };
        match line.number(from) {
            Some(amount) => {
                made.insert(to.to_owned(), amount);
            }
            None if line.get(from).is_none() => line.problem(from, "Field required"),
            None => {}
        }
        lines.push(made);
    }
    JOURNAL_LINES.put(lines, &mut body);
    body
}

/// Whom a line is about: a customer, or else a vendor.
fn entity(line: &Source<'_>) -> Option<Reference> {
    let (customer, vendor) = (CUSTOMER.read(line), VENDOR.read(line));
    match customer {
        Some(customer) => Some(Reference { or: vendor.map(Box::new), ..customer }),
        None => vendor,
    }
}

/// Whether its sum is a credit. Of a line that does not say so, what sums it has tell.
fn is_credit(line: &Source<'_>) -> bool {
    match line.key("entryType").map(|kind| kind.to_lowercase()).as_deref() {
        Some("credit") => true,
        Some("debit") => false,
        Some(_) => {
            line.problem("entryType", "Input should be 'Credit' or 'Debit'");
            line.get("debitAmount").is_none()
        }
        None => line.get("debitAmount").is_none() && line.get("creditAmount").is_some(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::{find, made};

    #[test]
    fn fields_that_are_there_become_fields() {
        let record = json!({
            "externalId": "J", "journalEntryNumber": "J-1",
            "transactionDate": "2025-03-19T00:00:00Z", "description": "Pay", "exchangeRate": 1.0,
            "postingPeriod": 23, "currency": "USD", "subsidiaryId": "1", "locationId": "1",
            "className": "P", "departmentId": "5", "hgTenantId": "T",
            "customFields": [{"name": "custbody3", "value": true}],
            "lineItems": [
                {
                    "line": 1, "accountId": "58", "description": "Line 1", "classId": "1",
                    "locationName": "L", "departmentId": "5", "entryType": "Credit",
                    "creditAmount": 15, "debitAmount": 3, "customerId": "107", "vendorName": "Acme",
                    "customFields": [{"name": "custcol1", "value": "x"}]
                },
                {
                    "accountNumber": "1000", "entryType": "Debit", "debitAmount": "15.00",
                    "vendorNumber": "V-1"
                },
                {"accountName": "Cash", "creditAmount": 0, "customerName": "Bo"},
                {"debitAmount": 0, "creditAmount": 1}
            ]
        });
        let mut both = find("customer", "customer", json!([["id", "107"]]), false);
        let acme = find("vendor", "vendor", json!([["name", "Acme"]]), false);
        both["$find"]["or"] = acme["$find"].clone();
        let by_id =
            |table: &str, what: &str, id: &str| find(table, what, json!([["id", id]]), true);
        assert_eq!(
            made(Kind::JournalEntry, &record).unwrap(),
            json!({
                "tranId": "J-1", "tranDate": "2025-03-19", "memo": "Pay", "exchangeRate": 1.0,
                "postingPeriod": "23",
                "currency": find("currency", "currency", json!([["symbol", "USD"]]), false),
                "subsidiary": find("subsidiary", "subsidiary", json!([["id", "1"]]), false),
                "location": by_id("location", "location", "1"),
                "class": find("classification", "class", json!([["name", "P"]]), true),
                "department": by_id("department", "department", "5"), "custbody3": true,
                "line": {
                    "items": [
                        {
                            "memo": "Line 1",
                            "account": find("account", "account", json!([["id", "58"]]), false),
                            "location": find("location", "location", json!([["name", "L"]]), true),
                            "class": by_id("classification", "class", "1"),
                            "department": by_id("department", "department", "5"), "custcol1": "x",
                            "entity": both, "credit": 15
                        },
                        {
                            "account": find("account", "account", json!([["acctnumber", "1000"]]), false),
                            "entity": find("vendor", "vendor", json!([["entityid", "V-1"]]), false),
                            "debit": {"$number": "15.00"}
                        },
                        {
                            "account": find("account", "account", json!([["name", "Cash"]]), false),
                            "entity": find("customer", "customer", json!([["name", "Bo"]]), false),
                            "credit": 0
                        },
                        {"debit": 0}
                    ]
                }
            })
        );
    }

    #[test]
    fn a_line_has_a_sum_and_says_on_which_side() {
        let lines = json!({
            "lineItems": [
                {"entryType": "Credit", "debitAmount": 1}, {},
                {"entryType": "Both", "creditAmount": 1}, {"entryType": "debit", "debitAmount": "x"}
            ]
        });
        assert_eq!(
            made(Kind::JournalEntry, &lines).unwrap_err(),
            "Failed Structure/Datatype validation for JournalEntries: 'lineItems.0.creditAmount' \
             -> Field required; 'lineItems.1.debitAmount' -> Field required; \
             'lineItems.2.entryType' -> Input should be 'Credit' or 'Debit'; \
             'lineItems.3.debitAmount' -> Input should be a valid number (got value x of type str)"
        );
        assert_eq!(made(Kind::JournalEntry, &json!({"lineItems": []})).unwrap(), json!({}));
    }
}
