//! What can never work is told when it is said, and not to the first who writes: a connector is built of
//! what there is, and nothing is called.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::Service;
use super::account::Account;
use super::lane::LaneName;
use super::problem::Problem;
use super::tenants::TenantName;

/// Refuses an account that no flow could write with. What is odd about it.
///
/// # Errors
/// 404 where no flow has such a connector, 422 with what the first of them lacks.
pub(super) fn of_account(
    service: &Service,
    (environment, tenant): &TenantName,
    connector: &str,
    account: &Map<String, Value>,
) -> Result<Vec<String>, Problem> {
    let mut first = None;
    let flows = &service.config.environment(environment)?.flows;
    for (flow, _) in flows.iter().filter(|(_, flow)| flow.connectors.contains_key(connector)) {
        let name = LaneName {
            environment: environment.clone(),
            flow: flow.clone(),
            tenant: tenant.clone(),
            connector: connector.to_owned(),
        };
        // Where the flow's own secrets are not there, no account is at fault.
        let Ok(mut values) = service.tenants.of_flow(&name)? else { return Ok(Vec::new()) };
        values.extend(account.clone());
        match Account::try_out(&name, values) {
            Ok(warnings) => {
                warn(&name, &warnings);
                return Ok(warnings);
            }
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) => Err(Problem::of(StatusCode::UNPROCESSABLE_ENTITY, &error)),
        None => Err(Problem::not_found(format!("no flow has a connector `{connector}`"))),
    }
}

fn warn(name: &LaneName, warnings: &[String]) {
    for warning in warnings {
        tracing::warn!(lane = %name, "{warning}");
    }
}

/// Logs what cannot work of what the service has been told: secrets that are not there, keys that are
/// missing, programs of taps.
pub(super) fn of_all(service: &Service) {
    if service.config.environments.is_empty() {
        tracing::warn!("The configuration names no environment: nothing can be written.");
    }
    for (environment, place) in &service.config.environments {
        for (flow, of) in &place.flows {
            for (tap, config) in &of.taps {
                for lacks in config.lacks() {
                    let tap = format!("{environment}/{flow}/{tap}");
                    tracing::error!(tap, lacks, "A tap cannot run: something is not there.");
                }
            }
        }
    }
    for name in service.tenants.lanes() {
        if service.stop.is_cancelled() {
            return;
        }
        // Secrets that are not there are told on the way.
        let Ok(values) = service.tenants.values(&name) else { continue };
        match Account::try_out(&name, values) {
            Ok(warnings) => warn(&name, &warnings),
            Err(error) => {
                let (error, hint) = (error.full_message(), error.hint_text());
                tracing::error!(lane = %name, hint, "Nothing can be written here: {error}");
            }
        }
    }
}
