//! Records in the hosted platform's unified schema.

mod awaited;
mod campaigns;
mod custom;
mod deals;
mod files;
mod finding;
mod people;

use serde_json::{Value, json};

use super::stream;
use crate::support::{Place, Remote};

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

    fn account(&self, place: &Place, name: &str) -> String {
        place.done(one("Account", &json!({"Name": name})));
        self.all("Account").iter().find(|it| it["Name"] == name).unwrap()["Id"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}
