//! What webhooks were told, and what they have not taken.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::body::{InPath, InQuery};
use super::super::jobs::most;
use crate::serve::Service;
use crate::serve::auth::Caller;
use crate::serve::problem::Problem;
use crate::serve::queue::{Delivery, DeliveryState};
use crate::store::jobs::at_millis;

/// A message to a webhook, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::api) struct ToldDelivery {
    /// Its id, as the receiver gets it in `webhook-id`.
    id: String,
    /// The environment's id.
    environment: String,
    /// The webhook's id.
    webhook: String,
    /// The step that it tells of.
    event: String,
    /// The job's id.
    job: String,
    /// How it stands.
    status: DeliveryState,
    /// When the job came to that step: RFC 3339.
    created: String,
    /// When it was tried last, or changed: RFC 3339.
    updated: String,
    /// How often it was tried.
    attempts: u32,
    /// The HTTP status of the last answer.
    last_status: Option<u16>,
    /// How that answer begins, or why there was none.
    last_error: Option<String>,
}

impl From<Delivery> for ToldDelivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            environment: delivery.hook.environment,
            webhook: delivery.hook.id,
            event: delivery.event,
            job: delivery.job,
            status: delivery.state,
            created: at_millis(delivery.created_millis),
            updated: at_millis(delivery.updated_millis),
            attempts: delivery.attempts,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
        }
    }
}

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::serve::api) struct Listing {
    /// Only those that stand so.
    status: Option<DeliveryState>,
    /// Messages, at most: 1 to 1000. Default 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Those that come after a page that ended with `next`.
    before: Option<i64>,
}

/// A page of messages.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::api) struct DeliveryPage {
    /// The newest first.
    deliveries: Vec<ToldDelivery>,
    /// What to give as `before` for the next page, where there may be one.
    next: Option<i64>,
}

/// The newest messages to webhooks, newest first: for an admin key
#[utoipa::path(
    get, path = "/api/v1/webhooks/deliveries", tag = "webhooks", params(Listing),
    responses((status = 200, body = DeliveryPage), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn deliveries(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InQuery(listing): InQuery<Listing>,
) -> Result<Json<DeliveryPage>, Problem> {
    caller.is_admin()?;
    let Listing { status, limit, before } = listing;
    let most = most(limit)?;
    let found = service.queue.deliveries(status, before, most)?;
    let is_full = found.len() >= usize::try_from(most).unwrap_or(usize::MAX);
    let next = found.last().filter(|_| is_full).map(|delivery| delivery.number);
    Ok(Json(DeliveryPage { deliveries: found.into_iter().map(ToldDelivery::from).collect(), next }))
}

/// Send a message to a webhook again, at once: for an admin key
#[utoipa::path(
    post, path = "/api/v1/webhooks/deliveries/{id}/retry", tag = "webhooks",
    params(("id" = String, Path)),
    responses((status = 202, body = ToldDelivery), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn retry_delivery(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(id): InPath<String>,
) -> Result<(StatusCode, Json<ToldDelivery>), Problem> {
    caller.is_admin()?;
    let missing = || Problem::not_found(format!("there is no message `{id}`"));
    let known = service.queue.delivery(&id)?.ok_or_else(missing)?;
    let Some(hook) = service.queue.hooks().find(&known.hook) else {
        let detail = format!("the configuration has no webhook `{}` any more", known.hook);
        return Err(Problem::conflict(detail).hint("give a webhook that is to get it this `id`"));
    };
    hook.bring_back().await;
    let again = service.queue.send_again(&id).await?.ok_or_else(missing)?;
    hook.hurry();
    Ok((StatusCode::ACCEPTED, Json(again.into())))
}
