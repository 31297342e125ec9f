//! The records of a job as files: those that are filtered, and those that were not written.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use super::records::Asked;
use super::{Asking, Refused, Viewer, encoded};
use crate::results::Format;
use crate::serve::Service;
use crate::serve::api::body::InPath;
use crate::serve::api::{self, jobs};
use crate::store::results::Query;

/// What is filtered, as a file.
pub(super) async fn results(
    State(service): State<Arc<Service>>,
    viewer: Viewer,
    InPath(id): InPath<String>,
    Asking(asked): Asking<Asked>,
) -> Result<Response, Refused> {
    let job = jobs::visible(&service, &viewer.caller, &id)?;
    let (format, ending) = match asked.format.as_str() {
        "jsonl" => (Format::Jsonl, "jsonl"),
        _ => (Format::Csv, "csv"),
    };
    let query = Query { after: None, before: None, ..asked.query() };
    let response = api::results::file(&service, &job, query, format).await?;
    Ok(named(response, &format!("{}-results.{ending}", job.name)))
}

/// What was not written, as a file.
pub(super) async fn rejects(
    State(service): State<Arc<Service>>,
    viewer: Viewer,
    InPath(id): InPath<String>,
) -> Result<Response, Refused> {
    let job = jobs::visible(&service, &viewer.caller, &id)?;
    let response = api::results::rejects(&service, &job).await?;
    Ok(named(response, &format!("{}-rejects.jsonl", job.name)))
}

/// An answer that is kept as a file of this name (RFC 6266).
fn named(mut response: Response, name: &str) -> Response {
    let plain: String = name
        .chars()
        .map(|char| if char.is_ascii_alphanumeric() || "-_.".contains(char) { char } else { '_' })
        .take(120)
        .collect();
    let exact = encoded(name).replace('+', "%20");
    let value = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}");
    if let Ok(value) = HeaderValue::from_str(&value) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_jobs_name_and_no_path() {
        let response = named(Response::default(), "../\"a\r\nb\" ü-results.csv");
        let told = response.headers()[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert_eq!(
            told,
            "attachment; filename=\"..__a__b___-results.csv\"; \
             filename*=UTF-8''..%2F%22a%0D%0Ab%22%20%C3%BC-results.csv"
        );
    }
}
