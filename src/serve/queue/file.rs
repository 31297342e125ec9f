//! The queue's file: made, opened, and brought up to what this program reads.

use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use crate::error::Error;

/// Version of the tables, in SQLite's `user_version`.
pub(super) const VERSION: i64 = 3;
/// Tells our files from other programs' SQLite files: "tusv" in ASCII.
const APPLICATION_ID: i64 = 0x7475_7376;

/// What a job's `summary` says in short, as SQL, for lists: a summary may be long. See
/// [`Brief`](super::job::Brief).
pub(super) const BRIEF: &str = "iif(summary IS NULL, NULL, json_object(
    'proof', json_extract(summary, '$.proof'),
    'read', json((SELECT json_group_object(key, json_extract(value, '$.read'))
                  FROM json_each(summary, '$.streams')))))";

/// Opens the file at `path`, or makes it there. An older one is given what it lacks.
///
/// # Errors
/// Exit code 2: it is another program's, or of a later version. Exit code 5: the disk.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    let failed = |error| unusable(path, error);
    let mut connection = Connection::open(path).map_err(failed)?;
    // Nothing is changed in a file before it is known to be ours.
    let version = version(path, &connection)?;
    prepare(&mut connection, version).map_err(failed)?;
    Ok(connection)
}

/// The version of the tables; 0 where there are none.
fn version(path: &Path, connection: &Connection) -> Result<i64, Error> {
    let number = |sql: &str| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(|error| unusable(path, error))
    };
    if number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(0);
    }
    if number("PRAGMA application_id")? != APPLICATION_ID {
        return Err(not_ours(path));
    }
    match number("PRAGMA user_version")? {
        version @ ..=VERSION => Ok(version),
        version => Err(Error::usage(format!(
            "`{}` is of version {version}; this program reads {VERSION} and what is older",
            path.display()
        ))
        .hint("use the program that wrote it, or name another folder with `data`")),
    }
}

fn prepare(connection: &mut Connection, version: i64) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    if version == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch(include_str!("schema.sql"))?;
    add_column(&transaction, "jobs", "tap", "TEXT")?;
    add_column(&transaction, "jobs", "is_cancelled", "INTEGER NOT NULL DEFAULT 0")?;
    add_column(&transaction, "jobs", "brief", "TEXT")?;
    transaction.execute(&format!("UPDATE jobs SET brief = {BRIEF} WHERE brief IS NULL"), [])?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

/// Gives a table of an older file a column that it lacks.
fn add_column(
    connection: &Connection,
    table: &str,
    name: &str,
    kind: &str,
) -> rusqlite::Result<()> {
    let has = "SELECT count(*) FROM pragma_table_info(?) WHERE name = ?";
    let count: u32 = connection.query_row(has, [table, name], |row| row.get(0))?;
    if count == 0 {
        connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {name} {kind}"))?;
    }
    Ok(())
}

fn not_ours(path: &Path) -> Error {
    Error::usage(format!("`{}` is no queue of target-upsert", path.display()))
        .hint("name another folder with `data`; this file was left as it is")
}

fn unusable(path: &Path, error: rusqlite::Error) -> Error {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => return not_ours(path),
        Some(ErrorCode::DiskFull) => "free some space on that disk and start again",
        Some(ErrorCode::DatabaseCorrupt) => {
            "the file is damaged: put a backup of it in its place, or move it and the files beside it \
             (`-wal`, `-shm`) away and start with a new one, without the jobs, tenants and keys of this one"
        }
        _ => "mend the cause and start again: what was accepted is safe",
    };
    Error::ours(format!("cannot open `{}`", path.display())).caused_by(error).hint(hint)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::error::ExitCode;
    use crate::file::{Access, replace};

    /// The columns of `jobs` that no version was without.
    const OLD: &str = "CREATE TABLE jobs (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE,
         environment TEXT NOT NULL, flow TEXT NOT NULL, tenant TEXT NOT NULL,
         connector TEXT NOT NULL, source TEXT NOT NULL, name TEXT NOT NULL,
         status TEXT NOT NULL, created_millis INTEGER NOT NULL, started_millis INTEGER,
         updated_millis INTEGER NOT NULL, records INTEGER, retries TEXT, run TEXT,
         message TEXT, summary TEXT);";

    fn overwrite(path: &Path, bytes: &[u8]) {
        replace(path, Access::Owner, |out| out.write_all(bytes)).unwrap();
    }

    fn refused(path: &Path) -> Error {
        let before = std::fs::read(path).unwrap();
        let error = open(path).unwrap_err();
        assert_eq!(std::fs::read(path).unwrap(), before);
        error
    }

    #[test]
    fn the_file_of_another_program_or_a_later_version_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serve.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (id)").unwrap();
        let error = refused(&path);
        assert_eq!(error.exit, ExitCode::Usage);
        assert!(error.full_message().contains("no queue of target-upsert"), "{error:?}");
        overwrite(&path, b"a text of some length, and no database of anybody's at all");
        assert_eq!(refused(&path).exit, ExitCode::Usage);
        std::fs::remove_file(&path).unwrap();
        let connection = open(&path).unwrap();
        connection.pragma_update(None, "user_version", VERSION + 1).unwrap();
        drop(connection);
        let error = refused(&path);
        assert_eq!(error.exit, ExitCode::Usage);
        assert!(error.full_message().contains("is of version 4"), "{error:?}");
    }

    #[test]
    fn trouble_of_the_disk_is_no_fault_of_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serve.db");
        drop(open(&path).unwrap());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[100..].fill(0xff);
        overwrite(&path, &bytes);
        let error = open(&path).unwrap_err();
        assert_eq!(error.exit, ExitCode::Ours, "{error:?}");
        assert!(error.hint_text().unwrap().contains("a backup of it"), "{error:?}");
        let error = open(&folder.path().join("none/serve.db")).unwrap_err();
        assert_eq!(error.exit, ExitCode::Ours, "{error:?}");
        assert!(error.hint_text().unwrap().contains("start again"), "{error:?}");
    }

    #[test]
    fn an_older_file_is_given_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serve.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(OLD).unwrap();
        old.execute_batch(
            r#"INSERT INTO jobs VALUES (1, 'old', 'dev', 'crm', 'acme', 'hubspot', 'api', 'n', 'succeeded',
                 1, NULL, 1, 7, NULL, NULL, NULL,
                 '{"proof": {"created": 7}, "streams": {"b": {"read": 4}, "a": {"read": 3}}}'),
             (2, 'older', 'dev', 'crm', 'acme', 'hubspot', 'api', 'n', 'queued',
                 1, NULL, 1, 7, NULL, NULL, NULL, NULL);"#,
        )
        .unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        for _ in 0..2 {
            let connection = open(&path).unwrap();
            let briefs: Vec<(Option<String>, Option<String>)> = connection
                .prepare("SELECT brief, tap FROM jobs ORDER BY id")
                .unwrap()
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            let brief = r#"{"proof":{"created":7},"read":{"b":4,"a":3}}"#;
            assert_eq!(briefs, [(Some(brief.to_owned()), None), (None, None)]);
        }
    }
}
