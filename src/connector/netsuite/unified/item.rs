//! Items, whose type and category say which of NetSuite's records they are.

use serde_json::{Map, Value, json};

use super::layout::{CLASS, DEPARTMENT, Form, LOCATION, Layout, subsidiaries};
use super::source::Source;

/// What stands for the type of an item's record.
pub(in crate::connector::netsuite) const TYPE: &str = "$type";

const INVENTORY: &str = "inventoryItem";
/// By type and category; an inventory item is the same in all categories.
const TYPES: [(&str, [&str; 3]); 3] = [
    ("noninvtpart", ["nonInventorySaleItem", "nonInventoryPurchaseItem", "nonInventoryResaleItem"]),
    ("service", ["serviceSaleItem", "servicePurchaseItem", "serviceResaleItem"]),
    ("othercharge", ["otherChargeSaleItem", "otherChargePurchaseItem", "otherChargeResaleItem"]),
];
const CATEGORIES: [&str; 3] = ["sale", "purchase", "resale"];

pub(super) const LAYOUT: Layout = Layout {
    fields: &[
        ("itemNumber", "itemId", Form::Key),
        ("displayName", "displayName", Form::Text),
        ("isActive", "isInactive", Form::Not),
    ],
    links: &[LOCATION, CLASS, DEPARTMENT],
    // No record of an item has fields of the names `type` and `category`: they say which one it is.
    read: &["type", "category", "accounts", "subsidiary", "subsidiaryRef"],
    set: &["subsidiary"],
    idle: &[
        "name",
        "isBillItem",
        "isInvoiceItem",
        "itemVendors",
        "itemVariants",
        "quantityOnHand",
        "createdAt",
        "updatedAt",
        "hgTenantId",
    ],
};

pub(super) fn make(source: &Source<'_>) -> Map<String, Value> {
    let mut body = LAYOUT.make(source);
    if let Some(subsidiaries) = subsidiaries(source) {
        body.insert("subsidiary".to_owned(), subsidiaries);
    }
    for account in source.objects("accounts") {
        let is_name = |kind: &String| kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match (account.key("accountType").filter(is_name), account.key("id")) {
            (Some(kind), Some(id)) => {
                body.insert(format!("{kind}Account"), json!({"id": id}));
            }
            _ => source.refuse(
                "Invalid account provided. Must include 'id' and 'accountType' fields.".to_owned(),
            ),
        }
        account
            .ignore_unless(|name| matches!(name, "accountType" | "id" | "accountNumber" | "name"));
    }
    let said = ["type", "category"].map(|name| source.key(name).unwrap_or_default());
    match record_type(&said[0], &said[1]) {
        Some(kind) => {
            body.insert(TYPE.to_owned(), kind.into());
        }
        None => source.refuse(format!(
            "Unknown Item type and category: `{}` and `{}`. It is the type InvtPart, or one of \
             NonInvtPart, Service and OtherCharge with one of the categories Sale, Purchase and \
             Resale",
            said[0], said[1]
        )),
    }
    body
}

/// All types of items.
pub(super) fn record_types() -> impl Iterator<Item = &'static str> {
    [INVENTORY].into_iter().chain(TYPES.into_iter().flat_map(|(_, types)| types))
}

fn record_type(kind: &str, category: &str) -> Option<&'static str> {
    if kind.eq_ignore_ascii_case("invtpart") {
        return Some(INVENTORY);
    }
    let (_, types) = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind))?;
    let at = CATEGORIES.iter().position(|known| known.eq_ignore_ascii_case(category))?;
    Some(types[at])
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::super::tests::{find, made};
    use super::*;

    #[test]
    fn fields_that_are_there_become_fields() {
        let record = json!({
            "id": "5", "externalId": "I", "name": "Car", "itemNumber": "ITEM-1",
            "displayName": "A car", "type": "InvtPart", "category": "Resale", "isActive": true,
            "locationId": "3", "locationName": "USA", "className": "Project 2", "departmentId": 6,
            "subsidiary": ["1"], "subsidiaryRef": [{"id": "1", "name": "Parent Company"}],
            "isBillItem": true, "itemVendors": [{"x": 1}],
            "accounts": [
                {"accountType": "asset", "id": "312", "accountNumber": "6000", "name": "asset"},
                {"accountType": "cogs", "id": 251, "accountNumber": null}
            ],
            "customFields": [{"name": "custitem1", "value": "x"}]
        });
        assert_eq!(
            made(Kind::Item, &record).unwrap(),
            json!({
                "$type": "inventoryItem", "itemId": "ITEM-1", "displayName": "A car",
                "isInactive": false,
                "location": find("location", "location", json!([["id", "3"], ["name", "USA"]]), true),
                "class": find("classification", "class", json!([["name", "Project 2"]]), true),
                "department": find("department", "department", json!([["id", "6"]]), true),
                "subsidiary": {
                    "items": [find("subsidiary", "subsidiary", json!([["id", "1"]]), false)]
                },
                "assetAccount": {"id": "312"}, "cogsAccount": {"id": "251"}, "custitem1": "x"
            })
        );
    }

    #[test]
    fn type_and_category_say_which_record_it_is() {
        for (kind, category, record) in [
            ("InvtPart", "", "inventoryItem"),
            ("NonInvtPart", "Sale", "nonInventorySaleItem"),
            ("noninvtpart", "purchase", "nonInventoryPurchaseItem"),
            ("Service", "Resale", "serviceResaleItem"),
            ("OtherCharge", "Purchase", "otherChargePurchaseItem"),
        ] {
            assert_eq!(record_type(kind, category), Some(record));
        }
        let told = "Unknown Item type and category: `Service` and ``. It is the type InvtPart, or \
        one of NonInvtPart, Service and OtherCharge with one of the categories Sale, \
                    Purchase and Resale";
        assert_eq!(made(Kind::Item, &json!({"type": "Service"})).unwrap_err(), told);
        assert_eq!(
            made(Kind::Item, &json!({"type": "Kit", "category": "Sale"})).unwrap_err(),
            told.replace("`Service` and ``", "`Kit` and `Sale`")
        );
    }

    #[test]
    fn an_account_has_a_type_and_an_id() {
        for account in [
            json!({"id": "1"}),
            json!({"accountType": "asset", "id": null}),
            json!({"accountType": "$as", "id": "1"}),
        ] {
            let record = json!({"type": "InvtPart", "accounts": [account]});
            assert_eq!(
                made(Kind::Item, &record).unwrap_err(),
                "Invalid account provided. Must include 'id' and 'accountType' fields."
            );
        }
    }
}
