//! Many records in one call: collections, composites and bulk jobs, and what faults make of them.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::super::{Sandbox, send};
use super::{DATA, code, refused, typed};

#[tokio::test]
async fn a_collection_tells_each_record_where_it_stood() {
    let sandbox = Sandbox::start("").await;
    let account = sandbox.make("Account", json!({"Name": "Acme", "Ext_Id__c": "A1"})).await;
    let path = "/composite/sobjects/Account/Ext_Id__c";
    let records = ["A1", "A2", "A3", "a3", ""]
        .map(|key| typed("Account", json!({"Ext_Id__c": key, "Name": "x"})));
    let told = sandbox.sf("PATCH", path, json!({"records": records})).await;
    assert_eq!(told.status, 200);
    let told = told.json();
    assert_eq!((&told[0]["id"], &told[0]["created"]), (&json!(account), &json!(false)));
    assert_eq!((&told[1]["success"], &told[1]["created"]), (&json!(true), &json!(true)));
    for (at, error) in [(2, "DUPLICATE_VALUE"), (3, "DUPLICATE_VALUE"), (4, "MISSING_ARGUMENT")] {
        assert_eq!(told[at]["errors"][0]["statusCode"], error, "{told}");
    }
    let mixed = [
        typed("Account", json!({"Name": "New"})),
        typed("Contact", json!({"FirstName": "no last name"})),
    ];
    let body = json!({"allOrNone": true, "records": mixed});
    let rolled_back = sandbox.sf("POST", "/composite/sobjects", body).await.json();
    assert_eq!(rolled_back[0]["errors"][0]["statusCode"], "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    assert_eq!(rolled_back[1]["errors"][0]["statusCode"], "REQUIRED_FIELD_MISSING");
    assert_eq!(sandbox.sf_held("Account").await.len(), 2);
    assert_eq!(sandbox.calls().await["records_created"], 2);

    let updates = [
        typed("Account", json!({"id": account, "Name": "Changed"})),
        typed("Account", json!({"id": "001Sb0000000099", "Name": "x"})),
        typed("Account", json!({"Name": "x"})),
    ];
    let told = sandbox.sf("PATCH", "/composite/sobjects", json!({"records": updates})).await.json();
    assert_eq!(told[0]["success"], true);
    assert_eq!(told[1]["errors"][0]["statusCode"], "INVALID_CROSS_REFERENCE_KEY");
    assert_eq!(told[2]["errors"][0]["statusCode"], "MISSING_ARGUMENT");
    let read = json!({"ids": [account, "001Sb0000000099"], "fields": ["Name"]});
    let read = sandbox.sf("POST", "/composite/sobjects/Account", read).await.json();
    assert_eq!((&read[0]["Name"], &read[1]), (&json!("Changed"), &Value::Null));
    let path = format!("/composite/sobjects?ids={account},{account}&allOrNone=false");
    let told = sandbox.sf("DELETE", &path, "").await.json();
    assert_eq!(
        (&told[0]["success"], &told[1]["errors"][0]["statusCode"]),
        (&json!(true), &json!("ENTITY_IS_DELETED"))
    );

    let many = vec![typed("Account", json!({"Name": "x"})); 201];
    let reply = sandbox.sf("POST", "/composite/sobjects", json!({"records": many})).await;
    assert_eq!(code(&reply), refused(400, "EXCEEDED_ID_LIMIT"));
    let chunks: Vec<Value> = (0..11)
        .map(|at| typed(if at % 2 == 0 { "Account" } else { "Campaign" }, json!({"Name": "x"})))
        .collect();
    let reply = sandbox.sf("POST", "/composite/sobjects", json!({"records": chunks})).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    // What cannot be read refuses the whole call.
    let records = [typed("Account", json!({"Name": "x"})), typed("Account", json!({"Nme": "x"}))];
    let reply = sandbox.sf("POST", "/composite/sobjects", json!({"records": records})).await;
    assert_eq!(code(&reply), refused(400, "INVALID_FIELD"));
    assert_eq!(sandbox.sf_held("Account").await.len(), 1);
}

#[tokio::test]
async fn calls_in_a_call_know_of_each_other_and_are_undone_together() {
    let sandbox = Sandbox::start("").await;
    let calls = |last_name: Value| {
        json!([
            {"method": "POST", "url": format!("{DATA}/sobjects/Account"), "referenceId": "account",
             "body": {"Name": "Acme"}},
            {"method": "POST", "url": format!("{DATA}/sobjects/Contact"), "referenceId": "contact",
             "body": {"LastName": last_name, "AccountId": "@{account.id}"}},
            {"method": "GET", "url": format!("{DATA}/sobjects/Account/@{{account.id}}?fields=Name"),
             "referenceId": "read"},
        ])
    };
    let body = json!({"compositeRequest": calls(json!("x")), "allOrNone": true});
    let told = sandbox.sf("POST", "/composite", body).await.json()["compositeResponse"].clone();
    assert_eq!(told[0]["httpStatusCode"], 201);
    assert!(told[0]["httpHeaders"]["Location"].as_str().unwrap().contains("/sobjects/Account/001"));
    assert_eq!(told[2]["body"]["Name"], "Acme");
    assert_eq!(sandbox.sf_held("Contact").await[0]["AccountId"], told[0]["body"]["id"]);

    let body = json!({"compositeRequest": calls(Value::Null), "allOrNone": true});
    let told = sandbox.sf("POST", "/composite", body).await.json()["compositeResponse"].clone();
    let codes: Vec<&Value> = (0..3).map(|at| &told[at]["body"][0]["errorCode"]).collect();
    assert_eq!(codes, ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING", "PROCESSING_HALTED"]);
    let graphs = json!({"graphs": [
        {"graphId": "1", "compositeRequest": calls(Value::Null)},
        {"graphId": "2", "compositeRequest": calls(json!("y"))},
    ]});
    let told = sandbox.sf("POST", "/composite/graph", graphs).await.json()["graphs"].clone();
    assert_eq!((&told[0]["isSuccessful"], &told[1]["isSuccessful"]), (&json!(false), &json!(true)));
    assert_eq!(sandbox.sf_held("Account").await.len(), 2);

    let body = json!({"batchRequests": [
        {"method": "GET", "url": "v60.0/sobjects/Contact/003Sb0000000099"},
        {"method": "PATCH", "url": "v60.0/sobjects/Account/Ext_Id__c/A9", "richInput": {"Name": "x"}},
    ]});
    let told = sandbox.sf("POST", "/composite/batch", body).await.json();
    assert_eq!(
        (&told["hasErrors"], &told["results"][1]["statusCode"]),
        (&json!(true), &json!(201))
    );
}

#[tokio::test]
async fn a_job_writes_its_rows_and_tells_each() {
    let sandbox = Sandbox::start("salesforce: {job_ms: 400}").await;
    sandbox.make("Account", json!({"Name": "Acme", "Ext_Id__c": "A1"})).await;
    let known =
        sandbox.make("Contact", json!({"LastName": "x", "Ext_Id__c": "C1", "Title": "Dr."})).await;
    let job = json!({"object": "Contact", "operation": "upsert", "externalIdFieldName": "Ext_Id__c",
        "contentType": "CSV", "lineEnding": "LF"});
    let csv = "Ext_Id__c,LastName,Account.Ext_Id__c,Birthdate,Title\n\
        C1,\"Lovelace, Ada\",A1,,#N/A\nC2,Two,A9,,\nC3,,A1,,\nC4,Four,,someday,\nC5,Five,,2000-02-29,\n\
        C6,Six,,,\nc6,Six,,,\n";
    let id = sandbox.job(job, csv).await;
    let path = format!("/jobs/ingest/{id}");
    assert_eq!(sandbox.sf_held("Contact").await.len(), 1);
    let early = sandbox.sf("GET", &format!("{path}/failedResults"), "").await;
    assert_eq!(early.status, 400);
    let mut states = vec!["UploadComplete".to_owned()];
    let done = loop {
        let job = sandbox.sf("GET", &path, "").await.json();
        let state = job["state"].as_str().unwrap().to_owned();
        if states.last() != Some(&state) {
            states.push(state.clone());
        }
        if state == "JobComplete" {
            break job;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(states, ["UploadComplete", "InProgress", "JobComplete"]);
    assert_eq!(
        (&done["numberRecordsProcessed"], &done["numberRecordsFailed"]),
        (&json!(7), &json!(5))
    );
    let mut successful = sandbox.results(&id, "successfulResults").await;
    successful.sort_by(|left, right| left[2].cmp(&right[2]));
    assert_eq!(
        (&successful[0][..3], &*successful[1][1]),
        (&[known, "false".to_owned(), "C1".to_owned()][..], "true")
    );
    let mut failed = sandbox.results(&id, "failedResults").await;
    failed.sort_by(|left, right| left[2].cmp(&right[2]));
    let errors: Vec<&str> = failed.iter().map(|row| &*row[1]).collect();
    assert_eq!(
        errors,
        [
            "INVALID_FIELD:Foreign key external ID: a9 not found for field Ext_Id__c in entity Account:--",
            "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --",
            "INVALID_TYPE_ON_FIELD_IN_RECORD:Birthdate: value not of required type: someday:Birthdate --",
            "DUPLICATE_VALUE:Duplicate external id specified: C6:Ext_Id__c --",
            "DUPLICATE_VALUE:Duplicate external id specified: c6:Ext_Id__c --",
        ]
    );
    let held = sandbox.sf_held("Contact").await;
    assert_eq!((&held[0]["LastName"], &held[0]["Title"]), (&json!("Lovelace, Ada"), &Value::Null));
    assert_eq!((held.len(), &held[1]["Birthdate"]), (2, &json!("2000-02-29")));
    assert_eq!(sandbox.sf("DELETE", &path, "").await.status, 204);
    assert_eq!(sandbox.sf("GET", &path, "").await.status, 404);
}

#[tokio::test]
async fn a_job_that_cannot_be_read_writes_nothing() {
    let sandbox = Sandbox::start("salesforce: {job_bytes: 40}").await;
    let job = json!({"object": "Account", "operation": "insert", "lineEnding": "LF"});
    for (csv, error) in [
        ("Name,x\nAcme,1\n", "InvalidBatch : Field name not found : x"),
        (
            "Name\r\nAcme\r\n",
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF",
        ),
    ] {
        let id = sandbox.job(job.clone(), csv).await;
        let told = sandbox.sf("GET", &format!("/jobs/ingest/{id}"), "").await.json();
        assert_eq!((&told["state"], &told["errorMessage"]), (&json!("Failed"), &json!(error)));
        assert_eq!(sandbox.results(&id, "unprocessedrecords").await.len(), 1);
    }
    assert!(sandbox.sf_held("Account").await.is_empty());
    let id =
        sandbox.sf("POST", "/jobs/ingest", &job).await.json()["id"].as_str().unwrap().to_owned();
    let put = async |body: String| {
        let request = sandbox.request("PUT", &format!("{DATA}/jobs/ingest/{id}/batches"));
        let request = request.bearer_auth("sandbox-token").header("content-type", "text/csv");
        send(request.body(body)).await.unwrap().status
    };
    assert_eq!(put("x".repeat(41)).await, 413);
    assert_eq!(put("Name\nAcme\n".to_owned()).await, 201);
    assert_eq!(put("Name\nAcme\n".to_owned()).await, 201);
    let path = format!("/jobs/ingest/{id}");
    let twice = sandbox.sf("PATCH", &path, json!({"state": "UploadComplete"})).await;
    assert_eq!(code(&twice), refused(400, "INVALIDJOB"));
    let aborted = sandbox.sf("PATCH", &path, json!({"state": "Aborted"})).await.json();
    assert_eq!(aborted["state"], "Aborted");
    assert_eq!(sandbox.results(&id, "unprocessedrecords").await, [["Acme"]]);
    let late = sandbox.sf("PATCH", &path, json!({"state": "UploadComplete"})).await;
    assert_eq!(code(&late), refused(400, "INVALIDJOBSTATE"));
    for (job, error) in [
        (json!({"object": "Dragon", "operation": "insert"}), "INVALIDENTITY"),
        (json!({"object": "Account", "operation": "upsert"}), "INVALIDJOB"),
    ] {
        let reply = sandbox.sf("POST", "/jobs/ingest", job).await;
        assert_eq!(code(&reply), refused(400, error));
    }
}

#[tokio::test]
async fn faults_strike_salesforces_routes() {
    let sandbox = Sandbox::start(
        "salesforce: {lock_ms: 300}
faults:
  - {on: 'POST *', calls: [1], do: reset_after}
  - {on: 'PATCH /services/data/{v}/composite/sobjects/{o}/{f}', calls: [1], do: drop_results}
  - {on: 'GET /services/data/v60.0/limits', calls: [1], do: expire_token}
  - {on: 'GET /services/data/v60.0/limits', calls: [2], do: status, status: 503}",
    )
    .await;
    let account = json!({"Name": "Acme", "Ext_Id__c": "A1"});
    sandbox.try_call("POST", &format!("{DATA}/sobjects/Account"), account).await.unwrap_err();
    assert_eq!(sandbox.sf_held("Account").await.len(), 1);
    let child = |key: &str| {
        typed("Contact", json!({"LastName": "x", "Ext_Id__c": key, "Account": {"Ext_Id__c": "A1"}}))
    };
    let upsert = async |keys: &[&str]| {
        let records: Vec<Value> = keys.iter().map(|key| child(key)).collect();
        let path = "/composite/sobjects/Contact/Ext_Id__c";
        sandbox.sf("PATCH", path, json!({"records": records})).await.json()
    };
    assert_eq!(upsert(&["C1", "C2"]).await.as_array().unwrap().len(), 1);
    let locked = upsert(&["C3"]).await;
    assert_eq!(locked[0]["errors"][0]["statusCode"], "UNABLE_TO_LOCK_ROW", "{locked}");
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(upsert(&["C3"]).await[0]["success"], true);
    assert_eq!(code(&sandbox.sf("GET", "/limits", "").await), refused(401, "INVALID_SESSION_ID"));
    assert_eq!(code(&sandbox.sf("GET", "/limits", "").await), refused(503, "SERVER_UNAVAILABLE"));
}

#[tokio::test]
async fn results_of_a_job_may_be_spoilt_and_its_upload_compressed() {
    let on = "GET /services/data/{v}/jobs/ingest/{job}/successfulResults";
    let sandbox =
        Sandbox::start(&format!("faults: [{{on: '{on}', calls: [1], do: drop_results}}]")).await;
    let job = json!({"object": "Account", "operation": "insert", "columnDelimiter": "PIPE"});
    let made = sandbox.sf("POST", "/jobs/ingest", job).await.json();
    let path = format!("/jobs/ingest/{}", made["id"].as_str().unwrap());
    let mut zipped = GzEncoder::new(Vec::new(), Compression::default());
    zipped.write_all(b"Name|Phone\na, b|1\nc|2\n").unwrap();
    let upload = sandbox.request("PUT", &format!("{DATA}{path}/batches"));
    let upload = upload.bearer_auth("sandbox-token").header("content-type", "text/csv");
    let upload = upload.header("content-encoding", "gzip").body(zipped.finish().unwrap());
    assert_eq!(send(upload).await.unwrap().status, 201);
    sandbox.sf("PATCH", &path, json!({"state": "UploadComplete"})).await;
    let mut lines = Vec::new();
    for _ in 0..2 {
        let told = sandbox.sf("GET", &format!("{path}/successfulResults"), "").await;
        assert_eq!(told.header("content-type"), "text/csv");
        assert!(told.text.starts_with("\"sf__Id\"|\"sf__Created\"|Name|Phone\n"));
        lines.push(told.text.lines().count());
    }
    assert_eq!(lines, [2, 3]);
    assert_eq!(sandbox.sf_held("Account").await[0]["Name"], "a, b");
}

#[tokio::test]
async fn calls_in_calls_that_write_one_record_at_once_are_counted() {
    let sandbox = Sandbox::start("latency_ms: 300").await;
    let call = |name: &str| {
        json!({"compositeRequest": [{"method": "PATCH", "referenceId": "one", "body": {"Name": name},
            "url": format!("{DATA}/sobjects/Account/Ext_Id__c/A1")}]})
    };
    let record = typed("Account", json!({"Ext_Id__c": "a1", "Name": "z"}));
    let collection = json!({"records": [record]});
    let path = "/composite/sobjects/Account/Ext_Id__c";
    let (one, two, three) = tokio::join!(
        sandbox.sf("POST", "/composite", call("x")),
        sandbox.sf("POST", "/composite", call("y")),
        sandbox.sf("PATCH", path, collection),
    );
    assert_eq!([one.status, two.status, three.status], [200, 200, 200]);
    assert_eq!(sandbox.sf_held("Account").await.len(), 1);
    assert_eq!(sandbox.calls().await["max_in_flight_same_record"], 3);
}

#[tokio::test]
async fn each_answer_of_a_job_may_be_lost() {
    let sandbox = Sandbox::start(
        "faults:
- {on: 'POST /services/data/{version}/jobs/ingest', times: 1, do: reset_after}
- {on: 'PUT /services/data/{version}/jobs/ingest/{job}/batches', times: 1, do: reset_after}
- {on: 'PATCH /services/data/{version}/jobs/ingest/{job}', times: 1, do: status_after, status: 503}",
    )
    .await;
    let job = json!({"object": "Account", "operation": "insert"});
    let request = |method: &str, path: &str, kind: &str, body: String| {
        let request = sandbox.request(method, &format!("{DATA}/jobs/ingest{path}"));
        send(request.bearer_auth("sandbox-token").header("content-type", kind).body(body))
    };
    assert!(request("POST", "", "application/json", job.to_string()).await.is_err());
    let jobs = sandbox.sf("GET", "/jobs/ingest", "").await.json();
    assert_eq!(jobs["records"].as_array().unwrap().len(), 1);
    let path = format!("/{}", jobs["records"][0]["id"].as_str().unwrap());
    let upload = format!("{path}/batches");
    assert!(request("PUT", &upload, "text/csv", "Name\nAcme\n".to_owned()).await.is_err());
    let close = json!({"state": "UploadComplete"}).to_string();
    let closed = request("PATCH", &path, "application/json", close).await.unwrap();
    assert_eq!(closed.status, 503);
    let told = sandbox.sf("GET", &format!("/jobs/ingest{path}"), "").await.json();
    assert_eq!(
        (&told["state"], &told["numberRecordsProcessed"]),
        (&json!("JobComplete"), &json!(1))
    );
}
