//! Payments: those of their own, and those that a bill or an invoice names with it.

use serde_json::{Map, Value, json};

use super::layout::{ACCOUNT, BILL, CURRENCY, CUSTOMER, Form, INVOICE, Layout, Link, VENDOR};
use super::source::Source;
use crate::connector::netsuite::reference::Reference;

/// What stands for the payments of a bill or an invoice, which are written after it.
pub(in crate::connector::netsuite) const PAYMENTS: &str = "$payments";
/// What such a payment is, as far as it tells whether it is there already.
pub(in crate::connector::netsuite) const AMOUNT: &str = "$amount";
pub(in crate::connector::netsuite) const DATE: &str = "$date";

/// A payment of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payment {
    pub(super) head: Layout,
    /// What is paid.
    of: Link,
    /// Whose that is.
    payer: Link,
}

const NUMBER: (&str, &str, Form) = ("paymentNumber", "tranId", Form::Key);
const RATE: (&str, &str, Form) = ("exchangeRate", "exchangeRate", Form::Number);
const DAY: (&str, &str, Form) = ("paymentDate", "tranDate", Form::Day);

pub(super) const BILL_PAYMENT: Payment = Payment {
    head: Layout {
        fields: &[NUMBER, RATE, DAY],
        links: &[VENDOR, CURRENCY, ACCOUNT],
        read: &["amount", "billId", "billExternalId", "billNumber"],
        set: &["apply"],
        idle: &["subsidiaryId", "subsidiaryName"],
    },
    of: BILL,
    payer: VENDOR,
};

pub(super) const INVOICE_PAYMENT: Payment = Payment {
    head: Layout {
        fields: &[NUMBER, RATE, DAY],
        links: &[CUSTOMER.to("customer"), CURRENCY, ACCOUNT],
        read: &["amount", "invoiceId", "invoiceExternalId", "invoiceNumber"],
        set: &["apply"],
        idle: &["subsidiaryId", "subsidiaryName"],
    },
    of: INVOICE,
    payer: CUSTOMER,
};

/// A payment that is named with what it pays: whose it is, is said there.
const RELATED: Layout = Layout {
    fields: &[("externalId", "externalId", Form::Text), NUMBER, RATE, DAY],
    links: &[CURRENCY, ACCOUNT],
    read: &["amount"],
    set: &["apply", "entity", "customer"],
    idle: &[
        "billId",
        "invoiceId",
        "paymentId",
        "paymentStatus",
        "paymentTransactionNumber",
        "currencySymbol",
        "account",
    ],
};

impl Payment {
    pub(super) fn make(&self, source: &Source<'_>) -> Map<String, Value> {
        let mut body = self.head.make(source);
        let (of, amount) = (self.of.read(source), source.number("amount"));
        match of {
            Some(of) => {
                let of = Reference { of: self.payer.read(source).map(Box::new), ..of };
                let mut line = json!({"doc": of.placed(), "apply": true});
                if let Some(amount) = amount {
                    line["amount"] = amount;
                }
                body.insert("apply".to_owned(), json!({"items": [line]}));
            }
            // A sum that is for nothing in particular would pay whatever NetSuite takes first.
            None if amount.is_some() => {
                let name = self.of.names().next().unwrap_or_default();
                source.problem(name, "Field required");
            }
            None => {}
        }
        body
    }
}

/// The payments that a bill or an invoice names.
pub(super) fn related(source: &Source<'_>) -> Vec<Value> {
    let mut all = Vec::new();
    for payment in source.rows("relatedPayments") {
        let mut body = RELATED.make(&payment);
        match payment.number("amount") {
            Some(amount) => {
                body.insert(AMOUNT.to_owned(), amount);
            }
            None if payment.get("amount").is_none() => payment.problem("amount", "Field required"),
            None => {}
        }
        if let Some(day) = body.get("tranDate").cloned() {
            body.insert(DATE.to_owned(), day);
        }
        all.push(body);
    }
    // Those first that are known by their external ids, so that no other is taken for one of them.
    all.sort_by_key(|payment| !payment.contains_key("externalId"));
    all.into_iter().map(Value::Object).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::super::tests::{find, made};
    use super::*;

    /// A transaction of a type.
    fn paid(kind: &str, what: &str, by: Value) -> Value {
        let mut paid = find("transaction", what, by, false);
        paid["$find"]["type"] = json!(kind);
        paid
    }

    /// One of somebody.
    fn paid_of(kind: &str, what: &str, by: Value, of: &Value) -> Value {
        let mut paid = paid(kind, what, by);
        paid["$find"]["of"] = of["$find"].clone();
        paid
    }

    #[test]
    fn a_payment_of_a_bill() {
        let record = json!({
            "id": "1", "externalId": "P", "paymentNumber": "P-1", "billId": 9, "billNumber": "B-1",
            "billExternalId": "b", "paymentDate": "2025-05-22T10:00:00Z", "amount": "50.00",
            "currency": "USD", "exchangeRate": 1.0, "accountName": "Cash", "vendorId": "718",
            "vendorName": "Zara", "subsidiaryId": "1"
        });
        let vendor = find("vendor", "vendor", json!([["id", "718"], ["name", "Zara"]]), false);
        let bill = json!([["id", "9"], ["externalid", "b"], ["tranid", "B-1"]]);
        assert_eq!(
            made(Kind::BillPayment, &record).unwrap(),
            json!({
                "tranId": "P-1", "tranDate": "2025-05-22", "exchangeRate": 1.0,
                "entity": vendor,
                "currency": find("currency", "currency", json!([["symbol", "USD"]]), false),
                "account": find("account", "account", json!([["name", "Cash"]]), false),
                "apply": {
                    "items": [
                        {
                            "doc": paid_of("VendBill", "bill", bill, &vendor), "apply": true,
                            "amount": {"$number": "50.00"}
                        }
                    ]
                }
            })
        );
    }

    #[test]
    fn a_payment_of_an_invoice() {
        let record = json!({
            "paymentNumber": 7, "invoiceNumber": "I-1", "paymentDate": "2025-05-22", "amount": 50,
            "customerNumber": "C-1", "accountNumber": "1000"
        });
        let customer = find("customer", "customer", json!([["entityid", "C-1"]]), false);
        assert_eq!(
            made(Kind::InvoicePayment, &record).unwrap(),
            json!({
                "tranId": "7", "tranDate": "2025-05-22",
                "customer": customer,
                "account": find("account", "account", json!([["acctnumber", "1000"]]), false),
                "apply": {
                    "items": [
                        {
                            "doc": paid_of("CustInvc", "invoice", json!([["tranid", "I-1"]]), &customer),
                            "apply": true, "amount": 50
                        }
                    ]
                }
            })
        );
    }

    #[test]
    fn a_sum_is_for_something() {
        let told =
            "Failed Structure/Datatype validation for BillPayments: 'billId' -> Field required";
        assert_eq!(made(Kind::BillPayment, &json!({"amount": 5})).unwrap_err(), told);
        let told = "Failed Structure/Datatype validation for InvoicePayments: 'invoiceId' -> Field \
        required";
        assert_eq!(made(Kind::InvoicePayment, &json!({"amount": 5})).unwrap_err(), told);
        let changed = json!({"id": "8", "exchangeRate": 2});
        assert_eq!(made(Kind::BillPayment, &changed).unwrap(), json!({"exchangeRate": 2}));
        let whole = made(Kind::BillPayment, &json!({"billNumber": "B"})).unwrap();
        assert_eq!(whole["apply"]["items"][0].get("amount"), None);
    }

    #[test]
    fn payments_stand_beside_the_bill_that_names_them() {
        let record = json!({
            "relatedPayments": [
                {
                    "accountId": "1720", "currency": "USD", "exchangeRate": 1.0, "amount": 1000,
                    "paymentNumber": "P-1", "paymentDate": "2025-02-01T00:00:00Z", "billId": "3"
                },
                {"amount": "2.50"}
            ]
        });
        assert_eq!(
            made(Kind::Bill, &record).unwrap(),
            json!({
                "$payments": [
                    {
                        "tranId": "P-1", "exchangeRate": 1.0, "tranDate": "2025-02-01",
                        "currency": find("currency", "currency", json!([["symbol", "USD"]]), false),
                        "account": find("account", "account", json!([["id", "1720"]]), false),
                        "$amount": 1000, "$date": "2025-02-01"
                    },
                    {"$amount": {"$number": "2.50"}}
                ]
            })
        );
        let wrong = json!({"relatedPayments": [{"amount": null}, {"amount": "x"}]});
        assert_eq!(
            made(Kind::Invoice, &wrong).unwrap_err(),
            "Failed Structure/Datatype validation for Invoices: 'relatedPayments.0.amount' -> \
             Field required; 'relatedPayments.1.amount' -> Input should be a valid number (got \
             value x of type str)"
        );
    }
}
