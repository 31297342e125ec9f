//! Records in the hosted platform's unified schema.

use serde_json::{Value, json};

use super::{place, stream};
use crate::support::{Place, Remote, counts};

fn one(name: &str, record: &Value) -> String {
    stream(name, None, std::slice::from_ref(record))
}

fn message(place: &Place) -> String {
    place.results()[0]["error_message"].as_str().unwrap_or_default().to_owned()
}

impl Remote {
    /// The records of an object; a field that has no value is null.
    fn all(&self, object: &str) -> Vec<Value> {
        self.org(object).into_iter().map(Value::Object).collect()
    }

    /// Calls whose path has this in it.
    fn calls_of_path(&self, part: &str) -> u64 {
        let calls = self.calls()["calls"].as_object().unwrap().clone();
        let own = calls.iter().filter(|(route, _)| route.contains(part));
        own.map(|(_, count)| count.as_u64().unwrap()).sum()
    }

    fn account(&self, place: &Place, name: &str) -> String {
        place.done(one("Account", &json!({"Name": name})));
        self.all("Account").iter().find(|it| it["Name"] == name).unwrap()["Id"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

#[test]
fn people_are_found_by_email_in_their_own_object() {
    let remote = Remote::start();
    let place = place(&remote);
    let account = remote.account(&place, "Acme");
    let contact = |name: &str| {
        json!({"first_name": name, "last_name": "O'Brien", "email": "ann@example.com", "company_name": "Acme",
            "lead_source": "phone inquiry", "addresses": [{"line1": "Road 1", "city": "Lyon", "country": "FR"}],
            "phone_numbers": [{"type": "mobile", "number": "1"}, {"number": "2"}], "type": null})
    };
    let lead = |name: &str| json!({"type": "lead", "first_name": name, "last_name": "Lee", "email": "ann@example.com", "company_name": "Apex"});
    // Both in one stream, and in one batch.
    place.done(stream("Customers", None, &[contact("Ann"), lead("Lea")]));
    assert_eq!(place.counts("Customers"), counts([("read", 2), ("created", 2)]));
    let held = &remote.all("Contact")[0];
    assert_eq!(
        (&held["AccountId"], &held["LeadSource"], &held["MailingCountry"], &held["MailingStreet"]),
        (&json!(account), &json!("Phone Inquiry"), &json!("France"), &json!("Road 1"))
    );
    assert_eq!((&held["MobilePhone"], &held["OtherPhone"]), (&json!("1"), &json!("2")));
    assert_eq!(held["HasOptedOutOfEmail"], false);
    // Another store knows neither.
    let again = super::place(&remote);
    again.done(stream("contacts", None, &[lead("Leo"), contact("Bea")]));
    assert_eq!(again.counts("contacts"), counts([("read", 2), ("updated", 2)]));
    let (contacts, leads) = (remote.all("Contact"), remote.all("Lead"));
    assert_eq!((contacts.len(), leads.len()), (1, 1));
    assert_eq!((&contacts[0]["FirstName"], &leads[0]["FirstName"]), (&json!("Bea"), &json!("Leo")));
    assert_eq!(leads[0]["Company"], "Apex");
}

/// Who is silent stays unsubscribed.
#[test]
fn nobody_is_subscribed_by_silence() {
    let remote = Remote::start();
    let place = place(&remote);
    let contact = |status: Value| {
        one(
            "contacts",
            &json!({"last_name": "Lee", "email": "a@example.com", "subscribe_status": status, "title": status}),
        )
    };
    for (status, is_out) in [
        (json!("unsubscribed"), true),
        (json!(null), true),
        (json!("pending"), true),
        (json!("subscribed"), false),
    ] {
        place.done(contact(status.clone()));
        assert_eq!(remote.all("Contact")[0]["HasOptedOutOfEmail"], is_out, "{status}");
    }
}

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

#[test]
fn people_are_made_members_of_campaigns_and_have_topics() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(one("campaigns", &json!({"name": "Spring", "active": true})));
    let spring = remote.all("Campaign")[0]["Id"].as_str().unwrap().to_owned();
    let person = |kind: &str, name: &str, status: &str| {
        json!({"type": kind, "last_name": name, "company_name": "Acme", "email": format!("{name}@example.com"),
            "lists": [spring, "news"], "campaigns": [{"name": "NEWS"}], "tags": ["vip", "new"],
            "custom_fields": [{"name": "Status", "value": status}]})
    };
    let people = |status: &str| {
        let all: Vec<Value> = (0..40)
            .map(|n| person(if n % 2 == 0 { "lead" } else { "contact" }, &format!("p{n}"), status))
            .collect();
        stream("contacts", None, &all)
    };
    place.done(people("Sent"));
    assert_eq!(
        place.counts("contacts"),
        counts([("read", 40), ("created", 40)]),
        "{:?}",
        place.results()
    );
    assert_eq!((remote.all("Campaign").len(), remote.all("Topic").len()), (2, 2));
    let members = remote.all("CampaignMember");
    assert_eq!(
        (members.len(), members.iter().filter(|one| one["Status"] == "Sent").count()),
        (80, 80)
    );
    assert_eq!(members.iter().filter(|one| one["LeadId"].is_string()).count(), 40);
    assert_eq!(remote.all("TopicAssignment").len(), 80);
    let calls = remote.calls()["calls"].as_object().unwrap().clone();
    let posts: u64 = calls
        .iter()
        .filter(|(route, _)| route.starts_with("POST") && route.contains("/composite/sobjects"))
        .map(|(_, count)| count.as_u64().unwrap())
        .sum();
    // The campaign before; people, the new campaign, members, topics, what they are put on.
    assert_eq!(posts, 6, "{calls:?}");
    // Said again, all of it is there, and what has changed is changed.
    let again = super::place(&remote);
    again.done(people("Responded"));
    assert_eq!(
        again.counts("contacts"),
        counts([("read", 40), ("updated", 40)]),
        "{:?}",
        again.results()
    );
    let members = remote.all("CampaignMember");
    assert_eq!(
        (members.len(), members.iter().filter(|one| one["Status"] == "Responded").count()),
        (80, 80)
    );
    assert_eq!((remote.all("Campaign").len(), remote.all("TopicAssignment").len()), (2, 80));
}

/// A campaign that two have the name of is nobody's, and nothing is made for its record.
#[test]
fn a_name_that_several_have_is_refused() {
    let remote = Remote::start();
    let place = place(&remote);
    for _ in 0..2 {
        super::place(&remote).done(one("Campaign", &json!({"Name": "Spring"})));
        super::place(&remote).done(one("Account", &json!({"Name": "Acme"})));
    }
    let people = [
        json!({"last_name": "a", "email": "a@example.com", "lists": ["spring"]}),
        json!({"last_name": "b", "email": "b@example.com", "company_name": "Acme"}),
        json!({"last_name": "c", "email": "c@example.com", "company_name": "Nobody"}),
    ];
    place.done(stream("contacts", None, &people));
    assert_eq!(place.counts("contacts"), counts([("read", 3), ("created", 1), ("rejected", 2)]));
    assert_eq!(remote.all("Contact").len(), 1);
    let told: Vec<String> =
        place.results().iter().map(|row| row["error_message"].to_string()).collect();
    assert!(
        told.iter().any(|it| it.contains("more than one Campaign has the Name `spring`")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|it| it.contains("more than one Account has the Name `Acme`")),
        "{told:?}"
    );
}

#[test]
fn deals_belong_to_whom_they_name() {
    let remote = Remote::start();
    let place = place(&remote);
    let account = remote.account(&place, "Acme");
    place.done(one(
        "contacts",
        &json!({"last_name": "Lee", "email": "ann@example.com", "company_name": "acme",
        "external_id": {"name": "Ext_Id__c", "value": "c'1"}}),
    ));
    let contact = remote.all("Contact")[0]["Id"].clone();
    let deal = |more: Value| {
        let mut deal = json!({"externalId": "d", "title": "Big", "status": "closed won", "close_date":
            "2026-05-06T07:08:09.000000Z", "monetary_amount": 1000.5});
        deal.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one("opportunities", &deal)
    };
    place.done(deal(json!({"contact_email": "ANN@example.com"})));
    let held = &remote.all("Opportunity")[0];
    assert_eq!(
        (&held["ContactId"], &held["AccountId"], &held["StageName"], &held["CloseDate"]),
        (&contact, &json!(account), &json!("Closed Won"), &json!("2026-05-06"))
    );
    place.done(deal(
        json!({"externalId": "e", "contact_external_id": {"name": "Ext_Id__c", "value": "c'1"}}),
    ));
    assert_eq!(remote.all("Opportunity")[1]["ContactId"], contact);
    // Changed, and not made again.
    place.done(deal(json!({"title": "Bigger", "company_name": "Acme"})));
    assert_eq!(place.counts("opportunities"), counts([("read", 1), ("updated", 1)]));
    assert_eq!(remote.all("Opportunity")[0]["Name"], "Bigger");
    // Nobody has the address: the deal is there, and that is told.
    place.done(deal(json!({"externalId": "f", "contact_email": "no@example.com"})));
    assert_eq!(place.counts("opportunities"), counts([("read", 1), ("failed", 1)]));
    assert!(
        message(&place).contains("no Contact has the Email `no@example.com`"),
        "{}",
        message(&place)
    );
    assert_eq!(remote.all("Opportunity").len(), 3);
    let lost =
        json!({"externalId": "g", "contact_external_id": {"name": "Ext_Id__c", "value": "x"}});
    place.done(deal(lost));
    assert_eq!(place.counts("opportunities"), counts([("read", 1), ("rejected", 1)]));
    assert_eq!(remote.all("Opportunity").len(), 3);
}

#[test]
fn a_deal_says_all_that_it_needs() {
    let remote = Remote::start();
    let place = place(&remote);
    let deal = |stage: &str| json!({"title": "Big", "pipeline_stage_id": stage, "close_date": "2026-05-06"});
    let lacking = json!({"externalId": "a", "title": "Big", "description": "x"});
    place.done(stream("deals", None, &[deal("Won"), lacking]));
    assert_eq!(place.counts("deals"), counts([("read", 2), ("rejected", 2)]));
    let told: Vec<String> =
        place.results().iter().map(|row| row["error_message"].to_string()).collect();
    assert!(
        told.iter().any(|it| it.contains("one of Prospecting, ") && it.contains("Closed Won")),
        "{told:?}"
    );
    let words =
        "The record does not contain all the necessary fields for creating a new Opportunity";
    assert!(told.iter().any(|it| it.contains(words)), "{told:?}");
    assert_eq!(remote.all("Opportunity").len(), 0);
    // One that is there is changed without them.
    let whole = json!({"externalId": "a", "title": "Big", "status": "prospecting", "close_date": "2026-05-06"});
    place.done(one("deals", &whole));
    place.done(one("deals", &json!({"externalId": "a", "description": "x"})));
    assert_eq!(remote.all("Opportunity")[0]["Description"], "x");
}

#[test]
fn companies_campaigns_and_activities_are_written() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(one(
        "companies",
        &json!({"externalId": "c", "name": "Acme", "website": "acme.example",
        "addresses": "[{\"city\": \"Bern\", \"country\": \"CH\"}, {\"line1\": \"Road 1\"}]"}),
    ));
    let account = &remote.all("Account")[0];
    assert_eq!(
        (
            &account["Website"],
            &account["Site"],
            &account["BillingCountry"],
            &account["ShippingStreet"]
        ),
        (&json!("acme.example"), &json!(null), &json!("Switzerland"), &json!("Road 1"))
    );
    let campaign = |status: &str| one("campaigns", &json!({"name": "Spring", "status": status}));
    place.done(campaign("planned"));
    super::place(&remote).done(campaign("in progress"));
    let held = remote.all("Campaign");
    assert_eq!((held.len(), &held[0]["Status"]), (1, &json!("In Progress")));
    place.done(one("campaigns", &json!({"active": true})));
    assert!(message(&place).contains("required to have a 'Name' field"), "{}", message(&place));
    place.done(one(
        "activities",
        &json!({"externalId": "t", "type": "call", "related_to": account["Id"],
        "activity_datetime": "2026-05-06T07:08:09Z", "start_datetime": "2026-05-06T07:00:00Z",
        "end_datetime": "2026-05-06T07:01:00Z", "status": "completed"}),
    ));
    let task = &remote.all("Task")[0];
    assert_eq!(
        (&task["Subject"], &task["Status"], &task["ActivityDate"], &task["CallDurationInSeconds"]),
        (&json!("call"), &json!("Completed"), &json!("2026-05-06"), &json!(60))
    );
}

#[test]
fn donations_belong_to_somebody() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(one(
        "contacts",
        &json!({"first_name": "Ann", "last_name": "Lee", "email": "ann@example.com"}),
    ));
    let donation = |id: &str, more: Value| {
        let mut donation = json!({"externalId": id, "name": "Gift", "amount": "10.50", "installment_period": "monthly"});
        donation.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one("recurring_donations", &donation)
    };
    place.done(donation("a", json!({"contact_name": "Ann Lee", "created_at": "2026-01-02"})));
    let held = &remote.all("npe03__Recurring_Donation__c")[0];
    assert_eq!(
        (
            &held["npe03__Installment_Period__c"],
            &held["npe03__Date_Established__c"],
            &held["npe03__Contact__c"]
        ),
        (&json!("Monthly"), &json!("2026-01-02"), &remote.all("Contact")[0]["Id"])
    );
    // What is not said again does not begin today.
    place.done(donation("a", json!({"contact_name": "Ann Lee", "name": "Gifts"})));
    let held = &remote.all("npe03__Recurring_Donation__c")[0];
    assert_eq!(
        (&held["Name"], &held["npe03__Date_Established__c"]),
        (&json!("Gifts"), &json!("2026-01-02"))
    );
    place.done(donation("b", json!({})));
    assert!(message(&place).contains("No Account or Contact provided"), "{}", message(&place));
    place.done(donation("c", json!({"company_name": "Nobody"})));
    assert!(message(&place).contains("no Account has the Name `Nobody`"), "{}", message(&place));
    assert_eq!(remote.all("npe03__Recurring_Donation__c").len(), 1);
}

#[test]
fn members_are_found_by_campaign_and_person() {
    let remote = Remote::start();
    let place = place(&remote);
    place.done(one("contacts", &json!({"last_name": "Lee", "email": "ann@example.com"})));
    place.done(one("campaigns", &json!({"name": "Spring"})));
    let member = |status: &str| {
        json!({"campaign_id": remote.all("Campaign")[0]["Id"], "contact_id": remote.all("Contact")[0]["Id"],
            "type": "contact", "custom_fields": [{"name": "Ext_Id", "value": "m"}], "status": status})
    };
    place.done(one("campaignmembers", &member("sent")));
    super::place(&remote).done(one("campaignmembers", &member("responded")));
    let held = remote.all("CampaignMember");
    assert_eq!(
        (held.len(), &held[0]["Status"], &held[0]["Ext_Id__c"]),
        (1, &json!("Responded"), &json!("m"))
    );
    place.done(one("campaignmembers", &json!({"campaign_id": remote.all("Campaign")[0]["Id"]})));
    assert!(message(&place).contains("no `contact_id`"), "{}", message(&place));
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
    super::place(&remote)
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

/// Told once, and the rest is written.
#[test]
fn unknown_fields_are_left_out() {
    let remote = Remote::start();
    let place = place(&remote);
    let contact = |n: u32| {
        json!({"last_name": "Lee", "email": format!("{n}@example.com"), "lead_source": "Nowhere",
            "custom_fields": [{"name": "Nope", "value": "x"}, {"name": "Ext_Id", "value": n}]})
    };
    let ran = place.done(stream("contacts", None, &[contact(1), contact(2)]));
    assert_eq!(remote.org_by("Contact", "Ext_Id__c").len(), 2);
    assert_eq!(ran.stderr.matches("left out: Nope").count(), 1, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("has no value `Nowhere`").count(), 1, "{}", ran.stderr);
    // They may be there by the next job, which asks again.
    let described = remote.calls_of_path("/describe");
    place.done(stream("contacts", None, &[contact(3)]));
    assert_eq!(remote.calls_of_path("/describe"), described + 1);
}

/// The person is made, and what follows is refused for a while: it is made once, and gets all of it.
#[test]
fn what_follows_a_create_is_tried_again_without_making_it_twice() {
    for fault in ["status, status: 503", "reset_after", "truncate_after", "drop_results, count: 1"]
    {
        for call in 1..=5 {
            let remote = Remote::with(&format!(
                "{{faults: [{{on: 'POST /services/data/*/composite/sobjects', calls: [{call}], do: {fault}}}]}}"
            ));
            let place = place(&remote);
            let contact = json!({"externalId": "a", "last_name": "Lee", "email": "ann@example.com", "lists": ["news"],
                "tags": ["vip"]});
            place.done(one("contacts", &contact));
            let what = format!("{fault} of {call}: {:?}", place.results());
            assert_eq!(remote.all("Contact").len(), 1, "{what}");
            assert_eq!(place.counts("contacts")["read"], 1);
            let all = ["Campaign", "CampaignMember", "Topic", "TopicAssignment"];
            assert_eq!(all.map(|object| remote.all(object).len()), [1, 1, 1, 1], "{what}");
        }
    }
}

#[test]
fn a_job_that_is_killed_is_finished_by_the_next() {
    for step in ["intended:1", "sent:1", "answered:1", "recorded:1", "partial:1"] {
        let remote = Remote::with(
            "{faults: [{on: 'POST /services/data/*/composite/sobjects', calls: [2], do: status, status: 503}]}",
        );
        let place = place(&remote);
        let contact = json!({"externalId": "a", "last_name": "Lee", "email": "ann@example.com", "lists": ["news"]});
        place.dies_at(step, one("contacts", &contact));
        place.done(one("contacts", &contact));
        assert_eq!(remote.all("Contact").len(), 1, "{step}");
        assert_eq!(remote.all("CampaignMember").len(), 1, "{step}: {:?}", place.results());
    }
}

/// One that is refused stops none of the others.
#[test]
fn what_is_refused_of_the_rest_is_told() {
    let remote = Remote::start();
    let place = place(&remote);
    let contact = json!({"externalId": "a", "last_name": "Lee", "lists": ["701000000000001", "news"],
        "tags": ["x".repeat(200), "vip"]});
    place.done(one("contacts", &contact));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("failed", 1)]));
    let told = message(&place);
    assert!(
        told.contains("the campaign `701000000000001`") && told.contains("the topic `xxx"),
        "{told}"
    );
    assert_eq!((remote.all("CampaignMember").len(), remote.all("TopicAssignment").len()), (1, 1));
}

#[test]
fn files_are_put_on_their_records() {
    let remote = Remote::start();
    let place = place(&remote);
    let account = remote.account(&place, "Acme");
    place.done(one("Contact", &json!({"Ext_Id__c": "c'1", "LastName": "Lee"})));
    let file = |id: &str, to: Value| json!({"externalId": id, "Title": id, "PathOnClient": "a.txt", "VersionData": "aGVsbG8=", "LinkedEntityId": to});
    let files = [
        file("a", json!(account.get(..15))),
        file("b", json!({"Contact/Ext_Id__c": "c'1"})),
        file("c", json!({"Contact/Ext_Id__c": "nobody"})),
        file("d", json!(null)),
    ];
    place.done(stream("ContentVersion", None, &files));
    assert_eq!(
        place.counts("ContentVersion"),
        counts([("read", 4), ("created", 3), ("rejected", 1)]),
        "{:?}",
        place.results()
    );
    let links = remote.all("ContentDocumentLink");
    let on: Vec<&Value> = links.iter().map(|one| &one["LinkedEntityId"]).collect();
    assert!(
        on.contains(&&json!(account)) && on.contains(&&remote.all("Contact")[0]["Id"]),
        "{links:?}"
    );
    let ours = links.iter().filter(|one| one["ShareType"] == "V").count();
    assert!(ours >= 2, "{links:?}");
    // Said again with another title, it is linked once.
    let count = links.len();
    let mut again = file("a", json!(account));
    again["Title"] = json!("A");
    place.done(one("ContentVersion", &again));
    assert_eq!(remote.all("ContentDocumentLink").len(), count, "{:?}", place.results());
}

/// Fields are made once for all of a job, and all permission sets may write them.
#[test]
fn custom_fields_are_made_where_that_is_wanted() {
    let remote = Remote::start();
    let place = place(&remote).set("create_custom_fields", true);
    let people: Vec<Value> = (0..450)
        .map(|n| {
            json!({"last_name": "Lee", "email": format!("{n}@example.com"), "custom_fields": [
                {"name": "Shoe size", "label": "Shoes", "value": n}, {"name": "my_externalid", "value": format!("e{n}")}]})
        })
        .collect();
    place.done(stream("contacts", None, &people));
    assert_eq!(
        place.counts("contacts"),
        counts([("read", 450), ("created", 450)]),
        "{:?}",
        place.results().first()
    );
    let held = remote.org_by("Contact", "my_externalid__c");
    assert_eq!((held.len(), &held["e7"]["Shoe_size__c"]), (450, &json!("7")));
    assert_eq!(remote.calls_of_path("/services/Soap/m/"), 1, "{:?}", remote.calls());
    let permissions = remote.all("FieldPermissions");
    let ours =
        |one: &&Value| one["Field"] == "Contact.Shoe_size__c" && one["PermissionsEdit"] == true;
    assert!(permissions.iter().filter(ours).count() > 1, "{permissions:?}");
    // Of both fields, for all permission sets, in one call.
    let posts = &remote.calls()["calls"]["POST /services/data/{version}/composite/sobjects"];
    assert_eq!(posts, 1 + 3, "{:?}", remote.calls());
    // What is made on an activity is a task's.
    place.done(one("activities", &json!({"externalId": "t", "type": "call", "custom_fields": "[{\"name\": \"Mood\", \"value\": \"good\"}]"})));
    assert_eq!(remote.all("Task")[0]["Mood__c"], "good", "{:?}", place.results());
    // A later job knows them, and makes nothing.
    let made = remote.calls_of_path("/services/Soap/m/");
    place.done(stream(
        "contacts",
        None,
        &[json!({"last_name": "Lea", "email": "7@example.com",
        "custom_fields": [{"name": "Shoe size", "value": "8"}]})],
    ));
    assert_eq!(remote.org_by("Contact", "my_externalid__c")["e7"]["Shoe_size__c"], "8");
    assert_eq!(remote.calls_of_path("/services/Soap/m/"), made);
}

/// What cannot be made is left out, and that is told of its record.
#[test]
fn a_custom_field_that_cannot_be_made_is_told() {
    let remote =
        Remote::with("{faults: [{on: 'POST /services/Soap/m/*', do: status, status: 400}]}");
    let place = place(&remote).set("create_custom_fields", true);
    let contact = |fields: Value| {
        one(
            "contacts",
            &json!({"externalId": "a", "last_name": "Lee", "email": "a@example.com", "custom_fields": fields}),
        )
    };
    place.done(contact(json!([{"name": "Tier", "value": "gold"}])));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("failed", 1)]));
    assert!(
        message(&place).contains("the custom field `Tier__c` cannot be made"),
        "{}",
        message(&place)
    );
    assert_eq!(remote.all("Contact")[0]["LastName"], "Lee");
}

/// A check looks, and makes nothing.
#[test]
fn a_check_makes_no_field() {
    let remote = Remote::start();
    let place =
        place(&remote).set("create_custom_fields", true).set("streams", json!({"contacts": {}}));
    place.call(&["check", "--config", "config.json"]);
    assert_eq!(remote.calls_of_path("/services/Soap/m/"), 0);
}

/// Each file is made with its link, or not at all.
#[test]
fn no_file_stands_without_its_link() {
    let remote = Remote::start();
    let place = place(&remote);
    let account = remote.account(&place, "Acme");
    let file = |n: usize, to: &str| {
        json!({"externalId": format!("f{n}"), "Title": n.to_string(), "PathOnClient": "a.txt", "VersionData": "aGVsbG8=",
            "LinkedEntityId": to})
    };
    let nobody = "001000000000999AAA";
    let files: Vec<Value> =
        (0..100).map(|n| file(n, if n % 5 == 0 { nobody } else { &account })).collect();
    place.done(stream("ContentVersion", None, &files));
    let told = counts([("read", 100), ("created", 80), ("rejected", 20)]);
    assert_eq!(place.counts("ContentVersion"), told, "{:?}", place.results()[0]);
    assert_eq!(remote.all("ContentVersion").len(), 80);
    let links = remote.all("ContentDocumentLink");
    assert_eq!(links.iter().filter(|one| one["LinkedEntityId"] == json!(account)).count(), 80);
    // An older version knows no graphs: the link is made after, also when that is refused for a while.
    let remote = Remote::with(
        "{faults: [{on: 'POST /services/data/*/composite/sobjects', calls: [3], do: status, status: 503}]}",
    );
    let place = super::place(&remote).set("api_version", "49.0");
    let account = remote.account(&place, "Acme");
    place.done(one("ContentVersion", &file(1, &account)));
    assert_eq!(
        place.counts("ContentVersion"),
        counts([("read", 1), ("created", 1)]),
        "{:?}",
        place.results()
    );
    let links = remote.all("ContentDocumentLink");
    assert_eq!(links.iter().filter(|one| one["LinkedEntityId"] == json!(account)).count(), 1);
    assert_eq!(remote.all("ContentVersion").len(), 1);
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
    super::place(&remote).done(people("Lea"));
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

/// A session that ends before the field is made is renewed.
#[test]
fn a_session_that_ends_keeps_no_field_from_being_made() {
    for calls in 3..=8 {
        let remote = Remote::with(&format!("{{token_calls: {calls}}}"));
        let place = Place::with(
            json!({"connector": "salesforce", "base_uri": remote.url, "create_custom_fields": true,
            "refresh_token": "sandbox-refresh", "client_id": "sandbox-client", "client_secret": "sandbox-secret",
            "instance_url": remote.url, "retry": {"base_millis": 1}}),
        );
        place.done(one(
            "contacts",
            &json!({"last_name": "Lee", "email": "a@example.com",
            "custom_fields": [{"name": "Tier", "value": "gold"}]}),
        ));
        assert_eq!(remote.all("Contact")[0]["Tier__c"], "gold", "{calls}: {:?}", place.results());
    }
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
        super::place(&remote)
            .set("lookup_fields", json!({"Contacts": ["Title", "Phone"]}))
            .set("lookup_method", "all")
    };
    place().done(contact("a", "CTO", "1"));
    place().done(contact("b", "CTO", "2"));
    place().done(contact("c", "cto", "2"));
    let held = remote.org_by("Contact", "LastName");
    assert_eq!(held.keys().collect::<Vec<_>>(), ["a", "c"]);
}

/// A campaign is made once, whoever names it, however its name is spaced.
#[test]
fn a_campaign_that_two_streams_name_is_made_once() {
    for _ in 0..3 {
        let remote = Remote::with("{latency_ms: 15}");
        let place = place(&remote);
        let campaigns: Vec<Value> = (0..20)
            .map(|n| json!({"externalId": format!("c{n}"), "name": format!("X{n}")}))
            .collect();
        let people: Vec<Value> = (0..200)
            .map(|n| {
                json!({"externalId": format!("p{n}"), "last_name": "Lee", "email": format!("p{n}@x.com"),
                    "lists": [format!("X{} ", n % 20), format!("x{}", n % 20)]})
            })
            .collect();
        place.done(stream("campaigns", None, &campaigns) + &stream("contacts", None, &people));
        assert_eq!(remote.org_by("Campaign", "Name").len(), 20);
        assert_eq!(remote.all("CampaignMember").len(), 200);
        let counts = place.counts("campaigns");
        assert_eq!(counts.get("created").unwrap_or(&0) + counts.get("updated").unwrap_or(&0), 20);
    }
}

/// White space around a value is nothing to Salesforce.
#[test]
fn people_are_one_whatever_stands_around_their_address() {
    let remote = Remote::start();
    let place = place(&remote);
    let person = |email: &str| json!({"last_name": "Lee", "email": email});
    place.done(stream(
        "contacts",
        None,
        &[person("a@x.com"), person(" A@X.com "), person("a@x.com\n")],
    ));
    assert_eq!(remote.all("Contact").len(), 1);
    let own = |email: &str| json!({"LastName": "Lee", "Email": email});
    super::place(&remote).done(stream("Contact", None, &[own(" a@x.com"), own("a@x.com\t")]));
    assert_eq!(remote.all("Contact").len(), 1);
}

/// As the platform's customers give it: an external id among the custom fields.
#[test]
fn an_external_id_among_the_custom_fields_finds_its_record() {
    let remote = Remote::start();
    for name in ["Acme", "Apex"] {
        let company =
            json!({"name": name, "custom_fields": [{"name": "Ext_Id__c", "value": "L1"}]});
        super::place(&remote).done(one("companies", &company));
    }
    let held = remote.all("Account");
    assert_eq!((held.len(), &held[0]["Name"]), (1, &json!("Apex")));
}

#[test]
fn an_opt_out_is_read_in_all_its_words() {
    for (said, is_out) in
        [(json!("yes"), true), (json!(1), true), (json!("off"), false), (json!(" True"), true)]
    {
        let remote = Remote::start();
        let person = json!({"last_name": "Lee", "email": "a@x.com", "unsubscribed": said});
        place(&remote).done(one("contacts", &person));
        assert_eq!(remote.all("Contact")[0]["HasOptedOutOfEmail"], is_out, "{said}");
    }
    let remote = Remote::start();
    let place = place(&remote);
    place.done(one(
        "contacts",
        &json!({"last_name": "Lee", "email": "a@x.com", "unsubscribed": "perhaps"}),
    ));
    assert_eq!(place.counts("contacts"), counts([("read", 1), ("rejected", 1)]));
    assert!(message(&place).contains("`unsubscribed`"), "{}", message(&place));
}
