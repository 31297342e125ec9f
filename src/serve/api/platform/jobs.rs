//! Jobs, as the platform has them.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AllOfBuilder, AnyOfBuilder, Schema};
use utoipa::openapi::{ObjectBuilder, RefOr, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::super::body::{self, InPath, InQuery, Named};
use super::super::jobs::{self, most};
use super::Place;
use crate::serve::Service;
use crate::serve::auth::Caller;
use crate::serve::input::Records;
use crate::serve::lane::LaneName;
use crate::serve::problem::Problem;
use crate::serve::queue::{Filter, Job, RequestKey, Source, State as JobState};
use crate::serve::taps::{API, tap_of};
use crate::store::jobs::at_millis;
use crate::text::hash_of;

/// Where the records of a job come from.
const HAS_EITHER: &str = "records come with the request, with `tap` `api`, or a tap brings them";

/// A job of that tenant.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::serve::api) struct JobPlace {
    /// The environment's id.
    env_id: String,
    /// The flow's id.
    flow_id: String,
    /// The tenant's id.
    tenant: String,
    /// The job's id.
    job_id: String,
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::serve::api) struct Listing {
    /// Jobs, at most: 1 to 1000. Default 100.
    #[param(minimum = 1, maximum = 1000)]
    count: Option<u32>,
    /// Only jobs at this step of their life, such as `JOB_COMPLETED`.
    #[param(pattern = "^(JOB_CREATED|EXPORT_STARTED|JOB_COMPLETED|EXPORT_FAILED|JOB_CANCELED)$")]
    status: Option<String>,
}

/// A job that is to run, as the platform has it.
#[derive(Debug, Deserialize, ToSchema)]
pub(in crate::serve::api) struct NewJob<'a> {
    /// The connector to write with. A flow that has one alone needs none.
    connector_id: Option<String>,
    /// `write`: this service writes and reads nothing.
    #[schema(pattern = "^write$")]
    job_type: Option<String>,
    /// The source: `api`, where the records come with the request, or the name of a tap of the flow.
    /// Default `api`.
    tap: Option<String>,
    /// The job's name. Default: made of flow, connector and time.
    #[schema(max_length = 200)]
    job_name: Option<String>,
    /// The records, by stream; or else `tap` names who brings them.
    #[serde(borrow)]
    #[schema(schema_with = body::records, required = false)]
    state: Option<Records<'a>>,
    /// Jobs of one account run one after another, whatever this says.
    #[expect(dead_code, reason = "taken, and means nothing here")]
    ignore_parallel_jobs: Option<bool>,
    #[serde(default)]
    #[schema(ignore)]
    override_source_config: Option<Map<String, Value>>,
    #[serde(default)]
    #[schema(ignore)]
    override_target_config: Option<Map<String, Value>>,
    #[serde(default)]
    #[schema(ignore)]
    override_connector_config: Option<Map<String, Value>>,
    #[serde(default)]
    #[schema(ignore)]
    override_field_map: Option<Map<String, Value>>,
    #[serde(default)]
    #[schema(ignore)]
    environment_variables: Option<Map<String, Value>>,
}

/// The schema of a [`NewJob`], which has one of the two at least.
struct Asked;

impl PartialSchema for Asked {
    fn schema() -> RefOr<Schema> {
        let tap = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^(?!api$)"));
        let tap = ObjectBuilder::new().property("tap", tap).required("tap").build();
        let any = AnyOfBuilder::new().item(body::having("state")).item(tap).build();
        AllOfBuilder::new().item(NewJob::schema()).item(Schema::AnyOf(any)).into()
    }
}

impl ToSchema for Asked {
    fn name() -> Cow<'static, str> {
        NewJob::name()
    }
}

impl NewJob<'_> {
    /// Refuses what would change what is written, and is not carried out.
    fn check(&self) -> Result<(), Problem> {
        let is_set =
            |map: &Option<Map<String, Value>>| map.as_ref().is_some_and(|map| !map.is_empty());
        let not_carried_out = [
            ("override_source_config", &self.override_source_config),
            ("override_target_config", &self.override_target_config),
            ("override_connector_config", &self.override_connector_config),
            ("override_field_map", &self.override_field_map),
            ("environment_variables", &self.environment_variables),
        ];
        if let Some((key, _)) = not_carried_out.iter().find(|(_, map)| is_set(map)) {
            return Err(Problem::unprocessable(format!("`{key}` is not carried out here"))
                .hint("put it into the connector's `config` in `serve.yaml`"));
        }
        Ok(())
    }
}

/// A job, as the platform tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve) struct PlatformJob {
    /// The job's id.
    job_id: String,
    /// The environment's id.
    env_id: String,
    /// The flow's id.
    flow_id: String,
    /// The job's name.
    job_name: String,
    /// The tenant's id.
    tenant: String,
    /// Who has started it: the tenant.
    started_by: String,
    /// A path that is unique to the job.
    s3_root: String,
    /// When it was queued: RFC 3339.
    start_time: String,
    /// Where its records came from.
    tap: String,
    /// The connector.
    connector_id: String,
    /// `write`.
    job_type: String,
    /// The step of its life: `JOB_CREATED`, `EXPORT_STARTED`, `JOB_COMPLETED`, `EXPORT_FAILED`,
    /// `JOB_CANCELED`.
    status: String,
    /// How it ended, for people.
    message: Option<String>,
    /// When its status changed last: RFC 3339.
    last_updated: String,
    /// Records that came with it; of a tap, or a retry, those that were read, once it has ended.
    processed_rows: u64,
    /// Records by stream, once it has ended.
    metrics: Metrics,
}

/// What was counted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve::api) struct Metrics {
    /// Records that were read, by stream.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    record_count: IndexMap<String, u64>,
}

impl From<Job> for PlatformJob {
    fn from(job: Job) -> Self {
        let read = job.brief.as_ref().map(|brief| brief.proof.read);
        let record_count = job.brief.map(|brief| brief.read).unwrap_or_default();
        let LaneName { environment, flow, tenant, connector } = job.lane;
        let rows = job.records.or(read).unwrap_or_default();
        Self {
            s3_root: format!("{tenant}/flows/{flow}/jobs/{}", job.uuid),
            job_id: job.uuid,
            env_id: environment,
            flow_id: flow,
            job_name: job.name,
            started_by: tenant.clone(),
            tenant,
            start_time: at_millis(job.created_millis),
            tap: match job.source {
                Source::Api | Source::Live => API.to_owned(),
                Source::Retry => "retry".to_owned(),
                Source::Tap => job.tap.unwrap_or_default(),
            },
            connector_id: connector,
            job_type: "write".to_owned(),
            status: job.state.step().as_str().to_owned(),
            message: job.message,
            last_updated: at_millis(job.updated_millis),
            processed_rows: rows,
            metrics: Metrics { record_count },
        }
    }
}

async fn queue(
    service: Arc<Service>,
    caller: Caller,
    place: Place,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Place { env_id, flow_id, tenant } = place;
    caller.may(&env_id, &tenant)?;
    let config = &service.config;
    let bytes = body::read(&service, body, config.max_body_bytes).await?;
    let asked: NewJob<'_> = body::parse(&bytes)?;
    asked.check()?;
    match asked.job_type.as_deref() {
        None | Some("write") => {}
        Some(other) => {
            return Err(Problem::unprocessable(format!("`job_type` is `{other}`")).hint(
                "this service writes: `job_type` is `write`, and the records are in `state`",
            ));
        }
    }
    let connector = match asked.connector_id {
        Some(id) => id,
        None => only_connector(&service, &env_id, &flow_id)?,
    };
    let lane = LaneName { environment: env_id, flow: flow_id, tenant, connector };
    let key = body::key(&headers)?.map(|key| RequestKey {
        key,
        fingerprint: hash_of([b"jobs", lane.connector.as_bytes(), &bytes]),
    });
    let (name, state) = (asked.job_name, asked.state);
    let job = match (asked.tap.filter(|tap| tap != API), state) {
        (None, Some(state)) => jobs::queue(&service, lane, name, ("state", &state), key).await?,
        (None, None) => {
            service.tenants.check(&lane)?;
            return Err(Problem::unprocessable("there is no `state`, and no `tap` but `api`")
                .hint(HAS_EITHER));
        }
        (Some(tap), state) if state.as_ref().is_none_or(Records::is_empty) => {
            jobs::queue_tap(&service, lane, name, tap, key).await?
        }
        (Some(tap), _) => {
            tap_of(&service.config, &lane, &tap)?;
            let detail = format!("`tap` is `{tap}`, and there are records in `state`");
            return Err(Problem::unprocessable(detail).hint(HAS_EITHER));
        }
    };
    Ok((StatusCode::CREATED, Json(PlatformJob::from(job))).into_response())
}

fn only_connector(service: &Service, environment: &str, flow: &str) -> Result<String, Problem> {
    let found = service.config.flow(environment, flow)?;
    match found.connectors.keys().collect::<Vec<_>>()[..] {
        [only] => Ok(only.clone()),
        _ => Err(Problem::unprocessable("`connector_id` is missing")
            .hint(format!("the flow has several connectors: {}", found.ids()))),
    }
}

fn list(
    service: &Service,
    caller: &Caller,
    place: Place,
    listing: &Listing,
) -> Result<Json<Vec<PlatformJob>>, Problem> {
    let Place { env_id, flow_id, tenant } = place;
    caller.may(&env_id, &tenant)?;
    let state = match &listing.status {
        None => None,
        Some(name) => Some(JobState::of_platform(name).ok_or_else(|| {
            Problem::bad(format!("`status` is `{name}`"))
                .hint("it is `JOB_CREATED`, `EXPORT_STARTED`, `JOB_COMPLETED`, `EXPORT_FAILED` or `JOB_CANCELED`")
        })?),
    };
    let jobs = service.queue.list(&Filter {
        environment: Some(env_id),
        flow: Some(flow_id),
        tenant: Some(tenant),
        states: state.unwrap_or_default(),
        most: most(listing.count)?,
        ..Filter::default()
    })?;
    Ok(Json(jobs.into_iter().map(PlatformJob::from).collect()))
}

fn show(
    service: &Service,
    caller: &Caller,
    place: &JobPlace,
) -> Result<Json<PlatformJob>, Problem> {
    caller.may(&place.env_id, &place.tenant)?;
    let job = jobs::visible(service, caller, &place.job_id)?;
    let LaneName { environment, flow, tenant, .. } = &job.lane;
    if (environment, flow, tenant) != (&place.env_id, &place.flow_id, &place.tenant) {
        return Err(Problem::not_found(format!("there is no job `{}` here", place.job_id)));
    }
    Ok(Json(job.into()))
}

macro_rules! versions {
    ($($queue:ident, $list:ident, $show:ident, $path:literal, $one:literal;)*) => {$(
        /// Queue a job for the records of the request, or for those that a tap brings
        #[utoipa::path(
            post, path = $path, tag = "platform", params(Place, Named),
            request_body = Asked,
            responses((status = 201, body = PlatformJob), (status = "default", body = Problem,
                content_type = "application/problem+json"))
        )]
        pub(in crate::serve::api) async fn $queue(
            State(service): State<Arc<Service>>,
            caller: Caller,
            InPath(place): InPath<Place>,
            headers: HeaderMap,
            body: Body,
        ) -> Result<Response, Problem> {
            queue(service, caller, place, headers, body).await
        }

        /// The newest jobs of a tenant, newest first
        #[utoipa::path(
            get, path = $path, tag = "platform", params(Place, Listing),
            responses((status = 200, body = Vec<PlatformJob>), (status = "default", body = Problem,
                content_type = "application/problem+json"))
        )]
        pub(in crate::serve::api) async fn $list(
            State(service): State<Arc<Service>>,
            caller: Caller,
            InPath(place): InPath<Place>,
            InQuery(listing): InQuery<Listing>,
        ) -> Result<Json<Vec<PlatformJob>>, Problem> {
            list(&service, &caller, place, &listing)
        }

        /// A job
        #[utoipa::path(
            get, path = $one, tag = "platform", params(JobPlace),
            responses((status = 200, body = PlatformJob), (status = "default", body = Problem,
                content_type = "application/problem+json"))
        )]
        pub(in crate::serve::api) async fn $show(
            State(service): State<Arc<Service>>,
            caller: Caller,
            InPath(place): InPath<JobPlace>,
        ) -> Result<Json<PlatformJob>, Problem> {
            show(&service, &caller, &place)
        }
    )*};
}

versions! {
    queue_v1, list_v1, show_v1,
        "/{env_id}/{flow_id}/{tenant}/jobs", "/{env_id}/{flow_id}/{tenant}/jobs/{job_id}";
    queue_v2, list_v2, show_v2,
        "/v2/{env_id}/{flow_id}/{tenant}/jobs", "/v2/{env_id}/{flow_id}/{tenant}/jobs/{job_id}";
}
