//! Sends the calls of the connector and reads what comes back.

use std::sync::Arc;
use std::time::Duration;

use minijinja::value::Value as Name;
use reqwest::header::HeaderValue;

use super::bound::{Bound, operations};
use super::judge::Whole;
use super::manifest::AnswerIs;
use super::program::{AnswerRule, Splice, Stream, Write};
use super::reading::Reading;
use super::request::{self, Scope};
use super::{Rest, rows};
use crate::connector::contract::{
    Action, By, CheckLine, Question, RequestError, Verdict, WriteAnswer, WriteBatch,
};
use crate::connector::http::{Answer, Call, Request};
use crate::record::{ExternalId, RemoteId, StreamName};

impl Rest {
    /// Sends one batch.
    pub(super) async fn send_batch(&self, batch: &WriteBatch) -> Result<WriteAnswer, RequestError> {
        let bound = self.bind(&batch.stream)?;
        let operation = self.write_of(&bound, batch.action)?;
        let request = self.write_request(operation, &bound, batch);
        let request = request.map_err(|message| self.never_sent(&message))?;
        let action = batch.action;
        let (answer, quiet) = self.send(&request, call(operation, action), action.as_str()).await?;
        let verdicts = self.verdicts(batch, &answer)?;
        Ok(WriteAnswer { status: answer.status, verdicts, quiet })
    }

    /// What `answer` says of the writes of `batch`, in their order. No I/O.
    ///
    /// # Errors
    /// As [`Connector::write`](crate::connector::Connector::write).
    pub fn verdicts(
        &self,
        batch: &WriteBatch,
        answer: &Answer,
    ) -> Result<Vec<Verdict>, RequestError> {
        let bound = self.bind(&batch.stream)?;
        let action = batch.action;
        let operation = self.write_of(&bound, action)?;
        let redactor = self.client.redactor();
        let reading = Reading::new(&self.program, redactor, answer, action.as_str());
        match reading.whole(call(operation, action), batch.writes.len() == 1) {
            Whole::Failed(error) => Err(error),
            Whole::One(verdict) => Ok(vec![rows::settle(operation, action, verdict)]),
            Whole::Rows => {
                Ok(rows::verdicts(&reading, operation, bound.property.as_deref(), batch))
            }
        }
    }

    fn write_of(&self, bound: &Bound, action: Action) -> Result<&Write, RequestError> {
        let operation = self.stream(bound).and_then(|stream| {
            operations(stream).find_map(|(known, write)| write.filter(|_| known == action))
        });
        operation.ok_or_else(|| {
            let (action, object) = (action.as_str(), &bound.object);
            RequestError::never_sent(&format!("the manifest has no `{action}` for `{object}`"))
        })
    }

    /// Sends `request`, and once more with a new credential where the answer is what the manifest
    /// calls a refused one. Tells how long the remote asks for quiet. `operation` is its key in the
    /// manifest.
    pub(super) async fn send(
        &self,
        request: &Request,
        call: Call,
        operation: &'static str,
    ) -> Result<(Answer, Option<Duration>), RequestError> {
        let mut answer = self.client.send(request).await?;
        // What the status says, the client has mended already.
        let may_refuse = |rule: &AnswerRule| rule.is == AnswerIs::Unauthorized;
        if answer.status != 401
            && self.client.authorizer().can_renew()
            && self.program.answers.iter().any(may_refuse)
        {
            let redactor = self.client.redactor();
            let reading = Reading::new(&self.program, redactor, &answer, operation);
            if let Whole::Failed(RequestError::Unauthorized(_)) = reading.whole(call, false) {
                answer = self.client.send_again(request, &answer).await?;
            }
        }
        let quiet = self.program.limits.quiet(&answer);
        Ok((answer, quiet))
    }

    fn write_request(
        &self,
        operation: &Write,
        bound: &Bound,
        batch: &WriteBatch,
    ) -> Result<Request, String> {
        let mut scope = self.names(&batch.stream, bound);
        let templates = &self.program.templates;
        let with_body = batch.action != Action::Delete;
        let fields = match bound.property {
            None if operation.record_needs_property => &[],
            _ => operation.record.as_slice(),
        };
        let mut records = String::from("[");
        for write in &batch.writes {
            request::name_one(&mut scope, write, operation.names_record);
            let record = request::record(templates, fields, &scope, write, with_body)?;
            if records.len() > 1 {
                records.push(',');
            }
            scope.splice(Splice::Record, record);
            match &operation.each {
                Some(each) => request::part(templates, each, &scope, &mut records)?,
                None => records.push_str(scope.spliced(Splice::Record)?),
            }
        }
        records.push(']');
        scope.splice(Splice::Records, records);
        let external_ids: Vec<_> = batch
            .writes
            .iter()
            .filter_map(|write| write.external_id.as_ref().map(ExternalId::as_str))
            .collect();
        let remote_ids: Vec<_> = batch
            .writes
            .iter()
            .filter_map(|write| write.remote_id.as_ref().map(RemoteId::as_str))
            .collect();
        scope.splice(Splice::ExternalIds, request::list(external_ids.iter().copied()));
        scope.splice(Splice::RemoteIds, request::list(remote_ids.iter().copied()));
        scope.set("external_ids", Some(names(&external_ids)));
        scope.set("remote_ids", Some(names(&remote_ids)));
        let mut request = self.request(&operation.endpoint, &scope, false)?;
        request.not_after = batch.not_after;
        let bytes = request.body.as_ref().map_or(0, bytes::Bytes::len);
        if bytes > operation.max_bytes {
            let limit = operation.max_bytes;
            return Err(format!("the body has {bytes} bytes, over the limit of {limit}"));
        }
        if let (Some(header), [write]) = (&operation.key_header, batch.writes.as_slice()) {
            let key = HeaderValue::from_str(&write.key)
                .map_err(|_| "the key of the record cannot stand in a header".to_owned())?;
            request.headers.insert(header.name.clone(), key);
        }
        Ok(request)
    }

    pub(super) fn request(
        &self,
        endpoint: &super::program::Endpoint,
        scope: &Scope,
        reads_only: bool,
    ) -> Result<Request, String> {
        let program = &self.program;
        request::request(
            &program.templates,
            &self.base_url,
            &program.headers,
            endpoint,
            scope,
            reads_only,
        )
    }

    /// Refused by us, for a template that cannot be filled in with these values.
    pub(super) fn never_sent(&self, message: &str) -> RequestError {
        RequestError::never_sent(&self.client.redactor().clean(message))
    }

    pub(super) fn stream(&self, bound: &Bound) -> Option<&Stream> {
        self.program.streams.get(&bound.entry)
    }

    /// What the manifest's `check` says of the credential.
    pub(super) async fn check_credential(&self) -> CheckLine {
        let subject = "credential".to_owned();
        let hint = |error: &RequestError| match error {
            RequestError::Unauthorized(_) => Some("renew the credential in the config".to_owned()),
            RequestError::Unreachable(_) => Some("look at `base_url` and the network".to_owned()),
            _ => None,
        };
        match self.try_credential().await {
            Ok(found) => CheckLine { subject, result: Ok(found.to_owned()), hint: None },
            Err(error) => {
                let hint = hint(&error);
                CheckLine { subject, result: Err(error.to_string()), hint }
            }
        }
    }

    async fn try_credential(&self) -> Result<&'static str, RequestError> {
        let Some(endpoint) = &self.program.check else {
            return Ok("not tried: the manifest has no `check`");
        };
        let scope = Scope::new([("config", self.config.clone())].into_iter().collect());
        let request = self.request(endpoint, &scope, true);
        let request = request.map_err(|message| self.never_sent(&message))?;
        let (answer, _) = self.send(&request, Call::Read, "check").await?;
        let reading = Reading::new(&self.program, self.client.redactor(), &answer, "check");
        match reading.whole(Call::Read, false) {
            Whole::Rows => Ok("taken by the remote"),
            Whole::One(_) => Err(RequestError::Protocol(reading.describe().into())),
            Whole::Failed(error) => Err(error),
        }
    }

    /// What can be done with a stream, and whether its lookup answers.
    pub(super) async fn check_stream(&self, stream: &StreamName) -> CheckLine {
        let bound = match self.bind(stream) {
            Ok(bound) => bound,
            Err(error) => {
                return CheckLine {
                    subject: format!("stream {stream}"),
                    result: Err(error.to_string()),
                    hint: Some("add it, or `*`, to the manifest's `streams`".to_owned()),
                };
            }
        };
        let mut able = Vec::new();
        if let Some(stream) = self.stream(&bound) {
            let lookups =
                [("lookup", &stream.lookup), ("find", &stream.find), ("read", &stream.read)];
            able.extend(
                lookups.into_iter().filter_map(|(name, found)| found.as_ref().map(|_| name)),
            );
            able.extend(
                operations(stream).filter_map(|(action, write)| write.map(|_| action.as_str())),
            );
        }
        let mut able = match *able {
            ["create"] => {
                "create; create-only: no record is looked for, changed or upserted".to_owned()
            }
            _ => able.join(", "),
        };
        let mut hint = None;
        let subject = format!("object {}", bound.object);
        if bound.capabilities.lookup.is_some() {
            let nobody: Arc<str> = "target-upsert-check".into();
            let question = Question::of_ids(stream.clone(), By::ExternalId, vec![nobody]);
            match self.answer(&question).await {
                Ok(_) => able.push_str("; the lookup answers"),
                Err(error) => {
                    hint = Some("LOGLEVEL=debug shows what is sent and answered".to_owned());
                    let result = Err(format!("the lookup of an id that nobody has: {error}"));
                    return CheckLine { subject, result, hint };
                }
            }
        }
        CheckLine { subject, result: Ok(able), hint }
    }
}

/// The 404 of a bulk call is about the call, also when it carries one record.
fn call(operation: &Write, action: Action) -> Call {
    Call::Write { action, single: operation.max_records == 1 }
}

/// As a list for templates.
fn names(texts: &[&str]) -> Name {
    texts.iter().map(|text| Name::from(*text)).collect()
}
