//! Members of campaigns: who is one is found by the campaign and the person.

use super::find;
use super::made::{Made, Record};
use crate::connector::salesforce::ids::spelled_id;

/// What the unified schema alone has.
pub(super) const NAMES: &[&str] = &["campaign_id", "contact_id"];

pub(super) fn make(record: Record<'_>, made: &mut Made<'_>) -> Result<(), String> {
    let is_contact = record.text("type").is_some_and(|kind| kind.eq_ignore_ascii_case("contact"));
    let person = if is_contact { "ContactId" } else { "LeadId" };
    made.take(record, &[("campaign_id", "CampaignId"), ("contact_id", person)]);
    made.pick_any(record, "status", "Status");
    match (record.text("campaign_id"), record.text("contact_id")) {
        (Some(campaign), Some(id)) => {
            made.found_by(person, &find::pair(spelled_id(&campaign), spelled_id(&id)));
        }
        _ if record.has_id => {}
        (None, _) => return Err("it has no `campaign_id`".to_owned()),
        (_, None) => return Err("it has no `contact_id`".to_owned()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::made;

    #[test]
    fn a_person_is_a_lead_unless_it_says_contact() {
        let campaign = "701000000000001AAA";
        let lead = json!({"campaign_id": campaign, "contact_id": "00Q000000000001"});
        assert_eq!(
            made(Kind::Member, &lead).unwrap(),
            json!({"$object": "CampaignMember", "$by": "CampaignMember.LeadId=701000000000001+00Q000000000001",
                "CampaignId": campaign, "LeadId": "00Q000000000001"})
        );
        let contact = json!({"campaign_id": campaign, "contact_id": "003", "type": "contact"});
        assert_eq!(made(Kind::Member, &contact).unwrap()["ContactId"], "003");
        let told = made(Kind::Member, &json!({"campaign_id": campaign})).unwrap_err();
        assert_eq!(told, "it has no `contact_id`");
        made(Kind::Member, &json!({"id": "00v000000000001", "status": "sent"})).unwrap();
    }
}
