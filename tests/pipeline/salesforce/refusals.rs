//! What Salesforce refuses, loses, and has no more of.

use serde_json::{Value, json};

use super::{place, stream};
use crate::support::{Place, Remote, counts, text};

fn contacts(count: usize, name: &str) -> String {
    let one = |n| json!({"Ext_Id__c": format!("c{n}"), "LastName": name, "Email": format!("c{n}@example.com")});
    stream("Contact", Some("Ext_Id__c"), &(0..count).map(one).collect::<Vec<Value>>())
}

fn told(place: &Place, outcome: &str) -> Value {
    place.results().into_iter().find(|row| row["outcome"] == outcome).unwrap()
}

#[test]
fn each_record_has_its_own_refusal() {
    let remote = Remote::start();
    let place = place(&remote);
    let all = [
        json!({"Ext_Id__c": "a", "LastName": "Ann"}),
        json!({"Ext_Id__c": "b", "LastName": "x".repeat(200)}),
        json!({"Ext_Id__c": "c", "LastName": "Cid", "Email": "nonsense"}),
        json!({"Ext_Id__c": "d", "LastName": "Dan", "AccountId": "001000000000000AAA"}),
    ];
    place.done(stream("Contact", Some("Ext_Id__c"), &all));
    assert_eq!(place.counts("Contact"), counts([("read", 4), ("created", 1), ("rejected", 3)]));
    assert_eq!(remote.org_by("Contact", "Ext_Id__c").len(), 1);
    let rows = place.results();
    let codes: Vec<&str> = rows.iter().filter_map(|row| row["error_code"].as_str()).collect();
    assert_eq!(codes[..2], ["STRING_TOO_LONG", "INVALID_EMAIL_ADDRESS"]);
}

/// Lost answers make nothing twice, with an external id and without one.
#[test]
fn answers_that_are_lost_make_nothing_twice() {
    for fault in
        ["reset_after", "truncate_after", "status_after, status: 502", "drop_results, count: 2"]
    {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: 'PATCH /services/data/*/composite/sobjects/*/*', calls: [1, 2], do: {fault}}}, \
             {{on: 'POST /services/data/*/composite/sobjects', calls: [1], do: {fault}}}]}}"
        ));
        let place = place(&remote);
        place.done(contacts(450, "Ann"));
        assert_eq!(remote.org_by("Contact", "Ext_Id__c").len(), 450, "{fault}");
        let people: Vec<Value> = (0..50)
            .map(|n| json!({"LastName": "Lee", "Email": format!("l{n}@example.com")}))
            .collect();
        place.done(stream(
            "Lead",
            None,
            &people
                .iter()
                .map(|one| {
                    let mut one = one.clone();
                    one["Company"] = json!("Acme");
                    one
                })
                .collect::<Vec<_>>(),
        ));
        assert_eq!(remote.org_by("Lead", "Email").len(), 50, "{fault}: {:?}", place.counts("Lead"));
    }
}

#[test]
fn a_job_that_is_killed_makes_nothing_twice() {
    for step in ["intended:1", "sent:2", "answered:2", "recorded:1"] {
        let remote = Remote::start();
        let place = place(&remote);
        place.dies_at(step, contacts(450, "Ann"));
        place.done(contacts(450, "Ann"));
        assert_eq!(remote.org_by("Contact", "Ext_Id__c").len(), 450, "{step}");
    }
}

/// Too much of the quota is used: nothing more is sent, and what was sent is told.
#[test]
fn a_quota_that_is_used_up_ends_the_job() {
    let remote = Remote::with("{salesforce: {daily_calls: 6}}");
    let place = place(&remote).set("max_in_flight", 1).set("lookup_by_email", false);
    let ran = place.run(contacts(900, "Ann"));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("total REST quota used"), "{}", ran.stderr);
    let held = remote.org("Contact").len() as u64;
    assert!(held > 0 && held < 900, "{held}");
    assert_eq!(place.counts("Contact")["created"], held);
    assert_eq!(place.summary()["proof"]["holds"], true);
}

#[test]
fn a_locked_parent_is_tried_again() {
    let remote = Remote::with("{salesforce: {lock_ms: 30}}");
    let place = place(&remote).set("retry", json!({"base_millis": 40, "attempts": 9}));
    place.done(stream("Account", Some("Ext_Id__c"), &[json!({"Ext_Id__c": "a", "Name": "Acme"})]));
    let child =
        |n| json!({"Ext_Id__c": format!("c{n}"), "LastName": "Ann", "Account": {"Ext_Id__c": "a"}});
    place.done(stream("Contact", Some("Ext_Id__c"), &(0..600).map(child).collect::<Vec<Value>>()));
    assert_eq!(place.counts("Contact"), counts([("read", 600), ("created", 600)]));
    assert_eq!(remote.org_by("Contact", "Ext_Id__c").len(), 600);
}

/// Nothing is made beside a match. Which one that is, Salesforce says of a record that comes alone.
#[test]
fn a_duplicate_rule_keeps_a_record_out() {
    let remote = Remote::with("{salesforce: {duplicate_rule: true}}");
    let place = place(&remote).set("lookup_by_email", false);
    place.done(contacts(1, "Ann"));
    let other = json!({"Ext_Id__c": "other", "LastName": "Bea", "Email": "c0@example.com"});
    place.done(stream("Contact", Some("Ext_Id__c"), &[other]));
    let row = told(&place, "rejected");
    assert_eq!(row["error_code"], "DUPLICATES_DETECTED", "{row}");
    let message = row["error_message"].as_str().unwrap();
    let there = text(&remote.org("Contact")[0]["Id"]);
    assert!(message.contains("duplicate rule") && message.contains(&there), "{row}");
    assert_eq!(remote.org("Contact").len(), 1);
}

/// A field that the org has not any more is left out, at one call more for all of the batch.
#[test]
fn a_field_that_is_gone_costs_one_call() {
    let remote = Remote::start();
    let place = place(&remote).set("lookup_by_email", false);
    place.done(contacts(1, "Ann"));
    let path = place.path(".target-upsert/salesforce-descriptions.json");
    let known = std::fs::read_to_string(&path).unwrap();
    place.file(
        ".target-upsert/salesforce-descriptions.json",
        known.replace("\"Department\"", "\"Gone__c\""),
    );
    let one = |n| json!({"Ext_Id__c": format!("g{n}"), "LastName": "Bea", "Gone__c": "x"});
    let before = remote.calls()["calls"].to_string();
    let ran = place.done(stream(
        "Contact",
        Some("Ext_Id__c"),
        &(0..100).map(one).collect::<Vec<Value>>(),
    ));
    assert_eq!(place.counts("Contact"), counts([("read", 100), ("created", 100)]), "{before}");
    assert!(ran.stderr.contains("Gone__c"), "{}", ran.stderr);
    assert_eq!(place.summary()["streams"]["Contact"]["requests"], 2);
}

/// A session that ends under way is renewed, and where the org is comes from the answer.
#[test]
fn a_session_that_ends_is_renewed() {
    let remote = Remote::with("{token_calls: 3}");
    let place = Place::with(json!({"connector": "salesforce", "base_uri": remote.url,
        "refresh_token": "sandbox-refresh", "client_id": "sandbox-client", "client_secret": "sandbox-secret",
        "access_token": "old-session", "instance_url": remote.url, "issued_at": 1}));
    place.done(contacts(900, "Ann"));
    assert_eq!(remote.org_by("Contact", "Ext_Id__c").len(), 900);
    let kept: Value = serde_json::from_str(&place.read("config.json")).unwrap();
    assert!(kept["access_token"] != "old-session" && kept["issued_at"] != 1, "{kept}");
    assert_eq!(kept["instance_url"].as_str().unwrap().trim_end_matches('/'), remote.url);
}

/// Two forms of one id, and two spellings of one external id, are one record: its changes go out one
/// after the other.
#[test]
fn records_that_are_one_to_salesforce_go_out_in_turn() {
    let remote = Remote::with("{latency_ms: 30}");
    let place = place(&remote);
    place.done(stream("Account", None, &[json!({"Name": "Acme"})]));
    let long = remote.org("Account")[0]["Id"].as_str().unwrap().to_owned();
    let short = long.get(..15).unwrap().to_owned();
    let forms = [format!("{long} "), short, long.clone()];
    let changes: Vec<Value> =
        (0..30).map(|n| json!({"Id": forms[n % 3], "Name": format!("Acme {n}")})).collect();
    place.done(stream("Account", None, &changes));
    assert_eq!(place.counts("Account"), counts([("read", 30), ("updated", 30)]));
    assert_eq!(remote.org("Account")[0]["Name"], "Acme 29");
    for row in place.results() {
        assert_eq!(row["RemoteId"], json!(long), "{row}");
    }
    let spelled = ["a1", "A1 ", " a1"];
    let changes: Vec<Value> = (0..9)
        .map(|n| json!({"externalId": spelled[n % 3], "Name": format!("Apex {n}")}))
        .collect();
    let place =
        super::place(&remote).set("streams", json!({"*": {"external_id_property": "Ext_Id__c"}}));
    place.done(stream("Account", None, &changes));
    let counted = place.counts("Account");
    assert_eq!((counted["created"], counted["updated"]), (1, 8), "{:?}", place.results());
    let held = remote.org("Account");
    assert_eq!((held.len(), &held[1]["Name"]), (2, &json!("Apex 8")));
}

/// As the platform's configs and people write them.
#[test]
fn configs_are_read_in_other_words() {
    let remote = Remote::start();
    let place = place(&remote)
        .set("api_version", "29.0")
        .set("lookup_by_email", "False")
        .set("create_custom_fields", "")
        .set("lookup_fields", json!([]));
    let person = json!({"LastName": "Lee", "Email": "a@example.com"});
    let ran = place.done(stream("Contact", None, std::slice::from_ref(&person)));
    super::place(&remote).set("lookup_by_email", "no").done(stream("Contact", None, &[person]));
    assert_eq!(remote.org("Contact").len(), 2);
    assert!(ran.stderr.contains("version 46.0"), "{}", ran.stderr);
    let ran = place.set("only_upsert_accounts", "perhaps").run("");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("only_upsert_accounts"), "{}", ran.stderr);
}
