//! What was told of those whom records name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::named::keys;
use super::reference::{By, Reference};
use super::snapshot::Snapshot;
use super::suiteql::Row;
use super::table::Named;

/// Values that are remembered, at most: they come from the records, and what is forgotten is asked for
/// again.
const MAX_KNOWN: usize = 100_000;
/// Bytes of them, about and at most.
const MAX_BYTES: usize = 16 << 20;

/// A value that somebody is to be found by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) table: String,
    /// Of a transaction.
    pub(super) kind: Option<String>,
    pub(super) by: By,
    pub(super) value: String,
}

/// Who answers to a value.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) rows: Vec<Arc<Row>>,
    at: Instant,
    /// How old it was then.
    age: Duration,
}

impl Told {
    pub(super) fn new(rows: Vec<Arc<Row>>, age: Duration) -> Self {
        Self { rows, at: Instant::now(), age }
    }

    pub(super) fn age(&self) -> Duration {
        self.at.elapsed() + self.age
    }
}

/// What was told.
#[derive(Debug)]
pub(super) struct Directory {
    snapshot: Option<Snapshot>,
    known: Mutex<Known>,
}

/// In two halves: where the young one is full it becomes the old one, so that what is in use is never
/// forgotten between asking and writing.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Bytes of the young half, about.
    bytes: usize,
    /// When a record of a table was written last, or about to be: a name may be another's by then, too.
    written: HashMap<String, Instant>,
    /// When something of a table was told last.
    told: HashMap<String, Instant>,
    /// Something that lasts is not on disk yet.
    is_new: bool,
    young: HashMap<Key, Told>,
    old: HashMap<Key, Told>,
    /// The account knows no subsidiaries.
    pub(super) has_one_company: bool,
}

impl Known {
    fn insert(&mut self, key: Key, told: Told) {
        if self.young.len() >= MAX_KNOWN / 2 || self.bytes >= MAX_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.told.insert(key.table.clone(), told.at);
        self.bytes += key.value.len() + told.rows.iter().map(|row| row.size()).sum::<usize>();
        self.young.insert(key, told);
    }

    fn get(&self, key: &Key) -> Option<&Told> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Whether it is known who answers to a value: nobody, for as long as `absent`. It is about to be
    /// used. `is_first`: what was told before a record of its table was written is not believed.
    pub(super) fn is_told(&mut self, key: &Key, absent: Duration, is_first: bool) -> bool {
        let written = self.written.get(&key.table).filter(|_| is_first).copied();
        let is_it = |told: &&Told| {
            (!told.rows.is_empty() || told.age() < absent)
                && written.is_none_or(|written| told.at > written)
        };
        let Some(told) = self.get(key).filter(is_it) else { return false };
        if !self.young.contains_key(key) {
            let told = told.clone();
            self.insert(key.clone(), told);
        }
        true
    }
}

/// Whom a reference means.
#[derive(Clone, Debug)]
pub(super) enum Found {
    One(Arc<Row>),
    /// Nobody: why, in the platform's words.
    Nobody(String),
    /// Several: any of them would be a guess.
    Several(String),
}

impl Directory {
    /// With what the snapshot has.
    pub(super) fn new(snapshot: Option<Snapshot>) -> Self {
        let mut known = Known::default();
        for (key, told) in snapshot.as_ref().map(Snapshot::read).unwrap_or_default() {
            known.insert(key, told);
        }
        Self { snapshot, known: Mutex::new(known) }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record of a table was written, or is about to be: later jobs do not go by what was told before.
    pub(super) fn wrote(&self, table: &str) {
        let is_lasting = Named::of(table).is_some_and(|named| named.is_lasting);
        {
            let mut known = self.known();
            let is_held = known.told.get(table) > known.written.get(table);
            known.is_new |= is_lasting && is_held;
            known.written.insert(table.to_owned(), Instant::now());
        }
        self.save();
    }

    /// Writes the snapshot, if it is another than before.
    pub(super) fn save(&self) {
        let Some(snapshot) = &self.snapshot else { return };
        let mut known = self.known();
        if std::mem::take(&mut known.is_new) {
            let old = known.old.iter().filter(|(key, _)| !known.young.contains_key(key));
            let holds = |(key, told): &(&Key, &Told)| {
                known.written.get(&key.table).is_none_or(|written| told.at > *written)
            };
            snapshot.write(known.young.iter().chain(old).filter(holds));
        }
    }

    /// Forgets whom references mean: what they say of it may not hold any more.
    pub(super) fn forget(&self, references: &[Reference]) {
        let mut known = self.known();
        for key in keys(references) {
            let is_lasting = Named::of(&key.table).is_some_and(|named| named.is_lasting);
            known.young.remove(&key);
            known.old.remove(&key);
            known.is_new |= is_lasting;
        }
    }

    /// Whom a reference means, of what was told; `scope`: the subsidiary of its record.
    pub(super) fn find(&self, reference: &Reference, scope: Option<&str>) -> Found {
        let owner = match reference.of.as_deref().map(|of| self.find(of, scope)) {
            Some(Found::One(row)) => row.get("id").map(str::to_owned),
            _ => None,
        };
        let known = self.known();
        for (by, value) in &reference.by {
            let key = key(reference, *by, value);
            let rows = known.get(&key).map(|told| told.rows.as_slice()).unwrap_or_default();
            let is_scoped = reference.within && by.is_shared();
            let is_it = |row: &&Arc<Row>| {
                (!is_scoped || is_within(row, scope)) && !reference.is_contradicted(row)
            };
            let mut rows: Vec<&Arc<Row>> = rows.iter().filter(is_it).collect();
            // A join may bring one twice.
            rows.dedup();
            if rows.len() > 1 && owner.is_some() {
                rows.retain(|row| row.get("entity") == owner.as_deref());
            }
            match rows[..] {
                [row] => return Found::One(Arc::clone(row)),
                [first, second, ..] => {
                    let ids = [first, second].map(|row| row.get("id").unwrap_or_default());
                    return Found::Several(reference.several(*by, value, ids));
                }
                [] => {}
            }
        }
        Found::Nobody(reference.nobody(scope))
    }

    /// Takes the answer to a question about some values.
    pub(super) fn learn(
        &self,
        named: &Named,
        kind: Option<&str>,
        values: &[(By, String)],
        rows: &[Arc<Row>],
    ) {
        let mut by_cell: HashMap<(&str, String), Vec<Arc<Row>>> = HashMap::new();
        for row in rows {
            for (column, value) in &**row {
                let cell = (column.as_str(), spelled(column, value));
                by_cell.entry(cell).or_default().push(Arc::clone(row));
            }
        }
        let mut known = self.known();
        for (by, value) in values {
            let rows = by_cell.get(&(by.column(), spelled(by.column(), value))).cloned();
            let key = Key {
                table: named.table.to_owned(),
                kind: kind.map(str::to_owned),
                by: *by,
                value: value.clone(),
            };
            known.insert(key, Told::new(rows.unwrap_or_default(), Duration::ZERO));
        }
        known.is_new |= named.is_lasting;
    }
}

/// Whether a row belongs to a subsidiary, as far as it says: it may belong to several.
fn is_within(row: &Row, scope: Option<&str>) -> bool {
    let (Some(scope), Some(own)) = (scope, row.get("subsidiary")) else { return true };
    own.split(',').any(|id| id.trim() == scope)
}

pub(super) fn key(reference: &Reference, by: By, value: &str) -> Key {
    Key {
        table: reference.table.clone(),
        kind: reference.kind.clone(),
        by,
        value: value.to_owned(),
    }
}

/// An external id as NetSuite compares it, without regard to case:
/// <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_N3432681.html>.
pub(super) fn folded(external_id: &str) -> String {
    external_id.to_lowercase()
}

/// How NetSuite compares the values of a column.
pub(super) fn spelled(column: &str, value: &str) -> String {
    if column == By::ExternalId.column() { folded(value) } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(by: &[(By, &str)], within: bool) -> Reference {
        let by = by.iter().map(|(by, value)| (*by, (*value).to_owned()));
        Reference {
            table: "location".to_owned(),
            kind: None,
            what: "location".to_owned(),
            by: by.collect(),
            within,
            or: None,
            of: None,
        }
    }

    fn row(cells: &[(&str, &str)]) -> Arc<Row> {
        let cells = cells.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Arc::new(cells.collect())
    }

    fn learn(directory: &Directory) {
        let values =
            [(By::Name, "Berlin"), (By::ExternalId, "L-1"), (By::Id, "9"), (By::Name, "Nowhere")];
        let values = values.map(|(by, value)| (by, value.to_owned()));
        let rows = [
            row(&[("id", "1"), ("name", "Berlin"), ("subsidiary", "1, 2")]),
            row(&[("id", "2"), ("name", "Berlin"), ("subsidiary", "3"), ("externalid", "l-1")]),
        ];
        directory.learn(Named::of("location").unwrap(), None, &values, &rows);
    }

    fn id(found: Found) -> Result<String, String> {
        match found {
            Found::One(row) => Ok(row.get("id").unwrap().to_owned()),
            Found::Nobody(why) | Found::Several(why) => Err(why),
        }
    }

    #[test]
    fn a_name_is_found_in_the_subsidiary_of_its_record() {
        let directory = Directory::new(None);
        learn(&directory);
        let find =
            |by: &[(By, &str)], within, scope| id(directory.find(&reference(by, within), scope));
        assert_eq!(find(&[(By::Name, "Berlin")], true, Some("2")).unwrap(), "1");
        assert_eq!(find(&[(By::Name, "Berlin")], true, Some("3")).unwrap(), "2");
        // An external id is one's own, wherever that is, and in any case.
        assert_eq!(find(&[(By::ExternalId, "L-1")], true, Some("1")).unwrap(), "2");
        assert_eq!(find(&[(By::Id, "9"), (By::Name, "Berlin")], true, Some("1")).unwrap(), "1");
        let several = find(&[(By::Name, "Berlin")], false, Some("1")).unwrap_err();
        assert!(several.contains("with the ids 1 and 2"), "{several}");
        assert_eq!(
            find(&[(By::Id, "9"), (By::Name, "Nowhere")], true, Some("1")).unwrap_err(),
            "Unable to find location. Tried lookup by id 9, by name Nowhere, and within subsidiary 1."
        );
    }

    #[test]
    fn what_is_in_use_is_not_forgotten() {
        let mut known = Known::default();
        let of = |value: usize| Key {
            table: "item".to_owned(),
            kind: None,
            by: By::ItemId,
            value: value.to_string(),
        };
        let somebody = || Told::new(vec![row(&[("id", "1")])], Duration::ZERO);
        known.insert(of(0), somebody());
        for value in 1..MAX_KNOWN * 2 {
            known.insert(of(value), somebody());
            assert!(value % 40_000 != 0 || known.is_told(&of(0), Duration::ZERO, false));
        }
        assert!(known.young.len() + known.old.len() <= MAX_KNOWN);
        assert!(
            known.is_told(&of(0), Duration::ZERO, false)
                && !known.is_told(&of(1), Duration::MAX, false)
        );
        known.insert(of(1), Told::new(Vec::new(), Duration::from_secs(5)));
        assert!(known.is_told(&of(1), Duration::from_secs(60), false));
        assert!(!known.is_told(&of(1), Duration::from_secs(5), false));
    }

    #[test]
    fn a_name_is_asked_for_again_once_its_table_was_written() {
        let directory = Directory::new(None);
        learn(&directory);
        let berlin = keys(&[reference(&[(By::Name, "Berlin")], true)]).pop_first().unwrap();
        let is_told = |is_first| directory.known().is_told(&berlin, Duration::ZERO, is_first);
        assert!(is_told(true));
        directory.wrote("vendor");
        assert!(is_told(true));
        directory.wrote("location");
        // Within a call that was begun it holds.
        assert!(!is_told(true) && is_told(false));
    }
}
