//! Recurring donations, of the Nonprofit Success Pack.

use chrono::Utc;

use super::made::{Made, Record};
use crate::connector::salesforce::part::{Lack, Reference};
use crate::connector::salesforce::value::day;

/// What the unified schema alone has.
pub(super) const NAMES: &[&str] = &[
    "amount",
    "installment_period",
    "created_at",
    "contact_external_id",
    "contact_name",
    "company_name",
];
const CONTACT: &str = "npe03__Contact__c";
const ORGANIZATION: &str = "npe03__Organization__c";
const ESTABLISHED: &str = "npe03__Date_Established__c";
const PERIOD: &str = "npe03__Installment_Period__c";
const PLAIN: &[(&str, &str)] =
    &[("name", "Name"), ("amount", "npe03__Amount__c"), ("created_at", ESTABLISHED)];

pub(super) fn make(record: Record<'_>, made: &mut Made<'_>) -> Result<(), String> {
    made.take(record, PLAIN);
    made.pick(record, "installment_period", PERIOD);
    if record.text("created_at").is_none() && made.field(ESTABLISHED).is_some() {
        // Of one that is there it is not changed.
        let today = day(&Utc::now().to_rfc3339());
        made.rest.of_new.insert(ESTABLISHED.to_owned(), today.into());
    }
    let text = |name: &str| record.text(name);
    if let Some((field, value)) = record.key("contact_external_id")? {
        made.find(CONTACT, &[Reference::to("Contact", &field, &value, Lack::Refuse)]);
    } else if let Some(name) = text("company_name") {
        made.find(ORGANIZATION, &[Reference::to("Account", "Name", &name, Lack::Refuse)]);
    } else if let Some(name) = text("contact_name") {
        made.find(CONTACT, &[Reference::to("Contact", "Name", &name, Lack::Refuse)]);
    } else {
        // In the platform's words, which its users look for.
        made.rest.lacks = Some("No Account or Contact provided for the donation".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::made;
    use super::*;

    #[test]
    fn fields_that_are_there_become_fields() {
        let record = json!({"name": "Gift", "amount": 10, "installment_period": "monthly", "company_name": "Acme",
            "created_at": "2026-01-02 03:04:05"});
        let made_of = made(Kind::Donation, &record).unwrap();
        assert_eq!(
            (
                &made_of["npe03__Amount__c"],
                &made_of["npe03__Installment_Period__c"],
                &made_of[ESTABLISHED]
            ),
            (&json!(10), &json!("Monthly"), &json!("2026-01-02"))
        );
        assert_eq!(made_of[ORGANIZATION]["$find"][0]["value"], "Acme");
        assert!(made_of.get("$rest").is_none(), "{made_of}");
    }

    /// What a later run says would be the day of that run.
    #[test]
    fn only_a_new_one_begins_today() {
        let made_of = made(Kind::Donation, &json!({"name": "Gift"})).unwrap();
        assert!(made_of.get(ESTABLISHED).is_none(), "{made_of}");
        let rest = &made_of["$rest"];
        assert_eq!(rest["of_new"][ESTABLISHED], day(&Utc::now().to_rfc3339()));
        assert_eq!(rest["lacks"], "No Account or Contact provided for the donation");
    }
}
