//! The streams of a store, by namespace and name.

use std::sync::{MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::Store;
use super::jobs::JobId;
use super::siblings::Siblings;
use crate::error::Error;

/// A stream's number in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredStream {
    /// In the store that is written.
    pub id: i64,
    /// In the one that a dry run reads beside it.
    pub(super) id_in_base: Option<i64>,
}

impl From<i64> for StoredStream {
    /// Of a store that has no other beside it.
    fn from(id: i64) -> Self {
        Self { id, id_in_base: None }
    }
}

impl Store {
    /// The stream of this name in `namespace`, made if it is new. `object`: what it is written to
    /// now, as the remote calls it, where the connector says so.
    ///
    /// # Errors
    /// Exit code 2: what is known of the stream is of another object. Exit code 5: what SQLite says.
    pub async fn stream(
        &self,
        namespace: &str,
        name: &str,
        object: Option<&str>,
    ) -> Result<StoredStream, Error> {
        self.stream_and(namespace, name, object, |_, _| Ok(())).await
    }

    /// Begins with the records of a stream. What was written without an external id stays known if
    /// this job has the input of an earlier one: of the last that had records of the stream, where
    /// that comes again, or of the one that it retries.
    ///
    /// # Errors
    /// As [`Store::stream`]; then nothing has begun.
    pub async fn begin_stream(
        &self,
        job: JobId,
        namespace: &str,
        name: &str,
        object: Option<&str>,
    ) -> Result<StoredStream, Error> {
        self.stream_and(namespace, name, object, move |transaction, stream| {
            begin(transaction, job, stream)
        })
        .await
    }

    async fn stream_and(
        &self,
        namespace: &str,
        name: &str,
        object: Option<&str>,
        then: impl FnOnce(&Transaction<'_>, i64) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<StoredStream, Error> {
        let id_in_base = self.base.read(|base| find_stream(base, namespace, name));
        let id_in_base = id_in_base.map_err(|error| self.error(error))?;
        if let Some(stream) = id_in_base {
            let other = self.base.read(|base| other_object(base, stream, object));
            if let Some(other) = other.map_err(|error| self.error(error))? {
                return Err(moved(name, &other, object));
            }
        }
        let (own_namespace, own_name) = (namespace.to_owned(), name.to_owned());
        let own_object = object.map(str::to_owned);
        let (id, object) = self
            .write(move |transaction| {
                let id = stream_id(transaction, &own_namespace, &own_name)?;
                if let Some(other) = other_object(transaction, id, own_object.as_deref())? {
                    return Ok(Err(other));
                }
                write_to(transaction, id, own_object.as_deref())?;
                then(transaction, id)?;
                Ok(Ok((id, object_of(transaction, id)?)))
            })
            .await?
            .map_err(|other| moved(name, &other, object))?;
        self.siblings().set(id, object.map(|object| (namespace.to_owned(), object)));
        Ok(StoredStream { id, id_in_base })
    }

    fn siblings(&self) -> MutexGuard<'_, Siblings> {
        self.siblings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The other streams that are written to the object of this one.
    pub(super) fn siblings_of(&self, stream: i64) -> Vec<i64> {
        self.siblings().of(stream).collect()
    }
}

/// Begins with the records that a job has of a stream.
fn begin(transaction: &Transaction<'_>, job: JobId, stream: i64) -> rusqlite::Result<()> {
    let is_live: bool =
        transaction.query_row("SELECT is_live FROM jobs WHERE id = ?", [job], |row| row.get(0))?;
    if is_live {
        return Ok(());
    }
    let last: Option<i64> =
        transaction
            .query_row("SELECT last_job FROM streams WHERE id = ?", [stream], |row| row.get(0))?;
    let retried: Option<i64> =
        transaction.query_row("SELECT retries FROM jobs WHERE id = ?", [job], |row| row.get(0))?;
    if last.is_none() {
        // In another input, the same content is another record.
        transaction.execute(
            "DELETE FROM written WHERE stream = ?1 AND NOT in_doubt AND job < ?2 AND job IS NOT ?3",
            params![stream, job, retried],
        )?;
    }
    if let Some(before) = retried.or(last) {
        transaction.execute(
            "INSERT INTO inputs (job, stream, first)
             VALUES (?1, ?2, coalesce((SELECT first FROM inputs WHERE job = ?3 AND stream = ?2), ?3))",
            params![job, stream, before],
        )?;
    }
    if retried.is_none() {
        transaction
            .execute("UPDATE streams SET last_job = ? WHERE id = ?", params![job, stream])?;
    }
    Ok(())
}

/// That ids of a stream are known, or are in doubt.
const HAS_IDS: &str = "EXISTS (SELECT 1 FROM id_map WHERE stream = streams.id)
    OR EXISTS (SELECT 1 FROM doubts WHERE stream = streams.id)
    OR EXISTS (SELECT 1 FROM intents WHERE stream = streams.id)";

/// The object that something is known of, where that is not the one that the stream is written to
/// now.
fn other_object(
    connection: &Connection,
    stream: i64,
    object: Option<&str>,
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(&format!(
            "SELECT object FROM streams WHERE id = ?1 AND object <> ?2 AND ({HAS_IDS}
                    OR EXISTS (SELECT 1 FROM written WHERE stream = streams.id AND in_doubt))"
        ))?
        .query_row(params![stream, object], |row| row.get(0))
        .optional()
}

/// What a stream is written to, where that is known.
fn object_of(connection: &Connection, stream: i64) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT object FROM streams WHERE id = ?")?
        .query_row([stream], |row| row.get(0))
}

/// Remembers what a stream is written to. What was written to another object says nothing of this
/// one.
fn write_to(connection: &Connection, stream: i64, object: Option<&str>) -> rusqlite::Result<()> {
    let Some(object) = object else { return Ok(()) };
    let changed = connection
        .prepare_cached("UPDATE streams SET object = ?2 WHERE id = ?1 AND object <> ?2")?
        .execute(params![stream, object])?;
    if changed > 0 {
        connection.execute("DELETE FROM written WHERE stream = ?", [stream])?;
    }
    connection
        .prepare_cached("UPDATE streams SET object = ?2 WHERE id = ?1 AND object IS NULL")?
        .execute(params![stream, object])?;
    Ok(())
}

/// Nothing of a stream is known any more that would bind it to an object.
pub(super) fn forget_object(connection: &Connection, stream: i64) -> rusqlite::Result<()> {
    connection.execute("UPDATE streams SET object = NULL WHERE id = ?", [stream]).map(drop)
}

fn moved(stream: &str, before: &str, object: Option<&str>) -> Error {
    let now = object.unwrap_or_default();
    Error::usage(format!(
        "the stream `{stream}` was written to `{before}`, and is to be written to `{now}` now: the ids \
         that are known of it would name other records there"
    ))
    .hint(format!(
        "set another `namespace` for the new object, or let the ids of the old one go with `target-upsert \
         ids forget --all --stream {stream}`"
    ))
}

impl Store {
    /// Refuses a job whose remote tells its account for the first time, or does not tell it any more:
    /// the same records are known under another namespace. `without`: the namespace of one that tells
    /// no account.
    ///
    /// # Errors
    /// Exit code 2: the store has such ids. Exit code 5: what SQLite says.
    pub fn refuse_other_namespace(&self, namespace: &str, without: &str) -> Result<(), Error> {
        let find = |connection: &Connection| other_namespace(connection, namespace, without);
        let others = match self.read(find)? {
            Some(others) => Some(others),
            None => self.base.read(find).map_err(|error| self.error(error))?,
        };
        let Some(others) = others else { return Ok(()) };
        Err(Error::usage(format!(
            "the store has ids of this remote under `{others}`, and this job would keep its own under \
             `{namespace}`: records that are known would be made a second time"
        ))
        .hint(format!(
            "if it is the same account, set `namespace` in the config to `{others}`; if it is another one, \
             to a name of your own"
        )))
    }

    /// Whether other streams are written to the object of `stream`.
    pub fn shares_object(&self, stream: &StoredStream) -> bool {
        self.siblings().of(stream.id).next().is_some()
    }
}

/// The namespaces of the same remote in which something is known: the one without an account beside
/// one with, or the other way round. As they stand in a sentence between backticks.
fn other_namespace(
    connection: &Connection,
    namespace: &str,
    without: &str,
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            &format!(
                "SELECT group_concat(DISTINCT namespace) FROM streams WHERE namespace <> ?1
                 AND (namespace = ?2 OR (?1 = ?2 AND substr(namespace, 1, length(?2) + 1) = ?2 || '/'))
                 AND ({HAS_IDS} OR EXISTS (SELECT 1 FROM written WHERE stream = streams.id))"
            ),
        )?
        .query_row(params![namespace, without], |row| row.get::<_, Option<String>>(0))
        .map(|others| others.map(|others| others.replace(',', "` or `")))
}

/// The number of a stream, made if it is new.
///
/// # Errors
/// What SQLite says.
pub fn stream_id(connection: &Connection, namespace: &str, name: &str) -> rusqlite::Result<i64> {
    if let Some(id) = find_stream(connection, namespace, name)? {
        return Ok(id);
    }
    connection
        .prepare_cached("INSERT INTO streams (namespace, name) VALUES (?, ?)")?
        .insert(params![namespace, name])
}

/// The name of the stream of this number.
///
/// # Errors
/// What SQLite says.
pub fn name_of(connection: &Connection, stream: i64) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT name FROM streams WHERE id = ?")?
        .query_row([stream], |row| row.get(0))
        .optional()
}

/// The number of a stream, if the store has it.
///
/// # Errors
/// What SQLite says.
pub fn find_stream(
    connection: &Connection,
    namespace: &str,
    name: &str,
) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM streams WHERE namespace = ? AND name = ?")?
        .query_row(params![namespace, name], |row| row.get(0))
        .optional()
}

/// A stream whose ids are kept, and how many they are.
#[derive(Clone, Debug)]
pub struct KnownStream {
    /// Number of the stream in the store.
    pub id: i64,
    /// Connector and account.
    pub namespace: String,
    /// Name of the stream.
    pub stream: String,
    /// Ids kept.
    pub ids: u64,
}

/// The streams of a store, with the number of their ids.
///
/// # Errors
/// What SQLite says.
pub fn known_streams(connection: &Connection) -> rusqlite::Result<Vec<KnownStream>> {
    connection
        .prepare(
            "SELECT id, namespace, name, (SELECT count(*) FROM id_map WHERE stream = streams.id)
             FROM streams ORDER BY namespace, name",
        )?
        .query_map([], |row| {
            Ok(KnownStream {
                id: row.get(0)?,
                namespace: row.get(1)?,
                stream: row.get(2)?,
                ids: row.get(3)?,
            })
        })?
        .collect()
}
