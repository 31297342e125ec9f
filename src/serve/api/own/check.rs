//! Whether an account can be written with, asked of the remote itself.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::body::{self, InPath};
use crate::connector::contract::CheckLine;
use crate::record::StreamName;
use crate::serve::Service;
use crate::serve::auth::Caller;
use crate::serve::hints::over_http;
use crate::serve::lane::{self, LaneName};
use crate::serve::problem::Problem;

/// Which account, in which flow.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::serve::api) struct LanePlace {
    /// The environment's id.
    environment: String,
    /// The flow's id.
    flow: String,
    /// The tenant's id.
    tenant: String,
    /// The connector's id.
    connector: String,
}

/// What is looked at.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::serve::api) struct Check {
    /// The streams that are to be written. Default: those that the connector's `streams` name.
    streams: Vec<String>,
    /// Makes at the remote what these need and it lacks, such as the property that keeps external ids.
    create: bool,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::api) struct Checked {
    /// Whether all of it is well.
    ok: bool,
    /// Each thing that was looked at.
    checks: Vec<ToldCheck>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, ToSchema)]
struct ToldCheck {
    /// What it is, such as `credential` or `object contacts`.
    subject: String,
    /// Whether it is well.
    ok: bool,
    /// What was found, or is wrong.
    detail: String,
    /// What can be done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl From<CheckLine> for ToldCheck {
    fn from(line: CheckLine) -> Self {
        let CheckLine { subject, result, hint } = line;
        let ok = result.is_ok();
        let hint = hint.map(|hint| over_http(&hint));
        Self { subject, ok, detail: result.unwrap_or_else(|wrong| wrong), hint }
    }
}

/// Ask the remote whether an account can be written with
///
/// The remote is asked for its credential, and for what each stream needs there. Nothing is written,
/// unless `create` says so.
#[utoipa::path(
    post, path = "/api/v1/check/{environment}/{flow}/{tenant}/{connector}", tag = "tenants",
    params(LanePlace), request_body = Option<Check>,
    responses((status = 200, body = Checked), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn check(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<LanePlace>,
    body: Body,
) -> Result<Json<Checked>, Problem> {
    let LanePlace { environment, flow, tenant, connector } = place;
    caller.may(&environment, &tenant)?;
    let bytes = body::read(&service, body, service.config.max_record_bytes).await?;
    let asked = if bytes.trim_ascii().is_empty() { None } else { body::parse(&bytes)? };
    let Check { streams, create } = asked.unwrap_or_default();
    let name = LaneName { environment, flow, tenant, connector };
    let streams: Vec<_> = streams.iter().map(|name| StreamName::new(&**name)).collect();
    let own = Arc::clone(&service);
    let turn = Arc::clone(&service.checks).try_acquire_owned();
    let turn = turn
        .map_err(|_| Problem::unavailable("as many accounts are checked at once as may be", 5))?;
    // What it makes is made whole, whoever still waits.
    let checking = service.whole(async move {
        let _turn = turn;
        lane::check(&own, &name, &streams, create).await
    });
    let found = tokio::time::timeout(service.config.deadline_secs.duration(), checking).await;
    let late = || Problem::unavailable("the remote has not told all in time", 5);
    let found = found.map_err(|_| late())??;
    let checks: Vec<_> = found.into_iter().map(ToldCheck::from).collect();
    Ok(Json(Checked { ok: checks.iter().all(|check| check.ok), checks }))
}
