//! What is found, and how a query is refused.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::Sandbox;
use super::{code, refused};

#[tokio::test]
async fn queries_find_what_was_just_written() {
    let sandbox = Sandbox::start("salesforce: {page_rows: 2}").await;
    let account = json!({"Name": "O'Brien & Söhne", "Ext_Id__c": "A1", "NumberOfEmployees": 7,
        "AnnualRevenue": 12.346});
    sandbox.make("Account", account).await;
    assert_eq!(sandbox.found("SELECT AnnualRevenue FROM Account", "AnnualRevenue").await, [12.35]);
    for (at, name) in ["Anna", "BERTA", "Carla_", "Dora"].into_iter().enumerate() {
        let key = format!("C{at}");
        let born = format!("200{at}-01-01");
        let contact = json!({"LastName": name, "Ext_Id__c": key, "Birthdate": born,
            "Account": {"Ext_Id__c": "A1"}, "DoNotCall": at > 1});
        sandbox.make("Contact", contact).await;
    }
    sandbox.make("Contact", json!({"LastName": "Emil"})).await;
    for (filter, expected) in [
        ("Ext_Id__c IN ('c0', 'C3', 'none')", "Anna Dora"),
        ("Ext_Id__c NOT IN ('c0', 'C3') AND Ext_Id__c != null", "BERTA Carla_"),
        ("LastName = 'berta'", "BERTA"),
        ("LastName LIKE '%a\\_'", "Carla_"),
        ("(NOT LastName LIKE '%A%') OR Birthdate < 2000-01-02", "Anna Emil"),
        ("Birthdate >= 2002-01-01 AND (DoNotCall = false OR Birthdate > 2002-12-31)", "Dora"),
        (
            "Account.Name = 'o\\'brien & söhne' AND Account.NumberOfEmployees > 6 AND LastName <= 'b'",
            "Anna",
        ),
        ("Account.Ext_Id__c = null", "Emil"),
        ("CreatedDate < 2020-01-01T00:00:00Z", ""),
    ] {
        let query =
            format!("SELECT LastName FROM Contact WHERE {filter} ORDER BY LastName LIMIT 2");
        let names = sandbox.found(&query, "LastName").await;
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        assert_eq!(names.join(" "), expected, "{filter}");
    }
    let row = sandbox.soql("SELECT Id, Account.Name FROM Contact WHERE Ext_Id__c = 'C0'").await;
    assert_eq!(row["records"][0]["Account"]["Name"], "O'Brien & Söhne");
    assert_eq!(row["records"][0]["attributes"]["type"], "Contact");
    assert_eq!(sandbox.soql("SELECT COUNT() FROM Contact").await["totalSize"], 5);
    assert_eq!(sandbox.found("SELECT COUNT(Birthdate) FROM Contact", "expr0").await, [4]);

    let mut page =
        sandbox.soql("SELECT LastName FROM Contact ORDER BY LastName DESC OFFSET 1").await;
    let mut names = Vec::new();
    loop {
        names.extend(page["records"].as_array().unwrap().iter().map(|row| row["LastName"].clone()));
        assert_eq!((&page["totalSize"], page["done"] == true), (&json!(4), names.len() == 4));
        let Some(next) = page["nextRecordsUrl"].as_str() else { break };
        page = sandbox.call("GET", next, "").await.json();
    }
    assert_eq!(names, ["Dora", "Carla_", "BERTA", "Anna"]);
    let lost = sandbox.sf("GET", "/query/01gSb0000000099IAA-2", "").await;
    assert_eq!(code(&lost), refused(400, "INVALID_QUERY_LOCATOR"));
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_told_with_its_place() {
    let sandbox = Sandbox::start("").await;
    for (query, error, told) in [
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Contact WHERE Id = 'x", "MALFORMED_QUERY", "Column:35"),
        (
            "SELECT Id FROM Contact WHERE LastName = 'a' AND LastName = 'b' OR LastName = 'c'",
            "MALFORMED_QUERY",
            "unexpected token: 'OR'",
        ),
        (
            "SELECT Id, Age FROM Contact",
            "INVALID_FIELD",
            "No such column 'Age' on entity 'Contact'",
        ),
        ("SELECT Id FROM Contact WHERE Boss.Name = 'x'", "INVALID_FIELD", "relationship 'Boss'"),
        ("SELECT Id FROM Dragon", "INVALID_TYPE", "sObject type 'Dragon' is not supported"),
        (
            "SELECT Id FROM Account WHERE NumberOfEmployees = '7'",
            "INVALID_FIELD",
            "must be of type int",
        ),
        ("SELECT Id FROM Account WHERE Name = 7", "INVALID_FIELD", "should be enclosed in quotes"),
        (
            "SELECT Id FROM Account WHERE Id = '7'",
            "INVALID_QUERY_FILTER_OPERATOR",
            "invalid ID field: 7",
        ),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD", "can not be filtered"),
    ] {
        let answer = sandbox.soql(query).await;
        assert_eq!(answer[0]["errorCode"], error, "{query}: {answer}");
        assert!(answer[0]["message"].as_str().unwrap().contains(told), "{query}: {answer}");
    }
}

#[tokio::test]
async fn a_search_finds_what_looks_alike_after_a_while() {
    let sandbox = Sandbox::start("search_lag_ms: 400").await;
    let find = async |search: &str| {
        let search: String = url::form_urlencoded::byte_serialize(search.as_bytes()).collect();
        sandbox.sf("GET", &format!("/search/?q={search}"), "").await.json()
    };
    for email in ["a@example.com", "x-a@example.com", "b@example.com"] {
        sandbox.make("Contact", json!({"LastName": "x", "Email": email})).await;
    }
    let search = "FIND {a@example.com} IN ALL FIELDS RETURNING contact(id, Email), Lead";
    assert_eq!(find(search).await, json!({"searchRecords": []}));
    tokio::time::sleep(Duration::from_millis(450)).await;
    let found = find(search).await["searchRecords"].clone();
    assert_eq!(found.as_array().unwrap().len(), 2, "{found}");
    assert_eq!(found[0]["Email"], "a@example.com");
    let found = find("FIND {exam*} IN EMAIL FIELDS").await["searchRecords"].clone();
    assert_eq!(found.as_array().unwrap().len(), 3, "{found}");
    for (search, error) in [
        ("FIND a", "MALFORMED_SEARCH"),
        ("FIND {a}", "MALFORMED_SEARCH"),
        ("FIND {ab} RETURNING Dragon", "INVALID_TYPE"),
        ("FIND {ab} RETURNING Contact(Age)", "INVALID_FIELD"),
    ] {
        assert_eq!(find(search).await[0]["errorCode"], error, "{search}");
    }
}
