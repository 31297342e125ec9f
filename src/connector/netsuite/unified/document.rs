//! Bills, invoices, vendor credits and purchase orders.

use serde_json::{Map, Value};

use super::address::{Use, addresses};
use super::layout::{
    CURRENCY, CUSTOMER, DEPARTMENT, EMPLOYEE, Form, LOCATION, Layout, SUBSIDIARY, VENDOR,
};
use super::lines::{
    BILL_EXPENSES, BILL_ITEMS, CREDIT_EXPENSES, CREDIT_ITEMS, INVOICE_ITEMS, Lines, ORDER_ITEMS,
};
use super::payment::{self, PAYMENTS};
use super::source::Source;

/// A transaction with lines of items and expenses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document {
    pub(super) head: Layout,
    pub(super) lines: &'static [Lines],
}

const TAX_SET: &[&str] = &["item", "expense", "taxDetails", "taxDetailsOverride"];

pub(super) const BILL: Document = Document {
    head: Layout {
        fields: &[
            ("billNumber", "tranId", Form::Key),
            ("dueDate", "dueDate", Form::Day),
            ("paidDate", "enddate", Form::Day),
            ("balance", "balance", Form::Number),
            ("totalAmount", "total", Form::Number),
            ("issueDate", "tranDate", Form::Day),
            ("exchangeRate", "exchangeRate", Form::Number),
            ("description", "memo", Form::Text),
        ],
        links: &[VENDOR, CURRENCY, LOCATION, SUBSIDIARY, DEPARTMENT],
        read: &["lineItems", "expenses", "relatedPayments"],
        set: TAX_SET,
        idle: &["status", "createdAt", "updatedAt", "hgTenantId"],
    },
    lines: &[BILL_ITEMS, BILL_EXPENSES],
};

pub(super) const INVOICE: Document = Document {
    head: Layout {
        fields: &[
            ("invoiceNumber", "tranId", Form::Key),
            ("dueDate", "dueDate", Form::Day),
            ("issueDate", "tranDate", Form::Day),
            ("shipDate", "shipDate", Form::Day),
            ("exchangeRate", "exchangeRate", Form::Number),
            ("description", "memo", Form::Text),
        ],
        links: &[CUSTOMER, CURRENCY, LOCATION, SUBSIDIARY],
        read: &["lineItems", "addresses", "relatedPayments"],
        set: &["item", "billingAddress", "shippingAddress", "taxDetails", "taxDetailsOverride"],
        idle: &[
            "status",
            "paidDate",
            "taxAmount",
            "discountAmount",
            "subtotal",
            "totalAmount",
            "balance",
            "notes",
            "attachments",
            "createdAt",
            "updatedAt",
            "hgTenantId",
        ],
    },
    lines: &[INVOICE_ITEMS],
};

pub(super) const CREDIT: Document = Document {
    head: Layout {
        fields: &[
            ("vendorCreditNumber", "tranId", Form::Key),
            ("issueDate", "tranDate", Form::Day),
            ("dueDate", "duedate", Form::Day),
            ("exchangeRate", "exchangerate", Form::Number),
            ("description", "memo", Form::Text),
        ],
        links: &[VENDOR, CURRENCY, SUBSIDIARY, LOCATION, DEPARTMENT],
        read: &["lineItems", "expenses"],
        set: TAX_SET,
        idle: &[],
    },
    lines: &[CREDIT_ITEMS, CREDIT_EXPENSES],
};

pub(super) const ORDER: Document = Document {
    head: Layout {
        fields: &[
            ("purchaseOrderNumber", "tranId", Form::Key),
            ("description", "memo", Form::Text),
            ("exchangeRate", "exchangeRate", Form::Number),
            ("dueDate", "dueDate", Form::Day),
            ("issueDate", "tranDate", Form::Day),
            ("paidDate", "endDate", Form::Day),
        ],
        links: &[VENDOR, CURRENCY, SUBSIDIARY, EMPLOYEE],
        read: &["lineItems"],
        set: &["item"],
        idle: &[],
    },
    lines: &[ORDER_ITEMS],
};

impl Document {
    fn make(&self, source: &Source<'_>) -> Map<String, Value> {
        let mut body = self.head.make(source);
        for lines in self.lines {
            let made = lines.make(source).into_iter().map(|(_, line)| line).collect();
            lines.put(made, &mut body);
        }
        body
    }
}

pub(super) fn bill(source: &Source<'_>) -> Map<String, Value> {
    let mut body = BILL.make(source);
    pay(source, &mut body);
    body
}

pub(super) fn invoice(source: &Source<'_>) -> Map<String, Value> {
    let mut body = INVOICE.make(source);
    for (kind, address) in addresses(source) {
        let field = match kind {
            Use::Billing => "billingAddress",
            Use::Shipping => "shippingAddress",
        };
        // An invoice has one of each: the first one.
        body.entry(field).or_insert(address.into());
    }
    pay(source, &mut body);
    body
}

fn pay(source: &Source<'_>, body: &mut Map<String, Value>) {
    let payments = payment::related(source);
    if !payments.is_empty() {
        body.insert(PAYMENTS.to_owned(), payments.into());
    }
}

pub(super) fn credit(source: &Source<'_>) -> Map<String, Value> {
    CREDIT.make(source)
}

/// An order has one employee, whom the schema has on its lines: the first one counts.
pub(super) fn order(source: &Source<'_>) -> Map<String, Value> {
    const EMPLOYEE: &str = "employee";
    let mut body = ORDER.head.make(source);
    let mut lines: Vec<_> = ORDER_ITEMS.make(source).into_iter().map(|(_, line)| line).collect();
    for line in &mut lines {
        if let Some(employee) = line.remove(EMPLOYEE) {
            body.entry(EMPLOYEE).or_insert(employee);
        }
    }
    ORDER_ITEMS.put(lines, &mut body);
    body
}
