//! Deals.

use super::made::{Made, Record};
use crate::connector::salesforce::part::{Lack, Reference};

/// What the unified schema alone has.
pub(super) const NAMES: &[&str] = &[
    "title",
    "pipeline_stage_id",
    "pipeline_id",
    "status",
    "close_date",
    "monetary_amount",
    "win_probability",
    "lead_source",
    "expected_revenue",
    "company_id",
    "company_name",
    "contact_id",
    "contact_email",
    "contact_external_id",
];
const PLAIN: &[(&str, &str)] = &[
    ("title", "Name"),
    ("close_date", "CloseDate"),
    ("description", "Description"),
    ("monetary_amount", "Amount"),
    ("win_probability", "Probability"),
    ("expected_revenue", "ExpectedRevenue"),
    ("company_id", "AccountId"),
    ("owner_id", "OwnerId"),
    ("contact_id", "ContactId"),
];

pub(super) fn make(record: Record<'_>, made: &mut Made<'_>) -> Result<(), String> {
    made.take(record, PLAIN);
    let stages = ["pipeline_stage_id", "status"].map(|name| record.text(name));
    let stages: Vec<String> = stages.into_iter().flatten().collect();
    made.pick_one_of(&stages, "StageName")?;
    made.pick(record, "type", "Type");
    made.pick_any(record, "lead_source", "LeadSource");
    let needs = [
        ("title", record.text("title").is_some()),
        ("pipeline_stage_id or status", !stages.is_empty()),
        ("close_date", record.text("close_date").is_some()),
    ];
    let lacking: Vec<&str> = needs.iter().filter(|(_, is)| !is).map(|(name, _)| *name).collect();
    if !lacking.is_empty() {
        // In the platform's words, which its users look for.
        made.rest.lacks = Some(format!(
            "The record does not contain all the necessary fields for creating a new Opportunity: {}",
            lacking.join(", ")
        ));
    }
    let mut accounts = Vec::new();
    if !made.has("ContactId") {
        let contact = match record.key("contact_external_id")? {
            Some((field, value)) => Some(Reference::to("Contact", &field, &value, Lack::Refuse)),
            None => record
                .text("contact_email")
                .map(|email| Reference::to("Contact", "Email", &email, Lack::Tell)),
        };
        if let Some(contact) = contact {
            made.find("ContactId", std::slice::from_ref(&contact));
            accounts.push(Reference { lack: Lack::Leave, ..contact }.take("AccountId"));
        }
    }
    if !made.has("AccountId") {
        let company = record.text("company_name");
        accounts.extend(company.map(|name| Reference::to("Account", "Name", &name, Lack::Tell)));
        if !accounts.is_empty() {
            made.find("AccountId", &accounts);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::made;

    #[test]
    fn fields_that_are_there_become_fields() {
        let record = json!({
            "title": "Big", "status": "closed won", "close_date": "2026-05-06T07:08:09.000000Z", "type": "new business",
            "monetary_amount": "1000.5", "win_probability": 50, "lead_source": "Fair", "owner_id": "005",
            "expected_revenue": 12, "company_id": "001", "contact_id": "003",
        });
        assert_eq!(
            made(Kind::Deal, &record).unwrap(),
            json!({"$object": "Opportunity", "Name": "Big", "CloseDate": "2026-05-06", "Amount": 1000.5,
                "Probability": 50, "AccountId": "001", "OwnerId": "005", "ContactId": "003",
                "StageName": "Closed_Won", "Type": "New_Business", "LeadSource": "Fair"})
        );
    }

    /// The first stage is nobody's choice.
    #[test]
    fn an_unknown_stage_is_refused_with_all_there_are() {
        let record =
            json!({"title": "Big", "pipeline_stage_id": "won", "close_date": "2026-05-06"});
        let told = made(Kind::Deal, &record).unwrap_err();
        assert_eq!(told, "`won` is no StageName: it is one of Prospecting, Closed_Won");
        // As the platform's customers have it: an id of a stage elsewhere, and its name.
        let record = json!({"title": "Big", "pipeline_stage_id": "12345", "status": "closed won", "close_date": "2026-05-06"});
        assert_eq!(made(Kind::Deal, &record).unwrap()["StageName"], "Closed_Won");
    }

    #[test]
    fn what_a_new_deal_needs_is_named() {
        let made_of = made(Kind::Deal, &json!({"title": "Big"})).unwrap();
        let told = made_of["$rest"]["lacks"].as_str().unwrap();
        assert!(
            told.ends_with("new Opportunity: pipeline_stage_id or status, close_date"),
            "{told}"
        );
    }

    #[test]
    fn whom_it_belongs_to_is_found() {
        let find = |record| made(Kind::Deal, &record).unwrap();
        let by_email = find(json!({"contact_email": "a@b.c", "company_name": "Acme"}));
        let contact = &by_email["ContactId"]["$find"][0];
        assert_eq!((&contact["field"], &contact["lack"]), (&json!("Email"), &json!("tell")));
        let accounts = &by_email["AccountId"]["$find"];
        assert_eq!(
            (&accounts[0]["take"], &accounts[0]["lack"], &accounts[1]["object"]),
            (&json!("AccountId"), &json!("leave"), &json!("Account"))
        );
        let key = json!({"name": "Ext_Id__c", "value": "c"});
        let by_key = find(
            json!({"contact_external_id": key, "contact_email": "a@b.c", "company_id": "001"}),
        );
        assert_eq!(by_key["ContactId"]["$find"][0]["field"], "Ext_Id__c");
        assert_eq!(by_key["AccountId"], "001");
        made(Kind::Deal, &json!({"contact_external_id": {"name": "x y", "value": 1}})).unwrap_err();
    }
}
