//! Custom fields: left out, or made.

use serde_json::{Value, json};

use super::super::{place, stream};
use super::{message, one};
use crate::support::{Place, Remote, counts};

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

/// A field that was made is let to be read and written, whatever fails in between: nobody could see it.
#[test]
fn a_field_that_was_made_has_its_permissions() {
    for call in 1..=4 {
        for fault in ["status, status: 503", "reset_after"] {
            let remote = Remote::with(&format!(
                "{{faults: [{{on: 'GET /services/data/*/query', calls: [{call}], do: {fault}}}]}}"
            ));
            let place = place(&remote).set("create_custom_fields", true);
            place.done(one(
                "contacts",
                &json!({"last_name": "Lee", "email": "a@example.com",
                "custom_fields": [{"name": "Tier", "value": "gold"}]}),
            ));
            assert_eq!(remote.all("Contact")[0]["Tier__c"], "gold", "{call} {fault}");
            let permitted = remote.all("FieldPermissions");
            let ours = permitted.iter().filter(|one| one["Field"] == "Contact.Tier__c").count();
            assert!(ours > 1, "{call} {fault}: {permitted:?}");
        }
    }
}
