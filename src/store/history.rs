//! One record of a job: all that is known of it, and what became of the same id in other jobs.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, params};

use super::calls::{self, Call};
use super::jobs::JobId;
use super::report::{OUTCOME_COLUMNS, outcome};
use super::results::{Cursor, Row};
use super::streams::name_of;

/// Jobs that an id is looked for in, at most: the newest.
const JOBS: u32 = 100;

/// All that is known of a record.
#[derive(Clone, Debug)]
pub struct Known {
    /// What became of it.
    pub row: Row,
    /// When that was put into the store, in microseconds of Unix time; 0 where that was not kept.
    pub settled_micros: i64,
    /// The record as it came in, where that is kept.
    pub source: Option<String>,
    /// As it went out, where that is kept.
    pub body: Option<String>,
    /// The calls that it was part of, as far as they are kept.
    pub calls: Vec<Call>,
}

/// What is known of the record of a job at `cursor`.
///
/// # Errors
/// What SQLite says.
pub fn record(
    connection: &Connection,
    job: JobId,
    cursor: Cursor,
) -> rusqlite::Result<Option<Known>> {
    let stream = name_of(connection, cursor.stream)?.unwrap_or_default();
    let place = params![job, cursor.stream, cursor.position];
    let found = connection
        .prepare_cached(&format!(
            "SELECT {OUTCOME_COLUMNS}, settled_micros FROM outcomes
             WHERE job = ? AND stream = ? AND position = ?"
        ))?
        .query_row(place, |row| {
            Ok((Row::of(cursor, &outcome(row, &stream)?), row.get("settled_micros")?))
        })
        .optional()?;
    let Some((row, settled_micros)) = found else { return Ok(None) };
    let content: Option<(Option<String>, Option<String>)> = connection
        .prepare_cached(
            "SELECT source, body FROM contents WHERE job = ? AND stream = ? AND position = ?",
        )?
        .query_row(place, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (source, body) = content.unwrap_or_default();
    let calls = calls::of_record(connection, job, cursor.stream, cursor.position)?;
    Ok(Some(Known { row, settled_micros, source, body, calls }))
}

/// What became of an id in a job.
#[derive(Clone, Debug)]
pub struct Before {
    /// The job, by the id that is told.
    pub run: String,
    /// When it was put into the store, in microseconds of Unix time; 0 where that was not kept.
    pub settled_micros: i64,
    /// What became of it.
    pub row: Row,
}

/// What became of an id in other jobs.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The newest job first.
    pub rows: Vec<Before>,
    /// Jobs that were looked through.
    pub jobs: usize,
    /// There is no more: no job was left out, and nothing of one.
    pub is_whole: bool,
}

/// Looks for an id in other jobs of the store, the newest first, until `most` are found or `patience`
/// is over. No index is kept for it: each job is read through.
///
/// # Errors
/// What SQLite says.
pub fn history(
    connection: &Connection,
    job: JobId,
    stream: i64,
    external_id: &str,
    most: usize,
    patience: Duration,
) -> rusqlite::Result<History> {
    let until = Instant::now() + patience;
    let name = name_of(connection, stream)?.unwrap_or_default();
    let others: Vec<(JobId, String)> = connection
        .prepare_cached("SELECT id, uuid FROM jobs WHERE id <> ? ORDER BY id DESC LIMIT ?")?
        .query_map(params![job, JOBS + 1], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut history = History::default();
    for (other, run) in &others {
        if history.jobs >= JOBS as usize || history.rows.len() >= most || Instant::now() >= until {
            return Ok(history);
        }
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {OUTCOME_COLUMNS}, settled_micros FROM outcomes
             WHERE job = ? AND stream = ? AND external_id = ? ORDER BY position DESC LIMIT ?"
        ))?;
        let left = most - history.rows.len();
        let mut rows = statement.query(params![other, stream, external_id, left])?;
        while let Some(row) = rows.next()? {
            let told = outcome(row, &name)?;
            let cursor = Cursor { stream, position: told.position };
            history.rows.push(Before {
                run: run.clone(),
                settled_micros: row.get("settled_micros")?,
                row: Row::of(cursor, &told),
            });
        }
        history.jobs += 1;
    }
    // Of the last one no more was asked for than there was room.
    history.is_whole = history.rows.len() < most;
    Ok(history)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        connection
            .execute_batch("INSERT INTO streams (id, namespace, name) VALUES (3, 'n', 'contacts')")
            .unwrap();
        for job in 1..=5 {
            connection
                .execute(
                    "INSERT INTO jobs (id, uuid, connector, namespace, started, status)
                     VALUES (?1, 'run-' || ?1, 'rest', 'n', '', 'succeeded')",
                    [job],
                )
                .unwrap();
            for (position, id) in [(1, "c-1"), (2, "c-2")] {
                connection
                    .execute(
                        "INSERT INTO outcomes (job, stream, position, external_id, outcome, attempts,
                             millis, fingerprint, settled_micros)
                         VALUES (?1, 3, ?2, ?3, 'created', 1, 0, zeroblob(32), ?1 * 10)",
                        params![job, position, id],
                    )
                    .unwrap();
            }
        }
        connection
    }

    #[test]
    fn an_id_is_found_in_the_other_jobs_the_newest_first() {
        let store = store();
        let look = |most, patience| history(&store, JobId(4), 3, "c-2", most, patience).unwrap();
        let found = look(10, Duration::from_secs(60));
        let runs: Vec<_> = found.rows.iter().map(|before| before.run.as_str()).collect();
        assert_eq!(runs, ["run-5", "run-3", "run-2", "run-1"]);
        assert!(found.rows.iter().all(|before| before.row.external_id.as_deref() == Some("c-2")));
        assert_eq!(found.rows[0].settled_micros, 50);
        assert!(found.is_whole && found.jobs == 4);
        let few = look(2, Duration::from_secs(60));
        assert_eq!((few.rows.len(), few.jobs, few.is_whole), (2, 2, false));
        let all_but_one = look(4, Duration::from_secs(60));
        assert_eq!((all_but_one.rows.len(), all_but_one.is_whole), (4, false));
        let late = look(10, Duration::ZERO);
        assert_eq!((late.rows.len(), late.jobs, late.is_whole), (0, 0, false));
    }

    #[test]
    fn a_record_is_told_with_what_is_kept_of_it() {
        let store = store();
        store
            .execute(
                "INSERT INTO contents (job, stream, position, schema_version, source)
                 VALUES (2, 3, 1, 0, '{\"a\":1}')",
                [],
            )
            .unwrap();
        let at =
            |job, position| record(&store, JobId(job), Cursor { stream: 3, position }).unwrap();
        let known = at(2, 1).unwrap();
        assert_eq!(known.source.as_deref(), Some("{\"a\":1}"));
        assert_eq!((known.row.stream.as_str(), known.settled_micros), ("contacts", 20));
        assert_eq!(at(1, 1).unwrap().source, None);
        assert!(at(1, 3).is_none());
    }
}
