//! Activities: tasks.

use super::made::{Made, Record};
use crate::connector::salesforce::value::seconds;

/// What the unified schema alone has.
pub(super) const NAMES: &[&str] = &[
    "contact_id",
    "related_to",
    "activity_datetime",
    "start_datetime",
    "end_datetime",
    "duration_seconds",
    "title",
];
const PLAIN: &[(&str, &str)] = &[
    ("contact_id", "WhoId"),
    ("owner_id", "OwnerId"),
    ("related_to", "WhatId"),
    ("activity_datetime", "ActivityDate"),
    ("description", "Description"),
];

pub(super) fn make(record: Record<'_>, made: &mut Made<'_>) {
    made.take(record, PLAIN);
    made.pick_any(record, "status", "Status");
    let subject = record.text("type").or_else(|| record.text("title"));
    made.set_text("Subject", subject.as_deref());
    let times = record.text("start_datetime").zip(record.text("end_datetime"));
    let duration = times.and_then(|(start, end)| seconds(&start, &end));
    made.set("CallDurationInSeconds", duration.map(Into::into).as_ref());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::made;

    #[test]
    fn fields_that_are_there_become_fields() {
        let record = json!({"type": "call", "status": "not started", "contact_id": "003", "related_to": "001",
            "activity_datetime": "2026-05-06T07:08:09Z", "start_datetime": "2026-05-06T07:00:00Z",
            "end_datetime": "2026-05-06T08:02:00+01:00", "description": "it"});
        assert_eq!(
            made(Kind::Activity, &record).unwrap(),
            json!({"$object": "Task", "WhoId": "003", "WhatId": "001", "ActivityDate": "2026-05-06",
                "Description": "it", "Status": "Not_Started", "Subject": "call", "CallDurationInSeconds": 120})
        );
    }
}
