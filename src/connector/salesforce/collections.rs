//! Writes up to 200 records of an object in one call: sObject Collections, whose results stand in the
//! order of the records.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm>

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::Salesforce;
use super::describe::Description;
use super::ids::{long_id, told_id};
use super::problem::{Problem, failure};
use super::shape::sent;
use super::single::lacks_matches;
use crate::connector::contract::{
    Action, By, Question, RequestError, Verdict, Write, WriteAnswer, WriteBatch,
};
use crate::connector::http::{Answer, Call, Redactor};
use crate::connector::parts::of_error;
use crate::json::exact;
use crate::record::{ExternalId, RemoteId, StreamName};

/// Records of one call.
pub(super) const MAX_RECORDS: usize = 200;
/// How often a record is sent without what may not be set on it: each time it may be told of more.
const MOST_ROUNDS: usize = 3;
/// What stands around a record's fields: its type, its id, commas.
pub(super) const ENVELOPE_BYTES: usize = 140;

/// One record of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) description: &'a Description,
    pub(super) write: &'a Write,
    /// A JSON object: values by the names of fields.
    pub(super) fields: &'a str,
    /// The field of its own external id, beside that of its stream.
    pub(super) key: Option<&'a str>,
}

impl Salesforce {
    /// Writes a batch of plain records. `property`: where external ids are kept.
    pub(super) async fn write_collection(
        &self,
        description: &Description,
        property: Option<&str>,
        batch: &WriteBatch,
    ) -> Result<WriteAnswer, RequestError> {
        let rows: Vec<Row<'_>> = batch
            .writes
            .iter()
            .map(|write| Row { description, write, fields: &write.body, key: None })
            .collect();
        self.write_rows(batch.action, property, &rows, batch.not_after).await
    }

    /// Writes records; those of an upsert are of one object. What Salesforce does not let be set on a
    /// record is left out of that record, in a call after.
    pub(super) async fn write_rows(
        &self,
        action: Action,
        property: Option<&str>,
        rows: &[Row<'_>],
        not_after: Option<Instant>,
    ) -> Result<WriteAnswer, RequestError> {
        let Written { mut answer, mut unwritable } =
            self.write_once(action, property, rows, not_after).await?;
        for _ in 0..MOST_ROUNDS {
            let mut left = Vec::new();
            for (place, fields) in std::mem::take(&mut unwritable) {
                let Row { description, fields: before, .. } = rows[place];
                let is_refused =
                    |name: &str| fields.iter().any(|own| own.eq_ignore_ascii_case(name));
                let without = sent(None, &[], before, |name| !is_refused(name));
                if without != before {
                    for field in &fields {
                        self.tell_left_out(&description.name, field);
                    }
                    left.push((place, without));
                }
            }
            if left.is_empty() {
                break;
            }
            let again: Vec<Row<'_>> =
                left.iter().map(|(place, fields)| Row { fields, ..rows[*place] }).collect();
            match self.write_once(action, property, &again, not_after).await {
                Ok(written) => {
                    for ((place, _), verdict) in left.iter().zip(written.answer.verdicts) {
                        answer.verdicts[*place] = verdict;
                    }
                    let of = |(place, fields): (usize, Vec<String>)| (left[place].0, fields);
                    unwritable = written.unwritable.into_iter().map(of).collect();
                }
                Err(error) => {
                    for (place, _) in &left {
                        answer.verdicts[*place] = of_error(&error);
                    }
                }
            }
        }
        Ok(answer)
    }

    /// The same in one call; where it is refused as a whole for fields that an object has not any more,
    /// once more without them: halved, it would be refused for each record.
    async fn write_once(
        &self,
        action: Action,
        property: Option<&str>,
        rows: &[Row<'_>],
        not_after: Option<Instant>,
    ) -> Result<Written, RequestError> {
        let redactor = self.client.redactor();
        let answer = loop {
            self.quota.refuse_spent()?;
            let (method, url, body) = self.call_of(action, property, rows).await?;
            let answer = self.send(method, url, body, false, not_after).await?;
            if answer.is_success() {
                break answer;
            }
            let error = failure(&answer, Call::Write { action, single: false }, redactor);
            if !self.lacks_a_column(&error, rows) {
                return Err(self.of_refused_call(error, rows));
            }
        };
        let Some(results) = results(&answer, rows.len()) else {
            return Err(RequestError::Protocol(answer.describe(redactor).into()));
        };
        let (mut verdicts, mut unwritable) = (Vec::with_capacity(results.len()), Vec::new());
        for (place, (result, row)) in results.iter().zip(rows).enumerate() {
            let keys: Vec<&str> = property.into_iter().chain(row.key).collect();
            let mut verdict = self.verdict(action, row.write, result, &keys);
            if lacks_matches(result)
                && let Some(told) = self.ask_for_matches(property, action, row, &keys).await
            {
                verdict = told;
            }
            verdicts.push(verdict);
            let fields = unwritable_fields(errors(result));
            unwritable.extend(fields.map(|fields| (place, fields)));
        }
        if action == Action::Update {
            self.see_missing(rows, &results, &mut verdicts).await;
        }
        let answer = WriteAnswer { status: answer.status, verdicts, quiet: None };
        Ok(Written { answer, unwritable })
    }

    async fn call_of(
        &self,
        action: Action,
        property: Option<&str>,
        rows: &[Row<'_>],
    ) -> Result<(Method, Url, Bytes), RequestError> {
        if action == Action::Delete {
            let mut url = self.url(&["composite", "sobjects"]).await?;
            let ids: Vec<&str> = rows.iter().filter_map(|row| remote_id(row.write)).collect();
            url.query_pairs_mut()
                .append_pair("ids", &ids.join(","))
                .append_pair("allOrNone", "false");
            return Ok((Method::DELETE, url, Bytes::new()));
        }
        let segments = match (action, property, rows.first()) {
            (Action::Upsert, Some(property), Some(first)) => {
                vec!["composite", "sobjects", first.description.name.as_str(), property]
            }
            _ => vec!["composite", "sobjects"],
        };
        let method = if action == Action::Create { Method::POST } else { Method::PATCH };
        let url = self.url(&segments).await?;
        Ok((method, url, Bytes::from(self.body(action, property, rows))))
    }

    /// Whether a call was refused for a field that an object of its records has not any more: it is
    /// left out from now on.
    fn lacks_a_column(&self, error: &RequestError, rows: &[Row<'_>]) -> bool {
        let RequestError::Refused { code: Some(code), message, .. } = error else { return false };
        // `No such column 'Old__c' on sobject of type Account`
        let Some((_, rest)) = message.split_once("No such column '") else { return false };
        let Some((field, rest)) = rest.split_once('\'') else { return false };
        // A record may name another one by a field that this one has not.
        let named = rest.split_once("on sobject of type ").map(|(_, name)| name);
        let named = named.map(|name| name.split(|c: char| !c.is_alphanumeric() && c != '_').next());
        let is_meant = |object: &&String| {
            named.is_none_or(|name| name.is_some_and(|name| name.eq_ignore_ascii_case(object)))
        };
        let objects: BTreeSet<_> = rows.iter().map(|row| &row.description.name).collect();
        let mut is_new = false;
        for object in objects.into_iter().filter(is_meant).filter(|_| &**code == "INVALID_FIELD") {
            self.descriptions.forget(object);
            is_new |= self.note_gone(object, field);
        }
        is_new
    }

    /// A refusal that is none of a single record: asked for each of them, it would be the same.
    fn of_refused_call(&self, error: RequestError, rows: &[Row<'_>]) -> RequestError {
        match error {
            // `Provided external ID field does not exist or is not accessible: Ext__c`
            RequestError::Refused { status, message, .. }
                if message.contains("external ID field does not exist") =>
            {
                for row in rows {
                    self.descriptions.forget(&row.description.name);
                }
                RequestError::Forbidden { status, message }
            }
            error => error,
        }
    }

    /// What a change is refused for may be another record, which it names: one that is there is not
    /// missing.
    async fn see_missing(&self, rows: &[Row<'_>], results: &[Value], verdicts: &mut [Verdict]) {
        let mut open: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, row) in rows.iter().enumerate() {
            if verdicts[place] == Verdict::Missing {
                open.entry(&row.description.name).or_default().push(place);
            }
        }
        for (object, places) in open {
            let keys = places.iter().filter_map(|place| remote_id(rows[*place].write));
            let keys: BTreeSet<Arc<str>> = keys.map(Arc::from).collect();
            let keys = keys.into_iter().collect();
            let question = Question::of_ids(StreamName::new(object), By::RemoteId, keys);
            match self.find_all(object, None, question).await {
                Ok(found) => {
                    let there: HashSet<Arc<str>> = found.into_iter().map(|row| row.key).collect();
                    for place in places {
                        let id = remote_id(rows[place].write).unwrap_or_default();
                        if let (true, [first, ..]) = (there.contains(id), errors(&results[place])) {
                            let rejection = Problem(first).rejection(self.client.redactor());
                            verdicts[place] = Verdict::Rejected(rejection);
                        }
                    }
                }
                Err(error) => {
                    for place in places {
                        verdicts[place] = Verdict::Busy(error.to_string().into());
                    }
                }
            }
        }
    }

    fn body(&self, action: Action, property: Option<&str>, rows: &[Row<'_>]) -> String {
        let mut records = String::new();
        for row in rows {
            if !records.is_empty() {
                records.push(',');
            }
            records.push_str(&self.sent(Some(&row.description.name), action, property, row));
        }
        format!("{{\"allOrNone\":false,\"records\":[{records}]}}")
    }

    /// What a record is sent with, and its type where an object is given.
    pub(super) fn sent(
        &self,
        object: Option<&str>,
        action: Action,
        property: Option<&str>,
        row: &Row<'_>,
    ) -> String {
        let Row { description, write, fields, .. } = row;
        let external = write.external_id.as_ref().map(ExternalId::as_str);
        let id = remote_id(write).filter(|_| action == Action::Update);
        let mut with: Vec<(&str, &str)> = id.map(|id| ("id", id)).into_iter().collect();
        // Also of one that is changed by its id, so that it is found by it from then on.
        let property = property.filter(|name| description.field(name).is_some());
        with.extend(property.zip(external));
        sent(object, &with, fields, self.keeps(description, action))
    }

    /// Which fields of an object may be written so.
    pub(super) fn keeps<'a>(
        &'a self,
        description: &'a Description,
        action: Action,
    ) -> impl Fn(&str) -> bool + 'a {
        let gone = self.gone(&description.name);
        move |name| {
            let is_allowed = description.field(name).is_none_or(|field| match action {
                Action::Create => field.createable,
                Action::Update => field.updateable,
                _ => true,
            });
            if !is_allowed && action == Action::Update {
                self.tell_left_out(&description.name, name);
            }
            is_allowed && !gone.contains(name)
        }
    }

    /// What the errors say of a record that was not written. `keys`: the fields that tell records
    /// apart.
    pub(super) fn refusal(&self, action: Action, errors: &[Value], keys: &[&str]) -> Verdict {
        let redactor = self.client.redactor();
        if errors.is_empty() {
            return Verdict::InDoubt("it is told to have failed, and not why".into());
        }
        let told = errors.iter().map(|error| Problem(error).verdict(action, keys, redactor));
        told.min_by_key(rank).unwrap_or_else(|| Verdict::InDoubt("it is not told why".into()))
    }

    fn verdict(&self, action: Action, write: &Write, result: &Value, keys: &[&str]) -> Verdict {
        match result.get("success").and_then(Value::as_bool) {
            Some(true) => written(action, write, result, self.client.redactor()),
            Some(false) => self.refusal(action, errors(result), keys),
            None => Verdict::InDoubt("the answer does not say whether it was written".into()),
        }
    }
}

/// What became of the records of a call.
struct Written {
    answer: WriteAnswer,
    /// Those that were refused for fields that may not be set on them: their places, and which.
    unwritable: Vec<(usize, Vec<String>)>,
}

pub(super) fn errors(result: &Value) -> &[Value] {
    result["errors"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The fields for which a record is refused, where it is for nothing but that they may not be set on it.
pub(super) fn unwritable_fields(errors: &[Value]) -> Option<Vec<String>> {
    let is_one = |error: &Value| Problem(error).code() == "INVALID_FIELD_FOR_INSERT_UPDATE";
    let fields: Vec<String> = errors.iter().flat_map(|error| Problem(error).fields()).collect();
    (!fields.is_empty() && errors.iter().all(is_one)).then_some(fields)
}

/// What leaves most open comes first.
fn rank(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::InDoubt(_) => 0,
        Verdict::Busy(_) => 1,
        Verdict::Rejected(_) => 3,
        _ => 2,
    }
}

/// What a result of success says.
pub(super) fn written(
    action: Action,
    write: &Write,
    result: &Value,
    redactor: &Redactor,
) -> Verdict {
    let id = told_id(result.get("id"), redactor);
    let is_other =
        |id: &RemoteId| remote_id(write).is_some_and(|known| long_id(known) != id.as_str());
    match action {
        Action::Create => Verdict::Created(id),
        Action::Update if id.as_ref().is_some_and(is_other) => {
            Verdict::InDoubt("the answer names another record".into())
        }
        Action::Update => Verdict::Updated(id),
        Action::Upsert => match result.get("created").and_then(Value::as_bool) {
            Some(true) => Verdict::Created(id),
            Some(false) => Verdict::Updated(id),
            None => Verdict::Upserted(id),
        },
        Action::Delete => Verdict::Deleted,
    }
}

fn remote_id(write: &Write) -> Option<&str> {
    write.remote_id.as_ref().map(RemoteId::as_str)
}

/// One result for each record, in their order; `None` where that is not what came.
pub(super) fn results(answer: &Answer, count: usize) -> Option<Vec<Value>> {
    let body = exact::parse(&answer.body).ok()?;
    body.as_array().filter(|results| results.len() == count).cloned()
}
