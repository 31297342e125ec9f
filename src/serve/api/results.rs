//! What became of the records of a job: page by page, or as a file.

use std::io::Write;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use rusqlite::Connection;

use super::streamed::streamed;
use crate::results::{self, Format};
use crate::serve::Service;
use crate::serve::problem::Problem;
use crate::serve::queue::Job;
use crate::store::jobs::Job as Run;
use crate::store::report::TellError;
use crate::store::results::{self as rows, Page, Query};
use crate::store::unreadable;

/// A page of at most `most` rows.
///
/// # Errors
/// 404 for a cursor that is none of this job, 503 for a search that takes too long.
pub(in crate::serve) async fn page(
    service: &Service,
    job: &Job,
    query: Query,
    most: u32,
) -> Result<Page, Problem> {
    let read =
        move |connection: &Connection, run: &Run| rows::page(connection, run.id, &query, most);
    match service.read_run(job, read).await? {
        Some(Some(page)) => Ok(page),
        Some(None) => Err(no_cursor()),
        None => Ok(Page::default()),
    }
}

/// The rows that `query` asks for, as a file.
///
/// # Errors
/// 404 for a cursor that is none of this job; those of [`stream`].
pub(in crate::serve) async fn file(
    service: &Service,
    job: &Job,
    query: Query,
    format: Format,
) -> Result<Response, Problem> {
    let kind = match format {
        Format::Jsonl => "application/x-ndjson",
        Format::Csv => "text/csv; charset=utf-8",
    };
    if let (Some(cursor), Some((connection, run))) = (query.after, service.run_of(job)?)
        && !rows::is_there(&connection, run.id, cursor).map_err(unreadable)?
    {
        return Err(no_cursor());
    }
    stream(service, job, kind, move |out, connection, run| {
        results::write_results(out, connection, run.id, format, &query)
    })
    .await
}

/// What a job did not write, as a Singer stream.
///
/// # Errors
/// Those of [`stream`].
pub(in crate::serve) async fn rejects(service: &Service, job: &Job) -> Result<Response, Problem> {
    stream(service, job, "application/x-ndjson", |out, connection, run| {
        results::write_rejects(out, connection, run.id).map(drop)
    })
    .await
}

/// What a job's run has in its lane's store.
///
/// # Errors
/// 503 where too many download; those of [`Service::run_of`].
pub(super) async fn stream(
    service: &Service,
    job: &Job,
    kind: &'static str,
    write: impl FnOnce(&mut dyn Write, &Connection, &Run) -> Result<(), TellError> + Send + 'static,
) -> Result<Response, Problem> {
    let turn = service.downloads.turn().await?;
    let body = match service.run_of(job)? {
        Some((connection, run)) => streamed(turn, move |out| write(out, &connection, &run)),
        None => Body::empty(),
    };
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

fn no_cursor() -> Problem {
    Problem::not_found("`after` is no row of this job")
        .hint("give what `next` was in the page before")
}
