//! External id → remote id, with the fingerprint of what was written last.
//!
//! New entries stand in the [overlay](super::overlay) first.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::change::Change;
use super::streams::{StoredStream, forget_object};
use super::{Store, StoreError, doubts, recovery};
use crate::crash::point;
use crate::record::{ExternalId, Fingerprint, RemoteId};

/// What is known of one external id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Its remote id, where the remote has told one.
    pub remote_id: Option<RemoteId>,
    /// Of the content that was written last; `None` when that is not known for sure.
    pub fingerprint: Option<Fingerprint>,
    /// What the platform wants to see beside the id in snapshots.
    pub custom_data: Option<Arc<str>>,
    /// Of the remote ids that stood in that content for its parents: see
    /// [`Related`](crate::resolve::relations::Related). `None` when that is not known.
    pub parents: Option<i64>,
}

/// A row of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The user's id.
    pub external_id: ExternalId,
    /// What belongs to it.
    pub mapped: Mapped,
}

/// Sets one row.
pub(super) fn put(
    connection: &Connection,
    stream: i64,
    external_id: &ExternalId,
    mapped: &Mapped,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO id_map
                 (stream, external_id, remote_id, fingerprint, custom_data, parents)
             VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            stream,
            external_id.as_str(),
            mapped.remote_id.as_ref().map(RemoteId::as_str),
            mapped.fingerprint.map(|fingerprint| fingerprint.0),
            mapped.custom_data.as_deref(),
            mapped.parents,
        ])?;
    Ok(())
}

/// What stands at the remote under an id is no longer known for sure.
///
/// # Errors
/// What SQLite says.
pub fn unsure(
    connection: &Connection,
    stream: i64,
    external_id: &ExternalId,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE id_map SET fingerprint = NULL WHERE stream = ? AND external_id = ?",
        )?
        .execute(params![stream, external_id.as_str()])?;
    Ok(())
}

/// Takes one row out. Returns how many there were.
///
/// # Errors
/// What SQLite says.
pub fn remove(
    connection: &Connection,
    stream: i64,
    external_id: &ExternalId,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("DELETE FROM id_map WHERE stream = ? AND external_id = ?")?
        .execute(params![stream, external_id.as_str()])
}

pub(super) fn mapped(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Mapped> {
    Ok(Mapped {
        remote_id: row.get::<_, Option<String>>(first)?.map(RemoteId::new),
        fingerprint: row.get::<_, Option<[u8; 32]>>(first + 1)?.map(Fingerprint),
        custom_data: row.get::<_, Option<String>>(first + 2)?.map(Arc::from),
        parents: row.get(first + 3)?,
    })
}

fn find_in(
    connection: &Connection,
    stream: i64,
    id: &ExternalId,
) -> rusqlite::Result<Option<Mapped>> {
    connection
        .prepare_cached(
            "SELECT remote_id, fingerprint, custom_data, parents FROM id_map
             WHERE stream = ? AND external_id = ?",
        )?
        .query_row(params![stream, id.as_str()], |row| mapped(row, 0))
        .optional()
}

impl Store {
    /// What is known of one external id of `stream`.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn find(
        &self,
        stream: &StoredStream,
        id: &ExternalId,
    ) -> Result<Option<Mapped>, StoreError> {
        match self.overlay.get(&(stream.id, id.clone())) {
            Some(Change::Set(known)) => return Ok(Some(known)),
            Some(Change::Remove) => return Ok(None),
            None => {}
        }
        self.find_in_both(stream, |connection, stream| find_in(connection, stream, id))
    }

    /// Takes ids out of the map whose records the remote has not any more, before anything is made
    /// in their place: what comes of that says nothing of what was there.
    ///
    /// # Errors
    /// What SQLite says; then none was taken out.
    pub async fn lose(&self, stream: i64, ids: Vec<ExternalId>) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let lost = ids.clone();
        self.write(move |transaction| {
            ids.iter().try_for_each(|id| remove(transaction, stream, id).map(drop))
        })
        .await?;
        self.overlay.insert(lost.into_iter().map(|id| ((stream, id), Change::Remove)));
        Ok(())
    }

    /// Writes what the overlay holds into the table.
    ///
    /// # Errors
    /// What SQLite says; then the entries stay where they are.
    pub async fn fold(&self) -> Result<(), StoreError> {
        let overlay = Arc::clone(&self.overlay);
        let folded = self.write(move |transaction| overlay.fold(transaction)).await?;
        point("folded");
        self.overlay.forget(&folded);
        Ok(())
    }

    /// Takes ids from elsewhere into the map, in one transaction. Where `overwrite` is false, what
    /// is known already stays. An entry that changes a remote id forgets the fingerprint. `settles`:
    /// somebody has looked at the remote for them, so creates of them are in doubt no more, also
    /// those that a killed job left; no job may be under way then.
    ///
    /// # Errors
    /// What SQLite says; then none was taken.
    pub fn import_blocking(
        &self,
        stream: i64,
        entries: Vec<Entry>,
        overwrite: bool,
        settles: bool,
    ) -> Result<(), StoreError> {
        self.write_blocking(move |transaction| {
            if settles {
                let ids: Vec<_> = entries.iter().map(|entry| entry.external_id.clone()).collect();
                recovery::settle(transaction, stream, Some(&ids))?;
                for id in &ids {
                    doubts::clear(transaction, stream, id)?;
                }
            }
            entries
                .iter()
                .try_for_each(|entry| import(transaction, stream, entry, overwrite).map(drop))
        })
    }
}

/// Takes in one entry; see [`Store::import_blocking`]. Returns whether it did.
///
/// # Errors
/// What SQLite says.
pub fn import(
    transaction: &Transaction<'_>,
    stream: i64,
    entry: &Entry,
    overwrite: bool,
) -> rusqlite::Result<bool> {
    let mut mapped = entry.mapped.clone();
    if let Some(known) = find_in(transaction, stream, &entry.external_id)? {
        if !overwrite {
            if known.remote_id.is_some() || mapped.remote_id.is_none() {
                return Ok(false);
            }
            // Which content stands under that id, neither of them knows.
            mapped.fingerprint = None;
        } else if known.remote_id == mapped.remote_id && mapped.fingerprint.is_none() {
            mapped.fingerprint = known.fingerprint;
            mapped.parents = known.parents;
        }
    }
    put(transaction, stream, &entry.external_id, &mapped)?;
    Ok(true)
}

/// Hands the entries of a stream to `work`, by external id, one at a time.
///
/// # Errors
/// What SQLite says.
pub fn entries<T>(
    connection: &Connection,
    stream: i64,
    work: impl FnOnce(&mut dyn Iterator<Item = rusqlite::Result<Entry>>) -> T,
) -> rusqlite::Result<T> {
    let mut statement = connection.prepare_cached(
        "SELECT external_id, remote_id, fingerprint, custom_data, parents FROM id_map
         WHERE stream = ? ORDER BY external_id",
    )?;
    let mut rows = statement.query_map([stream], |row| {
        let external_id = ExternalId::new(row.get::<_, String>(0)?);
        Ok(Entry { external_id, mapped: mapped(row, 1)? })
    })?;
    Ok(work(&mut rows))
}

/// What is to be forgotten of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forget {
    /// These ids, and what is in doubt of them.
    Ids(Vec<ExternalId>),
    /// All that is in doubt, and no id.
    Doubts,
    /// All ids, all that is in doubt, and what the stream was written to.
    All,
}

/// Takes ids out of the map, and with them what is in doubt. Returns how many ids, and how many
/// doubts.
///
/// # Errors
/// What SQLite says.
pub fn forget(
    transaction: &Transaction<'_>,
    stream: i64,
    what: &Forget,
) -> rusqlite::Result<(usize, usize)> {
    let Forget::Ids(ids) = what else {
        let settled = recovery::settle(transaction, stream, None)?;
        let doubts = doubts::clear_all(transaction, stream)? + settled;
        if *what == Forget::Doubts {
            return Ok((0, doubts));
        }
        forget_object(transaction, stream)?;
        return Ok((transaction.execute("DELETE FROM id_map WHERE stream = ?", [stream])?, doubts));
    };
    let mut settled = recovery::settle(transaction, stream, Some(ids))?;
    let mut forgotten = 0;
    for id in ids {
        settled += doubts::clear(transaction, stream, id)?;
        forgotten += remove(transaction, stream, id)?;
    }
    Ok((forgotten, settled))
}

/// Whether the file at `path` was taken into the map as it is now; `stamp` says what it is like.
///
/// # Errors
/// What SQLite says.
pub fn is_imported(
    connection: &Connection,
    stream: i64,
    path: &Path,
    stamp: &str,
) -> rusqlite::Result<bool> {
    let known: Option<String> = connection
        .prepare_cached("SELECT stamp FROM imports WHERE stream = ? AND path = ?")?
        .query_row(params![stream, path.to_string_lossy()], |row| row.get(0))
        .optional()?;
    Ok(known.as_deref() == Some(stamp))
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
