//! What became of the records of a job.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::super::body::{InPath, InQuery};
use super::super::jobs::{self, most};
use super::super::results;
use crate::connector::exchange::Told;
use crate::outcome::Fate;
use crate::results::{Format, ResultRow};
use crate::serve::Service;
use crate::serve::auth::Caller;
use crate::serve::problem::Problem;
use crate::state::line::{self, Shape};
use crate::store::history;
use crate::store::jobs::{Job as Run, at_millis};
use crate::store::report;
use crate::store::results::{Cursor, Key, Query};

/// Characters that are searched for, at most.
const SEARCH_CHARS: usize = 1000;

/// How results are told.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::serve::api) enum ResultsFormat {
    /// One JSON object a line.
    #[default]
    Jsonl,
    /// Comma-separated, with a header.
    Csv,
    /// Pages: each one JSON object.
    Json,
}

/// Which results.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::serve::api) struct ResultsListing {
    /// How they are told. Default `jsonl`.
    #[serde(default)]
    #[param(inline)]
    format: ResultsFormat,
    /// Only of this stream.
    stream: Option<String>,
    /// Only records with this outcome, or one of several with commas between: `created`, `updated`,
    /// `unchanged`, `deleted`, `rejected`, `failed`, `skipped`, `in_doubt`.
    #[param(
        pattern = "^(created|updated|unchanged|deleted|rejected|failed|skipped|in_doubt)(,(created|updated|unchanged|deleted|rejected|failed|skipped|in_doubt))*$"
    )]
    outcome: Option<String>,
    /// Only records with this error code.
    error: Option<String>,
    /// Only records with this text in their external id, remote id or error message; ASCII letters are
    /// found in either case.
    #[param(max_length = 1000)]
    search: Option<String>,
    /// What they are sorted by: `position` (their place in the input, stream by stream; the default),
    /// `external_id`, `remote_id`, `action`, `outcome`, `error`, `attempts` or `millis`. With `-` before
    /// it, the greatest come first.
    #[param(pattern = "^-?(position|external_id|remote_id|action|outcome|error|attempts|millis)$")]
    sort: Option<String>,
    /// Records, at most: 1 to 1000. Default: 100 for `json`, all for the others.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Those behind a page that ended with `next`.
    #[param(pattern = "^[0-9]{1,18}-[0-9]{1,18}$")]
    after: Option<String>,
}

impl ResultsListing {
    fn query(&self) -> Result<Query, Problem> {
        let bad = |name: &str, text: &str| Problem::bad(format!("`{name}` is `{text}`"));
        let mut fates = Vec::new();
        for name in self.outcome.iter().flat_map(|names| names.split(',')) {
            fates.push(Fate::parse(name).ok_or_else(|| {
                let all = Fate::ALL.map(Fate::as_str).join(", ");
                bad("outcome", name)
                    .hint(format!("it is one of these, or several with commas: {all}"))
            })?);
        }
        if self.search.as_ref().is_some_and(|text| text.chars().count() > SEARCH_CHARS) {
            let detail = format!("`search` has more than {SEARCH_CHARS} characters");
            return Err(Problem::bad(detail));
        }
        let sort = self.sort.as_deref().unwrap_or(Key::default().as_str());
        let greatest = sort.strip_prefix('-');
        let key = Key::parse(greatest.unwrap_or(sort)).ok_or_else(|| {
            let all = Key::ALL.map(Key::as_str).join(", ");
            bad("sort", sort).hint(format!("it is one of these, with `-` or without: {all}"))
        })?;
        let cursor = |text: &String| Cursor::parse(text).ok_or_else(|| bad("after", text));
        Ok(Query {
            stream: self.stream.clone(),
            fates,
            code: self.error.clone(),
            search: self.search.clone(),
            key,
            is_descending: greatest.is_some(),
            after: self.after.as_ref().map(cursor).transpose()?,
            before: None,
            limit: self.limit.map(|limit| most(Some(limit))).transpose()?,
        })
    }
}

/// A page of results.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::api) struct ResultsPage<'a> {
    /// What became of each record (`schemas/result.schema.json`).
    #[schema(value_type = Vec<Object>)]
    records: Vec<ResultRow<'a>>,
    /// What to give as `after` for the next page, where there is one.
    next: Option<String>,
}

/// What became of each record
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/results", tag = "jobs", params(("id" = String, Path), ResultsListing),
    responses((status = 200,
            content(("application/x-ndjson"), ("text/csv"), (ResultsPage = "application/json"))),
        (status = "default", body = Problem, content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn results(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
    InQuery(listing): InQuery<ResultsListing>,
) -> Result<Response, Problem> {
    let job = jobs::visible(&service, &caller, &id)?;
    let query = listing.query()?;
    let format = match listing.format {
        ResultsFormat::Jsonl => Format::Jsonl,
        ResultsFormat::Csv => Format::Csv,
        ResultsFormat::Json => {
            let page = results::page(&service, &job, query, most(listing.limit)?).await?;
            let next = page.rows.last().filter(|_| page.has_after);
            let next = next.map(|row| row.cursor.to_string());
            let records = page.rows.iter().map(ResultRow::from).collect();
            return Ok(Json(ResultsPage { records, next }).into_response());
        }
    };
    results::file(&service, &job, query, format).await
}

/// A record of a job.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::serve::api) struct RecordOfJob {
    /// The job's id.
    id: String,
    /// The stream's name.
    stream: String,
    /// Its place among the records of the input, from 1.
    #[param(minimum = 1)]
    position: u64,
}

/// All that is known of a record.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::api) struct ToldRecord<'a> {
    /// What became of it (`schemas/result.schema.json`).
    #[schema(value_type = Object)]
    result: ResultRow<'a>,
    /// As it came in, where that is kept.
    #[schema(value_type = Option<Object>)]
    record: Option<Box<RawValue>>,
    /// The calls that it was part of, in order, as far as they are kept.
    calls: Vec<ToldCall<'a>>,
}

/// A call that a record was part of.
#[derive(Debug, Serialize, ToSchema)]
struct ToldCall<'a> {
    /// What it was to do.
    action: &'static str,
    /// When it began: RFC 3339.
    began: String,
    /// Milliseconds until it had ended.
    millis: u64,
    /// Records that it was of.
    records: usize,
    /// Its requests, each with its answer: `method`, `url`, `status` or `error`, `request` and `answer`
    /// where they are kept, with no secret in them.
    #[schema(value_type = Vec<Object>)]
    exchanges: &'a [Told],
}

/// What became of one record, and the calls that it was part of
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/records/{stream}/{position}", tag = "jobs", params(RecordOfJob),
    responses((status = 200, body = ToldRecord), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn show_record(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(RecordOfJob { id, stream, position }): InPath<RecordOfJob>,
) -> Result<Response, Problem> {
    let job = jobs::visible(&service, &caller, &id)?;
    let name = stream.clone();
    let read = move |connection: &Connection, run: &Run| {
        let streams = report::streams(connection, run.id)?;
        let found = streams.into_iter().find(|(_, of)| *of == name);
        let cursor = found.map(|(stream, _)| Cursor { stream, position });
        let known = cursor.map(|cursor| history::record(connection, run.id, cursor)).transpose()?;
        Ok(known.flatten())
    };
    let known = service.read_run(&job, read).await?.flatten().ok_or_else(|| {
        Problem::not_found(format!("there is no record {position} of `{stream}` in this job"))
    })?;
    let calls = known.calls.iter().map(|call| ToldCall {
        action: call.action.as_str(),
        began: at_millis(call.sent_millis),
        millis: u64::try_from(call.took.as_millis()).unwrap_or(u64::MAX),
        records: call.positions.len(),
        exchanges: &call.exchanges,
    });
    let told = ToldRecord {
        result: ResultRow::from(&known.row),
        record: known.source.clone().and_then(|text| RawValue::from_string(text).ok()),
        calls: calls.collect(),
    };
    Ok(Json(told).into_response())
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
    results::stream(&service, &job, "application/json", |out, connection, run| {
        let tap = report::tap_state(connection, run.id)?;
        let tap = tap.and_then(|text| RawValue::from_string(text).ok());
        line::write(out, connection, || None, run.id, Shape::Full, tap.as_deref())
    })
    .await
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
    results::rejects(&service, &job).await
}
