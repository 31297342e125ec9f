//! Objects of the CRM, as the platform's target takes them without a unified schema.

use serde_json::json;
use sha2::{Digest, Sha256};
use target_upsert::text::hex;

use super::{COMPANIES, CONTACTS, place, schema};
use crate::support::{Remote, counts, record};

const READ: &str = "POST /crm/objects/{version}/{object}/batch/read";
const CREATE: &str = "POST /crm/objects/{version}/{object}/batch/create";
const UPDATE: &str = "POST /crm/objects/{version}/{object}/batch/update";
const UPSERT: &str = "POST /crm/objects/{version}/{object}/batch/upsert";
const SEARCH: &str = "POST /crm/objects/{version}/{object}/search";
const ASSOCIATE: &str = "POST /crm/associations/{version}/{from}/{to}/batch/create";

fn contacts(count: usize, name: &str) -> String {
    let mut input = schema("contacts", &["email", "firstname"]);
    for n in 0..count {
        let email = format!("Person.{n}@Example.com");
        input += &record("contacts", &json!({"email": email, "firstname": name}));
    }
    input
}

#[test]
fn contacts_are_found_by_email_a_hundred_a_call() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(contacts(250, "Ann"));
    assert_eq!(place.counts("contacts"), counts([("read", 250), ("created", 250)]));
    assert_eq!(
        (remote.calls_of(READ), remote.calls_of(CREATE), remote.calls_of(SEARCH)),
        (3, 3, 0)
    );
    place.done(contacts(260, "Bea"));
    assert_eq!(
        place.counts("contacts"),
        counts([("read", 260), ("created", 10), ("updated", 250)])
    );
    let held = remote.crm_by(CONTACTS, "email");
    assert_eq!(held.len(), 260);
    assert!(held.values().all(|contact| contact["firstname"] == "Bea"));
    assert_eq!((remote.calls_of(UPDATE), remote.calls_of(SEARCH)), (3, 0));
}

#[test]
fn records_are_known_again_by_the_users_ids() {
    let remote = Remote::start();
    let place = place(&remote);
    let input = |name: &str| {
        let mut input = schema("companies", &["externalId", "name"]);
        for n in 0..3 {
            input += &record("companies", &json!({"externalId": n, "name": format!("{name} {n}")}));
        }
        input
    };
    let state = place.done(input("Acme")).state();
    assert_eq!(state["mappings"]["companies"].as_array().unwrap().len(), 3);
    place.done(input("Apex"));
    assert_eq!(place.counts("companies"), counts([("read", 3), ("updated", 3)]));
    place.done(input("Apex"));
    assert_eq!(place.counts("companies"), counts([("read", 3), ("unchanged", 3)]));
    assert_eq!(
        remote.crm_by(COMPANIES, "name").into_keys().collect::<Vec<_>>(),
        ["Apex 0", "Apex 1", "Apex 2"]
    );
    // One of them is deleted there.
    remote.delete_crm("companies", "2");
    place.done(input("Axis"));
    assert_eq!(place.counts("companies"), counts([("read", 3), ("updated", 2), ("created", 1)]));
    assert_eq!(remote.crm_by(COMPANIES, "name").len(), 3);
    let place = place.set("streams", json!({"companies": {"mode": "delete"}}));
    place.done(input("Axis"));
    assert_eq!(place.counts("companies"), counts([("read", 3), ("deleted", 3)]));
    assert_eq!(remote.crm(COMPANIES).len(), 0);
}

/// The id map is lost, and nothing is made twice.
#[test]
fn a_unique_property_keeps_the_users_ids() {
    let remote = Remote::start();
    let with_property =
        || place(&remote).set("streams", json!({"companies": {"external_id_property": "erp_id"}}));
    let place = with_property();
    place.file("config.json", place.config.to_string());
    let checked = place.call(&["check", "--config", "config.json"]);
    assert_eq!(checked.code, 3, "{}", checked.stdout);
    assert!(
        checked.stdout.contains("property erp_id of companies: it is not there"),
        "{}",
        checked.stdout
    );
    let made = place.call(&["check", "--config", "config.json", "--create"]);
    assert_eq!(made.code, 0, "{}", made.stdout);
    let checked = place.call(&["check", "--config", "config.json"]);
    assert!(checked.stdout.contains("unique; records are upserted by it"), "{}", checked.stdout);
    let input = |name: &str| {
        let mut input = schema("companies", &["externalId", "name"]);
        for n in 0..120 {
            input += &record("companies", &json!({"externalId": format!("e{n}"), "name": name}));
        }
        input
    };
    let read = remote.calls_of(READ);
    place.done(input("Acme"));
    assert_eq!(place.counts("companies"), counts([("read", 120), ("created", 120)]));
    assert_eq!((remote.calls_of(UPSERT), remote.calls_of(READ)), (2, read));
    let other = with_property();
    other.done(input("Apex"));
    assert_eq!(other.counts("companies"), counts([("read", 120), ("updated", 120)]));
    let held = remote.crm_by(COMPANIES, "erp_id");
    assert_eq!(held.len(), 120);
    assert!(held.values().all(|company| company["name"] == "Apex"));
}

#[test]
fn values_go_out_as_they_came_in() {
    let remote = Remote::start();
    let place = place(&remote);
    let flat = json!({"email": "a@example.com", "phone": "+15551234567", "firstname": "1.10",
        "lastname": "None", "city": "1_000", "zip": "007", "jobtitle": ["a", {"b": 1}],
        "annualrevenue": 1234.5});
    let wrapped = json!({"properties": {"email": "b@example.com", "phone": "(555)", "firstname": "5,6",
        "lastname": true, "city": "True"}});
    let names =
        ["email", "phone", "firstname", "lastname", "city", "zip", "jobtitle", "annualrevenue"];
    let flat = record("contacts", &flat).replace("1234.5", "1234.50");
    place.done(schema("contacts", &names) + &flat);
    place.done(schema("contacts", &["properties"]) + &record("contacts", &wrapped));
    let held = remote.crm_by(CONTACTS, "email");
    let of = |email: &str, name: &str| held[email][name].as_str().unwrap().to_owned();
    assert_eq!(
        ["phone", "firstname", "lastname", "city", "zip", "jobtitle", "annualrevenue"]
            .map(|name| of("a@example.com", name)),
        ["+15551234567", "1.10", "None", "1_000", "007", r#"["a", {"b": 1}]"#, "1234.50"]
    );
    assert_eq!(
        ["phone", "firstname", "lastname", "city"].map(|name| of("b@example.com", name)),
        ["(555)", "5,6", "true", "true"]
    );
}

#[test]
fn nothing_clears_a_property_that_was_there() {
    let remote = Remote::start();
    let place = place(&remote);
    let input = |phone: Option<&str>| {
        schema("contacts", &["externalId", "email", "phone"])
            + &record(
                "contacts",
                &json!({"externalId": "a", "email": "a@example.com", "phone": phone}),
            )
    };
    for (phone, held) in [(None, None), (Some("1"), Some("1")), (None, None)] {
        place.done(input(phone));
        let found = &remote.crm_by(CONTACTS, "email")["a@example.com"];
        assert_eq!(found.get("phone").and_then(|phone| phone.as_str()), held, "{found:?}");
    }
}

fn association(to: &str, with_object: bool) -> serde_json::Value {
    let to =
        if with_object { json!({"id": to, "objectType": "companies"}) } else { json!({"id": to}) };
    json!([{"to": to, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]}])
}

#[test]
fn associations_go_with_a_record_that_is_made_and_after_one_that_is_there() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(
        schema("companies", &["externalId", "name"])
            + &record("companies", &json!({"externalId": "x", "name": "X"}))
            + &record("companies", &json!({"externalId": "y", "name": "Y"})),
    );
    let contact = |to: &str, name: &str, with_object: bool| {
        schema("contacts", &["properties", "associations"])
            + &record(
                "contacts",
                &json!({"properties": {"email": "a@example.com", "firstname": name},
                "associations": association(to, with_object)}),
            )
    };
    place.done(contact("1", "Ann", false));
    assert_eq!(remote.associated("contacts", "3", "companies"), ["1"]);
    assert_eq!(remote.calls_of(ASSOCIATE), 0);
    place.done(contact("2", "Bea", true));
    assert_eq!(remote.associated("contacts", "3", "companies"), ["1", "2"]);
    assert_eq!((remote.calls_of(ASSOCIATE), remote.crm(CONTACTS).len()), (1, 1));
    // One that cannot be is no harm to the others of its call.
    let both = schema("contacts", &["properties", "associations"])
        + &record(
            "contacts",
            &json!({"properties": {"email": "b@example.com"}, "associations": association("1", true)}),
        );
    place.done(&both);
    let id = place.results()[0]["RemoteId"].as_str().unwrap().to_owned();
    let bad = json!([{"to": {"id": "1", "objectType": "dragons"}, "types":
        [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]}]);
    place.done(
        contact("2", "Bea", true).replace("Bea", "Bo")
            + &record(
                "contacts",
                &json!({"properties": {"email": "b@example.com"}, "associations": bad}),
            ),
    );
    assert_eq!(place.counts("contacts"), counts([("read", 2), ("updated", 1), ("failed", 1)]));
    assert_eq!(remote.associated("contacts", &id, "companies"), ["1"]);
    // What cannot be done is told, and the record is there all the same.
    for (input, told) in [
        (contact("99", "Cat", true), "the association with companies 99"),
        (contact("1", "Dan", false), "objectType is required"),
    ] {
        place.done(input);
        let row = &place.results()[0];
        assert_eq!((&row["outcome"], &row["RemoteId"]), (&json!("failed"), &json!("3")), "{row}");
        assert!(row["error_message"].as_str().unwrap().contains(told), "{row}");
    }
    assert_eq!(remote.crm_by(CONTACTS, "email")["a@example.com"]["firstname"], "Dan");
}

/// The search shows what was made after a while, and two records of one job are one.
#[test]
fn what_only_the_search_finds_is_made_once() {
    let remote = Remote::with("{search_lag_ms: 900}");
    let place = place(&remote)
        .set("lookup_fields", json!({"companies": "domain"}))
        .set("search_lag_secs", 1);
    let one =
        |domain: &str, name: &str| record("companies", &json!({"domain": domain, "name": name}));
    let schema = schema("companies", &["domain", "name"]);
    place.done(
        schema.clone()
            + &one("acme.example", "A")
            + &one("ACME.example", "B")
            + &one("b.example", "C"),
    );
    assert_eq!(place.counts("companies"), counts([("read", 3), ("created", 2), ("updated", 1)]));
    place
        .done(schema + &one("acme.example", "D") + &one("b.example", "C") + &one("c.example", "E"));
    let held = remote.crm_by(COMPANIES, "domain");
    assert_eq!(held.len(), 3, "{held:?}");
    assert!(held.values().any(|company| company["name"] == "D"), "{held:?}");
}

#[test]
fn only_what_is_empty_is_filled() {
    let remote = Remote::start();
    let place = place(&remote);
    let input = |first: &str, last: &str| {
        schema("contacts", &["email", "firstname", "lastname"])
            + &record(
                "contacts",
                &json!({"email": "a@example.com", "firstname": first, "lastname": last}),
            )
    };
    place.done(input("Ann", ""));
    let place = place.set("only_upsert_empty_fields", true);
    place.done(input("Bea", "Lee"));
    let held = &remote.crm(CONTACTS)[0];
    assert_eq!((&held["firstname"], &held["lastname"]), (&json!("Ann"), &json!("Lee")));
}

#[test]
fn a_stream_may_be_a_path() {
    let remote = Remote::start();
    let place = place(&remote);
    let stream = "/crm/v3/objects/notes";
    place.done(
        schema(stream, &["properties"])
            + &record(
                stream,
                &json!({"properties": {"hs_note_body": "Hello", "hs_timestamp": "1705316400000"}}),
            ),
    );
    assert_eq!(place.counts(stream), counts([("read", 1), ("created", 1)]));
    let notes = remote.crm("0-46");
    assert_eq!(notes[0]["hs_note_body"], "Hello");
    assert_eq!(place.results()[0]["RemoteId"], "1");
}

/// What the platform's own target has written, by the hash that it printed, is not written again.
#[test]
fn a_state_of_the_platforms_is_understood() {
    let remote = Remote::start();
    let place = place(&remote);
    let state = |hash: &str| {
        json!({"bookmarks": {"companies": [{"success": true, "hash": hash, "id": "55980663969",
            "externalId": "x"}]}, "summary": {"companies": {"success": 1, "fail": 0, "existing": 0, "updated": 0}}})
    };
    let line = r#"{"type":"RECORD","stream":"companies","record":{"externalId":"x","properties":{"name":"A","employees":"5"}}}"#;
    let input = schema("companies", &["externalId", "properties"]) + line + "\n";
    let text = r#"{"properties": {"name": "A", "employees": 5}, "externalId": "x"}"#;
    let own = hex(&Sha256::digest(text));
    place.file("state.json", state(&own).to_string());
    let place = place.arg("--state").arg("state.json");
    place.done(&input);
    assert_eq!(place.counts("companies"), counts([("read", 1), ("unchanged", 1)]));
    assert_eq!(remote.calls()["writes_applied"], 0);
}

/// Ids that differ in case are two; a record's own value of the property does not touch the id.
#[test]
fn ids_are_kept_as_they_are() {
    let remote = Remote::start();
    let made = json!({"name": "erp_id", "label": "ERP", "type": "string", "fieldType": "text",
        "groupName": "companyinformation", "hasUniqueValue": true});
    remote.post("/crm/properties/2026-03/companies", &made);
    let place =
        place(&remote).set("streams", json!({"companies": {"external_id_property": "erp_id"}}));
    let one = |id: &str, more: serde_json::Value| {
        record("companies", &json!({"externalId": id, "name": id, "erp_id": more}))
    };
    let schema = schema("companies", &["externalId", "name", "erp_id"]);
    place.done(schema.clone() + &one("A", json!(null)) + &one("b", json!("other")));
    assert_eq!(remote.crm_by(COMPANIES, "erp_id").into_keys().collect::<Vec<_>>(), ["A", "b"]);
    // Another one in small letters is nobody's.
    let place = place
        .set("streams", json!({"companies": {"external_id_property": "erp_id", "mode": "delete"}}))
        .set("store", "other.db");
    place.done(schema + &one("a", json!(null)) + &one("B", json!(null)) + &one("b", json!(null)));
    assert_eq!(place.counts("companies"), counts([("read", 3), ("skipped", 2), ("deleted", 1)]));
    assert_eq!(remote.crm(COMPANIES).len(), 1);
}

#[test]
fn the_state_may_tell_what_was_sent() {
    let remote = Remote::start();
    let place = place(&remote).env("OUTPUT_MAPPED_RECORD", "true");
    let input = schema("contacts", &["externalId", "email", "lastname"])
        + &record("contacts", &json!({"externalId": "a", "email": "a@example.com", "lastname": 5}));
    let state = place.done(input).state();
    assert_eq!(
        state["bookmarks"]["contacts"][0]["mapped_record"],
        json!({"properties": {"email": "a@example.com", "lastname": "5"}})
    );
}
