//! HubSpot: what its remote holds after jobs of its connector, and by how many calls.

mod answers;
mod objects;
mod refusals;
mod unfinished;
mod unified;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::{Place, Remote, record, text};

/// HubSpot's numbers of objects.
const CONTACTS: &str = "0-1";
const COMPANIES: &str = "0-2";
const DEALS: &str = "0-3";

/// What puts contacts on a list, and takes them off.
const ON_LIST: &str = "PUT /crm/lists/*/*/memberships/add-and-remove";

/// A place whose jobs write to the sandbox's HubSpot.
fn place(remote: &Remote) -> Place {
    Place::with(json!({"connector": "hubspot", "base_url": remote.url,
        "access_token": "sandbox-token", "retry": {"base_millis": 1}}))
}

/// The same for records in the hosted platform's unified schema.
fn unified(remote: &Remote) -> Place {
    place(remote).set("unified_api_schema", true).set("search_lag_secs", 0)
}

/// A stream with one record.
fn one(stream: &str, content: &Value) -> String {
    let names: Vec<&str> = content.as_object().unwrap().keys().map(String::as_str).collect();
    schema(stream, &names) + &record(stream, content)
}

/// A SCHEMA line of a stream with these properties, of any kind.
fn schema(stream: &str, properties: &[&str]) -> String {
    let properties: Map<String, Value> =
        properties.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
    let schema = json!({"type": "object", "properties": properties});
    json!({"type": "SCHEMA", "stream": stream, "key_properties": [], "schema": schema}).to_string()
        + "\n"
}

impl Remote {
    /// The records of one of HubSpot's objects.
    fn crm(&self, object: &str) -> Vec<Map<String, Value>> {
        self.records(&format!("hubspot%2F{object}"))
    }

    /// The same by a property. Fails where a value is there twice.
    fn crm_by(&self, object: &str, property: &str) -> BTreeMap<String, Map<String, Value>> {
        let mut found = BTreeMap::new();
        for record in self.crm(object) {
            let value = record[property].as_str().unwrap().to_owned();
            assert!(found.insert(value.clone(), record).is_none(), "twice: {value}");
        }
        found
    }

    /// Deletes a record there.
    fn delete_crm(&self, object: &str, id: &str) {
        self.ask("DELETE", &format!("/crm/objects/2026-03/{object}/{id}"));
    }

    /// The ids of the records that one is associated with.
    fn associated(&self, object: &str, id: &str, to: &str) -> Vec<String> {
        let found =
            self.ask("GET", &format!("/crm/objects/2026-03/{object}/{id}/associations/{to}"));
        let found = found["results"].as_array().unwrap();
        found.iter().map(|one| text(&one["toObjectId"])).collect()
    }

    /// The ids of the contacts on a list.
    fn members(&self, list: &str) -> Vec<String> {
        let found = self.ask("GET", &format!("/crm/lists/2026-03/object-type-id/0-1/name/{list}"));
        let id = text(&found["list"]["listId"]);
        let found = self.ask("GET", &format!("/crm/lists/2026-03/{id}/memberships"));
        let found = found["results"].as_array().unwrap();
        found.iter().map(|one| text(&one["recordId"])).collect()
    }

    /// Calls of one route.
    fn calls_of(&self, route: &str) -> u64 {
        self.calls()["calls"][route].as_u64().unwrap_or(0)
    }
}
