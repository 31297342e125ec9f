//! The queue on disk: a job that was accepted runs, whatever happens to the process.

mod deliveries;
mod delivery;
mod file;
mod job;
mod listing;
mod steps;
mod taps;
mod tenants;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub(super) use self::delivery::{Attempt, Delivery, DeliveryState};
use self::job::{COLUMNS, job};
pub(super) use self::job::{
    Ended, Filter, Job, NewJob, OpenJobs, Queued, RequestKey, Source, State,
};
pub(super) use self::taps::Planned;
pub(super) use self::tenants::KeptKey;
use super::lane::LaneName;
use super::throughput::Throughput;
use super::webhooks::Hooks;
use crate::error::Error;
use crate::store::StoreError;
use crate::store::lock::StoreLock;
use crate::store::reader::{Commits, Reader};
use crate::store::writer::Writer;

/// The queue, open for writing.
#[derive(Debug)]
pub(super) struct Queue {
    path: Arc<Path>,
    writer: Writer,
    reader: Reader,
    hooks: Arc<Hooks>,
    _lock: StoreLock,
}

impl Queue {
    /// Opens or makes it in the folder `data`, for one process at a time. The steps of jobs are told to
    /// `hooks`.
    ///
    /// # Errors
    /// Exit code 2: another process has it, or it is none of ours. Exit code 5: the disk.
    pub(super) fn open(data: &Path, hooks: Hooks) -> Result<Self, Error> {
        let path: Arc<Path> = data.join("serve.db").into();
        let elsewhere = |error: Error| error.hint("name a folder of its own with `data`");
        crate::store::make_folder(&path).map_err(elsewhere)?;
        crate::store::make_private_file(&path).map_err(elsewhere)?;
        let lock = StoreLock::take(&path).map_err(elsewhere)?;
        let connection = file::open(&path)?;
        let reading = file::open(&path)?;
        let commits = Commits::default();
        let writer = Writer::start(Arc::clone(&path), connection, commits.clone(), |_| ());
        let writer = writer
            .map_err(|error| Error::ours("cannot start the queue's thread").caused_by(error))?;
        Ok(Self {
            path,
            writer,
            reader: Reader::new(reading, commits),
            hooks: Arc::new(hooks),
            _lock: lock,
        })
    }

    /// Does `work` in a transaction; returns when it is on disk.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write(work).await
    }

    /// A write that may make a step of a job; with it goes what webhooks are told of it.
    async fn step<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &Hooks) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let hooks = Arc::clone(&self.hooks);
        let done = self.write(move |transaction| work(transaction, &hooks)).await;
        self.hooks.wake();
        done
    }

    /// Reads what is committed.
    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.reader.read(work).map_err(|error| StoreError::Sqlite {
            path: Arc::clone(&self.path),
            source: Arc::new(error),
        })
    }

    /// Keeps how fast a job was.
    pub(super) async fn keep_throughput(
        &self,
        uuid: &str,
        throughput: &Throughput,
    ) -> Result<(), StoreError> {
        let (uuid, parts) = (uuid.to_owned(), serde_json::to_string(throughput).ok());
        self.write(move |transaction| {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO throughput (job, parts) VALUES (?, ?)")?
                .execute(params![uuid, parts.unwrap_or_default()])
                .map(drop)
        })
        .await
    }

    /// Forgets the keys of requests that came more than `age_millis` ago.
    pub(super) async fn forget_requests(&self, age_millis: i64) -> Result<(), StoreError> {
        let before = chrono::Utc::now().timestamp_millis() - age_millis;
        self.write(move |transaction| {
            transaction.execute("DELETE FROM requests WHERE created_millis < ?", [before]).map(drop)
        })
        .await
    }

    /// Forgets jobs that ended before a time, but those that one which has not ended is to retry; `gone` is
    /// told which.
    pub(super) async fn forget_jobs(
        &self,
        before_millis: i64,
        gone: impl Fn(&str),
    ) -> Result<(), StoreError> {
        loop {
            let forgotten = self.write(move |transaction| {
                transaction
                    .prepare_cached(
                        "DELETE FROM jobs WHERE id IN (
                            SELECT id FROM jobs WHERE updated_millis < ?
                                AND status NOT IN ('queued', 'running')
                                AND uuid NOT IN (
                                    SELECT retries FROM jobs
                                    WHERE status IN ('queued', 'running') AND retries IS NOT NULL)
                            LIMIT 1000)
                         RETURNING uuid",
                    )?
                    .query_map([before_millis], |row| row.get(0))?
                    .collect::<rusqlite::Result<Vec<String>>>()
            });
            let forgotten = forgotten.await?;
            if forgotten.is_empty() {
                break;
            }
            for job in &forgotten {
                gone(job);
            }
        }
        self.write(|transaction| {
            let sql = "DELETE FROM throughput WHERE job NOT IN (SELECT uuid FROM jobs)";
            transaction.execute(sql, []).map(drop)
        })
        .await
    }

    /// Writes, and waits until it is on disk; nothing is other than before.
    pub(super) async fn try_write(&self) -> Result<(), StoreError> {
        self.write(|transaction| transaction.pragma_update(None, "user_version", file::VERSION))
            .await
    }

    /// All jobs that wait, in the order in which they came.
    pub(super) fn waiting(&self) -> Result<Vec<Job>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!("{COLUMNS} WHERE status = 'queued' ORDER BY id"))?
                .query_map([], job)?
                .collect()
        })
    }

    /// The jobs whose inputs may be needed yet: they wait, or have failed.
    pub(super) fn with_inputs(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT uuid FROM jobs
                     WHERE status IN ('queued', 'failed', 'stopped', 'cancelled')",
                )?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// The jobs that have not ended: how many of each environment wait and run, and since when the oldest
    /// is there.
    pub(super) fn open_jobs(&self) -> Result<Vec<OpenJobs>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT environment, status, count(*), min(created_millis) FROM jobs
                     WHERE status IN ('queued', 'running') GROUP BY environment, status",
                )?
                .query_map([], |row| {
                    Ok(OpenJobs {
                        environment: row.get(0)?,
                        state: State::parse(row.get_ref(1)?.as_str()?).unwrap_or(State::Failed),
                        count: row.get(2)?,
                        oldest_millis: row.get(3)?,
                    })
                })?
                .collect()
        })
    }

    /// The job of this id.
    pub(super) fn find(&self, uuid: &str) -> Result<Option<Job>, StoreError> {
        self.read(|connection| {
            connection
                .prepare_cached(&format!("{COLUMNS} WHERE uuid = ?"))?
                .query_row([uuid], job)
                .optional()
        })
    }

    /// The runs of a lane's store that jobs which have not ended are to retry.
    pub(super) fn runs_to_retry(&self, lane: &LaneName) -> Result<Vec<String>, StoreError> {
        let LaneName { environment, flow, tenant, connector } = lane;
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT before.run FROM jobs JOIN jobs AS before ON before.uuid = jobs.retries
                     WHERE jobs.status IN ('queued', 'running') AND before.run IS NOT NULL
                       AND jobs.environment = ? AND jobs.tenant = ? AND jobs.flow = ?
                       AND jobs.connector = ?",
                )?
                .query_map(params![environment, tenant, flow, connector], |row| row.get(0))?
                .collect()
        })
    }

    /// The job that is to retry this one, and has not ended.
    pub(super) fn open_retry(&self, retried: &str) -> Result<Option<Job>, StoreError> {
        self.read(|connection| steps::open_retry(connection, retried))
    }

    /// How fast a job was, where that is kept.
    pub(super) fn throughput(&self, uuid: &str) -> Result<Option<Throughput>, StoreError> {
        let kept: Option<String> = self.read(|connection| {
            connection
                .prepare_cached("SELECT parts FROM throughput WHERE job = ?")?
                .query_row([uuid], |row| row.get(0))
                .optional()
        })?;
        Ok(kept.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// The jobs of a lane whose last runs these are, by run.
    pub(super) fn of_runs(
        &self,
        lane: &LaneName,
        runs: &[&str],
    ) -> Result<HashMap<String, String>, StoreError> {
        let LaneName { environment, flow, tenant, connector } = lane;
        let runs = serde_json::json!(runs).to_string();
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT run, uuid FROM jobs
                     WHERE environment = ? AND tenant = ? AND flow = ? AND connector = ?
                       AND run IN (SELECT value FROM json_each(?))",
                )?
                .query_map(params![environment, tenant, flow, connector, runs], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect()
        })
    }
}
