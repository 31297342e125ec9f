//! What a call does to one record: at once, or later in a job.

use std::time::Instant;

use hyper::StatusCode;
use hyper::header::{HeaderName, LOCATION};

use super::catalog::Type;
use super::problem::{self, Problem};
use super::state::Values;
use super::{body, held, jobs, lines, rules, shown};
use crate::sandbox::memory::FOLDED;
use crate::sandbox::remote::{Answer, Target};
use crate::sandbox::world::World;

/// Tells of fields that were left out.
const LEFT_OUT: HeaderName = HeaderName::from_static("x-netsuite-propertyvalidation");

/// What is done to one record.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) kind: &'static Type,
    pub(super) verb: Verb,
    pub(super) body: Values,
    /// Whether a name that is no field is refused.
    pub(super) is_strict: bool,
    /// Sublists whose other lines are dropped.
    pub(super) replaced: Vec<String>,
    /// `http://` and the host.
    pub(super) base: String,
}

#[derive(Clone, Debug)]
pub(super) enum Verb {
    Create,
    Change(Key),
    /// By an external id.
    Upsert(String),
    Delete(Key),
}

/// What a record is known by.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Id(String),
    ExternalId(String),
}

impl Key {
    /// As in an address: an id, or an external id after `eid:`.
    ///
    /// <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_156334828635.html>:
    /// letters, digits, `_` and `-`. Others are said to work when they are quoted, with exceptions;
    /// here they do not.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let Some(external_id) = text.strip_prefix("eid:") else {
            return Ok(Self::Id(text.to_owned()));
        };
        let fits = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
        if external_id.contains(' ') {
            return Err(Problem::rule("Invalid url. Spaces are not allowed in the URL."));
        }
        if external_id.is_empty() || !external_id.chars().all(fits) {
            let detail = format!("Invalid external ID '{external_id}' in the request URL.");
            return Err(Problem::bad("INVALID_REQUEST", detail));
        }
        Ok(Self::ExternalId(external_id.to_owned()))
    }

    /// The id of the record.
    pub(super) fn find(&self, world: &mut World, kind: &'static Type) -> Result<u64, Problem> {
        match self {
            Self::ExternalId(external_id) => {
                let found = held::by_external_id(world, std::iter::once(kind), external_id);
                found.map(|(_, id)| id).ok_or_else(Problem::no_record)
            }
            Self::Id(text) => {
                let id = held::id(text).ok_or_else(Problem::no_record)?;
                if held::exists(world, kind, id) {
                    return Ok(id);
                }
                let is_another = kind.is_transaction()
                    && Type::named("transaction").any(|other| held::exists(world, other, id));
                if is_another {
                    return Err(Problem::rule("Transaction type specified is incorrect."));
                }
                Err(Problem::no_record())
            }
        }
    }
}

impl Work {
    /// The record that it may write, as far as it says which.
    pub(super) fn target(&self) -> Target {
        let by_external_id =
            |text: &str| Some((format!("{FOLDED}externalId"), text.to_lowercase()));
        let (id, external) = match &self.verb {
            Verb::Create => (None, self.body.get("externalId").and_then(|value| value.as_str())),
            Verb::Upsert(external_id) => (None, Some(external_id.as_str())),
            Verb::Change(Key::ExternalId(text)) | Verb::Delete(Key::ExternalId(text)) => {
                (None, Some(text.as_str()))
            }
            Verb::Change(Key::Id(text)) | Verb::Delete(Key::Id(text)) => {
                (held::id(text).and_then(held::number), None)
            }
        };
        let object = self.kind.records();
        Target { object, id, external: external.and_then(by_external_id) }
    }

    /// Does it in a job.
    pub(super) fn later(self) -> jobs::Work {
        Box::new(move |world, now| self.run(world, now))
    }

    /// Does it. The answer tells where the record is, not whether it is new.
    pub(super) fn run(self, world: &mut World, now: Instant) -> Answer {
        self.try_run(world, now).unwrap_or_else(Answer::from)
    }

    fn try_run(self, world: &mut World, now: Instant) -> Result<Answer, Problem> {
        let Self { kind, verb, body, is_strict, replaced, base } = self;
        let ignored = body::ignored(kind, &body);
        let done = |id: u64| {
            let mut answer = Answer::empty(StatusCode::NO_CONTENT);
            answer.headers.push((LOCATION, shown::address(&base, kind, id)));
            answer.headers.extend(ignored.iter().map(|name| (LEFT_OUT, problem::unknown(name))));
            answer
        };
        let (own, external_id) = match verb {
            Verb::Create => (None, None),
            Verb::Change(key) => (Some(key.find(world, kind)?), None),
            Verb::Upsert(external_id) => {
                let found = held::by_external_id(world, std::iter::once(kind), &external_id);
                (found.map(|(_, id)| id), Some(external_id))
            }
            Verb::Delete(key) => {
                let id = key.find(world, kind)?;
                if !held::remove(world, kind, id) {
                    let sentence =
                        "This record cannot be deleted because it has dependent records.";
                    return Err(Problem::rule(sentence));
                }
                return Ok(Answer::empty(StatusCode::NO_CONTENT));
            }
        };
        let mut given = body::read(world, kind, &body, is_strict)?;
        if let (Some(external_id), None) = (external_id, own) {
            given.insert("externalId".to_owned(), external_id.into());
        }
        let mut values = own.and_then(|id| held::get(world, kind, id)).unwrap_or_default();
        lines::merge(kind, &mut values, given, &replaced)?;
        rules::prepare(world, kind, own, &mut values)?;
        let id = match own {
            Some(id) => {
                held::replace(world, kind, id, values);
                id
            }
            None => held::create(world, kind, &values, now),
        };
        Ok(done(id))
    }
}
