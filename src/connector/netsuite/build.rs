//! From a config to a connector: what is said is read, what cannot be meant refused.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::NetSuite;
use super::account::AccountId;
use super::config::NetSuiteConfig;
use super::directory::Directory;
use super::jobs::Jobs;
use super::logins::Logins;
use super::numbered::Asked;
use super::paths::Paths;
use super::payments::Unpaid;
use super::snapshot::Snapshot;
use super::warnings::Warned;
use crate::connector::budgets::CALLS;
use crate::connector::http::authorize::{
    Assertion, ClientIn, Grant, OAuth1Settings, OAuthSettings,
};
use crate::connector::http::{Authorizer, Client, Redactor, base_url, client, host_and_port};
use crate::connector::{BuildError, Settings, given, own_keys, wrong};
use crate::json::exact;

/// What a token is for.
const SCOPE: &str = "rest_webservices";
/// How long a call whose answer is lost may still be at work: transactions take seconds, and run
/// scripts of the account's own.
const SETTLES: Duration = Duration::from_secs(30);
/// How long a token is good, as NetSuite's help has it.
const TOKEN_LASTS: Duration = Duration::from_secs(60 * 60);

impl NetSuite {
    /// From a config. No I/O.
    ///
    /// # Errors
    /// When the config lacks what is needed, or has what cannot be used.
    pub fn build(settings: Settings) -> Result<Self, BuildError> {
        let config: NetSuiteConfig = own_keys(&settings.values)?;
        let account = needed(
            "ns_account",
            config.ns_account.as_ref(),
            "it is in NetSuite under Setup > Company > Company Information",
        )?;
        let account = AccountId::read(&account)
            .map_err(|why| wrong(format!("config key `ns_account`: {why}"), None))?;
        let address = settings.base_url.clone().unwrap_or_else(|| account.address());
        let address = base_url(&address).map_err(|why| wrong(why, None))?;
        // The same account by another address is another remote: a proxy, or the sandbox.
        let host = settings.base_url.as_ref().map(|_| format!(":{}", host_and_port(&address)));
        let namespace = format!("netsuite{}:{}", host.unwrap_or_default(), account.realm());
        let paths = Paths::new(address);
        let redactor = Redactor::default();
        let http = client::pool(settings.timeout, &settings.user_agent)
            .map_err(|message| wrong(message, None))?;
        let authorizer = config.authorizer(&account, &paths, http.clone(), &redactor)?;
        let life = config.snapshot_life()?;
        let folder = given(config.snapshot_dir.as_ref()).map(PathBuf::from).or(settings.cache);
        let folder = folder.filter(|_| !life.is_zero());
        let snapshot = folder.map(|folder| Snapshot::new(&folder, &namespace, life));
        let limit = |limit| settings.budgets.rate(&authorizer, CALLS, limit);
        let limiter = settings.rate_limit.and_then(limit);
        Ok(Self {
            client: Client::new(http, authorizer, limiter, redactor).metered(settings.meter),
            paths,
            directory: Directory::new(snapshot),
            asked: Asked::default(),
            account,
            logins: Logins::default(),
            streams: settings.streams,
            learned: Mutex::default(),
            jobs: Jobs::default(),
            unpaid: Unpaid::default(),
            warned: Warned::default(),
            refuses_unknown: config.refuse_unknown_fields,
            settles: config.settle_secs.map_or(SETTLES, Duration::from_secs),
            bulk_from: config.bulk_from.unwrap_or(0),
            namespace,
        })
    }
}

impl NetSuiteConfig {
    fn authorizer(
        &self,
        account: &AccountId,
        paths: &Paths,
        http: reqwest::Client,
        redactor: &Redactor,
    ) -> Result<Authorizer, BuildError> {
        let has_certificate = [&self.private_key, &self.certificate_id];
        if has_certificate.into_iter().any(|key| given(key.as_ref()).is_some()) {
            let settings = self.certificate(paths.token())?;
            return Ok(Authorizer::oauth(http, settings, redactor));
        }
        Ok(Authorizer::oauth1(self.tokens(account)?, redactor))
    }

    /// OAuth 2.0: tokens for an assertion that the certificate's key signs.
    fn certificate(&self, token_url: Url) -> Result<OAuthSettings, BuildError> {
        let key = needed(
            "private_key",
            self.private_key.as_ref(),
            "it belongs to the certificate that was uploaded, as PEM",
        )?;
        let certificate = needed(
            "certificate_id",
            self.certificate_id.as_ref(),
            "NetSuite shows it under Setup > Integration > OAuth 2.0 Client Credentials (M2M) Setup",
        )?;
        let client_id = needed(
            "client_id",
            self.client_id.as_ref(),
            "NetSuite shows it once, when the integration record is saved",
        )?;
        let (scope, audience) = (vec![SCOPE.to_owned()], token_url.to_string());
        let assertion = Assertion::of_client(&key, Some(certificate), scope, audience)
            .map_err(|why| wrong(format!("config key `private_key`: {why}"), None))?;
        Ok(OAuthSettings {
            token_url,
            grant: Grant::ClientAssertion(assertion),
            client_id,
            client_secret: SecretString::default(),
            client_in: ClientIn::Form,
            parameters: Vec::new(),
            access_token: None,
            expires_in: None,
            lasts: Some(TOKEN_LASTS),
            kept: &[],
            config_file: None,
        })
    }

    /// Token-based authentication: each call is signed.
    fn tokens(&self, account: &AccountId) -> Result<OAuth1Settings, BuildError> {
        const HINT: &str = "set `client_id`, `certificate_id` and `private_key` (OAuth 2.0); or \
                            `ns_consumer_key`, `ns_consumer_secret`, `ns_token_key` and `ns_token_secret`";
        let own = |name: &str, value: &Option<String>| needed(name, value.as_ref(), HINT);
        Ok(OAuth1Settings {
            realm: Some(account.realm().to_owned()),
            consumer_key: own("ns_consumer_key", &self.ns_consumer_key)?,
            consumer_secret: own("ns_consumer_secret", &self.ns_consumer_secret)?.into(),
            token: own("ns_token_key", &self.ns_token_key)?.into(),
            token_secret: own("ns_token_secret", &self.ns_token_secret)?.into(),
        })
    }

    fn snapshot_life(&self) -> Result<Duration, BuildError> {
        let Some(hours) = self.snapshot_hours.as_ref().and_then(exact::text) else {
            return Ok(Duration::ZERO);
        };
        let hours = hours.trim().parse::<f64>().ok().filter(|hours| (0.0..=8760.0).contains(hours));
        let hours = hours.ok_or_else(|| {
            wrong("config key `snapshot_hours`: it is no number from 0 to 8760", None)
        })?;
        Ok(Duration::from_secs_f64(hours * 3600.0))
    }
}

fn needed(key: &str, value: Option<&String>, hint: &str) -> Result<String, BuildError> {
    given(value)
        .map(str::to_owned)
        .ok_or_else(|| BuildError::MissingKey { key: key.to_owned(), hint: hint.to_owned() })
}
