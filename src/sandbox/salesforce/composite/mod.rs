//! Several calls in one: `…/composite`, where each may name what those before it answered (see
//! [`references`]), `…/composite/batch`, and, in [`graph`], graphs that are all or none.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm>

pub(super) mod graph;
mod references;

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::references::{fill, filled, root};
use super::problem::{self, Problem};
use super::{body, org, reading, version, writing};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Content, Plan, Remote, Request, Route, Target};
use crate::sandbox::routes::{self, Found};
use crate::sandbox::world::World;

/// Calls in one composite or batch.
const MAX_CALLS: usize = 25;
/// Of those, queries and calls of collections.
const MAX_QUERIES: usize = 5;

/// Where the calls inside are looked up.
static OWN: &[Remote] = &[super::REMOTE];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Composite {
    #[serde(default)]
    all_or_none: bool,
    composite_request: Vec<Call>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    method: String,
    url: String,
    reference_id: String,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    http_headers: HashMap<String, String>,
}

/// `POST …/composite`: 200, whatever became of the calls inside.
pub(super) fn composite(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    version(request)?;
    let Composite { all_or_none, composite_request: calls } = body(request)?;
    check(&calls, MAX_CALLS)?;
    let is_query = |call: &&Call| {
        let path = call.url.split('?').next().unwrap_or_default();
        path.contains("/query") || path.contains("/composite/sobjects")
    };
    if calls.iter().filter(is_query).count() > MAX_QUERIES {
        let message = format!("Cannot execute more than {MAX_QUERIES} queries or collections");
        return Err(Problem::bad("LIMIT_EXCEEDED", message).into());
    }
    let headers = request.headers.clone();
    Ok(writing(targets(&calls, &headers, faults), move |world, now| {
        let (told, _) = run(world, now, &headers, calls, all_or_none);
        Ok(Answer::json(StatusCode::OK, json!({"compositeResponse": told}).to_string()))
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    #[serde(default)]
    halt_on_error: bool,
    batch_requests: Vec<Single>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Single {
    method: String,
    url: String,
    #[serde(default)]
    rich_input: Value,
}

/// `POST …/composite/batch`: calls that know nothing of each other.
pub(super) fn batch(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    version(request)?;
    let Batch { halt_on_error, batch_requests } = body(request)?;
    if batch_requests.len() > MAX_CALLS {
        let message = format!("Cannot execute more than {MAX_CALLS} subrequests in one call");
        return Err(Problem::bad("LIMIT_EXCEEDED", message).into());
    }
    let headers = request.headers.clone();
    Ok(reading(move |world, now| {
        let (mut results, mut has_errors) = (Vec::with_capacity(batch_requests.len()), false);
        for Single { method, url, rich_input } in batch_requests {
            if has_errors && halt_on_error {
                let problem = Problem::new(
                    StatusCode::PRECONDITION_FAILED,
                    "BATCH_PROCESSING_HALTED",
                    "Batch processing halted per request",
                );
                results.push(json!({"statusCode": 412, "result": [problem.to_json()]}));
                continue;
            }
            let url = if url.starts_with('/') { url } else { format!("/services/data/{url}") };
            // Each counts as a call, where those of a composite are one together.
            world.salesforce.used += 1;
            let answer = call(world, now, &method, &url, headers.clone(), &rich_input);
            has_errors |= answer.status.as_u16() >= 400;
            results.push(json!({"statusCode": answer.status.as_u16(), "result": value(&answer)}));
        }
        let told = json!({"hasErrors": has_errors, "results": results});
        Ok(Answer::json(StatusCode::OK, told.to_string()))
    }))
}

fn check(calls: &[Call], most: usize) -> Result<(), Problem> {
    if calls.len() > most {
        let message = format!("Cannot execute more than {most} subrequests in one call");
        return Err(Problem::bad("LIMIT_EXCEEDED", message));
    }
    let mut names = HashSet::new();
    for Call { reference_id, .. } in calls {
        let is_name = reference_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !reference_id.is_empty();
        if !is_name || !names.insert(reference_id) {
            let message = format!(
                "Provided referenceId ('{reference_id}') must start with a letter or a number, and \
                 it can contain only letters, numbers and underscores, and must be unique"
            );
            return Err(Problem::bad("INVALID_REQUEST", message));
        }
    }
    Ok(())
}

/// Runs calls in their order; says what became of each and whether all went well.
fn run(
    world: &mut World,
    now: Instant,
    headers: &HeaderMap,
    calls: Vec<Call>,
    all_or_none: bool,
) -> (Value, bool) {
    let mark = world.memory.begin();
    let mut answered: HashMap<String, Value> = HashMap::new();
    let mut told: Vec<(String, Answer)> = Vec::with_capacity(calls.len());
    let mut is_done = true;
    for Call { method, url, reference_id, body, http_headers } in calls {
        if !is_done && all_or_none {
            told.push((reference_id, halted()));
            continue;
        }
        let mut headers = headers.clone();
        for (name, value) in http_headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
                headers.insert(name, value);
            }
        }
        let filled = fill(&url, &answered).and_then(|url| Ok((url, filled(&body, &answered)?)));
        let answer = match filled {
            Ok((url, body)) => call(world, now, &method, &url, headers, &body),
            Err(name) => Problem::bad(
                "PROCESSING_HALTED",
                format!(
                    "Invalid reference specified. No value for {name} found in {}",
                    root(&name)
                ),
            )
            .into(),
        };
        let failed = answer.status.as_u16() >= 300 || (all_or_none && has_failure(&answer));
        is_done &= !failed;
        if answer.status.is_success() {
            answered.insert(reference_id.clone(), value(&answer));
        }
        told.push((reference_id, answer));
    }
    let is_kept = is_done || !all_or_none;
    world.memory.end(&mark, is_kept);
    if !is_kept {
        org::recall(world);
        for (_, answer) in told.iter_mut().filter(|(_, answer)| answer.status.is_success()) {
            *answer = halted();
        }
    }
    (self::told(told.into_iter()), is_done)
}

/// What became of calls, by their names.
fn told(answers: impl Iterator<Item = (String, Answer)>) -> Value {
    let told = answers.map(|(name, answer)| {
        let headers: Map<String, Value> = answer
            .headers
            .iter()
            .map(|(name, value)| (title(name.as_str()), value.clone().into()))
            .collect();
        json!({"body": value(&answer), "httpHeaders": headers,
            "httpStatusCode": answer.status.as_u16(), "referenceId": name})
    });
    told.collect()
}

/// The records that calls may write, as far as they say so before any is answered.
fn targets(calls: &[Call], headers: &HeaderMap, faults: &Faults) -> Vec<Target> {
    let targets = calls.iter().filter_map(|Call { method, url, body, .. }| {
        let (route, request) = read(method, url, headers.clone(), body).ok()?;
        Some((route.plan)(&request, faults).ok()?.targets)
    });
    targets.flatten().collect()
}

/// Does a call inside of another.
fn call(
    world: &mut World,
    now: Instant,
    method: &str,
    url: &str,
    headers: HeaderMap,
    body: &Value,
) -> Answer {
    let (route, request) = match read(method, url, headers, body) {
        Ok(read) => read,
        Err(answer) => return answer,
    };
    let faults = std::sync::Arc::clone(&world.faults);
    match (route.plan)(&request, &faults) {
        Ok(plan) => (plan.run)(world, now),
        Err(answer) => answer,
    }
}

/// A call inside of another, and the route that it is for.
///
/// # Errors
/// There is none.
fn read(
    method: &str,
    url: &str,
    mut headers: HeaderMap,
    body: &Value,
) -> Result<(&'static Route, Request), Answer> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap_or_default();
    let refused = |status, message| Err(Answer::json(status, problem::refusal(status, message)));
    let (route, places) = match routes::find(OWN, &method, path) {
        Found::Route(_, route, places) => (route, places),
        Found::Method(..) => return refused(StatusCode::METHOD_NOT_ALLOWED, "not allowed"),
        Found::Nothing(_) => return refused(StatusCode::NOT_FOUND, "nothing there"),
    };
    // A composite within another, and bulk jobs, are refused by Salesforce as well.
    if route.template.contains("/jobs/") || route.template.contains("/composite/graph") {
        return refused(StatusCode::NOT_FOUND, "not within a composite");
    }
    headers.remove("content-encoding");
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Ok((route, Request { headers, places, query: query.to_owned(), body: body.into() }))
}

fn halted() -> Answer {
    Problem::bad(
        "PROCESSING_HALTED",
        "The transaction was rolled back since another operation in the same transaction failed.",
    )
    .into()
}

/// The body of an answer.
fn value(answer: &Answer) -> Value {
    match &answer.content {
        Content::Empty => Value::Null,
        Content::Json(json) => serde_json::from_str(json).unwrap_or_default(),
        Content::Text(_, text) => text.clone().into(),
        Content::Rows(rows) => {
            serde_json::from_str(&(rows.envelope)(&rows.head, &rows.verdicts)).unwrap_or_default()
        }
    }
}

/// Whether a call of collections inside of another refused a record.
fn has_failure(answer: &Answer) -> bool {
    matches!(&answer.content, Content::Rows(rows) if rows.verdicts.iter().any(|row| !row.applied))
}

/// `content-type` as `Content-Type`.
fn title(name: &str) -> String {
    let parts = name.split('-').map(|part| {
        let mut letters = part.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_ascii_uppercase().to_string() + letters.as_str()
        })
    });
    parts.collect::<Vec<_>>().join("-")
}
