//! Makes a request out of an operation and the values of one call.
//!
//! Bodies are put together as text, with each record's own JSON in its place: a detour over
//! parsed values would change numbers that no machine type holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use minijinja::value::{Serde, Value};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::encoding;
use super::endpoint::can_fill;
use super::manifest::Encoding;
use super::program::{Endpoint, Node, Splice};
use super::template::{Template, Templates};
use crate::connector::contract;
use crate::connector::http::Request;
use crate::json::exact;
use crate::json::fields::push_text;

/// The values of one call, the config's secrets among them: never to be printed.
pub(super) struct Scope {
    /// By name; shared with the contexts that are made of them.
    values: Arc<BTreeMap<&'static str, Value>>,
    /// Known to the templates, but not there: what names one is left out.
    absent: Vec<&'static str>,
    /// Raw JSON.
    splices: Vec<(Splice, String)>,
}

impl Scope {
    /// With these values.
    pub(super) fn new(values: BTreeMap<&'static str, Value>) -> Self {
        Self { values: Arc::new(values), absent: Vec::new(), splices: Vec::new() }
    }

    /// Sets `name`, or notes that it is not there.
    pub(super) fn set(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        self.absent.retain(|absent| *absent != name);
        match value {
            Some(value) => {
                Arc::make_mut(&mut self.values).insert(name, value.into());
            }
            None => self.absent.push(name),
        }
    }

    /// Sets what stands in a body as raw JSON.
    pub(super) fn splice(&mut self, splice: Splice, json: String) {
        self.splices.retain(|(known, _)| *known != splice);
        self.splices.push((splice, json));
    }

    /// What stands in a body as raw JSON.
    ///
    /// # Errors
    /// When the call has no such thing, for people.
    pub(super) fn spliced(&self, splice: Splice) -> Result<&str, String> {
        let found = self.splices.iter().find(|(known, _)| *known == splice);
        found.map(|(_, json)| &**json).ok_or_else(|| format!("the call has no {splice:?}"))
    }

    /// Bytes of what stands in a body as raw JSON.
    fn spliced_bytes(&self) -> usize {
        self.splices.iter().map(|(_, json)| json.len()).sum()
    }

    /// As a context for templates.
    pub(super) fn context(&self) -> Value {
        Value::from_dyn_object(Arc::clone(&self.values))
    }
}

/// Makes the request to `endpoint` below `base`.
///
/// # Errors
/// Why these values make no request, for people.
pub(super) fn request(
    templates: &Templates,
    base: &Url,
    common: &[(HeaderName, Template)],
    endpoint: &Endpoint,
    scope: &Scope,
    reads_only: bool,
) -> Result<Request, String> {
    let context = scope.context();
    let filled = |template: &Template| {
        can_fill(template, &scope.absent).then(|| templates.render(template, &context)).transpose()
    };
    let path = filled(&endpoint.path)?
        .ok_or_else(|| "the path names what this record does not have".to_owned())?;
    let mut url = address(base, &path)?;
    for (name, value) in &endpoint.query {
        if let Some(name) = filled(name)?
            && can_fill(value, &scope.absent)
        {
            for value in templates.render_texts(value, &context)? {
                url.query_pairs_mut().append_pair(&name, &value);
            }
        }
    }
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let mut body = None;
    if let Some(node) = &endpoint.body {
        let mut text = String::with_capacity(scope.spliced_bytes() + 256);
        write(templates, node, scope, &context, &mut text)?;
        let (kind, text) = match endpoint.encoding {
            Encoding::Json => ("application/json", text),
            Encoding::Form => ("application/x-www-form-urlencoded", encoding::form(&text)?),
            Encoding::Lines => ("application/x-ndjson", encoding::lines(&text)?),
        };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        body = Some(Bytes::from(text));
    }
    for (name, value) in common.iter().chain(&endpoint.headers) {
        if let Some(value) = filled(value)? {
            let value = HeaderValue::try_from(value).map_err(|_| {
                format!("the value of the header `{name}` has line ends or the like")
            })?;
            headers.insert(name.clone(), value);
        }
    }
    Ok(Request { method: endpoint.method.clone(), url, headers, body, reads_only, not_after: None })
}

/// The address of `path`.
fn address(base: &Url, path: &str) -> Result<Url, String> {
    // Whoever reads a URL resolves these, in any spelling, and an id of this name would make it
    // one of something else.
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("an id of `.` or `..` cannot stand in a path".to_owned());
    }
    // The host is parsed once for all calls: that takes longer than the rest of the address.
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    if url.path().ends_with(path) {
        Ok(url)
    } else {
        Err(format!("the path `{path}` cannot be sent as it is"))
    }
}

/// Appends a part of a body.
///
/// # Errors
/// As [`request`].
pub(super) fn part(
    templates: &Templates,
    node: &Node,
    scope: &Scope,
    out: &mut String,
) -> Result<(), String> {
    write(templates, node, scope, &scope.context(), out)
}

fn write(
    templates: &Templates,
    node: &Node,
    scope: &Scope,
    context: &Value,
    out: &mut String,
) -> Result<(), String> {
    match node {
        Node::Plain(json) => out.push_str(json),
        Node::Value(template) => out.push_str(&templates.render_json(template, context)?),
        Node::Splice(splice) => {
            out.push_str(scope.spliced(*splice)?);
        }
        Node::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(templates, item, scope, context, out)?;
            }
            out.push(']');
        }
        Node::Object(fields) => {
            out.push('{');
            let mut any = false;
            for (name, value) in fields {
                if is_absent(value, scope) {
                    continue;
                }
                if std::mem::replace(&mut any, true) {
                    out.push(',');
                }
                push_text(out, &templates.render(name, context)?);
                out.push(':');
                write(templates, value, scope, context, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// Whether a field names what the call does not have, and is left out.
fn is_absent(value: &Node, scope: &Scope) -> bool {
    matches!(value, Node::Value(value) if !can_fill(value, &scope.absent))
}

/// One record as it goes out: `fields` (names and templates), then its own.
///
/// # Errors
/// Why a field cannot be filled in, for people.
pub(super) fn record(
    templates: &Templates,
    fields: &[(Template, Node)],
    scope: &Scope,
    write: &contract::Write,
    with_body: bool,
) -> Result<String, String> {
    let context = scope.context();
    let body = if with_body { write.body.trim() } else { "{}" };
    let own = body.strip_prefix('{').and_then(|body| body.strip_suffix('}'));
    let own = own.ok_or("the record is no JSON object")?.trim();
    let mut out = String::with_capacity(body.len() + 64);
    out.push('{');
    for (name, value) in fields {
        if is_absent(value, scope) {
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        push_text(&mut out, &templates.render(name, &context)?);
        out.push(':');
        self::write(templates, value, scope, &context, &mut out)?;
    }
    if out.len() > 1 && !own.is_empty() {
        out.push(',');
    }
    out.push_str(own);
    out.push('}');
    Ok(out)
}

/// Lets `scope` speak of one record; of its fields only where they are asked for.
pub(super) fn name_one(scope: &mut Scope, write: &contract::Write, names_record: bool) {
    scope.set("external_id", write.external_id.as_ref().map(|id| id.as_str().to_owned()));
    scope.set("remote_id", write.remote_id.as_ref().map(|id| id.as_str().to_owned()));
    scope.set("version", write.version.as_deref().map(str::to_owned));
    scope.set("key", Some(write.key.to_string()));
    if names_record {
        let record = exact::parse(write.body.as_bytes()).unwrap_or_default();
        scope.set("record", Some(Value::from(Serde(&record))));
    }
}

/// A JSON list of strings.
pub(super) fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for text in texts {
        if out.len() > 1 {
            out.push(',');
        }
        push_text(&mut out, text);
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stands_below_the_base_as_it_is_or_not_at_all() {
        for (base, path, expected) in [
            ("http://h", "/one", Some("http://h/one")),
            ("http://h/", "/one", Some("http://h/one")),
            ("https://h:8443/v1/", "/one/c%2F7", Some("https://h:8443/v1/one/c%2F7")),
            ("http://h/v1", "/a%3Fb", Some("http://h/v1/a%3Fb")),
            ("http://h/v1", "//other.example/x", Some("http://h/v1//other.example/x")),
            ("http://h", "/a?b", None),
            ("http://h", "/a#b", None),
            ("http://h", "/a b", None),
            ("http://h", "/a\\b", None),
            ("http://h", "/a\nb", None),
            ("http://h", "/ü", None),
            ("http://h", "/a/../b", None),
            ("http://h", "/./b", None),
            ("http://h/v1", "/%2e%2e/b", None),
        ] {
            let address = address(&Url::parse(base).unwrap(), path).ok();
            assert_eq!(address.as_ref().map(Url::as_str), expected, "{base} {path}");
        }
    }
}
