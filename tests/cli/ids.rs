//! `ids`: the id map, looked at and mended.

use serde_json::json;

use crate::support::{Place, Remote, contacts, counts, record, schema};

#[test]
fn ids_are_listed_exported_forgotten_and_imported() {
    let remote = Remote::start();
    let place = Place::at(&remote, "rest-lookup-bulk");
    place.done(contacts(3));
    let streams = place.call(&["ids", "list"]);
    assert!(streams.stdout.contains("contacts") && streams.stdout.contains('3'), "{streams:?}");
    let listed = place.call(&["ids", "list", "--stream", "contacts"]).stdout;
    assert_eq!(listed.lines().count(), 4);

    assert_eq!(place.call(&["ids", "export", "ids.csv", "--stream", "contacts"]).code, 0);
    assert_eq!(place.call(&["ids", "forget", "c-0", "c-1", "--stream", "contacts"]).code, 0);
    assert_eq!(place.call(&["ids", "list", "--stream", "contacts"]).stdout.lines().count(), 2);
    // What is forgotten is found again by lookup, and updated.
    place.done(contacts(3));
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("updated", 2), ("unchanged", 1)]));
    assert_eq!(remote.by_ext("contacts").len(), 3);

    assert_eq!(place.call(&["ids", "forget", "--all", "--stream", "contacts"]).code, 0);
    assert_eq!(place.call(&["ids", "import", "ids.csv", "--stream", "contacts"]).code, 0);
    assert_eq!(place.call(&["ids", "list", "--stream", "contacts"]).stdout, listed);
}

#[test]
fn a_snapshots_id_wins_over_what_is_known() {
    let remote = Remote::start();
    let place = Place::at(&remote, "rest-lookup-bulk");
    let two = schema("contacts")
        + &record("contacts", &json!({"externalId": "a", "city": "Oslo"}))
        + &record("contacts", &json!({"externalId": "b", "city": "Rome"}));
    place.done(two);
    let b = crate::support::text(&remote.by_ext("contacts")["b"]["id"]);
    place.file("ids.csv", format!("InputId,RemoteId\na,{b}\n"));
    assert_eq!(place.call(&["ids", "import", "ids.csv", "--stream", "contacts"]).code, 0);
    let listed = place.call(&["ids", "list", "--stream", "contacts"]).stdout;
    assert!(listed.contains(&format!("a,{b}\n")), "{listed}");
}

#[test]
fn what_is_not_there_is_told() {
    let place = Place::with(json!({}));
    let ran = place.call(&["ids", "list"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("there is no store"), "{}", ran.stderr);
    place.file("x.csv", "InputId,RemoteId\n1,2\n");
    let ran = place.call(&["ids", "import", "x.csv", "--stream", "contacts"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("there is no store"), "{}", ran.stderr);
    assert!(!place.path(".target-upsert").exists(), "looking makes nothing");

    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.done(contacts(1));
    let ran = place.call(&["ids", "list", "--stream", "contcats"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("contacts"), "{}", ran.stderr);
    let ran = place.call(&["ids", "forget", "c-7", "--stream", "contacts"]);
    assert!(ran.stderr.contains("Nothing was forgotten"), "{}", ran.stderr);
    assert_eq!(place.call(&["ids", "list", "--namespace", "other"]).stdout.lines().count(), 1);
    place.file("x.csv", "InputId,RemoteId\n1,2\n");
    let ran = place.call(&["ids", "import", "x.csv", "--stream", "new"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--namespace"), "{}", ran.stderr);
}

#[test]
fn what_somebody_says_of_a_record_that_a_killed_job_had_sent_is_believed() {
    // Applied, and not there: the answers are unknown, and nothing can be asked.
    let remote = Remote::start();
    let place = Place::at(&remote, "create-only").set("max_in_flight", 1);
    place.dies_at("sent:1", contacts(1));
    let listed = place.call(&["ids", "doubts"]).stdout;
    assert!(listed.contains(",contacts,c-0,20"), "{listed}");
    let ids = || remote.by_ext("contacts").into_keys().collect::<Vec<_>>();
    assert_eq!(ids(), ["c-0"]);
    let id = crate::support::text(&remote.by_ext("contacts")["c-0"]["id"]);
    remote.delete("contacts", &id);
    let forgot = place.call(&["ids", "forget", "c-0", "--stream", "contacts"]);
    assert!(forgot.stderr.contains("1 doubts"), "{}", forgot.stderr);
    place.done(contacts(1));
    assert_eq!(ids(), ["c-0"]);

    let other = Place::at(&remote, "rest-one-by-one").set("max_in_flight", 1);
    other.dies_at("sent:1", contacts(2));
    other.file("ids.csv", "InputId,RemoteId\nc-1,none\n");
    let taken = other.call(&["ids", "import", "ids.csv", "--stream", "contacts"]);
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    other.done(contacts(2));
    // The remote has no such id: the record is made, and once only.
    assert_eq!(ids(), ["c-0", "c-1"]);
}

#[test]
fn what_is_in_doubt_is_listed() {
    let remote =
        Remote::with("{faults: [{on: \"POST /v1/{object}\", calls: [2], do: reset_after}]}");
    let place = Place::at(&remote, "create-only")
        .set("retry", json!({"base_millis": 1}))
        .set("max_in_flight", 1);
    place.done(contacts(3));
    let listed = place.call(&["ids", "doubts"]).stdout;
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines[0], "namespace,stream,InputId,first_sent,last_sent");
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(lines[1].contains(",contacts,c-1,20"), "{listed}");
    let of = |stream| place.call(&["ids", "doubts", "--stream", stream]).stdout.lines().count();
    assert_eq!((of("contacts"), of("companies")), (2, 1));
    place.call(&["ids", "forget", "c-1", "--stream", "contacts"]);
    assert_eq!(place.call(&["ids", "doubts"]).stdout.lines().count(), 1);
}

#[test]
fn of_a_file_that_is_wrong_somewhere_nothing_is_taken() {
    let remote = Remote::start();
    let place = Place::at(&remote, "rest-lookup-bulk");
    place.done(contacts(1));
    place.file("ids.csv", format!("InputId,RemoteId\n{}a,b,c,d\n", "x,1\n".repeat(9000)));
    let taken = place.call(&["ids", "import", "ids.csv", "--stream", "contacts"]);
    assert_eq!(taken.code, 2, "{}", taken.stderr);
    let listed = place.call(&["ids", "list", "--stream", "contacts"]).stdout;
    assert_eq!(listed.lines().count(), 2);
}

#[test]
fn what_is_in_doubt_is_forgotten_without_the_ids() {
    let remote =
        Remote::with("{faults: [{on: \"POST /v1/{object}\", calls: [2, 4], do: reset_after}]}");
    let place = Place::at(&remote, "create-only")
        .set("retry", json!({"base_millis": 1}))
        .set("max_in_flight", 1);
    // In doubt with an id and without one, and once more from a job that was killed.
    let event = schema("contacts") + &record("contacts", &json!({"n": 1}));
    place.done(contacts(3) + &event);
    place.dies_at("sent:1", record_of("k"));
    assert_eq!(remote.records("contacts").len(), 5);
    assert_eq!(place.call(&["ids", "doubts"]).stdout.lines().count(), 4);
    let forgot = place.call(&["ids", "forget", "--doubts", "--stream", "contacts"]);
    assert_eq!(forgot.code, 0, "{}", forgot.stderr);
    assert!(forgot.stderr.contains("0 ids, 3 doubts"), "{}", forgot.stderr);
    assert_eq!(place.call(&["ids", "doubts"]).stdout.lines().count(), 1);
    // What was in doubt goes out, and what is known is known.
    place.done(contacts(3) + &event + &record_of("k"));
    assert_eq!(place.counts("contacts"), counts([("read", 5), ("created", 3), ("unchanged", 2)]));
    assert_eq!(remote.records("contacts").len(), 8);
    for wrong in [&["c-1", "--doubts"][..], &["--all", "--doubts"], &[]] {
        let ran = place.call(&[&["ids", "forget", "--stream", "contacts"], wrong].concat());
        assert_eq!(ran.code, 2, "{wrong:?}");
        assert!(ran.stderr.contains("<IDS|--all|--doubts>"), "{}", ran.stderr);
    }
}

fn record_of(id: &str) -> String {
    schema("contacts") + &record("contacts", &json!({"externalId": id}))
}
