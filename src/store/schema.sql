-- The store's tables. The number in `user_version` changes with them.

-- Streams by namespace; the small number stands for both elsewhere.
CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    -- the last job that had records of it, less retries; null once that job's input does not come again
    last_job INTEGER,
    -- the remote's name for what its ids are of; null when that is not known
    object TEXT,
    UNIQUE (namespace, name)
);

-- One run over one input.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    connector TEXT NOT NULL,
    namespace TEXT NOT NULL,
    started TEXT NOT NULL,
    finished TEXT,
    -- running, succeeded, completed_with_failures, stopped, failed, interrupted
    status TEXT NOT NULL,
    exit_code INTEGER,
    summary TEXT,
    -- the job whose rejects are its input
    retries INTEGER,
    -- 1: each of its records is an input of its own
    is_live INTEGER NOT NULL DEFAULT 0
);

-- Of a job that has the input of an earlier one: the first job that had that input. It is told by
-- stream, since a job between them may have had others.
CREATE TABLE inputs (
    job INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    first INTEGER NOT NULL,
    PRIMARY KEY (job, stream)
) WITHOUT ROWID;

-- SCHEMA lines as they came in, so that rejected records can be told with them.
CREATE TABLE schemas (
    job INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    version INTEGER NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (job, stream, version)
) WITHOUT ROWID;

-- Calls before they leave: a JSON array of
-- [position, external id, fingerprint, values of the lookup fields, idempotency key, parents, calls
-- that the record was part of before]. A row is deleted together with the writing of its last outcome.
-- Of what is left after a crash, creates are in doubt; what an update, an upsert or a delete has left
-- at the remote of a record that the id map knows is not known.
CREATE TABLE intents (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    sent_millis INTEGER NOT NULL,
    writes TEXT NOT NULL,
    is_create INTEGER NOT NULL DEFAULT 1,
    -- which fields the values are of, and how they go together: a JSON object
    lookup TEXT,
    -- the bulk job that the records went out in, as its connector knows it, and what it does
    ticket TEXT,
    action TEXT
);

-- What became of each record. The key is that of the input, so rows are written nearly in order
-- and read in order without sorting.
CREATE TABLE outcomes (
    job INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    position INTEGER NOT NULL,
    external_id TEXT,
    remote_id TEXT,
    -- create, update, upsert, delete; null when nothing was sent
    action TEXT,
    -- created, updated, unchanged, deleted, rejected, failed, skipped, in_doubt
    outcome TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    status INTEGER,
    class TEXT,
    code TEXT,
    error TEXT,
    millis INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    custom_data TEXT,
    -- the name of the call that it went out with last, where the remote was told one
    batch_id TEXT,
    -- see id_map
    parents INTEGER,
    -- a hash of the values of the lookup fields, where they can find the record
    found_by INTEGER,
    -- when it was put here, in microseconds of Unix time: what jobs beside each other have written to
    -- one record is told in this order
    settled_micros INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job, stream, position)
) WITHOUT ROWID;

-- The content of records: as they came in, as far as `keep` says; as they went out, where the
-- state tells it.
CREATE TABLE contents (
    job INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    position INTEGER NOT NULL,
    schema_version INTEGER NOT NULL,
    source TEXT,
    body TEXT,
    PRIMARY KEY (job, stream, position)
) WITHOUT ROWID;

-- Calls that wrote records, or tried to: a JSON array of the places of their records, and one of what was
-- sent and heard.
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    positions TEXT NOT NULL,
    action TEXT NOT NULL,
    sent_millis INTEGER NOT NULL,
    millis INTEGER NOT NULL,
    exchanges TEXT NOT NULL
);
CREATE INDEX calls_by_record ON calls (job, stream, last, first);

-- External id -> remote id (null where the remote does not tell it), the fingerprint of what was
-- written last (null when that is not known for sure), and a hash of the remote ids that stood in it
-- for other records (0 where there were none, null when that is not known).
CREATE TABLE id_map (
    stream INTEGER NOT NULL,
    external_id TEXT NOT NULL,
    remote_id TEXT,
    fingerprint BLOB,
    custom_data TEXT,
    parents INTEGER,
    PRIMARY KEY (stream, external_id)
) WITHOUT ROWID;

-- Changes of id_map by the job that is running: runs in the order of their making, each sorted.
CREATE TABLE id_runs (
    run INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    external_id TEXT NOT NULL,
    -- 1: the id is to be taken out
    is_gone INTEGER NOT NULL,
    remote_id TEXT,
    fingerprint BLOB,
    custom_data TEXT,
    parents INTEGER,
    PRIMARY KEY (run, stream, external_id)
) WITHOUT ROWID;

-- Fingerprints of records without an external id that were written, as long as their input may come
-- again; those in doubt, or made and not finished, until something tells of them.
CREATE TABLE written (
    stream INTEGER NOT NULL,
    -- 1: not by a job of this store, but as a state tells that was passed in.
    is_imported INTEGER NOT NULL DEFAULT 0,
    fingerprint BLOB NOT NULL,
    job INTEGER NOT NULL,
    remote_id TEXT,
    -- 1: sent, and nobody knows whether it was applied; with a remote id, whether all of it was.
    in_doubt INTEGER NOT NULL DEFAULT 0,
    -- Of one in doubt: when it was sent first and last, in milliseconds of Unix time, and under which
    -- idempotency key.
    first_millis INTEGER NOT NULL DEFAULT 0,
    last_millis INTEGER NOT NULL DEFAULT 0,
    key TEXT,
    parents INTEGER,
    PRIMARY KEY (stream, is_imported, fingerprint)
) WITHOUT ROWID;

-- Creates of records with an external id that nobody knows the fate of, in milliseconds of Unix
-- time: when it was told (the last call had left before), and when the first call left. A remote that
-- was given a key knows the same content under the same key again.
CREATE TABLE doubts (
    stream INTEGER NOT NULL,
    external_id TEXT NOT NULL,
    last_millis INTEGER NOT NULL,
    first_millis INTEGER NOT NULL DEFAULT 0,
    fingerprint BLOB,
    key TEXT,
    parents INTEGER,
    -- where it was made, and what belongs to it may be lacking
    remote_id TEXT,
    PRIMARY KEY (stream, external_id)
) WITHOUT ROWID;

-- Files that were taken into the id map, and what they looked like then.
CREATE TABLE imports (
    stream INTEGER NOT NULL,
    path TEXT NOT NULL,
    stamp TEXT NOT NULL,
    PRIMARY KEY (stream, path)
) WITHOUT ROWID;

-- The tap's last STATE that is safe, by job.
CREATE TABLE tap_states (
    job INTEGER PRIMARY KEY,
    value TEXT NOT NULL
);

-- Records that somebody asked to be written at once, and may ask for again: the record has come to its
-- end when its job has an outcome at its position.
CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    -- what the client calls the request, and SHA-256 of what it asked for
    key TEXT,
    fingerprint BLOB NOT NULL,
    job INTEGER NOT NULL,
    position INTEGER NOT NULL,
    stream TEXT NOT NULL,
    record TEXT NOT NULL,
    created_millis INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX tasks_by_key ON tasks (key) WHERE key IS NOT NULL;
