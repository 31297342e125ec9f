//! What a manifest can say of books: the same records, without the connector.

use serde_json::{Value, json};

use super::stream;
use crate::support::{Place, Remote, counts, fixture};

fn place(remote: &Remote) -> Place {
    let manifest = fixture("manifests/netsuite.yaml");
    Place::with(json!({"connector": "rest", "manifest": manifest, "base_url": remote.url,
        "ns_account": "1234567_SB1", "ns_consumer_key": "sandbox-consumer-key",
        "ns_consumer_secret": "sandbox-consumer-secret", "ns_token_key": "sandbox-token-key",
        "ns_token_secret": "sandbox-token-secret", "sublists": "expense",
        "identity": "platform", "retry": {"base_millis": 1}}))
}

#[test]
fn headers_with_lines_are_upserted_by_external_id() {
    let remote = Remote::with(
        "{faults: [{on: 'PUT /services/rest/record/v1/*/*', calls: [3], do: reset_after}]}",
    );
    let place = place(&remote);
    let vendor = json!({"externalId": "v-1", "companyName": "O'Acme", "subsidiary": {"id": "1"}});
    place.done(stream("vendor", &[vendor]));
    assert_eq!(place.counts("vendor"), counts([("read", 1), ("created", 1)]));
    let bill = |id: &str, amount: f64| {
        json!({"externalId": id, "entity": {"externalId": "v-1"}, "subsidiary": {"id": "1"},
            "expense": {"items": [{"account": {"id": "9"}, "amount": amount, "memo": "Fuel"}]}})
    };
    let mut nobody = bill("b-3", 1.0);
    nobody["entity"]["externalId"] = json!("v-9");
    place.done(stream(
        "vendorBill",
        &[bill("b-1", 50.0), bill("b'2", 60.0), bill("b-2", 60.0), nobody],
    ));
    let rows = place.results();
    let outcomes: Vec<(&Value, &Value)> =
        rows.iter().map(|row| (&row["InputId"], &row["outcome"])).collect();
    assert_eq!(outcomes.iter().filter(|(_, outcome)| *outcome == "created").count(), 2, "{rows:?}");
    let refused = rows.iter().find(|row| row["InputId"] == "b-3").unwrap();
    assert_eq!(refused["error_code"], "INVALID_KEY_OR_REF", "{refused}");
    place.done(stream("vendorBill", &[bill("b-1", 55.0)]));
    assert_eq!(place.counts("vendorBill"), counts([("read", 1), ("updated", 1)]));
    let held = remote.books_by("vendorBill");
    let lines = held["b-1"]["expense"]["items"].as_array().unwrap();
    assert_eq!((held.len(), lines.len(), &lines[0]["amount"]), (2, 1, &json!(55.0)));
    for row in rows.iter().filter(|row| row["outcome"] == "created") {
        assert_eq!(held[row["InputId"].as_str().unwrap()]["id"], row["RemoteId"]);
    }
}
