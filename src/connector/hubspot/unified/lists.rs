//! Contacts are put on lists, and taken off: after they are written, all of a batch at once.
//!
//! <https://developers.hubspot.com/docs/api-reference/latest/crm/lists/guide>. Who is on a list stays
//! on it when put there again, and a list that is not there is made.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::super::HubSpot;
use super::super::associate::{not_done, refused};
use super::super::part::Part;
use super::super::paths::Api;
use super::super::problem::{Problem, is_error, is_of_content};
use super::MAX_KEPT;
use crate::connector::contract::{Rejection, RequestError, Verdict};
use crate::connector::parts::is_no;
use crate::connector::stop::unless_stopped;
use crate::json::exact;
use crate::record::RemoteId;

/// HubSpot's number of contacts.
const CONTACTS: &str = "0-1";

/// The ids of lists, by name; those that are not there have none, and those that HubSpot does not let
/// be made have its no.
#[derive(Debug, Default)]
pub(in crate::connector::hubspot) struct Lists(Mutex<HashMap<String, Known>>);

type Known = Result<Option<String>, RequestError>;

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
            for name in &part.extras.lists {
                let wish = (name.as_str(), !part.extras.leaves_lists);
                wishes.entry(wish).or_default().push((place, id.as_str()));
            }
        }
        // With whether the list was made anew for them.
        let mut pieces: Vec<_> =
            wishes.into_iter().map(|(wish, members)| (wish, members, false)).collect();
        while let Some(((name, is_on), mut members, is_anew)) = pieces.pop() {
            let put = match self.list(name, is_on).await {
                // Nobody is on a list that is not there.
                Ok(None) => continue,
                Err(error) => Err(error),
                Ok(Some(list)) => {
                    let put = self.change_members(&list, is_on, &members).await;
                    if !is_anew && matches!(put, Err(RequestError::Refused { status: 404, .. })) {
                        // It was known, and is there no more.
                        self.lists.0.lock().await.remove(name);
                        pieces.push(((name, is_on), members, true));
                        continue;
                    }
                    if put.as_ref().is_err_and(is_refused) && members.len() > 1 {
                        // One that is refused takes none of the others with it.
                        let right = members.split_off(members.len() / 2);
                        let halves = [right, members];
                        pieces.extend(halves.map(|half| ((name, is_on), half, is_anew)));
                        continue;
                    }
                    put
                }
            };
            for (place, id) in members {
                let verdict = &mut verdicts[place];
                match &put {
                    Ok(missing) if missing.iter().any(|missing| missing == id) => {
                        let why = format!("the list `{name}` has not taken it");
                        *verdict = refused(id, &why);
                    }
                    Ok(_) => {}
                    Err(error) => {
                        let why = format!("the list `{name}`: {error}");
                        *verdict = not_done(verdict, id, error, &why);
                    }
                }
            }
        }
    }

    /// Puts records on a list, or takes them off. Returns those that are not there.
    async fn change_members(
        &self,
        list: &str,
        is_on: bool,
        members: &[(usize, &str)],
    ) -> Result<Vec<String>, RequestError> {
        let ids: Vec<&str> = members.iter().map(|(_, id)| *id).collect();
        let (add, remove) = if is_on { (ids, Vec::new()) } else { (Vec::new(), ids) };
        let body = json!({"recordIdsToAdd": add, "recordIdsToRemove": remove});
        let url = self.paths.of(Api::Lists, &[list, "memberships", "add-and-remove"])?;
        // To say it twice changes nothing.
        let answer = self.send(Method::PUT, url, Bytes::from(body.to_string()), true, None).await?;
        if answer.is_success() && answer.body.trim_ascii().is_empty() {
            return Ok(Vec::new());
        }
        let body = self.body_of(&answer)?;
        if !body.is_object() || is_error(&body) {
            let Rejection { message, .. } = Problem(&body).rejection(self.client.redactor());
            return Err(RequestError::Unreachable(message));
        }
        let missing = body.get("recordIdsMissing").and_then(Value::as_array);
        Ok(missing.into_iter().flatten().filter_map(exact::text).collect())
    }

    /// The id of a list, which is made where it `is_needed`.
    async fn list(&self, name: &str, is_needed: bool) -> Known {
        let mut known = unless_stopped(self.lists.0.lock()).await?;
        let mut list = match known.get(name) {
            Some(list) => list.clone()?,
            None => self.find_list(name).await?,
        };
        if list.is_none() && is_needed {
            let made = self.make_list(name).await;
            if let Err(error) = &made
                && is_no(error)
            {
                keep(&mut known, name, Err(error.clone()));
            }
            list = Some(made?);
        }
        keep(&mut known, name, Ok(list.clone()));
        Ok(list)
    }

    async fn find_list(&self, name: &str) -> Result<Option<String>, RequestError> {
        let url = self.paths.of(Api::Lists, &["object-type-id", CONTACTS, "name", name])?;
        let answer = self.get(url).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let body = self.body_of(&answer)?;
        Ok(list_id(&body))
    }

    async fn make_list(&self, name: &str) -> Result<String, RequestError> {
        let body = json!({"name": name, "objectTypeId": CONTACTS, "processingType": "MANUAL"});
        let url = self.paths.of(Api::Lists, &[])?;
        // A name is of one list: whoever makes it twice is refused.
        let answer = self.post(url, Bytes::from(body.to_string()), true, None).await?;
        let body = match self.body_of(&answer) {
            Ok(body) => body,
            Err(error @ RequestError::Refused { .. }) => {
                return self.find_list(name).await?.ok_or(error);
            }
            Err(error) => return Err(error),
        };
        list_id(&body)
            .ok_or_else(|| RequestError::Protocol("a list was made, and its id is not told".into()))
    }
}

fn keep(known: &mut HashMap<String, Known>, name: &str, list: Known) {
    if known.len() >= MAX_KEPT {
        known.clear();
    }
    known.insert(name.to_owned(), list);
}

/// Whether a call is refused for what it holds, perhaps for one record of it.
fn is_refused(error: &RequestError) -> bool {
    matches!(error, RequestError::Refused { status, .. } if is_of_content(*status))
}

fn list_id(body: &Value) -> Option<String> {
    body.pointer("/list/listId").or_else(|| body.get("listId")).and_then(exact::text)
}
