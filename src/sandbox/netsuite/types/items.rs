//! Items: what is bought and sold. Their names are unique, and so are their external ids.

use super::super::catalog::Kind::ToMany;
use super::super::catalog::{Field, Type, date, field, flag, number, text, to};

pub(super) const TYPES: &[Type] = &[
    item("inventoryItem", "InvtPart"),
    item("nonInventorySaleItem", "NonInvtPart/Sale"),
    item("nonInventoryPurchaseItem", "NonInvtPart/Purchase"),
    item("nonInventoryResaleItem", "NonInvtPart/Resale"),
    item("serviceSaleItem", "Service/Sale"),
    item("servicePurchaseItem", "Service/Purchase"),
    item("serviceResaleItem", "Service/Resale"),
    item("otherChargeSaleItem", "OthCharge/Sale"),
    item("otherChargePurchaseItem", "OthCharge/Purchase"),
    item("otherChargeResaleItem", "OthCharge/Resale"),
];

const fn item(name: &'static str, code: &'static str) -> Type {
    Type { name, group: "item", code, fields: FIELDS, shared: &[] }
}

const FIELDS: &[Field] = &[
    text("itemId").mandatory("Item Name/Number"),
    text("displayName"),
    text("description"),
    text("salesDescription"),
    text("purchaseDescription"),
    text("vendorName"),
    text("upcCode"),
    number("cost"),
    number("rate"),
    to("parent", &["item"]),
    to("department", &["department"]),
    to("class", &["classification"]),
    to("location", &["location"]),
    field("subsidiary", "Subsidiary", ToMany(&["subsidiary"])),
    flag("includeChildren"),
    to("incomeAccount", &["account"]),
    to("expenseAccount", &["account"]),
    to("cogsAccount", &["account"]),
    to("assetAccount", &["account"]),
    to("deferredRevenueAccount", &["account"]),
    to("gainLossAccount", &["account"]),
    to("intercoIncomeAccount", &["account"]),
    to("intercoExpenseAccount", &["account"]),
    flag("isInactive"),
    date("createdDate").read_only(),
    date("lastModifiedDate").read_only(),
    // Custom fields.
    text("custitem_grade"),
];
