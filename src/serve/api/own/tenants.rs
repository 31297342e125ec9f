//! Tenants, their accounts and their keys. What an account holds is never told again.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::super::body::{self, InPath};
use crate::serve::Service;
use crate::serve::auth::Caller;
use crate::serve::lane::folder_of;
use crate::serve::problem::Problem;
use crate::serve::queue::KeptKey;
use crate::serve::secret;
use crate::serve::tenants::{SaidIn, TenantName};
use crate::serve::trial;
use crate::store::jobs::at_millis;

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::api) struct ToldTenant {
    /// Its id.
    id: String,
    /// Where it was named.
    said_in: SaidIn,
    /// Its accounts.
    connectors: Vec<ToldAccount>,
    /// The keys that were made for it here. Those of the configuration are not told.
    keys: Vec<ToldKey>,
    /// What is odd about the account that was given, such as keys that nobody knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// A tenant's account at a connector. What is in it is not told.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::api) struct ToldAccount {
    /// The connector's id.
    id: String,
    /// Where it was given.
    said_in: SaidIn,
}

/// A key, which is not told.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::api) struct ToldKey {
    /// What it is called by.
    id: String,
    /// When it was made: RFC 3339.
    created: String,
}

/// A key that was made, which is told once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::api) struct NewKey {
    /// What it is called by.
    id: String,
    /// When it was made: RFC 3339.
    created: String,
    /// The key itself.
    key: String,
}

impl From<KeptKey> for ToldKey {
    fn from(key: KeptKey) -> Self {
        Self { id: key.id, created: at_millis(key.created_millis) }
    }
}

/// A tenant of an environment.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::serve::api) struct TenantPlace {
    /// The environment's id.
    environment: String,
    /// The tenant's id.
    tenant: String,
}

/// A tenant's account at a connector.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::serve::api) struct AccountPlace {
    /// The environment's id.
    environment: String,
    /// The tenant's id.
    tenant: String,
    /// The connector's id.
    connector: String,
}

/// A tenant's key.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::serve::api) struct KeyPlace {
    /// The environment's id.
    environment: String,
    /// The tenant's id.
    tenant: String,
    /// What the key is called by.
    key_id: String,
}

/// Bytes of an id as an address has it, at most: folders are named by it.
const ID_CHARS: usize = 200;

fn tell(service: &Service, environment: &str, tenant: &str) -> Result<ToldTenant, Problem> {
    let name: TenantName = (environment.to_owned(), tenant.to_owned());
    let said_in = service.tenants.check_tenant(&name)?;
    let connectors = service.tenants.connectors(environment, tenant).into_iter();
    let keys = service.keys.made_for(&name);
    Ok(ToldTenant {
        id: tenant.to_owned(),
        said_in,
        connectors: connectors.map(|(id, said_in)| ToldAccount { id, said_in }).collect(),
        keys: keys.into_iter().map(ToldKey::from).collect(),
        warnings: Vec::new(),
    })
}

/// The tenants of an environment
#[utoipa::path(
    get, path = "/api/v1/tenants/{environment}", tag = "tenants",
    params(("environment" = String, Path)),
    responses((status = 200, body = Vec<ToldTenant>), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn list_tenants(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(environment): InPath<String>,
) -> Result<Json<Vec<ToldTenant>>, Problem> {
    let tenants = match caller.tenant() {
        None => {
            service.config.environment(&environment)?;
            service.tenants.of(&environment)
        }
        Some((_, tenant)) => {
            caller.may(&environment, tenant)?;
            vec![tenant.to_owned()]
        }
    };
    let told = tenants.iter().map(|tenant| tell(&service, &environment, tenant));
    Ok(Json(told.collect::<Result<_, _>>()?))
}

/// A tenant
#[utoipa::path(
    get, path = "/api/v1/tenants/{environment}/{tenant}", tag = "tenants", params(TenantPlace),
    responses((status = 200, body = ToldTenant), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn show_tenant(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<TenantPlace>,
) -> Result<Json<ToldTenant>, Problem> {
    caller.may(&place.environment, &place.tenant)?;
    Ok(Json(tell(&service, &place.environment, &place.tenant)?))
}

/// Add a tenant
#[utoipa::path(
    put, path = "/api/v1/tenants/{environment}/{tenant}", tag = "tenants", params(TenantPlace),
    responses((status = 200, body = ToldTenant), (status = 201, body = ToldTenant),
        (status = "default", body = Problem, content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn add_tenant(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<TenantPlace>,
) -> Result<(StatusCode, Json<ToldTenant>), Problem> {
    caller.is_admin()?;
    let TenantPlace { environment, tenant } = place;
    let is_plain = |char: char| !char.is_control() && !matches!(char, '/' | '\\' | '?' | '#');
    if !tenant.chars().all(is_plain) || folder_of(&tenant).len() > ID_CHARS {
        return Err(Problem::unprocessable(format!(
            "the tenant's id has a `/`, `\\`, `?`, `#` or a control character, or is longer than {ID_CHARS} \
             bytes as it stands in an address"
        )));
    }
    let (own, place) = (Arc::clone(&service), (environment.clone(), tenant.clone()));
    let adding = async move { own.tenants.add(&own.queue, &own.keys, place).await };
    let is_new = service.whole(adding).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(tell(&service, &environment, &tenant)?)))
}

/// Take a tenant out, with its accounts and keys; what was written for it stays
#[utoipa::path(
    delete, path = "/api/v1/tenants/{environment}/{tenant}", tag = "tenants", params(TenantPlace),
    responses((status = 204), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn remove_tenant(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<TenantPlace>,
) -> Result<StatusCode, Problem> {
    caller.is_admin()?;
    let TenantPlace { environment, tenant } = place;
    let own = Arc::clone(&service);
    let removing =
        async move { own.tenants.remove(&own.queue, &own.keys, &(environment, tenant)).await };
    service.whole(removing).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a tenant an account at a connector, in the place of the one it had
///
/// The body has the keys of a config, as a tenant's connector in the configuration, over the flow's.
/// It is kept encrypted. What is under way goes on with what it began with.
#[utoipa::path(
    put, path = "/api/v1/tenants/{environment}/{tenant}/connectors/{connector}", tag = "tenants",
    params(AccountPlace), request_body = Object,
    responses((status = 200, body = ToldTenant), (status = 201, body = ToldTenant),
        (status = "default", body = Problem, content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn set_account(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<AccountPlace>,
    body: Body,
) -> Result<(StatusCode, Json<ToldTenant>), Problem> {
    caller.is_admin()?;
    let config = &service.config;
    let bytes = body::read(&service, body, config.max_record_bytes).await?;
    let account: Map<String, Value> = body::parse(&bytes)?;
    if let Some(key) = secret::names_a_place(&account) {
        let detail = format!("`{key}` names a variable or a file, which no request may");
        return Err(
            Problem::unprocessable(detail).hint("give the value itself: it is kept encrypted")
        );
    }
    if let Some(key) = LOCAL.iter().find(|key| account.contains_key(**key)) {
        let detail = format!("`{key}` is of this machine, and no request may set it");
        return Err(
            Problem::unprocessable(detail).hint("set it for the flow, in the configuration")
        );
    }
    let AccountPlace { environment, tenant, connector } = place;
    tell(&service, &environment, &tenant)?;
    let name: TenantName = (environment, tenant);
    let warnings =
        tokio::task::block_in_place(|| trial::of_account(&service, &name, &connector, &account))?;
    let (own, of) = (Arc::clone(&service), name.clone());
    let setting =
        async move { own.tenants.set_account(&own.queue, &of, &connector, &account).await };
    let is_new = service.whole(setting).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(ToldTenant { warnings, ..tell(&service, &name.0, &name.1)? })))
}

/// Keys of a config that name files of the machine that the service runs on.
const LOCAL: [&str; 4] = ["store", "manifest", "snapshot_dir", "sandbox"];

/// Take an account back that was given here: the one of the configuration counts again, if there is one
#[utoipa::path(
    delete, path = "/api/v1/tenants/{environment}/{tenant}/connectors/{connector}", tag = "tenants",
    params(AccountPlace),
    responses((status = 204), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn remove_account(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<AccountPlace>,
) -> Result<StatusCode, Problem> {
    caller.is_admin()?;
    let AccountPlace { environment, tenant, connector } = place;
    let name: TenantName = (environment, tenant);
    let detail = format!("tenant `{}` was given no account at `{connector}` here", name.1);
    let own = Arc::clone(&service);
    let removing =
        async move { Ok(own.tenants.remove_account(&own.queue, &name, &connector).await?) };
    if service.whole(removing).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found(detail))
}

/// Make a key for a tenant; it is told in this answer alone
#[utoipa::path(
    post, path = "/api/v1/tenants/{environment}/{tenant}/keys", tag = "tenants", params(TenantPlace),
    responses((status = 201, body = NewKey), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn make_key(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<TenantPlace>,
) -> Result<(StatusCode, Json<NewKey>), Problem> {
    caller.is_admin()?;
    let TenantPlace { environment, tenant } = place;
    let own = Arc::clone(&service);
    let making =
        async move { own.tenants.make_key(&own.queue, &own.keys, (environment, tenant)).await };
    let (key, made) = service.whole(making).await?;
    let ToldKey { id, created } = made.into();
    let told = NewKey { id, created, key: key.expose_secret().to_owned() };
    Ok((StatusCode::CREATED, Json(told)))
}

/// Take a key back
#[utoipa::path(
    delete, path = "/api/v1/tenants/{environment}/{tenant}/keys/{key_id}", tag = "tenants",
    params(KeyPlace),
    responses((status = 204), (status = "default", body = Problem,
        content_type = "application/problem+json"))
)]
pub(in crate::serve::api) async fn take_key_back(
    State(service): State<Arc<Service>>,
    caller: Caller,
    InPath(place): InPath<KeyPlace>,
) -> Result<StatusCode, Problem> {
    caller.is_admin()?;
    let KeyPlace { environment, tenant, key_id } = place;
    let name: TenantName = (environment, tenant);
    let (own, id) = (Arc::clone(&service), key_id.clone());
    let taking = async move { Ok(own.keys.take_back(&own.queue, &name, &id).await?) };
    if service.whole(taking).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found(format!("there is no key `{key_id}`")))
}
