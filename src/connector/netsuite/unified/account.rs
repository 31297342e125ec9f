//! Accounts.

use serde_json::{Map, Value};

use super::layout::{
    CLASS, CURRENCY, DEPARTMENT, Form, LOCATION, Layout, PARENT_ACCOUNT, subsidiaries,
};
use super::source::Source;

pub(super) const LAYOUT: Layout = Layout {
    fields: &[
        ("name", "acctName", Form::Text),
        ("description", "description", Form::Text),
        ("type", "acctType", Form::Text),
        ("isActive", "isInactive", Form::Not),
    ],
    links: &[
        CURRENCY,
        PARENT_ACCOUNT,
        LOCATION.anywhere(),
        CLASS.anywhere(),
        DEPARTMENT.anywhere(),
    ],
    read: &["subsidiary", "subsidiaryRef"],
    set: &["subsidiary"],
    idle: &["createdAt", "updatedAt", "hgTenantId"],
};

pub(super) fn make(source: &Source<'_>) -> Map<String, Value> {
    let mut body = LAYOUT.make(source);
    if let Some(subsidiaries) = subsidiaries(source) {
        body.insert("subsidiary".to_owned(), subsidiaries);
    }
    body
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Kind;
    use super::super::tests::{find, made};

    #[test]
    fn fields_that_are_there_become_fields() {
        let record = json!({
            "id": "7", "externalId": "A", "name": "Cash", "description": "In hand", "type": "Bank",
            "isActive": false, "currency": "EUR", "parentId": 12, "parentName": "Assets",
            "locationName": "North", "classId": "3", "departmentExternalId": "D",
            "subsidiary": ["1"], "subsidiaryRef": [{"name": "Germany"}],
            "customFields": [{"name": "acctNumber", "value": "1000"}], "updatedAt": "2026-01-02"
        });
        assert_eq!(
            made(Kind::Account, &record).unwrap(),
            json!({
                "acctName": "Cash", "description": "In hand", "acctType": "Bank",
                "isInactive": true,
                "currency": find("currency", "currency", json!([["symbol", "EUR"]]), false),
                "parent": find("account", "parent", json!([["id", "12"], ["name", "Assets"]]), false),
                "location": find("location", "location", json!([["name", "North"]]), false),
                "class": find("classification", "class", json!([["id", "3"]]), false),
                "department": find("department", "department", json!([["externalid", "D"]]), false),
                "subsidiary": {
                    "items": [
                        find("subsidiary", "subsidiary", json!([["id", "1"]]), false),
                        find("subsidiary", "subsidiary", json!([["name", "Germany"]]), false)
                    ]
                },
                "acctNumber": "1000"
            })
        );
        assert_eq!(made(Kind::Account, &json!({"id": "7", "name": null})).unwrap(), json!({}));
    }
}
