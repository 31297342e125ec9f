//! Writes a record, in a call of its own: found by the user's id and made or changed
//! (`PUT …/eid:{id}`), made (`POST`), changed (`PATCH`) or removed. Its id is told by the answer's
//! `Location`.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/chapter_1540810168.html>

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::LOCATION;
use serde_json::Value;
use url::Url;

use super::NetSuite;
use super::directory::Found;
use super::paths::{Which, is_number, numbered};
use super::problem::{MAX_CHARS, Problem, failure};
use super::reference::{FIND, Reference, fill, references};
use super::stream::Learned;
use super::table::Place;
use crate::connector::contract::{
    Action, ErrorClass, Rejection, RequestError, Verdict, Write, WriteAnswer, WriteBatch,
};
use crate::connector::http::{Answer, Call, Redactor};
use crate::connector::parts::not_sent;
use crate::json::exact;
use crate::json::fields::{Fields, push_text};
use crate::record::{ExternalId, RemoteId};

/// The field of the user's id.
pub(super) const EXTERNAL_ID: &str = "externalId";

impl NetSuite {
    /// Writes the one record of a batch, in NetSuite's own names.
    pub(super) async fn write_native(
        &self,
        learned: &Learned,
        batch: &WriteBatch,
    ) -> Result<WriteAnswer, RequestError> {
        let write = only(batch)?;
        let record_type = learned.record_type();
        if batch.action == Action::Delete {
            let url = self.paths.record(record_type, Which::Id(known(write)?))?;
            return self.write_one(Method::DELETE, url, String::new(), batch).await;
        }
        let named = references(&write.body);
        let body = match self.resolved(&write.body, &named, None).await? {
            Ok(body) => body,
            Err(verdict) => return Ok(unsent(verdict)),
        };
        let (method, mut url) = match batch.action {
            Action::Create => (Method::POST, self.paths.records(record_type)?),
            Action::Update => {
                (Method::PATCH, self.paths.record(record_type, Which::Id(known(write)?))?)
            }
            _ => (Method::PUT, self.paths.record(record_type, Which::ExternalId(own(write)?))?),
        };
        if batch.action != Action::Create {
            // So that the same call twice leaves each line once.
            replace(&mut url, &sublists(&body));
        }
        let body = with_external_id(&body, write, batch.action);
        let answer = self.write_one(method, url, body, batch).await?;
        self.doubt_named(&answer, &named);
        Ok(answer)
    }

    /// What was believed of those whom a record names does not hold, where NetSuite misses somebody.
    pub(super) fn doubt_named(&self, answer: &WriteAnswer, named: &[Reference]) {
        if !named.is_empty() && matches!(answer.verdicts[..], [Verdict::NoParent(_)]) {
            self.directory.forget(named);
            self.directory.save();
        }
    }

    /// A body with all whom it names, who are `named`, by NetSuite's ids; the verdict, where
    /// somebody is not there.
    ///
    /// # Errors
    /// When nobody can tell now.
    pub(super) async fn resolved(
        &self,
        body: &str,
        named: &[Reference],
        scope: Option<&str>,
    ) -> Result<Result<String, Verdict>, RequestError> {
        if named.is_empty() {
            return Ok(Ok(body.to_owned()));
        }
        self.look_for(named, false).await.map_err(not_sent)?;
        if let Some(verdict) = self.missing_subsidiaries(body) {
            return Ok(Err(verdict));
        }
        Ok(fill(body, scope, &|reference, scope| self.id_of(reference, scope)))
    }

    /// Where a record names several subsidiaries, all that are missing are told at once.
    fn missing_subsidiaries(&self, body: &str) -> Option<Verdict> {
        let body: Value = exact::parse(body.as_bytes()).ok()?;
        let items = body["subsidiary"]["items"].as_array()?;
        let of = |item: &Value| serde_json::from_value::<Reference>(item[FIND].clone()).ok();
        let all: Vec<Reference> = items.iter().filter_map(of).collect();
        let is_missing =
            |one: &&Reference| matches!(self.directory.find(one, None), Found::Nobody(_));
        let missing: Vec<&Reference> = all.iter().filter(is_missing).collect();
        let redactor = self.client.redactor();
        (!missing.is_empty()).then(|| no_parent(&Reference::nobody_of(&missing), redactor))
    }

    pub(super) fn id_of(
        &self,
        reference: &Reference,
        scope: Option<&str>,
    ) -> Result<String, Verdict> {
        let redactor = self.client.redactor();
        if let Some(of) = &reference.of {
            // Until that one is there, it is not known which is meant.
            self.id_of(of, scope)?;
        }
        let mut id = None;
        // Who else is named must be there, too.
        for one in std::iter::successors(Some(reference), |one| one.or.as_deref()) {
            match self.directory.find(one, scope) {
                Found::One(row) => {
                    let own = row.get("id").map(str::to_owned);
                    let own =
                        own.ok_or_else(|| no_parent("NetSuite tells no id of it", redactor))?;
                    id.get_or_insert(own);
                }
                Found::Nobody(why) => return Err(no_parent(&why, redactor)),
                Found::Several(why) => return Err(refused("ambiguous", &why, redactor)),
            }
        }
        let nobody = || no_parent(&format!("Unable to find {}.", reference.what), redactor);
        id.ok_or_else(nobody)
    }

    /// Makes a call that writes the one record of a batch, and judges the answer.
    pub(super) async fn write_one(
        &self,
        method: Method,
        url: Url,
        body: String,
        batch: &WriteBatch,
    ) -> Result<WriteAnswer, RequestError> {
        let write = only(batch)?;
        let table = Place::of(type_of(url.path())).table;
        // Before it too: the job may end without an answer.
        self.directory.wrote(&table);
        let answer = self.send(method, url, Bytes::from(body), false, batch.not_after).await;
        self.directory.wrote(&table);
        let answer = answer?;
        let verdict = self.judge(&answer, batch.action, write.remote_id.as_ref())?;
        Ok(WriteAnswer { status: answer.status, verdicts: vec![verdict], quiet: None })
    }

    /// What an answer says of the one record that was written; `id`: under which it is known.
    ///
    /// # Errors
    /// The answer says nothing of it.
    pub(super) fn judge(
        &self,
        answer: &Answer,
        action: Action,
        id: Option<&RemoteId>,
    ) -> Result<Verdict, RequestError> {
        let redactor = self.client.redactor();
        let call = Call::Write { action, single: true };
        let problem = Problem::read(&answer.body);
        match problem {
            // Any other success is an intermediary's, or says that NetSuite has yet to do it.
            None if answer.status == 204 => {
                let told = self.told_id(answer);
                Ok(match action {
                    Action::Create => Verdict::Created(told),
                    // What it is known by does not change; the user's id is no remote id.
                    Action::Update => {
                        Verdict::Updated(id.filter(|id| is_number(id.as_str())).cloned().or(told))
                    }
                    Action::Upsert => Verdict::Upserted(told),
                    Action::Delete => Verdict::Deleted,
                })
            }
            None if answer.is_success() => {
                Err(RequestError::Protocol(answer.describe(redactor).into()))
            }
            Some(problem)
                if (answer.is_success()
                    || matches!(answer.status, 400 | 404 | 405 | 409 | 412 | 422))
                    && !problem.is_of_limit() =>
            {
                let is_gone = answer.status == 404 && problem.is_missing();
                if is_gone && matches!(action, Action::Update | Action::Delete) {
                    return Ok(Verdict::Missing);
                }
                Ok(problem.verdict(action, redactor))
            }
            _ => Err(failure(answer, call, redactor)),
        }
    }

    /// The id in the answer's `Location`.
    fn told_id(&self, answer: &Answer) -> Option<RemoteId> {
        let location = answer.headers.get(LOCATION)?.to_str().ok()?;
        let id = id_at(location, type_of(answer.asked.path()))?.to_owned();
        self.client.redactor().unless_secret(id).map(RemoteId::new)
    }
}

/// The id in an address of a record of this type, `…/record/v1/{type}/{id}`.
fn id_at<'a>(address: &'a str, record_type: &str) -> Option<&'a str> {
    let (before, id) = numbered(address)?;
    // NetSuite tells it in lower case.
    let is_own = !record_type.is_empty() && type_of(before).eq_ignore_ascii_case(record_type);
    is_own.then_some(id)
}

/// The record type of a path, or nothing: what stands behind `/record/v1/`.
fn type_of(path: &str) -> &str {
    let behind = path.split_once("/record/v1/").map_or("", |(_, behind)| behind);
    behind.split('/').next().unwrap_or_default()
}

/// Whether NetSuite itself says that there is no such record.
pub(super) fn is_missing(answer: &Answer) -> bool {
    answer.status == 404 && Problem::read(&answer.body).is_some_and(|problem| problem.is_missing())
}

/// The one record of a batch.
pub(super) fn only(batch: &WriteBatch) -> Result<&Write, RequestError> {
    match batch.writes.as_slice() {
        [write] => Ok(write),
        _ => Err(RequestError::never_sent("NetSuite takes one record a call")),
    }
}

pub(super) fn known(write: &Write) -> Result<&str, RequestError> {
    let id = write.remote_id.as_ref().map(RemoteId::as_str);
    id.ok_or_else(|| RequestError::never_sent("its id at NetSuite is not known"))
}

fn own(write: &Write) -> Result<&str, RequestError> {
    let id = write.external_id.as_ref().map(ExternalId::as_str);
    id.ok_or_else(|| RequestError::never_sent("it has no external id"))
}

/// A record that was not sent.
pub(super) fn unsent(verdict: Verdict) -> WriteAnswer {
    WriteAnswer { status: 0, verdicts: vec![verdict], quiet: None }
}

/// Of a record that was not sent; what NetSuite has told may stand in the `message`.
pub(super) fn refused(code: &str, message: &str, redactor: &Redactor) -> Verdict {
    Verdict::Rejected(rejection(code, message, redactor))
}

fn no_parent(message: &str, redactor: &Redactor) -> Verdict {
    Verdict::NoParent(rejection("no_parent", message, redactor))
}

fn rejection(code: &str, message: &str, redactor: &Redactor) -> Rejection {
    let message = redactor.excerpt(message, MAX_CHARS).into();
    Rejection { class: ErrorClass::Payload, code: Some(code.into()), message }
}

/// A body with the user's id, by which the record is found from then on. In the address of an upsert
/// it stands already.
pub(super) fn with_external_id(body: &str, write: &Write, action: Action) -> String {
    let Some(id) = write.external_id.as_ref().filter(|_| action != Action::Upsert) else {
        return body.to_owned();
    };
    let Ok(fields) = Fields::of_text(body) else { return body.to_owned() };
    let mut text = String::new();
    push_text(&mut text, id.as_str());
    fields.with(EXTERNAL_ID, &text)
}

/// Names of a body's sublists: `{"items": […]}`.
fn sublists(body: &str) -> Vec<String> {
    let Ok(fields) = Fields::of_text(body) else { return Vec::new() };
    let is_sublist = |json: &str| {
        json.starts_with('{')
            && Fields::of_text(json)
                .is_ok_and(|own| own.get("items").is_some_and(|items| items.get().starts_with('[')))
    };
    let own = fields.0.iter().filter(|(_, value)| is_sublist(value.get()));
    own.map(|(name, _)| name.to_string()).collect()
}

/// Lines of these sublists take the place of those that are there.
fn replace(url: &mut Url, sublists: &[String]) {
    if !sublists.is_empty() {
        url.query_pairs_mut().append_pair("replace", &sublists.join(","));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_users_id_goes_out_with_the_record() {
        let write = Write {
            external_id: Some(ExternalId::from("B\"1")),
            remote_id: None,
            version: None,
            body: Arc::default(),
            key: Arc::default(),
            says_id: false,
            stands_in: false,
            has_waited: false,
        };
        let of = |action| {
            with_external_id(r#"{"tranId":"1","externalId":"x","rate":1.50}"#, &write, action)
        };
        assert_eq!(of(Action::Create), r#"{"externalId":"B\"1","tranId":"1","rate":1.50}"#);
        assert_eq!(of(Action::Upsert), r#"{"tranId":"1","externalId":"x","rate":1.50}"#);
    }

    #[test]
    fn an_id_is_of_the_type_that_was_written() {
        let at = |address: &str| id_at(address, "vendorBill").map(str::to_owned);
        let root = "https://h/services/rest/record/v1";
        assert_eq!(at(&format!("{root}/vendorbill/12")).as_deref(), Some("12"));
        assert_eq!(at(&format!("{root}/vendorBill/12/?x=1")).as_deref(), Some("12"));
        for address in ["/customer/12", "/vendorBill/eid:12", "/vendorBill", "/vendorBill/x", "/12"]
        {
            assert_eq!(at(&format!("{root}{address}")), None, "{address}");
        }
        assert_eq!(at("https://h/services/rest/async/v1/job/77"), None);
        assert_eq!(id_at("/record/v1//12", ""), None);
    }

    #[test]
    fn sublists_are_known_by_their_lines() {
        let body = r#"{"item":{"items":[{"line":1},{"quantity":1}]},"entity":{"id":"1"},"expense":{"items":[{"line":2}]},
            "billingAddress":{"city":"x"}}"#;
        let all = sublists(body);
        assert_eq!(all, ["item", "expense"]);
        let mut url = Url::parse("http://h/a").unwrap();
        replace(&mut url, &all);
        assert_eq!(url.query(), Some("replace=item%2Cexpense"));
    }
}
