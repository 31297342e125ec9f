//! Who asks, and what they may see.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use secrecy::ExposeSecret;

use super::Service;
use super::config::ServeConfig;
use super::listen::Peer;
use super::problem::Problem;
use super::secret::KeyHash;
use crate::error::Error;

/// The header that a key comes in.
pub(super) const HEADER: &str = "x-api-key";

/// Whose key came with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// One that may do everything; or none, where none is asked for.
    Admin,
    /// One of this environment's tenants.
    Tenant(String, String),
}

/// What is kept of the keys.
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: Vec<(KeyHash, Caller)>,
    /// No key is asked for.
    is_open: bool,
}

impl Keys {
    /// Reads the keys that a configuration names.
    ///
    /// # Errors
    /// Exit code 2, naming where one was to stand.
    pub(super) fn read(config: &ServeConfig) -> Result<Self, Error> {
        let mut keys = Vec::new();
        for source in &config.admin_keys {
            keys.push((KeyHash::of(source.read()?.expose_secret()), Caller::Admin));
        }
        for (environment, place) in &config.environments {
            for (tenant, of) in &place.tenants {
                for source in &of.keys {
                    let caller = Caller::Tenant(environment.clone(), tenant.clone());
                    keys.push((KeyHash::of(source.read()?.expose_secret()), caller));
                }
            }
        }
        Ok(Self { keys, is_open: config.admin_keys.is_empty() })
    }

    /// Whose key it is. All are compared, each in the same time.
    fn caller(&self, key: Option<&str>) -> Option<Caller> {
        let Some(key) = key else { return self.is_open.then_some(Caller::Admin) };
        let hash = KeyHash::of(key);
        let mut found = None;
        for (known, caller) in &self.keys {
            if known.is(&hash) {
                found = Some(caller.clone());
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
        let key = parts.headers.get(HEADER);
        let key = key.map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned());
        if let Some(caller) = service.keys.caller(key.as_deref()) {
            return Ok(caller);
        }
        let from = parts.extensions.get::<Peer>();
        let from = from.map(|from| from.0.ip().to_string()).unwrap_or_default();
        // The path may name a tenant, and no more: queries are not told.
        tracing::warn!(from, method = %parts.method, path = parts.uri.path(), "Refused: no key, or a wrong one.");
        let detail = match key {
            Some(_) => format!("the key in `{HEADER}` is not known"),
            None => format!("the header `{HEADER}` is missing"),
        };
        Err(Problem::new(StatusCode::UNAUTHORIZED, detail))
    }
}
