//! Lists of records, and who is in them.
//!
//! <https://developers.hubspot.com/docs/api-reference/latest/crm/lists/guide>

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::object::Object;
use super::problem::Problem;
use super::{body, place, reading, writing};
use crate::sandbox::faults::Faults;
use crate::sandbox::memory::{self, Memory};
use crate::sandbox::record::{Fields, Record};
use crate::sandbox::remote::{Answer, Plan, Request};
use crate::store::jobs;

const LISTS: &str = "hubspot/lists";
/// Records of one call that changes who is in a list.
const MAX_RECORDS: usize = 100_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToCreate {
    name: String,
    object_type_id: String,
    processing_type: String,
}

/// `POST /crm/lists/{version}`
pub(super) fn create(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let ToCreate { name, object_type_id, processing_type } = body(request)?;
    if !matches!(processing_type.as_str(), "MANUAL" | "SNAPSHOT" | "DYNAMIC") {
        let message = format!("{processing_type} is no processingType");
        return Err(Problem::invalid(message).into());
    }
    Ok(writing(Vec::new(), move |memory, now| {
        let object = Object::find(memory, &object_type_id)?;
        if named(memory, &object.id, &name).is_some() {
            let message = format!("A list with the name '{name}' already exists.");
            return Err(Problem::invalid(message));
        }
        let mut fields = Fields::default();
        fields.set_text("name", &name);
        fields.set_text("key", &key(&object.id, &name));
        fields.set_text("objectTypeId", &object.id);
        fields.set_text("processingType", &processing_type);
        let id = memory.create(LISTS, &fields, now);
        Ok(shown(memory, id))
    }))
}

/// `GET …/{list}`
pub(super) fn get(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let list = place(request, 1)?;
    Ok(reading(move |memory, _| there(memory, &list).map(|id| shown(memory, id))))
}

/// `GET …/object-type-id/{object}/name/{name}`
pub(super) fn by_name(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (object, name) = (place(request, 1)?, place(request, 2)?);
    Ok(reading(move |memory, _| {
        let object = Object::find(memory, &object)?;
        let id = named(memory, &object.id, &name).ok_or_else(|| missing(&name))?;
        Ok(shown(memory, id))
    }))
}

/// `GET …/{list}/memberships`, also in the order of joining.
pub(super) fn memberships(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let list = place(request, 1)?;
    Ok(reading(move |memory, _| {
        let members = members(there(memory, &list)?);
        let member = |fields: Fields| {
            json!({"recordId": fields.id_text("recordId"),
                   "membershipTimestamp": fields.id_text("joined")})
        };
        let held = memory.after(&members, 0);
        let results: Vec<Value> = held.map(|(_, record)| member(record.fields())).collect();
        let body = json!({"total": results.len(), "results": results});
        Ok(Answer::json(StatusCode::OK, body.to_string()))
    }))
}

/// `PUT …/{list}/memberships/add`: the ids. Who is in the list stays in it.
pub(super) fn add(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    change(request, body(request)?, Vec::new())
}

/// `PUT …/{list}/memberships/remove`: the ids.
pub(super) fn remove(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    change(request, Vec::new(), body(request)?)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Both {
    #[serde(default)]
    record_ids_to_add: Vec<Value>,
    #[serde(default)]
    record_ids_to_remove: Vec<Value>,
}

/// `PUT …/{list}/memberships/add-and-remove`
pub(super) fn add_and_remove(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let Both { record_ids_to_add, record_ids_to_remove } = body(request)?;
    change(request, record_ids_to_add, record_ids_to_remove)
}

fn change(request: &Request, add: Vec<Value>, remove: Vec<Value>) -> Result<Plan, Answer> {
    let list = place(request, 1)?;
    if add.len() + remove.len() > MAX_RECORDS {
        let message = format!("more than {MAX_RECORDS} records in one call");
        return Err(Problem::invalid(message).into());
    }
    Ok(writing(Vec::new(), move |memory, now| {
        let id = there(memory, &list)?;
        let held = memory.get(LISTS, id).map(Record::fields).unwrap_or_default();
        if held.id_text("processingType").as_deref() == Some("DYNAMIC") {
            return Err(Problem::invalid("records of a dynamic list cannot be changed"));
        }
        let object = held.id_text("objectTypeId").unwrap_or_default();
        let object = Object::find(memory, &object)?;
        let members = members(id);
        let (mut added, mut removed, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for record in add.iter().map(text) {
            let known = memory::id(&record);
            if known.is_none_or(|id| memory.get(&object.records(), id).is_none()) {
                missing.push(record);
            } else if memory.find(&members, "recordId", &record).is_empty() {
                let mut fields = Fields::default();
                fields.set_text("recordId", &record);
                fields.set_text("joined", &jobs::now());
                memory.create(&members, &fields, now);
                added.push(record);
            }
        }
        for record in remove.iter().map(text) {
            if let Some(member) = memory.find(&members, "recordId", &record).first().copied() {
                memory.remove(&members, member);
                removed.push(record);
            }
        }
        let body = json!({"recordsIdsAdded": added, "recordIdsRemoved": removed,
                          "recordIdsMissing": missing});
        Ok(Answer::json(StatusCode::OK, body.to_string()))
    }))
}

/// Ids are texts, or numbers.
fn text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

fn key(object: &str, name: &str) -> String {
    format!("{object}/{}", name.to_lowercase())
}

fn members(list: u64) -> String {
    format!("hubspot/memberships/{list}")
}

fn named(memory: &mut Memory, object: &str, name: &str) -> Option<u64> {
    memory.find(LISTS, "key", &key(object, name)).first().copied()
}

fn there(memory: &Memory, list: &str) -> Result<u64, Problem> {
    memory::id(list).filter(|id| memory.get(LISTS, *id).is_some()).ok_or_else(|| missing(list))
}

fn missing(list: &str) -> Problem {
    let message = format!("List does not exist with id or name {list}.");
    Problem::new(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", message)
}

fn shown(memory: &Memory, id: u64) -> Answer {
    let fields = memory.get(LISTS, id).map(Record::fields).unwrap_or_default();
    let text = |name: &str| fields.id_text(name);
    let list = json!({"list": {
        "listId": id.to_string(), "name": text("name"), "objectTypeId": text("objectTypeId"),
        "processingType": text("processingType"), "processingStatus": "COMPLETE", "listVersion": 1,
    }});
    Answer::json(StatusCode::OK, list.to_string())
}
