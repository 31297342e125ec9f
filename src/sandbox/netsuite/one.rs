//! `/record/v1/{type}` and `/record/v1/{type}/{id}`: records one by one; and the same calls for
//! many, which become jobs.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/article_0127092747.html>

use hyper::StatusCode;
use serde_json::Value;

use super::problem::Problem;
use super::shown::Look;
use super::state::Values;
use super::work::{Key, Verb, Work};
use super::{base, held, jobs, kind, reading, shown, writing};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Content, Plan, Request};

/// Records in one call, at most.
const MAX_RECORDS: usize = 100;

/// `POST /record/v1/{type}`
pub(super) fn create(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    if is_collection(request) {
        return many(request, faults, |_| Ok(Verb::Create));
    }
    one(request, faults, Verb::Create)
}

/// `PATCH /record/v1/{type}`: many at once only.
pub(super) fn change_many(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    many(request, faults, |item| {
        if let Some(id) = item.get("id").and_then(id_text) {
            return Ok(Verb::Change(Key::Id(id)));
        }
        let external_id = item.get("externalId").and_then(Value::as_str);
        let external_id = external_id.ok_or_else(|| Problem::value("id"))?;
        Ok(Verb::Change(Key::ExternalId(external_id.to_owned())))
    })
}

/// `PUT /record/v1/{type}`: many at once only, by external ids only.
pub(super) fn upsert_many(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    many(request, faults, |item| {
        let external_id = item.get("externalId").and_then(Value::as_str);
        let external_id = external_id.ok_or_else(|| Problem::value("externalId"))?;
        Ok(Verb::Upsert(external_id.to_owned()))
    })
}

/// `DELETE /record/v1/{type}?ids=`: many at once only.
pub(super) fn delete_many(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let ids = request.parameter("ids").unwrap_or_default();
    let keys: Vec<&str> = ids.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
    if keys.is_empty() {
        return Err(Problem::bad("INVALID_PARAMETER", "No ids.").parameter("ids").into());
    }
    let works: Result<Vec<Work>, Problem> = keys
        .into_iter()
        .map(|key| work(request, Verb::Delete(Key::parse(key)?), Values::new()))
        .collect();
    submit(request, faults, works?)
}

/// `GET /record/v1/{type}/{id}`
pub(super) fn get(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let kind = kind(request)?;
    let key = key(request)?;
    let fields = request.parameter("fields");
    let look = Look {
        base: base(request),
        is_expanded: request.parameter("expandSubResources").as_deref() == Some("true"),
        fields: fields.map(|list| list.split(',').map(|name| name.trim().to_owned()).collect()),
    };
    Ok(reading(move |world, _| {
        let id = key.find(world, kind)?;
        let values = held::get(world, kind, id).ok_or_else(Problem::no_record)?;
        let told = shown::record(world, kind, id, &values, &look);
        let media_type = "application/vnd.oracle.resource+json; type=singular-resource";
        let content = Content::Text(media_type, told.to_string());
        Ok(Answer { status: StatusCode::OK, headers: Vec::new(), content })
    }))
}

/// `GET /record/v1/{type}/{id}/{sublist}`
/// <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/chapter_1545142407.html>
pub(super) fn get_part(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let kind = kind(request)?;
    let key = key(request)?;
    let name = request.place(2).unwrap_or_default().to_owned();
    let fields = Some(vec![name.clone()]);
    let look = Look { base: base(request), is_expanded: true, fields };
    Ok(reading(move |world, _| {
        let id = key.find(world, kind)?;
        let values = held::get(world, kind, id).ok_or_else(Problem::no_record)?;
        let told = shown::record(world, kind, id, &values, &look);
        let part = told.get(&name).filter(|part| part.is_object() && name != "links");
        let part = part.ok_or_else(|| {
            let detail = format!("The sub-resource '{name}' does not exist.");
            Problem::new(StatusCode::NOT_FOUND, "NOT_FOUND", detail)
        })?;
        let media_type = "application/vnd.oracle.resource+json; type=collection";
        let content = Content::Text(media_type, part.to_string());
        Ok(Answer { status: StatusCode::OK, headers: Vec::new(), content })
    }))
}

/// `PATCH /record/v1/{type}/{id}`
pub(super) fn change(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let key = key(request)?;
    one(request, faults, Verb::Change(key))
}

/// `PUT /record/v1/{type}/eid:{external id}`
/// <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_156335203191.html>
pub(super) fn upsert(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    match key(request)? {
        Key::ExternalId(external_id) => one(request, faults, Verb::Upsert(external_id)),
        Key::Id(_) => {
            let detail = "The upsert operation needs an external ID in the request URL.";
            Err(Problem::bad("INVALID_REQUEST", detail).into())
        }
    }
}

/// `DELETE /record/v1/{type}/{id}`
pub(super) fn delete(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let work = work(request, Verb::Delete(key(request)?), Values::new())?;
    run(request, faults, work)
}

fn one(request: &Request, faults: &Faults, verb: Verb) -> Result<Plan, Answer> {
    let Ok(Value::Object(body)) = serde_json::from_slice(&request.body) else {
        return Err(Problem::body().into());
    };
    run(request, faults, work(request, verb, body)?)
}

fn run(request: &Request, faults: &Faults, work: Work) -> Result<Plan, Answer> {
    if jobs::is_asked(request) {
        return jobs::submit(request, faults, vec![work.later()]);
    }
    Ok(writing(vec![work.target()], move |world, now| Ok(work.run(world, now))))
}

fn many(
    request: &Request,
    faults: &Faults,
    verb: impl Fn(&Values) -> Result<Verb, Problem>,
) -> Result<Plan, Answer> {
    if !is_collection(request) {
        let detail = "A collection is needed: type=collection.";
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "INVALID_HEADER", detail);
        return Err(problem.header("Content-Type").into());
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| Problem::body())?;
    let items = body["items"].as_array().ok_or_else(Problem::body)?;
    let works: Result<Vec<Work>, Problem> = items
        .iter()
        .map(|item| {
            let item = item.as_object().ok_or_else(Problem::body)?;
            work(request, verb(item)?, item.clone())
        })
        .collect();
    submit(request, faults, works?)
}

/// Many records are never written while the client waits.
fn submit(request: &Request, faults: &Faults, works: Vec<Work>) -> Result<Plan, Answer> {
    if !jobs::is_asked(request) {
        let detail = "Batch operations need the header Prefer: respond-async.";
        return Err(Problem::bad("INVALID_HEADER", detail).header("Prefer").into());
    }
    if works.is_empty() {
        return Err(Problem::body().into());
    }
    if works.len() > MAX_RECORDS {
        let detail =
            format!("The batch has {} records. The maximum is {MAX_RECORDS}.", works.len());
        return Err(Problem::bad("INVALID_CONTENT", detail).at("items").into());
    }
    jobs::submit(request, faults, works.into_iter().map(Work::later).collect())
}

fn work(request: &Request, verb: Verb, body: Values) -> Result<Work, Problem> {
    let replaced = request.parameter("replace").unwrap_or_default();
    // Other names are left out with a warning, unless the call is strict.
    let names = request.header("x-netsuite-propertynamevalidation").unwrap_or("Warning");
    Ok(Work {
        kind: kind(request)?,
        verb,
        body,
        is_strict: names.eq_ignore_ascii_case("error"),
        replaced: replaced.split(',').map(|name| name.trim().to_owned()).collect(),
        base: base(request),
    })
}

fn is_collection(request: &Request) -> bool {
    let kind = request.header("content-type").unwrap_or_default().to_ascii_lowercase();
    kind.split(';').any(|part| part.trim() == "type=collection")
}

fn key(request: &Request) -> Result<Key, Problem> {
    Key::parse(request.place(1).map_err(|_| Problem::no_record())?)
}

fn id_text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| Some(value.as_u64()?.to_string()))
}
