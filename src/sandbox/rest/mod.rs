//! The plain REST remote: `/v1/{object}`, one record or a hundred at a time.
//!
//! Any name of letters, digits, `_`, `-` and `.` is an object, from its first record on. The
//! external id is the property `ext_id`. Errors are `{"code","message","field"?}`.

mod bulk;
mod one;
mod rules;
mod search;

use hyper::header::HeaderName;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use self::rules::Problem;
use super::faults::Faults;
use super::memory;
use super::record::Fields;
use super::remote::{
    Access, Answer, JSON, Plan, Quota, Remote, Request, Route, Target, usual_body_bytes,
};
use super::tokens;

/// The property that holds the external id.
const EXT_ID: &str = "ext_id";
/// Records in one page, one bulk call, one search.
const MAX_ROWS: usize = 100;
/// Bytes of an object's name.
const MAX_OBJECT_BYTES: usize = 100;

/// The remote.
pub(super) const REMOTE: Remote = Remote {
    prefix: "/v1",
    routes: ROUTES,
    refusal,
    refusal_type: JSON,
    authorized: tokens::bearer,
    most_at_once: |_| None,
    quota,
    apart: None,
    throttled: StatusCode::TOO_MANY_REQUESTS,
    counted: |_| Vec::new(),
    max_body_bytes: usual_body_bytes,
};

/// As many APIs name them.
pub(super) fn quota(quota: &Quota<'_>) -> Vec<(HeaderName, String)> {
    vec![
        (HeaderName::from_static("x-ratelimit-limit"), quota.limit.requests.to_string()),
        (HeaderName::from_static("x-ratelimit-remaining"), quota.remaining.to_string()),
        (HeaderName::from_static("x-ratelimit-reset"), quota.reset_secs.to_string()),
    ]
}

const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        template: "/oauth/token",
        access: Access::Open,
        plan: tokens::plan,
    },
    Route::new(Method::GET, "/v1/me", me),
    Route::new(Method::GET, "/v1/objects", objects),
    Route::new(Method::GET, "/v1/{object}", one::list),
    Route::new(Method::POST, "/v1/{object}", one::create),
    Route::new(Method::GET, "/v1/{object}/{id}", one::get),
    Route::new(Method::PATCH, "/v1/{object}/{id}", one::update),
    Route::new(Method::DELETE, "/v1/{object}/{id}", one::delete),
    Route::new(Method::PUT, "/v1/{object}/by-ext/{ext_id}", one::upsert),
    Route::new(Method::POST, "/v1/{object}/batch", bulk::upsert),
    Route::new(Method::POST, "/v1/{object}/batch/create", bulk::create),
    Route::new(Method::POST, "/v1/{object}/batch/update", bulk::update),
    Route::new(Method::POST, "/v1/{object}/batch/delete", bulk::delete),
    Route::new(Method::POST, "/v1/{object}/search", search::search),
];

/// Who one is.
#[expect(clippy::unnecessary_wraps, reason = "a route's plan may fail")]
fn me(_request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    let body = json!({"name": "sandbox"}).to_string();
    Ok(Plan::reading(|_, _| Answer::json(StatusCode::OK, body)))
}

/// The names of objects that have had a record.
#[expect(clippy::unnecessary_wraps, reason = "a route's plan may fail")]
fn objects(_request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    Ok(Plan::reading(|world, _| {
        let names: Vec<_> = world.memory.objects().collect();
        Answer::json(StatusCode::OK, json!({"data": names}).to_string())
    }))
}

fn refusal(status: StatusCode, message: &str) -> String {
    let code = match status.as_u16() {
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        409 => "CONFLICT",
        413 => "TOO_LARGE",
        429 => "RATE_LIMITED",
        503 => "UNAVAILABLE",
        400..500 => "INVALID",
        _ => "SERVER_ERROR",
    };
    json!({"code": code, "message": message}).to_string()
}

/// The object that the request is about: its first placeholder.
fn object(request: &Request) -> Result<String, Problem> {
    let name = request.place(0).unwrap_or_default();
    let fits = (1..=MAX_OBJECT_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        // Their lists stand where that of an object of this name would.
        && !matches!(name, "me" | "objects");
    if fits {
        Ok(name.to_owned())
    } else {
        let message = "no object can have this name";
        Err(Problem::new(StatusCode::NOT_FOUND, "NO_OBJECT", message))
    }
}

/// The body as plain JSON; anything else is refused before it is read.
fn body(request: &Request) -> Result<&[u8], Problem> {
    let kind = request.header("content-type").unwrap_or_default();
    let coding = request.header("content-encoding").unwrap_or("identity");
    if kind.to_ascii_lowercase().contains("json") && coding.eq_ignore_ascii_case("identity") {
        return Ok(&request.body);
    }
    let message = "the body must be plain `application/json`";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message))
}

/// The body as one record.
fn record(request: &Request) -> Result<Fields, Problem> {
    Fields::parse(body(request)?).ok_or_else(|| Problem::invalid("the body is not a JSON object"))
}

/// The `inputs` of a bulk call, each a JSON object.
fn inputs(request: &Request) -> Result<Vec<Fields>, Problem> {
    #[derive(Deserialize)]
    struct Inputs<'a> {
        #[serde(borrow)]
        inputs: Vec<&'a RawValue>,
    }
    let Inputs { inputs } = serde_json::from_slice(body(request)?).map_err(|error| {
        Problem::invalid(&format!("the body is not `{{\"inputs\":[…]}}`: {error}"))
    })?;
    if inputs.len() > MAX_ROWS {
        let message = format!("{} inputs are over the limit of {MAX_ROWS}", inputs.len());
        return Err(Problem::new(StatusCode::BAD_REQUEST, "TOO_MANY", &message));
    }
    if inputs.is_empty() {
        return Err(Problem::invalid("there are no inputs"));
    }
    let parsed = inputs.iter().map(|input| Fields::parse(input.get().as_bytes()));
    parsed.collect::<Option<_>>().ok_or_else(|| Problem::invalid("an input is not a JSON object"))
}

/// How many rows a page is to have; the value `limit` as it came.
fn limit(limit: Option<&str>) -> Result<usize, Problem> {
    let Some(text) = limit else {
        return Ok(MAX_ROWS);
    };
    match text.parse() {
        Ok(limit @ 1..=MAX_ROWS) => Ok(limit),
        _ => Err(Problem::invalid(&format!("`limit` is not a number from 1 to {MAX_ROWS}"))),
    }
}

/// Where a page begins: after this id. The value of `next` as it was given out.
fn cursor(after: Option<&str>) -> Result<u64, Problem> {
    let Some(text) = after else { return Ok(0) };
    let id = text.strip_prefix("after-").and_then(memory::id);
    id.ok_or_else(|| Problem::invalid("`after` is not one that was given out"))
}

/// A page of rows of JSON, and where the next begins.
fn page(rows: &[String], next: Option<u64>) -> Answer {
    let paging = next.map(|id| json!({"next": format!("after-{id}")}).to_string());
    let paging = paging.as_deref().unwrap_or("{}");
    let json = format!("{{\"data\":[{}],\"paging\":{paging}}}", rows.join(","));
    Answer::json(StatusCode::OK, json)
}

/// What a write is about, as far as the request says so.
fn target(object: &str, id: Option<u64>, fields: Option<&Fields>) -> Target {
    let external = fields.and_then(|fields| fields.id_text(EXT_ID));
    let external = external.map(|value| (EXT_ID.to_owned(), value));
    Target { object: object.to_owned(), id, external }
}

/// Under what the answer to a create is kept.
fn idempotency(request: &Request, object: &str, route: &str) -> Option<String> {
    let key = request.header("idempotency-key").filter(|key| !key.is_empty())?;
    Some(format!("{route} {object} {key}"))
}
