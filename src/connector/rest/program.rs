//! What a manifest means: templates compiled, selectors parsed, defaults filled in, and what does
//! not fit together refused, all before any call.

use std::time::Duration;

use indexmap::IndexMap;
use reqwest::header::HeaderName;

use super::manifest::{self, Manifest, Match};
use super::select::{RowsSelector, Selector};
use super::template::{Template, Templates};
use super::text::{Placed, Text, Wrong};
use super::{credential, endpoint, operation};
use crate::config::RateLimit;

/// The version of the language that this program speaks.
const VERSION: u32 = 1;
/// Calls under way at once, where the manifest says nothing: most APIs take these.
const IN_FLIGHT: usize = 4;

/// What a manifest means.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) templates: Templates,
    pub(super) name: String,
    pub(super) base_url: Template,
    pub(super) auth: Auth,
    pub(super) headers: Vec<(HeaderName, Template)>,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) in_flight: usize,
    pub(super) answers: Vec<AnswerRule>,
    pub(super) row_answers: Vec<RowRule>,
    pub(super) check: Option<Endpoint>,
    pub(super) streams: IndexMap<String, Stream>,
}

/// How a request says who sends it.
#[derive(Debug)]
pub(super) enum Auth {
    None,
    Bearer { token: Template },
    Basic { username: Template, password: Template },
    KeyHeader { name: String, key: Template },
    KeyQuery { name: String, key: Template },
    Tokens { token_url: Template, refresh: bool, scope: Option<Template>, basic: bool },
}

/// What a whole answer means.
#[derive(Debug)]
pub(super) struct AnswerRule {
    pub(super) when: Template,
    pub(super) is: manifest::AnswerIs,
    pub(super) detail: Detail,
}

/// What a row means.
#[derive(Debug)]
pub(super) struct RowRule {
    pub(super) when: Template,
    pub(super) is: manifest::RowIs,
    pub(super) detail: Detail,
}

/// Where a rule finds the rest of what it tells.
#[derive(Debug, Default)]
pub(super) struct Detail {
    pub(super) remote_id: Option<Selector>,
    pub(super) message: Option<Selector>,
    pub(super) code: Option<Selector>,
    pub(super) field: Option<Selector>,
}

/// What can be done with a stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) object: Template,
    pub(super) property: Option<Template>,
    pub(super) lookup: Option<Lookup>,
    pub(super) create: Option<Write>,
    pub(super) update: Option<Write>,
    pub(super) upsert: Option<Write>,
    pub(super) delete: Option<Write>,
}

/// One request.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) method: reqwest::Method,
    pub(super) path: Template,
    pub(super) query: Vec<(String, Template)>,
    pub(super) headers: Vec<(HeaderName, Template)>,
    pub(super) body: Option<Node>,
}

/// A body, or a part of one.
#[derive(Debug)]
pub(super) enum Node {
    /// JSON text.
    Plain(String),
    /// Becomes a JSON string.
    Text(Template),
    /// Becomes the raw JSON of what it names.
    Splice(Splice),
    List(Vec<Node>),
    Object(Vec<(Template, Node)>),
}

/// What can stand in a body as raw JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Splice {
    Record,
    Records,
    ExternalIds,
    RemoteIds,
}

/// Finds remote ids by external ids.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) endpoint: Endpoint,
    pub(super) max_ids: usize,
    pub(super) rows: RowsSelector,
    /// `None`: the property of the stream.
    pub(super) external_id: Option<Selector>,
    pub(super) remote_id: Selector,
    pub(super) next: Option<Next>,
    pub(super) lag: Duration,
}

/// How the next page is asked for.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) selector: Selector,
    /// What is selected is the address of the next page; otherwise a template names it.
    pub(super) is_address: bool,
}

/// Writes records.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) endpoint: Endpoint,
    pub(super) max_records: usize,
    pub(super) max_bytes: usize,
    /// Fields before a record's own.
    pub(super) record: Vec<(Template, Template)>,
    /// Whether these are the default, which a stream without a property has no use for.
    pub(super) record_needs_property: bool,
    pub(super) rows: Option<(RowsSelector, Match)>,
    pub(super) external_id: Option<Selector>,
    pub(super) remote_id: Option<Selector>,
    pub(super) index: Option<Selector>,
    pub(super) created: Option<Template>,
    pub(super) error: Option<Selector>,
    pub(super) error_code: Option<Selector>,
    pub(super) error_field: Option<Selector>,
    pub(super) missing_is_done: bool,
    pub(super) idempotency_key_header: Option<HeaderName>,
}

impl Program {
    /// Finds out what `manifest` means.
    pub(super) fn compile(manifest: Manifest) -> Result<Self, Wrong> {
        if manifest.version.value != VERSION {
            let found = manifest.version.value;
            let message = format!("version {found} of the manifest is not known, only {VERSION}");
            return Err(manifest.version.at.wrong(message));
        }
        let mut templates = Templates::new();
        let base_url = templates.text(&manifest.base_url, &["config"])?;
        let auth = credential::auth(&mut templates, manifest.auth)?;
        let headers = headers(&mut templates, &manifest.headers, &["config"])?;
        let (rate_limit, in_flight) = limits(&manifest.limits)?;
        let mut answers = Vec::new();
        for rule in &manifest.answers {
            let when = templates.test(&rule.when, &["status", "body", "headers"])?;
            let detail = detail(
                rule.remote_id.as_ref(),
                rule.message.as_ref(),
                rule.code.as_ref(),
                rule.field.as_ref(),
            )?;
            answers.push(AnswerRule { when, is: rule.is, detail });
        }
        let mut row_answers = Vec::new();
        for rule in &manifest.row_answers {
            let when = templates.test(&rule.when, operation::ROW_NAMES)?;
            let detail = detail(
                rule.remote_id.as_ref(),
                rule.message.as_ref(),
                rule.code.as_ref(),
                rule.field.as_ref(),
            )?;
            row_answers.push(RowRule { when, is: rule.is, detail });
        }
        let mut check = None;
        if let Some(manifest::Endpoint { method, path, query, headers, .. }) = &manifest.check {
            let parts = endpoint::Parts { method: *method, path, query, headers, body: None };
            check = Some(endpoint::endpoint(&mut templates, &parts, &["config"], &[])?);
        }
        let mut streams = IndexMap::new();
        for (name, stream) in manifest.streams {
            streams.insert(name, operation::stream(&mut templates, &stream)?);
        }
        Ok(Self {
            templates,
            name: manifest.name,
            base_url,
            auth,
            headers,
            rate_limit,
            in_flight,
            answers,
            row_answers,
            check,
            streams,
        })
    }
}

fn detail(
    remote_id: Option<&Text>,
    message: Option<&Text>,
    code: Option<&Text>,
    field: Option<&Text>,
) -> Result<Detail, Wrong> {
    Ok(Detail {
        remote_id: selector(remote_id)?,
        message: selector(message)?,
        code: selector(code)?,
        field: selector(field)?,
    })
}

/// Parses a selector, if there is one.
pub(super) fn selector(text: Option<&Text>) -> Result<Option<Selector>, Wrong> {
    text.map(Selector::parse).transpose()
}

/// Compiles headers.
pub(super) fn headers(
    templates: &mut Templates,
    headers: &IndexMap<Text, Text>,
    known: &[&str],
) -> Result<Vec<(HeaderName, Template)>, Wrong> {
    let mut compiled = Vec::new();
    for (name, value) in headers {
        compiled.push((header_name(name)?, templates.text(value, known)?));
    }
    Ok(compiled)
}

/// Reads a header's name.
pub(super) fn header_name(name: &Text) -> Result<HeaderName, Wrong> {
    HeaderName::try_from(name.as_str())
        .map_err(|_| name.at().wrong(format!("`{}` is no header name", name.as_str())))
}

fn limits(limits: &Placed<manifest::Limits>) -> Result<(Option<RateLimit>, usize), Wrong> {
    let manifest::Limits { requests, per_secs, in_flight } = limits.value;
    let rate_limit = match (requests, per_secs) {
        (None, None) => None,
        (Some(requests @ 1..), Some(per_secs @ 1..)) => Some(RateLimit { requests, per_secs }),
        _ => {
            let message = "`requests` and `per_secs` go together, and both are at least 1";
            return Err(limits.at.wrong(message));
        }
    };
    match in_flight {
        Some(0) => Err(limits.at.wrong("`in_flight` is at least 1")),
        in_flight => Ok((rate_limit, in_flight.unwrap_or(IN_FLIGHT))),
    }
}
