//! OAuth 2 tokens: got, kept, renewed before they are over, and written back when they rotate.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;
use url::Url;

use super::super::answer::{Answer, read_capped, told};
use super::super::meaning::throttled;
use super::super::redact::Redactor;
use crate::config::write_back::write_back;
use crate::connector::contract::RequestError;

/// Bytes of a token endpoint's answer, at most.
const MAX_BODY_BYTES: usize = 1 << 20;
/// A token is renewed this long before it is over, so that none runs out under way.
const MARGIN: Duration = Duration::from_secs(60);
/// An `expires_in` above this is a point in time, in seconds since 1970 (this is 2001): the
/// platform's configs hold both.
const FIRST_EPOCH_SECS: u64 = 1_000_000_000;

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
    /// Of the client.
    pub client_secret: SecretString,
    /// Where the client says who it is.
    pub client_in: ClientIn,
    /// One from an earlier job, used until it is over.
    pub access_token: Option<SecretString>,
    /// When that is over: seconds from now, or seconds since 1970.
    pub expires_in: Option<u64>,
    /// The config file that new tokens are written to.
    pub config_file: Option<PathBuf>,
}

/// A bearer token that is renewed. All calls share one renewal.
pub struct OAuth {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    settings: OAuthSettings,
    redactor: Redactor,
    /// How often a renewal was tried; read without the lock, by those who wait for it.
    tries: AtomicU64,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    access: Option<SecretString>,
    refresh: Option<SecretString>,
    /// When to renew; `None` when the endpoint did not say how long the token is good.
    due: Option<Instant>,
    /// Counts the tokens that were got, so that a late 401 does not renew a new one.
    generation: u64,
    /// Why the last try failed: those who waited for it are told the same.
    failure: Option<RequestError>,
}

impl OAuth {
    /// Gets no token yet. All secrets are told to `redactor`.
    pub fn new(http: reqwest::Client, settings: OAuthSettings, redactor: &Redactor) -> Self {
        redactor.add(settings.client_secret.expose_secret());
        let refresh = match &settings.grant {
            Grant::RefreshToken { refresh_token, .. } => Some(refresh_token.clone()),
            Grant::ClientCredentials { .. } => None,
        };
        for secret in refresh.iter().chain(&settings.access_token) {
            redactor.add(secret.expose_secret());
        }
        let state = State {
            access: settings.access_token.clone(),
            refresh,
            due: settings.expires_in.and_then(|given| due(seconds_left(given))),
            generation: 0,
            failure: None,
        };
        let shared = Shared {
            http,
            settings,
            redactor: redactor.clone(),
            tries: AtomicU64::new(0),
            state: Arc::new(Mutex::new(state)),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The token to use now, and its generation; got or renewed if it is due.
    pub(super) async fn token(&self) -> Result<(SecretString, u64), RequestError> {
        self.get(|state| state.access.is_some() && state.due.is_none_or(|due| Instant::now() < due))
            .await
    }

    /// A token that is known to be good for a while: one whose end nobody knows is renewed.
    pub(super) async fn sure_token(&self) -> Result<SecretString, RequestError> {
        let good = |state: &State| state.due.is_some_and(|due| Instant::now() < due);
        Ok(self.get(|state| good(state) || state.generation > 0).await?.0)
    }

    /// Gets a token newer than that of `generation`, unless there is one.
    pub(super) async fn renew(&self, generation: u64) -> Result<(), RequestError> {
        self.get(|state| state.generation > generation).await.map(drop)
    }

    async fn get(
        &self,
        good: impl Fn(&State) -> bool,
    ) -> Result<(SecretString, u64), RequestError> {
        let tries = self.shared.tries.load(Ordering::Acquire);
        let state = Arc::clone(&self.shared.state).lock_owned().await;
        if good(&state)
            && let Some(access) = &state.access
        {
            return Ok((access.clone(), state.generation));
        }
        if self.shared.tries.load(Ordering::Acquire) > tries
            && let Some(failure) = &state.failure
        {
            return Err(failure.clone());
        }
        // In a task of its own: the caller may be dropped, and the endpoint's answer may hold the
        // only refresh token that is still good.
        let renewal = tokio::spawn(Arc::clone(&self.shared).renew(state));
        renewal.await.unwrap_or_else(|error| {
            Err(RequestError::Unreachable(
                format!("the renewal of the token ended: {error}").into(),
            ))
        })
    }
}

impl Shared {
    async fn renew(
        self: Arc<Self>,
        mut state: OwnedMutexGuard<State>,
    ) -> Result<(SecretString, u64), RequestError> {
        let outcome = self.fetch(&mut state).await;
        self.tries.fetch_add(1, Ordering::Release);
        state.failure = outcome.as_ref().err().cloned();
        outcome
    }

    async fn fetch(&self, state: &mut State) -> Result<(SecretString, u64), RequestError> {
        let answer = self.ask(state.refresh.as_ref()).await?;
        let unusable = |what: String| {
            RequestError::Unauthorized(format!("the token endpoint answered {what}").into())
        };
        let body: Value = match answer.status {
            200..300 => serde_json::from_slice(&answer.body)
                .map_err(|_| unusable(self.describe(&answer)))?,
            429 => return Err(throttled(&answer)),
            500.. => {
                let text = format!("the token endpoint answered {}", self.describe(&answer));
                return Err(RequestError::Unreachable(text.into()));
            }
            _ => return Err(RequestError::Unauthorized(self.refusal(&answer).into())),
        };
        let text = |name: &str| body.get(name)?.as_str().filter(|text| !text.is_empty());
        let access =
            text("access_token").ok_or_else(|| unusable("without an `access_token`".to_owned()))?;
        self.redactor.add(access);
        let expires_in = body.get("expires_in").and_then(number);
        let left = expires_in.map(seconds_left);
        if let Some(refresh) = text("refresh_token") {
            self.redactor.add(refresh);
            state.refresh = Some(refresh.into());
        }
        self.keep(access, text("refresh_token"), left).await;
        let access = SecretString::from(access);
        state.access = Some(access.clone());
        state.due = left.and_then(due);
        state.generation += 1;
        Ok((access, state.generation))
    }

    async fn ask(&self, refresh: Option<&SecretString>) -> Result<Answer, RequestError> {
        let OAuthSettings { token_url, grant, client_id, client_secret, client_in, .. } =
            &self.settings;
        let mut form = Vec::new();
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
        }
        let mut request = self.http.post(token_url.clone());
        match client_in {
            ClientIn::Form => {
                form.push(("client_id", client_id));
                form.push(("client_secret", client_secret.expose_secret()));
            }
            ClientIn::Basic => {
                request = request.basic_auth(client_id, Some(client_secret.expose_secret()));
            }
        }
        let unreachable = |text: String| {
            let text = format!("the token endpoint: {}", self.redactor.clean(&text));
            RequestError::Unreachable(text.into())
        };
        let request = request.header(reqwest::header::ACCEPT, "application/json").form(&form);
        let mut response = request.send().await.map_err(|error| unreachable(told(error)))?;
        let body = read_capped(&mut response, MAX_BODY_BYTES).await.map_err(unreachable)?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body,
            asked: token_url.clone(),
        })
    }

    /// `error` and `error_description`, as RFC 6749 calls them.
    fn refusal(&self, answer: &Answer) -> String {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let said = match (text("error"), text("error_description")) {
            (Some(error), Some(description)) => format!("{error}: {description}"),
            (Some(text), None) | (None, Some(text)) => text.to_owned(),
            (None, None) => match answer.redirect_host() {
                Some(host) => format!("a redirect to the host `{host}`"),
                None => return format!("the token endpoint answered {}", self.describe(answer)),
            },
        };
        let said = self.redactor.excerpt(&said, 500);
        format!("the token endpoint answered {said} (status {})", answer.status)
    }

    /// What came with a status that promises a token may hold one that is not known yet, so none
    /// of it is told.
    fn describe(&self, answer: &Answer) -> String {
        if answer.is_success() {
            return format!("with a body that is no JSON (status {})", answer.status);
        }
        answer.describe(&self.redactor)
    }

    /// Writes the tokens into the config file before anybody uses them: once the old refresh
    /// token is used up, a job that dies must not take the new one with it.
    async fn keep(&self, access: &str, refresh: Option<&str>, left: Option<Duration>) {
        let Some(path) = self.settings.config_file.clone() else {
            return;
        };
        if matches!(self.settings.grant, Grant::ClientCredentials { .. }) {
            return;
        }
        let mut values = Map::new();
        values.insert("access_token".to_owned(), access.into());
        if let Some(refresh) = refresh {
            values.insert("refresh_token".to_owned(), refresh.into());
        }
        if let Some(left) = left {
            let until = SystemTime::now() + left;
            let until = until.duration_since(UNIX_EPOCH).unwrap_or_default();
            values.insert("expires_in".to_owned(), until.as_secs().into());
        }
        let shown = path.display().to_string();
        let written = tokio::task::spawn_blocking(move || write_back(&path, &values)).await;
        let error = match written {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        // The job goes on: its records can still be written, and to end it brings no token back.
        tracing::error!(
            path = shown,
            error,
            "The new tokens could not be written to the config file; the next job may need a new \
             refresh token."
        );
    }
}

/// A number, or a text of digits: some endpoints quote it.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// How long a token is good from now on.
fn seconds_left(given: u64) -> Duration {
    if given < FIRST_EPOCH_SECS {
        return Duration::from_secs(given);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(given).saturating_sub(now)
}

/// When to renew a token that is good for `left`.
fn due(left: Duration) -> Option<Instant> {
    Instant::now().checked_add(left.saturating_sub(MARGIN.min(left / 2)))
}

impl fmt::Debug for OAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = &self.shared.settings.token_url;
        f.debug_struct("OAuth").field("host", &url.host_str()).finish_non_exhaustive()
    }
}
