//! From a config to a connector: what is said is read, what cannot be meant refused.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use super::Salesforce;
use super::config::SalesforceConfig;
use super::describe::Descriptions;
use super::paths::Paths;
use super::quota::Quota;
use super::unified::{MadeFields, Names};
use crate::connector::budgets::CALLS;
use crate::connector::http::authorize::{Assertion, ClientIn, Grant, OAuthSettings};
use crate::connector::http::{Authorizer, Client, Redactor, base_url, client, host_and_port};
use crate::connector::{BuildError, Settings, given, own_keys, wrong};
use crate::json::exact;

/// The version of the platform's target.
const VERSION: &str = "55.0";
const LOGIN: &str = "https://login.salesforce.com";
const TEST_LOGIN: &str = "https://test.salesforce.com";
/// A session's length is the org's own: fifteen minutes to a day. The platform's target takes a token
/// to be good for so long, and a refused one is renewed in any case.
const TOKEN_LASTS: Duration = Duration::from_secs(7000);
/// What comes with a token: where the org is, and when it was given.
const KEPT: &[&str] = &["instance_url", "issued_at"];
const PERCENT: f64 = 80.0;
const DESCRIBE_HOURS: u64 = 24;
const SETTLE_SECS: u64 = 20;
/// Below it, Salesforce itself recommends calls of 200.
const BULK_FROM: usize = 2000;

impl Salesforce {
    /// From a config. No I/O but the reading of the descriptions that are kept.
    ///
    /// # Errors
    /// When the config lacks what is needed, or has what cannot be used.
    pub fn build(settings: Settings) -> Result<Self, BuildError> {
        let config: SalesforceConfig = own_keys(&settings.values)?;
        let version = config.api_version.as_ref().and_then(exact::text);
        let paths = Paths::new(version.as_deref().unwrap_or(VERSION))
            .map_err(|why| wrong(format!("config key `api_version`: {why}"), None))?;
        let percent = config.quota_percent_total.as_ref().and_then(exact::text);
        let percent = percent.map_or(Ok(PERCENT), |text| text.trim().parse::<f64>());
        let percent = percent.ok().filter(|percent| (1.0..=100.0).contains(percent));
        let percent = percent.ok_or_else(|| {
            wrong("config key `quota_percent_total`: it is no number from 1 to 100", None)
        })?;
        let fixed = settings.base_url.as_deref().map(base_url).transpose();
        let fixed = fixed.map_err(|why| wrong(why, None))?;
        let given_instance = address(given(config.instance_url.as_ref()), "instance_url")?;
        let redactor = Redactor::default();
        let http = client::pool(settings.timeout, &settings.user_agent)
            .map_err(|message| wrong(message, None))?;
        let authorizer = config.authorizer(&settings, fixed.as_ref(), http.clone(), &redactor)?;
        let host = fixed.as_ref().map(|url| format!(":{}", host_and_port(url)));
        let namespace = format!("salesforce{}", host.unwrap_or_default());
        let hours = config.describe_hours.unwrap_or(DESCRIBE_HOURS);
        let life = Duration::from_secs(hours.saturating_mul(3600));
        let limit = |limit| settings.budgets.rate(&authorizer, CALLS, limit);
        let limiter = settings.rate_limit.and_then(limit);
        Ok(Self {
            client: Client::new(http, authorizer, limiter, redactor).metered(settings.meter),
            paths,
            fixed,
            given_instance,
            descriptions: Arc::new(Descriptions::new(settings.cache, life)),
            quota: Quota::new(percent),
            streams: settings.streams,
            lookup_fields: settings.lookup_fields,
            clears_falsy_dates: config.clear_falsy_date_fields.unwrap_or(true),
            looks_by_email: config.lookup_by_email.unwrap_or(true),
            only_known_accounts: config.only_upsert_accounts,
            bulk_from: config.bulk_from.unwrap_or(BULK_FROM),
            settles: Duration::from_secs(config.settle_secs.unwrap_or(SETTLE_SECS)),
            creates_fields: config.create_custom_fields,
            made_fields: MadeFields::default(),
            names: Names::default(),
            learned: Mutex::default(),
            gone: Mutex::default(),
            left_out: Mutex::default(),
            short_results: Mutex::default(),
            asked_for_matches: AtomicUsize::new(0),
            org: OnceCell::new(),
            namespace,
        })
    }
}

impl SalesforceConfig {
    fn authorizer(
        &self,
        settings: &Settings,
        fixed: Option<&Url>,
        http: reqwest::Client,
        redactor: &Redactor,
    ) -> Result<Authorizer, BuildError> {
        let access = given(self.access_token.as_ref());
        let has_grant = given(self.refresh_token.as_ref()).is_some()
            || given(self.private_key.as_ref()).is_some()
            || (access.is_none() && given(self.client_secret.as_ref()).is_some());
        if has_grant {
            return Ok(Authorizer::oauth(http, self.oauth(settings, fixed)?, redactor));
        }
        let token = access.ok_or_else(|| BuildError::MissingKey {
            key: "refresh_token".to_owned(),
            hint: "set `refresh_token`, `client_id` and `client_secret`; or `username` and `private_key` \
                   with the `client_id`; or an `access_token` and its `instance_url`"
                .to_owned(),
        })?;
        if fixed.is_none() && given(self.instance_url.as_ref()).is_none() {
            return Err(BuildError::MissingKey {
                key: "instance_url".to_owned(),
                hint: "it says where the org of the `access_token` is".to_owned(),
            });
        }
        Authorizer::bearer(token, redactor)
            .map_err(|message| wrong(format!("config key `access_token`: {message}"), None))
    }

    fn oauth(&self, settings: &Settings, fixed: Option<&Url>) -> Result<OAuthSettings, BuildError> {
        let needed = |key: &str, value: Option<&String>| {
            given(value).map(str::to_owned).ok_or_else(|| BuildError::MissingKey {
                key: key.to_owned(),
                hint: "Salesforce gives tokens to a connected app, by its `client_id` and `client_secret`"
                    .to_owned(),
            })
        };
        let login = self.login(fixed)?;
        let grant = match (given(self.refresh_token.as_ref()), given(self.private_key.as_ref())) {
            (Some(token), _) => Grant::RefreshToken {
                refresh_token: token.into(),
                redirect_uri: given(self.redirect_uri.as_ref()).map(str::to_owned),
            },
            (None, Some(key)) => {
                let user = given(self.username.as_ref()).ok_or_else(|| BuildError::MissingKey {
                    key: "username".to_owned(),
                    hint: "it says for whom an assertion is that is signed with the `private_key`"
                        .to_owned(),
                })?;
                let user = user.to_owned();
                let audience = login.as_str().trim_end_matches('/').to_owned();
                let assertion = Assertion::of_user(key, user, audience)
                    .map_err(|why| wrong(format!("config key `private_key`: {why}"), None))?;
                Grant::JwtBearer(assertion)
            }
            (None, None) => Grant::ClientCredentials { scope: None },
        };
        let secret = match &grant {
            Grant::JwtBearer(_) => self.client_secret.clone().unwrap_or_default(),
            _ => needed("client_secret", self.client_secret.as_ref())?,
        };
        let mut token_url = login;
        let own = token_url.path().trim_end_matches('/').to_owned();
        token_url.set_path(&format!("{own}/services/oauth2/token"));
        // A token without its org is of no use.
        let has_org = fixed.is_some() || given(self.instance_url.as_ref()).is_some();
        let access = given(self.access_token.as_ref()).filter(|_| has_org);
        let issued = self.issued_at.as_ref().and_then(exact::text);
        let issued = issued.and_then(|text| text.trim().parse::<u64>().ok());
        let until = issued.map(|millis| (millis / 1000).saturating_add(TOKEN_LASTS.as_secs()));
        Ok(OAuthSettings {
            token_url,
            grant,
            client_id: needed("client_id", self.client_id.as_ref())?,
            client_secret: secret.into(),
            client_in: ClientIn::Form,
            parameters: Vec::new(),
            access_token: access.map(SecretString::from),
            // One that nobody knows the age of is tried, and renewed when it is refused.
            expires_in: until,
            lasts: Some(TOKEN_LASTS),
            kept: KEPT,
            config_file: settings.config_file.clone(),
        })
    }

    /// Where tokens are given.
    fn login(&self, fixed: Option<&Url>) -> Result<Url, BuildError> {
        if let Some(fixed) = fixed {
            return Ok(fixed.clone());
        }
        let usual = if self.is_sandbox { TEST_LOGIN } else { LOGIN };
        let login = address(given(self.base_uri.as_ref()).or(Some(usual)), "base_uri")?;
        login.ok_or_else(|| wrong("config key `base_uri`: it is no address", None))
    }
}

fn address(text: Option<&str>, key: &str) -> Result<Option<Url>, BuildError> {
    let of = |text: &str| {
        // As people copy it: `acme.my.salesforce.com`.
        let is_bare = !text.contains("://") && text.contains('.');
        let whole = if is_bare { format!("https://{text}") } else { text.to_owned() };
        base_url(&whole).map_err(|why| {
            wrong(format!("config key `{key}`: {}", why.replace("`base_url`", "it")), None)
        })
    };
    text.map(of).transpose()
}

/// An address that a token endpoint tells, of an org.
pub(super) fn told_instance(value: &Value) -> Option<Url> {
    base_url(value.as_str()?).ok()
}
