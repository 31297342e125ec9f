//! `/_sandbox`: what the remotes hold and what was asked of them. No token, no faults.

use hyper::{Method, StatusCode};
use serde_json::json;

use super::faults::Faults;
use super::netsuite;
use super::remote::{Access, Answer, JSON, Plan, Remote, Request, Route, usual_body_bytes};
use super::tokens;

/// The administration, as one more remote.
pub(super) const REMOTE: Remote = Remote {
    prefix: "/_sandbox",
    routes: ROUTES,
    refusal,
    refusal_type: JSON,
    authorized: tokens::bearer,
    most_at_once: |_| None,
    quota: super::rest::quota,
    apart: None,
    throttled: StatusCode::TOO_MANY_REQUESTS,
    counted: |_| Vec::new(),
    max_body_bytes: usual_body_bytes,
};

const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        template: "/_sandbox/objects/{object}",
        access: Access::Admin,
        plan: records,
    },
    Route {
        method: Method::POST,
        template: "/_sandbox/netsuite/certificates",
        access: Access::Admin,
        plan: netsuite::register,
    },
    Route { method: Method::GET, template: "/_sandbox/calls", access: Access::Admin, plan: calls },
    Route { method: Method::POST, template: "/_sandbox/reset", access: Access::Admin, plan: reset },
];

/// All records of an object that are there, in the order of their ids.
#[expect(clippy::unnecessary_wraps, reason = "a route's plan may fail")]
fn records(request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    let object = String::from_utf8_lossy(request.places.first().map_or(&[], Vec::as_slice));
    let object = object.into_owned();
    let shown = if object.starts_with("netsuite/") { netsuite::shown_id } else { |id| id };
    Ok(Plan::reading(move |world, _| {
        let mut out = String::from("[");
        for (id, record) in world.memory.after(&object, 0) {
            if out.len() > 1 {
                out.push(',');
            }
            record.write(shown(id), &mut out);
        }
        out.push(']');
        Answer::json(StatusCode::OK, out)
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "a route's plan may fail")]
fn calls(_request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    Ok(Plan::reading(|world, _| match serde_json::to_string(&world.calls) {
        Ok(json) => Answer::json(StatusCode::OK, json),
        Err(error) => failed(&error),
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "a route's plan may fail")]
fn reset(_request: &Request, _faults: &Faults) -> Result<Plan, Answer> {
    Ok(Plan::reading(|world, _| match world.reset() {
        Ok(()) => Answer::empty(StatusCode::NO_CONTENT),
        Err(error) => failed(&error),
    }))
}

fn failed(error: &dyn std::error::Error) -> Answer {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Answer::json(status, refusal(status, &error.to_string()))
}

fn refusal(_status: StatusCode, message: &str) -> String {
    json!({"message": message}).to_string()
}
