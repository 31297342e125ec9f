//! The hosted platform's unified schema: records of contacts, companies, deals and more that are
//! the same for every CRM, made into Salesforce's.
//!
//! - [`contact`] (Contact, or Lead where a record's `type` says so), [`deal`], [`company`],
//!   [`donation`], [`campaign`], [`member`], [`activity`]: from a record to fields; [`made`]: how.
//! - [`custom`]: fields of the user's own, and [`fields`]: how they are made, by [`soap`].
//! - [`find`]: how records are found; [`campaigns`]: what a person is made a member of, and which
//!   topics are put on a record.
//!
//! **Which streams.** Those whose name is one of the platform's (in any case): `contacts`,
//! `customers`; `deal`, `deals`, `opportunities`; `company`, `companies`; `recurringdonations`,
//! `recurring_donations`; `campaigns`; `campaignmembers`; `activities`. The platform's target takes
//! all of those for unified. Here a stream is taken for Salesforce's own after all where its SCHEMA
//! has a field of the object letter for letter (`LastName`, `Ext__c`) and none that only the
//! unified schema has (`last_name`), or where the config names its `object`: such a stream would
//! have come to nothing there. A SCHEMA that has both is unified; its fields in Salesforce's words
//! are left out, as there. A name such as `email` is the unified schema's as it stands there, and
//! Salesforce's as `Email`.
//!
//! **What differs from the platform's target**, beside its errors:
//! - What a record does not say is not written: nobody is subscribed again by a record that is
//!   silent.
//! - A deal's stage that is unknown is refused, and the stages named: the first one is nobody's
//!   choice. Any other value that a picklist has not is left out, as there, and told once.
//! - A name that several records have is refused: any of them would be a guess.
//! - A company's website goes to `Website`, its type is the record's own, and what a deal is
//!   expected to bring is no quantity: Salesforce reckons it.
//! - A field that the object has not is left out, and told once.
//! - A value that is empty says nothing, as there: it clears no field.

mod activity;
mod campaign;
mod campaigns;
mod company;
mod contact;
mod custom;
mod deal;
mod donation;
mod fields;
mod find;
mod made;
mod member;
mod soap;

use std::sync::Arc;

use serde_json::Value;

pub(super) use self::campaigns::{Names, is_named_campaign};
pub(super) use self::fields::MadeFields;
pub(super) use self::find::BY;
use self::made::{Made, Record};
use super::describe::Description;
use super::ids::long_id;
use super::part;
use super::shape::Warned;
use crate::connector::shape::{Incoming, Outgoing, Shape, content};
use crate::json::fields::push_field;
use crate::record::RemoteId;

/// Names of campaigns, topics and fields that are kept, at most: they come from the records, and
/// what is forgotten is asked for again.
const MAX_KEPT: usize = 5000;

/// What the records of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Contact,
    Deal,
    Company,
    Donation,
    Campaign,
    Member,
    Activity,
}

impl Kind {
    /// By the stream's name, in any case.
    pub(super) fn of(stream: &str) -> Option<Self> {
        Some(match stream.to_lowercase().as_str() {
            "contacts" | "customers" => Self::Contact,
            "deal" | "deals" | "opportunities" => Self::Deal,
            "company" | "companies" => Self::Company,
            "recurringdonations" | "recurring_donations" => Self::Donation,
            "campaigns" => Self::Campaign,
            "campaignmembers" => Self::Member,
            "activities" => Self::Activity,
            _ => return None,
        })
    }

    /// The objects that its records are; the first one, where they do not say otherwise.
    pub(super) fn objects(self) -> &'static [&'static str] {
        match self {
            Self::Contact => &["Contact", "Lead"],
            Self::Deal => &["Opportunity"],
            Self::Company => &["Account"],
            Self::Donation => &["npe03__Recurring_Donation__c"],
            Self::Campaign => &["Campaign"],
            Self::Member => &["CampaignMember"],
            Self::Activity => &["Task"],
        }
    }

    /// As the platform calls it, for `lookup_fields`.
    pub(super) fn sink(self) -> &'static str {
        match self {
            Self::Contact => "Contacts",
            Self::Deal => "Deals",
            Self::Company => "Companies",
            Self::Donation => "RecurringDonations",
            Self::Campaign => "Campaigns",
            Self::Member => "CampaignMembers",
            Self::Activity => "Activities",
        }
    }

    /// Names that the unified schema has and Salesforce has not.
    fn own_names(self) -> &'static [&'static str] {
        match self {
            Self::Contact => contact::NAMES,
            Self::Deal => deal::NAMES,
            Self::Company => company::NAMES,
            Self::Donation => donation::NAMES,
            Self::Campaign => campaign::NAMES,
            Self::Member => member::NAMES,
            Self::Activity => activity::NAMES,
        }
    }

    /// Whether it is a name that the unified schema alone has.
    fn has(self, name: &str) -> bool {
        COMMON.contains(&name) || self.own_names().contains(&name)
    }

    /// Whether a SCHEMA with these properties is unified, and not one in the object's own names.
    pub(super) fn is_meant(self, properties: &[String], object: &Description) -> bool {
        let has = |is: &dyn Fn(&str) -> bool| properties.iter().any(|name| is(name));
        if has(&|name| self.has(name)) {
            return true;
        }
        let is_lower = |name: &str| !name.contains(|c: char| c.is_ascii_uppercase());
        let is_standard = |name: &str| name != "Id" && is_spelled(object, name) && !is_custom(name);
        // `email` is the unified schema's, as `Email` is Salesforce's.
        let is_either = |name: &str| is_lower(name) && object.field(name).is_some();
        !has(&is_standard) && (has(&is_either) || !has(&is_custom))
    }
}

/// Whether it is a field of the object letter for letter.
fn is_spelled(object: &Description, name: &str) -> bool {
    object.field(name).is_some_and(|field| field.name == name)
}

fn is_custom(name: &str) -> bool {
    name.ends_with("__c") || name.ends_with("__r")
}

/// Of records of several kinds.
const COMMON: [&str; 3] = ["custom_fields", "external_id", "owner_id"];

/// Those that have more in them than a value.
const NESTED: [&str; 8] = [
    "custom_fields",
    "external_id",
    "contact_external_id",
    "addresses",
    "phone_numbers",
    "tags",
    "campaigns",
    "lists",
];

/// How the records of a stream are made.
#[derive(Debug)]
pub(super) struct Unified {
    pub(super) kind: Kind,
    /// Those of its objects that there are, the first one first.
    pub(super) objects: Vec<Arc<Description>>,
    /// What a member of a campaign has, for contacts.
    pub(super) member: Option<Arc<Description>>,
    /// The fields that records of each of them are found by, where the config says so.
    pub(super) lookup_fields: Vec<Vec<String>>,
    /// Custom fields are made where they are not there.
    pub(super) makes_fields: bool,
    pub(super) told: Warned,
}

impl Unified {
    pub(super) fn object(&self, name: &str) -> Option<&Arc<Description>> {
        self.objects.iter().find(|object| object.name == name)
    }

    /// Under which names a body has what its record is found by.
    pub(super) fn lookup_names(&self) -> Vec<String> {
        let most = self.lookup_fields.iter().map(Vec::len).max().unwrap_or_default();
        (0..most.max(1)).map(find::name).collect()
    }

    /// The fields that records of an object are found by, where the config says so.
    fn lookup_fields_of(&self, object: &str) -> &[String] {
        let mut all = self.objects.iter().zip(&self.lookup_fields);
        all.find(|(own, _)| own.name == object).map_or(&[], |(_, fields)| fields)
    }

    fn made<'a>(&'a self, record: Record<'_>) -> Result<Made<'a>, String> {
        let name = match self.kind {
            Kind::Contact if contact::is_lead(record) => "Lead",
            kind => kind.objects()[0],
        };
        let object = self.object(name);
        let object =
            object.ok_or_else(|| format!("Record type {name} doesn't exist on Salesforce."))?;
        let mut made = Made::new(object, &self.told);
        match self.kind {
            Kind::Contact => contact::make(record, &mut made)?,
            Kind::Deal => deal::make(record, &mut made)?,
            Kind::Company => company::make(record, &mut made)?,
            Kind::Donation => donation::make(record, &mut made)?,
            Kind::Campaign => campaign::make(record, &mut made),
            Kind::Member => member::make(record, &mut made)?,
            Kind::Activity => activity::make(record, &mut made),
        }
        custom::take(record, &mut made, self)?;
        // What the user found it by elsewhere goes over what it is found by as a rule.
        made.take_external_id(record)?;
        Ok(made)
    }
}

impl Shape for Unified {
    fn is_platform(&self, _: &[String]) -> bool {
        true
    }

    fn goes_out(&self, _: &str) -> bool {
        false
    }

    fn outgoing(&self, fields: &[Incoming<'_>]) -> Result<Outgoing, String> {
        let record = content(fields)?;
        let has_id = fields.iter().any(|field| field.is_id && field.value.get() != "null");
        let is_nested = |value: &Value| value.is_array() || value.is_object();
        let nested = record.iter().find(|(name, value)| {
            is_nested(value) && !NESTED.contains(&name.as_str()) && self.kind.has(name)
        });
        if let Some((name, _)) = nested {
            return Err(format!("its `{name}` is no single value"));
        }
        let mut made = self.made(Record { fields: &record, has_id })?;
        // In the other form they would go out.
        let names = record.keys().filter(|name| name.as_str() != "Id");
        for name in names.filter(|name| is_custom(name) || is_spelled(made.object, name)) {
            made.leave_out(name);
        }
        made.find_by(self.lookup_fields_of(&made.object.name), self.lookup_names());
        if made.is_empty() {
            return Err("Record is empty or None".to_owned());
        }
        Ok(Outgoing { body: made.body(), hashed: None })
    }

    fn remote_id(&self, id: RemoteId) -> RemoteId {
        RemoteId::new(long_id(id.as_str()))
    }

    fn told(&self, body: &str) -> String {
        part::told(body)
    }
}

/// A field of a JSON object, from a value.
fn push(body: &mut String, name: &str, value: &impl serde::Serialize) {
    let json = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    push_field(body, name, &json);
}

#[cfg(test)]
mod tests;
