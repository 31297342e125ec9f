//! What the README says of the service: its commands are carried out as they stand there, and its
//! configurations are read.

use serde_json::{Value, json};
use target_upsert::serve::ServeConfig;

use crate::service::{Answer, Service};
use crate::support::{Remote, fixture};

/// The README's part on the service.
fn section() -> &'static str {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("\n## Over HTTP\n").unwrap();
    rest.split_once("\n## ").unwrap().0
}

/// Its blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let start = format!("\n```{language}\n");
    section().split(&start).skip(1).map(|rest| rest.split_once("\n```").unwrap().0).collect()
}

/// The block of shell commands that begins so.
#[track_caller]
fn shell(start: &str) -> &'static str {
    blocks("sh").into_iter().find(|block| block.starts_with(start)).unwrap()
}

/// The words of a command, as a shell has them.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for char in command.replace("$ADMIN_KEY", "admin-key").chars() {
        match (char, quote) {
            (_, Some(open)) if char == open => quote = None,
            ('\'' | '"', None) => quote = Some(char),
            (' ', None) => words.push(std::mem::take(&mut word)),
            _ => word.push(char),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Sends the requests of a block.
fn sent(service: &Service, block: &str) -> Vec<Answer> {
    let commands = block.replace("\\\n", "");
    let requests = commands.lines().filter_map(|line| line.strip_prefix("curl "));
    requests.map(|request| curl(service, request)).collect()
}

/// Sends what `curl` would, given this.
fn curl(service: &Service, request: &str) -> Answer {
    let (mut method, mut headers, mut body, mut address) = (None, Vec::new(), None, None);
    let mut words = words(request).into_iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap();
        match word.as_str() {
            "-X" => method = Some(value()),
            "-H" => headers.push(value()),
            "-d" => body = Some(value()),
            _ => assert!(address.replace(word).is_none(), "{request}"),
        }
    }
    let method = method.unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" }.to_owned());
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|header| header.split_once(": ").unwrap()).collect();
    let address = address.unwrap();
    let path = address.strip_prefix("localhost:8080").unwrap_or_else(|| panic!("{request}"));
    service.send(&method, path, &headers, &body.unwrap_or_default())
}

/// A service that is started with a file, as the repository's folder would have it.
fn started(file: &str) -> Service {
    let path = file.strip_prefix("fixtures/").unwrap();
    let text = std::fs::read_to_string(fixture(path)).unwrap();
    assert!(text.starts_with('#') && text.contains("\nlisten: 127.0.0.1:8080\n"), "{text}");
    Service::of(&text.replace("fixtures/serve", &fixture("serve").display().to_string()))
}

/// Whatever is told of in shell commands is tried by the tests below.
#[test]
fn each_command_is_tried() {
    let firsts: Vec<_> = blocks("sh").iter().map(|block| block.lines().next().unwrap()).collect();
    assert_eq!(
        firsts,
        [
            "target-upsert serve --config fixtures/serve/sandbox.yaml &",
            "curl -H 'idempotency-key: export-77' -d '{\"environment\": \"dev\", \"flow\": \"crm\", \"tenant\": \"acme\",",
            "curl -X PUT -H \"x-api-key: $ADMIN_KEY\" localhost:8080/api/v1/tenants/prod/globex",
            "curl -X POST -H \"x-api-key: $ADMIN_KEY\" -d '{\"streams\": [\"contacts\"]}' \\",
            "target-upsert serve --config fixtures/serve/tap.yaml &",
        ]
    );
}

#[test]
fn the_service_to_try_writes_without_an_account() {
    let file = "fixtures/serve/sandbox.yaml";
    let service = started(file);
    let answers = sent(&service, shell(&format!("target-upsert serve --config {file} &\n")));
    let [record, job] = &answers[..] else { panic!("{answers:?}") };
    let bookmark = &record.is(200)["state"]["bookmarks"]["contacts"][0];
    assert_eq!((&bookmark["success"], &bookmark["externalId"]), (&json!(true), &json!("c-1")));
    let job = job.is(201);
    let ended = service.ended(job["job_id"].as_str().unwrap());
    assert_eq!(ended["status"], "succeeded", "{ended}");
    assert_eq!(ended["summary"]["streams"]["contacts"]["created"], 1, "{ended}");
    // A line's end within a body is none of a command's.
    let block = shell("curl -H ").replace("\"acme\",\n", "\"acme\",");
    let asked = block.split_inclusive("/api/v1/jobs\n").next().unwrap();
    let [job] = &sent(&service, asked)[..] else { panic!("{asked}") };
    let id = job.is(201)["id"].as_str().unwrap().to_owned();
    assert_eq!(service.ended(&id)["status"], "completed_with_failures");
    let answers = sent(&service, &block.replace("$JOB", &id));
    let [again, told, refused, retry] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((&again.is(201)["id"], &told.is(200)["id"]), (&json!(id), &json!(id)));
    assert!(refused.text.contains("c-3"), "{}", refused.text);
    assert_eq!(retry.is(201)["retries"], json!(id));
    // The sandbox that it has is asked, and not another one.
    let checked = service.post("/api/v1/check/dev/crm/acme/rest", &json!({}));
    assert_eq!(checked.is(200)["ok"], true, "{checked:?}");
    assert_eq!(service.get("/healthz").text, "ok\n");
    assert_eq!(service.get("/api/v1/openapi.json").is(200)["openapi"], "3.1.0");
    // The page is where it is said to be.
    assert_eq!(service.get("/").headers["location"], "/ui/jobs");
}

#[test]
fn the_tap_to_try_goes_on_where_it_was() {
    let file = "fixtures/serve/tap.yaml";
    let service = started(file);
    let block = shell(&format!("target-upsert serve --config {file} &\n"));
    for (run, first) in ["c-1", "c-4"].into_iter().enumerate() {
        let answers = sent(&service, block);
        let [job, state] = &answers[..] else { panic!("{answers:?}") };
        let job = job.is(201);
        let id = job["id"].as_str().unwrap();
        assert_eq!(service.ended(id)["status"], "succeeded");
        let told = service.get(&format!("/api/v1/jobs/{id}/state")).is(200);
        assert_eq!(told["mappings"]["contacts"][0]["InputId"], first);
        // Asked for at once, as in the README, it may be that of before.
        state.is(200);
        let state = curl(&service, block.lines().last().unwrap().strip_prefix("curl ").unwrap());
        assert_eq!(state.is(200)["state"], json!({"next": 4 + 3 * run}));
    }
}

#[test]
fn a_tenant_is_added_to_the_configuration_that_is_shown() {
    let config = blocks("yaml").into_iter().find(|block| block.starts_with("listen: ")).unwrap();
    let service = Service::of(config);
    let answers = sent(&service, shell("curl -X PUT "));
    let [tenant, account, key] = &answers[..] else { panic!("{answers:?}") };
    tenant.is(201);
    let given = json!([{"id": "hubspot", "said_in": "api"}]);
    assert_eq!(account.is(201)["connectors"], given);
    let key = key.is(201)["key"].as_str().unwrap().to_owned();
    let seen = service.send("GET", "/api/v1/tenants/prod", &[("x-api-key", &key)], "").is(200);
    let seen: Vec<&Value> = seen.as_array().unwrap().iter().map(|tenant| &tenant["id"]).collect();
    assert_eq!(seen, ["globex"]);
    assert!(service.path(".target-upsert/serve/serve.db").exists());
}

#[test]
fn an_account_is_checked_as_it_is_told() {
    let remote = Remote::start();
    let own = json!({"base_url": remote.url,
        "streams": {"contacts": {"external_id_property": "acme_id"}}});
    let service = Service::start(&json!({"admin_keys": [{"env": "ADMIN_KEY"}],
        "environments": {"prod": {
            "flows": {"crm": {"connectors": {"hubspot": {"config": own}}}},
            "tenants": {"globex": {"connectors": {"hubspot": {"access_token": "sandbox-token"}}}}}}}));
    let [answer] = &sent(&service, shell("curl -X POST "))[..] else { panic!() };
    let mut told = answer.is(200);
    for check in told["checks"].as_array_mut().unwrap() {
        check["detail"] = if check["ok"] == true { "…".into() } else { check["detail"].clone() };
        if check.get("hint").is_some() {
            check["hint"] = "…".into();
        }
    }
    let shown: Value = serde_json::from_str(blocks("json")[0]).unwrap();
    assert_eq!(told, shown);
}

#[test]
fn each_configuration_is_read() {
    let blocks = blocks("yaml");
    let firsts: Vec<_> = blocks.iter().map(|block| block.lines().next().unwrap()).collect();
    assert_eq!(firsts, ["listen: 127.0.0.1:8080", "flows:", "environments:"]);
    for block in blocks {
        let text = if block.starts_with("flows:") {
            format!("environments:\n  prod:\n    {}", block.replace('\n', "\n    "))
        } else {
            // A webhook names a flow, which stands elsewhere.
            block.replace(
                "  prod:\n    webhooks:",
                "  prod:\n    flows: { crm: { connectors: { hubspot: {} } } }\n    webhooks:",
            )
        };
        let read = ServeConfig::parse(&text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
        assert_eq!(read.environments.len(), 1);
    }
}

/// The row of a table that begins with this key: what stands in its second column.
#[track_caller]
fn default_of(key: &str) -> String {
    let start = format!("\n| `{key}` | ");
    let (_, rest) = section().split_once(&start).unwrap_or_else(|| panic!("no row of `{key}`"));
    rest.split_once(" |").unwrap().0.to_owned()
}

#[test]
fn defaults_are_as_they_are_told() {
    let config = ServeConfig::default();
    let secs = |key: &str| default_of(key).parse::<f64>().unwrap();
    let count = |key: &str| default_of(key).replace(',', "").parse::<usize>().unwrap();
    let bytes = |key: &str| {
        let told = default_of(key);
        told.strip_suffix(" MiB").unwrap().parse::<usize>().unwrap() << 20
    };
    assert_eq!(count("max_jobs"), config.max_jobs);
    assert_eq!(count("max_queued_jobs"), config.max_queued_jobs);
    assert_eq!(bytes("max_body_bytes"), config.max_body_bytes);
    assert_eq!(bytes("max_record_bytes"), config.max_record_bytes);
    let is = |told: f64, secs: f64| assert!((told - secs).abs() < 1e-9, "{told} {secs}");
    is(secs("request_secs"), config.request_secs.duration().as_secs_f64());
    is(secs("deadline_secs"), config.deadline_secs.duration().as_secs_f64());
    assert_eq!(count("renew_secs") as u64, config.renew_secs.duration().as_secs());
    is(secs("search_secs"), config.search_secs.duration().as_secs_f64());
    is(secs("keep_days"), config.keep_days);
    assert!(section().contains(&format!("`data` (`{}`, unless said)", config.data.display())));
}

#[test]
fn each_metric_is_told_of_and_none_else() {
    let service = started("fixtures/serve/sandbox.yaml");
    sent(&service, shell("target-upsert serve --config fixtures/serve/sandbox.yaml &\n"));
    let (_, table) = section().split_once("\n| `target_upsert_…` | counts |\n").unwrap();
    let table = table.split_once("\n\n").unwrap().0;
    let sources = [
        include_str!("../../src/serve/telemetry.rs"),
        include_str!("../../src/connector/http/meter.rs"),
    ];
    let firsts = table.lines().skip(1).map(|row| row.split(" | ").next().unwrap());
    let names = firsts.flat_map(|names| names.split('`').skip(1).step_by(2));
    let names: Vec<_> = names.filter(|name| !name.starts_with("process_")).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in &names {
        let constant = format!("\"target_upsert_{name}\"");
        assert!(sources.iter().any(|source| source.contains(&constant)), "there is no {constant}");
    }
    let told = service.get("/metrics").text;
    let kinds = told.lines().filter_map(|line| line.strip_prefix("# TYPE target_upsert_"));
    let kinds: Vec<_> = kinds.map(|kind| kind.split(' ').next().unwrap()).collect();
    assert!(kinds.len() > 8, "{told}");
    for kind in kinds {
        assert!(names.contains(&kind), "the README has no `{kind}`");
    }
}
