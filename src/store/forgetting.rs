//! What became of jobs long ago is forgotten, their records' content and calls with it. Ids are not.

use rusqlite::{Connection, OptionalExtension};

use super::jobs::JobId;
use super::{Store, StoreError};

/// Rows of a table that are taken out in one transaction: others that write wait for so long.
const ROWS: u32 = 5000;

/// Tables with a job's rows, by their keys. The job itself is the last to go: a job that is there has all of
/// it, but for what was begun to be forgotten.
const TABLES: [(&str, &str); 6] = [
    ("calls", "id"),
    ("contents", "job, stream, position"),
    ("outcomes", "job, stream, position"),
    ("schemas", "job, stream, version"),
    ("inputs", "job, stream"),
    ("tap_states", "job"),
];

/// A job that ended before ?1 and that nothing refers to: not the last one, nor one whose input may come
/// again, that has calls whose outcome is not known, that a newer job tries again, or whose records
/// somebody may still ask for. Nor one of ?2, a list of ids.
const FORGOTTEN: &str = "
    SELECT id FROM jobs AS own
    WHERE coalesce(finished, started) < ?1 AND status <> 'running'
      AND id < (SELECT max(id) FROM jobs)
      AND uuid NOT IN (SELECT value FROM json_each(?2))
      AND id NOT IN (SELECT last_job FROM streams WHERE last_job IS NOT NULL)
      AND id NOT IN (
          SELECT first FROM inputs
          WHERE job IN (SELECT last_job FROM streams WHERE last_job IS NOT NULL))
      AND NOT EXISTS (SELECT 1 FROM intents WHERE intents.job = own.id)
      AND NOT EXISTS (SELECT 1 FROM tasks WHERE tasks.job = own.id)
      AND NOT EXISTS (
          SELECT 1 FROM jobs AS newer
          WHERE newer.retries = own.id AND coalesce(newer.finished, newer.started) >= ?1)
    ORDER BY id LIMIT 1";

impl Store {
    /// Forgets jobs that ended before a time (RFC 3339 in UTC, with milliseconds), but those whose ids
    /// are among `kept`: somebody is about to try them again. How many there were.
    ///
    /// # Errors
    /// What SQLite says; what was not forgotten then is the next time.
    pub async fn forget_jobs(&self, before: &str, kept: &[String]) -> Result<u64, StoreError> {
        let kept = serde_json::json!(kept).to_string();
        let mut forgotten = 0;
        while let Some(job) = self.read(|connection| next(connection, before, &kept))? {
            for (table, key) in TABLES {
                while self.forget_rows(job, table, key).await? {}
            }
            self.write(move |transaction| {
                transaction.execute("DELETE FROM jobs WHERE id = ?", [job]).map(drop)
            })
            .await?;
            forgotten += 1;
        }
        Ok(forgotten)
    }

    /// Whether there may be more.
    async fn forget_rows(
        &self,
        job: JobId,
        table: &'static str,
        key: &'static str,
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE job = ? LIMIT {ROWS})"
        );
        let gone = self.write(move |transaction| transaction.execute(&sql, [job])).await?;
        Ok(gone >= ROWS as usize)
    }
}

fn next(connection: &Connection, before: &str, kept: &str) -> rusqlite::Result<Option<JobId>> {
    connection.prepare_cached(FORGOTTEN)?.query_row([before, kept], |row| row.get(0)).optional()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(store: &Store, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        store.read(|connection| connection.query_row(&sql, [], |row| row.get(0))).unwrap()
    }

    fn jobs(store: &Store) -> Vec<i64> {
        let list = |connection: &Connection| {
            connection
                .prepare("SELECT id FROM jobs ORDER BY id")?
                .query_map([], |row| row.get(0))?
                .collect()
        };
        store.read(list).unwrap()
    }

    #[tokio::test]
    async fn what_nothing_refers_to_is_forgotten_and_ids_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let fill = |transaction: &rusqlite::Transaction<'_>| {
            transaction.execute_batch(
                "INSERT INTO streams (id, namespace, name, last_job) VALUES (1, 'a', 'contacts', 3);
                 INSERT INTO jobs (id, uuid, connector, namespace, started, finished, status, retries)
                 VALUES (1, 'a', 'rest', 'a', '2020', '2020', 'succeeded', NULL),
                        (2, 'b', 'rest', 'a', '2020', '2020', 'failed', NULL),
                        (3, 'c', 'rest', 'a', '2020', '2020', 'failed', NULL),
                        (4, 'd', 'rest', 'a', '2020', NULL, 'interrupted', NULL),
                        (5, 'e', 'rest', 'a', '2020', '2020', 'succeeded', NULL),
                        (6, 'f', 'rest', 'a', '2020', '2020', 'succeeded', NULL),
                        (7, 'g', 'rest', 'a', '2020', '2020', 'succeeded', NULL),
                        (8, 'h', 'rest', 'a', '2021', '2021', 'succeeded', 6),
                        (9, 'i', 'rest', 'a', '2020', NULL, 'running', NULL);
                 INSERT INTO inputs (job, stream, first) VALUES (3, 1, 2);
                 INSERT INTO intents (job, stream, sent_millis, writes) VALUES (4, 1, 0, '[]');
                 INSERT INTO tasks (id, fingerprint, job, position, stream, record, created_millis)
                 VALUES ('t', x'00', 5, 1, 'contacts', '{}', 0);
                 INSERT INTO id_map (stream, external_id, remote_id) VALUES (1, 'c-1', 'r-1');
                 INSERT INTO tap_states (job, value) VALUES (1, '{}'), (7, '{}');
                 WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT 12000)
                 INSERT INTO outcomes (job, stream, position, outcome, attempts, millis, fingerprint)
                 SELECT 1 + 6 * (n % 2), 1, n, 'created', 1, 0, x'00' FROM number;
                 INSERT INTO contents (job, stream, position, schema_version, source)
                 SELECT job, stream, position, 1, '{}' FROM outcomes;
                 INSERT INTO calls (job, stream, first, last, positions, action, sent_millis, millis, exchanges)
                 VALUES (1, 1, 1, 1, '[1]', 'create', 0, 0, '[]');",
            )
        };
        store.write(fill).await.unwrap();
        assert_eq!(store.forget_jobs("2019", &[]).await.unwrap(), 0);
        let kept = ["g".to_owned()];
        assert_eq!(store.forget_jobs("2020-06", &kept).await.unwrap(), 1);
        assert_eq!(jobs(&store), [2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(store.forget_jobs("2020-06", &[]).await.unwrap(), 1);
        // In turn: an input that comes again, its first job, a call in doubt, a record that is asked for,
        // one that is tried again, and the newest two.
        assert_eq!(jobs(&store), [2, 3, 4, 5, 6, 8, 9]);
        for table in ["outcomes", "contents", "calls", "tap_states"] {
            assert_eq!(count(&store, table), 0, "{table}");
        }
        assert_eq!(count(&store, "id_map"), 1);
    }
}
