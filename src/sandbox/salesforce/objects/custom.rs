//! Custom objects: the recurring donations of the Nonprofit Success Pack, and the account's own.

use super::super::catalog::Kind::{
    Currency, Date, DateTime, Double, LongText, Percent, Picklist, Reference,
};
use super::super::catalog::{Object, field, object};
use super::{ACCOUNT, CONTACT, flag, text};

/// <https://github.com/SalesforceFoundation/Recurring_Donations>
pub(in super::super) const RECURRING_DONATION: Object = object(
    "npe03__Recurring_Donation__c",
    "Recurring Donation",
    "Recurring Donations",
    "a09",
    &[
        text("Name", 80).required(),
        field("npe03__Amount__c", Currency),
        field(
            "npe03__Installment_Period__c",
            Picklist(&["Monthly", "Quarterly", "Yearly", "Weekly", "1st and 15th"], true),
        ),
        field("npe03__Installments__c", Double(18, 0)),
        field("npe03__Open_Ended_Status__c", Picklist(&["Open", "Closed", "None"], false)),
        field("npe03__Schedule_Type__c", Picklist(&["Multiply By", "Divide By"], false)),
        field("npe03__Date_Established__c", Date),
        field("npe03__Next_Payment_Date__c", Date),
        field("npe03__Contact__c", CONTACT),
        field("npe03__Organization__c", ACCOUNT),
        field("npe03__Recurring_Donation_Campaign__c", Reference(&["Campaign"])),
    ],
);

pub(in super::super) const INVOICE: Object = object(
    "Invoice__c",
    "Invoice",
    "Invoices",
    "a0I",
    &[
        text("Name", 80),
        field("Account__c", ACCOUNT),
        field("Parent__c", Reference(&["Invoice__c"])),
        field("Amount__c", Currency),
        field("Discount__c", Percent(5, 2)),
        field("Lines__c", Double(18, 0)),
        field("Issued__c", Date),
        field("Paid_At__c", DateTime),
        flag("Paid__c"),
        field("Status__c", Picklist(&["Draft", "Sent", "Paid"], true)).or("\"Draft\""),
        field("Memo__c", LongText(32_768)),
    ],
);
