//! What is found in SuiteQL, in which form, and how a query is refused.

use std::time::Duration;

use serde_json::json;

use super::super::Sandbox;
use super::assert_refused;

#[tokio::test]
async fn queries_find_what_was_written() {
    let sandbox = Sandbox::start("").await;
    for (name, phone) in [("O'Brien & Söhne", Some("1")), ("berta", None), ("Carla", Some("10"))] {
        let vendor = json!({"companyName": name, "phone": phone, "subsidiary": {"id": "2"},
            "externalId": format!("E-{name}"), "category": {"id": "1"}});
        sandbox.ns_make("vendor", vendor).await;
    }
    for (filter, expected) in [
        ("externalid IN ('E-Carla', 'E-none', 'E-berta')", "Carla berta"),
        // Texts are compared letter by letter.
        ("externalid = 'e-carla'", ""),
        ("entityid = 'O''Brien & Söhne'", "O'Brien & Söhne"),
        ("entityid LIKE '%r%' AND NOT entityid LIKE 'b%'", "Carla O'Brien & Söhne"),
        ("phone IS NULL", "berta"),
        ("phone IS NOT NULL AND phone > 2", "Carla"),
        // What is not there is not unequal either.
        ("phone <> '1'", "Carla"),
        ("phone NOT IN ('1')", "Carla"),
        ("(entityid = 'Carla' OR phone = '1') AND isinactive = 'F'", "Carla O'Brien & Söhne"),
        ("UPPER(entityid) = 'BERTA' OR LOWER(entityid) != entityid", "Carla O'Brien & Söhne berta"),
        (
            "subsidiary = 2 AND BUILTIN.DF(subsidiary) = 'Sub GmbH' AND id BETWEEN 1001 AND 1002",
            "O'Brien & Söhne berta",
        ),
    ] {
        let rows = sandbox
            .ns_rows(&format!("SELECT entityid FROM vendor WHERE {filter} ORDER BY entityid"))
            .await;
        let names: Vec<&str> = rows.iter().filter_map(|row| row["entityid"].as_str()).collect();
        assert_eq!(names.join(" "), expected, "{filter}");
    }
    let rows = sandbox.ns_rows("SELECT COUNT(*), COUNT(phone) AS Phones FROM vendor").await;
    assert_eq!(rows, [json!({"expr1": "3", "phones": "2"})]);
    let rows = sandbox
        .ns_rows(
            "SELECT DISTINCT BUILTIN.DF(v.category) || ' ' || s.name AS x \
             FROM vendor v LEFT JOIN subsidiary s ON s.id = v.subsidiary",
        )
        .await;
    assert_eq!(rows, [json!({"x": "Supplier Sub GmbH"})]);
    let rows = sandbox
        .ns_rows(
            "SELECT v.entityid, c.id FROM vendor v LEFT JOIN customer c ON \
             c.externalid = v.externalid ORDER BY v.id DESC FETCH FIRST 1 ROWS ONLY",
        )
        .await;
    assert_eq!(rows, [json!({"entityid": "Carla"})]);
    let rows = sandbox.ns_rows("SELECT * FROM currency ORDER BY symbol").await;
    assert_eq!(rows[0]["name"], "Euro");
    assert_eq!(
        rows[1],
        json!({"id": "1", "name": "US Dollar", "symbol": "USD", "exchangerate": "1",
            "isbasecurrency": "T", "isinactive": "F"})
    );
    let rows = sandbox
        .ns_rows("SELECT id, acctnumber, fullname FROM account WHERE accttype = 'Bank'")
        .await;
    assert_eq!(rows, [json!({"id": "1", "acctnumber": "1000", "fullname": "Checking"})]);
}

#[tokio::test]
async fn rows_come_in_pages() {
    let sandbox = Sandbox::start("").await;
    let q = "SELECT id FROM account ORDER BY id";
    let page = sandbox.ns_query(q, "?limit=4&offset=8").await.json();
    assert_eq!(
        (&page["count"], &page["hasMore"], &page["offset"], &page["totalResults"]),
        (&json!(2), &json!(false), &json!(8), &json!(10))
    );
    assert_eq!(page["items"], json!([{"links": [], "id": "9"}, {"links": [], "id": "10"}]));
    let page = sandbox.ns_query(q, "?limit=4").await.json();
    assert_eq!((&page["count"], &page["hasMore"]), (&json!(4), &json!(true)));
    let next = page["links"][1]["href"].as_str().unwrap();
    assert!(next.ends_with("/suiteql?limit=4&offset=4"), "{next}");
    let refused = sandbox.ns_query(q, "?limit=1001").await;
    assert_refused(&refused, 400, "INVALID_PARAMETER", "between 1 and 1000", "limit");
    let refused = sandbox.ns("POST", "/query/v1/suiteql", json!({"q": q})).await;
    assert_refused(&refused, 400, "INVALID_HEADER", "Prefer", "Prefer");
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_told() {
    let sandbox = Sandbox::start("").await;
    let list = vec!["1"; 1001].join(",");
    let long = format!("SELECT id FROM vendor WHERE id IN ({list})");
    let unsupported = "Search error occurred: Invalid or unsupported search.";
    for (q, told) in [
        ("SELECT id FROM dragon", "Invalid search type: dragon."),
        (
            "SELECT age FROM vendor v",
            "Unknown identifier 'age'. Available identifiers are: {v=vendor}",
        ),
        ("SELECT id FROM vendor WHERE age = 1", "Unknown identifier 'age'"),
        ("SELECT x.id FROM vendor v", "Unknown identifier 'x'"),
        ("SELECT id FROM vendor a JOIN vendor b ON a.id = b.id", "is ambiguous"),
        ("SELECT FROM vendor", unsupported),
        ("SELECT id FROM vendor LIMIT 5", unsupported),
        ("DELETE FROM vendor", unsupported),
        ("SELECT id FROM vendor; SELECT id FROM vendor", unsupported),
        ("SELECT WEIGHT(id) FROM vendor", unsupported),
        (&long, "ORA-01795: maximum number of expressions in a list is 1000"),
    ] {
        let refused = sandbox.ns_query(q, "").await;
        assert_refused(&refused, 400, "INVALID_PARAMETER", told, "q");
        let detail = refused.json()["o:errorDetails"][0]["detail"].clone();
        let start = "Invalid search query. Detailed unprocessed description follows. ";
        assert!(detail.as_str().unwrap().starts_with(start), "{detail}");
    }
    // One more would be too many; a chain has no end.
    let list = vec!["1"; 1000].join(",");
    assert!(
        sandbox.ns_rows(&format!("SELECT id FROM vendor WHERE id IN ({list})")).await.is_empty()
    );
    let chain = vec!["phone = 'x'"; 3000].join(" OR ");
    assert!(sandbox.ns_rows(&format!("SELECT id FROM vendor WHERE {chain}")).await.is_empty());
}

#[tokio::test]
async fn search_may_lag_behind_writes() {
    let sandbox = Sandbox::start("search_lag_ms: 400").await;
    let made = sandbox.vendor("Acme").await;
    let rows = async || sandbox.ns_rows("SELECT id FROM vendor WHERE externalid = 'V-Acme'").await;
    assert!(rows().await.is_empty());
    assert_eq!(sandbox.ns("GET", "/record/v1/vendor", "").await.json()["totalResults"], 0);
    assert_eq!(sandbox.ns_get("vendor", "eid:V-Acme").await["id"], json!(made));
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(rows().await, [json!({"id": made})]);
}
