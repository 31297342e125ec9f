//! Activities: calls and tasks, which are objects of their own.

use serde_json::Value;

use super::super::associate::{Association, default_type};
use super::{Made, Unified};
use crate::json::exact;

/// HubSpot's type of the association of a call with a contact.
const CALL_TO_CONTACT: u64 = 194;

pub(super) fn make(record: Unified<'_>) -> Result<Made, String> {
    match record.get("type").and_then(Value::as_str) {
        Some("call") => call(record),
        Some("task") => Ok(task(record)),
        _ => {
            let found =
                record.get("type").and_then(exact::text).unwrap_or_else(|| "None".to_owned());
            Err(format!(
                "Failed to process activity because type is not supported or was not found, type: {found}"
            ))
        }
    }
}

fn call(record: Unified<'_>) -> Result<Made, String> {
    let mut made = Made { object: Some("calls"), ..Made::default() };
    made.take(
        record,
        &[
            ("activity_datetime", "hs_timestamp"),
            ("title", "hs_call_title"),
            ("owner_id", "hubspot_owner_id"),
        ],
    );
    if let Some(seconds) = record.text("duration_seconds") {
        made.set_text("hs_call_duration", Some(millis(&seconds)?));
    }
    made.take(
        record,
        &[("call_direction", "hs_call_direction"), ("recording_url", "hs_call_recording_url")],
    );
    made.set_text("hs_call_status", Some("COMPLETED".to_owned()));
    if let Some(contact) = record.text("contact_id") {
        made.associations.push(Association::with(
            "contacts",
            &contact,
            default_type(CALL_TO_CONTACT),
        ));
        made.extras.deals_of = Some(contact);
    }
    Ok(made)
}

fn task(record: Unified<'_>) -> Made {
    let mut made = Made { object: Some("tasks"), ..Made::default() };
    made.take(
        record,
        &[
            ("end_datetime", "hs_timestamp"),
            ("description", "hs_task_body"),
            ("title", "hs_task_subject"),
            ("status", "hs_task_status"),
            ("priority", "hs_task_priority"),
        ],
    );
    made.take_said(record, &[("owner_id", "hubspot_owner_id")]);
    made
}

/// Whole seconds in milliseconds.
fn millis(seconds: &str) -> Result<String, String> {
    let whole = seconds.split('.').next().unwrap_or_default();
    let millis = whole.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1000));
    let millis =
        millis.ok_or_else(|| format!("duration_seconds is no number of seconds: {seconds}"))?;
    Ok(millis.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::made;

    #[test]
    fn calls_and_tasks_are_objects_of_their_own() {
        let call = json!({
            "type": "call", "activity_datetime": "2024-01-15T10:30:00Z", "title": "Sales", "duration_seconds": 300,
            "call_direction": "OUTBOUND", "contact_id": "5", "recording_url": "http://r", "owner_id": 7,
        });
        let made_of = made(Kind::Activity, &call.to_string()).unwrap();
        assert_eq!(
            made_of,
            json!({
                "hs_timestamp": "2024-01-15T10:30:00Z", "hs_call_title": "Sales", "hubspot_owner_id": "7",
                "hs_call_duration": "300000", "hs_call_direction": "OUTBOUND",
                "hs_call_recording_url": "http://r", "hs_call_status": "COMPLETED", "$object": "calls",
                "$associations": [{"to": {"id": "5", "objectType": "contacts"}, "types": [
                    {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 194}]}],
                "$beside": {"deals_of": "5"},
            })
        );
        let task = json!({"type": "task", "title": "Do", "end_datetime": "2024-01-15T10:30:00Z",
            "description": "it", "status": "NOT_STARTED", "priority": "HIGH"});
        let made_of = made(Kind::Activity, &task.to_string()).unwrap();
        assert_eq!(
            (&made_of["$object"], &made_of["hs_task_body"]),
            (&json!("tasks"), &json!("it"))
        );
        let told = made(Kind::Activity, r#"{"type": "meeting"}"#).unwrap_err();
        assert!(told.ends_with("type: meeting"), "{told}");
        assert!(made(Kind::Activity, "{}").unwrap_err().ends_with("type: None"));
        made(Kind::Activity, r#"{"type": "call", "duration_seconds": "long"}"#).unwrap_err();
    }
}
