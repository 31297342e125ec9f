//! What a manifest means: templates compiled, selectors parsed, defaults filled in, and what does
//! not fit together refused, all before any call.

use std::time::Duration;

use indexmap::IndexMap;
use reqwest::header::HeaderName;

use super::limits::Limits;
use super::manifest::{self, Manifest, Unnamed};
use super::reading::{ANSWER_NAMES, ROW_NAMES};
use super::select::{Path, RowsSelector, Selector};
use super::template::{Template, Templates};
use super::text::{Text, Wrong};
use super::{credential, endpoint, operation};
use crate::connector::contract::KeyHeader;

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
    OAuth1(Box<OAuth1>),
    Tokens(Box<Tokens>),
    Login(Box<Login>),
}

/// Who signs requests, and for whom.
#[derive(Debug)]
pub(super) struct OAuth1 {
    pub(super) consumer_key: Template,
    pub(super) consumer_secret: Template,
    pub(super) token: Template,
    pub(super) token_secret: Template,
    pub(super) realm: Option<Template>,
}

/// A token endpoint of OAuth 2.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) token_url: Template,
    pub(super) by: TokensFor,
    pub(super) scope: Option<Template>,
    pub(super) basic: bool,
    /// More of the form.
    pub(super) parameters: Vec<(String, Template)>,
}

/// What a token is given for; all of it stands in the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokensFor {
    /// A refresh token.
    Refresh,
    /// The client's secret.
    Secret,
    /// The client's signature.
    Assertion,
}

/// A call that gives a token.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) endpoint: Endpoint,
    pub(super) token: Path,
    pub(super) expires_in: Option<Path>,
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
    pub(super) told: Told,
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
    pub(super) encoding: manifest::Encoding,
}

/// A body, or a part of one.
#[derive(Debug)]
pub(super) enum Node {
    /// JSON text.
    Plain(String),
    /// Becomes a JSON string, or the value of an expression.
    Value(Template),
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
    pub(super) fields: Option<Path>,
    pub(super) version: Option<Selector>,
    pub(super) ignore_case: bool,
    pub(super) next: Option<Next>,
    pub(super) lag: Duration,
}

/// How the next page is asked for.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) selector: Selector,
    /// What is found is the address of the next page; otherwise a template names it.
    pub(super) is_address: bool,
}

/// Writes records.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in the manifest")]
pub(super) struct Write {
    pub(super) endpoint: Endpoint,
    pub(super) max_records: usize,
    pub(super) max_bytes: usize,
    /// Fields before a record's own.
    pub(super) record: Vec<(Template, Node)>,
    /// Whether these are the default, which a stream without a property has no use for.
    pub(super) record_needs_property: bool,
    /// What stands for a record among several; `None`: the record itself.
    pub(super) each: Option<Node>,
    pub(super) reads_first: bool,
    pub(super) reads_after: bool,
    /// Whether a template asks for a field of the record.
    pub(super) names_record: bool,
    pub(super) stored: Option<Path>,
    pub(super) rows: Option<Rows>,
    pub(super) failures: Option<Failures>,
    pub(super) unnamed: Unnamed,
    pub(super) external_id: Option<Selector>,
    pub(super) remote_id: Option<Selector>,
    pub(super) created: Option<Template>,
    pub(super) told: Told,
    pub(super) missing_is_done: bool,
    pub(super) key_header: Option<KeyHeader>,
}

/// Rows of an answer.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) rows: RowsSelector,
    pub(super) matched: Matched,
}

/// How a row tells which record it is about.
#[derive(Debug)]
pub(super) enum Matched {
    Position,
    Index(Selector),
    /// `None`: under the stream's property.
    ExternalId(Option<Selector>),
    RemoteId(Selector),
}

/// Where a refusal tells more.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) error: Option<Selector>,
    pub(super) code: Option<Selector>,
    pub(super) field: Option<Selector>,
}

/// Rows about refused records, apart from the others.
#[derive(Debug)]
pub(super) struct Failures {
    pub(super) rows: Rows,
    pub(super) told: Told,
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
        for manifest::AnswerRule { when, is, remote_id, message, code, field } in &manifest.answers
        {
            let when = templates.test(when, ANSWER_NAMES)?;
            let detail = detail(&mut templates, ANSWER_NAMES, [remote_id, message, code, field])?;
            answers.push(AnswerRule { when, is: *is, detail });
        }
        let mut row_answers = Vec::new();
        for manifest::RowRule { when, is, remote_id, message, code, field } in &manifest.row_answers
        {
            let when = templates.test(when, ROW_NAMES)?;
            let detail = detail(&mut templates, ROW_NAMES, [remote_id, message, code, field])?;
            row_answers.push(RowRule { when, is: *is, detail });
        }
        let mut check = None;
        if let Some(manifest::Endpoint { method, path, query, headers, body, encoding }) =
            &manifest.check
        {
            let (body, encoding) = (body.as_ref(), *encoding);
            let parts = endpoint::Parts { method: *method, path, query, headers, body, encoding };
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

/// Compiles what a rule tells beside its verdict.
fn detail(
    templates: &mut Templates,
    known: &[&str],
    [remote_id, message, code, field]: [&Option<Text>; 4],
) -> Result<Detail, Wrong> {
    let mut found = |text: &Option<Text>| selector(templates, text.as_ref(), known);
    Ok(Detail {
        remote_id: found(remote_id)?,
        told: Told { error: found(message)?, code: found(code)?, field: found(field)? },
    })
}

/// Parses a selector, if there is one.
pub(super) fn selector(
    templates: &mut Templates,
    text: Option<&Text>,
    known: &[&str],
) -> Result<Option<Selector>, Wrong> {
    text.map(|text| Selector::parse(templates, text, known)).transpose()
}

/// Parses a JSON path, if there is one.
pub(super) fn path(text: Option<&Text>) -> Result<Option<Path>, Wrong> {
    text.map(Path::parse).transpose()
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
        .map_err(|_| name.at().wrong("no header can have such a name"))
}
