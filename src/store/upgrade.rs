//! Stores of older versions are brought up to this one.

use rusqlite::Transaction;

/// Version of the tables, in SQLite's `user_version`.
pub(super) const VERSION: i64 = 10;
/// The oldest version that is brought up to [`VERSION`] when a job opens it.
pub(super) const OLDEST: i64 = 2;
/// From each version to the next, from [`OLDEST`] on.
const UPGRADES: [&str; 8] = [TO_3, TO_4, TO_5, TO_6, TO_7, TO_8, TO_9, TO_10];
/// What an idempotency key needs to be used again by the next job, and intents of other calls than
/// creates.
const TO_3: &str = "
    ALTER TABLE doubts RENAME COLUMN since_millis TO last_millis;
    ALTER TABLE doubts ADD COLUMN first_millis INTEGER NOT NULL DEFAULT 0;
    UPDATE doubts SET first_millis = last_millis;
    ALTER TABLE doubts ADD COLUMN fingerprint BLOB;
    ALTER TABLE doubts ADD COLUMN key TEXT;
    ALTER TABLE written ADD COLUMN first_millis INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE written ADD COLUMN last_millis INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE written ADD COLUMN key TEXT;
    ALTER TABLE intents ADD COLUMN is_create INTEGER NOT NULL DEFAULT 1;
";
/// Which remote ids stood in a record for its parents; and jobs that were cut off one after another
/// are told apart by stream.
const TO_4: &str = "
    ALTER TABLE id_map ADD COLUMN parents INTEGER;
    ALTER TABLE outcomes ADD COLUMN parents INTEGER;
    ALTER TABLE doubts ADD COLUMN parents INTEGER;
    ALTER TABLE streams ADD COLUMN last_job INTEGER;
    UPDATE streams SET last_job = (SELECT max(id) FROM jobs WHERE jobs.namespace = streams.namespace);
    ALTER TABLE jobs DROP COLUMN series;
    ALTER TABLE written RENAME TO written_3;
    CREATE TABLE written (
        stream INTEGER NOT NULL, is_imported INTEGER NOT NULL DEFAULT 0, fingerprint BLOB NOT NULL,
        job INTEGER NOT NULL, remote_id TEXT, in_doubt INTEGER NOT NULL DEFAULT 0,
        first_millis INTEGER NOT NULL DEFAULT 0, last_millis INTEGER NOT NULL DEFAULT 0, key TEXT,
        parents INTEGER, PRIMARY KEY (stream, is_imported, fingerprint)) WITHOUT ROWID;
    INSERT OR REPLACE INTO written
        SELECT stream, series = 0, fingerprint, series, remote_id, in_doubt, first_millis, last_millis,
               key, NULL
        FROM written_3 ORDER BY series;
    DROP TABLE written_3;
";
/// Whose input it is that a job reads, what else tells records apart, and what a killed job wanted
/// to be asked.
///
/// A job of an older version that ended by itself counts as one whose input does not come again,
/// unless an outcome says that one of its records has to.
const TO_5: &str = "
    ALTER TABLE streams ADD COLUMN object TEXT;
    UPDATE streams SET last_job = NULL WHERE last_job IN (
        SELECT id FROM jobs WHERE status IN ('succeeded', 'completed_with_failures'))
      AND NOT EXISTS (
        SELECT 1 FROM outcomes WHERE job = last_job
          AND ((outcome = 'failed' AND class IS NOT 'InvalidPayloadError')
               OR (outcome = 'in_doubt' AND (action IS NOT 'create' OR code = 'lookup_failed'))));
    ALTER TABLE jobs ADD COLUMN retries INTEGER;
    ALTER TABLE intents ADD COLUMN lookup TEXT;
    ALTER TABLE outcomes ADD COLUMN found_by INTEGER;
    CREATE TABLE inputs (
        job INTEGER NOT NULL, stream INTEGER NOT NULL, first INTEGER NOT NULL,
        PRIMARY KEY (job, stream)) WITHOUT ROWID;
";
/// What has not gone into the id map yet.
const TO_6: &str = "
    CREATE TABLE id_runs (
        run INTEGER NOT NULL, stream INTEGER NOT NULL, external_id TEXT NOT NULL,
        is_gone INTEGER NOT NULL, remote_id TEXT, fingerprint BLOB, custom_data TEXT, parents INTEGER,
        PRIMARY KEY (run, stream, external_id)) WITHOUT ROWID;
";
/// Records that were made, and not with all that belongs to them; and HubSpot's objects, each of which
/// has one name now.
const TO_7: &str = "
    ALTER TABLE doubts ADD COLUMN remote_id TEXT;
    WITH names (object, name) AS (VALUES
        ('0-1', 'contacts'), ('contact', 'contacts'), ('0-2', 'companies'), ('company', 'companies'),
        ('0-3', 'deals'), ('deal', 'deals'), ('0-5', 'tickets'), ('ticket', 'tickets'),
        ('0-7', 'products'), ('0-8', 'line_items'), ('0-14', 'quotes'), ('0-18', 'communications'),
        ('0-27', 'tasks'), ('task', 'tasks'), ('0-46', 'notes'), ('note', 'notes'),
        ('0-47', 'meetings'), ('0-48', 'calls'), ('call', 'calls'), ('0-49', 'emails'),
        ('0-116', 'postal_mail'), ('0-136', 'leads'))
    UPDATE streams SET object = (SELECT name FROM names WHERE names.object = streams.object)
    WHERE namespace LIKE 'hubspot%' AND object IN (SELECT object FROM names);
";

/// Bulk jobs that are under way.
const TO_8: &str = "
    ALTER TABLE intents ADD COLUMN ticket TEXT;
    ALTER TABLE intents ADD COLUMN action TEXT;
";

/// Jobs beside each other.
const TO_9: &str = "
    ALTER TABLE outcomes ADD COLUMN settled_micros INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE jobs ADD COLUMN is_live INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE tasks (
        id TEXT PRIMARY KEY, key TEXT, fingerprint BLOB NOT NULL, job INTEGER NOT NULL,
        position INTEGER NOT NULL, stream TEXT NOT NULL, record TEXT NOT NULL,
        created_millis INTEGER NOT NULL) WITHOUT ROWID;
    CREATE UNIQUE INDEX tasks_by_key ON tasks (key) WHERE key IS NOT NULL;
";

/// Calls that somebody may look at.
const TO_10: &str = "
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY, job INTEGER NOT NULL, stream INTEGER NOT NULL, first INTEGER NOT NULL,
        last INTEGER NOT NULL, positions TEXT NOT NULL, action TEXT NOT NULL,
        sent_millis INTEGER NOT NULL, millis INTEGER NOT NULL, exchanges TEXT NOT NULL);
    CREATE INDEX calls_by_record ON calls (job, stream, last, first);
";

/// Brings a store of `version` up to [`VERSION`].
pub(super) fn bring_up(transaction: &Transaction<'_>, version: i64) -> rusqlite::Result<()> {
    for (from, upgrade) in (OLDEST..).zip(UPGRADES) {
        if version <= from {
            transaction.execute_batch(upgrade)?;
        }
    }
    transaction.pragma_update(None, "user_version", VERSION)
}
