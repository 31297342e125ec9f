//! Why Salesforce refuses something, in the form that it has for that: a list of
//! `{message, errorCode, fields}`, or among the results of many records
//! `{statusCode, message, fields}`.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm>; the codes
//! and some of the texts:
//! <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm>.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::catalog::{Call, Object};
use crate::sandbox::remote::Answer;

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// The fields that it is about; `None` where it is not about a record's values.
    pub(super) fields: Option<Vec<String>>,
    /// Which records are alike, of `DUPLICATES_DETECTED`.
    pub(super) duplicates: Option<Box<Value>>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), fields: None, duplicates: None }
    }

    /// A call that Salesforce cannot do anything with.
    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// Nothing is there.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
    }

    /// There is no such path, object or record.
    pub(super) fn no_resource() -> Self {
        Self::not_found("The requested resource does not exist")
    }

    /// A body or a value that is not of the type that it must be.
    pub(super) fn json(message: impl Into<String>) -> Self {
        Self::bad("JSON_PARSER_ERROR", message)
    }

    /// Something about a record's values.
    pub(super) fn of(code: &'static str, fields: &[&str], message: impl Into<String>) -> Self {
        let fields = Some(fields.iter().map(|&name| name.to_owned()).collect());
        Self { fields, ..Self::bad(code, message) }
    }

    /// The object has no such field.
    pub(super) fn no_field(object: &str, name: &str) -> Self {
        Self::bad("INVALID_FIELD", format!("No such column '{name}' on sobject of type {object}"))
    }

    /// Records of the object are not made, changed or deleted by anybody.
    pub(super) fn not_taken(object: &Object, call: Call) -> Self {
        let message = format!("entity type cannot be {}: {}", call.as_str(), object.label);
        Self::of("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", &[], message)
    }

    /// It was all or none, and another was refused.
    pub(super) fn rolled_back() -> Self {
        Self::of(
            "ALL_OR_NONE_OPERATION_ROLLED_BACK",
            &[],
            "Record rolled back because not all records were valid and the request was using \
             AllOrNone header",
        )
    }

    /// The record was there, and was deleted.
    pub(super) fn deleted() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            ..Self::of("ENTITY_IS_DELETED", &[], "entity is deleted")
        }
    }

    /// As an element of an answer that is nothing but errors.
    pub(super) fn to_json(&self) -> Value {
        if let Some(duplicates) = &self.duplicates {
            // Spelt as Salesforce spells it.
            return json!({"duplicateResut": **duplicates, "errorCode": self.code,
                "message": self.message});
        }
        let mut error = json!({"message": self.message, "errorCode": self.code});
        if let Some(fields) = &self.fields {
            error["fields"] = fields.clone().into();
        }
        error
    }

    /// As one of the errors of a record among others. Which records are alike is not told there.
    pub(super) fn in_list(&self) -> Value {
        let fields = self.fields.clone().unwrap_or_default();
        json!({"statusCode": self.code, "message": self.message, "fields": fields})
    }

    /// As a bulk job tells it.
    pub(super) fn in_bulk(&self) -> String {
        let fields = self.fields.clone().unwrap_or_default();
        let blank = if fields.is_empty() { "" } else { " " };
        format!("{}:{}:{}{blank}--", self.code, self.message, fields.join(", "))
    }
}

impl From<Problem> for Vec<Problem> {
    fn from(problem: Problem) -> Self {
        vec![problem]
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        answer(&[problem])
    }
}

/// An answer that is nothing but errors; its status is that of the first.
pub(super) fn answer(problems: &[Problem]) -> Answer {
    let status = problems.first().map_or(StatusCode::BAD_REQUEST, |problem| problem.status);
    let list: Value = problems.iter().map(Problem::to_json).collect();
    Answer::json(status, list.to_string())
}

/// The body of a refusal that has nothing to do with a record.
pub(super) fn refusal(status: StatusCode, message: &str) -> String {
    let (code, message) = match status {
        StatusCode::UNAUTHORIZED => ("INVALID_SESSION_ID", "Session expired or invalid"),
        StatusCode::FORBIDDEN => ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
        StatusCode::NOT_FOUND => ("NOT_FOUND", "The requested resource does not exist"),
        StatusCode::METHOD_NOT_ALLOWED => ("METHOD_NOT_ALLOWED", message),
        StatusCode::PAYLOAD_TOO_LARGE => ("REQUEST_ENTITY_TOO_LARGE", message),
        StatusCode::SERVICE_UNAVAILABLE => ("SERVER_UNAVAILABLE", message),
        _ => ("UNKNOWN_EXCEPTION", message),
    };
    Value::from(vec![Problem::new(status, code, message).to_json()]).to_string()
}
