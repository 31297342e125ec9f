//! Up to a hundred records in one call, with a verdict on each.

use std::collections::HashMap;

use hyper::StatusCode;

use super::rules::{self, Change, Problem, Write};
use super::{EXT_ID, idempotency, inputs, object, target};
use crate::sandbox::faults::Faults;
use crate::sandbox::memory::{self, Memory};
use crate::sandbox::record::{Fields, id_text};
use crate::sandbox::remote::{Answer, Content, JSON, Plan, Request, Row, Rows};
use crate::sandbox::world::World;

/// `POST /v1/{object}/batch`: upsert by `ext_id`.
pub(super) fn upsert(request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    let inputs = inputs(request)?.into_iter().map(|fields| Input {
        key: fields.id_text(EXT_ID),
        ext_id: raw_ext_id(&fields),
        write: Ok(Write::Upsert(fields)),
    });
    plan(request, inputs.collect())
}

/// `POST /v1/{object}/batch/create`
pub(super) fn create(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let inputs = inputs(request)?.into_iter().map(|fields| Input {
        key: fields.id_text(EXT_ID).filter(|_| faults.unique_ext_id),
        ext_id: raw_ext_id(&fields),
        write: Ok(Write::Create(fields)),
    });
    let key = idempotency(request, &object(request)?, "batch");
    Ok(Plan { idempotency: key, ..plan(request, inputs.collect())? })
}

/// `POST /v1/{object}/batch/update`: each input with its `id`.
pub(super) fn update(request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    let inputs = inputs(request)?.into_iter().map(|mut fields| {
        let id = fields.take("id").and_then(|id| id_text(&id));
        let ext_id = raw_ext_id(&fields);
        Input {
            key: id.clone(),
            ext_id,
            write: id.ok_or_else(no_id).map(|id| Write::Update(id, fields)),
        }
    });
    plan(request, inputs.collect())
}

/// `POST /v1/{object}/batch/delete`: each input an `id`.
pub(super) fn delete(request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    let inputs = inputs(request)?.into_iter().map(|fields| {
        let id = fields.id_text("id");
        let ext_id = raw_ext_id(&fields);
        Input { key: id.clone(), ext_id, write: id.ok_or_else(no_id).map(Write::Delete) }
    });
    plan(request, inputs.collect())
}

/// One of the inputs.
#[derive(Debug)]
struct Input {
    /// What no other input of the call may have too.
    key: Option<String>,
    /// JSON text, to name the record in its verdict.
    ext_id: Option<String>,
    write: Result<Write, Problem>,
}

fn plan(request: &Request, inputs: Vec<Input>) -> Result<Plan, Answer> {
    let object = object(request)?;
    let targets = inputs.iter().filter_map(|input| match input.write.as_ref().ok()? {
        Write::Create(fields) | Write::Upsert(fields) => Some(target(&object, None, Some(fields))),
        Write::Update(id, fields) => Some(target(&object, memory::id(id), Some(fields))),
        Write::Delete(id) => Some(target(&object, memory::id(id), None)),
    });
    let targets = targets.collect();
    Ok(Plan::writing(targets, move |world, now| {
        let World { memory, faults, .. } = world;
        let mut seen: HashMap<String, usize> = HashMap::new();
        for key in inputs.iter().filter_map(|input| input.key.clone()) {
            *seen.entry(key).or_default() += 1;
        }
        // All are judged before any is applied, so that no verdict depends on the order.
        let judged: Vec<_> = inputs
            .into_iter()
            .map(|Input { key, ext_id, write }| {
                let twice = key.is_some_and(|key| seen.get(&key).is_some_and(|count| *count > 1));
                let change = match write {
                    Ok(_) if twice => Err(duplicate()),
                    Ok(write) => rules::judge(memory, &object, faults.unique_ext_id, write),
                    Err(problem) => Err(problem),
                };
                (ext_id, change)
            })
            .collect();
        let failed = judged.iter().any(|(_, change)| change.is_err());
        if failed && faults.all_or_nothing {
            let message = "a record of the batch is invalid";
            return Problem::new(StatusCode::BAD_REQUEST, "INVALID_BATCH", message).into();
        }
        let rows = judged.into_iter().enumerate().map(|(index, (ext_id, change))| match change {
            Ok(change) => {
                let gone = match &change {
                    Change::Remove(id) => held_ext_id(memory, &object, *id),
                    _ => None,
                };
                let (id, new) = rules::apply(memory, &object, change, now);
                let ext_id = gone.or(ext_id).or_else(|| held_ext_id(memory, &object, id));
                Row { json: applied(index, id, ext_id, new), applied: true }
            }
            Err(problem) => Row { json: refused(index, ext_id, &problem), applied: false },
        });
        let rows = Rows {
            verdicts: rows.collect(),
            stranger: applied(0, u64::MAX, Some("\"nobody-asked\"".to_owned()), false),
            any_order: true,
            head: String::new(),
            media_type: JSON,
            envelope,
        };
        let status = if failed { StatusCode::MULTI_STATUS } else { StatusCode::OK };
        Answer { status, headers: Vec::new(), content: Content::Rows(Box::new(rows)) }
    }))
}

fn raw_ext_id(fields: &Fields) -> Option<String> {
    fields.get(EXT_ID).map(|value| value.get().to_owned())
}

fn held_ext_id(memory: &Memory, object: &str, id: u64) -> Option<String> {
    raw_ext_id(&memory.get(object, id)?.fields())
}

fn no_id() -> Problem {
    Problem::field("REQUIRED", "id", "`id` is missing")
}

fn duplicate() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "DUPLICATE", "another input is about the same record")
}

fn applied(index: usize, id: u64, ext_id: Option<String>, new: bool) -> String {
    let ext_id = named(ext_id);
    format!("{{\"index\":{index},\"id\":\"{id}\"{ext_id},\"new\":{new}}}")
}

fn refused(index: usize, ext_id: Option<String>, problem: &Problem) -> String {
    let ext_id = named(ext_id);
    format!("{{\"index\":{index}{ext_id},\"error\":{}}}", problem.to_json())
}

fn named(ext_id: Option<String>) -> String {
    ext_id.map(|json| format!(",\"ext_id\":{json}")).unwrap_or_default()
}

fn envelope(_head: &str, rows: &[Row]) -> String {
    let rows: Vec<_> = rows.iter().map(|row| row.json.as_str()).collect();
    format!("{{\"results\":[{}]}}", rows.join(","))
}
