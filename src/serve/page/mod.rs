//! What people see: pages made on the server, of plain links and forms, which htmx makes quicker where
//! a browser runs scripts. Everything of it is under `/ui`.

mod assets;
mod chart;
mod files;
mod job;
mod jobs;
mod login;
mod record;
mod records;
mod sessions;
mod told;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use axum::Router;
use axum::extract::{FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use url::form_urlencoded::{Serializer, byte_serialize};

pub(super) use sessions::Sessions;

use self::assets::{ASSETS, Assets};
use super::Service;
use super::auth::{CHALLENGE, Caller};
use super::problem::Problem;
use crate::error::Error;

/// What a page may load: what is its own, and no script or style that stands in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// Said by htmx of its requests.
const BY_HTMX: &str = "hx-request";

/// All routes of it.
pub(super) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::to("/ui/jobs") }))
        .route("/ui", get(|| async { Redirect::to("/ui/jobs") }))
        .route("/ui/", get(|| async { Redirect::to("/ui/jobs") }))
        .route("/ui/login", get(login::form).post(login::log_in))
        .route("/ui/logout", post(login::log_out))
        .route("/ui/jobs", get(jobs::list))
        .route("/ui/jobs/{id}", get(job::show))
        .route("/ui/jobs/{id}/cancel", post(job::cancel))
        .route("/ui/jobs/{id}/retry", post(job::retry))
        .route("/ui/jobs/{id}/records", get(records::list))
        .route("/ui/jobs/{id}/records/{cursor}", get(record::show))
        .route("/ui/jobs/{id}/results", get(files::results))
        .route("/ui/jobs/{id}/rejects", get(files::rejects))
        .route("/ui/assets/{hash}/{name}", get(assets::asset))
        .route("/ui/{*rest}", get(nothing))
        .layer(from_fn(with_headers))
        .with_state(service)
}

async fn nothing(uri: Uri) -> Refused {
    Problem::not_found(format!("There is nothing at {}", uri.path())).into()
}

async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // With none at all, browsers would not say of a form where it comes from.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Pages hold what records hold; what is theirs alone is kept by its own word.
    let no_store = HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(no_store);
    response
}

/// Who looks at a page.
#[derive(Clone, Debug)]
pub(super) struct Viewer {
    caller: Caller,
    has_session: bool,
}

/// What all pages have around them.
#[derive(Clone, Debug)]
struct Frame {
    title: String,
    assets: &'static Assets,
    /// Whose key it is, for people; `None` where nobody is known.
    who: Option<String>,
    has_session: bool,
    is_jobs: bool,
}

impl Frame {
    fn of_nobody(title: impl Into<String>) -> Self {
        Self { title: title.into(), assets: &ASSETS, who: None, has_session: false, is_jobs: false }
    }
}

impl Viewer {
    fn frame(&self, title: impl Into<String>) -> Frame {
        let who = match self.caller.tenant() {
            Some((environment, tenant)) => format!("{environment} / {tenant}"),
            None if self.has_session => "administrator".to_owned(),
            None => "no key needed".to_owned(),
        };
        Frame { who: Some(who), has_session: self.has_session, ..Frame::of_nobody(title) }
    }
}

/// Whether htmx asks, which shows nothing of an answer that is an error.
fn is_by_htmx(headers: &HeaderMap) -> bool {
    headers.contains_key(BY_HTMX)
}

impl FromRequestParts<Arc<Service>> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        service: &Arc<Service>,
    ) -> Result<Self, Response> {
        let token = login::token(&parts.headers);
        let key = token.and_then(|token| service.sessions.find(token, Instant::now()));
        if let Some(caller) = key.and_then(|key| service.keys.caller_of(&key)) {
            return Ok(Self { caller, has_session: true });
        }
        if service.keys.is_open() {
            return Ok(Self { caller: Caller::Admin, has_session: false });
        }
        let is_look = parts.method.is_safe();
        let next =
            parts.uri.path_and_query().filter(|_| is_look).map_or("", |place| place.as_str());
        let place = format!("/ui/login?next={}", encoded(next));
        if is_by_htmx(&parts.headers) {
            let mut response = (StatusCode::UNAUTHORIZED, [("hx-redirect", place)]).into_response();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
            return Err(response);
        }
        Err(Redirect::to(&place).into_response())
    }
}

/// What stands behind the address's `?`; what cannot be read there is passed over.
struct Asking<T>(T);

impl<T: DeserializeOwned + Default, S: Sync> FromRequestParts<S> for Asking<T> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let asked = Query::try_from_uri(&parts.uri);
        Ok(Self(asked.map(|Query(asked)| asked).unwrap_or_default()))
    }
}

/// A page in the place of one that cannot be had.
struct Refused(Problem);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl From<crate::store::StoreError> for Refused {
    fn from(error: crate::store::StoreError) -> Self {
        Self(error.into())
    }
}

#[derive(Template)]
#[template(path = "problem.html", config = "src/serve/page/askama.toml")]
struct ProblemPage {
    frame: Frame,
    title: &'static str,
    detail: String,
    hint: Option<String>,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = self.0.status();
        let title = match status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::CONFLICT => "This cannot be done now",
            StatusCode::TOO_MANY_REQUESTS => "Too many at once",
            _ => "This did not work",
        };
        let page = ProblemPage {
            frame: Frame::of_nobody(title),
            title,
            detail: capital(self.0.detail()),
            hint: self.0.hint_text().map(capital),
        };
        with_status(status, &page)
    }
}

/// A sentence begins with a capital letter.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    first + chars.as_str()
}

fn shown(page: &impl Template) -> Response {
    with_status(StatusCode::OK, page)
}

fn with_status(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "A page could not be made.");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A text as a part of an address.
fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

/// An address with these pairs behind it, but for those that say nothing.
fn address(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(pairs.iter().filter(|(_, value)| !value.is_empty()));
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// A list to choose from.
#[derive(Clone, Debug)]
struct Choice {
    name: &'static str,
    label: &'static str,
    options: Vec<Entry>,
}

/// One of it.
#[derive(Clone, Debug)]
struct Entry {
    value: String,
    label: String,
    is_chosen: bool,
}

impl Choice {
    /// A list of values with labels, of which one is chosen; it is there in any case.
    fn of(
        name: &'static str,
        label: &'static str,
        options: impl IntoIterator<Item = (String, String)>,
        chosen: &str,
    ) -> Self {
        let mut options: Vec<Entry> = options
            .into_iter()
            .map(|(value, label)| Entry { is_chosen: value == chosen, value, label })
            .collect();
        if !chosen.is_empty() && options.iter().all(|option| !option.is_chosen) {
            let own = chosen.to_owned();
            options.push(Entry { value: own.clone(), label: own, is_chosen: true });
        }
        Self { name, label, options }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_an_address_stays_what_it_is() {
        let place = address("/ui/jobs", &[("a", "x&y=z #?/"), ("b", ""), ("c", "ü")]);
        assert_eq!(place, "/ui/jobs?a=x%26y%3Dz+%23%3F%2F&c=%C3%BC");
        assert_eq!(address("/ui/jobs", &[("b", "")]), "/ui/jobs");
    }

    #[test]
    fn what_is_chosen_is_in_the_list() {
        let values = |chosen| {
            let all = [("a", "A"), ("b", "B")].map(|(one, two)| (one.to_owned(), two.to_owned()));
            let choice = Choice::of("x", "X", all, chosen);
            let chosen = choice.options.iter().find(|option| option.is_chosen);
            (choice.options.len(), chosen.map(|option| option.label.clone()))
        };
        assert_eq!(values("b"), (2, Some("B".to_owned())));
        assert_eq!(values("c"), (3, Some("c".to_owned())));
        assert_eq!(values(""), (2, None));
    }
}
