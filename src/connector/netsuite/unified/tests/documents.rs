//! Bills, invoices, vendor credits and purchase orders.

use serde_json::json;

use super::super::Kind;
use super::{find, made};

#[test]
fn a_bill() {
    let record = json!({
        "id": "1", "externalId": "B", "billNumber": "B-1", "dueDate": "2025-09-20T00:00:00Z",
        "paidDate": "2025-09-21", "balance": 3, "totalAmount": "1000.00",
        "issueDate": "2025-09-16T08:45:00Z", "exchangeRate": 1.0, "description": "Cars",
        "vendorId": "12", "vendorName": "Acme", "vendorExternalId": "x", "vendorNumber": "V-1",
        "currency": "EUR", "locationName": "Germany", "subsidiaryId": 5, "departmentId": "8",
        "status": "open", "customFields": [{"name": "custbody1", "value": "x"}],
        "lineItems": [
            {
                "id": "1", "itemName": "Car 2", "itemNumber": "C2", "description": "Line 1",
                "taxCode": "VAT10", "quantity": "2.50", "unitPrice": 100, "amount": 200.0,
                "taxAmount": 20.0, "accountNumber": "4000", "locationId": "22", "className": "P",
                "departmentName": "D", "serviceDate": "2025-01-01",
                "customFields": [{"name": "custcol1", "value": 5}]
            }
        ],
        "expenses": [
            {
                "accountId": "58", "description": "Fuel", "amount": 50, "quantity": 1,
                "projectId": "107", "projectNumber": "P-1", "locationId": "22", "classId": "3",
                "departmentId": "8", "taxCode": "VAT10"
            }
        ],
        "relatedPayments": []
    });
    let vendor = json!([["id", "12"], ["name", "Acme"], ["externalid", "x"], ["entityid", "V-1"]]);
    let by_id = |table: &str, what: &str, id: &str| find(table, what, json!([["id", id]]), true);
    assert_eq!(
        made(Kind::Bill, &record).unwrap(),
        json!({
            "tranId": "B-1", "dueDate": "2025-09-20", "enddate": "2025-09-21", "balance": 3,
            "total": {"$number": "1000.00"}, "tranDate": "2025-09-16", "exchangeRate": 1.0,
            "memo": "Cars", "entity": find("vendor", "vendor", vendor, false),
            "currency": find("currency", "currency", json!([["symbol", "EUR"]]), false),
            "location": find("location", "location", json!([["name", "Germany"]]), true),
            "subsidiary": find("subsidiary", "subsidiary", json!([["id", "5"]]), false),
            "department": by_id("department", "department", "8"), "custbody1": "x",
            "item": {
                "items": [
                    {
                        "description": "Line 1", "quantity": {"$number": "2.50"}, "rate": 100,
                        "amount": 200.0,
                        "item": find("item", "item", json!([["name", "Car 2"], ["itemid", "C2"]]), false),
                        "account": find("account", "account", json!([["acctnumber", "4000"]]), false),
                        "location": by_id("location", "location", "22"),
                        "class": find("classification", "class", json!([["name", "P"]]), true),
                        "department": find("department", "department", json!([["name", "D"]]), true),
                        "custcol1": 5, "$tax": {"code": "VAT10", "basis": 200.0, "amount": 20.0}
                    }
                ]
            },
            "expense": {
                "items": [
                    {
                        "memo": "Fuel", "quantity": 1, "amount": 50,
                        "customer": find("customer", "project", json!([["id", "107"], ["entityid", "P-1"]]), false),
                        "account": find("account", "account", json!([["id", "58"]]), false),
                        "location": by_id("location", "location", "22"),
                        "class": by_id("classification", "class", "3"),
                        "department": by_id("department", "department", "8"),
                        "$tax": {"code": "VAT10", "basis": 50}
                    }
                ]
            }
        })
    );
}

#[test]
fn an_invoice() {
    let record = json!({
        "invoiceNumber": "I-1", "dueDate": "2025-03-25T00:00:00.000000Z", "issueDate": "2025-03-04",
        "shipDate": "2025-03-05", "exchangeRate": "1.5", "description": "Sold", "customerId": "313",
        "customerName": "Finbox", "customerExternalId": "c", "customerNumber": "C-1",
        "currencyId": "1", "currencyName": "US Dollar", "currency": "USD",
        "subsidiaryName": "Parent", "locationId": "1",
        "addresses": [
            {"id": "318", "addressType": "billing", "line1": "Road 1", "country": "US"},
            {"addressType": "Shipping", "addressText": "Floor 3", "postalCode": "90001"},
            {"addressType": "billing", "line1": "Road 2"}
        ],
        "lineItems": [
            {
                "itemId": "215", "description": "Car", "quantity": 2, "unitPrice": 50.0,
                "amount": 100, "classId": "1", "locationName": "NOAM", "departmentName": "R",
                "accountId": "9", "taxCode": "VAT10 - Germany"
            }
        ],
        "relatedPayments": [
            {
                "id": null, "externalId": "P", "paymentDate": "2025-03-04T00:00:00Z",
                "amount": 100.0, "currencyId": "1", "exchangeRate": 1.0, "accountId": "1720"
            }
        ]
    });
    let customer =
        json!([["id", "313"], ["name", "Finbox"], ["externalid", "c"], ["entityid", "C-1"]]);
    let currency = json!([["id", "1"], ["name", "US Dollar"], ["symbol", "USD"]]);
    assert_eq!(
        made(Kind::Invoice, &record).unwrap(),
        json!({
            "tranId": "I-1", "dueDate": "2025-03-25", "tranDate": "2025-03-04",
            "shipDate": "2025-03-05", "exchangeRate": 1.5, "memo": "Sold",
            "entity": find("customer", "customer", customer, false),
            "currency": find("currency", "currency", currency, false),
            "subsidiary": find("subsidiary", "subsidiary", json!([["name", "Parent"]]), false),
            "location": find("location", "location", json!([["id", "1"]]), true),
            "billingAddress": {"addr1": "Road 1", "country": "US"},
            "shippingAddress": {"addrText": "Floor 3", "zip": "90001"},
            "item": {
                "items": [
                    {
                        "description": "Car", "quantity": 2, "rate": 50.0, "amount": 100,
                        "item": find("item", "item", json!([["id", "215"]]), false),
                        "class": find("classification", "class", json!([["id", "1"]]), true),
                        "location": find("location", "location", json!([["name", "NOAM"]]), true),
                        "department": find("department", "department", json!([["name", "R"]]), true),
                        "$tax": {"code": "VAT10 - Germany", "basis": 100}
                    }
                ]
            },
            "$payments": [
                {
                    "externalId": "P", "tranDate": "2025-03-04", "exchangeRate": 1.0,
                    "currency": find("currency", "currency", json!([["id", "1"]]), false),
                    "account": find("account", "account", json!([["id", "1720"]]), false),
                    "$amount": 100.0, "$date": "2025-03-04"
                }
            ]
        })
    );
}

#[test]
fn a_vendor_credit() {
    let record = json!({
        "vendorCreditNumber": "VC-1", "issueDate": "2025-09-16", "dueDate": "2025-09-20",
        "exchangeRate": 2, "description": "Back", "vendorNumber": "V-1", "currency": "EUR",
        "subsidiaryId": "5", "locationExternalId": "L", "departmentName": "Sales",
        "customFields": [{"name": "custbody1", "value": false}],
        "lineItems": [
            {
                "itemExternalId": "I", "amount": 100, "quantity": 2, "description": "Line 1",
                "departmentExternalId": "D", "classExternalId": "C", "locationExternalId": "L",
                "subsidiaryName": "G", "taxCode": "VAT25", "taxAmount": 10,
                "customFields": [{"name": "custcol1", "value": "x"}]
            }
        ],
        "expenses": [
            {"accountName": "Fuel", "amount": 110, "description": "Expense", "taxCode": "VAT25"}
        ]
    });
    let external =
        |table: &str, what: &str, id: &str| find(table, what, json!([["externalid", id]]), true);
    assert_eq!(
        made(Kind::VendorCredit, &record).unwrap(),
        json!({
            "tranId": "VC-1", "tranDate": "2025-09-16", "duedate": "2025-09-20", "exchangerate": 2,
            "memo": "Back", "entity": find("vendor", "vendor", json!([["entityid", "V-1"]]), false),
            "currency": find("currency", "currency", json!([["symbol", "EUR"]]), false),
            "subsidiary": find("subsidiary", "subsidiary", json!([["id", "5"]]), false),
            "location": external("location", "location", "L"),
            "department": find("department", "department", json!([["name", "Sales"]]), true),
            "custbody1": false,
            "item": {
                "items": [
                    {
                        "amount": 100, "quantity": 2, "description": "Line 1",
                        "item": find("item", "item", json!([["externalid", "I"]]), false),
                        "department": external("department", "department", "D"),
                        "class": external("classification", "class", "C"),
                        "location": external("location", "location", "L"),
                        "subsidiary": find("subsidiary", "subsidiary", json!([["name", "G"]]), false),
                        "custcol1": "x", "$tax": {"code": "VAT25", "basis": 100, "amount": 10}
                    }
                ]
            },
            "expense": {
                "items": [
                    {
                        "amount": 110, "memo": "Expense", "$tax": {"code": "VAT25", "basis": 110},
                        "account": find("account", "account", json!([["name", "Fuel"]]), false)
                    }
                ]
            }
        })
    );
}

#[test]
fn a_purchase_order() {
    let record = json!({
        "purchaseOrderNumber": "PO-1", "description": "Cars", "exchangeRate": 2.0,
        "dueDate": "2025-06-07", "issueDate": "2025-05-29", "paidDate": "2025-05-30",
        "vendorNumber": "Golden", "currency": "USD", "subsidiaryName": "Parent",
        "customFields": [{"name": "custbody2", "value": 125}],
        "lineItems": [
            {"itemName": "Seat", "quantity": 1},
            {
                "itemId": "2417", "description": "Line 1", "unitPrice": 10, "quantity": 5,
                "departmentName": "R", "locationId": "15", "classId": "3",
                "employeeName": "Ann Lee", "projectNumber": "1", "projectName": "P",
                "projectExternalId": "p", "subsidiaryId": "1",
                "customFields": [{"name": "custcol1", "value": "x"}]
            },
            {"employeeId": "9"}
        ]
    });
    let mut body = json!({
        "tranId": "PO-1", "memo": "Cars", "exchangeRate": 2.0, "dueDate": "2025-06-07",
        "tranDate": "2025-05-29", "endDate": "2025-05-30",
        "entity": find("vendor", "vendor", json!([["entityid", "Golden"]]), false),
        "currency": find("currency", "currency", json!([["symbol", "USD"]]), false),
        "subsidiary": find("subsidiary", "subsidiary", json!([["name", "Parent"]]), false),
        "custbody2": 125,
        "employee": find("employee", "employee", json!([["name", "Ann Lee"]]), true),
        "item": {
            "items": [
                {"quantity": 1, "item": find("item", "item", json!([["name", "Seat"]]), false)},
                {
                    "description": "Line 1", "rate": 10, "quantity": 5, "custcol1": "x",
                    "customer": find("customer", "project", json!([["name", "P"], ["externalid", "p"], ["entityid", "1"]]), false),
                    "item": find("item", "item", json!([["id", "2417"]]), false),
                    "class": find("classification", "class", json!([["id", "3"]]), true),
                    "department": find("department", "department", json!([["name", "R"]]), true),
                    "subsidiary": find("subsidiary", "subsidiary", json!([["id", "1"]]), false),
                    "location": find("location", "location", json!([["id", "15"]]), true)
                }
            ]
        }
    });
    assert_eq!(made(Kind::PurchaseOrder, &record).unwrap(), body);
    let mut other = record;
    other["employeeNumber"] = json!("E-1");
    body["employee"] = find("employee", "employee", json!([["externalid", "E-1"]]), true);
    assert_eq!(made(Kind::PurchaseOrder, &other).unwrap(), body);
}

#[test]
fn a_day_that_is_none_is_told_by_its_field() {
    let told = made(Kind::Bill, &json!({"dueDate": "20.09.2025"})).unwrap_err();
    assert_eq!(
        told,
        "Failed Structure/Datatype validation for Bills: 'dueDate' -> Input should be a valid \
         date or datetime (got value 20.09.2025 of type str)"
    );
}
