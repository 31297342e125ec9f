//! `GET /record/v1/{type}`: the ids of records, in pages, all of them or those that `q` describes.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_1545222128.html>. Of the
//! conditions, a few: `EMPTY`, `IS`, `EQUAL`, `CONTAIN`, `START_WITH`, joined by `AND`.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::{Value, json};

use super::catalog::Type;
use super::problem::Problem;
use super::state::Values;
use super::{base, held, jobs, kind, reading, shown};
use crate::sandbox::faults::Faults;
use crate::sandbox::remote::{Answer, Content, Plan, Request};
use crate::sandbox::world::World;

/// Rows of a page, at most.
const MAX_ROWS: usize = 1000;

/// A part of a collection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub(super) limit: usize,
    pub(super) offset: usize,
}

impl Page {
    /// <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_156414087576.html>
    pub(super) fn parse(request: &Request, faults: &Faults) -> Result<Self, Problem> {
        let number = |name: &str| match request.parameter(name) {
            None => Ok(None),
            Some(text) => text.parse::<usize>().map(Some).map_err(|_| {
                let detail = format!("Invalid value '{text}' of the query parameter '{name}'.");
                Problem::bad("INVALID_PARAMETER", detail).parameter(name)
            }),
        };
        let most = faults.netsuite.page_rows.clamp(1, MAX_ROWS);
        let limit = number("limit")?.unwrap_or(MAX_ROWS);
        if limit == 0 || limit > MAX_ROWS {
            let detail = format!(
                "Invalid limit parameter value. The limit must be between 1 and {MAX_ROWS}."
            );
            return Err(Problem::bad("INVALID_PARAMETER", detail).parameter("limit"));
        }
        let offset = number("offset")?.unwrap_or(0);
        if !offset.is_multiple_of(limit) {
            let detail =
                "Invalid offset parameter value. The offset must be divisible by the limit.";
            return Err(Problem::bad("INVALID_PARAMETER", detail).parameter("offset"));
        }
        Ok(Self { limit: limit.min(most), offset })
    }

    /// The answer with this part of all rows.
    pub(super) fn answer(self, address: &str, rows: Vec<Value>) -> Answer {
        let total = rows.len();
        let items: Vec<Value> = rows.into_iter().skip(self.offset).take(self.limit).collect();
        let next = self.offset + items.len();
        let has_more = next < total;
        let mut links = vec![json!({"rel": "self", "href": address})];
        if has_more {
            let href = format!("{address}?limit={}&offset={next}", self.limit);
            links.push(json!({"rel": "next", "href": href}));
        }
        let told = json!({
            "links": links,
            "count": items.len(),
            "hasMore": has_more,
            "items": items,
            "offset": self.offset,
            "totalResults": total,
        });
        let media_type = "application/vnd.oracle.resource+json; type=collection";
        let content = Content::Text(media_type, told.to_string());
        Answer { status: StatusCode::OK, headers: Vec::new(), content }
    }
}

/// Whether search sees a record by now.
pub(super) fn is_seen(world: &World, kind: &Type, id: u64, now: Instant) -> bool {
    let lag = Duration::from_millis(world.faults.search_lag_ms);
    let record = held::number(id).and_then(|number| world.memory.get(&kind.records(), number));
    let created = record.and_then(|record| record.created);
    created.is_none_or(|created| created + lag <= now)
}

/// `GET /record/v1/{type}?q=&limit=&offset=`
pub(super) fn list(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let kind = kind(request)?;
    let page = Page::parse(request, faults)?;
    let conditions = match request.parameter("q") {
        Some(text) => conditions(kind, &text)?,
        None => Vec::new(),
    };
    let base = base(request);
    let read = move |world: &mut World, now: Instant| {
        let mut rows = Vec::new();
        for (id, values) in held::all(world, kind) {
            let fits = conditions.iter().all(|condition| condition.fits(id, &values));
            if fits && is_seen(world, kind, id, now) {
                let links = shown::links(&shown::address(&base, kind, id));
                rows.push(json!({"links": links, "id": id.to_string()}));
            }
        }
        let address = format!("{base}/services/rest/record/v1/{}", kind.name);
        page.answer(&address, rows)
    };
    if jobs::is_asked(request) {
        return jobs::submit(request, faults, vec![Box::new(read)]);
    }
    Ok(reading(move |world, now| Ok(read(world, now))))
}

#[derive(Debug)]
struct Condition {
    field: String,
    operator: String,
    value: String,
}

impl Condition {
    fn fits(&self, id: u64, values: &Values) -> bool {
        let held =
            if self.field == "id" { Some(id.to_string()) } else { text(values, &self.field) };
        let held = held.map(|held| held.to_lowercase());
        let value = self.value.to_lowercase();
        match (self.operator.as_str(), held) {
            ("EMPTY", held) => held.is_none(),
            ("IS" | "EQUAL", Some(held)) => held == value,
            ("CONTAIN", Some(held)) => held.contains(&value),
            ("START_WITH", Some(held)) => held.starts_with(&value),
            _ => false,
        }
    }
}

fn text(values: &Values, name: &str) -> Option<String> {
    match values.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Object(reference) => Some(reference.get("id")?.as_str()?.to_owned()),
        other => Some(other.to_string()),
    }
}

fn conditions(kind: &'static Type, text: &str) -> Result<Vec<Condition>, Problem> {
    let refused = |detail: String| Problem::bad("INVALID_PARAMETER", detail).parameter("q");
    text.split(" AND ")
        .map(|part| {
            let mut words = part.trim().splitn(3, ' ');
            let field = words.next().unwrap_or_default().to_owned();
            let operator = words.next().unwrap_or_default().to_uppercase();
            let value = words.next().unwrap_or_default().trim().trim_matches(['"', '\'']);
            let is_known =
                matches!(field.as_str(), "id" | "externalId") || kind.field(&field).is_some();
            if !is_known {
                return Err(refused(format!("Invalid query filter: unknown field '{field}'.")));
            }
            if !matches!(operator.as_str(), "EMPTY" | "IS" | "EQUAL" | "CONTAIN" | "START_WITH") {
                return Err(refused(format!("Invalid query filter operator '{operator}'.")));
            }
            Ok(Condition { field, operator, value: value.to_owned() })
        })
        .collect()
}
