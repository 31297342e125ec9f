//! Records as they are held: those that were made in the memory, those that are there from the
//! start beside it.

use std::time::Instant;

use super::catalog::Type;
use super::state::Values;
use super::types::seed::{self, FIRST_MADE};
use crate::sandbox::memory::{self, FOLDED};
use crate::sandbox::record::Fields;
use crate::sandbox::world::World;

/// A record's id as it is shown, by its number in the memory: never that of a record which is there
/// from the start.
pub(in crate::sandbox) fn shown(number: u64) -> u64 {
    number + FIRST_MADE - 1
}

/// The number in the memory of the record that is shown with this id.
pub(super) fn number(id: u64) -> Option<u64> {
    id.checked_sub(FIRST_MADE - 1).filter(|number| *number > 0)
}

/// An id as it is written.
pub(super) fn id(text: &str) -> Option<u64> {
    memory::id(text)
}

/// A record.
pub(super) fn get(world: &World, kind: &'static Type, id: u64) -> Option<Values> {
    match number(id) {
        Some(number) => values(world.memory.get(&kind.records(), number)?.json()),
        None => world.netsuite.changed.get(&(kind.name, id)).or_else(|| first(kind, id)).cloned(),
    }
}

/// Whether there is such a record.
pub(super) fn exists(world: &World, kind: &'static Type, id: u64) -> bool {
    match number(id) {
        Some(number) => world.memory.get(&kind.records(), number).is_some(),
        None => first(kind, id).is_some(),
    }
}

/// All records of a type, in the order of their ids.
pub(super) fn all(world: &World, kind: &'static Type) -> Vec<(u64, Values)> {
    let firsts = seed::of(kind.name).iter().map(|(id, _)| *id);
    let firsts = firsts.filter_map(|id| Some((id, get(world, kind, id)?)));
    let records = kind.records();
    let made = world.memory.after(&records, 0);
    let made = made.filter_map(|(number, record)| Some((shown(number), values(record.json())?)));
    firsts.chain(made).collect()
}

/// The records of a type whose field is this text, in any case of its letters.
pub(super) fn find(world: &mut World, kind: &'static Type, field: &str, text: &str) -> Vec<u64> {
    let text = text.to_lowercase();
    let firsts = seed::of(kind.name).iter().map(|(id, _)| *id).filter(|id| {
        let record = world.netsuite.changed.get(&(kind.name, *id)).or_else(|| first(kind, *id));
        let value = record.and_then(|record| record.get(field)?.as_str());
        value.is_some_and(|value| value.to_lowercase() == text)
    });
    let mut found: Vec<u64> = firsts.collect();
    let numbers = world.memory.find(&kind.records(), &format!("{FOLDED}{field}"), &text);
    found.extend(numbers.iter().map(|number| shown(*number)));
    found.sort_unstable();
    found
}

/// The record of one of these types that has an external id, in any case of its letters.
/// <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_N3432681.html>
pub(super) fn by_external_id(
    world: &mut World,
    kinds: impl Iterator<Item = &'static Type>,
    external_id: &str,
) -> Option<(&'static Type, u64)> {
    for kind in kinds {
        if let Some(id) = find(world, kind, "externalId", external_id).first() {
            return Some((kind, *id));
        }
    }
    None
}

/// Makes a record.
pub(super) fn create(world: &mut World, kind: &'static Type, values: &Values, now: Instant) -> u64 {
    shown(world.memory.create(&kind.records(), &fields(values), now))
}

/// Replaces the values of a record.
pub(super) fn replace(world: &mut World, kind: &'static Type, id: u64, values: Values) {
    match number(id) {
        Some(number) => {
            world.memory.merge(&kind.records(), number, fields(&values));
        }
        None => {
            world.netsuite.changed.insert((kind.name, id), values);
        }
    }
}

/// Removes a record; `false` when it is there from the start.
pub(super) fn remove(world: &mut World, kind: &'static Type, id: u64) -> bool {
    number(id).is_some_and(|number| world.memory.remove(&kind.records(), number))
}

fn first(kind: &'static Type, id: u64) -> Option<&'static Values> {
    seed::of(kind.name).iter().find(|(first, _)| *first == id).map(|(_, values)| values)
}

fn values(json: &str) -> Option<Values> {
    serde_json::from_str(json).ok()
}

fn fields(values: &Values) -> Fields {
    let json = serde_json::to_vec(values).unwrap_or_default();
    Fields::parse(&json).unwrap_or_default()
}
