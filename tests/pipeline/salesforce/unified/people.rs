//! People: found by their addresses, each in their own object.

use serde_json::{Value, json};

use super::super::{place, stream};
use super::{message, one};
use crate::support::{Remote, counts};

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
    let again = super::super::place(&remote);
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
    super::super::place(&remote).done(stream(
        "Contact",
        None,
        &[own(" a@x.com"), own("a@x.com\t")],
    ));
    assert_eq!(remote.all("Contact").len(), 1);
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

/// The same person in two streams, one of them in Salesforce's own words.
#[test]
fn a_person_in_two_streams_is_one() {
    let remote = Remote::with("{latency_ms: 20}");
    for n in 0..6 {
        let email = format!("p{n}@example.com");
        let own = json!({"LastName": "Lee", "Email": email});
        let unified = json!({"last_name": "Lea", "email": email});
        place(&remote)
            .done(stream("Contact", None, &[own]) + &stream("contacts", None, &[unified]));
    }
    assert_eq!(remote.org_by("Contact", "Email").len(), 6);
}
