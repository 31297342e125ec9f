//! What of a record's values is taken: what it cannot be without, what is had by one record only,
//! and the accounting.

use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

use super::catalog::Type;
use super::lines::{id, of};
use super::problem::Problem;
use super::state::Values;
use super::{held, payments};
use crate::sandbox::world::World;

/// Looks at a record before it is written, and adds what NetSuite adds. `own` is its id if it is
/// there already.
pub(super) fn prepare(
    world: &mut World,
    kind: &'static Type,
    own: Option<u64>,
    values: &mut Values,
) -> Result<(), Problem> {
    check_external_id(world, kind, own, values)?;
    match kind.group {
        "entity" => name_entity(world, kind, own, values)?,
        "item" => check_item(world, own, values)?,
        "account" => check_account(world, kind, own, values)?,
        _ => {}
    }
    let missing: Vec<&str> = kind
        .all_fields()
        .filter(|field| field.is_mandatory && !has(values, field.name))
        .map(|field| field.label)
        .collect();
    if !missing.is_empty() {
        return Err(Problem::missing(&missing));
    }
    if kind.is_transaction() {
        account_for(world, kind, own, values)?;
    }
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    for name in ["lastModifiedDate", "dateCreated", "createdDate"] {
        let is_first = own.is_none() || name == "lastModifiedDate";
        if is_first && kind.field(name).is_some() {
            values.insert(name.to_owned(), now.clone().into());
        }
    }
    Ok(())
}

pub(super) fn has(values: &Values, name: &str) -> bool {
    values.get(name).is_some_and(|value| !value.is_null() && *value != "")
}

fn text<'a>(values: &'a Values, name: &str) -> Option<&'a str> {
    values.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_N3436356.html>
fn check_external_id(
    world: &mut World,
    kind: &'static Type,
    own: Option<u64>,
    values: &Values,
) -> Result<(), Problem> {
    let Some(external_id) = text(values, "externalId") else { return Ok(()) };
    for other in Type::named(kind.group) {
        let found = held::find(world, other, "externalId", external_id);
        if found.into_iter().any(|id| other.name != kind.name || Some(id) != own) {
            return Err(exists(kind));
        }
    }
    Ok(())
}

fn exists(kind: &Type) -> Problem {
    let what = if kind.group == "entity" { "entity" } else { "record" };
    Problem::rule(format!("This {what} already exists."))
}

/// A company is called by its name, a person by theirs, unless told otherwise.
fn name_entity(
    world: &mut World,
    kind: &'static Type,
    own: Option<u64>,
    values: &mut Values,
) -> Result<(), Problem> {
    if text(values, "entityId").is_none() {
        let is_person = values.get("isPerson") == Some(&Value::Bool(true))
            || matches!(kind.name, "contact" | "employee");
        let missing = |labels: &[&str]| Err(Problem::missing(labels));
        let name = if is_person {
            let names = (text(values, "firstName"), text(values, "lastName"));
            match names {
                (Some(first), Some(last)) => format!("{first} {last}"),
                (None, Some(last)) => last.to_owned(),
                (Some(first), None) => first.to_owned(),
                (None, None) => return missing(&["First Name", "Last Name"]),
            }
        } else {
            match text(values, "companyName") {
                Some(name) => name.to_owned(),
                None => return missing(&["Company Name"]),
            }
        };
        values.insert("entityId".to_owned(), name.into());
    }
    let name = text(values, "entityId").unwrap_or_default().to_owned();
    let found = held::find(world, kind, "entityId", &name);
    if found.into_iter().any(|id| Some(id) != own) { Err(exists(kind)) } else { Ok(()) }
}

fn check_item(world: &mut World, own: Option<u64>, values: &Values) -> Result<(), Problem> {
    let Some(name) = text(values, "itemId") else { return Ok(()) };
    for other in Type::named("item") {
        let found = held::find(world, other, "itemId", name);
        if found.into_iter().any(|id| Some(id) != own) {
            let message = "Uniqueness error - There is already an item using that item name or \
                           external id.";
            return Err(Problem::rule(message));
        }
    }
    Ok(())
}

fn check_account(
    world: &mut World,
    kind: &'static Type,
    own: Option<u64>,
    values: &Values,
) -> Result<(), Problem> {
    let Some(number) = text(values, "acctNumber") else { return Ok(()) };
    let found = held::find(world, kind, "acctNumber", number);
    if found.into_iter().any(|id| Some(id) != own) {
        let message = "The account number you have chosen is already used. Go back, change the \
                       number and resubmit.";
        return Err(Problem::rule(message));
    }
    Ok(())
}

/// The lines of a transaction, its sum, and what it takes from others when it is not told.
fn account_for(
    world: &mut World,
    kind: &'static Type,
    own: Option<u64>,
    values: &mut Values,
) -> Result<(), Problem> {
    if !has(values, "tranDate") {
        let today = Utc::now().date_naive().to_string();
        values.insert("tranDate".to_owned(), today.into());
    }
    if !has(values, "tranId") && kind.name != "vendorBill" {
        world.netsuite.numbered += 1;
        values.insert("tranId".to_owned(), format!("S{}", world.netsuite.numbered).into());
    }
    let party = match kind.name {
        "customerPayment" => id(values.get("customer")),
        _ => id(values.get("entity")),
    };
    let party = party
        .and_then(held::id)
        .and_then(|party| Type::named("entity").find_map(|kind| held::get(world, kind, party)));
    for name in ["subsidiary", "currency"] {
        if !has(values, name) {
            let of_party = party.as_ref().and_then(|party| party.get(name)).cloned();
            let usual = of_party.filter(|value| !value.is_null());
            values.insert(name.to_owned(), usual.unwrap_or_else(|| json!({"id": "1"})));
        }
    }
    if !has(values, "exchangeRate") {
        values.insert("exchangeRate".to_owned(), 1.0.into());
    }
    let total = match kind.name {
        "journalEntry" => balance(values)?,
        "vendorPayment" | "customerPayment" => payments::apply(world, kind, own, values)?,
        _ => {
            if kind.name == "vendorCredit" {
                payments::apply(world, kind, own, values)?;
            }
            sum(values)?
        }
    };
    values.insert("total".to_owned(), total.into());
    Ok(())
}

/// The sum of the lines, each of which is told its amount.
fn sum(values: &mut Values) -> Result<f64, Problem> {
    let mut total = 0.0;
    let mut count = 0;
    for name in ["item", "expense"] {
        let lines = values.get_mut(name).and_then(|list| list.get_mut("items")?.as_array_mut());
        for line in lines.into_iter().flatten() {
            count += 1;
            let amount = line["amount"].as_f64().or_else(|| {
                let quantity = line["quantity"].as_f64().unwrap_or(1.0);
                line["rate"].as_f64().map(|rate| rate * quantity)
            });
            let amount = cents(amount.unwrap_or_default());
            line["amount"] = amount.into();
            total += amount;
        }
    }
    if count == 0 {
        let message = "You must enter at least one line item for this transaction.";
        return Err(Problem::rule(message));
    }
    let taxes = of(values.get("taxDetails")).iter();
    let taxes: f64 = taxes.filter_map(|line| line["taxAmount"].as_f64()).sum();
    Ok(cents(total + taxes))
}

fn balance(values: &mut Values) -> Result<f64, Problem> {
    let lines = values.get_mut("line").and_then(|list| list.get_mut("items")?.as_array_mut());
    for line in lines.into_iter().flatten() {
        for side in ["debit", "credit"] {
            if let Some(amount) = line[side].as_f64() {
                line[side] = cents(amount).into();
            }
        }
    }
    let lines = of(values.get("line"));
    if lines.is_empty() {
        let message = "You must enter at least one line item for this transaction.";
        return Err(Problem::rule(message));
    }
    let side = |name: &str| lines.iter().filter_map(|line| line[name].as_f64()).sum::<f64>();
    let (debit, credit) = (cents(side("debit")), cents(side("credit")));
    if (debit - credit).abs() > 0.001 {
        return Err(Problem::rule("The amounts in a journal entry must balance."));
    }
    Ok(debit)
}

/// An amount as currencies have it.
pub(super) fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}
