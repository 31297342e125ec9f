//! Which streams are unified, and what their records come to.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::describe::{Choice, Descriptions, Field};
use super::*;
use crate::json::fields::Fields;

fn field(name: &str, kind: &str, choices: &[&str]) -> Field {
    let choice = |value: &&str| Choice { label: None, value: (*value).to_owned(), active: true };
    Field {
        name: name.to_owned(),
        kind: kind.to_owned(),
        createable: kind != "id",
        updateable: kind != "id",
        external_id: name.starts_with("Ext"),
        relationship_name: name.strip_suffix("Id").filter(|it| !it.is_empty()).map(str::to_owned),
        picklist_values: choices.iter().map(choice).collect(),
        ..Field::default()
    }
}

/// An object with these fields: `Name`, or `Name:kind`, or `Name=one|other`.
fn object(name: &str, fields: &str) -> Arc<Description> {
    let read = |text: &str| match (text.split_once(':'), text.split_once('=')) {
        (Some((name, kind)), _) => field(name, kind, &[]),
        (_, Some((name, choices))) => {
            field(name, "picklist", &choices.split('|').collect::<Vec<_>>())
        }
        _ => field(text, "string", &[]),
    };
    let fields = fields.split_whitespace().map(read).chain([field("Id", "id", &[])]).collect();
    Arc::new(Description {
        name: name.to_owned(),
        createable: true,
        updateable: true,
        fields,
        ..Description::default()
    })
}

pub(super) fn unified(kind: Kind) -> Unified {
    let people = "FirstName LastName Email Title Description LeadSource=Web|Phone_Inquiry Phone MobilePhone \
        HasOptedOutOfEmail:boolean Ext_Id__c Tier__c Vip__c:boolean Since__c:date";
    let address = |prefix: &str| {
        ["Street", "City", "State", "PostalCode", "Country"]
            .map(|it| format!("{prefix}{it}"))
            .join(" ")
    };
    let objects = match kind {
        Kind::Contact => vec![
            object(
                "Contact",
                &format!(
                    "{people} {} {} AccountId:reference Department OtherPhone HomePhone \
                Birthdate:date",
                    address("Mailing"),
                    address("Other")
                ),
            ),
            object(
                "Lead",
                &format!(
                    "{people} {} Company Website Industry=Energy AnnualRevenue:currency \
                NumberOfEmployees:int Status=Open",
                    address("")
                ),
            ),
        ],
        Kind::Deal => vec![object(
            "Opportunity",
            "Name StageName=Prospecting|Closed_Won CloseDate:date Amount:currency \
            Type=New_Business AccountId:reference ContactId:reference Probability:double LeadSource=Web OwnerId:reference \
            TotalOpportunityQuantity:double Ext_Id__c Description",
        )],
        Kind::Company => vec![object(
            "Account",
            &format!(
                "Name Site Website:url Industry=Energy Type=Customer_-_Direct \
            Phone Fax {} {}",
                address("Billing"),
                address("Shipping")
            ),
        )],
        Kind::Donation => vec![object(
            "npe03__Recurring_Donation__c",
            "Name npe03__Amount__c:currency \
            npe03__Installment_Period__c=Monthly|1st_and_15th npe03__Date_Established__c:date \
            npe03__Contact__c:reference npe03__Organization__c:reference Ext_Id__c",
        )],
        Kind::Campaign => vec![object(
            "Campaign",
            "Name Type=Webinar Status=Planned StartDate:date EndDate:date \
            Description IsActive:boolean",
        )],
        Kind::Member => vec![object(
            "CampaignMember",
            "CampaignId:reference ContactId:reference LeadId:reference Status=Sent",
        )],
        Kind::Activity => vec![object(
            "Task",
            "Status=Not_Started WhoId:reference OwnerId:reference WhatId:reference \
            Subject ActivityDate:date CallDurationInSeconds:int Description",
        )],
    };
    Unified {
        kind,
        objects,
        member: Some(object(
            "CampaignMember",
            "CampaignId:reference Status=Sent|Responded Tier__c",
        )),
        lookup_fields: Vec::new(),
        makes_fields: false,
        told: Warned::new("contacts", &Arc::new(Descriptions::new(None, Duration::ZERO))),
    }
}

pub(super) fn made_by(unified: &Unified, record: &Value) -> Result<Value, String> {
    let record = record.to_string();
    let fields = Fields::of_text(&record).unwrap();
    let incoming: Vec<Incoming<'_>> = fields
        .0
        .iter()
        .map(|(name, value)| Incoming { name, value, moment: None, is_id: name == "id" })
        .collect();
    Ok(serde_json::from_str(&unified.outgoing(&incoming)?.body).unwrap())
}

pub(super) fn made(kind: Kind, record: &Value) -> Result<Value, String> {
    made_by(&unified(kind), record)
}

#[test]
fn streams_are_known_in_any_case() {
    assert_eq!(Kind::of("Customers"), Some(Kind::Contact));
    assert_eq!(Kind::of("opportunities"), Some(Kind::Deal));
    assert_eq!(Kind::of("Contact"), None);
    assert_eq!(Kind::of("Opportunity"), None);
}

/// Streams of the platform stay what they are, and those in Salesforce's own words too.
#[test]
fn a_schema_tells_whose_words_it_has() {
    let contact = &unified(Kind::Contact).objects[0];
    for (names, is_unified) in [
        ("", true),
        ("id externalId", true),
        ("email title", true),
        ("first_name Email", true),
        ("LastName email", false),
        ("externalId LastName", false),
        ("email Ext_Id__c", true),
        ("Ext_Id__c", false),
        ("email Ext_Id__c custom_fields", true),
        ("Id email", true),
    ] {
        let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
        assert_eq!(Kind::Contact.is_meant(&names, contact), is_unified, "{names:?}");
    }
}

#[test]
fn a_record_that_says_nothing_is_refused() {
    let told = made(Kind::Company, &json!({"name": "", "website": null})).unwrap_err();
    assert_eq!(told, "Record is empty or None");
}
