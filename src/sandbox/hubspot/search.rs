//! `POST …/{object}/search`: any record by its values, but not at once.
//!
//! Limits: <https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm>.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::time::Duration;

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::Kind;
use super::object::Object;
use super::problem::Problem;
use super::rules::normal;
use super::shown::{Wanted, show};
use super::{body, object_name, reading};
use crate::sandbox::faults::Faults;
use crate::sandbox::memory::Memory;
use crate::sandbox::remote::{Answer, Plan, Request};

const MAX_GROUPS: usize = 5;
const MAX_FILTERS: usize = 6;
const MAX_FILTERS_IN_ALL: usize = 18;
const MAX_PAGE: usize = 200;
const PAGE: usize = 10;
/// Results of one search, over all its pages.
const MAX_RESULTS: usize = 10_000;

/// Values of one filter.
const MAX_VALUES: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Search {
    #[serde(default)]
    filter_groups: Vec<Group>,
    #[serde(default)]
    properties: Vec<String>,
    limit: Option<usize>,
    after: Option<Value>,
}

#[derive(Deserialize)]
struct Group {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    property_name: String,
    operator: String,
    value: Option<String>,
    high_value: Option<String>,
    values: Option<Vec<String>>,
}

pub(super) fn search(request: &Request, faults: &Faults) -> Result<Plan, Answer> {
    let name = object_name(request)?;
    let search: Search = body(request)?;
    let in_all: usize = search.filter_groups.iter().map(|group| group.filters.len()).sum();
    if search.filter_groups.len() > MAX_GROUPS
        || search.filter_groups.iter().any(|group| group.filters.len() > MAX_FILTERS)
        || in_all > MAX_FILTERS_IN_ALL
    {
        return Err(Problem::invalid("The request has too many filters or groups of them").into());
    }
    let limit = search.limit.unwrap_or(PAGE);
    if limit > MAX_PAGE {
        let message = format!("limit {limit} is over {MAX_PAGE}");
        return Err(Problem::invalid(message).into());
    }
    let after = match &search.after {
        None | Some(Value::Null) => 0,
        Some(Value::String(text)) if text.is_empty() => 0,
        Some(value) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.parse().map_err(|_| Problem::invalid("after is no cursor"))?
        }
    };
    if after > MAX_RESULTS - limit {
        let message = format!("a search goes no further than {MAX_RESULTS} results");
        return Err(Problem::invalid(message).into());
    }
    let lag = Duration::from_millis(faults.search_lag_ms);
    Ok(reading(move |memory, now| {
        let object = Object::find(memory, &name)?;
        for filter in search.filter_groups.iter().flat_map(|group| &group.filters) {
            check(memory, &object, filter)?;
        }
        let records = object.records();
        let candidates = candidates(memory, &records, &search.filter_groups);
        let ids: Vec<u64> = candidates
            .into_iter()
            .filter(|id| {
                memory
                    .get(&records, *id)
                    .is_some_and(|record| record.created.is_none_or(|created| now >= created + lag))
            })
            .filter(|id| {
                search.filter_groups.is_empty()
                    || search.filter_groups.iter().any(|group| {
                        group.filters.iter().all(|filter| fits(memory, &records, *id, filter))
                    })
            })
            .collect();
        let wanted = Wanted::named(search.properties, &object);
        let here: Vec<Value> = ids
            .iter()
            .skip(after)
            .take(limit)
            .filter_map(|id| show(memory, &object, *id, &wanted))
            .collect();
        let mut found = json!({"total": ids.len(), "results": here});
        if ids.len() > after + limit {
            found["paging"] = json!({"next": {"after": (after + limit).to_string()}});
        }
        Ok(Answer::json(StatusCode::OK, found.to_string()))
    }))
}

fn check(memory: &mut Memory, object: &Object, filter: &Filter) -> Result<(), Problem> {
    let name = &filter.property_name;
    let Some(property) = object.property(memory, name) else {
        return Err(Problem::invalid(format!(
            "There was a problem with the request: the property {name} does not exist"
        )));
    };
    let needs = match filter.operator.as_str() {
        "EQ" | "NEQ" | "LT" | "LTE" | "GT" | "GTE" | "CONTAINS_TOKEN" | "NOT_CONTAINS_TOKEN" => {
            filter.value.is_some()
        }
        "BETWEEN" => filter.value.is_some() && filter.high_value.is_some(),
        "IN" | "NOT_IN" => filter.values.is_some(),
        "HAS_PROPERTY" | "NOT_HAS_PROPERTY" => true,
        other => return Err(Problem::invalid(format!("{other} is no operator"))),
    };
    let is_number = |value: &Option<String>| {
        value.as_ref().is_none_or(|value| value.trim().parse::<f64>().is_ok())
    };
    if filter.values.as_ref().is_some_and(|values| values.len() > MAX_VALUES) {
        return Err(Problem::invalid(format!("more than {MAX_VALUES} values in one filter")));
    }
    if property.kind == Kind::Number && !is_number(&filter.value) {
        return Err(Problem::invalid(format!("a value for {name} is no number")));
    }
    if needs {
        Ok(())
    } else {
        Err(Problem::invalid(format!("the operator {} has no value", filter.operator)))
    }
}

/// The records that may fit: by the index where each group says which value it looks for.
fn candidates(memory: &mut Memory, records: &str, groups: &[Group]) -> BTreeSet<u64> {
    let mut ids = BTreeSet::new();
    for group in groups {
        let exact = group.filters.iter().find_map(|filter| match filter.operator.as_str() {
            "EQ" => Some((&filter.property_name, vec![filter.value.clone().unwrap_or_default()])),
            "IN" => Some((&filter.property_name, filter.values.clone().unwrap_or_default())),
            _ => None,
        });
        let Some((name, values)) = exact.filter(|(name, _)| *name == "email") else {
            return memory.after(records, 0).map(|(id, _)| id).collect();
        };
        for value in values {
            ids.extend(memory.find(records, name, &normal(name, &value)));
        }
    }
    if groups.is_empty() { memory.after(records, 0).map(|(id, _)| id).collect() } else { ids }
}

fn fits(memory: &Memory, records: &str, id: u64, filter: &Filter) -> bool {
    let held = if filter.property_name == "hs_object_id" {
        Some(id.to_string())
    } else {
        memory.get(records, id).and_then(|record| record.fields().id_text(&filter.property_name))
    };
    let held = held.map(|text| text.to_lowercase());
    let is = |value: &str| held.as_deref() == Some(value.to_lowercase().as_str());
    let value = filter.value.as_deref().unwrap_or_default();
    let values = filter.values.as_deref().unwrap_or_default();
    let compared = |to: &str| held.as_deref().map(|held| compare(held, to));
    match filter.operator.as_str() {
        "EQ" => is(value),
        "NEQ" => held.is_some() && !is(value),
        "IN" => values.iter().any(|value| is(value)),
        "NOT_IN" => held.is_some() && !values.iter().any(|value| is(value)),
        "HAS_PROPERTY" => held.is_some(),
        "NOT_HAS_PROPERTY" => held.is_none(),
        "LT" => compared(value) == Some(Ordering::Less),
        "LTE" => compared(value).is_some_and(Ordering::is_le),
        "GT" => compared(value) == Some(Ordering::Greater),
        "GTE" => compared(value).is_some_and(Ordering::is_ge),
        "BETWEEN" => {
            let high = filter.high_value.as_deref().unwrap_or_default();
            compared(value).is_some_and(Ordering::is_ge)
                && compared(high).is_some_and(Ordering::is_le)
        }
        "CONTAINS_TOKEN" => has_token(held.as_deref(), value),
        "NOT_CONTAINS_TOKEN" => held.is_some() && !has_token(held.as_deref(), value),
        _ => false,
    }
}

fn compare(held: &str, to: &str) -> Ordering {
    match (held.parse::<f64>(), to.parse::<f64>()) {
        (Ok(held), Ok(to)) => held.total_cmp(&to),
        _ => held.cmp(&to.to_lowercase()),
    }
}

/// `*` stands for anything.
fn has_token(held: Option<&str>, token: &str) -> bool {
    let token = token.trim_matches('*').to_lowercase();
    held.is_some_and(|held| held.contains(&token))
}
