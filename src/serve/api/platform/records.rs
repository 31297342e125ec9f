//! Records that are written at once, as the platform has them.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::super::body::{self, InPath, InQuery, Named};
use super::super::records::{self, NewRecord, PlatformRecord};
use super::Place;
use crate::serve::Service;
use crate::serve::auth::Caller;
use crate::serve::lane::LaneName;
use crate::serve::problem::Problem;

/// Where a record is written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::serve::api) struct StreamPlace {
    /// The environment's id.
    env_id: String,
    /// The flow's id.
    flow_id: String,
    /// The tenant's id.
    tenant: String,
    /// The connector's id.
    connector_id: String,
    /// The stream's name.
    stream: String,
}

/// What became of a record, or who tells it later.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::serve::api) struct Written {
    /// It is not known yet what became of it.
    #[serde(rename = "async")]
    is_async: bool,
    /// The job that writes it.
    job_id: String,
    /// What it is asked for by.
    task_id: String,
    /// Its bookmark and its counts, as a target's state has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    state: Option<Box<RawValue>>,
    /// Empty: what there is to tell is in `state`.
    logs: String,
}

impl From<records::Told> for Written {
    fn from(told: records::Told) -> Self {
        let records::Told { task, job, state } = told;
        let is_async = state.is_none();
        Self { is_async, job_id: job, task_id: task, state, logs: String::new() }
    }
}

/// Write a record at once
#[utoipa::path(
    post, path = "/{env_id}/{flow_id}/{tenant}/connectors/{connector_id}/{stream}", tag = "platform",
    params(StreamPlace, Named), request_body = PlatformRecord,
    responses((status = 200, body = Written), (status = 202, body = Written),
        (status = "default", body = Problem, content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn write(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<StreamPlace>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let StreamPlace { env_id, flow_id, tenant, connector_id, stream } = place;
    caller.may(&env_id, &tenant)?;
    let lane = LaneName { environment: env_id, flow: flow_id, tenant, connector: connector_id };
    let told = records::write_in(&service, lane, &stream, &headers, body, parse).await?;
    Ok((told.status(), Json(Written::from(told))).into_response())
}

fn parse(bytes: &[u8]) -> Result<NewRecord<'_>, Problem> {
    body::parse::<PlatformRecord<'_>>(bytes).map(NewRecord::from)
}

/// What is known of a record that nobody waited for.
#[derive(Debug, Serialize, ToSchema)]
struct Told {
    /// Whether it has come to its end.
    has_data: bool,
    /// What became of it then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    result: Option<Outcome>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Outcome {
    #[serde(flatten)]
    written: Written,
    status_code: u16,
}

/// Which task.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::serve::api) struct OfTask {
    /// The task's id.
    #[serde(rename = "taskId")]
    task_id: String,
}

/// What became of a record that nobody waited for
#[utoipa::path(
    get, path = "/{env_id}/{flow_id}/{tenant}/connectors/status", tag = "platform",
    params(Place, OfTask),
    responses((status = 200, body = Told), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn status(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<Place>,
    InQuery(of): InQuery<OfTask>,
) -> Result<Response, Problem> {
    let Place { env_id, flow_id, tenant } = place;
    caller.may(&env_id, &tenant)?;
    let told = records::find(&service, &env_id, &flow_id, &tenant, &of.task_id)?;
    let has_data = told.state.is_some();
    let result = has_data.then(|| Outcome { written: told.into(), status_code: 200 });
    Ok(Json(Told { has_data, result }).into_response())
}
