//! From records to the body of a post.

use std::borrow::Cow;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderValue};

use super::Api;
use crate::connector::contract::{BatchIds, Write, WriteBatch};
use crate::connector::http::Request;
use crate::json::fields::{Fields, finish_object, push_field, push_text};
use crate::record::{RemoteId, StreamName};

/// The field with the batch's name.
const BATCH_ID: &str = "hgBatchId";

/// What every record gets beside its own fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Added {
    /// `stream`, with the stream's name.
    pub(super) stream: bool,
    /// Names and values, as JSON, that go into `metadata`.
    pub(super) metadata: Vec<(String, String)>,
}

impl Added {
    /// Bytes that it takes in the body of a batch, at most, with the comma before the record.
    pub(super) fn bytes(&self, stream: &StreamName, has_batch_id: bool) -> usize {
        let mut bytes = 1;
        if self.stream {
            let mut name = String::new();
            push_text(&mut name, stream.as_str());
            bytes += r#","stream":"#.len() + name.len();
        }
        if !self.metadata.is_empty() {
            bytes += r#","metadata":"#.len() + self.merged("null").map_or(0, |text| text.len());
        }
        if has_batch_id {
            bytes += r#","":"""#.len() + BATCH_ID.len() + BatchIds::BYTES;
        }
        bytes
    }

    /// A record's own `metadata`, with ours over it, as Python's `dict.update` has it.
    fn merged(&self, own: &str) -> Result<String, String> {
        let fields = match own.as_bytes().first() {
            Some(b'{') => Fields::of_text(own).map_err(|error| error.to_string())?,
            _ if is_empty(own) => Fields(Vec::new()),
            _ => {
                return Err(
                    "its `metadata` is no object, so that nothing can be added to it".into()
                );
            }
        };
        let fields = fields.0.into_iter().map(|(name, value)| (name, Cow::Borrowed(value.get())));
        let mut fields: Vec<_> = fields.collect();
        for (name, value) in &self.metadata {
            set(&mut fields, name, value.as_str());
        }
        Ok(object(&fields))
    }

    /// A record as it goes out.
    ///
    /// # Errors
    /// For people: why it cannot.
    pub(super) fn record<'a>(
        &self,
        stream: &StreamName,
        write: &'a Write,
        batch_id: Option<&str>,
    ) -> Result<Cow<'a, str>, String> {
        let adds = self.stream
            || !self.metadata.is_empty()
            || batch_id.is_some()
            || write.remote_id.is_some();
        if write.stands_in || !adds {
            return Ok(Cow::Borrowed(&write.body));
        }
        let fields = Fields::of_text(&write.body).map_err(|error| error.to_string())?;
        let fields = fields.0.into_iter().map(|(name, value)| (name, Cow::Borrowed(value.get())));
        let mut fields: Vec<_> = fields.collect();
        let quoted = |text: &str| {
            let mut json = String::new();
            push_text(&mut json, text);
            json
        };
        let get = |fields: &[(Cow<'_, str>, Cow<'_, str>)], name: &str| {
            let found = fields.iter().find(|(known, _)| known == name);
            found.map_or_else(|| "null".to_owned(), |(_, value)| value.to_string())
        };
        if let Some(id) = &write.remote_id
            && is_empty(&get(&fields, "id"))
        {
            set(&mut fields, "id", quoted(RemoteId::as_str(id)));
        }
        if self.stream {
            set(&mut fields, "stream", quoted(stream.as_str()));
        }
        if !self.metadata.is_empty() {
            let merged = self.merged(&get(&fields, "metadata"))?;
            set(&mut fields, "metadata", merged);
        }
        if let Some(id) = batch_id {
            set(&mut fields, BATCH_ID, quoted(id));
        }
        Ok(Cow::Owned(object(&fields)))
    }
}

/// What Python takes for false.
fn is_empty(json: &str) -> bool {
    if json.starts_with('"') {
        return json == "\"\"";
    }
    let json: String = json.split_ascii_whitespace().collect();
    matches!(json.as_str(), "null" | "false" | "[]" | "{}")
        || json.parse::<f64>().is_ok_and(|number| number == 0.0)
}

/// Sets a field at the place that it has, or as the last one.
fn set<'a>(
    fields: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>,
    name: &'a str,
    value: impl Into<Cow<'a, str>>,
) {
    match fields.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value.into(),
        None => fields.push((Cow::Borrowed(name), value.into())),
    }
}

fn object(fields: &[(Cow<'_, str>, Cow<'_, str>)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        push_field(&mut text, name, value);
    }
    finish_object(text)
}

impl Api {
    /// The post of a batch.
    ///
    /// # Errors
    /// For people: why a record cannot be sent.
    pub(super) fn request(&self, batch: &WriteBatch) -> Result<Request, String> {
        let mut body = String::new();
        for write in &batch.writes {
            if self.batch.is_some() {
                body.push(if body.is_empty() { '[' } else { ',' });
            }
            body.push_str(&self.added.record(&batch.stream, write, batch.id.as_deref())?);
        }
        if self.batch.is_some() {
            body.push(']');
        }
        let mut headers = self.headers.clone();
        if let (Some(header), [write]) = (&self.key_header, batch.writes.as_slice()) {
            let key = HeaderValue::from_str(&write.key)
                .map_err(|_| "the key of the record cannot stand in a header".to_owned())?;
            headers.insert(header.name.clone(), key);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Request {
            method: self.method.clone(),
            url: self.address(&batch.stream)?,
            headers,
            body: Some(Bytes::from(body)),
            reads_only: false,
            not_after: batch.not_after,
        })
    }
}
