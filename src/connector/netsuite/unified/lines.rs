//! Lines of transactions, and what is taxed of them.

use serde_json::{Map, Value, json};

use super::layout::{
    ACCOUNT, CLASS, DEPARTMENT, EMPLOYEE, Field, Form, ITEM, LOCATION, Layout, PROJECT, SUBSIDIARY,
};
use super::source::Source;
use super::value::product;

/// What stands in a line for its part of `taxDetails`: `code`, `basis`, and `amount` where it says
/// one.
pub(in crate::connector::netsuite) const TAX: &str = "$tax";

/// A list of lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) layout: Layout,
    pub(super) is_taxed: bool,
}

const DESCRIPTION: Field = ("description", "description", Form::Text);
const MEMO: Field = ("description", "memo", Form::Text);
const QUANTITY: Field = ("quantity", "quantity", Form::Number);
const RATE: Field = ("unitPrice", "rate", Form::Number);
const AMOUNT: Field = ("amount", "amount", Form::Number);
const TAXED: &[&str] = &["taxCode", "taxAmount"];
const TAX_SET: &[&str] = &["taxDetailsReference"];

pub(super) const BILL_ITEMS: Lines = Lines {
    from: "lineItems",
    to: "item",
    layout: Layout {
        fields: &[DESCRIPTION, QUANTITY, RATE, AMOUNT],
        links: &[ITEM, ACCOUNT, LOCATION, CLASS, DEPARTMENT],
        read: TAXED,
        set: TAX_SET,
        idle: &["billId", "discount", "serviceDate", "subsidiaryId", "subsidiaryName"],
    },
    is_taxed: true,
};

pub(super) const BILL_EXPENSES: Lines = Lines {
    from: "expenses",
    to: "expense",
    layout: Layout {
        fields: &[MEMO, QUANTITY, AMOUNT],
        links: &[PROJECT, ACCOUNT, LOCATION, CLASS, DEPARTMENT],
        read: TAXED,
        set: TAX_SET,
        idle: &["billId", "discount", "serviceDate", "subsidiaryId", "subsidiaryName", "unitPrice"],
    },
    is_taxed: true,
};

pub(super) const INVOICE_ITEMS: Lines = Lines {
    from: "lineItems",
    to: "item",
    layout: Layout {
        fields: &[DESCRIPTION, QUANTITY, RATE, AMOUNT],
        links: &[ITEM, LOCATION, CLASS, DEPARTMENT],
        read: TAXED,
        set: TAX_SET,
        // Which account an invoice goes to is said by its items.
        idle: &["invoiceId", "accountId", "accountName", "discount", "serviceDate"],
    },
    is_taxed: true,
};

pub(super) const CREDIT_ITEMS: Lines = Lines {
    from: "lineItems",
    to: "item",
    layout: Layout {
        fields: &[AMOUNT, QUANTITY, DESCRIPTION],
        links: &[ITEM, DEPARTMENT, CLASS, LOCATION, SUBSIDIARY],
        read: TAXED,
        set: TAX_SET,
        idle: &[],
    },
    is_taxed: true,
};

pub(super) const CREDIT_EXPENSES: Lines = Lines {
    from: "expenses",
    to: "expense",
    layout: Layout {
        fields: &[AMOUNT, MEMO],
        links: &[ACCOUNT, DEPARTMENT, CLASS, LOCATION, SUBSIDIARY],
        read: TAXED,
        set: TAX_SET,
        idle: &[],
    },
    is_taxed: true,
};

pub(super) const ORDER_ITEMS: Lines = Lines {
    from: "lineItems",
    to: "item",
    layout: Layout {
        fields: &[QUANTITY, RATE, DESCRIPTION],
        // The employee is lifted out of the line.
        links: &[PROJECT, ITEM, CLASS, DEPARTMENT, SUBSIDIARY, LOCATION, EMPLOYEE],
        read: &[],
        set: &[],
        idle: &[],
    },
    is_taxed: false,
};

pub(super) const JOURNAL_LINES: Lines = Lines {
    from: "lineItems",
    to: "line",
    layout: Layout {
        fields: &[MEMO],
        links: &[ACCOUNT, LOCATION, CLASS, DEPARTMENT],
        read: &[
            "customerId",
            "customerName",
            "customerExternalId",
            "customerNumber",
            "vendorId",
            "vendorName",
            "vendorExternalId",
            "vendorNumber",
            "entryType",
            "creditAmount",
            "debitAmount",
        ],
        set: &["entity", "credit", "debit"],
        idle: &["line"],
    },
    is_taxed: false,
};

impl Lines {
    /// Each line with what it is made from.
    pub(super) fn make<'a>(&self, source: &Source<'a>) -> Vec<(Source<'a>, Map<String, Value>)> {
        let mut all = Vec::new();
        for line in source.rows(self.from) {
            let mut body = self.layout.make(&line);
            if self.is_taxed {
                tax(&line, &mut body);
            }
            all.push((line, body));
        }
        all
    }

    /// Puts them where NetSuite has them, but for those that say nothing.
    pub(super) fn put(&self, lines: Vec<Map<String, Value>>, body: &mut Map<String, Value>) {
        let lines = lines.into_iter().filter(|line| !line.is_empty());
        let items: Vec<Value> = lines.map(Value::Object).collect();
        if !items.is_empty() {
            body.insert(self.to.to_owned(), json!({"items": items}));
        }
    }
}

fn tax(line: &Source<'_>, body: &mut Map<String, Value>) {
    let (code, amount) = (line.key("taxCode"), line.number("taxAmount"));
    let Some(code) = code else { return };
    // NetSuite reckons the amount of a line in the same way.
    let basis = body.get("amount").cloned();
    let basis = basis.or_else(|| product(body.get("quantity")?, body.get("rate")?));
    let Some(basis) = basis else {
        let place = line.place();
        return line.refuse(format!(
            "Unable to tax {place}: it has a taxCode, and no amount, which no quantity and \
             unitPrice make either"
        ));
    };
    let mut tax: Map<String, Value> = Map::new();
    tax.insert("code".to_owned(), code.into());
    tax.insert("basis".to_owned(), basis);
    if let Some(amount) = amount {
        tax.insert("amount".to_owned(), amount);
    }
    body.insert(TAX.to_owned(), tax.into());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::made;

    #[test]
    fn what_is_taxed_is_the_amount_or_what_comes_to_it() {
        let line = |line: serde_json::Value| {
            let record = json!({"lineItems": [line]});
            made(Kind::Bill, &record).map(|made| made["item"]["items"][0]["$tax"].clone())
        };
        let code = "VAT10 - Germany";
        assert_eq!(
            line(json!({"taxCode": code, "amount": 200.5, "quantity": 1, "unitPrice": 1,
            "taxAmount": "20.0"}))
            .unwrap(),
            json!({"code": code, "basis": 200.5, "amount": 20.0})
        );
        assert_eq!(
            line(json!({"taxCode": code, "quantity": 3, "unitPrice": "0.1"})).unwrap(),
            json!({"code": code, "basis": 0.3})
        );
        assert_eq!(line(json!({"taxAmount": 3, "amount": 1})).unwrap(), json!(null));
        assert_eq!(
            line(json!({"taxCode": code, "quantity": 3})).unwrap_err(),
            "Unable to tax lineItems.0: it has a taxCode, and no amount, which no quantity and \
             unitPrice make either"
        );
    }

    #[test]
    fn what_is_wrong_with_a_line_is_told_with_its_place() {
        let nothing = json!({"expenses": [{"amount": 1}, null]});
        assert_eq!(
            made(Kind::Bill, &nothing).unwrap_err(),
            "Failed Structure/Datatype validation for Bills: 'expenses.1' -> Input should be a valid \
             dictionary (got value None of type NoneType)"
        );
        let record = json!({"lineItems": [{"quantity": 1}, {"quantity": "two"}],
            "expenses": [{"amount": true, "customFields": [{"name": "amount", "value": 1}]}]});
        assert_eq!(
            made(Kind::Bill, &record).unwrap_err(),
            "Failed Structure/Datatype validation for Bills: 'lineItems.1.quantity' -> Input \
             should be a valid number (got value two of type str); 'expenses.0.amount' -> Input \
             should be a valid number (got value True of type bool); \
             'expenses.0.customFields.0.name' -> `amount` is set from other fields, and no custom \
             field"
        );
    }
}
