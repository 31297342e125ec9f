//! What NetSuite says when it refuses something, in words that a person can act on.
//!
//! `{"title", "status", "o:errorDetails": [{"detail", "o:errorCode", "o:errorPath"}]}`:
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_1545222128.html>

use serde_json::Value;

use crate::connector::contract::{Action, ErrorClass, Rejection, RequestError, Verdict};
use crate::connector::http::meaning::throttled;
use crate::connector::http::{Answer, Call, Meaning, Redactor, meaning};
use crate::json::exact;

/// Characters of a message that are told.
pub(super) const MAX_CHARS: usize = 1000;

/// An answer that refuses something.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    details: Vec<Detail>,
}

#[derive(Clone, Debug)]
struct Detail {
    code: String,
    text: String,
    /// Where in the record, in the query or in the address.
    place: Option<String>,
    /// That is in the record.
    is_of_field: bool,
}

impl Problem {
    /// Reads the body of an answer; `None` where it is not in NetSuite's form.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body = exact::parse(body).ok()?;
        let of = |detail: &Value| {
            let text = |name: &str| detail.get(name).and_then(exact::text);
            let place = [
                "o:errorPath",
                "o:errorQueryParam",
                "o:errorHeader",
                "o:errorUrlPath",
                "o:urlPath",
            ];
            Detail {
                code: text("o:errorCode").unwrap_or_default(),
                text: text("detail").unwrap_or_default(),
                place: place.into_iter().find_map(text),
                is_of_field: text("o:errorPath").is_some(),
            }
        };
        let details = body.get("o:errorDetails")?.as_array()?.iter().map(of).collect();
        Some(Self { details })
    }

    /// The code of the first detail.
    pub(super) fn code(&self) -> &str {
        self.details.first().map_or("", |detail| &detail.code)
    }

    fn says(&self, texts: &[&str]) -> bool {
        self.details.iter().any(|detail| texts.iter().any(|text| detail.text.contains(text)))
    }

    fn has(&self, codes: &[&str]) -> bool {
        self.details.iter().any(|detail| codes.contains(&detail.code.as_str()))
    }

    /// More at once than the account lets through. It shares one limit with all other integrations.
    pub(super) fn is_of_limit(&self) -> bool {
        let is_it = |detail: &Detail| {
            detail.code.contains("CONCURRENCY_LIMIT")
                || detail.code.contains("REQUEST_LIMIT_EXCEEDED")
        };
        self.details.iter().any(is_it)
    }

    /// The credential is refused, or is said to be.
    pub(super) fn is_of_login(&self) -> bool {
        self.has(&["INVALID_LOGIN", "INVALID_LOGIN_ATTEMPT", "INVALID_LOGIN_CREDENTIALS"])
    }

    /// The record itself is not there: none that stands in one of its fields.
    pub(super) fn is_missing(&self) -> bool {
        if self.details.iter().any(|detail| detail.is_of_field) {
            return false;
        }
        self.has(&["NONEXISTENT_ID", "RCRD_DSNT_EXIST", "RCRD_PREV_DELETED"])
            || self.says(&["record instance does not exist", "That record does not exist"])
    }

    /// There is one like it.
    fn exists(&self) -> bool {
        let is_it =
            |detail: &Detail| detail.code.starts_with("DUP_") || detail.code == "ALREADY_EXISTS";
        self.details.iter().any(is_it)
            || self.says(&["already exists", "already exist", "has already been used"])
    }

    /// A record that it names is not there.
    fn lacks_parent(&self) -> bool {
        self.has(&["INVALID_KEY_OR_REF", "INVALID_REF", "INVALID_KEY"])
            || self.says(&["Invalid Field Value", "Invalid reference key", "Invalid external id"])
    }

    /// Somebody else has it at this moment.
    fn is_busy(&self) -> bool {
        self.has(&["RCRD_HAS_BEEN_CHANGED", "RECORD_LOCKED", "COMMITTED_RECORD"])
            || self.says(&["Record has been changed"])
    }

    /// All details, as one text.
    pub(super) fn words(&self, redactor: &Redactor) -> Box<str> {
        let mut all: Vec<String> = Vec::new();
        for Detail { code, text, place, .. } in &self.details {
            let what = if text.is_empty() { code } else { text };
            let what =
                what.strip_prefix("Error while accessing a resource. ").unwrap_or(what).trim();
            let unnamed = place.as_ref().filter(|place| !what.contains(place.as_str()));
            let words = match unnamed {
                Some(place) => format!("{what} (at `{place}`)"),
                None => what.to_owned(),
            };
            if !all.contains(&words) {
                all.push(words);
            }
        }
        let mut words = all.join("; ");
        if words.is_empty() {
            "NetSuite does not say why".clone_into(&mut words);
        }
        redactor.excerpt(&words, MAX_CHARS).into()
    }

    pub(super) fn rejection(&self, redactor: &Redactor) -> Rejection {
        let is_of_rights = self.has(&["INSUFFICIENT_PERMISSION", "USER_PERMISSION_VIOLATION"])
            || self.says(&["do not have permissions", "does not have permission"]);
        let class = if is_of_rights { ErrorClass::Credentials } else { ErrorClass::Payload };
        let code = Some(self.code()).filter(|code| !code.is_empty());
        let code = code.map(|code| redactor.excerpt(code, MAX_CHARS).into());
        Rejection { class, code, message: self.words(redactor) }
    }

    /// What a refusal says of the one record that the call was about.
    pub(super) fn verdict(&self, action: Action, redactor: &Redactor) -> Verdict {
        match action {
            _ if self.is_busy() => Verdict::Busy(self.words(redactor)),
            Action::Create if self.exists() => Verdict::Exists(None),
            _ if self.lacks_parent() => Verdict::NoParent(self.rejection(redactor)),
            _ => Verdict::Rejected(self.rejection(redactor)),
        }
    }
}

/// What an answer that is no success says of the call as a whole.
pub(super) fn failure(answer: &Answer, call: Call, redactor: &Redactor) -> RequestError {
    let problem = Problem::read(&answer.body);
    if problem.as_ref().is_some_and(Problem::is_of_limit) {
        return throttled(answer);
    }
    // NetSuite's own refusals are in its form: one that is not is of what stands between.
    let is_foreign = problem.is_none()
        && matches!(answer.status, 300..500)
        && !matches!(answer.status, 401 | 403 | 408 | 413 | 425 | 429);
    if is_foreign {
        let why = answer.describe(redactor);
        return match call {
            Call::Write { .. } => RequestError::in_doubt(why),
            Call::Read => RequestError::Unreachable(why.into()),
        };
    }
    match (meaning::meaning(answer, call, redactor), problem) {
        (Meaning::Failed(error), Some(problem)) => match error {
            RequestError::Refused { status, .. } => {
                let Rejection { code, message, .. } = problem.rejection(redactor);
                RequestError::Refused { status, code, message }
            }
            RequestError::Forbidden { status, .. } => {
                RequestError::Forbidden { status, message: problem.words(redactor) }
            }
            RequestError::Unauthorized(_) => RequestError::Unauthorized(problem.words(redactor)),
            error => error,
        },
        (Meaning::Failed(error), None) => error,
        // A status of one record's, of a call that is about none.
        _ => meaning::refused(answer, redactor),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problem(details: &Value) -> Problem {
        let body = json!({"title": "Bad Request", "status": 400, "o:errorDetails": details});
        Problem::read(body.to_string().as_bytes()).unwrap()
    }

    fn told(details: &Value, action: Action) -> Verdict {
        problem(details).verdict(action, &Redactor::default())
    }

    #[test]
    fn details_become_words() {
        let details = json!([
            {"detail": "Error while accessing a resource. Please enter value(s) for: Subsidiary.", "o:errorCode": "USER_ERROR"},
            {"detail": "Unknown reference or subrecord field color", "o:errorPath": "item.items[0]", "o:errorCode": "INVALID_CONTENT"},
        ]);
        let Verdict::Rejected(no) = told(&details, Action::Create) else { panic!() };
        assert_eq!(
            &*no.message,
            "Please enter value(s) for: Subsidiary.; Unknown reference or subrecord field color (at \
             `item.items[0]`)"
        );
        assert_eq!(no.code.as_deref(), Some("USER_ERROR"));
        assert!(Problem::read(b"<html>").is_none());
    }

    #[test]
    fn a_refusal_tells_what_to_do_next() {
        let one = |code: &str, text: &str| json!([{"detail": text, "o:errorCode": code}]);
        let gone = one(
            "NONEXISTENT_ID",
            "The record instance does not exist. Provide a valid record instance ID.",
        );
        assert!(problem(&gone).is_missing());
        let mut of_field = gone.clone();
        of_field[0]["o:errorPath"] = json!("category");
        assert!(!problem(&of_field).is_missing());
        let there = one("DUP_RCRD", "A record with this external ID already exists.");
        assert_eq!(told(&there, Action::Create), Verdict::Exists(None));
        assert!(matches!(told(&there, Action::Update), Verdict::Rejected(_)));
        let parent = one("USER_ERROR", "Invalid Field Value 99 for the following field: entity");
        assert!(matches!(told(&parent, Action::Create), Verdict::NoParent(_)));
        let changed = one("RCRD_HAS_BEEN_CHANGED", "Record has been changed");
        assert!(matches!(told(&changed, Action::Update), Verdict::Busy(_)));
    }

    #[test]
    fn a_limit_is_none_of_the_record() {
        for code in ["CONCURRENCY_LIMIT_EXCEEDED", "SSS_REQUEST_LIMIT_EXCEEDED"] {
            assert!(problem(&json!([{"detail": "x", "o:errorCode": code}])).is_of_limit());
        }
        let body = json!({"o:errorDetails": [{"o:errorCode": "CONCURRENCY_LIMIT_EXCEEDED"}]});
        let url = url::Url::parse("http://h").unwrap();
        let answer = Answer::new(400, reqwest::header::HeaderMap::new(), body.to_string(), url);
        let call = Call::Write { action: Action::Create, single: true };
        let error = failure(&answer, call, &Redactor::default());
        assert!(matches!(error, RequestError::Throttled { status: 400, .. }), "{error}");
    }
}
