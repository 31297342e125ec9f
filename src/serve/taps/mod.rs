//! Taps: programs that bring a job's records, as the API does for others.
//!
//! [`config`] says how one is called, [`mod@run`] makes a job of what it prints, [`child`] has the
//! process, [`lines`] what it says beside. [`timer`] begins runs at the times of their [`schedule`]s.

mod child;
mod config;
mod lines;
mod run;
pub(super) mod schedule;
pub(super) mod timer;

pub(super) use config::TapConfig;
pub(super) use run::{make_folder, run};

use super::config::{ServeConfig, names};
use super::lane::LaneName;
use super::problem::Problem;

/// The word for records that come with a request: no tap has this name.
pub(super) const API: &str = "api";

/// A tap of a lane's flow.
///
/// # Errors
/// 404 where the flow has no such tap, 422 where the tap is not for the lane's connector.
pub(super) fn tap_of<'a>(
    config: &'a ServeConfig,
    lane: &LaneName,
    tap: &str,
) -> Result<&'a TapConfig, Problem> {
    let flow = config.flow(&lane.environment, &lane.flow)?;
    let Some(found) = flow.taps.get(tap) else {
        let problem = Problem::not_found(format!("flow `{}` has no tap `{tap}`", lane.flow));
        return Err(problem.hint(if flow.taps.is_empty() {
            "records come with the request; taps are named in `serve.yaml`".to_owned()
        } else {
            format!("it has: {}", names(flow.taps.keys()))
        }));
    };
    if !found.is_for(&lane.connector) {
        let detail = format!("tap `{tap}` is not for connector `{}`", lane.connector);
        let hint = format!("it is for: {}", found.connectors.join(", "));
        return Err(Problem::unprocessable(detail).hint(hint));
    }
    Ok(found)
}
