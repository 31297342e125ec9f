//! Deals, companies, activities and donations: what they need, and to whom they belong.

use serde_json::{Value, json};

use super::super::{place, stream};
use super::{message, one};
use crate::support::{Remote, counts};

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
    super::super::place(&remote).done(campaign("in progress"));
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
