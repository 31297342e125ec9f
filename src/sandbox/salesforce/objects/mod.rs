//! The objects of the account: those that a new one has, with the fields that matter to who writes
//! records, those of the Nonprofit Success Pack that donations need, and `Invoice__c`, its own.
//!
//! Names, types, lengths, prefixes, and who sets what:
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_list.htm>.
//! An account has some dozens of fields more on each object.

mod activities;
mod campaigns;
mod custom;
mod files;
mod people;
mod sales;
mod setup;

use super::catalog::Kind::{self, Bool, LongText, Picklist, Reference, Text};
use super::catalog::{Field, Object, field};

pub(super) use sales::ACCOUNT_OF_PEOPLE;

pub(super) static OBJECTS: &[&Object] = &[
    &sales::ACCOUNT,
    &people::CONTACT,
    &people::LEAD,
    &sales::OPPORTUNITY,
    &campaigns::CAMPAIGN,
    &campaigns::CAMPAIGN_MEMBER,
    &activities::TASK,
    &activities::EVENT,
    &activities::CASE,
    &setup::USER,
    &campaigns::TOPIC,
    &campaigns::TOPIC_ASSIGNMENT,
    &files::CONTENT_VERSION,
    &files::CONTENT_DOCUMENT,
    &files::CONTENT_DOCUMENT_LINK,
    &setup::PERMISSION_SET,
    &setup::FIELD_PERMISSIONS,
    &custom::RECURRING_DONATION,
    &custom::INVOICE,
];

const SALUTATIONS: Kind = Picklist(&["Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx."], false);
const SOURCES: Kind =
    Picklist(&["Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"], false);
const INDUSTRIES: Kind = Picklist(
    &["Agriculture", "Banking", "Consulting", "Education", "Energy", "Finance", "Retail"],
    false,
);
const RATINGS: Kind = Picklist(&["Hot", "Warm", "Cold"], false);
const STREET: Kind = LongText(255);
const ABOUT: Kind = LongText(32_000);
const ACCOUNT: Kind = Reference(&["Account"]);
const CONTACT: Kind = Reference(&["Contact"]);
/// What a task or an event may be of.
const WHO: Kind = Reference(&["Contact", "Lead"]);
/// What a task or an event may be about.
const WHAT: Kind = Reference(&[
    "Account",
    "Opportunity",
    "Campaign",
    "Case",
    "Invoice__c",
    "npe03__Recurring_Donation__c",
]);

const fn text(name: &'static str, length: usize) -> Field {
    field(name, Text(length))
}

const fn flag(name: &'static str) -> Field {
    field(name, Bool).or("false")
}
