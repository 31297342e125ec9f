//! Transactions: bills, invoices, orders, credits, payments and journal entries.

use super::super::catalog::Kind::{Choice, Lines, Part};
use super::super::catalog::{Field, Type, date, field, flag, number, text, to};
use super::entities::ADDRESS;

pub(super) const TYPES: &[Type] = &[
    transaction(
        "vendorBill",
        "VendBill",
        &[
            VENDOR,
            ITEMS,
            EXPENSES,
            ACCOUNT,
            DUE,
            TOTAL,
            date("endDate"),
            field("taxDetails", "Tax Details", Lines(TAX_DETAILS, None)),
            flag("taxDetailsOverride"),
        ],
    ),
    transaction(
        "vendorCredit",
        "VendCred",
        &[
            VENDOR,
            ITEMS,
            EXPENSES,
            ACCOUNT,
            TOTAL,
            APPLY,
            field("taxDetails", "Tax Details", Lines(TAX_DETAILS, None)),
            flag("taxDetailsOverride"),
        ],
    ),
    transaction(
        "purchaseOrder",
        "PurchOrd",
        &[
            VENDOR,
            ITEMS,
            EXPENSES,
            DUE,
            TOTAL,
            date("endDate"),
            date("shipDate"),
            to("employee", &["employee"]),
        ],
    ),
    transaction(
        "vendorPayment",
        "VendPymt",
        &[VENDOR, ACCOUNT, to("apAcct", &["account"]), APPLY, TOTAL],
    ),
    transaction(
        "invoice",
        "CustInvc",
        &[
            CUSTOMER,
            ITEMS,
            ACCOUNT,
            DUE,
            TOTAL,
            date("shipDate"),
            text("otherRefNum"),
            field("billingAddress", "Billing Address", Part(ADDRESS)),
            field("shippingAddress", "Shipping Address", Part(ADDRESS)),
            field("taxDetails", "Tax Details", Lines(TAX_DETAILS, None)),
            flag("taxDetailsOverride"),
        ],
    ),
    transaction(
        "salesOrder",
        "SalesOrd",
        &[
            CUSTOMER,
            ITEMS,
            TOTAL,
            date("shipDate"),
            text("otherRefNum"),
            field("billingAddress", "Billing Address", Part(ADDRESS)),
            field("shippingAddress", "Shipping Address", Part(ADDRESS)),
        ],
    ),
    transaction(
        "customerPayment",
        "CustPymt",
        &[
            to("customer", &["customer", "job"]).mandatory("Customer"),
            number("payment"),
            ACCOUNT,
            flag("undepFunds"),
            to("arAcct", &["account"]),
            APPLY,
            TOTAL,
        ],
    ),
    transaction(
        "journalEntry",
        "Journal",
        &[
            field("line", "Line", Lines(JOURNAL_LINES, Some("line"))),
            date("reversalDate"),
            flag("approved"),
        ],
    ),
];

const VENDOR: Field = to("entity", &["vendor"]).mandatory("Vendor");
const CUSTOMER: Field = to("entity", &["customer", "job"]).mandatory("Customer");
const ACCOUNT: Field = to("account", &["account"]);
const DUE: Field = date("dueDate");
const TOTAL: Field = number("total").read_only();
const ITEMS: Field = field("item", "Item", Lines(ITEM_LINES, Some("line")));
const EXPENSES: Field = field("expense", "Expense", Lines(EXPENSE_LINES, Some("line")));
const APPLY: Field = field("apply", "Apply", Lines(APPLY_LINES, Some("doc")));

const fn transaction(name: &'static str, code: &'static str, fields: &'static [Field]) -> Type {
    Type { name, group: "transaction", code, fields, shared: SHARED }
}

const SHARED: &[Field] = &[
    text("tranId"),
    date("tranDate"),
    text("memo"),
    to("subsidiary", &["subsidiary"]),
    to("currency", &["currency"]),
    number("exchangeRate"),
    to("department", &["department"]),
    to("class", &["classification"]),
    to("location", &["location"]),
    field("postingPeriod", "Posting Period", Choice),
    date("createdDate").read_only(),
    date("lastModifiedDate").read_only(),
    // Custom fields.
    text("custbody_memo2"),
    flag("custbody_checked"),
];

const ITEM_LINES: &[Field] = &[
    number("line"),
    to("item", &["item"]).mandatory("Item"),
    number("quantity"),
    number("rate"),
    number("amount"),
    text("description"),
    to("customer", &["customer", "job"]),
    to("department", &["department"]),
    to("class", &["classification"]),
    to("location", &["location"]),
    to("taxCode", &["salesTaxItem"]),
    TAX_REFERENCE,
    NOTE,
];

const EXPENSE_LINES: &[Field] = &[
    number("line"),
    to("account", &["account"]).mandatory("Account"),
    number("amount"),
    text("memo"),
    to("customer", &["customer", "job"]),
    to("department", &["department"]),
    to("class", &["classification"]),
    to("location", &["location"]),
    to("taxCode", &["salesTaxItem"]),
    TAX_REFERENCE,
    NOTE,
];

const JOURNAL_LINES: &[Field] = &[
    number("line"),
    to("account", &["account"]).mandatory("Account"),
    number("debit"),
    number("credit"),
    text("memo"),
    to("entity", &["entity"]),
    to("department", &["department"]),
    to("class", &["classification"]),
    to("location", &["location"]),
    NOTE,
];

const APPLY_LINES: &[Field] = &[
    to("doc", &["transaction"]),
    number("line"),
    flag("apply"),
    number("amount"),
    number("due").read_only(),
    text("refNum").read_only(),
];

const TAX_DETAILS: &[Field] = &[
    number("taxAmount"),
    number("taxRate"),
    number("taxBasis"),
    to("taxCode", &["salesTaxItem"]),
    field("taxType", "Tax Type", Choice),
    field("taxDetailsReference", "Tax Details Reference", Choice),
];

const TAX_REFERENCE: Field = field("taxDetailsReference", "Tax Details Reference", Choice);
const NOTE: Field = text("custcol_note");
