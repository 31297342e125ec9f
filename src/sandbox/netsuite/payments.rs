//! Payments and credits: which transactions they are applied to, and what is left to pay of those.

use std::collections::HashMap;

use serde_json::Value;

use super::catalog::Type;
use super::held;
use super::lines::{id, of};
use super::problem::Problem;
use super::rules::cents;
use super::state::Values;
use crate::sandbox::world::World;

/// Types of payments, and of what each is applied to.
const APPLIED: [(&str, &str); 3] = [
    ("vendorPayment", "vendorBill"),
    ("vendorCredit", "vendorBill"),
    ("customerPayment", "invoice"),
];

/// Looks at the lines of a payment, and tells each its amount. The sum of it.
pub(super) fn apply(
    world: &World,
    kind: &'static Type,
    own: Option<u64>,
    values: &mut Values,
) -> Result<f64, Problem> {
    let to = APPLIED.iter().find(|(payment, _)| *payment == kind.name).map(|(_, to)| *to);
    let Some(to) = to.and_then(Type::find) else { return Ok(0.0) };
    let party = if kind.name == "customerPayment" { "customer" } else { "entity" };
    let party = id(values.get(party)).unwrap_or_default().to_owned();
    // Looked up only where it is needed: it is of all payments.
    let mut paid_so_far = None;
    let mut total = 0.0;
    let mut count = 0;
    let lines = values.get_mut("apply").and_then(|list| list.get_mut("items")?.as_array_mut());
    for line in lines.into_iter().flatten() {
        let doc = id(line.get("doc")).unwrap_or_default().to_owned();
        let bill = held::id(&doc).and_then(|doc| held::get(world, to, doc));
        let bill = bill.filter(|bill| id(bill.get("entity")) == Some(party.as_str()));
        let Some(bill) = bill else {
            return Err(Problem::rule(format!(
                "Unable to find a matching line for sublist apply with key: [doc,line] and value: \
                 [{doc},null]."
            )));
        };
        if line["apply"] == Value::Bool(false) {
            continue;
        }
        count += 1;
        let amount = line["amount"].as_f64().unwrap_or_else(|| {
            let paid = paid_so_far.get_or_insert_with(|| paid(world, own));
            let paid = paid.get(&doc).copied().unwrap_or_default();
            bill["total"].as_f64().unwrap_or_default() - paid
        });
        let amount = cents(amount);
        line["apply"] = true.into();
        line["amount"] = amount.into();
        total += amount;
    }
    if kind.name == "vendorPayment" && count == 0 {
        let message = "You must enter at least one line item for this transaction.";
        return Err(Problem::rule(message));
    }
    let told = values.get("payment").and_then(Value::as_f64);
    Ok(told.unwrap_or_else(|| cents(total)))
}

/// What of each transaction is paid, by its id, by payments other than `except`.
pub(super) fn paid(world: &World, except: Option<u64>) -> HashMap<String, f64> {
    let mut paid = HashMap::new();
    for link in links(world) {
        if Some(link.payment) != except {
            *paid.entry(link.doc).or_default() += link.amount;
        }
    }
    paid
}

/// That a payment is applied to a transaction.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) payment: u64,
    pub(super) kind: &'static Type,
    pub(super) doc: String,
    pub(super) to: &'static str,
    pub(super) amount: f64,
}

/// All of them.
pub(super) fn links(world: &World) -> Vec<Link> {
    let mut links = Vec::new();
    for (payment, to) in APPLIED {
        let Some(kind) = Type::find(payment) else { continue };
        for (payment, values) in held::all(world, kind) {
            for line in of(values.get("apply")) {
                let doc = id(line.get("doc")).filter(|_| line["apply"] == Value::Bool(true));
                let Some(doc) = doc else { continue };
                let amount = line["amount"].as_f64().unwrap_or_default();
                links.push(Link { payment, kind, doc: doc.to_owned(), to, amount });
            }
        }
    }
    links
}
