//! What became of the records of a job: pages, filters, orders, and downloads of what is filtered.

use serde_json::{Value, json};

use crate::service::{Service, config, contact};
use crate::support::Remote;

/// A job of 30 contacts, every tenth of them rejected, and of two deals; its address.
fn job(service: &Service) -> String {
    let contacts: Vec<Value> = (1..=30)
        .map(|n| match n % 10 {
            0 => json!({"externalId": format!("c-{n}"), "email": "none"}),
            _ => contact(&format!("c-{n}")),
        })
        .collect();
    let deals =
        [json!({"externalId": "d-1", "amount": 1}), json!({"externalId": "d-2", "amount": 2})];
    let body = json!({"environment": "dev", "flow": "two", "tenant": "acme", "connector": "crm",
        "records": {"contacts": contacts, "deals": deals}});
    let queued = service.post("/api/v1/jobs", &body).is(201);
    let id = queued["id"].as_str().unwrap();
    service.ended(id);
    format!("/api/v1/jobs/{id}/results")
}

fn ids(page: &Value) -> Vec<String> {
    let rows = page["records"].as_array().unwrap();
    rows.iter().map(|row| row["InputId"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn pages_are_read_to_their_end() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let place = job(&service);
    let whole: Vec<String> = service
        .get(&place)
        .text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|row| row["InputId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(whole.len(), 32);
    for sort in ["position", "-position", "external_id", "-millis", "error", "-outcome"] {
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let asked = format!("{place}?format=json&limit=7&sort={sort}{after}");
            let page = service.get(&asked).is(200);
            found.extend(ids(&page));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        let (mut sorted, mut all) = (found.clone(), whole.clone());
        sorted.sort();
        all.sort();
        assert_eq!(sorted, all, "{sort}");
        match sort {
            "position" => assert_eq!(found, whole),
            "-position" => assert!(found.iter().eq(whole.iter().rev()), "{found:?}"),
            "external_id" => assert_eq!(found, all),
            "error" => assert_eq!(found[29..], ["c-10", "c-20", "c-30"]),
            "-outcome" => assert_eq!(found[..3], ["c-30", "c-20", "c-10"]),
            _ => {}
        }
    }
}

#[test]
fn results_are_filtered_in_every_format() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let place = job(&service);
    for (filter, count) in [
        ("stream=deals", 2),
        ("stream=", 0),
        ("outcome=rejected", 3),
        ("outcome=rejected,failed,in_doubt", 3),
        ("outcome=created", 29),
        ("search=C-2", 11),
        ("search=C-2&outcome=rejected", 1),
        ("search=%25", 0),
        ("error=none_such", 0),
        ("limit=5&sort=-position", 5),
    ] {
        let page = service.get(&format!("{place}?format=json&{filter}")).is(200);
        assert_eq!(ids(&page).len(), count, "{filter}");
        let lines = service.get(&format!("{place}?{filter}"));
        assert_eq!(lines.text.lines().count(), count, "{filter}");
        let csv = service.get(&format!("{place}?format=csv&{filter}"));
        assert_eq!(csv.text.lines().count(), count + 1, "{filter}");
    }
    let bad = service.get(&format!("{place}?format=json&outcome=rejected")).is(200);
    let code = bad["records"][0]["error_code"].as_str().unwrap();
    let same = service.get(&format!("{place}?format=json&error={code}")).is(200);
    assert_eq!(same, bad);
    let message = bad["records"][0]["error_message"].as_str().unwrap();
    let word = message.split(' ').max_by_key(|word| word.len()).unwrap();
    let word: String = word.chars().filter(char::is_ascii_alphabetic).collect();
    let upper = word.to_uppercase();
    let found = service.get(&format!("{place}?format=json&search={upper}")).is(200);
    assert_eq!(found, bad, "{upper}");
}

#[test]
fn what_cannot_be_asked_for_is_refused() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let place = job(&service);
    for wrong in
        ["outcome=good", "outcome=", "sort=name", "limit=0", "limit=1001", "after=x", "format=xml"]
    {
        for format in ["json", "csv"] {
            let asked = format!("{place}?{wrong}&format={format}");
            assert!(matches!(service.get(&asked).status, 400), "{asked}");
        }
    }
    let long = "x".repeat(1000);
    assert!(service.get(&format!("{place}?search={long}x")).problem(400).contains("1000"));
    assert_eq!(service.get(&format!("{place}?search={long}")).text, "");
    // A row that is not there.
    assert!(service.get(&format!("{place}?format=json&after=1-99")).problem(404).contains("after"));
    assert!(service.get(&format!("{place}?format=csv&after=99-1")).problem(404).contains("after"));
}

#[test]
fn a_search_ends_in_time() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    config["search_secs"] = json!(0.000_000_001);
    let service = Service::start(&config);
    let place = job(&service);
    let answer = service.get(&format!("{place}?format=json&search=nobody"));
    assert!(answer.problem(503).contains("longer than"), "{answer:?}");
    assert!(answer.json()["hint"].as_str().unwrap().contains("narrow"), "{answer:?}");
    // What is written piece by piece takes as long as whoever reads it.
    assert_eq!(service.get(&place).text.lines().count(), 32);
}

#[test]
fn a_job_that_has_not_begun_has_no_results() {
    let remote = Remote::with("{latency_ms: 300}");
    let service = Service::start(&config(&remote.url));
    let ids: Vec<String> = (0..2000).map(|n| format!("c-{n}")).collect();
    service.queue("acme", &ids.iter().map(String::as_str).collect::<Vec<_>>());
    let waits = service.queue("acme", &["d-1"]);
    let page = service.get(&format!("/api/v1/jobs/{waits}/results?format=json")).is(200);
    assert_eq!(page, json!({"records": [], "next": null}));
}

#[test]
fn a_record_is_told_with_each_call_that_it_was_part_of() {
    // The first call has no answer, the second a 500, the third is answered.
    let remote = Remote::with(
        "{faults: [{on: 'POST *', calls: [1], do: reset_after}, {on: 'POST *', calls: [2], do: status, status: 500, \
         body: '{\"message\": \"the token sandbox-token is fine\"}'}]}",
    );
    let mut config = config(&remote.url);
    let own = &mut config["environments"]["dev"]["flows"]["two"]["connectors"]["crm"]["config"];
    own["keep"] = "all".into();
    let service = Service::start(&config);
    let job = service.queue("acme", &["c-1", "c-2"]);
    assert_eq!(service.ended(&job)["status"], "succeeded");
    let told = service.get(&format!("/api/v1/jobs/{job}/records/contacts/2")).is(200);
    assert_eq!(told["result"]["InputId"], "c-2");
    assert_eq!(told["record"]["email"], "c-2@example.com");
    let calls = told["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 3, "{told}");
    let exchange = |call: usize| &calls[call]["exchanges"][0];
    assert!(exchange(0)["error"].is_string() && exchange(0)["status"].is_null(), "{told}");
    assert_eq!(exchange(1)["status"], 500);
    assert!(
        exchange(1)["answer"].as_str().unwrap().contains("the token [secret] is fine"),
        "{told}"
    );
    assert_eq!((&exchange(2)["status"], &exchange(2)["method"]), (&200.into(), &"POST".into()));
    assert!(exchange(2)["request"].as_str().unwrap().contains("c-1@example.com"));
    assert_eq!(calls[2]["records"], 2);
    // The page tells the record's own part.
    let page = service.get(&format!("/ui/jobs/{job}/records/1-2")).text;
    assert!(page.contains("This record in the request") && page.contains("No answer"), "{page}");
    assert!(!page.contains("c-1@example.com") && !page.contains("sandbox-token"), "{page}");
    service.get(&format!("/api/v1/jobs/{job}/records/contacts/3")).problem(404);
    service.get(&format!("/api/v1/jobs/{job}/records/none/1")).problem(404);
}
