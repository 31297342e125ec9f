//! What became of the records of a job.

use std::io::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::super::body::{InPath, InQuery};
use super::super::jobs;
use super::super::streamed::streamed;
use crate::outcome::Fate;
use crate::results::{self, Format};
use crate::serve::Service;
use crate::serve::auth::Caller;
use crate::serve::problem::Problem;
use crate::serve::queue::Job;
use crate::state::line::{self, Shape};
use crate::store::jobs::Job as Run;
use crate::store::report::TellError;
use crate::store::{open_for_reading, report, unreadable};

/// How results are told.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::serve::api) enum ResultsFormat {
    /// One JSON object a line.
    #[default]
    Jsonl,
    /// Comma-separated, with a header.
    Csv,
}

/// Which results.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::serve::api) struct ResultsListing {
    /// How they are told. Default `jsonl`.
    #[serde(default)]
    #[param(inline)]
    format: ResultsFormat,
    /// Only records with this outcome: `created`, `updated`, `unchanged`, `deleted`, `rejected`,
    /// `failed`, `skipped`, `in_doubt`.
    #[param(pattern = "^(created|updated|unchanged|deleted|rejected|failed|skipped|in_doubt)$")]
    outcome: Option<String>,
}

/// What became of each record
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/results", tag = "jobs", params(("id" = String, Path), ResultsListing),
    responses((status = 200, content(("application/x-ndjson"), ("text/csv"))),
        (status = "default", body = Problem, content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn results(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    InQuery(listing): InQuery<ResultsListing>,
) -> Result<Response, Problem> {
    let job = jobs::visible(&service, &caller, &id)?;
    let outcome = match listing.outcome.as_deref() {
        None => None,
        Some(name) => {
            Some(Fate::parse(name).ok_or_else(|| Problem::bad(format!("`outcome` is `{name}`")))?)
        }
    };
    let (format, kind) = match listing.format {
        ResultsFormat::Jsonl => (Format::Jsonl, "application/x-ndjson"),
        ResultsFormat::Csv => (Format::Csv, "text/csv; charset=utf-8"),
    };
    stream(&service, &job, kind, move |out, connection, run| {
        results::write_results(out, connection, run.id, format, |row| {
            outcome.is_none_or(|wanted| row.fate == wanted)
        })
    })
}

/// The state that a target would have printed: bookmarks, counts, ids
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/state", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = Object), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn state(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let job = jobs::visible(&service, &caller, &id)?;
    stream(&service, &job, "application/json", |out, connection, run| {
        let tap = report::tap_state(connection, run.id)?;
        let tap = tap.and_then(|text| RawValue::from_string(text).ok());
        line::write(out, connection, || None, run.id, Shape::Full, tap.as_deref())
    })
}

/// What was rejected or failed, as a Singer stream
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/rejects", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/x-ndjson"),
        (status = "default", body = Problem, content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn rejects(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Response, Problem> {
    let job = jobs::visible(&service, &caller, &id)?;
    stream(&service, &job, "application/x-ndjson", |out, connection, run| {
        results::write_rejects(out, connection, run.id).map(drop)
    })
}

/// What a job's run has in its lane's store.
fn stream(
    service: &Service,
    job: &Job,
    kind: &'static str,
    write: impl FnOnce(&mut dyn Write, &Connection, &Run) -> Result<(), TellError> + Send + 'static,
) -> Result<Response, Problem> {
    let Some(run) = job.run.clone() else {
        return Ok(([(header::CONTENT_TYPE, kind)], Body::empty()).into_response());
    };
    let connection = open_for_reading(&job.lane.store(&service.config.data))?;
    let found = crate::store::jobs::find(&connection, &run).map_err(unreadable)?;
    let found = found.ok_or_else(|| Problem::not_found("the job's run is not in its store"))?;
    let body = streamed(move |out| write(out, &connection, &found));
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}
