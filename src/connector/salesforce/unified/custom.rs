//! A record's `custom_fields`: fields of the object that the unified schema does not know.
//!
//! A name is taken with `__c` at its end, whether it has that or not. A contact's may also be any
//! other field of its object, a relationship (`Owner__r`, or `Account` for `AccountId`), or a field
//! of it as a member of its campaigns: where both have a custom field, it goes to both.

use serde_json::Value;

use super::made::{Made, Record, says, trimmed};
use super::{Kind, Unified};
use crate::connector::salesforce::describe::{Description, Field};
use crate::connector::salesforce::part::NewField;
use crate::connector::salesforce::soql::is_name;
use crate::connector::salesforce::value;
use crate::json::exact;

/// Characters of a field's name, before `__c`, and of its label.
/// <https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/customfield.htm>
const MAX_NAME: usize = 40;
/// Characters of a field that is made.
pub(super) const LENGTH: usize = 100;

pub(super) fn take(record: Record<'_>, made: &mut Made<'_>, of: &Unified) -> Result<(), String> {
    for field in record.list("custom_fields")? {
        let text = |name: &str| field.get(name).and_then(exact::text);
        let name = text("name").ok_or("one of its `custom_fields` has no `name`")?;
        let value = field.get("value").filter(|value| says(value));
        let Some(value) = value else { continue };
        take_one(made, of, &name, text("label"), value);
    }
    Ok(())
}

fn take_one(made: &mut Made<'_>, of: &Unified, name: &str, label: Option<String>, value: &Value) {
    let own = api_name(name);
    let with_suffix = format!("{own}__c");
    let is_person = of.kind == Kind::Contact;
    if is_person && !made.rest.campaigns.is_empty() {
        let member = of.member.as_deref();
        let field = member.and_then(|it| writable(it, name).or_else(|| writable(it, &with_suffix)));
        if let Some(field) = field {
            made.rest.as_member.insert(field.name.clone(), as_value(field, value));
            let is_both =
                field.name.ends_with("__c") && writable(made.object, &field.name).is_some();
            if !is_both {
                return;
            }
        }
    }
    let object = made.object;
    if is_person && (name.ends_with("__r") || object.reference(name).is_some()) {
        let parsed = value.as_str().and_then(|text| exact::parse(text.as_bytes()).ok());
        let value = parsed.as_ref().unwrap_or(value);
        match value.as_object() {
            // It names nobody.
            Some(keys) if !keys.values().any(says) => {}
            Some(keys) if keys.keys().all(|name| is_name(name)) => made.relate(name, value),
            _ => made.leave_out(name),
        }
        return;
    }
    let names = if is_person { [name, &with_suffix] } else { [&with_suffix, name] };
    if let Some(field) = names.into_iter().find_map(|name| writable(object, name)) {
        made.set(&field.name, Some(value));
        // As the platform's target finds records by any external id that they have.
        if field.external_id
            && made.rest.key.is_none()
            && let Some(text) = trimmed(value)
        {
            made.found_by(&field.name, &text);
            made.rest.key = Some(field.name.clone());
        }
        return;
    }
    // One that is there and may not be written is not made a second time.
    let is_new = names.into_iter().all(|name| object.field(name).is_none());
    if of.makes_fields && is_new && is_api_name(&own) {
        let text = match value {
            Value::Array(_) | Value::Object(_) => Some(value.to_string()),
            value => exact::text(value),
        };
        let label = label.unwrap_or_else(|| own.replace('_', " "));
        let label = label.chars().take(MAX_NAME).collect();
        made.make(NewField { name: with_suffix, label }, &text.unwrap_or_default());
        return;
    }
    made.leave_out(name);
}

fn writable<'a>(object: &'a Description, name: &str) -> Option<&'a Field> {
    object.field(name).filter(|field| field.createable || field.updateable)
}

fn as_value(field: &Field, value: &Value) -> Value {
    let json = value::json(field, value);
    json.and_then(|json| exact::parse(json.as_bytes()).ok()).unwrap_or_default()
}

/// A name as an object can have it, without `__c`: letters, digits and single `_`.
fn api_name(name: &str) -> String {
    let name = name.trim();
    let name = name.strip_suffix("__c").unwrap_or(name);
    // What has a namespace keeps it.
    if is_api_name(name) || name.contains("__") {
        return name.to_owned();
    }
    let mut own = String::new();
    for c in name.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => own.push(c),
            _ if own.is_empty() || own.ends_with('_') => {}
            _ => own.push('_'),
        }
    }
    own.trim_end_matches('_').to_owned()
}

/// Whether Salesforce would make a field of this name.
fn is_api_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= MAX_NAME
        && !name.contains("__")
        && !name.ends_with('_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{made, made_by, unified};
    use super::*;

    fn fields(fields: &[(&str, Value)]) -> Value {
        fields.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
    }

    #[test]
    fn names_are_taken_with_their_ending_or_without() {
        let given = fields(&[
            ("Tier", json!("gold")),
            ("Vip__c", json!("true")),
            ("Since", json!("2026-01-02T03:04:05Z")),
            ("Department", json!("R")),
            ("Owner__r", json!({"Ext__c": "o"})),
            ("Account", json!("{\"Ext__c\": \"a\"}")),
            ("Nope", json!("x")),
            ("Empty__c", json!("")),
        ]);
        assert_eq!(
            made(Kind::Contact, &json!({"custom_fields": given})).unwrap(),
            json!({"$object": "Contact", "Tier__c": "gold", "Vip__c": true, "Since__c": "2026-01-02",
                "Department": "R", "Owner__r": {"Ext__c": "o"}, "Account": {"Ext__c": "a"}})
        );
        let text =
            json!({"title": "Big", "custom_fields": fields(&[("Ext_Id", json!(5))]).to_string()});
        assert_eq!(made(Kind::Deal, &text).unwrap()["Ext_Id__c"], "5");
        made(Kind::Deal, &json!({"custom_fields": [{"value": 1}]})).unwrap_err();
    }

    /// What a member of a campaign has is written there, where there is a campaign.
    #[test]
    fn members_have_fields_of_their_own() {
        let given = fields(&[("Status", json!("Responded")), ("Tier", json!("gold"))]);
        let of = |lists: Value| {
            let record =
                json!({"type": "lead", "last_name": "Lee", "lists": lists, "custom_fields": given});
            made(Kind::Contact, &record).unwrap()
        };
        let with = of(json!(["News"]));
        assert_eq!(with["$rest"]["as_member"], json!({"Status": "Responded", "Tier__c": "gold"}));
        assert_eq!((&with["Status"], &with["Tier__c"]), (&json!(null), &json!("gold")));
        assert_eq!(of(json!([]))["Status"], "Responded");
    }

    #[test]
    fn unknown_fields_are_made_where_that_is_wanted() {
        let mut unified = unified(Kind::Deal);
        let given = json!([{"name": "My externalid!", "label": "Mine", "value": 5}, {"name": "9", "value": 1},
            {"name": "Name", "value": "Big"}]);
        let record = json!({"title": "Big", "status": "prospecting", "close_date": "2026-05-06", "custom_fields": given});
        let plain = made_by(&unified, &record).unwrap();
        assert!(plain.get("My_externalid__c").is_none() && plain.get("$rest").is_none(), "{plain}");
        unified.makes_fields = true;
        assert_eq!(
            made_by(&unified, &record).unwrap(),
            json!({"$object": "Opportunity", "My_externalid__c": "5", "Name": "Big", "StageName": "Prospecting",
                "CloseDate": "2026-05-06", "$rest": {"fields": [{"name": "My_externalid__c", "label": "Mine"}]}})
        );
    }

    #[test]
    fn names_are_such_as_salesforce_has() {
        for (name, told) in [
            ("Tier", "Tier"),
            ("Tier__c", "Tier"),
            ("npe01__Type__c", "npe01__Type"),
            (" my  field ", "my_field"),
            ("Größe", "Gr_e"),
            ("_x_", "x"),
        ] {
            assert_eq!(api_name(name), told, "{name}");
        }
        assert!(
            is_api_name("a_b")
                && !is_api_name("npe01__Type")
                && !is_api_name("1a")
                && !is_api_name("")
        );
    }
}
