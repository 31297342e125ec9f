//! Contacts are put on lists, and taken off: after they are written, all of a batch at once.
//!
//! <https://developers.hubspot.com/docs/api-reference/latest/crm/lists/guide>. Who is on a list stays
//! on it when put there again, and a list that is not there is made.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use reqwest::Method;
use serde_json::json;
use tokio::sync::Mutex;

use super::super::HubSpot;
use super::super::associate::open;
use super::super::part::Part;
use super::super::paths::Room;
use super::super::problem::failure;
use crate::connector::contract::{Action, RequestError, Verdict};
use crate::connector::http::Call;
use crate::json::exact;
use crate::record::RemoteId;

/// HubSpot's number of contacts.
const CONTACTS: &str = "0-1";

/// The ids of lists, by name; those that are not there have none.
#[derive(Debug, Default)]
pub(in crate::connector::hubspot) struct Lists(Mutex<HashMap<String, Option<String>>>);

/// A list, by its name, and whether who is meant is to be on it.
type Wish<'a> = (&'a str, bool);

impl HubSpot {
    /// Puts the contacts that were written on their lists. `ids`: under which they were.
    pub(in crate::connector::hubspot) async fn put_on_lists(
        &self,
        parts: &[Part],
        ids: &[Option<RemoteId>],
        verdicts: &mut [Verdict],
    ) {
        let mut wishes: BTreeMap<Wish<'_>, Vec<(usize, &str)>> = BTreeMap::new();
        for (place, (part, id)) in parts.iter().zip(ids).enumerate() {
            let Some(id) = id else { continue };
            for name in &part.beside.lists {
                let wish = (name.as_str(), !part.beside.leaves_lists);
                wishes.entry(wish).or_default().push((place, id.as_str()));
            }
        }
        for ((name, is_on), members) in wishes {
            let ids: Vec<&str> = members.iter().map(|(_, id)| *id).collect();
            let Err(error) = self.put_on_list(name, is_on, &ids).await else { continue };
            for (place, id) in members {
                let why = format!("the list `{name}`: {error}");
                let is_no =
                    matches!(error, RequestError::Refused { .. } | RequestError::Forbidden { .. });
                let verdict = &mut verdicts[place];
                *verdict = if is_no {
                    Verdict::Altered(Some(RemoteId::new(id)), why.into())
                } else {
                    open(verdict, &why)
                };
            }
        }
    }

    async fn put_on_list(&self, name: &str, is_on: bool, ids: &[&str]) -> Result<(), RequestError> {
        let mut known = self.lists.0.lock().await;
        let list = match known.get(name) {
            Some(Some(id)) => Some(id.clone()),
            Some(None) if !is_on => None,
            Some(None) => Some(self.make_list(name).await?),
            None => match self.find_list(name).await? {
                None if is_on => Some(self.make_list(name).await?),
                found => found,
            },
        };
        known.insert(name.to_owned(), list.clone());
        drop(known);
        // Nobody is on a list that is not there.
        let Some(list) = list else { return Ok(()) };
        let (add, remove) = if is_on { (ids, &[][..]) } else { (&[][..], ids) };
        let body = json!({"recordIdsToAdd": add, "recordIdsToRemove": remove});
        let url = self.paths.of(Room::Lists, &[&list, "memberships", "add-and-remove"]);
        // To say it twice changes nothing.
        let answer = self.send(Method::PUT, url, Bytes::from(body.to_string()), true, None).await?;
        if answer.is_success() {
            return Ok(());
        }
        let call = Call::Write { action: Action::Update, single: false };
        Err(failure(&answer, call, self.client.redactor()))
    }

    async fn find_list(&self, name: &str) -> Result<Option<String>, RequestError> {
        let url = self.paths.of(Room::Lists, &["object-type-id", CONTACTS, "name", name]);
        let answer = self.get(url).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let body = self.body_of(&answer)?;
        Ok(body.pointer("/list/listId").or_else(|| body.get("listId")).and_then(exact::text))
    }

    async fn make_list(&self, name: &str) -> Result<String, RequestError> {
        let body = json!({"name": name, "objectTypeId": CONTACTS, "processingType": "MANUAL"});
        let url = self.paths.of(Room::Lists, &[]);
        // A name is of one list: whoever makes it twice is refused.
        let answer = self.post(url, Bytes::from(body.to_string()), true, None).await?;
        let body = match self.body_of(&answer) {
            Ok(body) => body,
            Err(error @ RequestError::Refused { .. }) => {
                return self.find_list(name).await?.ok_or(error);
            }
            Err(error) => return Err(error),
        };
        let id = body.pointer("/list/listId").or_else(|| body.get("listId")).and_then(exact::text);
        id.ok_or_else(|| RequestError::Protocol("a list was made, and its id is not told".into()))
    }
}
