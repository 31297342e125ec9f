//! Why NetSuite refuses something, in the form that it has for that.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_156570709583.html>: a
//! title and a status, and in `o:errorDetails` what is wrong, a code for programs, and which part
//! of the call it is about.

use hyper::StatusCode;
use hyper::header::HeaderName;
use serde_json::{Value, json};

use crate::sandbox::remote::{Answer, Content, TOO_MANY};

/// Media type of a refusal.
pub(super) const MEDIA_TYPE: &str = "application/vnd.oracle.resource+json; type=error";

/// What comes before a sentence of a record's own rules.
const ACCESS: &str = "Error while accessing a resource. ";

/// What is wrong.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// The part of the call that it is about: the member's name, and the part.
    about: Option<(&'static str, String)>,
    headers: Vec<(HeaderName, String)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), about: None, headers: Vec::new() }
    }

    /// A call that NetSuite cannot do anything with.
    pub(super) fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// A rule of the records themselves.
    pub(super) fn rule(sentence: impl AsRef<str>) -> Self {
        Self::bad("USER_ERROR", format!("{ACCESS}{}", sentence.as_ref()))
    }

    /// A field that the type does not have, or a value that its field does not take.
    pub(super) fn value(path: &str) -> Self {
        let name = path.rsplit('.').next().unwrap_or(path);
        let detail = format!(
            "Invalid value for the resource or sub-resource field '{name}'. Provide a valid value."
        );
        Self::bad("INVALID_VALUE", detail).at(path)
    }

    /// A field that the type does not have.
    pub(super) fn name(path: &str) -> Self {
        let name = path.rsplit('.').next().unwrap_or(path);
        Self::bad("INVALID_CONTENT", unknown(name)).at(path)
    }

    /// An id that no record has to which the field may refer.
    pub(super) fn reference(path: &str, id: &str) -> Self {
        let name = path.rsplit('.').next().unwrap_or(path);
        let detail = format!(
            "{ACCESS}You have entered an Invalid Field Value {id} for the following field: {name}"
        );
        Self::bad("INVALID_CONTENT", detail).at(path)
    }

    /// An external id that no record has to which the field may refer.
    pub(super) fn external_reference(path: &str, id: &str) -> Self {
        let name = path.rsplit('.').next().unwrap_or(path);
        let detail = format!("{ACCESS}Invalid {name} reference key {id}.");
        Self::bad("INVALID_KEY_OR_REF", detail).at(path)
    }

    /// Fields that a record cannot be without.
    pub(super) fn missing(labels: &[&str]) -> Self {
        Self::rule(format!("Please enter value(s) for: {}", labels.join(", ")))
    }

    /// There is no such record.
    pub(super) fn no_record() -> Self {
        let detail = "The record instance does not exist. Provide a valid record instance ID.";
        Self::new(StatusCode::NOT_FOUND, "NONEXISTENT_ID", detail)
    }

    /// There is no such type of records.
    pub(super) fn no_type(name: &str) -> Self {
        let detail = format!("Record type '{name}' does not exist.");
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", detail)
    }

    /// The body is not JSON, or not of the form that the call needs.
    pub(super) fn body() -> Self {
        Self::bad("INVALID_CONTENT", "Invalid content in the request body.")
    }

    /// About this place of the body.
    pub(super) fn at(mut self, path: &str) -> Self {
        self.about = Some(("o:errorPath", path.to_owned()));
        self
    }

    /// About this header.
    pub(super) fn header(mut self, name: &str) -> Self {
        self.about = Some(("o:errorHeader", name.to_owned()));
        self
    }

    /// About this parameter.
    pub(super) fn parameter(mut self, name: &str) -> Self {
        self.about = Some(("o:errorQueryParam", name.to_owned()));
        self
    }

    /// Told with this header.
    pub(super) fn with(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    fn to_json(&self) -> String {
        let mut detail = json!({"detail": self.detail});
        if let Some((member, part)) = &self.about {
            detail[*member] = part.clone().into();
        }
        detail["o:errorCode"] = self.code.into();
        let title = match self.code {
            // It has the title of another status.
            "IDEMPOTENCY_ERROR" => "Conflict",
            _ => self.status.canonical_reason().unwrap_or_default(),
        };
        let body = json!({
            "type": kind(self.status),
            "title": title,
            "status": self.status.as_u16(),
            "o:errorDetails": Value::from(vec![detail]),
        });
        body.to_string()
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        let content = Content::Text(MEDIA_TYPE, problem.to_json());
        Self { status: problem.status, headers: problem.headers, content }
    }
}

/// What is said of a field that a type does not have, whether it is refused for that or left out.
pub(super) fn unknown(name: &str) -> String {
    format!("Unknown field name {name}. The field does not exist on this record instance.")
}

/// The body of a refusal that has nothing to do with a record.
pub(super) fn refusal(status: StatusCode, message: &str) -> String {
    let (code, detail) = match status {
        StatusCode::UNAUTHORIZED => (
            "INVALID_LOGIN",
            "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI \
             at Setup > Users/Roles > User Management > View Login Audit Trail.",
        ),
        StatusCode::NOT_FOUND => ("NOT_FOUND", "The requested resource does not exist."),
        StatusCode::METHOD_NOT_ALLOWED => ("METHOD_NOT_ALLOWED", message),
        StatusCode::TOO_MANY_REQUESTS if message == TOO_MANY => {
            ("CONCURRENCY_LIMIT_EXCEEDED", "Concurrent request limit exceeded. Request blocked.")
        }
        StatusCode::TOO_MANY_REQUESTS => {
            ("REQUEST_LIMIT_EXCEEDED", "Request limit exceeded. Request blocked.")
        }
        status if status.is_client_error() => ("INVALID_REQUEST", message),
        _ => ("UNEXPECTED_ERROR", "An unexpected error occurred. Error ID: sandbox"),
    };
    Problem::new(status, code, detail).to_json()
}

/// What the standards have to say about a status.
fn kind(status: StatusCode) -> String {
    let section = match status.as_u16() {
        429 => return "https://www.rfc-editor.org/rfc/rfc6585.html#section-4".to_owned(),
        413 => "15.5.14".to_owned(),
        415 => "15.5.16".to_owned(),
        400 => "15.5.1".to_owned(),
        code @ 401..=410 => format!("15.5.{}", code - 399),
        code @ 500..=505 => format!("15.6.{}", code - 499),
        _ => "15".to_owned(),
    };
    format!("https://www.rfc-editor.org/rfc/rfc9110.html#section-{section}")
}
