//! Calls that wrote records, or tried to: what was sent and what was heard, for who looks at one record.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::Store;
use super::jobs::JobId;
use crate::connector::contract::Action;
use crate::connector::exchange::Told;

/// A call that has come to its end.
#[derive(Clone, Debug)]
pub struct Call {
    /// The stream's number in the store.
    pub stream: i64,
    /// The places of its records among those of the input, in the order in which they were sent.
    pub positions: Vec<u64>,
    /// What it was to do.
    pub action: Action,
    /// When it began, in milliseconds of Unix time.
    pub sent_millis: i64,
    /// How long it took.
    pub took: Duration,
    /// Its requests and their answers.
    pub exchanges: Vec<Told>,
}

impl Store {
    /// Keeps a call, unless too much waits to be written: records do not wait for it.
    pub fn keep_call(&self, job: JobId, call: Call) {
        let kept = self.writer.enqueue(move |transaction| {
            let Call { stream, positions, action, sent_millis, took, exchanges } = call;
            let (first, last) = (positions.iter().min(), positions.iter().max());
            let json = |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(error.into());
            transaction
                .prepare_cached(
                    "INSERT INTO calls
                         (job, stream, first, last, positions, action, sent_millis, millis, exchanges)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![
                    job,
                    stream,
                    first,
                    last,
                    serde_json::to_string(&positions).map_err(json)?,
                    action.as_str(),
                    sent_millis,
                    i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
                    serde_json::to_string(&exchanges).map_err(json)?,
                ])
                .map(drop)
        });
        drop(kept);
    }
}

/// The calls of a job that the record at `position` of a stream was part of, in the order in which they
/// ended.
///
/// # Errors
/// What SQLite says.
pub fn of_record(
    connection: &Connection,
    job: JobId,
    stream: i64,
    position: u64,
) -> rusqlite::Result<Vec<Call>> {
    let mut statement = connection.prepare_cached(
        "SELECT positions, action, sent_millis, millis, exchanges FROM calls
         WHERE job = ?1 AND stream = ?2 AND first <= ?3 AND last >= ?3
           AND EXISTS (SELECT 1 FROM json_each(positions) WHERE value = ?3)
         ORDER BY id",
    )?;
    let rows = statement.query_map(params![job, stream, position], |row| {
        let (positions, action): (String, String) = (row.get(0)?, row.get(1)?);
        let (millis, exchanges): (u64, String) = (row.get(3)?, row.get(4)?);
        Ok(Call {
            stream,
            positions: serde_json::from_str(&positions).unwrap_or_default(),
            action: Action::parse(&action).unwrap_or(Action::Upsert),
            sent_millis: row.get(2)?,
            took: Duration::from_millis(millis),
            exchanges: serde_json::from_str(&exchanges).unwrap_or_default(),
        })
    })?;
    rows.collect()
}
