//! The platform's id snapshots: read before the first record, written after the last.

use serde_json::json;

use crate::support::{Place, Remote, contacts, counts, record, schema, text};

fn input(id: &str, city: &str) -> String {
    schema("contacts") + &record("contacts", &json!({"externalId": id, "city": city}))
}

#[test]
fn ids_of_a_snapshot_are_updated_and_not_created() {
    for ending in ["csv", "parquet"] {
        let remote = Remote::start();
        // The remote has the record, but does not know our id: only the snapshot does.
        let maker = Place::at(&remote, "rest-lookup-bulk");
        maker.done(input("theirs", "Oslo"));
        let id = text(&remote.records("contacts")[0]["id"]);

        let place = Place::at(&remote, "rest-lookup-bulk").env("FLOW", "f1");
        let folder = place.path("snapshots");
        std::fs::create_dir(&folder).unwrap();
        let place = place.set("snapshot_dir", folder.display().to_string());
        let csv = place.file("ids.csv", format!("RemoteId,other,InputId\n{id},x,007\n"));
        let name = folder.join(format!("contacts_f1.snapshot.{ending}"));
        if ending == "csv" {
            std::fs::copy(csv, name).unwrap();
        } else {
            // Made by the program itself from the CSV; what others wrote is read in unit tests.
            let file = csv.to_str().unwrap();
            let store = ["--store", "other.db"];
            let call = |arguments: &[&str]| {
                let ran = place.call(&[arguments, &store].concat());
                assert_eq!(ran.code, 0, "{}", ran.stderr);
            };
            call(&["ids", "import", file, "--stream", "contacts", "--namespace", "n"]);
            call(&["ids", "export", name.to_str().unwrap(), "--stream", "contacts"]);
        }
        place.done(input("007", "Bergen"));
        let held = remote.records("contacts");
        assert_eq!(held.len(), 1, "{ending}");
        assert_eq!(held[0]["city"], "Bergen", "{ending}");
    }
}

#[test]
fn ids_are_written_as_snapshots_when_asked_for() {
    for ending in ["csv", "parquet"] {
        let remote = Remote::start();
        let place = Place::at(&remote, "sandbox")
            .set("save_record_ids", true)
            .set("snapshot_format", ending)
            .env("SNAPSHOT_DIR", "snapshots");
        place.done(input("a \"quoted\", id\nof two lines", "Oslo"));
        place.done(input("007", "Bergen"));
        let name = format!("snapshots/contacts_None.snapshot.{ending}");
        assert!(place.path(&name).exists(), "without FLOW its name has the word None");
        // Both are there: the snapshot has all that is known, not only what this job wrote.
        let back = ["ids", "import", &name, "--stream", "s", "--namespace", "n", "--store", "b.db"];
        let ran = place.call(&back);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let listed = place.call(&["ids", "list", "--stream", "s", "--store", "b.db"]).stdout;
        let held = remote.by_ext("contacts");
        for (ext_id, record) in &held {
            let quoted = format!("\"{}\"", ext_id.replace('"', "\"\""));
            let id = text(&record["id"]);
            assert!(
                listed.contains(&format!("{ext_id},{id}\n"))
                    || listed.contains(&format!("{quoted},{id}\n")),
                "{ending}: {listed}"
            );
        }
        assert_eq!(held.len(), 2);
    }
}

#[test]
fn a_snapshot_that_is_none_ends_the_job_before_anything_is_written() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").env("SNAPSHOT_DIR", ".");
    place.file("contacts_None.snapshot.csv", "a,b\n1,2\n");
    let ran = place.run(input("a", "Oslo"));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("contacts_None.snapshot.csv"), "{}", ran.stderr);
    assert!(ran.stderr.contains("InputId"), "{}", ran.stderr);
    assert_eq!(remote.calls()["records_written"], 0);
}

#[test]
fn what_was_read_before_a_stream_with_a_bad_snapshot_is_written() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.file("companies_None.snapshot.csv", "a,b\n1,2\n");
    let place = place.set("snapshot_dir", ".").set("batch", json!({"secs": 60}));
    let company = record("companies", &json!({"externalId": "f-1"}));
    let ran = place.run(contacts(5) + &schema("companies") + &company);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("companies_None.snapshot.csv"), "{}", ran.stderr);
    assert_eq!(remote.by_ext("contacts").len(), 5);
    assert_eq!(place.counts("contacts"), counts([("read", 5), ("created", 5)]));
}

#[test]
fn what_is_mended_by_hand_is_not_undone_by_the_snapshot_that_was_written_before() {
    for ending in ["csv", "parquet"] {
        let remote = Remote::start();
        let place = Place::at(&remote, "sandbox")
            .set("save_record_ids", true)
            .set("snapshot_format", ending)
            .set("snapshot_dir", "snapshots");
        place.done(input("wrong", "Oslo") + &record("contacts", &json!({"externalId": "right"})));
        let ids: Vec<_> = remote.records("contacts").iter().map(|one| text(&one["id"])).collect();
        place.file("ids.csv", format!("InputId,RemoteId\nwrong,{}\n", ids[1]));
        let taken = place.call(&["ids", "import", "ids.csv", "--stream", "contacts"]);
        assert_eq!(taken.code, 0, "{}", taken.stderr);
        place.done(input("wrong", "Bergen"));
        let city = |at: usize| remote.records("contacts")[at].get("city").cloned();
        assert_eq!((city(0), city(1)), (Some(json!("Oslo")), Some(json!("Bergen"))), "{ending}");
        // One that somebody else has put there is read.
        let other = format!("snapshots/contacts_None.snapshot.{ending}");
        place.file("ids.csv", format!("InputId,RemoteId\nwrong,{}\n", ids[0]));
        let store = ["--store", "other.db"];
        let call = |arguments: &[&str]| {
            let ran = place.call(&[arguments, &store].concat());
            assert_eq!(ran.code, 0, "{}", ran.stderr);
        };
        call(&["ids", "import", "ids.csv", "--stream", "contacts", "--namespace", "n"]);
        call(&["ids", "export", &other, "--stream", "contacts"]);
        place.done(input("wrong", "Tromsø"));
        assert_eq!((city(0), city(1)), (Some(json!("Tromsø")), Some(json!("Bergen"))), "{ending}");
    }
}

/// The records were written, and then the job ended with exit code 2, which says that none was.
#[test]
fn a_stream_that_no_file_can_be_named_after_is_written_without_a_snapshot() {
    for name in ["../up".to_owned(), "a/b".to_owned(), "n".repeat(250)] {
        let remote = Remote::start();
        let place = Place::at(&remote, "sandbox")
            .set("save_record_ids", true)
            .set("streams", json!({"*": {"object": "contacts"}}))
            .set("snapshot_dir", "deep/snapshots");
        let input = schema(&name) + &record(&name, &json!({"externalId": "a"}));
        let ran = place.done(input + &contacts(1));
        assert!(ran.stderr.contains("in no snapshot"), "{name}: {}", ran.stderr);
        let names = |folder: &str| {
            let entries = std::fs::read_dir(place.path(folder)).unwrap();
            entries.map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>()
        };
        assert_eq!(names("deep"), ["snapshots"]);
        assert_eq!(names("deep/snapshots"), ["contacts_None.snapshot.csv"]);
        assert_eq!(remote.records("contacts").len(), 2);
    }
}
