//! Up to 200 records a call: `…/composite/sobjects` and below.
//!
//! A call that can be read is answered with 200, and what became of each record stands where the
//! record stood; where it asks for all or none and one is refused, nothing is written.
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm>

use std::collections::HashMap;

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::{Field, Object};
use super::draft::Draft;
use super::problem::Problem;
use super::rules::{self, Of, Writer};
use super::state::Values;
use super::{
    allows_duplicates, body, held, ids, object, one, org, place, reading, shown, target, version,
    writing,
};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Content, JSON, Plan, Request, Row, Rows};
use crate::sandbox::world::World;

/// Records of one call.
const MAX_RECORDS: usize = 200;
/// Runs of records of one object in one call.
const MAX_CHUNKS: usize = 10;
/// Records read by one call.
const MAX_READ: usize = 2000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Records {
    #[serde(default)]
    all_or_none: bool,
    records: Vec<Values>,
}

/// A record as it is given, and the object that it is of.
type Given = (&'static Object, Values);

/// One record of a call that writes.
struct Input {
    object: &'static Object,
    draft: Draft,
}

/// `POST …/composite/sobjects`
pub(super) fn create(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (all_or_none, inputs) = inputs(request, None)?;
    let of = |(object, given): &Given| target(object, None, one::external(given));
    let targets = inputs.iter().map(of).collect();
    let allows = allows_duplicates(request);
    Ok(writing(targets, move |world, now| {
        let inputs = drafts(world, &inputs)?;
        let writer = Writer::new(world, allows, now);
        Ok(each(world, all_or_none, Told::Saved, inputs, |world, Input { object, draft }| {
            if draft.id.is_some() {
                let message = "cannot specify Id in an insert call";
                return Err(Problem::of("INVALID_FIELD_FOR_INSERT_UPDATE", &["Id"], message).into());
            }
            let number = rules::write(world, writer, object, Of::New, draft)?;
            Ok((ids::long(object.prefix, number), true))
        }))
    }))
}

/// `PATCH …/composite/sobjects`
pub(super) fn update(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (all_or_none, inputs) = inputs(request, None)?;
    let of = |(object, given): &Given| target(object, text(given, "Id"), None);
    let targets = inputs.iter().map(of).collect();
    let allows = allows_duplicates(request);
    Ok(writing(targets, move |world, now| {
        let inputs = drafts(world, &inputs)?;
        let writer = Writer::new(world, allows, now);
        Ok(each(world, all_or_none, Told::Saved, inputs, |world, Input { object, draft }| {
            update_one(world, writer, object, draft)
        }))
    }))
}

/// Changes the record whose id is given.
pub(super) fn update_one(
    world: &mut World,
    writer: Writer,
    object: &'static Object,
    draft: Draft,
) -> Result<(String, bool), Vec<Problem>> {
    let Some(id) = draft.id.clone() else {
        let message = "Id not specified in an update call";
        return Err(Problem::of("MISSING_ARGUMENT", &["Id"], message).into());
    };
    let number = number(world, object, &id)?;
    rules::write(world, writer, object, Of::Held(number), draft)?;
    Ok((ids::long(object.prefix, number), false))
}

/// The number of a record of a list, which is told otherwise than that of a path.
pub(super) fn number(world: &World, object: &Object, id: &str) -> Result<u64, Problem> {
    let of_other = Object::of_id(id).is_some_and(|other| other.name != object.name);
    if !ids::is_id(id.as_bytes()) || of_other {
        let message = format!("{} ID: id value of incorrect type: {id}", object.label);
        return Err(Problem::of("MALFORMED_ID", &["Id"], message));
    }
    held::resolve(world, object, id).map_err(|problem| match problem.code {
        "ENTITY_IS_DELETED" => problem,
        _ => Problem::of("INVALID_CROSS_REFERENCE_KEY", &[], "invalid cross reference id"),
    })
}

/// `PATCH …/composite/sobjects/{object}/{field}`
pub(super) fn upsert(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let object = object(request)?;
    let name = place(request, 2)?;
    let (all_or_none, inputs) = inputs(request, Some(object))?;
    let targets = inputs
        .iter()
        .map(|(_, given)| {
            target(object, None, text(given, &name).map(|value| (name.as_str(), value)))
        })
        .collect();
    let allows = allows_duplicates(request);
    Ok(writing(targets, move |world, now| {
        let object = world.salesforce.org.now(object);
        let key = one::key(object, &name)?;
        let inputs = drafts(world, &inputs)?;
        let writer = Writer::new(world, allows, now);
        let twice = twice(key, inputs.iter().map(|input| &input.draft));
        Ok(each(world, all_or_none, Told::Upserted, inputs, |world, Input { draft, .. }| {
            upsert_one(world, writer, object, key, &twice, draft)
        }))
    }))
}

/// The values of a key that more than one of these has, in lower case.
pub(super) fn twice<'a>(key: &Field, drafts: impl Iterator<Item = &'a Draft>) -> Vec<String> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for value in drafts.filter_map(|draft| draft.text(key.name)) {
        *counts.entry(value.to_lowercase()).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(value, _)| value).collect()
}

/// Makes or changes the record that has this key.
pub(super) fn upsert_one(
    world: &mut World,
    writer: Writer,
    object: &'static Object,
    key: &'static Field,
    twice: &[String],
    mut draft: Draft,
) -> Result<(String, bool), Vec<Problem>> {
    if draft.id.is_some() {
        let message = "The Id field should not be specified in the sobject data.";
        return Err(Problem::of("INVALID_FIELD", &["Id"], message).into());
    }
    let Some(value) = draft.text(key.name) else {
        let message = format!("{} not specified", key.name);
        return Err(Problem::of("MISSING_ARGUMENT", &[key.name], message).into());
    };
    if twice.contains(&value.to_lowercase()) {
        let message = format!("Duplicate external id specified: {value}");
        return Err(Problem::of("DUPLICATE_VALUE", &[key.name], message).into());
    }
    let of = match rules::find(world, object, key, &value)[..] {
        [] => Of::New,
        [number] => {
            draft.take(key.name);
            Of::Held(number)
        }
        ref numbers => {
            let found: Vec<String> =
                numbers.iter().map(|number| ids::long(object.prefix, *number)).collect();
            let message = format!(
                "{}: more than one record found for external id field: [{}]",
                key.name,
                found.join(", ")
            );
            return Err(Problem::of("DUPLICATE_EXTERNAL_ID", &[key.name], message).into());
        }
    };
    let number = rules::write(world, writer, object, of, draft)?;
    Ok((ids::long(object.prefix, number), of == Of::New))
}

/// `DELETE …/composite/sobjects?ids=&allOrNone=`
pub(super) fn delete(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    version(request)?;
    let ids = request.parameter("ids").unwrap_or_default();
    let ids: Vec<String> = ids.split(',').map(|id| id.trim().to_owned()).collect();
    let all_or_none =
        request.parameter("allOrNone").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    check(ids.len())?;
    let targets =
        ids.iter().filter_map(|id| Some(target(Object::of_id(id)?, Some(id), None))).collect();
    Ok(writing(targets, move |world, _| {
        Ok(each(world, all_or_none, Told::Saved, ids, |world, id| {
            let Some(object) = Object::of_id(&id) else {
                let message = format!("malformed id {id}");
                return Err(Problem::of("MALFORMED_ID", &[], message).into());
            };
            let number = number(world, object, &id)?;
            rules::delete(world, object, number)?;
            Ok((ids::long(object.prefix, number), false))
        }))
    }))
}

#[derive(Deserialize)]
struct ToRead {
    ids: Vec<String>,
    fields: Vec<String>,
}

/// `POST …/composite/sobjects/{object}`
pub(super) fn read(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let object = object(request)?;
    let ToRead { ids, fields } = body(request)?;
    list(object, ids, fields)
}

/// `GET …/composite/sobjects/{object}?ids=&fields=`
pub(super) fn get(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let object = object(request)?;
    let names = |name: &str| {
        let text = request.parameter(name).unwrap_or_default();
        text.split(',').map(|one| one.trim().to_owned()).collect()
    };
    list(object, names("ids"), names("fields"))
}

/// What was written is there at once; where nothing is, stands `null`.
fn list(object: &'static Object, ids: Vec<String>, fields: Vec<String>) -> Result<Plan, Answer> {
    if ids.len() > MAX_READ {
        let message = format!("record limit reached. cannot retrieve more than {MAX_READ} records");
        return Err(Problem::bad("EXCEEDED_ID_LIMIT", message).into());
    }
    Ok(reading(move |world, _| {
        let mut list = Vec::with_capacity(ids.len());
        for id in ids {
            let number = held::resolve(world, object, &id).ok();
            list.push(match number.and_then(|number| held::get(world, object, number)) {
                Some(held) => {
                    shown::record(world.salesforce.org.now(object), &held, Some(&fields))?
                }
                None => Value::Null,
            });
        }
        Ok(Answer::json(StatusCode::OK, Value::from(list).to_string()))
    }))
}

/// Reads the records of a call, all of one object or each of its own.
fn inputs(request: &Request, of: Option<&'static Object>) -> Result<(bool, Vec<Given>), Problem> {
    version(request)?;
    let Records { all_or_none, records } = body(request)?;
    check(records.len())?;
    let (mut inputs, mut chunks, mut last) = (Vec::with_capacity(records.len()), 0, "");
    for record in records {
        let name = record.get("attributes").and_then(|attributes| attributes["type"].as_str());
        let Some(name) = name else {
            let message = "The attributes of a record have to name its type";
            return Err(Problem::bad("INVALID_INPUT", message));
        };
        let object = Object::find(name).ok_or_else(|| {
            Problem::bad("INVALID_TYPE", format!("sObject type '{name}' is not supported."))
        })?;
        if of.is_some_and(|of| of.name != object.name) {
            let message = "All records have to be of the type that the path names";
            return Err(Problem::bad("INVALID_INPUT", message));
        }
        chunks += usize::from(object.name != last);
        last = object.name;
        inputs.push((object, record));
    }
    if chunks > MAX_CHUNKS {
        let message = format!(
            "Cannot have more than {MAX_CHUNKS} chunks in a single operation. Please rearrange the \
             data to reduce chunking."
        );
        return Err(Problem::bad("INVALID_INPUT", message));
    }
    Ok((all_or_none, inputs))
}

/// What the records of a call give. One that cannot be read refuses the call.
fn drafts(world: &World, inputs: &[Given]) -> Result<Vec<Input>, Problem> {
    let org = &world.salesforce.org;
    let drafts = inputs.iter().map(|(object, given)| {
        let object = org.now(object);
        Ok(Input { object, draft: Draft::of_json(org, object, given)? })
    });
    drafts.collect()
}

/// A text of a record that has not been read, in any case of its name.
fn text<'a>(given: &'a Values, name: &str) -> Option<&'a str> {
    let mut members = given.iter();
    members.find(|(other, _)| other.eq_ignore_ascii_case(name))?.1.as_str()
}

fn check(records: usize) -> Result<(), Problem> {
    if records > MAX_RECORDS {
        let message = format!(
            "record limit reached. cannot submit more than {MAX_RECORDS} records into this call"
        );
        return Err(Problem::bad("EXCEEDED_ID_LIMIT", message));
    }
    Ok(())
}

/// How a result is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Saved,
    /// With `created`.
    Upserted,
}

/// Does what is asked for with each input, and tells it by position.
fn each<T>(
    world: &mut World,
    all_or_none: bool,
    told: Told,
    inputs: Vec<T>,
    mut write: impl FnMut(&mut World, T) -> Result<(String, bool), Vec<Problem>>,
) -> Answer {
    let mark = world.memory.begin();
    let mut results: Vec<_> = inputs.into_iter().map(|input| write(world, input)).collect();
    let is_kept = !all_or_none || results.iter().all(Result::is_ok);
    world.memory.end(&mark, is_kept);
    if !is_kept {
        org::recall(world);
        for result in results.iter_mut().filter(|result| result.is_ok()) {
            *result = Err(Problem::rolled_back().into());
        }
    }
    let verdicts = results.into_iter().map(|result| row(told, result)).collect();
    let rows = Rows {
        verdicts,
        stranger: row(told, Ok((ids::long("003", u64::from(u32::MAX)), true))).json,
        any_order: false,
        head: String::new(),
        media_type: JSON,
        envelope: |_, rows| {
            let rows: Vec<_> = rows.iter().map(|row| row.json.as_str()).collect();
            format!("[{}]", rows.join(","))
        },
    };
    Answer { status: StatusCode::OK, headers: Vec::new(), content: Content::Rows(Box::new(rows)) }
}

fn row(told: Told, result: Result<(String, bool), Vec<Problem>>) -> Row {
    let applied = result.is_ok();
    let (mut json, is_new) = match result {
        Ok((id, is_new)) => (json!({"id": id, "success": true, "errors": []}), is_new),
        Err(problems) => {
            let errors: Value = problems.iter().map(Problem::in_list).collect();
            (json!({"success": false, "errors": errors}), false)
        }
    };
    if told == Told::Upserted {
        json["created"] = is_new.into();
    }
    Row { json: json.to_string(), applied }
}
