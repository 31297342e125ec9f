//! Deals.

use super::{Made, Unified};
use crate::json::exact;

/// The stages of HubSpot's first pipeline; any other status is no stage.
const STAGES: [&str; 7] = [
    "appointmentscheduled",
    "qualifiedtobuy",
    "presentationscheduled",
    "decisionmakerboughtin",
    "contractsent",
    "closedwon",
    "closedlost",
];

pub(super) fn make(record: Unified<'_>) -> Made {
    let mut made = Made::default();
    made.take(
        record,
        &[
            ("title", "dealname"),
            ("monetary_amount", "amount"),
            ("pipeline_id", "pipeline"),
            ("priority", "priority"),
        ],
    );
    if let Some(date) = record.text("close_date") {
        made.set_text("closedate", Some(in_utc(&date)));
    }
    made.take_said(record, &[("owner_id", "hubspot_owner_id")]);
    if let Some(stage) = record.text("status").filter(|status| STAGES.contains(&status.as_str())) {
        made.set_text("dealstage", Some(stage));
    }
    made.extras.contact_email = record.get("contact_email").and_then(exact::text);
    if made.extras.contact_email.is_none() {
        made.extras.contact_id = record.text("contact_id");
    }
    made
}

/// A moment without a zone is one of UTC; a day begins at its midnight.
fn in_utc(date: &str) -> String {
    let (day, time) = date.split_at(date.find(['T', ' ']).unwrap_or(date.len()));
    if time.is_empty() {
        return if day.len() == 10 { format!("{day}T00:00:00Z") } else { date.to_owned() };
    }
    let has_zone = time.ends_with(['Z', 'z']) || time.contains(['+', '-']);
    if has_zone { date.to_owned() } else { format!("{date}Z") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::made;
    use super::in_utc;

    #[test]
    fn fields_that_are_there_become_properties() {
        let record = json!({
            "title": "Big", "monetary_amount": "1000.50", "pipeline_id": "default", "owner_id": 12,
            "status": "closedwon", "close_date": "2026-05-06T07:08:09", "contact_email": "a@b.c",
            "contact_id": "5",
        });
        assert_eq!(
            made(Kind::Deal, &record.to_string()).unwrap(),
            json!({"dealname": "Big", "amount": "1000.50", "pipeline": "default",
                   "closedate": "2026-05-06T07:08:09Z", "hubspot_owner_id": "12", "dealstage": "closedwon",
                   "$beside": {"contact_email": "a@b.c"}})
        );
        let record = json!({"status": "won", "contact_id": 5, "close_date": null});
        assert_eq!(
            made(Kind::Deal, &record.to_string()).unwrap(),
            json!({"$beside": {"contact_id": "5"}})
        );
    }

    #[test]
    fn moments_have_a_zone() {
        for (date, told) in [
            ("2026-01-02", "2026-01-02T00:00:00Z"),
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05+02:00"),
            ("2026-01-02 03:04:05", "2026-01-02 03:04:05Z"),
            ("1767322800000", "1767322800000"),
        ] {
            assert_eq!(in_utc(date), told);
        }
    }
}
