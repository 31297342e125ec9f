//! A call of the remote's own that gives a token.

use std::fmt;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

use super::tokens::{Endpoint, Fresh, seconds_left};
use crate::connector::budgets::Credential;
use crate::connector::contract::RequestError;

/// Finds a text in an answer.
pub type Find = Box<dyn Fn(&Value) -> Option<String> + Send + Sync>;

/// The call, with its credentials.
pub struct LoginSettings {
    /// HTTP method.
    pub method: Method,
    /// The whole address.
    pub url: Url,
    /// With `Content-Type`, if there is a body.
    pub headers: HeaderMap,
    /// `None` sends no body at all.
    pub body: Option<Bytes>,
    /// Finds the token.
    pub token: Find,
    /// Finds how long it is good: seconds from now, or seconds since 1970.
    pub expires_in: Option<Find>,
}

/// The client of a login call.
pub(super) struct Login(pub(super) LoginSettings);

impl Login {
    pub(super) fn url(&self) -> &Url {
        &self.0.url
    }

    /// Of all that is sent.
    pub(super) fn credential(&self) -> Credential {
        let LoginSettings { url, headers, body, .. } = &self.0;
        let mut parts = vec![url.as_str().as_bytes()];
        parts.extend(headers.values().map(reqwest::header::HeaderValue::as_bytes));
        parts.extend(body.as_deref());
        Credential::of(parts)
    }

    /// Gets a token.
    pub(super) async fn fetch(&self, endpoint: &Endpoint) -> Result<Fresh, RequestError> {
        let LoginSettings { method, url, headers, body, token, expires_in } = &self.0;
        let mut request =
            endpoint.http.request(method.clone(), url.clone()).headers(headers.clone());
        if let Some(body) = body {
            request = request.body(body.clone());
        }
        let body = endpoint.ask(request).await?;
        let access = token(&body).ok_or_else(|| Endpoint::unusable("without a token"))?;
        endpoint.redactor.add_token(&access);
        let left = expires_in.as_ref().and_then(|find| find(&body));
        let left = left.and_then(|text| text.trim().parse().ok()).map(seconds_left);
        Ok(Fresh { access: SecretString::from(access), refresh: None, left, told: Map::new() })
    }
}

impl fmt::Debug for LoginSettings {
    /// Without what may hold a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginSettings").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Login").field(&self.0.url.host_str()).finish()
    }
}
