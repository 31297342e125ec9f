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
    let posts = remote.calls()["calls"].as_object().unwrap().clone();
    let collections = posts.iter().filter(|(route, _)| route.contains("/composite/sobjects"));
    // Of the first run, and two of this one.
    assert_eq!(collections.map(|(_, count)| count.as_u64().unwrap()).sum::<u64>(), 3, "{posts:?}");
}

/// A session that ends under way is renewed, and where the org is comes from the answer. One lasts for more
/// calls than are under way at once.
#[test]
fn a_session_that_ends_is_renewed() {
    let remote = Remote::with("{token_calls: 7}");
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
    // The last one has few before it in its own form.
    let form = |n: usize| match n {
        0 | 29 => short.clone(),
        n if n.is_multiple_of(3) => format!("{long} "),
        _ => long.clone(),
    };
    let changes: Vec<Value> =
        (0..30).map(|n| json!({"Id": form(n), "Name": format!("Acme {n}")})).collect();
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

fn deal(id: &str, name: &str, contact: &Value) -> Value {
    json!({"Ext_Id__c": id, "Name": name, "StageName": "Prospecting", "CloseDate": "2026-05-06", "ContactId": contact})
}

/// The contact of a deal can be set on a new one alone. It is left out of those that are there, and of no
/// other.
#[test]
fn what_may_not_be_set_on_some_is_left_out_of_them_alone() {
    for bulk_from in [0, 10] {
        let remote = Remote::start();
        let place = place(&remote).set("bulk_from", bulk_from);
        place.done(stream("Contact", None, &[json!({"LastName": "Lee"})]));
        let contact = remote.org("Contact")[0]["Id"].clone();
        let deals = |from: usize, count: usize, name: &str| {
            let all: Vec<Value> =
                (from..count).map(|n| deal(&format!("d{n}"), name, &contact)).collect();
            stream("Opportunity", Some("Ext_Id__c"), &all)
        };
        place.done(deals(0, 30, "Big"));
        let ran = super::place(&remote).set("bulk_from", bulk_from).done(deals(0, 450, "Bigger"));
        let held = remote.org_by("Opportunity", "Ext_Id__c");
        let is_whole = |deal: &&serde_json::Map<String, Value>| {
            deal["ContactId"] == contact && deal["Name"] == "Bigger"
        };
        assert_eq!((held.len(), held.values().filter(is_whole).count()), (450, 450), "{bulk_from}");
        assert_eq!(ran.stderr.matches("left out of them").count(), 1, "{}", ran.stderr);
    }
}

/// A field that a parent has not is none of its child's: the child's own field of that name goes out.
#[test]
fn a_typo_in_a_relationship_takes_no_field_from_others() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(stream("Account", Some("Ext_Id__c"), &[json!({"Ext_Id__c": "a", "Name": "Acme"})]));
    let mut people: Vec<Value> = (0..250)
        .map(|n| json!({"Ext_Id__c": format!("c{n}"), "LastName": "Lee", "Department": "R", "Account": {"Ext_Id__c": "a"}}))
        .collect();
    people[3]["Account"] = json!({"Department": "x"});
    place.done(stream("Contact", Some("Ext_Id__c"), &people));
    assert_eq!(place.counts("Contact")["created"], 249, "{:?}", told(&place, "rejected"));
    assert!(remote.org("Contact").iter().all(|one| one["Department"] == "R"));
}

/// A chain of accounts, each the parent of the next, in any order.
#[test]
fn chains_of_parents_are_written_to_their_end() {
    let remote = Remote::start();
    let place = place(&remote);
    let account = |n: usize| {
        let parent = if n == 0 {
            json!({"Ext_Id__c": null})
        } else {
            json!({"Ext_Id__c": format!("a{}", n - 1)})
        };
        json!({"Ext_Id__c": format!("a{n}"), "Name": "Acme", "Parent": parent})
    };
    let mut all: Vec<Value> = (0..8).rev().map(account).collect();
    all.push(json!({"Ext_Id__c": "x", "Name": "Apex", "Parent": {"Ext_Id__c": "nobody"}}));
    place.done(stream("Account", Some("Ext_Id__c"), &all));
    assert_eq!(place.counts("Account"), counts([("read", 9), ("created", 8), ("rejected", 1)]));
    let held = remote.org_by("Account", "Ext_Id__c");
    for n in 1..8 {
        assert_eq!(held[&format!("a{n}")]["ParentId"], held[&format!("a{}", n - 1)]["Id"]);
    }
}

/// The field that keeps external ids is gone, and what was kept of the object does not know it.
#[test]
fn an_external_id_that_is_gone_is_told_in_few_calls() {
    let body = "[{\"errorCode\": \"NOT_FOUND\", \"message\": \"Provided external ID field does not exist or is \
                not accessible: Ext_Id__c\"}]";
    let remote = Remote::with(&format!(
        "{{faults: [{{on: 'PATCH /services/data/*/composite/sobjects/*/*', do: status, status: 404, body: '{body}'}}]}}"
    ));
    let place = place(&remote);
    let all: Vec<Value> =
        (0..1000).map(|n| json!({"Ext_Id__c": format!("a{n}"), "Name": "Acme"})).collect();
    let ran = place.run(stream("Account", Some("Ext_Id__c"), &all));
    assert_eq!(place.counts("Account")["read"], 1000, "{}", ran.stderr);
    assert_eq!(place.counts("Account").get("created"), None);
    let patches = &remote.calls()["calls"]["PATCH /services/data/{version}/composite/sobjects/{object}/{field}"];
    assert!(patches.as_u64().unwrap() <= 5, "{:?}", remote.calls());
    assert_ne!(ran.code, 0, "{}", ran.stderr);
}

/// An answer of success that says nothing says nothing.
#[test]
fn a_record_that_no_answer_names_is_not_told_as_written() {
    let remote = Remote::with(
        "{salesforce: {duplicate_rule: true}, faults: [{on: 'POST /services/data/*/sobjects/Contact', do: html}]}",
    );
    let place = place(&remote).set("lookup_by_email", false);
    let person = |id: &str| json!({"externalId": id, "LastName": "Lee", "Email": "a@example.com"});
    place.done(stream("Contact", None, &[person("a")]));
    place.run(stream("Contact", None, &[person("b")]));
    assert_eq!(remote.org("Contact").len(), 1);
    assert_eq!(place.counts("Contact").get("created"), None, "{:?}", place.results());
}

/// A change that names another record which is gone is refused: the record itself is there.
#[test]
fn a_record_is_not_missing_because_its_parent_is() {
    let remote = Remote::start();
    let place = place(&remote).set("lookup_by_email", false);
    let account = |name: &str| {
        super::place(&remote).done(stream("Account", None, &[json!({"Name": name})]));
        remote.org_by("Account", "Name")[name]["Id"].clone()
    };
    let person = |account: &Value| {
        stream(
            "Contact",
            None,
            &[json!({"externalId": "x", "LastName": "Lee", "AccountId": account})],
        )
    };
    let (acme, apex) = (account("Acme"), account("Apex"));
    place.done(person(&acme));
    // Somebody deletes the other one before.
    remote.ask(
        "DELETE",
        &format!("/services/data/v55.0/sobjects/Account/{}", apex.as_str().unwrap()),
    );
    place.done(person(&apex));
    assert_eq!(
        place.counts("Contact"),
        counts([("read", 1), ("rejected", 1)]),
        "{:?}",
        place.results()
    );
    let own = account("Own");
    place.done(person(&own));
    let held = remote.org("Contact");
    assert_eq!((held.len(), &held[0]["AccountId"]), (1, &own));
}

/// Two people have one address: each is known by the external id, and neither is taken for the other.
#[test]
fn people_of_one_address_are_told_apart_by_their_external_ids() {
    let remote = Remote::start();
    let person = |id: &str, name: &str| json!({"Ext_Id__c": id, "LastName": name, "Email": "family@example.com"});
    let people = [person("s1", "Wife"), person("s2", "Husband")];
    super::place(&remote).done(stream("Contact", Some("Ext_Id__c"), &people));
    super::place(&remote).done(stream("Contact", Some("Ext_Id__c"), &[person("s3", "Child")]));
    let held = remote.org_by("Contact", "Ext_Id__c");
    assert_eq!((held.len(), &held["s1"]["LastName"]), (3, &json!("Wife")));
    // One who has none yet is the one.
    let one = json!({"LastName": "Ann", "Email": "ann@example.com"});
    super::place(&remote).done(stream("Contact", None, &[one]));
    let ann = json!({"Ext_Id__c": "s4", "LastName": "Anna", "Email": "ann@example.com"});
    super::place(&remote).done(stream("Contact", Some("Ext_Id__c"), &[ann]));
    let held = remote.org_by("Contact", "Ext_Id__c");
    assert_eq!((held.len(), &held["s4"]["LastName"]), (4, &json!("Anna")));
}

/// The key is what the config calls the external id: nothing else need be said.
#[test]
fn a_key_that_is_the_external_id_needs_no_identity() {
    let remote = Remote::start();
    let place = place(&remote).set(
        "streams",
        json!({"accounts": {"object": "Account", "external_id_property": "Ext_Id__c"}}),
    );
    let account = |name: &str| {
        stream("accounts", Some("Ext_Id__c"), &[json!({"Ext_Id__c": "a", "Name": name})])
    };
    place.done(account("Acme"));
    place.done(account("Apex"));
    assert_eq!(remote.org_by("Account", "Ext_Id__c")["a"]["Name"], "Apex");
    let place = super::place(&remote).set(
        "streams",
        json!({"accounts": {"object": "Account", "external_id_property": "Nope__c"}}),
    );
    let ran = place.run(account("Acme"));
    assert!(ran.stderr.contains("`Nope__c` for external ids; it has `"), "{}", ran.stderr);
}
