//! Creates whose fate is open, and records that are known again by their content alone.
//!
//! A doubt outlives its job: a later one neither forgets it nor sends the record blindly, be it
//! that another record has the same content. It ends when an outcome says what stands at the
//! remote, or by `ids import` and `ids forget`. That a record without an external id was written is
//! known in one input: in this job, in those before it that had the same one, and in retries. In
//! another input, the same content is another record.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::jobs::JobId;
use super::streams::StoredStream;
use super::{Store, StoreError};
use crate::connector::contract::Action;
use crate::outcome::{Fate, Outcome};
use crate::record::{ExternalId, Fingerprint, RemoteId};

/// A create that was sent, and nobody knows whether it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// When its first call left, in milliseconds of Unix time.
    pub first_millis: i64,
    /// When its last call had left for sure.
    pub last_millis: i64,
    /// Of the content that was sent.
    pub fingerprint: Option<Fingerprint>,
    /// Of the remote ids that stood in it for its parents; `None` when that is not known.
    pub parents: Option<i64>,
    /// Under which the remote knows the same create again, if it does.
    pub key: Option<Arc<str>>,
    /// Under which it was made after all: only whether all that belongs to it was written is open.
    pub remote_id: Option<RemoteId>,
}

impl Doubt {
    /// How long ago the first call left.
    pub fn since_first(&self) -> Duration {
        // A clock that went back cannot say that a key is still remembered.
        since(self.first_millis).unwrap_or(Duration::MAX)
    }

    /// How long ago the last call had left. A clock that went back makes it younger, never older.
    pub fn since_last(&self) -> Duration {
        since(self.last_millis).unwrap_or_default()
    }
}

/// `None` for what is yet to come.
fn since(millis: i64) -> Option<Duration> {
    let age = chrono::Utc::now().timestamp_millis().saturating_sub(millis);
    u64::try_from(age).ok().map(Duration::from_millis)
}

/// What is known of a record without an external id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was written, under this id if the remote told one.
    Yes(Option<RemoteId>),
    /// It was sent, and nobody knows whether it was applied.
    InDoubt(Doubt),
}

impl Store {
    /// The doubt about a create of this external id, if there is one.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn find_doubt(
        &self,
        stream: &StoredStream,
        id: &ExternalId,
    ) -> Result<Option<Doubt>, StoreError> {
        let find = |connection: &Connection, stream: i64| {
            connection
                .prepare_cached(
                    "SELECT first_millis, last_millis, fingerprint, key, parents, remote_id FROM doubts
                     WHERE stream = ? AND external_id = ?",
                )?
                .query_row(params![stream, id.as_str()], |row| {
                    Ok(Doubt {
                        first_millis: row.get(0)?,
                        last_millis: row.get(1)?,
                        fingerprint: row.get::<_, Option<[u8; 32]>>(2)?.map(Fingerprint),
                        key: row.get::<_, Option<String>>(3)?.map(Arc::from),
                        parents: row.get(4)?,
                        remote_id: row.get::<_, Option<String>>(5)?.map(RemoteId::new),
                    })
                })
                .optional()
        };
        if self.has_doubts.load(Ordering::Acquire) {
            self.find_in_both(stream, find)
        } else {
            self.find_in_base(stream, find)
        }
    }

    /// Whether a record without an external id was written from this input, or, with `or_before`,
    /// by a job whose state was passed in.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn find_written(
        &self,
        stream: &StoredStream,
        fingerprint: &Fingerprint,
        or_before: bool,
    ) -> Result<Option<Written>, StoreError> {
        let find = |connection: &Connection, stream: i64, has_begun: bool| {
            connection
                .prepare_cached(
                    "SELECT remote_id, in_doubt, first_millis, last_millis, key, parents FROM written
                     WHERE stream = ?1 AND is_imported <= ?2 AND fingerprint = ?3
                        AND (?4 OR in_doubt
                             OR EXISTS (SELECT 1 FROM streams WHERE id = ?1 AND last_job IS NOT NULL))
                     ORDER BY in_doubt LIMIT 1",
                )?
                .query_row(params![stream, or_before, fingerprint.0, has_begun], |row| {
                    let remote_id = row.get::<_, Option<String>>(0)?.map(RemoteId::new);
                    if !row.get::<_, bool>(1)? {
                        return Ok(Written::Yes(remote_id));
                    }
                    Ok(Written::InDoubt(Doubt {
                        first_millis: row.get(2)?,
                        last_millis: row.get(3)?,
                        fingerprint: Some(*fingerprint),
                        key: row.get::<_, Option<String>>(4)?.map(Arc::from),
                        parents: row.get(5)?,
                        remote_id,
                    }))
                })
                .optional()
        };
        if let Some(own) = self.read(|connection| find(connection, stream.id, true))? {
            return Ok(Some(own));
        }
        // Where a dry run reads, the stream has not begun, which forgets what is of another input.
        self.find_in_base(stream, |connection, stream| find(connection, stream, false))
    }
}

/// A doubt that is open, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDoubt {
    /// Connector and account.
    pub namespace: String,
    /// Name of the stream.
    pub stream: String,
    /// The user's id, where the record has one.
    pub external_id: Option<String>,
    /// When its first call left, in milliseconds of Unix time.
    pub first_millis: i64,
    /// When its last call had left for sure.
    pub last_millis: i64,
}

/// Hands the doubts that jobs have left to `each`, by stream and external id: whether something was
/// made. What is only not finished ends by itself.
///
/// # Errors
/// What SQLite says, or `each`.
pub fn open<E: From<rusqlite::Error>>(
    connection: &Connection,
    mut each: impl FnMut(OpenDoubt) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = connection.prepare(
        "SELECT namespace, name, external_id, first_millis, last_millis FROM (
            SELECT stream, external_id, first_millis, last_millis FROM doubts WHERE remote_id IS NULL
            UNION ALL
            SELECT stream, NULL, first_millis, last_millis FROM written
            WHERE in_doubt AND remote_id IS NULL)
         JOIN streams ON streams.id = stream ORDER BY namespace, name, external_id, first_millis",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(OpenDoubt {
            namespace: row.get(0)?,
            stream: row.get(1)?,
            external_id: row.get(2)?,
            first_millis: row.get(3)?,
            last_millis: row.get(4)?,
        })?;
    }
    Ok(())
}

/// Takes in that records without an external id were written, as an earlier job's state tells.
///
/// # Errors
/// What SQLite says.
pub fn import_written(
    transaction: &Transaction<'_>,
    job: JobId,
    stream: i64,
    fingerprint: &Fingerprint,
    remote_id: Option<&RemoteId>,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO written (stream, is_imported, fingerprint, job, remote_id)
             VALUES (?, 1, ?, ?, ?)",
        )?
        .execute(params![stream, fingerprint.0, job, remote_id.map(RemoteId::as_str)])?;
    Ok(())
}

/// Whether there is a doubt about any external id.
pub(super) fn is_any(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM doubts)", [], |row| row.get(0))
}

/// Takes in what an outcome says of doubts. `has_doubts`: whether there may be any; it is set before
/// the doubt is committed, so that whoever looks too early finds none.
pub(super) fn remember(
    transaction: &Transaction<'_>,
    job: JobId,
    outcome: &Outcome,
    has_doubts: &AtomicBool,
) -> rusqlite::Result<()> {
    if outcome.fate == Fate::InDoubt && outcome.attempts == 0 {
        // Not sent this time: nothing new is known of it.
        return Ok(());
    }
    let Some(id) = &outcome.external_id else {
        return remember_content(transaction, job, outcome);
    };
    match (outcome.fate, outcome.action) {
        _ if is_open(outcome) => {
            has_doubts.store(true, Ordering::Release);
            set(transaction, outcome, id)
        }
        _ if !has_doubts.load(Ordering::Acquire) => Ok(()),
        (Fate::Skipped, _) if outcome.remote_id.is_none() => Ok(()),
        (Fate::Created | Fate::Updated | Fate::Deleted | Fate::Skipped, _)
        | (Fate::Unchanged, Some(_)) => clear(transaction, outcome.stream, id).map(drop),
        _ => Ok(()),
    }
}

/// A record without an external id is known again by its fingerprint alone.
fn remember_content(
    transaction: &Transaction<'_>,
    job: JobId,
    outcome: &Outcome,
) -> rusqlite::Result<()> {
    let in_doubt = match outcome.fate {
        // The same content in another input is another record.
        Fate::Created | Fate::Updated
            if outcome.action == Some(Action::Create) && is_live(transaction, job)? =>
        {
            return end_doubt(transaction, job, outcome);
        }
        Fate::Created | Fate::Updated if outcome.action == Some(Action::Create) => false,
        _ if is_open(outcome) => true,
        // Found by what it says, or finished.
        Fate::Updated | Fate::Unchanged if outcome.action.is_some() => {
            return end_doubt(transaction, job, outcome);
        }
        _ => return Ok(()),
    };
    // The remote counts a key's life from the first call under it.
    transaction
        .prepare_cached(
            "INSERT INTO written
                 (stream, job, fingerprint, remote_id, in_doubt, first_millis, last_millis, key,
                  parents)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET job = excluded.job, remote_id = excluded.remote_id,
                 in_doubt = excluded.in_doubt, last_millis = excluded.last_millis,
                 first_millis = CASE WHEN key IS excluded.key AND in_doubt
                     THEN min(first_millis, excluded.first_millis) ELSE excluded.first_millis END,
                 key = excluded.key, parents = excluded.parents",
        )?
        .execute(params![
            outcome.stream,
            job,
            outcome.fingerprint.0,
            outcome.remote_id.as_ref().map(RemoteId::as_str),
            in_doubt,
            first_millis(outcome),
            chrono::Utc::now().timestamp_millis(),
            outcome.key,
            outcome.parents,
        ])?;
    Ok(())
}

fn is_live(connection: &Connection, job: JobId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT is_live FROM jobs WHERE id = ?")?
        .query_row([job], |row| row.get(0))
}

/// Whether a create is not known to have been applied as a whole.
fn is_open(outcome: &Outcome) -> bool {
    outcome.action == Some(Action::Create)
        && (outcome.fate == Fate::InDoubt || outcome.is_unfinished())
}

/// It is known of a create that nothing was made.
pub(super) fn end(
    transaction: &Transaction<'_>,
    job: JobId,
    outcome: &Outcome,
) -> rusqlite::Result<()> {
    match &outcome.external_id {
        Some(id) => clear(transaction, outcome.stream, id).map(drop),
        None => end_doubt(transaction, job, outcome),
    }
}

/// A record without an external id was brought to a good end.
fn end_doubt(transaction: &Transaction<'_>, job: JobId, outcome: &Outcome) -> rusqlite::Result<()> {
    let (stream, fingerprint) = (outcome.stream, outcome.fingerprint.0);
    transaction
        .prepare_cached(
            "DELETE FROM written
             WHERE stream = ? AND fingerprint = ? AND in_doubt AND remote_id IS NULL",
        )?
        .execute(params![stream, fingerprint])?;
    // It was made, and its input may come again.
    transaction
        .prepare_cached(
            "UPDATE written SET in_doubt = 0, job = ? WHERE stream = ? AND fingerprint = ? AND in_doubt",
        )?
        .execute(params![job, stream, fingerprint])?;
    Ok(())
}

fn set(connection: &Connection, outcome: &Outcome, id: &ExternalId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO doubts
                 (stream, external_id, last_millis, first_millis, fingerprint, key, parents,
                  remote_id)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET last_millis = excluded.last_millis,
                 first_millis = CASE WHEN key IS excluded.key
                     THEN min(first_millis, excluded.first_millis) ELSE excluded.first_millis END,
                 fingerprint = excluded.fingerprint, key = excluded.key,
                 parents = excluded.parents, remote_id = excluded.remote_id",
        )?
        .execute(params![
            outcome.stream,
            id.as_str(),
            chrono::Utc::now().timestamp_millis(),
            first_millis(outcome),
            outcome.fingerprint.0,
            outcome.key,
            outcome.parents,
            outcome.remote_id.as_ref().map(RemoteId::as_str),
        ])?;
    Ok(())
}

fn first_millis(outcome: &Outcome) -> i64 {
    let ago = i64::try_from(outcome.millis).unwrap_or(i64::MAX);
    chrono::Utc::now().timestamp_millis().saturating_sub(ago)
}

/// Forgets all doubts about records of a stream. Returns how many there were.
pub(super) fn clear_all(connection: &Connection, stream: i64) -> rusqlite::Result<usize> {
    let of_ids = connection.execute("DELETE FROM doubts WHERE stream = ?", [stream])?;
    let of_contents =
        connection.execute("DELETE FROM written WHERE stream = ? AND in_doubt", [stream])?;
    Ok(of_ids + of_contents)
}

/// Forgets what was made of this external id and not finished: the remote has it no more.
pub(super) fn lose(connection: &Connection, stream: i64, id: &ExternalId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM doubts WHERE stream = ? AND external_id = ? AND remote_id IS NOT NULL",
        )?
        .execute(params![stream, id.as_str()])
        .map(drop)
}

/// Forgets that a create of this external id is in doubt, if it is.
pub(super) fn clear(
    connection: &Connection,
    stream: i64,
    id: &ExternalId,
) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("DELETE FROM doubts WHERE stream = ? AND external_id = ?")?
        .execute(params![stream, id.as_str()])
}
