//! Sends the lookups of the connector, and reads the rows that come back.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use minijinja::value::Value as Name;
use reqwest::Method;
use serde_json::{Map, Value};
use url::Url;

use super::Rest;
use super::bound::Bound;
use super::judge::Whole;
use super::lookup::Kind;
use super::program::{Lookup, Next, Splice};
use super::reading::Reading;
use super::request;
use super::select::{Path, Selector};
use super::stored::altered;
use crate::connector::contract::{By, Found, Question, RequestError, Row, Verdict};
use crate::connector::http::{Answer, Call, Redactor};
use crate::record::RemoteId;

impl Rest {
    /// Finds a page of records.
    pub(super) async fn answer(&self, question: &Question) -> Result<Found, RequestError> {
        let bound = self.bind(&question.stream)?;
        let (lookup, kind, field) = self.lookup_of(&bound, &question.by)?;
        let mut scope = self.names(&question.stream, &bound);
        let (several, one, splice) = kind.keys();
        let keys = || question.keys.iter().map(|key| &**key);
        scope.splice(splice, request::list(keys()));
        scope.set(several, Some(keys().map(Name::from).collect::<Name>()));
        if let [key] = question.keys.as_slice() {
            scope.set(one, Some(key.to_string()));
        }
        let wanted = wanted(question, field.as_deref());
        scope.splice(Splice::Wanted, request::list(wanted.iter().copied()));
        scope.set("wanted", Some(wanted.iter().copied().map(Name::from).collect::<Name>()));
        scope.set("field", field.clone());
        let next = question.next.as_deref();
        let is_address = lookup.next.as_ref().is_some_and(|next| next.is_address);
        scope.set("next", next.filter(|_| !is_address).map(str::to_owned));
        let request = self.request(&lookup.endpoint, &scope, true);
        let mut request = request.map_err(|message| self.never_sent(&message))?;
        if let Some(next) = next.filter(|_| is_address) {
            request.url = next_address(&request.url, next)?;
            request.method = Method::GET;
            request.body = None;
        }
        let (answer, quiet) = self.send(&request, Call::Read, kind.name()).await?;
        Ok(Found { quiet, ..self.found(question, &answer)? })
    }

    /// What `answer` says of the keys of `question`. No I/O.
    ///
    /// # Errors
    /// As [`Connector::lookup`](crate::connector::Connector::lookup).
    pub fn found(&self, question: &Question, answer: &Answer) -> Result<Found, RequestError> {
        let bound = self.bind(&question.stream)?;
        let (lookup, kind, field) = self.lookup_of(&bound, &question.by)?;
        let next = question.next.as_deref();
        let redactor = self.client.redactor();
        let reader = RowReader::new(lookup, question, field, redactor);
        let mut found = Found::default();
        let reading = Reading::new(&self.program, redactor, answer, kind.name());
        match reading.whole(Call::Read, false) {
            Whole::Rows => {}
            Whole::One(Verdict::Missing) => return Ok(found),
            Whole::One(other) => {
                let text = format!("a lookup was answered with {other:?}");
                return Err(RequestError::Protocol(text.into()));
            }
            // What is asked for by its own address is not there.
            Whole::Failed(RequestError::Refused { status: 404, .. })
                if kind == Kind::RemoteIds && lookup.max_ids == 1 =>
            {
                return Ok(found);
            }
            Whole::Failed(error) => return Err(error),
        }
        let body = reading.body.as_ref();
        let unreadable = || RequestError::Protocol(reading.describe().into());
        let body = body.ok_or_else(unreadable)?;
        let rows = lookup.rows.rows(body).ok_or_else(unreadable)?;
        found.rows = reader.rows(&rows, &reading)?;
        if !rows.is_empty() {
            let mut hasher = DefaultHasher::new();
            answer.body.hash(&mut hasher);
            found.digest = Some(hasher.finish());
        }
        if let Some(Next { selector, is_address }) = &lookup.next
            && let Some(cursor) = reading.next(selector, rows.len(), next)
        {
            let cursor = match is_address {
                true => next_address(&answer.asked, &cursor)?.to_string(),
                false => cursor,
            };
            found.next = Some(cursor.into());
        }
        Ok(found)
    }

    /// The operation that goes by `by`, what its keys are, and the property that they are values
    /// of.
    fn lookup_of(
        &self,
        bound: &Bound,
        by: &By,
    ) -> Result<(&Lookup, Kind, Option<String>), RequestError> {
        let stream = self.stream(bound);
        let property = || bound.property.clone();
        let found = stream.and_then(|stream| {
            let (lookup, find, read) = (&stream.lookup, &stream.find, &stream.read);
            Some(match by {
                By::RemoteId => (read.as_ref()?, Kind::RemoteIds, None),
                By::Field(name) => (find.as_ref()?, Kind::Values, Some(name.to_string())),
                By::ExternalId => match lookup {
                    Some(lookup) => (lookup, Kind::ExternalIds, property()),
                    None => (find.as_ref()?, Kind::Values, Some(property()?)),
                },
            })
        });
        found.ok_or_else(|| {
            let object = &bound.object;
            RequestError::never_sent(&format!("the manifest has no lookup of `{object}` by {by:?}"))
        })
    }
}

/// The properties that are to come back: what is asked by, too, for it is compared.
fn wanted<'a>(question: &'a Question, field: Option<&'a str>) -> Vec<&'a str> {
    let mut wanted: Vec<&str> = question.want.iter().map(|name| &**name).collect();
    wanted.extend(field.filter(|field| !question.want.iter().any(|name| **name == **field)));
    wanted
}

/// Reads the rows of one lookup.
struct RowReader<'a> {
    lookup: &'a Lookup,
    question: &'a Question,
    /// Where a row holds the key; `None` when it is the only one that was asked for.
    key: Option<Selector>,
    /// The places of the keys, which are in lower case where the remote does not care.
    asked: HashMap<String, Vec<usize>>,
    redactor: &'a Redactor,
}

impl<'a> RowReader<'a> {
    fn new(
        lookup: &'a Lookup,
        question: &'a Question,
        field: Option<String>,
        redactor: &'a Redactor,
    ) -> Self {
        let field = field.map(|field| Selector::At(Path::Property(field)));
        let key = lookup.key.clone().or(field);
        let mut reader = Self { lookup, question, key, asked: HashMap::new(), redactor };
        for (place, key) in question.keys.iter().enumerate() {
            reader.asked.entry(reader.spelled(key)).or_default().push(place);
        }
        reader
    }

    fn spelled(&self, key: &str) -> String {
        if self.lookup.ignore_case { key.to_lowercase() } else { key.to_owned() }
    }

    /// The rows that were asked for.
    fn rows(&self, rows: &[&Value], reading: &Reading<'_>) -> Result<Vec<Row>, RequestError> {
        let protocol = |text: &str| RequestError::Protocol(text.into());
        let all: Vec<usize> = (0..self.question.keys.len()).collect();
        let mut found = Vec::new();
        let mut has_key = rows.is_empty() || self.key.is_none();
        for row in rows {
            let part = reading.part(Some(row));
            let fields = match &self.lookup.fields {
                Some(fields) => fields.object(row).unwrap_or(&Value::Null),
                None => row,
            };
            let places = match &self.key {
                None => &all,
                Some(key) => {
                    let key = match key {
                        Selector::At(property @ Path::Property(_)) => property.text(fields),
                        key => part.text(key),
                    };
                    let Some(key) = key else { continue };
                    has_key = true;
                    let Some(places) = self.asked.get(&self.spelled(&key)) else { continue };
                    places
                }
            };
            for place in places {
                let Some(key) = self.question.keys.get(*place) else { continue };
                let remote_id = match &self.lookup.remote_id {
                    Some(selector) => part.id(selector),
                    None => Some(key.to_string()),
                };
                let remote_id =
                    remote_id.ok_or_else(|| protocol("a row of the lookup has no remote id"))?;
                let sent = self.question.sent.get(key);
                let version = self.lookup.version.as_ref().and_then(|selector| part.id(selector));
                found.push(Row {
                    key: Arc::clone(key),
                    remote_id: RemoteId::new(remote_id),
                    version: version.map(Into::into),
                    fields: self.wanted(fields),
                    altered: sent
                        .and_then(|sent| altered(fields, sent, self.redactor))
                        .map(Into::into),
                });
            }
        }
        if has_key {
            Ok(found)
        } else {
            // Were such rows passed over, a wrong selector would make every record look new.
            Err(protocol("no row of the lookup holds what was asked by"))
        }
    }

    fn wanted(&self, fields: &Value) -> Map<String, Value> {
        let names = self.question.want.iter();
        let held = names.filter_map(|name| Some((name.to_string(), fields.get(&**name)?.clone())));
        held.collect()
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
