//! Who asks, and what they may see.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::Service;
use super::config::ServeConfig;
use super::listen::Peer;
use super::problem::Problem;
use super::queue::{KeptKey, Queue};
use super::secret::{KeyHash, new_key};
use super::tenants::{TenantName, Tenants};
use crate::error::Error;
use crate::store::StoreError;

/// The header that a key comes in.
pub(super) const HEADER: &str = "x-api-key";

/// How a key may come, as a 401 says (RFC 9110, section 11.6.1). A header of our own has no name there.
pub(super) const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer");

/// Whose key came with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// One that may do everything; or none, where none is asked for.
    Admin,
    /// One of this environment's tenants.
    Tenant(String, String),
}

/// The key of a request: in a header of its own, or as a bearer token.
fn key_of(headers: &HeaderMap) -> Option<String> {
    if let Some(key) = headers.get(HEADER) {
        return Some(String::from_utf8_lossy(key.as_bytes()).into_owned());
    }
    let given = String::from_utf8_lossy(headers.get(AUTHORIZATION)?.as_bytes());
    let (scheme, key) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim().to_owned())
}

/// What is kept of the keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Those that the configuration names.
    named: Vec<(KeyHash, Caller)>,
    /// Those that were made over HTTP.
    made: RwLock<Vec<KeptKey>>,
    /// No key is asked for.
    is_open: bool,
}

impl Keys {
    /// Reads the keys that a configuration names.
    ///
    /// # Errors
    /// Exit code 2, naming where one was to stand.
    pub(super) fn read(
        config: &ServeConfig,
        queue: &Queue,
        tenants: &Tenants,
    ) -> Result<Self, Error> {
        let mut named = Vec::new();
        for source in &config.admin_keys {
            named.push((KeyHash::of(source.read()?.expose_secret()), Caller::Admin));
        }
        for (environment, place) in &config.environments {
            for (tenant, of) in &place.tenants {
                for source in &of.keys {
                    let caller = Caller::Tenant(environment.clone(), tenant.clone());
                    named.push((KeyHash::of(source.read()?.expose_secret()), caller));
                }
            }
        }
        let mut seen = HashSet::new();
        if let Some((_, caller)) = named.iter().find(|(hash, _)| !seen.insert(*hash)) {
            let whose = match caller {
                Caller::Admin => "an admin".to_owned(),
                Caller::Tenant(environment, tenant) => format!("tenant `{environment}/{tenant}`"),
            };
            let wrong = format!("a key of {whose} is somebody else's too, or stands there twice");
            return Err(Error::usage(wrong).hint("give each its own: `openssl rand -base64 32`"));
        }
        let mut made = queue.keys()?;
        // One of a tenant that was taken out of the configuration is none.
        made.retain(|key| tenants.check_tenant(&key.tenant).is_ok());
        Ok(Self { named, made: RwLock::new(made), is_open: config.admin_keys.is_empty() })
    }

    /// Makes a key for a tenant, by [`Tenants::make_key`]. What is returned first is told once, and known
    /// to nobody later.
    ///
    /// # Errors
    /// When the system gives no random numbers, or the key cannot be kept.
    pub(super) async fn make(
        &self,
        queue: &Queue,
        tenant: TenantName,
    ) -> Result<(SecretString, KeptKey), Error> {
        let key = new_key()?;
        let made = KeptKey {
            id: uuid::Uuid::now_v7().to_string(),
            tenant,
            created_millis: chrono::Utc::now().timestamp_millis(),
            hash: KeyHash::of(key.expose_secret()),
        };
        queue.add_key(made.clone()).await?;
        self.made.write().unwrap_or_else(PoisonError::into_inner).push(made.clone());
        Ok((key, made))
    }

    /// The keys that were made for a tenant.
    pub(super) fn made_for(&self, tenant: &TenantName) -> Vec<KeptKey> {
        let made = self.made.read().unwrap_or_else(PoisonError::into_inner);
        made.iter().filter(|key| key.tenant == *tenant).cloned().collect()
    }

    /// Takes back the key of a tenant that has this id. Whether there was one.
    ///
    /// # Errors
    /// What SQLite says.
    pub(super) async fn take_back(
        &self,
        queue: &Queue,
        tenant: &TenantName,
        id: &str,
    ) -> Result<bool, StoreError> {
        let is_there = self.made_for(tenant).iter().any(|key| key.id == id);
        if is_there {
            queue.remove_key(id.to_owned()).await?;
            let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
            made.retain(|key| key.id != id);
        }
        Ok(is_there)
    }

    /// Knows no key of a tenant any more.
    pub(super) fn forget(&self, tenant: &TenantName) {
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        made.retain(|key| key.tenant != *tenant);
    }

    /// Whether no key is asked for.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whose key it is. All are compared, each in the same time.
    pub(super) fn caller(&self, key: Option<&str>) -> Option<Caller> {
        match key {
            Some(key) => self.caller_of(&KeyHash::of(key)),
            None => self.is_open.then_some(Caller::Admin),
        }
    }

    /// The same of a key that is known by its hash.
    pub(super) fn caller_of(&self, hash: &KeyHash) -> Option<Caller> {
        let mut found = None;
        for (known, caller) in &self.named {
            if known.is(hash) {
                found = Some(caller.clone());
            }
        }
        for made in self.made.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if made.hash.is(hash) {
                let (environment, tenant) = made.tenant.clone();
                found = Some(Caller::Tenant(environment, tenant));
            }
        }
        found
    }
}

impl Caller {
    /// Refuses what is not this caller's.
    ///
    /// # Errors
    /// 403.
    pub(super) fn may(&self, environment: &str, tenant: &str) -> Result<(), Problem> {
        match self {
            Self::Admin => Ok(()),
            Self::Tenant(own, of) if own == environment && of == tenant => Ok(()),
            Self::Tenant(own, of) => {
                tracing::warn!(
                    "Refused: a key of tenant `{own}/{of}` was used for `{environment}/{tenant}`."
                );
                let detail = "this key is of another tenant";
                Err(Problem::new(StatusCode::FORBIDDEN, detail))
            }
        }
    }

    /// Refuses who may not do everything.
    ///
    /// # Errors
    /// 403.
    pub(super) fn is_admin(&self) -> Result<(), Problem> {
        match self {
            Self::Admin => Ok(()),
            Self::Tenant(environment, tenant) => {
                tracing::warn!(
                    "Refused: a key of tenant `{environment}/{tenant}` was used for what an admin may."
                );
                Err(Problem::new(StatusCode::FORBIDDEN, "this takes an admin's key"))
            }
        }
    }

    /// The tenant that is seen alone, if it is one.
    pub(super) fn tenant(&self) -> Option<(&str, &str)> {
        match self {
            Self::Admin => None,
            Self::Tenant(environment, tenant) => Some((environment, tenant)),
        }
    }
}

impl FromRequestParts<Arc<Service>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, Problem> {
        let key = key_of(&parts.headers);
        if let Some(caller) = service.keys.caller(key.as_deref()) {
            return Ok(caller);
        }
        let from = parts.extensions.get::<Peer>();
        let from = from.map(|from| from.0.ip().to_string()).unwrap_or_default();
        // The path may name a tenant, and no more: queries are not told.
        tracing::warn!(from, method = %parts.method, path = parts.uri.path(), "Refused: no key, or a wrong one.");
        let detail = match key {
            Some(_) => "the key is not known".to_owned(),
            None => {
                format!("the header `{HEADER}` is missing; `Authorization: Bearer` does as well")
            }
        };
        Err(Problem::new(StatusCode::UNAUTHORIZED, detail))
    }
}
