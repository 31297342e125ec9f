//! Says what an answer means: the manifest's rules first, then HTTP's.
//!
//! Nothing here does I/O, and nothing becomes a success that the answer does not call one.

use minijinja::value::{Serde, Value as Name};
use serde_json::Value;

use super::manifest::{AnswerIs, RowIs};
use super::program::{Detail, Program, Write};
use super::select::Selector;
use super::stored::altered;
use crate::connector::contract::{self, Action, ErrorClass, Rejection, RequestError, Verdict};
use crate::connector::http::meaning::{complaint, meaning, throttled};
use crate::connector::http::{Answer, Call, Meaning, Redactor, exact};
use crate::record::{ExternalId, RemoteId};

/// Characters of a remote's message that are passed on.
const MAX_MESSAGE_CHARS: usize = 500;
/// Characters of its codes and of the names of its fields.
const MAX_CODE_CHARS: usize = 100;

/// What a whole answer means.
#[derive(Debug)]
pub(super) enum Whole {
    /// Its rows say more.
    Rows,
    /// It is about the one record of the call.
    One(Verdict),
    /// The call failed.
    Failed(RequestError),
}

/// An answer, and what its rules need to read it.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    program: &'a Program,
    redactor: &'a Redactor,
    answer: &'a Answer,
    /// The body; `None` when it is no JSON.
    pub(super) body: Option<Value>,
    status: Name,
    headers: Name,
    named_body: Name,
}

impl<'a> Reading<'a> {
    /// Reads the body once, for all rules and rows.
    pub(super) fn new(program: &'a Program, redactor: &'a Redactor, answer: &'a Answer) -> Self {
        let body = exact::parse(&answer.body).ok();
        let has_rules = !program.answers.is_empty() || !program.row_answers.is_empty();
        let headers = answer.headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), Name::from(value.to_str().ok()?)))
        });
        Self {
            status: answer.status.into(),
            headers: Name::from_pairs(headers),
            named_body: match &body {
                Some(body) if has_rules => Name::from(Serde(body)),
                _ => Name::UNDEFINED,
            },
            program,
            redactor,
            answer,
            body,
        }
    }

    /// Whether there is no body at all.
    pub(super) fn is_empty(&self) -> bool {
        self.answer.body.is_empty()
    }

    /// What came, for people.
    pub(super) fn describe(&self) -> String {
        self.answer.describe(self.redactor)
    }

    /// What the answer to `call` means as a whole; `is_alone` says that a write has one record, so
    /// that a rule may be about it.
    pub(super) fn whole(&self, call: Call, is_alone: bool) -> Whole {
        let names = Name::from_pairs([
            ("status", self.status.clone()),
            ("headers", self.headers.clone()),
            ("body", self.named_body.clone()),
        ]);
        for rule in &self.program.answers {
            match self.program.templates.holds(&rule.when, &names) {
                Ok(false) => {}
                Ok(true) => return self.ruled(rule.is, &rule.detail, call, is_alone),
                // A rule that cannot be asked must not let a refusal pass for a success.
                Err(error) => return Whole::Failed(lost(call, error)),
            }
        }
        match meaning(self.answer, call, self.redactor) {
            Meaning::Rows => Whole::Rows,
            Meaning::Missing => Whole::One(Verdict::Missing),
            Meaning::Exists => Whole::One(Verdict::Exists(None)),
            Meaning::Changed => Whole::One(Verdict::Changed),
            Meaning::Failed(error) => Whole::Failed(error),
        }
    }

    fn ruled(&self, is: AnswerIs, detail: &Detail, call: Call, is_alone: bool) -> Whole {
        let null = Value::Null;
        let body = self.body.as_ref().unwrap_or(&null);
        let rejection = self.rejection(body, detail);
        let message = rejection.message.clone();
        let status = self.answer.status;
        let one = match call {
            Call::Read => is == AnswerIs::Missing,
            Call::Write { .. } => is_alone,
        };
        let refused = || {
            let Rejection { code, message, .. } = rejection.clone();
            Whole::Failed(RequestError::Refused { status, code, message })
        };
        match is {
            AnswerIs::Rows => Whole::Rows,
            AnswerIs::Throttled => Whole::Failed(throttled(self.answer)),
            AnswerIs::Unreachable => Whole::Failed(RequestError::Unreachable(message)),
            AnswerIs::InDoubt => Whole::Failed(lost(call, message.into())),
            AnswerIs::Unauthorized => Whole::Failed(RequestError::Unauthorized(message)),
            AnswerIs::Forbidden => Whole::Failed(RequestError::Forbidden { status, message }),
            AnswerIs::Busy if !one => Whole::Failed(throttled(self.answer)),
            AnswerIs::Busy => Whole::One(Verdict::Busy(message)),
            AnswerIs::Rejected if one => Whole::One(Verdict::Rejected(rejection)),
            AnswerIs::Missing if one => Whole::One(Verdict::Missing),
            AnswerIs::Changed if one => Whole::One(Verdict::Changed),
            AnswerIs::Exists if one => {
                let id = detail.remote_id.as_ref().and_then(|id| id.text(body));
                Whole::One(Verdict::Exists(id.map(RemoteId::new)))
            }
            AnswerIs::Refused
            | AnswerIs::Rejected
            | AnswerIs::Missing
            | AnswerIs::Changed
            | AnswerIs::Exists => refused(),
        }
    }

    fn rejection(&self, value: &Value, detail: &Detail) -> Rejection {
        let found = |selector: &Option<Selector>| selector.as_ref()?.joined(value);
        let whole = complaint(self.answer, self.redactor);
        let code = found(&detail.code).map(|code| self.code(&code));
        let message = match found(&detail.message) {
            Some(message) => self.redactor.excerpt(&message, MAX_MESSAGE_CHARS),
            None => whole.message.into(),
        };
        self.refusal(code.or(whole.code), message, found(&detail.field))
    }

    fn code(&self, code: &str) -> Box<str> {
        self.redactor.excerpt(code, MAX_CODE_CHARS).into()
    }

    fn refusal(&self, code: Option<Box<str>>, message: String, field: Option<String>) -> Rejection {
        let message = match field {
            Some(field) => {
                format!("{message} (`{}`)", self.redactor.excerpt(&field, MAX_CODE_CHARS))
            }
            None => message,
        };
        Rejection { class: ErrorClass::Payload, code, message: message.into() }
    }

    /// What `row` says of the record that it is about.
    pub(super) fn row(&self, write: &Write, action: Action, row: &Value) -> Verdict {
        let names = Name::from_pairs([
            ("status", self.status.clone()),
            ("headers", self.headers.clone()),
            ("body", self.named_body.clone()),
            ("row", Name::from(Serde(row))),
        ]);
        let templates = &self.program.templates;
        let remote_id = |selector: &Option<Selector>| {
            selector.as_ref().and_then(|id| id.text(row)).map(RemoteId::new)
        };
        let found = |selector: &Option<Selector>| selector.as_ref()?.joined(row);
        for rule in &self.program.row_answers {
            match templates.holds(&rule.when, &names) {
                Ok(false) => continue,
                Err(error) => return Verdict::InDoubt(error.into()),
                Ok(true) => {}
            }
            let Detail { message, code, field, remote_id: own_id } = &rule.detail;
            let id = remote_id(own_id).or_else(|| remote_id(&write.remote_id));
            let message = found(message).or_else(|| found(&write.error));
            let message = message.unwrap_or_else(|| row.to_string());
            let message = self.redactor.excerpt(&message, MAX_MESSAGE_CHARS);
            return match rule.is {
                RowIs::Created => Verdict::Created(id),
                RowIs::Updated => Verdict::Updated(id),
                RowIs::Unchanged => Verdict::Unchanged(id),
                RowIs::Deleted => Verdict::Deleted,
                RowIs::Missing => Verdict::Missing,
                RowIs::Exists => Verdict::Exists(id),
                RowIs::Changed => Verdict::Changed,
                RowIs::Busy => Verdict::Busy(message.into()),
                RowIs::InDoubt => Verdict::InDoubt(message.into()),
                RowIs::Rejected => {
                    let code = found(code).or_else(|| found(&write.error_code));
                    let field = found(field).or_else(|| found(&write.error_field));
                    let code = code.map(|code| self.code(&code));
                    Verdict::Rejected(self.refusal(code, message, field))
                }
            };
        }
        if let Some(message) = found(&write.error) {
            let message = self.redactor.excerpt(&message, MAX_MESSAGE_CHARS);
            let code = found(&write.error_code).map(|code| self.code(&code));
            return Verdict::Rejected(self.refusal(code, message, found(&write.error_field)));
        }
        let id = remote_id(&write.remote_id);
        let needs_id = write.remote_id.is_some() && id.is_none();
        let is_new = matches!(action, Action::Create | Action::Upsert);
        if !row.is_object() || (needs_id && is_new) {
            return Verdict::InDoubt("the answer does not say what became of the record".into());
        }
        match (action, &write.created) {
            (Action::Create, _) => Verdict::Created(id),
            (Action::Update, _) => Verdict::Updated(id),
            (Action::Delete, _) => Verdict::Deleted,
            (Action::Upsert, None) => Verdict::Upserted(id),
            (Action::Upsert, Some(created)) => match templates.holds(created, &names) {
                Ok(true) => Verdict::Created(id),
                Ok(false) => Verdict::Updated(id),
                Err(error) => Verdict::InDoubt(error.into()),
            },
        }
    }
}

impl Reading<'_> {
    /// A success, unless `row` shows that the remote holds something else than was sent.
    pub(super) fn held(
        &self,
        operation: &Write,
        write: &contract::Write,
        row: &Value,
        verdict: Verdict,
    ) -> Verdict {
        let (Verdict::Created(id)
        | Verdict::Updated(id)
        | Verdict::Upserted(id)
        | Verdict::Unchanged(id)) = &verdict
        else {
            return verdict;
        };
        let told = operation
            .stored
            .as_ref()
            .and_then(|stored| altered(stored, row, &write.body, self.redactor));
        match told {
            // An update's id is known; a row need not repeat it.
            Some(told) => {
                Verdict::Altered(id.clone().or_else(|| write.remote_id.clone()), told.into())
            }
            None => verdict,
        }
    }
}

/// Success without a body to read, for an operation that expects none.
pub(super) fn unread(action: Action) -> Verdict {
    match action {
        Action::Create => Verdict::Created(None),
        Action::Update => Verdict::Updated(None),
        Action::Upsert => Verdict::Upserted(None),
        Action::Delete => Verdict::Deleted,
    }
}

/// Whether a row that names these ids is about `write`.
pub(super) fn is_about(
    operation: &Write,
    action: Action,
    write: &contract::Write,
    row: &Value,
) -> bool {
    let same = |selector: &Option<Selector>, own: Option<&str>| {
        let named = selector.as_ref().and_then(|selector| selector.text(row));
        named.is_none_or(|named| own.is_none_or(|own| own == named))
    };
    same(&operation.external_id, write.external_id.as_ref().map(ExternalId::as_str))
        && (!matches!(action, Action::Update | Action::Delete)
            || same(&operation.remote_id, write.remote_id.as_ref().map(RemoteId::as_str)))
}

fn lost(call: Call, text: String) -> RequestError {
    match call {
        Call::Read => RequestError::Unreachable(text.into()),
        Call::Write { .. } => RequestError::InDoubt(text.into()),
    }
}
