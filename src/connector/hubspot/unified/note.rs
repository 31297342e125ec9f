//! Notes.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use super::super::associate::{Association, default_type};
use super::{Made, Unified};

/// HubSpot's types of the associations of a note.
pub(super) const TO_COMPANY: u64 = 190;
pub(super) const TO_DEAL: u64 = 214;

pub(super) fn make(record: Unified<'_>) -> Result<Made, String> {
    let mut made = Made::default();
    if let Some(created) = record.text("created_at") {
        let millis =
            epoch_millis(&created).ok_or_else(|| format!("created_at is no moment: {created}"))?;
        made.set_text("hs_timestamp", Some(millis.to_string()));
    }
    made.take_said(record, &[("content", "hs_note_body"), ("customer_id", "hubspot_owner_id")]);
    if let Some(company) = record.text("company_id") {
        made.associations.push(Association::with("companies", &company, default_type(TO_COMPANY)));
    }
    if let Some(deal) = record.text("deal_id") {
        made.associations.push(Association::with("deals", &deal, default_type(TO_DEAL)));
    }
    made.extras.company_name = record.text("company_name");
    made.extras.deal_name = record.text("deal_name");
    Ok(made)
}

/// Milliseconds since 1970; without a zone it is UTC, and a day begins at its midnight.
fn epoch_millis(text: &str) -> Option<i64> {
    let whole = DateTime::parse_from_rfc3339(text).map(|moment| moment.timestamp_millis());
    let without_zone = || {
        let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
        forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
    };
    let day =
        || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
    whole.ok().or_else(|| Some(without_zone().or_else(day)?.and_utc().timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::made;

    #[test]
    fn a_note_belongs_to_companies_and_deals() {
        let record = json!({"created_at": "2024-01-15T11:00:00.000Z", "content": "Hello", "customer_id": 5,
            "company_id": 7, "deal_name": "Big"});
        assert_eq!(
            made(Kind::Note, &record.to_string()).unwrap(),
            json!({
                "hs_timestamp": "1705316400000", "hs_note_body": "Hello", "hubspot_owner_id": "5",
                "$associations": [{"to": {"id": "7", "objectType": "companies"}, "types": [
                    {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 190}]}],
                "$beside": {"deal_name": "Big"},
            })
        );
        made(Kind::Note, r#"{"created_at": "yesterday"}"#).unwrap_err();
    }
}
