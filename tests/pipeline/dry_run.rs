//! What a dry run knows: all that the job itself would, and it leaves the job's store as it is.

use serde_json::json;

use crate::support::{Place, Remote, counts, record, schema};

fn contact(id: &str, name: &str) -> String {
    record("contacts", &json!({"externalId": id, "name": name}))
}

/// The snapshot is the job's own: nothing new stands in it.
#[test]
fn a_snapshot_that_the_job_has_written_is_not_taken_in() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("save_record_ids", true);
    let snapshots = place.path("snapshots").display().to_string();
    let place = place.env("SNAPSHOT_DIR", &snapshots);
    place.done(schema("contacts") + &contact("a", "Ann") + &contact("b", "Bea"));
    let dry = place.arg("--dry-run");
    dry.done(schema("contacts") + &contact("a", "Ann") + &contact("b", "Beate"));
    assert_eq!(
        dry.counts("contacts"),
        counts([("read", 2), ("unchanged", 1), ("skipped", 1)]),
        "{:?}",
        dry.results()
    );
}

/// A snapshot that somebody has changed is taken in; what it leaves as it was stays known.
#[test]
fn a_snapshot_that_is_new_is_taken_in_over_what_the_store_knows() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let snapshots = place.path("snapshots");
    let place = place.env("SNAPSHOT_DIR", &snapshots.display().to_string());
    let both = schema("contacts") + &contact("a", "Ann") + &contact("b", "Bea");
    place.done(&both);
    let id = remote.by_ext("contacts")["a"]["id"].as_str().unwrap().to_owned();
    std::fs::create_dir_all(&snapshots).unwrap();
    let rows = format!("InputId,RemoteId\na,{id}\nb,{id}\n");
    place.file("snapshots/contacts_None.snapshot.csv", rows);
    let dry = place.arg("--dry-run");
    dry.done(&both);
    assert_eq!(
        dry.counts("contacts"),
        counts([("read", 2), ("unchanged", 1), ("skipped", 1)]),
        "{:?}",
        dry.results()
    );
}

#[test]
fn what_the_store_knows_wins_over_a_state_that_is_passed_in() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    let input = schema("contacts") + &contact("a", "Ann");
    place.done(&input);
    let wrong = json!({"mappings": {"contacts": [{"InputId": "a", "RemoteId": "999999"}]}});
    place.file("wrong.json", wrong.to_string());
    let dry = place.arg("--dry-run").arg("--state").arg("wrong.json");
    dry.done(&input);
    assert_eq!(dry.counts("contacts"), counts([("read", 1), ("unchanged", 1)]));
}

/// A first job is about to make its store: SQLite has written its header, and no table yet.
#[test]
fn a_store_that_is_being_made_is_as_good_as_none() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    std::fs::create_dir(place.path(".target-upsert")).unwrap();
    let path = place.path(".target-upsert/store.db");
    let maker = rusqlite::Connection::open(&path).unwrap();
    maker.pragma_update(None, "journal_mode", "WAL").unwrap();
    // It has the file for itself.
    let held = std::fs::File::create(place.path(".target-upsert/store.db.lock")).unwrap();
    held.lock().unwrap();
    let dry = place.arg("--dry-run");
    dry.done(schema("contacts") + &contact("a", "Ann"));
    assert_eq!(dry.counts("contacts"), counts([("read", 1), ("skipped", 1)]));
}
