//! Tokens that the hosted platform renews and hands out: `GET …/connectors/{target}/accesstoken`.
//!
//! It does so for connectors that it knows as a target; for any other its refusal says so, and the
//! token is renewed here.

use std::fmt;

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;

use super::super::redact::Redactor;
use super::oauth::OAuth;
use super::tokens::{Endpoint, Fresh, number, seconds_left};
use crate::config::environment::Environment;
use crate::connector::contract::RequestError;

/// Where the platform is, unless its environment says so.
const API_URL: &str = "https://api.hotglue.com";
/// What its refusals say where the target is to renew the token itself.
const NOT_THERE: [&str; 6] = [
    "Connector doesn't support get access token",
    "Fetch access token support is not implemented",
    "does not support real time",
    "Missing required env vars",
    "No available connector found for target",
    "is not an available connector",
];

/// The platform, and who renews where it does not.
pub(super) struct Platform {
    url: Url,
    api_key: SecretString,
    pub(super) own: Option<OAuth>,
    access: Option<SecretString>,
    expires_in: Option<u64>,
}

/// How the platform is asked for tokens.
#[derive(Debug)]
pub struct PlatformSettings {
    /// The whole address.
    pub(super) url: Url,
    /// Of the environment.
    pub(super) api_key: SecretString,
    /// A token from before, and when it is over: used until then.
    pub access_token: Option<SecretString>,
    /// See `access_token`: seconds from now, or seconds since 1970.
    pub expires_in: Option<u64>,
}

impl PlatformSettings {
    /// As the environment of a job has it; `None` where it is not all there.
    pub fn of(environment: &Environment) -> Option<Self> {
        let Environment { env_id, flow, tenant, target, api_key, api_url, .. } = environment;
        let mut url = Url::parse(api_url.as_deref().unwrap_or(API_URL)).ok()?;
        let segments =
            [env_id.as_ref()?, flow.as_ref()?, tenant.as_ref()?, "connectors", target.as_ref()?];
        url.path_segments_mut().ok()?.pop_if_empty().extend(segments).push("accesstoken");
        url.set_query(Some("include_properties=expires_in"));
        let api_key = api_key.as_deref()?.into();
        Some(Self { url, api_key, access_token: None, expires_in: None })
    }
}

impl Platform {
    pub(super) fn new(settings: PlatformSettings, own: Option<OAuth>, redactor: &Redactor) -> Self {
        let PlatformSettings { url, api_key, access_token, expires_in } = settings;
        for secret in access_token.iter().chain([&api_key]) {
            redactor.add(secret.expose_secret());
        }
        Self { url, api_key, own, access: access_token, expires_in }
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// A token that nobody knows the end of is not used.
    pub(super) fn access_token(&self) -> Option<SecretString> {
        self.access.clone().filter(|_| self.expires_in.is_some())
    }

    pub(super) fn expires_in(&self) -> Option<u64> {
        self.expires_in
    }

    pub(super) async fn fetch(
        &self,
        endpoint: &Endpoint,
        refresh: Option<&SecretString>,
    ) -> Result<Fresh, RequestError> {
        let request = endpoint.http.request(Method::GET, self.url.clone());
        let request = request.header("x-api-key", self.api_key.expose_secret());
        let answer = endpoint.answer(request).await?;
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let access =
            body.get("access_token").and_then(Value::as_str).filter(|text| !text.is_empty());
        if let (true, Some(access)) = (answer.is_success(), access) {
            endpoint.redactor.add_token(access);
            let left = body.get("expires_in").and_then(number).map(seconds_left);
            return Ok(Fresh { access: access.into(), refresh: None, left, told: Map::new() });
        }
        let said =
            ["Message", "message", "error"].into_iter().find_map(|name| body.get(name)?.as_str());
        if let Some(own) = &self.own
            && said.is_some_and(|said| NOT_THERE.iter().any(|known| said.contains(known)))
        {
            let endpoint = endpoint.at(own.url());
            return own.fetch(&endpoint, refresh).await;
        }
        let said = said.map_or_else(|| answer.describe(&endpoint.redactor), str::to_owned);
        let said =
            format!("the platform gives no token: {}", endpoint.redactor.excerpt(&said, 500));
        Err(match answer.status {
            423 | 429 | 500.. => RequestError::Unreachable(said.into()),
            _ => RequestError::Unauthorized(said.into()),
        })
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Platform").field(&self.url.host_str()).finish()
    }
}
