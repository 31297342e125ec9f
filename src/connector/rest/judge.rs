//! Says what an answer means: the manifest's rules first, then HTTP's.
//!
//! Nothing here does I/O, and nothing becomes a success that the answer does not call one.

use serde_json::Value;

use super::manifest::{AnswerIs, RowIs};
use super::program::{Detail, Failures, Told, Write};
use super::reading::{Part, Reading};
use super::select::Selector;
use super::stored::altered;
use crate::connector::contract::{self, Action, ErrorClass, Rejection, RequestError, Verdict};
use crate::connector::http::meaning::{complaint, meaning, throttled};
use crate::connector::http::{Call, Meaning};
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

impl Reading<'_> {
    /// What the answer to `call` means as a whole; `is_alone` says that a write has one record, so
    /// that a rule may be about it.
    pub(super) fn whole(&self, call: Call, is_alone: bool) -> Whole {
        let part = self.part(None);
        for rule in &self.program.answers {
            match part.holds(&rule.when) {
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
        let one = match call {
            Call::Read => is == AnswerIs::Missing,
            Call::Write { .. } => is_alone,
        };
        let status = self.answer.status;
        let rejection = || self.complained(&detail.told);
        let message = || rejection().message;
        let refused = || {
            let Rejection { code, message, .. } = rejection();
            Whole::Failed(RequestError::Refused { status, code, message })
        };
        match is {
            AnswerIs::Rows => Whole::Rows,
            AnswerIs::Throttled => Whole::Failed(throttled(self.answer)),
            AnswerIs::Unreachable => Whole::Failed(RequestError::Unreachable(message())),
            AnswerIs::InDoubt => Whole::Failed(lost(call, message().into())),
            AnswerIs::Unauthorized => Whole::Failed(RequestError::Unauthorized(message())),
            AnswerIs::Forbidden => {
                Whole::Failed(RequestError::Forbidden { status, message: message() })
            }
            AnswerIs::Busy if !one => Whole::Failed(throttled(self.answer)),
            AnswerIs::Busy => Whole::One(Verdict::Busy(message())),
            AnswerIs::Rejected if one => Whole::One(Verdict::Rejected(rejection())),
            AnswerIs::Missing if one => Whole::One(Verdict::Missing),
            AnswerIs::Changed if one => Whole::One(Verdict::Changed),
            AnswerIs::Exists if one => {
                let id = detail.remote_id.as_ref().and_then(|id| self.part(None).id(id));
                Whole::One(Verdict::Exists(id.map(RemoteId::new)))
            }
            AnswerIs::Refused
            | AnswerIs::Rejected
            | AnswerIs::Missing
            | AnswerIs::Changed
            | AnswerIs::Exists => refused(),
        }
    }

    /// The remote's no to a whole call.
    fn complained(&self, told: &Told) -> Rejection {
        let part = self.part(None);
        let whole = complaint(self.answer, self.redactor);
        let code = part.more(told.code.as_ref()).map(|code| self.code(&code));
        let message = match part.more(told.error.as_ref()) {
            Some(message) => self.redactor.excerpt(&message, MAX_MESSAGE_CHARS),
            None => whole.message.into(),
        };
        self.refusal(code.or(whole.code), message, part.more(told.field.as_ref()))
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

    /// What `row` says of the record that it is about; `None`: the answer has no body.
    pub(super) fn row(&self, write: &Write, action: Action, row: Option<&Value>) -> Verdict {
        let part = self.part(row);
        if let Some(verdict) = self.ruled_row(&part, write, &write.told) {
            return verdict;
        }
        match write.told.error.as_ref().map_or(Ok(None), |error| part.joined(error)) {
            Ok(None) => {}
            Ok(Some(_)) => return self.refused_row(&part, &write.told, &Told::default()),
            // A refusal that cannot be looked for must not pass for a success.
            Err(error) => return Verdict::InDoubt(error.into()),
        }
        let id = write.remote_id.as_ref().and_then(|id| part.id(id)).map(RemoteId::new);
        let needs_id = write.remote_id.is_some() && id.is_none();
        let is_new = matches!(action, Action::Create | Action::Upsert);
        let is_odd = row.is_some_and(|row| !row.is_object()) && id.is_none();
        if is_odd || (needs_id && is_new) {
            return Verdict::InDoubt("the answer does not say what became of the record".into());
        }
        match (action, &write.created) {
            (Action::Create, _) => Verdict::Created(id),
            (Action::Update, _) => Verdict::Updated(id),
            (Action::Delete, _) => Verdict::Deleted,
            (Action::Upsert, None) => Verdict::Upserted(id),
            (Action::Upsert, Some(created)) => match part.holds(created) {
                Ok(true) => Verdict::Created(id),
                Ok(false) => Verdict::Updated(id),
                Err(error) => Verdict::InDoubt(error.into()),
            },
        }
    }

    /// What a row among the `failures` says of a record that it is about.
    pub(super) fn failed_row(&self, write: &Write, failures: &Failures, row: &Value) -> Verdict {
        let part = self.part(Some(row));
        let ruled = self.ruled_row(&part, write, &failures.told);
        ruled.unwrap_or_else(|| self.refused_row(&part, &failures.told, &Told::default()))
    }

    /// What the first rule says whose test is true of the row. What the rule itself does not tell
    /// of a refusal stands at `told`.
    pub(super) fn ruled_row(&self, part: &Part<'_>, write: &Write, told: &Told) -> Option<Verdict> {
        for rule in &self.program.row_answers {
            match part.holds(&rule.when) {
                Ok(false) => continue,
                Err(error) => return Some(Verdict::InDoubt(error.into())),
                Ok(true) => {}
            }
            let own = &rule.detail;
            let id = || {
                let id = own.remote_id.as_ref().and_then(|id| part.id(id));
                id.or_else(|| part.id(write.remote_id.as_ref()?)).map(RemoteId::new)
            };
            let message = || self.row_message(part, &own.told, told).into();
            return Some(match rule.is {
                RowIs::Created => Verdict::Created(id()),
                RowIs::Updated => Verdict::Updated(id()),
                RowIs::Unchanged => Verdict::Unchanged(id()),
                RowIs::Deleted => Verdict::Deleted,
                RowIs::Missing => Verdict::Missing,
                RowIs::Exists => Verdict::Exists(id()),
                RowIs::Changed => Verdict::Changed,
                RowIs::Busy => Verdict::Busy(message()),
                RowIs::InDoubt => Verdict::InDoubt(message()),
                RowIs::Rejected => self.refused_row(part, &own.told, told),
            });
        }
        None
    }

    /// The remote's no to a record. What does not stand where `first` says stands where `then`
    /// does.
    fn refused_row(&self, part: &Part<'_>, first: &Told, then: &Told) -> Verdict {
        let more = |first: &Option<Selector>, then: &Option<Selector>| {
            part.more(first.as_ref()).or_else(|| part.more(then.as_ref()))
        };
        let code = more(&first.code, &then.code).map(|code| self.code(&code));
        let message = self.row_message(part, first, then);
        Verdict::Rejected(self.refusal(code, message, more(&first.field, &then.field)))
    }

    fn row_message(&self, part: &Part<'_>, first: &Told, then: &Told) -> String {
        let message = part.more(first.error.as_ref()).or_else(|| part.more(then.error.as_ref()));
        self.redactor.excerpt(&message.unwrap_or_else(|| part.shown()), MAX_MESSAGE_CHARS)
    }

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
        let held = operation.stored.as_ref().and_then(|stored| stored.object(row));
        match held.and_then(|held| altered(held, &write.body, self.redactor)) {
            // An update's id is known; a row need not repeat it.
            Some(told) => {
                Verdict::Altered(id.clone().or_else(|| write.remote_id.clone()), told.into())
            }
            None => verdict,
        }
    }

    /// Whether `row`, or an answer without a body, is about `write`: it names no other ids.
    pub(super) fn is_about(
        &self,
        operation: &Write,
        action: Action,
        write: &contract::Write,
        row: Option<&Value>,
    ) -> bool {
        let part = self.part(row);
        let same = |selector: &Option<Selector>, own: Option<&str>| {
            let named = selector.as_ref().and_then(|selector| part.text(selector));
            named.is_none_or(|named| own.is_none_or(|own| own == named))
        };
        same(&operation.external_id, write.external_id.as_ref().map(ExternalId::as_str))
            && (!matches!(action, Action::Update | Action::Delete)
                || same(&operation.remote_id, write.remote_id.as_ref().map(RemoteId::as_str)))
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

fn lost(call: Call, text: String) -> RequestError {
    match call {
        Call::Read => RequestError::Unreachable(text.into()),
        Call::Write { .. } => RequestError::in_doubt(text),
    }
}
