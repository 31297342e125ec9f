-- The service's own tables. The number in `user_version` changes with them; an older file is given what
-- it lacks.

-- Jobs, in the order in which they came. What became of their records stands in the store of the lane
-- that they were written by.
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    environment TEXT NOT NULL,
    flow TEXT NOT NULL,
    tenant TEXT NOT NULL,
    connector TEXT NOT NULL,
    -- api: records of a request; live: records that were written at once; retry: what another job did
    -- not write; tap: a program brings them
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    -- queued, running, or how it ended: succeeded, completed_with_failures, stopped, failed, cancelled
    status TEXT NOT NULL,
    created_millis INTEGER NOT NULL,
    started_millis INTEGER,
    updated_millis INTEGER NOT NULL,
    -- records that came with it, where that is known
    records INTEGER,
    -- the job whose rejects it writes
    retries TEXT,
    -- its last run, as the lane's store knows it
    run TEXT,
    message TEXT,
    summary TEXT,
    -- the tap that brings the records
    tap TEXT,
    -- 1: somebody has ended it while it was under way
    is_cancelled INTEGER NOT NULL DEFAULT 0,
    -- of the summary, what lists tell: JSON
    brief TEXT
);
CREATE INDEX IF NOT EXISTS jobs_by_tenant ON jobs (environment, tenant, flow, id);
CREATE INDEX IF NOT EXISTS jobs_of_tenant ON jobs (environment, tenant, id);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, id);

-- Tenants that were added over HTTP, beside those in the configuration.
CREATE TABLE IF NOT EXISTS tenants (
    environment TEXT NOT NULL,
    tenant TEXT NOT NULL,
    created_millis INTEGER NOT NULL,
    PRIMARY KEY (environment, tenant)
) WITHOUT ROWID;

-- Accounts that tenants were given over HTTP: a config as JSON, encrypted.
CREATE TABLE IF NOT EXISTS accounts (
    environment TEXT NOT NULL,
    tenant TEXT NOT NULL,
    connector TEXT NOT NULL,
    config TEXT NOT NULL,
    updated_millis INTEGER NOT NULL,
    PRIMARY KEY (environment, tenant, connector)
) WITHOUT ROWID;

-- Keys that were made over HTTP: SHA-256 of each.
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY,
    environment TEXT NOT NULL,
    tenant TEXT NOT NULL,
    hash BLOB NOT NULL,
    created_millis INTEGER NOT NULL
) WITHOUT ROWID;

-- Keys that clients gave to requests, so that one that comes again is answered as before.
CREATE TABLE IF NOT EXISTS requests (
    environment TEXT NOT NULL,
    flow TEXT NOT NULL,
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    -- SHA-256 of what was asked for
    fingerprint BLOB NOT NULL,
    job TEXT NOT NULL,
    created_millis INTEGER NOT NULL,
    PRIMARY KEY (environment, flow, tenant, key)
) WITHOUT ROWID;

-- How many of a job's records came to their end when: JSON.
CREATE TABLE IF NOT EXISTS throughput (
    job TEXT PRIMARY KEY,
    parts TEXT NOT NULL
) WITHOUT ROWID;

-- How far each tap is through: a STATE that says no more than what is written.
CREATE TABLE IF NOT EXISTS tap_states (
    environment TEXT NOT NULL,
    flow TEXT NOT NULL,
    tenant TEXT NOT NULL,
    connector TEXT NOT NULL,
    tap TEXT NOT NULL,
    value TEXT NOT NULL,
    updated_millis INTEGER NOT NULL,
    PRIMARY KEY (environment, flow, tenant, connector, tap)
);

-- Up to when the runs of each tap by its schedule were begun, or passed over.
CREATE TABLE IF NOT EXISTS tap_plans (
    environment TEXT NOT NULL,
    flow TEXT NOT NULL,
    tenant TEXT NOT NULL,
    connector TEXT NOT NULL,
    tap TEXT NOT NULL,
    -- another one begins anew
    schedule TEXT NOT NULL,
    planned_millis INTEGER NOT NULL,
    PRIMARY KEY (environment, flow, tenant, connector, tap)
) WITHOUT ROWID;

-- What webhooks are told of the steps of jobs. Each row is put here by the transaction that makes the
-- step.
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY,
    -- what the receiver knows it by
    uuid TEXT NOT NULL UNIQUE,
    environment TEXT NOT NULL,
    hook TEXT NOT NULL,
    event TEXT NOT NULL,
    job TEXT NOT NULL,
    body TEXT NOT NULL,
    -- waiting, delivered, failed
    status TEXT NOT NULL,
    created_millis INTEGER NOT NULL,
    updated_millis INTEGER NOT NULL,
    -- when it began to wait: then, or when it was asked for again
    since_millis INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last_status INTEGER,
    last_error TEXT
);
CREATE INDEX IF NOT EXISTS deliveries_by_hook ON deliveries (status, environment, hook, id);
