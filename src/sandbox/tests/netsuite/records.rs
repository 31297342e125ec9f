//! Records one by one: ids and external ids, names, values, references, addresses.

use serde_json::json;

use super::super::Sandbox;
use super::{assert_refused, id};

#[tokio::test]
async fn a_record_is_made_read_changed_and_deleted() {
    let sandbox = Sandbox::start("").await;
    let made = sandbox.vendor("Acme").await;
    let vendor = sandbox.ns_get("vendor", &made).await;
    assert_eq!(vendor["entityId"], "Acme");
    assert_eq!(vendor["subsidiary"]["refName"], "Parent Company");
    assert!(vendor["subsidiary"]["links"][0]["href"].as_str().unwrap().ends_with("/subsidiary/1"));

    let path = format!("/record/v1/vendor/{made}");
    let changed = sandbox.ns("PATCH", &path, json!({"email": "a@example.com", "url": null})).await;
    assert_eq!((changed.status, id(&changed, "vendor")), (204, made.clone()));
    let changed = sandbox.ns("PATCH", "/record/v1/vendor/eid:v-acme", json!({"phone": "1"})).await;
    assert_eq!((changed.status, id(&changed, "vendor")), (204, made.clone()));
    let read = sandbox.ns("GET", "/record/v1/vendor/eid:V-Acme?fields=email,phone", "").await;
    assert_eq!(
        read.header("content-type"),
        "application/vnd.oracle.resource+json; type=singular-resource"
    );
    let read = read.json();
    assert_eq!(
        (&read["email"], &read["phone"], &read["entityId"]),
        (&json!("a@example.com"), &json!("1"), &json!(null))
    );

    let held = sandbox.ns_held("vendor").await;
    assert_eq!((held.len(), &held[0]["id"]), (1, &json!(made)));
    assert_eq!(sandbox.ns("DELETE", &path, "").await.status, 204);
    let gone = sandbox.ns("GET", &path, "").await;
    assert_refused(&gone, 404, "NONEXISTENT_ID", "The record instance does not exist.", "");
    // What is there from the start is changed like others, but not deleted.
    let body = json!({"description": "Main"});
    assert_eq!(sandbox.ns("PATCH", "/record/v1/account/eid:gl-1000", body).await.status, 204);
    let account = sandbox.ns_get("account", "1").await;
    assert_eq!((&account["description"], &account["acctNumber"]), (&json!("Main"), &json!("1000")));
    let first = sandbox.ns("DELETE", "/record/v1/subsidiary/1", "").await;
    assert_refused(&first, 400, "USER_ERROR", "cannot be deleted because it has dependent", "");
}

#[tokio::test]
async fn an_upsert_makes_a_record_and_then_changes_it() {
    let sandbox = Sandbox::start("").await;
    let body = json!({"companyName": "Acme", "subsidiary": {"externalId": "sub-parent"}});
    let made = sandbox.ns("PUT", "/record/v1/customer/eid:C-1", &body).await;
    let again = sandbox.ns("PUT", "/record/v1/customer/eid:c-1", json!({"phone": "2"})).await;
    assert_eq!(
        (made.status, again.status, &made.text, &again.text),
        (204, 204, &String::new(), &String::new())
    );
    assert_eq!(id(&made, "customer"), id(&again, "customer"));
    let held = sandbox.ns_held("customer").await;
    assert_eq!(
        (held.len(), &held[0]["externalId"], &held[0]["phone"]),
        (1, &json!("C-1"), &json!("2"))
    );

    let by_id =
        sandbox.ns("PUT", &format!("/record/v1/customer/{}", id(&made, "customer")), &body).await;
    assert_refused(&by_id, 400, "INVALID_REQUEST", "needs an external ID", "");
    for (path, code) in [("eid:a%7Cb", "INVALID_REQUEST"), ("eid:a%20b", "USER_ERROR")] {
        let refused = sandbox.ns("PUT", &format!("/record/v1/customer/{path}"), &body).await;
        assert_refused(&refused, 400, code, "", "");
    }
}

#[tokio::test]
async fn an_external_id_is_had_once_by_all_records_of_a_kin() {
    let sandbox = Sandbox::start("").await;
    sandbox.vendor("Acme").await;
    let customer =
        json!({"companyName": "Bolt", "externalId": "v-ACME", "subsidiary": {"id": "1"}});
    let exists = "Error while accessing a resource. This entity already exists.";
    for path in ["customer", "vendor"] {
        let refused = sandbox.ns("POST", &format!("/record/v1/{path}"), &customer).await;
        assert_refused(&refused, 400, "USER_ERROR", exists, "");
    }
    let refused = sandbox.ns("PUT", "/record/v1/customer/eid:V-Acme", &customer).await;
    assert_refused(&refused, 400, "USER_ERROR", exists, "");
    // Of another kin, there may be one more.
    sandbox.ns_make("customrecord_widget", json!({"name": "W", "externalId": "V-Acme"})).await;
    let twice = json!({"name": "W", "externalId": "V-ACME"});
    let refused = sandbox.ns("POST", "/record/v1/customrecord_widget", twice).await;
    assert_refused(&refused, 400, "USER_ERROR", "This record already exists.", "");

    let same_name = json!({"companyName": "acme", "subsidiary": {"id": "1"}});
    let refused = sandbox.ns("POST", "/record/v1/vendor", &same_name).await;
    assert_refused(&refused, 400, "USER_ERROR", exists, "");
    sandbox.ns_make("serviceSaleItem", json!({"itemId": "X1"})).await;
    let refused = sandbox.ns("POST", "/record/v1/inventoryItem", json!({"itemId": "x1"})).await;
    assert_refused(
        &refused,
        400,
        "USER_ERROR",
        "There is already an item using that item name",
        "",
    );
    let account = json!({"acctName": "Cash", "acctNumber": "1000", "acctType": "Bank"});
    let refused = sandbox.ns("POST", "/record/v1/account", account).await;
    assert_refused(
        &refused,
        400,
        "USER_ERROR",
        "account number you have chosen is already used",
        "",
    );
}

#[tokio::test]
async fn what_is_no_type_field_or_value_is_refused() {
    let sandbox = Sandbox::start("").await;
    let strict = [("x-netsuite-propertynamevalidation", "Error")];
    let refused = sandbox.ns("GET", "/record/v1/dragon", "").await;
    assert_refused(&refused, 404, "NOT_FOUND", "Record type 'dragon' does not exist.", "");
    let refused = sandbox.ns("POST", "/record/v1/vendor", "[]").await;
    assert_refused(&refused, 400, "INVALID_CONTENT", "Invalid content in the request body", "");
    let refused = sandbox.ns("POST", "/record/v1/vendor", json!({"companyName": "A"})).await;
    assert_refused(
        &refused,
        400,
        "USER_ERROR",
        "Please enter value(s) for: Primary Subsidiary",
        "",
    );
    let refused = sandbox.ns("POST", "/record/v1/vendor", json!({"subsidiary": {"id": 1}})).await;
    assert_refused(&refused, 400, "USER_ERROR", "Please enter value(s) for: Company Name", "");

    // Names that are no fields are left out, unless the call is strict.
    let body = json!({"companyName": "A", "subsidiary": {"id": 1}, "custentity_none": 1,
        "custentity_tier": "gold"});
    let refused = sandbox.ns_with("POST", "/record/v1/vendor", &strict, &body).await;
    assert_refused(&refused, 400, "INVALID_CONTENT", "custentity_none", "custentity_none");
    let made = sandbox.ns_make("vendor", body).await;
    let vendor = sandbox.ns_get("vendor", &made).await;
    assert_eq!(
        (&vendor["custentity_tier"], &vendor["custentity_none"]),
        (&json!("gold"), &json!(null))
    );

    let path = format!("/record/v1/vendor/{made}");
    for (body, code, about, detail) in [
        (json!({"email": 7}), "INVALID_VALUE", "email", "resource or sub-resource field 'email'"),
        (json!({"isInactive": "T"}), "INVALID_VALUE", "isInactive", ""),
        (json!({"creditLimit": "7"}), "INVALID_VALUE", "creditLimit", ""),
        (json!({"subsidiary": "1"}), "INVALID_VALUE", "subsidiary", ""),
        (json!({"subsidiary": {"refName": "Parent Company"}}), "INVALID_VALUE", "subsidiary", ""),
        (
            json!({"subsidiary": {"id": "9"}}),
            "INVALID_CONTENT",
            "subsidiary",
            "Invalid Field Value 9 for the following field: subsidiary",
        ),
        (
            json!({"subsidiary": {"externalId": "x"}}),
            "INVALID_KEY_OR_REF",
            "subsidiary",
            "Invalid subsidiary reference key x.",
        ),
    ] {
        let refused = sandbox.ns("PATCH", &path, &body).await;
        assert_refused(&refused, 400, code, detail, about);
    }
    let method = sandbox.ns("PUT", "/query/v1/suiteql", "").await;
    assert_refused(&method, 405, "METHOD_NOT_ALLOWED", "", "");
}

#[tokio::test]
async fn addresses_are_lines_and_lists_are_replaced() {
    let sandbox = Sandbox::start("").await;
    let address = |city: &str| {
        json!({"defaultBilling": true,
        "addressbookaddress": {"city": city, "country": {"id": "US"}}})
    };
    let vendor = json!({"companyName": "Acme", "subsidiary": {"id": "2"},
        "addressbook": {"items": [address("Bonn")]}});
    let made = sandbox.ns_make("vendor", vendor).await;
    let path = format!("/record/v1/vendor/{made}");
    let book = json!({"addressbook": {"items": [{"id": "1",
        "addressbookaddress": {"zip": "53111"}}, address("Kiel")]}});
    assert_eq!(sandbox.ns("PATCH", &path, book).await.status, 204);
    let lines = sandbox.ns_get("vendor", &made).await["addressbook"]["items"].clone();
    assert_eq!(lines.as_array().unwrap().len(), 2);
    assert_eq!(
        (&lines[0]["addressbookaddress"]["city"], &lines[0]["addressbookaddress"]["zip"]),
        (&json!("Bonn"), &json!("53111"))
    );
    let rows = sandbox
        .ns_rows(
            "SELECT b.entity, a.city, a.zip FROM vendoraddressbook b JOIN \
        vendoraddressbookentityaddress a ON b.addressbookaddress = a.nkey ORDER BY a.city",
        )
        .await;
    assert_eq!(
        rows,
        [
            json!({"entity": made, "city": "Bonn", "zip": "53111"}),
            json!({"entity": made, "city": "Kiel"})
        ]
    );

    let item =
        json!({"itemId": "A", "subsidiary": {"items": [{"id": "1"}]}, "custitem_grade": "x"});
    let item = sandbox.ns_make("inventoryItem", item).await;
    let both = json!({"subsidiary": {"items": [{"id": "1"}, {"id": "2"}]}});
    assert_eq!(
        sandbox.ns("PATCH", &format!("/record/v1/inventoryItem/{item}"), both).await.status,
        204
    );
    let rows = sandbox.ns_rows("SELECT subsidiary, itemtype FROM item").await;
    assert_eq!(rows, [json!({"subsidiary": "1, 2", "itemtype": "InvtPart"})]);
    let one = sandbox
        .ns(
            "PATCH",
            &format!("/record/v1/inventoryItem/{item}"),
            json!({"subsidiary": {"id": "1"}}),
        )
        .await;
    assert_refused(&one, 400, "INVALID_VALUE", "", "subsidiary");
}

#[tokio::test]
async fn lists_come_in_pages_and_too_many_calls_at_once_are_refused() {
    let sandbox = Sandbox::start("netsuite: {page_rows: 2}").await;
    for name in ["A", "B", "AB"] {
        sandbox.vendor(name).await;
    }
    let page = sandbox.ns("GET", "/record/v1/vendor", "").await;
    assert_eq!(
        page.header("content-type"),
        "application/vnd.oracle.resource+json; type=collection"
    );
    let page = page.json();
    assert_eq!(
        (&page["count"], &page["hasMore"], &page["totalResults"]),
        (&json!(2), &json!(true), &json!(3))
    );
    let page = sandbox.ns("GET", "/record/v1/vendor?limit=2&offset=2", "").await.json();
    assert_eq!(
        (&page["count"], &page["hasMore"], &page["offset"]),
        (&json!(1), &json!(false), &json!(2))
    );
    let found =
        sandbox.ns("GET", "/record/v1/vendor?q=entityId%20START_WITH%20%22a%22", "").await.json();
    assert_eq!(found["totalResults"], 2);
    let odd = sandbox.ns("GET", "/record/v1/vendor?limit=2&offset=1", "").await;
    assert_refused(&odd, 400, "INVALID_PARAMETER", "must be divisible", "offset");
    let many = sandbox.ns("GET", "/record/v1/vendor?limit=1001", "").await;
    assert_refused(&many, 400, "INVALID_PARAMETER", "between 1 and 1000", "limit");

    let sandbox = Sandbox::start("{latency_ms: 300, netsuite: {concurrency: 2}}").await;
    let call = || sandbox.ns("GET", "/record/v1/vendor", "");
    let (first, second, third, fourth) = tokio::join!(call(), call(), call(), call());
    let replies = [first, second, third, fourth];
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 429).collect();
    assert_eq!(refused.len(), 2);
    assert_refused(
        refused[0],
        429,
        "CONCURRENCY_LIMIT_EXCEEDED",
        "Concurrent request limit exceeded. Request blocked.",
        "",
    );
    assert_eq!(refused[0].header("retry-after"), "");
    assert_eq!(sandbox.ns("GET", "/record/v1/vendor", "").await.status, 200);
}

#[tokio::test]
async fn faults_and_the_rate_limit_are_told_in_netsuites_form() {
    let sandbox = Sandbox::start(
        "{rate_limit: {requests: 1, per_secs: 60}, faults: [{on: 'GET \
            /services/rest/record/v1/{t}', do: status, status: 503}]}",
    )
    .await;
    let failed = sandbox.ns("GET", "/record/v1/vendor", "").await;
    assert_refused(&failed, 503, "UNEXPECTED_ERROR", "An unexpected error occurred", "");
    let refused = sandbox.ns("GET", "/record/v1/vendor", "").await;
    assert_refused(&refused, 429, "REQUEST_LIMIT_EXCEEDED", "Request limit exceeded", "");
    assert_eq!(refused.header("retry-after"), "60");
}
