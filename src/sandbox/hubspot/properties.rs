//! The properties of an object, and the objects of the account itself.

use hyper::StatusCode;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::catalog::Kind;
use super::object::{Object, Property, SCHEMAS};
use super::problem::Problem;
use super::{body, place, reading, writing};
use crate::sandbox::faults::Faults;
use crate::sandbox::memory::Memory;
use crate::sandbox::record::Fields;
use crate::sandbox::remote::{Answer, Plan, Request};

/// Properties with unique values that an object may have beside those it comes with.
const MAX_UNIQUE: usize = 10;

/// `GET /crm/properties/{version}/{object}`
pub(super) fn list(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let name = place(request, 1)?;
    Ok(reading(move |memory, _| {
        let object = Object::find(memory, &name)?;
        let results = all(memory, &object);
        Ok(Answer::json(StatusCode::OK, json!({"results": results}).to_string()))
    }))
}

/// `GET /crm/properties/{version}/{object}/{name}`
pub(super) fn get(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (object, name) = (place(request, 1)?, place(request, 2)?);
    Ok(reading(move |memory, _| {
        let object = Object::find(memory, &object)?;
        let mut all = all(memory, &object).into_iter();
        let found = all.find(|property| property["name"] == *name).ok_or_else(|| {
            let message = format!("Property \"{name}\" does not exist");
            Problem::new(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", message)
        })?;
        Ok(Answer::json(StatusCode::OK, found.to_string()))
    }))
}

/// What an object comes with, and what was made.
fn all(memory: &Memory, object: &Object) -> Vec<Value> {
    let known = object.known().map(|property| {
        let option = |(order, option): (usize, &&str)| {
            json!({"label": option, "value": option, "displayOrder": order, "hidden": false})
        };
        json!({
            "name": property.name,
            "label": property.name,
            "type": property.kind.as_str(),
            "fieldType": field_type(property.kind),
            "groupName": group(object),
            "hasUniqueValue": property.is_unique,
            "hidden": false,
            "description": "",
            "options": property.options.iter().enumerate().map(option).collect::<Vec<_>>(),
            "modificationMetadata": {"readOnlyValue": property.is_read_only,
                "readOnlyDefinition": true, "archivable": false},
        })
    });
    let made = object.properties();
    known.chain(memory.after(&made, 0).map(|(_, record)| shown(record.json()))).collect()
}

/// `POST /crm/properties/{version}/{object}`: 201, or 409 when it is there.
pub(super) fn create(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let object = place(request, 1)?;
    let made: Map<String, Value> = body(request)?;
    Ok(writing(Vec::new(), move |memory, now| {
        let object = Object::find(memory, &object)?;
        let fields = property(&made)?;
        let name = fields.id_text("name").unwrap_or_default();
        if object.property(memory, &name).is_some() {
            let message = format!("A property named '{name}' already exists.");
            return Err(Problem::new(StatusCode::CONFLICT, "OBJECT_ALREADY_EXISTS", message));
        }
        let own = object.properties();
        let held = memory.after(&own, 0);
        let held = held.filter(|(_, record)| Property::of(&record.fields()).is_unique).count();
        if Property::of(&fields).is_unique && held >= MAX_UNIQUE {
            let message = format!("an object has {MAX_UNIQUE} unique properties at most");
            return Err(Problem::invalid(message));
        }
        let id = memory.create(&own, &fields, now);
        let record = memory.get(&own, id);
        let json = record.map(|record| shown(record.json())).unwrap_or_default();
        Ok(Answer::json(StatusCode::CREATED, json.to_string()))
    }))
}

/// A property as it is asked for, if it can be made.
fn property(made: &Map<String, Value>) -> Result<Fields, Problem> {
    let text = |name: &str| made.get(name).and_then(Value::as_str).unwrap_or_default();
    for needed in ["name", "label", "type", "fieldType", "groupName"] {
        if text(needed).is_empty() {
            return Err(Problem::invalid(format!(
                "Invalid input JSON: Some required fields were not set: [{needed}]"
            )));
        }
    }
    let name = text("name");
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if !is_name {
        return Err(Problem::invalid(format!(
            "Property name \"{name}\" must be lower case letters, digits and underscores, and begin \
             with a letter"
        )));
    }
    if Kind::parse(text("type")).is_none() {
        return Err(Problem::invalid(format!("{} is no type of a property", text("type"))));
    }
    let mut fields = Fields::default();
    for (name, value) in made {
        set(&mut fields, name, value);
    }
    Ok(fields)
}

fn shown(json: &str) -> Value {
    let mut property: Value = serde_json::from_str(json).unwrap_or_default();
    for (name, value) in [
        ("hasUniqueValue", json!(false)),
        ("hidden", json!(false)),
        ("description", json!("")),
        ("options", json!([])),
    ] {
        if property.get(name).is_none() {
            property[name] = value;
        }
    }
    property
}

fn field_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Number => "number",
        Kind::Date | Kind::DateTime => "date",
        Kind::Bool => "booleancheckbox",
        Kind::Choice => "select",
    }
}

fn group(object: &Object) -> String {
    format!("{}information", object.singular)
}

/// `GET` of the account's own objects.
#[expect(clippy::unnecessary_wraps, reason = "a route's plan may fail")]
pub(super) fn schemas(_: &Request, _: &Faults) -> Result<Plan, Answer> {
    Ok(reading(|memory, _| {
        let held = memory.after(SCHEMAS, 0);
        let results: Vec<Value> = held.map(|(id, record)| schema(id, record.json())).collect();
        Ok(Answer::json(StatusCode::OK, json!({"results": results}).to_string()))
    }))
}

/// Makes an object: 201.
pub(super) fn create_schema(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let made: Map<String, Value> = body(request)?;
    Ok(writing(Vec::new(), move |memory, now| {
        let name = made.get("name").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() {
            let message = "Invalid input JSON: Some required fields were not set: [name]";
            return Err(Problem::invalid(message));
        }
        if Object::find(memory, name).is_ok() {
            let message = format!("An object named '{name}' already exists.");
            return Err(Problem::new(StatusCode::CONFLICT, "OBJECT_ALREADY_EXISTS", message));
        }
        let id = format!("2-{}", memory.after(SCHEMAS, 0).count() + 1);
        let object = Object { id, singular: name.to_owned(), shown: Vec::new() };
        let given = made.get("properties").and_then(Value::as_array);
        let properties = given.into_iter().flatten().map(|one| {
            let mut one = one.as_object().cloned().unwrap_or_default();
            one.entry("groupName").or_insert_with(|| group(&object).into());
            property(&one)
        });
        let properties = properties.collect::<Result<Vec<Fields>, Problem>>()?;
        for fields in properties {
            memory.create(&object.properties(), &fields, now);
        }
        let mut fields = Fields::default();
        fields.set_text("name", name);
        fields.set_text("objectTypeId", &object.id);
        fields.set_text("fullyQualifiedName", &format!("p{}_{name}", super::PORTAL));
        if let Some(labels) = made.get("labels") {
            set(&mut fields, "labels", labels);
        }
        let id = memory.create(SCHEMAS, &fields, now);
        let json = memory.get(SCHEMAS, id).map_or("{}", |record| record.json());
        Ok(Answer::json(StatusCode::CREATED, schema(id, json).to_string()))
    }))
}

fn schema(id: u64, json: &str) -> Value {
    let mut schema: Value = serde_json::from_str(json).unwrap_or_default();
    schema["id"] = id.to_string().into();
    schema
}

fn set(fields: &mut Fields, name: &str, value: &Value) {
    if let Ok(raw) = RawValue::from_string(value.to_string()) {
        fields.set(name, raw);
    }
}
