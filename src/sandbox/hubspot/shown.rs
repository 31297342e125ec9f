//! Records as HubSpot shows them.

use serde_json::{Map, Value, json};

use super::object::Object;
use crate::sandbox::memory::Memory;

/// Which properties an answer has.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// All that have a value: the answer to a write.
    Held,
    /// These, and what each answer has; of an unknown name nothing is said.
    Named(Vec<String>),
}

impl Wanted {
    /// As a request names them; nothing asks for the usual ones.
    pub(super) fn named(names: Vec<String>, object: &Object) -> Self {
        if names.is_empty() {
            Self::Named(object.shown.iter().map(|&name| name.to_owned()).collect())
        } else {
            Self::Named(names)
        }
    }
}

/// The record with this id, as JSON; `None` when it is not there.
pub(super) fn show(memory: &Memory, object: &Object, id: u64, wanted: &Wanted) -> Option<Value> {
    let record = memory.get(&object.records(), id)?;
    let held: Map<String, Value> = serde_json::from_str(record.json()).unwrap_or_default();
    let moment = |name: &str| held.get(name).cloned().unwrap_or_default();
    let (created, modified) = (moment("createdate"), moment(object.modified()));
    let mut properties = match wanted {
        Wanted::Held => held.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        Wanted::Named(names) => {
            let mut properties = Map::new();
            for name in names.iter().map(String::as_str).chain(["createdate", object.modified()]) {
                if object.has(memory, name) {
                    properties.insert(name.to_owned(), held.get(name).cloned().unwrap_or_default());
                }
            }
            properties
        }
    };
    properties.insert("hs_object_id".to_owned(), id.to_string().into());
    Some(json!({
        "id": id.to_string(),
        "properties": properties,
        "createdAt": created,
        "updatedAt": modified,
        "archived": false,
    }))
}
