//! What is asked over HTTP, and answered: the hosted platform's routes ([`platform`]), and plain ones of
//! our own under `/api/v1` ([`own`]). Both do the same ([`jobs`], [`records`]).

pub(super) mod body;
pub(super) mod jobs;
mod own;
mod platform;
mod records;
pub(super) mod results;
mod streamed;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) use body::Room;

pub(super) use platform::jobs::PlatformJob;
pub(super) use streamed::Downloads;

use super::Service;
use super::auth::{Caller, HEADER};
use super::problem::Problem;
use super::{health, telemetry};

/// What the document says of itself.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "target-upsert",
        description = "Writes records into business systems, and tells what became of every one."
    ),
    tags(
        (name = "jobs", description = "Jobs that write many records, from a queue"),
        (name = "records", description = "Records that are written at once"),
        (name = "tenants", description = "For whom is written, their accounts and keys"),
        (name = "taps", description = "Programs that bring a job's records"),
        (name = "webhooks", description = "What webhooks are told of jobs"),
        (name = "platform", description = "The same under the hosted platform's addresses"),
        (name = "service", description = "How the service is")
    ),
    security(("key" = []), ("bearer" = []))
)]
struct Document;

fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(own::jobs::queue, own::jobs::list))
        .routes(routes!(own::jobs::show))
        .routes(routes!(own::jobs::cancel))
        .routes(routes!(own::jobs::retry))
        .routes(routes!(own::results::results))
        .routes(routes!(own::results::show_record))
        .routes(routes!(own::results::state))
        .routes(routes!(own::results::rejects))
        .routes(routes!(own::records::write_record))
        .routes(routes!(own::records::show_task))
        .routes(routes!(own::tenants::list_tenants))
        .routes(routes!(
            own::tenants::show_tenant,
            own::tenants::add_tenant,
            own::tenants::remove_tenant
        ))
        .routes(routes!(own::tenants::set_account, own::tenants::remove_account))
        .routes(routes!(own::check::check))
        .routes(routes!(own::tenants::make_key))
        .routes(routes!(own::tenants::take_key_back))
        .routes(routes!(
            own::taps::tap_state,
            own::taps::set_tap_state,
            own::taps::forget_tap_state
        ))
        .routes(routes!(own::webhooks::deliveries))
        .routes(routes!(own::webhooks::retry_delivery))
        .routes(routes!(platform::jobs::queue_v1, platform::jobs::list_v1))
        .routes(routes!(platform::jobs::show_v1))
        .routes(routes!(platform::jobs::queue_v2, platform::jobs::list_v2))
        .routes(routes!(platform::jobs::show_v2))
        .routes(routes!(platform::records::write))
        .routes(routes!(platform::records::status))
        .routes(routes!(platform::snapshots::snapshots))
}

/// The `OpenAPI` document of all of it.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = routes().into_openapi();
    let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(HEADER)));
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("key", key);
    components.add_security_scheme("bearer", bearer);
    document
}

/// All routes.
pub(super) fn router(service: Arc<Service>) -> Router {
    let document = serde_json::to_string(&openapi()).unwrap_or_default();
    routes()
        .split_for_parts()
        .0
        .route(
            "/api/v1/openapi.json",
            get(|| async move { ([("content-type", "application/json")], document) }),
        )
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(nothing)
        .method_not_allowed_fallback(no_method)
        // Each handler says how much it reads.
        .layer(DefaultBodyLimit::disable())
        .with_state(service)
}

async fn ready(State(service): State<Arc<Service>>) -> Result<Json<Value>, Problem> {
    health::check(&service).await?;
    Ok(Json(json!({"status": "ready"})))
}

async fn metrics(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<impl IntoResponse, Problem> {
    caller.is_admin()?;
    let text = telemetry::render(&service)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}

async fn nothing(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at `{}`", uri.path()))
        .hint("see `/api/v1/openapi.json`")
}

async fn no_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address does not take this method")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn each_operation_has_a_name_of_its_own() {
        let document = serde_json::to_value(super::openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|path| path.as_object().unwrap().values());
        let mut seen = BTreeSet::new();
        for operation in operations {
            // Clients make a function of each.
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(seen.insert(id.clone()), "twice: {id}");
        }
        assert!(seen.len() > 20);
    }
}
