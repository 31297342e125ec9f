//! Records one at a time: `/crm/objects/{version}/{object}` and below.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::associations::{self, Association};
use super::object::Object;
use super::problem::Problem;
use super::rules::{self, Key, Write};
use super::shown::{Wanted, show};
use super::{body, list, object_name, place, reading, target, writing};
use crate::sandbox::faults::Faults;
use crate::sandbox::memory::{self, Memory};
use crate::sandbox::remote::{Answer, Plan, Request};

/// Records in one page.
const MAX_PAGE: usize = 100;
const PAGE: usize = 10;

#[derive(Deserialize)]
struct ToCreate {
    properties: Map<String, Value>,
    #[serde(default)]
    associations: Vec<Association>,
}

#[derive(Deserialize)]
struct ToUpdate {
    properties: Map<String, Value>,
}

/// `POST …/{object}`: 201.
pub(super) fn create(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let name = object_name(request)?;
    let ToCreate { properties, associations } = body(request)?;
    let email = properties.get("email").and_then(Value::as_str);
    let targets = vec![target(&name, None, email.map(|email| ("email", email)))];
    Ok(writing(targets, move |memory, now| {
        let object = Object::find(memory, &name)?;
        let change = rules::judge(memory, &object, Write::Create(properties))?;
        let (id, _) = rules::apply(memory, &object, change, now);
        associations::associate(memory, &object, id, &associations, now);
        shown(memory, &object, id, &Wanted::Held, StatusCode::CREATED)
    }))
}

/// `GET …/{object}/{id}?idProperty=&properties=`
pub(super) fn get(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let name = object_name(request)?;
    let key = key(request)?;
    let names = list(request, "properties");
    Ok(reading(move |memory, _| {
        let object = Object::find(memory, &name)?;
        let wanted = Wanted::named(names, &object);
        let Some(id) = rules::find(memory, &object, &key)? else { return Err(gone()) };
        shown(memory, &object, id, &wanted, StatusCode::OK)
    }))
}

/// `PATCH …/{object}/{id}?idProperty=`: the given properties are replaced, the others stay.
pub(super) fn update(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let name = object_name(request)?;
    let key = key(request)?;
    let ToUpdate { properties } = body(request)?;
    let targets = vec![match &key {
        Key::Id(text) => target(&name, memory::id(text), None),
        Key::Unique { property, value } => target(&name, None, Some((property, value))),
    }];
    Ok(writing(targets, move |memory, now| {
        let object = Object::find(memory, &name)?;
        if rules::find(memory, &object, &key)?.is_none() {
            return Err(gone());
        }
        let change = rules::judge(memory, &object, Write::Update(key, properties))?;
        let (id, _) = rules::apply(memory, &object, change, now);
        shown(memory, &object, id, &Wanted::Held, StatusCode::OK)
    }))
}

/// `DELETE …/{object}/{id}`: 204, whether it was there or not.
pub(super) fn delete(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let name = object_name(request)?;
    let id = memory::id(&place(request, 2)?);
    Ok(writing(vec![target(&name, id, None)], move |memory, _| {
        let object = Object::find(memory, &name)?;
        if let Some(id) = id {
            memory.remove(&object.records(), id);
        }
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }))
}

/// `GET …/{object}?limit=&after=&properties=`: in the order of ids.
pub(super) fn page(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let name = object_name(request)?;
    let number = |name: &str| request.parameter(name).and_then(|text| text.parse::<usize>().ok());
    let limit = number("limit").unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let after = number("after").unwrap_or_default() as u64;
    let names = list(request, "properties");
    Ok(reading(move |memory, _| {
        let object = Object::find(memory, &name)?;
        let wanted = Wanted::named(names, &object);
        let records = object.records();
        let ids: Vec<u64> =
            memory.after(&records, after).map(|(id, _)| id).take(limit + 1).collect();
        let here = &ids[..ids.len().min(limit)];
        let results: Vec<Value> =
            here.iter().filter_map(|id| show(memory, &object, *id, &wanted)).collect();
        let mut page = json!({"results": results});
        if let (true, Some(last)) = (ids.len() > limit, here.last()) {
            page["paging"] = json!({"next": {"after": last.to_string()}});
        }
        Ok(Answer::json(StatusCode::OK, page.to_string()))
    }))
}

fn key(request: &Request) -> Result<Key, Problem> {
    Ok(rules::key(place(request, 2)?, request.parameter("idProperty")))
}

fn gone() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", "resource not found")
}

fn shown(
    memory: &Memory,
    object: &Object,
    id: u64,
    wanted: &Wanted,
    status: StatusCode,
) -> Result<Answer, Problem> {
    let json = show(memory, object, id, wanted).ok_or_else(gone)?;
    Ok(Answer::json(status, json.to_string()))
}
