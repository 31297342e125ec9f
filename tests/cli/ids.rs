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
    assert!(!place.path(".target-upsert").exists(), "looking makes nothing");

    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox");
    place.done(contacts(1));
    let ran = place.call(&["ids", "list", "--stream", "contcats"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("contacts"), "{}", ran.stderr);
    place.file("x.csv", "InputId,RemoteId\n1,2\n");
    let ran = place.call(&["ids", "import", "x.csv", "--stream", "new"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--namespace"), "{}", ran.stderr);
}
