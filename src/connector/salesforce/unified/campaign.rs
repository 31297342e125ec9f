//! Campaigns.

use super::made::{Made, Record};

/// What the unified schema alone has.
pub(super) const NAMES: &[&str] = &["start_date", "end_date", "active"];
const PLAIN: &[(&str, &str)] = &[
    ("name", "Name"),
    ("start_date", "StartDate"),
    ("end_date", "EndDate"),
    ("description", "Description"),
    ("active", "IsActive"),
];

pub(super) fn make(record: Record<'_>, made: &mut Made<'_>) {
    made.take(record, PLAIN);
    made.pick_any(record, "type", "Type");
    made.pick_any(record, "status", "Status");
    match record.text("name") {
        Some(name) => made.found_by("Name", &name),
        // In the platform's words, which its users look for.
        None => {
            made.rest.lacks =
                Some("Campaigns in Salesforce are required to have a 'Name' field".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::made;

    #[test]
    fn fields_that_are_there_become_fields() {
        let record = json!({"name": "Spring", "type": "WEBINAR", "status": "Odd", "start_date": "2026-03-01T00:00:00",
            "end_date": null, "active": true});
        assert_eq!(
            made(Kind::Campaign, &record).unwrap(),
            json!({"$object": "Campaign", "$by": "Campaign.Name=Spring", "Name": "Spring", "StartDate": "2026-03-01",
                "IsActive": true, "Type": "Webinar", "Status": "Odd"})
        );
        let made_of = made(Kind::Campaign, &json!({"id": "701", "active": false})).unwrap();
        assert!(made_of["$rest"]["lacks"].as_str().unwrap().contains("'Name'"), "{made_of}");
    }
}
