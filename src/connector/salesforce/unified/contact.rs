//! Contacts, and leads.

use std::collections::BTreeSet;

use serde_json::Value;

use super::made::{Made, Record, says, trimmed};
use crate::connector::salesforce::ids::is_id;
use crate::connector::salesforce::part::{Lack, Named, Reference};
use crate::json::exact;

/// What the unified schema alone has.
pub(super) const NAMES: &[&str] = &[
    "first_name",
    "last_name",
    "lead_source",
    "unsubscribed",
    "subscribe_status",
    "number_of_employees",
    "annual_revenue",
    "company_name",
    "addresses",
    "phone_numbers",
    "tags",
    "campaigns",
    "lists",
];
const PLAIN: &[(&str, &str)] = &[
    ("first_name", "FirstName"),
    ("last_name", "LastName"),
    ("email", "Email"),
    ("title", "Title"),
    ("description", "Description"),
    ("owner_id", "OwnerId"),
    ("birthdate", "Birthdate"),
    ("number_of_employees", "NumberOfEmployees"),
    ("website", "Website"),
    ("annual_revenue", "AnnualRevenue"),
    ("department", "Department"),
];
const PICKED: &[(&str, &str)] = &[
    ("lead_source", "LeadSource"),
    ("salutation", "Salutation"),
    ("industry", "Industry"),
    ("rating", "Rating"),
];
/// Fields of phone numbers, by their types. A number without one goes to the field of its place.
const PHONES: [(&str, &str); 4] = [
    ("primary", "Phone"),
    ("secondary", "OtherPhone"),
    ("mobile", "MobilePhone"),
    ("home", "HomePhone"),
];
/// What ids of campaigns begin with.
const CAMPAIGN: &str = "701";

pub(super) fn is_lead(record: Record<'_>) -> bool {
    record.get("type").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("lead"))
}

pub(super) fn make(record: Record<'_>, made: &mut Made<'_>) -> Result<(), String> {
    made.take(record, PLAIN);
    for (from, to) in PICKED {
        made.pick(record, from, to);
    }
    if let Some(is_out) = opted_out(record)? {
        made.set("HasOptedOutOfEmail", Some(&Value::Bool(is_out)));
    }
    let is_lead = is_lead(record);
    if let Some(company) = record.text("company_name").or_else(|| record.text("company")) {
        if is_lead {
            made.set_text("Company", Some(&company));
        } else {
            // A person may well work where nobody is a customer.
            let account = Reference::to("Account", "Name", &company, Lack::Leave);
            made.find("AccountId", &[account]);
        }
    }
    let prefixes: &[&str] = if is_lead { &[""] } else { &["Mailing", "Other"] };
    for (address, prefix) in record.list("addresses")?.iter().zip(prefixes) {
        made.address(address, prefix)?;
    }
    let numbers = record.list("phone_numbers")?;
    for (field, number) in phones(&numbers, &PHONES)? {
        made.set_text(field, Some(&number));
    }
    made.rest.campaigns = campaigns(record)?;
    let mut known = BTreeSet::new();
    for tag in record.list("tags")?.iter().filter(|tag| says(tag)) {
        let named = tag.as_object().map_or(Some(tag), |tag| tag.get("name"));
        let tag = named.and_then(trimmed).ok_or("one of its `tags` is no name")?;
        if known.insert(tag.to_lowercase()) {
            made.rest.topics.push(tag);
        }
    }
    if let Some(email) = record.text("email") {
        made.found_by("Email", &email);
    }
    Ok(())
}

/// Whether a person wants no more mail; nothing, where the record does not say.
///
/// # Errors
/// For people: it is neither yes nor no. Passed over, somebody would get mail who wants none.
fn opted_out(record: Record<'_>) -> Result<Option<bool>, String> {
    if let Some(text) = record.text("unsubscribed").or_else(|| {
        record.get("unsubscribed").and_then(Value::as_bool).map(|is_out| is_out.to_string())
    }) {
        return match text.to_lowercase().as_str() {
            "true" | "1" | "yes" | "y" | "on" | "t" => Ok(Some(true)),
            "false" | "0" | "no" | "n" | "off" | "f" => Ok(Some(false)),
            _ => Err("its `unsubscribed` is neither true nor false".to_owned()),
        };
    }
    let status = record.text("subscribe_status").map(|status| status.to_lowercase());
    Ok(match status.as_deref() {
        Some("unsubscribed") => Some(true),
        Some("subscribed") => Some(false),
        _ => None,
    })
}

/// Each field of `fields` at most once: numbers with a type first, the others by their places.
pub(super) fn phones<'f>(
    numbers: &[Value],
    fields: &[(&str, &'f str)],
) -> Result<Vec<(&'f str, String)>, String> {
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut untyped = Vec::new();
    for (place, one) in numbers.iter().enumerate() {
        let number = one.as_object().map_or(Some(one), |one| one.get("number"));
        if number.is_some_and(|number| number.is_array() || number.is_boolean()) {
            return Err("one of its `phone_numbers` is no number".to_owned());
        }
        let Some(number) = number.and_then(exact::text) else { continue };
        let kind = one.get("type").and_then(Value::as_str).map(str::to_lowercase);
        let field = fields.iter().find(|(known, _)| Some(*known) == kind.as_deref());
        match field {
            Some((_, field)) if found.iter().all(|(known, _)| known != field) => {
                found.push((field, number));
            }
            Some(_) => {}
            None => untyped.push((place, number)),
        }
    }
    for (place, number) in untyped {
        let is_free = |(_, field): &&(&str, &str)| found.iter().all(|(known, _)| known != field);
        let own = fields.get(place).filter(|field| is_free(field));
        if let Some((_, field)) = own.or_else(|| fields.iter().find(is_free)) {
            found.push((field, number));
        }
    }
    Ok(found)
}

/// The campaigns of `campaigns` and `lists`, each once.
fn campaigns(record: Record<'_>) -> Result<Vec<Named>, String> {
    let (mut all, mut known) = (Vec::new(), BTreeSet::new());
    let mut add = |one: Named| {
        let (Named::Id(text) | Named::Name(text)) = &one;
        if known.insert((matches!(one, Named::Id(_)), text.to_lowercase())) {
            all.push(one);
        }
    };
    for one in record.list("campaigns")?.iter().filter(|one| says(one)) {
        let text = |name: &str| one.get(name).and_then(trimmed);
        match (text("id"), text("name").or_else(|| trimmed(one))) {
            (Some(id), _) => add(Named::Id(id)),
            (None, Some(name)) => add(Named::Name(name)),
            (None, None) => {
                return Err("one of its `campaigns` has no `id` and no `name`".to_owned());
            }
        }
    }
    for one in record.list("lists")?.iter().filter(|one| says(one)) {
        match trimmed(one) {
            Some(text) if is_id(&text) && text.starts_with(CAMPAIGN) => add(Named::Id(text)),
            Some(text) => add(Named::Name(text)),
            None => return Err("one of its `lists` is no name".to_owned()),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::made;

    #[test]
    fn fields_that_are_there_become_fields() {
        let record = json!({
            "id": "003", "first_name": "Ann", "last_name": "Lee", "email": "ann@example.com", "title": "",
            "lead_source": "phone inquiry", "birthdate": "1990-01-02T00:00:00Z", "unsubscribed": true,
            "company_name": "Acme", "department": "R", "nonsense": 1,
            "addresses": [{"line1": "Road 1", "line2": null, "line3": "B", "city": "Lyon", "country": "FR",
                "postal_code": 69001}, {"city": "Rom", "country": "Nowhere"}],
            "phone_numbers": "[{\"type\": \"mobile\", \"number\": \"1\"}, {\"number\": \"2\"}, {\"type\": \"x\", \"number\": 3}]",
        });
        assert_eq!(
            made(Kind::Contact, &record).unwrap(),
            json!({
                "$object": "Contact", "$by": "Contact.Email=ann@example.com", "FirstName": "Ann",
                "LastName": "Lee", "Email": "ann@example.com", "LeadSource": "Phone_Inquiry",
                "Birthdate": "1990-01-02", "Department": "R", "HasOptedOutOfEmail": true,
                "AccountId": {"$find": [{"object": "Account", "field": "Name", "value": "Acme", "take": "Id",
                    "lack": "leave"}]},
                "MailingStreet": "Road 1 - B", "MailingCity": "Lyon", "MailingPostalCode": "69001",
                "MailingCountry": "France", "OtherCity": "Rom", "MobilePhone": "1", "OtherPhone": "2",
                "Phone": "3",
            })
        );
    }

    #[test]
    fn a_lead_has_fields_of_its_own() {
        let record = json!({"type": "lead", "last_name": "Lee", "company_name": "Acme", "website": "a.example",
            "industry": "ENERGY", "annual_revenue": "12.50", "number_of_employees": 7, "department": "R",
            "addresses": [{"city": "Lyon", "country": "germany"}], "email": "ann@example.com",
            "external_id": {"name": "Ext_Id__c", "value": 5}});
        assert_eq!(
            made(Kind::Contact, &record).unwrap(),
            json!({
                "$object": "Lead", "$by": "Lead.Ext_Id__c=5", "LastName": "Lee", "Company": "Acme",
                "Website": "a.example", "Industry": "Energy", "AnnualRevenue": 12.50, "NumberOfEmployees": 7,
                "City": "Lyon", "Country": "germany", "Email": "ann@example.com", "Ext_Id__c": "5",
                "$rest": {"key": "Ext_Id__c"},
            })
        );
        let other = json!({"last_name": "Lee", "external_id": {"name": "Nope__c", "value": 5}});
        assert!(made(Kind::Contact, &other).unwrap_err().contains("Nope__c"));
    }

    /// Who is silent is neither subscribed nor unsubscribed.
    #[test]
    fn only_who_says_so_is_unsubscribed() {
        for (says, told) in [
            (json!({"unsubscribed": false}), json!(false)),
            (json!({"unsubscribed": null, "subscribe_status": "unsubscribed"}), json!(true)),
            (json!({"unsubscribed": "True"}), json!(true)),
            (json!({"subscribe_status": "subscribed"}), json!(false)),
            (json!({"subscribe_status": "pending"}), json!(null)),
            (json!({}), json!(null)),
        ] {
            let mut record = says.clone();
            record["last_name"] = json!("Lee");
            let made = made(Kind::Contact, &record).unwrap();
            assert_eq!(made["HasOptedOutOfEmail"], told, "{says}");
        }
    }

    #[test]
    fn campaigns_and_topics_stand_beside() {
        let record = json!({"last_name": "Lee", "tags": ["vip", "new", "vip"], "lists": ["701000000000001", "News", "", 7],
            "campaigns": [{"id": null, "name": "News"}, {"id": "701000000000002"}]});
        assert_eq!(
            made(Kind::Contact, &record).unwrap()["$rest"],
            json!({"campaigns": [{"name": "News"}, {"id": "701000000000002"}, {"id": "701000000000001"},
                {"name": "7"}], "topics": ["vip", "new"]})
        );
        let wrong = json!({"last_name": "Lee", "campaigns": [{}]});
        made(Kind::Contact, &wrong).unwrap_err();
        made(Kind::Contact, &json!({"last_name": "Lee", "lists": 5})).unwrap_err();
    }

    #[test]
    fn each_phone_has_one_number() {
        let record = json!({"phone_numbers": [{"type": "secondary", "number": "1"}, {"number": "2"},
            {"number": "3"}, {"number": "4"}, {"number": "5"}]});
        let made = made(Kind::Contact, &record).unwrap();
        let phones =
            ["Phone", "OtherPhone", "MobilePhone", "HomePhone"].map(|name| made[name].clone());
        assert_eq!(phones, ["2", "1", "3", "4"].map(|number| json!(number)));
    }
}
