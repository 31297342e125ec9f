//! Bulk jobs by a clock of the tests' own, and what needs no client to be seen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::state::State;
use super::{REMOTE, org};
use crate::sandbox::faults::Faults;
use crate::sandbox::memory::Memory;
use crate::sandbox::record::Fields;
use crate::sandbox::remote::{Answer, Content, Remote, Request};
use crate::sandbox::routes::{self, Found};
use crate::sandbox::world::World;

static REMOTES: &[Remote] = &[REMOTE];

/// An account, and what time it is there.
struct Org {
    world: World,
    start: Instant,
    now: Instant,
}

impl Org {
    /// One whose jobs take 20 seconds, of which rows are written in the last 10.
    fn new(options: &Value) -> Self {
        let mut faults = json!({"shuffle": false, "salesforce": {"job_ms": 20_000}});
        for (name, value) in options.as_object().unwrap() {
            faults["salesforce"][name] = value.clone();
        }
        let faults: Faults = faults.to_string().parse().unwrap();
        let start = Instant::now();
        Self { world: World::new(Arc::new(faults), Memory::default()), start, now: start }
    }

    /// What a call with this body is answered.
    fn call(&mut self, method: &str, path: &str, kind: &'static str, body: &str) -> (u16, String) {
        let path = format!("/services/data/v60.0/{path}");
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let Found::Route(_, route, places) = routes::find(REMOTES, &method, path) else {
            panic!("{path}")
        };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        let body = body.to_owned().into();
        let request = Request { headers, places, query: query.to_owned(), body };
        self.world.settle(self.now);
        let faults = Arc::clone(&self.world.faults);
        let answer = match (route.plan)(&request, &faults) {
            Ok(plan) => (plan.run)(&mut self.world, self.now),
            Err(answer) => answer,
        };
        (answer.status.as_u16(), text(&answer))
    }

    fn json(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, text) = self.call(method, path, "application/json", &body);
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    fn get(&mut self, path: &str) -> Value {
        self.json("GET", path, &Value::Null).1
    }

    /// Makes a job, uploads these rows and closes it; returns its path.
    fn job(&mut self, job: &Value, rows: &str) -> String {
        let path = format!(
            "jobs/ingest/{}",
            self.json("POST", "jobs/ingest", job).1["id"].as_str().unwrap()
        );
        assert_eq!(self.upload(&path, rows), 201);
        assert_eq!(self.close(&path).0, 200);
        path
    }

    fn upload(&mut self, path: &str, rows: &str) -> u16 {
        self.call("PUT", &format!("{path}/batches"), "text/csv", rows).0
    }

    fn close(&mut self, path: &str) -> (u16, Value) {
        self.json("PATCH", path, &json!({"state": "UploadComplete"}))
    }

    fn abort(&mut self, path: &str) -> (u16, Value) {
        self.json("PATCH", path, &json!({"state": "Aborted"}))
    }

    /// State and numbers of a job, and the lines of its results.
    fn told(&mut self, path: &str, seconds: u64) -> (String, u64, u64, [usize; 3]) {
        self.now = self.start + Duration::from_secs(seconds);
        let job = self.get(path);
        let lines = ["successfulResults", "failedResults", "unprocessedrecords"].map(|results| {
            let (status, text) = self.call("GET", &format!("{path}/{results}"), "", "");
            if status == 200 { text.lines().count() - 1 } else { 0 }
        });
        let number = |name: &str| job[name].as_u64().unwrap();
        let state = job["state"].as_str().unwrap().to_owned();
        (state, number("numberRecordsProcessed"), number("numberRecordsFailed"), lines)
    }
}

fn text(answer: &Answer) -> String {
    match &answer.content {
        Content::Empty => String::new(),
        Content::Json(text) | Content::Text(_, text) => text.clone(),
        Content::Rows(rows) => (rows.envelope)(&rows.head, &rows.verdicts),
    }
}

fn contacts() -> Value {
    json!({"object": "Contact", "operation": "insert"})
}

fn rows(count: usize) -> String {
    let rows: Vec<String> = (0..count).map(|number| format!("x{number}\n")).collect();
    format!("LastName\n{}", rows.concat())
}

#[test]
fn a_job_that_is_aborted_halfway_keeps_what_it_has_written() {
    let mut org = Org::new(&json!({}));
    let path = org.job(&contacts(), &rows(1000));
    assert_eq!(org.told(&path, 5), ("UploadComplete".to_owned(), 0, 0, [0; 3]));
    assert_eq!(org.told(&path, 14), ("InProgress".to_owned(), 400, 0, [0; 3]));
    assert_eq!(org.json("DELETE", &path, &Value::Null).0, 400);
    assert_eq!(org.abort(&path).0, 200);
    assert_eq!(org.told(&path, 30), ("Aborted".to_owned(), 400, 0, [400, 0, 600]));
    assert_eq!(org.get("query?q=SELECT+COUNT()+FROM+Contact")["totalSize"], 400);
    for (refused, told) in [
        (org.abort(&path), "Aborting already Completed Job not allowed"),
        (org.close(&path), "Closing already Completed Job not allowed"),
    ] {
        assert_eq!(refused.0, 400);
        assert_eq!(refused.1, json!([{"message": told, "errorCode": "INVALIDJOBSTATE"}]));
    }
    assert_eq!(org.json("DELETE", &path, &Value::Null).0, 204);
    assert_eq!(org.json("GET", &path, &Value::Null).0, 404);
}

#[test]
fn a_job_that_comes_to_its_end_has_written_all() {
    let mut org = Org::new(&json!({}));
    let path = org.job(&contacts(), &rows(1000));
    assert_eq!(org.told(&path, 20), ("JobComplete".to_owned(), 1000, 0, [1000, 0, 0]));
}

#[test]
fn a_second_upload_keeps_a_job_from_being_closed() {
    let mut org = Org::new(&json!({}));
    let job = org.json("POST", "jobs/ingest", &contacts()).1;
    let path = format!("jobs/ingest/{}", job["id"].as_str().unwrap());
    assert_eq!([org.upload(&path, &rows(1)), org.upload(&path, &rows(1))], [201, 201]);
    let (status, told) = org.close(&path);
    assert_eq!((status, &told[0]["errorCode"]), (400, &json!("INVALIDJOB")));
    assert!(
        told[0]["message"].as_str().unwrap().starts_with("Found multipe contents for job: <750")
    );
    assert_eq!(org.abort(&path).0, 200);
    assert_eq!(org.upload(&path, &rows(1)), 400);
    assert_eq!(org.told(&path, 30), ("Aborted".to_owned(), 0, 0, [0, 0, 1]));
}

#[test]
fn a_job_stops_where_it_is_told_to() {
    for (ending, state) in [("failed", "Failed"), ("aborted", "Aborted")] {
        let mut org = Org::new(&json!({"job_stop": {"after_rows": 3, "ending": ending}}));
        let (small, path) = (org.job(&contacts(), &rows(3)), org.job(&contacts(), &rows(5)));
        assert_eq!(org.told(&small, 20), ("JobComplete".to_owned(), 3, 0, [3, 0, 0]));
        assert_eq!(org.told(&path, 20), (state.to_owned(), 3, 0, [3, 0, 2]));
        assert_eq!(org.get(&path)["retries"], if ending == "failed" { 20 } else { 0 });
        org.start = org.now;
        let further = org.job(&contacts(), &rows(5));
        assert_eq!(org.told(&further, 20), ("JobComplete".to_owned(), 5, 0, [5, 0, 0]));
    }
}

#[test]
fn children_of_one_parent_in_two_batches_are_in_each_others_way() {
    for (lock_ms, written) in [(60_000, 2), (0, 4)] {
        let mut org = Org::new(&json!({"lock_ms": lock_ms, "job_batch_rows": 2}));
        let account =
            org.json("POST", "sobjects/Account", &json!({"Name": "Acme"})).1["id"].clone();
        let account = account.as_str().unwrap();
        let rows: Vec<String> = (0..4).map(|number| format!("x{number},{account}\n")).collect();
        let rows = format!("LastName,AccountId\n{}", rows.concat());
        let path = org.job(&contacts(), &rows);
        assert_eq!(org.told(&path, 20).3, [written, 4 - written, 0]);
        let failed = org.call("GET", &format!("{path}/failedResults"), "", "").1;
        let expected = format!(
            "\"\",\"UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: \
             {account}:--\",\"x2\",\"{account}\""
        );
        assert_eq!(failed.lines().next(), Some("\"sf__Id\",\"sf__Error\",LastName,AccountId"));
        assert_eq!(failed.lines().nth(1), (lock_ms > 0).then_some(&*expected));
        assert_eq!(org.get("limits")["DailyBulkApiBatches"]["Remaining"], 14_998);
    }
}

#[test]
fn a_job_that_comes_with_its_rows_is_closed() {
    let mut org = Org::new(&json!({}));
    let body = format!(
        "--B\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name=\"job\"\r\n\r\n\
         {}\r\n--B\r\nContent-Type: text/csv\r\nContent-Disposition: form-data; name=\"content\"; \
         filename=\"content\"\r\n\r\n{}\r\n--B--\r\n",
        contacts(),
        rows(2).trim_end()
    );
    let kind = "multipart/form-data; boundary=B";
    let (status, told) = org.call("POST", "jobs/ingest", kind, &body);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, &told["state"]), (200, &json!("UploadComplete")));
    let path = format!("jobs/ingest/{}", told["id"].as_str().unwrap());
    assert_eq!(org.told(&path, 20), ("JobComplete".to_owned(), 2, 0, [2, 0, 0]));
}

#[test]
fn jobs_are_listed_page_by_page() {
    let mut org = Org::new(&json!({"page_rows": 2}));
    let ids: Vec<Value> =
        (0..3).map(|_| org.json("POST", "jobs/ingest", &contacts()).1["id"].clone()).collect();
    let first = org.get("jobs/ingest");
    let next = first["nextRecordsUrl"].as_str().unwrap().to_owned();
    let second = org.get(next.strip_prefix("/services/data/v60.0/").unwrap());
    let listed = [&first, &second].map(|page| page["records"].as_array().unwrap().clone()).concat();
    assert_eq!(listed.iter().map(|job| job["id"].clone()).collect::<Vec<_>>(), ids);
    assert_eq!((&first["done"], &second["done"]), (&json!(false), &json!(true)));
    assert_eq!(org.get("jobs/ingest?jobType=Classic")["records"], json!([]));
}

#[test]
fn a_graph_that_fails_leaves_the_others_alone() {
    let mut org = Org::new(&json!({}));
    let node = |name: &str, object: &str, body: Value| {
        json!({"method": "POST", "url": format!("/services/data/v60.0/sobjects/{object}"),
            "referenceId": name, "body": body})
    };
    let good = json!({"graphId": "good", "compositeRequest": [
        node("one", "Account", json!({"Name": "Acme"})),
        {"method": "GET", "url": "/services/data/v60.0/sobjects/Account/@{one.id}?fields=Name",
            "referenceId": "two"},
        node("three", "Contact", json!({"LastName": "@{two.Name}", "AccountId": "@{one.id}"})),
    ]});
    let bad = json!({"graphId": "bad", "compositeRequest": [
        node("one", "Account", json!({"Name": "Lost"})),
        node("two", "Contact", json!({"FirstName": "x"})),
    ]});
    let told = org.json("POST", "composite/graph", &json!({"graphs": [good, bad]})).1;
    let graphs = told["graphs"].as_array().unwrap();
    assert_eq!([&graphs[0]["isSuccessful"], &graphs[1]["isSuccessful"]], [true, false]);
    let found = org.get("query?q=SELECT+LastName,Account.Name+FROM+Contact");
    assert_eq!(found["records"][0]["LastName"], "Acme");
    assert_eq!(found["records"][0]["Account"]["Name"], "Acme");
    let lost = org.get("query?q=SELECT+Id+FROM+Account+WHERE+Name='Lost'");
    assert_eq!(lost["totalSize"], 0);

    let graph = |number: usize| {
        json!({"graphId": format!("g{number}"), "compositeRequest":
            [node("one", "Contact", json!({"FirstName": "x"}))]})
    };
    let many: Vec<Value> = (0..76).map(graph).collect();
    let (status, _) = org.json("POST", "composite/graph", &json!({"graphs": many}));
    assert_eq!(status, StatusCode::BAD_REQUEST.as_u16());
    let told = org.json("POST", "composite/graph", &json!({"graphs": many[..20]})).1;
    let codes: Vec<&Value> = told["graphs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|graph| &graph["graphResponse"]["compositeResponse"][0]["body"][0]["errorCode"])
        .collect();
    assert_eq!(codes[14], "REQUIRED_FIELD_MISSING");
    assert_eq!(codes[15..], ["PROCESSING_HALTED"; 5]);
}

#[test]
fn a_field_is_there_as_long_as_it_is_permitted() {
    let mut org = Org::new(&json!({}));
    let made = json!({"fullName": "Contact.Own__c", "label": "Own", "type": "Text", "length": 9});
    let fields = Fields::parse(made.to_string().as_bytes()).unwrap();
    org.world.memory.create(org::MADE, &fields, org.now);
    let has_it = |state: &State| state.org.find("Contact").unwrap().field("Own__c").is_some();

    let set = org.get("query?q=SELECT+Id+FROM+PermissionSet+WHERE+Name='Sandbox'");
    let grant = json!({"method": "POST", "referenceId": "one",
        "url": "/services/data/v60.0/sobjects/FieldPermissions",
        "body": {"ParentId": set["records"][0]["Id"], "SobjectType": "Contact",
            "Field": "Contact.Own__c", "PermissionsRead": true}});
    let refused = json!({"method": "POST", "referenceId": "two",
        "url": "/services/data/v60.0/sobjects/Contact", "body": {"FirstName": "x"}});
    let both = json!({"allOrNone": true, "compositeRequest": [grant, refused]});
    org.json("POST", "composite", &both);
    assert!(!has_it(&org.world.salesforce));

    let told = org.json("POST", "composite", &json!({"compositeRequest": [grant]})).1;
    assert_eq!(told["compositeResponse"][0]["httpStatusCode"], 201, "{told}");
    assert!(has_it(&org.world.salesforce));
    // As after a restart with the same data file.
    assert!(has_it(&State::new(&org.world.faults, &org.world.memory)));

    let id = told["compositeResponse"][0]["body"]["id"].as_str().unwrap();
    assert_eq!(org.json("DELETE", &format!("sobjects/FieldPermissions/{id}"), &Value::Null).0, 204);
    assert!(!has_it(&org.world.salesforce));
}
