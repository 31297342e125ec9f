//! `…/query`: what was written is found at once. Rows that have no room in an answer are had by its
//! `nextRecordsUrl`.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_query.htm>

use hyper::StatusCode;
use serde_json::json;

use super::problem::Problem;
use super::state::Cursor;
use super::{ids, place, reading, select, version};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Plan, Request};
use crate::sandbox::world::World;

/// What the ids of cursors begin with.
const PREFIX: &str = "01g";
/// Bytes of a path with its query, and its headers, at most.
/// <https://developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta/salesforce_app_limits_cheatsheet/salesforce_app_limits_platform_api.htm>
const MAX_URI_BYTES: usize = 16_384;
/// Characters of a query.
const MAX_QUERY: usize = 100_000;

/// `GET …/query?q=`
pub(super) fn query(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    plan(request, faults, false)
}

/// `GET …/queryAll?q=`: with what was deleted.
pub(super) fn query_all(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    plan(request, faults, true)
}

fn plan(request: &Request, faults: &Faults, with_deleted: bool) -> Result<Plan, Answer> {
    let version = version(request)?;
    if request.query.len() > MAX_URI_BYTES {
        let message = format!("the address is over the limit of {MAX_URI_BYTES} bytes");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, "URI_TOO_LONG", message).into());
    }
    let Some(text) = request.parameter("q").filter(|text| !text.trim().is_empty()) else {
        return Err(Problem::bad("MALFORMED_QUERY", "A query string has to be specified").into());
    };
    if text.chars().count() > MAX_QUERY {
        return Err(Problem::bad("QUERY_TOO_COMPLICATED", "Query is too complicated").into());
    }
    let page_rows = page_rows(request, faults);
    Ok(reading(move |world, _| {
        let select::Rows { total, records } = select::run(world, &text, with_deleted)?;
        if records.len() <= page_rows {
            let told = json!({"totalSize": total, "done": true, "records": records});
            return Ok(Answer::json(StatusCode::OK, told.to_string()));
        }
        let number = world.salesforce.number();
        world.salesforce.cursors.insert(number, Cursor { rows: records, page_rows });
        Ok(page(world, &version, number, 0)?)
    }))
}

/// `GET …/query/{locator}`
pub(super) fn more(request: &Request, _: &Faults) -> Result<Plan, Answer> {
    let (version, locator) = (version(request)?, place(request, 1)?);
    let parsed = locator
        .split_once('-')
        .and_then(|(id, from)| Some((ids::number(PREFIX, id)?, from.parse::<usize>().ok()?)));
    Ok(reading(move |world, _| {
        let (number, from) = parsed.ok_or_else(no_cursor)?;
        Ok(page(world, &version, number, from)?)
    }))
}

/// A page of a cursor's rows, from one of them.
fn page(world: &World, version: &str, number: u64, from: usize) -> Result<Answer, Problem> {
    let cursor = world.salesforce.cursors.get(&number).ok_or_else(no_cursor)?;
    let total = cursor.rows.len();
    if from >= total {
        return Err(no_cursor());
    }
    let to = total.min(from + cursor.page_rows);
    let mut told =
        json!({"totalSize": total, "done": to == total, "records": cursor.rows[from..to]});
    if to < total {
        let id = ids::long(PREFIX, number);
        told["nextRecordsUrl"] = format!("/services/data/v{version}/query/{id}-{to}").into();
    }
    Ok(Answer::json(StatusCode::OK, told.to_string()))
}

fn no_cursor() -> Problem {
    Problem::bad("INVALID_QUERY_LOCATOR", "invalid query locator")
}

/// Rows of a page: as the call asks, between 200 and 2,000, and never more than the faults file
/// says.
/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/headers_queryoptions.htm>
fn page_rows(request: &Request, faults: &Faults) -> usize {
    let header = request.header("sforce-query-options").unwrap_or_default();
    let asked = header.split([',', ';']).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("batchSize").then(|| value.trim().parse::<usize>().ok())?
    });
    let most = faults.salesforce.page_rows.max(1);
    asked.map_or(most, |asked| asked.clamp(200, 2000).min(most))
}
