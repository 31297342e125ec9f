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
//!   [`account`].

mod account;
mod associations;
mod batch;
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

use hyper::Method;
use serde::de::DeserializeOwned;

use self::problem::Problem;
use super::faults::Faults;
use super::memory::Memory;
use super::remote::{Access, Answer, Plan, Remote, Request, Route, Target};

/// The account's number.
const PORTAL: u64 = 62_515;
/// Versions of paths; others are refused.
const VERSIONS: [&str; 6] = ["v1", "v3", "v4", "2025-09", "2026-03", "2026-09"];

/// The remote.
pub(super) const REMOTE: Remote =
    Remote { prefix: "/crm", routes: ROUTES, refusal: problem::refusal };

const fn route(
    method: Method,
    template: &'static str,
    plan: fn(&Request, &Faults) -> Result<Plan, Answer>,
) -> Route {
    Route { method, template, access: Access::Token, plan }
}

/// The first placeholder is the version, wherever it stands.
const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        template: "/oauth/{version}/token",
        access: Access::Open,
        plan: account::token,
    },
    route(Method::GET, "/account-info/{version}/details", account::details),
    route(Method::GET, "/crm/owners/{version}", account::owners),
    route(Method::GET, "/crm/{version}/owners", account::owners),
    route(Method::GET, "/crm/{version}/owners/", account::owners),
    route(Method::POST, "/crm/lists/{version}", lists::create),
    route(Method::POST, "/crm/{version}/lists", lists::create),
    route(Method::POST, "/crm/{version}/lists/", lists::create),
    route(Method::GET, "/crm/lists/{version}/{list}", lists::get),
    route(Method::GET, "/crm/{version}/lists/{list}", lists::get),
    route(Method::GET, "/crm/lists/{version}/object-type-id/{object}/name/{name}", lists::by_name),
    route(Method::GET, "/crm/{version}/lists/object-type-id/{object}/name/{name}", lists::by_name),
    route(Method::GET, "/crm/lists/{version}/{list}/memberships", lists::memberships),
    route(Method::GET, "/crm/{version}/lists/{list}/memberships", lists::memberships),
    route(Method::GET, "/crm/lists/{version}/{list}/memberships/join-order", lists::memberships),
    route(Method::GET, "/crm/{version}/lists/{list}/memberships/join-order", lists::memberships),
    route(Method::PUT, "/crm/lists/{version}/{list}/memberships/add", lists::add),
    route(Method::PUT, "/crm/{version}/lists/{list}/memberships/add", lists::add),
    route(Method::PUT, "/crm/lists/{version}/{list}/memberships/remove", lists::remove),
    route(Method::PUT, "/crm/{version}/lists/{list}/memberships/remove", lists::remove),
    route(
        Method::PUT,
        "/crm/lists/{version}/{list}/memberships/add-and-remove",
        lists::add_and_remove,
    ),
    route(
        Method::PUT,
        "/crm/{version}/lists/{list}/memberships/add-and-remove",
        lists::add_and_remove,
    ),
    route(Method::GET, "/crm/pipelines/{version}/{object}", account::pipelines),
    route(Method::GET, "/crm/{version}/pipelines/{object}", account::pipelines),
    route(Method::GET, "/crm/objects/{version}/{object}", one::page),
    route(Method::GET, "/crm/{version}/objects/{object}", one::page),
    route(Method::POST, "/crm/objects/{version}/{object}", one::create),
    route(Method::POST, "/crm/{version}/objects/{object}", one::create),
    route(Method::GET, "/crm/objects/{version}/{object}/{id}", one::get),
    route(Method::GET, "/crm/{version}/objects/{object}/{id}", one::get),
    route(Method::PATCH, "/crm/objects/{version}/{object}/{id}", one::update),
    route(Method::PATCH, "/crm/{version}/objects/{object}/{id}", one::update),
    route(Method::DELETE, "/crm/objects/{version}/{object}/{id}", one::delete),
    route(Method::DELETE, "/crm/{version}/objects/{object}/{id}", one::delete),
    route(Method::POST, "/crm/objects/{version}/{object}/search", search::search),
    route(Method::POST, "/crm/{version}/objects/{object}/search", search::search),
    route(Method::POST, "/crm/objects/{version}/{object}/batch/create", batch::create),
    route(Method::POST, "/crm/{version}/objects/{object}/batch/create", batch::create),
    route(Method::POST, "/crm/objects/{version}/{object}/batch/read", batch::read),
    route(Method::POST, "/crm/{version}/objects/{object}/batch/read", batch::read),
    route(Method::POST, "/crm/objects/{version}/{object}/batch/update", batch::update),
    route(Method::POST, "/crm/{version}/objects/{object}/batch/update", batch::update),
    route(Method::POST, "/crm/objects/{version}/{object}/batch/upsert", batch::upsert),
    route(Method::POST, "/crm/{version}/objects/{object}/batch/upsert", batch::upsert),
    route(Method::POST, "/crm/objects/{version}/{object}/batch/archive", batch::archive),
    route(Method::POST, "/crm/{version}/objects/{object}/batch/archive", batch::archive),
    route(
        Method::GET,
        "/crm/objects/{version}/{object}/{id}/associations/{to}",
        associations::list,
    ),
    route(
        Method::GET,
        "/crm/{version}/objects/{object}/{id}/associations/{to}",
        associations::list,
    ),
    route(
        Method::PUT,
        "/crm/objects/{version}/{object}/{id}/associations/{to}/{to_id}",
        associations::put,
    ),
    route(
        Method::PUT,
        "/crm/{version}/objects/{object}/{id}/associations/{to}/{to_id}",
        associations::put,
    ),
    route(
        Method::PUT,
        "/crm/objects/{version}/{object}/{id}/associations/default/{to}/{to_id}",
        associations::put_default,
    ),
    route(
        Method::PUT,
        "/crm/{version}/objects/{object}/{id}/associations/default/{to}/{to_id}",
        associations::put_default,
    ),
    route(
        Method::PUT,
        "/crm/{version}/objects/{object}/{id}/associations/{to}/{to_id}/{type}",
        associations::put_default,
    ),
    route(
        Method::POST,
        "/crm/associations/{version}/{from}/{to}/batch/create",
        associations::batch_create,
    ),
    route(
        Method::POST,
        "/crm/{version}/associations/{from}/{to}/batch/create",
        associations::batch_create,
    ),
    route(
        Method::POST,
        "/crm/associations/{version}/{from}/{to}/batch/associate/default",
        associations::batch_default,
    ),
    route(
        Method::POST,
        "/crm/{version}/associations/{from}/{to}/batch/associate/default",
        associations::batch_default,
    ),
    route(Method::GET, "/crm/associations/{version}/{from}/{to}/labels", associations::labels),
    route(Method::GET, "/crm/{version}/associations/{from}/{to}/labels", associations::labels),
    route(Method::GET, "/crm/properties/{version}/{object}", properties::list),
    route(Method::GET, "/crm/{version}/properties/{object}", properties::list),
    route(Method::GET, "/crm/properties/{version}/{object}/{name}", properties::get),
    route(Method::GET, "/crm/{version}/properties/{object}/{name}", properties::get),
    route(Method::POST, "/crm/properties/{version}/{object}", properties::create),
    route(Method::POST, "/crm/{version}/properties/{object}", properties::create),
    route(Method::GET, "/crm-object-schemas/{version}/schemas", properties::schemas),
    route(Method::GET, "/crm/{version}/schemas", properties::schemas),
    route(Method::POST, "/crm-object-schemas/{version}/schemas", properties::create_schema),
    route(Method::POST, "/crm/{version}/schemas", properties::create_schema),
];

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
