//! What goes around every request: an id, by which its log lines and its answer are known to belong
//! together, a log line, and what is counted.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::telemetry;

/// The header of the request's id.
const ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of an id that a client gives, at most.
const ID_CHARS: usize = 128;
/// What is told of the route where there is none.
const NO_ROUTE: &str = "none";

/// Answers a request, and tells of it.
pub(super) async fn around(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let given = request.headers().get(&ID).and_then(|id| id.to_str().ok()).filter(|id| is_id(id));
    let id = given.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned);
    // The address as it came may name a tenant, and its query a secret.
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| NO_ROUTE.to_owned(), |route| route.as_str().to_owned());
    let method = request.method().clone();
    // Of the highest level, so that whatever is told under it has the id.
    let span = tracing::error_span!(parent: None, "request", request = id);
    async move {
        let mut response = next.run(request).await;
        let (status, took) = (response.status().as_u16(), began.elapsed());
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if status >= 500 {
            tracing::info!(%method, route, status, ms, "A request was answered.");
        } else {
            tracing::debug!(%method, route, status, ms, "A request was answered.");
        }
        telemetry::request_answered(method.as_str(), &route, status, took);
        response.headers_mut().extend(HeaderValue::from_str(&id).ok().map(|id| (ID, id)));
        response
    }
    .instrument(span)
    .await
}

/// Whether a client's id can stand in a log and a header.
fn is_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=ID_CHARS).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_plain() {
        assert!(is_id("01a2-b.c:d_E") && is_id(&"a".repeat(128)));
        assert!(!is_id("") && !is_id(&"a".repeat(129)) && !is_id("a b") && !is_id("a\"b"));
    }
}
