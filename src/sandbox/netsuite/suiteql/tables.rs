//! The tables that are made of records, one row each: columns are the fields in lower case, values
//! are texts.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_157909186990.html>; which
//! columns there are: the Records Catalog of an account.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::Value as Json;

use super::super::catalog::{Kind, Type};
use super::super::lines::id;
use super::super::list::is_seen;
use super::super::state::Values;
use super::super::{body, held, payments};
use super::derived;
use super::value::shown_day;
use crate::sandbox::world::World;

/// A table.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Option<String>>>,
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// The types or groups whose ids it holds.
    pub(super) to: &'static [&'static str],
}

/// That only rows are needed whose column is one of these texts, in any case of their letters.
#[derive(Debug)]
pub(super) struct Only {
    pub(super) column: String,
    pub(super) texts: Vec<String>,
}

/// The types of which a table is made that has one row for each record.
fn kinds(table: &str) -> Vec<&'static Type> {
    const LISTS: [&str; 13] = [
        "account",
        "vendor",
        "customer",
        "contact",
        "employee",
        "job",
        "subsidiary",
        "classification",
        "department",
        "location",
        "currency",
        "salestaxitem",
        "customrecord_widget",
    ];
    match table {
        "item" => Type::named("item").collect(),
        "transaction" => Type::named("transaction").collect(),
        "entity" => Type::named("entity").collect(),
        "customercategory" | "vendorcategory" => Type::find(table).into_iter().collect(),
        table if LISTS.contains(&table) => Type::find(table).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// A table, as far as it is needed. `None`: there is none of this name.
pub(super) fn load(
    world: &mut World,
    name: &str,
    only: Option<&Only>,
    now: Instant,
) -> Option<Table> {
    let kinds = kinds(name);
    if kinds.is_empty() {
        return derived::load(world, name, only, now);
    }
    let mut columns: Vec<Column> = Vec::new();
    let mut add = |name: &str, to: &'static [&'static str]| {
        if !columns.iter().any(|column| column.name == name) {
            columns.push(Column { name: name.to_owned(), to });
        }
    };
    add("id", &[]);
    add("externalid", &[]);
    for kind in &kinds {
        for field in kind.all_fields() {
            match field.kind {
                Kind::Lines(..) | Kind::Part(_) => {}
                Kind::To(types) | Kind::ToMany(types) => add(&column(field.name), types),
                _ => add(&column(field.name), &[]),
            }
        }
    }
    for extra in extras(name) {
        add(extra, &[]);
    }
    let paid = if name == "transaction" { payments::paid(world, None) } else { HashMap::new() };
    let mut rows = Vec::new();
    for kind in kinds {
        for (id, values) in records(world, kind, only, now) {
            let row = columns.iter().map(|column| cell(kind, id, &values, &paid, &column.name));
            rows.push(row.collect());
        }
    }
    Some(Table { columns, rows })
}

/// The records of a type that are needed, and that search sees by now.
pub(super) fn records(
    world: &mut World,
    kind: &'static Type,
    only: Option<&Only>,
    now: Instant,
) -> Vec<(u64, Values)> {
    let field = |only: &Only| match only.column.as_str() {
        "externalid" => Some("externalId"),
        column => {
            kind.all_fields().map(|field| field.name).find(|name| self::column(name) == column)
        }
    };
    let found = match only {
        Some(only) if only.column == "id" => {
            let ids = only.texts.iter().filter_map(|text| held::id(text));
            let ids = ids.filter_map(|id| Some((id, held::get(world, kind, id)?)));
            Some(ids.collect::<Vec<_>>())
        }
        Some(only) => field(only).map(|field| {
            let texts = only.texts.iter();
            let mut ids: Vec<u64> =
                texts.flat_map(|text| held::find(world, kind, field, text)).collect();
            ids.sort_unstable();
            ids.dedup();
            ids.into_iter().filter_map(|id| Some((id, held::get(world, kind, id)?))).collect()
        }),
        None => None,
    };
    let mut found = found.unwrap_or_else(|| held::all(world, kind));
    found.retain(|(id, _)| is_seen(world, kind, *id, now));
    found
}

/// How a field is called in tables.
fn column(field: &str) -> String {
    field.to_lowercase()
}

/// Columns that are no fields.
fn extras(table: &str) -> &'static [&'static str] {
    match table {
        "item" => &["itemtype", "subtype", "fullname"],
        "transaction" => &["type", "recordtype", "foreigntotal", "status", "entity"],
        "account" => &["fullname", "accountsearchdisplayname"],
        "salestaxitem" => &["name"],
        "subsidiary" | "classification" | "department" | "location" => &["fullname"],
        "entity" => &["type"],
        _ => &[],
    }
}

/// The value of a column: a field's, but for those that are none or have another value.
fn cell(
    kind: &'static Type,
    own: u64,
    values: &Values,
    paid: &HashMap<String, f64>,
    column: &str,
) -> Option<String> {
    let (first, second) = kind.code.split_once('/').unwrap_or((kind.code, ""));
    match (column, kind.group) {
        ("id", _) => Some(own.to_string()),
        ("externalid", _) => text(values.get("externalId"), Kind::Text),
        ("itemtype", "item") | ("type", _) => Some(first.to_owned()),
        ("subtype", "item") => Some(second.to_owned()).filter(|text| !text.is_empty()),
        ("fullname", "item") => text(values.get("itemId"), Kind::Text),
        ("fullname" | "accountsearchdisplayname", "account") => {
            text(values.get("acctName"), Kind::Text)
        }
        ("name", _) if kind.name == "salesTaxItem" => text(values.get("itemId"), Kind::Text),
        ("fullname", _) => text(values.get("name"), Kind::Text),
        ("recordtype", "transaction") => Some(kind.name.to_lowercase()),
        ("foreigntotal", "transaction") => {
            let total = values.get("total").and_then(Json::as_f64).unwrap_or_default();
            Some((derived::sign(kind.name) * total).to_string())
        }
        ("entity", "transaction") if kind.name == "customerPayment" => {
            id(values.get("customer")).map(str::to_owned)
        }
        ("status", "transaction") => Some(status(kind, own, values, paid).to_owned()),
        _ => {
            let field = kind.all_fields().find(|field| self::column(field.name) == column)?;
            text(values.get(field.name), field.kind)
        }
    }
}

/// `A` is open, `B` is paid in full.
fn status(kind: &Type, own: u64, values: &Values, paid: &HashMap<String, f64>) -> &'static str {
    let total = values.get("total").and_then(Json::as_f64).unwrap_or_default();
    let paid = paid.get(&own.to_string()).copied().unwrap_or_default();
    let is_owed = matches!(kind.name, "vendorBill" | "invoice");
    if is_owed && paid + 0.001 >= total { "B" } else { "A" }
}

/// A value as texts have it.
pub(super) fn text(value: Option<&Json>, kind: Kind) -> Option<String> {
    if let Kind::Bool = kind {
        let is_true = value == Some(&Json::Bool(true));
        return Some(if is_true { "T" } else { "F" }.to_owned());
    }
    match (value?, kind) {
        (Json::String(text), Kind::Date) => body::day(text).map(shown_day),
        (Json::String(text), _) => Some(text.clone()).filter(|text| !text.is_empty()),
        (Json::Number(number), _) => {
            Some(number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string()))
        }
        (Json::Object(object), Kind::ToMany(_)) => {
            let items = object.get("items")?.as_array()?.iter();
            let ids: Vec<&str> = items.filter_map(|item| id(Some(item))).collect();
            Some(ids.join(", "))
        }
        (Json::Object(_), _) => id(value).map(str::to_owned),
        _ => None,
    }
}
