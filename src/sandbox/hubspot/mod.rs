//! HubSpot: the CRM's objects with their batches and search, properties, associations, and the
//! account around them.
//!
//! Made after HubSpot's published descriptions and guides
//! (<https://developers.hubspot.com/docs/api-reference/latest/overview>). Paths have a version in
//! them: a date (`/crm/objects/2026-03/…`), or `v3` and `v4` in the place that they had
//! (`/crm/v3/objects/…`).
//!
//! - [`catalog`]: what a new account has; [`object`]: that, and what was made since.
//! - [`rules`]: what is taken; [`problem`]: how a refusal is told; [`shown`]: how a record is.
//! - the routes: [`one`], [`batch`], [`search`], [`associations`], [`properties`], [`lists`],
//!   [`campaigns`], [`account`].

mod account;
mod associations;
mod batch;
mod campaigns;
mod catalog;
mod lists;
mod object;
mod one;
mod problem;
mod properties;
mod rules;
mod search;
mod shown;

use std::time::Instant;

use hyper::header::HeaderName;
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;

use self::problem::Problem;
use super::memory::Memory;
use super::remote::{
    Access, Answer, JSON, Plan, Quota, Remote, Request, Route, Target, usual_body_bytes,
};
use super::tokens;

/// The account's number.
const PORTAL: u64 = 62_515;
/// Versions of paths; others are refused.
const VERSIONS: [&str; 6] = ["v1", "v3", "v4", "2025-09", "2026-03", "2026-09"];

/// The remote.
pub(super) const REMOTE: Remote = Remote {
    prefix: "/crm",
    routes: ROUTES,
    refusal: problem::refusal,
    refusal_type: JSON,
    authorized: tokens::bearer,
    most_at_once: |_| None,
    quota,
    apart: Some(("/search", 5)),
    throttled: StatusCode::TOO_MANY_REQUESTS,
    counted: |_| Vec::new(),
    max_body_bytes: usual_body_bytes,
};

/// <https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines>
fn quota(quota: &Quota<'_>) -> Vec<(HeaderName, String)> {
    let name = HeaderName::from_static;
    vec![
        (name("x-hubspot-ratelimit-max"), quota.limit.requests.to_string()),
        (name("x-hubspot-ratelimit-remaining"), quota.remaining.to_string()),
        (
            name("x-hubspot-ratelimit-interval-milliseconds"),
            (quota.limit.per_secs * 1000).to_string(),
        ),
    ]
}

/// Each route of a room under the dated versions and under those before them, and those that are alone.
/// The first placeholder is the version, wherever it stands.
macro_rules! routes {
    (
        both { $($method:ident $room:literal $rest:literal $plan:path;)* }
        alone { $($alone:expr;)* }
    ) => {
        &[
            $(
                Route::new(
                    Method::$method,
                    concat!("/crm/", $room, "/{version}", $rest),
                    $plan,
                ),
                Route::new(
                    Method::$method,
                    concat!("/crm/{version}/", $room, $rest),
                    $plan,
                ),
            )*
            $($alone),*
        ]
    };
}

const ROUTES: &[Route] = routes! {
    both {
        GET "owners" "" account::owners;
        GET "pipelines" "/{object}" account::pipelines;
        GET "objects" "/{object}" one::page;
        POST "objects" "/{object}" one::create;
        GET "objects" "/{object}/{id}" one::get;
        PATCH "objects" "/{object}/{id}" one::update;
        DELETE "objects" "/{object}/{id}" one::delete;
        POST "objects" "/{object}/search" search::search;
        POST "objects" "/{object}/batch/create" batch::create;
        POST "objects" "/{object}/batch/read" batch::read;
        POST "objects" "/{object}/batch/update" batch::update;
        POST "objects" "/{object}/batch/upsert" batch::upsert;
        POST "objects" "/{object}/batch/archive" batch::archive;
        GET "objects" "/{object}/{id}/associations/{to}" associations::list;
        PUT "objects" "/{object}/{id}/associations/{to}/{to_id}" associations::put;
        PUT "objects" "/{object}/{id}/associations/default/{to}/{to_id}" associations::put_default;
        POST "associations" "/{from}/{to}/batch/create" associations::batch_create;
        POST "associations" "/{from}/{to}/batch/read" associations::batch_read;
        POST "associations" "/{from}/{to}/batch/associate/default" associations::batch_default;
        GET "associations" "/{from}/{to}/labels" associations::labels;
        GET "properties" "/{object}" properties::list;
        POST "properties" "/{object}" properties::create;
        GET "properties" "/{object}/{name}" properties::get;
        POST "lists" "" lists::create;
        GET "lists" "/{list}" lists::get;
        GET "lists" "/object-type-id/{object}/name/{name}" lists::by_name;
        GET "lists" "/{list}/memberships" lists::memberships;
        GET "lists" "/{list}/memberships/join-order" lists::memberships;
        PUT "lists" "/{list}/memberships/add" lists::add;
        PUT "lists" "/{list}/memberships/remove" lists::remove;
        PUT "lists" "/{list}/memberships/add-and-remove" lists::add_and_remove;
    }
    alone {
        Route {
            method: Method::POST,
            template: "/oauth/{version}/token",
            access: Access::Open,
            plan: account::token,
        };
        Route::new(Method::GET, "/account-info/{version}/details", account::details);
        Route::new(Method::GET, "/crm/{version}/owners/", account::owners);
        Route::new(Method::POST, "/crm/{version}/lists/", lists::create);
        Route::new(
            Method::PUT,
            "/crm/{version}/objects/{object}/{id}/associations/{to}/{to_id}/{type}",
            associations::put_default,
        );
        Route::new(Method::POST, "/marketing/campaigns/{version}", campaigns::create);
        Route::new(Method::GET, "/marketing/campaigns/{version}/{id}", campaigns::get);
        Route::new(Method::PATCH, "/marketing/campaigns/{version}/{id}", campaigns::update);
        Route::new(Method::DELETE, "/marketing/campaigns/{version}/{id}", campaigns::delete);
        Route::new(Method::POST, "/marketing/{version}/campaigns", campaigns::create);
        Route::new(Method::GET, "/marketing/{version}/campaigns/{id}", campaigns::get);
        Route::new(Method::PATCH, "/marketing/{version}/campaigns/{id}", campaigns::update);
        Route::new(Method::DELETE, "/marketing/{version}/campaigns/{id}", campaigns::delete);
        Route::new(Method::GET, "/crm-object-schemas/{version}/schemas", properties::schemas);
        Route::new(Method::GET, "/crm/{version}/schemas", properties::schemas);
        Route::new(Method::POST, "/crm-object-schemas/{version}/schemas", properties::create_schema);
        Route::new(Method::POST, "/crm/{version}/schemas", properties::create_schema);
    }
};

/// The n-th placeholder of a path whose version is one that there is.
fn place(request: &Request, n: usize) -> Result<String, Problem> {
    let version = request.place(0).unwrap_or_default();
    if !VERSIONS.contains(&version) {
        return Err(Problem::invalid(format!("The version {version} is not known")));
    }
    let text = request.place(n).map_err(|_| Problem::invalid("the path is not UTF-8"))?;
    Ok(text.to_owned())
}

/// A plan that writes no record.
fn reading(
    run: impl FnOnce(&mut Memory, Instant) -> Result<Answer, Problem> + Send + 'static,
) -> Plan {
    Plan::reading(move |world, now| run(&mut world.memory, now).unwrap_or_else(Answer::from))
}

/// A plan that writes `targets`.
fn writing(
    targets: Vec<Target>,
    run: impl FnOnce(&mut Memory, Instant) -> Result<Answer, Problem> + Send + 'static,
) -> Plan {
    Plan::writing(targets, move |world, now| {
        run(&mut world.memory, now).unwrap_or_else(Answer::from)
    })
}

/// The object of a path, as it is named there.
fn object_name(request: &Request) -> Result<String, Problem> {
    place(request, 1)
}

/// The body, as the call needs it.
fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    serde_json::from_slice(&request.body)
        .map_err(|error| Problem::invalid(format!("Invalid input JSON: {error}")))
}

/// A parameter that is given several times, or as one list apart by commas.
fn list(request: &Request, name: &str) -> Vec<String> {
    let pairs = url::form_urlencoded::parse(request.query.as_bytes());
    let values = pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    values.flat_map(|value| value.split(',').map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// A record that a request may write, as far as it says which: by its id, or by a property.
fn target(object: &str, id: Option<u64>, unique: Option<(&str, &str)>) -> Target {
    let object = catalog::find(object).map_or(object, |known| known.id);
    let external = unique.map(|(name, value)| (name.to_owned(), rules::normal(name, value)));
    Target { object: format!("hubspot/{object}"), id, external }
}
