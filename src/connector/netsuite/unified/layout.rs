//! What most of an object comes to, as a table: which field of the unified schema goes to which of
//! NetSuite's, in which form, and which names are of other records.

use serde_json::{Map, Value, json};

use super::source::Source;
use crate::connector::netsuite::reference::{By, Reference};

/// How a value goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    /// A text that its record is found by: NetSuite keeps no white space around it.
    Key,
    Number,
    Flag,
    /// The other way round: `isActive` to `isInactive`.
    Not,
    Day,
    /// A date with its time.
    Moment,
}

/// From which field, to which, and how.
pub(super) type Field = (&'static str, &'static str, Form);

/// A field that is another record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    to: &'static str,
    table: &'static str,
    kind: Option<&'static str>,
    what: &'static str,
    /// Which fields say which record it is.
    names: &'static [(&'static str, By)],
    within: bool,
}

impl Link {
    const fn new(
        what: &'static str,
        table: &'static str,
        names: &'static [(&'static str, By)],
    ) -> Self {
        Self { to: what, table, kind: None, what, names, within: false }
    }

    /// To another field than the one of its own name.
    pub(super) const fn to(self, field: &'static str) -> Self {
        Self { to: field, ..self }
    }

    const fn of_type(self, kind: &'static str) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// Its name counts within the record's subsidiary alone.
    const fn within(self) -> Self {
        Self { within: true, ..self }
    }

    /// Its name counts wherever it is: an account has several subsidiaries, or none.
    pub(super) const fn anywhere(self) -> Self {
        Self { within: false, ..self }
    }

    /// By what the object says of it.
    pub(super) fn read(&self, source: &Source<'_>) -> Option<Reference> {
        let said = |&(name, by): &(&str, By)| Some((by, source.key(name)?));
        let mut by: Vec<(By, String)> = self.names.iter().filter_map(said).collect();
        by.sort_by_key(|(by, _)| *by);
        (!by.is_empty()).then(|| self.reference(by))
    }

    fn reference(&self, by: Vec<(By, String)>) -> Reference {
        Reference {
            table: self.table.to_owned(),
            kind: self.kind.map(str::to_owned),
            what: self.what.to_owned(),
            by,
            within: self.within,
            or: None,
            of: None,
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.names.iter().map(|(name, _)| *name)
    }
}

/// The link `X`, by `XId`, `XName` and `XExternalId`, and by what stands after them.
macro_rules! link {
    ($name:literal, $table:literal $(, $field:expr => $by:ident)*) => {
        Link::new($name, $table, &[
            (concat!($name, "Id"), By::Id),
            (concat!($name, "Name"), By::Name),
            (concat!($name, "ExternalId"), By::ExternalId),
            $(($field, By::$by),)*
        ])
    };
}

pub(super) const VENDOR: Link = link!("vendor", "vendor", "vendorNumber" => EntityId).to("entity");
pub(super) const CUSTOMER: Link =
    link!("customer", "customer", "customerNumber" => EntityId).to("entity");
pub(super) const PARENT_CUSTOMER: Link = link!("parent", "customer", "parentNumber" => EntityId);
pub(super) const PARENT_ACCOUNT: Link = link!("parent", "account", "parentNumber" => AcctNumber);
/// What the schema calls a project is a customer of NetSuite.
pub(super) const PROJECT: Link =
    link!("project", "customer", "projectNumber" => EntityId).to("customer");
pub(super) const ITEM: Link = link!("item", "item", "itemNumber" => ItemId);
pub(super) const ACCOUNT: Link = link!("account", "account", "accountNumber" => AcctNumber);
pub(super) const LOCATION: Link = link!("location", "location").within();
pub(super) const CLASS: Link = link!("class", "classification").within();
pub(super) const DEPARTMENT: Link = link!("department", "department").within();
pub(super) const SUBSIDIARY: Link = link!("subsidiary", "subsidiary");
pub(super) const VENDOR_CATEGORY: Link = link!("category", "vendorcategory");
pub(super) const CUSTOMER_CATEGORY: Link = link!("category", "customercategory");
pub(super) const SALES_REP: Link = link!("salesRep", "employee").within();
/// The platform keeps an employee's number as the external id.
pub(super) const EMPLOYEE: Link =
    link!("employee", "employee", "employeeNumber" => ExternalId).within();
pub(super) const CURRENCY: Link = Link::new(
    "currency",
    "currency",
    &[("currencyId", By::Id), ("currencyName", By::Name), ("currency", By::Symbol)],
);
pub(super) const BILL: Link = Link::new(
    "bill",
    "transaction",
    &[("billId", By::Id), ("billExternalId", By::ExternalId), ("billNumber", By::TranId)],
)
.of_type("VendBill");
pub(super) const INVOICE: Link = Link::new(
    "invoice",
    "transaction",
    &[("invoiceId", By::Id), ("invoiceExternalId", By::ExternalId), ("invoiceNumber", By::TranId)],
)
.of_type("CustInvc");

/// Fields that every object may have, with values of the user's own.
const CUSTOM: &str = "customFields";
/// What identifies a record, which the pipeline says.
const IDS: [&str; 3] = ["id", "externalId", "internalId"];

/// An object, as far as a table can tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Of two for the same field of NetSuite the last one counts.
    pub(super) fields: &'static [Field],
    pub(super) links: &'static [Link],
    /// Fields that its family reads on its own.
    pub(super) read: &'static [&'static str],
    /// Fields of NetSuite that its family sets on its own.
    pub(super) set: &'static [&'static str],
    /// Fields that the schema has, and that go nowhere.
    pub(super) idle: &'static [&'static str],
}

impl Layout {
    /// What the table says of an object.
    pub(super) fn make(&self, source: &Source<'_>) -> Map<String, Value> {
        let mut body = Map::new();
        for link in self.links {
            if let Some(reference) = link.read(source) {
                body.insert(link.to.to_owned(), reference.placed());
            }
        }
        for (from, to, form) in self.fields {
            let value = match form {
                Form::Text => source.text(from).map(Value::from),
                Form::Key => source.key(from).map(Value::from),
                Form::Number => source.number(from),
                Form::Flag => source.flag(from).map(Value::from),
                Form::Not => source.flag(from).map(|flag| Value::from(!flag)),
                Form::Day => source.day(from).map(Value::from),
                Form::Moment => source.moment(from).map(Value::from),
            };
            if let Some(value) = value {
                body.insert((*to).to_owned(), value);
            }
        }
        self.custom(source, &mut body);
        source.ignore_unless(|name| {
            IDS.contains(&name) || self.idle.contains(&name) || self.names().any(|own| own == name)
        });
        body
    }

    /// Fields of the user's own. One that is set from the schema could only say something else.
    fn custom(&self, source: &Source<'_>, body: &mut Map<String, Value>) {
        for field in source.objects(CUSTOM) {
            let Some(value) = field.get("value") else { continue };
            let Some(name) = field.key("name") else {
                field.problem("name", "Field required");
                continue;
            };
            let is_set = self.sets(&name);
            if is_set || name.starts_with('$') || has_placeholder(value) {
                let why = if is_set { "set from other fields" } else { "no field of NetSuite" };
                field.problem("name", &format!("`{name}` is {why}, and no custom field"));
            } else {
                body.insert(name, value.clone());
            }
        }
    }

    /// Whether it is a field of NetSuite that is set from the schema.
    fn sets(&self, name: &str) -> bool {
        let fields = self.fields.iter().map(|(_, to, _)| *to);
        let all = fields.chain(self.links.iter().map(|link| link.to));
        all.chain(self.set.iter().copied()).chain(IDS).any(|own| own.eq_ignore_ascii_case(name))
    }

    /// All fields that are read.
    fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        let fields = self.fields.iter().map(|(from, ..)| *from);
        let links = self.links.iter().flat_map(Link::names);
        fields.chain(links).chain(self.read.iter().copied()).chain([CUSTOM])
    }
}

/// Names that begin with `$` are of placeholders, which stand for what else is to be done.
fn has_placeholder(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.starts_with('$') || has_placeholder(value))
        }
        Value::Array(list) => list.iter().any(has_placeholder),
        _ => false,
    }
}

/// The subsidiaries of what has several, by `subsidiary` (ids) and `subsidiaryRef`. Each once,
/// where that can be told before they are found.
pub(super) fn subsidiaries(source: &Source<'_>) -> Option<Value> {
    let ids = source.texts("subsidiary").into_iter().map(|id| vec![(By::Id, id)]);
    let mut all: Vec<Vec<(By, String)>> = Vec::new();
    let named = source.objects("subsidiaryRef").into_iter().map(|one| {
        let names = [("id", By::Id), ("name", By::Name)];
        names.iter().filter_map(|(name, by)| Some((*by, one.key(name)?))).collect()
    });
    for by in ids.chain(named.collect::<Vec<_>>()) {
        if !by.is_empty() && all.iter().all(|known| known.first() != by.first()) {
            all.push(by);
        }
    }
    let items: Vec<Value> = all.into_iter().map(|by| SUBSIDIARY.reference(by).placed()).collect();
    (!items.is_empty()).then(|| json!({"items": items}))
}

#[cfg(test)]
mod tests {
    use super::super::source::Reading;
    use super::*;

    const LAYOUT: Layout = Layout {
        fields: &[
            ("name", "acctName", Form::Text),
            ("isActive", "isInactive", Form::Not),
            ("isPerson", "isPerson", Form::Flag),
            ("updatedAt", "lastModifiedDate", Form::Moment),
        ],
        links: &[ITEM, EMPLOYEE, CURRENCY],
        read: &["addresses"],
        set: &["addressbook"],
        idle: &["status"],
    };

    fn made(record: &Value) -> Result<(Value, Vec<String>), String> {
        let reading = Reading::new("Things");
        let body = LAYOUT.make(&Source::new(&reading, record.as_object().unwrap()));
        reading.finish().map(|ignored| (Value::Object(body), ignored))
    }

    #[test]
    fn a_record_is_looked_for_in_the_platforms_order() {
        let record = json!({
            "itemExternalId": "x", "itemNumber": 7, "itemName": " A ", "itemId": "1",
            "employeeNumber": "E", "employeeName": "Ann Lee", "currency": "EUR",
            "currencyName": null, "currencyId": ""
        });
        let (body, _) = made(&record).unwrap();
        let by = |name: &str| body[name]["$find"]["by"].clone();
        assert_eq!(
            by("item"),
            json!([["id", "1"], ["name", "A"], ["itemid", "7"], ["externalid", "x"]])
        );
        assert_eq!(by("employee"), json!([["name", "Ann Lee"], ["externalid", "E"]]));
        assert_eq!(by("currency"), json!([["symbol", "EUR"]]));
        assert_eq!(body["employee"]["$find"]["within"], true);
        let wrong = made(&json!({"itemId": true})).unwrap_err();
        assert!(
            wrong.ends_with(
                "'itemId' -> Input should be a valid string (got value True of type bool)"
            )
        );
    }

    #[test]
    fn values_take_their_forms_and_what_says_nothing_is_left_out() {
        let record = json!({
            "name": 5, "isActive": false, "isPerson": false, "status": 1, "addresses": [],
            "updatedAt": "2024-10-25T00:00:00.000000Z",
            "customFields": [
                null, {"name": "custbody1", "value": [1]}, {"name": "custbody2", "value": null},
                {"value": ""}
            ]
        });
        let body = json!({
            "acctName": "5", "isInactive": true, "isPerson": false,
            "lastModifiedDate": "2024-10-25T00:00:00.000000Z", "custbody1": [1]
        });
        assert_eq!(made(&record).unwrap(), (body, vec![]));
        let silent = json!({
            "name": " ", "isActive": null, "customFields": null, "updatedAt": "", "itemName": ""
        });
        assert_eq!(made(&silent).unwrap(), (json!({}), vec![]));
    }

    #[test]
    fn custom_fields_take_no_place_of_others() {
        for (name, value, why) in [
            ("acctname", json!("x"), "`acctname` is set from other fields, and no custom field"),
            ("currency", json!("x"), "`currency` is set from other fields, and no custom field"),
            (
                "AddressBook",
                json!({}),
                "`AddressBook` is set from other fields, and no custom field",
            ),
            (
                "externalId",
                json!("x"),
                "`externalId` is set from other fields, and no custom field",
            ),
            ("$type", json!("x"), "`$type` is no field of NetSuite, and no custom field"),
            (
                "custbody1",
                json!([{"$find": {}}]),
                "`custbody1` is no field of NetSuite, and no custom field",
            ),
            ("", json!("x"), "Field required"),
        ] {
            let record = json!({"customFields": [{"name": name, "value": value}]});
            let told = format!(
                "Failed Structure/Datatype validation for Things: 'customFields.0.name' -> {why}"
            );
            assert_eq!(made(&record).unwrap_err(), told);
        }
    }

    #[test]
    fn each_subsidiary_is_named_once() {
        let record = json!({
            "subsidiary": [1, "2", "1"],
            "subsidiaryRef": [{"id": "2", "name": "B"}, {"name": "C"}, {}]
        });
        let reading = Reading::new("Items");
        let made = subsidiaries(&Source::new(&reading, record.as_object().unwrap())).unwrap();
        let by: Vec<&Value> =
            made["items"].as_array().unwrap().iter().map(|item| &item["$find"]["by"]).collect();
        assert_eq!(by, [&json!([["id", "1"]]), &json!([["id", "2"]]), &json!([["name", "C"]])]);
        let none = json!({"subsidiary": [], "subsidiaryRef": null});
        assert_eq!(subsidiaries(&Source::new(&reading, none.as_object().unwrap())), None);
    }
}
