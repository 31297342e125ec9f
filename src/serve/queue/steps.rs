//! The steps of a job, from the queue to its end: each is kept, and told to webhooks, in one transaction.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::file::BRIEF;
use super::job::{COLUMNS, Ended, Job, NewJob, Queued, RequestKey, State, job};
use super::{Queue, deliveries};
use crate::serve::lane::LaneName;
use crate::serve::webhooks::Hooks;
use crate::store::StoreError;

impl Queue {
    /// Puts a job into the queue, unless it is there already or as many as `most` wait; of those that
    /// retry one job, there is one at a time. When this returns it is on disk.
    pub(in crate::serve) async fn push(
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
            if let Some(retried) = &job.retries
                && let Some(open) = open_retry(transaction, retried)?
            {
                return Ok(Queued::Before(open.uuid));
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
    pub(in crate::serve) async fn begin(&self, uuid: &str, run: &str) -> Result<(), StoreError> {
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
    pub(in crate::serve) async fn end(&self, uuid: &str, ended: Ended) -> Result<(), StoreError> {
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

    /// Takes a job out of the queue that has not begun.
    pub(in crate::serve) async fn cancel(&self, uuid: &str) -> Result<(), StoreError> {
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

    /// A job whose turn has come is to end: also where the service is killed before it has.
    pub(in crate::serve) async fn cancel_running(&self, uuid: &str) -> Result<(), StoreError> {
        let uuid = uuid.to_owned();
        self.write(move |transaction| {
            // One whose account is not open yet is still told as `queued`.
            let sql = "UPDATE jobs SET is_cancelled = 1
                       WHERE uuid = ? AND status IN ('queued', 'running')";
            transaction.execute(sql, [uuid]).map(drop)
        })
        .await
    }

    /// Jobs that a killed service had begun wait again, but for those that were to end. What was written
    /// at once has ended: who waited for it is gone.
    pub(in crate::serve) async fn take_up(&self) -> Result<(), StoreError> {
        self.step(|transaction, hooks| {
            let now = chrono::Utc::now().timestamp_millis();
            let ended = transaction
                .prepare(
                    "UPDATE jobs SET status = iif(status = 'queued', 'cancelled', 'stopped'),
                         message = iif(is_cancelled, 'it was cancelled', 'the service ended'),
                         updated_millis = ?
                     WHERE (status = 'running' AND source = 'live')
                        OR (status IN ('queued', 'running') AND is_cancelled) RETURNING uuid",
                )?
                .query_map([now], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()?;
            for uuid in ended {
                deliveries::tell(transaction, hooks, &uuid)?;
            }
            let waits_again = "UPDATE jobs SET status = 'queued', updated_millis = ?
                               WHERE status = 'running'";
            transaction.execute(waits_again, [now]).map(drop)
        })
        .await
    }
}

/// Puts a job among the others, and tells of it.
pub(super) fn insert(
    connection: &Transaction<'_>,
    hooks: &Hooks,
    job: &NewJob,
) -> rusqlite::Result<()> {
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

/// The job that is to retry this one, and has not ended.
pub(super) fn open_retry(connection: &Connection, retried: &str) -> rusqlite::Result<Option<Job>> {
    connection
        .prepare_cached(&format!(
            "{COLUMNS} WHERE retries = ? AND status IN ('queued', 'running')"
        ))?
        .query_row([retried], job)
        .optional()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::queue::Source;

    fn job(uuid: &str, source: Source, state: State) -> NewJob {
        let own = str::to_owned;
        let lane = LaneName {
            environment: own("dev"),
            flow: own("crm"),
            tenant: own("acme"),
            connector: own("hubspot"),
        };
        NewJob { uuid: own(uuid), state, ..NewJob::new(lane, source, String::new()) }
    }

    #[tokio::test]
    async fn a_kill_brings_back_what_was_not_to_end() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::open(folder.path(), Hooks::of("dev", &[], 100)).unwrap();
        let all = ["waits", "opens", "runs", "ends", "ended", "live"];
        for uuid in all {
            let (source, state) = if uuid == "live" {
                (Source::Live, State::Running)
            } else {
                (Source::Api, State::Queued)
            };
            queue.push(job(uuid, source, state), None, 10).await.unwrap();
        }
        for uuid in ["runs", "ends", "ended"] {
            queue.begin(uuid, "a-run").await.unwrap();
        }
        let ended = Ended { state: State::Failed, message: String::new(), summary: None };
        queue.end("ended", ended).await.unwrap();
        // Of one that opens its account, only the process knows that its turn has come.
        for uuid in ["opens", "ends", "ended"] {
            queue.cancel_running(uuid).await.unwrap();
        }
        queue.take_up().await.unwrap();
        let states = all.map(|uuid| queue.find(uuid).unwrap().unwrap().state);
        let expected = [
            State::Queued,
            State::Cancelled,
            State::Queued,
            State::Stopped,
            State::Failed,
            State::Stopped,
        ];
        assert_eq!(states, expected);
        let waiting = queue.waiting().unwrap().into_iter().map(|job| job.uuid);
        assert_eq!(waiting.collect::<Vec<_>>(), ["waits", "runs"]);
    }
}
