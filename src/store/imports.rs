//! Ids from elsewhere come into the id map: from a snapshot, which wins over what is known, and
//! from the state of an earlier job, which does not.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::id_map::{Entry, Mapped, find_in, put};
use super::streams::{StoredStream, find_stream, stream_id};
use super::{Base, Store, StoreError, doubts, recovery};
use crate::record::ExternalId;

/// What taking in an id says of a create of it that is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubts {
    /// Nothing.
    Stay,
    /// That it has ended: somebody has looked at the remote for it. So have those that a killed job
    /// left; no job may be under way.
    End,
}

impl Store {
    /// Takes ids of a snapshot into the map, over what is known, in one transaction.
    ///
    /// # Errors
    /// What SQLite says; then none was taken.
    pub fn import_blocking(
        &self,
        stream: StoredStream,
        entries: Vec<Entry>,
        doubts: Doubts,
    ) -> Result<(), StoreError> {
        let into = Destination { base: self.base.clone(), stream };
        self.write_blocking(move |transaction| {
            if doubts == Doubts::End {
                let ids: Vec<_> = entries.iter().map(|entry| entry.external_id.clone()).collect();
                recovery::settle(transaction, stream.id, Some(&ids))?;
                for id in &ids {
                    doubts::clear(transaction, stream.id, id)?;
                }
            }
            entries.iter().try_for_each(|entry| import_over(transaction, &into, entry))
        })
    }
}

impl Store {
    /// Whether the file at `path` was taken into the map as it is now; `stamp` says what it is like.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn is_imported(
        &self,
        stream: &StoredStream,
        path: &Path,
        stamp: &str,
    ) -> Result<bool, StoreError> {
        let found = self.find_in_both(stream, |connection, stream| {
            let known: Option<String> = connection
                .prepare_cached("SELECT stamp FROM imports WHERE stream = ? AND path = ?")?
                .query_row(params![stream, path.to_string_lossy()], |row| row.get(0))
                .optional()?;
            Ok(known.filter(|known| known == stamp))
        })?;
        Ok(found.is_some())
    }
}

/// The stream that ids are taken into, in a store that may be a dry run's.
#[derive(Debug)]
pub struct Destination {
    base: Base,
    stream: StoredStream,
}

impl Destination {
    /// The stream of this name, made if it is new.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn stream(
        transaction: &Transaction<'_>,
        base: Base,
        namespace: &str,
        name: &str,
    ) -> rusqlite::Result<Self> {
        let id_in_base = base.read(|base| find_stream(base, namespace, name))?;
        let id = stream_id(transaction, namespace, name)?;
        Ok(Self { base, stream: StoredStream { id, id_in_base } })
    }

    /// Its number in the store that is written.
    pub fn id(&self) -> i64 {
        self.stream.id
    }

    fn known(
        &self,
        transaction: &Transaction<'_>,
        id: &ExternalId,
    ) -> rusqlite::Result<Option<Mapped>> {
        let known = find_in(transaction, self.stream.id, id)?;
        match self.stream.id_in_base.filter(|_| known.is_none()) {
            Some(stream) => self.base.read(|base| find_in(base, stream, id)),
            None => Ok(known),
        }
    }
}

/// Takes in one entry over what is known. One that changes a remote id forgets the fingerprint.
///
/// # Errors
/// What SQLite says.
pub fn import_over(
    transaction: &Transaction<'_>,
    into: &Destination,
    entry: &Entry,
) -> rusqlite::Result<()> {
    let mut mapped = entry.mapped.clone();
    if mapped.fingerprint.is_none()
        && let Some(known) = into.known(transaction, &entry.external_id)?
        && known.remote_id == mapped.remote_id
    {
        mapped.fingerprint = known.fingerprint;
        mapped.parents = known.parents;
    }
    put(transaction, into.id(), &entry.external_id, &mapped)
}

/// Takes in what one entry says beyond what is known. Returns whether that is anything.
///
/// # Errors
/// What SQLite says.
pub fn import_beside(
    transaction: &Transaction<'_>,
    into: &Destination,
    entry: &Entry,
) -> rusqlite::Result<bool> {
    let mut mapped = entry.mapped.clone();
    if let Some(known) = into.known(transaction, &entry.external_id)? {
        if known.remote_id.is_some() || mapped.remote_id.is_none() {
            return Ok(false);
        }
        // Which content stands under that id, neither of them knows.
        mapped.fingerprint = None;
    }
    put(transaction, into.id(), &entry.external_id, &mapped)?;
    Ok(true)
}

/// Begins to take in a state: it has told of no record yet.
///
/// # Errors
/// What SQLite says.
pub fn begin_state(connection: &Connection) -> rusqlite::Result<()> {
    // A table, for a state may be of any length.
    connection.execute_batch(
        "DROP TABLE IF EXISTS temp.told;
         CREATE TEMP TABLE told (stream, external_id, PRIMARY KEY (stream, external_id))
         WITHOUT ROWID;",
    )
}

/// Whether the state that is being taken in has told of this record before: what is known of it is
/// not the store's own then.
///
/// # Errors
/// What SQLite says.
pub fn is_told(
    connection: &Connection,
    stream: i64,
    external_id: &ExternalId,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM temp.told WHERE stream = ? AND external_id = ?")?
        .exists(params![stream, external_id.as_str()])
}

/// Remembers that the state has told of this record.
///
/// # Errors
/// What SQLite says.
pub fn set_told(
    connection: &Connection,
    stream: i64,
    external_id: &ExternalId,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO temp.told VALUES (?, ?)")?
        .execute(params![stream, external_id.as_str()])
        .map(drop)
}

/// Remembers that the file at `path` was taken into the map.
///
/// # Errors
/// What SQLite says.
pub fn set_imported(
    connection: &Connection,
    stream: i64,
    path: &Path,
    stamp: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO imports (stream, path, stamp) VALUES (?, ?, ?)")?
        .execute(params![stream, path.to_string_lossy(), stamp])?;
    Ok(())
}
