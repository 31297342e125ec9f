//! Stores that an older version wrote, in the middle of a job that was killed.

use rusqlite::Connection;
use serde_json::json;

use crate::doubt::{events, quick, that_loses};
use crate::inputs::busy;
use crate::support::{Place, Remote, contacts, counts, fixture};

/// Columns of a table.
fn columns(connection: &Connection, schema: &str, table: &str) -> Vec<String> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?, ?)").unwrap();
    let names = statement.query_map([table, schema], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

/// The columns of each table, with all that is declared of them.
fn tables(place: &Place) -> Vec<(String, String, String, bool, Option<String>, i64)> {
    let connection = Connection::open(place.path(".target-upsert/store.db")).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT schema.name, info.name, info.type, \"notnull\", dflt_value, pk
             FROM sqlite_schema AS schema, pragma_table_info(schema.name) AS info
             WHERE schema.type = 'table' ORDER BY 1, 2",
        )
        .unwrap();
    let rows = statement.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// What versions before 5 took for the last job of a stream.
const LAST_JOB: &str = "(SELECT max(job) FROM new.outcomes WHERE stream = streams.id)";

/// Puts all that the store of `place` holds into one of an older version in its place.
fn make_old(place: &Place, version: i64) {
    let path = place.path(".target-upsert/store.db");
    let old_path = place.path("old.db");
    let connection = Connection::open(&old_path).unwrap();
    let schema = fixture("stores").join(format!("version-{version}.sql"));
    connection.execute_batch(&std::fs::read_to_string(schema).unwrap()).unwrap();
    connection.pragma_update(None, "application_id", 0x7475_7073).unwrap();
    connection.pragma_update(None, "user_version", version).unwrap();
    connection.execute("ATTACH ? AS new", [path.to_str().unwrap()]).unwrap();
    let tables: Vec<String> = {
        let mut statement =
            connection.prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table'").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for table in tables {
        let there = columns(&connection, "new", &table);
        let (mut into, mut from) = (Vec::new(), Vec::new());
        for name in columns(&connection, "main", &table) {
            // What stands under another name now.
            let source = match (table.as_str(), name.as_str()) {
                ("jobs", "series") => "id",
                ("written", "series") => "job",
                ("doubts", "since_millis") => "last_millis",
                ("streams", "last_job") if version < 5 => LAST_JOB,
                (_, name) if there.iter().any(|one| one == name) => name,
                _ => continue,
            };
            from.push(source.to_owned());
            into.push(name);
        }
        let (into, from) = (into.join(", "), from.join(", "));
        let copy = format!("INSERT INTO main.{table} ({into}) SELECT {from} FROM new.{table}");
        connection.execute(&copy, []).unwrap();
    }
    drop(connection);
    for side in ["-wal", "-shm"] {
        let path = place.path(&format!(".target-upsert/store.db{side}"));
        if path.exists() {
            std::fs::remove_file(path).unwrap();
        }
    }
    std::fs::rename(old_path, path).unwrap();
}

#[test]
fn what_an_older_store_knows_stays_known() {
    let new = Place::at(&Remote::start(), "create-only");
    new.run(contacts(1));
    for version in [2, 3, 4, 5, 6, 7, 8, 9] {
        let remote = Remote::start();
        let place = Place::at(&remote, "create-only").set("max_in_flight", 1);
        place.done(contacts(2));
        place.dies_at("answered:2", events(3));
        make_old(&place, version);
        // Looking is enough.
        let listed = place.call(&["ids", "list", "--stream", "contacts"]);
        assert_eq!((listed.code, listed.stdout.lines().count()), (0, 3), "{}", listed.stderr);
        place.done(contacts(2));
        assert_eq!(place.counts("contacts"), counts([("read", 2), ("unchanged", 2)]), "{version}");
        // The killed job's records, one of them sent and not answered, go out once only.
        place.done(events(3));
        let there = |n: usize| remote.records("events").iter().filter(|one| one["n"] == n).count();
        assert_eq!((0..3).map(there).collect::<Vec<_>>(), [1, 1, 1], "{version}");
        assert_eq!(place.counts("events")["in_doubt"], 1, "{version}");
        make_old(&place, version);
        assert!(tables(&place) != tables(&new), "{version}");
        assert_eq!(place.call(&["ids", "doubts"]).stdout.lines().count(), 2, "{version}");
        assert_eq!(tables(&place), tables(&new), "{version}");
        place.set("namespace", json!("other")).done(contacts(1));
        assert_eq!(remote.records("contacts").len(), 3, "{version}");
    }
}

#[test]
fn a_doubt_of_an_older_store_is_told_with_its_times() {
    for version in [2, 3, 4, 5, 6, 7, 8, 9] {
        let remote = that_loses(1, "");
        let place = quick(Place::at(&remote, "create-only"));
        place.done(contacts(3));
        make_old(&place, version);
        let listed = place.call(&["ids", "doubts"]).stdout;
        let times = listed.split_once(",c-1,").unwrap().1.trim_end().split(',');
        let times: Vec<_> = times.collect();
        assert_eq!(times.len(), 2, "{listed}");
        // A store of version 2 knows the last one alone.
        assert!(times.iter().all(|time| time.starts_with("20")), "{version}: {listed}");
    }
}

#[test]
fn what_a_job_of_an_older_version_was_found_by_is_not_guessed() {
    for version in [2, 3, 4] {
        let remote = Remote::start();
        let place = Place::at(&remote, "sandbox").manifest(crate::doubt::FOUND_BY_FIELDS);
        let place = place.set("streams", json!({"*": {"lookup_fields": "email"}}));
        place.dies_at("answered:1", contacts(1));
        make_old(&place, version);
        let place = place.set("streams", json!({}));
        place.done(contacts(1));
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("in_doubt", 1)]), "{version}");
        assert_eq!(remote.records("contacts").len(), 1, "{version}");
    }
}

#[test]
fn what_comes_again_after_a_job_of_an_older_version_is_known() {
    for version in [2, 3, 4] {
        // One record had to wait: the tap brings all of them again.
        let (remote, place) = busy("[2, 3, 4]");
        place.done(events(3));
        make_old(&place, version);
        place.done(events(3));
        assert_eq!(place.counts("events"), counts([("read", 3), ("created", 1), ("unchanged", 2)]));
        assert_eq!(remote.records("events").len(), 3, "{version}");
        // All was done: in another input, the same content is another record.
        make_old(&place, version);
        place.done(events(3));
        assert_eq!(remote.records("events").len(), 6, "{version}");
    }
}
