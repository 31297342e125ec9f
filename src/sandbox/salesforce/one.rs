//! Records one at a time: `…/sobjects/{object}` and below, by id and by external id.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_upsert.htm>

use hyper::StatusCode;
use hyper::header::LOCATION;
use serde_json::{Value, json};

use super::catalog::{Field, Kind, Object};
use super::draft::{Draft, Given};
use super::problem::Problem;
use super::rules::{self, Of, Writer};
use super::state::Values;
use super::{
    allows_duplicates, body, held, ids, object, place, reading, shown, target, version, writing,
};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Plan, Request};
use crate::sandbox::world::World;

/// `POST …/{object}`: 201.
pub(super) fn create(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (object, version) = (object(request)?, version(request)?);
    let given: Values = body(request)?;
    let allows = allows_duplicates(request);
    let targets = vec![target(object, None, external(&given))];
    Ok(writing(targets, move |world, now| {
        let object = world.salesforce.org.now(object);
        let draft = draft(world, object, &given)?;
        let writer = Writer::new(world, allows, now);
        let number = rules::write(world, writer, object, Of::New, draft)?;
        let id = ids::long(object.prefix, number);
        let path = format!("/services/data/v{version}/sobjects/{}/{id}", object.name);
        let told = json!({"id": id, "success": true, "errors": []});
        let mut answer = Answer::json(StatusCode::CREATED, told.to_string());
        answer.headers.push((LOCATION, path));
        Ok(answer)
    }))
}

/// What is given as the account's own external id.
pub(super) fn external(given: &Values) -> Option<(&str, &str)> {
    let (name, value) = given.iter().find(|(name, _)| name.eq_ignore_ascii_case("Ext_Id__c"))?;
    Some((name, value.as_str()?))
}

/// `GET …/{object}/{id}?fields=`
pub(super) fn get(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (object, id) = (object(request)?, place(request, 2)?);
    let names = names(request);
    Ok(reading(move |world, _| {
        let number = held::resolve(world, object, &id)?;
        record(world, object, number, names.as_deref())
    }))
}

/// `PATCH …/{object}/{id}`: 204.
pub(super) fn update(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (object, id) = (object(request)?, place(request, 2)?);
    let given: Values = body(request)?;
    let allows = allows_duplicates(request);
    Ok(writing(vec![target(object, Some(&id), None)], move |world, now| {
        let object = world.salesforce.org.now(object);
        let draft = draft(world, object, &given)?;
        let number = held::resolve(world, object, &id)?;
        let writer = Writer::new(world, allows, now);
        rules::write(world, writer, object, Of::Held(number), draft)?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }))
}

/// `DELETE …/{object}/{id}`: 204.
pub(super) fn delete(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (object, id) = (object(request)?, place(request, 2)?);
    Ok(writing(vec![target(object, Some(&id), None)], move |world, _| {
        let number = held::resolve(world, object, &id)?;
        rules::delete(world, object, number)?;
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }))
}

/// `GET …/{object}/{field}/{value}?fields=`
pub(super) fn get_by_key(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (object, version) = (object(request)?, version(request)?);
    let (name, value) = (place(request, 2)?, place(request, 3)?);
    let names = names(request);
    Ok(reading(move |world, _| {
        let object = world.salesforce.org.now(object);
        match found(world, object, key(object, &name)?, &value)? {
            Found::One(number) => record(world, object, number, names.as_deref()),
            Found::Many(numbers) => Ok(choices(object, &version, &numbers)),
            Found::None => Err(Problem::no_resource().into()),
        }
    }))
}

/// `PATCH …/{object}/{field}/{value}?updateOnly=`: 201 where a record is made, 200 where one is
/// changed, 300 with a list of those that it may be of.
pub(super) fn upsert(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (object, version) = (object(request)?, version(request)?);
    let (name, value) = (place(request, 2)?, place(request, 3)?);
    let given: Values = body(request)?;
    let only_updates =
        request.parameter("updateOnly").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let allows = allows_duplicates(request);
    let is_id = name.eq_ignore_ascii_case("Id");
    let by_id = is_id.then_some(&*value);
    let by_key = (!is_id).then_some((&*name, &*value));
    Ok(writing(vec![target(object, by_id, by_key)], move |world, now| {
        let object = world.salesforce.org.now(object);
        let key = key(object, &name)?;
        let mut draft = draft(world, object, &given)?;
        if draft.values.iter().any(|(field, _)| field.name == key.name) {
            return Err(not_in_body(key.name).into());
        }
        let of = match found(world, object, key, &value)? {
            Found::One(number) => Of::Held(number),
            Found::Many(numbers) => return Ok(choices(object, &version, &numbers)),
            Found::None if only_updates || key.kind == Kind::Id => {
                return Err(Problem::no_resource().into());
            }
            Found::None => {
                draft.values.push((key, Given::Value(value.into())));
                Of::New
            }
        };
        let writer = Writer::new(world, allows, now);
        let number = rules::write(world, writer, object, of, draft)?;
        let (status, is_new) = match of {
            Of::New => (StatusCode::CREATED, true),
            Of::Held(_) => (StatusCode::OK, false),
        };
        let id = ids::long(object.prefix, number);
        let told = json!({"id": id, "success": true, "errors": [], "created": is_new});
        Ok(Answer::json(status, told.to_string()))
    }))
}

/// `DELETE …/{object}/{field}/{value}`: 204.
pub(super) fn delete_by_key(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (object, version) = (object(request)?, version(request)?);
    let (name, value) = (place(request, 2)?, place(request, 3)?);
    Ok(writing(vec![target(object, None, Some((&name, &value)))], move |world, _| {
        let object = world.salesforce.org.now(object);
        match found(world, object, key(object, &name)?, &value)? {
            Found::One(number) => {
                rules::delete(world, object, number)?;
                Ok(Answer::empty(StatusCode::NO_CONTENT))
            }
            Found::Many(numbers) => Ok(choices(object, &version, &numbers)),
            Found::None => Err(Problem::no_resource().into()),
        }
    }))
}

/// Which records a key is of.
enum Found {
    None,
    One(u64),
    Many(Vec<u64>),
}

fn found(
    world: &mut World,
    object: &'static Object,
    key: &Field,
    value: &str,
) -> Result<Found, Problem> {
    if key.kind == Kind::Id {
        return held::resolve(world, object, value).map(Found::One);
    }
    let numbers = rules::find(world, object, key, value);
    Ok(match numbers[..] {
        [] => Found::None,
        [number] => Found::One(number),
        _ => Found::Many(numbers),
    })
}

/// The field of a path that is a key.
pub(super) fn key(object: &'static Object, name: &str) -> Result<&'static Field, Problem> {
    object.field(name).filter(|field| field.is_key()).ok_or_else(|| {
        Problem::not_found(format!(
            "Provided external ID field does not exist or is not accessible: {name}"
        ))
    })
}

fn draft(world: &World, object: &'static Object, given: &Values) -> Result<Draft, Problem> {
    let draft = Draft::of_json(&world.salesforce.org, object, given)?;
    if draft.id.is_some() {
        return Err(not_in_body("Id"));
    }
    Ok(draft)
}

fn not_in_body(name: &str) -> Problem {
    let message = format!("The {name} field should not be specified in the sobject data.");
    Problem::bad("INVALID_FIELD", message)
}

fn names(request: &Request) -> Option<Vec<String>> {
    let names = request.parameter("fields")?;
    Some(names.split(',').map(|name| name.trim().to_owned()).collect())
}

fn record(
    world: &World,
    object: &'static Object,
    number: u64,
    names: Option<&[String]>,
) -> Result<Answer, Vec<Problem>> {
    let held = held::get(world, object, number).ok_or_else(Problem::no_resource)?;
    let record = shown::record(world.salesforce.org.now(object), &held, names)?;
    Ok(Answer::json(StatusCode::OK, record.to_string()))
}

/// The list of a 300.
fn choices(object: &Object, version: &str, numbers: &[u64]) -> Answer {
    let paths: Value = numbers
        .iter()
        .map(|number| {
            let id = ids::long(object.prefix, *number);
            format!("/services/data/v{version}/sobjects/{}/{id}", object.name)
        })
        .collect();
    Answer::json(StatusCode::MULTIPLE_CHOICES, paths.to_string())
}
