//! An answer that is looked into: what templates and selectors see of it.

use std::cell::OnceCell;

use minijinja::value::{Serde, Value as Name, merge_maps};
use serde_json::Value;

use super::program::Program;
use super::select::Selector;
use super::template::Template;
use crate::connector::http::{Answer, Redactor};
use crate::json::exact;

/// What every test and template about an answer knows.
pub(super) const ANSWER_NAMES: &[&str] = &["call", "status", "headers", "links", "body", "text"];
/// What those about a row know.
pub(super) const ROW_NAMES: &[&str] =
    &["call", "status", "headers", "links", "body", "text", "row"];
/// What the one knows that leads to the next page.
pub(super) const PAGE_NAMES: &[&str] =
    &["call", "status", "headers", "links", "body", "text", "count", "next"];

/// An answer, and what its rules need to read it.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) program: &'a Program,
    pub(super) redactor: &'a Redactor,
    pub(super) answer: &'a Answer,
    /// The operation that it answers, as in the manifest.
    call: &'static str,
    /// The body; `None` when it is no JSON.
    pub(super) body: Option<Value>,
    /// Why a body that may well be JSON was not read.
    too_much: Option<String>,
    /// Made when the first template asks for it.
    names: OnceCell<Name>,
}

impl<'a> Reading<'a> {
    /// Reads the body once, for all rules and rows. `call` is the operation's key.
    pub(super) fn new(
        program: &'a Program,
        redactor: &'a Redactor,
        answer: &'a Answer,
        call: &'static str,
    ) -> Self {
        let parsed = exact::parse(&answer.body);
        let too_much =
            parsed.as_ref().err().filter(|error| error.is_data()).map(ToString::to_string);
        let (body, names) = (parsed.ok(), OnceCell::new());
        Self { program, redactor, answer, call, body, too_much, names }
    }

    /// Whether there is no body at all.
    pub(super) fn is_empty(&self) -> bool {
        self.answer.body.is_empty()
    }

    /// What came, for people.
    pub(super) fn describe(&self) -> String {
        match &self.too_much {
            Some(why) => format!("an answer (status {}): {why}", self.answer.status),
            None => self.answer.describe(self.redactor),
        }
    }

    /// The row, or the whole of it.
    pub(super) fn part<'r>(&'r self, row: Option<&'r Value>) -> Part<'r> {
        Part { reading: self, row, names: OnceCell::new() }
    }

    /// What leads to the next page, `next` having led to this one of `count` rows.
    pub(super) fn next(
        &self,
        selector: &Selector,
        count: usize,
        next: Option<&str>,
    ) -> Option<String> {
        let part = self.part(None);
        part.names.get_or_init(|| {
            let count = ("count", Name::from(count));
            let own = next.map(|next| ("next", next.into())).into_iter().chain([count]);
            merge_maps([Name::from_pairs(own), self.names().clone()])
        });
        part.text(selector)
    }

    fn names(&self) -> &Name {
        self.names.get_or_init(|| {
            let answer = self.answer;
            let headers = answer.headers.iter().filter_map(|(name, value)| {
                Some((name.as_str().to_owned(), Name::from(value.to_str().ok()?)))
            });
            // A header may stand in several lines (RFC 9110 section 5.3).
            let links = answer.headers.get_all("link").iter();
            let links = links.filter_map(|value| value.to_str().ok()).flat_map(links_of);
            let text = || String::from_utf8_lossy(&answer.body);
            let body = self.body.as_ref();
            Name::from_pairs([
                ("call", self.call.into()),
                ("status", answer.status.into()),
                ("headers", Name::from_pairs(headers)),
                ("links", Name::from_pairs(links)),
                ("body", body.map_or(Name::UNDEFINED, |body| Name::from(Serde(body)))),
                // Of JSON, `body` has all that there is.
                ("text", if body.is_none() { text().into() } else { "".into() }),
            ])
        })
    }
}

/// The addresses in a `Link` header, by their relation (RFC 8288 section 3).
fn links_of(header: &str) -> Vec<(String, Name)> {
    let one = |link: &str| {
        let (address, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let relation = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("rel").then(|| value.trim().trim_matches('"'))
        })?;
        Some((relation.to_owned(), Name::from(address)))
    };
    // A comma may stand in an address; a new link begins with `<`.
    let starts = header.match_indices('<').map(|(at, _)| at).collect::<Vec<_>>();
    let ends = starts.iter().skip(1).copied().chain([header.len()]);
    let parts = starts.iter().zip(ends).filter_map(|(from, to)| header.get(*from..to));
    parts.filter_map(|part| one(part.trim_end().trim_end_matches(','))).collect()
}

/// A row of an answer, or the whole of it.
#[derive(Debug)]
pub(super) struct Part<'a> {
    reading: &'a Reading<'a>,
    row: Option<&'a Value>,
    names: OnceCell<Name>,
}

impl Part<'_> {
    /// The first scalar that is found, as text. A template that cannot be filled in finds nothing.
    pub(super) fn text(&self, selector: &Selector) -> Option<String> {
        match selector {
            Selector::At(path) => path.text(self.value()?),
            Selector::Made(template) => self.made(template).ok().flatten(),
        }
    }

    /// The same for an id or a version of a record, which is stored: what holds a secret is none.
    pub(super) fn id(&self, selector: &Selector) -> Option<String> {
        self.reading.redactor.unless_secret(self.text(selector)?)
    }

    /// All scalars that are found, as texts.
    pub(super) fn texts(&self, selector: &Selector) -> Vec<String> {
        match selector {
            Selector::At(path) => {
                self.value().map_or_else(Vec::new, |value| path.texts(value).collect())
            }
            Selector::Made(template) => self.made(template).ok().flatten().into_iter().collect(),
        }
    }

    /// All that is found, for people.
    ///
    /// # Errors
    /// Why it cannot be found out, for people.
    pub(super) fn joined(&self, selector: &Selector) -> Result<Option<String>, String> {
        match selector {
            Selector::At(path) => Ok(self.value().and_then(|value| path.joined(value))),
            Selector::Made(template) => self.made(template),
        }
    }

    /// The same where it adds to what is known otherwise, and may be missing.
    pub(super) fn more(&self, selector: Option<&Selector>) -> Option<String> {
        self.joined(selector?).ok().flatten()
    }

    /// Whether a test is true of it.
    ///
    /// # Errors
    /// Why it cannot be asked, for people.
    pub(super) fn holds(&self, test: &Template) -> Result<bool, String> {
        if let Some(value) = self.field(test) {
            return Ok(value.is_true());
        }
        let held = self.reading.program.templates.holds(test, self.names());
        held.map_err(|why| self.reading.redactor.clean(&why))
    }

    /// The row itself, for people.
    pub(super) fn shown(&self) -> String {
        self.row.map_or_else(|| self.reading.describe(), Value::to_string)
    }

    /// What a template names that is a field of the row, if the row has it: the rest of the row
    /// need not be made known to a template.
    fn field(&self, template: &Template) -> Option<Name> {
        let (first, fields) = template.variable()?.split_first()?;
        let row = self.row.filter(|_| first == "row")?;
        let field = fields.iter().try_fold(row, |value, field| value.get(field))?;
        Some(Name::from(Serde(field)))
    }

    fn value(&self) -> Option<&Value> {
        self.row.or(self.reading.body.as_ref())
    }

    fn made(&self, template: &Template) -> Result<Option<String>, String> {
        let made = self.reading.program.templates.render(template, self.names());
        let made = made.map_err(|why| self.reading.redactor.clean(&why))?;
        let made = made.trim();
        Ok((!made.is_empty()).then(|| made.to_owned()))
    }

    fn names(&self) -> &Name {
        self.names.get_or_init(|| {
            let names = self.reading.names().clone();
            match self.row {
                Some(row) => {
                    merge_maps([Name::from_pairs([("row", Name::from(Serde(row)))]), names])
                }
                None => names,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_by_their_relation() {
        let header =
            "<https://h/x?a=1,2&page=3>; rel=\"next\", </last>; title=\"a\"; rel=last,<odd>";
        let found: Vec<_> =
            links_of(header).into_iter().map(|(name, to)| (name, to.to_string())).collect();
        let pair = |name: &str, to: &str| (name.to_owned(), to.to_owned());
        assert_eq!(found, [pair("next", "https://h/x?a=1,2&page=3"), pair("last", "/last")]);
        assert!(links_of("nonsense").is_empty());
    }
}
