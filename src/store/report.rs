//! Reads outcomes back, row by row, for the state line, results, rejects and mappings: none of
//! them is ever whole in memory.

use std::io;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::jobs::JobId;
use crate::outcome::Fate;
use crate::record::Fingerprint;

/// Why something could not be told from the store.
#[derive(Debug, thiserror::Error)]
pub enum TellError {
    /// The file, or whoever reads.
    #[error(transparent)]
    Output(#[from] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] rusqlite::Error),
}

impl From<csv::Error> for TellError {
    fn from(error: csv::Error) -> Self {
        Self::Output(error.into())
    }
}

/// One outcome, as it is told.
#[derive(Clone, Copy, Debug)]
pub struct OutcomeRow<'a> {
    /// Name of the stream; empty for a line that could not be read.
    pub stream: &'a str,
    /// Place among the records of the input, from 1.
    pub position: u64,
    /// The user's id.
    pub external_id: Option<&'a str>,
    /// The remote's id.
    pub remote_id: Option<&'a str>,
    /// `create`, `update`, `upsert`, `delete`, or nothing when nothing was sent.
    pub action: Option<&'a str>,
    /// How it ended.
    pub fate: Fate,
    /// Calls that it was part of.
    pub attempts: u32,
    /// HTTP status of the last answer.
    pub status: Option<u16>,
    /// The platform's class of the error.
    pub class: Option<&'a str>,
    /// The remote's code of the error, or ours.
    pub code: Option<&'a str>,
    /// The error, for people.
    pub error: Option<&'a str>,
    /// From its first sending to its outcome.
    pub millis: u64,
    /// Of its prepared content.
    pub fingerprint: Fingerprint,
    /// The platform's `customData`, as JSON.
    pub custom_data: Option<&'a str>,
    /// Name of the batch that it went out with last.
    pub batch_id: Option<&'a str>,
    /// What was sent as JSON, where that is kept.
    pub body: Option<&'a str>,
}

/// The streams of a job that have outcomes: number in the store and name, in the order of their
/// numbers.
///
/// # Errors
/// What SQLite says.
pub fn streams(connection: &Connection, job: JobId) -> rusqlite::Result<Vec<(i64, String)>> {
    // A loose index scan: one step a stream, however many outcomes each has.
    connection
        .prepare_cached(
            "WITH RECURSIVE found (stream) AS (
                SELECT min(stream) FROM outcomes WHERE job = ?1
                UNION ALL
                SELECT (SELECT min(stream) FROM outcomes WHERE job = ?1 AND stream > found.stream)
                FROM found WHERE found.stream IS NOT NULL)
             SELECT stream, name FROM found JOIN streams ON streams.id = stream ORDER BY stream",
        )?
        .query_map([job], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Hands the outcomes of one stream of a job to `each`, in the order of the input.
///
/// # Errors
/// What SQLite says, or `each`.
pub fn outcomes<E: From<rusqlite::Error>>(
    connection: &Connection,
    job: JobId,
    stream: (i64, &str),
    mut each: impl FnMut(OutcomeRow<'_>) -> Result<(), E>,
) -> Result<(), E> {
    // Of a stream's records all bodies are kept, or none: then none is looked for.
    let has_bodies: Option<bool> = connection
        .prepare_cached(
            "SELECT body IS NOT NULL FROM contents WHERE job = ? AND stream = ? LIMIT 1",
        )?
        .query_row(params![job, stream.0], |row| row.get(0))
        .optional()?;
    let body = if has_bodies == Some(true) {
        "(SELECT body FROM contents WHERE contents.job = outcomes.job
            AND contents.stream = outcomes.stream AND contents.position = outcomes.position)"
    } else {
        "NULL"
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT position, external_id, remote_id, action, outcome, attempts, status, class, code,
                error, millis, fingerprint, custom_data, {body}, batch_id
         FROM outcomes WHERE job = ? AND stream = ? ORDER BY position",
    ))?;
    let mut rows = statement.query(params![job, stream.0])?;
    while let Some(row) = rows.next()? {
        each(outcome(row, stream.1)?)?;
    }
    Ok(())
}

/// Hands the outcome of one record of a job to `each`: of the record at `position`, in the stream of
/// this name, or in none where it was no message. `None` where it has not come to its end.
///
/// # Errors
/// What SQLite says.
pub fn one<T>(
    connection: &Connection,
    job: JobId,
    stream: &str,
    position: u64,
    each: impl FnOnce(OutcomeRow<'_>) -> T,
) -> rusqlite::Result<Option<T>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {OUTCOME_COLUMNS} FROM outcomes WHERE job = ?1 AND position = ?3
             AND stream IN (SELECT id FROM streams WHERE name IN (?2, ''))"
    ))?;
    let mut rows = statement.query(params![job, stream, position])?;
    match rows.next()? {
        Some(row) => Ok(Some(each(outcome(row, stream)?))),
        None => Ok(None),
    }
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> rusqlite::Result<Option<&'a str>> {
    Ok(row.get_ref(column)?.as_str_or_null()?)
}

/// The columns that [`outcome`] reads, without what was sent.
pub(super) const OUTCOME_COLUMNS: &str =
    "position, external_id, remote_id, action, outcome, attempts, status, class, code, error, millis,
     fingerprint, custom_data, NULL, batch_id";

pub(super) fn outcome<'a>(row: &'a Row<'_>, stream: &'a str) -> rusqlite::Result<OutcomeRow<'a>> {
    let text = |column| text(row, column);
    Ok(OutcomeRow {
        stream,
        position: row.get(0)?,
        external_id: text(1)?,
        remote_id: text(2)?,
        action: text(3)?,
        // A word that this program does not know is nobody's success.
        fate: text(4)?.and_then(Fate::parse).unwrap_or(Fate::InDoubt),
        attempts: row.get(5)?,
        status: row.get(6)?,
        class: text(7)?,
        code: text(8)?,
        error: text(9)?,
        millis: row.get(10)?,
        fingerprint: Fingerprint(row.get(11)?),
        custom_data: text(12)?,
        body: text(13)?,
        batch_id: text(14)?,
    })
}

/// Hands the id pairs that a job wrote or confirmed in one stream to `each`, by external id, each
/// external id once, with the last remote id.
///
/// # Errors
/// What SQLite says, or `each`.
pub fn mappings<E: From<rusqlite::Error>>(
    connection: &Connection,
    job: JobId,
    stream: i64,
    mut each: impl FnMut(&str, &str, Option<&str>) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = connection.prepare_cached(
        "SELECT external_id, outcome = 'deleted', remote_id, custom_data FROM outcomes
         WHERE job = ? AND stream = ? AND external_id IS NOT NULL
           AND (outcome = 'deleted'
                OR (remote_id IS NOT NULL AND outcome IN ('created', 'updated', 'unchanged')))
         ORDER BY external_id, position DESC",
    )?;
    let mut rows = statement.query(params![job, stream])?;
    let mut last: Option<String> = None;
    while let Some(row) = rows.next()? {
        let external_id = text(row, 0)?.unwrap_or_default();
        if last.as_deref() == Some(external_id) {
            continue;
        }
        let last = last.get_or_insert_default();
        last.clear();
        last.push_str(external_id);
        if !row.get(1)? {
            each(external_id, text(row, 2)?.unwrap_or_default(), text(row, 3)?)?;
        }
    }
    Ok(())
}

/// One line of the rejects file.
#[derive(Debug)]
pub enum Reject {
    /// A SCHEMA line as it came in.
    Schema(String),
    /// A record: its stream's name, and the record as it came in.
    Record(String, String),
}

/// The records of a job ?1 in a stream ?2 that are to be sent again.
///
/// What is newer is told by its place in one job, and by when it was settled in several, which may have
/// been beside each other; a store of before that was kept has the jobs' numbers.
///
/// A record is known again by each of its ids, by what it is found by, and where it has none of
/// them by its content: then in jobs of the same input alone, for in another one the same content
/// is another record. All that has one key is looked at together, sorted, whatever the planner
/// thinks of it.
const REJECTS: &str = "
    WITH rejected AS MATERIALIZED (
        SELECT position, external_id, remote_id, found_by, settled_micros,
            CASE WHEN coalesce(external_id, remote_id, found_by) IS NULL
                THEN hex(fingerprint) END AS content
        FROM outcomes
        WHERE job = ?1 AND stream = ?2 AND outcome IN ('rejected', 'failed', 'in_doubt')
          -- what is due to be written by itself
          AND NOT (coalesce(code, '') = 'not_sent' AND position IN
              (SELECT position FROM tasks WHERE tasks.job = ?1))),
    wanted AS MATERIALIZED (
        SELECT position, settled_micros, 'e' || external_id AS key FROM rejected
        UNION ALL SELECT position, settled_micros, 'r' || remote_id FROM rejected
        UNION ALL SELECT position, settled_micros, 'f' || found_by FROM rejected
        UNION ALL SELECT position, settled_micros, 'c' || content FROM rejected),
    origin (first) AS MATERIALIZED (
        SELECT coalesce((SELECT first FROM inputs WHERE job = ?1 AND stream = ?2), ?1)),
    same_input AS MATERIALIZED (
        SELECT first AS job FROM origin
        UNION SELECT job FROM inputs WHERE stream = ?2 AND first = (SELECT first FROM origin)),
    beside (job) AS MATERIALIZED (
        SELECT other.id FROM jobs AS own JOIN jobs AS other
        ON other.id < own.id AND (other.finished IS NULL OR other.finished >= own.started)
        WHERE own.id = ?1),
    written AS MATERIALIZED (
        SELECT job, position, external_id, remote_id, found_by, settled_micros,
            CASE WHEN external_id IS NULL AND found_by IS NULL AND job IN same_input
                AND outcome IN ('created', 'updated', 'unchanged') THEN hex(fingerprint) END AS content
        FROM outcomes
        WHERE (job >= ?1 OR job IN beside) AND stream = ?2
          AND (outcome IN ('created', 'updated', 'unchanged', 'deleted')
               OR (job <> ?1 AND outcome IN ('failed', 'in_doubt') AND attempts > 0))),
    known AS (
        SELECT job, position, settled_micros, 'e' || external_id AS key FROM written
        UNION ALL SELECT job, position, settled_micros, 'r' || remote_id FROM written
        UNION ALL SELECT job, position, settled_micros, 'f' || found_by FROM written
        UNION ALL SELECT job, position, settled_micros, 'c' || content FROM written),
    together AS (
        SELECT NULL AS job, position, settled_micros, key FROM wanted WHERE key IS NOT NULL
        UNION ALL SELECT * FROM known WHERE key IN (SELECT key FROM wanted WHERE key IS NOT NULL)),
    compared AS (
        SELECT job, position, settled_micros,
            max(job) FILTER (WHERE settled_micros = 0) OVER same AS last_job,
            max(settled_micros) FILTER (WHERE job <> ?1) OVER same AS last_micros,
            max(position) FILTER (WHERE job = ?1) OVER same AS last_position
        FROM together WINDOW same AS (PARTITION BY key)),
    stale AS (
        SELECT position FROM compared
        WHERE job IS NULL AND (last_position > position OR last_micros > settled_micros
            OR (settled_micros = 0 AND last_job > ?1)))
    SELECT schema_version, source FROM rejected
    LEFT JOIN contents
        ON contents.job = ?1 AND contents.stream = ?2 AND contents.position = rejected.position
    WHERE rejected.position NOT IN stale
    ORDER BY rejected.position";

/// Hands what was rejected, failed or is in doubt to `each`, stream by stream in the order of the
/// input, each SCHEMA before the records that came under it. A record that was written later, in
/// this job or another, is left out: sent again, it would put old content over new, or be there
/// twice.
///
/// Returns how many records of that kind are not kept, so that they cannot be told.
///
/// # Errors
/// What SQLite says, or `each`.
pub fn rejects<E: From<rusqlite::Error>>(
    connection: &Connection,
    job: JobId,
    mut each: impl FnMut(Reject) -> Result<(), E>,
) -> Result<u64, E> {
    let mut missing = 0;
    for (stream, name) in streams(connection, job)? {
        let mut statement = connection.prepare_cached(REJECTS)?;
        let mut rows = statement.query(params![job, stream])?;
        let mut told = None;
        while let Some(row) = rows.next()? {
            let (version, source): (Option<u32>, Option<String>) = (row.get(0)?, row.get(1)?);
            let (Some(version), Some(source)) = (version, source) else {
                missing += 1;
                continue;
            };
            if told != Some(version) {
                let line: Option<String> = connection
                    .prepare_cached(
                        "SELECT line FROM schemas WHERE job = ? AND stream = ? AND version = ?",
                    )?
                    .query_row(params![job, stream, version], |row| row.get(0))
                    .optional()?;
                if let Some(line) = line {
                    each(Reject::Schema(line))?;
                }
                told = Some(version);
            }
            each(Reject::Record(name.clone(), source))?;
        }
    }
    Ok(missing)
}

/// Places of the records of a job that its input is not needed for any more, in order: they were
/// written, or their content is kept. Of a record that was on its way when its job was killed, it is not.
///
/// # Errors
/// What SQLite says.
pub fn settled(connection: &Connection, job: JobId) -> rusqlite::Result<Vec<u64>> {
    connection
        .prepare_cached(
            "SELECT outcomes.position FROM outcomes LEFT JOIN contents USING (job, stream, position)
             WHERE outcomes.job = ? AND (outcome NOT IN ('rejected', 'failed', 'in_doubt')
                 OR contents.source IS NOT NULL)
             ORDER BY outcomes.position",
        )?
        .query_map([job], |row| row.get(0))?
        .collect()
}

/// The tap's last STATE of a job that is safe.
///
/// # Errors
/// What SQLite says.
pub fn tap_state(connection: &Connection, job: JobId) -> rusqlite::Result<Option<String>> {
    connection
        .query_row("SELECT value FROM tap_states WHERE job = ?", [job], |row| row.get(0))
        .optional()
}
