//! Writes records one by one: to a path that a stream's name gives, and marketing campaigns, which are
//! no objects of the CRM.

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::HubSpot;
use super::judge::written;
use super::part::Part;
use super::problem::{Problem, failure, is_error, is_of_content, list};
use crate::connector::contract::{Action, RequestError, Verdict, WriteAnswer, WriteBatch};
use crate::connector::http::{Call, Redactor};
use crate::json::exact;
use crate::record::RemoteId;

impl HubSpot {
    /// Posts a record as it is, or patches where it has a remote id. The answer tells the id under
    /// `id`, if it tells one.
    pub(super) async fn write_path(
        &self,
        url: Url,
        batch: &WriteBatch,
    ) -> Result<WriteAnswer, RequestError> {
        let [write] = batch.writes.as_slice() else {
            return Err(RequestError::never_sent("a path takes one record a call"));
        };
        let method = match batch.action {
            Action::Create => Method::POST,
            Action::Update => Method::PATCH,
            _ => return Err(RequestError::never_sent("a path takes records, and removes none")),
        };
        let body = Bytes::from(write.body.as_bytes().to_vec());
        self.write_one(method, url, body, batch, false).await
    }

    /// Makes or changes a campaign.
    pub(super) async fn write_campaign(
        &self,
        batch: &WriteBatch,
    ) -> Result<WriteAnswer, RequestError> {
        let [write] = batch.writes.as_slice() else {
            return Err(RequestError::never_sent("campaigns are written one by one"));
        };
        let id = write.remote_id.as_ref().map(RemoteId::as_str);
        let url = self.paths.campaigns(id)?;
        let (method, body) = match batch.action {
            Action::Delete => (Method::DELETE, Bytes::new()),
            action => {
                let part = Part::of(write, action, None);
                let part = part.map_err(|message| RequestError::never_sent(&message))?;
                let body = format!("{{\"properties\":{}}}", part.properties);
                let method = if action == Action::Create { Method::POST } else { Method::PATCH };
                (method, Bytes::from(body))
            }
        };
        self.write_one(method, url, body, batch, true).await
    }

    async fn write_one(
        &self,
        method: Method,
        url: Url,
        body: Bytes,
        batch: &WriteBatch,
        has_id_in_path: bool,
    ) -> Result<WriteAnswer, RequestError> {
        let answer = self.send(method, url, body, false, batch.not_after).await?;
        let quiet = self.limits.quiet();
        let redactor = self.client.redactor();
        let call = Call::Write { action: batch.action, single: false };
        let parsed = exact::parse(&answer.body);
        if answer.is_success() && parsed.is_err() && !answer.body.trim_ascii().is_empty() {
            return Err(failure(&answer, call, redactor));
        }
        let body = parsed.unwrap_or_default();
        let verdict = if answer.is_success() {
            of_success(batch.action, &body, redactor)
        } else {
            let told = Problem(&body).verdict(batch.action, None, redactor);
            match told {
                // A path that is not there is none of a record's.
                Verdict::Missing if has_id_in_path && answer.status == 404 => told,
                Verdict::Exists(Some(_)) if is_of_content(answer.status) => told,
                _ => {
                    return Err(failure(&answer, call, redactor));
                }
            }
        };
        Ok(WriteAnswer { status: answer.status, verdicts: vec![verdict], quiet })
    }
}

/// What an answer of success says of its record. It may carry a refusal all the same: that of the
/// record, or beside what was written.
fn of_success(action: Action, body: &Value, redactor: &Redactor) -> Verdict {
    let verdict = written(action, body, redactor);
    if !is_error(body) {
        return verdict;
    }
    let problem = Problem(list(body, "errors").first().unwrap_or(body));
    match verdict {
        Verdict::Created(Some(id)) | Verdict::Updated(Some(id)) => {
            Verdict::Altered(Some(id), problem.rejection(redactor).message)
        }
        // A path may take several at once.
        _ if !list(body, "results").is_empty() => {
            Verdict::Altered(None, problem.rejection(redactor).message)
        }
        _ => problem.verdict(action, None, redactor),
    }
}
