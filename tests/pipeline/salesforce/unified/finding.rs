//! By what unified records are found, and by how many calls.

use serde_json::{Value, json};

use super::super::{place, stream};
use super::{message, one};
use crate::support::{Remote, counts};

/// In Salesforce's own words, or by the config's word.
#[test]
fn a_stream_in_salesforces_words_is_not_unified() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(one("contacts", &json!({"LastName": "Lee", "Email": "a@example.com"})));
    assert_eq!(remote.all("Contact")[0]["LastName"], "Lee");
    let place = place.set("streams", json!({"companies": {"object": "Contact"}}));
    place.done(one("companies", &json!({"Email": "a@example.com", "Title": "CTO"})));
    assert_eq!(
        (remote.all("Contact").len(), &remote.all("Contact")[0]["Title"]),
        (1, &json!("CTO"))
    );
}

/// As the platform's target finds them: by the config, by the record's own external id, by email.
#[test]
fn the_config_says_what_records_are_found_by() {
    let remote = Remote::start();
    for (n, name) in ["Contacts", "Contact", "contacts"].into_iter().enumerate() {
        let place = place(&remote).set("lookup_fields", json!({name: ["Title", "Phone"]}));
        let contact = |email: &str| {
            let numbers = json!([{"type": "primary", "number": "5"}]);
            one(
                "contacts",
                &json!({"last_name": format!("n{n}"), "title": format!("T {n}"), "email": email,
                "phone_numbers": if email.starts_with('a') { json!([]) } else { numbers }}),
            )
        };
        place.done(contact("a@example.com"));
        place.done(contact("b@example.com"));
        assert_eq!(place.counts("contacts"), counts([("read", 1), ("updated", 1)]), "{name}");
    }
    let held = remote.org_by("Contact", "LastName");
    assert_eq!((held.len(), &held["n0"]["Email"]), (3, &json!("b@example.com")));
    let place = place(&remote).set("lookup_fields", json!({"Deals": "Name"}));
    let deal = |amount: u64| {
        one(
            "deals",
            &json!({"title": "Big", "status": "prospecting", "close_date": "2026-05-06", "monetary_amount": amount}),
        )
    };
    place.done(deal(1));
    place.done(deal(2));
    assert_eq!(
        (remote.all("Opportunity").len(), &remote.all("Opportunity")[0]["Amount"]),
        (1, &json!(2))
    );
}

#[test]
fn what_is_filled_stays_where_that_is_wanted() {
    let remote = Remote::start();
    let place = place(&remote);
    remote.account(&place, "Acme");
    let apex = remote.account(&place, "Apex");
    let contact = |company: &str, title: &str, phone: &str| {
        one(
            "contacts",
            &json!({"last_name": "Lee", "email": "ann@example.com", "company_name": company, "title": title,
            "phone_numbers": [{"number": phone}], "lists": [title]}),
        )
    };
    place.done(contact("Apex", "CTO", ""));
    let place = place.set("only_upsert_empty_fields", true);
    place.done(contact("Acme", "CEO", "5"));
    let held = &remote.all("Contact")[0];
    assert_eq!(
        (&held["AccountId"], &held["Title"], &held["Phone"]),
        (&json!(apex), &json!("CTO"), &json!("5"))
    );
    assert_eq!(remote.all("CampaignMember").len(), 2);
}

#[test]
fn external_ids_are_upserted_in_each_object() {
    let remote = Remote::start();
    let place = place(&remote).set("streams", json!({"*": {"external_id_property": "Ext_Id__c"}}));
    let people = |name: &str| {
        let of = |kind: &str| json!({"externalId": kind, "type": kind, "last_name": name, "company_name": "Acme", "tags": [kind]});
        stream("contacts", None, &[of("lead"), of("contact")])
    };
    place.done(people("Lee"));
    super::super::place(&remote)
        .set("streams", json!({"*": {"external_id_property": "Ext_Id__c"}}))
        .done(people("Lea"));
    let (contacts, leads) =
        (remote.org_by("Contact", "Ext_Id__c"), remote.org_by("Lead", "Ext_Id__c"));
    assert_eq!((contacts.len(), &contacts["contact"]["LastName"]), (1, &json!("Lea")));
    assert_eq!((leads.len(), &leads["lead"]["LastName"]), (1, &json!("Lea")));
    assert_eq!(remote.all("TopicAssignment").len(), 2);
    // A lead does not become a contact under its id.
    let other = json!({"externalId": "lead", "type": "contact", "last_name": "Lee", "id": leads["lead"]["Id"]});
    place.done(one("contacts", &other));
    assert!(message(&place).contains("is none of one"), "{}", message(&place));
}

/// Answers in pages are read to their end.
#[test]
fn all_pages_are_read() {
    let remote = Remote::with("{salesforce: {page_rows: 7}}");
    let place = place(&remote);
    let companies: Vec<Value> =
        (0..60).map(|n| json!({"externalId": n, "name": format!("Acme {n}")})).collect();
    place.done(stream("companies", None, &companies));
    let people = |name: &str| {
        let of = |n: usize| {
            json!({"last_name": name, "email": format!("p{n}@example.com"), "company_name": format!("Acme {n}"),
                "lists": ["news"], "custom_fields": [{"name": "Status", "value": "Responded"}]})
        };
        stream("contacts", None, &(0..60).map(of).collect::<Vec<_>>())
    };
    place.done(people("Lee"));
    super::super::place(&remote).done(people("Lea"));
    let held = remote.org_by("Contact", "Email");
    let accounts = remote.org_by("Account", "Name");
    assert_eq!((held.len(), remote.all("CampaignMember").len()), (60, 60));
    assert!(held.values().all(|one| one["LastName"] == "Lea"));
    assert_eq!(held["p59@example.com"]["AccountId"], accounts["Acme 59"]["Id"]);
}

/// Calls are for batches, and never for records.
#[test]
fn a_batch_takes_few_calls() {
    let remote = Remote::start();
    let place = place(&remote);
    let account = |n: usize| json!({"Name": format!("Acme {n}")});
    place.done(stream("Account", None, &(0..200).map(account).collect::<Vec<_>>()));
    place.done(stream("contacts", None, &[json!({"last_name": "Lee", "email": "p0@example.com"})]));
    let calls = |remote: &Remote| remote.calls_of_path("/services/data");
    let before = calls(&remote);
    let deal = |n: usize| {
        json!({"externalId": n, "title": format!("D{n}"), "status": "prospecting", "close_date": "2026-05-06",
            "contact_email": "p0@example.com", "company_name": format!("Acme {n}")})
    };
    place.done(stream("deals", None, &(0..200).map(deal).collect::<Vec<_>>()));
    assert_eq!(place.counts("deals"), counts([("read", 200), ("created", 200)]));
    // Whose org it is, what a deal is, contacts, accounts, deals; an address has room for so many names.
    assert!(calls(&remote) - before <= 8, "{:?}", remote.calls());
}

/// With `all`, a record is found by all of them together.
#[test]
fn records_are_found_by_several_fields_together() {
    let remote = Remote::start();
    let contact = |name: &str, title: &str, phone: &str| {
        one(
            "contacts",
            &json!({"last_name": name, "title": title, "phone_numbers": [{"number": phone}]}),
        )
    };
    let place = || {
        super::super::place(&remote)
            .set("lookup_fields", json!({"Contacts": ["Title", "Phone"]}))
            .set("lookup_method", "all")
    };
    place().done(contact("a", "CTO", "1"));
    place().done(contact("b", "CTO", "2"));
    place().done(contact("c", "cto", "2"));
    let held = remote.org_by("Contact", "LastName");
    assert_eq!(held.keys().collect::<Vec<_>>(), ["a", "c"]);
}

/// As the platform's customers give it: an external id among the custom fields.
#[test]
fn an_external_id_among_the_custom_fields_finds_its_record() {
    let remote = Remote::start();
    for name in ["Acme", "Apex"] {
        let company =
            json!({"name": name, "custom_fields": [{"name": "Ext_Id__c", "value": "L1"}]});
        super::super::place(&remote).done(one("companies", &company));
    }
    let held = remote.all("Account");
    assert_eq!((held.len(), &held[0]["Name"]), (1, &json!("Apex")));
}

/// Fields that are said of one object are nothing to the other: no lead is taken for another one.
#[test]
fn lookup_fields_of_an_object_hold_for_it_alone() {
    for method in ["sequential", "all", "any"] {
        let remote = Remote::start();
        let place = || {
            super::super::place(&remote)
                .set("lookup_fields", json!({"Contact": ["Title", "LastName"], "Lead": null}))
                .set("lookup_method", method)
        };
        let person = |kind: &str, name: &str, email: &str| json!({"type": kind, "last_name": name, "title": "CTO", "company_name": "Acme", "email": email});
        let people = |email: [&str; 3]| {
            let of = [("lead", "Lee"), ("lead", "Lea"), ("contact", "Lee")];
            let of = of.iter().zip(email).map(|((kind, name), email)| person(kind, name, email));
            stream("contacts", None, &of.collect::<Vec<_>>())
        };
        place().done(people(["a@x.com", "b@x.com", "c@x.com"]));
        place().done(people(["a@x.com", "B@x.com", "d@x.com"]));
        assert_eq!(remote.org_by("Lead", "Email").len(), 2, "{method}");
        let held = remote.all("Contact");
        assert_eq!((held.len(), &held[0]["Email"]), (1, &json!("d@x.com")), "{method}");
    }
}

/// A value that is several where there is room for one is nobody's guess.
#[test]
fn a_list_in_place_of_a_value_is_told() {
    let remote = Remote::start();
    let place = place(&remote);
    let deal = json!({"title": "Big", "status": "prospecting", "close_date": "2026-05-06",
        "contact_email": ["a@x.com", "b@x.com"]});
    place.done(one("deals", &deal));
    assert!(message(&place).contains("`contact_email` is no single value"), "{}", message(&place));
    assert_eq!(remote.all("Opportunity").len(), 0);
}

/// The platform's target makes no account of streams in Salesforce's words; companies are its own.
#[test]
fn companies_are_made_where_accounts_are_not() {
    let remote = Remote::start();
    let place = place(&remote).set("only_upsert_accounts", "true");
    place.done(one("companies", &json!({"name": "Acme"})));
    place.done(one("Account", &json!({"externalId": "a", "Name": "Apex"})));
    assert_eq!(remote.org_by("Account", "Name").len(), 1);
}

/// A list says which fields stay where they are filled, in the words of the unified schema or in
/// Salesforce's; all others are written.
#[test]
fn some_fields_stay_where_they_are_filled() {
    let remote = Remote::start();
    let contact = |name: &str, city: &str| {
        one(
            "contacts",
            &json!({"last_name": name, "first_name": name, "email": "ann@example.com", "title": name,
            "department": name, "addresses": [{"city": city}], "phone_numbers": [{"number": city}]}),
        )
    };
    place(&remote).done(contact("Lee", "Bern"));
    let only = json!(["first_name", "Title", "addresses", "phone_numbers"]);
    let place = place(&remote).set("only_upsert_empty_fields", only);
    place.done(contact("Lea", "Lyon"));
    let held = &remote.all("Contact")[0];
    assert_eq!(
        (&held["FirstName"], &held["Title"], &held["MailingCity"], &held["Phone"]),
        (&json!("Lee"), &json!("Lee"), &json!("Bern"), &json!("Bern"))
    );
    assert_eq!((&held["LastName"], &held["Department"]), (&json!("Lea"), &json!("Lea")));
    let ran = place.set("only_upsert_empty_fields", 5).run("");
    assert!(ran.stderr.contains("a list of fields"), "{}", ran.stderr);
}
