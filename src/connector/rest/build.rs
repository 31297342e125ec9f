//! From a manifest and a config to a connector: addresses and credentials filled in.

use std::collections::HashMap;
use std::sync::Mutex;

use minijinja::value::{Serde, Value as Name};
use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

use super::Rest;
use super::load::{Loaded, load, parse};
use super::program::{Auth, Login, Tokens, TokensFor};
use super::request::{self, Scope};
use super::secrets;
use super::template::Template;
use crate::connector::budgets::CALLS;
use crate::connector::http::authorize::{
    Assertion, ClientIn, Find, Grant, LoginSettings, OAuth1Settings, OAuthSettings,
};
use crate::connector::http::{
    Authorizer, Client, Redactor, Request, base_url, client, host_and_port,
};
use crate::connector::{BuildError, Settings};
use crate::json::exact;

impl Rest {
    /// Reads the manifest that the config's `manifest` names.
    ///
    /// # Errors
    /// When there is no manifest, something is wrong with it, or the config lacks what it names.
    pub fn build(settings: Settings) -> Result<Self, BuildError> {
        let name = settings.values.get("manifest").and_then(Value::as_str);
        let name = name.ok_or_else(|| BuildError::MissingKey {
            key: "manifest".to_owned(),
            hint: "set it to the path of a manifest, or to `sandbox`".to_owned(),
        })?;
        Self::assemble(load(name)?, settings)
    }

    /// With the manifest `text`; `file` is for messages.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn of_text(file: &str, text: &str, settings: Settings) -> Result<Self, BuildError> {
        Self::assemble(parse(file, text)?, settings)
    }

    fn assemble(loaded: Loaded, settings: Settings) -> Result<Self, BuildError> {
        let redactor = Redactor::default();
        let config = Name::from(Serde(&settings.values));
        let mut builder = Builder {
            loaded: &loaded,
            values: &settings.values,
            config: config.clone(),
            context: Name::from_pairs([("config", config.clone())]),
        };
        let base_url = if let Some(given) = &settings.base_url {
            base_url(given).map_err(|message| BuildError::Setting { message, hint: None })?
        } else {
            let template = &loaded.program.base_url;
            base_url(&builder.fill(template)?)
                .map_err(|message| loaded.wrong(template.at().wrong(message)))?
        };
        builder.context = Name::from_pairs([
            ("config", config.clone()),
            ("base_url", Name::from(base_url.as_str().trim_end_matches('/'))),
        ]);
        secrets::hide(&loaded.program, &settings.values, &builder.context, &redactor);
        let unusable = |message| BuildError::Setting {
            message,
            hint: Some("look at the system's certificates and proxy settings".to_owned()),
        };
        let http = client::pool(settings.timeout, &settings.user_agent).map_err(unusable)?;
        let authorizer = builder.authorizer(&base_url, &http, &settings, &redactor);
        let authorizer = authorizer.map_err(|error| match error {
            BuildError::Manifest { file, line, column, message, hint } => {
                let message = redactor.clean(&message);
                BuildError::Manifest { file, line, column, message, hint }
            }
            other => other,
        })?;
        let limit = settings.rate_limit.or(loaded.program.limits.rate);
        let limiter = limit.and_then(|limit| settings.budgets.rate(&authorizer, CALLS, limit));
        Ok(Self {
            namespace: namespace(&loaded.program.name, &base_url),
            client: Client::new(http, authorizer, limiter, redactor).metered(settings.meter),
            base_url,
            config,
            streams: settings.streams,
            bound: Mutex::new(HashMap::new()),
            program: loaded.program,
        })
    }
}

fn namespace(name: &str, base_url: &Url) -> String {
    let host = host_and_port(base_url);
    format!("rest:{name}@{host}{}", base_url.path().trim_end_matches('/'))
}

struct Builder<'a> {
    loaded: &'a Loaded,
    values: &'a Map<String, Value>,
    config: Name,
    context: Name,
}

impl Builder<'_> {
    fn fill(&self, template: &Template) -> Result<String, BuildError> {
        let filled = self.loaded.program.templates.render(template, &self.context);
        filled.map_err(|message| {
            let mut keys = template.config_keys().iter();
            match keys.find(|key| !self.values.contains_key(*key)) {
                Some(key) => BuildError::MissingKey {
                    key: key.clone(),
                    hint: format!(
                        "set it: the manifest `{}` names it in line {}",
                        self.loaded.file,
                        template.at().line
                    ),
                },
                None => self.loaded.wrong(template.at().wrong(message)),
            }
        })
    }

    /// A key of the config that must be there.
    fn key(&self, key: &str) -> Result<String, BuildError> {
        self.optional(key).ok_or_else(|| BuildError::MissingKey {
            key: key.to_owned(),
            hint: format!("the manifest `{}` uses OAuth 2, which needs it", self.loaded.file),
        })
    }

    fn optional(&self, key: &str) -> Option<String> {
        self.values.get(key).and_then(exact::text)
    }

    fn authorizer(
        &self,
        base_url: &Url,
        http: &reqwest::Client,
        settings: &Settings,
        redactor: &Redactor,
    ) -> Result<Authorizer, BuildError> {
        let unusable = |message| BuildError::Setting { message, hint: None };
        match &self.loaded.program.auth {
            Auth::None => Ok(Authorizer::None),
            Auth::Bearer { token } => {
                Authorizer::bearer(&self.fill(token)?, redactor).map_err(unusable)
            }
            Auth::Basic { username, password } => {
                let (username, password) = (self.fill(username)?, self.fill(password)?);
                Authorizer::basic(&username, &password, redactor).map_err(unusable)
            }
            Auth::KeyHeader { name, key } => {
                Authorizer::key_header(name, &self.fill(key)?, redactor).map_err(unusable)
            }
            Auth::KeyQuery { name, key } => {
                Ok(Authorizer::key_query(name, &self.fill(key)?, redactor))
            }
            Auth::OAuth1(by) => {
                let oauth1 = OAuth1Settings {
                    realm: by.realm.as_ref().map(|realm| self.fill(realm)).transpose()?,
                    consumer_key: self.fill(&by.consumer_key)?,
                    consumer_secret: self.fill(&by.consumer_secret)?.into(),
                    token: self.fill(&by.token)?.into(),
                    token_secret: self.fill(&by.token_secret)?.into(),
                };
                Ok(Authorizer::oauth1(oauth1, redactor))
            }
            Auth::Tokens(tokens) => {
                let oauth = self.oauth(tokens, settings)?;
                Ok(Authorizer::oauth(http.clone(), oauth, redactor))
            }
            Auth::Login(login) => self.login(login, base_url, http, redactor),
        }
    }

    fn oauth(&self, tokens: &Tokens, settings: &Settings) -> Result<OAuthSettings, BuildError> {
        let Tokens { token_url, by, scope, basic, parameters } = tokens;
        let filled = self.fill(token_url)?;
        let token_url = Url::parse(&filled).map_err(|error| {
            let message = format!("the `token_url` is no URL: {error}");
            self.loaded.wrong(token_url.at().wrong(message))
        })?;
        let scope = scope.as_ref().map(|scope| self.fill(scope)).transpose()?;
        let parameters = parameters.iter();
        let parameters = parameters.map(|(name, value)| Ok((name.clone(), self.fill(value)?)));
        let mut parameters = parameters.collect::<Result<Vec<_>, BuildError>>()?;
        let is_refresh = *by == TokensFor::Refresh;
        let grant = match by {
            TokensFor::Refresh => Grant::RefreshToken {
                refresh_token: self.key("refresh_token")?.into(),
                redirect_uri: self.optional("redirect_uri"),
            },
            TokensFor::Secret => Grant::ClientCredentials { scope },
            TokensFor::Assertion => {
                let names = scope.as_deref().unwrap_or_default().split_whitespace();
                let names = names.map(str::to_owned).collect();
                // Most endpoints read it in the form (RFC 6749 section 4.4.2), NetSuite in the
                // claims.
                parameters.extend(scope.map(|scope| ("scope".to_owned(), scope)));
                let key = self.key("private_key")?;
                let key_id = self.optional("key_id");
                let assertion = Assertion::of_client(&key, key_id, names, token_url.to_string())
                    .map_err(|why| BuildError::Setting {
                        message: format!("config key `private_key`: {why}"),
                        hint: None,
                    })?;
                Grant::ClientAssertion(assertion.named())
            }
        };
        let secret = if grant.is_signed() { String::new() } else { self.key("client_secret")? };
        Ok(OAuthSettings {
            token_url,
            grant,
            parameters,
            client_id: self.key("client_id")?,
            client_secret: secret.into(),
            client_in: if *basic { ClientIn::Basic } else { ClientIn::Form },
            access_token: self
                .optional("access_token")
                .filter(|_| is_refresh)
                .map(SecretString::from),
            expires_in: self.optional("expires_in").and_then(|text| text.parse().ok()),
            config_file: settings.config_file.clone(),
            lasts: None,
            kept: &[],
        })
    }

    fn login(
        &self,
        login: &Login,
        base_url: &Url,
        http: &reqwest::Client,
        redactor: &Redactor,
    ) -> Result<Authorizer, BuildError> {
        let program = &self.loaded.program;
        let wrong = |message| self.loaded.wrong(login.key.at().wrong(message));
        let values = [("config", self.config.clone())].into_iter().collect();
        let scope = Scope::new(values);
        let endpoint = &login.endpoint;
        let request = request::request(&program.templates, base_url, &[], endpoint, &scope, true);
        let request = request.map_err(wrong)?;
        secrets::hide_login(&request, redactor);
        let Request { method, url, headers, body, .. } = request;
        let (token, expires_in) = (login.token.clone(), login.expires_in.clone());
        let settings = LoginSettings {
            method,
            url,
            headers,
            body,
            token: Box::new(move |answer| token.text(answer)),
            expires_in: expires_in
                .map(|expires_in| -> Find { Box::new(move |answer| expires_in.text(answer)) }),
        };
        let (templates, key, config) =
            (program.templates.clone(), login.key.clone(), self.config.clone());
        let value = move |token: &str| {
            let names = [("config", config.clone()), ("token", Name::from(token))];
            templates.render(&key, &Name::from_pairs(names))
        };
        Ok(Authorizer::login(http.clone(), settings, login.header.clone(), value, redactor))
    }
}
