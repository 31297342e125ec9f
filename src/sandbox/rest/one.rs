//! Records one at a time.

use std::hash::{DefaultHasher, Hash, Hasher};

use hyper::StatusCode;
use hyper::header::ETAG;

use super::rules::{self, Problem, Write};
use super::{EXT_ID, cursor, idempotency, limit, object, page, record, target};
use crate::sandbox::faults::Faults;
use crate::sandbox::memory::{self, Memory};
use crate::sandbox::record::Record;
use crate::sandbox::remote::{Answer, Plan, Request, Target};
use crate::sandbox::world::World;

/// `GET /v1/{object}?limit=&after=`: records in the order of ids.
pub(super) fn list(request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    let object = object(request)?;
    let limit = limit(request.parameter("limit").as_deref())?;
    let after = cursor(request.parameter("after").as_deref())?;
    Ok(Plan::reading(move |world, _| {
        let mut records = world.memory.after(&object, after);
        let mut last = after;
        let mut rows = Vec::new();
        for (id, record) in records.by_ref().take(limit) {
            let mut row = String::new();
            record.write(id, &mut row);
            rows.push(row);
            last = id;
        }
        page(&rows, records.next().map(|_| last))
    }))
}

/// `GET /v1/{object}/{id}`, with an `ETag`.
pub(super) fn get(request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    let object = object(request)?;
    let id = spelled_id(request);
    Ok(Plan::reading(move |world, _| show(&world.memory, &object, &id, StatusCode::OK)))
}

/// `POST /v1/{object}`: 201, 409 when the external id is taken and must be unique.
pub(super) fn create(request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    let object = object(request)?;
    let fields = record(request)?;
    let targets = vec![target(&object, None, Some(&fields))];
    let key = idempotency(request, &object, "one");
    Ok(Plan { idempotency: key, ..writing(object, targets, Write::Create(fields)) })
}

/// `PATCH /v1/{object}/{id}`: the given fields are replaced, the others stay. 412 when `If-Match`
/// names another version.
pub(super) fn update(request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    let object = object(request)?;
    let fields = record(request)?;
    let id = spelled_id(request);
    let targets = vec![target(&object, memory::id(&id), Some(&fields))];
    Ok(conditional(
        request,
        object.clone(),
        id.clone(),
        writing(object, targets, Write::Update(id, fields)),
    ))
}

/// `DELETE /v1/{object}/{id}`: 204, 404 when it is not there, 412 when `If-Match` names another
/// version.
pub(super) fn delete(request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    let object = object(request)?;
    let id = spelled_id(request);
    let targets = vec![target(&object, memory::id(&id), None)];
    Ok(conditional(
        request,
        object.clone(),
        id.clone(),
        writing(object, targets, Write::Delete(id)),
    ))
}

/// `PUT /v1/{object}/by-ext/{ext_id}`: 201 when it was made, 200 when it was there.
pub(super) fn upsert(request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    let object = object(request)?;
    let mut fields = record(request)?;
    let not_text = |_| Problem::field("INVALID_TYPE", EXT_ID, "`ext_id` is not UTF-8");
    let ext_id = request.place(1).map_err(not_text)?;
    if fields.get(EXT_ID).is_some() && fields.id_text(EXT_ID).as_deref() != Some(ext_id) {
        let message = "`ext_id` of the record is not that of the path";
        return Err(Problem::field("MISMATCH", EXT_ID, message).into());
    }
    if fields.get(EXT_ID).is_none() {
        fields.set_text(EXT_ID, ext_id);
    }
    let targets = vec![target(&object, None, Some(&fields))];
    Ok(writing(object, targets, Write::Upsert(fields)))
}

/// Carries out `plan` only when the record is of the version that `If-Match` names.
fn conditional(request: &Request, object: String, id: String, plan: Plan) -> Plan {
    let Some(named) = request.header("if-match").map(ToOwned::to_owned) else { return plan };
    let Plan { targets, run, .. } = plan;
    Plan::writing(targets, move |world, now| {
        let held = memory::id(&id).and_then(|id| world.memory.get(&object, id));
        match held.map(version) {
            Some(version) if version != named => {
                let message = format!("the record is of version {version}");
                Problem::new(StatusCode::PRECONDITION_FAILED, "CHANGED", &message).into()
            }
            _ => run(world, now),
        }
    })
}

/// Changes with the content.
fn version(record: &Record) -> String {
    let mut hasher = DefaultHasher::new();
    record.json().hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

fn spelled_id(request: &Request) -> String {
    String::from_utf8_lossy(request.places.get(1).map_or(&[], Vec::as_slice)).into_owned()
}

fn writing(object: String, targets: Vec<Target>, write: Write) -> Plan {
    Plan::writing(targets, move |world, now| {
        let World { memory, faults, .. } = world;
        let gone = matches!(write, Write::Delete(_));
        let change = match rules::judge(memory, &object, faults.unique_ext_id, write) {
            Ok(change) => change,
            Err(problem) => return problem.into(),
        };
        let (id, new) = rules::apply(memory, &object, change, now);
        match (gone, new) {
            (true, _) => Answer::empty(StatusCode::NO_CONTENT),
            (_, true) => show(memory, &object, &id.to_string(), StatusCode::CREATED),
            (_, false) => show(memory, &object, &id.to_string(), StatusCode::OK),
        }
    })
}

fn show(memory: &Memory, object: &str, spelled: &str, status: StatusCode) -> Answer {
    let found = memory::id(spelled).and_then(|id| Some((id, memory.get(object, id)?)));
    let Some((id, record)) = found else {
        return Problem::not_found(object, spelled).into();
    };
    let mut json = String::new();
    record.write(id, &mut json);
    let mut answer = Answer::json(status, json);
    answer.headers.push((ETAG, version(record)));
    answer
}
