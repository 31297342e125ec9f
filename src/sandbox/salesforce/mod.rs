//! Salesforce: objects and their records one by one, in collections and composites, queries, and
//! bulk jobs, under `/services`.
//!
//! Made after the guides to the REST API and the Bulk API 2.0
//! (<https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/intro_rest.htm>,
//! <https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/bulk_api_2_0.htm>). Paths
//! have a version in them, from `v46.0` to `v68.0`; what differs between those is not simulated.
//!
//! - [`catalog`], [`objects`]: what a new account has; [`org`] and [`made`]: with what was made since;
//!   [`ids`]: how a record is called.
//! - [`draft`]: what a call gives, [`rules`] and [`peculiar`]: what of it is taken, [`problem`]: how a
//!   refusal is told; [`held`] and [`shown`]: records as they are held and shown.
//! - the routes: [`login`] and [`metadata`] with [`soap`], [`describe`], [`one`], [`collections`], [`composite`], [`query`] with
//!   [`soql`], [`filter`] and [`select`], [`search`], [`jobs`].
//! - [`options`]: its part of the faults file; [`state`]: what it remembers beside records.

mod catalog;
mod collections;
mod composite;
mod describe;
mod draft;
mod filter;
mod held;
mod ids;
mod jobs;
mod login;
mod made;
mod metadata;
mod objects;
mod one;
mod options;
mod org;
mod peculiar;
mod problem;
mod query;
mod rules;
mod search;
mod select;
mod shown;
mod soap;
mod soql;
mod state;
#[cfg(test)]
mod tests;

use std::io::Read as _;
use std::time::Instant;

use hyper::header::HeaderName;
use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;

use self::catalog::Object;
use self::problem::Problem;
use super::memory::FOLDED;
use super::remote::{Access, Answer, JSON, Plan, Remote, Request, Route, Target, usual_body_bytes};
use super::tokens;
use super::world::World;

pub(super) use jobs::settle;
pub(super) use options::Options;
pub(super) use state::State;

/// Bytes that an upload of a bulk job may have before anybody reads it: more than
/// [`Options::job_bytes`] usually is, which is told in Salesforce's own words.
const UPLOAD_BYTES: usize = 160_000_000;
/// Bytes of any other body.
/// <https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_api.htm>
const BODY_BYTES: usize = 50_000_000;

/// The remote.
pub(super) const REMOTE: Remote = Remote {
    prefix: "/services",
    routes: ROUTES,
    refusal: problem::refusal,
    refusal_type: JSON,
    authorized: tokens::bearer,
    most_at_once: |_| None,
    quota: |_| Vec::new(),
    apart: None,
    // Salesforce knows no 429, and tells nobody when to come back.
    throttled: StatusCode::FORBIDDEN,
    counted,
    max_body_bytes,
};

/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_api_usage.htm>
fn counted(world: &mut World) -> Vec<(HeaderName, String)> {
    world.salesforce.used += 1;
    let usage =
        format!("api-usage={}/{}", world.salesforce.used, world.faults.salesforce.daily_calls);
    vec![(HeaderName::from_static("sforce-limit-info"), usage)]
}

fn max_body_bytes(template: &str) -> usize {
    if template.ends_with("/batches") {
        UPLOAD_BYTES
    } else if template.starts_with("/services/data") {
        BODY_BYTES
    } else {
        usual_body_bytes(template)
    }
}

/// Each route below a version of the API, with and without a slash at its end.
macro_rules! routes {
    (
        data { $($method:ident $rest:literal $plan:path;)* }
        alone { $($alone:expr;)* }
    ) => {
        &[
            $(
                Route::new(
                    Method::$method,
                    concat!("/services/data/{version}", $rest),
                    $plan,
                ),
                Route::new(
                    Method::$method,
                    concat!("/services/data/{version}", $rest, "/"),
                    $plan,
                ),
            )*
            $($alone),*
        ]
    };
}

const ROUTES: &[Route] = routes! {
    data {
        GET "" describe::resources;
        GET "/limits" describe::limits;
        GET "/sobjects" describe::global;
        GET "/sobjects/{object}" describe::basic;
        GET "/sobjects/{object}/describe" describe::whole;
        POST "/sobjects/{object}" one::create;
        GET "/sobjects/{object}/{id}" one::get;
        PATCH "/sobjects/{object}/{id}" one::update;
        DELETE "/sobjects/{object}/{id}" one::delete;
        GET "/sobjects/{object}/{field}/{value}" one::get_by_key;
        PATCH "/sobjects/{object}/{field}/{value}" one::upsert;
        DELETE "/sobjects/{object}/{field}/{value}" one::delete_by_key;
        POST "/composite/sobjects" collections::create;
        PATCH "/composite/sobjects" collections::update;
        DELETE "/composite/sobjects" collections::delete;
        GET "/composite/sobjects/{object}" collections::get;
        POST "/composite/sobjects/{object}" collections::read;
        PATCH "/composite/sobjects/{object}/{field}" collections::upsert;
        POST "/composite" composite::composite;
        POST "/composite/graph" composite::graph::graphs;
        POST "/composite/batch" composite::batch;
        GET "/query" query::query;
        GET "/queryAll" query::query_all;
        GET "/search" search::search;
        GET "/query/{locator}" query::more;
        GET "/queryAll/{locator}" query::more;
        POST "/jobs/ingest" jobs::create;
        GET "/jobs/ingest" jobs::list;
        GET "/jobs/ingest/{job}" jobs::get;
        PATCH "/jobs/ingest/{job}" jobs::change;
        DELETE "/jobs/ingest/{job}" jobs::delete;
        PUT "/jobs/ingest/{job}/batches" jobs::upload;
        GET "/jobs/ingest/{job}/successfulResults" jobs::results::successful;
        GET "/jobs/ingest/{job}/failedResults" jobs::results::failed;
        GET "/jobs/ingest/{job}/unprocessedrecords" jobs::results::unprocessed;
        // As some clients write it.
        GET "/jobs/ingest/{job}/unprocessedRecords" jobs::results::unprocessed;
    }
    alone {
        open(Method::GET, "/services/data", describe::versions);
        open(Method::GET, "/services/data/", describe::versions);
        open(Method::POST, "/services/oauth2/token", login::token);
        open(Method::POST, "/services/Soap/u/{version}", login::soap);
        open(Method::POST, "/services/Soap/m/{version}", metadata::call);
        open(Method::POST, "/services/Soap/m/{version}/{organization}", metadata::call);
        Route::new(Method::GET, "/services/oauth2/userinfo", login::user);
        Route::new(Method::GET, "/id/{organization}/{user}", login::user);
    }
};

const fn open(
    method: Method,
    template: &'static str,
    plan: fn(&Request, &super::faults::Faults) -> Result<Plan, Answer>,
) -> Route {
    Route { method, template, access: Access::Open, plan }
}

/// The version in a path, such as `55.0`.
///
/// # Errors
/// It is none that there is.
fn version(request: &Request) -> Result<String, Problem> {
    let text = request.place(0).unwrap_or_default();
    let version = text.strip_prefix('v').and_then(|version| version.strip_suffix(".0"));
    let number = version.and_then(|version| version.parse::<u8>().ok());
    match number.filter(|number| describe::VERSIONS.contains(number)) {
        Some(number) => Ok(format!("{number}.0")),
        None => Err(Problem::no_resource()),
    }
}

/// The n-th placeholder of a path whose version is one that there is.
fn place(request: &Request, n: usize) -> Result<String, Problem> {
    version(request)?;
    let text = request.place(n).map_err(|_| Problem::no_resource())?;
    Ok(text.to_owned())
}

/// The object of a path, as a new account has it.
fn object(request: &Request) -> Result<&'static Object, Problem> {
    Object::find(&place(request, 1)?).ok_or_else(Problem::no_resource)
}

/// The body, as the call needs it.
fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    let kind = request.header("content-type").unwrap_or_default();
    if !kind.to_ascii_lowercase().starts_with("application/json") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            format!("Content type {kind} not supported."),
        ));
    }
    let bytes = plain(request)?;
    serde_json::from_slice(&bytes).map_err(|error| Problem::json(error.to_string()))
}

/// The body, decompressed if it has to be.
fn plain(request: &Request) -> Result<bytes::Bytes, Problem> {
    match request.header("content-encoding") {
        None | Some("identity") => Ok(request.body.clone()),
        Some("gzip") => {
            let mut bytes = Vec::new();
            let most = UPLOAD_BYTES as u64;
            flate2::read::GzDecoder::new(&*request.body)
                .take(most)
                .read_to_end(&mut bytes)
                .map_err(|error| Problem::bad("UNKNOWN_EXCEPTION", error.to_string()))?;
            Ok(bytes.into())
        }
        Some(other) => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            format!("Content encoding {other} not supported."),
        )),
    }
}

/// Whether the call allows records that are like others.
fn allows_duplicates(request: &Request) -> bool {
    let header = request.header("sforce-duplicate-rule-header").unwrap_or_default();
    header.split([';', ',']).any(|part| {
        part.trim().split_once('=').is_some_and(|(name, value)| {
            name.trim().eq_ignore_ascii_case("allowSave")
                && value.trim().eq_ignore_ascii_case("true")
        })
    })
}

/// A plan that writes no record.
fn reading(
    run: impl FnOnce(&mut World, Instant) -> Result<Answer, Vec<Problem>> + Send + 'static,
) -> Plan {
    writing(Vec::new(), run)
}

/// A plan that writes `targets`.
fn writing(
    targets: Vec<Target>,
    run: impl FnOnce(&mut World, Instant) -> Result<Answer, Vec<Problem>> + Send + 'static,
) -> Plan {
    Plan::writing(targets, move |world, now| {
        run(world, now).unwrap_or_else(|problems| problem::answer(&problems))
    })
}

/// A record that a call may write, as far as it says which: by its id, or by a key.
fn target(object: &Object, id: Option<&str>, key: Option<(&str, &str)>) -> Target {
    let known = |name| object.field(name).map_or(name, |field| field.name);
    Target {
        object: object.records(),
        id: id.and_then(|id| ids::number(object.prefix, id)),
        external: key
            .map(|(name, value)| (format!("{FOLDED}{}", known(name)), value.trim().to_lowercase())),
    }
}
