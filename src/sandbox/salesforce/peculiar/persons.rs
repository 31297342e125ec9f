//! Accounts of people: such an account has the names of a person instead of its own, and a contact
//! that changes with it.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_guidelines_personaccounts.htm>.
//! There, the record type says which accounts are people; here, a `LastName` does.

use serde_json::Value;

use super::super::catalog::Object;
use super::super::problem::Problem;
use super::super::rules::{Of, Writer};
use super::super::state::Values;
use super::super::{held, ids};
use crate::sandbox::record::Fields;
use crate::sandbox::world::World;

/// What a person's contact has, and under which name the account has it.
const SHARED: &[(&str, &str)] = &[
    ("LastName", "LastName"),
    ("FirstName", "FirstName"),
    ("Salutation", "Salutation"),
    ("Name", "Name"),
    ("Email", "PersonEmail"),
    ("Title", "PersonTitle"),
    ("Department", "PersonDepartment"),
    ("Birthdate", "PersonBirthdate"),
    ("MobilePhone", "PersonMobilePhone"),
    ("HomePhone", "PersonHomePhone"),
    ("OtherPhone", "PersonOtherPhone"),
    ("LeadSource", "PersonLeadSource"),
    ("HasOptedOutOfEmail", "PersonHasOptedOutOfEmail"),
    ("DoNotCall", "PersonDoNotCall"),
    ("MailingStreet", "PersonMailingStreet"),
    ("MailingCity", "PersonMailingCity"),
    ("MailingState", "PersonMailingState"),
    ("MailingPostalCode", "PersonMailingPostalCode"),
    ("MailingCountry", "PersonMailingCountry"),
    ("Phone", "Phone"),
    ("Fax", "Fax"),
];

/// Whether an account is a person.
pub(super) fn is_person(world: &World, object: &'static Object, of: Of, given: &Values) -> bool {
    match of {
        Of::New => given.get("LastName").is_some_and(|name| !name.is_null()),
        Of::Held(number) => held::get(world, object, number)
            .is_some_and(|held| held.get("IsPersonAccount") == Some(&true.into())),
    }
}

/// # Errors
/// A person is given a name of its own, or others what only people have; or it has no name.
pub(super) fn judge(
    world: &World,
    object: &'static Object,
    of: Of,
    given: &Values,
) -> Result<(), Problem> {
    let is_person = is_person(world, object, of, given);
    let is_personal = |name: &str| {
        name.starts_with("Person") || matches!(name, "LastName" | "FirstName" | "Salutation")
    };
    let is_wrong = |name: &str| if is_person { name == "Name" } else { is_personal(name) };
    let wrong: Vec<&str> = given
        .iter()
        .filter(|(name, value)| is_wrong(name) && !value.is_null())
        .map(|(name, _)| name.as_str())
        .collect();
    if !wrong.is_empty() {
        let message =
            format!("Account: bad field names on insert/update call: {}", wrong.join(", "));
        return Err(Problem::of("INVALID_FIELD_FOR_INSERT_UPDATE", &wrong, message));
    }
    let name = if is_person { "LastName" } else { "Name" };
    let is_missing = match given.get(name) {
        Some(value) => value.is_null(),
        None => of == Of::New,
    };
    if is_missing {
        let message = format!("Required fields are missing: [{name}]");
        return Err(Problem::of("REQUIRED_FIELD_MISSING", &[name], message));
    }
    Ok(())
}

/// Makes the contact of a new person, or changes it with its account.
pub(super) fn follow(
    world: &mut World,
    writer: Writer,
    object: &'static Object,
    of: Of,
    number: u64,
) {
    let account = held::get(world, object, number).unwrap_or_default();
    let is_person = account.get("IsPersonAccount") == Some(&true.into());
    let Some(contact) = Object::find("Contact").filter(|_| is_person) else { return };
    let text = |name: &str| account.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut fields = Fields::default();
    for (own, name) in SHARED {
        let value = account.get(*name).cloned().unwrap_or_default();
        if let Ok(raw) = serde_json::value::to_raw_value(&value) {
            fields.set(own, raw);
        }
    }
    match ids::number(contact.prefix, text("PersonContactId")) {
        Some(known) if of != Of::New => {
            fields.set_text("SystemModstamp", text("SystemModstamp"));
            fields.set_text("LastModifiedDate", text("LastModifiedDate"));
            world.memory.merge(&contact.records(), known, fields);
        }
        _ => {
            fields.set_text("AccountId", text("Id"));
            fields.set_text("OwnerId", text("OwnerId"));
            let id = super::make(world, writer, contact, fields, text("CreatedDate"));
            let mut own = Fields::default();
            own.set_text("PersonContactId", &id);
            world.memory.merge(&object.records(), number, own);
        }
    }
}
