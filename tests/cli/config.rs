//! Configs that are wrong: the file, the key and the way out are named, nothing is written.

use serde_json::json;

use crate::support::{Place, Remote, contacts};

#[track_caller]
fn refused(place: &Place, arguments: &[&str], words: &[&str]) {
    let ran = place.call(arguments);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    for word in words {
        assert!(ran.stderr.contains(word), "`{word}` is missing from\n{}", ran.stderr);
    }
}

#[test]
fn a_config_that_cannot_be_read_is_named() {
    let place = Place::with(json!({}));
    refused(&place, &["--config", "none.json"], &["none.json"]);
    place.file("cut.json", "{\"connector\": ");
    refused(&place, &["--config", "cut.json"], &["cut.json", "line 1"]);
    place.file("list.json", "[]");
    refused(&place, &["--config", "list.json"], &["list.json", "object"]);
    place.file("type.json", "{\"connector\": \"rest\", \"timeout_secs\": \"soon\"}");
    refused(&place, &["--config", "type.json"], &["type.json", "timeout_secs"]);
}

#[test]
fn what_is_not_carried_out_is_not_taken_in_silence() {
    let remote = Remote::start();
    for key in ["stream_maps", "lookup_fields", "only_upsert_empty_fields", "flattening_enabled"] {
        let place = Place::at(&remote, "sandbox").set(key, json!({"x": 1}));
        let ran = place.run(contacts(1));
        assert_eq!(ran.code, 2, "{key}");
        assert!(ran.stderr.contains(key), "{}", ran.stderr);
    }
    assert_eq!(remote.calls()["records_written"], 0);
}

#[test]
fn a_key_that_is_nearly_known_warns_or_is_an_error() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox").set("timeout_sec", 5);
    let ran = place.done(contacts(1));
    assert!(ran.stderr.contains("timeout_secs"), "{}", ran.stderr);
    let ran = place.set("strict_config", true).run(contacts(1));
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("timeout_sec"), "{}", ran.stderr);
}

#[test]
fn later_files_win_and_the_environment_over_them() {
    let remote = Remote::start();
    let place = Place::at(&remote, "sandbox")
        .set("access_token", "wrong")
        .env("TARGET_UPSERT_ACCESS_TOKEN", "sandbox-token")
        .env("TARGET_UPSERT_STREAMS", "{\"contacts\": {\"object\": \"people\"}}");
    place.file("more.json", "{\"access_token\": \"wrong-too\"}");
    let place = place.arg("--config").arg("more.json");
    place.done(contacts(2));
    assert_eq!(remote.by_ext("people").len(), 2);
}

#[test]
fn the_remote_must_be_said() {
    let place = Place::with(json!({}));
    refused(&place, &[], &["connector", "--sandbox rest"]);
    place.file("c.json", "{\"connector\": \"rset\"}");
    refused(&place, &["--config", "c.json"], &["rset", "rest"]);
    place.file("m.json", "{\"connector\": \"rest\", \"manifest\": \"no/such.yaml\"}");
    refused(&place, &["--config", "m.json"], &["no/such.yaml"]);
    refused(&place, &["--sandbox", "hubspt"], &["no such sandbox", "rest"]);
    refused(&place, &["--sandbox", "ret"], &["no such sandbox `ret`"]);
}

#[test]
fn a_manifest_that_is_wrong_is_told_with_line_column_and_the_nearest_key() {
    let place = Place::with(json!({}));
    place.file(
        "bad.yaml",
        "version: 1\nname: x\nbase_url: http://127.0.0.1:1\nstreams:\n  \"*\":\n    upsrt: {}\n",
    );
    place.file("c.json", "{\"connector\": \"rest\", \"manifest\": \"bad.yaml\"}");
    refused(&place, &["--config", "c.json"], &["bad.yaml", "6", "upsrt", "upsert"]);
}

#[test]
fn a_manifest_that_is_not_there_is_told_with_the_cause_and_the_way_out() {
    let place = Place::with(serde_json::json!({"connector": "rest", "manifest": "nowhere.yaml"}));
    let ran = place.run("");
    assert_eq!(ran.code, 2);
    for part in ["nowhere.yaml", "No such file", "set `manifest`"] {
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
    }
}
