//! The queue on disk: a job that was accepted runs, whatever happens to the process.

mod deliveries;
mod delivery;
mod file;
mod job;
mod listing;
mod taps;
mod tenants;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

pub(super) use self::delivery::{Attempt, Delivery, DeliveryState};
use self::file::BRIEF;
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

    /// Puts a job into the queue, unless it is there already or as many as `most` wait. When this
    /// returns it is on disk.
    pub(super) async fn push(
        &self,
        job: NewJob,
        key: Option<RequestKey>,
        most: usize,
    ) -> Result<Queued, StoreError> {
        self.step(move |transaction, hooks| {
            if let Some(key) = &key
                && let Some(found) = of_request(transaction, &job.lane, key)?
            {
                return Ok(found);
            }
            let waiting: usize = transaction
                .prepare_cached("SELECT count(*) FROM jobs WHERE status = 'queued'")?
                .query_row([], |row| row.get(0))?;
            if job.state == State::Queued && waiting >= most {
                return Ok(Queued::Full);
            }
            insert(transaction, hooks, &job)?;
            let LaneName { environment, flow, tenant, .. } = &job.lane;
            let now = chrono::Utc::now().timestamp_millis();
            if let Some(RequestKey { key, fingerprint }) = key {
                transaction
                    .prepare_cached(
                        "INSERT INTO requests
                             (environment, flow, tenant, key, fingerprint, job, created_millis)
                         VALUES (?, ?, ?, ?, ?, ?, ?)",
                    )?
                    .execute(params![environment, flow, tenant, key, fingerprint, job.uuid, now])?;
            }
            Ok(Queued::New)
        })
        .await
    }

    /// A job of the queue is under way, as this run of its lane's store.
    pub(super) async fn begin(&self, uuid: &str, run: &str) -> Result<(), StoreError> {
        let (uuid, run) = (uuid.to_owned(), run.to_owned());
        self.step(move |transaction, hooks| {
            let now = chrono::Utc::now().timestamp_millis();
            let has_begun_before = transaction
                .prepare_cached(
                    "UPDATE jobs SET status = 'running', run = ?2, updated_millis = ?3,
                         started_millis = coalesce(started_millis, ?3) WHERE uuid = ?1
                     RETURNING started_millis < ?3",
                )?
                .query_row(params![uuid, run, now], |row| row.get(0))
                .optional()?;
            match has_begun_before {
                // One that goes on after a restart was told of.
                Some(false) => deliveries::tell(transaction, hooks, &uuid),
                Some(true) | None => Ok(()),
            }
        })
        .await
    }

    /// A job has come to its end.
    pub(super) async fn end(&self, uuid: &str, ended: Ended) -> Result<(), StoreError> {
        let uuid = uuid.to_owned();
        self.step(move |transaction, hooks| {
            let Ended { state, message, summary } = ended;
            let now = chrono::Utc::now().timestamp_millis();
            transaction
                .prepare_cached(
                    "UPDATE jobs SET status = ?2, message = ?3, summary = ?4, updated_millis = ?5
                     WHERE uuid = ?1",
                )?
                .execute(params![uuid, state.as_str(), message, summary, now])?;
            transaction
                .prepare_cached(&format!("UPDATE jobs SET brief = {BRIEF} WHERE uuid = ?"))?
                .execute([&uuid])?;
            deliveries::tell(transaction, hooks, &uuid)
        })
        .await
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

    /// Takes a job out of the queue that has not begun.
    pub(super) async fn cancel(&self, uuid: &str) -> Result<(), StoreError> {
        let uuid = uuid.to_owned();
        self.step(move |transaction, hooks| {
            let now = chrono::Utc::now().timestamp_millis();
            let cancelled = transaction
                .prepare_cached(
                    "UPDATE jobs SET status = 'cancelled', updated_millis = ?2
                     WHERE uuid = ?1 AND status = 'queued'",
                )?
                .execute(params![uuid, now])?;
            if cancelled > 0 { deliveries::tell(transaction, hooks, &uuid) } else { Ok(()) }
        })
        .await
    }

    /// A job that is under way is to end: also where the service is killed before it has.
    pub(super) async fn cancel_running(&self, uuid: &str) -> Result<(), StoreError> {
        let uuid = uuid.to_owned();
        self.write(move |transaction| {
            let sql = "UPDATE jobs SET is_cancelled = 1 WHERE uuid = ? AND status = 'running'";
            transaction.execute(sql, [uuid]).map(drop)
        })
        .await
    }

    /// Jobs that a killed service had begun wait again. What was written at once has ended: who waited
    /// for it is gone.
    pub(super) async fn take_up(&self) -> Result<(), StoreError> {
        self.step(|transaction, hooks| {
            let now = chrono::Utc::now().timestamp_millis();
            let ended = transaction
                .prepare(
                    "UPDATE jobs SET status = 'stopped', message = 'the service ended',
                         updated_millis = ?
                     WHERE status = 'running' AND source = 'live' RETURNING uuid",
                )?
                .query_map([now], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()?;
            let cancelled = transaction
                .prepare(
                    "UPDATE jobs SET status = 'stopped', message = 'it was cancelled', updated_millis = ?
                     WHERE status = 'running' AND is_cancelled RETURNING uuid",
                )?
                .query_map([now], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()?;
            for uuid in ended.into_iter().chain(cancelled) {
                deliveries::tell(transaction, hooks, &uuid)?;
            }
            let waits_again = "UPDATE jobs SET status = 'queued', updated_millis = ?
                               WHERE status = 'running'";
            transaction.execute(waits_again, [now]).map(drop)
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

    /// Forgets jobs that ended before a time.
    pub(super) async fn forget_jobs(&self, before_millis: i64) -> Result<(), StoreError> {
        loop {
            let gone = self.write(move |transaction| {
                transaction.execute(
                    "DELETE FROM jobs WHERE id IN (
                        SELECT id FROM jobs WHERE updated_millis < ?
                            AND status NOT IN ('queued', 'running') LIMIT 1000)",
                    [before_millis],
                )
            });
            if gone.await? == 0 {
                break;
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

/// Puts a job among the others, and tells of it.
fn insert(connection: &Transaction<'_>, hooks: &Hooks, job: &NewJob) -> rusqlite::Result<()> {
    let now = chrono::Utc::now().timestamp_millis();
    let LaneName { environment, flow, tenant, connector } = &job.lane;
    connection
        .prepare_cached(
            "INSERT INTO jobs (uuid, environment, flow, tenant, connector, source, name, status,
                 created_millis, started_millis, updated_millis, records, retries, run, tap)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?9, ?11, ?12, ?13, ?14)",
        )?
        .execute(params![
            job.uuid,
            environment,
            flow,
            tenant,
            connector,
            job.source.as_str(),
            job.name,
            job.state.as_str(),
            now,
            (job.state == State::Running).then_some(now),
            job.records,
            job.retries,
            job.run,
            job.tap,
        ])?;
    deliveries::tell(connection, hooks, &job.uuid)
}

fn of_request(
    connection: &Connection,
    lane: &LaneName,
    key: &RequestKey,
) -> rusqlite::Result<Option<Queued>> {
    let known: Option<([u8; 32], String)> = connection
        .prepare_cached(
            "SELECT fingerprint, job FROM requests
             WHERE environment = ? AND flow = ? AND tenant = ? AND key = ?",
        )?
        .query_row(params![lane.environment, lane.flow, lane.tenant, key.key], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    Ok(known.map(|(fingerprint, job)| {
        if fingerprint == key.fingerprint { Queued::Before(job) } else { Queued::OtherRequest }
    }))
}
