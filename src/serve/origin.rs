//! Keeps pages of other origins from acting in the name of whoever looks at them in a browser.
//!
//! Where no key is asked for, all that protects the service is that it can be reached from this machine
//! alone, and so can whatever a browser on it is made to send. A page that has its own name lead to this
//! machine (DNS rebinding) is told by the `Host` that it asks for; another one by what browsers say of
//! where a request comes from. The page's own forms are held to that in any case.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Service;
use super::problem::Problem;

/// What browsers say of whose page sends a request.
const SITE: &str = "sec-fetch-site";

/// Lets through what does not come from another origin.
pub(super) async fn guard(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    // RFC 9112, section 3.2: of two, whoever stands between may have heeded the other one.
    match headers.get_all(HOST).iter().count() {
        0 if request.version() == Version::HTTP_11 => {
            return Problem::bad("`host` is missing").into_response();
        }
        0 | 1 => {}
        _ => return Problem::bad("`host` is there more than once").into_response(),
    }
    let refused = if service.keys.is_open() && !is_this_machine(headers, service.config.listen.ip())
    {
        Some("this service asks for no key, and answers to names of this machine alone")
    } else if request.method().is_safe() {
        None
    } else if request.uri().path().starts_with("/ui/") {
        (!is_own(headers)).then_some("this form was not sent by a page of this service")
    } else {
        let is_foreign = service.keys.is_open() && is_foreign(headers);
        is_foreign.then_some("a page of another origin has sent this request")
    };
    let Some(detail) = refused else { return next.run(request).await };
    let path = request.uri().path();
    tracing::warn!(path, method = %request.method(), "Refused: {detail}.");
    Problem::new(StatusCode::FORBIDDEN, detail).into_response()
}

fn text(headers: &HeaderMap, name: impl axum::http::header::AsHeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// A name without its port.
fn name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether the request names this machine. Programs that name nothing are no browsers.
fn is_this_machine(headers: &HeaderMap, listen: IpAddr) -> bool {
    let Some(host) = text(headers, HOST) else { return true };
    let name = name(host);
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback() || address == listen)
}

/// Whether the browser says that a page of this very origin sends it. One that says nothing is none of
/// the last ten years, or no browser.
fn is_own(headers: &HeaderMap) -> bool {
    match (text(headers, SITE), text(headers, ORIGIN)) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => is_host(headers, origin),
        (None, None) => false,
    }
}

/// Whether the browser says that another page sends it.
fn is_foreign(headers: &HeaderMap) -> bool {
    match (text(headers, SITE), text(headers, ORIGIN)) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => !is_host(headers, origin),
        (None, None) => false,
    }
}

fn is_host(headers: &HeaderMap, origin: &str) -> bool {
    let Some((_, authority)) = origin.split_once("://") else { return false };
    text(headers, HOST).is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn names_of_this_machine_are_told_from_others() {
        let listen: IpAddr = "127.0.0.1".parse().unwrap();
        let is_ours = |host: &str| is_this_machine(&headers(&[("host", host)]), listen);
        for host in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "127.1.2.3", "[::1]:8080", "[::1]"]
        {
            assert!(is_ours(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8080",
            "10.0.0.1",
            "127.0.0.1.evil.example",
            "",
        ] {
            assert!(!is_ours(host), "{host}");
        }
    }

    #[test]
    fn a_form_is_our_own_only_where_the_browser_says_so() {
        let own = |pairs: &[(&'static str, &str)]| is_own(&headers(pairs));
        assert!(own(&[("sec-fetch-site", "same-origin")]));
        assert!(own(&[("origin", "http://a.example:8080"), ("host", "a.example:8080")]));
        assert!(!own(&[]));
        assert!(!own(&[("sec-fetch-site", "same-site"), ("origin", "http://a"), ("host", "a")]));
        assert!(!own(&[("sec-fetch-site", "none")]));
        assert!(!own(&[("origin", "null"), ("host", "a")]));
        assert!(!own(&[("origin", "http://b"), ("host", "a")]));
        let foreign = |pairs: &[(&'static str, &str)]| is_foreign(&headers(pairs));
        assert!(!foreign(&[]) && foreign(&[("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[("origin", "null"), ("host", "a")]));
    }
}
