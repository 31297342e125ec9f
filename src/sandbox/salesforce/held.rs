//! Records as they are held, with those that nobody has made: the user that all calls are of, and
//! sets of permissions.

use serde_json::{Value, json};

use super::catalog::Object;
use super::ids;
use super::problem::Problem;
use super::state::Values;
use crate::sandbox::world::World;

/// The number of the first record that is there from the start.
const FIRST: u64 = 0;
/// Those of the others begin here, where no record is ever made.
const FURTHER: u64 = 1 << 50;

/// The id of the user that all calls are of.
pub(super) fn user() -> String {
    ids::long("005", FIRST)
}

/// The id of the account itself.
pub(super) fn organization() -> String {
    ids::long("00D", FIRST)
}

/// The records of an object that are there from the start, with their numbers.
fn first(object: &Object) -> Vec<(u64, Values)> {
    let records = match object.name {
        "User" => vec![json!({"Username": "sandbox@example.com", "LastName": "Owner",
            "FirstName": "Olive", "Name": "Olive Owner", "Email": "sandbox@example.com",
            "Alias": "oown", "IsActive": true})],
        // The user has the first, and the profile that the second is of.
        "PermissionSet" => vec![
            json!({"Name": "Sandbox", "Label": "Sandbox", "IsOwnedByProfile": false,
                "IsCustom": true, "Type": "Regular"}),
            json!({"Name": "X00eSb0000000000_128_09_04_10_1", "IsOwnedByProfile": true,
                "Label": "00eSb0000000000", "IsCustom": false, "Type": "Profile"}),
            json!({"Name": "Sales", "Label": "Sales", "IsOwnedByProfile": false,
                "IsCustom": true, "Type": "Regular"}),
        ],
        _ => return Vec::new(),
    };
    let when = "2024-01-01T00:00:00.000+0000";
    let numbered = records.into_iter().zip([FIRST].into_iter().chain(FURTHER..));
    let records = numbered.filter_map(|(mut record, number)| {
        record["Id"] = ids::long(object.prefix, number).into();
        record["IsDeleted"] = false.into();
        for moment in ["CreatedDate", "LastModifiedDate", "SystemModstamp"] {
            record[moment] = when.into();
        }
        for by in ["CreatedById", "LastModifiedById"] {
            record[by] = user().into();
        }
        let Value::Object(values) = record else { return None };
        Some((number, values))
    });
    records.collect()
}

/// Whether what a set of permissions grants is granted to the user.
pub(super) fn is_granted(permission_set: &str) -> bool {
    [FIRST, FURTHER].iter().any(|number| ids::long("0PS", *number) == permission_set)
}

/// The numbers of the records that are there from the start and have this text.
pub(super) fn first_with(object: &Object, name: &str, text: &str) -> Vec<u64> {
    let is_it = |values: &Values| {
        let held = values.get(name).and_then(Value::as_str);
        held.is_some_and(|held| held.eq_ignore_ascii_case(text.trim()))
    };
    first(object)
        .into_iter()
        .filter(|(_, values)| is_it(values))
        .map(|(number, _)| number)
        .collect()
}

/// Whether this is the number of a record that nobody can change.
pub(super) fn is_first(object: &Object, number: u64) -> bool {
    first(object).iter().any(|(other, _)| *other == number)
}

/// The record of this number.
pub(super) fn get(world: &World, object: &Object, number: u64) -> Option<Values> {
    if let Some(record) = world.memory.get(&object.records(), number) {
        return serde_json::from_str(record.json()).ok();
    }
    first(object).into_iter().find(|(other, _)| *other == number).map(|(_, values)| values)
}

/// The records of an object, in the order in which they were made; with those in the bin if asked
/// for.
pub(super) fn all(world: &World, object: &'static Object, with_deleted: bool) -> Vec<Values> {
    let mut rows: Vec<Values> = first(object).into_iter().map(|(_, values)| values).collect();
    let records = object.records();
    let held = world.memory.after(&records, 0);
    rows.extend(held.filter_map(|(_, record)| serde_json::from_str(record.json()).ok()));
    if with_deleted {
        let range = (object.name, 0)..=(object.name, u64::MAX);
        let gone = world.salesforce.bin.range(range);
        let gone = gone.filter(|((_, number), _)| world.memory.get(&records, *number).is_none());
        rows.extend(gone.map(|(_, values)| values.clone()));
    }
    rows
}

/// The number of the record that `text` is the id of.
///
/// # Errors
/// It is no id of this object, or no such record is there, or not any more.
pub(super) fn resolve(world: &World, object: &Object, text: &str) -> Result<u64, Problem> {
    if !ids::is_id(text.as_bytes()) {
        return Err(Problem::not_found(format!(
            "Provided external ID field does not exist or is not accessible: {text}"
        )));
    }
    let number = ids::number(object.prefix, text).ok_or_else(Problem::no_resource)?;
    if get(world, object, number).is_some() {
        Ok(number)
    } else if world.salesforce.bin.contains_key(&(object.name, number)) {
        Err(Problem::deleted())
    } else {
        Err(Problem::no_resource())
    }
}
