//! Records that are written at once, for somebody who waits or asks later.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::jobs::JobId;
use super::{Store, StoreError};

/// A record that somebody asked to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What it is asked for by.
    pub id: String,
    /// What the client calls the request.
    pub key: Option<String>,
    /// SHA-256 of what was asked for.
    pub fingerprint: [u8; 32],
    /// The job that writes it.
    pub job: JobId,
    /// Its place there.
    pub position: u64,
    /// Its stream.
    pub stream: String,
    /// The record as it came in: a JSON object.
    pub record: String,
}

impl Store {
    /// Keeps a task. Work that is given to the store afterwards is on disk no earlier.
    ///
    /// # Errors
    /// What SQLite says; a key that is there already, too.
    pub async fn keep_task(&self, task: Task) -> Result<(), StoreError> {
        let now = chrono::Utc::now().timestamp_millis();
        self.write(move |transaction| {
            let Task { id, key, fingerprint, job, position, stream, record } = task;
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO tasks
                         (id, key, fingerprint, job, position, stream, record, created_millis)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![id, key, fingerprint, job, position, stream, record, now])
                .map(drop)
        })
        .await
    }

    /// The task of this id.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn task(&self, id: &str) -> Result<Option<Task>, StoreError> {
        self.read(|connection| find(connection, "id", id))
    }

    /// The task of the request that the client calls so.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn task_of_key(&self, key: &str) -> Result<Option<Task>, StoreError> {
        self.read(|connection| find(connection, "key", key))
    }
}

/// Tasks that have not come to their end, in the order in which they came.
///
/// # Errors
/// What SQLite says.
pub fn open(connection: &Connection) -> rusqlite::Result<Vec<Task>> {
    connection
        .prepare(&format!(
            "{COLUMNS} WHERE NOT EXISTS (
                 SELECT 1 FROM outcomes WHERE outcomes.job = tasks.job
                     AND outcomes.stream IN (SELECT streams.id FROM streams)
                     AND outcomes.position = tasks.position)
             ORDER BY job, position"
        ))?
        .query_map([], task)?
        .collect()
}

const COLUMNS: &str = "SELECT id, key, fingerprint, job, position, stream, record FROM tasks";

fn find(connection: &Connection, by: &str, value: &str) -> rusqlite::Result<Option<Task>> {
    connection
        .prepare_cached(&format!("{COLUMNS} WHERE {by} = ?"))?
        .query_row([value], task)
        .optional()
}

fn task(row: &Row<'_>) -> rusqlite::Result<Task> {
    Ok(Task {
        id: row.get(0)?,
        key: row.get(1)?,
        fingerprint: row.get(2)?,
        job: row.get(3)?,
        position: row.get(4)?,
        stream: row.get(5)?,
        record: row.get(6)?,
    })
}
