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
    /// What undoes the writes since the first mark that is still open; empty without one.
    undo: Vec<Undo>,
    marks: usize,
}

/// A record as it was before a write.
#[derive(Debug)]
struct Undo {
    object: String,
    id: u64,
    /// `None`: it was not there.
    record: Option<Record>,
}

/// A state of the memory that [`Memory::end`] may go back to. They end in the reverse of the order
/// in which they began.
#[derive(Debug)]
pub(super) struct Mark {
    undo: usize,
    changed: Changed,
    pending: usize,
}

/// The records of one object.
#[derive(Debug, Default)]
struct Table {
    records: BTreeMap<u64, Record>,
    /// Property → value → ids. A property is indexed from the first time it is looked for; one
    /// whose name begins with [`FOLDED`] by its values in lower case.
    indexes: HashMap<Box<str>, HashMap<Box<str>, Vec<u64>>>,
}

/// In front of a property's name: to be found in any case of its letters.
pub(super) const FOLDED: char = '~';

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
                if let Some(value) = indexed(&record.fields(), property) {
                    index.entry(value.into()).or_default().push(*id);
                }
            }
            table.indexes.insert(property.into(), index);
        }
        let found = table.indexes.get(property).and_then(|index| index.get(value));
        found.map_or(&[], Vec::as_slice)
    }

    /// The id that the next record is going to have.
    pub(super) fn next_id(&self) -> u64 {
        self.last_id + 1
    }

    /// Begins something that may have to be undone as a whole.
    pub(super) fn begin(&mut self) -> Mark {
        self.marks += 1;
        let pending = self.data.as_ref().map_or(0, Data::pending);
        Mark { undo: self.undo.len(), changed: self.changed, pending }
    }

    /// Ends what [`Memory::begin`] began: as it is, or with every write since then undone. The ids
    /// of records that are undone are not given out again.
    pub(super) fn end(&mut self, mark: &Mark, is_kept: bool) {
        self.marks -= 1;
        if !is_kept {
            while self.undo.len() > mark.undo {
                let Some(Undo { object, id, record }) = self.undo.pop() else { break };
                let Some(table) = self.tables.get_mut(&object) else { continue };
                let now = table.records.remove(&id).map(|record| record.fields());
                let before = record.as_ref().map(Record::fields);
                for (property, index) in &mut table.indexes {
                    forget(index, now.as_ref().and_then(|now| indexed(now, property)), id);
                    remember(index, before.as_ref().and_then(|old| indexed(old, property)), id);
                }
                table.records.extend(record.map(|record| (id, record)));
            }
            self.changed = mark.changed;
            if let Some(data) = &mut self.data {
                data.forget(mark.pending);
            }
        }
        if self.marks == 0 {
            self.undo.clear();
        }
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
                remember(index, indexed(fields, property), id);
            }
            table.records.insert(id, record);
        }
        if self.marks > 0 {
            self.undo.push(Undo { object: object.to_owned(), id, record: None });
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
        if self.marks > 0 {
            let record = Some(Record::new(&merged, record.created));
            self.undo.push(Undo { object: object.to_owned(), id, record });
        }
        for (property, index) in &mut table.indexes {
            let (old, new) = (indexed(&merged, property), indexed(&fields, property));
            if fields.get(property.trim_start_matches(FOLDED)).is_some() && old != new {
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
            forget(index, indexed(&fields, property), id);
        }
        if self.marks > 0 {
            self.undo.push(Undo { object: object.to_owned(), id, record: Some(record) });
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

/// Under what a record stands in the index of a property.
fn indexed(fields: &Fields, property: &str) -> Option<String> {
    match property.strip_prefix(FOLDED) {
        Some(name) => Some(fields.id_text(name)?.to_lowercase()),
        None => fields.id_text(property),
    }
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
