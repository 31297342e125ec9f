//! The page, as it is sent: what stands in it, and where its links and forms lead.

use serde_json::{Value, json};

use crate::browser::{Browser, link, records};
use crate::service::{Service, config, contact};
use crate::support::Remote;

/// A job of so many contacts, every tenth of them rejected; its id.
fn job(service: &Service, count: usize) -> String {
    let contacts: Vec<Value> = (1..=count)
        .map(|n| match n % 10 {
            0 => json!({"externalId": format!("c-{n:04}"), "email": "none"}),
            _ => contact(&format!("c-{n:04}")),
        })
        .collect();
    queue(service, "nightly", &json!({"contacts": contacts}))
}

fn queue(service: &Service, name: &str, records: &Value) -> String {
    let body = json!({"environment": "dev", "flow": "two", "tenant": "acme", "connector": "crm",
        "name": name, "records": records});
    let queued = service.post("/api/v1/jobs", &body).is(201);
    queued["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_job_is_told_with_its_counts_its_errors_and_its_throughput() {
    let remote = Remote::start();
    let mut service = Service::start(&config(&remote.url));
    let id = job(&service, 60);
    service.ended(&id);
    let check = |service: &Service| {
        let browser = Browser::of(service);
        let page = browser.page(&format!("/ui/jobs/{id}"));
        for part in [
            "<h1>nightly</h1>",
            "completed with failures",
            "<span class=\"name\">Succeeded</span><span class=\"figure good-text\">54</span>",
            "<span class=\"name\">Failed</span><span class=\"figure bad-text\">6</span>",
            "<span class=\"name\">Deleted</span><span class=\"figure zero\">0</span>",
            "6 records",
            "c-0010",
            "<path class=\"rate\" d=\"M0.0 ",
            "60 records in ",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        // The example and the kind of error lead to the records that they are of.
        let kind = browser.page(&link(&page, "error-1").unwrap());
        assert_eq!(records(&kind).len(), 6, "{kind}");
        let sample = browser.page(&link(&page, "sample-1").unwrap());
        assert_eq!(records(&sample), [("c-0010".to_owned(), "rejected".to_owned())]);
    };
    check(&service);
    // How fast it was is kept.
    service.end();
    service.begin();
    check(&service);
}

#[test]
fn a_job_that_runs_is_told_as_far_as_it_is() {
    let remote = Remote::with("{latency_ms: 250}");
    let mut config = config(&remote.url);
    config["environments"]["dev"]["flows"]["two"]["connectors"]["crm"]["config"]["max_in_flight"] =
        1.into();
    let service = Service::start(&config);
    let id = job(&service, 5000);
    let browser = Browser::of(&service);
    // Some have an outcome, and some have none.
    let page = service.wait(|| {
        let page = browser.page(&format!("/ui/jobs/{id}"));
        let is_under_way = page.contains("of 5,000 records have an outcome (")
            && !page.contains(">0 of 5,000")
            && page.contains("class=\"rate\"");
        if is_under_way { Ok(page) } else { Err(page.into()) }
    });
    for part in
        ["hx-trigger=\"every 2s\"", "<progress max=\"5000\"", "running", "contacts</a></td>"]
    {
        assert!(page.contains(part), "{part} in {page}");
    }
    let list = browser.page("/ui/jobs");
    assert!(list.contains("1 job is at work") && list.contains("every 2s"), "{list}");
    browser.post(&format!("/ui/jobs/{id}/cancel"));
    assert_eq!(service.ended(&id)["status"], "stopped");
    // Nothing is asked for any more that does not change.
    let page = browser.page(&format!("/ui/jobs/{id}"));
    assert!(!page.contains("every 2s") && !page.contains("/cancel"), "{page}");
    assert!(!browser.page("/ui/jobs").contains("every 2s"));
}

#[test]
fn a_job_that_was_asked_to_end_is_told_so_until_it_has() {
    let remote = Remote::with("{faults: [{on: 'POST *', calls: [1], do: hang, ms: 600000}]}");
    let service = Service::start(&config(&remote.url));
    let (browser, id) = (Browser::of(&service), service.queue("acme", &["c-1"]));
    let (own, page) = (format!("/api/v1/jobs/{id}"), format!("/ui/jobs/{id}"));
    service.wait_until(|| remote.faults("hang") > 0);
    assert_eq!(service.get(&own).is(200)["ending"], false);
    assert!(browser.page(&page).contains("/cancel\""));
    browser.post(&format!("{page}/cancel"));
    // What was sent has seconds left for its answer.
    let told = service.get(&own).is(200);
    assert_eq!((&told["status"], &told["ending"]), (&json!("running"), &json!(true)));
    let told = browser.page(&page);
    assert!(told.contains(">ending</span>") && !told.contains("/cancel\""), "{told}");
    assert!(told.contains("It was asked to end."), "{told}");
    assert!(browser.page("/ui/jobs").contains(">ending</span>"));
    let ended = service.ended(&id);
    assert_eq!((&ended["status"], &ended["ending"]), (&json!("stopped"), &json!(false)));
    assert!(browser.page(&page).contains(">stopped</span>"));
}

#[test]
fn records_are_paged_sorted_searched_and_filtered_by_links() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let id = job(&service, 120);
    service.ended(&id);
    let browser = Browser::of(&service);
    let place = format!("/ui/jobs/{id}/records");
    let first = browser.page(&place);
    assert!(first.contains("50 records of 120"), "{first}");
    let odd = browser.page(&format!("{place}?outcome=odd"));
    assert!(odd.contains("50 records of 120") && !odd.contains("odd\""), "{odd}");
    assert!(link(&first, "previous").is_none());
    let mut found = records(&first);
    let mut page = first;
    while let Some(next) = link(&page, "next") {
        page = browser.page(&next);
        found.extend(records(&page));
    }
    let ids: Vec<_> = found.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids, (1..=120).map(|n| format!("c-{n:04}")).collect::<Vec<_>>());
    // And back again.
    let before = browser.page(&link(&page, "previous").unwrap());
    assert_eq!(records(&before)[0].0, "c-0051");
    assert_eq!(records(&browser.page(&link(&before, "previous").unwrap()))[0].0, "c-0001");
    // A heading sorts, a second time the other way; the filter stays.
    let failed = browser.page(&format!("{place}?outcome=rejected,failed,in_doubt&search=C-00"));
    assert_eq!(records(&failed).len(), 9, "{failed}");
    let up = browser.page(&link(&failed, "sort-external_id").unwrap());
    assert_eq!(records(&up)[0].0, "c-0010");
    assert!(up.contains("aria-sort=\"ascending\""), "{up}");
    let down = browser.page(&link(&up, "sort-external_id").unwrap());
    assert!(down.contains("aria-sort=\"descending\""), "{down}");
    assert_eq!(records(&down)[0].0, "c-0090");
    assert!(records(&down).iter().all(|(_, outcome)| outcome == "rejected"));
    let none = browser.page(&format!("{place}?search=nobody"));
    assert!(none.contains("No record is like this"), "{none}");
    // Words that mean nothing are passed over.
    assert_eq!(
        records(&browser.page(&format!("{place}?sort=x&outcome=y&after=z&rows=1"))).len(),
        50
    );
    assert_eq!(records(&browser.page(&format!("{place}?rows=100"))).len(), 100);
}

#[test]
fn files_have_what_is_filtered() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let id = job(&service, 30);
    service.ended(&id);
    let browser = Browser::of(&service);
    let page = browser
        .page(&format!("/ui/jobs/{id}/records?outcome=rejected&search=c-002&sort=-position"));
    let links: Vec<_> = page.split("href=\"").filter_map(|rest| rest.split_once('"')).collect();
    let file = |part: &str| {
        let found = links.iter().find(|(link, _)| link.contains(part)).unwrap();
        let answer =
            browser.send("GET", &found.0.replace("&amp;", "&").replace("&#38;", "&"), &[], "");
        assert_eq!(answer.status, 200);
        let named = answer.headers["content-disposition"].to_str().unwrap().to_owned();
        (answer.text, named)
    };
    let (csv, named) = file("format=csv");
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(csv.contains("c-0020"), "{csv}");
    assert!(named.starts_with("attachment; filename=\"nightly-results.csv\""), "{named}");
    let (jsonl, named) = file("format=jsonl");
    let row: Value = serde_json::from_str(&jsonl).unwrap();
    assert_eq!(row["InputId"], "c-0020");
    assert!(named.contains("nightly-results.jsonl"), "{named}");
    let (rejects, named) = file("/rejects");
    assert_eq!(rejects.matches("\"RECORD\"").count(), 3, "{rejects}");
    assert!(named.contains("nightly-rejects.jsonl"), "{named}");
}

#[test]
fn a_record_is_told_with_its_timeline_its_content_and_its_past() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let first = job(&service, 10);
    service.ended(&first);
    let again = job(&service, 10);
    service.ended(&again);
    let browser = Browser::of(&service);
    let page = browser.page(&format!("/ui/jobs/{again}/records?search=c-0010"));
    let (_, rest) = page.split_once("id=\"record-").unwrap();
    let (cursor, _) = rest.split_once('"').unwrap();
    let href = link(&page, &format!("record-{cursor}")).unwrap();
    let record = browser.page(&href);
    for part in [
        "<h1 class=\"clamp\">c-0010</h1>",
        "rejected",
        "As it came in",
        "&#34;email&#34;: &#34;none&#34;",
        "The job was accepted",
        "The job began",
        "Rejected<time datetime=\"",
        "Look for it",
    ] {
        assert!(record.contains(part), "{part} in {record}");
    }
    // The same id in the job before, and from there in this one.
    let history = browser.page(&format!("{href}?history=1"));
    let other = format!("/ui/jobs/{first}/records/");
    assert!(
        history.contains(&other) && history.contains("All there is, from 1 other job."),
        "{history}"
    );
    let missing = browser.send("GET", &format!("/ui/jobs/{again}/records/1-999"), &[], "");
    assert_eq!(missing.status, 404);
    assert!(missing.text.contains("There is no record"), "{}", missing.text);
    assert_eq!(browser.send("GET", &format!("/ui/jobs/{again}/records/x"), &[], "").status, 404);
}

#[test]
fn what_failed_is_tried_again_by_a_form() {
    let remote =
        Remote::with("{faults: [{on: 'POST *', calls: [1, 2, 3], do: status, status: 500}]}");
    let service = Service::start(&config(&remote.url));
    let first = service.queue("acme", &["c-1"]);
    service.ended(&first);
    let browser = Browser::of(&service);
    let page = browser.page(&format!("/ui/jobs/{first}"));
    assert!(page.contains(&format!("action=\"/ui/jobs/{first}/retry\"")), "{page}");
    let place = browser.post(&format!("/ui/jobs/{first}/retry"));
    let again = place.rsplit_once('/').unwrap().1.to_owned();
    assert_eq!(service.ended(&again)["status"], "succeeded");
    assert_eq!(remote.by_ext("contacts").len(), 1);
    let page = browser.page(&place);
    assert!(page.contains(&format!("<a href=\"/ui/jobs/{first}\">another job</a>")), "{page}");
    // There is nothing left to try.
    assert!(!page.contains("/retry"), "{page}");
}

#[test]
fn jobs_are_filtered_and_paged() {
    let remote = Remote::start();
    let service = Service::start(&config(&remote.url));
    let ids: Vec<String> =
        (0..53).map(|n| service.queue(["acme", "other"][n % 2], &[&format!("c-{n}")])).collect();
    let last = service.queue("acme", &["d-1"]);
    for id in ids.iter().chain([&last]) {
        service.ended(id);
    }
    let browser = Browser::of(&service);
    let jobs = |page: &str| page.matches("<a id=\"job-").count();
    let first = browser.page("/ui/jobs");
    assert_eq!(jobs(&first), 50);
    let older = first.split("href=\"").find(|rest| rest.starts_with("/ui/jobs?before=")).unwrap();
    let older = browser.page(older.split_once('"').unwrap().0);
    assert_eq!(jobs(&older), 4);
    assert!(older.contains(">Newest</a>") && !older.contains(">Older</a>"), "{older}");
    assert_eq!(jobs(&browser.page("/ui/jobs?tenant=other")), 26);
    assert_eq!(jobs(&browser.page("/ui/jobs?status=failed")), 0);
    // A word that names no state asks for nothing, and is not kept as if it did.
    let odd = browser.page("/ui/jobs?status=odd");
    assert!(jobs(&odd) == 50 && !odd.contains("odd"), "{odd}");
    assert_eq!(
        jobs(&browser.page("/ui/jobs?tenant=other&status=succeeded&flow=two&connector=crm")),
        26
    );
    assert!(browser.page("/ui/jobs?tenant=nobody").contains("No jobs like this"));
}

#[test]
fn a_search_that_takes_too_long_says_what_to_do() {
    let remote = Remote::start();
    let mut config = config(&remote.url);
    config["search_secs"] = json!(0.000_000_001);
    let service = Service::start(&config);
    let id = job(&service, 10);
    service.ended(&id);
    let browser = Browser::of(&service);
    let place = format!("/ui/jobs/{id}/records?search=x");
    let plain = browser.send("GET", &place, &[], "");
    assert_eq!(plain.status, 503, "{plain:?}");
    // htmx shows nothing of an answer that is an error.
    let by_htmx = browser.send("GET", &place, &[("hx-request", "true")], "");
    assert_eq!(by_htmx.status, 200, "{by_htmx:?}");
    for page in [plain.text, by_htmx.text] {
        assert!(
            page.contains("The search took longer than") && page.contains("Narrow the search"),
            "{page}"
        );
        assert!(page.contains("value=\"x\""), "{page}");
    }
}
