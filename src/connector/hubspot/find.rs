//! Finds records: by ids and unique properties in batches, by anything else with the search.
//!
//! `…/batch/read` shows what was written at once; the search shows it some seconds later, and may be
//! asked five times in a second (<https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm>).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::HubSpot;
use super::paths::Api;
use super::problem::{Problem, failure, is_error, list, num_errors};
use crate::connector::contract::{
    Action, By, Found, Question, Rejection, RequestError, Row, Verdict,
};
use crate::connector::http::{Answer, Call};
use crate::connector::stop::unless_stopped;
use crate::json::exact;
use crate::record::RemoteId;

/// Keys of one call that reads.
pub(super) const MAX_KEYS: usize = 100;
/// Keys of one search, each of which may be given in two spellings: a filter takes 100 values.
pub(super) const MAX_SEARCHED: usize = 50;
/// Records on one page of the search.
const MAX_PAGE: usize = 200;
/// The other addresses of a contact, by which it is found too: apart by `;`.
const MORE_EMAILS: &str = "hs_additional_emails";

/// The ids of the records that were merged into one: apart by `;`.
const MERGED: &str = "hs_merged_object_ids";

/// Whether a property tells records of an object apart, in any account.
pub(super) fn is_unique(object: &str, property: &str) -> bool {
    property == "hs_object_id" || (property == "email" && object == "contacts")
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
            all.quiet = all.quiet.max(found.quiet);
        }
        Ok(all)
    }

    /// By ids, or by the values of a unique property.
    pub(super) async fn read(
        &self,
        object: &str,
        property: Option<&str>,
        question: &Question,
    ) -> Result<Found, RequestError> {
        let mut names = wanted(question);
        names.extend(property);
        names.extend(property.is_none().then_some(MERGED));
        if property == Some("email") {
            names.push(MORE_EMAILS);
        }
        // Two spellings of one id are one input, and two rows.
        let asked: BTreeSet<&str> = question
            .keys
            .iter()
            .map(|key| if property.is_none() { object_id(key) } else { key })
            .collect();
        let inputs: Vec<Value> = asked.iter().map(|id| json!({"id": id})).collect();
        let mut body = json!({"inputs": inputs, "properties": names, "propertiesWithHistory": []});
        if let Some(property) = property {
            body["idProperty"] = property.into();
        }
        let url = self.paths.of(Api::Objects, &[object, "batch", "read"])?;
        self.refuse_known(&url)?;
        let sent = Bytes::from(body.to_string());
        let answer = self.post(url.clone(), sent.clone(), true, None).await?;
        let quiet = self.limits.quiet();
        let body = self.body_of(&answer).map_err(|error| self.noted(&url, &sent, error))?;
        let keys = Keys::new(question, |key| folded(property, key));
        let results = results(&body)?;
        let mut rows = Vec::new();
        let mut unknown = Vec::new();
        for result in results {
            let values = match property {
                None => ids(result),
                Some(property) => values(result, property),
            };
            let own = self.rows(result, &values, &keys)?;
            if own.is_empty() {
                unknown.push(result);
            }
            rows.extend(own);
        }
        let found: HashSet<&str> = rows.iter().map(|row| &*row.key).collect();
        let mut lacking: Vec<&str> = question.keys.iter().map(|key| &**key).collect();
        lacking.retain(|key| !found.contains(key));
        match (unknown.as_slice(), lacking.as_slice()) {
            ([], _) | (_, []) => {}
            // What one id alone has led to is that record, under whatever id: others were merged into
            // it.
            ([result], [key]) if list(&body, "errors").is_empty() => {
                rows.extend(self.rows(result, &[(*key).to_owned()], &keys)?);
                lacking.clear();
            }
            _ => {
                let message = "the answer has records that nobody asked for".into();
                return Err(RequestError::Refused { status: answer.status, code: None, message });
            }
        }
        if answer.status == 207 || is_error(&body) || body["status"] == "PENDING" {
            self.hear_missing(property, &lacking, &body)?;
        }
        Ok(Found { rows, quiet, ..Found::default() })
    }

    /// An answer in parts that does not say of a key that nothing has it says nothing of it.
    /// `lacking`: the keys that have no row.
    fn hear_missing(
        &self,
        property: Option<&str>,
        lacking: &[&str],
        body: &Value,
    ) -> Result<(), RequestError> {
        if body["status"].as_str().is_some_and(|status| status != "COMPLETE" && status != "error") {
            let why = "the answer to a batch is not complete";
            return Err(RequestError::Unreachable(why.into()));
        }
        let errors = list(body, "errors");
        let mut missing: HashSet<String> = HashSet::new();
        for error in errors.iter().map(Problem) {
            if error.is_not_found() {
                missing.extend(error.ids().map(|id| folded(property, &id)));
                continue;
            }
            let Rejection { code, message, .. } = error.rejection(self.client.redactor());
            // A key that it does not take stands alone once the call is halved.
            return Err(match error.verdict(Action::Update, None, self.client.redactor()) {
                Verdict::Rejected(_) => RequestError::Refused { status: 207, code, message },
                _ => RequestError::Unreachable(message),
            });
        }
        let lacking: HashSet<String> = lacking.iter().map(|key| folded(property, key)).collect();
        let counted = num_errors(body).unwrap_or(errors.len());
        // As many as there are, whatever way they are spelled; or errors that name none.
        let is_told = lacking.iter().all(|key| missing.contains(key))
            || missing.len() == lacking.len()
            || (missing.is_empty() && !errors.is_empty() && counted >= lacking.len());
        if is_told {
            return Ok(());
        }
        let why =
            format!("the answer does not say of {} keys whether something has them", lacking.len());
        Err(RequestError::Unreachable(why.into()))
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
        let url = self.paths.of(Api::Objects, &[object, "search"])?;
        self.refuse_known(&url)?;
        unless_stopped(self.searches.turn()).await?;
        let sent = Bytes::from(body.to_string());
        let answer = self.post(url.clone(), sent.clone(), true, None).await?;
        let body = self.body_of(&answer).map_err(|error| self.noted(&url, &sent, error))?;
        let results = results(&body)?;
        let keys = Keys::new(question, spelled);
        let next = body.pointer("/paging/next/after").and_then(exact::text).map(Arc::from);
        let total = body.get("total").and_then(Value::as_u64).unwrap_or_default();
        if is_error(&body) || (results.is_empty() && total > 0 && question.next.is_none()) {
            let why = "the search does not show what it has found";
            return Err(RequestError::Unreachable(why.into()));
        }
        let mut rows = Vec::new();
        for result in results {
            let own = self.rows(result, &values(result, property), &keys)?;
            match question.keys.as_slice() {
                _ if !own.is_empty() => rows.extend(own),
                // What a search for one value finds has it, however it is spelled.
                [key] => rows.extend(self.rows(result, &[key.to_string()], &keys)?),
                _ => {
                    let message = "the search has found what has none of the values".into();
                    return Err(RequestError::Refused {
                        status: answer.status,
                        code: None,
                        message,
                    });
                }
            }
        }
        Ok(Found { rows, next, ..Found::default() })
    }

    /// The body of an answer of success.
    pub(super) fn body_of(&self, answer: &Answer) -> Result<Value, RequestError> {
        let redactor = self.client.redactor();
        if !answer.is_success() {
            return Err(failure(answer, Call::Read, redactor));
        }
        answer.json(redactor).map_err(|what| RequestError::Protocol(what.into()))
    }

    /// A row for each key that one of `values` is.
    ///
    /// # Errors
    /// The properties that are asked for are not told: that they are empty must not be believed.
    fn rows(
        &self,
        result: &Value,
        values: &[String],
        keys: &Keys<'_>,
    ) -> Result<Vec<Row>, RequestError> {
        let id = id_of(result).and_then(|id| self.client.redactor().unless_secret(id));
        let Some(id) = id else { return Ok(Vec::new()) };
        let held = result.get("properties").and_then(Value::as_object);
        if held.is_none() && !wanted(keys.question).is_empty() {
            let why = "the answer has a record without the properties that were asked for";
            return Err(RequestError::Protocol(why.into()));
        }
        let fields = |held: &Map<String, Value>| {
            let wanted = keys
                .question
                .want
                .iter()
                .filter_map(|name| Some((name.to_string(), held.get(&**name)?.clone())));
            wanted.collect()
        };
        let row = |key: &Arc<str>| Row {
            key: Arc::clone(key),
            remote_id: RemoteId::new(id.as_str()),
            version: None,
            fields: held.map(fields).unwrap_or_default(),
            altered: None,
        };
        Ok(values.iter().flat_map(|value| keys.of(value)).map(row).collect())
    }
}

/// The id that an answer tells of a record: a text or a number.
pub(super) fn id_of(result: &Value) -> Option<String> {
    let id = result.get("id").filter(|id| id.is_string() || id.is_number());
    id.and_then(exact::text).map(|id| object_id(&id).to_owned())
}

/// A record's id, and those of the records that were merged into it.
fn ids(result: &Value) -> Vec<String> {
    id_of(result).into_iter().chain(listed(result, MERGED)).collect()
}

/// The keys of a question, by how the remote spells them.
struct Keys<'a> {
    question: &'a Question,
    spell: Box<dyn Fn(&str) -> String + Send + Sync + 'a>,
    spelled: HashMap<String, Vec<&'a Arc<str>>>,
}

impl<'a> Keys<'a> {
    fn new(question: &'a Question, spell: impl Fn(&str) -> String + Send + Sync + 'a) -> Self {
        let mut keys: HashMap<String, Vec<&Arc<str>>> = HashMap::new();
        for key in &question.keys {
            keys.entry(spell(key)).or_default().push(key);
        }
        Self { question, spell: Box::new(spell), spelled: keys }
    }

    fn of(&self, value: &str) -> impl Iterator<Item = &'a Arc<str>> {
        self.spelled.get(&(self.spell)(value)).into_iter().flatten().copied()
    }
}

/// What an answer to a question lists. Without a list it says nothing of what is there.
pub(super) fn results(body: &Value) -> Result<&[Value], RequestError> {
    let results = body.get("results").and_then(Value::as_array).map(Vec::as_slice);
    results.ok_or_else(|| RequestError::Protocol("the answer has no list of results".into()))
}

/// A value of a unique property, as HubSpot keeps it: addresses have no upper case. Without a
/// property, an id.
pub(super) fn folded(property: Option<&str>, value: &str) -> String {
    match property {
        None => object_id(value).to_owned(),
        Some("email") => spelled(value),
        Some(_) => value.to_owned(),
    }
}

/// An id as HubSpot has it: a tap that keeps numbers as floats tells 9 as 9.0.
pub(super) fn object_id(id: &str) -> &str {
    let whole = id.split_once('.').filter(|(whole, rest)| {
        let is =
            |text: &str, one: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|b| one(&b));
        is(whole, u8::is_ascii_digit) && is(rest, |digit| *digit == b'0')
    });
    whole.map_or(id, |(whole, _)| whole)
}

/// A value as the search compares it.
fn spelled(value: &str) -> String {
    object_id(value.trim()).to_lowercase()
}

/// The properties that are asked for.
fn wanted(question: &Question) -> Vec<&str> {
    question.want.iter().map(|name| &**name).filter(|name| !name.starts_with('$')).collect()
}

/// The values by which a record is found.
fn values(result: &Value, property: &str) -> Vec<String> {
    let mut values: Vec<String> = held(result, property).into_iter().collect();
    if property == "email" {
        values.extend(listed(result, MORE_EMAILS));
    }
    values
}

fn held(result: &Value, property: &str) -> Option<String> {
    result.get("properties")?.get(property).and_then(exact::text)
}

/// What a property lists, apart by `;`.
fn listed(result: &Value, property: &str) -> Vec<String> {
    let text = held(result, property).unwrap_or_default();
    text.split(';').filter(|one| !one.is_empty()).map(str::to_owned).collect()
}
