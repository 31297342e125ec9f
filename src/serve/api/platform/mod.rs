//! The hosted platform's routes, so that its clients work with only the host changed (its API
//! reference: "Run a V1 job", "Run a V2 Job", "Real-time Write", "Get Snapshots").

pub(super) mod jobs;
pub(super) mod records;
pub(super) mod snapshots;

use serde::Deserialize;
use utoipa::IntoParams;

/// A tenant of a flow.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Place {
    /// The environment's id.
    pub(super) env_id: String,
    /// The flow's id.
    pub(super) flow_id: String,
    /// The tenant's id.
    pub(super) tenant: String,
}
