//! Files, and the records that they are put on.

use serde_json::{Value, json};

use super::super::{place, stream};
use super::one;
use crate::support::{Remote, counts};

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
    let place = super::super::place(&remote).set("api_version", "49.0");
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

/// A file whose record is not there was not sent: the answer that is lost is none of its.
#[test]
fn a_lost_answer_is_none_of_a_file_that_was_not_sent() {
    let remote = Remote::with(
        "{faults: [{on: 'POST /services/data/*/composite/graph', calls: [1], do: reset_after}]}",
    );
    let place = place(&remote);
    let account = remote.account(&place, "Acme");
    let file = |id: &str, to: Value| json!({"externalId": id, "Title": id, "PathOnClient": "a.txt", "VersionData": "aGVsbG8=", "LinkedEntityId": to});
    let files = [file("a", json!(account)), file("b", json!({"Account/Ext_Id__c": "nobody"}))];
    place.done(stream("ContentVersion", None, &files));
    assert_eq!(
        place.counts("ContentVersion"),
        counts([("read", 2), ("in_doubt", 1), ("rejected", 1)]),
        "{:?}",
        place.results()
    );
    assert_eq!(remote.all("ContentVersion").len(), 1);
}
