//! External id → remote id, with the fingerprint of what was written last.
//!
//! New entries stand in the [overlay](super::overlay) first, and in [`runs`].

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::change::Change;
use super::overlay::Lately;
use super::streams::{StoredStream, forget_object};
use super::{Store, StoreError, doubts, recovery, runs};
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

pub(super) fn find_in(
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
        let lately = match self.overlay.get(&(stream.id, id.clone())) {
            Lately::Changed(change) => Some(change),
            Lately::InRuns(numbers) => {
                self.read(|connection| runs::find(connection, numbers, (stream.id, id)))?
            }
            Lately::Unchanged => None,
        };
        match lately {
            Some(Change::Set(known)) => return Ok(Some(known)),
            Some(Change::Remove) => return Ok(None),
            None => {}
        }
        self.find_in_both(stream, |connection, stream| find_in(connection, stream, id))
    }

    /// Takes ids out of the map, where they lead to records that the remote has not any more,
    /// before anything is made in their place: what comes of that says nothing of what was there.
    ///
    /// # Errors
    /// What SQLite says; then none was taken out.
    pub async fn lose(
        &self,
        stream: &StoredStream,
        ids: Vec<(ExternalId, RemoteId)>,
    ) -> Result<(), StoreError> {
        let mut lost = Vec::with_capacity(ids.len());
        for (id, missing) in ids {
            // A record may say another remote id of itself than the map has.
            let mapped = self.find(stream, &id)?;
            if mapped.is_some_and(|mapped| mapped.remote_id == Some(missing)) {
                lost.push(id);
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        let (ids, stream) = (lost.clone(), stream.id);
        self.write(move |transaction| {
            ids.iter().try_for_each(|id| {
                doubts::lose(transaction, stream, id)?;
                remove(transaction, stream, id).map(drop)
            })
        })
        .await?;
        self.overlay.insert(lost.into_iter().map(|id| ((stream, id), Change::Remove)));
        Ok(())
    }

    /// Writes what the overlay and the runs hold into the table.
    ///
    /// # Errors
    /// What SQLite says; then the entries stay where they are.
    pub async fn fold(&self) -> Result<(), StoreError> {
        let overlay = Arc::clone(&self.overlay);
        let folded = self.write(move |transaction| overlay.fold(transaction)).await?;
        point("folded");
        self.overlay.drop_moved(&folded);
        Ok(())
    }
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
