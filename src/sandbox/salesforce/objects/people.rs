//! Contacts and leads.

use super::super::catalog::Kind::{Currency, Date, Email, Int, Phone, Picklist, Url};
use super::super::catalog::{Key, Object, field, object};
use super::{
    ABOUT, ACCOUNT, CONTACT as TO_CONTACT, INDUSTRIES, RATINGS, SALUTATIONS, SOURCES, STREET, flag,
    text,
};

pub(in super::super) const CONTACT: Object = object(
    "Contact",
    "Contact",
    "Contacts",
    "003",
    &[
        text("LastName", 80).required(),
        text("FirstName", 40),
        field("Salutation", SALUTATIONS),
        text("Name", 121).read_only(),
        field("AccountId", ACCOUNT),
        field("MailingStreet", STREET),
        text("MailingCity", 40),
        text("MailingState", 80),
        text("MailingPostalCode", 20),
        text("MailingCountry", 80),
        field("OtherStreet", STREET),
        text("OtherCity", 40),
        text("OtherState", 80),
        text("OtherPostalCode", 20),
        text("OtherCountry", 80),
        field("Phone", Phone),
        field("Fax", Phone),
        field("MobilePhone", Phone),
        field("HomePhone", Phone),
        field("OtherPhone", Phone),
        field("AssistantPhone", Phone),
        field("ReportsToId", TO_CONTACT),
        field("Email", Email).key(Key::Lookup),
        text("Title", 128),
        text("Department", 80),
        field("LeadSource", SOURCES),
        field("Birthdate", Date),
        field("Description", ABOUT),
        flag("HasOptedOutOfEmail"),
        flag("HasOptedOutOfFax"),
        flag("DoNotCall"),
        // Of the Nonprofit Success Pack.
        field("npe01__AlternateEmail__c", Email),
        field("npe01__HomeEmail__c", Email),
        field("npe01__WorkEmail__c", Email),
        field("npe01__Preferred_Email__c", Picklist(&["Personal", "Work", "Alternate"], false)),
        field("npe01__PreferredPhone__c", Picklist(&["Home", "Work", "Mobile", "Other"], false)),
        field("npe01__WorkPhone__c", Phone),
    ],
);

pub(in super::super) const LEAD: Object = object(
    "Lead",
    "Lead",
    "Leads",
    "00Q",
    &[
        text("LastName", 80).required(),
        text("FirstName", 40),
        field("Salutation", SALUTATIONS),
        text("Name", 121).read_only(),
        text("Company", 255).required(),
        text("Title", 128),
        field("Street", STREET),
        text("City", 40),
        text("State", 80),
        text("PostalCode", 20),
        text("Country", 80),
        field("Phone", Phone),
        field("MobilePhone", Phone),
        field("Fax", Phone),
        field("Email", Email).key(Key::Lookup),
        field("Website", Url),
        field("Description", ABOUT),
        field("LeadSource", SOURCES),
        field(
            "Status",
            Picklist(
                &[
                    "Open - Not Contacted",
                    "Working - Contacted",
                    "Closed - Converted",
                    "Closed - Not Converted",
                ],
                false,
            ),
        )
        .required()
        .or("\"Open - Not Contacted\""),
        field("Industry", INDUSTRIES),
        field("Rating", RATINGS),
        field("AnnualRevenue", Currency),
        field("NumberOfEmployees", Int),
        flag("HasOptedOutOfEmail"),
        flag("HasOptedOutOfFax"),
        flag("DoNotCall"),
        flag("IsConverted").at_create(),
    ],
);
