//! The runs: when each started, how it ended, and whether its input comes again.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::recovery::doubt_sent;
use super::siblings::Siblings;
use super::{Store, StoreError};

/// A job's number in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobId(pub i64);

impl ToSql for JobId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for JobId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Under way.
    Running,
    /// All of the input was read and every record stands at the remote.
    Succeeded,
    /// All of the input was read, and some records were rejected, failed or are in doubt.
    CompletedWithFailures,
    /// A signal ended it before the input's end.
    Stopped,
    /// An error ended it.
    Failed,
    /// It was killed; the next job found what it had done.
    Interrupted,
}

impl Status {
    const ALL: [Self; 6] = [
        Self::Running,
        Self::Succeeded,
        Self::CompletedWithFailures,
        Self::Stopped,
        Self::Failed,
        Self::Interrupted,
    ];

    /// As it stands in the store and the summary.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::CompletedWithFailures => "completed_with_failures",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Reads [`Status::as_str`] back.
    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether something ended the job before it had done all of its input.
    pub fn is_cut_off(self) -> bool {
        !matches!(self, Self::Succeeded | Self::CompletedWithFailures)
    }
}

/// A row of the list of jobs.
#[derive(Clone, Debug)]
pub struct Job {
    /// Number in the store.
    pub id: JobId,
    /// The id that is told.
    pub uuid: String,
    /// The connector's name.
    pub connector: String,
    /// Connector and account.
    pub namespace: String,
    /// RFC 3339.
    pub started: String,
    /// RFC 3339; `None` while it runs, and for one that was killed.
    pub finished: Option<String>,
    /// How it stands.
    pub status: Status,
    /// The summary document.
    pub summary: Option<String>,
    /// Where it is a retry: the id of the job that it tries again.
    pub retried: Option<String>,
}

/// A job that is about to begin.
#[derive(Clone, Debug, Default)]
pub struct NewJob {
    /// The id that is told.
    pub uuid: String,
    /// The connector's name.
    pub connector: String,
    /// Connector and account.
    pub namespace: String,
    /// The job whose rejects are its input.
    pub retries: Option<JobId>,
    /// Each of its records is an input of its own: the same content is another record.
    pub is_live: bool,
}

impl Store {
    /// Begins a job; returns its number.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn begin_job(&self, job: NewJob) -> Result<JobId, StoreError> {
        let now = now();
        self.write(move |transaction| {
            let NewJob { uuid, connector, namespace, retries, is_live } = job;
            transaction
                .prepare(
                    "INSERT INTO jobs (uuid, connector, namespace, started, status, retries, is_live)
                     VALUES (?, ?, ?, ?, 'running', ?, ?)",
                )?
                .insert(params![uuid, connector, namespace, now, retries, is_live])
                .map(JobId)
        })
        .await
    }

    /// Ends a job, with its summary as JSON. Its ids go into the map together with that, for nobody
    /// looks at the outcomes of a job that has ended. `comes_again`: the tap was not told that all
    /// is done, so the next job has the same input.
    ///
    /// # Errors
    /// What SQLite says; then the job counts as killed.
    pub async fn finish_job(
        &self,
        job: JobId,
        status: Status,
        exit_code: u8,
        summary: String,
        comes_again: bool,
    ) -> Result<(), StoreError> {
        let now = now();
        let overlay = Arc::clone(&self.overlay);
        let folded = self
            .write(move |transaction| {
                transaction.execute(
                    "UPDATE jobs SET status = ?, finished = ?, exit_code = ?, summary = ?
                     WHERE id = ?",
                    params![status.as_str(), now, exit_code, summary, job],
                )?;
                if !comes_again && !status.is_cut_off() {
                    transaction
                        .execute("UPDATE streams SET last_job = NULL WHERE last_job = ?", [job])?;
                }
                let folded = overlay.fold(transaction)?;
                let has_left =
                    "SELECT EXISTS (SELECT 1 FROM intents WHERE job = ? AND ticket IS NULL)";
                if transaction.query_row(has_left, [job], |row| row.get(0))? {
                    doubt_sent(transaction, &Siblings::read(transaction)?, Some(job))?;
                }
                Ok(folded)
            })
            .await?;
        self.overlay.drop_moved(&folded);
        Ok(())
    }

    /// How long ago the job before `job` ended that wrote to `namespace`; no time at all for one
    /// that was killed, since nobody knows. `None` where there was none.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn since_last_end(
        &self,
        job: JobId,
        namespace: &str,
    ) -> Result<Option<Duration>, StoreError> {
        let finished: Option<Option<String>> = self.read(|connection| {
            connection
                .query_row(
                    "SELECT finished FROM jobs WHERE namespace = ? AND id < ?
                     ORDER BY id DESC LIMIT 1",
                    params![namespace, job],
                    |row| row.get(0),
                )
                .optional()
        })?;
        let age = |finished: Option<String>| {
            let finished = chrono::DateTime::parse_from_rfc3339(&finished?).ok()?;
            (chrono::Utc::now() - finished.to_utc()).to_std().ok()
        };
        // A clock that went back cannot make a job older.
        Ok(finished.map(|finished| age(finished).unwrap_or_default()))
    }

    /// Keeps a SCHEMA line, for the rejects.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn keep_schema(
        &self,
        job: JobId,
        stream: i64,
        version: u32,
        line: String,
    ) -> Result<(), StoreError> {
        self.write(move |transaction| {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO schemas (job, stream, version, line) VALUES (?, ?, ?, ?)",
                )?
                .execute(params![job, stream, version, line])?;
            Ok(())
        })
        .await
    }

    /// Keeps the tap's last STATE that is safe.
    ///
    /// # Errors
    /// What SQLite says.
    pub async fn keep_tap_state(&self, job: JobId, value: String) -> Result<(), StoreError> {
        self.write(move |transaction| {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO tap_states (job, value) VALUES (?, ?)")?
                .execute(params![job, value])?;
            Ok(())
        })
        .await
    }
}

/// This instant, as RFC 3339 in UTC with milliseconds.
pub fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// This instant of Unix time, as RFC 3339 in UTC with milliseconds.
pub fn at_millis(millis: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(millis).unwrap_or_default();
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

const COLUMNS: &str = "SELECT id, uuid, connector, namespace, started, finished, status, summary,
     (SELECT tried.uuid FROM jobs AS tried WHERE tried.id = jobs.retries) FROM jobs";

fn job(row: &rusqlite::Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        id: row.get(0)?,
        uuid: row.get(1)?,
        connector: row.get(2)?,
        namespace: row.get(3)?,
        started: row.get(4)?,
        finished: row.get(5)?,
        // A word that this program does not know is no success.
        status: Status::parse(row.get_ref(6)?.as_str()?).unwrap_or(Status::Failed),
        summary: row.get(7)?,
        retried: row.get(8)?,
    })
}

/// The id that is told of a job.
///
/// # Errors
/// What SQLite says.
pub fn uuid(connection: &Connection, job: JobId) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT uuid FROM jobs WHERE id = ?")?
        .query_row([job], |row| row.get(0))
        .optional()
}

/// The newest jobs, newest first.
///
/// # Errors
/// What SQLite says.
pub fn list(connection: &Connection, most: u32) -> rusqlite::Result<Vec<Job>> {
    connection
        .prepare(&format!("{COLUMNS} ORDER BY id DESC LIMIT ?"))?
        .query_map([most], job)?
        .collect()
}

/// The job whose id begins with `prefix`, or the newest for `last`. `None` when there is no such
/// job, or several.
///
/// # Errors
/// What SQLite says.
pub fn find(connection: &Connection, prefix: &str) -> rusqlite::Result<Option<Job>> {
    if prefix == "last" {
        return Ok(list(connection, 1)?.pop());
    }
    let mut found: Vec<Job> = connection
        .prepare(&format!("{COLUMNS} WHERE substr(uuid, 1, length(?1)) = ?1 LIMIT 2"))?
        .query_map([prefix], job)?
        .collect::<Result<_, _>>()?;
    Ok(if found.len() == 1 { found.pop() } else { None })
}

/// The id of a job after `job`, and no retry of it, that was killed while calls were under way
/// whose outcome no job has found out since.
///
/// # Errors
/// What SQLite says.
pub fn cut_off_after(connection: &Connection, job: JobId) -> rusqlite::Result<Option<String>> {
    connection
        .prepare(
            "SELECT uuid FROM intents JOIN jobs ON jobs.id = intents.job
             WHERE jobs.id > ?1 AND retries IS NOT ?1 ORDER BY jobs.id DESC LIMIT 1",
        )?
        .query_row([job], |row| row.get(0))
        .optional()
}
