//! Salesforce: what its remote holds after jobs of its connector, and by how many calls.

mod bulk;
mod objects;
mod refusals;
mod slow;
mod unified;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::{Place, Remote, record, text};

/// A place whose jobs write to the sandbox's Salesforce.
fn place(remote: &Remote) -> Place {
    Place::with(json!({"connector": "salesforce", "base_url": remote.url,
        "access_token": "sandbox-token", "retry": {"base_millis": 1}, "settle_secs": 0}))
}

/// A stream with records of any fields. `key`: its key property.
fn stream(name: &str, key: Option<&str>, records: &[Value]) -> String {
    let mut properties = Map::new();
    for field in records.iter().flat_map(|record| record.as_object().unwrap().keys()) {
        properties.insert(field.clone(), json!({}));
    }
    let keys: Vec<&str> = key.into_iter().collect();
    let schema = json!({"type": "SCHEMA", "stream": name, "key_properties": keys,
        "schema": {"type": "object", "properties": properties}});
    format!("{schema}\n") + &records.iter().map(|one| record(name, one)).collect::<String>()
}

impl Remote {
    /// The records of an object.
    fn org(&self, object: &str) -> Vec<Map<String, Value>> {
        self.records(&format!("salesforce%2F{object}"))
    }

    /// The same by a field. Fails where a value is there twice.
    fn org_by(&self, object: &str, field: &str) -> BTreeMap<String, Map<String, Value>> {
        let mut found = BTreeMap::new();
        for record in self.org(object) {
            let value = text(&record[field]);
            assert!(found.insert(value.clone(), record).is_none(), "twice: {value}");
        }
        found
    }
}
