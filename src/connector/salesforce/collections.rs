//! Writes up to 200 records of an object in one call: sObject Collections, whose results stand in the
//! order of the records.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm>

use std::collections::BTreeSet;
use std::time::Instant;

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use super::Salesforce;
use super::describe::Description;
use super::ids::{long_id, told_id};
use super::problem::{Problem, failure};
use super::shape::sent;
use super::single::lacks_matches;
use crate::connector::contract::{Action, RequestError, Verdict, Write, WriteAnswer, WriteBatch};
use crate::connector::http::{Answer, Call, Redactor};
use crate::json::exact;
use crate::record::{ExternalId, RemoteId};

/// Records of one call.
pub(super) const MAX_RECORDS: usize = 200;
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

    /// Writes records in one call; those of an upsert are of one object.
    pub(super) async fn write_rows(
        &self,
        action: Action,
        property: Option<&str>,
        rows: &[Row<'_>],
        not_after: Option<Instant>,
    ) -> Result<WriteAnswer, RequestError> {
        self.quota.refuse_spent()?;
        let (method, url, body) = match action {
            Action::Delete => {
                let mut url = self.url(&["composite", "sobjects"]).await?;
                let ids: Vec<&str> = rows.iter().filter_map(|row| remote_id(row.write)).collect();
                url.query_pairs_mut()
                    .append_pair("ids", &ids.join(","))
                    .append_pair("allOrNone", "false");
                (Method::DELETE, url, Bytes::new())
            }
            action => {
                let segments = match (action, property, rows.first()) {
                    (Action::Upsert, Some(property), Some(first)) => {
                        vec!["composite", "sobjects", first.description.name.as_str(), property]
                    }
                    _ => vec!["composite", "sobjects"],
                };
                let method = if action == Action::Create { Method::POST } else { Method::PATCH };
                let url = self.url(&segments).await?;
                (method, url, Bytes::from(self.body(action, property, rows)))
            }
        };
        let answer = self.send(method, url, body, false, not_after).await?;
        let redactor = self.client.redactor();
        let call = Call::Write { action, single: false };
        if !answer.is_success() {
            let error = failure(&answer, call, redactor);
            if let Some(verdicts) = self.without_missing(&error, rows) {
                return Ok(WriteAnswer { status: answer.status, verdicts, quiet: None });
            }
            return Err(error);
        }
        let Some(results) = results(&answer, rows.len()) else {
            return Err(RequestError::Protocol(answer.describe(redactor).into()));
        };
        let mut verdicts = Vec::with_capacity(results.len());
        for (result, row) in results.iter().zip(rows) {
            let keys: Vec<&str> = property.into_iter().chain(row.key).collect();
            let mut verdict = self.verdict(row.description, action, row.write, result, &keys);
            if lacks_matches(result)
                && let Some(told) = self.ask_for_matches(property, action, row, &keys).await
            {
                verdict = told;
            }
            verdicts.push(verdict);
        }
        Ok(WriteAnswer { status: answer.status, verdicts, quiet: None })
    }

    /// A call that is refused as a whole for a field that an object has not any more goes out again
    /// without it: halved, it would be refused for each record. `None`: it is refused for something else.
    fn without_missing(&self, error: &RequestError, rows: &[Row<'_>]) -> Option<Vec<Verdict>> {
        let RequestError::Refused { code: Some(code), message, .. } = error else { return None };
        if &**code != "INVALID_FIELD" {
            return None;
        }
        // `No such column 'Old__c' on sobject of type Account`
        let (_, rest) = message.split_once("No such column '")?;
        let (field, _) = rest.split_once('\'')?;
        let mut is_new = false;
        for object in rows.iter().map(|row| &row.description.name).collect::<BTreeSet<_>>() {
            self.descriptions.forget(object);
            is_new |= self.note_read_only(object, vec![field.to_owned()]);
        }
        is_new.then(|| vec![Verdict::Busy(message.clone()); rows.len()])
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
        let read_only = self.read_only(&description.name);
        move |name| {
            let is_allowed = description.field(name).is_none_or(|field| match action {
                Action::Create => field.createable,
                Action::Update => field.updateable,
                _ => true,
            });
            if !is_allowed && action == Action::Update {
                self.tell_only_new(&description.name, name);
            }
            is_allowed && !read_only.contains(name)
        }
    }

    /// What the errors say of a record that was not written. `keys`: the fields that tell records
    /// apart.
    pub(super) fn refusal(
        &self,
        object: &str,
        action: Action,
        errors: &[Value],
        keys: &[&str],
    ) -> Verdict {
        let redactor = self.client.redactor();
        let [first, ..] = errors else {
            return Verdict::InDoubt("it is told to have failed, and not why".into());
        };
        // What a profile keeps from being written is left out from now on.
        let read_only = |error: &Value| {
            let code = Problem(error).code();
            code == "INVALID_FIELD_FOR_INSERT_UPDATE" && !Problem(error).fields().is_empty()
        };
        if errors.iter().all(read_only) {
            let fields = errors.iter().flat_map(|error| Problem(error).fields());
            if self.note_read_only(object, fields.collect()) {
                return Verdict::Busy(Problem(first).rejection(redactor).message);
            }
        }
        let told = errors.iter().map(|error| Problem(error).verdict(action, keys, redactor));
        told.min_by_key(rank).unwrap_or_else(|| Verdict::InDoubt("it is not told why".into()))
    }

    fn verdict(
        &self,
        description: &Description,
        action: Action,
        write: &Write,
        result: &Value,
        keys: &[&str],
    ) -> Verdict {
        match result.get("success").and_then(Value::as_bool) {
            Some(true) => written(action, write, result, self.client.redactor()),
            Some(false) => {
                let errors = result["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
                self.refusal(&description.name, action, errors, keys)
            }
            None => Verdict::InDoubt("the answer does not say whether it was written".into()),
        }
    }
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
