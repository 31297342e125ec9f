//! Errors as RFC 9457 has them: `application/problem+json`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::CHALLENGE;
use super::hints::over_http;
use crate::error::Error;
use crate::store::StoreError;

/// What is wrong with a request, or with us (RFC 9457, section 3.1).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// `about:blank`: the status says what kind it is (RFC 9457, section 4.2.1).
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request, for people.
    detail: String,
    /// What can be done about it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl Problem {
    /// A status and what is wrong.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            hint: None,
            retry_after: None,
        }
    }

    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// We cannot for now; whoever asks may ask again after so many seconds.
    pub(super) fn unavailable(detail: impl Into<String>, secs: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(secs)
    }

    /// The service ends, and begins nothing more.
    pub(super) fn ending() -> Self {
        Self::unavailable("the service is about to end", 5)
    }

    /// A status, and what an error says.
    pub(super) fn of(status: StatusCode, error: &Error) -> Self {
        let hint = error.hint_text().map(over_http);
        Self { hint, ..Self::new(status, error.full_message()) }
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whoever asks may ask again after so many seconds.
    pub(super) fn retry_after(mut self, secs: u64) -> Self {
        self.retry_after = Some(secs);
        self
    }

    /// The HTTP status.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What is wrong.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// What can be done about it.
    pub(super) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl From<Error> for Problem {
    /// What is told is for whoever runs the service too: no secret is in an [`Error`].
    fn from(error: Error) -> Self {
        use crate::error::ExitCode;
        if error.is_of_store() {
            return of_disk(&error);
        }
        let status = match error.exit {
            ExitCode::Usage | ExitCode::Input => StatusCode::UNPROCESSABLE_ENTITY,
            ExitCode::Remote => StatusCode::BAD_GATEWAY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::of(status, &error)
    }
}

impl From<Problem> for Error {
    /// For a job: nobody waits for an answer that says it.
    fn from(problem: Problem) -> Self {
        Self::usage(problem.detail).hint_if(problem.hint.as_deref())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        of_disk(&error.into())
    }
}

/// Whoever asks can do nothing about the disk, and need not know where things are on it.
fn of_disk(error: &Error) -> Problem {
    tracing::error!("What a request needs of the disk was not to be had: {}", error.full_message());
    Problem::unavailable("what is kept here cannot be read or written now", 5)
}

/// What is answered in the place of an answer that was not made.
pub(super) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a bug of ours; see the log").into_response()
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        if let Some(secs) = retry_after {
            headers.insert(header::RETRY_AFTER, secs.into());
        }
        response
    }
}
