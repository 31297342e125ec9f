//! Accounts and opportunities.

use super::super::catalog::Kind::{
    Currency, Date, Double, Email, Int, Percent, Phone, Picklist, Reference, Url,
};
use super::super::catalog::{Field, Key, Object, field, object};
use super::{
    ABOUT, ACCOUNT as TO_ACCOUNT, CONTACT, INDUSTRIES, RATINGS, SALUTATIONS, SOURCES, STREET, flag,
    text,
};

const TYPES: &[&str] = &[
    "Prospect",
    "Customer - Direct",
    "Customer - Channel",
    "Channel Partner / Reseller",
    "Installation Partner",
    "Technology Partner",
    "Other",
];

/// The fields of an account, after those that say whose it is.
macro_rules! account {
    ($($first:expr),*) => {
        &[
            $($first,)*
            field("Type", Picklist(TYPES, false)),
            field("ParentId", TO_ACCOUNT),
            field("BillingStreet", STREET),
            text("BillingCity", 40),
            text("BillingState", 80),
            text("BillingPostalCode", 20),
            text("BillingCountry", 80),
            field("ShippingStreet", STREET),
            text("ShippingCity", 40),
            text("ShippingState", 80),
            text("ShippingPostalCode", 20),
            text("ShippingCountry", 80),
            field("Phone", Phone),
            field("Fax", Phone),
            text("AccountNumber", 40),
            field("Website", Url),
            field("Industry", INDUSTRIES),
            field("AnnualRevenue", Currency),
            field("NumberOfEmployees", Int),
            field("Description", ABOUT),
            field("Rating", RATINGS),
            text("Site", 80),
            field("AccountSource", SOURCES),
            text("Legacy_Id__c", 40).key(Key::External),
        ]
    };
}

const OF_COMPANIES: &[Field] = account![text("Name", 255).required()];

pub(in super::super) const ACCOUNT: Object =
    object("Account", "Account", "Accounts", "001", OF_COMPANIES);

/// <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_guidelines_personaccounts.htm>
const OF_PEOPLE: &[Field] = account![
    // One of the two is given: which, says whether the account is a person.
    text("Name", 255),
    text("LastName", 80),
    text("FirstName", 40),
    field("Salutation", SALUTATIONS),
    flag("IsPersonAccount").read_only(),
    field("PersonContactId", CONTACT).read_only(),
    field("PersonEmail", Email).key(Key::Lookup),
    text("PersonTitle", 80),
    text("PersonDepartment", 80),
    field("PersonBirthdate", Date),
    field("PersonMobilePhone", Phone),
    field("PersonHomePhone", Phone),
    field("PersonOtherPhone", Phone),
    field("PersonLeadSource", SOURCES),
    flag("PersonHasOptedOutOfEmail"),
    flag("PersonDoNotCall"),
    field("PersonMailingStreet", STREET),
    text("PersonMailingCity", 40),
    text("PersonMailingState", 80),
    text("PersonMailingPostalCode", 20),
    text("PersonMailingCountry", 80)
];

/// An account where people have accounts too.
pub(in super::super) static ACCOUNT_OF_PEOPLE: Object =
    object("Account", "Account", "Accounts", "001", OF_PEOPLE);

pub(in super::super) const OPPORTUNITY: Object = object(
    "Opportunity",
    "Opportunity",
    "Opportunities",
    "006",
    &[
        text("Name", 120).required(),
        field(
            "StageName",
            Picklist(
                &[
                    "Prospecting",
                    "Qualification",
                    "Needs Analysis",
                    "Value Proposition",
                    "Id. Decision Makers",
                    "Perception Analysis",
                    "Proposal/Price Quote",
                    "Negotiation/Review",
                    "Closed Won",
                    "Closed Lost",
                ],
                false,
            ),
        )
        .required(),
        field("CloseDate", Date).required(),
        field("AccountId", TO_ACCOUNT),
        // Of the first contact role only, when the record is made.
        field("ContactId", CONTACT).at_create(),
        field("CampaignId", Reference(&["Campaign"])),
        flag("IsPrivate"),
        field("Amount", Currency),
        field("Probability", Percent(3, 0)),
        field("TotalOpportunityQuantity", Double(18, 2)),
        field("ExpectedRevenue", Currency).read_only(),
        field("Type", Picklist(&["Existing Business", "New Business"], false)),
        text("NextStep", 255),
        field("LeadSource", SOURCES),
        flag("IsClosed").read_only(),
        flag("IsWon").read_only(),
        field("Description", ABOUT),
    ],
);
