//! NetSuite: what its remote holds after jobs of its connector, and by how many calls.

mod jobs;
mod late;
mod limits;
mod logins;
mod manifest;
mod odd;
mod records;
mod refusals;
mod unified;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::{Place, Remote, record, text};

/// A place whose jobs write to the sandbox's NetSuite.
fn place(remote: &Remote) -> Place {
    place_at(&remote.url)
}

/// The same of any NetSuite.
fn place_at(url: &str) -> Place {
    Place::with(json!({"connector": "netsuite", "base_url": url, "ns_account": "1234567_SB1",
        "ns_consumer_key": "sandbox-consumer-key", "ns_consumer_secret": "sandbox-consumer-secret",
        "ns_token_key": "sandbox-token-key", "ns_token_secret": "sandbox-token-secret",
        "retry": {"base_millis": 1}, "settle_secs": 0}))
}

/// A stream with records of any fields; the user's ids are in `externalId`.
fn stream(name: &str, records: &[Value]) -> String {
    let mut properties = Map::new();
    properties.insert("externalId".to_owned(), json!({}));
    for field in records.iter().flat_map(|record| record.as_object().unwrap().keys()) {
        properties.insert(field.clone(), json!({}));
    }
    let schema = json!({"type": "SCHEMA", "stream": name, "key_properties": [],
        "schema": {"type": "object", "properties": properties}});
    format!("{schema}\n") + &records.iter().map(|one| record(name, one)).collect::<String>()
}

/// Customers of the first subsidiary.
fn customers(count: usize, email: &str) -> String {
    let one = |n| {
        json!({"externalId": format!("c-{n}"), "companyName": format!("Acme {n}"), "email": email,
            "subsidiary": {"id": "1"}})
    };
    stream("customer", &(0..count).map(one).collect::<Vec<Value>>())
}

impl Remote {
    /// The records of a type, but for those that an account is set up with.
    fn books(&self, record_type: &str) -> Vec<Map<String, Value>> {
        self.records(&format!("netsuite%2F{record_type}"))
    }

    /// The same by their external ids. Fails where one is there twice.
    fn books_by(&self, record_type: &str) -> BTreeMap<String, Map<String, Value>> {
        let mut found = BTreeMap::new();
        for record in self.books(record_type) {
            let value = text(&record["externalId"]);
            assert!(found.insert(value.clone(), record).is_none(), "twice: {value}");
        }
        found
    }

    /// Calls of a method to paths that have this in them.
    fn calls_to(&self, method: &str, path: &str) -> u64 {
        let calls = self.calls()["calls"].as_object().unwrap().clone();
        let is_meant = |route: &str| route.starts_with(method) && route.contains(path);
        let own = calls.iter().filter(|(route, _)| is_meant(route));
        own.map(|(_, count)| count.as_u64().unwrap()).sum()
    }
}
