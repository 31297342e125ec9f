//! Members of campaigns and topics, which are written after their people.

use serde_json::{Value, json};

use super::super::{place, stream};
use super::{message, one};
use crate::support::{Remote, counts};

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
    let again = super::super::place(&remote);
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
        super::super::place(&remote).done(one("Campaign", &json!({"Name": "Spring"})));
        super::super::place(&remote).done(one("Account", &json!({"Name": "Acme"})));
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
    super::super::place(&remote).done(one("campaignmembers", &member("responded")));
    let held = remote.all("CampaignMember");
    assert_eq!(
        (held.len(), &held[0]["Status"], &held[0]["Ext_Id__c"]),
        (1, &json!("Responded"), &json!("m"))
    );
    place.done(one("campaignmembers", &json!({"campaign_id": remote.all("Campaign")[0]["Id"]})));
    assert!(message(&place).contains("no `contact_id`"), "{}", message(&place));
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

/// Many campaigns at once, and people who name them: each is made once, by a bulk job or not.
#[test]
fn many_campaigns_that_people_name_are_made_once() {
    let remote = Remote::with("{latency_ms: 15, salesforce: {job_ms: 300}}");
    let place = place(&remote).set("bulk_from", 10);
    let campaigns: Vec<Value> =
        (0..20).map(|n| json!({"externalId": format!("c{n}"), "name": format!("X{n}")})).collect();
    let people: Vec<Value> = (0..40)
        .map(|n| json!({"last_name": "Lee", "email": format!("p{n}@x.com"), "lists": [format!("X{}", n % 20)]}))
        .collect();
    place.done(stream("campaigns", None, &campaigns) + &stream("contacts", None, &people));
    assert_eq!(remote.org_by("Campaign", "Name").len(), 20);
    assert_eq!(remote.all("CampaignMember").len(), 40);
}
