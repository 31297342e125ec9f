//! `…/search`: records by the words in them, whatever their fields, but not at once.
//!
//! The part of SOSL that looks for words and returns fields:
//! <https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_sosl_syntax.htm>.
//! It finds what looks alike: `a@example.com` is three words, and so is in `x-a@example.com`.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::catalog::{Kind, Object};
use super::org::Org;
use super::problem::Problem;
use super::state::Values;
use super::{reading, shown, version};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Plan, Request};

/// Records in one answer.
const MAX_FOUND: usize = 2000;

/// What is looked for.
#[derive(Debug)]
struct Search {
    words: Vec<String>,
    scope: Scope,
    /// Nothing is returned of others; the fields of each.
    objects: Vec<(&'static Object, Vec<String>)>,
}

/// In which fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    All,
    Email,
    Name,
    Phone,
}

/// `GET …/search?q=FIND {words} IN ALL FIELDS RETURNING Contact(Id, Name)`
pub(super) fn search(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    version(request)?;
    let text = request.parameter("q").unwrap_or_default();
    let lag = Duration::from_millis(faults.search_lag_ms);
    Ok(reading(move |world, now| {
        let search = parse(&world.salesforce.org, &text)?;
        let mut found = Vec::new();
        for (object, names) in &search.objects {
            let records = object.records();
            for (_, record) in world.memory.after(&records, 0) {
                let is_indexed = record.created.is_none_or(|created| now >= created + lag);
                if !is_indexed || found.len() == MAX_FOUND {
                    continue;
                }
                let held: Values = serde_json::from_str(record.json()).unwrap_or_default();
                if search.fits(object, &held) {
                    found.push(shown::record(object, &held, Some(names))?);
                }
            }
        }
        Ok(Answer::json(StatusCode::OK, json!({"searchRecords": found}).to_string()))
    }))
}

impl Search {
    fn fits(&self, object: &'static Object, held: &Values) -> bool {
        let fields = object.fields().filter(|field| match self.scope {
            Scope::All => field.kind.is_text(),
            Scope::Email => field.kind == Kind::Email,
            Scope::Name => field.name.ends_with("Name"),
            Scope::Phone => field.kind == Kind::Phone,
        });
        let texts = fields.filter_map(|field| held.get(field.name).and_then(Value::as_str));
        let held: Vec<String> = texts.flat_map(words).collect();
        self.words.iter().all(|word| match word.strip_suffix('*') {
            Some(beginning) => held.iter().any(|held| held.starts_with(beginning)),
            None => held.contains(word),
        })
    }
}

/// # Errors
/// `MALFORMED_SEARCH`, or an object or a field that is not there.
fn parse(org: &Org, text: &str) -> Result<Search, Problem> {
    let malformed = |told: &str| Problem::bad("MALFORMED_SEARCH", told);
    let (begin, rest) =
        text.trim().split_once('{').ok_or_else(|| malformed("No search term found"))?;
    let (quoted, rest) = term(rest).ok_or_else(|| malformed("The search term has no end"))?;
    let words: Vec<String> = words(&quoted).collect();
    if !begin.trim().eq_ignore_ascii_case("FIND") || words.iter().all(|word| word.len() < 2) {
        let told = "search term must be longer than one character: ";
        return Err(malformed(&format!("{told}{quoted}")));
    }
    let (scope, returning) = match split_word(rest, "RETURNING") {
        Some((scope, returning)) => (scope, Some(returning)),
        None => (rest, None),
    };
    let scope: Vec<String> = scope.split_whitespace().map(str::to_ascii_uppercase).collect();
    let scope = match scope.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["IN", "ALL", "FIELDS"] => Scope::All,
        ["IN", "EMAIL", "FIELDS"] => Scope::Email,
        ["IN", "NAME", "FIELDS"] => Scope::Name,
        ["IN", "PHONE", "FIELDS"] => Scope::Phone,
        _ => return Err(malformed("unexpected token after the search term")),
    };
    let Some(returning) = returning else {
        let id = || vec!["Id".to_owned()];
        return Ok(Search {
            words,
            scope,
            objects: org.objects().map(|one| (one, id())).collect(),
        });
    };
    let mut objects = Vec::new();
    let mut rest = returning.trim();
    while !rest.is_empty() {
        let end = rest.find(['(', ',']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let object = org.find(name.trim()).ok_or_else(|| {
            let name = name.trim();
            Problem::bad("INVALID_TYPE", format!("sObject type '{name}' is not supported."))
        })?;
        let (fields, after) = match after.strip_prefix('(') {
            Some(after) => {
                after.split_once(')').ok_or_else(|| malformed("unexpected token: '<EOF>'"))?
            }
            None => ("Id", after),
        };
        let fields: Vec<String> = fields.split(',').map(|name| name.trim().to_owned()).collect();
        if let Some(unknown) = fields.iter().find(|name| object.field(name).is_none()) {
            return Err(Problem::no_field(object.name, unknown));
        }
        objects.push((object, fields));
        rest = after.trim_start().trim_start_matches(',').trim_start();
    }
    Ok(Search { words, scope, objects })
}

/// The term up to its closing brace, without its escapes, and what stands after it.
fn term(text: &str) -> Option<(String, &str)> {
    let mut term = String::new();
    let mut letters = text.chars();
    loop {
        match letters.next()? {
            '}' => return Some((term, letters.as_str())),
            '\\' => term.push(letters.next()?),
            letter => term.push(letter),
        }
    }
}

/// Splits at a word, in any case of its letters.
fn split_word<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let at = text.to_ascii_uppercase().find(word)?;
    Some((text.get(..at)?, text.get(at + word.len()..)?))
}

/// The words of a text; `*` may stand for the end of one.
fn words(text: &str) -> impl Iterator<Item = String> {
    let is_between = |letter: char| !letter.is_alphanumeric() && letter != '*';
    let words: Vec<String> =
        text.split(is_between).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    words.into_iter()
}
