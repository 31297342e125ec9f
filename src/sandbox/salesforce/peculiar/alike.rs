//! The duplicate rule: no two with the same email.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_duplicaterules.htm>

use serde_json::{Value, json};

use super::super::catalog::Object;
use super::super::problem::Problem;
use super::super::rules::{self, Of};
use super::super::{ids, shown};
use crate::sandbox::world::World;

/// # Errors
/// Another record has this email.
pub(super) fn judge(
    world: &mut World,
    object: &'static Object,
    of: Of,
    email: Option<&str>,
) -> Result<(), Problem> {
    let Some((field, email)) = object.field("Email").zip(email) else { return Ok(()) };
    let found = rules::find(world, object, field, email);
    let others: Vec<Value> = found
        .into_iter()
        .filter(|other| of != Of::Held(*other))
        .map(|other| {
            let id = ids::long(object.prefix, other);
            json!({"additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0,
                "record": {"attributes": shown::attributes(object, &id), "Id": id}})
        })
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let message = "Use one of these records?";
    let duplicates = json!({
        "allowSave": true,
        "duplicateRule": format!("Standard_{}_Duplicate_Rule", object.name),
        "duplicateRuleEntityType": object.name,
        "errorMessage": message,
        "matchResults": [{
            "entityType": object.name, "errors": [], "matchEngine": "FuzzyMatchEngine",
            "matchRecords": others, "rule": format!("Standard_{}_Match_Rule_v1_1", object.name),
            "size": others.len(), "success": true,
        }],
    });
    Err(Problem {
        duplicates: Some(Box::new(duplicates)),
        ..Problem::bad("DUPLICATES_DETECTED", message)
    })
}
