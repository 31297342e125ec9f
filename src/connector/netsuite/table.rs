//! In which table of SuiteQL the records of a type stand, and what that has to find them by.
//!
//! <https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/section_158515734687.html>: all
//! transactions share one table, and so do all items.

use super::suiteql::quoted;

/// Types of transactions, in lower case, as the table's `recordtype` has them.
const TRANSACTIONS: &[&str] = &[
    "advintercompanyjournalentry",
    "assemblybuild",
    "assemblyunbuild",
    "blanketpurchaseorder",
    "cashrefund",
    "cashsale",
    "check",
    "creditcardcharge",
    "creditcardrefund",
    "creditmemo",
    "customerdeposit",
    "customerpayment",
    "customerrefund",
    "deposit",
    "depositapplication",
    "estimate",
    "expensereport",
    "intercompanyjournalentry",
    "inventoryadjustment",
    "inventorytransfer",
    "invoice",
    "itemfulfillment",
    "itemreceipt",
    "journalentry",
    "opportunity",
    "paycheckjournal",
    "purchaseorder",
    "purchaserequisition",
    "returnauthorization",
    "salesorder",
    "statisticaljournalentry",
    "transferorder",
    "vendorbill",
    "vendorcredit",
    "vendorpayment",
    "vendorprepayment",
    "vendorreturnauthorization",
    "workorder",
];

/// Where records of a type stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) table: String,
    /// What tells them from others there.
    pub(super) condition: Option<String>,
}

impl Place {
    /// Of a record type, in any case.
    pub(super) fn of(record_type: &str) -> Self {
        let name = record_type.to_ascii_lowercase();
        if TRANSACTIONS.contains(&name.as_str()) || name.starts_with("customtransaction") {
            let condition = Some(format!("recordtype = {}", quoted(&name)));
            return Self { table: "transaction".to_owned(), condition };
        }
        let is_item = (name.ends_with("item") && name != "salestaxitem") || name == "itemgroup";
        Self { table: if is_item { "item".to_owned() } else { name }, condition: None }
    }

    /// `{table} WHERE {condition} AND ` or less.
    pub(super) fn filtered(&self) -> String {
        match &self.condition {
            Some(condition) => format!("{} WHERE {condition} AND ", self.table),
            None => format!("{} WHERE ", self.table),
        }
    }
}

/// A table whose rows records name.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) table: &'static str,
    /// Columns, and what they are in the table where that is something else.
    pub(super) columns: &'static [(&'static str, &'static str)],
    /// It changes so seldom that a later job may go by what an earlier one was told.
    pub(super) is_lasting: bool,
    /// What stands after the table's name.
    joined: &'static str,
}

const NAME: (&str, &str) = ("name", "name");
const EXTERNAL_ID: (&str, &str) = ("externalid", "externalid");
const SUBSIDIARY: (&str, &str) = ("subsidiary", "subsidiary");
const ENTITY_ID: (&str, &str) = ("entityid", "entityid");

const fn named(table: &'static str, columns: &'static [(&'static str, &'static str)]) -> Named {
    Named { table, columns, is_lasting: false, joined: "" }
}

const fn lasting(table: &'static str, columns: &'static [(&'static str, &'static str)]) -> Named {
    Named { table, columns, is_lasting: true, joined: "" }
}

static NAMED: &[Named] = &[
    lasting("account", &[("name", "acctname"), ("acctnumber", "acctnumber"), EXTERNAL_ID]),
    lasting("classification", &[NAME, EXTERNAL_ID, SUBSIDIARY]),
    lasting("currency", &[NAME, ("symbol", "symbol")]),
    lasting("customercategory", &[NAME, EXTERNAL_ID]),
    lasting("department", &[NAME, EXTERNAL_ID, SUBSIDIARY]),
    lasting("location", &[NAME, EXTERNAL_ID, SUBSIDIARY]),
    lasting("subsidiary", &[NAME, EXTERNAL_ID]),
    lasting("vendorcategory", &[NAME, EXTERNAL_ID]),
    Named {
        table: "salestaxitem",
        columns: &[
            ("id", "salestaxitem.id"),
            ("name", "salestaxitem.name"),
            ("taxtype", "salestaxitem.taxtype"),
            ("taxrate", "customrecord_ste_taxrate.custrecord_ste_taxrate_rate"),
        ],
        is_lasting: true,
        joined: " INNER JOIN customrecord_ste_taxrate ON \
                 customrecord_ste_taxrate.custrecord_ste_taxrate_taxcode = salestaxitem.id",
    },
    named("customer", &[("name", "companyname"), EXTERNAL_ID, ENTITY_ID]),
    named(
        "employee",
        &[("name", "firstname || ' ' || lastname"), EXTERNAL_ID, ENTITY_ID, SUBSIDIARY],
    ),
    named("item", &[("name", "fullname"), ("itemid", "itemid"), EXTERNAL_ID]),
    named("job", &[("name", "companyname"), EXTERNAL_ID, ENTITY_ID]),
    named(
        "transaction",
        &[("tranid", "tranid"), EXTERNAL_ID, ("entity", "entity"), ("type", "type")],
    ),
    named("vendor", &[("name", "companyname"), EXTERNAL_ID, ENTITY_ID, SUBSIDIARY]),
];

impl Named {
    pub(super) fn of(table: &str) -> Option<&'static Self> {
        NAMED.iter().find(|named| named.table == table)
    }

    /// What a column is in the table; `None` where it has none such.
    pub(super) fn column(&self, name: &str) -> Option<&'static str> {
        let own = self.columns.iter().find(|(known, _)| *known == name).map(|(_, own)| *own);
        own.or((name == "id").then_some("id"))
    }

    /// `SELECT … FROM …`, with all columns but those that `lacks`.
    pub(super) fn select(&self, lacks: impl Fn(&str) -> bool) -> String {
        let mut columns = vec![format!("{} AS id", self.column("id").unwrap_or("id"))];
        let own = self.columns.iter().filter(|(name, _)| *name != "id" && !lacks(name));
        columns.extend(own.map(|(name, own)| format!("{own} AS {name}")));
        format!("SELECT {} FROM {}{}", columns.join(", "), self.table, self.joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_its_table() {
        for (record_type, table, condition) in [
            ("vendorBill", "transaction", Some("recordtype = 'vendorbill'")),
            ("customTransaction_x", "transaction", Some("recordtype = 'customtransaction_x'")),
            ("nonInventorySaleItem", "item", None),
            ("salesTaxItem", "salestaxitem", None),
            ("customer", "customer", None),
            ("customrecord_widget", "customrecord_widget", None),
        ] {
            let place = Place::of(record_type);
            assert_eq!((&*place.table, place.condition.as_deref()), (table, condition));
        }
        assert!(TRANSACTIONS.is_sorted());
    }

    #[test]
    fn a_table_is_asked_for_what_it_has() {
        let location = Named::of("location").unwrap();
        assert_eq!(
            location.select(|_| false),
            "SELECT id AS id, name AS name, externalid AS externalid, subsidiary AS subsidiary FROM location"
        );
        assert!(!location.select(|name| name == "subsidiary").contains("subsidiary"));
        assert_eq!(location.column("acctnumber"), None);
        let tax = Named::of("salestaxitem").unwrap();
        assert!(
            tax.select(|_| false).starts_with("SELECT salestaxitem.id AS id, salestaxitem.name")
        );
    }
}
