//! What a manifest means: templates compiled, selectors parsed, defaults filled in, and what does
//! not fit together refused, all before any call.

use std::time::Duration;

use indexmap::IndexMap;
use reqwest::header::HeaderName;

use super::limits::Limits;
use super::manifest::{self, Manifest, Match};
use super::select::{RowsSelector, Selector};
use super::template::{Template, Templates};
use super::text::{Text, Wrong};
use super::{credential, endpoint, operation};

/// The version of the language that this program speaks.
const VERSION: u32 = 1;

/// What a manifest means.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) templates: Templates,
    pub(super) name: String,
    pub(super) base_url: Template,
    pub(super) auth: Auth,
    pub(super) headers: Vec<(HeaderName, Template)>,
    pub(super) limits: Limits,
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
    Login(Box<Login>),
}

/// A call that gives a token.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) endpoint: Endpoint,
    pub(super) form: Option<Vec<(String, Template)>>,
    pub(super) token: Selector,
    pub(super) expires_in: Option<Selector>,
    /// Of the requests that carry the token.
    pub(super) header: HeaderName,
    pub(super) key: Template,
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
    pub(super) find: Option<Lookup>,
    pub(super) read: Option<Lookup>,
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
    pub(super) query: Vec<(Template, Template)>,
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
    Values,
    Wanted,
}

/// Finds records.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) endpoint: Endpoint,
    pub(super) max_ids: usize,
    pub(super) rows: RowsSelector,
    /// `None`: among the row's fields, under the name that was asked by.
    pub(super) key: Option<Selector>,
    /// `None`: the one that was asked for.
    pub(super) remote_id: Option<Selector>,
    /// `None`: the row itself.
    pub(super) fields: Option<Selector>,
    pub(super) version: Option<Version>,
    pub(super) ignore_case: bool,
    pub(super) next: Option<Next>,
    pub(super) lag: Duration,
}

/// Where a record's version stands.
#[derive(Debug)]
pub(super) enum Version {
    Row(Selector),
    Header(HeaderName),
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
    /// What stands for a record among several; `None`: the record itself.
    pub(super) each: Option<Node>,
    pub(super) reads_first: bool,
    pub(super) stored: Option<Selector>,
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
        let limits = Limits::compile(&manifest.limits)?;
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
            limits,
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
