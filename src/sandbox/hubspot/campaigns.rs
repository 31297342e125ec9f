//! Marketing campaigns, which are no objects of the CRM: one a call, with a UUID as id.
//!
//! <https://developers.hubspot.com/docs/reference/api/marketing/campaigns>

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::{body, place, reading, writing};
use crate::sandbox::faults::Faults;
use crate::sandbox::memory::Memory;
use crate::sandbox::record::{Fields, Record};
use crate::sandbox::remote::{Answer, Plan, Request};
use crate::store::jobs;

const CAMPAIGNS: &str = "hubspot/campaigns";
/// What stands in each id before the number of the campaign, which is random with HubSpot.
const PREFIX: &str = "edb9b6c3-d2e2-4ca8-8396-";

#[derive(Deserialize)]
struct Sent {
    properties: Map<String, Value>,
}

/// `POST /marketing/campaigns/{version}`: 201.
pub(super) fn create(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let Sent { properties } = body(request)?;
    if properties.get("hs_name").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(Problem::invalid("The campaign has no hs_name").into());
    }
    let fields = fields(&properties)?;
    Ok(writing(Vec::new(), move |memory, now| {
        let mut fields = fields;
        fields.set_text("createdAt", &jobs::now());
        let id = memory.create(CAMPAIGNS, &fields, now);
        Ok(shown(memory, id, StatusCode::CREATED))
    }))
}

/// `GET …/{id}`
pub(super) fn get(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let id = place(request, 1)?;
    Ok(reading(move |memory, _| there(memory, &id).map(|id| shown(memory, id, StatusCode::OK))))
}

/// `PATCH …/{id}`: the given properties are replaced, the others stay.
pub(super) fn update(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let id = place(request, 1)?;
    let Sent { properties } = body(request)?;
    let fields = fields(&properties)?;
    Ok(writing(Vec::new(), move |memory, _| {
        let id = there(memory, &id)?;
        memory.merge(CAMPAIGNS, id, fields);
        Ok(shown(memory, id, StatusCode::OK))
    }))
}

/// `DELETE …/{id}`: 204.
pub(super) fn delete(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let id = place(request, 1)?;
    Ok(writing(Vec::new(), move |memory, _| {
        let id = there(memory, &id)?;
        memory.remove(CAMPAIGNS, id);
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }))
}

/// Properties are texts, and all of them begin so.
fn fields(properties: &Map<String, Value>) -> Result<Fields, Problem> {
    let mut fields = Fields::default();
    for (name, value) in properties {
        let text = value.as_str().filter(|_| name.starts_with("hs_"));
        let text = text.ok_or_else(|| {
            Problem::invalid(format!("{name} is no property of a campaign, or no text"))
        })?;
        fields.set_text(name, text);
    }
    Ok(fields)
}

fn there(memory: &Memory, id: &str) -> Result<u64, Problem> {
    let number = id.strip_prefix(PREFIX).and_then(|number| number.parse().ok());
    number.filter(|id| memory.get(CAMPAIGNS, *id).is_some()).ok_or_else(|| {
        let message = format!("No campaign has the id {id}");
        Problem::new(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", message)
    })
}

fn shown(memory: &Memory, id: u64, status: StatusCode) -> Answer {
    let held = memory.get(CAMPAIGNS, id).map(Record::json).unwrap_or_default();
    let mut properties: Map<String, Value> = serde_json::from_str(held).unwrap_or_default();
    let made = properties.remove("createdAt").unwrap_or_default();
    let campaign = json!({
        "id": format!("{PREFIX}{id:012}"), "properties": properties, "createdAt": made,
        "updatedAt": made, "businessUnits": [],
    });
    Answer::json(status, campaign.to_string())
}
