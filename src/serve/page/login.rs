//! Logging in by a key, and out.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::sessions::LIFETIME;
use super::{Asking, Frame, Refused, shown, with_status};
use crate::serve::Service;
use crate::serve::api::body;
use crate::serve::auth::CHALLENGE;
use crate::serve::listen::Peer;
use crate::serve::secret::KeyHash;

/// The cookie that a login is known by.
const COOKIE: &str = "session";
/// Bytes of the form, at most.
const FORM_BYTES: usize = 16 << 10;
/// How long whoever came with a wrong key waits for the answer.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Template)]
#[template(path = "login.html", config = "src/serve/page/askama.toml")]
struct LoginPage {
    frame: Frame,
    next: String,
    wrong: Option<String>,
    /// Whether there was a login, which holds no more.
    has_ended: bool,
}

impl LoginPage {
    fn new(next: &str, wrong: Option<String>) -> Self {
        Self {
            frame: Frame::of_nobody("Log in"),
            next: own(next).to_owned(),
            wrong,
            has_ended: false,
        }
    }
}

/// Where somebody is led who has logged in: to a page of ours, whatever the address says.
fn own(next: &str) -> &str {
    let is_own = next.starts_with("/ui/") && !next.contains(['\\', '\r', '\n']);
    if is_own { next } else { "/ui/jobs" }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Led {
    #[serde(default)]
    next: String,
}

/// The form.
pub(super) async fn form(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    Asking(Led { next }): Asking<Led>,
) -> Response {
    if service.keys.is_open() {
        return Redirect::to(own(&next)).into_response();
    }
    let has_ended =
        token(&headers).is_some_and(|token| service.sessions.find(token, Instant::now()).is_none());
    shown(&LoginPage { has_ended, ..LoginPage::new(&next, None) })
}

/// What the form has sent.
pub(super) async fn log_in(
    State(service): State<Arc<Service>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let from = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(peer)| peer.0.ip());
    let bytes = body::read(&service, body, FORM_BYTES).await?;
    let (mut key, mut next) = (String::new(), String::new());
    for (name, value) in url::form_urlencoded::parse(&bytes) {
        match &*name {
            "key" => key = value.into_owned(),
            "next" => next = value.into_owned(),
            _ => {}
        }
    }
    if let Some(wait) = service.sessions.waits(from, Instant::now()) {
        let secs = wait.as_secs() + 1;
        let told =
            format!("Too many wrong keys came from your address. Try again in {secs} seconds.");
        let page = LoginPage::new(&next, Some(told));
        let mut response = with_status(StatusCode::TOO_MANY_REQUESTS, &page);
        response.headers_mut().insert(header::RETRY_AFTER, secs.into());
        return Ok(response);
    }
    // Browsers are pasted lines into.
    let key = key.trim();
    if service.keys.caller(Some(key)).is_none() {
        service.sessions.guessed(from, Instant::now());
        tracing::warn!(from = %from, "Refused: a login with a wrong key.");
        tokio::time::sleep(PAUSE).await;
        let page = LoginPage::new(&next, Some("This key is not known.".to_owned()));
        let mut response = with_status(StatusCode::UNAUTHORIZED, &page);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
        return Ok(response);
    }
    let token = service.sessions.begin(KeyHash::of(key), Instant::now())?;
    let mut response = Redirect::to(own(&next)).into_response();
    set_cookie(&mut response, &headers, &token, LIFETIME);
    Ok(response)
}

/// Ends a login.
pub(super) async fn log_out(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    if let Some(token) = token(&headers) {
        service.sessions.end(token);
    }
    let mut response = Redirect::to("/ui/login").into_response();
    set_cookie(&mut response, &headers, "", Duration::ZERO);
    response
}

/// `Secure` where the browser came by https, as whoever passes requests on to us says: a client that
/// says so by itself has a cookie that it sends to fewer.
fn set_cookie(response: &mut Response, headers: &HeaderMap, token: &str, age: Duration) {
    let proto = headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
    let is_https = proto.is_some_and(|proto| {
        proto.split(',').next().is_some_and(|first| first.trim().eq_ignore_ascii_case("https"))
    });
    let secure = if is_https { "; Secure" } else { "" };
    let age = age.as_secs();
    let cookie =
        format!("{COOKIE}={token}; Path=/ui; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
}

/// The login that a request says it belongs to.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        for next in
            ["", "/", "//evil.example", "https://evil.example", "/\\evil.example", "/ui/\\x", "ui"]
        {
            assert_eq!(own(next), "/ui/jobs", "{next}");
        }
        assert_eq!(own("/ui/jobs/1?a=b"), "/ui/jobs/1?a=b");
    }

    #[test]
    fn a_login_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; session=abc; sessions=x"));
        assert_eq!(token(&headers), Some("abc"));
        headers.insert(header::COOKIE, HeaderValue::from_static("sessions=x"));
        assert_eq!(token(&headers), None);
    }
}
