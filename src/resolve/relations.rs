//! Relations: a field that holds the external ids of other records goes out with their remote ids.

use std::sync::Arc;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::first_bytes;
use crate::config::stream::{IdForm, Relation};
use crate::json::fields::{Fields, finish_object, push_field, push_text};
use crate::outcome::Trouble;
use crate::record::{ExternalId, RemoteId};
use crate::store::StoreError;
use crate::store::id_map::Mapped;
use crate::stream::identity::id_text;

/// A record's body with its relations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// With the remote ids of all parents that are known, and without the others.
    pub body: Arc<str>,
    /// A hash of those remote ids as they stand in it, in their order; 0 where there are none. The
    /// same content has to be written again when one of its parents has another.
    pub parents: i64,
    /// The first parent that is not known.
    pub missing: Option<Missing>,
}

/// A parent that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Place of the relation.
    pub relation: usize,
    /// The parent's external id.
    pub id: ExternalId,
}

/// Why a record's relations cannot be found out.
#[derive(Debug)]
pub enum Unrelated {
    /// What stands in the field is no external id, or the remote id is of another form.
    Trouble(Trouble),
    /// The store fails.
    Store(StoreError),
}

impl From<StoreError> for Unrelated {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Replaces the external ids in `body`, the text of a JSON object. `find` looks for the parent of
/// the relation at a place.
///
/// # Errors
/// [`Unrelated`].
pub fn relate(
    body: &Arc<str>,
    relations: &[Relation],
    mut find: impl FnMut(usize, &ExternalId) -> Result<Option<Mapped>, StoreError>,
) -> Result<Related, Unrelated> {
    let unreadable = |error: serde_json::Error| trouble(error.to_string());
    let fields = Fields::of_text(body).map_err(unreadable)?;
    let mut missing = None;
    let mut parents: Option<Sha256> = None;
    let mut object = String::with_capacity(body.len() + 32);
    for (name, value) in &fields.0 {
        let Some(place) = relations.iter().position(|relation| relation.field == **name) else {
            push_field(&mut object, name, value.get());
            continue;
        };
        let mut parent = |value: &RawValue| -> Result<Found, Unrelated> {
            let Some(id) = id_text(name, value).map_err(trouble)? else {
                return Ok(Found::None);
            };
            let id = ExternalId::new(id);
            let Some(mapped) = find(place, &id)? else {
                missing.get_or_insert(Missing { relation: place, id });
                return Ok(Found::Missing);
            };
            let relation = &relations[place];
            let remote_id = mapped.remote_id.ok_or_else(|| {
                let stream = &relation.stream;
                trouble(format!("the remote never told the id of `{id}` of stream `{stream}`"))
            })?;
            let id = written(&remote_id, relation)?;
            let hash = parents.get_or_insert_default();
            for part in [name, id.as_str()] {
                hash.update(part);
                // Nothing that stands in JSON holds it.
                hash.update([0]);
            }
            Ok(Found::Id(id))
        };
        if !value.get().starts_with('[') {
            match parent(value)? {
                Found::None => push_field(&mut object, name, value.get()),
                Found::Missing => {}
                Found::Id(id) => push_field(&mut object, name, &id),
            }
            continue;
        }
        let items: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(unreadable)?;
        let mut list = String::new();
        for item in &items {
            if let Found::Id(id) = parent(item)? {
                list.push(if list.is_empty() { '[' } else { ',' });
                list.push_str(&id);
            }
        }
        if !list.is_empty() {
            list.push(']');
            push_field(&mut object, name, &list);
        } else if items.is_empty() {
            push_field(&mut object, name, value.get());
        }
    }
    let parents = parents.map_or(0, |hash| i64::from_be_bytes(first_bytes(hash)));
    Ok(Related { body: finish_object(object).into(), parents, missing })
}

enum Found {
    /// The field holds no id.
    None,
    Missing,
    /// As JSON.
    Id(String),
}

fn written(remote_id: &RemoteId, relation: &Relation) -> Result<String, Unrelated> {
    match relation.form {
        IdForm::Text => {
            let mut json = String::new();
            push_text(&mut json, remote_id.as_str());
            Ok(json)
        }
        IdForm::Number => {
            let is_number = serde_json::from_str::<serde_json::Number>(remote_id.as_str()).is_ok();
            if is_number {
                Ok(remote_id.as_str().to_owned())
            } else {
                Err(trouble(format!("the remote id `{remote_id}` is no number")))
            }
        }
    }
}

fn trouble(why: impl Into<String>) -> Unrelated {
    Unrelated::Trouble(Trouble::payload("relation", why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn related(body: &str, form: IdForm) -> Result<(String, Option<String>), String> {
        let relation = |field: &str| Relation { field: field.into(), stream: "p".into(), form };
        let relations = [relation("owner"), relation("tags")];
        let find = |_: usize, id: &ExternalId| {
            let remote_id = match id.as_str() {
                "a" => Some(RemoteId::from("1")),
                "b" => Some(RemoteId::from("x\"2")),
                "mute" => None,
                _ => return Ok(None),
            };
            Ok(Some(Mapped { remote_id, fingerprint: None, custom_data: None, parents: None }))
        };
        match relate(&Arc::from(body), &relations, find) {
            Ok(Related { body, missing, .. }) => {
                Ok((body.to_string(), missing.map(|missing| missing.id.to_string())))
            }
            Err(Unrelated::Trouble(trouble)) => Err(trouble.message.to_string()),
            Err(Unrelated::Store(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn ids_are_replaced_and_all_else_stays() {
        let cases = [
            (r#"{"n":1.50,"owner":"a"}"#, r#"{"n":1.50,"owner":"1"}"#, None),
            (r#"{"owner":"z","n":1}"#, r#"{"n":1}"#, Some("z")),
            (r#"{"owner":null,"tags":[]}"#, r#"{"owner":null,"tags":[]}"#, None),
            (r#"{"tags":["a","b"]}"#, r#"{"tags":["1","x\"2"]}"#, None),
            (r#"{"tags":["a",7,"y"]}"#, r#"{"tags":["1"]}"#, Some("7")),
            (r#"{"tags":["y"],"owner":"a"}"#, r#"{"owner":"1"}"#, Some("y")),
        ];
        for (body, expected, missing) in cases {
            let missing = missing.map(str::to_owned);
            assert_eq!(related(body, IdForm::Text), Ok((expected.to_owned(), missing)));
        }
        let number = Ok((r#"{"owner":1}"#.to_owned(), None));
        assert_eq!(related(r#"{"owner":"a"}"#, IdForm::Number), number);
    }

    #[test]
    fn what_is_no_id_is_told() {
        assert!(related(r#"{"owner":{"id":1}}"#, IdForm::Text).unwrap_err().contains("`owner`"));
        assert!(related(r#"{"owner":"b"}"#, IdForm::Number).unwrap_err().contains("no number"));
        assert!(related(r#"{"owner":"mute"}"#, IdForm::Text).unwrap_err().contains("`mute`"));
    }
}
