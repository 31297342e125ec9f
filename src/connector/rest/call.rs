//! Sends the calls of the connector and reads what comes back.

use std::collections::{HashMap, HashSet};

use minijinja::value::Value as Name;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::Value;
use url::Url;

use super::judge::{Reading, Whole};
use super::program::{Lookup, Splice, Stream, Write};
use super::request::{self, Scope};
use super::select::Selector;
use super::{Bound, Rest, never_sent, operations, rows};
use crate::connector::contract::{
    Action, CheckLine, RequestError, Verdict, WriteAnswer, WriteBatch,
};
use crate::connector::http::{Call, Request};
use crate::record::{ExternalId, RemoteId, StreamName};

/// Pages of one lookup, at most. A remote that has more for so few ids goes in circles.
const MAX_PAGES: usize = 1000;

impl Rest {
    /// Sends one batch.
    pub(super) async fn send_batch(&self, batch: &WriteBatch) -> Result<WriteAnswer, RequestError> {
        let bound = self.bind(&batch.stream)?;
        let action = batch.action;
        let operation = self.stream(&bound).and_then(|stream| {
            operations(stream).find_map(|(known, write)| write.filter(|_| known == action))
        });
        let operation = operation.ok_or_else(|| {
            let (action, object) = (action.as_str(), &bound.object);
            never_sent(&format!("the manifest has no `{action}` for `{object}`"))
        })?;
        let request = self.write_request(operation, &bound, batch);
        let request = request.map_err(|message| never_sent(&message))?;
        let answer = self.client.send(&request).await?;
        let reading = Reading::new(&self.program, self.client.redactor(), &answer);
        // The 404 of a bulk call is about the call, also when it carries one record.
        let single = operation.max_records == 1;
        let is_alone = batch.writes.len() == 1;
        let verdicts = match reading.whole(Call::Write { action, single }, is_alone) {
            Whole::Failed(error) => return Err(error),
            Whole::One(verdict) => vec![rows::settle(operation, action, verdict)],
            Whole::Rows => rows::verdicts(&reading, operation, bound.property.as_deref(), batch),
        };
        Ok(WriteAnswer { status: answer.status, verdicts })
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
            let record = request::record(templates, fields, &mut scope, write, with_body)?;
            if records.len() > 1 {
                records.push(',');
            }
            records.push_str(&record);
            if operation.max_records == 1 {
                scope.splice(Splice::Record, record);
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
        let bytes = request.body.as_ref().map_or(0, bytes::Bytes::len);
        if bytes > operation.max_bytes {
            let limit = operation.max_bytes;
            return Err(format!("the body has {bytes} bytes, over the limit of {limit}"));
        }
        if let (Some(header), [write]) =
            (&operation.idempotency_key_header, batch.writes.as_slice())
        {
            let key = HeaderValue::from_str(&write.key)
                .map_err(|_| "the key of the record cannot stand in a header".to_owned())?;
            request.headers.insert(header.clone(), key);
        }
        Ok(request)
    }

    /// Finds remote ids, page by page.
    pub(super) async fn find_ids(
        &self,
        stream: &StreamName,
        ids: &[ExternalId],
    ) -> Result<Vec<(ExternalId, RemoteId)>, RequestError> {
        let bound = self.bind(stream)?;
        let lookup = self.stream(&bound).and_then(|stream| stream.lookup.as_ref());
        let lookup = lookup.ok_or_else(|| {
            never_sent(&format!("the manifest has no `lookup` for `{}`", bound.object))
        })?;
        let mut scope = self.names(stream, &bound);
        scope.splice(Splice::ExternalIds, request::list(ids.iter().map(ExternalId::as_str)));
        let all: Vec<_> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        scope.set("external_ids", Some(Name::from(all)));
        if let [id] = ids {
            scope.set("external_id", Some(id.as_str().to_owned()));
        }
        scope.set("next", None::<String>);
        let request = self.request(&lookup.endpoint, &scope, true);
        let mut request = request.map_err(|message| never_sent(&message))?;
        let asked: HashMap<_, _> = ids.iter().map(|id| (id.as_str(), id)).collect();
        let mut found = Vec::new();
        let mut known = HashSet::new();
        let mut seen = HashSet::new();
        for _ in 0..MAX_PAGES {
            let answer = self.client.send(&request).await?;
            let reading = Reading::new(&self.program, self.client.redactor(), &answer);
            match reading.whole(Call::Read, false) {
                Whole::Rows => {}
                Whole::One(Verdict::Missing) => return Ok(found),
                Whole::One(other) => {
                    let text = format!("a lookup was answered with {other:?}");
                    return Err(RequestError::Protocol(text.into()));
                }
                Whole::Failed(error) => return Err(error),
            }
            let body = reading.body.as_ref();
            let unreadable = || RequestError::Protocol(reading.describe().into());
            let body = body.ok_or_else(unreadable)?;
            let rows = lookup.rows.rows(body).ok_or_else(unreadable)?;
            for pair in pairs(lookup, &bound, &asked, rows)? {
                if known.insert(pair.clone()) {
                    found.push(pair);
                }
            }
            let next = lookup.next.as_ref();
            let Some((next, cursor)) =
                next.and_then(|next| Some((next, next.selector.text(body)?)))
            else {
                return Ok(found);
            };
            if !seen.insert(cursor.clone()) {
                let text = "the pages of the lookup go in a circle";
                return Err(RequestError::Protocol(text.into()));
            }
            if next.is_address {
                request.url = next_address(&request.url, &cursor)?;
                request.method = Method::GET;
                request.body = None;
            } else {
                scope.set("next", Some(cursor));
                request = self
                    .request(&lookup.endpoint, &scope, true)
                    .map_err(|message| never_sent(&message))?;
            }
        }
        Err(RequestError::Protocol(format!("the lookup has more than {MAX_PAGES} pages").into()))
    }

    fn request(
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

    fn stream(&self, bound: &Bound) -> Option<&Stream> {
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
        let request = request.map_err(|message| never_sent(&message))?;
        let answer = self.client.send(&request).await?;
        let reading = Reading::new(&self.program, self.client.redactor(), &answer);
        match reading.whole(Call::Read, false) {
            Whole::Rows => Ok("taken by the remote"),
            Whole::One(_) => Err(RequestError::Protocol(reading.describe().into())),
            Whole::Failed(error) => Err(error),
        }
    }

    /// What can be done with a stream.
    pub(super) fn check_stream(&self, stream: &StreamName) -> CheckLine {
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
            able.extend(stream.lookup.is_some().then_some("lookup"));
            able.extend(
                operations(stream).filter_map(|(action, write)| write.map(|_| action.as_str())),
            );
        }
        CheckLine {
            subject: format!("object {}", bound.object),
            result: Ok(able.join(", ")),
            hint: None,
        }
    }
}

/// The next page's address. On another host the token would go to strangers.
fn next_address(from: &Url, cursor: &str) -> Result<Url, RequestError> {
    let wrong = |text: &str| RequestError::Protocol(text.into());
    let next = from.join(cursor).map_err(|_| wrong("what leads to the next page is no address"))?;
    if next.origin() == from.origin() && next.username().is_empty() && next.password().is_none() {
        Ok(next)
    } else {
        Err(wrong("the address of the next page is on another host"))
    }
}

/// As a list for templates.
fn names(texts: &[&str]) -> Name {
    texts.iter().map(|text| Name::from(*text)).collect()
}

/// The pairs in `rows` that were asked for.
fn pairs(
    lookup: &Lookup,
    bound: &Bound,
    asked: &HashMap<&str, &ExternalId>,
    rows: &[Value],
) -> Result<Vec<(ExternalId, RemoteId)>, RequestError> {
    let default = bound.property.clone().map(Selector::Property);
    let external_id = lookup.external_id.as_ref().or(default.as_ref());
    let mut pairs = Vec::new();
    for row in rows {
        let id = external_id.and_then(|selector| selector.text(row));
        // Were such rows left out, a wrong selector would make every record look new.
        let id = id.ok_or_else(|| {
            RequestError::Protocol("a row of the lookup has no external id".into())
        })?;
        let Some(id) = asked.get(id.as_str()).copied() else {
            continue;
        };
        let Some(remote_id) = lookup.remote_id.text(row) else {
            let text = "a row of the lookup has no remote id";
            return Err(RequestError::Protocol(text.into()));
        };
        pairs.push((id.clone(), RemoteId::new(remote_id)));
    }
    Ok(pairs)
}
