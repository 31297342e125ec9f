//! Records that are written at once, for somebody who waits or asks later.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::jobs::JobId;
use super::report::OutcomeRow;
use super::{Store, StoreError};
use crate::outcome::{CUT_OFF, Fate, NOT_SENT};

/// How long a task is known by its key once it has come to its end: a day.
pub(crate) const KEY_MILLIS: i64 = 24 * 60 * 60 * 1000;

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
    /// Keeps a task; it is on disk when what is returned ends. Whatever is given to the store once this
    /// has returned is on disk no earlier. `None`: too much waits to be written.
    pub fn keep_task(
        &self,
        task: Task,
    ) -> Option<impl Future<Output = Result<(), StoreError>> + use<>> {
        let now = chrono::Utc::now().timestamp_millis();
        self.writer.enqueue(move |transaction| insert(transaction, task, now))
    }

    /// Gives a task that a job was given and has not written to another one. Its content is no reject of
    /// the first any more. As [`keep_task`](Self::keep_task).
    pub fn take_on_task(
        &self,
        task: Task,
        job: JobId,
        position: u64,
    ) -> Option<impl Future<Output = Result<(), StoreError>> + use<>> {
        let now = chrono::Utc::now().timestamp_millis();
        self.writer.enqueue(move |transaction| {
            transaction
                .prepare_cached(
                    "DELETE FROM contents WHERE job = ? AND position = ?
                         AND stream IN (SELECT id FROM streams WHERE name = ?)",
                )?
                .execute(params![task.job, task.position, task.stream])?;
            insert(transaction, Task { job, position, ..task }, now)
        })
    }

    /// Forgets tasks that were given more than `age_millis` ago and have come to their end.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn forget_tasks(&self, age_millis: i64) -> Result<(), StoreError> {
        let before = chrono::Utc::now().timestamp_millis() - age_millis;
        self.write(move |transaction| {
            transaction
                .execute(
                    &format!("DELETE FROM tasks WHERE created_millis < ? AND NOT {IS_OPEN}"),
                    [before],
                )
                .map(drop)
        })
        .await
    }

    /// The task of the request that the client calls so.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn task_of_key(&self, key: &str) -> Result<Option<Task>, StoreError> {
        self.read(|connection| find(connection, "key", key))
    }
}

fn insert(transaction: &Transaction<'_>, task: Task, now_millis: i64) -> rusqlite::Result<()> {
    let Task { id, key, fingerprint, job, position, stream, record } = task;
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO tasks
                 (id, key, fingerprint, job, position, stream, record, created_millis)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![id, key, fingerprint, job, position, stream, record, now_millis])
        .map(drop)
}

/// The task of this id.
///
/// # Errors
/// What SQLite says.
pub fn by_id(connection: &Connection, id: &str) -> rusqlite::Result<Option<Task>> {
    find(connection, "id", id)
}

/// Whether some have not come to their end.
///
/// # Errors
/// What SQLite says.
pub fn is_any_open(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM tasks WHERE {IS_OPEN})"))?
        .query_row([], |row| row.get(0))
}

/// Tasks that have not come to their end, in the order in which they came.
///
/// # Errors
/// What SQLite says.
pub fn open(connection: &Connection) -> rusqlite::Result<Vec<Task>> {
    connection
        .prepare(&format!("{COLUMNS} WHERE {IS_OPEN} ORDER BY job, position"))?
        .query_map([], task)?
        .collect()
}

/// Whether a task's job had to end before it was sent, or before the answer to what may simply be sent
/// again: another one writes it.
pub fn is_left(outcome: &OutcomeRow<'_>) -> bool {
    // A remote's own codes come with another fate.
    matches!(outcome.fate, Fate::Failed | Fate::InDoubt)
        && matches!(outcome.code, Some(NOT_SENT | CUT_OFF))
}

/// Of a task: it has not come to its end, or [was left](is_left).
const IS_OPEN: &str = "NOT EXISTS (SELECT 1 FROM outcomes WHERE outcomes.job = tasks.job
    AND outcomes.stream IN (SELECT streams.id FROM streams) AND outcomes.position = tasks.position
    AND NOT (outcomes.outcome IN ('failed', 'in_doubt')
        AND coalesce(outcomes.code, '') IN ('not_sent', 'cut_off')))";

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
