//! Contacts.

use serde_json::Value;

use super::fields::Field;
use super::{Made, Unified};
use crate::json::exact;

/// Fields of a record and the properties that they are.
const PLAIN: &[(&str, &str)] = &[
    ("first_name", "firstname"),
    ("last_name", "lastname"),
    ("email", "email"),
    ("company_name", "company"),
];
const AFTER_PHONE: &[(&str, &str)] = &[
    ("birthdate", "date_of_birth"),
    ("industry", "industry"),
    ("annual_revenue", "annualrevenue"),
    ("salutation", "salutation"),
    ("title", "jobtitle"),
];
const OF_ADDRESS: &[(&str, &str)] = &[
    ("line1", "address"),
    ("city", "city"),
    ("state", "state"),
    ("country", "country"),
    ("postal_code", "zip"),
];

pub(super) fn make(record: Unified<'_>) -> Result<Made, String> {
    let mut made = Made::default();
    made.take(record, PLAIN);
    if record.get("phone_numbers").is_some() {
        made.set_text("phone", phone(&record.list("phone_numbers")?)?);
    }
    made.take(record, AFTER_PHONE);
    made.take_address(record, OF_ADDRESS)?;
    for field in record.list("custom_fields")? {
        let field = Field::read(&field)?;
        let is_known = made.has(&field.name);
        made.set_text(&field.name, field.value.clone());
        // A property that HubSpot has itself is not to be made.
        if !is_known {
            made.extras.fields.push(field);
        }
    }
    for name in record.list("lists")? {
        if name != "" {
            let name = exact::text(&name).ok_or("one of its `lists` is no name")?;
            made.extras.lists.push(name);
        }
    }
    made.extras.leaves_lists = record.text("subscribe_status").as_deref() == Some("unsubscribed");
    Ok(made)
}

/// The first number there is.
///
/// # Errors
/// For people: what is listed is no number, and no object with one.
pub(super) fn phone(numbers: &[Value]) -> Result<Option<String>, String> {
    for one in numbers {
        match one.as_object().map_or(Some(one), |one| one.get("number")) {
            None | Some(Value::Null) => {}
            Some(Value::String(number)) => return Ok(Some(number.clone())),
            Some(Value::Number(number)) => return Ok(Some(number.to_string())),
            Some(_) => return Err("one of its `phone_numbers` is no number".to_owned()),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::made;

    #[test]
    fn fields_that_are_there_become_properties() {
        let record = json!({
            "id": "7", "first_name": "Ann", "last_name": null, "email": "ann@example.com",
            "company_name": "Acme", "title": "CTO", "annual_revenue": 12.5, "industry": "x",
            "birthdate": "1990-01-02", "salutation": "Dr",
            "phone_numbers": [{"type": "fax"}, {"number": "+1 555"}, {"number": "2"}],
            "addresses": [{"line1": "Road 1", "city": "Lyon", "country": "FR", "postal_code": 69001}],
        });
        assert_eq!(
            made(Kind::Contact, &record.to_string()).unwrap(),
            json!({
                "firstname": "Ann", "lastname": null, "email": "ann@example.com", "company": "Acme",
                "phone": "+1 555", "date_of_birth": "1990-01-02", "industry": "x",
                "annualrevenue": "12.5", "salutation": "Dr", "jobtitle": "CTO", "address": "Road 1",
                "city": "Lyon", "state": null, "country": "France", "zip": "69001",
            })
        );
        let empty =
            made(Kind::Contact, r#"{"email": "a@b.c", "phone_numbers": [], "addresses": []}"#);
        assert_eq!(empty.unwrap(), json!({"email": "a@b.c", "phone": null}));
        let text = made(
            Kind::Contact,
            r#"{"phone_numbers": ["+49"], "addresses": "[{\"city\": \"Rom\"}]"}"#,
        );
        assert_eq!(
            (&text.as_ref().unwrap()["phone"], &text.as_ref().unwrap()["city"]),
            (&json!("+49"), &json!("Rom"))
        );
    }

    #[test]
    fn custom_fields_and_lists_stand_beside() {
        let record = json!({
            "custom_fields": [
                {"name": "Tier", "label": "The tier", "type": "string", "value": "gold"},
                {"name": "since", "type": "date", "value": "2026-01-02T03:04:05Z"},
                {"name": "vip", "type": "bool", "value": "TRUE"},
                {"name": "plain", "value": 5},
            ],
            "lists": ["news", 7], "subscribe_status": "unsubscribed",
        });
        let made_of = made(Kind::Contact, &record.to_string()).unwrap();
        assert_eq!(
            (&made_of["tier"], &made_of["since"], &made_of["vip"], &made_of["plain"]),
            (&json!("gold"), &json!("2026-01-02"), &json!("true"), &json!("5"))
        );
        assert_eq!(made_of["$beside"]["lists"], json!(["news", "7"]));
        assert_eq!(made_of["$beside"]["leaves_lists"], true);
        let wrong = r#"{"custom_fields": [{"name": "a", "type": "decimal", "value": 1}]}"#;
        let told = made(Kind::Contact, wrong).unwrap_err();
        assert!(told.contains("`decimal`") && told.contains("enumeration"), "{told}");
    }
}
