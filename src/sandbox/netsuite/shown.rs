//! Records as they are shown: references with links and names, sublists as links unless they are
//! asked for.

use serde_json::{Value, json};

use super::catalog::{Kind, Type};
use super::held;
use super::state::Values;
use crate::sandbox::world::World;

/// How a record is to be shown.
#[derive(Clone, Debug)]
pub(super) struct Look {
    /// `http://` and the host.
    pub(super) base: String,
    /// Whether sublists and parts are shown with all that they hold.
    pub(super) is_expanded: bool,
    /// The fields that are shown; all, without it.
    pub(super) fields: Option<Vec<String>>,
}

/// Where a record is found.
pub(super) fn address(base: &str, kind: &Type, id: u64) -> String {
    format!("{base}/services/rest/record/v1/{}/{id}", kind.name)
}

/// Links to something itself.
pub(super) fn links(address: &str) -> Value {
    json!([{"rel": "self", "href": address}])
}

/// A record.
pub(super) fn record(
    world: &World,
    kind: &'static Type,
    id: u64,
    values: &Values,
    look: &Look,
) -> Value {
    let own = address(&look.base, kind, id);
    let mut told = json!({"links": links(&own), "id": id.to_string()});
    for (name, value) in values {
        let is_asked = look.fields.as_ref().is_none_or(|fields| fields.contains(name));
        if value.is_null() || !is_asked {
            continue;
        }
        let told_value = match kind.field(name).map(|field| field.kind) {
            Some(Kind::To(types)) => reference(world, types, value, &look.base),
            Some(Kind::Choice) => json!({"id": value["id"], "refName": value["id"]}),
            Some(Kind::Lines(..) | Kind::ToMany(_) | Kind::Part(_)) if !look.is_expanded => {
                json!({"links": links(&format!("{own}/{name}"))})
            }
            Some(Kind::Lines(fields, _)) => {
                let items: Vec<Value> = super::lines::of(Some(value))
                    .iter()
                    .map(|line| {
                        let mut line = line.clone();
                        for field in fields {
                            if let Kind::To(types) = field.kind
                                && !line[field.name].is_null()
                            {
                                let told = reference(world, types, &line[field.name], &look.base);
                                line[field.name] = told;
                            }
                        }
                        line
                    })
                    .collect();
                let count = items.len();
                let links = links(&format!("{own}/{name}"));
                json!({"links": links, "items": items, "totalResults": count})
            }
            _ => value.clone(),
        };
        told[name] = told_value;
    }
    told
}

fn reference(world: &World, types: &'static [&'static str], value: &Value, base: &str) -> Value {
    let id = value["id"].as_str().and_then(held::id).unwrap_or_default();
    let kind = types.iter().flat_map(|to| Type::named(to));
    let kind = kind.into_iter().find(|kind| held::exists(world, kind, id));
    match kind {
        Some(kind) => json!({
            "links": links(&address(base, kind, id)),
            "id": id.to_string(),
            "refName": name(world, kind, id),
        }),
        None => value.clone(),
    }
}

/// What people call a record.
pub(super) fn name(world: &World, kind: &'static Type, id: u64) -> String {
    let Some(values) = held::get(world, kind, id) else { return String::new() };
    let text = |name: &str| values.get(name).and_then(Value::as_str).unwrap_or_default();
    match kind.group {
        "entity" => text("entityId").to_owned(),
        "item" | "salesTaxItem" => text("itemId").to_owned(),
        "account" => format!("{} {}", text("acctNumber"), text("acctName")).trim().to_owned(),
        "transaction" => format!("{} #{}", label(kind.name), text("tranId")),
        _ => text("name").to_owned(),
    }
}

/// What people call a type of transactions.
pub(super) fn label(kind: &str) -> &'static str {
    match kind {
        "vendorBill" => "Bill",
        "vendorPayment" => "Bill Payment",
        "vendorCredit" => "Bill Credit",
        "purchaseOrder" => "Purchase Order",
        "invoice" => "Invoice",
        "customerPayment" => "Payment",
        "salesOrder" => "Sales Order",
        _ => "Journal",
    }
}
