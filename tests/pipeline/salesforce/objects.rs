//! Any object of an org, found again by its external ids.

use serde_json::{Value, json};

use super::{place, stream};
use crate::support::{Remote, counts};

fn accounts(count: usize, name: &str) -> Vec<Value> {
    (0..count)
        .map(|n| json!({"Ext_Id__c": format!("a{n}"), "Name": format!("{name} {n}")}))
        .collect()
}

/// As the platform's target takes it: the key of the stream is an external id of the object.
#[test]
fn records_are_upserted_by_their_external_id() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(stream("Account", Some("Ext_Id__c"), &accounts(450, "Acme")));
    assert_eq!(place.counts("Account"), counts([("read", 450), ("created", 450)]));
    let calls = remote.calls()["calls"].as_object().unwrap().clone();
    let upserts: u64 = calls
        .iter()
        .filter(|(route, _)| route.starts_with("PATCH") && route.contains("/composite/sobjects/"))
        .map(|(_, count)| count.as_u64().unwrap())
        .sum();
    assert_eq!(upserts, 3, "{calls:?}");
    // A store that knows nothing finds them again.
    let again = super::place(&remote);
    again.done(stream("Account", Some("Ext_Id__c"), &accounts(450, "Apex")));
    assert_eq!(again.counts("Account"), counts([("read", 450), ("updated", 450)]));
    let held = remote.org_by("Account", "Ext_Id__c");
    assert_eq!((held.len(), &held["a7"]["Name"]), (450, &json!("Apex 7")));
}

/// The platform's ids, with the property named in the config.
#[test]
fn the_platforms_ids_are_kept_in_a_field() {
    let remote = Remote::start();
    let place =
        place(&remote).set("streams", json!({"contacts": {"external_id_property": "Ext_Id__c"}}));
    let contact = |name: &str| {
        stream("contacts", None, &[json!({"externalId": "O'Brien", "LastName": name, "Nope": 1})])
    };
    // By the label of several.
    let place = place.set("streams", json!({"Contacts": {"external_id_property": "Ext_Id__c"}}));
    let ran = place.done(contact("Ann").replace("\"contacts\"", "\"Contacts\""));
    assert!(ran.stderr.contains("Nope"), "{}", ran.stderr);
    place.done(contact("Bea").replace("\"contacts\"", "\"Contacts\""));
    let held = remote.org_by("Contact", "Ext_Id__c");
    assert_eq!((held.len(), &held["O'Brien"]["LastName"]), (1, &json!("Bea")));
    assert_eq!(place.counts("Contacts"), counts([("read", 1), ("updated", 1)]));
}

/// A parent is named by its own external id: Salesforce finds it.
#[test]
fn a_relationship_finds_its_parent() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(stream("Account", Some("Ext_Id__c"), &accounts(2, "Acme")));
    let contact = json!({"Ext_Id__c": "c", "LastName": "Ann", "Account": {"Ext_Id__c": "a1"}});
    place.done(stream("Contact", Some("Ext_Id__c"), &[contact]));
    let accounts = remote.org_by("Account", "Ext_Id__c");
    let contacts = remote.org("Contact");
    assert_eq!(contacts.len(), 1);
    let parent = contacts[0]["AccountId"].as_str().unwrap();
    let shown = place.results()[0]["RemoteId"].clone();
    assert!(shown.as_str().unwrap().starts_with("003"), "{shown}");
    assert!(accounts.len() == 2 && parent.starts_with("001"), "{parent}");
}

/// What has no external id is found by its address, and not made twice.
#[test]
fn people_are_found_by_email() {
    let remote = Remote::start();
    let place = place(&remote);
    let person = |email: &str, name: &str| {
        stream("Contact", None, &[json!({"Email": email, "LastName": name})])
    };
    place.done(person("o'brien@example.com", "Ann"));
    place.done(person("O'Brien@example.com", "Bea"));
    let held = remote.org("Contact");
    assert_eq!((held.len(), &held[0]["LastName"]), (1, &json!("Bea")));
}

#[test]
fn records_are_changed_and_deleted_by_their_ids() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(stream("Account", None, &[json!({"externalId": "a", "Name": "Acme"})]));
    let id = place.results()[0]["RemoteId"].as_str().unwrap().to_owned();
    let place = place.set("identity", "platform");
    // The form without the three letters that tell its case.
    place.done(stream("Account", None, &[json!({"id": id.get(..15).unwrap(), "Name": "Apex"})]));
    assert_eq!(remote.org("Account")[0]["Name"], "Apex");
    let place = place.set("streams", json!({"*": {"mode": "delete"}}));
    place.done(stream("Account", None, &[json!({"id": id})]));
    assert_eq!(place.counts("Account"), counts([("read", 1), ("deleted", 1)]));
    assert_eq!(remote.org("Account").len(), 0);
}

#[test]
fn only_what_is_empty_is_filled() {
    let remote = Remote::start();
    let place = place(&remote).set("only_upsert_empty_fields", true);
    let account = |name: &str, site: Option<&str>| {
        stream(
            "Account",
            Some("Ext_Id__c"),
            &[json!({"Ext_Id__c": "a", "Name": name, "Website": site})],
        )
    };
    place.done(account("Acme", None));
    place.done(account("Apex", Some("a.example")));
    let held = remote.org("Account");
    assert_eq!((&held[0]["Name"], &held[0]["Website"]), (&json!("Acme"), &json!("a.example")));
}

/// Described once, and known to the next job.
#[test]
fn an_object_is_described_once() {
    let remote = Remote::start();
    let place = place(&remote);
    for name in ["Acme", "Apex"] {
        place.done(stream("Account", Some("Ext_Id__c"), &accounts(3, name)));
    }
    let calls = remote.calls()["calls"].as_object().unwrap().clone();
    let described: u64 = calls
        .iter()
        .filter(|(route, _)| route.ends_with("/describe"))
        .map(|(_, count)| count.as_u64().unwrap())
        .sum();
    assert_eq!(described, 1, "{calls:?}");
}

#[test]
fn no_account_is_made_where_that_is_not_wanted() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(stream("Account", Some("Ext_Id__c"), &accounts(1, "Acme")));
    let place = place.set("only_upsert_accounts", true);
    place.done(stream("Account", Some("Ext_Id__c"), &accounts(2, "Apex")));
    assert_eq!(place.counts("Account"), counts([("read", 2), ("updated", 1), ("skipped", 1)]));
    assert_eq!(remote.org("Account").len(), 1);
}

/// As the platform's configs have it: a field in any case.
#[test]
fn lookup_fields_are_known_in_any_case() {
    let remote = Remote::start();
    for title in ["CTO", "CEO"] {
        let person = json!({"LastName": "Lee", "Phone": "5", "Title": title});
        let place = place(&remote).set("lookup_fields", json!({"contact": "phone"}));
        place.done(stream("Contact", None, &[person]));
    }
    let held = remote.org("Contact");
    assert_eq!((held.len(), &held[0]["Title"]), (1, &json!("CEO")));
}

/// Accounts that are each other's parents wait for one another; who names one of them by its external
/// id waits until they are there.
#[test]
fn who_names_one_of_a_circle_waits_for_it() {
    let remote = Remote::start();
    let account = |id: &str, parent: &str| json!({"Ext_Id__c": id, "Name": id, "ParentId": parent});
    let place = place(&remote).set(
        "streams",
        json!({"Account": {"relations": [{"field": "ParentId", "stream": "Account"}]}}),
    );
    let person = json!({"Ext_Id__c": "c", "LastName": "Lee", "Account": {"Ext_Id__c": "a1"}});
    place.done(
        stream("Contact", Some("Ext_Id__c"), &[person])
            + &stream("Account", Some("Ext_Id__c"), &[account("a1", "a2"), account("a2", "a1")]),
    );
    let accounts = remote.org_by("Account", "Ext_Id__c");
    assert_eq!(
        place.counts("Contact"),
        counts([("read", 1), ("created", 1)]),
        "{:?}",
        place.results()
    );
    let contact = &remote.org_by("Contact", "Ext_Id__c")["c"];
    assert_eq!(contact["AccountId"], accounts["a1"]["Id"], "{:?}", place.results());
    assert_eq!(accounts["a1"]["ParentId"], accounts["a2"]["Id"]);
}
