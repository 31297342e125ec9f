//! People and companies: their names are unique, and so are their external ids, across all of them.

use super::super::catalog::Kind::{Lines, Part};
use super::super::catalog::{Field, Type, date, field, flag, number, text, to};

pub(super) const TYPES: &[Type] = &[
    entity(
        "vendor",
        "Vendor",
        &[
            to("category", &["vendorCategory"]),
            text("printOnCheckAs"),
            text("accountNumber"),
            text("legalName"),
            flag("is1099Eligible"),
            to("expenseAccount", &["account"]),
            to("payablesAccount", &["account"]),
            number("balance").read_only(),
            number("creditLimit"),
            SUBSIDIARY,
            CURRENCY,
        ],
    ),
    entity(
        "customer",
        "CustJob",
        &[
            to("category", &["customerCategory"]),
            to("parent", &["customer"]),
            to("salesRep", &["employee"]),
            text("printOnCheckAs"),
            text("accountNumber"),
            to("receivablesAccount", &["account"]),
            number("balance").read_only(),
            number("creditLimit"),
            flag("taxable"),
            SUBSIDIARY,
            CURRENCY,
        ],
    ),
    entity(
        "contact",
        "Contact",
        &[to("company", &["customer", "vendor", "job"]), to("subsidiary", &["subsidiary"])],
    ),
    entity(
        "employee",
        "Employee",
        &[
            to("supervisor", &["employee"]),
            to("department", &["department"]),
            to("class", &["classification"]),
            to("location", &["location"]),
            date("hireDate"),
            SUBSIDIARY,
            to("currency", &["currency"]),
        ],
    ),
    entity(
        "job",
        "Job",
        &[
            to("parent", &["customer"]),
            date("startDate"),
            to("subsidiary", &["subsidiary"]),
            to("currency", &["currency"]),
        ],
    ),
];

const SUBSIDIARY: Field = to("subsidiary", &["subsidiary"]).mandatory("Primary Subsidiary");
const CURRENCY: Field = to("currency", &["currency"]);

const fn entity(name: &'static str, code: &'static str, fields: &'static [Field]) -> Type {
    Type { name, group: "entity", code, fields, shared: SHARED }
}

const SHARED: &[Field] = &[
    text("entityId"),
    text("companyName"),
    flag("isPerson"),
    text("salutation"),
    text("firstName"),
    text("middleName"),
    text("lastName"),
    text("title"),
    text("email"),
    text("url"),
    text("phone"),
    text("altPhone"),
    text("mobilePhone"),
    text("homePhone"),
    text("fax"),
    text("comments"),
    flag("isInactive"),
    field("addressbook", "Address", Lines(ADDRESSES, Some("id"))),
    date("dateCreated").read_only(),
    date("lastModifiedDate").read_only(),
    // Custom fields.
    text("custentity_tier"),
    number("custentity_score"),
];

const ADDRESSES: &[Field] = &[
    flag("defaultBilling"),
    flag("defaultShipping"),
    text("label"),
    field("addressbookaddress", "Address", Part(ADDRESS)),
];

/// The fields of an address.
pub(in super::super) const ADDRESS: &[Field] = &[
    text("addrText"),
    text("addressee"),
    text("attention"),
    text("addr1"),
    text("addr2"),
    text("addr3"),
    text("addrPhone"),
    text("city"),
    text("state"),
    text("zip"),
    field("country", "Country", super::super::catalog::Kind::Choice),
    flag("override"),
];
