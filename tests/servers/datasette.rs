//! Datasette: a native bulk upsert that is refused whole, tokens that run out, a limit on rows.

use std::process::Command;

use serde_json::{Value, json};

use crate::installed::{Server, ask, program};
use crate::proxy::Proxy;
use crate::support::{Place, counts, fixture, record, schema};

struct Datasette {
    _folder: tempfile::TempDir,
    server: Server,
    token: String,
}

impl Datasette {
    fn start(max_rows: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crm.db");
        let database = rusqlite::Connection::open(&path).unwrap();
        let table = "CREATE TABLE contacts (ext_id TEXT PRIMARY KEY, email TEXT, name TEXT,
                     age INTEGER NOT NULL DEFAULT 0, score REAL, note TEXT)";
        database.execute_batch(table).unwrap();
        drop(database);
        let server = Server::start(|port| {
            let mut command = Command::new(program("datasette"));
            command.arg("serve").arg(&path).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
            command.args(["--root", "--secret", "s3cret", "--setting", "max_insert_rows"]);
            command.arg(max_rows.to_string());
            command
        });
        Self { _folder: folder, server, token: token(&[]) }
    }

    fn place(&self, url: &str) -> Place {
        Place::with(json!({
            "connector": "rest",
            "manifest": fixture("manifests/datasette.yaml").display().to_string(),
            "base_url": format!("{url}/crm"),
            "access_token": self.token,
            "retry": {"base_millis": 5, "attempts": 20},
        }))
    }

    /// All rows, in the order of their ids.
    fn rows(&self) -> Vec<Value> {
        let url = format!("{}/crm/contacts.json?_shape=array&_size=1000", self.server.url());
        let (status, rows) = ask("GET", &url, Some(&format!("Bearer {}", self.token)), None);
        assert_eq!(status, 200);
        rows.as_array().unwrap().clone()
    }
}

fn token(more: &[&str]) -> String {
    let mut command = Command::new(program("datasette"));
    let output =
        command.args(["create-token", "root", "--secret", "s3cret"]).args(more).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn contacts(records: &[Value]) -> String {
    schema("contacts") + &records.iter().map(|one| record("contacts", one)).collect::<String>()
}

#[test]
#[ignore = "needs Datasette, which `tests/run` installs"]
fn what_stands_there_is_what_came_in_however_rough_the_way() {
    let datasette = Datasette::start(100);
    let odd = ["a,b", "ä ö", "100%", "\"q\"", "'", "a/b", "[1]", " ", "x'; DROP TABLE contacts"];
    let id = |n: usize| match odd.get(n) {
        Some(odd) => (*odd).to_owned(),
        None => format!("id-{n:03}"),
    };
    let good = |n: usize| {
        json!({"email": format!("c{n}@x.com"), "name": "Zoë \"Z\" O'Neil\n", "age": n,
            "score": f64::from(u32::try_from(n).unwrap()) / 8.0, "note": null})
    };
    let mut records: Vec<Value> = (0..400)
        .map(|n| {
            let mut record = good(n);
            record["externalId"] = id(n).into();
            record
        })
        .collect();
    records[50]["zzz"] = json!("no such column");
    records[150]["age"] = Value::Null;
    records[350]["age"] = json!("forty");
    let proxy = Proxy::rough(datasette.server.port, 7);
    let place = datasette.place(&proxy.url);
    place.done(contacts(&records));
    assert!(proxy.seen.lost.load(std::sync::atomic::Ordering::SeqCst) > 0);
    let counted = place.counts("contacts");
    assert_eq!((counted["read"], counted["rejected"]), (400, 2), "{counted:?}");
    let rows = datasette.rows();
    assert_eq!(rows.len(), 398);
    for row in &rows {
        let n = (0..400).find(|n| row["ext_id"] == id(*n).as_str()).unwrap();
        if n != 350 {
            let mut expected = good(n);
            expected["ext_id"] = id(n).into();
            assert_eq!(*row, expected);
        }
    }
    let told = place.read("results.jsonl");
    assert!(told.contains("has invalid columns: zzz"), "{told}");
    assert!(told.contains("NOT NULL constraint failed"), "{told}");
    place.done(contacts(&records));
    assert_eq!(place.counts("contacts")["unchanged"], 398);
}

#[test]
#[ignore = "needs Datasette, which `tests/run` installs"]
fn more_rows_than_it_takes_are_sent_in_smaller_calls() {
    let datasette = Datasette::start(20);
    let place = datasette.place(&datasette.server.url());
    let records: Vec<_> = (0..90).map(|n| json!({"externalId": format!("c{n}")})).collect();
    place.done(contacts(&records));
    assert_eq!(place.counts("contacts"), counts([("read", 90), ("created", 90)]));
    assert_eq!(datasette.rows().len(), 90);
}

#[test]
#[ignore = "needs Datasette, which `tests/run` installs"]
fn a_value_that_it_changes_in_silence_is_told() {
    let datasette = Datasette::start(100);
    let place = datasette.place(&datasette.server.url());
    let records = [
        json!({"externalId": "a", "age": "5"}),
        json!({"externalId": "b", "name": 7}),
        json!({"externalId": "c", "age": 5, "name": "7"}),
    ];
    place.done(contacts(&records));
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("created", 1), ("failed", 2)]));
    let told = place.read("results.jsonl");
    assert!(told.contains("`age` was sent as \\\"5\\\" and is held as 5"), "{told}");
    // It is not taken for written: the next job sends it again.
    place.done(contacts(&records));
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("unchanged", 1), ("failed", 2)]));
}

#[test]
#[ignore = "needs Datasette, which `tests/run` installs"]
fn a_token_that_has_run_out_ends_the_job() {
    let mut datasette = Datasette::start(100);
    datasette.token = token(&["-e", "1"]);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let place = datasette.place(&datasette.server.url());
    let ran = place.run(contacts(&[json!({"externalId": "a"})]));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("Token has expired") && !ran.stderr.contains(&datasette.token));
}

#[test]
#[ignore = "needs Datasette, which `tests/run` installs"]
fn rows_of_others_are_found_by_their_fields_and_deleted_by_id() {
    let datasette = Datasette::start(100);
    let others = datasette.place(&datasette.server.url());
    let other = |id: &str, mail: &str| json!({"externalId": id, "email": mail, "age": 1});
    others.done(contacts(&[other("x", "a,b@x.com"), other("y", "c@x.com"), other("z", "c@x.com")]));
    let place = datasette
        .place(&datasette.server.url())
        .set("lookup_fields", json!({"contacts": "email"}))
        .set("streams", json!({"*": {"mode": "insert"}}));
    place.done(contacts(&[
        json!({"externalId": "1", "email": "a,b@x.com"}),
        json!({"externalId": "2", "email": "new@x.com"}),
    ]));
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("created", 1), ("skipped", 1)]));
    let place =
        datasette.place(&datasette.server.url()).set("streams", json!({"*": {"mode": "delete"}}));
    place.done(contacts(&[json!({"externalId": "x"}), json!({"externalId": "none"})]));
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("deleted", 1), ("skipped", 1)]));
    let left: Vec<_> = datasette.rows().into_iter().map(|row| row["ext_id"].clone()).collect();
    assert_eq!(left, ["2", "y", "z"]);
}
