//! How far taps are through.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::super::body::{self, InPath};
use crate::json::fields::Fields;
use crate::serve::Service;
use crate::serve::auth::Caller;
use crate::serve::lane::LaneName;
use crate::serve::problem::Problem;
use crate::serve::taps::tap_of;
use crate::store::jobs::at_millis;

/// Which tap, for whose account.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::serve::api) struct TapPlace {
    /// The environment's id.
    environment: String,
    /// The flow's id.
    flow: String,
    /// The tenant's id.
    tenant: String,
    /// The connector's id.
    connector: String,
    /// The tap's name.
    tap: String,
}

/// How far a tap is through.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::api) struct ToldTapState {
    /// The value of its last STATE before which all is written; none before there is one.
    #[schema(value_type = Option<Object>)]
    state: Option<Box<RawValue>>,
    /// When it was kept: RFC 3339.
    updated: Option<String>,
}

/// Where a tap is to go on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::api) struct NewTapState<'a> {
    /// The value of a STATE.
    #[serde(borrow)]
    #[schema(value_type = Object)]
    state: &'a RawValue,
}

impl TapPlace {
    /// The lane and the tap, where there are such and the caller may see them.
    fn found(self, service: &Service, caller: &Caller) -> Result<(LaneName, String), Problem> {
        let Self { environment, flow, tenant, connector, tap } = self;
        caller.may(&environment, &tenant)?;
        let lane = LaneName { environment, flow, tenant, connector };
        service.tenants.check(&lane)?;
        tap_of(&service.config, &lane, &tap)?;
        Ok((lane, tap))
    }
}

fn told(service: &Service, lane: &LaneName, tap: &str) -> Result<Json<ToldTapState>, Problem> {
    let (state, updated) = service.queue.tap_state(lane, tap)?.unzip();
    let state = state.and_then(|text: String| RawValue::from_string(text).ok());
    Ok(Json(ToldTapState { state, updated: updated.map(at_millis) }))
}

async fn set(
    service: &Service,
    lane: &LaneName,
    tap: &str,
    state: Option<String>,
) -> Result<(), Problem> {
    service.queue.set_tap_state(lane, tap, state).await?.map_err(|_| {
        let detail = format!("a job of the tap `{tap}` is under way, and keeps its state");
        Problem::conflict(detail).hint("cancel it, or wait for its end")
    })
}

/// How far a tap is through: where its next job begins
#[utoipa::path(
    get, path = "/api/v1/taps/{environment}/{flow}/{tenant}/{connector}/{tap}/state", tag = "taps",
    params(TapPlace),
    responses((status = 200, body = ToldTapState), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn tap_state(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<TapPlace>,
) -> Result<Json<ToldTapState>, Problem> {
    let (lane, tap) = place.found(&service, &caller)?;
    told(&service, &lane, &tap)
}

/// Say where a tap's next job begins
#[utoipa::path(
    put, path = "/api/v1/taps/{environment}/{flow}/{tenant}/{connector}/{tap}/state", tag = "taps",
    params(TapPlace), request_body = NewTapState,
    responses((status = 200, body = ToldTapState), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn set_tap_state(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<TapPlace>,
    body: Body,
) -> Result<Json<ToldTapState>, Problem> {
    let config = &service.config;
    let bytes = body::read(&service, body, config.max_body_bytes).await?;
    let NewTapState { state } = body::parse(&bytes)?;
    let (lane, tap) = place.found(&service, &caller)?;
    if let Err(error) = Fields::of_text(state.get()) {
        return Err(Problem::unprocessable(format!("`state` is no state: {error}"))
            .hint("it is a JSON object, as the tap has told it"));
    }
    set(&service, &lane, &tap, Some(state.get().to_owned())).await?;
    told(&service, &lane, &tap)
}

/// Have a tap start over
#[utoipa::path(
    delete, path = "/api/v1/taps/{environment}/{flow}/{tenant}/{connector}/{tap}/state", tag = "taps",
    params(TapPlace),
    responses((status = 204), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn forget_tap_state(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<TapPlace>,
) -> Result<StatusCode, Problem> {
    let (lane, tap) = place.found(&service, &caller)?;
    set(&service, &lane, &tap, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
