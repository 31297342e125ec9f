//! What a query finds.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::catalog::Object;
use super::filter::{Filter, Path, referred};
use super::problem::Problem;
use super::soql::{self, Selected};
use super::state::Values;
use super::{held, rules, shown};
use crate::sandbox::world::World;

/// Rows that may be skipped.
const MAX_OFFSET: usize = 2000;

/// The answer to a query, all of it.
#[derive(Debug)]
pub(super) struct Rows {
    /// How many there are, where none are shown.
    pub(super) total: usize,
    pub(super) records: Vec<Value>,
}

/// Runs a query.
///
/// # Errors
/// It cannot be read, or names what is not there.
pub(super) fn run(world: &mut World, text: &str, with_deleted: bool) -> Result<Rows, Problem> {
    let query = soql::parse(text)?;
    let org = &world.salesforce.org;
    let object = org.find(&query.object.text).ok_or_else(|| {
        let message = format!(
            "sObject type '{}' is not supported. If you are attempting to use a custom object, be \
             sure to append the '__c' after the entity name. Please reference your WSDL or the \
             describe call for the appropriate names.",
            query.object.text
        );
        soql::at("INVALID_TYPE", text, &query.object, &message)
    })?;
    if query.offset > MAX_OFFSET {
        let message = format!("Maximum SOQL offset allowed is {MAX_OFFSET}");
        return Err(Problem::bad("NUMBER_OUTSIDE_VALID_RANGE", message));
    }
    let path = |word| Path::of(org, text, object, word);
    let fields: Vec<Path> = match &query.fields {
        Selected::Fields(words) => words.iter().map(path).collect::<Result<_, _>>()?,
        Selected::CountOf(one) => vec![path(one)?],
        Selected::Count => Vec::new(),
    };
    let mut seen = HashSet::new();
    if let Selected::Fields(words) = &query.fields {
        for word in words {
            if !seen.insert(word.text.to_lowercase()) {
                let message = format!("duplicate field selected: {}", word.text);
                return Err(soql::at("INVALID_FIELD", text, word, &message));
            }
        }
    }
    let order: Vec<(Path, bool, bool)> = query
        .order
        .iter()
        .map(|order| Ok((path(&order.path)?, order.is_descending, order.has_nulls_last)))
        .collect::<Result<_, Problem>>()?;
    let filter =
        query.filter.map(|condition| Filter::of(org, text, object, condition)).transpose()?;
    if object.name == "ContentDocumentLink"
        && !filter
            .as_ref()
            .is_some_and(|filter| filter.names(&["ContentDocumentId", "LinkedEntityId"]))
    {
        let message = "Implementation restriction: ContentDocumentLink requires a filter by a single \
                       Id on ContentDocumentId or LinkedEntityId using the equals operator or \
                       multiple Id's using the IN operator.";
        return Err(Problem::bad("MALFORMED_QUERY", message));
    }
    let mut found = candidates(world, object, filter.as_ref(), with_deleted);
    if let Some(filter) = &filter {
        found.retain(|record| filter.fits(world, record));
    }
    if !order.is_empty() {
        found.sort_by(|left, right| {
            let mut compared = Ordering::Equal;
            for (path, is_descending, has_nulls_last) in &order {
                let (left, right) = (path.value(world, left), path.value(world, right));
                compared =
                    compared.then_with(|| sorted(&left, &right, *is_descending, *has_nulls_last));
            }
            compared
        });
    }
    let found = found.into_iter().skip(query.offset).take(query.limit.unwrap_or(usize::MAX));
    match query.fields {
        Selected::Count => Ok(Rows { total: found.count(), records: Vec::new() }),
        Selected::CountOf(_) => {
            let has =
                |record: &Values| fields.iter().all(|path| !path.value(world, record).is_null());
            let count = found.filter(has).count();
            let record = json!({"attributes": {"type": "AggregateResult"}, "expr0": count});
            Ok(Rows { total: 1, records: vec![record] })
        }
        Selected::Fields(_) => {
            let records: Vec<Value> =
                found.map(|record| row(world, object, &record, &fields)).collect();
            Ok(Rows { total: records.len(), records })
        }
    }
}

/// Records that may fit: by the index where the filter says which text it looks for.
fn candidates(
    world: &mut World,
    object: &'static Object,
    filter: Option<&Filter>,
    with_deleted: bool,
) -> Vec<Values> {
    let exact = filter.filter(|_| !with_deleted).and_then(Filter::exact);
    let Some((field, texts)) = exact else { return held::all(world, object, with_deleted) };
    let mut numbers: Vec<u64> =
        texts.into_iter().flat_map(|text| rules::find(world, object, field, text)).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.into_iter().filter_map(|number| held::get(world, object, number)).collect()
}

fn row(world: &World, object: &'static Object, record: &Values, fields: &[Path]) -> Value {
    let id = record.get("Id").and_then(Value::as_str).unwrap_or_default();
    let mut row = Map::new();
    row.insert("attributes".to_owned(), shown::attributes(object, id));
    for path in fields {
        if path.through.is_empty() {
            row.insert(path.field.name.to_owned(), shown::value(object, record, path.field.name));
        } else {
            nest(world, &mut row, record, path, 0);
        }
    }
    row.into()
}

/// Puts the value of a path where its references lead, each with the record's attributes.
fn nest(world: &World, row: &mut Map<String, Value>, record: &Values, path: &Path, depth: usize) {
    let Some(reference) = path.through.get(depth) else {
        row.insert(path.field.name.to_owned(), shown::value(path.object, record, path.field.name));
        return;
    };
    let name = reference.relation().unwrap_or_default();
    let id = record.get(reference.name).cloned().unwrap_or_default();
    let Some(held) = referred(world, &id) else {
        row.insert(name, Value::Null);
        return;
    };
    let attributes = || {
        let object = Object::of_id(id.as_str().unwrap_or_default())?;
        Some(shown::attributes(object, id.as_str()?))
    };
    let inner = row.entry(name).or_insert_with(|| json!({"attributes": attributes()}));
    if let Value::Object(inner) = inner {
        nest(world, inner, &held, path, depth + 1);
    }
}

/// Nulls stand first unless told otherwise, whichever the direction.
fn sorted(left: &Value, right: &Value, is_descending: bool, has_nulls_last: bool) -> Ordering {
    match (left.is_null(), right.is_null()) {
        (true, true) => return Ordering::Equal,
        (true, false) if has_nulls_last => return Ordering::Greater,
        (false, true) if has_nulls_last => return Ordering::Less,
        (true, false) => return Ordering::Less,
        (false, true) => return Ordering::Greater,
        (false, false) => {}
    }
    let compared = match (left, right) {
        (Value::String(left), Value::String(right)) => {
            left.to_lowercase().cmp(&right.to_lowercase())
        }
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        _ => left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Ordering::Equal),
    };
    if is_descending { compared.reverse() } else { compared }
}
