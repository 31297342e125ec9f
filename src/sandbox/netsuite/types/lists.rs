//! Accounts, and the lists that other records refer to.

use super::super::catalog::Kind::{Choice, ToMany};
use super::super::catalog::{Field, Type, field, flag, number, text, to};

pub(super) const TYPES: &[Type] = &[
    list(
        "account",
        &[
            text("acctName").mandatory("Account Name"),
            field("acctType", "Type", Choice).mandatory("Type"),
            text("acctNumber"),
            text("description"),
            to("currency", &["currency"]),
            to("parent", &["account"]),
            to("department", &["department"]),
            to("class", &["classification"]),
            to("location", &["location"]),
            field("subsidiary", "Subsidiary", ToMany(&["subsidiary"])),
            flag("includeChildren"),
            flag("inventory"),
            flag("isInactive"),
        ],
    ),
    list(
        "subsidiary",
        &[
            text("name").mandatory("Name"),
            text("legalName"),
            to("parent", &["subsidiary"]),
            to("currency", &["currency"]),
            text("country"),
            flag("isElimination"),
            flag("isInactive"),
        ],
    ),
    list("classification", OF_SUBSIDIARIES),
    list("department", OF_SUBSIDIARIES),
    list("location", OF_SUBSIDIARIES),
    list(
        "currency",
        &[
            text("name").mandatory("Name"),
            text("symbol").mandatory("ISO Code"),
            number("exchangeRate"),
            flag("isBaseCurrency"),
            flag("isInactive"),
        ],
    ),
    list("customerCategory", &[text("name").mandatory("Name"), flag("isInactive")]),
    list("vendorCategory", &[text("name").mandatory("Name"), flag("isInactive")]),
    list(
        "salesTaxItem",
        &[
            text("itemId").mandatory("Tax Name"),
            text("displayName"),
            text("description"),
            number("rate"),
            to("taxType", &["salesTaxItem"]),
            to("taxAccount", &["account"]),
            flag("isInactive"),
        ],
    ),
    list(
        "customrecord_widget",
        &[
            text("name").mandatory("Name"),
            text("custrecord_widget_code"),
            number("custrecord_widget_size"),
            flag("custrecord_widget_active"),
            to("custrecord_widget_vendor", &["vendor"]),
            flag("isInactive"),
        ],
    ),
];

/// The fields of what is apart by subsidiaries.
const OF_SUBSIDIARIES: &[Field] = &[
    text("name").mandatory("Name"),
    to("parent", &["classification", "department", "location"]),
    field("subsidiary", "Subsidiary", ToMany(&["subsidiary"])),
    flag("includeChildren"),
    flag("isInactive"),
];

const fn list(name: &'static str, fields: &'static [Field]) -> Type {
    Type { name, group: name, code: "", fields, shared: &[] }
}
