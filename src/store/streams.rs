//! The streams of a store, by namespace and name.

use std::sync::PoisonError;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::jobs::was_cut_off;
use super::{Store, StoreError};

/// A stream's number in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredStream {
    /// In the store that is written.
    pub id: i64,
    /// In the one that a dry run reads beside it.
    pub(super) id_in_base: Option<i64>,
}

impl Store {
    /// The stream of this name in `namespace`, made if it is new.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn stream(&self, namespace: &str, name: &str) -> Result<StoredStream, StoreError> {
        self.stream_and(namespace, name, |_, _| Ok(())).await
    }

    /// Begins with the records of a stream. Where the last job that had some was cut off, this one has
    /// the same input: what was written without an external id stays known. With `goes_on` it stays so
    /// for the next job too, for a retry is no input of its own.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn begin_stream(
        &self,
        job: i64,
        namespace: &str,
        name: &str,
        goes_on: bool,
    ) -> Result<StoredStream, StoreError> {
        self.stream_and(namespace, name, move |transaction, stream| {
            if goes_on {
                return Ok(());
            }
            let last: Option<String> = transaction
                .query_row(
                    "SELECT status FROM streams JOIN jobs ON jobs.id = last_job
                     WHERE streams.id = ?",
                    [stream],
                    |row| row.get(0),
                )
                .optional()?;
            if !last.is_some_and(|status| was_cut_off(&status)) {
                let before = [stream, job];
                transaction.execute("DELETE FROM written WHERE stream = ? AND job < ?", before)?;
            }
            transaction.execute("UPDATE streams SET last_job = ? WHERE id = ?", [job, stream])?;
            Ok(())
        })
        .await
    }

    async fn stream_and(
        &self,
        namespace: &str,
        name: &str,
        then: impl FnOnce(&Transaction<'_>, i64) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<StoredStream, StoreError> {
        let (own_namespace, own_name) = (namespace.to_owned(), name.to_owned());
        let id = self
            .write(move |transaction| {
                let id = stream_id(transaction, &own_namespace, &own_name)?;
                then(transaction, id).map(|()| id)
            })
            .await?;
        let id_in_base = match &self.base {
            None => None,
            Some(base) => {
                let base = base.lock().unwrap_or_else(PoisonError::into_inner);
                find_stream(&base, namespace, name).map_err(|error| self.error(error))?
            }
        };
        Ok(StoredStream { id, id_in_base })
    }
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
pub struct Known {
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
pub fn known_streams(connection: &Connection) -> rusqlite::Result<Vec<Known>> {
    connection
        .prepare(
            "SELECT id, namespace, name, (SELECT count(*) FROM id_map WHERE stream = streams.id)
             FROM streams ORDER BY namespace, name",
        )?
        .query_map([], |row| {
            Ok(Known {
                id: row.get(0)?,
                namespace: row.get(1)?,
                stream: row.get(2)?,
                ids: row.get(3)?,
            })
        })?
        .collect()
}
