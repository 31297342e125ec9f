//! Records that are written at once.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::super::body::{self, InPath, Named};
use super::super::records::{self, NewRecord};
use crate::serve::Service;
use crate::serve::auth::Caller;
use crate::serve::lane::LaneName;
use crate::serve::problem::Problem;

/// Where a record is written.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::serve::api) struct RecordPlace {
    /// The environment's id.
    environment: String,
    /// The flow's id.
    flow: String,
    /// The tenant's id.
    tenant: String,
    /// The connector's id.
    connector: String,
    /// The stream's name.
    stream: String,
}

/// What became of a record, or what it is asked for by.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::api) struct ToldTask {
    /// What it is asked for by.
    id: String,
    /// The job that writes it.
    job: String,
    /// Whether it has come to its end.
    is_settled: bool,
    /// Its bookmark and its counts, as a target's state has them, once it has come to its end.
    #[schema(value_type = Option<Object>)]
    state: Option<Box<RawValue>>,
}

impl From<records::Told> for ToldTask {
    fn from(told: records::Told) -> Self {
        let records::Told { task, job, state } = told;
        Self { id: task, job, is_settled: state.is_some(), state }
    }
}

/// Write a record at once
#[utoipa::path(
    post, path = "/api/v1/records/{environment}/{flow}/{tenant}/{connector}/{stream}", tag = "records",
    params(RecordPlace, Named), request_body = NewRecord,
    responses((status = 200, body = ToldTask), (status = 202, body = ToldTask),
        (status = "default", body = Problem, content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn write_record(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<RecordPlace>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let RecordPlace { environment, flow, tenant, connector, stream } = place;
    caller.may(&environment, &tenant)?;
    let lane = LaneName { environment, flow, tenant, connector };
    let told = records::write_in(&service, lane, &stream, &headers, body, parse).await?;
    Ok((told.status(), Json(ToldTask::from(told))).into_response())
}

fn parse(bytes: &[u8]) -> Result<NewRecord<'_>, Problem> {
    body::parse(bytes)
}

/// Which task.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::serve::api) struct TaskPlace {
    /// The environment's id.
    environment: String,
    /// The flow's id.
    flow: String,
    /// The tenant's id.
    tenant: String,
    /// The task's id.
    id: String,
}

/// What became of a record that nobody waited for
#[utoipa::path(
    get, path = "/api/v1/tasks/{environment}/{flow}/{tenant}/{id}", tag = "records", params(TaskPlace),
    responses((status = 200, body = ToldTask), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn show_task(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<TaskPlace>,
) -> Result<Json<ToldTask>, Problem> {
    let TaskPlace { environment, flow, tenant, id } = place;
    caller.may(&environment, &tenant)?;
    let told = records::find(&service, &environment, &flow, &tenant, &id)?;
    Ok(Json(told.into()))
}
