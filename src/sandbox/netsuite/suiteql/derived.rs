//! The tables that are made of parts of records: lines of transactions, addresses, links between
//! payments and what they pay.

use std::time::Instant;

use serde_json::{Value as Json, json};

use super::super::catalog::{Kind, Type};
use super::super::lines::of;
use super::super::payments;
use super::super::state::Values;
use super::super::types::ADDRESS;
use super::tables::{Column, Only, Table, records, text};
use crate::sandbox::world::World;

/// Columns of lines, and what those refer to.
const LINE: [(&str, &[&str]); 22] = [
    ("transaction", &["transaction"]),
    ("id", &[]),
    ("linesequencenumber", &[]),
    ("uniquekey", &[]),
    ("mainline", &[]),
    ("taxline", &[]),
    ("accountinglinetype", &[]),
    ("item", &["item"]),
    ("quantity", &[]),
    ("rate", &[]),
    ("amount", &[]),
    ("foreignamount", &[]),
    ("netamount", &[]),
    ("memo", &[]),
    ("expenseaccount", &["account"]),
    ("entity", &["entity"]),
    ("subsidiary", &["subsidiary"]),
    ("department", &["department"]),
    ("class", &["classification"]),
    ("location", &["location"]),
    ("custcol_note", &[]),
    ("isclosed", &[]),
];

const LINK: [(&str, &[&str]); 6] = [
    ("previousdoc", &["transaction"]),
    ("previoustype", &[]),
    ("nextdoc", &["transaction"]),
    ("nexttype", &[]),
    ("linktype", &[]),
    ("foreignamount", &[]),
];

/// A table of this name. `None`: there is none.
pub(super) fn load(
    world: &mut World,
    name: &str,
    only: Option<&Only>,
    now: Instant,
) -> Option<Table> {
    match name {
        "transactionline" => Some(lines(world, only, now)),
        // What Oracle answers from that has no table.
        "dual" => Some(Table { columns: Vec::new(), rows: vec![Vec::new()] }),
        "customrecord_ste_taxrate" => Some(tax_rates(world, now)),
        "nexttransactionlinelink" | "previoustransactionlinelink" => Some(links(world, now)),
        "vendoraddressbook" | "customeraddressbook" => {
            Some(addresses(world, name.strip_suffix("addressbook")?, false, now))
        }
        "vendoraddressbookentityaddress" | "customeraddressbookentityaddress" => {
            let kind = name.strip_suffix("addressbookentityaddress")?;
            Some(addresses(world, kind, true, now))
        }
        _ => None,
    }
}

/// Which way the sum of a transaction goes: from the company, or to it.
pub(super) fn sign(kind: &str) -> f64 {
    match kind {
        "vendorBill" | "vendorPayment" | "purchaseOrder" => -1.0,
        _ => 1.0,
    }
}

fn columns(names: &[(&str, &'static [&'static str])]) -> Vec<Column> {
    names.iter().map(|(name, to)| Column { name: (*name).to_owned(), to }).collect()
}

/// A row of the members that are texts, numbers and references.
fn row(columns: &[Column], values: &Json) -> Vec<Option<String>> {
    columns.iter().map(|column| text(values.get(&column.name), Kind::Text)).collect()
}

fn lines(world: &mut World, only: Option<&Only>, now: Instant) -> Table {
    let columns = columns(&LINE);
    let only = only.filter(|only| only.column == "transaction");
    let only = only.map(|only| Only { column: "id".to_owned(), texts: only.texts.clone() });
    let mut rows = Vec::new();
    for kind in Type::named("transaction") {
        for (own, values) in records(world, kind, only.as_ref(), now) {
            for line in lines_of(kind, own, &values) {
                rows.push(row(&columns, &line));
            }
        }
    }
    Table { columns, rows }
}

/// The lines of a transaction: the first is of its sum, those of items and expenses go the other
/// way.
fn lines_of(kind: &Type, own: u64, values: &Values) -> Vec<Json> {
    let sign = sign(kind.name);
    let rate = values.get("exchangeRate").and_then(Json::as_f64).unwrap_or(1.0);
    let get = |name: &str| values.get(name).cloned().unwrap_or_default();
    let mut lines: Vec<Json> = Vec::new();
    let mut add = |mut line: Json, foreign: f64, is_main: bool| {
        let at = lines.len();
        line["transaction"] = own.to_string().into();
        line["id"] = at.to_string().into();
        line["linesequencenumber"] = at.to_string().into();
        line["uniquekey"] = (own * 1000 + at as u64).to_string().into();
        line["mainline"] = if is_main { "T" } else { "F" }.into();
        line["taxline"] = "F".into();
        line["isclosed"] = "F".into();
        line["foreignamount"] = foreign.into();
        line["netamount"] = (foreign * rate).into();
        line["amount"] = (foreign * rate).into();
        line["subsidiary"] = get("subsidiary");
        for name in ["department", "class", "location"] {
            if line[name].is_null() {
                line[name] = get(name);
            }
        }
        lines.push(line);
    };
    if kind.name != "journalEntry" {
        let total = get("total").as_f64().unwrap_or_default();
        let entity = if kind.name == "customerPayment" { "customer" } else { "entity" };
        let account = get("account");
        let line = json!({"memo": get("memo"), "entity": get(entity), "expenseaccount": account});
        add(line, sign * total, true);
    }
    for line in of(values.get("item")) {
        let quantity = line["quantity"].as_f64().map(|quantity| -sign * quantity);
        let told = json!({"item": line["item"], "quantity": quantity, "rate": line["rate"],
            "memo": line["description"], "accountinglinetype": "ITEM",
            "department": line["department"], "class": line["class"],
            "location": line["location"], "entity": line["customer"],
            "custcol_note": line["custcol_note"]});
        add(told, -sign * line["amount"].as_f64().unwrap_or_default(), false);
    }
    for line in of(values.get("expense")).iter().chain(of(values.get("line"))) {
        let debit = line["debit"].as_f64().unwrap_or_default();
        let credit = line["credit"].as_f64().unwrap_or_default();
        let amount = line["amount"].as_f64().map_or(debit - credit, |amount| -sign * amount);
        let entity = if line["entity"].is_null() { &line["customer"] } else { &line["entity"] };
        let told = json!({"expenseaccount": line["account"], "memo": line["memo"],
            "department": line["department"], "class": line["class"],
            "location": line["location"], "entity": entity,
            "custcol_note": line["custcol_note"]});
        add(told, amount, kind.name == "journalEntry");
    }
    lines
}

/// The rates of tax codes, in parts of one: a custom record of the bundle for taxes.
fn tax_rates(world: &mut World, now: Instant) -> Table {
    let names: [(&str, &[&str]); 3] = [
        ("id", &[]),
        ("custrecord_ste_taxrate_taxcode", &["salesTaxItem"]),
        ("custrecord_ste_taxrate_rate", &[]),
    ];
    let columns = columns(&names);
    let kind = Type::named("salesTaxItem");
    let codes = kind.flat_map(|kind| records(world, kind, None, now)).collect::<Vec<_>>();
    let rows = codes.into_iter().filter_map(|(id, values)| {
        let rate = values.get("rate")?.as_f64()? / 100.0;
        Some(vec![Some(id.to_string()), Some(id.to_string()), Some(rate.to_string())])
    });
    Table { rows: rows.collect(), columns }
}

fn links(world: &mut World, now: Instant) -> Table {
    let columns = columns(&LINK);
    let code = |name: &str| Type::find(name).map(|kind| kind.code);
    let rows = payments::links(world)
        .into_iter()
        .filter(|link| super::super::list::is_seen(world, link.kind, link.payment, now));
    let rows = rows.map(|link| {
        let told = json!({
            "previousdoc": link.doc,
            "previoustype": code(link.to),
            "nextdoc": link.payment.to_string(),
            "nexttype": link.kind.code,
            "linktype": "Payment",
            "foreignamount": link.amount,
        });
        row(&columns, &told)
    });
    let rows = rows.collect();
    Table { columns, rows }
}

/// Which addresses an entity has, or what they are.
fn addresses(world: &mut World, kind: &str, are_parts: bool, now: Instant) -> Table {
    let mut columns = if are_parts {
        columns(&[("nkey", &[])])
    } else {
        columns(&[
            ("entity", &["entity"]),
            ("internalid", &[]),
            ("addressbookaddress", &[]),
            ("defaultbilling", &[]),
            ("defaultshipping", &[]),
            ("label", &[]),
        ])
    };
    let parts = ADDRESS.iter().filter(|_| are_parts);
    columns.extend(parts.map(|field| Column { name: field.name.to_lowercase(), to: &[] }));
    let Some(kind) = Type::find(kind) else { return Table::default() };
    let mut rows = Vec::new();
    for (own, values) in records(world, kind, None, now) {
        for line in of(values.get("addressbook")) {
            let number = line["id"].as_str().and_then(|id| id.parse::<u64>().ok());
            let nkey = (own * 1000 + number.unwrap_or_default()).to_string();
            let mut told = json!({"nkey": nkey, "addressbookaddress": nkey, "internalid": nkey,
                "entity": own.to_string(), "label": line["label"]});
            for name in ["defaultBilling", "defaultShipping"] {
                told[name.to_lowercase()] = text(line.get(name), Kind::Bool).into();
            }
            for field in ADDRESS {
                let part = line["addressbookaddress"].get(field.name);
                told[field.name.to_lowercase()] = text(part, field.kind).into();
            }
            rows.push(row(&columns, &told));
        }
    }
    Table { columns, rows }
}
