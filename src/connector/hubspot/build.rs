//! From a config to a connector: what is said is read, what cannot be meant refused.

use std::sync::Mutex;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::HubSpot;
use super::config::HubSpotConfig;
use super::limits::{FIRST, Limits, SEARCHES};
use super::paths::{HOST, Paths};
use super::unified::{CustomFields, Lists};
use crate::connector::budgets::CALLS;
use crate::connector::http::authorize::{ClientIn, Grant, OAuthSettings, PlatformSettings};
use crate::connector::http::{Authorizer, Client, Redactor, base_url, client, host_and_port};
use crate::connector::{BuildError, Settings, given, own_keys, wrong};

/// The version of HubSpot's paths, where the config names none.
const VERSION: &str = "2026-03";
/// New records appear in the search after a few moments, says its guide; ours waits for them.
const SEARCH_LAG_SECS: u64 = 15;

impl HubSpot {
    /// From a config. No I/O.
    ///
    /// # Errors
    /// When the config lacks what is needed, or has what cannot be used.
    pub fn build(settings: Settings) -> Result<Self, BuildError> {
        let config: HubSpotConfig = own_keys(&settings.values)?;
        config.refuse_api_key()?;
        let base = settings.base_url.as_deref().unwrap_or(HOST);
        let base = base_url(base).map_err(|why| wrong(why, None))?;
        let namespace = format!("hubspot:{}", host_and_port(&base));
        let version = given(config.api_version.as_ref()).unwrap_or(VERSION);
        let paths = Paths::new(base, version)
            .map_err(|why| wrong(format!("config key `api_version`: {why}"), None))?;
        let redactor = Redactor::default();
        let http = client::pool(settings.timeout, &settings.user_agent)
            .map_err(|message| wrong(message, None))?;
        let authorizer = config.authorizer(&paths, &settings, http.clone(), &redactor)?;
        let budgets = &settings.budgets;
        let limiter = budgets.rate(&authorizer, CALLS, settings.rate_limit.unwrap_or(FIRST));
        let searches = budgets.rate(&authorizer, "searches", SEARCHES);
        let searches = searches.ok_or_else(|| wrong("no limit can be kept", None))?;
        let lag = config.search_lag_secs.unwrap_or(SEARCH_LAG_SECS);
        Ok(Self {
            client: Client::new(http, authorizer, limiter, redactor).metered(settings.meter),
            paths,
            streams: settings.streams,
            lookup_fields: settings.lookup_fields,
            search_lag: Duration::from_secs(lag),
            searches,
            limits: Limits::new(settings.rate_limit.is_some()),
            is_unified: config.unified_api_schema,
            custom_fields: CustomFields::default(),
            lists: Lists::default(),
            deal_type: OnceCell::new(),
            written: Mutex::default(),
            lasting: Mutex::default(),
            namespace,
        })
    }
}

impl HubSpotConfig {
    fn refuse_api_key(&self) -> Result<(), BuildError> {
        let is_set = |value: &Value| {
            !matches!(value, Value::Null | Value::Bool(false))
                && value.as_str().is_none_or(|text| !text.trim().is_empty())
        };
        let has_token = given(self.access_token.as_ref()).or(given(self.refresh_token.as_ref()));
        if self.hapikey.as_ref().is_some_and(is_set) && has_token.is_none() {
            return Err(wrong(
                "config key `hapikey`: HubSpot has taken no API keys since 30 November 2022",
                Some(
                    "make a private app or a service key in HubSpot's settings and set its token as \
                     `access_token`; or use OAuth, with `client_id`, `client_secret` and `refresh_token`",
                ),
            ));
        }
        Ok(())
    }

    fn authorizer(
        &self,
        paths: &Paths,
        settings: &Settings,
        http: reqwest::Client,
        redactor: &Redactor,
    ) -> Result<Authorizer, BuildError> {
        let access = given(self.access_token.as_ref());
        let platform =
            if self.via_platform { PlatformSettings::of(&settings.environment) } else { None };
        if let Some(mut platform) = platform {
            platform.access_token = access.map(SecretString::from);
            platform.expires_in = self.expires_in.as_ref().and_then(seconds);
            let own = self.oauth(paths, settings).ok();
            return Ok(Authorizer::platform(http, platform, own, redactor));
        }
        if given(self.refresh_token.as_ref()).is_some() {
            return Ok(Authorizer::oauth(http, self.oauth(paths, settings)?, redactor));
        }
        let token = access.ok_or_else(|| BuildError::MissingKey {
            key: "access_token".to_owned(),
            hint: "set it to the token of a private app or a service key; or `refresh_token`, \
                   `client_id` and `client_secret` for OAuth"
                .to_owned(),
        })?;
        Authorizer::bearer(token, redactor)
            .map_err(|message| wrong(format!("config key `access_token`: {message}"), None))
    }

    fn oauth(&self, paths: &Paths, settings: &Settings) -> Result<OAuthSettings, BuildError> {
        let needed = |key: &str, value: Option<&String>| {
            given(value).map(str::to_owned).ok_or_else(|| BuildError::MissingKey {
                key: key.to_owned(),
                hint: "OAuth needs a `refresh_token`, and the `client_id` and `client_secret` of its app"
                    .to_owned(),
            })
        };
        Ok(OAuthSettings {
            token_url: paths.token(),
            grant: Grant::RefreshToken {
                refresh_token: needed("refresh_token", self.refresh_token.as_ref())?.into(),
                redirect_uri: given(self.redirect_uri.as_ref()).map(str::to_owned),
            },
            client_id: needed("client_id", self.client_id.as_ref())?,
            client_secret: needed("client_secret", self.client_secret.as_ref())?.into(),
            client_in: ClientIn::Form,
            parameters: Vec::new(),
            access_token: given(self.access_token.as_ref()).map(SecretString::from),
            expires_in: self.expires_in.as_ref().and_then(seconds),
            config_file: settings.config_file.clone(),
            lasts: None,
            kept: &[],
        })
    }
}

/// A number, or a text of digits.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}
