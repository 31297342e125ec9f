//! What single objects have of their own: names of people, members of campaigns, topics, and the
//! rules of the account. [`files`]: versions and their documents; [`grants`]: who may see a field;
//! [`persons`]: accounts that are people; [`alike`]: the duplicate rule.

mod alike;
mod files;
mod grants;
mod persons;

use serde_json::Value;
use serde_json::value::RawValue;

use super::catalog::Object;
use super::problem::Problem;
use super::rules::{self, Of, Writer};
use super::state::Values;
use super::{held, ids, org};
use crate::sandbox::record::Fields;
use crate::sandbox::world::World;

/// What only this object's records are refused for.
///
/// # Errors
/// The refusal.
pub(super) fn judge(
    world: &mut World,
    writer: Writer,
    object: &'static Object,
    of: Of,
    given: &Values,
) -> Result<(), Problem> {
    let text = |name: &str| given.get(name).and_then(Value::as_str);
    let is_new = of == Of::New;
    match object.name {
        // The account's own rule, so that there is one.
        "Opportunity" if given.get("Amount").and_then(Value::as_f64).is_some_and(|it| it < 0.0) => {
            let message = "The amount of an opportunity cannot be negative";
            return Err(Problem::of("FIELD_CUSTOM_VALIDATION_EXCEPTION", &["Amount"], message));
        }
        "CampaignMember" if is_new => {
            let member = ["ContactId", "LeadId"].into_iter().find(|name| text(name).is_some());
            let Some(member) = member else {
                let message = "Required fields are missing: [LeadId]";
                return Err(Problem::of("REQUIRED_FIELD_MISSING", &["LeadId"], message));
            };
            if has_all(world, object, given, &["CampaignId", member]) {
                return Err(Problem::of("DUPLICATE_VALUE", &[], "Already a campaign member."));
            }
        }
        "TopicAssignment" if is_new && has_all(world, object, given, &["TopicId", "EntityId"]) => {
            return Err(unknown_twin());
        }
        "Topic" => {
            let name = object.field("Name").zip(text("Name"));
            let others = name.map(|(field, name)| rules::find(world, object, field, name));
            if others.into_iter().flatten().any(|other| of != Of::Held(other)) {
                return Err(unknown_twin());
            }
        }
        "ContentDocumentLink" if is_new => files::judge_link(world, object, given)?,
        "FieldPermissions" => grants::judge(world, object, of, given)?,
        "Account" if world.faults.salesforce.person_accounts => {
            persons::judge(world, object, of, given)?;
        }
        "Contact" | "Lead"
            if world.faults.salesforce.duplicate_rule && !writer.allows_duplicates =>
        {
            return alike::judge(world, object, of, text("Email"));
        }
        _ => {}
    }
    Ok(())
}

fn unknown_twin() -> Problem {
    let message = "duplicate value found: <unknown> duplicates value on record with id: <unknown>";
    Problem::of("DUPLICATE_VALUE", &[], message)
}

/// Whether a record has the same texts in all of these fields.
fn has_all(world: &mut World, object: &'static Object, given: &Values, names: &[&str]) -> bool {
    let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
    let Some((first, rest)) = names.split_first() else { return false };
    let found = world.memory.find(&object.records(), first, text(first)).to_vec();
    found.into_iter().any(|number| {
        held::get(world, object, number).is_some_and(|other| {
            rest.iter().all(|name| other.get(*name).and_then(Value::as_str) == Some(text(name)))
        })
    })
}

/// Fields that Salesforce sets from what is given.
pub(super) fn derived(
    world: &World,
    object: &'static Object,
    of: Of,
    number: u64,
    given: &Values,
) -> Vec<(&'static str, Value)> {
    let before = match of {
        Of::New => None,
        Of::Held(number) => held::get(world, object, number),
    };
    let text = |name: &str| {
        let value = given.get(name).or_else(|| before.as_ref()?.get(name));
        value.and_then(Value::as_str).unwrap_or_default()
    };
    let float = |name: &str| {
        let value = given.get(name).or_else(|| before.as_ref()?.get(name));
        value.and_then(Value::as_f64)
    };
    match object.name {
        "Account" if persons::is_person(world, object, of, given) => {
            let name = format!("{} {}", text("FirstName"), text("LastName"));
            vec![("Name", name.trim().into()), ("IsPersonAccount", true.into())]
        }
        "Contact" | "Lead" | "User" => {
            let name = format!("{} {}", text("FirstName"), text("LastName"));
            vec![("Name", name.trim().into())]
        }
        "Opportunity" => {
            let is_moved = given.contains_key("StageName");
            let chance = match given.get("Probability").and_then(Value::as_f64) {
                None if is_moved => Some(chance(text("StageName"))),
                _ => float("Probability"),
            };
            let expected = float("Amount").zip(chance);
            let expected = expected.map(|(amount, chance)| amount * chance / 100.0);
            vec![
                ("Probability", chance.into()),
                ("ExpectedRevenue", expected.into()),
                ("IsClosed", text("StageName").starts_with("Closed").into()),
                ("IsWon", (text("StageName") == "Closed Won").into()),
            ]
        }
        "Case" if of == Of::New => vec![("CaseNumber", format!("{number:08}").into())],
        "CampaignMember" => {
            let contact = Some(text("ContactId")).filter(|id| !id.is_empty());
            let kind = if contact.is_some() { "Contact" } else { "Lead" };
            let has_responded = text("Status") == "Responded";
            let mut derived = vec![
                ("HasResponded", has_responded.into()),
                ("LeadOrContactId", contact.unwrap_or_else(|| text("LeadId")).into()),
                ("Type", kind.into()),
            ];
            if has_responded && text("FirstRespondedDate").is_empty() {
                let today = chrono::Utc::now().date_naive().to_string();
                derived.push(("FirstRespondedDate", today.into()));
            }
            derived
        }
        "Task" => vec![
            ("IsClosed", (text("Status") == "Completed").into()),
            ("IsHighPriority", (text("Priority") == "High").into()),
            ("AccountId", account_of(world, text("WhatId"), text("WhoId"))),
        ],
        "TopicAssignment" => {
            let entity = Object::of_id(text("EntityId"));
            vec![
                ("EntityKeyPrefix", entity.map(|object| object.prefix).into()),
                ("EntityType", entity.map(|object| object.name).into()),
            ]
        }
        "Invoice__c" if of == Of::New && text("Name").is_empty() => {
            vec![("Name", ids::long(object.prefix, number).into())]
        }
        "ContentVersion" if of == Of::New => files::derived(world, given),
        _ => Vec::new(),
    }
}

/// How likely a deal of this stage is, as a new account has it.
fn chance(stage: &str) -> f64 {
    match stage {
        "Prospecting" | "Qualification" => 10.0,
        "Needs Analysis" => 20.0,
        "Value Proposition" => 50.0,
        "Id. Decision Makers" => 60.0,
        "Perception Analysis" => 70.0,
        "Proposal/Price Quote" => 75.0,
        "Negotiation/Review" => 90.0,
        "Closed Won" => 100.0,
        _ => 0.0,
    }
}

/// The account that an activity counts for: the one that it is about, or that its contact is of.
fn account_of(world: &World, what: &str, who: &str) -> Value {
    if what.starts_with("001") {
        return what.into();
    }
    let id = |id: &str| super::filter::referred(world, &id.into())?.get("AccountId").cloned();
    id(what).filter(|id| !id.is_null()).or_else(|| id(who)).unwrap_or_default()
}

/// What a written record brings with it.
pub(super) fn follow(
    world: &mut World,
    writer: Writer,
    object: &'static Object,
    of: Of,
    number: u64,
) {
    match object.name {
        "ContentVersion" if of == Of::New => files::follow(world, writer, object, number),
        "FieldPermissions" => grants::follow(world, object, number),
        "Account" => persons::follow(world, writer, object, of, number),
        _ => {}
    }
}

/// Makes a record that nobody has asked for; returns its id.
fn make(
    world: &mut World,
    writer: Writer,
    object: &'static Object,
    mut fields: Fields,
    moment: &str,
) -> String {
    let id = ids::long(object.prefix, world.memory.next_id());
    fields.set_text("Id", &id);
    fields.set("IsDeleted", RawValue::FALSE.to_owned());
    for name in ["CreatedDate", "LastModifiedDate", "SystemModstamp"] {
        fields.set_text(name, moment);
    }
    for name in ["CreatedById", "LastModifiedById"] {
        fields.set_text(name, &held::user());
    }
    world.memory.create(&object.records(), &fields, writer.now);
    id
}

/// What is deleted with a record.
pub(super) fn follow_deletion(world: &mut World, object: &'static Object, number: u64) {
    match object.name {
        "ContentDocument" => files::follow_deletion(world, object, number),
        "FieldPermissions" => org::recall(world),
        _ => {}
    }
}
