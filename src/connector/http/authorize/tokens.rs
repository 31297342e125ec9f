//! Tokens: got from an endpoint, kept, renewed before they are over. All calls share one renewal.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;
use tracing::Instrument as _;
use url::Url;

use super::super::answer::{Answer, read_capped, told};
use super::super::meaning::throttled;
use super::super::redact::Redactor;
use super::login::Login;
use super::oauth::OAuth;
use super::platform::Platform;
use crate::connector::budgets::Credential;
use crate::connector::contract::RequestError;

/// Bytes of a token endpoint's answer, at most. The largest tokens have some 16 KiB.
const MAX_BODY_BYTES: usize = 128 << 10;
/// A token is renewed this long before it is over, so that none runs out under way.
const MARGIN: Duration = Duration::from_secs(60);
/// An `expires_in` above this is a point in time, in seconds since 1970 (this is 2001): the
/// platform's configs hold both.
const FIRST_EPOCH_SECS: u64 = 1_000_000_000;
/// No token is taken to be good for longer than ten years: what a remote says is added to the time,
/// and must not lead beyond the clock's end.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// A new token is used for so long, or until it is refused: one that is over as it comes would be
/// renewed for each call.
const SHORTEST: Duration = Duration::from_secs(1);

/// Where tokens come from.
#[derive(Debug)]
pub(super) enum Source {
    OAuth(OAuth),
    Login(Login),
    Platform(Platform),
}

/// What an endpoint gave.
pub(super) struct Fresh {
    pub(super) access: SecretString,
    /// The refresh token, where it was replaced.
    pub(super) refresh: Option<SecretString>,
    /// How long the token is good, where that is told.
    pub(super) left: Option<Duration>,
    /// What else is kept of the answer.
    pub(super) told: Map<String, Value>,
}

/// A token that is renewed.
pub struct Tokens {
    renewer: Arc<Renewer>,
}

/// Outlives whoever waits for the token: a renewal that has begun is not broken off.
struct Renewer {
    source: Source,
    endpoint: Endpoint,
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
    /// What came with the token.
    told: Map<String, Value>,
    /// Counts the tokens that were got, so that a late 401 does not renew a new one.
    generation: u64,
    /// Why the last try failed: those who waited for it are told the same.
    failure: Option<RequestError>,
}

impl Tokens {
    /// Whose tokens they are.
    pub(super) fn credential(&self) -> Credential {
        match &self.renewer.source {
            Source::OAuth(oauth) => oauth.credential(),
            Source::Login(login) => login.credential(),
            Source::Platform(platform) => Credential::of([platform.url().as_str().as_bytes()]),
        }
    }

    /// Gets no token yet.
    pub(super) fn new(http: reqwest::Client, source: Source, redactor: &Redactor) -> Self {
        let (url, access, refresh, expires_in) = match &source {
            Source::OAuth(oauth) => {
                (oauth.url(), oauth.access_token(), oauth.refresh_token(), oauth.expires_in())
            }
            Source::Login(login) => (login.url(), None, None, None),
            Source::Platform(platform) => (
                platform.url(),
                platform.access_token(),
                platform.own.as_ref().and_then(OAuth::refresh_token),
                platform.expires_in(),
            ),
        };
        let state = State {
            access,
            refresh,
            due: expires_in.and_then(|given| due(seconds_left(given))),
            told: Map::new(),
            generation: 0,
            failure: None,
        };
        let endpoint = Endpoint { http, url: url.clone(), redactor: redactor.clone() };
        let (tries, state) = (AtomicU64::new(0), Arc::new(Mutex::new(state)));
        Self { renewer: Arc::new(Renewer { source, endpoint, tries, state }) }
    }

    /// The token to use now, and its generation; got or renewed if it is due.
    pub(super) async fn token(&self) -> Result<(SecretString, u64), RequestError> {
        self.get(|state| state.access.is_some() && state.due.is_none_or(|due| Instant::now() < due))
            .await
    }

    /// What came with the token to use now.
    pub(super) async fn told(&self, name: &str) -> Result<Option<Value>, RequestError> {
        self.token().await?;
        Ok(self.renewer.state.lock().await.told.get(name).cloned())
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
        let tries = self.renewer.tries.load(Ordering::Acquire);
        let state = Arc::clone(&self.renewer.state).lock_owned().await;
        // What is refused stays so: nothing more is to be sent, and a remote that is asked again
        // and again may lock the account. Nor are more tokens used up that cannot be kept.
        if let Some(failure @ (RequestError::Unauthorized(_) | RequestError::NotKept(_))) =
            &state.failure
        {
            return Err(failure.clone());
        }
        if good(&state)
            && let Some(access) = &state.access
        {
            return Ok((access.clone(), state.generation));
        }
        if self.renewer.tries.load(Ordering::Acquire) > tries
            && let Some(failure) = &state.failure
        {
            return Err(failure.clone());
        }
        // In a task of its own: the caller may be dropped, and the endpoint's answer may hold the
        // only refresh token that is still good.
        let renewal = tokio::spawn(Arc::clone(&self.renewer).renew(state).in_current_span());
        renewal.await.unwrap_or_else(|error| {
            Err(RequestError::Unreachable(
                format!("the renewal of the token ended: {error}").into(),
            ))
        })
    }
}

impl Renewer {
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
        let Fresh { access, refresh, left, told } = match &self.source {
            Source::OAuth(oauth) => oauth.fetch(&self.endpoint, state.refresh.as_ref()).await?,
            Source::Login(login) => login.fetch(&self.endpoint).await?,
            Source::Platform(platform) => {
                platform.fetch(&self.endpoint, state.refresh.as_ref()).await?
            }
        };
        state.refresh = refresh.or_else(|| state.refresh.take());
        state.access = Some(access.clone());
        state.told = told;
        state.due = left.and_then(|left| due(left.max(SHORTEST * 2)));
        state.generation += 1;
        Ok((access, state.generation))
    }
}

/// The place that gives tokens.
pub(super) struct Endpoint {
    pub(super) http: reqwest::Client,
    pub(super) url: Url,
    pub(super) redactor: Redactor,
}

impl Endpoint {
    /// Another one.
    pub(super) fn at(&self, url: &Url) -> Self {
        let Self { http, redactor, .. } = self;
        Self { http: http.clone(), url: url.clone(), redactor: redactor.clone() }
    }

    /// Sends `request` and reads the JSON that comes with a status of success.
    pub(super) async fn ask(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<Value, RequestError> {
        let answer = self.answer(request).await?;
        match answer.status {
            200..300 => serde_json::from_slice(&answer.body)
                .map_err(|_| Self::unusable(&self.describe(&answer))),
            429 => Err(throttled(&answer)),
            500.. => {
                let text = format!("the token endpoint answered {}", self.describe(&answer));
                Err(RequestError::Unreachable(text.into()))
            }
            _ => Err(RequestError::Unauthorized(self.refusal(&answer).into())),
        }
    }

    /// An answer of success without a token in it.
    pub(super) fn unusable(what: &str) -> RequestError {
        RequestError::Unauthorized(format!("the token endpoint answered {what}").into())
    }

    /// Sends `request` and reads what comes.
    pub(super) async fn answer(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<Answer, RequestError> {
        let unreachable = |text: String| {
            let text = format!("the token endpoint: {}", self.redactor.clean(&text));
            RequestError::Unreachable(text.into())
        };
        let mut response = request.send().await.map_err(|error| unreachable(told(error)))?;
        let body = read_capped(&mut response, MAX_BODY_BYTES).await.map_err(unreachable)?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body,
            asked: self.url.clone(),
            generation: 0,
        })
    }

    /// `error` and `error_description`, as RFC 6749 calls them.
    fn refusal(&self, answer: &Answer) -> String {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let said = match (text("error"), text("error_description")) {
            (Some(error), Some(description)) => format!("{error}: {description}"),
            (Some(text), None) | (None, Some(text)) => text.to_owned(),
            (None, None) => match answer.redirect_host(&self.redactor) {
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
}

/// A number, or a text of digits: some endpoints quote it.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// How long a token is good from now on.
pub(super) fn seconds_left(given: u64) -> Duration {
    if given < FIRST_EPOCH_SECS {
        return Duration::from_secs(given).min(LONGEST);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_secs(given).saturating_sub(now).min(LONGEST)
}

/// When to renew a token that is good for `left`.
fn due(left: Duration) -> Option<Instant> {
    Instant::now().checked_add(left.saturating_sub(MARGIN.min(left / 2)))
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.renewer.endpoint.url.host_str();
        f.debug_struct("Tokens").field("host", &host).finish_non_exhaustive()
    }
}
