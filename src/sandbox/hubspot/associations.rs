//! Which record belongs to which, as the v4 API has it: each way of a pair is told by itself, with
//! the types that it has.
//!
//! Types that HubSpot defines:
//! <https://developers.hubspot.com/docs/api-reference/latest/crm/associations/associations-guide>.

use std::fmt;
use std::time::Instant;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::object::Object;
use super::problem::Problem;
use super::{batch, body, place, reading, writing};
use crate::sandbox::faults::Faults;
use crate::sandbox::memory::{self, Memory};
use crate::sandbox::record::Fields;
use crate::sandbox::remote::{Answer, Plan, Request};

/// Where they stand in the memory: `pair` is `0-1/12>0-2/5`, `from` its first half, with the object
/// of the second: `0-1/12>0-2`.
const PAIRS: &str = "hubspot/associations";
/// Inputs of one call that writes, and of one that reads.
const MAX_INPUTS: usize = 2000;
const MAX_READ: usize = 1000;

/// HubSpot's own types without a label: from, to, there, back.
const TYPES: &[(&str, &str, u32, u32)] = &[
    ("0-1", "0-2", 279, 280),
    ("0-1", "0-3", 4, 3),
    ("0-1", "0-5", 15, 16),
    ("0-2", "0-3", 342, 341),
    ("0-2", "0-5", 340, 339),
    ("0-3", "0-8", 19, 20),
    ("0-46", "0-1", 202, 201),
    ("0-46", "0-2", 190, 189),
    ("0-46", "0-3", 214, 213),
    ("0-48", "0-1", 194, 193),
    ("0-48", "0-2", 182, 181),
    ("0-48", "0-3", 206, 205),
    ("0-27", "0-1", 204, 203),
    ("0-27", "0-2", 192, 191),
    ("0-27", "0-3", 216, 215),
    ("0-49", "0-1", 198, 197),
    ("0-47", "0-1", 200, 199),
];

/// What a record that is made is associated with.
#[derive(Debug, Deserialize)]
pub(super) struct Association {
    to: To,
    types: Vec<Type>,
}

#[derive(Debug, Deserialize)]
struct To {
    id: String,
}

/// One type of an association.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Type {
    association_category: String,
    association_type_id: u32,
}

/// A record that is associated with another.
struct End {
    /// Its object's type id.
    object: String,
    id: String,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.object, self.id)
    }
}

/// The default type from one object to another; 0 where HubSpot defines none.
fn default_type(from: &str, to: &str) -> u32 {
    let known = TYPES.iter().find_map(|&(one, other, there, back)| {
        if (one, other) == (from, to) {
            Some(there)
        } else if (other, one) == (from, to) {
            Some(back)
        } else {
            None
        }
    });
    known.unwrap_or_default()
}

/// The object that HubSpot's own type leads to.
fn object_of(from: &str, type_id: u32) -> Option<&'static str> {
    TYPES.iter().find_map(|&(one, other, there, back)| {
        if one == from && there == type_id {
            Some(other)
        } else if other == from && back == type_id {
            Some(one)
        } else {
            None
        }
    })
}

/// Associates a record that was just made. Types of the account's own say nothing of the object that
/// they lead to; such an association is left out.
pub(super) fn associate(
    memory: &mut Memory,
    object: &Object,
    id: u64,
    associations: &[Association],
    now: Instant,
) {
    for Association { to, types } in associations {
        for one in types {
            if let Some(other) = object_of(&object.id, one.association_type_id) {
                let from = End { object: object.id.clone(), id: id.to_string() };
                let to = End { object: other.to_owned(), id: to.id.clone() };
                set(memory, &from, &to, one, now);
            }
        }
    }
}

/// Both ways of one association.
fn set(memory: &mut Memory, from: &End, to: &End, there: &Type, now: Instant) {
    add(memory, from, to, there, now);
    let back = Type {
        association_category: there.association_category.clone(),
        association_type_id: default_type(&to.object, &from.object),
    };
    add(memory, to, from, &back, now);
}

fn add(memory: &mut Memory, from: &End, to: &End, one: &Type, now: Instant) {
    let pair = format!("{from}>{to}");
    let known = memory.find(PAIRS, "pair", &pair).first().copied();
    let mut types = known.map_or_else(Vec::new, |id| types(memory, id));
    if !types.contains(one) {
        types.push(one.clone());
    }
    let mut fields = Fields::default();
    fields.set_text("pair", &pair);
    fields.set_text("from", &format!("{from}>{}", to.object));
    fields.set_text("types", &serde_json::to_string(&types).unwrap_or_default());
    match known {
        Some(id) => {
            memory.merge(PAIRS, id, fields);
        }
        None => {
            memory.create(PAIRS, &fields, now);
        }
    }
}

fn types(memory: &Memory, id: u64) -> Vec<Type> {
    let held = memory.get(PAIRS, id).and_then(|record| record.fields().id_text("types"));
    held.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Both ends of a pair, each by the name of its object and its id.
fn ends(memory: &mut Memory, from: (&str, &str), to: (&str, &str)) -> Result<(End, End), Problem> {
    let mut end = |(name, text): (&str, &str)| {
        let object = Object::find(memory, name)?;
        let there = memory::id(text).filter(|id| memory.get(&object.records(), *id).is_some());
        match there {
            Some(id) => Ok(End { object: object.id, id: id.to_string() }),
            None => Err(Problem::not_found(&object.singular, &[text.to_owned()])),
        }
    };
    Ok((end(from)?, end(to)?))
}

/// `PUT …/{object}/{id}/associations/{to}/{to id}`: 201. The body lists types.
pub(super) fn put(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let types: Vec<Type> = body(request)?;
    if types.is_empty() {
        return Err(Problem::invalid("At least one association type must be given").into());
    }
    one(request, move |_, _| types)
}

/// `PUT …/{object}/{id}/associations/default/{to}/{to id}`, and in v3 `…/{to}/{to id}/{type}` with the
/// name of the type that is the default.
pub(super) fn put_default(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    one(request, default_types)
}

/// An association as it is told.
fn told(from: &End, to: &End) -> Value {
    json!({
        "fromObjectTypeId": from.object, "fromObjectId": from.id,
        "toObjectTypeId": to.object, "toObjectId": to.id, "labels": [],
    })
}

fn default_types(from: &End, to: &End) -> Vec<Type> {
    vec![Type {
        association_category: "HUBSPOT_DEFINED".to_owned(),
        association_type_id: default_type(&from.object, &to.object),
    }]
}

fn one(
    request: &Request,
    types: impl FnOnce(&End, &End) -> Vec<Type> + Send + 'static,
) -> Result<Plan, Answer> {
    let found = (1..=4).map(|n| place(request, n)).collect::<Result<Vec<_>, _>>()?;
    Ok(writing(Vec::new(), move |memory, now| {
        let (from, to) = ends(memory, (&found[0], &found[1]), (&found[2], &found[3]))?;
        for one in types(&from, &to) {
            set(memory, &from, &to, &one, now);
        }
        Ok(Answer::json(StatusCode::CREATED, told(&from, &to).to_string()))
    }))
}

/// `GET …/{object}/{id}/associations/{to}`: what a record is associated with, all in one page.
pub(super) fn list(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (name, id, to) = (place(request, 1)?, place(request, 2)?, place(request, 3)?);
    Ok(reading(move |memory, _| {
        let (object, to) = (Object::find(memory, &name)?, Object::find(memory, &to)?);
        let results = associated(memory, &format!("{}/{id}", object.id), &to.id);
        Ok(Answer::json(StatusCode::OK, json!({"results": results}).to_string()))
    }))
}

fn associated(memory: &mut Memory, from: &str, to: &str) -> Vec<Value> {
    let mut ids = memory.find(PAIRS, "from", &format!("{from}>{to}")).to_vec();
    ids.sort_unstable();
    let shown = |id: u64| {
        let pair = memory.get(PAIRS, id)?.fields().id_text("pair")?;
        let to: u64 = pair.rsplit('/').next()?.parse().ok()?;
        let types = types(memory, id).into_iter().map(|one| {
            json!({"category": one.association_category, "typeId": one.association_type_id,
                   "label": null})
        });
        Some(json!({"toObjectId": to, "associationTypes": types.collect::<Vec<_>>()}))
    };
    ids.into_iter().filter_map(shown).collect()
}

#[derive(Deserialize)]
struct Inputs {
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
struct Input {
    from: To,
    to: To,
    types: Option<Vec<Type>>,
}

#[derive(Deserialize)]
struct ToRead {
    inputs: Vec<To>,
}

/// `POST …/{from}/{to}/batch/read`: 200, or 207 where some records have none.
pub(super) fn batch_read(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (from, to) = (place(request, 1)?, place(request, 2)?);
    let ToRead { inputs } = body(request)?;
    if inputs.len() > MAX_READ {
        let message = format!("{} inputs are over the limit of {MAX_READ}", inputs.len());
        return Err(Problem::invalid(message).into());
    }
    Ok(reading(move |memory, _| {
        let (from, to) = (Object::find(memory, &from)?, Object::find(memory, &to)?);
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for To { id } in inputs {
            let associated = associated(memory, &format!("{}/{id}", from.id), &to.id);
            if associated.is_empty() {
                let message =
                    format!("No {} is associated with {} {id}.", to.singular, from.singular);
                let problem = Problem::new(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", message);
                errors.push(problem.about("fromObjectId", &[id]).in_batch());
            } else {
                results.push(json!({"from": {"id": id}, "to": associated}));
            }
        }
        let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
        Ok(Answer::json(status, batch::whole(&results, &errors).to_string()))
    }))
}

/// `POST …/{from}/{to}/batch/create`: 201, or 207 where some records are not there.
pub(super) fn batch_create(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    write(request, false)
}

/// `POST …/{from}/{to}/batch/associate/default`
pub(super) fn batch_default(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    write(request, true)
}

fn write(request: &Request, by_default: bool) -> Result<Plan, Answer> {
    let (from_name, to_name) = (place(request, 1)?, place(request, 2)?);
    let Inputs { inputs } = body(request)?;
    if inputs.len() > MAX_INPUTS {
        let message = format!("{} inputs are over the limit of {MAX_INPUTS}", inputs.len());
        return Err(Problem::invalid(message).into());
    }
    Ok(writing(Vec::new(), move |memory, now| {
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for Input { from, to, types } in inputs {
            match ends(memory, (&from_name, &from.id), (&to_name, &to.id)) {
                Ok((from, to)) => {
                    let types = types.filter(|_| !by_default);
                    for one in types.unwrap_or_else(|| default_types(&from, &to)) {
                        set(memory, &from, &to, &one, now);
                    }
                    results.push(told(&from, &to));
                }
                Err(problem) => {
                    errors.push(problem.about("fromObjectId", &[from.id]).in_batch());
                }
            }
        }
        let status = if errors.is_empty() { StatusCode::CREATED } else { StatusCode::MULTI_STATUS };
        Ok(Answer::json(status, batch::whole(&results, &errors).to_string()))
    }))
}

/// `GET …/{from}/{to}/labels`
pub(super) fn labels(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (from, to) = (place(request, 1)?, place(request, 2)?);
    Ok(reading(move |memory, _| {
        let (from, to) = (Object::find(memory, &from)?, Object::find(memory, &to)?);
        let label = json!({"category": "HUBSPOT_DEFINED", "label": null,
                           "typeId": default_type(&from.id, &to.id)});
        Ok(Answer::json(StatusCode::OK, json!({"results": [label]}).to_string()))
    }))
}
