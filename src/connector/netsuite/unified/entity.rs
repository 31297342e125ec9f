//! Vendors and customers.

use serde_json::{Map, Value, json};

use super::address::{Use, addresses, phones};
use super::layout::{
    CURRENCY, CUSTOMER_CATEGORY, Form, Layout, PARENT_CUSTOMER, SALES_REP, SUBSIDIARY,
    VENDOR_CATEGORY,
};
use super::source::Source;

/// What stands for the addresses that are added, of which none is that is the default already:
/// items of an `addressbook`.
pub(in crate::connector::netsuite) const ADDRESSES: &str = "$addresses";

const READ: &[&str] = &["phoneNumbers", "addresses"];
const SET: &[&str] = &["phone", "mobilePhone", "homePhone", "addressbook"];

pub(super) const VENDOR: Layout = Layout {
    fields: &[
        ("vendorNumber", "entityId", Form::Key),
        ("vendorName", "companyName", Form::Text),
        ("prefix", "salutation", Form::Text),
        ("firstName", "firstName", Form::Text),
        ("middleName", "middleName", Form::Text),
        ("lastName", "lastName", Form::Text),
        ("title", "title", Form::Text),
        ("email", "email", Form::Text),
        ("website", "url", Form::Text),
        ("checkName", "printOnCheckAs", Form::Text),
        ("balance", "balance", Form::Number),
        ("updatedAt", "lastModifiedDate", Form::Moment),
        ("createdAt", "dateCreated", Form::Moment),
        ("isPerson", "isPerson", Form::Flag),
        ("isActive", "isInactive", Form::Not),
    ],
    links: &[CURRENCY, VENDOR_CATEGORY, SUBSIDIARY],
    read: READ,
    set: SET,
    idle: &["fullName", "suffix", "salutation", "balanceDate", "categoryRef", "hgTenantId"],
};

pub(super) const CUSTOMER: Layout = Layout {
    fields: &[
        ("customerNumber", "entityId", Form::Key),
        ("companyName", "companyName", Form::Text),
        ("prefix", "salutation", Form::Text),
        ("firstName", "firstName", Form::Text),
        ("middleName", "middleName", Form::Text),
        ("lastName", "lastName", Form::Text),
        ("title", "title", Form::Text),
        ("email", "email", Form::Text),
        ("website", "url", Form::Text),
        // The schema has the first of these names, the platform's target reads the second.
        ("checkName", "printOnCheckAs", Form::Text),
        ("printOnCheckAs", "printOnCheckAs", Form::Text),
        ("isPerson", "isPerson", Form::Flag),
        ("isActive", "isInactive", Form::Not),
    ],
    links: &[PARENT_CUSTOMER, SUBSIDIARY, CUSTOMER_CATEGORY, SALES_REP, CURRENCY],
    read: READ,
    set: SET,
    idle: &[
        "fullName",
        "suffix",
        "paymentMethod",
        "taxable",
        "taxCode",
        "notes",
        "createdAt",
        "updatedAt",
        "hgTenantId",
    ],
};

pub(super) fn make(layout: &Layout, source: &Source<'_>) -> Map<String, Value> {
    let mut body = layout.make(source);
    phones(source, &mut body);
    let items: Vec<Value> = addresses(source)
        .into_iter()
        .map(|(kind, address)| {
            json!({
                "defaultBilling": kind == Use::Billing, "defaultShipping": kind == Use::Shipping,
                "addressbookaddress": address
            })
        })
        .collect();
    if !items.is_empty() {
        body.insert(ADDRESSES.to_owned(), items.into());
    }
    body
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::{find, made};

    #[test]
    fn a_vendor() {
        let record = json!({
            "id": "7", "externalId": "V", "vendorNumber": "V-1", "vendorName": "Acme",
            "prefix": "Ms", "firstName": "Ann", "middleName": "B", "lastName": "Lee",
            "title": "Buyer", "email": "a@b.example", "website": "b.example", "checkName": "ACME",
            "balance": "10.50", "updatedAt": "2024-10-25T01:02:03Z", "createdAt": "2024-10-24",
            "isPerson": false, "isActive": true, "currencyId": "4", "categoryName": "Parts",
            "subsidiaryId": "1", "subsidiaryName": "Parent",
            "customFields": [{"name": "custentity1", "value": true}],
            "phoneNumbers": [
                {"type": "unknown", "phoneNumber": "1"}, {"type": "mobile", "phoneNumber": 2},
                {"type": "home", "phoneNumber": "3"}
            ],
            "addresses": [
                {
                    "id": "318", "addressType": "billing", "addressText": "Acme\nBern",
                    "line1": "Road 1", "line2": "B", "line3": null, "city": "Bern", "state": "BE",
                    "postalCode": 3000, "country": "CH"
                },
                {"addressType": "shipping", "city": "Basel"}
            ]
        });
        assert_eq!(
            made(Kind::Vendor, &record).unwrap(),
            json!({
                "entityId": "V-1", "companyName": "Acme", "salutation": "Ms", "firstName": "Ann",
                "middleName": "B", "lastName": "Lee", "title": "Buyer", "email": "a@b.example",
                "url": "b.example", "printOnCheckAs": "ACME", "balance": {"$number": "10.50"},
                "lastModifiedDate": "2024-10-25T01:02:03Z", "dateCreated": "2024-10-24",
                "isPerson": false, "isInactive": false,
                "currency": find("currency", "currency", json!([["id", "4"]]), false),
                "category": find("vendorcategory", "category", json!([["name", "Parts"]]), false),
                "subsidiary": find("subsidiary", "subsidiary", json!([["id", "1"], ["name", "Parent"]]), false),
                "custentity1": true, "phone": "1", "mobilePhone": "2", "homePhone": "3",
                "$addresses": [
                    {
                        "defaultBilling": true, "defaultShipping": false,
                        "addressbookaddress": {
                            "addrText": "Acme\nBern", "addr1": "Road 1", "addr2": "B",
                            "city": "Bern", "state": "BE", "country": "CH", "zip": "3000"
                        }
                    },
                    {
                        "defaultBilling": false, "defaultShipping": true,
                        "addressbookaddress": {"city": "Basel"}
                    }
                ]
            })
        );
    }

    #[test]
    fn a_customer() {
        let record = json!({
            "customerNumber": "C-1", "companyName": "Acme", "prefix": "Mr", "firstName": "Bo",
            "middleName": "C", "lastName": "Ek", "title": "Cook", "email": "b@c.example",
            "website": "c.example", "checkName": "BO", "isPerson": true, "isActive": false,
            "parentId": "9", "parentName": "Group", "parentNumber": "127",
            "subsidiaryName": "Parent", "categoryId": "1", "salesRepId": 8,
            "salesRepName": "Dean N", "currency": "USD",
            "phoneNumbers": [{"type": "mobile", "phoneNumber": "+1"}], "fullName": "Bo C Ek",
            "taxCode": "x"
        });
        let mut body = json!({
            "entityId": "C-1", "companyName": "Acme", "salutation": "Mr", "firstName": "Bo",
            "middleName": "C", "lastName": "Ek", "title": "Cook", "email": "b@c.example",
            "url": "c.example", "printOnCheckAs": "BO", "isPerson": true, "isInactive": true,
            "mobilePhone": "+1",
            "parent": find("customer", "parent", json!([["id", "9"], ["name", "Group"], ["entityid", "127"]]), false),
            "subsidiary": find("subsidiary", "subsidiary", json!([["name", "Parent"]]), false),
            "category": find("customercategory", "category", json!([["id", "1"]]), false),
            "salesRep": find("employee", "salesRep", json!([["id", "8"], ["name", "Dean N"]]), true),
            "currency": find("currency", "currency", json!([["symbol", "USD"]]), false)
        });
        assert_eq!(made(Kind::Customer, &record).unwrap(), body);
        let mut other = record;
        other["printOnCheckAs"] = json!("MR BO");
        body["printOnCheckAs"] = json!("MR BO");
        assert_eq!(made(Kind::Customer, &other).unwrap(), body);
    }
}
