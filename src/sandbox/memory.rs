//! What the remotes remember: records by object and id, found also by any property.
//!
//! Objects of different remotes share one memory; a remote whose names could meet another's puts
//! its own in front. Ids count up over all objects, so that the id of one object is never taken
//! for that of another.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::time::Instant;

use super::SandboxError;
use super::data::{Data, Entry};
use super::record::{Fields, Record};

/// All records, and the file that keeps them, if any.
#[derive(Debug, Default)]
pub(super) struct Memory {
    tables: BTreeMap<String, Table>,
    last_id: u64,
    data: Option<Data>,
    changed: Changed,
}

/// The records of one object.
#[derive(Debug, Default)]
struct Table {
    records: BTreeMap<u64, Record>,
    /// Property → value → ids. A property is indexed from the first time it is looked for.
    indexes: HashMap<Box<str>, HashMap<Box<str>, Vec<u64>>>,
}

/// How many records were written since the last commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) created: u64,
    pub(super) updated: u64,
    pub(super) deleted: u64,
}

impl Changed {
    pub(super) fn records(self) -> u64 {
        self.created + self.updated + self.deleted
    }
}

impl Memory {
    /// Opens the data file, if one is given, and recalls what it holds.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, SandboxError> {
        let mut memory = Self::default();
        if let Some(path) = path {
            let data = Data::open(path, |entry| memory.recall(entry))?;
            memory.data = Some(data);
        }
        Ok(memory)
    }

    fn recall(&mut self, entry: Entry) {
        self.last_id = self.last_id.max(entry.id);
        let table = self.tables.entry(entry.object).or_default();
        match entry.record {
            Some(fields) => {
                table.records.insert(entry.id, Record::new(&fields, None));
            }
            None => {
                table.records.remove(&entry.id);
            }
        }
    }

    /// Objects that have had a record, by name.
    pub(super) fn objects(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    pub(super) fn get(&self, object: &str, id: u64) -> Option<&Record> {
        self.tables.get(object)?.records.get(&id)
    }

    /// The records of an object with ids after `after`, in the order of ids.
    pub(super) fn after(&self, object: &str, after: u64) -> impl Iterator<Item = (u64, &Record)> {
        self.tables
            .get(object)
            .into_iter()
            .flat_map(move |table| table.records.range((Bound::Excluded(after), Bound::Unbounded)))
            .map(|(id, record)| (*id, record))
    }

    /// The ids of the records whose `property` is `value`, in no order.
    pub(super) fn find(&mut self, object: &str, property: &str, value: &str) -> &[u64] {
        let Some(table) = self.tables.get_mut(object) else {
            return &[];
        };
        if !table.indexes.contains_key(property) {
            let mut index: HashMap<Box<str>, Vec<u64>> = HashMap::new();
            for (id, record) in &table.records {
                if let Some(value) = record.fields().id_text(property) {
                    index.entry(value.into()).or_default().push(*id);
                }
            }
            table.indexes.insert(property.into(), index);
        }
        let found = table.indexes.get(property).and_then(|index| index.get(value));
        found.map_or(&[], Vec::as_slice)
    }

    /// Makes a record and returns its id.
    pub(super) fn create(&mut self, object: &str, fields: &Fields, now: Instant) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        let record = Record::new(fields, Some(now));
        if let Some(data) = &mut self.data {
            data.note(object, id, Some(record.json()));
        }
        if !self.tables.contains_key(object) {
            self.tables.insert(object.to_owned(), Table::default());
        }
        if let Some(table) = self.tables.get_mut(object) {
            for (property, index) in &mut table.indexes {
                remember(index, fields.id_text(property), id);
            }
            table.records.insert(id, record);
        }
        self.changed.created += 1;
        id
    }

    /// Replaces the given fields of a record; `false` when it is not there.
    pub(super) fn merge(&mut self, object: &str, id: u64, fields: Fields) -> bool {
        let Some(table) = self.tables.get_mut(object) else {
            return false;
        };
        let Some(record) = table.records.get_mut(&id) else {
            return false;
        };
        let mut merged = record.fields();
        for (property, index) in &mut table.indexes {
            let (old, new) = (merged.id_text(property), fields.id_text(property));
            if fields.get(property).is_some() && old != new {
                forget(index, old, id);
                remember(index, new, id);
            }
        }
        merged.merge(fields);
        record.set(&merged);
        if let Some(data) = &mut self.data {
            data.note(object, id, Some(record.json()));
        }
        self.changed.updated += 1;
        true
    }

    /// Removes a record; `false` when it is not there.
    pub(super) fn remove(&mut self, object: &str, id: u64) -> bool {
        let Some(table) = self.tables.get_mut(object) else {
            return false;
        };
        let Some(record) = table.records.remove(&id) else {
            return false;
        };
        let fields = record.fields();
        for (property, index) in &mut table.indexes {
            forget(index, fields.id_text(property), id);
        }
        if let Some(data) = &mut self.data {
            data.note(object, id, None);
        }
        self.changed.deleted += 1;
        true
    }

    /// Writes what has changed to the data file, and says how much that was.
    pub(super) fn commit(&mut self) -> (Changed, io::Result<()>) {
        let written = self.data.as_mut().map_or(Ok(()), Data::write);
        (std::mem::take(&mut self.changed), written)
    }

    /// Forgets everything, in the data file too; ids begin anew.
    pub(super) fn reset(&mut self) -> io::Result<()> {
        self.tables.clear();
        self.last_id = 0;
        self.changed = Changed::default();
        self.data.as_mut().map_or(Ok(()), Data::clear)
    }
}

/// A remote id as it was given out: decimal digits, no zero in front. Nothing else is an id.
pub(super) fn id(text: &str) -> Option<u64> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| canonical)
}

fn remember(index: &mut HashMap<Box<str>, Vec<u64>>, value: Option<String>, id: u64) {
    if let Some(value) = value {
        index.entry(value.into()).or_default().push(id);
    }
}

fn forget(index: &mut HashMap<Box<str>, Vec<u64>>, value: Option<String>, id: u64) {
    let Some(value) = value else { return };
    if let Some(ids) = index.get_mut(value.as_str()) {
        ids.retain(|other| *other != id);
        if ids.is_empty() {
            index.remove(value.as_str());
        }
    }
}
