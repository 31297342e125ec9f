//! Jobs.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AllOfBuilder, OneOfBuilder, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::super::body::{self, InPath, InQuery, Named};
use super::super::jobs::{self, most};
use crate::serve::Service;
use crate::serve::auth::Caller;
use crate::serve::input::Records;
use crate::serve::lane::LaneName;
use crate::serve::problem::Problem;
use crate::serve::queue::{Filter, Job, RequestKey, Source, State as JobState};
use crate::store::jobs::at_millis;
use crate::summary::Counts;
use crate::text::hash_of;

/// A job that is to run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::api) struct QueueJob<'a> {
    /// The environment's id.
    environment: String,
    /// The flow's id.
    flow: String,
    /// The tenant's id.
    tenant: String,
    /// The connector's id.
    connector: String,
    /// The job's name. Default: made of flow, connector and time.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// The records, by stream; or else `tap`.
    #[serde(borrow, default, deserialize_with = "some")]
    #[schema(schema_with = body::records, required = false)]
    records: Option<Records<'a>>,
    /// The tap of the flow that brings the records.
    #[serde(default, deserialize_with = "some")]
    #[schema(nullable = false)]
    tap: Option<String>,
}

/// What is there, or not: `null` is neither.
fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// The schema of a [`QueueJob`], which has either of the two.
struct Asked;

impl PartialSchema for Asked {
    fn schema() -> RefOr<Schema> {
        let either =
            OneOfBuilder::new().item(body::having("records")).item(body::having("tap")).build();
        AllOfBuilder::new().item(QueueJob::schema()).item(Schema::OneOf(either)).into()
    }
}

impl ToSchema for Asked {
    fn name() -> Cow<'static, str> {
        QueueJob::name()
    }
}

/// A job, and how it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::api) struct ToldJob {
    /// Its id.
    id: String,
    /// The environment's id.
    environment: String,
    /// The flow's id.
    flow: String,
    /// The tenant's id.
    tenant: String,
    /// The connector's id.
    connector: String,
    /// Where its records come from.
    source: Source,
    /// The tap that brings them.
    tap: Option<String>,
    /// Its name.
    name: String,
    /// How it stands.
    status: JobState,
    /// Whether it has begun and is about to end, as it was asked to.
    ending: bool,
    /// How it ended, for people.
    message: Option<String>,
    /// When it was accepted: RFC 3339.
    created: String,
    /// When it began: RFC 3339.
    started: Option<String>,
    /// When its status changed last: RFC 3339.
    updated: String,
    /// Records that came with it, where that is known.
    records: Option<u64>,
    /// The job that it tries again.
    retries: Option<String>,
    /// Its records by what became of them: `read`, `created`, `updated` and so on, as in the summary; as
    /// far as it is, once it runs.
    #[schema(value_type = Option<Object>)]
    counts: Option<Counts>,
    /// Its summary (`schemas/job-summary.schema.json`), once it has ended.
    #[schema(value_type = Option<Object>)]
    summary: Option<Box<RawValue>>,
}

impl ToldJob {
    fn of(service: &Service, job: Job) -> Self {
        let (ending, counts) = (jobs::is_ending(service, &job), jobs::counts(service, &job));
        let LaneName { environment, flow, tenant, connector } = job.lane;
        Self {
            id: job.uuid,
            environment,
            flow,
            tenant,
            connector,
            source: job.source,
            tap: job.tap,
            name: job.name,
            status: job.state,
            ending,
            message: job.message,
            created: at_millis(job.created_millis),
            started: job.started_millis.map(at_millis),
            updated: at_millis(job.updated_millis),
            records: job.records,
            retries: job.retries,
            counts,
            summary: job.summary.and_then(|text| RawValue::from_string(text).ok()),
        }
    }
}

/// Queue a job for the records of the request, or for those that a tap brings
#[utoipa::path(
    post, path = "/api/v1/jobs", tag = "jobs", params(Named),
    request_body = Asked,
    responses((status = 201, body = ToldJob), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn queue(
    State(service): State<Arc<Service>>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let config = &service.config;
    let bytes = body::read(&service, body, config.max_body_bytes).await?;
    let QueueJob { environment, flow, tenant, connector, name, records, tap } =
        body::parse(&bytes)?;
    caller.may(&environment, &tenant)?;
    let lane = LaneName { environment, flow, tenant, connector };
    let key = body::key(&headers)?
        .map(|key| RequestKey { key, fingerprint: hash_of([&b"own jobs"[..], &bytes]) });
    let job = match (records, tap) {
        (Some(records), None) => {
            jobs::queue(&service, lane, name, ("records", &records), key).await?
        }
        (None, Some(tap)) => jobs::queue_tap(&service, lane, name, tap, key).await?,
        (both, _) => {
            service.tenants.check(&lane)?;
            let detail = both.map_or(
                "there are neither `records` nor a `tap`",
                |_| "there are `records` and a `tap`",
            );
            let hint = "a job's records come with the request, or a tap of the flow brings them";
            return Err(Problem::unprocessable(detail).hint(hint));
        }
    };
    let place = HeaderValue::from_str(&format!("/api/v1/jobs/{}", job.uuid)).ok();
    let mut response = (StatusCode::CREATED, Json(ToldJob::of(&service, job))).into_response();
    response.headers_mut().extend(place.map(|place| (header::LOCATION, place)));
    Ok(response)
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::serve::api) struct Listing {
    /// Only of this environment.
    environment: Option<String>,
    /// Only of this flow.
    flow: Option<String>,
    /// Only of this tenant.
    tenant: Option<String>,
    /// Only of this connector.
    connector: Option<String>,
    /// Only jobs that stand so.
    status: Option<JobState>,
    /// Jobs, at most: 1 to 1000. Default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Those that come after a page that ended with `next`.
    before: Option<i64>,
}

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::api) struct JobPage {
    /// The newest first.
    jobs: Vec<ToldJob>,
    /// What to give as `before` for the next page, where there may be one.
    next: Option<i64>,
}

/// The newest jobs, newest first
#[utoipa::path(
    get, path = "/api/v1/jobs", tag = "jobs", params(Listing),
    responses((status = 200, body = JobPage), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn list(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InQuery(listing): InQuery<Listing>,
) -> Result<Json<JobPage>, Problem> {
    let Listing { environment, flow, tenant, connector, status, limit, before } = listing;
    let mut filter = Filter {
        environment,
        flow,
        tenant,
        connector,
        states: status.into_iter().collect(),
        before,
        most: most(limit)?,
        with_summaries: true,
    };
    if let Some((own, of)) = caller.tenant() {
        let environment = filter.environment.get_or_insert_with(|| own.to_owned());
        let tenant = filter.tenant.get_or_insert_with(|| of.to_owned());
        caller.may(environment, tenant)?;
    }
    let jobs = service.queue.list(&filter)?;
    let is_full = jobs.len() >= usize::try_from(filter.most).unwrap_or(usize::MAX);
    let next = jobs.last().filter(|_| is_full).map(|job| job.number);
    let jobs = jobs.into_iter().map(|job| ToldJob::of(&service, job)).collect();
    Ok(Json(JobPage { jobs, next }))
}

/// A job
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = ToldJob), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn show(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<Json<ToldJob>, Problem> {
    let job = jobs::visible(&service, &caller, &id)?;
    Ok(Json(ToldJob::of(&service, job)))
}

/// End a job: at once where it waits, after what is on its way where it runs
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path)),
    responses((status = 202, body = ToldJob), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn cancel(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<(StatusCode, Json<ToldJob>), Problem> {
    let job = jobs::visible(&service, &caller, &id)?;
    let job = jobs::cancel(&service, &job).await?;
    Ok((StatusCode::ACCEPTED, Json(ToldJob::of(&service, job))))
}

/// Queue a job for what this one did not write
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/retry", tag = "jobs", params(("id" = String, Path)),
    responses((status = 201, body = ToldJob), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn retry(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<(StatusCode, Json<ToldJob>), Problem> {
    let job = jobs::visible(&service, &caller, &id)?;
    let job = jobs::retry(&service, &job).await?;
    Ok((StatusCode::CREATED, Json(ToldJob::of(&service, job))))
}
