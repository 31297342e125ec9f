//! The hosted platform's unified accounting schema, made into NetSuite's records.
//!
//! - [`entity`] (vendors, customers) with [`address`], [`account`], [`item`]; [`document`] (bills,
//!   invoices, vendor credits, purchase orders) with [`lines`], [`payment`], [`journal`]: from a
//!   record to a body.
//! - [`layout`]: the tables that these are; [`source`]: how a record is read; [`value`]: numbers
//!   and days; [`Reference`](super::reference::Reference): other records that it names.
//!
//! Nothing here asks anybody. What must be asked first, and what is done beside the record, stands
//! in the body under names that begin with `$`, which no field has:
//! [`FIND`](super::reference::FIND) for another record, [`TAX`] in a line, [`ADDRESSES`] of an
//! entity, [`PAYMENTS`] of a bill or an invoice, [`TYPE`] of an item. [`render`] writes what is left as JSON, with all numbers in the digits in which they
//! came in.
//!
//! **What differs from the platform's target**, beside its errors:
//! - What a record does not say, or says with `null` or an empty text, is not written.
//! - A number may come as a text and a text as a number, as taps write them.
//! - A date goes out as its day.
//! - Every other record may be named by its external id too.
//! - A custom field takes the place of no other one.
//! - A line of a journal that has no sum on the side that it names is refused.

mod account;
mod address;
mod document;
mod entity;
mod item;
mod journal;
mod layout;
mod lines;
mod payment;
mod shape;
mod source;
mod value;

use serde_json::{Map, Value};

pub(super) use self::entity::ADDRESSES;
pub(super) use self::item::TYPE;
use self::layout::Layout;
pub(super) use self::lines::TAX;
pub(super) use self::payment::{AMOUNT, DATE, PAYMENTS};
pub(super) use self::shape::Unified;
use self::source::{Reading, Source};
pub(super) use self::value::render;
use super::numbered::NUMBERED;
use super::owner::ENTITY;

/// What the records of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Account,
    Vendor,
    Customer,
    Item,
    Bill,
    BillPayment,
    Invoice,
    InvoicePayment,
    VendorCredit,
    PurchaseOrder,
    JournalEntry,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Account,
        Self::Vendor,
        Self::Customer,
        Self::Item,
        Self::Bill,
        Self::BillPayment,
        Self::Invoice,
        Self::InvoicePayment,
        Self::VendorCredit,
        Self::PurchaseOrder,
        Self::JournalEntry,
    ];

    /// By the stream's name, in any case.
    pub(super) fn of(stream: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.stream().eq_ignore_ascii_case(stream))
    }

    /// As the platform calls the stream.
    pub(super) fn stream(self) -> &'static str {
        match self {
            Self::Account => "Accounts",
            Self::Vendor => "Vendors",
            Self::Customer => "Customers",
            Self::Item => "Items",
            Self::Bill => "Bills",
            Self::BillPayment => "BillPayments",
            Self::Invoice => "Invoices",
            Self::InvoicePayment => "InvoicePayments",
            Self::VendorCredit => "VendorCredits",
            Self::PurchaseOrder => "PurchaseOrders",
            Self::JournalEntry => "JournalEntries",
        }
    }

    /// As the paths of REST call it. Those of an item are told by its body alone, as [`TYPE`]:
    /// `item` is none of them.
    pub(super) fn record_type(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Vendor => "vendor",
            Self::Customer => "customer",
            Self::Item => "item",
            Self::Bill => "vendorBill",
            Self::BillPayment => "vendorPayment",
            Self::Invoice => "invoice",
            Self::InvoicePayment => "customerPayment",
            Self::VendorCredit => "vendorCredit",
            Self::PurchaseOrder => "purchaseOrder",
            Self::JournalEntry => "journalEntry",
        }
    }

    /// Under which name a body has the number that its record is found by, beside its ids.
    pub(super) fn number(self) -> Option<&'static str> {
        match self {
            Self::Account => None,
            Self::Vendor | Self::Customer => Some("entityId"),
            Self::Item => Some("itemId"),
            kind if kind.is_held_by_others() => Some(NUMBERED),
            _ => Some("tranId"),
        }
    }

    /// All types that its records may be of.
    pub(super) fn record_types(self) -> Vec<&'static str> {
        match self {
            Self::Item => item::record_types().collect(),
            kind => vec![kind.record_type()],
        }
    }

    /// Whether payments may come with its records.
    pub(super) fn has_payments(self) -> bool {
        matches!(self, Self::Bill | Self::Invoice)
    }

    /// What is paid: by a payment, or where payments come with it.
    pub(super) fn paid(self) -> Paid {
        match self {
            Self::Invoice | Self::InvoicePayment => Paid {
                document: "Invoice",
                payer: "Customer",
                field: "customer",
                payment: "customerPayment",
                payment_type: "CustPymt",
            },
            _ => Paid {
                document: "Bill",
                payer: "Vendor",
                field: "entity",
                payment: "vendorPayment",
                payment_type: "VendPymt",
            },
        }
    }

    /// Which field says whose it is.
    pub(super) fn owner(self) -> &'static str {
        if self == Self::InvoicePayment { self.paid().field } else { ENTITY }
    }

    /// Whether its number is one that others give (a vendor's bill, a check), so that two may give the
    /// same.
    pub(super) fn is_held_by_others(self) -> bool {
        matches!(self, Self::Bill | Self::VendorCredit | Self::BillPayment | Self::InvoicePayment)
    }

    fn layout(self) -> &'static Layout {
        match self {
            Self::Account => &account::LAYOUT,
            Self::Vendor => &entity::VENDOR,
            Self::Customer => &entity::CUSTOMER,
            Self::Item => &item::LAYOUT,
            Self::Bill => &document::BILL.head,
            Self::BillPayment => &payment::BILL_PAYMENT.head,
            Self::Invoice => &document::INVOICE.head,
            Self::InvoicePayment => &payment::INVOICE_PAYMENT.head,
            Self::VendorCredit => &document::CREDIT.head,
            Self::PurchaseOrder => &document::ORDER.head,
            Self::JournalEntry => &journal::LAYOUT,
        }
    }
}

/// How a document is paid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paid {
    /// For people.
    pub(super) document: &'static str,
    /// Who pays, or is paid, for people.
    pub(super) payer: &'static str,
    /// The payment's field for that one.
    pub(super) field: &'static str,
    /// The payment's record type.
    pub(super) payment: &'static str,
    /// Its `type` in the table `transaction`.
    pub(super) payment_type: &'static str,
}

/// What a record comes to.
#[derive(Debug, PartialEq)]
pub(super) struct Made {
    /// In NetSuite's own names, without the ids.
    pub(super) body: Map<String, Value>,
    /// Its fields that nobody knows, such as `lineItems.colour`.
    pub(super) ignored: Vec<String>,
}

/// Makes a record ready for NetSuite. Its numbers are as
/// [`exact::parse`](crate::json::exact::parse) reads them.
///
/// # Errors
/// For people, in the platform's words: what is wrong with it.
pub(super) fn make(kind: Kind, record: &Map<String, Value>) -> Result<Made, String> {
    let reading = Reading::new(kind.stream());
    let source = Source::new(&reading, record);
    let body = match kind {
        Kind::Account => account::make(&source),
        Kind::Vendor | Kind::Customer => entity::make(kind.layout(), &source),
        Kind::Item => item::make(&source),
        Kind::Bill => document::bill(&source),
        Kind::Invoice => document::invoice(&source),
        Kind::VendorCredit => document::credit(&source),
        Kind::PurchaseOrder => document::order(&source),
        Kind::BillPayment => payment::BILL_PAYMENT.make(&source),
        Kind::InvoicePayment => payment::INVOICE_PAYMENT.make(&source),
        Kind::JournalEntry => journal::make(&source),
    };
    Ok(Made { body, ignored: reading.finish()? })
}

/// What is told once of fields that nobody knows, in the platform's words.
pub(super) fn told_ignored(kind: Kind, names: &[String]) -> String {
    format!("Extra fields found in {} will be ignored: {}", kind.stream(), names.join(", "))
}

#[cfg(test)]
mod tests;
