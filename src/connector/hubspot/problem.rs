//! What HubSpot says when it refuses something, in words that a person can act on.
//!
//! Form: <https://developers.hubspot.com/docs/api-reference/latest/error-handling>. All members are
//! optional there. What is wrong with single properties stands in `errors`, or as JSON within the
//! message: `Property values were not valid: [{"name":…,"message":…,"error":…}]`.

use std::time::Duration;

use serde_json::Value;

use crate::connector::contract::{Action, ErrorClass, Rejection, RequestError, Verdict};
use crate::connector::http::{Answer, Call, Meaning, Redactor, meaning};
use crate::json::exact;
use crate::record::RemoteId;

/// Characters of a message that are told.
const MAX_CHARS: usize = 1000;
/// Properties that are told of one record.
const MAX_PROPERTIES: usize = 10;
/// A record that is being changed is locked for about so long (error 423).
const LOCKED: Duration = Duration::from_secs(2);
/// How long to wait while an account is moved to another data centre (error 477), where HubSpot does
/// not say so.
const MIGRATED: Duration = Duration::from_secs(60);
/// The quota of a day is back at midnight of the account's time zone, which is nearer.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One refusal: a body, or one of the `errors` of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Problem<'a>(pub(super) &'a Value);

impl<'a> Problem<'a> {
    fn text(self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// What its context says of `kind`.
    pub(super) fn context(self, kind: &str) -> impl Iterator<Item = String> + use<'a> {
        let values = self.0.get("context").and_then(|context| context.get(kind));
        values.and_then(Value::as_array).into_iter().flatten().filter_map(exact::text)
    }

    /// The ids of the records that it is about.
    pub(super) fn ids(self) -> impl Iterator<Item = String> + use<'a> {
        ["ids", "id"].into_iter().flat_map(move |kind| self.context(kind))
    }

    fn category(self) -> &'a str {
        self.text("category").or_else(|| self.text("errorType")).unwrap_or_default()
    }

    /// Whether something is not there that was asked for. Ids without a word more are such.
    pub(super) fn is_not_found(self) -> bool {
        match self.category() {
            "OBJECT_NOT_FOUND" | "NOT_FOUND" => true,
            "" => self.ids().next().is_some(),
            _ => false,
        }
    }

    /// What is wrong with single properties: name, code and message, as far as told.
    fn properties(self) -> Vec<(Option<String>, Option<String>, String)> {
        let text = |value: &Value, name: &str| value.get(name)?.as_str().map(str::to_owned);
        let message = self.text("message").unwrap_or_default();
        let listed = message.find('[').and_then(|at| {
            let rest = message.get(at..)?;
            serde_json::from_str::<Vec<Value>>(rest.get(..=rest.rfind(']')?)?).ok()
        });
        let of_list = |one: &Value| {
            let said = text(one, "localizedErrorMessage").or_else(|| text(one, "message"))?;
            Some((text(one, "name"), text(one, "error"), said))
        };
        if let Some(listed) = listed.filter(|list| list.iter().any(Value::is_object)) {
            return listed.iter().filter_map(of_list).collect();
        }
        let of_errors = |one: &Value| {
            let name = one.pointer("/context/propertyName/0").and_then(Value::as_str);
            let name = name.map(str::to_owned).or_else(|| text(one, "in"));
            Some((name, text(one, "code"), text(one, "message")?))
        };
        let errors = self.0.get("errors").and_then(Value::as_array);
        errors.into_iter().flatten().filter_map(of_errors).collect()
    }

    /// The remote's own code: that of the first property that is wrong, else the category.
    pub(super) fn code(self, redactor: &Redactor) -> Option<Box<str>> {
        let of_property = self.properties().into_iter().find_map(|(_, code, _)| code);
        let code = of_property.or_else(|| Some(self.category().to_owned()));
        code.filter(|code| !code.is_empty()).map(|code| redactor.excerpt(&code, MAX_CHARS).into())
    }

    /// What is wrong, for people. `None` when it does not say.
    fn words(self, redactor: &Redactor) -> Option<Box<str>> {
        let message = self.text("message");
        let properties = self.properties();
        let mut words = match (message, properties.is_empty()) {
            (Some(message), true) => message.to_owned(),
            (None, true) => return None,
            (message, false) => {
                let told =
                    properties.iter().take(MAX_PROPERTIES).map(|(name, _, said)| match name {
                        Some(name) if !said.contains(name.as_str()) => format!("`{name}`: {said}"),
                        _ => said.clone(),
                    });
                let told = told.collect::<Vec<_>>().join("; ");
                let head = message.map_or("", |text| text.split('[').next().unwrap_or_default());
                match head.trim().trim_end_matches(':') {
                    head if head.is_empty() || told.starts_with(head) => told,
                    head => format!("{head}: {told}"),
                }
            }
        };
        let scopes: Vec<String> = ["requiredGranularScopes", "requiredScopes"]
            .into_iter()
            .flat_map(|kind| self.context(kind))
            .chain(self.0.get("errors").and_then(Value::as_array).into_iter().flatten().flat_map(
                |error| Problem(error).context("requiredGranularScopes").collect::<Vec<_>>(),
            ))
            .collect();
        if !scopes.is_empty() {
            words.push_str(&format!(" (scopes: {})", scopes.join(", ")));
        }
        Some(redactor.excerpt(&words, MAX_CHARS).into())
    }

    /// The record that has what was to be of this one alone.
    fn existing(self, external_id_property: Option<&str>) -> Option<RemoteId> {
        let digits = |text: &str| {
            let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
            (!digits.is_empty()).then(|| RemoteId::new(digits))
        };
        let message = self.text("message").unwrap_or_default();
        // Only a conflict speaks of an id: elsewhere these words may be the record's own.
        let said = message.split_once("Existing ID: ").filter(|_| self.category() == "CONFLICT");
        if let Some((_, id)) = said {
            return digits(id.trim());
        }
        let is_taken = |(name, code, said): (Option<String>, Option<String>, String)| {
            let is_own = name
                .as_deref()
                .is_some_and(|name| name == "email" || Some(name) == external_id_property);
            let is_conflict = code.is_some_and(|code| code == "CONFLICTING_UNIQUE_VALUE");
            if is_own && is_conflict { digits(&said) } else { None }
        };
        let mut wrong = self.properties();
        // With something else wrong beside it, it is not only that.
        if wrong.len() == 1 { wrong.pop().and_then(is_taken) } else { None }
    }

    /// What it says of one record that was to be written.
    pub(super) fn verdict(
        self,
        action: Action,
        external_id_property: Option<&str>,
        redactor: &Redactor,
    ) -> Verdict {
        let said = || self.words(redactor).unwrap_or_else(|| self.category().into());
        if action == Action::Create
            && let Some(id) = self.existing(external_id_property)
        {
            return Verdict::Exists(Some(id));
        }
        match self.category() {
            "CONFLICT" if action == Action::Create => Verdict::Exists(None),
            _ if self.is_not_found() && matches!(action, Action::Update | Action::Delete) => {
                Verdict::Missing
            }
            "RATE_LIMITS" | "RATE_LIMIT" | "LOCKED" => Verdict::Busy(said()),
            "INTERNAL_ERROR" | "TIMEOUT" => Verdict::InDoubt(said()),
            _ => Verdict::Rejected(self.rejection(redactor)),
        }
    }

    /// The same as a no to a record.
    pub(super) fn rejection(self, redactor: &Redactor) -> Rejection {
        let class = match self.category() {
            "MISSING_SCOPES" | "INVALID_AUTHENTICATION" => ErrorClass::Credentials,
            _ => ErrorClass::Payload,
        };
        let message = self.words(redactor).unwrap_or_else(|| "HubSpot does not say why".into());
        Rejection { class, code: self.code(redactor), message }
    }
}

/// Whether a status is about what was sent: any other is about the caller, or the remote.
pub(super) fn is_of_content(status: u16) -> bool {
    matches!(status, 400 | 404 | 409 | 422)
}

/// How many errors an answer says that it has, where it does.
pub(super) fn num_errors(body: &Value) -> Option<usize> {
    body.get("numErrors").and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok())
}

/// Whether an answer of success tells of something that was not done.
pub(super) fn is_error(body: &Value) -> bool {
    let is_empty = |list: &Value| list.is_null() || list.as_array().is_some_and(Vec::is_empty);
    body["status"] == "error"
        || !is_empty(&body["errors"])
        || exact::text(&body["numErrors"]).is_some_and(|count| count.trim() != "0")
}

/// What an answer lists under `name`.
pub(super) fn list<'a>(body: &'a Value, name: &str) -> &'a [Value] {
    body[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What HubSpot says of an object that it has not, and of a property that is not unique.
const LASTING: [&str; 2] = ["Unable to infer object type", "by non-unique"];

/// Whether a call is refused for what holds of all calls like it, in the whole job. Words that stand in
/// what was `sent` may be a record's own.
pub(super) fn is_lasting(error: &RequestError, sent: &[u8]) -> bool {
    match error {
        RequestError::Refused { message, .. } => LASTING.iter().any(|known| {
            message.contains(known) && memchr::memmem::find(sent, known.as_bytes()).is_none()
        }),
        _ => false,
    }
}

/// What an answer says that is none of success: of the call as a whole.
pub(super) fn failure(answer: &Answer, call: Call, redactor: &Redactor) -> RequestError {
    let body = exact::parse(&answer.body).unwrap_or_default();
    let problem = Problem(&body);
    let throttled = |retry_after| RequestError::Throttled { status: answer.status, retry_after };
    let asked = answer.retry_after();
    match answer.status {
        423 => return throttled(asked.or(Some(LOCKED))),
        477 => return throttled(asked.or(Some(MIGRATED))),
        429 => {
            return throttled(asked.or_else(|| match problem.text("policyName")? {
                "DAILY" => Some(DAY),
                "SECONDLY" => Some(Duration::from_secs(1)),
                _ => None,
            }));
        }
        _ => {}
    }
    let said = problem.words(redactor);
    match meaning::meaning(answer, call, redactor) {
        Meaning::Failed(RequestError::Refused { status, code, message }) => RequestError::Refused {
            status,
            code: problem.code(redactor).or(code),
            message: said.unwrap_or(message),
        },
        Meaning::Failed(RequestError::Forbidden { status, message }) => {
            RequestError::Forbidden { status, message: said.unwrap_or(message) }
        }
        Meaning::Failed(RequestError::Unauthorized(message)) => {
            RequestError::Unauthorized(said.unwrap_or(message))
        }
        Meaning::Failed(error) => error,
        Meaning::Rows | Meaning::Missing | Meaning::Exists | Meaning::Changed => {
            RequestError::Protocol(answer.describe(redactor).into())
        }
    }
}
