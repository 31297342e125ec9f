//! Search by the values of one property: complete in the end, but not at once.

use std::collections::BTreeSet;
use std::time::Duration;

use hyper::StatusCode;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::rules::Problem;
use super::{MAX_ROWS, body, cursor, limit, object, page};
use crate::sandbox::faults::Faults;
use crate::sandbox::memory;
use crate::sandbox::record::id_text;
use crate::sandbox::remote::{Answer, Plan, Request};
use crate::sandbox::world::World;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct In<'a> {
    #[serde(borrow, rename = "in")]
    values: Vec<&'a RawValue>,
}

/// `POST /v1/{object}/search`: `{"PROPERTY": {"in": […]}, "limit"?, "after"?}`. Records whose
/// property is one of those asked for, in the order of ids; a number finds what is written with the
/// same digits. By `id` what was written is found at once.
pub(super) fn search(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let object = object(request)?;
    let unreadable = |error| Problem::invalid(&format!("the search cannot be read: {error}"));
    let mut search: IndexMap<String, &RawValue> =
        serde_json::from_slice(body(request)?).map_err(unreadable)?;
    let limit_text = search.shift_remove("limit").map(|limit| limit.get().to_owned());
    let after: Option<String> = match search.shift_remove("after") {
        Some(after) => serde_json::from_str(after.get()).map_err(unreadable)?,
        None => None,
    };
    let Some((property, values)) = search.pop().filter(|_| search.is_empty()) else {
        return Err(Problem::invalid("a search names exactly one property").into());
    };
    let In { values } = serde_json::from_str(values.get()).map_err(unreadable)?;
    let asked = values.len();
    if asked > MAX_ROWS {
        let message = format!("{asked} ids are over the limit of {MAX_ROWS}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "TOO_MANY", &message).into());
    }
    let values: Option<Vec<_>> = values.iter().map(|value| id_text(value)).collect();
    let values = values.ok_or_else(|| Problem::invalid("an id is not a string or a number"))?;
    let limit = limit(limit_text.as_deref())?;
    let after = cursor(after.as_deref())?;
    let by_id = property == "id";
    let lag = Duration::from_millis(if by_id { 0 } else { faults.search_lag_ms });
    Ok(Plan::reading(move |world, now| {
        let World { memory, .. } = world;
        let mut ids = BTreeSet::new();
        for value in &values {
            if by_id {
                ids.extend(memory::id(value));
            } else {
                ids.extend(memory.find(&object, &property, value));
            }
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
