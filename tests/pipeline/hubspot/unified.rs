//! Records in the hosted platform's unified schema.

use serde_json::{Value, json};

use super::{COMPANIES, CONTACTS, DEALS, ON_LIST, one, schema, unified};
use crate::support::{Remote, counts, record};

#[test]
fn contacts_are_found_by_email_and_put_on_lists() {
    let remote = Remote::start();
    let place = unified(&remote);
    let contact = |name: &str, lists: &[&str], status: &str| {
        one(
            "Customers",
            &json!({"first_name": name, "email": "ann@example.com", "lists": lists,
            "subscribe_status": status, "addresses": [{"city": "Lyon", "country": "FR"}],
            "custom_fields": [{"name": "Tier", "type": "string", "value": "gold"}]}),
        )
    };
    place.done(contact("Ann", &["news", "offers"], "subscribed"));
    place.done(contact("Bea", &["news"], "unsubscribed"));
    let held = remote.crm(CONTACTS);
    assert_eq!(held.len(), 1);
    assert_eq!(
        (&held[0]["firstname"], &held[0]["tier"], &held[0]["country"]),
        (&json!("Bea"), &json!("gold"), &json!("France"))
    );
    assert_eq!(remote.members("news"), Vec::<String>::new());
    assert_eq!(remote.members("offers"), ["2"].map(str::to_owned).to_vec());
    assert_eq!(remote.calls_of("POST /crm/properties/{version}/{object}"), 1);
}

/// The contact is made, and what follows is refused for a while: it is made once, and on the list.
#[test]
fn what_follows_a_create_is_tried_again_without_making_it_twice() {
    let remote = Remote::with(&format!(
        "{{faults: [{{on: '{ON_LIST}', calls: [1, 2], do: status, status: 503}}]}}"
    ));
    let place = unified(&remote);
    // Nothing but the id map knows it, and it goes on two lists.
    let input = one(
        "contacts",
        &json!({"externalId": "a", "first_name": "Ann", "lists": ["news", "offers"]}),
    );
    place.done(&input);
    assert_eq!(
        place.counts("contacts"),
        counts([("read", 1), ("created", 1)]),
        "{:?}",
        place.results()
    );
    assert_eq!(remote.crm(CONTACTS).len(), 1);
    assert_eq!((remote.members("news").len(), remote.members("offers").len()), (1, 1));
    assert_eq!(remote.faults("status"), 2);
}

#[test]
fn companies_and_deals_belong_to_whom_they_name() {
    let remote = Remote::start();
    let place = unified(&remote);
    place.done(one("contacts", &json!({"email": "ann@example.com", "first_name": "Ann"})));
    place.done(one(
        "companies",
        &json!({"externalId": "c", "name": "Acme", "website": "acme.example",
        "phone_numbers": [{"number": "1"}]}),
    ));
    place.done(one("companies", &json!({"externalId": "c", "name": "Apex"})));
    let held = &remote.crm(COMPANIES)[0];
    assert_eq!((&held["name"], &held["domain"]), (&json!("Apex"), &json!("acme.example")));
    let deal = |content: Value| one("opportunities", &content);
    place.done(deal(json!({"externalId": "d", "title": "Big", "monetary_amount": 1000.5,
        "status": "closedwon", "close_date": "2026-05-06T07:08:09", "contact_email": "ANN@example.com"})));
    let deals = remote.crm(DEALS);
    assert_eq!(
        (&deals[0]["dealname"], &deals[0]["amount"], &deals[0]["dealstage"]),
        (&json!("Big"), &json!("1000.5"), &json!("closedwon"))
    );
    assert_eq!(remote.associated("deals", "3", "contacts"), ["1"]);
    // Nobody has the address: the deal is there, and that is told.
    place
        .done(deal(json!({"externalId": "e", "title": "Lone", "contact_email": "no@example.com"})));
    let row = &place.results()[0];
    assert_eq!(row["outcome"], "failed", "{row}");
    assert_eq!(remote.crm(DEALS).len(), 2);
    assert!(row["error_message"].as_str().unwrap().contains("no@example.com"), "{row}");
    place.done(deal(json!({"externalId": "d", "title": "Bigger", "contact_id": 1})));
    assert_eq!(place.counts("opportunities"), counts([("read", 1), ("updated", 1)]));
}

#[test]
fn activities_are_calls_and_tasks() {
    let remote = Remote::start();
    let place = unified(&remote);
    place.done(one("contacts", &json!({"email": "ann@example.com"})));
    place.done(one("deals", &json!({"title": "Big", "contact_id": "1"})));
    let names = [
        "externalId",
        "type",
        "activity_datetime",
        "end_datetime",
        "title",
        "duration_seconds",
        "contact_id",
        "status",
    ];
    let call = json!({"externalId": "c", "type": "call", "activity_datetime": "2024-01-15T10:30:00Z",
        "title": "Sales", "duration_seconds": 300, "contact_id": "1"});
    let task = json!({"externalId": "t", "type": "task", "end_datetime": "2024-01-15T10:30:00Z",
        "title": "Do", "status": "NOT_STARTED"});
    let other = json!({"externalId": "m", "type": "meeting"});
    let mut input = schema("activities", &names);
    for content in [&call, &task, &other] {
        input += &record("activities", content);
    }
    place.done(&input);
    assert_eq!(place.counts("activities"), counts([("read", 3), ("created", 2), ("rejected", 1)]));
    let calls = remote.crm("0-48");
    assert_eq!(
        (&calls[0]["hs_call_duration"], &calls[0]["hs_call_status"]),
        (&json!("300000"), &json!("COMPLETED"))
    );
    let id = place.results().iter().find(|row| row["InputId"] == "c").unwrap()["RemoteId"].clone();
    let id = id.as_str().unwrap();
    assert_eq!(remote.associated("calls", id, "contacts"), ["1"]);
    assert_eq!(remote.associated("calls", id, "deals"), ["2"]);
    assert_eq!(remote.crm("0-27")[0]["hs_task_subject"], "Do");
    // A call with an id is changed; the platform's target makes another one.
    let place = place.set("only_upsert_empty_fields", true);
    let again = json!({"id": id, "externalId": "c", "type": "call", "title": "Later", "activity_datetime":
        "2024-01-15T10:30:00Z"});
    place.done(one("activities", &again));
    assert_eq!(
        (remote.crm("0-48").len(), &remote.crm("0-48")[0]["hs_call_title"]),
        (1, &json!("Sales"))
    );
}

#[test]
fn notes_belong_to_companies_and_deals_by_name() {
    let remote = Remote::start();
    let place = unified(&remote);
    for (name, website) in [("Acme", "a.example"), ("Twin", "b.example"), ("Twin", "c.example")] {
        place.done(one("companies", &json!({"name": name, "website": website})));
    }
    let note = |company: &str| {
        record(
            "notes",
            &json!({"created_at": "2024-01-15T11:00:00.000Z", "content": company, "company_name": company}),
        )
    };
    place.done(
        schema("notes", &["created_at", "content", "company_name"])
            + &note("acme")
            + &note("Nobody")
            + &note("Twin"),
    );
    let notes = remote.crm("0-46");
    assert_eq!((notes.len(), &notes[0]["hs_timestamp"]), (1, &json!("1705316400000")));
    let results = place.results();
    let mut told: Vec<_> = results.iter().filter_map(|row| row["error_message"].as_str()).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "More than one company found for the provided company name",
            "No company found for the provided company name"
        ]
    );
    let id = notes[0]["id"].as_str().unwrap();
    assert_eq!(remote.associated("notes", id, "companies"), ["1"]);
}

#[test]
fn a_stream_that_the_schema_has_not_is_told() {
    let remote = Remote::start();
    let place = unified(&remote);
    place.done(one("tickets", &json!({"subject": "x"})));
    let row = &place.results()[0];
    assert!(row["error_message"].as_str().unwrap().contains("contacts, companies, deals"), "{row}");
}

/// Killed between a record and what belongs to it: the next job writes the rest.
#[test]
fn what_a_killed_job_has_left_out_is_written_by_the_next() {
    for step in ["answered:1", "recorded:1", "partial:1", "sent:1"] {
        let remote = Remote::with(&format!(
            "{{faults: [{{on: '{ON_LIST}', calls: [1], do: status, status: 503}}]}}"
        ));
        let place = unified(&remote);
        let input = one("contacts", &json!({"email": "ann@example.com", "lists": ["news"]}));
        place.dies_at(step, &input);
        place.done(&input);
        assert_eq!(remote.crm(CONTACTS).len(), 1, "{step}");
        assert_eq!(remote.members("news").len(), 1, "{step}: {:?}", place.results());
    }
}

/// The search does not show yet what this job has made.
#[test]
fn a_note_of_a_company_that_was_just_made_waits_for_it() {
    let remote = Remote::with("{search_lag_ms: 700}");
    let place = unified(&remote)
        .set("search_lag_secs", 1)
        .set("retry", json!({"base_millis": 400}))
        .set("max_in_flight", 1);
    let note =
        json!({"content": "x", "company_name": "Acme", "created_at": "2024-01-15T11:00:00Z"});
    place.done(
        one("companies", &json!({"name": "Acme"}))
            + &schema("notes", &["content", "company_name", "created_at"])
            + &record("notes", &note),
    );
    assert_eq!(
        place.counts("notes"),
        counts([("read", 1), ("created", 1)]),
        "{:?}",
        place.results()
    );
}

/// What is no list, or says neither yes nor no, is told: nothing at the remote is wiped by it.
#[test]
fn a_field_of_another_kind_wipes_nothing() {
    let remote = Remote::start();
    let place = unified(&remote);
    let with = |name: &str, value: Value| {
        let mut content = json!({"externalId": "a", "email": "ann@example.com"});
        content[name] = value;
        one("contacts", &content)
    };
    place.done(with("phone_numbers", json!([{"number": "123"}])));
    for (name, value, told) in [
        ("phone_numbers", json!("+1 555"), "`phone_numbers`"),
        ("phone_numbers", json!([true]), "`phone_numbers`"),
        ("addresses", json!("1 Main St"), "`addresses`"),
        ("addresses", json!(["1 Main St"]), "`addresses`"),
        ("addresses", json!([{"city": ["Rome"]}]), "`city`"),
        ("phone_numbers", json!([{"number": {}}]), "`phone_numbers`"),
        ("lists", json!({"a": 1}), "`lists`"),
        ("lists", json!([{"a": 1}]), "`lists`"),
        ("custom_fields", json!({"vip": true}), "`custom_fields`"),
        ("custom_fields", json!([{"name": "vip", "type": "bool", "value": "yes"}]), "`yes`"),
    ] {
        place.done(with(name, value.clone()));
        let row = &place.results()[0];
        assert_eq!(row["outcome"], "rejected", "{name} {value}: {row}");
        assert!(row["error_message"].as_str().unwrap().contains(told), "{row}");
    }
    assert_eq!(remote.crm(CONTACTS)[0]["phone"], "123");
    place.done(with("phone_numbers", json!([{"number": null}, {"number": "5"}])));
    assert_eq!(remote.crm(CONTACTS)[0]["phone"], "5");
    place.done(with("lists", json!([""])));
    assert_eq!(place.results()[0]["outcome"], "updated");
    place.done(with("custom_fields", json!([{"name": "vip", "type": "bool", "value": 1}])));
    assert_eq!(remote.crm(CONTACTS)[0]["vip"], "true");
}

/// Whether it is a call or a task is known by its id, and not by what the record says.
#[test]
fn activities_are_deleted_by_their_ids() {
    let remote = Remote::start();
    let place = unified(&remote);
    let activity = |content: &Value| record("activities", content);
    let names = ["externalId", "type", "title"];
    place.done(
        schema("activities", &names)
            + &activity(&json!({"externalId": "t", "type": "task", "title": "T"}))
            + &activity(&json!({"externalId": "u", "type": "task", "title": "U"}))
            + &activity(&json!({"externalId": "c", "type": "call", "title": "C"})),
    );
    assert_eq!((remote.crm("0-27").len(), remote.crm("0-48").len()), (2, 1));
    let place = place.set("streams", json!({"*": {"mode": "delete"}}));
    place.done(
        schema("activities", &names)
            + &activity(&json!({"externalId": "t"}))
            + &activity(&json!({"externalId": "u", "type": "call"}))
            + &activity(&json!({"externalId": "c", "type": "call"})),
    );
    assert_eq!(place.counts("activities"), counts([("read", 3), ("deleted", 3)]));
    assert_eq!((remote.crm("0-27").len(), remote.crm("0-48").len()), (0, 0));
}

/// One that a list does not take takes none of the others with it.
#[test]
fn a_list_that_refuses_a_call_is_asked_for_fewer() {
    let remote = Remote::with(&format!(
        "{{faults: [{{on: '{ON_LIST}', calls: [1], do: status, status: 400}}]}}"
    ));
    let place = unified(&remote);
    let contact = |n: usize| {
        record("contacts", &json!({"email": format!("p{n}@example.com"), "lists": ["news"]}))
    };
    place.done(schema("contacts", &["email", "lists"]) + &(0..4).map(contact).collect::<String>());
    assert_eq!(place.counts("contacts"), counts([("read", 4), ("created", 4)]));
    assert_eq!((remote.members("news").len(), remote.faults("status")), (4, 1));
}

/// A filter of the search takes a hundred values.
#[test]
fn many_names_are_looked_for_in_several_searches() {
    let remote = Remote::start();
    let place = unified(&remote);
    let company = |n: usize| record("companies", &json!({"name": format!("Acme {n}")}));
    place.done(schema("companies", &["name"]) + &(0..80).map(company).collect::<String>());
    let note = |n: usize| {
        record(
            "notes",
            &json!({"content": "x", "company_name": format!("Acme {n}"),
            "created_at": "2024-01-15T11:00:00Z"}),
        )
    };
    place.done(
        schema("notes", &["content", "company_name", "created_at"])
            + &(0..80).map(note).collect::<String>(),
    );
    assert_eq!(place.counts("notes"), counts([("read", 80), ("created", 80)]));
    let of_notes = remote.crm("0-46");
    let has_one = |note: &serde_json::Map<String, Value>| {
        remote.associated("notes", note["id"].as_str().unwrap(), "companies").len() == 1
    };
    assert!(of_notes.iter().all(has_one));
    assert_eq!(remote.calls_of("POST /crm/objects/{version}/{object}/search"), 2);
}

/// In the unified schema an id would go out as HubSpot's, and name a stranger.
#[test]
fn relations_that_would_name_a_stranger_are_refused() {
    let remote = Remote::start();
    let relations = |stream: &str, field: &str| json!({stream: {"relations": [{"field": field, "stream": "contacts"}]}});
    let place = unified(&remote).set("streams", relations("deals", "contact_id"));
    let deal = one("deals", &json!({"externalId": "d", "title": "Big", "contact_id": "1"}));
    let ran = place.run(&deal);
    assert_eq!((ran.code, remote.crm(DEALS).len()), (2, 0), "{}", ran.stderr);
    assert!(ran.stderr.contains("`contact_id`"), "{}", ran.stderr);
    let place =
        place.set("unified_api_schema", false).set("streams", relations("deals", "associations"));
    let ran = place.run(&deal);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

/// That a list was changed is believed of an answer that does not say otherwise.
#[test]
fn a_list_that_answers_with_an_error_is_asked_again() {
    let body = r#"{"status": "error", "message": "later"}"#;
    let remote = Remote::with(&format!(
        "{{faults: [{{on: '{ON_LIST}', calls: [1], do: status, status: 200, body: '{body}'}}]}}"
    ));
    let place = unified(&remote);
    place.done(one("contacts", &json!({"email": "ann@example.com", "lists": ["news"]})));
    assert_eq!((remote.members("news").len(), remote.faults("status")), (1, 1));
}

/// A list that HubSpot does not let be made is asked for once, and not for each contact.
#[test]
fn a_list_that_cannot_be_made_costs_few_calls() {
    let remote = Remote::with("{faults: [{on: 'POST /crm/lists/*', do: status, status: 400}]}");
    let place = unified(&remote);
    let contact = |n: usize| {
        record("contacts", &json!({"email": format!("p{n}@example.com"), "lists": ["news"]}))
    };
    place
        .done(schema("contacts", &["email", "lists"]) + &(0..150).map(contact).collect::<String>());
    assert_eq!(place.counts("contacts"), counts([("read", 150), ("failed", 150)]));
    assert_eq!(remote.crm(CONTACTS).len(), 150);
    assert!(remote.faults("status") <= 2, "{}", remote.faults("status"));
}

/// A list that somebody deletes is made again.
#[test]
fn a_list_that_is_not_there_any_more_is_made_again() {
    let remote = Remote::with(&format!(
        "{{faults: [{{on: '{ON_LIST}', calls: [1], do: status, status: 404}}]}}"
    ));
    let place = unified(&remote);
    place.done(one("contacts", &json!({"email": "ann@example.com", "lists": ["news"]})));
    assert_eq!((remote.members("news").len(), remote.faults("status")), (1, 1));
}

#[test]
fn what_a_list_has_not_taken_is_told() {
    let body = r#"{"recordsIdsAdded": [], "recordIdsMissing": ["1"]}"#;
    let remote = Remote::with(&format!(
        "{{faults: [{{on: '{ON_LIST}', calls: [1], do: status, status: 200, body: '{body}'}}]}}"
    ));
    let place = unified(&remote);
    let contact = one("contacts", &json!({"email": "ann@example.com", "lists": ["news"]}));
    place.done(&contact);
    let row = &place.results()[0];
    assert_eq!((&row["outcome"], &row["RemoteId"]), (&json!("failed"), &json!("1")), "{row}");
    assert_eq!((remote.crm(CONTACTS).len(), remote.members("news").len()), (1, 0));
    place.done(&contact);
    assert_eq!((remote.crm(CONTACTS).len(), remote.members("news").len()), (1, 1));
}

/// A call belongs to the deals of its contact: that they cannot be told now is not that it has none.
#[test]
fn deals_of_a_calls_contact_are_asked_for_until_they_are_told() {
    let error =
        json!({"category": "INTERNAL_ERROR", "message": "x", "context": {"fromObjectId": ["1"]}});
    let body = json!({"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [error]});
    let fault = json!({"on": "POST /crm/associations/*/contacts/deals/batch/read", "calls": [1],
        "do": "status", "status": 207, "body": body.to_string()});
    let remote = Remote::with(&json!({"faults": [fault]}).to_string());
    let place = unified(&remote);
    place.done(one("contacts", &json!({"email": "ann@example.com"})));
    place.done(one("deals", &json!({"title": "Big", "contact_id": "1"})));
    let call = json!({"externalId": "c", "type": "call", "title": "Sales", "contact_id": "1",
        "activity_datetime": "2024-01-15T10:30:00Z"});
    place.done(one("activities", &call));
    assert_eq!(remote.faults("status"), 1);
    let id = place.results()[0]["RemoteId"].as_str().unwrap().to_owned();
    assert_eq!(remote.associated("calls", &id, "deals"), ["2"]);
}
