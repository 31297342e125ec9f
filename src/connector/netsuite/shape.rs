//! Records in NetSuite's own names: they go out as they came in, but for others whom they name by
//! name (`{"refName": "Acme"}`), who are found first.

use serde_json::value::RawValue;

use super::reference::{By, FIND, Reference, names_others};
use crate::connector::shape::{Incoming, Outgoing, Shape};
use crate::json::fields::{Fields, finish_object, push_field};

/// The one name of an object that names somebody by name, as NetSuite shows it beside the id.
const NAME: &str = "refName";
/// The lines of a sublist, in which others are named by the sublist's own name.
const ITEMS: &str = "items";

/// In which table those are whom a field names, by the field.
const TABLES: &[(&str, &str)] = &[
    ("account", "account"),
    ("class", "classification"),
    ("currency", "currency"),
    ("customer", "customer"),
    ("department", "department"),
    ("employee", "employee"),
    ("item", "item"),
    ("job", "job"),
    ("location", "location"),
    ("salesrep", "employee"),
    ("subsidiary", "subsidiary"),
    ("vendor", "vendor"),
];

/// Records of one type.
#[derive(Debug)]
pub(super) struct Native {
    pub(super) record_type: String,
}

impl Native {
    /// Where those are whom a field of the record names.
    fn table(&self, field: &str) -> Option<&'static str> {
        let (field, record_type) =
            (field.to_ascii_lowercase(), self.record_type.to_ascii_lowercase());
        match (field.as_str(), record_type.as_str()) {
            ("entity", "vendorbill" | "vendorpayment" | "vendorcredit" | "purchaseorder") => {
                Some("vendor")
            }
            ("entity", "invoice" | "salesorder" | "estimate" | "creditmemo" | "cashsale") => {
                Some("customer")
            }
            ("category", "vendor") => Some("vendorcategory"),
            ("category", "customer") => Some("customercategory"),
            ("parent", "customer") => Some("customer"),
            ("parent", "account") => Some("account"),
            (field, _) => TABLES.iter().find(|(known, _)| *known == field).map(|(_, table)| *table),
        }
    }

    fn value(&self, field: &str, json: &str) -> Result<String, String> {
        let is_object = json.starts_with('{');
        if !json.contains(NAME) || !(is_object || json.starts_with('[')) {
            return Ok(json.to_owned());
        }
        if !is_object {
            let items: Vec<&RawValue> =
                serde_json::from_str(json).map_err(|error| error.to_string())?;
            let items: Result<Vec<String>, String> =
                items.into_iter().map(|item| self.value(field, item.get())).collect();
            return Ok(format!("[{}]", items?.join(",")));
        }
        let fields = Fields::of_text(json).map_err(|error| error.to_string())?;
        if let Some(name) = fields.get(NAME)
            && fields.get("id").is_none()
            && fields.get("externalId").is_none()
        {
            return self.named(field, name);
        }
        let mut own = String::with_capacity(json.len());
        for (name, value) in &fields.0 {
            // Those of a list are what the list is of.
            let of = if name == ITEMS { field } else { &**name };
            push_field(&mut own, name, &self.value(of, value.get())?);
        }
        Ok(finish_object(own))
    }

    fn named(&self, field: &str, name: &RawValue) -> Result<String, String> {
        let name: String = serde_json::from_str(name.get())
            .map_err(|_| format!("the `{NAME}` of its `{field}` is no text"))?;
        let table = self.table(field).ok_or_else(|| {
            format!("nobody is found by name for `{field}`: name the one by `id` or `externalId`")
        })?;
        let reference = Reference {
            table: table.to_owned(),
            kind: None,
            what: field.to_owned(),
            by: vec![(By::Name, name)],
            within: true,
            or: None,
            of: None,
        };
        Ok(reference.placed().to_string())
    }
}

impl Shape for Native {
    fn is_platform(&self, _: &[String]) -> bool {
        false
    }

    fn goes_out(&self, _: &str) -> bool {
        true
    }

    fn outgoing(&self, fields: &[Incoming<'_>]) -> Result<Outgoing, String> {
        let mut body = String::new();
        for Incoming { name, value, .. } in fields.iter().filter(|field| !field.is_id) {
            if name.starts_with('$') || names_others(value.get()) {
                return Err(format!("NetSuite takes no `{FIND}` or the like, as in its `{name}`"));
            }
            push_field(&mut body, name, &self.value(name, value.get())?);
        }
        Ok(Outgoing { body: finish_object(body), hashed: None })
    }

    fn told(&self, body: &str) -> String {
        told(body)
    }
}

/// A body as it looks to people: without what is done before it and after it, and with those by name
/// who are still to be found.
pub(super) fn told(body: &str) -> String {
    if !body.contains('$') {
        return body.to_owned();
    }
    let Ok(fields) = Fields::of_text(body) else { return body.to_owned() };
    let mut told_all = String::new();
    for (name, value) in fields.0.iter().filter(|(name, _)| !name.starts_with('$')) {
        push_field(&mut told_all, name, &told_value(value.get()));
    }
    finish_object(told_all)
}

fn told_value(json: &str) -> String {
    if !json.contains('$') {
        return json.to_owned();
    }
    match json.as_bytes().first() {
        Some(b'{') => {
            let Ok(fields) = Fields::of_text(json) else { return json.to_owned() };
            if let Some(reference) = Reference::of(&fields).filter(|_| names_others(json)) {
                let mut own = String::new();
                for (by, value) in reference.by.iter().take(1) {
                    let value = serde_json::to_string(value).unwrap_or_default();
                    push_field(&mut own, if *by == By::Name { NAME } else { by.column() }, &value);
                }
                return finish_object(own);
            }
            told(json)
        }
        Some(b'[') => {
            let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) else {
                return json.to_owned();
            };
            let items: Vec<String> = items.into_iter().map(|item| told_value(item.get())).collect();
            format!("[{}]", items.join(","))
        }
        _ => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(record_type: &str, record: &str) -> Result<String, String> {
        let fields = Fields::of_text(record).unwrap();
        let incoming: Vec<Incoming<'_>> = fields
            .0
            .iter()
            .map(|(name, value)| Incoming { name, value, moment: None, is_id: name == "id" })
            .collect();
        let native = Native { record_type: record_type.to_owned() };
        native.outgoing(&incoming).map(|outgoing| outgoing.body)
    }

    #[test]
    fn a_record_goes_out_as_it_came_in() {
        let body = shaped(
            "customer",
            r#"{"id":"1","companyName":"A","custentity_x":1.50,"subsidiary":{"id":"1"}}"#,
        );
        assert_eq!(
            body.unwrap(),
            r#"{"companyName":"A","custentity_x":1.50,"subsidiary":{"id":"1"}}"#
        );
        shaped("customer", r#"{"$find":1}"#).unwrap_err();
        assert_eq!(shaped("customer", "{}").unwrap(), "{}");
    }

    #[test]
    fn who_is_named_by_name_is_to_be_found() {
        let body = shaped(
            "vendorBill",
            r#"{"entity":{"refName":"Acme"},"item":{"items":[{"item":{"refName":"Bolt"},"rate":1.0,"class":{"id":"3","refName":"x"}}]}}"#,
        )
        .unwrap();
        let asked: Vec<(String, String)> = super::super::reference::references(&body)
            .into_iter()
            .map(|one| (one.table, one.by[0].1.clone()))
            .collect();
        let of = |table: &str, name: &str| (table.to_owned(), name.to_owned());
        assert_eq!(asked, [of("vendor", "Acme"), of("item", "Bolt")]);
        assert!(body.contains(r#""rate":1.0,"class":{"id":"3","refName":"x"}"#), "{body}");
        assert_eq!(
            told(&body),
            r#"{"entity":{"refName":"Acme"},"item":{"items":[{"item":{"refName":"Bolt"},"rate":1.0,"class":{"id":"3","refName":"x"}}]}}"#
        );
        let told = shaped("customer", r#"{"terms":{"refName":"Net 30"}}"#).unwrap_err();
        assert!(told.contains("by `id` or `externalId`") && !told.contains(FIND), "{told}");
    }
}
