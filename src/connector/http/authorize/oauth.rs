//! OAuth 2 (RFC 6749): what the token endpoint is asked, and what it answers. New tokens are
//! written back when they rotate.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;

use super::super::redact::Redactor;
use super::assertion::Assertion;
use super::basic_credential;
use super::keeping::Keeper;
use super::tokens::{Endpoint, Fresh, number, seconds_left};
use crate::config::write_back::TokenFile;
use crate::connector::budgets::Credential;
use crate::connector::contract::RequestError;

/// The kind of assertion that a client signs (RFC 7523 section 2.2).
const JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a token is given for.
#[derive(Debug)]
pub enum Grant {
    /// A refresh token, which the endpoint may replace.
    RefreshToken {
        /// The one to begin with.
        refresh_token: SecretString,
        /// Some endpoints want it again.
        redirect_uri: Option<String>,
    },
    /// The client itself.
    ClientCredentials {
        /// Names of rights, apart by spaces.
        scope: Option<String>,
    },
    /// A user, for whom the client signs (RFC 7523 section 2.1).
    JwtBearer(Assertion),
    /// The client itself, which signs instead of telling a secret (RFC 7523 section 2.2).
    ClientAssertion(Assertion),
}

impl Grant {
    /// Whether a signature says who the client is, so that it tells no secret.
    pub fn is_signed(&self) -> bool {
        matches!(self, Self::JwtBearer(_) | Self::ClientAssertion(_))
    }
}

/// Where the client says who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientIn {
    /// In the form, as `client_id` and `client_secret`.
    #[default]
    Form,
    /// In a basic `Authorization`.
    Basic,
}

/// All that getting tokens needs.
#[derive(Debug)]
pub struct OAuthSettings {
    /// The token endpoint.
    pub token_url: Url,
    /// What a token is given for.
    pub grant: Grant,
    /// Of the client.
    pub client_id: String,
    /// Of the client. Empty where it [signs](Grant::is_signed).
    pub client_secret: SecretString,
    /// Where the client says who it is, unless it signs.
    pub client_in: ClientIn,
    /// More of the form, such as an `audience`.
    pub parameters: Vec<(String, String)>,
    /// One from an earlier job, used until it is over.
    pub access_token: Option<SecretString>,
    /// When that is over: seconds from now, or seconds since 1970.
    pub expires_in: Option<u64>,
    /// How long a token is good, where the endpoint does not say.
    pub lasts: Option<Duration>,
    /// What else of an answer is kept, and written back beside the tokens: its names there.
    pub kept: &'static [&'static str],
    /// The config file that new tokens are written to.
    pub config_file: Option<TokenFile>,
}

/// The client of a token endpoint.
pub(super) struct OAuth {
    settings: OAuthSettings,
    /// Where refresh tokens are kept, if they are.
    keeper: Option<Keeper>,
}

impl OAuth {
    /// All secrets are told to `redactor`.
    pub(super) fn new(settings: OAuthSettings, redactor: &Redactor) -> Self {
        let secret = settings.client_secret.expose_secret();
        redactor.add(secret);
        redactor.add(&basic_credential(&settings.client_id, secret));
        let keeper = match (&settings.grant, &settings.config_file) {
            (Grant::RefreshToken { refresh_token, .. }, Some(file)) => {
                Some(Keeper::new(file.clone(), refresh_token))
            }
            _ => None,
        };
        let oauth = Self { settings, keeper };
        for secret in oauth.refresh_token().iter().chain(&oauth.settings.access_token) {
            redactor.add(secret.expose_secret());
        }
        oauth
    }

    pub(super) fn url(&self) -> &Url {
        &self.settings.token_url
    }

    /// Of which client, and for whom. Refresh tokens are replaced, the file that they are kept in is not.
    pub(super) fn credential(&self) -> Credential {
        let OAuthSettings { token_url, grant, client_id, parameters, .. } = &self.settings;
        let mut parts = vec![token_url.as_str().as_bytes(), client_id.as_bytes()];
        for (name, value) in parameters {
            parts.extend([name.as_bytes(), value.as_bytes()]);
        }
        match (grant, &self.keeper) {
            (Grant::RefreshToken { .. }, Some(keeper)) => {
                parts.push(keeper.path().as_os_str().as_encoded_bytes());
            }
            (Grant::RefreshToken { refresh_token, .. }, None) => {
                parts.push(refresh_token.expose_secret().as_bytes());
            }
            (Grant::ClientCredentials { .. }, _) => {}
            (Grant::JwtBearer(assertion) | Grant::ClientAssertion(assertion), _) => {
                parts.push(assertion.subject().as_bytes());
            }
        }
        Credential::of(parts)
    }

    pub(super) fn access_token(&self) -> Option<SecretString> {
        self.settings.access_token.clone()
    }

    pub(super) fn refresh_token(&self) -> Option<SecretString> {
        match &self.settings.grant {
            Grant::RefreshToken { refresh_token, .. } => Some(refresh_token.clone()),
            Grant::ClientCredentials { .. } | Grant::JwtBearer(_) | Grant::ClientAssertion(_) => {
                None
            }
        }
    }

    pub(super) fn expires_in(&self) -> Option<u64> {
        self.settings.expires_in
    }

    /// Gets a token, with `refresh` where that is the grant.
    pub(super) async fn fetch(
        &self,
        endpoint: &Endpoint,
        refresh: Option<&SecretString>,
    ) -> Result<Fresh, RequestError> {
        let turn = match &self.keeper {
            Some(keeper) => {
                let turn = keeper.turn().await?;
                keeper.try_out().await?;
                turn
            }
            None => None,
        };
        let newer = self.keeper.as_ref().and_then(Keeper::newer);
        if let Some(newer) = &newer {
            endpoint.redactor.add_token(newer.expose_secret());
        }
        let request = self.request(endpoint, newer.as_ref().or(refresh))?;
        let body = endpoint.ask(request).await?;
        let text = |name: &str| body.get(name)?.as_str().filter(|text| !text.is_empty());
        let access =
            text("access_token").ok_or_else(|| Endpoint::unusable("without an `access_token`"))?;
        let refresh = text("refresh_token");
        for secret in [access].into_iter().chain(refresh) {
            endpoint.redactor.add_token(secret);
        }
        let left = body.get("expires_in").and_then(number).map(seconds_left);
        let told: Map<String, Value> = self
            .settings
            .kept
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), body.get(*name)?.clone())))
            .collect();
        let is_usable = HeaderValue::from_str(access).is_ok();
        // The old refresh token may be used up, so that the new one is kept in any case.
        let of_token = Some((access, left, &told)).filter(|_| is_usable);
        self.keep(of_token, refresh).await?;
        drop(turn);
        if !is_usable {
            return Err(Endpoint::unusable("with an `access_token` that no header can hold"));
        }
        let left = left.or(self.settings.lasts);
        Ok(Fresh { access: access.into(), refresh: refresh.map(Into::into).or(newer), left, told })
    }

    fn request(
        &self,
        endpoint: &Endpoint,
        refresh: Option<&SecretString>,
    ) -> Result<reqwest::RequestBuilder, RequestError> {
        let OAuthSettings {
            token_url, grant, client_id, client_secret, client_in, parameters, ..
        } = &self.settings;
        let mut form = Vec::new();
        let signed;
        match grant {
            Grant::RefreshToken { redirect_uri, .. } => {
                form.push(("grant_type", "refresh_token"));
                form.extend(refresh.map(|token| ("refresh_token", token.expose_secret())));
                form.extend(redirect_uri.as_deref().map(|uri| ("redirect_uri", uri)));
            }
            Grant::ClientCredentials { scope } => {
                form.push(("grant_type", "client_credentials"));
                form.extend(scope.as_deref().map(|scope| ("scope", scope)));
            }
            Grant::JwtBearer(assertion) => {
                signed = self.signed(endpoint, assertion)?;
                form.push(("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"));
                form.push(("assertion", signed.expose_secret()));
            }
            Grant::ClientAssertion(assertion) => {
                signed = self.signed(endpoint, assertion)?;
                form.push(("grant_type", "client_credentials"));
                form.push(("client_assertion_type", JWT));
                form.push(("client_assertion", signed.expose_secret()));
            }
        }
        form.extend(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let mut request = endpoint.http.post(token_url.clone());
        match client_in {
            // The signature says who it is.
            _ if grant.is_signed() => {}
            ClientIn::Form => {
                form.push(("client_id", client_id));
                form.push(("client_secret", client_secret.expose_secret()));
            }
            ClientIn::Basic => {
                request = request.basic_auth(client_id, Some(client_secret.expose_secret()));
            }
        }
        Ok(accepting(request).form(&form))
    }

    fn signed(
        &self,
        endpoint: &Endpoint,
        assertion: &Assertion,
    ) -> Result<SecretString, RequestError> {
        let signed = assertion.sign(&self.settings.client_id)?;
        // An endpoint may tell back what it refuses.
        endpoint.redactor.add_token(signed.expose_secret());
        Ok(signed)
    }

    /// Writes the tokens into the config file before anybody uses them: once the old refresh
    /// token is used up, a job that dies must not take the new one with it.
    async fn keep(
        &self,
        of_token: Option<(&str, Option<Duration>, &Map<String, Value>)>,
        refresh: Option<&str>,
    ) -> Result<(), RequestError> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let mut values = Map::new();
        if let Some(refresh) = refresh {
            values.insert("refresh_token".to_owned(), refresh.into());
        }
        if let Some((access, left, told)) = of_token {
            values.insert("access_token".to_owned(), access.into());
            values.extend(told.clone());
            if let Some(left) = left {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let until = now.saturating_add(left);
                values.insert("expires_in".to_owned(), until.as_secs().into());
            }
        }
        keeper.write(values).await
    }
}

fn accepting(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request.header(reqwest::header::ACCEPT, "application/json")
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OAuth").field(&self.settings.token_url.host_str()).finish()
    }
}
