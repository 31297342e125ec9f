//! Search by external ids: complete in the end, but not at once.

use std::collections::BTreeSet;
use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::rules::Problem;
use super::{EXT_ID, MAX_ROWS, body, cursor, limit, object, page};
use crate::sandbox::faults::Faults;
use crate::sandbox::record::id_text;
use crate::sandbox::remote::{Answer, Plan, Request};
use crate::sandbox::world::World;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search<'a> {
    #[serde(borrow)]
    ext_id: In<'a>,
    limit: Option<u64>,
    after: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct In<'a> {
    #[serde(borrow, rename = "in")]
    values: Vec<&'a RawValue>,
}

/// `POST /v1/{object}/search`: records whose `ext_id` is one of those asked for, in the order of
/// ids. A number finds the record whose `ext_id` is written with the same digits.
pub(super) fn search(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let object = object(request)?;
    let search: Search<'_> = serde_json::from_slice(body(request)?)
        .map_err(|error| Problem::invalid(&format!("the search cannot be read: {error}")))?;
    let asked = search.ext_id.values.len();
    if asked > MAX_ROWS {
        let message = format!("{asked} ids are over the limit of {MAX_ROWS}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "TOO_MANY", &message).into());
    }
    let values: Option<Vec<_>> = search.ext_id.values.iter().map(|value| id_text(value)).collect();
    let values = values.ok_or_else(|| Problem::invalid("an id is not a string or a number"))?;
    let limit = limit(search.limit.map(|limit| limit.to_string()).as_deref())?;
    let after = cursor(search.after.as_deref())?;
    let lag = Duration::from_millis(faults.search_lag_ms);
    Ok(Plan::reading(move |world, now| {
        let World { memory, .. } = world;
        let mut ids = BTreeSet::new();
        for value in &values {
            ids.extend(memory.find(&object, EXT_ID, value));
        }
        let mut found = ids.into_iter().filter(|id| *id > after).filter_map(|id| {
            let record = memory.get(&object, id)?;
            let visible = record.created.is_none_or(|created| now >= created + lag);
            visible.then_some((id, record))
        });
        let mut last = after;
        let mut rows = Vec::new();
        for (id, record) in found.by_ref().take(limit) {
            let mut row = String::new();
            record.write(id, &mut row);
            rows.push(row);
            last = id;
        }
        page(&rows, found.next().map(|_| last))
    }))
}
