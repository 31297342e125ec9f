//! Sends one request and reads its answer; says which of both was lost.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Method, Url};

use super::answer::{Answer, MAX_BODY_BYTES, read_capped, told};
use super::authorize::Authorizer;
use super::meter::Meter;
use super::rate_limit::Limiter;
use super::redact::Redactor;
use crate::connector::contract::RequestError;
use crate::connector::exchange::Exchange;
use crate::connector::stop::{is_stopped, stopped, unless_stopped};
use crate::crash::point;

/// A host that does not take a connection in this time is down. Told apart from the total
/// timeout, for nothing has been sent yet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Characters of each body that are told with `LOGLEVEL=debug`.
const MAX_TRACED_CHARS: usize = 500;
/// For how long what is under way is waited for once its job is to end.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// New tokens for one call, at most: while it is under way with the first, the remote may take that
/// back as it answers another one.
const RENEWALS: usize = 2;

/// One request, without its credential.
#[derive(Clone)]
pub struct Request {
    /// HTTP method.
    pub method: Method,
    /// The whole address.
    pub url: Url,
    /// Without `Authorization` and `User-Agent`.
    pub headers: HeaderMap,
    /// `None` sends no body at all.
    pub body: Option<Bytes>,
    /// Whether it changes nothing at the remote: then a lost answer is no doubt.
    pub reads_only: bool,
    /// It does not leave any more from then on.
    pub not_after: Option<Instant>,
}

impl fmt::Debug for Request {
    /// Headers and query may hold what a manifest put there from the config.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .field("path", &self.url.path())
            .finish_non_exhaustive()
    }
}

/// The client of one connector: pool, credential, rate limit, secrets.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    authorizer: Authorizer,
    limiter: Option<Limiter>,
    redactor: Redactor,
    max_body_bytes: usize,
    meter: Meter,
}

/// One pool: no redirects, for they would carry a token to another host.
///
/// `timeout` is from the start of a request to the last byte of its answer.
///
/// # Errors
/// When the system's certificates or proxy settings cannot be used, in words.
pub fn pool(timeout: Duration, user_agent: &str) -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .redirect(Policy::none())
        .timeout(timeout)
        .connect_timeout(timeout.min(CONNECT_TIMEOUT))
        .user_agent(user_agent)
        .gzip(true)
        .build()
        .map_err(told)
}

impl Client {
    /// Over a [`pool`].
    pub fn new(
        http: reqwest::Client,
        authorizer: Authorizer,
        limiter: Option<Limiter>,
        redactor: Redactor,
    ) -> Self {
        let (max_body_bytes, meter) = (MAX_BODY_BYTES, Meter::default());
        Self { http, authorizer, limiter, redactor, max_body_bytes, meter }
    }

    /// With its calls counted.
    #[must_use]
    pub fn metered(self, meter: Meter) -> Self {
        Self { meter, ..self }
    }

    /// With another cap on bodies, in bytes.
    #[must_use]
    pub fn with_max_body_bytes(self, max_body_bytes: usize) -> Self {
        Self { max_body_bytes, ..self }
    }

    /// The secrets that this client knows.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The credential.
    pub fn authorizer(&self) -> &Authorizer {
        &self.authorizer
    }

    /// The limit on all requests.
    pub fn limiter(&self) -> Option<&Limiter> {
        self.limiter.as_ref()
    }

    /// Sends `request`, again with a new token when it was refused with 401 and there is a token to
    /// renew. Any status is an answer.
    ///
    /// # Errors
    /// [`RequestError::Unreachable`] when nothing was sent, [`RequestError::InDoubt`] when a
    /// write was sent and its answer is lost or cut (for a read: `Unreachable`, or
    /// [`RequestError::Protocol`] for a body that is too long), [`RequestError::Stopped`], and what
    /// the token endpoint says.
    pub async fn send(&self, request: &Request) -> Result<Answer, RequestError> {
        let mut answer = self.send_once(request).await?;
        for _ in 0..RENEWALS {
            if answer.status == 401 && self.authorizer.can_renew() {
                answer = self.send_again(request, &answer).await?;
            }
        }
        Ok(answer)
    }

    /// Sends `request` once more with a new token, after `answer` has refused the one it had: for a
    /// credential that [can be renewed](Authorizer::can_renew).
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_again(
        &self,
        request: &Request,
        answer: &Answer,
    ) -> Result<Answer, RequestError> {
        tokio::select! {
            renewed = self.authorizer.renew(answer.generation) => renewed?,
            () = given_up() => return Err(RequestError::Stopped),
        }
        self.send_once(request).await
    }

    async fn send_once(&self, request: &Request) -> Result<Answer, RequestError> {
        if is_stopped() {
            return Err(RequestError::Stopped);
        }
        // Before the token is chosen, which may run out during the wait.
        if let Some(limiter) = &self.limiter {
            unless_stopped(limiter.turn()).await?;
        }
        let mut sent = reqwest::Request::new(request.method.clone(), request.url.clone());
        *sent.headers_mut() = request.headers.clone();
        *sent.body_mut() = request.body.clone().map(Into::into);
        let generation = tokio::select! {
            generation = self.authorizer.apply(&mut sent) => generation?,
            () = given_up() => return Err(RequestError::Stopped),
        };
        if is_stopped() {
            return Err(RequestError::Stopped);
        }
        if request.not_after.is_some_and(|end| Instant::now() >= end) {
            return Err(RequestError::TooLate);
        }
        let began = Instant::now();
        tokio::select! {
            answer = self.exchange(request, sent, generation) => answer,
            () = given_up() => {
                const WHY: &str = "the job ended before the answer";
                let why = Err(WHY.to_owned());
                Exchange::add(&self.redactor, request, began, &why, &Bytes::new());
                Err(if request.reads_only {
                    RequestError::Stopped
                } else {
                    RequestError::in_doubt(WHY)
                })
            }
        }
    }

    async fn exchange(
        &self,
        request: &Request,
        sent: reqwest::Request,
        generation: u64,
    ) -> Result<Answer, RequestError> {
        let began = Instant::now();
        let mut metered = self.meter.begin();
        let outcome = self.http.execute(sent).await;
        let mut response = outcome.map_err(|error| {
            self.trace(request, "no answer", error.to_string().as_bytes());
            let error = self.lost(request, error);
            let why = Err(error.to_string());
            Exchange::add(&self.redactor, request, began, &why, &Bytes::new());
            error
        })?;
        if !request.reads_only {
            point("sent");
        }
        let status = response.status().as_u16();
        metered.answered(status);
        let headers = std::mem::take(response.headers_mut());
        let body = match read_capped(&mut response, self.max_body_bytes).await {
            Ok(body) => body,
            // The status says what is to be done, whatever else is said.
            Err(_) if matches!(status, 401 | 429) => Bytes::new(),
            Err(text) => {
                let text: Box<str> =
                    self.redactor.clean(&format!("status {status}, but {text}")).into();
                let why = Err(text.to_string());
                Exchange::add(&self.redactor, request, began, &why, &Bytes::new());
                return Err(if request.reads_only {
                    RequestError::Protocol(text)
                } else {
                    RequestError::in_doubt(text)
                });
            }
        };
        self.trace(request, status.to_string().as_str(), &body);
        Exchange::add(&self.redactor, request, began, &Ok(status), &body);
        Ok(Answer { status, headers, body, asked: request.url.clone(), generation })
    }

    /// Tells who writes a connector or a manifest what went out and what came back. The credential
    /// is not in the request, and other secrets are taken out.
    fn trace(&self, request: &Request, status: &str, answer: &[u8]) {
        if tracing::enabled!(tracing::Level::DEBUG) {
            let excerpt = |bytes: &[u8]| {
                self.redactor.excerpt(&String::from_utf8_lossy(bytes), MAX_TRACED_CHARS)
            };
            let Request { method, url, body, .. } = request;
            let url = self.redactor.clean(url.as_str());
            let sent = body.as_ref().map(|body| excerpt(body)).unwrap_or_default();
            tracing::debug!("{method} {url} {sent} → {status} {}", excerpt(answer));
        }
    }

    fn lost(&self, request: &Request, error: reqwest::Error) -> RequestError {
        let never_left = error.is_connect() || error.is_builder();
        let text = self.redactor.clean(&told(error)).into();
        if never_left || request.reads_only {
            RequestError::Unreachable(text)
        } else {
            RequestError::in_doubt(text)
        }
    }
}

/// Ends when what is under way is not waited for any longer: a call, or a new token, which may be the
/// only one that is still good.
async fn given_up() {
    stopped().await;
    tokio::time::sleep(LAST_WAIT).await;
}
