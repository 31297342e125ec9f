//! Why HubSpot refuses something, in the form that it has for that.
//!
//! Form and texts: <https://developers.hubspot.com/docs/api-reference/latest/error-handling>, and the
//! `Error` of its published descriptions. All members are optional there, and differ from call to
//! call.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::sandbox::remote::Answer;

/// Tells who looks into a failure which one is meant. A real one is random.
const CORRELATION_ID: &str = "aeb5f871-7f07-4993-9211-075dc63e7cbf";

/// A refusal.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    category: &'static str,
    message: String,
    /// Single things that are wrong.
    details: Vec<Detail>,
    /// What it is about, by kind.
    context: Vec<(&'static str, Vec<String>)>,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Detail {
    pub(super) code: &'static str,
    pub(super) message: String,
    /// The property, if it is about one.
    pub(super) property: Option<String>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        category: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { status, category, message: message.into(), details: Vec::new(), context: Vec::new() }
    }

    /// A request that HubSpot cannot do anything with.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
    }

    /// Values that properties do not take.
    pub(super) fn of_properties(details: Vec<Detail>) -> Self {
        let told: Vec<Value> = details
            .iter()
            .map(|detail| {
                json!({"isValid": false, "message": detail.message, "error": detail.code,
                       "name": detail.property})
            })
            .collect();
        let message = format!("Property values were not valid: {}", Value::from(told));
        Self { details, ..Self::invalid(message) }
    }

    /// No record of this object has these ids.
    pub(super) fn not_found(object: &str, ids: &[String]) -> Self {
        let message = format!(
            "Could not get some {} objects, they may be deleted or not exist. Check that ids are valid.",
            object.to_uppercase()
        );
        Self::new(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", message).about("ids", ids)
    }

    /// A record has the value already that must be of one record only.
    pub(super) fn conflict(object: &str, id: u64) -> Self {
        let mut rest = object.chars();
        let first = rest.next().map(|first| first.to_ascii_uppercase()).unwrap_or_default();
        let message = format!("{first}{} already exists. Existing ID: {id}", rest.as_str());
        Self::new(StatusCode::CONFLICT, "CONFLICT", message)
    }

    /// Says more of what it is about.
    pub(super) fn about(mut self, kind: &'static str, what: &[String]) -> Self {
        self.context.push((kind, what.to_vec()));
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// As JSON: the body of an answer.
    pub(super) fn to_json(&self) -> Value {
        let mut body = json!({
            "status": "error",
            "message": self.message,
            "correlationId": CORRELATION_ID,
            "category": self.category,
        });
        if !self.details.is_empty() {
            body["errors"] = self.details.iter().map(Detail::to_json).collect();
        }
        for (kind, what) in &self.context {
            body["context"][*kind] = what.clone().into();
        }
        body
    }

    /// The same as one of the `errors` of a batch, which says less.
    pub(super) fn in_batch(&self) -> Value {
        let context = self.context.iter().map(|(kind, what)| (*kind, what));
        json!({
            "status": "error",
            "category": self.category,
            "message": self.message,
            "context": context.collect::<BTreeMap<_, _>>(),
        })
    }
}

impl Detail {
    fn to_json(&self) -> Value {
        let mut detail = json!({"message": self.message, "code": self.code});
        if let Some(property) = &self.property {
            detail["context"] = json!({"propertyName": [property]});
        }
        detail
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self::json(problem.status, problem.to_json().to_string())
    }
}

/// The body of a refusal that has nothing to do with a record.
pub(super) fn refusal(status: StatusCode, message: &str) -> String {
    let category = match status {
        StatusCode::UNAUTHORIZED => "INVALID_AUTHENTICATION",
        StatusCode::FORBIDDEN => "MISSING_SCOPES",
        StatusCode::NOT_FOUND => "OBJECT_NOT_FOUND",
        StatusCode::METHOD_NOT_ALLOWED => "METHOD_NOT_ALLOWED",
        StatusCode::TOO_MANY_REQUESTS => {
            return json!({
                "status": "error",
                "message": "You have reached your ten_secondly_rolling limit.",
                "errorType": "RATE_LIMIT",
                "correlationId": CORRELATION_ID,
                "category": "RATE_LIMITS",
                "policyName": "TEN_SECONDLY_ROLLING",
                "groupName": "publicapi:private-apps:api-calls-per-ten-seconds",
            })
            .to_string();
        }
        status if status.is_server_error() => "INTERNAL_ERROR",
        _ => "VALIDATION_ERROR",
    };
    Problem::new(status, category, message).to_json().to_string()
}
