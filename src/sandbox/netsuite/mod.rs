//! NetSuite: records one by one and in jobs, and queries in SuiteQL, under `/services/rest`.
//!
//! Made after the help of SuiteTalk REST Web Services
//! (<https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/book_1559132836.html>). What
//! is no more than shape, a real account has far more of: forms, scripts, tax engines, permissions.
//!
//! - [`catalog`], [`types`]: the types of records, and those that are there from the start;
//!   [`held`] and [`shown`]: records as they are held and shown.
//! - [`body`]: what a call gives, [`lines`]: its sublists, [`rules`] and [`payments`]: what of it
//!   is taken, [`work`]: what is done with it, [`problem`]: how a refusal is told.
//! - the routes: [`login`], [`one`], [`list`], [`jobs`], [`suiteql`].
//! - [`options`]: its part of the faults file; [`state`]: what it remembers beside records.

mod body;
mod catalog;
mod held;
mod jobs;
mod lines;
mod list;
mod login;
mod one;
mod options;
mod payments;
mod problem;
mod rules;
mod shown;
mod state;
mod suiteql;
mod types;
mod work;

use std::time::Instant;

use hyper::{Method, StatusCode};

use self::catalog::Type;
use self::problem::Problem;
use super::remote::{Access, Answer, Plan, Remote, Request, Route, Target};
use super::world::World;

pub(super) use held::shown as shown_id;
pub(super) use jobs::settle;
pub(super) use login::KEYS;
pub(super) use login::m2m::register;
pub(super) use options::Options;
pub(super) use state::State;

/// Bytes of a body.
/// <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/chapter_161251386312.html>
const BODY_BYTES: usize = 104_000_000;

/// The remote.
pub(super) const REMOTE: Remote = Remote {
    prefix: "/services/rest",
    routes: ROUTES,
    refusal: problem::refusal,
    refusal_type: problem::MEDIA_TYPE,
    authorized: login::authorized,
    most_at_once: |faults| Some(faults.netsuite.concurrency.max(1)),
    quota: |_| Vec::new(),
    apart: None,
    throttled: StatusCode::TOO_MANY_REQUESTS,
    counted: |_| Vec::new(),
    max_body_bytes: |_| BODY_BYTES,
};

const RECORDS: &str = "/services/rest/record/v1/{type}";
const RECORD: &str = "/services/rest/record/v1/{type}/{id}";

const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        template: "/services/rest/auth/oauth2/v1/token",
        access: Access::Open,
        plan: login::m2m::token,
    },
    Route::new(Method::GET, RECORDS, list::list),
    Route::new(Method::POST, RECORDS, one::create),
    Route::new(Method::PATCH, RECORDS, one::change_many),
    Route::new(Method::PUT, RECORDS, one::upsert_many),
    Route::new(Method::DELETE, RECORDS, one::delete_many),
    Route::new(Method::GET, RECORD, one::get),
    Route::new(Method::GET, "/services/rest/record/v1/{type}/{id}/{sublist}", one::get_part),
    Route::new(Method::PATCH, RECORD, one::change),
    Route::new(Method::PUT, RECORD, one::upsert),
    Route::new(Method::DELETE, RECORD, one::delete),
    Route::new(Method::POST, "/services/rest/query/v1/suiteql", suiteql::query),
    Route::new(Method::GET, "/services/rest/async/v1/job/{job}", jobs::job),
    Route::new(Method::GET, "/services/rest/async/v1/job/{job}/task", jobs::tasks),
    Route::new(Method::GET, "/services/rest/async/v1/job/{job}/task/", jobs::tasks),
    Route::new(Method::GET, "/services/rest/async/v1/job/{job}/task/{task}", jobs::task),
    Route::new(Method::GET, "/services/rest/async/v1/job/{job}/task/{task}/result", jobs::result),
];

/// The type of a path's records.
fn kind(request: &Request) -> Result<&'static Type, Problem> {
    let name = request.place(0).unwrap_or_default();
    Type::find(name).ok_or_else(|| Problem::no_type(name))
}

/// The host as the client names it.
fn host(request: &Request) -> &str {
    request.header("host").unwrap_or_default()
}

/// What the addresses of an answer begin with.
fn base(request: &Request) -> String {
    format!("http://{}", host(request))
}

/// A plan that writes no record.
fn reading(
    run: impl FnOnce(&mut World, Instant) -> Result<Answer, Problem> + Send + 'static,
) -> Plan {
    writing(Vec::new(), run)
}

/// A plan that writes `targets`.
fn writing(
    targets: Vec<Target>,
    run: impl FnOnce(&mut World, Instant) -> Result<Answer, Problem> + Send + 'static,
) -> Plan {
    Plan::writing(targets, move |world, now| run(world, now).unwrap_or_else(Answer::from))
}
