//! Up to a hundred records a call: `…/batch/{create,read,update,upsert,archive}`.
//!
//! Answers are `{status, results, numErrors?, errors?, startedAt, completedAt}`. What is wrong with
//! single inputs is told record by record, in a 207, where each input of the call has an
//! `objectWriteTraceId` of its own; where one has not, all of the call is refused.
//! <https://developers.hubspot.com/docs/api-reference/latest/error-handling#multi-status-errors>

use std::collections::HashSet;

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::associations::{self, Association};
use super::object::Object;
use super::problem::Problem;
use super::rules::{self, Change, Write};
use super::shown::{Wanted, show};
use super::{body, object_name, reading, target, writing};
use crate::sandbox::faults::Faults;
use crate::sandbox::memory::{self, Memory};
use crate::sandbox::remote::{Answer, Content, JSON, Plan, Request, Row, Rows, Target};
use crate::store::jobs;

/// Inputs of one call.
const MAX_INPUTS: usize = 100;

#[derive(Deserialize)]
struct Inputs<T> {
    inputs: Vec<T>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToWrite {
    id: Option<String>,
    id_property: Option<String>,
    object_write_trace_id: Option<String>,
    properties: Option<Map<String, Value>>,
    #[serde(default)]
    associations: Vec<Association>,
}

/// What is done with each input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Create,
    Update,
    Upsert,
}

pub(super) fn create(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    write(request, Doing::Create)
}

pub(super) fn update(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    write(request, Doing::Update)
}

pub(super) fn upsert(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    write(request, Doing::Upsert)
}

fn write(request: &Request, doing: Doing) -> Result<Plan, Answer> {
    let name = object_name(request)?;
    let Inputs { inputs } = body::<Inputs<ToWrite>>(request)?;
    check(inputs.len())?;
    for input in &inputs {
        let needed = match doing {
            Doing::Create => input.properties.is_some(),
            Doing::Update | Doing::Upsert => input.properties.is_some() && input.id.is_some(),
        };
        if !needed {
            let which = if input.properties.is_none() { "properties" } else { "id" };
            return Err(Problem::invalid(format!(
                "Invalid input JSON: Some required fields were not set: [{which}]"
            ))
            .into());
        }
    }
    if doing != Doing::Create {
        let keys = inputs
            .iter()
            .map(|input| (input.id_property.as_deref(), input.id.as_deref().unwrap_or_default()));
        unique(keys)?;
    }
    let targets = inputs.iter().map(|input| target_of(&name, input, doing)).collect();
    Ok(writing(targets, move |memory, now| {
        let object = Object::find(memory, &name)?;
        for property in inputs.iter().filter_map(|input| input.id_property.as_ref()) {
            rules::must_be_unique(memory, &object, property)?;
        }
        let traces: HashSet<&String> =
            inputs.iter().filter_map(|input| input.object_write_trace_id.as_ref()).collect();
        let is_each_told = traces.len() == inputs.len();
        let mut judged = Vec::with_capacity(inputs.len());
        // Of two inputs with one value that must be unique, the second is wrong.
        let mut taken: HashSet<(String, String)> = HashSet::new();
        for ToWrite { id, id_property, object_write_trace_id, properties, associations } in inputs {
            let properties = properties.unwrap_or_default();
            let id = id.unwrap_or_default();
            let write = match (doing, id_property) {
                (Doing::Create, _) => Ok(Write::Create(properties)),
                (Doing::Update, property) => {
                    Ok(Write::Update(rules::key(id, property), properties))
                }
                (Doing::Upsert, Some(property)) => {
                    Ok(Write::Upsert { property, value: id, properties })
                }
                (Doing::Upsert, None) => Err(Problem::invalid("idProperty is required")),
            };
            let change = write
                .and_then(|write| rules::judge(memory, &object, write))
                .and_then(|change| once(memory, &object, change, &mut taken));
            judged.push((object_write_trace_id, associations, change));
        }
        let is_refused = judged.iter().any(|(_, _, change)| change.is_err());
        // Ids that nothing has are told record by record in any case.
        let refuses_all = |problem: &&Problem| {
            !(doing == Doing::Update && problem.status() == StatusCode::NOT_FOUND)
        };
        let mut problems = judged.iter().filter_map(|(_, _, change)| change.as_ref().err());
        if let Some(problem) = problems.find(refuses_all).filter(|_| !is_each_told) {
            return Err(problem.clone());
        }
        let rows = judged.into_iter().map(|(trace, associations, change)| match change {
            Ok(change) => {
                let (id, is_new) = rules::apply(memory, &object, change, now);
                associations::associate(memory, &object, id, &associations, now);
                let mut shown = show(memory, &object, id, &Wanted::Held).unwrap_or_default();
                if doing == Doing::Upsert {
                    shown["new"] = is_new.into();
                }
                if let Some(trace) = trace {
                    shown["objectWriteTraceId"] = trace.into();
                }
                Row { json: shown.to_string(), applied: true }
            }
            Err(problem) => {
                let problem = match trace {
                    Some(trace) => problem.about("objectWriteTraceId", &[trace]),
                    None => problem,
                };
                Row { json: problem.in_batch().to_string(), applied: false }
            }
        });
        let rows = Rows {
            verdicts: rows.collect(),
            stranger: stranger(doing),
            any_order: true,
            head: String::new(),
            media_type: JSON,
            envelope,
        };
        let status = match (is_refused, doing) {
            (true, _) => StatusCode::MULTI_STATUS,
            (false, Doing::Create) => StatusCode::CREATED,
            (false, _) => StatusCode::OK,
        };
        Ok(Answer { status, headers: Vec::new(), content: Content::Rows(Box::new(rows)) })
    }))
}

/// Lets a change through that gives no value of a unique property which another input has given.
fn once(
    memory: &mut Memory,
    object: &Object,
    change: Change,
    taken: &mut HashSet<(String, String)>,
) -> Result<Change, Problem> {
    let (Change::Create(fields) | Change::Merge(_, fields)) = &change;
    for (name, value) in fields.texts() {
        let is_unique = object.property(memory, name).is_some_and(|property| property.is_unique);
        if is_unique && !taken.insert((name.to_owned(), value)) {
            return Err(Problem::invalid(format!(
                "Two inputs of the batch have the same value of the unique property {name}"
            )));
        }
    }
    Ok(change)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToRead {
    inputs: Vec<Id>,
    id_property: Option<String>,
    #[serde(default)]
    properties: Vec<String>,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

/// `…/batch/read`: what was written is there at once. Ids that nothing has are told in a 207.
pub(super) fn read(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let name = object_name(request)?;
    let ToRead { inputs, id_property, properties } = body(request)?;
    check(inputs.len())?;
    unique(inputs.iter().map(|input| (None, input.id.as_str())))?;
    Ok(reading(move |memory, _| {
        let object = Object::find(memory, &name)?;
        let mut names = properties;
        names.extend(id_property.clone());
        let wanted = Wanted::named(names, &object);
        let (mut results, mut missing) = (Vec::new(), Vec::new());
        for Id { id } in inputs {
            let key = rules::key(id.clone(), id_property.clone());
            match rules::find(memory, &object, &key)? {
                Some(found) => results.extend(show(memory, &object, found, &wanted)),
                None => missing.push(id),
            }
        }
        if missing.is_empty() {
            return Ok(Answer::json(StatusCode::OK, whole(&results, &[]).to_string()));
        }
        let problem = Problem::not_found(&object.singular, &missing).in_batch();
        let json = whole(&results, &[problem]).to_string();
        Ok(Answer::json(StatusCode::MULTI_STATUS, json))
    }))
}

/// `…/batch/archive`: 204, whether the ids were there or not.
pub(super) fn archive(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let name = object_name(request)?;
    let Inputs { inputs } = body::<Inputs<Id>>(request)?;
    check(inputs.len())?;
    let targets = inputs.iter().map(|input| target(&name, memory::id(&input.id), None)).collect();
    Ok(writing(targets, move |memory, _| {
        let object = Object::find(memory, &name)?;
        for id in inputs.iter().filter_map(|input| memory::id(&input.id)) {
            memory.remove(&object.records(), id);
        }
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }))
}

fn check(inputs: usize) -> Result<(), Problem> {
    if inputs > MAX_INPUTS {
        return Err(Problem::invalid(format!(
            "The number of inputs ({inputs}) is over the limit of {MAX_INPUTS}"
        )));
    }
    Ok(())
}

fn unique<'a>(keys: impl Iterator<Item = (Option<&'a str>, &'a str)>) -> Result<(), Problem> {
    let mut seen = HashSet::new();
    for key in keys {
        if !seen.insert(key) {
            return Err(Problem::invalid(format!(
                "Duplicate IDs found in batch input: [{}]. IDs must be unique",
                key.1
            )));
        }
    }
    Ok(())
}

/// Which record an input may write, as far as it says.
fn target_of(object: &str, input: &ToWrite, doing: Doing) -> Target {
    let id = input.id.as_deref().unwrap_or_default();
    match (doing, &input.id_property) {
        (Doing::Create, _) => {
            let email = input.properties.as_ref().and_then(|properties| properties.get("email"));
            target(object, None, email.and_then(Value::as_str).map(|email| ("email", email)))
        }
        (_, None) => target(object, memory::id(id), None),
        (_, Some(property)) => target(object, None, Some((property.as_str(), id))),
    }
}

fn stranger(doing: Doing) -> String {
    let mut stranger = json!({"id": u64::MAX.to_string(), "properties": {}, "createdAt": "2019-10-30T03:30:17.883Z",
           "updatedAt": "2019-10-30T03:30:17.883Z", "archived": false});
    if doing == Doing::Upsert {
        stranger["new"] = false.into();
    }
    stranger.to_string()
}

fn envelope(_head: &str, rows: &[Row]) -> String {
    let rows = rows.iter().filter_map(|row| serde_json::from_str::<Value>(&row.json).ok());
    let (refused, results): (Vec<Value>, Vec<Value>) =
        rows.partition(|row| row["status"] == "error");
    whole(&results, &refused).to_string()
}

/// The body of a batch's answer.
pub(super) fn whole(results: &[Value], errors: &[Value]) -> Value {
    let now = jobs::now();
    let mut whole =
        json!({"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now});
    if !errors.is_empty() {
        whole["numErrors"] = errors.len().into();
        whole["errors"] = errors.into();
    }
    whole
}
