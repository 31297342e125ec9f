//! Finds records: by ids and unique properties in batches, by anything else with the search.
//!
//! `…/batch/read` shows what was written at once; the search shows it some seconds later, and may be
//! asked five times in a second (<https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm>).

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::HubSpot;
use super::paths::Room;
use super::problem::{Problem, failure};
use crate::connector::contract::{By, Found, Question, RequestError, Row};
use crate::connector::http::{Answer, Call};
use crate::json::exact;
use crate::record::RemoteId;

/// Keys of one call. So many values a filter of the search takes too.
pub(super) const MAX_KEYS: usize = 100;
/// Records on one page of the search.
const MAX_PAGE: usize = 200;
/// The other addresses of a contact, by which it is found too: apart by `;`.
const MORE_EMAILS: &str = "hs_additional_emails";

/// Whether a property tells records of an object apart, in any account.
pub(super) fn is_unique(object: &str, property: &str) -> bool {
    property == "hs_object_id"
        || (property == "email" && matches!(object, "contacts" | "contact" | "0-1"))
}

impl HubSpot {
    /// Answers a question about `object`. `property`: where external ids are kept.
    pub(super) async fn find(
        &self,
        object: &str,
        property: Option<&str>,
        question: &Question,
    ) -> Result<Found, RequestError> {
        let own =
            || property.ok_or_else(|| RequestError::never_sent("no property keeps external ids"));
        match &question.by {
            By::RemoteId => self.read(object, None, question).await,
            By::ExternalId => self.read(object, Some(own()?), question).await,
            By::Field(name) if &**name == "hs_object_id" => self.read(object, None, question).await,
            By::Field(name) if is_unique(object, name) || Some(&**name) == property => {
                self.read(object, Some(name), question).await
            }
            By::Field(name) => self.search(object, name, question).await,
        }
    }

    /// The same of records that may be any of `objects`.
    pub(super) async fn find_in(
        &self,
        objects: &[&str],
        property: Option<&str>,
        question: &Question,
    ) -> Result<Found, RequestError> {
        let mut all = Found::default();
        for object in objects {
            let found = self.find(object, property, question).await?;
            let is_known = |row: &Row| all.rows.iter().any(|known| known.key == row.key);
            if let Some(twice) = found.rows.iter().find(|row| is_known(row)) {
                let why = format!("{} are both known as {}", objects.join(" and "), twice.key);
                return Err(RequestError::never_sent(&why));
            }
            all.rows.extend(found.rows);
            all.next = found.next;
            all.quiet = all.quiet.max(found.quiet);
        }
        Ok(all)
    }

    /// By ids, or by the values of a unique property.
    async fn read(
        &self,
        object: &str,
        property: Option<&str>,
        question: &Question,
    ) -> Result<Found, RequestError> {
        let mut names = wanted(question);
        names.extend(property);
        if property == Some("email") {
            names.push(MORE_EMAILS);
        }
        let inputs: Vec<Value> = question.keys.iter().map(|key| json!({"id": &**key})).collect();
        let mut body = json!({"inputs": inputs, "properties": names, "propertiesWithHistory": []});
        if let Some(property) = property {
            body["idProperty"] = property.into();
        }
        let url = self.paths.of(Room::Objects, &[object, "batch", "read"]);
        let answer = self.post(url, Bytes::from(body.to_string()), true, None).await?;
        let quiet = self.limits.heed(&answer, self.client.limiter());
        let body = self.body_of(&answer)?;
        let list = |name: &str| body[name].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut rows = Vec::new();
        for result in list("results") {
            let values = match property {
                None => result.get("id").and_then(exact::text).into_iter().collect(),
                Some(property) => values(result, property),
            };
            rows.extend(self.rows(result, &values, question));
        }
        let errors = list("errors");
        let refused: HashSet<String> = errors
            .iter()
            .flat_map(|error| {
                ["ids", "id"].into_iter().flat_map(|kind| Problem(error).context(kind))
            })
            .map(str::to_lowercase)
            .collect();
        let open = question.keys.iter().filter(|key| {
            !refused.contains(&key.to_lowercase()) && !rows.iter().any(|row: &Row| row.key == **key)
        });
        // An answer in parts that does not speak of a key does not say that nothing has it.
        let counted = body.get("numErrors").and_then(Value::as_u64).unwrap_or(errors.len() as u64);
        let untold = open.count();
        if answer.status == 207 && untold > 0 && !(refused.is_empty() && counted >= untold as u64) {
            let why =
                format!("the answer does not say of {untold} keys whether something has them");
            return Err(RequestError::Unreachable(why.into()));
        }
        Ok(Found { rows, quiet, ..Found::default() })
    }

    async fn search(
        &self,
        object: &str,
        property: &str,
        question: &Question,
    ) -> Result<Found, RequestError> {
        // Texts are compared in lower case, and are to be given so; whoever compares them as they
        // are finds them too.
        let mut keys: Vec<String> = question.keys.iter().map(ToString::to_string).collect();
        keys.extend(question.keys.iter().map(|key| key.to_lowercase()));
        keys.sort_unstable();
        keys.dedup();
        let mut names = wanted(question);
        names.push(property);
        let filter = match keys.as_slice() {
            [only] => json!({"propertyName": property, "operator": "EQ", "value": only}),
            keys => json!({"propertyName": property, "operator": "IN", "values": keys}),
        };
        let mut body = json!({
            "filterGroups": [{"filters": [filter]}], "properties": names, "limit": MAX_PAGE,
        });
        if let Some(next) = &question.next {
            body["after"] = Value::from(&**next);
        }
        self.client.turn(&self.searches).await?;
        let url = self.paths.of(Room::Objects, &[object, "search"]);
        let answer = self.post(url, Bytes::from(body.to_string()), true, None).await?;
        let body = self.body_of(&answer)?;
        let results = body["results"].as_array().map(Vec::as_slice);
        let results =
            results.ok_or_else(|| RequestError::Protocol("the search has no results".into()))?;
        let rows = results
            .iter()
            .flat_map(|result| self.rows(result, &values(result, property), question));
        let next = body.pointer("/paging/next/after").and_then(exact::text).map(Arc::from);
        Ok(Found { rows: rows.collect(), next, ..Found::default() })
    }

    /// The body of an answer of success.
    pub(super) fn body_of(&self, answer: &Answer) -> Result<Value, RequestError> {
        let redactor = self.client.redactor();
        if !answer.is_success() {
            return Err(failure(answer, Call::Read, redactor));
        }
        answer.json(redactor).map_err(|what| RequestError::Protocol(what.into()))
    }

    /// A row for each key that one of `values` is, but for upper and lower case.
    fn rows(&self, result: &Value, values: &[String], question: &Question) -> Vec<Row> {
        let id = result.get("id").and_then(exact::text);
        let Some(id) = id.and_then(|id| self.client.redactor().unless_secret(id)) else {
            return Vec::new();
        };
        let held = result.get("properties").and_then(Value::as_object);
        let is_of = |key: &&Arc<str>| {
            let key = key.trim().to_lowercase();
            values.iter().any(|value| value.trim().to_lowercase() == key)
        };
        let keys = question.keys.iter().filter(is_of);
        let fields = |held: &Map<String, Value>| {
            let wanted = question
                .want
                .iter()
                .filter_map(|name| Some((name.to_string(), held.get(&**name)?.clone())));
            wanted.collect()
        };
        keys.map(|key| Row {
            key: Arc::clone(key),
            remote_id: RemoteId::new(id.as_str()),
            version: None,
            fields: held.map(fields).unwrap_or_default(),
            altered: None,
        })
        .collect()
    }
}

/// The properties that are asked for.
fn wanted(question: &Question) -> Vec<&str> {
    question.want.iter().map(|name| &**name).filter(|name| !name.starts_with('$')).collect()
}

/// The values by which a record is found.
fn values(result: &Value, property: &str) -> Vec<String> {
    let text = |name: &str| result.get("properties")?.get(name).and_then(exact::text);
    let mut values: Vec<String> = text(property).into_iter().collect();
    if property == "email" {
        let more = text(MORE_EMAILS).unwrap_or_default();
        values.extend(more.split(';').filter(|text| !text.is_empty()).map(str::to_owned));
    }
    values
}
